/* protocols/tls_tunnel/control_write.c - writing control messages; see control.h. Keys are in the order of
 * the original: inside params and result by the alphabet.
 */
#include <stdio.h>

#include "protocols/tls_tunnel/control.h"

static const char protocol_version[] = "1.5.1", min_client_version[] = "1.4.0";

static void put_string(struct json_text *text, const char *key, const char *value)
{
	json_put(text, key);
	json_put_text(text, slice_of(value ? value : ""));
}

static void put_number(struct json_text *text, const char *key, int64_t value)
{
	json_put(text, key);
	json_put_number(text, value);
}

static void put_features(struct json_text *text, uint32_t features)
{
	bool first = true;
	if (!features)
		return;
	json_put(text, ",\"features\":[");
	for (size_t i = 0; i < COUNT_OF(feature_words); i++) {
		if (!(features & feature_words[i].bit))
			continue;
		put_string(text, first ? "" : ",", feature_words[i].name);
		first = false;
	}
	json_put(text, "]");
}

static void put_instance(struct json_text *text, const uint8_t instance[INSTANCE_SIZE])
{
	static const uint8_t none[INSTANCE_SIZE];
	char digits[2 * INSTANCE_SIZE + 1];
	if (memcmp(instance, none, INSTANCE_SIZE) == 0)
		return;
	for (size_t i = 0; i < INSTANCE_SIZE; i++)
		snprintf(digits + 2 * i, 3, "%02x", instance[i]);
	put_string(text, ",\"instance\":", digits);
}

static void put_slices(struct json_text *text, const struct slice *items, uint32_t count)
{
	json_put(text, "[");
	for (uint32_t i = 0; i < count; i++) {
		json_put(text, i ? "," : "");
		json_put_text(text, items[i]);
	}
	json_put(text, "]");
}

static void put_id(struct json_text *text, const json_t *id)
{
	json_put(text, ",\"id\":");
	json_put_value(text, id);
	json_put(text, "}");
}

