/* protocols/linksocks/say.c - what the wire says: events as messages, and debts; see wire_inside.h. */
#include "core/log.h"
#include "protocols/codecs/json.h"
#include "protocols/linksocks/wire_inside.h"

enum {
	PARTS_OF_PACKED = 4, /* frame, head, payload, one to spare */
	JSON_HEAD = 2 + 4,
};

enum status linksocks_say(struct writer *writer, const struct linksocks_message *message)
{
	writer_begin(writer, CHUNK_BINARY);
	size_t size = linksocks_write(message, writer_room(writer, SHORT_MAX), SHORT_MAX);
	check(size);
	writer_shrink(writer, SHORT_MAX - size);
	return writer_end(writer);
}

static struct linksocks_message about(const struct channel *channel, enum linksocks_type type)
{
	struct linksocks_message message = {.type = (uint8_t)type};
	check(channel->id_link.size == sizeof message.id);
	memcpy(message.id, channel->id_link.id, sizeof message.id);
	return message;
}

static struct slice text_or(struct slice text, enum reason reason)
{
	return text.size ? text : slice_of(reason_text(reason));
}

/* ---- debts of the session ---- */

static enum status say_control(struct writer *writer, enum chunk_kind kind, uint32_t value)
{
	writer_begin(writer, kind);
	put32(writer_room(writer, sizeof value), value);
	return writer_end(writer);
}

static enum status say_ping(struct session *session, struct linksocks *linksocks, struct writer *writer)
{
	uint32_t nonce = (uint32_t)random_next(&session->hub->random);
	enum status status = say_control(writer, CHUNK_PING, nonce);
	if (status != STATUS_OK)
		return status;
	linksocks->ping_owed = false;
	linksocks->ping_out = true;
	linksocks->ping_nonce = nonce;
	linksocks->ping_said_at = session->hub->now;
	return STATUS_OK;
}

static enum status say_refusals(struct linksocks *linksocks, struct writer *writer)
{
	static const char *const texts[] = {[REFUSAL_LIMIT] = "too many channels",
					    [REFUSAL_IN_USE] = "channel already in use",
					    [REFUSAL_NETWORK] = "unknown protocol"};
	while (linksocks->answers_said != linksocks->answers_added) {
		struct answer answer;
		memcpy(&answer,
		       linksocks->answers->bytes + linksocks->answers_said % REFUSALS_MAX * sizeof answer,
		       sizeof answer);
		struct linksocks_message message = {.type = LINKSOCKS_CONNECT_RESPONSE,
						    .text = slice_of(texts[answer.refusal])};
		memcpy(message.id, answer.id, sizeof message.id);
		enum status status = linksocks_say(writer, &message);
		if (status != STATUS_OK)
			return status;
		linksocks->answers_said++;
	}
	buf_unref(linksocks->answers);
	linksocks->answers = NULL;
	return STATUS_OK;
}

/* A client that did not say who it is hears why it is sent away. */
static enum status say_auth_refusal(struct session *session, struct linksocks *linksocks,
				    struct writer *writer)
{
	struct linksocks_message message = {.type = LINKSOCKS_AUTH_RESPONSE,
					    .text = slice_of(session->why_text)};
	enum status status = linksocks_say(writer, &message);
	linksocks->refusal_owed = status != STATUS_OK;
	return status;
}

static enum status say_debts(struct session *session, struct linksocks *linksocks, struct writer *writer)
{
	enum status status = linksocks_say_answer(linksocks, writer);
	if (status == STATUS_OK && linksocks->refusal_owed)
		status = say_auth_refusal(session, linksocks, writer);
	if (status != STATUS_OK || linksocks->phase != PHASE_OPEN)
		return status;
	if (linksocks->ping_owed && (status = say_ping(session, linksocks, writer)) != STATUS_OK)
		return status;
	if (linksocks->pong_owed) {
		if ((status = say_control(writer, CHUNK_PONG, 0)) != STATUS_OK)
			return status;
		linksocks->pong_owed = false;
	}
	return say_refusals(linksocks, writer);
}

/* ---- events of the session ---- */

static enum status say_authed(struct session *session, struct linksocks *linksocks, const struct event *event,
			      struct writer *writer)
{
	struct linksocks_message message = {.type = LINKSOCKS_AUTH_RESPONSE,
					    .success = event->reason == REASON_OK};
	if (linksocks->phase != PHASE_AUTH)
		return STATUS_OK;
	if (!message.success)
		message.text = text_or(event->text, event->reason);
	enum status status = linksocks_say_answer(linksocks, writer); /* 101 comes first */
	if (status == STATUS_OK)
		status = linksocks_say(writer, &message);
	if (status != STATUS_OK)
		return status;
	linksocks_forget_greeting(linksocks);
	linksocks->phase = PHASE_OVER;
	if (message.success)
		linksocks_begin(session, linksocks);
	return STATUS_OK;
}

