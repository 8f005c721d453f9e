/* tools/tunnel/ask_url.c - where the management listener is, by URL, and whom to trust there; see ask.h. */
#include <stdio.h>

#include "core/config_read.h"
#include "protocols/codecs/http1.h"
#include "tls/tls.h"
#include "tools/tunnel/ask.h"

static const char default_url[] = "http://127.0.0.1:9090";
static const char forms[] = "it must be http://HOST:PORT, https://HOST:PORT or unix:/PATH";

static bool fail(char why[ASK_WHY_SIZE], const char *url, const char *what)
{
	snprintf(why, ASK_WHY_SIZE, "--url %.100s: %s", url, what);
	return false;
}

static bool take_unix(struct ask *ask, const char *path, char why[ASK_WHY_SIZE])
{
	if (path[0] != '/' || strlen(path) >= sizeof ask->path)
		return fail(why, ask->url, "give the socket's whole path, as in unix:/run/tunnel.sock");
	text_copy(ask->path, sizeof ask->path, slice_of(path));
	return true;
}

/* One NAME=VALUE of the query, its own memory. */
static bool take_parameter(struct ask *ask, char *text, char why[ASK_WHY_SIZE])
{
	char *value = strchr(text, '=');
	if (value)
		*value++ = 0;
	if (!value || !*value || !percent_decode(value))
		return fail(why, ask->url, "pin and ca need values: ?pin=sha256:... or ?ca=FILE");
	if (strcmp(text, "pin") == 0) {
		ask->has_pin = pin_parse(value, ask->pin);
		return ask->has_pin || fail(why, ask->url, "pin is sha256: and the digest of a certificate");
	}
	if (strcmp(text, "ca") != 0)
		return fail(why, ask->url, "behind the ? there are pin and ca only");
	text_copy(ask->ca, sizeof ask->ca, slice_of(value));
	return true;
}

static bool take_query(struct ask *ask, const char *query, char why[ASK_WHY_SIZE])
{
	char text[ASK_FILE_SIZE];
	if (*query && !ask->https)
		return fail(why, ask->url, "pin and ca are for https://");
	while (*query) {
		size_t size = strcspn(query, "&");
		if (size >= sizeof text)
			return fail(why, ask->url, "it is too long");
		text_copy(text, sizeof text, (struct slice){(const uint8_t *)query, size});
		if (size && !take_parameter(ask, text, why))
			return false;
		query += size + (query[size] == '&');
	}
	return true;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT, and perhaps a path. */
static bool take_tcp(struct ask *ask, const char *rest, char why[ASK_WHY_SIZE])
{
	char place[HOST_SIZE + 8];
	size_t size = strcspn(rest, "/?#");
	const char *prefix = rest + size;
	size_t length = strcspn(prefix, "?");
	const char *query = prefix + length + (prefix[length] == '?');
	while (length && prefix[length - 1] == '/')
		length--;
	struct slice path = {(const uint8_t *)prefix, length};
	if (!size || size >= HOST_SIZE || memchr(prefix, '#', length) || memchr(rest, '@', size) ||
	    !(length == 0 || http1_is_target(path)))
		return fail(why, ask->url, forms);
	text_copy(place, sizeof place, (struct slice){(const uint8_t *)rest, size});
	text_copy(ask->prefix, sizeof ask->prefix, path);
	const char *colon = strrchr(place, ':');
	if (!colon || (place[0] == '[' && colon[-1] != ']'))
		snprintf(place + size, sizeof place - size, ":%d", 9090);
	if (!endpoint_parse(place, ask->host, &ask->port))
		return fail(why, ask->url, forms);
	return take_query(ask, query, why);
}

static const char *behind(const char *text, const char *start)
{
	size_t size = strlen(start);
	return strncmp(text, start, size) == 0 ? text + size : NULL;
}

bool ask_parse(struct ask *ask, const char *url, char why[ASK_WHY_SIZE])
{
	*ask = (struct ask){0};
	url = url ? url : default_url;
	size_t size = strcspn(url, "?");
	snprintf(ask->url, sizeof ask->url, "%.*s", (int)size_min(size, sizeof ask->url), url);
	if (size >= sizeof ask->url)
		return fail(why, url, "it is too long");
	const char *rest = behind(url, "https://");
	ask->https = rest != NULL;
	if (!rest)
		rest = behind(url, "http://");
	if (!rest && strstr(url, "://"))
		return fail(why, url, forms);
	rest = rest ? rest : url;
	const char *path = ask->https ? NULL : behind(rest, "unix:");
	return path ? take_unix(ask, path, why) : take_tcp(ask, rest, why);
}
