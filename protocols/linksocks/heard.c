/* protocols/linksocks/heard.c - what a whole message means: messages as events. */
#include <stdio.h>
#include <strings.h>

#include "core/log.h"
#include "protocols/codecs/json.h"
#include "protocols/linksocks/wire_inside.h"

enum { DATAGRAM_ROOM = 65507 };

/* ---- reasons ---- */

static bool has_word(struct slice text, const char *word)
{
	return memmem(text.at, text.size, word, strlen(word)) != NULL;
}

/* "refused", or "HOST: refused". */
static bool says(struct slice text, const char *reason)
{
	size_t size = strlen(reason);
	if (text.size < size || memcmp(text.at + text.size - size, reason, size) != 0)
		return false;
	return text.size == size ||
	       (text.size > size + 2 && memcmp(text.at + text.size - size - 2, ": ", 2) == 0);
}

/* From our own texts exactly; from those of others as well as it goes, so that a proxy can tell why. */
static enum reason reason_of(struct slice text, enum reason unknown)
{
	static const struct {
		const char *word;
		enum reason reason;
	} words[] = {{"refused", REASON_REFUSED},	  {"no such host", REASON_NAME},
		     {"unreachable", REASON_UNREACHABLE}, {"no route", REASON_UNREACHABLE},
		     {"timeout", REASON_TIMEOUT},	  {"timed out", REASON_TIMEOUT},
		     {"reset by peer", REASON_LOST},	  {"broken pipe", REASON_LOST},
		     {"no available", REASON_UNREACHABLE},
		     {"not permitted", REASON_FORBIDDEN}};
	for (int reason = REASON_OK + 1; reason < REASON_COUNT; reason++)
		if (says(text, reason_text((enum reason)reason)))
			return (enum reason)reason;
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (text.size && has_word(text, words[i].word))
			return words[i].reason;
	return unknown;
}

/* ---- channels ---- */

struct channel *linksocks_find(struct session *session, const uint8_t id[LINKSOCKS_UUID_SIZE])
{
	return session_find(session, id, LINKSOCKS_UUID_SIZE);
}

static void release(struct channel *channel)
{
	if (!own_of(channel)->held)
		return;
	own_of(channel)->held = false;
	channel_hold(channel, channel->session->hub->now);
}

/* A stock server lets data overtake the answer to Connect: that is an answer, too. */
static void imply_opened(struct session *session, struct channel *channel)
{
	struct event event = {.kind = EVENT_OPENED, .channel = channel};
	if (!channel->opener)
		return;
	release(channel);
	channel_confirm(channel);
	if (channel->state == CHANNEL_OPENING)
		session_deliver(session, &event);
}

static bool is_association(const struct channel *channel) { return channel->target.network == NETWORK_UDP; }

static enum status hear_connect(struct session *session, struct linksocks *linksocks,
				const struct linksocks_message *message)
{
	struct target target = {.network = message->network == LINKSOCKS_UDP ? NETWORK_UDP : NETWORK_TCP,
				.port = message->port};
	if (!session->ready)
		return session_fault(session, "opened a channel before it was authenticated");
	if (idtable_find(&session->ids, message->id, sizeof message->id)) /* given up ones as well */
		return linksocks_refuse(session, linksocks, message->id, REFUSAL_IN_USE);
	if (!message->network)
		return linksocks_refuse(session, linksocks, message->id, REFUSAL_NETWORK);
	struct channel *channel = session_channel(session);
	if (!channel)
		return linksocks_refuse(session, linksocks, message->id, REFUSAL_LIMIT);
	channel_set_id(channel, message->id, sizeof message->id);
	bool is_text = message->text.size && !memchr(message->text.at, 0, message->text.size);
	text_copy(target.host, sizeof target.host, is_text ? message->text : slice_of(""));
	struct event event = {.kind = EVENT_OPEN, .channel = channel, .target = &target};
	return session_deliver(session, &event);
}