static enum status say_json(struct writer *writer, enum linksocks_type type, struct json_text *text)
{
	if (text->failed)
		return STATUS_FULL;
	writer_begin(writer, CHUNK_BINARY);
	uint8_t *at = writer_room(writer, JSON_HEAD);
	at[0] = LINKSOCKS_VERSION;
	at[1] = (uint8_t)type;
	put32(at + 2, text->buf->used);
	writer_copy(writer, (struct slice){text->buf->bytes, text->buf->used});
	return writer_end(writer);
}

static enum status say_note(struct session *session, const struct note *note, struct writer *writer)
{
	static const char *const levels[] = {[LOG_ERROR] = "error",
					     [LOG_WARN] = "warn",
					     [LOG_INFO] = "info",
					     [LOG_DEBUG] = "debug",
					     [LOG_TRACE] = "trace"};
	bool partners = note && note->kind == NOTE_PARTNERS;
	if (!note || (!partners && note->kind != NOTE_TEXT))
		return STATUS_OK; /* nothing that this protocol can tell */
	struct json_text text;
	json_text_init(&text, &session->hub->bufs);
	if (partners) {
		json_put(&text, "{\"count\":");
		json_put_number(&text, note->count);
	} else {
		json_put(&text, "{\"level\":\"");
		json_put(&text, levels[note->level < COUNT_OF(levels) ? note->level : LOG_DEBUG]);
		json_put(&text, "\",\"msg\":");
		json_put_text(&text, note->text);
	}
	json_put(&text, "}");
	enum status status = say_json(writer, partners ? LINKSOCKS_PARTNERS : LINKSOCKS_LOG, &text);
	json_text_fini(&text);
	return status;
}

static enum status say_token(const struct event *event, struct writer *writer)
{
	const struct token_request *token = event->token;
	bool asks = event->kind == EVENT_REQUEST;
	if (!token)
		return STATUS_OK;
	struct linksocks_message message = {.type = asks ? LINKSOCKS_CONNECTOR : LINKSOCKS_CONNECTOR_RESPONSE,
					    .operation = token->remove ? LINKSOCKS_REMOVE : LINKSOCKS_ADD,
					    .success = event->reason == REASON_OK,
					    .text = token->token};
	if (!asks && event->reason != REASON_OK)
		message.text = text_or(event->text, event->reason);
	memcpy(message.id, token->id, sizeof message.id);
	return linksocks_say(writer, &message);
}

/* ---- events of a channel ---- */

static enum status say_open(struct session *session, const struct event *event, struct writer *writer)
{
	const struct target *target = event->target;
	bool udp = target->network == NETWORK_UDP;
	struct linksocks_message message = {.type = LINKSOCKS_CONNECT,
					    .network = udp ? LINKSOCKS_UDP : LINKSOCKS_TCP,
					    .text = slice_of(target->host),
					    .port = target->port};
	hub_secret_bytes(session->hub, message.id, sizeof message.id);
	message.id[6] = (uint8_t)((message.id[6] & 0x0f) | 0x40); /* version 4 */
	message.id[8] = (uint8_t)((message.id[8] & 0x3f) | 0x80);
	enum status status = linksocks_say(writer, &message);
	if (status == STATUS_OK)
		channel_set_id(event->channel, message.id, sizeof message.id);
	return status;
}

/* A stock server hands on the answer later than data that comes right behind it. */
static enum status say_opened(struct session *session, const struct linksocks *linksocks,
			      const struct event *event, struct writer *writer)
{
	struct linksocks_message message = about(event->channel, LINKSOCKS_CONNECT_RESPONSE);
	message.success = event->reason == REASON_OK;
	if (!message.success)
		message.text = text_or(event->text, event->reason);
	enum status status = linksocks_say(writer, &message);
	bool races = linksocks->options.provider && !(linksocks->features & FEATURE_OURS);
	if (status == STATUS_OK && message.success && races)
		channel_hold(event->channel,
			     instant_after(session->hub->now, DURATION_MS(LINKSOCKS_HOLD_MS)));
	return status;
}

/* lz4 wants the bytes in one piece. */
static enum status pack_lz4(struct bufpool *pool, const struct event *event, struct buf *out, size_t *size)
{
	const struct piece *pieces = event->pieces;
	if (event->piece_count == 1)
		return lz4_pack(pieces[0].bytes, out->bytes, event->size, size);
	struct buf *whole = buf_acquire(pool, event->size);
	if (!whole)
		return STATUS_FULL;
	for (uint32_t i = 0; i < event->piece_count; i++) {
		memcpy(whole->bytes + whole->used, pieces[i].bytes.at, pieces[i].bytes.size);
		whole->used += (uint32_t)pieces[i].bytes.size;
	}
	bufpool_copied(pool, whole->used);
	enum status status =
	    lz4_pack((struct slice){whole->bytes, whole->used}, out->bytes, event->size, size);
	buf_unref(whole);
	return status;
}

