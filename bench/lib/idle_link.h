/* bench/lib/idle_link.h - many TLS connections to a peer's end that are held and say nothing.
 *
 * Where a key is given each is a real link of TLS Tunnel: authenticated, its configuration accepted, without
 * anything published. Else it is what the peer takes it for: a user whose first byte is still to come.
 * Owner: the program. Thread: main. They are held for seconds; nobody answers keep-alives meanwhile.
 */
#ifndef BENCH_LIB_IDLE_LINK_H
#define BENCH_LIB_IDLE_LINK_H

#include "bench/lib/idle_carrier.h"
#include "bench/lib/tls_client.h"

struct idle_links {
	struct tls_client client;
	struct tls_call *calls;
	uint32_t count;
};

/* False: a fault, or an interrupt. Close it in any case. */
bool idle_links_open(struct idle_links *links, uint32_t count, uint16_t port, const char *key,
		     enum idle_transport transport, struct fault *fault);
/* False: one did not end, with a fault. */
bool idle_links_close(struct idle_links *links);

#endif
