/* protocols/tls_tunnel/stream.c - the dialogue at the start of a stream; see tunnel.h.
 *
 * Opened by the server (proxy stream): u16 publish_port, no answer. Opened by the client (visitor stream):
 * u16 n, name of n bytes, u16 publish_port; the answer is 01, or 00 u16 n, text of n bytes, and RST. A target
 * to be dialled is a name too: forward_name.h. Where both ends have shown `source`, either header goes on
 * with u8 family (0: not known, 4, 6) and, unless that is 0, the user's address of 4 or 16 bytes and u16
 * port. Its bytes count for the windows.
 * Gateways before 1.5 do not tell the owner of a proxy which one a visitor wants: the first two bytes of the
 * visitor's are taken for it. So our client writes the port there, and our gateway, which tells the owner
 * itself, swallows it (legacy.h: visitor_ports).
 */
#include "core/hub.h"
#include "core/log.h"
#include "protocols/tls_tunnel/forward_name.h"
#include "protocols/tls_tunnel/handshake.h"

enum { NAME_MAX_SIZE = 255, PORT_SIZE = 2, SIZE_SIZE = 2, VERDICT_SIZE = 1, REFUSAL_TEXT_MAX = 4096 };

static bool is_utf8(const char *text)
{
	json_t *string = json_string(text); /* NULL when it is none */
	json_decref(string);
	return string != NULL;
}

static void tell_refused(const struct session *session, enum reason reason, const char *detail)
{
	if (hub_may_log(session->hub))
		log_info("stream refused", TEXT("peer", session->peer), TEXT("reason", reason_text(reason)),
			 TEXT("detail", detail));
}

/* It cannot be opened: RST, after 00 and the text where the peer waits for a verdict. */
static enum status refuse(struct channel *channel, bool verdict, enum reason reason, const char *text)
{
	struct stream *stream = stream_of(channel);
	struct session *session = channel->session;
	stream->dialogue = DIALOGUE_NONE;
	stream->verdict = verdict;
	tell_refused(session, reason, text ? text : "what it begins with is no name and port");
	channel_refuse(channel, reason, text);
	return STATUS_OK;
}

static enum status deliver_open(struct session *session, struct channel *channel, bool published)
{
	stream_of(channel)->dialogue = DIALOGUE_NONE;
	struct event event = {.kind = EVENT_OPEN, .channel = channel, .target = &channel->target};
	channel->target.network = NETWORK_TCP;
	channel->target.published = published;
	return session_deliver(session, &event);
}

/* One byte of what follows the port; `at` counts from there. *over: it is complete. */
static enum status hear_source(struct channel *channel, size_t at, uint8_t byte, bool *over)
{
	struct user_address *source = &channel->target.source;
	size_t size = source->family == 4 ? 4 : 16;
	if (at == 0) {
		source->family = byte;
		*over = byte == 0;
		return byte == 0 || byte == 4 || byte == 6 ? STATUS_OK : STATUS_PROTOCOL;
	}
	if (at <= size)
		source->bytes[at - 1] = byte;
	else
		source->port = (uint16_t)(source->port << 8 | byte);
	*over = at == size + PORT_SIZE;
	return STATUS_OK;
}

/* One byte of a header behind its name; `at` counts from there. *over: the header is complete. */
static enum status hear_tail(struct tunnel *tunnel, struct channel *channel, size_t at, uint8_t byte,
			     bool *over)
{
	if (at >= PORT_SIZE)
		return hear_source(channel, at - PORT_SIZE, byte, over);
	channel->target.port = (uint16_t)(channel->target.port << 8 | byte);
	*over = at == PORT_SIZE - 1 && !control_has_source(&tunnel->control);
	return STATUS_OK;
}

/* One byte of the header that the server reads. The name goes straight to where it is wanted. *over: the
 * dialogue is. */
