/* protocols/management/request.h - a request to the management listener as a call: may it, and what is it.
 *
 * Owner: nobody, values; management_read is pure.
 * Order: the token (401), then Host and Origin (403), then path and method (404, 405).
 * Host:  where there is no token and no unix socket, a page of a stranger could reach the listener by a name
 *        of its own that leads here (DNS rebinding). Such a name stands in Host: only literals and localhost
 *        are taken. With a token it could ask nothing, and a name is what a certificate is made for.
 * Never: tells how much of a token was right.
 */
#ifndef PROTOCOLS_MANAGEMENT_REQUEST_H
#define PROTOCOLS_MANAGEMENT_REQUEST_H

#include "core/event.h"
#include "core/secret.h"

/* What ends something comes last. */
enum management_action {
	MANAGEMENT_ANSWER,               /* at once: status, content_type, body, fields */
	MANAGEMENT_LIVE,
	MANAGEMENT_READY,
	MANAGEMENT_PUBLISHED,
	MANAGEMENT_PAGE,
	MANAGEMENT_SESSIONS,
	MANAGEMENT_CHANNELS,
	MANAGEMENT_WORKERS,
	MANAGEMENT_END_SESSION,          /* id */
	MANAGEMENT_END_CHANNEL,
};

struct management_call {
	enum management_action action;
	uint64_t id;
	unsigned status;
	const char *content_type, *body, *fields;
};

struct management_access {
	const struct secret *token;      /* empty: none is asked for */
	bool tls, local;                 /* local: a unix socket */
};

extern const char management_json[], management_text[], management_html[];

/* Fields of every answer, of the page, and of one that may be had a little later. */
extern const char management_fields[], management_page_fields[], management_busy_fields[];

void management_read(const struct http_exchange *request, const struct management_access *access,
		     struct management_call *call);

#endif
