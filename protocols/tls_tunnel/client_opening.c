/* protocols/tls_tunnel/client_opening.c - what carries a client's link, how that is asked for, and what to do
 * where it is not given.
 */
#include <stdio.h>

#include "protocols/tls_tunnel/client_inside.h"

const struct carrier *client_carrier(const struct config_client *config)
{
	static const struct carrier *const carriers[] = {[TRANSPORT_TLS] = &carrier_raw,
							 [TRANSPORT_WSS] = &carrier_websocket_bytes,
							 [TRANSPORT_HTTP2] = &carrier_http2};
	return carriers[config->transport];
}

/* As HTTP wants it: an IPv6 literal in brackets. Proxies in front look at it, gateways do not. */
void client_opening_make(struct client_link *link)
{
	const struct config_client *config = link->client->settings->config;
	const char *host = config->gateways[link->gateway].host;
	struct address literal;
	bool brackets = address_of_literal(&literal, host, 0) && literal.family == ADDRESS_IPV6;
	snprintf(link->host, sizeof link->host, brackets ? "[%s]" : "%s", host);
	link->opening = (struct opening){.host = link->host, .path = config->path};
}

const char *client_opening_advice(const struct config_client *config)
{
	return config->transport == TRANSPORT_WSS
		   ? "check path and transport: does the gateway, or the proxy in front of it, serve TLS "
		     "Tunnel over WebSocket there?"
		   : "check transport: does the gateway, or the proxy in front of it, serve TLS Tunnel over "
		     "HTTP/2 there?";
}
