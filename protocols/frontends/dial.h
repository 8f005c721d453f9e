/* protocols/frontends/dial.h - a pair's second side is a connection to a target, or datagrams to any.
 *
 * Called by roles whose end is the exit. The answer reaches the pair as any OPENED does.
 */
#ifndef PROTOCOLS_FRONTENDS_DIAL_H
#define PROTOCOLS_FRONTENDS_DIAL_H

#include "core/config.h"
#include "core/pair.h"

struct dial_options {
	const struct acl *acl;          /* asked for the name and for every address; NULL: any will do */
	const struct config_via *via;   /* NULL or VIA_NOTHING: directly. With a proxy it resolves the name */
	struct duration timeout;
	struct slice preface;           /* said first, before anybody's bytes; only directly. Copied */
};

/* False: it could not even be begun (memory, a limit). True: the answer comes, or side 0 has been refused
 * already, by `acl` or for its name. */
bool pair_dial(struct pair *pair, const char *host, uint16_t port, const struct dial_options *options);
/* The exit of an association: one socket for all targets, which hears from anybody (udp.h). */
bool pair_associate(struct pair *pair, const struct acl *acl);

#endif
