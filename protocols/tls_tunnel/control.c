/* protocols/tls_tunnel/control.c - reading control messages; see control.h. Writing: control_write.c. */
#include "protocols/tls_tunnel/control.h"

#include "core/log.h"

void control_init(struct control *control, bool client, struct memory *memory)
{
	*control = (struct control){.client = client, .memory = memory};
}

void control_release(struct control *control)
{
	if (control->kept) {
		json_wipe_text(json_object_get(json_object_get(control->kept, "params"), "auth_key"));
		json_wipe_text(json_object_get(control->kept, "auth_key"));
		json_decref(control->kept);
	}
	control->kept = NULL;
	memory_release(control->memory, control->publications,
		       control->publication_count * sizeof *control->publications);
	memory_release(control->memory, control->refused, control->refused_count * sizeof *control->refused);
	control->publications = NULL;
	control->refused = NULL;
	control->publication_count = control->refused_count = 0;
}

void control_fini(struct control *control)
{
	control_release(control);
	json_decref(control->login_id);
	json_decref(control->config_id);
	control->login_id = control->config_id = NULL;
}

static enum status fault_is(const char **fault, const char *text)
{
	*fault = text;
	return STATUS_PROTOCOL;
}

/* A member that is a string; when it is missing the default; NULL: it is of another type. */
static const char *text_or(const json_t *object, const char *name, const char *otherwise)
{
	const json_t *member = json_object_get(object, name);
	return member ? json_string_value(member) : otherwise;
}

static struct slice text_slice(const json_t *object, const char *name)
{
	const char *text = json_member_text(object, name);
	return text ? slice_of(text) : (struct slice){0};
}

static bool port_of(const json_t *object, const char *name, uint16_t *port)
{
	int64_t number;
	if (!json_member_integer(object, name, 0, 65535, &number))
		return false;
	*port = (uint16_t)number;
	return true;
}

static uint32_t features_of(const json_t *object)
{
	uint32_t features = 0;
	const json_t *list = json_member_array(object, "features");
	for (size_t i = 0; list && i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		for (size_t k = 0; name && k < COUNT_OF(feature_words); k++)
			if (strcmp(name, feature_words[k].name) == 0)
				features |= feature_words[k].bit;
	}
	return features;
}

