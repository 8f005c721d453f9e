/* protocols/tls_tunnel/legacy.c - hearing the handshakes before yamux; see legacy.h. Saying: legacy_write.c.
 *
 * A judge looks at all of a message that has come so far and says how many bytes it has at least, until it is
 * complete: so there is one place where bytes are gathered, and any split of them is the same.
 */
#include "protocols/tls_tunnel/legacy.h"

#include "protocols/codecs/utf8.h"
#include "protocols/tls_tunnel/gather.h"

enum { SIZE_SIZE = 4, SHORT_SIZE = 2, PORTS_SIZE = 4 };

/* The first frame of a gateway of generation 1.5, if it speaks unasked: a Ping. */
static const uint8_t ping[SIZE_SIZE] = {0, 2, 0, 1};
static const char speaks_15[] = "this gateway speaks TLS Tunnel 1.5";
static const char key_too_long[] = "Authentication key too long (max 1024 bytes)";

/* What is heard, and by whom. */
struct hearing {
	struct legacy *legacy;
	struct control *control;
	struct slice have;
	size_t need;
	struct event *event;
	const char **fault;
};

static enum status broken(struct hearing *hearing, const char *fault)
{
	*hearing->fault = fault;
	return STATUS_PROTOCOL;
}

/* False: so many bytes are not there yet. */
static bool has(struct hearing *hearing, size_t need)
{
	hearing->need = need;
	return hearing->have.size >= need;
}

static bool is_utf8(struct slice text)
{
	struct utf8 utf8 = {0};
	return utf8_take(&utf8, text) && utf8_is_whole(&utf8);
}

bool legacy_begins(const uint8_t first[LEGACY_FIRST_SIZE])
{
	enum { KEY_MIN = 16 };
	return get32(first) >= KEY_MIN && get32(first) <= UINT16_MAX;
}

/* ---- by a server: the key ---- */

static enum status refuse_long_key(struct hearing *hearing)
{
	hearing->legacy->refusal = key_too_long;
	return broken(hearing, "a key of more than 1024 bytes");
}

static bool lists(const json_t *object, const char *name, const char *word)
{
	const json_t *list = json_member_array(object, name);
	for (size_t i = 0; list && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (text && strcmp(text, word) == 0)
			return true;
	}
	return false;
}

/* A JSON object with an auth_key in it: 1.4.y. */
static bool is_object_with_key(struct hearing *hearing, struct slice text)
{
	const char *ignored;
	json_t *object = text.size && text.at[0] == '{' ? json_parse(text, LEGACY_LOGIN_MAX, &ignored) : NULL;
	const char *key = json_member_text(object, "auth_key");
	if (!key) {
		json_decref(object);
		return false;
	}
	hearing->control->kept = object;
	hearing->control->credentials = (struct credentials){.secret = slice_of(key)};
	hearing->legacy->generation = TUNNEL_14Y;
	hearing->legacy->guess = lists(object, "features", "1.5");
	return true;
}

static enum status hear_key(struct hearing *hearing, struct slice text)
{
	struct control *control = hearing->control;
	if (!is_object_with_key(hearing, text)) {
		if (text.size > LEGACY_KEY_MAX)
			return refuse_long_key(hearing);
		if (!is_utf8(text))
			return broken(hearing, "a key that is not UTF-8");
		control->credentials = (struct credentials){.secret = text};
		hearing->legacy->generation = TUNNEL_14;
	}
	control->login = EXCHANGE_ASKED;
	hearing->legacy->step = LEGACY_CONFIG;
	hearing->event->kind = EVENT_AUTH;
	hearing->event->credentials = &control->credentials;
	return STATUS_OK;
}

/* The refusal does not wait for the rest of a key that is too long; only 1.4.y has longer messages. */
static enum status judge_key(struct hearing *hearing)
{
	if (!has(hearing, SIZE_SIZE))
		return STATUS_MORE;
	size_t size = get32(hearing->have.at);
	if (size > LEGACY_LOGIN_MAX)
		return refuse_long_key(hearing);
	if (size > LEGACY_KEY_MAX) {
		if (!has(hearing, SIZE_SIZE + 1))
			return STATUS_MORE;
		if (hearing->have.at[SIZE_SIZE] != '{')
			return refuse_long_key(hearing);
	}
	if (!has(hearing, SIZE_SIZE + size))
		return STATUS_MORE;
	return hear_key(hearing, (struct slice){hearing->have.at + SIZE_SIZE, size});
}

/* ---- by a server: what is published ---- */

static enum status hear_json(struct hearing *hearing, struct slice text)
{
	struct legacy *legacy = hearing->legacy;
	struct control *control = hearing->control;
	int64_t version;
	control_release(control);
	json_t *object = control->kept = json_parse(text, CONTROL_MESSAGE_MAX, hearing->fault);
	if (!object)
		return STATUS_PROTOCOL;
	if (!json_member_integer(object, "version", 1, 1, &version))
		return broken(hearing, "a configuration that is not of version 1");
	enum status status = control_read_config(control, object, hearing->event, hearing->fault);
	if (status != STATUS_OK)
		return status;
	legacy->by_local_port = legacy->generation == TUNNEL_14 && !json_has(object, "visitors");
	legacy->visitor_ports = lists(object, "features", "visitor-port");
	legacy->step = LEGACY_OVER;
	return STATUS_OK;
}

