/* protocols/linksocks/exit.h - the exit side: an OPEN from a link becomes a connection to the target.
 *
 * Used by the server (forward clients) and by the provider. `access` is asked for the name and for every
 * address (pair_dial). Port 0, an empty name and a network that nobody knows are refused with a text.
 */
#ifndef PROTOCOLS_LINKSOCKS_EXIT_H
#define PROTOCOLS_LINKSOCKS_EXIT_H

#include "core/config.h"
#include "core/event.h"
#include "core/session.h"

enum { LINKSOCKS_CONNECT_S = 10, LINKSOCKS_ANSWER_S = 15 };

struct linksocks_exit {
	const struct acl *access;
	const struct config_via *via;
	struct duration timeout;        /* for the connect, name included */
};

/* Answers it: dials, associates, or refuses the channel. */
void linksocks_exit_open(const struct linksocks_exit *exit, const struct event *open);

#endif
