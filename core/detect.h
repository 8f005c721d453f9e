/* core/detect.h - which carrier and wire a new connection speaks: a pure question about its first bytes.
 *
 * Asked by the worker for a listener with a detector, after TLS, with what has been read so far (never
 * consumed: the session gets the same bytes). Deadline: limits.handshake. Never: blocks, keeps state.
 */
#ifndef CORE_DETECT_H
#define CORE_DETECT_H

#include "core/cidr.h"
#include "core/role.h"
#include "core/wire.h"

enum { DETECT_BYTES_MAX = 16 * 1024 }; /* a whole HTTP head */

struct detect_answer {
	const struct carrier *carrier;
	const struct wire *wire;
	const struct role *role;
	uint32_t service;         /* index in hub->services */
	const char *refusal;      /* STATUS_PROTOCOL: why, for the log */
	struct slice reply;       /* STATUS_PROTOCOL: bytes to send before closing; may be empty */
};

/* OK: answer; MORE: not enough bytes yet; PROTOCOL: refused. */
struct detector {
	enum status (*detect)(const struct detector *detector, const char *alpn, struct slice first,
			      struct detect_answer *answer);
};

enum { VOUCHER_BYTES_MAX = 4096 };

/* Who may say whose a connection is, and how: what such a peer sends first, before TLS, is a header. Pure. */
struct voucher {
	const struct cidr *trusted;
	size_t trusted_count;
	/* OK: the first *used bytes were it; `source` of family NONE: the peer speaks for itself. MORE: of at
	 * most VOUCHER_BYTES_MAX bytes. PROTOCOL: *fault. */
	enum status (*read)(struct slice first, struct address *source, size_t *used, const char **fault);
};

#endif
