/* protocols/management/inside.h - what the files of the management listener share. Not for others.
 *
 * management.c has the service and the listener, conn.c one connection and its answer, collect.c what goes to
 * each worker and comes back, answer.c makes one text of all that came.
 */
#ifndef PROTOCOLS_MANAGEMENT_INSIDE_H
#define PROTOCOLS_MANAGEMENT_INSIDE_H

#include "core/detect.h"
#include "core/idtable.h"
#include "core/published.h"
#include "protocols/codecs/json.h"
#include "protocols/management/management.h"
#include "protocols/management/request.h"

struct management {
	struct service service;
	const struct management_settings *settings;
	struct listening listening;      /* worker 0 */
	struct detector detector;        /* under TLS */
	struct idtable conns;            /* worker 0: those that wait, by session->id */
	struct instant started;
	size_t held;                     /* worker 0: bytes of answers that are on their way */
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

/* ---- collect.c: one question to one worker, and what it knows ---- */

struct part {
	struct mail mail;
	struct part *next;               /* of a conn, by worker */
	uint32_t service, worker;        /* the one that is asked */
	uint64_t session_id;             /* the conn's */
	struct management_call call;
	bool failed;                     /* no memory */
	bool found;                      /* MANAGEMENT_END_...: it was here */
	uint32_t count, omitted;         /* of the rows in `text` */
	size_t size, charged;
	uint8_t *text;
	struct published_row *rows;
	size_t row_count, row_room;
};

/* False: no memory for the question. */
bool collect_ask(struct session *session, uint32_t worker, const struct management_call *call);
void collect_free(struct hub *hub, struct part *part);

/* ---- conn.c ---- */

/* A part has come home. */
void conn_part_came(struct management *management, struct part *part);

/* ---- answer.c ---- */

/* The body for `call` out of all parts. False: no memory. */
bool answer_make(const struct management *management, const struct management_call *call,
		 const struct part *parts, struct json_text *body, size_t *omitted);

#endif
