/* protocols/frontends/http_proxy_answer.h - what an HTTP proxy itself answers: refusals, and CONNECT's yes.
 *
 * Owner: nobody, values only. A refusal is one short page of plain text: what is wrong and what to do next.
 * Never:  shows a byte of the far end's text that is not printable ASCII.
 */
#ifndef PROTOCOLS_FRONTENDS_HTTP_PROXY_ANSWER_H
#define PROTOCOLS_FRONTENDS_HTTP_PROXY_ANSWER_H

#include "core/reason.h"
#include "core/writer.h"

enum { HTTP_PROXY_LOGIN_WANTED = 407 };

struct http_proxy_answer {
	unsigned status;
	bool keeps;             /* the connection goes on */
	bool bodiless;          /* to HEAD: the head alone */
	const char *hint;       /* one sentence, or several */
	enum reason reason;     /* not OK: it is told behind the hint, and */
	struct slice text;      /* what the far end says to it */
};

/* The answer to an OPEN that was refused: status and hint. */
struct http_proxy_answer http_proxy_answer_of(enum reason reason);
/* FULL: not now. */
enum status http_proxy_say(struct writer *writer, const struct http_proxy_answer *answer);
enum status http_proxy_say_connected(struct writer *writer);

#endif