/* One entry of 1.0, as long as it is complete: u16 n, name of n bytes, u16 publish_port, u16 local_port. The
 * name is moved over its size, so that there is room for its end. */
static bool hear_entry(struct slice entry, struct publication *publication)
{
	uint8_t *at = (uint8_t *)(uintptr_t)entry.at;
	size_t size = get16(at);
	const uint8_t *ports = at + SHORT_SIZE + size;
	*publication = (struct publication){.type = "tcp",
					    .name = (char *)at,
					    .publish_addr = "",
					    .bind_addr = "",
					    .publish_port = get16(ports),
					    .local_port = get16(ports + SHORT_SIZE)};
	memmove(at, at + SHORT_SIZE, size);
	at[size] = 0;
	return !memchr(at, 0, size) && is_utf8((struct slice){at, size});
}

static enum status hear_list(struct hearing *hearing)
{
	struct control *control = hearing->control;
	uint32_t count = hearing->legacy->items;
	size_t at = SHORT_SIZE;
	control_release(control);
	if (!control_reserve(control, count))
		return broken(hearing, "no memory for a configuration");
	for (uint32_t i = 0; i < count; i++) {
		struct slice entry = {hearing->have.at + at, hearing->have.size - at};
		at += SHORT_SIZE + get16(entry.at) + PORTS_SIZE;
		if (!hear_entry(entry, &control->publications[i]))
			return broken(hearing, "a name that is not UTF-8");
	}
	control_published(control, hearing->event);
	hearing->legacy->by_local_port = true;
	hearing->legacy->step = LEGACY_OVER;
	return STATUS_OK;
}

static enum status judge_list(struct hearing *hearing)
{
	struct legacy *legacy = hearing->legacy;
	uint32_t count = get16(hearing->have.at);
	if (count > CONTROL_ITEMS_MAX)
		return broken(hearing, "a configuration with too many entries");
	for (; legacy->items < count; legacy->items++) {
		size_t at = SHORT_SIZE + legacy->walked;
		if (!has(hearing, at + SHORT_SIZE))
			return STATUS_MORE;
		size_t size = SHORT_SIZE + get16(hearing->have.at + at) + PORTS_SIZE;
		if (at + size > CONTROL_MESSAGE_MAX)
			return broken(hearing, "a configuration that is too large");
		if (!has(hearing, at + size))
			return STATUS_MORE;
		legacy->walked += (uint32_t)size;
	}
	return hear_list(hearing);
}

/* A list of 1.0 begins with a count, which is not 0, the JSON of the others with a size, which is below 64
 * KiB as a rule; where it is not, the text shows it. */
static enum status judge_config(struct hearing *hearing)
{
	const uint8_t *at = hearing->have.at;
	if (!has(hearing, SIZE_SIZE))
		return STATUS_MORE;
	if (hearing->legacy->generation == TUNNEL_10)
		return judge_list(hearing);
	if (hearing->legacy->generation == TUNNEL_14 && get16(at)) {
		if (get16(at) > CONTROL_ITEMS_MAX) /* as a count; as a size, it is hundreds of MiB */
			return broken(hearing, "a configuration that is empty or too large");
		if (!has(hearing, SIZE_SIZE + 2))
			return STATUS_MORE;
		if (at[SIZE_SIZE] != '{' || at[SIZE_SIZE + 1] != '"') {
			hearing->legacy->generation = TUNNEL_10;
			return judge_list(hearing);
		}
	}
	size_t size = get32(at);
	if (!size || size > CONTROL_MESSAGE_MAX)
		return broken(hearing, "a configuration that is empty or too large");
	if (!has(hearing, SIZE_SIZE + size))
		return STATUS_MORE;
	return hear_json(hearing, (struct slice){at + SIZE_SIZE, size});
}

/* ---- by a client: answers ---- */

static enum status hear_answer(struct hearing *hearing, bool accepted, struct slice text)
{
	struct legacy *legacy = hearing->legacy;
	struct control *control = hearing->control;
	struct event *event = hearing->event;
	bool login = legacy->step == LEGACY_LOGIN;
	event->kind = login ? EVENT_AUTHED : EVENT_PUBLISHED;
	event->reason = accepted ? REASON_OK : login ? REASON_AUTH : REASON_FORBIDDEN;
	event->text = text;
	if (login) {
		control->credentials = (struct credentials){0};
		event->credentials = &control->credentials;
	} else {
		event->refused = control->refused;
		event->refused_count = control->refused_count;
	}
	enum exchange *exchange = login ? &control->login : &control->config;
	*exchange = accepted ? EXCHANGE_DONE : EXCHANGE_NONE;
	legacy->step = login && accepted ? LEGACY_CONFIG : LEGACY_OVER;
	return STATUS_OK;
}

