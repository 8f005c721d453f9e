/* protocols/tls_tunnel/client.c - the client's service on one worker, and its visitors; see client.h. Its
 * links: client_link.c; its forwarders: client_forwarder.c.
 */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/client_inside.h"

uint32_t client_link_worker(const struct client *client, uint32_t number)
{
	return (client->settings->worker + number) % client->service.hub->worker_count;
}

struct client_link *client_link_here(const struct client *client, uint32_t number)
{
	for (uint32_t i = 0; i < client->link_count; i++)
		if (client->links[i].number == number)
			return &client->links[i];
	return NULL;
}

/* ---- visiting ---- */

static void refuse_visitor(struct session *session, const struct event *event, enum reason reason)
{
	if (hub_may_log(session->hub))
		log_info("visitor refused", TEXT("peer", session->peer), TEXT("name", event->target->host),
			 TEXT("reason", reason == REASON_LIMIT ? "too many channels"
							       : "there is no link to the gateway now"));
	channel_refuse(event->channel, reason, NULL);
}

static void visitor_event(struct session *session, const struct event *event)
{
	if (event->kind != EVENT_OPEN)
		return;
	enum reason reason;
	if (client_user_place(session, event->channel, &reason))
		client_count(session, PUBLISHED_VISITOR, event->channel->pair);
	else if (reason != REASON_OK)
		refuse_visitor(session, event, reason);
}

/* The far end's refusal reaches the user as an abort; the log says why. */
static bool visitor_refused(struct pair *pair, enum reason reason)
{
	if (hub_may_log(pair->hub))
		log_info("visitor refused", TEXT("peer", pair->side[0]->session->peer),
			 TEXT("name", pair->side[0]->target.host), TEXT("reason", reason_text(reason)));
	return false;
}

static const struct role role_client_visitor = {
    .name = "visitor", .event = visitor_event, .refused = visitor_refused};

/* ---- the service ---- */

static void client_start(struct service *service)
{
	struct client *client = client_of(service);
	for (uint32_t i = 0; i < client->link_count; i++)
		if (client->links[i].number == 0)
			client_link_start(&client->links[i]);
}

/* Further links are told to begin. */
struct client_mail {
	struct mail mail;
	uint32_t service;
};

static void links_begin(struct hub *to, struct mail *mail)
{
	struct client_mail *letter = OWNER(mail, struct client_mail, mail);
	struct service *service = hub_service(to, letter->service);
	struct client *client = service ? client_of(service) : NULL;
	for (uint32_t i = 0; client && i < client->link_count; i++)
		client_link_start(&client->links[i]);
	mail_free(mail);
}

void client_links_start(struct client *client)
{
	struct hub *hub = client->service.hub;
	uint32_t count = client->settings->links->count;
	for (uint32_t number = 0; number < count && number < hub->worker_count; number++) {
		struct client_mail *letter = mail_create(sizeof *letter);
		if (!letter)
			return;              /* they begin when the first link is up the next time */
		letter->mail.deliver = links_begin;
		letter->mail.to = client_link_worker(client, number);
		letter->service = client->service.index;
		hub_post(hub, &letter->mail);
	}
}

static void client_drain(struct service *service)
{
	struct client *client = client_of(service);
	client->draining = true;
	client_ports_stop(client);
	for (uint32_t i = 0; i < client->link_count; i++)
		client_link_drain(&client->links[i]);
}

static void client_network_changed(struct service *service)
{
	struct client *client = client_of(service);
	for (uint32_t i = 0; !client->draining && i < client->link_count; i++)
		client_link_network_changed(&client->links[i]);
}

static void client_destroy(struct service *service)
{
	struct client *client = client_of(service);
	for (uint32_t i = 0; i < client->link_count; i++)
		client_link_fini(&client->links[i]);
	client_ports_fini(client);
	client_tallies_destroy(client);
	free(client->links);
	free(client->ports);
	free(client->publications);
	free(client->known);
	free(client);
}

static const struct service_table table = {.name = "tls_tunnel client",
					   .start = client_start,
					   .published = client_published,
					   .drain = client_drain,
					   .network_changed = client_network_changed,
					   .destroy = client_destroy};

static void fill_publications(struct client *client, const struct config_client *config)
{
	for (size_t i = 0; i < config->proxy_count; i++) {
		const struct config_proxy *proxy = &config->proxies[i];
		client->publications[client->publication_count++] =
		    (struct publication){.name = proxy->name,
					 .type = proxy->type,
					 .publish_addr = proxy->publish_addr,
					 .publish_port = proxy->publish_port,
					 .local_port = proxy->local.port};
	}
	for (size_t i = 0; i < config->visitor_count; i++) {
		const struct config_visitor *visitor = &config->visitors[i];
		client->publications[client->publication_count++] =
		    (struct publication){.name = visitor->name,
					 .type = visitor->type,
					 .publish_port = visitor->publish_port,
					 .visitor = true,
					 .bind_addr = "127.0.0.1",
					 .bind_port = visitor->bind.port};
		struct listening listening = {
			.address = visitor->bind,
			.wire = &wire_plain,
			.role = &role_client_visitor,
			.tag = i,
			.target = {.published = true,
				   .port = visitor->publish_port,
				   .service = client->service.index}};
		text_copy(listening.target.host, HOST_SIZE, slice_of(visitor->name));
		client_port_add(client, visitor->name, &listening);
	}
}

static bool client_alloc(struct client *client, const struct config_client *config)
{
	client->links = calloc(client->settings->links->count, sizeof *client->links);
	client->publications =
	    calloc(config->proxy_count + config->visitor_count + 1, sizeof *client->publications);
	client->ports =
	    calloc(config->visitor_count + config->forwarder_count + 1, sizeof *client->ports);
	client->known = calloc(config->gateway_count, sizeof *client->known);
	for (size_t i = 0; client->known && i < config->gateway_count; i++)
		client_gateway_init(&client->known[i]);
	return client->links && client->publications && client->ports && client->known &&
	       client_tallies_create(client);
}

struct service *client_create(struct hub *hub, const struct client_settings *settings)
{
	const struct config_client *config = settings->config;
	uint32_t count = settings->links->count;
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return NULL;
	client->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	client->settings = settings;
	client->since = hub->now;
	if (!client_alloc(client, config)) {
		client_destroy(&client->service);
		return NULL;
	}
	client->credentials =
	    (struct credentials){.secret = secret_slice(&config->auth_key),
				 .features = FEATURE_OURS | FEATURE_SOURCE | (count > 1 ? FEATURE_LINKS : 0)};
	memcpy(client->credentials.instance, settings->instance, INSTANCE_SIZE);
	for (uint32_t number = 0; number < count; number++)
		if (client_link_worker(client, number) == hub->index)
			client_link_init(&client->links[client->link_count++], client, number);
	fill_publications(client, config);
	client_forwarders_init(client);
	hub_add_service(hub, &client->service);
	return &client->service;
}

struct client_links *client_links_create(uint32_t count, size_t forwarder_count)
{
	check(count > 0 && count <= LINKS_MAX);
	struct client_links *links = calloc(1, sizeof *links);
	if (!links)
		return NULL;
	links->count = count;
	links->burdens = burdens_create(count);
	links->forwarding = calloc(forwarder_count + 1, sizeof *links->forwarding);
	if (links->burdens && links->forwarding)
		return links;
	client_links_destroy(links);
	return NULL;
}

void client_links_destroy(struct client_links *links)
{
	if (!links)
		return;
	free(links->burdens);
	free(links->forwarding);
	free(links);
}
