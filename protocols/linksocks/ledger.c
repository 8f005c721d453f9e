/* protocols/linksocks/ledger.c - tokens as worker 0 decides, and as every worker hears of it.
 *
 * The mailboxes keep the order between worker 0 and each other worker, so all replicas go through the same
 * states; worker 0's own is changed first and at once.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
#include "protocols/linksocks/ledger.h"

enum { PORT_FIRST = 1024, PORT_LAST = 10240, PORT_COUNT = PORT_LAST - PORT_FIRST + 1 };

enum entry_kind {
	ENTRY_ADDED,
	ENTRY_REMOVED,
	ENTRY_OWNED,
	ENTRY_PORT,                      /* `port` is where it listens */
	ENTRY_PORT_TAKEN,                /* to worker 0: `port` cannot be had */
};

struct entry {
	struct mail mail;
	enum entry_kind kind;
	uint32_t service;
	struct token *added;             /* a copy for the receiver */
	uint64_t serial, owner;
	uint8_t instance[INSTANCE_SIZE];
	uint16_t port;
};

/* ---- every worker ---- */

static void removed(struct linksocks_server *server, struct token *token)
{
	server_links_end(server, token->serial);
	reverse_port_close(server, token->serial);
	tokens_remove(&server->tokens, token);
}

static void change_port(struct linksocks_server *server, struct token *token, uint16_t port)
{
	token->socks_addr.port = port;
	reverse_port_move(server, token);
}

static void port_taken(struct linksocks_server *server, struct token *token, uint16_t port);

static void hear(struct linksocks_server *server, struct entry *entry)
{
	struct token *token = tokens_find_serial(&server->tokens, entry->serial);
	if (entry->kind == ENTRY_ADDED && tokens_add(&server->tokens, entry->added))
		entry->added = NULL;
	if (!token)
		return;
	switch (entry->kind) {
	case ENTRY_REMOVED:
		removed(server, token);
		break;
	case ENTRY_OWNED:
		token->owner = entry->owner;
		memcpy(token->instance, entry->instance, sizeof token->instance);
		break;
	case ENTRY_PORT:
		change_port(server, token, entry->port);
		break;
	case ENTRY_PORT_TAKEN:
		port_taken(server, token, entry->port);
		break;
	case ENTRY_ADDED:
		break;
	}
}

static void entry_deliver(struct hub *to, struct mail *mail)
{
	struct entry *entry = OWNER(mail, struct entry, mail);
	struct linksocks_server *server = server_at(to, entry->service);
	if (server)
		hear(server, entry);
	if (entry->added)
		token_free(entry->added);
	mail_free(mail);
}

/* Without memory for it nothing could be kept right. */
static void send(struct linksocks_server *server, const struct entry *entry, uint32_t to)
{
	struct entry *copy = mail_create(sizeof *copy);
	check(copy);
	*copy = *entry;
	copy->mail = (struct mail){.deliver = entry_deliver, .to = to};
	copy->service = server->service.index;
	if (entry->added)
		check(copy->added = token_copy(entry->added));
	hub_post(server->service.hub, &copy->mail);
}

static void send_all(struct linksocks_server *server, const struct entry *entry)
{
	check(server->service.hub->index == 0);
	for (uint32_t to = 1; to < server->service.hub->worker_count; to++)
		send(server, entry, to);
}

/* ---- worker 0 ---- */

struct token *ledger_add(struct linksocks_server *server, struct token *token)
{
	if (!tokens_add(&server->tokens, token)) {
		token_free(token);
		return NULL;
	}
	send_all(server, &(struct entry){.kind = ENTRY_ADDED, .added = token});
	return token;
}

void ledger_remove(struct linksocks_server *server, struct token *token)
{
	while (!list_is_empty(&token->connectors))
		ledger_remove(server, OWNER(token->connectors.next, struct token, reverse_link));
	struct owner *owner = owner_find(server, token->owner);
	if (owner && owner->owned)
		owner->owned--;
	send_all(server, &(struct entry){.kind = ENTRY_REMOVED, .serial = token->serial});
	removed(server, token);
}

void ledger_set_owner(struct linksocks_server *server, struct token *token, uint64_t owner,
		      const uint8_t instance[INSTANCE_SIZE])
{
	struct entry entry = {.kind = ENTRY_OWNED, .serial = token->serial, .owner = owner};
	struct owner *before = owner_find(server, token->owner), *now = owner_find(server, owner);
	if (before && before->owned)
		before->owned--;
	if (now)
		now->owned++;
	memcpy(entry.instance, instance, sizeof entry.instance);
	token->owner = owner;
	token->orphan_since = (struct instant){0};
	memcpy(token->instance, instance, sizeof token->instance);
	send_all(server, &entry);
}

