/* protocols/management/request.c - see request.h. */
#include "protocols/management/request.h"

#include <strings.h>

const char management_json[] = "application/json";
const char management_text[] = "text/plain; charset=utf-8";
const char management_html[] = "text/html; charset=utf-8";

#define COMMON "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
const char management_fields[] = COMMON;
const char management_page_fields[] =
    COMMON "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
	   "form-action 'none'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";
const char management_busy_fields[] = COMMON "Retry-After: 1\r\n";
static const char challenge[] = COMMON "WWW-Authenticate: Bearer realm=\"tunnel\"\r\n";

static void answer(struct management_call *call, unsigned status, const char *body)
{
	*call = (struct management_call){.action = MANAGEMENT_ANSWER,
					 .status = status,
					 .content_type = management_text,
					 .body = body,
					 .fields = management_fields};
}

/* ---- who may ---- */

static bool begins(struct slice text, const char *prefix)
{
	size_t size = strlen(prefix);
	return text.size >= size && strncasecmp((const char *)text.at, prefix, size) == 0;
}

static struct slice behind(struct slice text, size_t size)
{
	return (struct slice){text.at + size, text.size - size};
}

static bool has_token(struct slice authorization, const struct secret *token)
{
	static const char scheme[] = "Bearer ";
	if (!begins(authorization, scheme))
		return false;
	return secret_is_equal(token, behind(authorization, strlen(scheme)));
}

/* HOST or HOST:PORT without the port; a literal of IPv6 without its brackets. Empty: malformed. */
static struct slice host_of(struct slice field)
{
	if (field.size && field.at[0] == '[') {
		const uint8_t *end = memchr(field.at, ']', field.size);
		return end ? (struct slice){field.at + 1, (size_t)(end - field.at) - 1} : (struct slice){0};
	}
	const uint8_t *colon = field.size ? memchr(field.at, ':', field.size) : NULL;
	return (struct slice){field.at, colon ? (size_t)(colon - field.at) : field.size};
}

static bool is_ours(struct slice field)
{
	char text[HOST_SIZE];
	struct address address;
	struct slice host = host_of(field);
	if (!field.size)
		return true;             /* no browser leaves it out */
	if (!host.size || host.size >= sizeof text || memchr(host.at, 0, host.size))
		return false;
	text_copy(text, sizeof text, host);
	return strcasecmp(text, "localhost") == 0 || address_of_literal(&address, text, 0);
}

/* Is it the origin of what this listener itself has shown? */
static bool is_same_origin(const struct http_exchange *request, bool tls)
{
	struct slice origin = request->origin, host = request->host;
	const char *scheme = tls ? "https://" : "http://";
	if (!origin.size)
		return true;
	if (!begins(origin, scheme))
		return false;
	origin = behind(origin, strlen(scheme));
	return host.size && origin.size == host.size &&
	       strncasecmp((const char *)origin.at, (const char *)host.at, host.size) == 0;
}

static bool may(const struct http_exchange *request, const struct management_access *access,
		struct management_call *call)
{
	bool token = secret_is_set(access->token);
	if (token && !has_token(request->authorization, access->token)) {
		answer(call, 401, "401 Unauthorized: Authorization: Bearer TOKEN is needed\n");
		call->fields = challenge;
		return false;
	}
	if (!token && !access->local && !is_ours(request->host)) {
		answer(call, 403, "403 Forbidden: ask by address, or as localhost\n");
		return false;
	}
	if (!is_same_origin(request, access->tls)) {
		answer(call, 403, "403 Forbidden: the request comes from a page of another origin\n");
		return false;
	}
	return true;
}

/* ---- what it is ---- */

static const struct {
	const char *path;
	enum management_action action;
} pages[] = {
	{"/", MANAGEMENT_PAGE},
	{"/stats", MANAGEMENT_PUBLISHED},
	{"/stats/", MANAGEMENT_PUBLISHED},
	{"/api/v1/sessions", MANAGEMENT_SESSIONS},
	{"/api/v1/channels", MANAGEMENT_CHANNELS},
	{"/api/v1/workers", MANAGEMENT_WORKERS},
	{"/livez", MANAGEMENT_LIVE},
	{"/readyz", MANAGEMENT_READY},
};

static const struct {
	const char *folder;
	enum management_action action;
} endings[] = {
	{"/api/v1/sessions/", MANAGEMENT_END_SESSION},
	{"/api/v1/channels/", MANAGEMENT_END_CHANNEL},
};

/* Decimal digits, at most 64 bits. */
static bool read_id(struct slice text, uint64_t *id)
{
	*id = 0;
	for (size_t i = 0; i < text.size; i++) {
		uint64_t digit = (uint64_t)text.at[i] - '0';
		if (text.at[i] < '0' || text.at[i] > '9' || *id > (UINT64_MAX - digit) / 10)
			return false;
		*id = *id * 10 + digit;
	}
	return text.size > 0;
}

static bool is_below(struct slice path, const char *folder)
{
	size_t size = strlen(folder);
	return path.size > size && memcmp(path.at, folder, size) == 0;
}

static void not_allowed(struct management_call *call, bool ending)
{
	answer(call, 405, "405 Method Not Allowed\n");
	call->fields = ending ? COMMON "Allow: DELETE\r\n" : COMMON "Allow: GET, HEAD\r\n";
}

static void read_path(const struct http_exchange *request, struct management_call *call)
{
	bool gets = slice_is(request->method, "GET") || slice_is(request->method, "HEAD");
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		if (!slice_is(request->path, pages[i].path))
			continue;
		call->action = pages[i].action;
		if (!gets)
			not_allowed(call, false);
		return;
	}
	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		if (!is_below(request->path, endings[i].folder))
			continue;
		call->action = endings[i].action;
		if (!read_id(behind(request->path, strlen(endings[i].folder)), &call->id))
			answer(call, 404, "404 Not Found\n");
		else if (!slice_is(request->method, "DELETE"))
			not_allowed(call, true);
		return;
	}
	answer(call, 404, "404 Not Found");
}

void management_read(const struct http_exchange *request, const struct management_access *access,
		     struct management_call *call)
{
	*call = (struct management_call){0};
	if (may(request, access, call))
		read_path(request, call);
}
