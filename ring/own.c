/* ring/own.c - see own.h. */
#include "ring/own.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PORT_COUNT = 65536, WORD_BITS = 64 };

struct own {
	pthread_mutex_t lock;
	struct address *at;
	size_t count, room;
	_Atomic uint64_t ports[PORT_COUNT / WORD_BITS]; /* ever in the list: most dials need no lock */
};

struct own *own_create(void)
{
	struct own *own = calloc(1, sizeof *own);
	if (own)
		pthread_mutex_init(&own->lock, NULL);
	return own;
}

void own_destroy(struct own *own)
{
	if (!own)
		return;
	pthread_mutex_destroy(&own->lock);
	free(own->at);
	free(own);
}

/* IPv4 inside IPv6 as IPv4; a zone says nothing about who listens. */
static struct address plain_of(const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address plain = {.family = address->family, .port = address->port};
	memcpy(plain.bytes, address->bytes, sizeof plain.bytes);
	if (plain.family == ADDRESS_IPV6 && memcmp(plain.bytes, mapped, sizeof mapped) == 0) {
		plain.family = ADDRESS_IPV4;
		memset(plain.bytes, 0, sizeof plain.bytes);
		memcpy(plain.bytes, address->bytes + sizeof mapped, 4);
	}
	return plain;
}

static bool is_none(const struct address *address)
{
	static const uint8_t none[16];
	return memcmp(address->bytes, none, address->family == ADDRESS_IPV4 ? 4 : 16) == 0;
}

static bool has_port(const struct address *address)
{
	return address->port && address->family != ADDRESS_NONE && address->family != ADDRESS_UNIX;
}

static _Atomic uint64_t *word_of(struct own *own, uint16_t port) { return &own->ports[port / WORD_BITS]; }
static uint64_t bit_of(uint16_t port) { return (uint64_t)1 << port % WORD_BITS; }

bool own_add(struct own *own, const struct address *listening)
{
	if (!has_port(listening))
		return true;
	pthread_mutex_lock(&own->lock);
	if (own->count == own->room) {
		size_t room = 2 * own->room + 16;
		struct address *grown = realloc(own->at, room * sizeof *grown);
		if (grown) {
			own->at = grown;
			own->room = room;
		}
	}
	bool fits = own->count < own->room;
	if (fits)
		own->at[own->count++] = plain_of(listening);
	pthread_mutex_unlock(&own->lock);
	if (fits)
		atomic_fetch_or(word_of(own, listening->port), bit_of(listening->port));
	return fits;
}

void own_remove(struct own *own, const struct address *listening)
{
	struct address plain = plain_of(listening);
	if (!has_port(listening))
		return;
	pthread_mutex_lock(&own->lock);
	for (size_t i = 0; i < own->count; i++) {
		if (address_is_equal(&own->at[i], &plain)) {
			own->at[i] = own->at[--own->count];
			break;
		}
	}
	pthread_mutex_unlock(&own->lock);
}

/* Does a listener at every address of one family, or of both, take it if it is for this machine? */
static bool is_wide(const struct address *listening, const struct address *target)
{
	return listening->family == ADDRESS_ANY ||
	       (listening->family == target->family && is_none(listening));
}

bool own_has(struct own *own, const struct address *target, own_is_here_fn *is_here)
{
	if (!has_port(target) || !(atomic_load(word_of(own, target->port)) & bit_of(target->port)))
		return false;
	struct address plain = plain_of(target);
	bool unspecified = is_none(&plain), wide = false, found = false;
	pthread_mutex_lock(&own->lock);
	for (size_t i = 0; i < own->count; i++) {
		const struct address *one = &own->at[i];
		if (one->port != plain.port)
			continue;
		wide = wide || is_wide(one, &plain);
		found = found || address_is_equal(one, &plain) || unspecified; /* that leads to loopback */
	}
	pthread_mutex_unlock(&own->lock);
	return found || (wide && (address_is_loopback(&plain) || (is_here && is_here(&plain))));
}