static void say_authenticate(const struct event *event, struct json_text *text)
{
	static const struct credentials none;
	const struct credentials *credentials = event->credentials ? event->credentials : &none;
	json_put(text, "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":");
	json_put_text(text, credentials->secret);
	put_features(text, credentials->features);
	put_instance(text, credentials->instance);
	if (credentials->features & FEATURE_LINKS)
		put_number(text, ",\"link\":", credentials->link);
	put_string(text, ",\"protocol_version\":", protocol_version);
	json_put(text, "},\"id\":1}");
}

/* What we show in the answer: nothing to a peer that has shown nothing, and only what this wire can do. */
static uint32_t features_answered(const struct control *control, const struct event *event)
{
	uint32_t features = event->credentials ? event->credentials->features : FEATURE_OURS;
	return control->shown_by_peer ? features & CONTROL_FEATURES : 0;
}

static void say_login_answer(const struct control *control, const struct event *event, const char *uuid,
			     struct json_text *text)
{
	json_put(text, "{\"jsonrpc\":\"2.0\",");
	if (event->reason != REASON_OK) {
		json_put(text, "\"error\":{\"code\":-32000,\"message\":");
		json_put_text(text, event->text.size ? event->text : slice_of("Invalid authentication key"));
		json_put(text, "}");
	} else {
		json_put(text, "\"result\":{\"client_id\":\"client_");
		json_put(text, uuid);
		json_put(text, "\"");
		put_features(text, features_answered(control, event));
		put_string(text, ",\"min_client_version\":", min_client_version);
		put_string(text, ",\"protocol_version\":", protocol_version);
		json_put(text, "}");
	}
	put_id(text, control->login_id);
}

static void put_publication(struct json_text *text, const struct publication *publication)
{
	if (publication->visitor) {
		put_string(text, "{\"bind_addr\":", publication->bind_addr);
		put_number(text, ",\"bind_port\":", publication->bind_port);
		put_string(text, ",\"name\":", publication->name);
	} else {
		put_number(text, "{\"local_port\":", publication->local_port);
		put_string(text, ",\"name\":", publication->name);
	}
	put_string(text, ",\"proxy_type\":", publication->type ? publication->type : "tcp");
	if (!publication->visitor)
		put_string(text, ",\"publish_addr\":", publication->publish_addr);
	put_number(text, ",\"publish_port\":", publication->publish_port);
	json_put(text, "}");
}

static void say_config(const struct event *event, struct json_text *text)
{
	json_put(text, "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{");
	for (int visitors = 0; visitors < 2; visitors++) {
		bool first = true;
		json_put(text, visitors ? ",\"visitors\":[" : "\"proxies\":[");
		for (uint32_t i = 0; i < event->publication_count; i++) {
			if (event->publications[i].visitor != visitors)
				continue;
			json_put(text, first ? "" : ",");
			put_publication(text, &event->publications[i]);
			first = false;
		}
		json_put(text, "]");
	}
	json_put(text, "},\"id\":2}");
}

static void put_all_rejected(struct json_text *text, const struct event *event)
{
	if (event->text.size) {
		json_put_text(text, event->text);
		return;
	}
	struct json_text message;
	json_text_init(&message, text->pool);
	json_put(&message, "All proxies rejected: ");
	for (uint32_t i = 0; i < event->refused_count; i++) {
		char item[HOST_SIZE + 8];
		text_copy(item, sizeof item, event->refused[i]);
		json_put(&message, i ? ", " : "");
		json_put(&message, item);
	}
	if (message.failed)
		text->failed = true;
	else
		json_put_text(text, (struct slice){message.buf->bytes, message.buf->used});
	json_text_fini(&message);
}

static void say_config_answer(const struct control *control, const struct event *event,
			      struct json_text *text)
{
	json_put(text, "{\"jsonrpc\":\"2.0\",");
	if (event->reason == REASON_OK) {
		json_put(text, "\"result\":{\"rejected_proxies\":");
		put_slices(text, event->refused, event->refused_count);
		json_put(text, "}");
	} else {
		json_put(text, "\"error\":{\"code\":-32001,\"message\":");
		put_all_rejected(text, event);
		json_put(text, ",\"data\":{\"rejected_proxies\":");
		put_slices(text, event->refused, event->refused_count);
		json_put(text, "}}");
	}
	put_id(text, control->config_id);
}

/* ---- push_exception ---- */

static void put_bind(struct json_text *text, const struct note *note)
{
	static const struct publication unknown;
	const struct publication *about = note->about ? note->about : &unknown;
	bool retry = note->kind == NOTE_BIND_RETRY;
	json_put(text, retry ? "{\"error\":" : "{\"final_error\":");
	json_put_text(text, note->text);
	put_number(text, ",\"max_retries\":", note->retry_max);
	put_string(text, ",\"proxy_name\":", about->name);
	put_string(text, ",\"publish_addr\":", about->publish_addr);
	put_number(text, ",\"publish_port\":", about->publish_port);
	if (retry) {
		put_number(text, ",\"retry_count\":", note->retry);
		put_number(text, ",\"retry_delay_secs\":", note->delay_s);
	}
	json_put(text, "}");
}

/* "name:port" of one kind of entry; the same text as in the list of what was refused. */
static void put_items_of(struct json_text *text, const struct event *event, bool visitors)
{
	bool first = true;
	json_put(text, "[");
	for (uint32_t i = 0; i < event->publication_count; i++) {
		char item[HOST_SIZE + 8];
		const struct publication *publication = &event->publications[i];
		if (publication->visitor != visitors)
			continue;
		snprintf(item, sizeof item, "%s:%u", publication->name, publication->publish_port);
		put_string(text, first ? "" : ",", item);
		first = false;
	}
	json_put(text, "]");
}

static void put_partial(struct json_text *text, const struct event *event)
{
	json_put(text, "{\"rejected_items\":");
	put_slices(text, event->refused, event->refused_count);
	json_put(text, ",\"rejected_proxies\":");
	put_items_of(text, event, false);
	json_put(text, ",\"rejected_visitors\":");
	put_items_of(text, event, true);
	json_put(text, "}");
}

static void say_exception(const struct event *event, struct json_text *text)
{
	static const struct note none;
	const struct note *note = event->note ? event->note : &none;
	const char *code = note_word(note->kind);
	bool bind = note->kind == NOTE_BIND_RETRY || note->kind == NOTE_BIND_FAILED;
	json_put(text, "{\"jsonrpc\":\"2.0\",\"method\":\"push_exception\",\"params\":{");
	if (code || note->code.size) {
		json_put(text, "\"code\":");
		json_put_text(text, code ? slice_of(code) : note->code);
		json_put(text, ",");
	}
	if (note->kind != NOTE_TEXT)
		json_put(text, "\"data\":");
	if (bind)
		put_bind(text, note);
	if (note->kind == NOTE_PARTIAL)
		put_partial(text, event);
	if (note->kind == NOTE_ALL_REFUSED) {
		json_put(text, "{\"reason\":");
		json_put_text(text, note->text);
		json_put(text, ",\"rejected_proxies\":");
		put_slices(text, event->refused, event->refused_count);
		json_put(text, "}");
	}
	json_put(text, note->kind != NOTE_TEXT ? "," : "");
	put_string(text, "\"level\":", level_word(note->level));
	json_put(text, ",\"message\":");
	json_put_text(text, bind ? slice_of("bind failed") : note->text);
	json_put(text, "}}");
}

void control_encode(const struct control *control, const struct event *event, const char *uuid,
		    struct json_text *text)
{
	switch (event->kind) {
	case EVENT_AUTH:
		say_authenticate(event, text);
		break;
	case EVENT_AUTHED:
		say_login_answer(control, event, uuid, text);
		break;
	case EVENT_PUBLISH:
		say_config(event, text);
		break;
	case EVENT_PUBLISHED:
		say_config_answer(control, event, text);
		break;
	case EVENT_NOTE:
		say_exception(event, text);
		break;
	default:
		json_put(text, "{\"jsonrpc\":\"2.0\",\"method\":\"heartbeat\",\"params\":null}");
		break;
	}
}

void control_said(struct control *control, const struct event *event)
{
	bool accepted = event->reason == REASON_OK;
	switch (event->kind) {
	case EVENT_AUTH:
		control->login = EXCHANGE_ASKED;
		control->shown_by_us = event->credentials ? event->credentials->features : 0;
		break;
	case EVENT_AUTHED:
		control->login = accepted ? EXCHANGE_DONE : EXCHANGE_NONE;
		control->shown_by_us = features_answered(control, event);
		break;
	case EVENT_PUBLISH:
		control->config = EXCHANGE_ASKED;
		break;
	case EVENT_PUBLISHED:
		control->config = accepted ? EXCHANGE_DONE : EXCHANGE_NONE;
		break;
	default:
		break;
	}
}

void control_uuid(char uuid[CONTROL_UUID_SIZE], uint64_t *random)
{
	uint64_t high = (random_next(random) & ~(uint64_t)0xf000) | 0x4000;
	uint64_t low = (random_next(random) & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62;
	snprintf(uuid, CONTROL_UUID_SIZE, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
		 (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xffff), (unsigned)(low >> 48),
		 (unsigned long long)(low & 0xffffffffffff));
}
