/* protocols/linksocks/hear.c - messages as they come in pieces: payload is passed on, the rest is collected.
 */
#include "core/secret.h"
#include "protocols/linksocks/wire_inside.h"

enum {
	GZIP_ROOM = BUF_RECEIVE_SIZE,
	PACKED_DATAGRAM_MAX = 128 * 1024,
	DATAGRAM_PAYLOAD_MAX = 65507,
	EARLY_HEAD = 4, /* size of a message that is held */
	LZ4_MAX = 4 * 1024 * 1024, /* either size: held as a whole; our own end says CHUNK_MAX at most */
};

static void release(struct buf **buf)
{
	buf_unref(*buf);
	*buf = NULL;
}

/* What is short may be a login, or about a token. */
static void release_wiped(struct buf **buf)
{
	if (*buf && (*buf)->refs == 1 && (*buf)->used <= SHORT_MAX)
		secret_wipe((*buf)->bytes, (*buf)->used);
	release(buf);
}

static void forget_kept(struct linksocks *linksocks)
{
	release_wiped(&linksocks->kept);
	json_decref(linksocks->kept_json);
	linksocks->kept_json = NULL;
}

/* The next byte begins a message. */
static void forget_message(struct linksocks *linksocks)
{
	release_wiped(&linksocks->whole);
	release(&linksocks->unpacked);
	gunzip_destroy(linksocks->gunzip);
	linksocks->gunzip = NULL;
	linksocks->hearing = HEARING_HEAD;
	linksocks->in_message = linksocks->cut = false;
	linksocks->head_used = 0;
	linksocks->left = 0;
}

void linksocks_forget_greeting(struct linksocks *linksocks)
{
	if (linksocks->greeting)
		secret_wipe(linksocks->greeting->bytes, linksocks->greeting->size);
	release(&linksocks->greeting);
}

void linksocks_forget(struct linksocks *linksocks)
{
	forget_message(linksocks);
	forget_kept(linksocks);
	linksocks_forget_greeting(linksocks);
	release(&linksocks->early);
	release(&linksocks->answers);
}

/* ---- what becomes of a message ---- */

/* The bytes of the largest message of that kind that is of any use. */
static size_t datagram_max(const uint8_t *head)
{
	size_t size = get32(head + LINKSOCKS_DATA_HEAD_SIZE - 4);
	bool packed = head[LINKSOCKS_DATA_HEAD_SIZE - 5] == LINKSOCKS_GZIP;
	bool too_large = size > (packed ? PACKED_DATAGRAM_MAX : DATAGRAM_PAYLOAD_MAX);
	return too_large ? 0 : LINKSOCKS_DATA_HEAD_SIZE + size + TAIL_MAX;
}

static enum hearing judge_data(struct session *session, struct linksocks *linksocks, const uint8_t *head)
{
	const uint8_t *id = head + 3;
	uint8_t compression = head[LINKSOCKS_DATA_HEAD_SIZE - 5];
	size_t size = get32(head + LINKSOCKS_DATA_HEAD_SIZE - 4);
	if (head[2] == LINKSOCKS_UDP) {
		linksocks->whole_max = datagram_max(head);
		if (linksocks->whole_max)
			return HEARING_WHOLE;
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return HEARING_SKIP;
	}
	linksocks->left = (uint32_t)size;
	if (compression == LINKSOCKS_GZIP)
		return linksocks_find(session, id) ? HEARING_GZIP : HEARING_SKIP;
	if (compression != LINKSOCKS_LZ4 || !(linksocks->features & FEATURE_LZ4))
		return HEARING_PLAIN;
	linksocks->whole_max = LINKSOCKS_DATA_HEAD_SIZE + size_min(size, LZ4_MAX);
	return linksocks_find(session, id) ? HEARING_WHOLE : HEARING_SKIP;
}

/* Before AuthResponse a client holds what a stock server may send too early; a server wants Auth, once. */
static enum hearing judge_early(const struct session *session, struct linksocks *linksocks, uint8_t type)
{
	bool passed_over = linksocks->asked && type != LINKSOCKS_CONNECT;
	linksocks->whole_max = session->client ? EARLY_MAX : SHORT_MAX;
	return !session->client && passed_over ? HEARING_SKIP : HEARING_WHOLE;
}