void ledger_make_text(struct linksocks_server *server, char text[17])
{
	uint8_t bytes[8];
	do {
		hub_secret_bytes(server->service.hub, bytes, sizeof bytes);
		for (size_t i = 0; i < sizeof bytes; i++)
			snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	} while (tokens_find(&server->tokens, slice_of(text)));
}

/* ---- ports ---- */

bool ledger_has_port(const struct linksocks_server *server, uint16_t port)
{
	for (struct link *link = server->tokens.all.next; link != &server->tokens.all; link = link->next) {
		const struct token *token = OWNER(link, struct token, all_link);
		if (token->kind == TOKEN_IS_REVERSE && token->socks_addr.port == port)
			return true;
	}
	return false;
}

uint16_t ledger_free_port(struct linksocks_server *server)
{
	bool used[PORT_COUNT] = {0};
	for (struct link *link = server->tokens.all.next; link != &server->tokens.all; link = link->next) {
		const struct token *token = OWNER(link, struct token, all_link);
		uint16_t port = token->socks_addr.port;
		if (token->kind == TOKEN_IS_REVERSE && port >= PORT_FIRST && port <= PORT_LAST)
			used[port - PORT_FIRST] = true;
	}
	uint32_t start = (uint32_t)(random_next(&server->service.hub->random) % PORT_COUNT);
	for (uint32_t i = 0; i < PORT_COUNT; i++)
		if (!used[(start + i) % PORT_COUNT])
			return (uint16_t)(PORT_FIRST + (start + i) % PORT_COUNT);
	return 0;
}

/* Of a token whose port is ours to choose. */
static void choose_port(struct linksocks_server *server, struct token *token)
{
	uint16_t port = ledger_free_port(server);
	if (!port)
		return;
	send_all(server, &(struct entry){.kind = ENTRY_PORT, .serial = token->serial, .port = port});
	change_port(server, token, port);
}

/* Told by two users of one port, or twice: only the first one counts. */
static void port_taken(struct linksocks_server *server, struct token *token, uint16_t port)
{
	if (token->any_port && token->socks_addr.port == port)
		choose_port(server, token);
}

void ledger_port_taken(struct linksocks_server *server, const struct token *token)
{
	send(server,
	     &(struct entry){
		 .kind = ENTRY_PORT_TAKEN, .serial = token->serial, .port = token->socks_addr.port},
	     0);
}

void ledger_choose_ports(struct linksocks_server *server)
{
	for (struct link *link = server->tokens.all.next; link != &server->tokens.all; link = link->next) {
		struct token *token = OWNER(link, struct token, all_link);
		if (token->any_port && !token->socks_addr.port)
			choose_port(server, token);
	}
}

/* ---- the configuration ---- */

static bool load_connectors(struct linksocks_server *server, const struct config_token *config,
			    uint64_t reverse_serial)
{
	for (size_t i = 0; i < config->connector_count; i++) {
		struct token *token =
		    token_create(TOKEN_IS_CONNECTOR, secret_slice(&config->connector_tokens[i]));
		if (!token)
			return false;
		token->reverse_serial = reverse_serial;
		if (!tokens_add(&server->tokens, token)) {
			token_free(token);
			return false;
		}
	}
	return true;
}

static bool load_token(struct linksocks_server *server, const struct config_token *config)
{
	bool reverse = config->type == TOKEN_REVERSE, autonomy = reverse && config->autonomy;
	struct token *token = token_create(autonomy  ? TOKEN_IS_AUTONOMY
					   : reverse ? TOKEN_IS_REVERSE
						     : TOKEN_IS_FORWARD,
					   secret_slice(&config->token));
	if (!token)
		return false;
	bool listens = reverse && !autonomy && config->socks;
	if (listens)
		token->socks_addr = config->socks_addr;
	token->any_port = listens && !config->socks_addr.port;
	bool kept = !config->username || (secret_set(&token->username, slice_of(config->username)) &&
					  secret_set(&token->password, secret_slice(&config->password)));
	if (!kept || !tokens_add(&server->tokens, token)) {
		token_free(token);
		return false;
	}
	return load_connectors(server, config, token->serial);
}

bool ledger_load(struct linksocks_server *server)
{
	const struct config_linksocks *config = server->settings->config;
	for (size_t i = 0; i < config->token_count; i++)
		if (!load_token(server, &config->tokens[i]))
			return false;
	return true;
}
