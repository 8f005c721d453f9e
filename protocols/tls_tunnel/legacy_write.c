/* protocols/tls_tunnel/legacy_write.c - saying the handshakes before yamux; see legacy.h. Keys are in the
 * order of the original. What it does not know it ignores: "features" is ours.
 */
#include <stdio.h>

#include "protocols/tls_tunnel/legacy.h"

enum { NUMBER_SIZE = 4 };

static void put_number(struct json_text *text, uint32_t number, size_t size)
{
	uint8_t bytes[NUMBER_SIZE];
	put32(bytes, number);
	json_put_bytes(text, (struct slice){bytes + NUMBER_SIZE - size, size});
}

/* A size is said when it is known: room for it, and what it is the size of begins. */
static size_t begin_sized(struct json_text *text)
{
	put_number(text, 0, NUMBER_SIZE);
	return text->failed ? 0 : text->buf->used;
}

static void end_sized(struct json_text *text, size_t begin)
{
	if (!text->failed)
		put32(text->buf->bytes + begin - NUMBER_SIZE, (uint32_t)(text->buf->used - begin));
}

static void put_member(struct json_text *text, const char *key, const char *value)
{
	json_put(text, key);
	json_put_text(text, slice_of(value));
}

static void put_port(struct json_text *text, const char *key, uint16_t port)
{
	json_put(text, key);
	json_put_number(text, port);
}

void legacy_refuse(struct json_text *text, struct slice why)
{
	size_t size = size_min(why.size, LEGACY_TEXT_MAX);
	while (size < why.size && size && (why.at[size] & 0xc0) == 0x80)
		size--; /* not in the middle of a character */
	put_number(text, 0, 1);
	put_number(text, (uint32_t)size, 2);
	json_put_bytes(text, (struct slice){why.at, size});
}

/* "All proxies rejected: NAME:PORT, NAME:PORT" */
static void refuse_items(struct json_text *text, const struct event *event)
{
	struct json_text why;
	json_text_init(&why, text->pool);
	json_put(&why, "All proxies rejected: ");
	for (uint32_t i = 0; i < event->refused_count; i++) {
		json_put(&why, i ? ", " : "");
		json_put_bytes(&why, event->refused[i]);
	}
	if (why.failed)
		text->failed = true;
	else
		legacy_refuse(text, (struct slice){why.buf->bytes, why.buf->used});
	json_text_fini(&why);
}

/* ---- by a client ---- */

static void say_key(const struct legacy *legacy, const struct event *event, struct json_text *text)
{
	static const struct credentials none;
	const struct credentials *credentials = event->credentials ? event->credentials : &none;
	size_t begin = begin_sized(text);
	if (legacy->generation == TUNNEL_14Y) {
		json_put(text, "{\"auth_key\":");
		json_put_text(text, credentials->secret);
		json_put(text, legacy->guess ? ",\"features\":[\"1.5\"]}" : "}");
	} else {
		json_put_bytes(text, credentials->secret);
	}
	end_sized(text, begin);
}

static void put_publication(struct json_text *text, const struct publication *publication)
{
	put_member(text, "{\"name\":", publication->name);
	put_member(text, ",\"proxy_type\":", publication->type ? publication->type : "tcp");
	if (publication->visitor) {
		put_member(text, ",\"bind_addr\":", publication->bind_addr);
		put_port(text, ",\"bind_port\":", publication->bind_port);
		put_port(text, ",\"publish_port\":", publication->publish_port);
	} else {
		put_member(text, ",\"publish_addr\":", publication->publish_addr);
		put_port(text, ",\"publish_port\":", publication->publish_port);
		put_port(text, ",\"local_port\":", publication->local_port);
	}
	json_put(text, "}");
}

static uint32_t put_publications(struct json_text *text, const struct event *event, bool visitors)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < event->publication_count; i++) {
		if (event->publications[i].visitor != visitors)
			continue;
		json_put(text, count++ ? "," : "");
		put_publication(text, &event->publications[i]);
	}
	return count;
}

static void say_json(const struct event *event, struct json_text *text)
{
	size_t begin = begin_sized(text);
	json_put(text, "{\"version\":1,\"proxies\":[");
	put_publications(text, event, false);
	json_put(text, "],\"visitors\":[");
	bool visits = put_publications(text, event, true);
	json_put(text, visits ? "],\"features\":[\"visitor-port\"]}" : "]}");
	end_sized(text, begin);
}

static void say_list(const struct event *event, struct json_text *text)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < event->publication_count; i++)
		count += !event->publications[i].visitor;
	put_number(text, count, 2);
	for (uint32_t i = 0; i < event->publication_count; i++) {
		const struct publication *publication = &event->publications[i];
		if (publication->visitor)
			continue;
		struct slice name = slice_of(publication->name);
		put_number(text, (uint32_t)name.size, 2);
		json_put_bytes(text, name);
		put_number(text, publication->publish_port, 2);
		put_number(text, publication->local_port, 2);
	}
}

/* ---- by a server ---- */

/* `more`: members behind it. */
static void say_verdict(struct json_text *text, const char *word, bool accepted, struct slice error,
			const char *more)
{
	size_t begin = begin_sized(text);
	json_put(text, "{\"");
	json_put(text, word);
	json_put(text, accepted ? "\":true" : "\":false");
	if (!accepted) {
		json_put(text, ",\"error\":");
		json_put_text(text, error);
	}
	json_put(text, more);
	json_put(text, "}");
	end_sized(text, begin);
}

static void say_login_answer(const struct legacy *legacy, const struct event *event, struct json_text *text)
{
	bool accepted = event->reason == REASON_OK;
	struct slice why = event->text.size ? event->text : slice_of("Invalid authentication key");
	if (legacy->generation == TUNNEL_14Y)
		say_verdict(text, "success", accepted, why,
			    accepted && legacy->guess ? ",\"features\":[\"1.5\"]" : "");
	else if (accepted)
		put_number(text, 1, 1);
	else
		legacy_refuse(text, why);
}

static void say_lists(const struct event *event, struct json_text *text)
{
	size_t begin = begin_sized(text);
	json_put(text, event->reason == REASON_OK ? "{\"accepted\":true" : "{\"accepted\":false");
	json_put(text, ",\"rejected_proxies\":[");
	for (uint32_t i = 0; i < event->refused_count; i++) {
		json_put(text, i ? "," : "");
		json_put_text(text, event->refused[i]);
	}
	json_put(text, "]}");
	end_sized(text, begin);
}

/* What breaks a rule has a text; what others hold is listed. */
static void say_config_answer(const struct legacy *legacy, const struct event *event, struct json_text *text)
{
	bool accepted = event->reason == REASON_OK;
	bool valid = accepted || (event->refused_count && !event->text.size);
	if (legacy->generation == TUNNEL_14Y) {
		say_verdict(text, "valid", valid, event->text, "");
		if (valid)
			say_lists(event, text);
	} else if (accepted) {
		put_number(text, 1, 1);
	} else if (valid) {
		refuse_items(text, event);
	} else {
		legacy_refuse(text, event->text);
	}
}

void legacy_encode(const struct legacy *legacy, const struct event *event, struct json_text *text)
{
	switch (event->kind) {
	case EVENT_AUTH:
		say_key(legacy, event, text);
		break;
	case EVENT_AUTHED:
		say_login_answer(legacy, event, text);
		break;
	case EVENT_PUBLISH:
		if (legacy->generation == TUNNEL_10)
			say_list(event, text);
		else
			say_json(event, text);
		break;
	case EVENT_PUBLISHED:
		say_config_answer(legacy, event, text);
		break;
	default:
		break;
	}
}