/* By its first bytes: two at least, those of a head of Data where it is so long. */
static enum hearing judge(struct session *session, struct linksocks *linksocks, struct slice head)
{
	uint8_t type = head.at[1];
	linksocks->whole_max = SHORT_MAX;
	if (linksocks->phase == PHASE_AUTH)
		return judge_early(session, linksocks, type);
	switch (type) {
	case LINKSOCKS_DATA:
		return head.size < LINKSOCKS_DATA_HEAD_SIZE ? HEARING_WHOLE
							    : judge_data(session, linksocks, head.at);
	case LINKSOCKS_CONNECT:
	case LINKSOCKS_CONNECT_RESPONSE:
	case LINKSOCKS_DISCONNECT:
	case LINKSOCKS_CONNECTOR:
	case LINKSOCKS_CONNECTOR_RESPONSE:
		return HEARING_WHOLE;
	case LINKSOCKS_LOG:
	case LINKSOCKS_PARTNERS:
		linksocks->whole_max = NOTE_MAX;
		return HEARING_WHOLE;
	case LINKSOCKS_CREDIT:
		return linksocks->features & FEATURE_CREDIT ? HEARING_WHOLE : HEARING_SKIP;
	case LINKSOCKS_EOF:
		return linksocks->features & FEATURE_HALF_CLOSE ? HEARING_WHOLE : HEARING_SKIP;
	default:
		return HEARING_SKIP;
	}
}

/* ---- before AuthResponse ---- */

static enum status hold_early(struct session *session, struct linksocks *linksocks, struct slice message)
{
	size_t size = EARLY_HEAD + message.size;
	if (!linksocks->early)
		linksocks->early = buf_acquire(&session->hub->bufs, EARLY_MAX);
	struct buf *early = linksocks->early;
	if (!early)
		return linksocks_starved(session);
	if (linksocks->early_count == EARLY_COUNT_MAX || early->size - early->used < size)
		return STATUS_OK;
	linksocks->early_count++;
	put32(early->bytes + early->used, (uint32_t)message.size);
	memcpy(early->bytes + early->used + EARLY_HEAD, message.at, message.size);
	early->used += (uint32_t)size;
	return STATUS_OK;
}

/* One after the other, as the slot takes them. */
static enum status replay_early(struct session *session, struct linksocks *linksocks)
{
	struct buf *early = linksocks->early;
	while (early->start < early->used) {
		const uint8_t *at = early->bytes + early->start;
		struct piece whole = {early, {at + EARLY_HEAD, get32(at)}};
		enum status status = linksocks_hear_message(session, linksocks, whole);
		if (status != STATUS_OK || session->state != SESSION_OPEN)
			return status;
		early->start += (uint32_t)(EARLY_HEAD + whole.bytes.size);
		if (session->slot_full && early->start < early->used)
			return STATUS_FULL;
	}
	release(&linksocks->kept);
	linksocks->kept = early;
	linksocks->early = NULL;
	return STATUS_OK;
}

static bool is_answer(struct slice message)
{
	return message.size >= 2 && message.at[1] == LINKSOCKS_AUTH_RESPONSE;
}

/* ---- whole messages ---- */

static enum status unpack_lz4(struct session *session, struct linksocks *linksocks, struct slice packed)
{
	size_t size = 0;
	enum status status = lz4_size(packed, LZ4_MAX, &size);
	if (status == STATUS_OK && size) {
		struct buf *buf = linksocks->unpacked = buf_acquire(&session->hub->bufs, size);
		if (!buf)
			return linksocks_starved(session);
		status = lz4_unpack(packed, buf->bytes, buf->size, &size);
		buf->used = (uint32_t)size;
	}
	if (status != STATUS_OK)
		return session_fault(session, status == STATUS_FULL ? "data unpacks to too much"
								    : "invalid lz4 data");
	linksocks->hearing = HEARING_UNPACKED;
	return STATUS_OK;
}