static enum status hear_name(struct session *session, struct tunnel *tunnel, struct channel *channel,
			     uint8_t byte, bool *over)
{
	struct stream *stream = stream_of(channel);
	struct target *target = &channel->target;
	uint16_t at = stream->used++;
	*over = true;
	if (at < SIZE_SIZE) {
		stream->size = (uint16_t)(stream->size << 8 | byte);
		if (stream->used == SIZE_SIZE && (stream->size == 0 || stream->size > NAME_MAX_SIZE))
			return refuse(channel, true, REASON_PROTOCOL,
				      "Invalid proxy name length (must be 1-255 bytes)");
		*over = false;
		return STATUS_OK;
	}
	if (at < SIZE_SIZE + stream->size) {
		target->host[at - SIZE_SIZE] = (char)byte;
		if (!byte) /* no name that can be published has one */
			return refuse(channel, false, REASON_PROTOCOL, NULL);
		*over = false;
		return STATUS_OK;
	}
	if (hear_tail(tunnel, channel, at - SIZE_SIZE - stream->size, byte, over) != STATUS_OK) {
		*over = true;
		return refuse(channel, false, REASON_PROTOCOL, NULL);
	}
	if (!*over)
		return STATUS_OK;
	target->host[stream->size] = 0;
	if (!is_utf8(target->host))
		return refuse(channel, false, REASON_PROTOCOL, NULL);
	stream->verdict = true;
	return deliver_open(session, channel, !forward_name_read(target));
}

static enum status hear_port(struct session *session, struct tunnel *tunnel, struct channel *channel,
			     uint8_t byte, bool *over)
{
	if (hear_tail(tunnel, channel, stream_of(channel)->used++, byte, over) != STATUS_OK) {
		*over = true;
		return refuse(channel, false, REASON_PROTOCOL, NULL);
	}
	return *over ? deliver_open(session, channel, true) : STATUS_OK;
}

static enum reason reason_of_refusal(struct slice text)
{
	static const char found_not[] = "not found or client not connected";
	enum reason reason;
	if (forward_refusal_read(text, &reason))
		return reason;
	if (text.size >= sizeof found_not - 1 && memmem(text.at, text.size, found_not, sizeof found_not - 1))
		return REASON_NOT_FOUND;
	return REASON_REFUSED;
}

/* Nobody can say whether what follows is the service's: this stream ends, the others know nothing of it. */
static enum status hear_nonsense(struct session *session, struct tunnel *tunnel, struct channel *channel)
{
	static const char text[] = "the gateway's answer to it is neither 0 nor 1";
	uint32_t id = stream_of(channel)->id;
	struct event event = {.kind = EVENT_OPENED,
			      .channel = channel,
			      .reason = REASON_PROTOCOL,
			      .text = slice_of(text)};
	tell_refused(session, REASON_PROTOCOL, text);
	enum status status = session_deliver(session, &event);
	tunnel_refuse(session, tunnel, id);
	return status;
}

/* The channel is gone after a refusal. */
static enum status hear_verdict(struct session *session, struct tunnel *tunnel, struct channel *channel,
				uint8_t byte, bool *over)
{
	struct stream *stream = stream_of(channel);
	struct event event = {.kind = EVENT_OPENED, .channel = channel};
	uint16_t at = stream->used++;
	if (at == 0 && byte == 1) {
		*over = true;
		stream->dialogue = DIALOGUE_NONE;
		stream->port_owed = tunnel_is_legacy(tunnel) && channel->target.published;
		if (stream->port_owed)
			channel_owes(channel);
		return session_deliver(session, &event);
	}
	if (at == 0 && byte != 0) {
		*over = true;
		return hear_nonsense(session, tunnel, channel);
	}
	if (at == 0)
		return STATUS_OK;
	if (at < VERDICT_SIZE + SIZE_SIZE) {
		stream->size = (uint16_t)(stream->size << 8 | byte);
		if (stream->used == VERDICT_SIZE + SIZE_SIZE) {
			tunnel->refusal_id = stream->id;
			tunnel->refusal_used = 0;
		}
	} else if (tunnel->refusal_id == stream->id && tunnel->refusal_used < CHANNEL_TEXT_SIZE) {
		tunnel->refusal_text[tunnel->refusal_used++] = byte;
	}
	size_t size = VERDICT_SIZE + SIZE_SIZE + (stream->size > REFUSAL_TEXT_MAX ? 0 : stream->size);
	if (stream->used < VERDICT_SIZE + SIZE_SIZE || stream->used < size)
		return STATUS_OK;
	*over = true;
	stream->dialogue = DIALOGUE_NONE;
	if (tunnel->refusal_id == stream->id)
		event.text = (struct slice){tunnel->refusal_text, tunnel->refusal_used};
	event.reason = reason_of_refusal(event.text);
	return session_deliver(session, &event);
}

