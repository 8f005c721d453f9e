/* protocols/frontends/udp.c - see udp.h. */
#include "protocols/frontends/udp.h"

#include "core/datagram.h"
#include "core/hub.h"

struct udp {
	struct instant moved_at;         /* the last datagram, either way */
};

static enum status udp_start(struct session *session, void *state)
{
	struct udp *udp = state;
	udp->moved_at = session->hub->now;
	session_tick_at(session, instant_after(session->hub->now, session->hub->limits->udp_idle));
	return STATUS_OK;
}

/* There is no stream, so there are no chunks. */
static enum status udp_decode(struct session *session, void *state, const struct chunk *chunk,
			      size_t *consumed)
{
	*consumed = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status udp_encode(struct session *session, void *state, const struct event *event,
			      struct writer *writer)
{
	struct udp *udp = state;
	if (event->kind != EVENT_DATAGRAM)
		return STATUS_OK;
	enum status status =
	    session_send_datagram(session, event->target, (struct slice){0}, event->pieces[0]);
	if (status == STATUS_OK) {
		udp->moved_at = session->hub->now;
		session->bytes_out += event->size;
	}
	return status;
}

static void udp_datagram(struct session *session, void *state, const struct address *from,
			 struct piece piece)
{
	struct udp *udp = state;
	struct channel *channel = session_only_channel(session);
	struct target target = {.network = NETWORK_UDP, .port = from->port};
	char host[ADDRESS_TEXT_SIZE];
	if (!channel) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return;
	}
	udp->moved_at = session->hub->now;
	text_copy(target.host, sizeof target.host, slice_of(address_host(from, host)));
	struct event event = {.kind = EVENT_DATAGRAM, .channel = channel, .target = &target, .pieces = &piece,
			      .piece_count = 1, .size = piece.bytes.size};
	session_deliver(session, &event);
}

static struct instant udp_tick(struct session *session, void *state, struct instant now)
{
	const struct udp *udp = state;
	struct instant until = instant_after(udp->moved_at, session->hub->limits->udp_idle);
	if (instant_before(now, until))
		return until;
	hub_count(session->hub, COUNTER_channels_idle, 1);
	session_end(session, REASON_TIMEOUT, NULL, false);
	return INSTANT_NEVER;
}

const struct wire wire_udp = {
    .name = "udp",
    .traits = TRAIT_CONN | TRAIT_SILENT_OPEN,
    .session_size = sizeof(struct udp),
    .chunk_max = DATAGRAM_MAX,
    .start = udp_start,
    .decode = udp_decode,
    .encode = udp_encode,
    .tick = udp_tick,
    .datagram = udp_datagram,
};