/* What waits for the channel, and what is done with. */
static enum status pass_unpacked(struct session *session, struct linksocks *linksocks)
{
	struct buf *buf = linksocks->unpacked;
	if (!buf)
		return STATUS_OK;
	struct piece piece = {buf, {buf->bytes, buf->used}};
	enum status status = linksocks_hear_payload(session, linksocks->head + 3, piece);
	if (status == STATUS_OK)
		release(&linksocks->unpacked);
	return status;
}

static bool is_lz4(const struct linksocks *linksocks, struct slice message)
{
	return linksocks->phase == PHASE_OPEN && linksocks->features & FEATURE_LZ4 &&
	       message.size >= LINKSOCKS_DATA_HEAD_SIZE && message.at[1] == LINKSOCKS_DATA &&
	       message.at[2] != LINKSOCKS_UDP && message.at[LINKSOCKS_DATA_HEAD_SIZE - 5] == LINKSOCKS_LZ4;
}

static enum status hear_lz4(struct session *session, struct linksocks *linksocks, struct slice message)
{
	struct linksocks_message parsed;
	const char *why;
	if (linksocks_parse(message, &parsed, &why) != STATUS_OK)
		return session_fault(session, why);
	memcpy(linksocks->head, message.at, sizeof linksocks->head);
	enum status status = unpack_lz4(session, linksocks, parsed.payload);
	release(&linksocks->whole);
	return status == STATUS_OK ? pass_unpacked(session, linksocks) : status;
}

/* FULL: what waits goes on with the next call. */
static enum status hear_whole(struct session *session, struct linksocks *linksocks, struct piece whole)
{
	if (linksocks->phase == PHASE_AUTH && session->client && !is_answer(whole.bytes))
		return linksocks->cut ? STATUS_OK : hold_early(session, linksocks, whole.bytes);
	if (is_lz4(linksocks, whole.bytes))
		return hear_lz4(session, linksocks, whole.bytes);
	bool is_note = whole.bytes.size > 1 &&
		       (whole.bytes.at[1] == LINKSOCKS_LOG || whole.bytes.at[1] == LINKSOCKS_PARTNERS);
	if (is_note && linksocks->cut)
		return STATUS_OK;
	enum status status = linksocks_hear_message(session, linksocks, whole);
	bool holds = status == STATUS_OK && session->state == SESSION_OPEN && linksocks->early &&
		     linksocks->phase == PHASE_OPEN;
	return holds ? STATUS_FULL : status;
}

static enum status end_message(struct session *session, struct linksocks *linksocks)
{
	enum status status = STATUS_OK;
	bool streams = linksocks->hearing == HEARING_PLAIN || linksocks->hearing == HEARING_GZIP;
	if (streams && linksocks->left)
		return session_fault(session, "message too short");
	if (linksocks->hearing == HEARING_GZIP && !gunzip_is_complete(linksocks->gunzip))
		return session_fault(session, "invalid gzip data");
	if (linksocks->hearing == HEARING_WHOLE) {
		struct buf *buf = linksocks->whole;
		status = hear_whole(session, linksocks, (struct piece){buf, {buf->bytes, buf->used}});
		bool waits = status == STATUS_FULL && linksocks->hearing == HEARING_UNPACKED;
		if (session->state != SESSION_OPEN || waits)
			return status;
		if (session->slot_full) { /* it points into the message */
			release(&linksocks->kept);
			linksocks->kept = linksocks->whole;
			linksocks->whole = NULL;
		}
	}
	forget_message(linksocks);
	return status;
}

/* ---- pieces ---- */

/* What fits is kept, the rest is passed over. */
static bool collect(struct session *session, struct linksocks *linksocks, struct slice bytes)
{
	struct buf *buf = linksocks->whole;
	size_t used = buf ? buf->used : 0, size = size_min(bytes.size, linksocks->whole_max - used);
	linksocks->cut = linksocks->cut || size < bytes.size;
	if (!buf || buf->size - used < size) {
		size_t room = size_min(size_max(2 * used, used + size), linksocks->whole_max);
		struct buf *larger = buf_acquire(&session->hub->bufs, room);
		if (!larger)
			return false;
		if (used)
			memcpy(larger->bytes, buf->bytes, used);
		larger->used = (uint32_t)used;
		release_wiped(&linksocks->whole);
		linksocks->whole = buf = larger;
	}
	if (size)
		memcpy(buf->bytes + used, bytes.at, size);
	buf->used += (uint32_t)size;
	return true;
}

