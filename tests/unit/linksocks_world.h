/* tests/unit/linksocks_world.h - servers of LinkSocks on several workers without a kernel: mails are
 * delivered by hand, in order, and requests to the worker are looked at and dropped.
 */
#ifndef TESTS_UNIT_LINKSOCKS_WORLD_H
#define TESTS_UNIT_LINKSOCKS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocols/linksocks/autonomy.h"
#include "protocols/linksocks/ledger.h"
#include "tests/unit/mails.h"

enum { WORKERS = 3 };

static struct {
	struct limits limits;
	struct config_linksocks config;
	struct linksocks_server_settings settings;
	struct hub hubs[WORKERS];
	uint32_t listens[WORKERS];               /* LISTEN requests seen */
	uint16_t port;                           /* of the last one */
} world;

static struct linksocks_server *server_on(uint32_t worker) { return server_at(&world.hubs[worker], 0); }

/* Everything that workers say to each other, and to themselves, until they are silent. */
static void settle(void)
{
	for (bool busy = true; busy;) {
		busy = false;
		for (uint32_t i = 0; i < WORKERS; i++)
			busy = mails_deliver(world.hubs, i) || busy;
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct link *link;
		while ((link = list_pull(&world.hubs[i].requests))) {
			struct request *request = OWNER(link, struct request, link);
			struct listening *listening = OWNER(request, struct listening, request);
			listening->asked = request->kind == REQUEST_LISTEN;
			world.listens[i] += request->kind == REQUEST_LISTEN;
			if (request->kind == REQUEST_LISTEN)
				world.port = listening->address.port;
			else if (request->kind == REQUEST_UNLISTEN)
				listening->closed(listening);
		}
	}
}

static void world_begin(void)
{
	world.limits = LIMITS_DEFAULT;
	world.settings = (struct linksocks_server_settings){.config = &world.config};
	for (uint32_t i = 0; i < WORKERS; i++) {
		world.listens[i] = 0;
		hub_init(&world.hubs[i], i, WORKERS, &world.limits, (struct instant){1000000000});
		assert_non_null(linksocks_server_create(&world.hubs[i], &world.settings));
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		server_on(i)->service.table->start(&server_on(i)->service);
	settle();
}

static void world_end(void)
{
	settle();
	for (uint32_t i = 0; i < WORKERS; i++) {
		server_on(i)->service.table->destroy(&server_on(i)->service);
		hub_fini(&world.hubs[i]);
	}
}

/* Every replica has the same tokens. */
static inline void replicas_are_alike(void)
{
	const struct tokens *first = &server_on(0)->tokens;
	for (uint32_t i = 1; i < WORKERS; i++) {
		const struct tokens *other = &server_on(i)->tokens;
		assert_int_equal(other->count, first->count);
		for (struct link *link = first->all.next; link != &first->all; link = link->next) {
			const struct token *token = OWNER(link, struct token, all_link);
			const struct token *copy = tokens_find(other, slice_of(token->text));
			assert_non_null(copy);
			assert_int_equal(copy->serial, token->serial);
			assert_int_equal(copy->kind, token->kind);
			assert_int_equal(copy->owner, token->owner);
			assert_int_equal(copy->reverse_serial, token->reverse_serial);
			assert_int_equal(copy->clients, token->clients);
			assert_int_equal(copy->connector_clients, token->connector_clients);
			assert_true(address_is_equal(&copy->socks_addr, &token->socks_addr));
			assert_true(secret_is_equal(&copy->password, secret_slice(&token->password)));
		}
	}
}

/* A link that is known to all and has no session here. */
static inline struct member join(uint32_t worker, uint64_t number, enum party party,
				 const struct token *token)
{
	bool leads = token->kind == TOKEN_IS_CONNECTOR;
	const struct token *reverse =
	    leads ? tokens_find_serial(&server_on(0)->tokens, token->reverse_serial) : token;
	struct member member = {.link_id = (uint64_t)worker << 48 | number,
				.worker = worker,
				.party = party,
				.autonomy = reverse->kind == TOKEN_IS_AUTONOMY,
				.serial = token->serial,
				.reverse_serial = reverse->serial,
				.owner = token->owner,
				.burden = party == PARTY_PROVIDER ? burden_create() : NULL};
	if (member.burden)
		burden_open(member.burden);
	member_join(server_on(worker), &member);
	settle();
	return member;
}

static inline void leave(struct member *member)
{
	member_leave(server_on(member->worker), member);
	burden_unref(member->burden);
	settle();
}

#endif
