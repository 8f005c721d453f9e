/* protocols/linksocks/client.h - the client's policy, in every part: forward client, connector, provider.
 *
 * One service per worker and client. `threads` links are spread over the workers; each logs in by itself and
 * comes back by itself. Without `reverse` a SOCKS5 listener takes users, who go round robin over the links
 * that are up; with it the far end opens channels and the targets are dialled here (exit.h). A SOCKS5 port
 * that cannot be opened is tried again every ten seconds, unless the client needs it.
 */
#ifndef PROTOCOLS_LINKSOCKS_CLIENT_H
#define PROTOCOLS_LINKSOCKS_CLIENT_H

#include "core/config.h"
#include "core/request.h"

/* Immutable after start. */
struct linksocks_client_settings {
	const struct config_client *config;
	const struct tls_settings *tls;        /* NULL: ws:// */
	const struct acl *access;
	uint8_t instance[INSTANCE_SIZE];
	bool plays_original;                   /* its links show no features; for tests */
	bool needs_port;                       /* it gives up where its SOCKS5 port cannot be opened */
	uint32_t worker;                       /* of the first link */
	struct linksocks_client_links *links;  /* linksocks_client_links_create */
	void (*ready)(const struct linksocks_client_settings *settings); /* first link up: told once */
	/* The SOCKS5 port listens: told once, as long as it stays. NULL: does not care. */
	void (*listens)(const struct linksocks_client_settings *settings, const struct address *address);
	/* It gives up: a refused login without retry_auth, no reconnecting, no port. One line. */
	void (*failed)(const struct linksocks_client_settings *settings, const char *why);
};

/* What the workers share about the links: burdens and states; outlives all workers. NULL: no memory. */
struct linksocks_client_links *linksocks_client_links_create(uint32_t count);
void linksocks_client_links_destroy(struct linksocks_client_links *links);
/* Is any of them logged in? From any thread. */
bool linksocks_client_links_up(const struct linksocks_client_links *links);
struct service *linksocks_client_create(struct hub *hub, struct linksocks_client_settings *settings);

#endif