static enum status hear_answer(struct session *session, const struct linksocks_message *message)
{
	struct channel *channel = linksocks_find(session, message->id);
	if (!channel || !channel->opener || own_of(channel)->answered)
		return STATUS_OK;
	own_of(channel)->answered = true;
	channel_confirm(channel);
	struct event event = {.kind = EVENT_OPENED, .channel = channel, .text = message->text};
	if (!message->success)
		event.reason = reason_of(message->text, REASON_OTHER);
	if (channel->state == CHANNEL_OPENING)
		return session_deliver(session, &event);
	if (message->success) {
		release(channel);
		return STATUS_OK;
	}
	event.kind = EVENT_RESET;
	return session_deliver(session, &event);
}

static enum status hear_disconnect(struct session *session, const struct linksocks_message *message)
{
	struct channel *channel = linksocks_find(session, message->id);
	bool clean = !message->text.size || slice_is(message->text, "EOF");
	if (!channel)
		return STATUS_OK;
	struct event event = {.kind = clean ? EVENT_CLOSE : EVENT_RESET, .channel = channel};
	if (!clean) {
		event.reason = reason_of(message->text, REASON_OTHER);
		event.text = message->text;
	}
	return session_deliver(session, &event);
}

static enum status hear_eof(struct session *session, const struct linksocks_message *message)
{
	struct channel *channel = linksocks_find(session, message->id);
	if (!channel)
		return STATUS_OK;
	imply_opened(session, channel);
	struct event event = {.kind = EVENT_EOF, .channel = channel};
	return session_deliver(session, &event);
}

static enum status hear_credit(struct session *session, const struct linksocks_message *message)
{
	struct channel *channel = linksocks_find(session, message->id);
	if (!channel || !message->amount)
		return STATUS_OK;
	if (channel->credit + message->amount > UINT32_MAX)
		return session_fault(session, "granted a window above 2^32-1");
	struct event event = {.kind = EVENT_CREDIT, .channel = channel, .amount = message->amount};
	return session_deliver(session, &event);
}

/* ---- data ---- */

enum status linksocks_hear_payload(struct session *session, const uint8_t id[LINKSOCKS_UUID_SIZE],
				   struct piece piece)
{
	struct channel *channel = linksocks_find(session, id);
	if (!channel || is_association(channel)) {
		hub_count(session->hub, COUNTER_bytes_discarded, piece.bytes.size);
		return STATUS_OK;
	}
	imply_opened(session, channel);
	struct event event = {.kind = EVENT_DATA,
			      .channel = channel,
			      .pieces = &piece,
			      .piece_count = 1,
			      .size = piece.bytes.size};
	return session_deliver(session, &event);
}

/* To the asker it is whom the datagram is from, else whom it is for. */
static struct target peer_of(const struct channel *channel, const struct linksocks_message *message)
{
	bool source = channel->opener || message->one_block;
	struct slice host = source ? message->source : message->target;
	struct target peer = {.network = NETWORK_UDP,
			      .port = source ? message->source_port : message->target_port};
	bool is_text = host.size && !memchr(host.at, 0, host.size);
	text_copy(peer.host, sizeof peer.host, is_text ? host : slice_of(""));
	return peer;
}

static enum status deliver_datagram(struct session *session, struct channel *channel,
				    const struct linksocks_message *message, struct piece piece)
{
	struct target peer = peer_of(channel, message);
	struct event event = {.kind = EVENT_DATAGRAM,
			      .channel = channel,
			      .target = &peer,
			      .pieces = &piece,
			      .piece_count = 1,
			      .size = piece.bytes.size};
	imply_opened(session, channel);
	return session_deliver(session, &event);
}

