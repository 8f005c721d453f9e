/* core/config_sections.h - private to core/config*.c: sections with rules of their own, and what they share.
 *
 * Owner: config_build. What stands for a secret is read, checked and complained about here alone, so that no
 * message shows one.
 */
#ifndef CORE_CONFIG_SECTIONS_H
#define CORE_CONFIG_SECTIONS_H

#include "core/config_reader.h"

/* ---- config_secret.c: the field is a struct secret; ..._file reads it from the file that is named ---- */

config_read_fn config_read_key, config_read_key_file;         /* an auth_key */
config_read_fn config_read_token, config_read_token_file;     /* 1-255 bytes, not "anonymous" */
config_read_fn config_read_password, config_read_password_file; /* 1-255 bytes; "" is none */
config_read_fn config_read_api_key, config_read_api_key_file; /* what a header can carry */
config_read_fn config_read_bearer, config_read_bearer_file;   /* the same of 16 bytes or more */
/* const char *: 1-255 bytes; "" is NULL. */
config_read_fn config_read_user;

/* ---- config_via.c ---- */

/* struct config_via: socks5://[USER:PASSWORD@]HOST[:1080], http://...[:8080]; "" is none. */
config_read_fn config_read_via;
/* What the environment says of the way to these gateways, by the rules of Go: http_proxy or https_proxy, and
 * no_proxy. */
void config_environment_via(struct config_reader *reader, const struct config_node *node,
			    struct config_client *client);
/* Wipes the password. */
void config_via_fini(struct config_via *via);

/* ---- sections ---- */

config_read_fn config_read_gateway;  /* struct config_gateway */
config_read_fn config_read_client;   /* struct config_client */
config_read_fn config_read_proxy;    /* struct config_proxy */
config_read_fn config_read_visitor;  /* struct config_visitor */
config_read_fn config_read_listen;   /* struct address, to listen on */
config_read_fn config_read_access;   /* struct acl; an entry that is not there keeps what it is */
config_read_fn config_read_linksocks; /* struct config_linksocks */
config_read_fn config_read_tls_tunnel; /* struct config_gateway: its part of TLS Tunnel */
config_read_fn config_read_stats;    /* struct config_stats */
config_read_fn config_read_transport; /* enum config_transport */
config_read_fn config_read_forwarder; /* struct config_forwarder */
/* The default of `access`; false: no memory. */
bool config_access_default(struct config *config);
void config_access_fini(struct acl *access);
void config_linksocks_fini(struct config_linksocks *linksocks);

void config_check_proxies(struct config_reader *reader, const struct config_node *node,
			  const struct config_client *client);
void config_check_visitors(struct config_reader *reader, const struct config_node *node,
			   const struct config_client *client);
void config_check_forwarders(struct config_reader *reader, const struct config_node *node,
			     const struct config_client *client);
/* Rules across the clients of one file. */
void config_check_clients(struct config_reader *reader, const struct config_node *node);
/* Rules across the whole file. */
void config_check_stats(struct config_reader *reader, const struct config_node *root);
/* What TLS would need, and what cannot be without it. */
void config_check_behind_proxy(struct config_reader *reader, const struct config_node *node,
			       const struct config_gateway *gateway);
/* A certificate and its key: both or neither. */
void config_check_pair(struct config_reader *reader, const struct config_node *node, const char *cert_name,
		       const char *key_name);
/* `proxy_type` is the protocol's own word for `type`. */
void config_check_type(struct config_reader *reader, const struct config_node *node);

/* bind_addr and bind_port, as they are read. */
struct config_bind {
	const char *addr;
	uint16_t port;
};
/* False: reported. */
bool config_make_bind(struct config_reader *reader, const struct config_node *node,
		      const struct config_bind *bind, struct address *address);

/* ---- clients: config_client.c has what all protocols share ---- */

config_read_fn config_read_nothing;  /* was read before the table is */
config_read_fn config_read_gateways; /* struct config_client */
config_read_fn config_read_pin;      /* struct config_client */
config_read_fn config_read_reconnect; /* struct config_reconnect */
config_read_fn config_read_path;     /* const char *: of a WebSocket, with its query */
/* In clear there is nothing to check; says that `secret` goes over the network so. */
void config_check_plaintext(struct config_reader *reader, const struct config_node *node,
			    const struct config_client *client, const char *secret);

#define CONFIG_CLIENT_KEYS \
	{"protocol", config_read_nothing, 0, false}, \
	{"gateway_addr", config_read_gateways, 0, true}, \
	{"gateway_tls_cert", config_read_text, offsetof(struct config_client, gateway_tls_cert), false}, \
	{"gateway_tls_pin", config_read_pin, 0, false}, \
	{"client_cert", config_read_text, offsetof(struct config_client, client_cert), false}, \
	{"client_key", config_read_text, offsetof(struct config_client, client_key), false}, \
	{"reconnect", config_read_reconnect, offsetof(struct config_client, reconnect), false}

/* Every key that belongs to some protocol's clients only; NULL-ended. */
extern const char *const config_client_foreign[];
/* A client of `protocol: linksocks`, whole. */
void config_read_linksocks_client(struct config_reader *reader, const struct config_node *node,
				  struct config_client *client);
/* The same of `protocol: tls-tunnel`. */
void config_read_tls_tunnel_client(struct config_reader *reader, const struct config_node *node,
				   struct config_client *client);
void config_linksocks_client_fini(struct config_linksocks_client *client);

#endif
