/* protocols/tls_tunnel/client_local.c - what a client publishes, when the gateway asks for it: which service
 * that is, what it hears first, and how often it is tried; see client_inside.h.
 */
#include <stdio.h>

#include "core/log.h"
#include "protocols/codecs/proxy_header.h"
#include "protocols/frontends/dial.h"
#include "protocols/tls_tunnel/client_inside.h"

enum { LOCAL_DIAL_S = 10 };

static const struct config_proxy *proxy_by(const struct config_client *config, uint16_t port, bool local)
{
	for (size_t i = 0; i < config->proxy_count; i++) {
		const struct config_proxy *proxy = &config->proxies[i];
		if ((local ? proxy->local.port : proxy->publish_port) == port)
			return proxy;
	}
	return NULL;
}

/* The gateway wants a stream to something that we publish: by its published port, or, from servers of the
 * first generations, by the local one. Only 1.0 can be told from the others. */
static const struct config_proxy *proxy_find(const struct channel *channel,
					     const struct config_client *config)
{
	uint16_t port = channel->target.port;
	bool local = tls_tunnel_generation(channel->session) == TUNNEL_10;
	const struct config_proxy *proxy = proxy_by(config, port, local);
	return proxy ? proxy : proxy_by(config, port, !local);
}

/* What the local service hears first: whose the connection is, and which port of the gateway it came to. The
 * address that goes with it is the service's own where that is known and of the user's kind. */
static struct slice proxy_preface(const struct config_proxy *proxy, const struct user_address *source,
				  uint8_t bytes[PROXY_HEADER_WRITE_MAX])
{
	struct proxy_header header = {.source = user_address_to(source)};
	if (proxy->proxy_protocol == PROXY_HEADER_OFF)
		return (struct slice){0};
	bool literal = address_of_literal(&header.target, proxy->local.host, 0);
	if (!literal || header.target.family != header.source.family)
		header.target = (struct address){.family = header.source.family};
	header.target.port = proxy->publish_port;
	return (struct slice){
	    bytes, proxy_header_write(proxy->proxy_protocol == PROXY_HEADER_V1 ? 1 : 2, &header, bytes)};
}

static bool dial(struct client *client, struct pair *pair)
{
	const struct target *target = &pair->side[0]->target;
	const struct config_proxy *proxy = proxy_find(pair->side[0], client->settings->config);
	uint8_t bytes[PROXY_HEADER_WRITE_MAX];
	pair->tries++;
	if (!proxy)
		return false;
	/* What our own file names needs no rule. */
	const struct dial_options options = {.timeout = DURATION_S(LOCAL_DIAL_S),
					     .preface = proxy_preface(proxy, &target->source, bytes)};
	if (!pair_dial(pair, proxy->local.host, proxy->local.port, &options))
		return false;
	size_t index = (size_t)(proxy - client->settings->config->proxies);
	client_count_for(client, PUBLISHED_PROXY, index, pair);
	return true;
}

void client_local_open(struct session *session, const struct event *event)
{
	struct client *client = client_of(session->service);
	if (dial(client, event->channel->pair))
		return;
	if (hub_may_log(session->hub))
		log_warn("the gateway asked for a port that is not published here",
			 NUMBER("port", event->target->port));
	channel_refuse(event->channel, REASON_NOT_FOUND, NULL);
}

bool client_local_refused(struct pair *pair, enum reason reason)
{
	struct client *client = client_of(pair->service);
	const struct config_client *config = client->settings->config;
	if (pair->tries < config->local_retries) {
		pair_retry_after(pair, config->local_retry_delay);
		return true;
	}
	const struct config_proxy *proxy = proxy_find(pair->side[0], config);
	char local[HOST_SIZE + 8] = "";
	if (proxy)
		snprintf(local, sizeof local, "%s:%u", proxy->local.host, proxy->local.port);
	if (hub_may_log(pair->hub))
		log_warn("local service does not answer", TEXT("name", proxy ? proxy->name : ""),
			 TEXT("local", local), TEXT("reason", reason_text(reason)),
			 NUMBER("tries", pair->tries));
	return false;
}

void client_local_retry(struct pair *pair)
{
	struct client *client = client_of(pair->service);
	if (!pair->side[0] || pair->side[1])
		return;
	if (!dial(client, pair))
		channel_refuse(pair->side[0], REASON_LIMIT, NULL);
}
