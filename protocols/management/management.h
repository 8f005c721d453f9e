/* protocols/management/management.h - the management listener: what runs here, over HTTP, as JSON or a page.
 *
 * One service per worker. Worker 0 listens; a request that is about the process is passed by mail to every
 * worker, each writes the rows of its own sessions, channels or published proxies, and the last answer
 * completes the response. Paths: the table of docs/operations.md.
 * Access: without a token loopback and unix sockets only (the configuration sees to it); with one, each
 *         request must carry it (Authorization: Bearer), compared in constant time. DELETE needs a token or
 *         loopback. A foreign Origin gets 403, and so does a foreign Host (DNS rebinding) without a token.
 * Limits: MANAGEMENT_ROWS_MAX rows of one answer (the field X-Rows-Omitted counts the rest); one collection
 *         at a time, for which MANAGEMENT_WAITING_MAX may wait; limits.exchange_bytes for what workers
 *         collect and for answers, together, and each worker's budget; beyond that 503, which
 *         answers_refused counts.
 * Never:  on the public port; a secret in an answer; HTML or JSON made of a name without escaping it.
 */
#ifndef PROTOCOLS_MANAGEMENT_MANAGEMENT_H
#define PROTOCOLS_MANAGEMENT_MANAGEMENT_H

#include "core/config.h"
#include "core/request.h"

enum { MANAGEMENT_ROWS_MAX = 10000, MANAGEMENT_WAITING_MAX = 16 };

/* Immutable after start. */
struct management_settings {
	const struct config_stats *config;
	const struct tls_settings *tls;        /* NULL: plain */
	_Atomic size_t *held;                  /* by all workers, of limits.exchange_bytes */
	int64_t wall_offset_ns;                /* wall clock minus the workers' clock, at start */
	/* Why this process is not ready to serve, in plain words; NULL: it is. On worker 0. */
	const char *(*unready)(void);
	/* Told once, on worker 0: it listens (0), or why it does not (-errno). */
	void (*listens)(const struct address *address, int error);
};

/* NULL: no memory. */
struct service *management_create(struct hub *hub, const struct management_settings *settings);

#endif