static enum status take_plain(struct session *session, struct linksocks *linksocks, struct buf *buf,
			      struct slice *bytes)
{
	struct slice part = {bytes->at, size_min(bytes->size, linksocks->left)};
	enum status status =
	    part.size ? linksocks_hear_payload(session, linksocks->head + 3, (struct piece){buf, part})
		      : STATUS_OK;
	if (status != STATUS_OK)
		return status;
	linksocks->left -= (uint32_t)part.size;
	bytes->at += part.size;
	bytes->size -= part.size;
	if (!linksocks->left)
		bytes->size = 0; /* surplus */
	return STATUS_OK;
}

static enum status take_gzip(struct session *session, struct linksocks *linksocks, struct slice *bytes)
{
	for (;;) {
		enum status status = pass_unpacked(session, linksocks);
		if (status != STATUS_OK || session->state != SESSION_OPEN)
			return status;
		if (!linksocks->unpacked)
			linksocks->unpacked = buf_acquire(&session->hub->bufs, GZIP_ROOM);
		struct buf *out = linksocks->unpacked;
		if (!out)
			return linksocks_starved(session);
		struct slice part = {bytes->at, size_min(bytes->size, linksocks->left)};
		size_t offered = part.size, size = 0;
		status = gunzip_feed(linksocks->gunzip, &part, out->bytes, out->size, &size);
		if (status != STATUS_OK)
			return session_fault(session, status == STATUS_FULL ? "data unpacks to too much"
									    : "invalid gzip data");
		size_t taken = offered - part.size;
		out->used = (uint32_t)size;
		linksocks->left -= (uint32_t)taken;
		bytes->at += taken;
		bytes->size -= taken;
		if (!size) {
			release(&linksocks->unpacked);
			bytes->size = 0; /* surplus */
			return STATUS_OK;
		}
	}
}

/* Until the first bytes are there, or the message is complete. */
static enum status take_head(struct session *session, struct linksocks *linksocks, struct slice *bytes,
			     bool last)
{
	size_t size = size_min(bytes->size, sizeof linksocks->head - linksocks->head_used);
	if (size)
		memcpy(linksocks->head + linksocks->head_used, bytes->at, size);
	linksocks->head_used += (uint8_t)size;
	bytes->at += size;
	bytes->size -= size;
	if (linksocks->head_used < sizeof linksocks->head && !(last && !bytes->size))
		return STATUS_OK;
	struct slice head = {linksocks->head, linksocks->head_used};
	if (head.size && head.at[0] >> 4)
		linksocks->hearing = HEARING_WHOLE; /* the parser says what is wrong */
	else
		linksocks->hearing = head.size < 2 ? HEARING_WHOLE : judge(session, linksocks, head);
	if (linksocks->hearing == HEARING_GZIP) {
		linksocks->gunzip = gunzip_create(&session->hub->bufs, LINKSOCKS_UNPACKED_MAX);
		if (!linksocks->gunzip)
			return linksocks_starved(session);
	}
	bool collects = linksocks->hearing == HEARING_WHOLE;
	if (collects && head.size < 2)
		linksocks->whole_max = SHORT_MAX;
	return !collects || collect(session, linksocks, head) ? STATUS_OK : linksocks_starved(session);
}

static enum status take(struct session *session, struct linksocks *linksocks, const struct chunk *chunk,
			struct slice *bytes)
{
	switch (linksocks->hearing) {
	case HEARING_HEAD:
		return take_head(session, linksocks, bytes, chunk->last);
	case HEARING_PLAIN:
		return take_plain(session, linksocks, chunk->piece.buf, bytes);
	case HEARING_GZIP:
		return take_gzip(session, linksocks, bytes);
	case HEARING_UNPACKED:
		return pass_unpacked(session, linksocks);
	case HEARING_WHOLE:
		if (!collect(session, linksocks, *bytes))
			return linksocks_starved(session);
		bytes->size = 0;
		return STATUS_OK;
	default:
		bytes->size = 0;
		return STATUS_OK;
	}
}