static int digit_of(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* 32 lower-case hexadecimal digits; anything else counts as not shown. */
static void instance_of(const json_t *object, uint8_t instance[INSTANCE_SIZE])
{
	const char *text = json_member_text(object, "instance");
	if (!text || strlen(text) != 2 * INSTANCE_SIZE)
		return;
	uint8_t bytes[INSTANCE_SIZE];
	for (size_t i = 0; i < INSTANCE_SIZE; i++) {
		int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(instance, bytes, sizeof bytes);
}

/* Which of its client's links this is. Without an instance or a number there is but one. */
static void link_of(const json_t *object, struct credentials *credentials)
{
	static const uint8_t none[INSTANCE_SIZE];
	int64_t number;
	if (!(credentials->features & FEATURE_LINKS))
		return;
	if (memcmp(credentials->instance, none, sizeof none) != 0 &&
	    json_member_integer(object, "link", 0, LINKS_MAX - 1, &number))
		credentials->link = (uint32_t)number;
	else
		credentials->features &= ~(uint32_t)FEATURE_LINKS;
}

/* ---- what a server hears ---- */

static enum status hear_authenticate(struct control *control, json_t *message, struct event *event,
				     const char **fault)
{
	const json_t *params = json_member_object(message, "params");
	const char *key = json_member_text(params, "auth_key");
	if (control->login != EXCHANGE_NONE)
		return fault_is(fault, "authenticate was sent twice");
	if (!key)
		return fault_is(fault, "authenticate without auth_key");
	control->login = EXCHANGE_ASKED;
	control->login_id = json_incref(json_object_get(message, "id"));
	control->credentials = (struct credentials){.secret = slice_of(key), .features = features_of(params)};
	instance_of(params, control->credentials.instance);
	link_of(params, &control->credentials);
	control->shown_by_peer = control->credentials.features;
	event->kind = EVENT_AUTH;
	event->credentials = &control->credentials;
	return STATUS_OK;
}

bool control_reserve(struct control *control, uint32_t count)
{
	control->publications = memory_acquire(control->memory, count * sizeof *control->publications);
	control->publication_count = control->publications ? count : 0;
	return control->publications;
}

void control_published(struct control *control, struct event *event)
{
	control->config = EXCHANGE_ASKED;
	event->kind = EVENT_PUBLISH;
	event->publications = control->publications;
	event->publication_count = control->publication_count;
}

/* The original drops a session that names another type. */
static bool is_known_type(const char *type)
{
	static const char *const types[] = {"tcp", "http/1.1", "http/2.0", "ssh", "http", "socks5"};
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (strcmp(type, types[i]) == 0)
			return true;
	return false;
}

static bool read_publication(const json_t *item, bool visitor, struct publication *publication)
{
	*publication = (struct publication){
	    .name = json_member_text(item, "name"),
	    .type = text_or(item, "proxy_type", "tcp"),
	    .publish_addr = visitor ? "" : text_or(item, "publish_addr", "0.0.0.0"),
	    .visitor = visitor,
	    .bind_addr = visitor ? text_or(item, "bind_addr", "127.0.0.1") : "",
	};
	if (!publication->name || !publication->type || !publication->publish_addr || !publication->bind_addr)
		return false;
	if (!is_known_type(publication->type))
		return false;
	return port_of(item, "publish_port", &publication->publish_port) &&
	       (visitor ? port_of(item, "bind_port", &publication->bind_port)
			: port_of(item, "local_port", &publication->local_port));
}

enum status control_read_config(struct control *control, const json_t *config, struct event *event,
				const char **fault)
{
	const json_t *lists[2] = {json_member_array(config, "proxies"),
				  json_member_array(config, "visitors")};
	if (!lists[0] || (!lists[1] && json_has(config, "visitors")))
		return fault_is(fault, "a configuration without a list of proxies");
	size_t count = json_array_size(lists[0]) + json_array_size(lists[1]);
	if (json_array_size(lists[0]) > CONTROL_ITEMS_MAX || json_array_size(lists[1]) > CONTROL_ITEMS_MAX)
		return fault_is(fault, "a configuration with too many entries");
	if (count && !control_reserve(control, (uint32_t)count))
		return fault_is(fault, "no memory for a configuration");
	struct publication *next = control->publications;
	for (int visitor = 0; visitor < 2; visitor++)
		for (size_t i = 0; i < json_array_size(lists[visitor]); i++)
			if (!read_publication(json_array_get(lists[visitor], i), visitor, next++))
				return fault_is(fault, "a configuration with an entry that is not valid");
	control_published(control, event);
	return STATUS_OK;
}

static enum status hear_config(struct control *control, json_t *message, struct event *event,
			       const char **fault)
{
	if (control->login == EXCHANGE_NONE)
		return fault_is(fault, "submit_config before authenticate");
	if (control->config != EXCHANGE_NONE)
		return fault_is(fault, "submit_config was sent twice");
	enum status status =
	    control_read_config(control, json_member_object(message, "params"), event, fault);
	if (status == STATUS_OK)
		control->config_id = json_incref(json_object_get(message, "id"));
	return status;
}

static enum status hear_request(struct control *control, json_t *message, const char *method,
				struct event *event, const char **fault)
{
	static const char *const tolerated[] = {"push_exception", "push_config_status", "push_stats"};
	if (strcmp(method, "heartbeat") == 0) {
		event->kind = EVENT_READY;
		return STATUS_OK;
	}
	if (strcmp(method, "authenticate") == 0)
		return hear_authenticate(control, message, event, fault);
	if (strcmp(method, "submit_config") == 0)
		return hear_config(control, message, event, fault);
	for (size_t i = 0; i < COUNT_OF(tolerated); i++)
		if (strcmp(method, tolerated[i]) == 0)
			return STATUS_OK;
	return fault_is(fault, "a request that TLS Tunnel does not have");
}

/* ---- what a client hears ---- */

bool control_read_refused(struct control *control, const json_t *list)
{
	size_t count = json_array_size(list);
	if (!list || count > 2 * CONTROL_ITEMS_MAX)
		return false;
	if (!count)
		return true;
	control->refused = memory_acquire(control->memory, count * sizeof *control->refused);
	if (!control->refused)
		return false;
	control->refused_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text)
			return false;
		control->refused[i] = slice_of(text);
	}
	return true;
}

static void set_refused(const struct control *control, struct event *event)
{
	event->refused = control->refused;
	event->refused_count = control->refused_count;
}

static enum status hear_login_answer(struct control *control, const json_t *message, struct event *event,
				     const char **fault)
{
	const json_t *result = json_member_object(message, "result");
	const json_t *error = json_member_object(message, "error");
	if (!result && !error)
		return fault_is(fault, "an answer to authenticate without result or error");
	event->kind = EVENT_AUTHED;
	control->credentials = (struct credentials){.features = features_of(result)};
	event->credentials = &control->credentials;
	if (!result) {
		control->login = EXCHANGE_NONE;
		event->reason = REASON_AUTH;
		event->text = text_slice(error, "message");
		return STATUS_OK;
	}
	control->login = EXCHANGE_DONE;
	control->shown_by_peer = control->credentials.features;
	return STATUS_OK;
}