static void expect_port(struct channel *channel)
{
	stream_of(channel)->dialogue = DIALOGUE_PORT;
	stream_of(channel)->used = 0;
}

static void swallow(struct channel *channel, bool *over)
{
	struct stream *stream = stream_of(channel);
	*over = ++stream->used == PORT_SIZE;
	if (*over)
		stream->dialogue = DIALOGUE_NONE;
}

enum status stream_decode(struct session *session, struct tunnel *tunnel, struct channel *channel,
			  struct slice bytes, size_t *taken)
{
	enum dialogue dialogue = stream_of(channel)->dialogue;
	bool over = false;
	enum status status = STATUS_OK;
	*taken = 0;
	while (!over && *taken < bytes.size && status == STATUS_OK) {
		uint8_t byte = bytes.at[(*taken)++];
		if (!channel_heard(channel, 1))
			return tunnel_fault(session, tunnel, "sent more data than its window allows");
		channel_ate(channel, 1);
		if (dialogue == DIALOGUE_PORT)
			swallow(channel, &over);
		else if (dialogue == DIALOGUE_VERDICT)
			status = hear_verdict(session, tunnel, channel, byte, &over);
		else if (session->client)
			status = hear_port(session, tunnel, channel, byte, &over);
		else
			status = hear_name(session, tunnel, channel, byte, &over);
	}
	if (over && dialogue == DIALOGUE_HEADER && tunnel->legacy.visitor_ports && channel->target.published)
		expect_port(channel);
	return status;
}

void streams_unstick(struct session *session, struct tunnel *tunnel)
{
	struct link *next;
	for (struct link *link = session->channels.next; link != &session->channels; link = next) {
		struct channel *channel = OWNER(link, struct channel, session_link);
		struct stream *stream = stream_of(channel);
		uint32_t id = stream->id;
		bool starved = stream->fin_heard && channel->credit == 0;
		next = link->next;
		if (!starved || !stream->starved) {
			stream->starved = starved;
			continue;
		}
		/* only this channel goes: its partner belongs to a conn or to another link, or loses its pair
		 * later */
		struct event event = {.kind = EVENT_RESET, .channel = channel, .reason = REASON_STALLED};
		session_deliver(session, &event);
		tunnel_refuse(session, tunnel, id);
	}
}

void streams_expire(struct session *session, struct tunnel *tunnel, struct instant now)
{
	struct instant next = INSTANT_NEVER;
	for (struct link *link = session->channels.next; link != &session->channels; link = link->next) {
		struct channel *channel = OWNER(link, struct channel, session_link);
		struct stream *stream = stream_of(channel);
		if (stream->dialogue != DIALOGUE_HEADER)
			continue;
		if (instant_before(now, stream->until))
			next = instant_min(next, stream->until);
		else
			refuse(channel, false, REASON_TIMEOUT, "it did not say what it is for");
	}
	/* not at every stream's own instant: a walk a second is enough */
	struct instant soonest = instant_after(now, DURATION_S(1));
	tunnel->header_at = next.ns == INSTANT_NEVER.ns	    ? (struct instant){0}
			    : instant_before(next, soonest) ? soonest
							    : next;
}

/* ---- saying ---- */

static size_t source_size(const struct user_address *source)
{
	return source->family == 4 ? 1 + 4 + PORT_SIZE : source->family == 6 ? 1 + 16 + PORT_SIZE : 1;
}

static void put_source(uint8_t *at, const struct user_address *source)
{
	size_t size = source_size(source);
	at[0] = source->family;
	if (size == 1)
		return;
	memcpy(at + 1, source->bytes, size - 1 - PORT_SIZE);
	put16(at + size - PORT_SIZE, source->port);
}

/* Name and port that the server is told. False: there are none. */
static bool make_name(char name[HOST_SIZE], uint16_t *port, const struct target *target)
{
	*port = target->published ? target->port : 0;
	if (!target->published)
		return forward_name_write(name, target);
	text_copy(name, HOST_SIZE, slice_of(target->host));
	return true;
}

