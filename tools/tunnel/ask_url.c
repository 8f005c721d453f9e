/* tools/tunnel/ask_url.c - where the management listener is, by URL, and its token; see ask.h. */
#include <stdio.h>
#include <stdlib.h>

#include "core/config_read.h"
#include "protocols/codecs/http1.h"
#include "tools/tunnel/ask.h"
#include "tools/tunnel/file.h"

static const char default_url[] = "http://127.0.0.1:9090";

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

/* HOST, HOST:PORT, [V6] or [V6]:PORT, and perhaps a path. */
static bool take_tcp(struct ask *ask, const char *rest, char why[ASK_WHY_SIZE])
{
	char place[HOST_SIZE + 8];
	size_t size = strcspn(rest, "/?#");
	const char *prefix = rest + size;
	size_t length = strlen(prefix);
	while (length && prefix[length - 1] == '/')
		length--;
	if (!size || size >= HOST_SIZE || strpbrk(prefix, "?#") || memchr(rest, '@', size) ||
	    !(length == 0 || http1_is_target((struct slice){(const uint8_t *)prefix, length})))
		return fail(why, ask->url, "it must be http://HOST:PORT or unix:/PATH");
	text_copy(place, sizeof place, (struct slice){(const uint8_t *)rest, size});
	text_copy(ask->prefix, sizeof ask->prefix, (struct slice){(const uint8_t *)prefix, length});
	const char *colon = strrchr(place, ':');
	if (!colon || (place[0] == '[' && colon[-1] != ']'))
		snprintf(place + size, sizeof place - size, ":%d", 9090);
	return endpoint_parse(place, ask->host, &ask->port) ||
	       fail(why, ask->url, "it must be http://HOST:PORT or unix:/PATH");
}

bool ask_parse(struct ask *ask, const char *url, char why[ASK_WHY_SIZE])
{
	*ask = (struct ask){0};
	url = url ? url : default_url;
	snprintf(ask->url, sizeof ask->url, "%s", url);
	if (strlen(url) >= sizeof ask->url)
		return fail(why, url, "it is too long");
	if (strncmp(url, "https://", 8) == 0)
		return fail(why, url,
			    "https is not spoken here: ask on that machine, or through a published port");
	const char *rest = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
	if (rest == url && strstr(url, "://"))
		return fail(why, url, "it must be http://HOST:PORT or unix:/PATH");
	return strncmp(rest, "unix:", 5) == 0 ? take_unix(ask, rest + 5, why) : take_tcp(ask, rest, why);
}

bool ask_prepare(struct ask *ask, const char *url, const char *token_file, char why[ASK_WHY_SIZE])
{
	char reason[FILE_WHY_SIZE];
	size_t size;
	if (!ask_parse(ask, url, why))
		return false;
	if (!token_file)
		return true;
	uint8_t *text = file_read(token_file, FILE_SECRET, CONFIG_SECRET_FILE_MAX, &size, reason);
	if (!text) {
		snprintf(why, ASK_WHY_SIZE, "%s", reason);
		return false;
	}
	struct slice token = {text, size};
	while (token.size && (token.at[token.size - 1] == '\n' || token.at[token.size - 1] == '\r'))
		token.size--;
	bool good = token.size && token.size <= CONFIG_KEY_MAX && http1_is_value(token);
	if (!good)
		snprintf(why, ASK_WHY_SIZE, "%.200s holds no token", token_file);
	else if (!secret_set(&ask->token, token))
		snprintf(why, ASK_WHY_SIZE, "out of memory");
	secret_wipe(text, size);
	free(text);
	return good && secret_is_set(&ask->token);
}

void ask_fini(struct ask *ask) { secret_fini(&ask->token); }
