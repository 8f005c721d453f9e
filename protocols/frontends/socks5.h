/* protocols/frontends/socks5.h - SOCKS5 (RFC 1928, RFC 1929): a conn with a dialogue in front, server side.
 *
 * Greeting, perhaps AUTH, then OPEN: the conn is held until its role has placed it, may be moved to another
 * worker, and OPENED becomes the reply. From then on its bytes are the channel's. UDP ASSOCIATE opens a
 * channel of NETWORK_UDP and a datagram socket at the address of the control connection; the reply says where
 * once the far end has agreed; datagrams are taken from the control connection's peer alone, FRAG other than
 * 0 is dropped, and anything on the control connection but silence ends it.
 *
 * States: GREETING -> (AUTH ->) REQUEST -> OPENING -> RELAY or ASSOCIATED.
 * Limits: limits.handshake for each step before OPENING; names of 1-255 bytes without control characters.
 * Never:  answers before it has the whole step; reads on before its role has judged a login or placed it;
 *         compares a secret (the role does).
 */
#ifndef PROTOCOLS_FRONTENDS_SOCKS5_H
#define PROTOCOLS_FRONTENDS_SOCKS5_H

#include "core/session.h"

extern const struct wire wire_socks5;

/* How a protocol wants its users treated; const, outlives every session. */
struct socks5_policy {
	bool password;      /* users must log in: method 02, EVENT_AUTH, the role answers EVENT_AUTHED */
	bool any_method;    /* without password: 05 00 also to those who did not offer method 00 */
	bool udp;           /* false: UDP ASSOCIATE gets reply 07 */
	uint8_t (*reply)(enum reason reason);   /* of a refusal; NULL: as RFC 1928 has it */
};

/* By role.start. Without a call: no password, no UDP. */
void socks5_set_policy(struct session *session, const struct socks5_policy *policy);

enum { SOCKS5_UDP_HEAD_MAX = 4 + 1 + 255 + 2 };
/* The header in front of a datagram. OK: `peer` and `*used`; PROTOCOL: too short, FRAG, no such ATYP. */
enum status socks5_parse_datagram(struct slice bytes, struct target *peer, size_t *used);
/* The header for one that came from `peer`; its size. A host that is no literal becomes a name. */
size_t socks5_write_datagram(uint8_t head[SOCKS5_UDP_HEAD_MAX], const struct target *peer);

#endif
