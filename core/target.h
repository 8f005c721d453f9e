/* core/target.h - where a channel is to lead, and whose it is: values that travel with OPEN. */
#ifndef CORE_TARGET_H
#define CORE_TARGET_H

#include "core/address.h"

enum network { NETWORK_TCP, NETWORK_UDP };

/* A user's address, which travels with OPEN. */
struct user_address {
	uint8_t family;          /* 4 or 6; 0: not known */
	uint16_t port;
	uint8_t bytes[16];       /* network order */
};

/* Of a socket's peer; an IPv4 address inside IPv6 is the IPv4 address that it is. */
struct user_address user_address_of(const struct address *address);
/* ADDRESS_NONE where it is not known. */
struct address user_address_to(const struct user_address *user);

/* Where a channel is to lead: a host and port that the far end dials, or a published name and port. */
struct target {
	enum network network;
	bool published;          /* `host` is the name of something published; it may be empty (port alone) */
	uint16_t port;
	struct user_address source; /* OPEN: whose it is */
	uint32_t service; /* over a ferry: index of the service that asks, hence of the one that answers */
	uint64_t link;    /* to another worker: which of the links there was chosen; 0: none was */
	char host[HOST_SIZE];
};

#endif
