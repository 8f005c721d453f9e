/* ring/own.h - where this process listens, so that nobody reaches its listeners through it.
 *
 * Owner:  the process. Thread: any; a lock around a short list, asked once a dial.
 * Life:   a listener is in it from the moment that it listens until it is closed, whoever asked for it: the
 *         configuration, the API, a token, a client that publishes.
 * Never:  is asked for targets that the configuration itself names (dial.acl NULL).
 */
#ifndef RING_OWN_H
#define RING_OWN_H

#include "core/address.h"

struct own;

/* Is that an address of this machine? Asked for ports that we listen on at all addresses. */
typedef bool own_is_here_fn(const struct address *address);

/* NULL when there is no memory. */
struct own *own_create(void);
void own_destroy(struct own *own);
/* False: no memory. */
bool own_add(struct own *own, const struct address *listening);
/* Once per add that was true. */
void own_remove(struct own *own, const struct address *listening);
/* Would one of them take a connection to this address? is_here NULL: loopback alone is of this machine. */
bool own_has(struct own *own, const struct address *target, own_is_here_fn *is_here);

#endif
