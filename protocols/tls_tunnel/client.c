/* protocols/tls_tunnel/client.c - the client's service on one worker, and its visitors; see client.h. Its
 * links: client_link.c.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/frontends/plain.h"
#include "protocols/tls_tunnel/client_inside.h"

enum { LISTEN_RETRY_S = 10 };

static uint32_t worker_of_link(const struct client *client, uint32_t number)
{
	return (client->settings->worker + number) % client->service.hub->worker_count;
}

static struct client_link *link_here(const struct client *client, uint32_t number)
{
	for (uint32_t i = 0; i < client->link_count; i++)
		if (client->links[i].number == number)
			return &client->links[i];
	return NULL;
}

/* ---- visiting ---- */

/* Of the links that are up the one that carries the least; of equals one that lives here. Its number, or the
 * count of links: none is up. */
static uint32_t choose_link(const struct client *client)
{
	const struct client_links *links = client->settings->links;
	const struct hub *hub = client->service.hub;
	uint32_t best = links->count;
	uint64_t least = 0;
	for (uint32_t number = 0; number < links->count; number++) {
		const struct burden *burden = &links->burdens[number];
		uint64_t weight = burden_weight(burden, hub->now);
		if (!burden_is_open(burden))
			continue;
		bool nearer = worker_of_link(client, number) == hub->index &&
			      worker_of_link(client, best) != hub->index;
		if (best < links->count && (weight > least || (weight == least && !nearer)))
			continue;
		best = number;
		least = weight;
	}
	return best;
}

/* The link that another worker has chosen, if it still is up. */
static struct session *link_chosen(const struct client *client, uint64_t chosen)
{
	const struct client_link *link = chosen ? link_here(client, (uint32_t)chosen - 1) : NULL;
	if (!link)
		return NULL;
	burden_came(link->burden);
	return link->state == LINK_READY ? link->session : NULL;
}

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
	struct client *client = client_of(session->service);
	if (event->kind != EVENT_OPEN)
		return;
	struct client_links *links = client->settings->links;
	struct session *link = link_chosen(client, event->target->link);
	uint32_t number = link ? links->count : choose_link(client);
	if (number < links->count && worker_of_link(client, number) != session->hub->index) {
		event->channel->target.link = number + 1;
		burden_announce(&links->burdens[number], session->hub->now);
		session_move(session, worker_of_link(client, number));
		return;
	}
	if (number < links->count)
		link = link_here(client, number)->session;
	if (!link || !channel_open(link, event->channel->pair, event->target))
		refuse_visitor(session, event, link ? REASON_LIMIT : REASON_UNREACHABLE);
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

static void visiting_opened(struct listening *listening, int error)
{
	struct visiting *visiting = OWNER(listening, struct visiting, listening);
	struct hub *hub = visiting->client->service.hub;
	char at[ADDRESS_TEXT_SIZE];
	address_format(&listening->address, at);
	if (error == 0) {
		log_info("visiting", TEXT("name", visiting->config->name), TEXT("at", at));
		return;
	}
	log_warn("cannot listen for a visitor", TEXT("name", visiting->config->name), TEXT("at", at),
		 TEXT("reason", error == -EADDRINUSE ? "the port is in use by another process"
						     : reason_text(reason_of_errno(error))),
		 NUMBER("retry_s", LISTEN_RETRY_S));
	timer_arm(&hub->wheel, &visiting->retry, instant_after(hub->now, DURATION_S(LISTEN_RETRY_S)));
}

static void visiting_closed(struct listening *listening) {}

static void visiting_retry(struct timer *timer)
{
	struct visiting *visiting = OWNER(timer, struct visiting, retry);
	if (!visiting->client->draining)
		hub_listen(visiting->client->service.hub, &visiting->listening);
}

/* Visitors listen from the first ready link on; without a link they refuse. */
void client_visitors_start(struct client *client)
{
	if (client->listening)
		return;
	client->listening = true;
	for (uint32_t i = 0; i < client->visiting_count; i++)
		hub_listen(client->service.hub, &client->visiting[i].listening);
}

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
	struct client *client =
	    letter->service < to->service_count ? client_of(to->services[letter->service]) : NULL;
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
		letter->mail.to = worker_of_link(client, number);
		letter->service = client->service.index;
		hub_post(hub, &letter->mail);
	}
}

static void client_drain(struct service *service)
{
	struct client *client = client_of(service);
	client->draining = true;
	for (uint32_t i = 0; i < client->visiting_count; i++) {
		timer_disarm(&client->visiting[i].retry);
		if (client->visiting[i].listening.asked)
			hub_unlisten(service->hub, &client->visiting[i].listening);
	}
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
	for (uint32_t i = 0; i < client->visiting_count; i++)
		timer_disarm(&client->visiting[i].retry);
	free(client->links);
	free(client->visiting);
	free(client->publications);
	free(client);
}

static const struct service_table table = {.name = "tls_tunnel client",
					   .start = client_start,
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
		struct visiting *visiting = &client->visiting[client->visiting_count++];
		*visiting = (struct visiting){.client = client,
					      .config = visitor,
					      .retry = {.expired = visiting_retry},
					      .listening = {.address = visitor->bind,
							    .service = &client->service,
							    .wire = &wire_plain,
							    .carrier = &carrier_raw,
							    .role = &role_client_visitor,
							    .opened = visiting_opened,
							    .closed = visiting_closed,
							    .target = {.published = true,
								       .port = visitor->publish_port,
								       .service = client->service.index}}};
		text_copy(visiting->listening.target.host, HOST_SIZE, slice_of(visitor->name));
	}
}

static bool client_alloc(struct client *client, const struct config_client *config)
{
	client->links = calloc(client->settings->links->count, sizeof *client->links);
	client->publications =
	    calloc(config->proxy_count + config->visitor_count + 1, sizeof *client->publications);
	client->visiting = calloc(config->visitor_count + 1, sizeof *client->visiting);
	return client->links && client->publications && client->visiting;
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
	if (!client_alloc(client, config)) {
		client_destroy(&client->service);
		return NULL;
	}
	check(hub->service_count < SERVICES_MAX);
	client->credentials =
	    (struct credentials){.secret = secret_slice(&config->auth_key),
				 .features = FEATURE_OURS | FEATURE_SOURCE | (count > 1 ? FEATURE_LINKS : 0)};
	memcpy(client->credentials.instance, settings->instance, INSTANCE_SIZE);
	for (uint32_t number = 0; number < count; number++)
		if (worker_of_link(client, number) == hub->index)
			client_link_init(&client->links[client->link_count++], client, number);
	fill_publications(client, config);
	hub->services[hub->service_count++] = &client->service;
	return &client->service;
}

struct client_links *client_links_create(uint32_t count)
{
	check(count > 0 && count <= LINKS_MAX);
	struct client_links *links = calloc(1, sizeof *links);
	struct burden *burdens = links ? burdens_create(count) : NULL;
	if (!burdens) {
		free(links);
		return NULL;
	}
	links->count = count;
	links->burdens = burdens;
	return links;
}

void client_links_destroy(struct client_links *links)
{
	if (links)
		free(links->burdens);
	free(links);
}