static enum status hear_config_answer(struct control *control, const json_t *message, struct event *event,
				      const char **fault)
{
	const json_t *result = json_member_object(message, "result");
	const json_t *error = json_member_object(message, "error");
	event->kind = EVENT_PUBLISHED;
	if (result) {
		if (!control_read_refused(control, json_member_array(result, "rejected_proxies")))
			return fault_is(fault, "an answer to submit_config without rejected_proxies");
		control->config = EXCHANGE_DONE;
		set_refused(control, event);
		return STATUS_OK;
	}
	if (!error)
		return fault_is(fault, "an answer to submit_config without result or error");
	const json_t *list = json_member_array(json_member_object(error, "data"), "rejected_proxies");
	if (list && !control_read_refused(control, list))
		return fault_is(fault, "an answer to submit_config with a list that is not valid");
	control->config = EXCHANGE_NONE;
	set_refused(control, event);
	event->reason = REASON_FORBIDDEN;
	event->text = text_slice(error, "message");
	return STATUS_OK;
}

static enum status hear_answer(struct control *control, const json_t *message, struct event *event,
			       const char **fault)
{
	int64_t id;
	if (json_member_integer(message, "id", 1, 2, &id)) {
		if (id == 1 && control->login == EXCHANGE_ASKED)
			return hear_login_answer(control, message, event, fault);
		if (id == 2 && control->config == EXCHANGE_ASKED)
			return hear_config_answer(control, message, event, fault);
	}
	log_debug("an answer to nothing that was asked is ignored");
	return STATUS_OK;
}

static uint16_t port_or_none(const json_t *object, const char *name)
{
	uint16_t port = 0;
	return port_of(object, name, &port) ? port : 0;
}

static unsigned count_or_none(const json_t *object, const char *name)
{
	int64_t number = 0;
	return json_member_integer(object, name, 0, 1000000, &number) ? (unsigned)number : 0;
}

static enum status hear_exception(struct control *control, const json_t *message, struct event *event,
				  const char **fault)
{
	const json_t *params = json_member_object(message, "params");
	const json_t *more = json_member_object(params, "data");
	struct note *note = &control->note;
	*note = (struct note){.kind = note_of_word(json_member_text(params, "code")),
			      .level = level_of_word(json_member_text(params, "level")),
			      .code = text_slice(params, "code"),
			      .text = text_slice(params, "message"),
			      .retry = count_or_none(more, "retry_count"),
			      .retry_max = count_or_none(more, "max_retries"),
			      .delay_s = count_or_none(more, "retry_delay_secs")};
	bool partial = note->kind == NOTE_PARTIAL;
	const json_t *list = json_member_array(more, partial ? "rejected_items" : "rejected_proxies");
	if (list && !control_read_refused(control, list))
		return fault_is(fault, "push_exception with a list that is not valid");
	if (note->kind == NOTE_BIND_RETRY || note->kind == NOTE_BIND_FAILED) {
		const char *cause =
		    json_member_text(more, note->kind == NOTE_BIND_RETRY ? "error" : "final_error");
		note->text = cause ? slice_of(cause) : note->text;
		control->about = (struct publication){.name = text_or(more, "proxy_name", ""),
						      .type = "",
						      .publish_addr = text_or(more, "publish_addr", ""),
						      .bind_addr = "",
						      .publish_port = port_or_none(more, "publish_port")};
		if (control->about.name && control->about.publish_addr)
			note->about = &control->about;
	}
	set_refused(control, event);
	event->kind = EVENT_NOTE;
	event->note = note;
	return STATUS_OK;
}

enum status control_decode(struct control *control, struct slice text, struct event *event,
			   const char **fault)
{
	*event = (struct event){.kind = EVENT_OWED};
	control_release(control);
	json_t *message = control->kept = json_parse(text, control_size_max(control), fault);
	if (!message)
		return STATUS_PROTOCOL;
	if (!json_is_object(message) || !json_member_text(message, "jsonrpc"))
		return fault_is(fault, "JSON that is not a JSON-RPC message");
	const char *method = json_member_text(message, "method");
	if (!control->client)
		return method ? hear_request(control, message, method, event, fault)
			      : fault_is(fault, "a JSON-RPC message without a method");
	if (!method)
		return hear_answer(control, message, event, fault);
	if (strcmp(method, "push_exception") == 0 && !json_has(message, "id"))
		return hear_exception(control, message, event, fault);
	log_debug("a request of the server that is not known is ignored");
	return STATUS_OK;
}
