/* core/hub.h - what core needs of one worker: the time, memory, limits, counters, and lists of what is ready.
 *
 * Owner:  the worker, which fills in `now` and drains the lists after it has processed completions. Thread:
 * that worker's; nothing in it is shared (counters may be read by anybody, relaxed). Never:  calls the
 * worker: core leaves objects on the lists, nothing calls upwards.
 */
#ifndef CORE_HUB_H
#define CORE_HUB_H

#include "core/batcher.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/pair.h"
#include "core/stats.h"

enum {
	SERVICES_MAX = 32,
	LOG_REPEATED_MAX = 20,
	HUB_RECEIVE_MAX = 512, /* receive buffers of one worker: 32 MiB */
};

struct mail;

/* What its thread has taken of the machine. */
struct hub_usage {
	int cpu;                        /* where it runs now */
	struct duration busy;           /* CPU time, since it started */
};

struct hub {
	uint32_t index, worker_count;
	struct instant now;             /* this turn's */
	uint64_t random;                /* jitter and ids; seeded by the worker */
	/* Bytes that nobody can guess; NULL: from `random`, in tests. */
	void (*secret_bytes)(uint8_t *bytes, size_t size);
	void (*usage)(struct hub_usage *usage); /* of this thread; NULL: not known, in the simulator */
	const struct acl *access;       /* what peers and users may reach; NULL: everything */
	struct batching batching;       /* the default until the worker sets it */
	const struct limits *limits;
	struct budget budget;           /* of bufs, memory and TLS sessions: the worker's share */
	struct bufpool bufs;
	struct memory memory;
	struct wheel wheel;
	struct link sessions, pairs;
	struct link delivered;          /* sessions whose slot holds an event for the role */
	struct link writable;           /* sessions that have something to say */
	struct link readable;           /* sessions that may be fed again */
	struct link ended;              /* sessions that are DEAD */
	struct link sending;            /* sockets with datagrams for the worker: core/datagram.h */
	struct link requests;           /* what roles ask of the worker: core/request.h */
	struct mail *outgoing, *outgoing_last;
	struct service *services[SERVICES_MAX];
	uint32_t service_count;
	uint32_t session_count, pair_count, channel_count, link_count;
	uint64_t session_serial, pair_serial;
	uint64_t window_growth;         /* bytes that windows have been given beyond their first size */
	struct session **ferries;       /* by worker index; NULL for ourselves */
	bool draining;
	struct instant log_since;
	uint32_t log_count;
	uint64_t counters[COUNTER_COUNT];
};

void hub_init(struct hub *hub, uint32_t index, uint32_t worker_count, const struct limits *limits,
	      struct instant now);
void hub_fini(struct hub *hub);
static inline void hub_count(struct hub *hub, enum counter counter, uint64_t amount)
{
	__atomic_store_n(&hub->counters[counter], hub->counters[counter] + amount, __ATOMIC_RELAXED);
}
/* The delay and up to a fifth more or less, so that many do not come back at once. */
struct duration hub_jitter(struct hub *hub, struct duration delay);
/* Keys of masks, ids that must not be guessed, tokens. */
void hub_secret_bytes(struct hub *hub, uint8_t *bytes, size_t size);
/* A line about what a peer or a stranger can repeat at will? At most LOG_REPEATED_MAX a second. */
bool hub_may_log(struct hub *hub);
/* The budget is nearly used up: no new connections and channels. */
bool hub_is_tight(const struct hub *hub);
/* A service takes the next index, which it has been given already. */
void hub_add_service(struct hub *hub, struct service *service);
/* For a mail or a ferry: NULL when the worker has stopped. */
static inline struct service *hub_service(const struct hub *hub, uint32_t index)
{
	return index < hub->service_count ? hub->services[index] : NULL;
}

#endif
