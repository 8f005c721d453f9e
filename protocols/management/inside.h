/* protocols/management/inside.h - what the files of the management listener share. Not for others.
 *
 * management.c has the service and the listener, conn.c one connection and its answer, collect.c what goes to
 * each worker and comes back, answer.c makes one text of all that came.
 */
#ifndef PROTOCOLS_MANAGEMENT_INSIDE_H
#define PROTOCOLS_MANAGEMENT_INSIDE_H

#include "core/detect.h"
#include "core/published.h"
#include "protocols/codecs/json.h"
#include "protocols/management/management.h"
#include "protocols/management/request.h"

struct management {
	struct service service;
	const struct management_settings *settings;
	struct listening listening;      /* worker 0 */
	struct detector detector;        /* under TLS */
	struct instant started;
	/* worker 0: one collection at a time, so that many who ask need no more memory than one */
	struct link waiting;             /* conns */
	uint32_t waiting_count;
	struct conn *asker;              /* whose turn it is; NULL: nobody's, or he has gone */
	struct part *parts;              /* that have come, by worker */
	uint32_t awaited;                /* that are on their way */
};

static inline struct management *management_of(struct service *service)
{
	return OWNER(service, struct management, service);
}
/* For a mail: NULL when the worker has stopped. */
static inline struct management *management_at(const struct hub *hub, uint32_t index)
{
	struct service *service = hub_service(hub, index);
	return service ? management_of(service) : NULL;
}

extern const struct role role_management;

/* ---- management.c: the process' share, limits.exchange_bytes; any worker ---- */

/* False: there is not so much left, and nothing is taken. */
bool management_take(struct management *management, size_t size);
void management_give(struct management *management, size_t size);

/* ---- collect.c: one question to one worker, and what it knows ---- */

struct part {
	struct mail mail;
	struct part *next;               /* by worker */
	uint32_t service, worker;        /* the one that is asked */
	struct management_call call;
	bool failed;                     /* no memory */
	bool found;                      /* MANAGEMENT_END_...: it was here */
	uint32_t count, omitted;         /* of the rows in `text` */
	size_t size;
	size_t held;                     /* bytes of what follows: of the process' share, and of the budget of
					  * the worker where the part is */
	uint8_t *text;
	struct published_row *rows;
	size_t row_count, row_room;
};

/* False: no memory for the question. */
bool collect_ask(struct session *session, uint32_t worker, const struct management_call *call);
/* All that have come. */
void collect_free(struct management *management);

/* ---- conn.c ---- */

/* A part has come home; the last one completes the answer. */
void conn_part_came(struct management *management, struct part *part);

/* ---- answer.c ---- */

/* The body for `call` out of all parts. False: no memory. */
bool answer_make(struct management *management, const struct management_call *call,
		 const struct part *parts, struct json_text *body, size_t *omitted);

#endif