/* A message that has come as a whole is read where it lies; but data is always passed on in pieces. */
static bool take_at_once(struct session *session, struct linksocks *linksocks, const struct chunk *chunk,
			 struct slice *bytes, enum status *status)
{
	if (linksocks->in_message || !chunk->last)
		return false;
	bool known = bytes->size >= 2 && !(bytes->at[0] >> 4);
	enum hearing hearing = known ? judge(session, linksocks, *bytes) : HEARING_WHOLE;
	linksocks->left = 0;
	if (hearing == HEARING_PLAIN || hearing == HEARING_GZIP)
		return false;
	struct slice whole = *bytes;
	bytes->size = 0;
	linksocks->cut = known && whole.size > linksocks->whole_max;
	*status = STATUS_OK;
	if (hearing == HEARING_WHOLE)
		*status = hear_whole(session, linksocks, (struct piece){chunk->piece.buf, whole});
	linksocks->in_message = linksocks->hearing == HEARING_UNPACKED;
	if (session->state == SESSION_OPEN && !linksocks->in_message)
		linksocks->cut = false;
	return true;
}

static enum status hear_part(struct session *session, struct linksocks *linksocks, const struct chunk *chunk,
			     struct slice *bytes)
{
	enum status status = STATUS_OK;
	if (linksocks->phase == PHASE_HEAD || linksocks->phase == PHASE_OVER) {
		bytes->size = 0;
		return STATUS_OK;
	}
	if (linksocks->early && linksocks->phase == PHASE_OPEN)
		return replay_early(session, linksocks);
	if (take_at_once(session, linksocks, chunk, bytes, &status)) {
		if (linksocks->in_message && status == STATUS_OK)
			forget_message(linksocks);
		return status;
	}
	linksocks->in_message = true;
	do
		status = take(session, linksocks, chunk, bytes);
	while (status == STATUS_OK && bytes->size && session->state == SESSION_OPEN);
	if (status != STATUS_OK || session->state != SESSION_OPEN || !chunk->last)
		return status;
	return end_message(session, linksocks);
}

/* ---- chunks ---- */

/* A peer that has said Close waits for ours. */
static enum status hear_end(struct session *session, const struct linksocks *linksocks,
			    const struct chunk *chunk)
{
	bool greets = session->client && linksocks->phase <= PHASE_AUTH && !session->draining;
	session_end(session, session->draining ? REASON_STOPPING : REASON_LOST,
		    greets ? "closed during authentication" : NULL, chunk->code != 0);
	return STATUS_OK;
}

static enum status hear_pong(struct session *session, struct linksocks *linksocks, struct slice bytes)
{
	bool ours = linksocks->ping_out && bytes.size == 4 && get32(bytes.at) == linksocks->ping_nonce;
	if (!ours)
		return STATUS_OK;
	struct event event = {.kind = EVENT_PONG, .amount = linksocks->ping_nonce};
	linksocks->ping_out = false;
	session->rtt = instant_since(session->hub->now, linksocks->ping_said_at);
	if (session->rtt.ns < 1)
		session->rtt.ns = 1;
	return session_deliver(session, &event);
}

enum status linksocks_decode(struct session *session, void *state, const struct chunk *chunk,
			     size_t *consumed)
{
	struct linksocks *linksocks = state;
	struct slice bytes = chunk->piece.bytes;
	enum status status = STATUS_OK;
	forget_kept(linksocks);
	switch (chunk->kind) {
	case CHUNK_BINARY:
	case CHUNK_TEXT:
		status = hear_part(session, linksocks, chunk, &bytes);
		break;
	case CHUNK_HEAD:
		bytes.size = 0;
		status = linksocks_hear_head(session, linksocks, chunk->head);
		break;
	case CHUNK_PONG:
		status = hear_pong(session, linksocks, bytes);
		bytes.size = 0;
		break;
	case CHUNK_END:
		return hear_end(session, linksocks, chunk);
	default:
		bytes.size = 0;
	}
	*consumed = chunk->piece.bytes.size - bytes.size;
	return status;
}
