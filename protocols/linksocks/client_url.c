/* protocols/linksocks/client_url.c - where a link goes: the path that logs in, redirections, the next delay.
 *
 * Pure: bytes in, bytes out. A path may carry the digest of a token or a token itself: it is wiped when it is
 * freed and never logged.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/digest.h"
#include "protocols/linksocks/client_inside.h"
#include "protocols/linksocks/message.h"

enum { PORT_WS = 80, PORT_WSS = 443, LOGIN_QUERY_SIZE = 192 };

/* ---- the path that logs in ---- */

static size_t span(const char *path, const char *ends) { return strcspn(path, ends); }

bool linksocks_path_has_login(const char *path)
{
	return slice_is((struct slice){(const uint8_t *)path, span(path, "?")}, "/socket");
}

static bool is_parameter(const char *at, size_t size, const char *name)
{
	struct slice found = {(const uint8_t *)at, size_min(size, span(at, "=&"))};
	return slice_is(found, name);
}

/* Copies a query without the three parameters that are ours: a server would believe the first of two. */
static char *copy_query(char *to, const char *query)
{
	while (*query) {
		size_t size = span(query, "&");
		bool ours = is_parameter(query, size, "instance") || is_parameter(query, size, "reverse") ||
			    is_parameter(query, size, "token");
		if (size && !ours) {
			memcpy(to, query, size);
			to += size;
			*to++ = '&';
		}
		query += size + (query[size] == '&');
	}
	return to;
}

static void write_login(char *to, const struct config_linksocks_client *config,
			const uint8_t instance[INSTANCE_SIZE])
{
	char hex[SHA256_HEX_SIZE], text[UUID_TEXT_SIZE];
	digest_sha256_hex(secret_slice(&config->token), hex);
	uuid_format(instance, text);
	snprintf(to, LOGIN_QUERY_SIZE, "instance=%s&reverse=%s&token=%s", text,
		 config->reverse ? "true" : "false", hex);
	secret_wipe(hex, sizeof hex);
}

char *linksocks_path_create(const struct config_linksocks_client *config,
			    const uint8_t instance[INSTANCE_SIZE])
{
	const char *path = config->path;
	size_t size = strlen(path);
	char *made = malloc(size + 2 + LOGIN_QUERY_SIZE);
	if (!made)
		return NULL;
	memcpy(made, path, size + 1);
	if (!linksocks_path_has_login(path))
		return made;
	char *end = made + span(path, "?");
	*end++ = '?';
	if (path[span(path, "?")])
		end = copy_query(end, path + span(path, "?") + 1);
	write_login(end, config, instance);
	return made;
}

void linksocks_path_destroy(char *path)
{
	if (path)
		secret_wipe(path, strlen(path));
	free(path);
}

/* ---- redirections ---- */

const char *linksocks_url_host(const struct linksocks_url *url, char host[URL_HOST_SIZE])
{
	bool literal = strchr(url->host, ':') != NULL;
	char port[8] = "";
	if (url->port != (url->tls ? PORT_WSS : PORT_WS))
		snprintf(port, sizeof port, ":%u", url->port);
	snprintf(host, URL_HOST_SIZE, literal ? "[%.247s]%s" : "%.255s%s", url->host, port);
	return host;
}

/* Nothing that could end a line of a request; also no second meaning of a separator. */
static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((uint8_t)*text <= ' ' || *text == 0x7f || *text == '\\')
			return false;
	return true;
}

static bool has_scheme(const char *text, const char *scheme)
{
	for (; *scheme; scheme++, text++)
		if ((*text | 0x20) != *scheme)
			return false;
	return text[0] == ':' && text[1] == '/' && text[2] == '/';
}

/* "HOST", "HOST:PORT", "[V6]:PORT". */
static bool set_authority(struct linksocks_url *url, const char *text, size_t size)
{
	char copy[URL_HOST_SIZE], host[HOST_SIZE];
	uint16_t port = url->tls ? PORT_WSS : PORT_WS;
	if (!size || size >= sizeof copy - 6 || memchr(text, '@', size))
		return false;
	text_copy(copy, sizeof copy, (struct slice){(const uint8_t *)text, size});
	const char *colon = strrchr(copy, ':'), *bracket = strrchr(copy, ']');
	if (!colon || (bracket && colon < bracket))
		snprintf(copy + size, sizeof copy - size, ":%u", port);
	else if (!colon[1])
		snprintf(copy + size, sizeof copy - size, "%u", port);
	if (!endpoint_parse(copy, host, &port))
		return false;
	memcpy(url->host, host, sizeof host);
	url->port = port;
	return true;
}

/* Takes "." and ".." out of the path in front of the query. */
static void remove_dots(char *path)
{
	char *from = path, *to = path, *end = path + span(path, "?");
	while (from < end) {
		size_t size = 1 + strcspn(from + 1, "/?");
		struct slice segment = {(const uint8_t *)from + 1, size - 1};
		bool up = slice_is(segment, ".."), stay = slice_is(segment, ".");
		while (up && to > path && *--to != '/')
			;
		if (!up && !stay) {
			memmove(to, from, size);
			to += size;
		} else if (from + size == end) {
			*to++ = '/';
		}
		from += size;
	}
	memmove(to, end, strlen(end) + 1);
}

/* The path that `reference` means beside `base`. False: too long. */
static bool set_path(const char *base, const char *reference, char room[URL_PATH_SIZE])
{
	char made[URL_PATH_SIZE];
	size_t size = span(reference, "#"), kept = 0;
	if (!size || *reference == '?') {
		kept = span(base, size ? "?" : "");
	} else if (*reference != '/') {
		for (size_t i = 0; i < span(base, "?"); i++)
			kept = base[i] == '/' ? i + 1 : kept;
	}
	if (kept + size + 2 > sizeof made)
		return false;
	memcpy(made, base, kept);
	memcpy(made + kept, reference, size);
	made[kept + size] = 0;
	bool rooted = made[0] == '/';
	memmove(room + !rooted, made, kept + size + 1);
	room[0] = '/';
	secret_wipe(made, sizeof made);
	remove_dots(room);
	return true;
}

bool linksocks_url_follow(struct linksocks_url *url, struct slice location, char room[URL_PATH_SIZE])
{
	char text[URL_PATH_SIZE];
	struct linksocks_url to = *url;
	if (!location.size || location.size >= sizeof text || memchr(location.at, 0, location.size))
		return false;
	text_copy(text, sizeof text, location);
	const char *rest = text;
	bool secure = has_scheme(text, "https") || has_scheme(text, "wss");
	bool clear = has_scheme(text, "http") || has_scheme(text, "ws");
	if (secure || clear) {
		to.tls = secure;
		rest = strchr(text, ':') + 1;
	}
	bool works = is_printable(text) && (secure || clear || span(text, ":") >= span(text, "/?#"));
	if (works && rest[0] == '/' && rest[1] == '/') {
		size_t size = span(rest + 2, "/?#");
		works = set_authority(&to, rest + 2, size);
		rest += 2 + size;
		works = works && set_path("/", *rest && *rest != '#' ? rest : "/", room);
	} else {
		works = works && set_path(url->path, rest, room);
	}
	secret_wipe(text, sizeof text);
	if (!works)
		return false;
	to.path = room;
	*url = to;
	return true;
}
