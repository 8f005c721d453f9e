/* core/detect.h - which carrier and wire a new connection speaks: a pure question about its first bytes.
 *
 * Asked by the worker for a listener with a detector, after TLS, with what has been read so far (never
 * consumed: the session gets the same bytes), again with each that comes. An answer of MORE may have a reply,
 * which the worker sends once; it asks again at once, with each byte that comes, and when `wait` is over.
 * Deadline: limits.handshake. Never: blocks, keeps state.
 */
#ifndef CORE_DETECT_H
#define CORE_DETECT_H

#include "core/cidr.h"
#include "core/instant.h"
#include "core/role.h"
#include "core/wire.h"

enum {
	DETECT_BYTES_MAX = 17 * 1024, /* a whole HTTP head, and the beginning of what follows it */
	DETECT_REPLY_MAX = 192,
};

struct detect_question {
	const char *alpn;             /* that we chose; NULL or "": none */
	const struct address *peer;
	struct slice first;           /* plaintext, from the first byte on */
	bool answered;                /* the reply that went with MORE has been sent */
	bool expired;                 /* and so long was waited as it asked for */
};

struct detect_answer {
	const struct carrier *carrier;
	const struct wire *wire;
	const struct role *role;
	uint32_t service;         /* index in hub->services */
	bool head_answered;       /* OK: the reply was the answer to the HTTP head, there must be no other */
	struct slice source;      /* OK: whom a proxy that is trusted speaks for, an address; or empty */
	const char *refusal;      /* STATUS_PROTOCOL: why, for the log */
	struct slice reply;       /* MORE: to be sent now; PROTOCOL: before closing; may be empty */
	struct duration wait;     /* MORE with a reply: this long without a decision is one, too */
	char room[DETECT_REPLY_MAX]; /* for a reply that has to be made */
};

/* OK: answer; MORE: not enough bytes yet; PROTOCOL: refused. */
struct detector {
	enum status (*detect)(const struct detector *detector, const struct detect_question *question,
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
