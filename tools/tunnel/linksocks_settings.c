/* tools/tunnel/linksocks_settings.c - from the original's flags to settings; see linksocks_options.h. */
#include "tools/tunnel/linksocks_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "tls/tls.h"
#include "tools/tunnel/options_client.h"
#include "tools/tunnel/run.h"

/* Containers are stopped within ten seconds. */
static const char drain[] = "5s";

enum { THREADS_PER_CPU = 100, BUFFER_MIN = 16 * 1024 };

static const char *format(struct options *options, const char *pattern, ...)
	__attribute__((format(printf, 2, 3)));

static const char *format(struct options *options, const char *pattern, ...)
{
	char text[OPTIONS_TEXT_SIZE / 16];
	va_list arguments;
	va_start(arguments, pattern);
	int size = vsnprintf(text, sizeof text, pattern, arguments);
	va_end(arguments);
	if (size < 0 || (size_t)size >= sizeof text) {
		options_fail(options, "a value is too long");
		return NULL;
	}
	return options_copy(options, slice_of(text));
}

static bool set(struct options *options, const char *key, const char *value, const char *origin)
{
	return value && options_set(options, key, value, origin);
}

/* A setting where the flag or its variable was given. */
static bool set_given(struct options *options, const char *key, const struct flag_value *value,
		      const char *origin)
{
	return !value->given || !*value->text || set(options, key, value->text, origin);
}

static void remark(struct options *options, const char *text)
{
	check(options->remark_count < OPTIONS_REMARKS_MAX);
	options->remarks[options->remark_count++] = text;
}

/* "localhost" is no address. */
static const char *host_of(const struct flag_value *host)
{
	return strcasecmp(host->text, "localhost") == 0 ? "127.0.0.1" : host->text;
}

/* HOST:PORT to listen on. "" is every address, as the original has it. */
static bool set_place(struct options *options, const char *key, const struct flag_value *host,
		      const struct flag_value *port, const char *host_flag, const char *port_flag)
{
	const char *name = host_of(host);
	bool bare_v6 = strchr(name, ':') && name[0] != '[';
	if (port->number < 0 || port->number > UINT16_MAX)
		return options_fail(options, "%s: %lld is no port", port_flag, (long long)port->number);
	return set(options, key,
		   format(options, "%s%s%s:%lld", bare_v6 ? "[" : "", name, bare_v6 ? "]" : "",
			  (long long)port->number),
		   host_flag);
}

/* Both or none: with one of them the original asks for no login. */
static bool set_login(struct options *options, const char *user_key, const char *password_key,
		      const struct flag_value values[FLAG_COUNT])
{
	const char *user = values[FLAG_SOCKS_USERNAME].text, *password = values[FLAG_SOCKS_PASSWORD].text;
	if (*user && *password)
		return set(options, user_key, user, "--socks-username") &&
		       set(options, password_key, password, "--socks-password");
	if (*user || *password)
		remark(options, "SOCKS users need no login: that takes both a user name and a password");
	return true;
}

/* https:// is what the original takes for http://. */
static bool set_proxy(struct options *options, const char *key, const char *url)
{
	if (!*url)
		return true;
	if (strncasecmp(url, "https://", 8) == 0)
		url = format(options, "http://%s", url + 8);
	return set(options, key, url, "--upstream-proxy");
}

/* "a,b" as key.0, key.1; an empty list where the flag was given as "". */
static bool set_rules(struct options *options, const char *key, const char *list, const char *origin)
{
	if (!*list)
		return options_set(options, key, NULL, origin);
	for (size_t index = 0; *list; index++) {
		size_t size = strcspn(list, ",");
		if (index == OPTIONS_RULES_MAX)
			return options_fail(options, "%s: more than %d rules", origin, OPTIONS_RULES_MAX);
		if (!set(options, format(options, "%s.%zu", key, index),
			 options_copy(options, (struct slice){(const uint8_t *)list, size}), origin))
			return false;
		list += size + (list[size] == ',');
	}
	return true;
}

/* The original lets users reach whatever the machine reaches. So does this, but for the addresses where
 * clouds hand out credentials. */
static bool set_access(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	const struct flag_value *deny = &values[FLAG_ACCESS_DENY], *allow = &values[FLAG_ACCESS_ALLOW];
	bool reverse = values[FLAG_REVERSE].number || options->linksocks == LINKSOCKS_MODE_PROVIDER;
	bool way_out = reverse == (options->linksocks != LINKSOCKS_MODE_SERVER);
	if (!deny->given && way_out)
		remark(options, "targets 169.254.169.254 and fd00:ec2::254 are denied; --access-deny changes "
				"that");
	return set_rules(options, "access.deny", deny->given ? deny->text : "169.254.169.254,fd00:ec2::254",
			 "--access-deny") &&
	       (!allow->given || set_rules(options, "access.allow", allow->text, "--access-allow"));
}

