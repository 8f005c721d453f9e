/* protocols/linksocks/client_inside.h - what the files of the client roles share. Not for others.
 *
 * client.c has the service and what its links share, client_url.c where a link goes, client_link.c the life
 * of one link, client_connector.c the connector token of a provider, client_user.c the users of SOCKS5.
 */
#ifndef PROTOCOLS_LINKSOCKS_CLIENT_INSIDE_H
#define PROTOCOLS_LINKSOCKS_CLIENT_INSIDE_H

#include <stdatomic.h>

#include "core/probe.h"
#include "core/retry.h"
#include "protocols/linksocks/client.h"

enum link_state { LINK_WAITING, LINK_DIALLING, LINK_LOGIN, LINK_READY };

/* ADDS_AGAIN: behind a REMOVES, because the token still leads to a link of ours that has gone. */
enum connector_state { CONNECTOR_QUIET, CONNECTOR_ADDS, CONNECTOR_REMOVES, CONNECTOR_ADDS_AGAIN };

enum {
	LINK_FACT_SIZE = 16,
	URL_PATH_SIZE = 2048,
	URL_HOST_SIZE = HOST_SIZE + 8,       /* brackets and a port */
	REDIRECTS_MAX = 5,
};

struct linksocks_client_links {
	uint32_t count;
	_Atomic uint32_t gateway;            /* index of the one to try; the first link goes on to the next */
	_Atomic bool ready, failed;          /* one of them has been up; one has given up: each told once */
	struct burden *burdens;              /* by number; open: it is up */
};

/* Where a link goes. */
struct linksocks_url {
	bool tls;
	uint16_t port;
	const char *path;                    /* with its query; borrowed */
	char host[HOST_SIZE];                /* a literal has no brackets */
};

struct client_link {
	struct client *client;
	uint32_t number;                     /* of settings->links->count */
	enum link_state state;
	struct session *session;
	struct burden *burden;
	struct timer timer;                  /* the next try */
	struct probe probe;                  /* the network has changed: is the gateway still there? */
	struct timer answer;                 /* the server has not answered about the connector token */
	struct retry delay;                  /* before the try after a failure */
	struct linksocks_url url;
	uint32_t redirects;                  /* on the way to this url */
	char redirected[URL_PATH_SIZE];      /* the path of the last one: it may carry a credential */
	char host[URL_HOST_SIZE];            /* as the Host field says it */
	struct credentials credentials;
	enum connector_state connector_state;
	struct token_request request;
	bool said;                           /* that it connects */
	bool connector;                      /* Partners was heard: a relay is on the way */
	char fact[LINK_FACT_SIZE];           /* for logs: "2/4" */
};

struct client {
	struct service service;
	struct linksocks_client_settings *settings;
	struct client_link *links;           /* those that live here */
	uint32_t link_count;
	char *path;                          /* of every request; carries the token's digest, perhaps */
	bool login_by_message;
	bool draining;
	bool registered;                     /* the connector token was accepted once */
	uint32_t turn;                       /* the link that got the last user */
	struct listening listening;          /* on the first link's worker, for users */
	struct timer listen_again;
};

static inline struct client *client_of(struct service *service)
{
	return OWNER(service, struct client, service);
}

static inline struct client_link *client_link_of(const struct session *session)
{
	return *(struct client_link **)session->role_state;
}

/* Which link a line is about, where there are several. */
#define LINK_FACT(link) TEXT((link)->client->settings->links->count > 1 ? "link" : NULL, (link)->fact)

/* ---- client.c ---- */
uint32_t linksocks_client_worker(const struct client *client, uint32_t link_number);
struct client_link *linksocks_client_link_here(const struct client *client, uint32_t number);
/* Of the links that are up the one behind *turn, which becomes the new one. links->count: none is up. */
uint32_t linksocks_client_next_link(const struct linksocks_client_links *links, uint32_t *turn);
/* A link has logged in. */
void linksocks_client_is_up(struct client *client);
void linksocks_client_give_up(struct client *client, const char *why);

/* ---- client_url.c ---- */
/* Exactly "/socket": the login is part of the path. */
bool linksocks_path_has_login(const char *path);
/* The path of every request, malloc'ed. NULL: no memory. */
char *linksocks_path_create(const struct config_linksocks_client *config,
			    const uint8_t instance[INSTANCE_SIZE]);
void linksocks_path_destroy(char *path);
const char *linksocks_url_host(const struct linksocks_url *url, char host[URL_HOST_SIZE]);
/* Where a redirection leads; its path is put into `room`, which may be the one that url->path is in. False:
 * nowhere, and nothing is changed. */
bool linksocks_url_follow(struct linksocks_url *url, struct slice location, char room[URL_PATH_SIZE]);

/* ---- client_link.c ---- */
void linksocks_client_link_init(struct client_link *link, struct client *client, uint32_t number);
void linksocks_client_link_fini(struct client_link *link);
void linksocks_client_link_start(struct client_link *link);
void linksocks_client_link_drain(struct client_link *link);
/* The old path may be dead without anybody having said so. */
void linksocks_client_link_network_changed(struct client_link *link);

/* ---- client_connector.c ---- */
void linksocks_connector_init(struct client_link *link);
/* The link is up: asks for the configured connector token, if there is one. */
void linksocks_connector_start(struct client_link *link);
/* It is down. */
void linksocks_connector_stop(struct client_link *link);
void linksocks_connector_answered(struct client_link *link, const struct event *event);

/* ---- client_user.c ---- */
void linksocks_users_init(struct client *client);
void linksocks_users_start(struct client *client);
void linksocks_users_stop(struct client *client);
void linksocks_users_fini(struct client *client);

#endif