static enum status judge_status(struct hearing *hearing)
{
	const uint8_t *at = hearing->have.at;
	if (!has(hearing, 1))
		return STATUS_MORE;
	if (at[0] == 1)
		return hear_answer(hearing, true, (struct slice){0});
	if (at[0] != 0)
		return broken(hearing, "an answer that is neither 0 nor 1");
	if (!has(hearing, 1 + SHORT_SIZE))
		return STATUS_MORE;
	size_t size = get16(at + 1);
	if (size > LEGACY_TEXT_MAX)
		return hear_answer(hearing, false, slice_of("refused, with a text that is too long"));
	if (size && !has(hearing, SIZE_SIZE))
		return STATUS_MORE;
	if (size && memcmp(at, ping, sizeof ping) == 0) /* no text begins so */
		return broken(hearing, speaks_15);
	if (!has(hearing, 1 + SHORT_SIZE + size))
		return STATUS_MORE;
	return hear_answer(hearing, false, (struct slice){at + 1 + SHORT_SIZE, size});
}

/* A member that must be true or false. */
static bool truth_of(const json_t *object, const char *name, bool *truth)
{
	const json_t *member = json_object_get(object, name);
	*truth = json_is_true(member);
	return json_is_boolean(member);
}

static enum status hear_object(struct hearing *hearing, struct slice text)
{
	static const char *const words[] = {
	    [LEGACY_LOGIN] = "success", [LEGACY_CONFIG] = "valid", [LEGACY_LISTS] = "accepted"};
	struct control *control = hearing->control;
	enum legacy_step step = hearing->legacy->step;
	bool accepted;
	control_release(control);
	json_t *object = control->kept = json_parse(text, CONTROL_MESSAGE_MAX, hearing->fault);
	if (!object)
		return STATUS_PROTOCOL;
	if (!truth_of(object, words[step], &accepted))
		return broken(hearing, "an answer that is neither yes nor no");
	if (step == LEGACY_LOGIN && lists(object, "features", "1.5"))
		return broken(hearing, speaks_15);
	if (step == LEGACY_CONFIG && accepted) {
		hearing->legacy->step = LEGACY_LISTS;
		return STATUS_OK;
	}
	if (step == LEGACY_LISTS && json_has(object, "rejected_proxies") &&
	    !control_read_refused(control, json_member_array(object, "rejected_proxies")))
		return broken(hearing, "an answer with a list that is not valid");
	const char *error = json_member_text(object, "error");
	return hear_answer(hearing, accepted, error ? slice_of(error) : (struct slice){0});
}

static enum status judge_object(struct hearing *hearing)
{
	const uint8_t *at = hearing->have.at;
	if (!has(hearing, SIZE_SIZE))
		return STATUS_MORE;
	size_t size = get32(at);
	size_t size_max = hearing->legacy->step == LEGACY_LOGIN ? CONTROL_LOGIN_MAX : CONTROL_MESSAGE_MAX;
	if (memcmp(at, ping, sizeof ping) == 0)
		return broken(hearing, speaks_15);
	if (!size || size > size_max)
		return broken(hearing, "an answer that is empty or too large");
	if (!has(hearing, SIZE_SIZE + 1))
		return STATUS_MORE;
	if (at[SIZE_SIZE] != '{')
		return broken(hearing, "an answer that is not JSON");
	if (!has(hearing, SIZE_SIZE + size))
		return STATUS_MORE;
	return hear_object(hearing, (struct slice){at + SIZE_SIZE, size});
}

/* ---- both ---- */

static enum status judge(struct hearing *hearing)
{
	const struct legacy *legacy = hearing->legacy;
	if (legacy->step == LEGACY_OVER)
		return broken(hearing, "more than the handshake");
	if (!hearing->control->client)
		return legacy->step == LEGACY_LOGIN ? judge_key(hearing) : judge_config(hearing);
	return legacy->generation == TUNNEL_14Y ? judge_object(hearing) : judge_status(hearing);
}

enum status legacy_decode(struct legacy *legacy, struct control *control, struct bufpool *pool,
			  struct slice bytes, size_t *taken, struct event *event, const char **fault)
{
	*event = (struct event){.kind = EVENT_OWED};
	*taken = 0;
	if (legacy->whole)
		legacy_release(legacy);
	for (;;) {
		struct hearing hearing = {legacy, control, gather_slice(legacy->text), 0, event, fault};
		enum status status = judge(&hearing);
		if (status != STATUS_MORE) {
			legacy->whole = true;
			return status;
		}
		size_t step = size_min(hearing.need - hearing.have.size, bytes.size - *taken);
		if (!step)
			return STATUS_MORE;
		if (!gather_add(pool, &legacy->text, (struct slice){bytes.at + *taken, step}))
			return STATUS_FULL;
		*taken += step;
	}
}

void legacy_release(struct legacy *legacy)
{
	gather_release(&legacy->text);
	legacy->walked = legacy->items = 0;
	legacy->whole = false;
}