static enum status hear_datagram(struct session *session, const struct linksocks_message *message,
				 struct buf *buf)
{
	struct channel *channel = linksocks_find(session, message->id);
	if (!channel || !is_association(channel)) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return STATUS_OK;
	}
	struct piece piece = {buf, message->payload};
	if (message->compression != LINKSOCKS_GZIP)
		return deliver_datagram(session, channel, message, piece);
	size_t size = 0;
	struct buf *room = buf_acquire(&session->hub->bufs, DATAGRAM_ROOM);
	enum status status =
	    room ? gzip_unpack(&session->hub->bufs, message->payload, room->bytes, DATAGRAM_ROOM, &size)
		 : STATUS_FULL;
	if (status == STATUS_PROTOCOL)
		session_fault(session, "invalid gzip data");
	if (status == STATUS_OK) {
		room->used = (uint32_t)size;
		piece = (struct piece){room, {room->bytes, size}};
		status = deliver_datagram(session, channel, message, piece);
	} else if (status == STATUS_FULL) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		status = STATUS_OK;
	}
	buf_unref(room);
	return status;
}

static enum status hear_data(struct session *session, const struct linksocks_message *message,
			     struct buf *buf)
{
	if (message->network == LINKSOCKS_UDP)
		return hear_datagram(session, message, buf);
	struct piece piece = {buf, message->payload};
	bool plain = message->compression != LINKSOCKS_GZIP;
	return plain && piece.bytes.size ? linksocks_hear_payload(session, message->id, piece) : STATUS_OK;
}

/* ---- news ---- */

/* The original does not mind the case of names. */
static json_t *member(json_t *object, const char *name)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		if (strcasecmp(key, name) == 0)
			return value;
	}
	return NULL;
}

static struct slice text_of(const json_t *value)
{
	const char *text = json_string_value(value);
	return (struct slice){(const uint8_t *)text, text ? json_string_length(value) : 0};
}

static uint8_t level_of(struct slice name)
{
	static const char *const names[] = {[LOG_ERROR] = "error",
					    [LOG_WARN] = "warn",
					    [LOG_INFO] = "info",
					    [LOG_DEBUG] = "debug",
					    [LOG_TRACE] = "trace"};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (slice_is(name, names[i]))
			return (uint8_t)i;
	return LOG_DEBUG;
}

/* Two programs of the original tell each other so what they can do. */
static bool is_hello(struct slice text)
{
	static const char *const hellos[] = {"linksocks_client_hello:", "linksocks_server_hello:"};
	for (size_t i = 0; i < COUNT_OF(hellos); i++)
		if (text.size >= strlen(hellos[i]) && memcmp(text.at, hellos[i], strlen(hellos[i])) == 0)
			return true;
	return false;
}

static enum status hear_note(struct session *session, struct linksocks *linksocks,
			     const struct linksocks_message *message)
{
	const char *fault;
	struct note *note = &linksocks->told.note;
	json_t *value = linksocks->kept_json = linksocks_json(message->text, &fault);
	*note = (struct note){.level = LOG_DEBUG};
	if (message->type == LINKSOCKS_PARTNERS) {
		json_int_t count = json_integer_value(member(value, "count"));
		note->kind = NOTE_PARTNERS;
		note->count = count < 0 ? 0 : count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
	} else {
		note->kind = NOTE_TEXT;
		note->level = level_of(text_of(member(value, "level")));
		note->text = text_of(member(value, "msg"));
		if (is_hello(note->text))
			return STATUS_OK;
	}
	struct event event = {.kind = EVENT_NOTE, .note = note};
	return session_deliver(session, &event);
}

static enum status hear_request(struct session *session, struct linksocks *linksocks,
				const struct linksocks_message *message)
{
	struct token_request *request = &linksocks->told.request;
	bool answers = message->type == LINKSOCKS_CONNECTOR_RESPONSE, fails = answers && !message->success;
	*request = (struct token_request){.remove = message->operation == LINKSOCKS_REMOVE};
	memcpy(request->id, message->id, sizeof request->id);
	struct event event = {.kind = answers ? EVENT_RESPONSE : EVENT_REQUEST, .token = request};
	if (fails) {
		event.reason = reason_of(message->text, REASON_OTHER);
		event.text = message->text;
	} else {
		request->token = message->text;
	}
	return session_deliver(session, &event);
}

/* ---- authentication ---- */

