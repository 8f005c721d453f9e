/* core/published.h - what statistics tell of one thing that is published, visited or forwarded.
 *
 * Owner: nobody, values. A service says on each worker what it knows there (service_table.published); who
 * collects adds up the rows of one key: of a gateway (name, port), of a client (service, position).
 */
#ifndef CORE_PUBLISHED_H
#define CORE_PUBLISHED_H

#include "core/address.h"
#include "core/instant.h"
#include "core/tally.h"

enum published_kind { PUBLISHED_PROXY, PUBLISHED_VISITOR, PUBLISHED_FORWARDER };

enum { PUBLISHED_TYPE_SIZE = 16, PUBLISHED_WHO_SIZE = 96 };

struct published_count {
	uint64_t active, total, sent, received;
};

struct published_row {
	bool client;                     /* of a client's configuration; else held by one of this gateway's */
	bool whole;                      /* all of it is known here; else the counts and the key alone */
	enum published_kind kind;
	uint32_t service, position;      /* client: index of the service, place in its configuration */
	uint32_t links;                  /* gateway: that serve it */
	struct instant since;
	struct published_count users, visitors;
	uint16_t publish_port, local_port, bind_port, target_port;
	char name[HOST_SIZE];
	char type[PUBLISHED_TYPE_SIZE];  /* as configured: "tcp" */
	char publish_addr[ADDRESS_PATH_SIZE], bind_addr[ADDRESS_PATH_SIZE], target_addr[HOST_SIZE];
	char identity[PUBLISHED_WHO_SIZE], peer[PUBLISHED_WHO_SIZE]; /* gateway */
};

struct published_sink {
	void (*add)(struct published_sink *sink, const struct published_row *row);
};

/* What the tally has; `from`: the side whose bytes count as received. NULL: nothing. */
static inline void published_take(struct published_count *count, const struct tally *tally, int from)
{
	if (tally)
		*count = (struct published_count){.active = tally->active,
						  .total = tally->total,
						  .sent = tally_bytes(tally, !from),
						  .received = tally_bytes(tally, from)};
}

#endif