enum status stream_encode_open(struct session *session, struct tunnel *tunnel, const struct event *event,
			       struct writer *writer)
{
	struct channel *channel = event->channel;
	struct stream *stream = stream_of(channel);
	char text[HOST_SIZE] = "";
	uint16_t port = event->target->port;
	if (!tunnel->open_now)
		return STATUS_MORE;
	if (session->client && tunnel->legacy.generation == TUNNEL_10) {
		channel_opened(channel, REASON_FORBIDDEN, slice_of("a gateway 1.0 has no visitors"));
		return STATUS_MORE;              /* the channel is gone */
	}
	if (session->client && !make_name(text, &port, event->target)) {
		channel_opened(channel, REASON_NAME, slice_of("too long for the gateway"));
		return STATUS_MORE;
	}
	if (tunnel->next_id > UINT32_MAX - 2) {
		session_end(session, REASON_LIMIT, "all stream ids have been used", true);
		return STATUS_MORE;
	}
	bool tells = control_has_source(&tunnel->control);
	struct slice name = slice_of(text);
	size_t size = (session->client ? SIZE_SIZE + name.size : 0) + PORT_SIZE;
	size += tells ? source_size(&event->target->source) : 0;
	writer_begin(writer, CHUNK_BINARY);
	yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, YAMUX_SYN, tunnel->next_id,
		     (uint32_t)size);
	writer_cut(writer);
	uint8_t *at = writer_room(writer, size);
	if (session->client) {
		put16(at, (uint16_t)name.size);
		memcpy(at + SIZE_SIZE, name.at, name.size);
		at += SIZE_SIZE + name.size;
	}
	put16(at, session->client ? port : handshake_port(tunnel, port));
	if (tells)
		put_source(at + PORT_SIZE, &event->target->source);
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		return status;
	stream->id = tunnel->next_id;
	tunnel->next_id += 2;
	channel_set_id(channel, &stream->id, sizeof stream->id);
	channel->credit -= size;
	if (session->client)
		stream->dialogue = DIALOGUE_VERDICT;
	else
		channel->traits |= TRAIT_SILENT_OPEN;
	return STATUS_OK;
}

enum status stream_encode_opened(const struct event *event, struct writer *writer)
{
	struct channel *channel = event->channel;
	struct stream *stream = stream_of(channel);
	bool accepted = event->reason == REASON_OK;
	struct slice text = {event->text.at, size_min(event->text.size, CHANNEL_TEXT_SIZE)};
	if (accepted && !stream->verdict)
		return STATUS_OK;
	size_t size = !stream->verdict ? 0 : accepted ? VERDICT_SIZE : VERDICT_SIZE + SIZE_SIZE + text.size;
	if (channel->credit < size)
		return STATUS_MORE;
	writer_begin(writer, CHUNK_BINARY);
	if (size) {
		yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA,
			     stream->ack_owed ? YAMUX_ACK : 0, stream->id, (uint32_t)size);
		writer_cut(writer);
		uint8_t *at = writer_room(writer, size);
		at[0] = accepted;
		if (!accepted) {
			put16(at + VERDICT_SIZE, (uint16_t)text.size);
			memcpy(at + VERDICT_SIZE + SIZE_SIZE, text.at, text.size);
		}
		writer_cut(writer);
	}
	if (!accepted)
		yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, YAMUX_RST, stream->id, 0);
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		return status;
	stream->ack_owed = false;
	if (accepted) {
		stream->verdict = false;
		channel->credit -= size;
	}
	return STATUS_OK;
}

enum status stream_say_port(struct channel *channel, struct writer *writer)
{
	struct stream *stream = stream_of(channel);
	if (channel->credit < PORT_SIZE)
		return STATUS_MORE;
	writer_begin(writer, CHUNK_BINARY);
	yamux_encode(writer_room(writer, YAMUX_HEADER_SIZE), YAMUX_DATA, 0, stream->id, PORT_SIZE);
	writer_cut(writer);
	put16(writer_room(writer, PORT_SIZE), channel->target.port);
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		return status;
	stream->port_owed = false;
	channel->credit -= PORT_SIZE;
	return STATUS_OK;
}
