/* ring/resolver.h - names to addresses, by c-ares on a thread of its own.
 *
 * Owner:  the process. A job is handed over by resolver_submit and comes back as a mail to the worker that
 * asked; in between it belongs to the resolver. Literals are the caller's business, they need no job. Limits:
 * RESOLVE_JOBS_MAX jobs at a time (more are answered with REASON_LIMIT at once); RESOLVE_ADDRESSES_MAX
 * addresses. Never:  blocks a worker; keeps an answer (the machine's own resolver caches).
 */
#ifndef RING_RESOLVER_H
#define RING_RESOLVER_H

#include "core/request.h"

enum { RESOLVE_ADDRESSES_MAX = 16, RESOLVE_JOBS_MAX = 4096 };

struct resolve_job {
	struct mail mail;               /* set: deliver, to; the answer runs there */
	struct resolve_job *next;
	char host[HOST_SIZE];
	uint16_t port;                  /* goes into the addresses */
	struct duration timeout;
	enum reason
	    reason; /* answer: OK, NAME (does not exist, says so for sure), TIMEOUT, LIMIT, STOPPING, OTHER */
	uint32_t count;
	struct address
	    addresses[RESOLVE_ADDRESSES_MAX]; /* in the order to try: families interleaved, IPv6 first as
					       * RFC 6724 sorted them, where the machine has a route */
};

struct resolver;

/* `post` brings a mail to its worker from any thread. NULL with `why` when it cannot start. */
struct resolver *resolver_start(void (*post)(void *state, struct mail *mail), void *post_state,
				char why[256]);
/* Asks these servers instead of those of resolv.conf, "ADDRESS[:PORT],...", from the next job on. False when
 * that cannot be read, and nothing has changed. */
bool resolver_set_servers(struct resolver *resolver, const char *csv);
/* Takes servers and options from this file instead of /etc/resolv.conf, from the next job on. The file is
 * read again when it changes. `port` is where those servers listen. */
void resolver_set_file(struct resolver *resolver, const char *path, uint16_t port);
/* "1.18.1": of the library that asks. */
const char *resolver_library_version(void);
/* From any thread. Takes over the job. */
void resolver_submit(struct resolver *resolver, struct resolve_job *job);
/* Answers what runs with REASON_STOPPING, then joins the thread. No submit may run beside it or come after
 * it. */
void resolver_stop(struct resolver *resolver);

#endif
