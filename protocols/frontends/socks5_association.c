/* protocols/frontends/socks5_association.c - see socks5_association.h. */
#include "protocols/frontends/socks5_association.h"

#include "core/datagram.h"
#include "core/hub.h"
#include "protocols/frontends/socks5.h"

/* Without the disguise of IPv4 in IPv6, and without a port. ADDRESS_NONE: no IP address. */
static struct address bare(const struct address *address)
{
	char host[ADDRESS_TEXT_SIZE];
	struct address found = {0};
	address_of_literal(&found, address_host(address, host), 0);
	return found;
}

static struct address peer_of(const struct session *session)
{
	struct address peer = {0};
	address_parse(&peer, session->peer);
	return bare(&peer);
}

uint16_t association_port(const struct session *session, const char *host, uint16_t port)
{
	static const uint8_t zero[16];
	struct address own, peer = peer_of(session);
	if (!address_of_literal(&own, host, 0))
		return 0;
	bool unsaid = memcmp(own.bytes, zero, sizeof zero) == 0;
	return unsaid || address_is_equal(&own, &peer) ? port : 0;
}

void association_init(struct association *association, const struct session *session, uint16_t expected_port)
{
	*association = (struct association){.expected_port = expected_port, .peer = peer_of(session)};
}

static bool is_expected(const struct association *association, const struct address *from)
{
	struct address source = bare(from);
	return source.family != ADDRESS_NONE && address_is_equal(&source, &association->peer) &&
	       (!association->expected_port || association->expected_port == from->port);
}

void association_hear(struct association *association, struct session *session, const struct address *from,
		      struct piece piece)
{
	struct channel *channel = session_only_channel(session);
	struct target target;
	size_t used;
	if (!channel || !is_expected(association, from) ||
	    socks5_parse_datagram(piece.bytes, &target, &used) != STATUS_OK) {
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return;
	}
	association->source_port = from->port;
	piece.bytes = (struct slice){piece.bytes.at + used, piece.bytes.size - used};
	session_deliver(session, &(struct event){.kind = EVENT_DATAGRAM,
						 .channel = channel,
						 .target = &target,
						 .pieces = &piece,
						 .piece_count = 1,
						 .size = piece.bytes.size});
}

enum status association_say(const struct association *association, struct session *session,
			    const struct event *event)
{
	uint8_t head[SOCKS5_UDP_HEAD_MAX];
	struct target to = {.network = NETWORK_UDP, .port = association->source_port};
	if (!to.port) {                          /* nobody knows yet where it listens */
		hub_count(session->hub, COUNTER_datagrams_dropped, 1);
		return STATUS_OK;
	}
	address_host(&association->peer, to.host);
	size_t size = socks5_write_datagram(head, event->target);
	return session_send_datagram(session, &to, (struct slice){head, size}, event->pieces[0]);
}
