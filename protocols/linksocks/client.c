/* protocols/linksocks/client.c - the client's service on one worker, and what its links share; see client.h.
 */
#include <stdlib.h>

#include "core/log.h"
#include "protocols/linksocks/client_inside.h"

/* ---- links ---- */

struct linksocks_client_links *linksocks_client_links_create(uint32_t count)
{
	check(count > 0);
	struct linksocks_client_links *links = calloc(1, sizeof *links);
	struct burden *burdens = links ? burdens_create(count) : NULL;
	if (!burdens) {
		free(links);
		return NULL;
	}
	links->count = count;
	links->burdens = burdens;
	return links;
}

bool linksocks_client_links_up(const struct linksocks_client_links *links)
{
	for (uint32_t i = 0; i < links->count; i++)
		if (burden_is_open(&links->burdens[i]))
			return true;
	return false;
}

void linksocks_client_links_destroy(struct linksocks_client_links *links)
{
	if (links)
		free(links->burdens);
	free(links);
}

uint32_t linksocks_client_next_link(const struct linksocks_client_links *links, uint32_t *turn)
{
	for (uint32_t i = 1; i <= links->count; i++) {
		uint32_t number = (*turn + i) % links->count;
		if (burden_is_open(&links->burdens[number]))
			return *turn = number;
	}
	return links->count;
}

uint32_t linksocks_client_worker(const struct client *client, uint32_t link_number)
{
	return (client->settings->worker + link_number) % client->service.hub->worker_count;
}

struct client_link *linksocks_client_link_here(const struct client *client, uint32_t number)
{
	for (uint32_t i = 0; i < client->link_count; i++)
		if (client->links[i].number == number)
			return &client->links[i];
	return NULL;
}

/* ---- told once ---- */

struct client_mail {
	struct mail mail;
	uint32_t service;
};

static void users_come(struct hub *to, struct mail *mail)
{
	struct client_mail *letter = OWNER(mail, struct client_mail, mail);
	struct service *service = hub_service(to, letter->service);
	if (service)
		linksocks_users_start(client_of(service));
	mail_free(mail);
}

/* Users are listened for by the first link's worker, whichever link was the first to be up. */
static void call_users(struct client *client)
{
	struct hub *hub = client->service.hub;
	struct client_mail *letter = mail_create(sizeof *letter);
	if (!letter) {
		linksocks_client_give_up(client, "out of memory");
		return;
	}
	letter->mail.deliver = users_come;
	letter->mail.to = client->settings->worker;
	letter->service = client->service.index;
	hub_post(hub, &letter->mail);
}

void linksocks_client_is_up(struct client *client)
{
	const struct linksocks_client_settings *settings = client->settings;
	if (atomic_exchange(&settings->links->ready, true))
		return;
	if (!settings->config->linksocks.reverse)
		call_users(client);
	if (settings->ready)
		settings->ready(settings);
}

void linksocks_client_give_up(struct client *client, const char *why)
{
	const struct linksocks_client_settings *settings = client->settings;
	if (!atomic_exchange(&settings->links->failed, true) && settings->failed)
		settings->failed(settings, why);
}

/* ---- the service ---- */

static void client_start(struct service *service)
{
	struct client *client = client_of(service);
	const struct config_linksocks_client *config = &client->settings->config->linksocks;
	for (uint32_t i = 0; i < client->link_count; i++)
		linksocks_client_link_start(&client->links[i]);
	if (config->socks_no_wait && service->hub->index == client->settings->worker)
		linksocks_users_start(client);
}

static void client_drain(struct service *service)
{
	struct client *client = client_of(service);
	client->draining = true;
	linksocks_users_stop(client);
	for (uint32_t i = 0; i < client->link_count; i++)
		linksocks_client_link_drain(&client->links[i]);
}

static void client_network_changed(struct service *service)
{
	struct client *client = client_of(service);
	for (uint32_t i = 0; !client->draining && i < client->link_count; i++)
		linksocks_client_link_network_changed(&client->links[i]);
}

static void client_destroy(struct service *service)
{
	struct client *client = client_of(service);
	for (uint32_t i = 0; i < client->link_count; i++)
		linksocks_client_link_fini(&client->links[i]);
	linksocks_users_fini(client);
	linksocks_path_destroy(client->path);
	free(client->links);
	free(client);
}

static const struct service_table table = {.name = "linksocks client",
					   .start = client_start,
					   .drain = client_drain,
					   .network_changed = client_network_changed,
					   .destroy = client_destroy};

struct service *linksocks_client_create(struct hub *hub, struct linksocks_client_settings *settings)
{
	uint32_t count = settings->links->count;
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return NULL;
	client->service = (struct service){.table = &table, .hub = hub, .index = hub->service_count};
	client->settings = settings;
	client->path = linksocks_path_create(&settings->config->linksocks, settings->instance);
	client->links = calloc(count / hub->worker_count + 1, sizeof *client->links);
	if (!client->path || !client->links) {
		client_destroy(&client->service);
		return NULL;
	}
	client->login_by_message = !linksocks_path_has_login(settings->config->linksocks.path);
	for (uint32_t number = 0; number < count; number++)
		if (linksocks_client_worker(client, number) == hub->index)
			linksocks_client_link_init(&client->links[client->link_count++], client, number);
	linksocks_users_init(client);
	hub_add_service(hub, &client->service);
	return &client->service;
}
