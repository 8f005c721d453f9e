/* protocols/frontends/socks5_dialogue.h - what a SOCKS5 client says before its bytes: three steps.
 *
 * Owner: nobody, values only; slices are borrowed from the bytes that were parsed. Each step answers MORE
 * until it is complete (what is certainly wrong is told at once), OK with its size in *used, or PROTOCOL.
 * Names are given as they came; IPv4 inside IPv6 as IPv4, IPv6 in its canonical text without brackets.
 * Never:  takes a byte behind its step; looks at what a step means to a policy.
 */
#ifndef PROTOCOLS_FRONTENDS_SOCKS5_DIALOGUE_H
#define PROTOCOLS_FRONTENDS_SOCKS5_DIALOGUE_H

#include "core/event.h"

enum {
	SOCKS5_VERSION = 5,
	SOCKS5_STEP_MAX = 1 + 1 + 255 + 1 + 255,   /* bytes of the longest step, a login */
	SOCKS5_ADDRESS_MAX = 1 + 1 + 255 + 2,      /* ATYP, address, port */
};

enum socks5_method { SOCKS5_METHOD_NONE = 0, SOCKS5_METHOD_PASSWORD = 2, SOCKS5_METHOD_REFUSED = 0xff };
enum socks5_command { SOCKS5_CONNECT = 1, SOCKS5_BIND = 2, SOCKS5_ASSOCIATE = 3 };
enum socks5_reply {
	SOCKS5_SUCCEEDED,
	SOCKS5_FAILED,
	SOCKS5_FORBIDDEN,
	SOCKS5_NETWORK_UNREACHABLE,
	SOCKS5_HOST_UNREACHABLE,
	SOCKS5_REFUSED,
	SOCKS5_EXPIRED,
	SOCKS5_COMMAND_UNKNOWN,
	SOCKS5_ADDRESS_UNKNOWN,
};

/* VER, methods. PROTOCOL: another version, or no method at all. */
struct socks5_greeting {
	bool offers_none, offers_password;
};
enum status socks5_parse_greeting(struct slice bytes, struct socks5_greeting *greeting, size_t *used);

/* RFC 1929. PROTOCOL: another version. */
struct socks5_login {
	struct slice user, password;
};
enum status socks5_parse_login(struct slice bytes, struct socks5_login *login, size_t *used);

/* A request. PROTOCOL: `reply` tells which answer it gets. An odd name is for the caller to judge. */
struct socks5_request {
	uint8_t command;
	bool odd_name;                  /* empty, or with a blank, a control character or a zero in it */
	uint16_t port;
	char host[HOST_SIZE];
	enum socks5_reply reply;
};
enum status socks5_parse_request(struct slice bytes, struct socks5_request *request, size_t *used);

/* ATYP, address and port, also of a datagram. PROTOCOL: no such ATYP. */
enum status socks5_parse_address(struct slice bytes, char host[HOST_SIZE], uint16_t *port, bool *odd_name,
				 size_t *used);
/* The size. A host that is no literal becomes a name. */
size_t socks5_write_address(uint8_t bytes[SOCKS5_ADDRESS_MAX], const char *host, uint16_t port);

#endif
