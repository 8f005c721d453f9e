/* bench/lib/peer_kind.h - one entry of the table of peers: everything that is particular to one of them.
 *
 * Owner: the program, constant. Templates know ${dir} ${near} ${far} ${origin} ${cores} ${engine} ${tunnel}
 * ${level} ${self} ${user} ${master} ${linksocks}. The first word of a command is a program, found as a shell
 * would; words end at a space and nothing is quoted; "-N=" stands for -N with an empty argument.
 */
#ifndef BENCH_LIB_PEER_KIND_H
#define BENCH_LIB_PEER_KIND_H

#include "bench/lib/idle_carrier.h"
#include "bench/lib/peer.h"

/* What our client authenticates with. */
#define TUNNEL_KEY "a key for measurements only"

struct peer_file {
	const char *name, *text;
};

struct peer_kind {
	const char *name;
	const char *tls;
	const char *programs[2];               /* that must be there */
	const char *needs_file;                /* and this one, unless NULL */
	const char *version;                   /* command that prints the version ... */
	const char *version_after;             /* ... behind this text; NULL: it is ours */
	bool far_is_tls;                       /* the far port speaks TLS 1.3 to whoever connects */
	bool speaks_tunnel;                    /* there, to links: TLS Tunnel with TUNNEL_KEY ... */
	enum idle_transport transport;         /* ... by this */
	bool socks;                            /* users ask for the origin by SOCKS5 */
	bool by_name;                          /* measured only when it was asked for */
	struct peer_file files[PEER_FILES_MAX];
	const char *prepare[2];                /* commands to run first */
	const char *start[PEER_PROCESS_COUNT]; /* the end that is connected to, then the end that connects */
};

extern const struct peer_kind peer_kinds[PEER_COUNT];

#endif
