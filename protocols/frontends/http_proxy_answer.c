/* protocols/frontends/http_proxy_answer.c - see http_proxy_answer.h. */
#include "protocols/frontends/http_proxy_answer.h"

#include <stdio.h>

#include "protocols/codecs/http1.h"

enum { HEAD_ROOM = 512, BODY_ROOM = 1024, TEXT_MAX = 400 };

struct http_proxy_answer http_proxy_answer_of(enum reason reason)
{
	static const struct {
		enum reason reason;
		unsigned status;
		const char *hint;
	} answers[] = {
		{REASON_REFUSED, 502,
		 "The target refuses connections. Check its port, and that its service runs."},
		{REASON_UNREACHABLE, 502,
		 "The target cannot be reached. Check its address, and its network."},
		{REASON_NAME, 502, "The target's name does not resolve. Check its spelling."},
		{REASON_NOT_FOUND, 502, "Nothing is known under that name and port. Check both."},
		{REASON_FORBIDDEN, 403, "That target is not allowed. Ask who runs this proxy to allow it."},
		{REASON_TIMEOUT, 504, "The target did not answer in time. Try again later."},
		{REASON_LIMIT, 503, "The proxy is at its limit. Try again later."},
		{REASON_MEMORY, 503, "The proxy is at its limit. Try again later."},
		{REASON_STOPPING, 503, "The proxy is stopping. Try again later."},
		{REASON_GOAWAY, 503, "The proxy's far end is stopping. Try again later."},
	};
	for (size_t i = 0; i < COUNT_OF(answers); i++)
		if (answers[i].reason == reason)
			return (struct http_proxy_answer){
				.status = answers[i].status, .hint = answers[i].hint, .reason = reason};
	return (struct http_proxy_answer){
		.status = 502, .hint = "The target was not reached. Try again later.", .reason = reason};
}

static int put_body(const struct http_proxy_answer *answer, char *body)
{
	char text[TEXT_MAX];
	struct slice told = answer->text.size ? answer->text : slice_of(reason_text(answer->reason));
	text_copy(text, sizeof text, told);
	for (char *at = text; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	bool reason = answer->reason != REASON_OK;
	return snprintf(body, BODY_ROOM, "%.500s\n%s%s%s", answer->hint, reason ? "(" : "",
			reason ? text : "", reason ? ")\n" : "");
}

_Static_assert(500 + TEXT_MAX + 8 < BODY_ROOM, "every body fits");

enum status http_proxy_say(struct writer *writer, const struct http_proxy_answer *answer)
{
	char head[HEAD_ROOM], body[BODY_ROOM];
	int body_size = put_body(answer, body);
	int head_size = snprintf(
		head, sizeof head,
		"HTTP/1.1 %u %s\r\n%s%sContent-Type: text/plain; charset=us-ascii\r\n"
		"X-Content-Type-Options: nosniff\r\nContent-Length: %d\r\n%s\r\n",
		answer->status, http1_status_text(answer->status),
		answer->status == HTTP_PROXY_LOGIN_WANTED ? "Proxy-Authenticate: Basic realm=\"tunnel\"\r\n"
							   : "",
		answer->status == 405 ? "Allow: CONNECT\r\n" : "", body_size,
		answer->keeps ? "" : "Connection: close\r\n");
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, (struct slice){(uint8_t *)head, (size_t)head_size});
	if (!answer->bodiless)
		writer_copy(writer, (struct slice){(uint8_t *)body, (size_t)body_size});
	return writer_end(writer);
}

enum status http_proxy_say_connected(struct writer *writer)
{
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, slice_of("HTTP/1.1 200 Connection Established\r\n\r\n"));
	return writer_end(writer);
}
