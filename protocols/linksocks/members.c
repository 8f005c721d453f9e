/* protocols/linksocks/members.c - links that have logged in, told to every worker; who provides, who counts.
 *
 * A link's own worker tells worker 0, which tells the others: so all of them hear of links and of tokens in
 * one order, and nobody hears of a link before its token. A token that is gone by then counts nothing: its
 * links are ending.
 */
#include <stdio.h>
#include <stdlib.h>

#include "protocols/linksocks/server_inside.h"

enum { TELL_MS = 20 /* so that a crowd that comes at once is one piece of news */ };

struct news {
	struct mail mail;
	uint32_t service;
	bool left;
	struct member member;
};

void provider_name(char name[PROVIDER_NAME_SIZE], bool autonomy, uint64_t serial_or_link_id)
{
	snprintf(name, PROVIDER_NAME_SIZE, "%c%llx", autonomy ? 'p' : 't',
		 (unsigned long long)serial_or_link_id);
}

static void name_of(const struct member *member, char name[PROVIDER_NAME_SIZE])
{
	provider_name(name, member->autonomy, member->autonomy ? member->link_id : member->serial);
}

/* ---- round robin ---- */

static bool may_provide(const struct registry_holder *holder, const struct hub *hub, bool here)
{
	bool is_here = holder->worker == hub->index;
	uint32_t channels = atomic_load_explicit(&holder->burden->channels, memory_order_relaxed);
	return burden_is_open(holder->burden) && channels < hub->limits->channels_per_session &&
	       (is_here ? holder->session != NULL : !here);
}

struct registry_holder *provider_next(const struct registry_entry *entry, uint32_t *turn,
				      const struct hub *hub, bool here)
{
	uint32_t total = 0, at = 0;
	struct registry_holder *first = NULL;
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next)
		total++;
	uint32_t start = total ? (*turn)++ % total : 0;
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next, at++) {
		struct registry_holder *holder = OWNER(link, struct registry_holder, entry_link);
		if (!may_provide(holder, hub, here))
			continue;
		if (at >= start)
			return holder;
		first = first ? first : holder;
	}
	return first;
}

/* ---- owners, on worker 0 ---- */

struct owner *owner_find(struct linksocks_server *server, uint64_t link_id)
{
	struct idtable_link *link = idtable_find(&server->owners, &link_id, sizeof link_id);
	return link ? OWNER(link, struct owner, id_link) : NULL;
}

static void owner_add(struct linksocks_server *server, uint64_t link_id)
{
	struct owner *owner = owner_find(server, link_id) ? NULL : calloc(1, sizeof *owner);
	if (!owner)
		return;                  /* its requests will be refused */
	idtable_insert(&server->owners, &owner->id_link, &link_id, sizeof link_id);
	list_push(&server->owners_all, &owner->all_link);
}

static void owner_free(struct linksocks_server *server, struct owner *owner)
{
	idtable_remove(&server->owners, &owner->id_link);
	link_remove(&owner->all_link);
	free(owner);
}

/* ---- who hears how many there are ---- */

static void tell_connectors(struct timer *timer)
{
	struct linksocks_server *server = OWNER(timer, struct linksocks_server, tell_connectors);
	for (struct link *at = server->links.next; at != &server->links; at = at->next) {
		struct server_link *link = OWNER(at, struct server_link, server_link);
		if (link->joined && link->member.party == PARTY_CONNECTOR)
			session_say(link->session, EVENT_NOTE);
	}
}

static void providers_changed(struct linksocks_server *server)
{
	struct hub *hub = server->service.hub;
	if (!timer_is_armed(&server->tell_connectors))
		timer_arm(&hub->wheel, &server->tell_connectors,
			  instant_after(hub->now, DURATION_MS(TELL_MS)));
}

/* A connector has come: those that it may reach, on this worker. */
static void tell_providers(struct linksocks_server *server, const struct member *connector)
{
	char name[PROVIDER_NAME_SIZE];
	provider_name(name, connector->autonomy,
		      connector->autonomy ? connector->owner : connector->reverse_serial);
	const struct registry_entry *entry = registry_find(&server->providers, name, 0);
	if (!entry)
		return;
	for (struct link *link = entry->holders.next; link != &entry->holders; link = link->next) {
		struct session *session = OWNER(link, struct registry_holder, entry_link)->session;
		if (session)
			session_say(session, EVENT_NOTE);
	}
}

