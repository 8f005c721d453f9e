/* core/config_tls_tunnel.h - what a file or the command line says of TLS Tunnel alone.
 *
 * Part of struct config (core/config.h), and owned like everything in it.
 */
#ifndef CORE_CONFIG_TLS_TUNNEL_H
#define CORE_CONFIG_TLS_TUNNEL_H

#include "core/address.h"
#include "core/cidr.h"
#include "core/config_linksocks.h"

/* Buckets of tokens; 0: no limit. One for all sources; one of each, with as many seconds' worth at once. */
struct config_rate {
	uint32_t requests_per_second, burst_size;
	uint32_t per_source;             /* requests per second */
};

enum config_transport { TRANSPORT_TLS, TRANSPORT_WSS, TRANSPORT_HTTP2, TRANSPORT_COUNT };

/* 14: 1.1 to 1.4.1; 14Y: the branch 1.4.y; 10: 1.0. */
enum config_generation {
	GENERATION_AUTO, GENERATION_15, GENERATION_14, GENERATION_14Y, GENERATION_10
};

enum config_proxy_header { PROXY_HEADER_OFF, PROXY_HEADER_V1, PROXY_HEADER_V2 };

/* A local service that the gateway publishes for us. (publish_addr, publish_port) is unique. */
struct config_proxy {
	const char *name;                /* unique, 1-255 bytes */
	const char *type;                /* "tcp", "ssh", "http/1.1" ...: carried alike */
	const char *publish_addr;        /* an address literal or a name, for the gateway to understand */
	uint16_t publish_port;
	struct config_endpoint local;
	enum config_proxy_header proxy_protocol; /* what the local service hears first */
};

/* A local port that leads to what another client publishes. */
struct config_visitor {
	const char *name;                /* the name of what it leads to; unique */
	const char *type;                /* as a proxy's */
	uint16_t publish_port;
	struct address bind;             /* unique; ADDRESS_IPV4 or ADDRESS_IPV6, with the port */
};

enum config_strategy { STRATEGY_PROXY, STRATEGY_DIRECT, STRATEGY_REJECT };

/* Which targets of a forwarder leave here and which at the gateway. */
struct config_routing {
	const char **direct_domains, **proxy_domains;
	size_t direct_domain_count, proxy_domain_count;
	struct cidr *direct_ips, *proxy_ips;
	size_t direct_ip_count, proxy_ip_count;
	enum config_strategy default_strategy;
};

enum config_forwarder_type { FORWARDER_HTTP, FORWARDER_SOCKS5 };

/* A local proxy whose targets the gateway dials. */
struct config_forwarder {
	const char *name;                /* unique; for logs and statistics */
	enum config_forwarder_type type;
	struct address bind;             /* unique */
	bool routed;                     /* `routing` was given; else everything goes to the gateway */
	struct config_routing routing;
};

#endif
