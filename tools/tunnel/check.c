/* tools/tunnel/check.c - `tunnel check FILE`; see commands.h. */
#include "tools/tunnel/commands.h"

#include <stdio.h>

static const char *plural(size_t count) { return count == 1 ? "" : "s"; }

static const char *const transports[] = {
    [TRANSPORT_TLS] = "tls", [TRANSPORT_WSS] = "wss", [TRANSPORT_HTTP2] = "http2"};

static void print_tls_tunnel(const struct config_gateway *gateway)
{
	const char *before = " by ";
	for (size_t i = 0; i < COUNT_OF(transports); i++) {
		if (!(gateway->transports & 1u << i))
			continue;
		printf("%s%s", before, transports[i]);
		before = ", ";
	}
	if (gateway->allow_forward)
		printf(" with forwards");
}

static void print_gateway(const struct config_gateway *gateway)
{
	const struct config_linksocks *linksocks = &gateway->linksocks;
	char text[ADDRESS_TEXT_SIZE];
	printf("; gateway on %s%s", address_format(&gateway->listen_addr, text),
	       gateway->behind_proxy ? " in clear" : "");
	if (gateway->tls_tunnel)
		print_tls_tunnel(gateway);
	if (linksocks->enabled)
		printf(" with %zu LinkSocks token%s", linksocks->token_count, plural(linksocks->token_count));
	if (linksocks->listens)
		printf(" and in clear on %s", address_format(&linksocks->listen_addr, text));
	if (gateway->identity_count)
		printf(" with %zu client%s of its own", gateway->identity_count,
		       plural(gateway->identity_count));
}

static void print_linksocks_client(const struct config_client *client)
{
	const struct config_linksocks_client *linksocks = &client->linksocks;
	char text[ADDRESS_TEXT_SIZE];
	printf("; LinkSocks %s of %s:%u%s", linksocks->reverse ? "provider" : "client",
	       client->gateways[0].host, client->gateways[0].port, client->plaintext ? " in clear" : "");
	if (!linksocks->reverse)
		printf(" with SOCKS5 on %s", address_format(&linksocks->socks_addr, text));
}

static void print_client(const struct config_client *client)
{
	if (client->protocol == PROTOCOL_LINKSOCKS) {
		print_linksocks_client(client);
		return;
	}
	printf("; client of %s:%u by %s with", client->gateways[0].host, client->gateways[0].port,
	       transports[client->transport]);
	if (client->proxy_count)
		printf(" %zu %s", client->proxy_count, client->proxy_count == 1 ? "proxy" : "proxies");
	if (client->visitor_count)
		printf("%s %zu visitor%s", client->proxy_count ? "," : "", client->visitor_count,
		       plural(client->visitor_count));
	if (client->forwarder_count)
		printf("%s %zu forwarder%s", client->proxy_count || client->visitor_count ? "," : "",
		       client->forwarder_count, plural(client->forwarder_count));
}

int check_command(const struct options *options)
{
	struct config config;
	bool good = options_config(options, &config);
	if (good) {
		printf("%s: ok", options->config_file);
		if (config.gateway.enabled)
			print_gateway(&config.gateway);
		for (size_t i = 0; i < config.client_count; i++)
			print_client(&config.clients[i]);
		char text[ADDRESS_TEXT_SIZE];
		if (config.stats.enabled)
			printf("; statistics on %s", address_format(&config.stats.listen_addr, text));
		printf("\n");
	}
	config_fini(&config);
	return output_end(good ? 0 : 1);
}