/* ---- what every worker hears ---- */

static void count(uint32_t *links, bool left)
{
	if (!left)
		(*links)++;
	else if (*links)
		(*links)--;
}

static void count_client(struct linksocks_server *server, const struct member *member, bool left)
{
	struct token *token = tokens_find_serial(&server->tokens, member->serial);
	if (token)
		count(&token->clients, left);
	if (member->party != PARTY_CONNECTOR)
		return;
	struct token *reverse = tokens_find_serial(&server->tokens, member->reverse_serial);
	if (reverse)
		count(&reverse->connector_clients, left);
	struct server_link *owner = member->autonomy ? server_link_find(server, member->owner) : NULL;
	if (owner)
		count(&owner->connector_count, left);
}

static void provider_joined(struct linksocks_server *server, const struct member *member)
{
	char name[PROVIDER_NAME_SIZE];
	name_of(member, name);
	struct registry_holder *holder = registry_add(&server->providers, name, 0, member->worker,
						      member->link_id, member->burden);
	check(holder);                   /* without memory for it nothing could be kept right */
	struct server_link *link = server_link_find(server, member->link_id);
	holder->session = link ? link->session : NULL;
	server->provider_count++;
	providers_changed(server);
	if (member->autonomy && server->service.hub->index == 0)
		owner_add(server, member->link_id);
	const struct token *token = tokens_find_serial(&server->tokens, member->serial);
	if (token && token->kind == TOKEN_IS_REVERSE)
		reverse_port_open(server, token);
}

static void provider_left(struct linksocks_server *server, const struct member *member)
{
	char name[PROVIDER_NAME_SIZE];
	name_of(member, name);
	struct registry_entry *entry = registry_find(&server->providers, name, 0);
	struct owner *owner = owner_find(server, member->link_id);
	if (owner)
		owner_free(server, owner);
	if (!entry || !registry_let_go(&server->providers, entry, member->link_id))
		return;
	server->provider_count--;
	if (!registry_find(&server->providers, name, 0))
		providers_changed(server);
}

static void news_deliver(struct hub *to, struct mail *mail);

/* Without memory for it nothing could be kept right. */
static void send(struct linksocks_server *server, const struct member *member, bool left, uint32_t to)
{
	struct news *news = mail_create(sizeof *news);
	check(news);
	news->mail = (struct mail){.deliver = news_deliver, .to = to};
	news->service = server->service.index;
	news->left = left;
	news->member = *member;
	if (member->burden)
		burden_ref(member->burden);
	hub_post(server->service.hub, &news->mail);
}

static void hear(struct linksocks_server *server, const struct member *member, bool left)
{
	count_client(server, member, left);
	if (member->party == PARTY_PROVIDER)
		(left ? provider_left : provider_joined)(server, member);
	else if (member->party == PARTY_CONNECTOR && !left)
		tell_providers(server, member);
}

static void news_deliver(struct hub *to, struct mail *mail)
{
	struct news *news = OWNER(mail, struct news, mail);
	struct linksocks_server *server = server_at(to, news->service);
	if (server) {
		hear(server, &news->member, news->left);
		for (uint32_t next = 1; to->index == 0 && next < to->worker_count; next++)
			send(server, &news->member, news->left, next);
	}
	burden_unref(news->member.burden);
	mail_free(mail);
}

void member_join(struct linksocks_server *server, const struct member *member)
{
	send(server, member, false, 0);
}

void member_leave(struct linksocks_server *server, const struct member *member)
{
	/* at once, here: nobody is to be given to a link that has ended */
	char name[PROVIDER_NAME_SIZE];
	name_of(member, name);
	struct registry_entry *entry = registry_find(&server->providers, name, 0);
	struct registry_holder *holder = entry ? registry_holder_of(entry, member->link_id) : NULL;
	if (holder)
		holder->session = NULL;
	send(server, member, true, 0);
}

void members_init(struct linksocks_server *server)
{
	registry_init(&server->providers);
	list_init(&server->owners_all);
	server->tell_connectors.expired = tell_connectors;
}

void members_fini(struct linksocks_server *server)
{
	timer_disarm(&server->tell_connectors);
	registry_fini(&server->providers);
	while (!list_is_empty(&server->owners_all))
		owner_free(server, OWNER(server->owners_all.next, struct owner, all_link));
	idtable_fini(&server->owners);
}
