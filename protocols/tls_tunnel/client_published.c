/* protocols/tls_tunnel/client_published.c - what a client publishes, visits and forwards, counted and told.
 */
#include <stdlib.h>

#include "core/published.h"
#include "protocols/tls_tunnel/client_inside.h"

/* In the order of the configuration: proxies, visitors, forwarders. */
static size_t tally_count(const struct config_client *config)
{
	return config->proxy_count + config->visitor_count + config->forwarder_count;
}

bool client_tallies_create(struct client *client)
{
	size_t count = tally_count(client->settings->config);
	client->tallies = calloc(count + 1, sizeof *client->tallies);
	for (size_t i = 0; client->tallies && i < count; i++)
		if (!(client->tallies[i] = tally_create()))
			return false;
	return client->tallies;
}

void client_tallies_destroy(struct client *client)
{
	size_t count = client->tallies ? tally_count(client->settings->config) : 0;
	for (size_t i = 0; i < count; i++)
		tally_unref(client->tallies[i]);
	free(client->tallies);
}

void client_count_for(const struct client *client, enum published_kind kind, size_t index, struct pair *pair)
{
	const struct config_client *config = client->settings->config;
	if (kind != PUBLISHED_PROXY)
		index += config->proxy_count;
	if (kind == PUBLISHED_FORWARDER)
		index += config->visitor_count;
	tally_add(client->tallies[index], pair);
}

void client_count(const struct session *session, enum published_kind kind, struct pair *pair)
{
	client_count_for(client_of(session->service), kind, session->tag, pair);
}

/* The bytes of `from` come out of the tunnel. */
static void add(const struct client *client, struct published_sink *sink, struct published_row *row, int from)
{
	const struct service *service = &client->service;
	row->client = row->whole = true;
	row->service = service->index;
	row->since = client->since;
	published_take(&row->users, client->tallies[row->position], from);
	sink->add(sink, row);
}

static void tell_proxy(const struct config_proxy *proxy, struct published_row *row)
{
	row->kind = PUBLISHED_PROXY;
	row->publish_port = row->target_port = proxy->publish_port;
	row->local_port = row->bind_port = proxy->local.port;
	text_copy(row->name, sizeof row->name, slice_of(proxy->name));
	text_copy(row->type, sizeof row->type, slice_of(proxy->type));
	text_copy(row->publish_addr, sizeof row->publish_addr, slice_of(proxy->publish_addr));
	text_copy(row->bind_addr, sizeof row->bind_addr, slice_of(proxy->local.host));
}

static void tell_address(const struct address *address, struct published_row *row)
{
	char host[ADDRESS_TEXT_SIZE];
	address_host(address, host);
	text_copy(row->bind_addr, sizeof row->bind_addr, slice_of(host));
	text_copy(row->publish_addr, sizeof row->publish_addr, slice_of(host));
	row->bind_port = row->local_port = address->port;
}

static void tell_visitor(const struct config_visitor *visitor, struct published_row *row)
{
	row->kind = PUBLISHED_VISITOR;
	row->publish_port = row->target_port = visitor->publish_port;
	text_copy(row->name, sizeof row->name, slice_of(visitor->name));
	text_copy(row->type, sizeof row->type, slice_of(visitor->type));
	tell_address(&visitor->bind, row);
}

static void tell_forwarder(const struct config_forwarder *forwarder, struct published_row *row)
{
	row->kind = PUBLISHED_FORWARDER;
	row->publish_port = forwarder->bind.port;
	text_copy(row->name, sizeof row->name, slice_of(forwarder->name));
	text_copy(row->type, sizeof row->type,
		  slice_of(forwarder->type == FORWARDER_HTTP ? "http" : "socks5"));
	tell_address(&forwarder->bind, row);
}

void client_published(struct service *service, struct published_sink *sink)
{
	const struct client *client = client_of(service);
	const struct config_client *config = client->settings->config;
	size_t links = config->proxy_count + config->visitor_count;
	for (size_t i = 0; i < tally_count(config); i++) {
		struct published_row row = {.position = (uint32_t)i};
		text_copy(row.target_addr, sizeof row.target_addr, slice_of(config->gateways[0].host));
		if (i < config->proxy_count)
			tell_proxy(&config->proxies[i], &row);
		else if (i < links)
			tell_visitor(&config->visitors[i - config->proxy_count], &row);
		else
			tell_forwarder(&config->forwarders[i - links], &row);
		add(client, sink, &row, i < config->proxy_count ? 0 : 1);
	}
}
