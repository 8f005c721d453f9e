/* ring/sources.c - see sources.h.
 *
 * A bucket has SOURCES_PROBE slots: a word of (generation, count), and a key that is valid while the count is
 * neither 0 (free) nor COUNT_CLAIMED. Keys change only in a claim, which raises the generation, so a compare-
 * and-swap of the word also proves that the key read before it still stands.
 *
 * Two threads may claim two slots for one key. That is allowed: the count of a key is the sum over its slots
 * and the shared counter of its bucket. An entry is made first and the sum taken after, in a look during
 * which `changes` stood still. As each entry raises it before it can be taken back, such a look misses nobody
 * who entered before it and is still there after it: so of those admitted, the last one has seen them all,
 * and too many take themselves back.
 *
 * Units of one key are interchangeable. A release takes from a slot where it finds one, and from the shared
 * counter only when at one instant no slot held the key: then what this key has, the releasing unit included,
 * is in the shared counter, and stays there for all who came to that conclusion. That instant exists when no
 * claim was seen under way and `changes`, which a claim raises before its key becomes visible, stood still.
 */
#include "ring/sources.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { BUCKET_COUNT = SOURCES_MAX / SOURCES_PROBE };

#define COUNT_CLAIMED UINT32_MAX

struct bucket {
	_Atomic uint64_t words[SOURCES_PROBE];
	_Atomic uint64_t keys[SOURCES_PROBE];
	_Atomic uint32_t changes;
	_Atomic uint32_t shared;
};

struct sources {
	uint64_t seed[2];
	struct bucket buckets[BUCKET_COUNT];
};

/* What one look at a bucket found. */
struct view {
	uint64_t sum;                  /* of the key in its slots, and the shared counter */
	_Atomic uint64_t *own, *free;  /* a slot of the key; a free one; or NULL */
	uint64_t own_word, free_word;
	bool claiming;                 /* a slot was about to get a key */
};

static uint32_t count_of(uint64_t word) { return (uint32_t)word; }
static uint64_t generation_of(uint64_t word) { return word >> 32; }

/* The address as it counts: 0 when it is exempt. The block 0000::/8, which nobody can own, has room for IPv4
 * and is one source itself. */
static uint64_t key_of(const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct address plain = *address;
	if (plain.family == ADDRESS_IPV6 && memcmp(plain.bytes, mapped, sizeof mapped) == 0) {
		plain.family = ADDRESS_IPV4;
		memcpy(plain.bytes, address->bytes + sizeof mapped, 4);
	}
	if ((plain.family != ADDRESS_IPV4 && plain.family != ADDRESS_IPV6) || address_is_loopback(&plain))
		return 0;
	if (plain.family == ADDRESS_IPV4)
		return (uint64_t)1 << 32 | get32(plain.bytes);
	if (plain.bytes[0] == 0)
		return (uint64_t)2 << 32;
	return (uint64_t)get32(plain.bytes) << 32 | get32(plain.bytes + 4);
}

/* Seeded, so that nobody can choose addresses that meet in one bucket. */
static struct bucket *bucket_of(struct sources *sources, uint64_t key)
{
	uint64_t state = key ^ sources->seed[0];
	state = random_next(&state) ^ sources->seed[1];
	return &sources->buckets[random_next(&state) % BUCKET_COUNT];
}

struct sources *sources_create(void)
{
	struct sources *sources = calloc(1, sizeof *sources);
	if (!sources)
		return NULL;
	if (getrandom(sources->seed, sizeof sources->seed, GRND_NONBLOCK) != (ssize_t)sizeof sources->seed) {
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		sources->seed[0] = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
		sources->seed[1] = (uint64_t)(uintptr_t)sources;
	}
	return sources;
}

void sources_destroy(struct sources *sources) { free(sources); }

/* Word and key of one slot as they stood together; the key only counts where the slot has one. */
static uint64_t slot_read(struct bucket *bucket, unsigned i, uint64_t *key)
{
	uint64_t before, word = atomic_load(&bucket->words[i]);
	do {
		before = word;
		*key = atomic_load(&bucket->keys[i]);
		word = atomic_load(&bucket->words[i]);
	} while (generation_of(word) != generation_of(before));
	return before;
}

static struct view look(struct bucket *bucket, uint64_t key)
{
	struct view view = {.sum = atomic_load(&bucket->shared)};
	for (unsigned i = 0; i < SOURCES_PROBE; i++) {
		uint64_t other, word = slot_read(bucket, i, &other);
		uint32_t count = count_of(word);
		if (count == COUNT_CLAIMED) {
			view.claiming = true;
		} else if (count == 0 && !view.free) {
			view.free = &bucket->words[i];
			view.free_word = word;
		} else if (count && other == key) {
			view.own = &bucket->words[i];
			view.own_word = word;
			view.sum += count;
		}
	}
	return view;
}

/* Repeats only when somebody else has got on. */
static struct view look_still(struct bucket *bucket, uint64_t key)
{
	for (;;) {
		uint32_t changes = atomic_load(&bucket->changes);
		struct view view = look(bucket, key);
		if (atomic_load(&bucket->changes) == changes)
			return view;
	}
}

/* One unit into a free slot. False when somebody was faster. */
static bool claim(struct bucket *bucket, const struct view *view, uint64_t key)
{
	uint64_t generation = (generation_of(view->free_word) + 1) << 32, word = view->free_word;
	if (!atomic_compare_exchange_strong(view->free, &word, generation | COUNT_CLAIMED))
		return false;
	atomic_fetch_add(&bucket->changes, 1);
	atomic_store(&bucket->keys[view->free - bucket->words], key);
	atomic_store(view->free, generation | 1);
	return true;
}

/* One unit of the key, wherever there is room. False when the bucket has changed meanwhile. */
static bool add(struct bucket *bucket, struct view *view, uint64_t key)
{
	bool added = true;
	if (view->own)
		added = atomic_compare_exchange_strong(view->own, &view->own_word, view->own_word + 1);
	else if (view->free)
		added = claim(bucket, view, key);
	else
		atomic_fetch_add(&bucket->shared, 1);
	if (added)
		atomic_fetch_add(&bucket->changes, 1);
	return added;
}

static void take(struct bucket *bucket, uint64_t key)
{
	for (;;) {
		struct view view = look_still(bucket, key);
		if (view.own) {
			if (atomic_compare_exchange_strong(view.own, &view.own_word, view.own_word - 1))
				return;
		} else if (!view.claiming) {
			check(atomic_fetch_sub(&bucket->shared, 1) > 0);
			return;
		}
	}
}

bool sources_enter(struct sources *sources, const struct address *address, uint32_t max)
{
	uint64_t key = key_of(address);
	if (!key)
		return true;
	struct bucket *bucket = bucket_of(sources, key);
	struct view view;
	do {
		view = look(bucket, key);
		if (view.sum >= max)
			return false;
	} while (!add(bucket, &view, key));
	if (look_still(bucket, key).sum <= max)
		return true;
	take(bucket, key);
	return false;
}

void sources_leave(struct sources *sources, const struct address *address)
{
	uint64_t key = key_of(address);
	if (key)
		take(bucket_of(sources, key), key);
}

uint32_t sources_count(struct sources *sources, const struct address *address)
{
	uint64_t key = key_of(address);
	if (!key)
		return 0;
	return (uint32_t)look(bucket_of(sources, key), key).sum;
}
