/* protocols/linksocks/api.h - the admin HTTP API: a request as a call, a call as a change, a change as JSON.
 *
 * Owner:  nobody; api_read is pure, api_run is worker 0's. api_conn.c carries calls to it and answers back.
 * Bodies: byte for byte those of the original, a line feed behind JSON included. What is refused for its
 *         content is refused with status 200.
 * Never:  looks at a call before its key was compared; answers with a secret other than the tokens.
 */
#ifndef PROTOCOLS_LINKSOCKS_API_H
#define PROTOCOLS_LINKSOCKS_API_H

#include "protocols/codecs/json.h"
#include "protocols/linksocks/server_inside.h"

/* What /api/status calls itself: the version of the original whose protocol and API these are. Its users'
 * programs read it; ours has no place in it. */
#define API_VERSION "v1.8.9"

enum api_action { API_ANSWER, API_STATUS, API_ADD, API_REMOVE };
enum api_type { API_FORWARD, API_REVERSE, API_CONNECTOR };

enum { API_TEXT_MAX = 511 };

struct api_text {
	char text[API_TEXT_MAX + 1];
	size_t size;                    /* there may be zeros in it */
};

struct api_call {
	enum api_action action;
	bool wrong_key;
	/* API_ANSWER: at once */
	unsigned status;
	const char *content_type;       /* NULL: no body */
	const char *body;
	/* API_ADD; of API_REMOVE the token alone */
	enum api_type type;
	struct api_text token, username, password, reverse_token;
	int64_t port;
	bool autonomy;                  /* allow_manage_connector */
};

/* `key` empty: there is no API. `own`: on the listener in clear, where "/" answers. */
void api_read(const struct http_exchange *request, const struct secret *key, bool own, struct api_call *call);
/* Overwrites what it holds. */
void api_wipe(struct api_call *call);
/* On worker 0: does it, and writes the body of the answer, whose status is 200. */
void api_run(struct linksocks_server *server, const struct api_call *call, struct json_text *body);

#endif
