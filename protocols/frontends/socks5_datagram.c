/* protocols/frontends/socks5_datagram.c - the header in front of a datagram; see socks5.h. */
#include "protocols/frontends/socks5.h"
#include "protocols/frontends/socks5_dialogue.h"

enum { HEAD_SIZE = 3 /* two reserved bytes, FRAG */ };

_Static_assert(HEAD_SIZE + SOCKS5_ADDRESS_MAX == SOCKS5_UDP_HEAD_MAX, "every head has room");

enum status socks5_parse_datagram(struct slice bytes, struct target *peer, size_t *used)
{
	bool odd_name = false;
	size_t size = 0;
	if (bytes.size < HEAD_SIZE || bytes.at[2])
		return STATUS_PROTOCOL;
	*peer = (struct target){.network = NETWORK_UDP};
	struct slice address = {bytes.at + HEAD_SIZE, bytes.size - HEAD_SIZE};
	if (socks5_parse_address(address, peer->host, &peer->port, &odd_name, &size) != STATUS_OK || odd_name)
		return STATUS_PROTOCOL;
	*used = HEAD_SIZE + size;
	return STATUS_OK;
}

size_t socks5_write_datagram(uint8_t head[SOCKS5_UDP_HEAD_MAX], const struct target *peer)
{
	memset(head, 0, HEAD_SIZE);
	return HEAD_SIZE + socks5_write_address(head + HEAD_SIZE, peer->host, peer->port);
}