static bool set_common(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	const struct flag_value *direct = &values[FLAG_DIRECT_MODE];
	int64_t debug = values[FLAG_DEBUG].number;
	if (debug > 0 && !set(options, "log.level", debug == 1 ? "debug" : "trace", "--debug"))
		return false;
	if (direct->given && strcmp(direct->text, "direct-only") == 0)
		return options_fail(options, "--direct-mode direct-only: direct connections are not in this "
					     "program; take relay-only");
	if (values[FLAG_DIRECT].given || (direct->given && strcmp(direct->text, "auto") == 0))
		remark(options, "direct connections between peers are not spoken: all goes through the "
				"server");
	return set_given(options, "cores", &values[FLAG_CORES], "--cores") &&
	       set_given(options, "engine", &values[FLAG_ENGINE], "--engine") &&
	       set_given(options, "log.level", &values[FLAG_LOG_LEVEL], "--log-level") &&
	       set_given(options, "log.format", &values[FLAG_LOG_FORMAT], "--log-format");
}

/* ---- the server ---- */

#define TOKENS "gateway.linksocks.tokens.0."

/* 8 random bytes in hex, as the original makes them. */
static const char *make_token(struct options *options)
{
	uint8_t bytes[8];
	char text[17];
	tls_random(bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return options_copy(options, slice_of(text));
}

static const char *token_or_new(struct options *options, const struct flag_value *value)
{
	return *value->text ? value->text : make_token(options);
}

static bool set_reverse(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	if (values[FLAG_AUTONOMY].number)
		return set(options, TOKENS "autonomy", "true", "--connector-autonomy");
	return set_place(options, TOKENS "socks_addr", &values[FLAG_SOCKS_HOST], &values[FLAG_SOCKS_PORT],
			 "--socks-host", "--socks-port") &&
	       set_login(options, TOKENS "username", TOKENS "password", values) &&
	       set(options, TOKENS "connector_tokens.0", token_or_new(options, &values[FLAG_CONNECTOR_TOKEN]),
		   "--connector-token");
}

static bool set_tokens(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	bool reverse = values[FLAG_REVERSE].number;
	const char *host = host_of(&values[FLAG_SOCKS_HOST]);
	if (*values[FLAG_API_KEY].text && (values[FLAG_TOKEN].given || reverse))
		remark(options, "with --api-key tokens come from the API alone: --token, --reverse and "
				"--connector-token have no effect");
	if (*values[FLAG_API_KEY].text)
		return set(options, "gateway.linksocks.api_key", values[FLAG_API_KEY].text, "--api-key") &&
		       set(options, "gateway.linksocks.socks_host", *host ? host : "::", "--socks-host");
	return set(options, TOKENS "token", token_or_new(options, &values[FLAG_TOKEN]), "--token") &&
	       set(options, TOKENS "type", reverse ? "reverse" : "forward", "--reverse") &&
	       (!reverse || set_reverse(options, values));
}

/* A larger buffer needs room in front of the peers that it goes to. */
static bool set_buffer(struct options *options, const struct flag_value *value)
{
	static const char origin[] = "--buffer-size";
	if (!value->given)
		return true;
	const char *size = format(options, "%lld", value->number < BUFFER_MIN ? (long long)BUFFER_MIN
									      : (long long)value->number);
	struct limits limits = LIMITS_DEFAULT;
	bool good = set(options, "batching.buffer", size, origin);
	if (good && value->number > (int64_t)limits.channel_bytes)
		good = set(options, "limits.channel_bytes", size, origin);
	if (good && value->number > (int64_t)limits.session_bytes)
		good = set(options, "limits.session_bytes", size, origin);
	return good;
}

static bool set_server(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	return set(options, "gateway.listen_addr", "", "server") &&
	       set(options, "gateway.allow_origins.0", "*", "server") &&
	       set_place(options, "gateway.linksocks.listen_addr", &values[FLAG_WS_HOST],
			 &values[FLAG_WS_PORT], "--ws-host", "--ws-port") &&
	       set_tokens(options, values) && set_buffer(options, &values[FLAG_BUFFER_SIZE]) &&
	       set_proxy(options, "gateway.linksocks.target_proxy", values[FLAG_UPSTREAM_PROXY].text) &&
	       (!values[FLAG_FAST_OPEN].number ||
		set(options, "gateway.linksocks.fast_open", "true", "--fast-open")) &&
	       set(options, "gateway.linksocks.connector_wait_provider",
		   format(options, "%lldms", (long long)values[FLAG_WAIT_PROVIDER].number),
		   "--connector-wait-provider");
}

/* ---- the client ---- */

bool linksocks_set_url(struct options *options, const char *url, const char *origin)
{
	static const struct { const char *scheme; bool secure;
	} schemes[] = {{"ws://", false}, {"http://", false}, {"wss://", true}, {"https://", true}};
	const char *rest = strstr(url, "://");
	bool secure = true;
	size_t i = 0;
	while (rest && i < COUNT_OF(schemes) &&
	       strncasecmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
		i++;
	if (i == COUNT_OF(schemes))
		return options_fail(options, "%s: the URL must begin with ws://, wss://, http:// or https://",
				    origin);
	if (rest)
		secure = schemes[i].secure;
	rest = rest ? rest + 3 : url;
	size_t size = strcspn(rest, "/?#"), path_size = strcspn(rest + size, "?#");
	const char *place = format(options, "%.*s", (int)size_min(size, HOST_SIZE + 8), rest);
	const char *path = rest + size;
	if (!place || !*place || strchr(place, '@'))
		return options_fail(options, "%s: the URL must name a host, and no user", origin);
	const char *colon = strrchr(place, ':');
	if (!colon || (place[0] == '[' && colon[-1] != ']'))
		place = format(options, "%s:%d", place, secure ? 443 : 80);
	bool bare = path_size == 0 || (path_size == 1 && *path == '/');
	path = format(options, "%s%.*s", bare ? "/socket" : "",
		      (int)size_min(strcspn(path + bare * path_size, "#"), CONFIG_PATH_MAX + 1),
		      path + bare * path_size);
	return set(options, "client.gateway_addr", place, origin) &&
	       set(options, "client.path", path, origin) &&
	       (secure || set(options, "client.plaintext", "true", origin));
}

static const char *threads(struct options *options, int64_t number)
{
	int64_t cpus = machine_cores(), most = cpus * THREADS_PER_CPU;
	if (number < 0)
		number = cpus;
	number = number == 0 ? 1 : number < most ? number : most;
	return format(options, "%d", number < CONFIG_THREADS_MAX ? (int)number : CONFIG_THREADS_MAX);
}

static bool set_provider(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	return set(options, "client.reverse", "true", "--reverse") &&
	       set_given(options, "client.connector_token", &values[FLAG_CONNECTOR_TOKEN],
			 "--connector-token") &&
	       set_proxy(options, "client.target_proxy", values[FLAG_UPSTREAM_PROXY].text);
}

static bool set_entry(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	return set_place(options, "client.socks5.listen_addr", &values[FLAG_SOCKS_HOST],
			 &values[FLAG_SOCKS_PORT], "--socks-host", "--socks-port") &&
	       set_login(options, "client.socks5.auth_username", "client.socks5.auth_password", values) &&
	       (!values[FLAG_SOCKS_NO_WAIT].number ||
		set(options, "client.socks5.no_wait", "true", "--socks-no-wait")) &&
	       (!values[FLAG_FAST_OPEN].number ||
		set(options, "client.fast_open", "true", "--fast-open"));
}

/* The original passes them over without a word. */
static void remark_idle(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	if (*values[FLAG_UPSTREAM_PROXY].text)
		remark(options, "--upstream-proxy is a provider's way to its targets and has no effect here; "
				"the way to the server is told by http_proxy and https_proxy");
	if (*values[FLAG_CONNECTOR_TOKEN].text)
		remark(options, "--connector-token is registered by providers and has no effect here; "
				"a connector logs in with --token");
}

static bool set_client(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	bool reverse = values[FLAG_REVERSE].number || options->linksocks == LINKSOCKS_MODE_PROVIDER;
	if (!reverse)
		remark_idle(options, values);
	return set(options, "client.protocol", "linksocks", "client") &&
	       linksocks_set_url(options, values[FLAG_URL].text, "--url") &&
	       (!*values[FLAG_TOKEN].text || strcmp(values[FLAG_TOKEN].text, "anonymous") == 0 ||
		set(options, "client.token", values[FLAG_TOKEN].text, "--token")) &&
	       set(options, "client.threads", threads(options, values[FLAG_THREADS].number), "--threads") &&
	       (!values[FLAG_NO_RECONNECT].number ||
		set(options, "client.reconnect.enabled", "false", "--no-reconnect")) &&
	       (!values[FLAG_RETRY_AUTH].number ||
		set(options, "client.reconnect.retry_auth", "true", "--retry-auth")) &&
	       (!values[FLAG_NO_ENV_PROXY].number ||
		set(options, "client.upstream_proxy", "", "--no-env-proxy")) &&
	       (reverse ? set_provider(options, values) : set_entry(options, values));
}

bool linksocks_settings(struct options *options, const struct flag_value values[FLAG_COUNT])
{
	bool server = options->linksocks == LINKSOCKS_MODE_SERVER;
	return set(options, "drain.stop", drain, "linksocks") && set_common(options, values) &&
	       set_access(options, values) &&
	       (server ? set_server(options, values) : set_client(options, values));
}
