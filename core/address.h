/* core/address.h - socket addresses as values: parsed, printed, compared. No sockets, no resolving.
 */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include "core/base.h"

enum { HOST_SIZE = 256, ADDRESS_TEXT_SIZE = 128, ADDRESS_PATH_SIZE = 108 };

enum address_family {
	ADDRESS_NONE,
	ADDRESS_ANY,  /* every address of the machine, IPv6 and IPv4 together (":8443") */
	ADDRESS_IPV4,
	ADDRESS_IPV6,
	ADDRESS_UNIX,
};

struct address {
	enum address_family family;
	uint16_t port;
	uint32_t scope;                /* IPv6 zone */
	uint8_t bytes[16];             /* network order, 4 or 16 of them */
	char path[ADDRESS_PATH_SIZE];  /* ADDRESS_UNIX */
};

/* ":8443", "127.0.0.1:8443", "[::1]:8443", "unix:/path". False when it is none of these. */
bool address_parse(struct address *address, const char *text);
/* An IPv4 or IPv6 literal without brackets, and a port. False when `host` is a name. */
bool address_of_literal(struct address *address, const char *host, uint16_t port);
/* "HOST:PORT" or "[V6]:PORT" into its two halves; port 1-65535. False when malformed. */
bool endpoint_parse(const char *text, char host[HOST_SIZE], uint16_t *port);
/* As it would be parsed; always terminated. Returns `text`. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
/* The host alone, as a literal without brackets and port, in canonical text (RFC 5952); IPv4 inside IPv6 as
 * IPv4. "" for one that has none. Returns `text`. */
const char *address_host(const struct address *address, char text[ADDRESS_TEXT_SIZE]);
/* 127.0.0.0/8, ::1, and what never leaves the machine: unix sockets. Not ADDRESS_ANY. */
bool address_is_loopback(const struct address *address);
bool address_is_equal(const struct address *a, const struct address *b);

#endif