/* The session ends; AuthResponse says so first. */
static enum status refuse_auth(struct session *session, struct linksocks *linksocks, struct slice bytes,
			       const char *why)
{
	char text[WHY_TEXT_SIZE];
	unsigned version = bytes.size ? bytes.at[0] : LINKSOCKS_VERSION;
	if (!why)
		text_copy(text, sizeof text, slice_of("invalid auth message"));
	else if (version >> 4)
		snprintf(text, sizeof text,
			 "invalid auth message: unsupported protocol major version: peer=0x%02x (major=%u "
			 "minor=%u) local=0x01 (major=0 minor=1)",
			 version, version >> 4, version & 15);
	else
		snprintf(text, sizeof text, "invalid auth message: %s", why);
	linksocks->phase = PHASE_OVER;
	linksocks->refusal_owed = true;
	session_owes(session);
	return session_fault(session, text);
}

static enum status hear_auth(struct session *session, struct linksocks *linksocks, struct slice bytes)
{
	struct linksocks_message message;
	const char *why = NULL;
	if (linksocks_parse(bytes, &message, &why) != STATUS_OK)
		return refuse_auth(session, linksocks, bytes, why);
	if (linksocks->asked)
		return session_fault(session, "opened a channel before it was authenticated");
	if (message.type != LINKSOCKS_AUTH)
		return refuse_auth(session, linksocks, bytes, NULL);
	struct credentials *credentials = &linksocks->told.credentials;
	credentials->form = CREDENTIAL_PLAIN;
	credentials->secret = message.text;
	credentials->direction = message.reverse ? DIRECTION_REVERSE : DIRECTION_FORWARD;
	memcpy(credentials->instance, message.id, sizeof credentials->instance);
	linksocks->asked = true;
	struct event event = {.kind = EVENT_AUTH, .credentials = credentials};
	return session_deliver(session, &event);
}

static enum status hear_authed(struct session *session, struct linksocks *linksocks,
			       const struct linksocks_message *message)
{
	struct credentials *credentials = &linksocks->told.credentials;
	*credentials = (struct credentials){.features = linksocks->features};
	struct event event = {.kind = EVENT_AUTHED, .credentials = credentials};
	if (message->success) {
		linksocks_begin(session, linksocks);
		return session_deliver(session, &event);
	}
	linksocks->phase = PHASE_OVER;
	event.reason = REASON_AUTH;
	event.text = message->text;
	return session_deliver(session, &event);
}

/* ---- which it is ---- */

enum status linksocks_hear_message(struct session *session, struct linksocks *linksocks, struct piece whole)
{
	struct linksocks_message message;
	const char *why = NULL;
	if (linksocks->phase == PHASE_AUTH && !session->client)
		return hear_auth(session, linksocks, whole.bytes);
	if (linksocks_parse(whole.bytes, &message, &why) != STATUS_OK)
		return session_fault(session, why);
	if (linksocks->phase == PHASE_AUTH)
		return hear_authed(session, linksocks, &message);
	switch (message.type) {
	case LINKSOCKS_CONNECT:
		return hear_connect(session, linksocks, &message);
	case LINKSOCKS_DATA:
		return hear_data(session, &message, whole.buf);
	case LINKSOCKS_CONNECT_RESPONSE:
		return hear_answer(session, &message);
	case LINKSOCKS_DISCONNECT:
		return hear_disconnect(session, &message);
	case LINKSOCKS_CONNECTOR:
	case LINKSOCKS_CONNECTOR_RESPONSE:
		return hear_request(session, linksocks, &message);
	case LINKSOCKS_LOG:
	case LINKSOCKS_PARTNERS:
		return hear_note(session, linksocks, &message);
	case LINKSOCKS_CREDIT:
		return linksocks->features & FEATURE_CREDIT ? hear_credit(session, &message) : STATUS_OK;
	case LINKSOCKS_EOF:
		return linksocks->features & FEATURE_HALF_CLOSE ? hear_eof(session, &message) : STATUS_OK;
	default:
		return STATUS_OK;
	}
}