/* The payload in fewer bytes, or NULL: then it is said as it is. */
static struct buf *pack(struct session *session, const struct linksocks *linksocks, const struct event *event)
{
	struct bufpool *pool = &session->hub->bufs;
	size_t threshold = linksocks->options.compression_threshold, size = 0;
	if (!threshold || event->size < threshold ||
	    !compress_pays(event->pieces, event->piece_count, event->size))
		return NULL;
	struct buf *out = buf_acquire(pool, event->size);
	if (!out)
		return NULL;
	enum status status =
	    linksocks->features & FEATURE_LZ4
		? pack_lz4(pool, event, out, &size)
		: gzip_pack(pool, event->pieces, event->piece_count, out->bytes, event->size, &size);
	out->used = (uint32_t)size;
	if (status == STATUS_OK)
		return out;
	buf_unref(out);
	return NULL;
}

static enum status say_data(struct session *session, const struct linksocks *linksocks,
			    const struct event *event, struct writer *writer)
{
	struct linksocks_message message = about(event->channel, LINKSOCKS_DATA);
	if (writer->count + PARTS_OF_PACKED > WRITER_PARTS)
		return STATUS_FULL; /* before the work is done in vain */
	struct buf *packed = pack(session, linksocks, event);
	message.network = LINKSOCKS_TCP;
	message.payload.size = packed ? packed->used : event->size;
	message.compression = !packed				  ? LINKSOCKS_PLAIN
			      : linksocks->features & FEATURE_LZ4 ? LINKSOCKS_LZ4
								  : LINKSOCKS_GZIP;
	writer_begin(writer, CHUNK_BINARY);
	linksocks_write(&message, writer_room(writer, LINKSOCKS_DATA_HEAD_SIZE), LINKSOCKS_DATA_HEAD_SIZE);
	if (packed)
		writer_piece(writer, (struct piece){packed, {packed->bytes, packed->used}});
	else
		writer_pieces(writer, event->pieces, event->piece_count);
	enum status status = writer_end(writer);
	buf_unref(packed);
	return status;
}

/* The asker tells whom it is for, the answerer whom it is from. */
static enum status say_datagram(const struct event *event, struct writer *writer)
{
	struct linksocks_message message = about(event->channel, LINKSOCKS_DATA);
	struct slice host = slice_of(event->target->host);
	message.network = LINKSOCKS_UDP;
	message.payload.size = event->size;
	*(event->channel->opener ? &message.target : &message.source) = host;
	*(event->channel->opener ? &message.target_port : &message.source_port) = event->target->port;
	writer_begin(writer, CHUNK_BINARY);
	linksocks_write(&message, writer_room(writer, LINKSOCKS_DATA_HEAD_SIZE), LINKSOCKS_DATA_HEAD_SIZE);
	writer_pieces(writer, event->pieces, event->piece_count);
	size_t size = linksocks_write_tail(&message, writer_room(writer, TAIL_MAX), TAIL_MAX);
	writer_shrink(writer, TAIL_MAX - size);
	return writer_end(writer);
}

static enum status say_end(const struct event *event, struct writer *writer)
{
	struct linksocks_message message = about(event->channel, LINKSOCKS_DISCONNECT);
	message.text = event->kind == EVENT_CLOSE ? slice_of("EOF") : text_or(event->text, event->reason);
	return linksocks_say(writer, &message);
}

static enum status say_credit(const struct event *event, struct writer *writer)
{
	struct linksocks_message message = about(event->channel, LINKSOCKS_CREDIT);
	message.amount = (uint32_t)event->amount;
	return linksocks_say(writer, &message);
}

static enum status encode_channel(struct session *session, struct linksocks *linksocks,
				  const struct event *event, struct writer *writer)
{
	struct linksocks_message message;
	switch (event->kind) {
	case EVENT_DATA:
		return say_data(session, linksocks, event, writer);
	case EVENT_DATAGRAM:
		return say_datagram(event, writer);
	case EVENT_OPEN:
		return say_open(session, event, writer);
	case EVENT_OPENED:
		return say_opened(session, linksocks, event, writer);
	case EVENT_CREDIT:
		return say_credit(event, writer);
	case EVENT_EOF:
		message = about(event->channel, LINKSOCKS_EOF);
		return linksocks_say(writer, &message);
	case EVENT_CLOSE:
	case EVENT_RESET:
		return say_end(event, writer);
	default:
		return STATUS_OK;
	}
}

enum status linksocks_encode(struct session *session, void *state, const struct event *event,
			     struct writer *writer)
{
	struct linksocks *linksocks = state;
	if (event->channel)
		return encode_channel(session, linksocks, event, writer);
	switch (event->kind) {
	case EVENT_OWED:
		return say_debts(session, linksocks, writer);
	case EVENT_AUTH:
		return linksocks_say_auth(session, linksocks, event, writer);
	case EVENT_AUTHED:
		return say_authed(session, linksocks, event, writer);
	default:
		break;
	}
	if (linksocks->phase != PHASE_OPEN) /* AuthResponse is the first message; linksocks_begin wakes */
		return linksocks->phase == PHASE_OVER ? STATUS_OK : STATUS_MORE;
	switch (event->kind) {
	case EVENT_NOTE:
		return say_note(session, event->note, writer);
	case EVENT_REQUEST:
	case EVENT_RESPONSE:
		return say_token(event, writer);
	case EVENT_PING:
		return say_ping(session, linksocks, writer);
	default:
		return STATUS_OK;
	}
}
