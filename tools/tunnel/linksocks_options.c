/* tools/tunnel/linksocks_options.c - see linksocks_options.h; what the flags mean: linksocks_settings.c. */
#include "tools/tunnel/linksocks_options.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "tools/tunnel/options_client.h"

enum flag_kind { KIND_TEXT, KIND_SECRET, KIND_INT, KIND_BOOL, KIND_COUNT, KIND_DURATION, KIND_CHOICE };

enum { ON_CLIENT = 1, ON_SERVER = 2, ON_BOTH = 3 };

static const struct flag {
	const char *name;
	char letter;
	enum flag_kind kind;
	unsigned modes;
	enum flag_name value;
	const char *variable;
	const char *fallback;                /* a choice's: all of them, the default first */
} flags[] = {
	{"token", 't', KIND_SECRET, ON_BOTH, FLAG_TOKEN, "LINKSOCKS_TOKEN", ""},
	{"url", 'u', KIND_SECRET, ON_CLIENT, FLAG_URL, "LINKSOCKS_URL", "ws://localhost:8765"},
	{"reverse", 'r', KIND_BOOL, ON_BOTH, FLAG_REVERSE, NULL, "false"},
	{"connector-token", 'c', KIND_SECRET, ON_BOTH, FLAG_CONNECTOR_TOKEN, "LINKSOCKS_CONNECTOR_TOKEN", ""},
	{"socks-host", 's', KIND_TEXT, ON_BOTH, FLAG_SOCKS_HOST, "LINKSOCKS_SOCKS_HOST", "127.0.0.1"},
	{"socks-port", 'p', KIND_INT, ON_BOTH, FLAG_SOCKS_PORT, "LINKSOCKS_SOCKS_PORT", "9870"},
	{"socks-username", 'n', KIND_TEXT, ON_BOTH, FLAG_SOCKS_USERNAME, "LINKSOCKS_SOCKS_USERNAME", ""},
	{"socks-password", 'w', KIND_SECRET, ON_BOTH, FLAG_SOCKS_PASSWORD, "LINKSOCKS_SOCKS_PASSWORD", ""},
	{"socks-no-wait", 'i', KIND_BOOL, ON_CLIENT, FLAG_SOCKS_NO_WAIT, NULL, "false"},
	{"socks-nowait", 'i', KIND_BOOL, ON_SERVER, FLAG_SOCKS_NO_WAIT, NULL, "false"},
	{"no-reconnect", 'R', KIND_BOOL, ON_CLIENT, FLAG_NO_RECONNECT, NULL, "false"},
	{"retry-auth", 0, KIND_BOOL, ON_CLIENT, FLAG_RETRY_AUTH, "LINKSOCKS_RETRY_AUTH", "false"},
	{"threads", 'T', KIND_INT, ON_CLIENT, FLAG_THREADS, NULL, "1"},
	{"upstream-proxy", 'x', KIND_SECRET, ON_BOTH, FLAG_UPSTREAM_PROXY, "LINKSOCKS_UPSTREAM_PROXY", ""},
	{"fast-open", 'f', KIND_BOOL, ON_BOTH, FLAG_FAST_OPEN, "LINKSOCKS_FASTOPEN", "false"},
	{"no-env-proxy", 'E', KIND_BOOL, ON_CLIENT, FLAG_NO_ENV_PROXY, NULL, "false"},
	{"debug", 'd', KIND_COUNT, ON_BOTH, FLAG_DEBUG, NULL, "0"},
	{"direct-mode", 0, KIND_CHOICE, ON_CLIENT, FLAG_DIRECT_MODE, NULL, "auto relay-only direct-only"},
	{"direct-discovery", 0, KIND_CHOICE, ON_CLIENT, FLAG_DIRECT, NULL, "stun server auto"},
	{"direct-host-candidates", 0, KIND_CHOICE, ON_CLIENT, FLAG_DIRECT, NULL, "auto never always"},
	{"stun-server", 0, KIND_TEXT, ON_CLIENT, FLAG_DIRECT, NULL, ""},
	{"direct-only-action", 0, KIND_CHOICE, ON_CLIENT, FLAG_DIRECT, NULL, "exit refuse"},
	{"direct-upnp", 0, KIND_BOOL, ON_CLIENT, FLAG_DIRECT, NULL, "false"},
	{"direct-upnp-lease", 0, KIND_DURATION, ON_CLIENT, FLAG_DIRECT, NULL, "30m"},
	{"direct-upnp-keep", 0, KIND_BOOL, ON_CLIENT, FLAG_DIRECT, NULL, "false"},
	{"direct-upnp-external-port", 0, KIND_INT, ON_CLIENT, FLAG_DIRECT, NULL, "0"},
	{"ws-host", 'H', KIND_TEXT, ON_SERVER, FLAG_WS_HOST, "LINKSOCKS_WEBSOCKET_HOST", "0.0.0.0"},
	{"ws-port", 'P', KIND_INT, ON_SERVER, FLAG_WS_PORT, "LINKSOCKS_WEBSOCKET_PORT", "8765"},
	{"connector-autonomy", 'a', KIND_BOOL, ON_SERVER, FLAG_AUTONOMY, "LINKSOCKS_CONNECTOR_AUTONOMY",
	 "false"},
	{"buffer-size", 'b', KIND_INT, ON_SERVER, FLAG_BUFFER_SIZE, NULL, "1048576"},
	{"api-key", 'k', KIND_SECRET, ON_SERVER, FLAG_API_KEY, "LINKSOCKS_API_KEY", ""},
	{"connector-wait-provider", 0, KIND_DURATION, ON_SERVER, FLAG_WAIT_PROVIDER, NULL, "5s"},
	{"direct-enable", 0, KIND_BOOL, ON_SERVER, FLAG_DIRECT, NULL, "false"},
	{"direct-rendezvous-udp", 0, KIND_BOOL, ON_SERVER, FLAG_DIRECT, NULL, "false"},
	{"direct-rendezvous-host", 0, KIND_TEXT, ON_SERVER, FLAG_DIRECT, NULL, ""},
	{"direct-rendezvous-port", 0, KIND_INT, ON_SERVER, FLAG_DIRECT, NULL, "0"},
	{"help", 'h', KIND_BOOL, ON_BOTH, FLAG_HELP, NULL, "false"},
	/* ours */
	{"cores", 0, KIND_TEXT, ON_BOTH, FLAG_CORES, NULL, ""},
	{"engine", 0, KIND_TEXT, ON_BOTH, FLAG_ENGINE, NULL, ""},
	{"log-level", 0, KIND_TEXT, ON_BOTH, FLAG_LOG_LEVEL, NULL, ""},
	{"log-format", 0, KIND_TEXT, ON_BOTH, FLAG_LOG_FORMAT, NULL, ""},
	{"access-allow", 0, KIND_TEXT, ON_BOTH, FLAG_ACCESS_ALLOW, NULL, ""},
	{"access-deny", 0, KIND_TEXT, ON_BOTH, FLAG_ACCESS_DENY, NULL, ""},
};

/* ---- values, as Go's standard library reads them ---- */

static bool parse_bool(const char *text, int64_t *number)
{
	static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
						{"1", "t", "T", "true", "TRUE", "True"}};
	for (int value = 0; value < 2; value++)
		for (size_t i = 0; i < COUNT_OF(words[0]); i++)
			if (strcmp(words[value][i], text) == 0) {
				*number = value;
				return true;
			}
	return false;
}

static bool parse_int(const char *text, int base, int64_t *number)
{
	char *end;
	if (!isdigit((unsigned char)text[*text == '-' || *text == '+']))
		return false;
	errno = 0;
	*number = strtoll(text, &end, base);
	return !*end && !errno;
}

/* "1h30m", "1.5s", "300ms"; whole milliseconds are kept. */
static bool parse_duration(const char *text, int64_t *milliseconds)
{
	static const struct { const char *name; double ms;
	} units[] = {{"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3},
		     {"ms", 1},	   {"s", 1000},	 {"m", 60000},	      {"h", 3600000}};
	double total = 0;
	if (strcmp(text, "0") == 0) {
		*milliseconds = 0;
		return true;
	}
	do {
		char *end;
		if (!isdigit((unsigned char)*text) && *text != '.')
			return false;
		double number = strtod(text, &end);
		size_t length = strcspn(end, "0123456789.");
		size_t i = 0;
		while (i < COUNT_OF(units) &&
		       (strlen(units[i].name) != length || memcmp(units[i].name, end, length) != 0))
			i++;
		if (end == text || i == COUNT_OF(units))
			return false;
		total += number * units[i].ms;
		text = end + length;
	} while (*text);
	*milliseconds = total < 1e15 ? (int64_t)total : -1;
	return *milliseconds >= 0;
}

static bool parse_choice(const char *text, const char *choices)
{
	size_t size = strlen(text);
	for (const char *at = choices; *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		if (length == size && memcmp(at, text, size) == 0)
			return true;
		at += length;
	}
	return false;
}

static const char *kind_text(enum flag_kind kind)
{
	switch (kind) {
	case KIND_BOOL: return "true or false";
	case KIND_DURATION: return "a duration such as 5s or 1m30s";
	default: return "a number";
	}
}

/* Reads a value of this flag; `origin` names the flag or the variable. */
static bool read(struct options *options, const struct flag *flag, const char *origin, const char *text,
		 int base, struct flag_value *value)
{
	bool good = true;
	int64_t number = value->number;
	switch (flag->kind) {
	case KIND_INT:
		good = parse_int(text, base, &number);
		break;
	case KIND_COUNT:
		good = strcmp(text, "+1") == 0 || parse_int(text, base, &number);
		number += strcmp(text, "+1") == 0;
		break;
	case KIND_BOOL:
		good = parse_bool(text, &number);
		break;
	case KIND_DURATION:
		good = parse_duration(text, &number);
		break;
	case KIND_CHOICE:
		good = parse_choice(text, flag->fallback);
		break;
	default:
		break;
	}
	if (!good && flag->kind == KIND_CHOICE)
		return options_fail(options, "invalid value %.60s for %s: it is one of %s", text, origin,
				    flag->fallback);
	if (!good)
		return options_fail(options, "invalid value %.60s for %s: not %s", text, origin,
				    kind_text(flag->kind));
	*value = (struct flag_value){.given = true, .text = text, .number = number};
	return true;
}

/* ---- argv ---- */

struct walk {
	struct options *options;
	int argc, next;                      /* the next word */
	char **argv;
	unsigned modes;
	struct flag_value values[FLAG_COUNT];
};

static bool takes_no_value(const struct flag *flag)
{
	return flag->kind == KIND_BOOL || flag->kind == KIND_COUNT;
}

static const char *alone(const struct flag *flag) { return flag->kind == KIND_COUNT ? "+1" : "true"; }

/* A secret is copied and wiped from where every user of the machine can read it. */
static const char *keep(struct walk *walk, const struct flag *flag, char *value)
{
	if (flag->kind != KIND_SECRET)
		return value;
	const char *copy = options_copy(walk->options, slice_of(value));
	secret_wipe(value, strlen(value));
	return copy;
}

static bool take(struct walk *walk, const struct flag *flag, const char *origin, const char *value)
{
	return value && read(walk->options, flag, origin, value, 0, &walk->values[flag->value]);
}

/* The value of a flag that has none in its own word. */
static bool take_next(struct walk *walk, const struct flag *flag, const char *origin)
{
	if (walk->next == walk->argc)
		return options_fail(walk->options, "flag needs an argument: %s", origin);
	return take(walk, flag, origin, keep(walk, flag, walk->argv[walk->next++]));
}

/* Of the modes asked for first; a flag may be spelled alike in the other. */
static const struct flag *find(unsigned modes, const char *name, size_t size, char letter)
{
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		const struct flag *flag = &flags[i];
		bool same = letter ? flag->letter == letter
				   : strlen(flag->name) == size && memcmp(flag->name, name, size) == 0;
		if (same && flag->modes & modes)
			return flag;
	}
	return NULL;
}

static bool take_long(struct walk *walk, char *word)
{
	size_t size = strcspn(word + 2, "=");
	const struct flag *flag = find(walk->modes, word + 2, size, 0);
	char origin[64];
	text_copy(origin, sizeof origin, (struct slice){(const uint8_t *)word, size + 2});
	if (!flag)
		return options_fail(walk->options, "unknown flag: %s; see linksocks help", origin);
	if (word[2 + size] == '=')
		return take(walk, flag, origin, keep(walk, flag, word + 3 + size));
	if (takes_no_value(flag))
		return take(walk, flag, origin, alone(flag));
	return take_next(walk, flag, origin);
}

/* -abc: booleans one after the other; the first one with a value takes the rest of the word, or the next. */
static bool take_letters(struct walk *walk, char *word)
{
	for (char *at = word + 1; *at; at++) {
		const struct flag *flag = find(walk->modes, NULL, 0, *at);
		char origin[3] = {'-', *at, 0};
		if (!flag)
			return options_fail(walk->options, "unknown shorthand flag: '%c'; see linksocks help",
					    *at);
		if (at[1] == '=' && at[2])
			return take(walk, flag, origin, keep(walk, flag, at + 2));
		if (!takes_no_value(flag))
			return at[1] ? take(walk, flag, origin, keep(walk, flag, at + 1))
				     : take_next(walk, flag, origin);
		if (!take(walk, flag, origin, alone(flag)))
			return false;
	}
	return true;
}

/* Words that are no flags are passed over, as by the original. */
static bool take_words(struct walk *walk)
{
	while (walk->next < walk->argc) {
		char *word = walk->argv[walk->next++];
		if (strcmp(word, "--") == 0)
			return true;
		if (word[0] != '-' || !word[1])
			continue;
		if (!(word[1] == '-' ? take_long(walk, word) : take_letters(walk, word)))
			return false;
	}
	return true;
}

/* ---- the environment ---- */

/* Trimmed; NULL when it is not set, or blank. */
static const char *variable(struct options *options, const char *name)
{
	const char *text = name ? getenv(name) : NULL;
	if (!text)
		return NULL;
	text += strspn(text, " \t\r\n\v\f");
	size_t size = strlen(text);
	while (size && strchr(" \t\r\n\v\f", text[size - 1]))
		size--;
	return size ? options_copy(options, (struct slice){(const uint8_t *)text, size}) : NULL;
}

static bool take_environment(struct walk *walk)
{
	for (size_t i = 0; i < COUNT_OF(flags); i++) {
		const struct flag *flag = &flags[i];
		struct flag_value *value = &walk->values[flag->value];
		if (!(flag->modes & walk->modes) || value->given)
			continue;
		const char *text = variable(walk->options, flag->variable);
		if (text && !read(walk->options, flag, flag->variable, text, 10, value))
			return false;
		if (text || flag->kind == KIND_CHOICE || flag->value == FLAG_DIRECT)
			continue;
		check(read(walk->options, flag, flag->name, flag->fallback, 10, value));
		value->given = false;
	}
	return true;
}

/* ---- modes ---- */

static const char *const modes[] = {
    [LINKSOCKS_MODE_HELP] = "help",	      [LINKSOCKS_MODE_VERSION] = "version",
    [LINKSOCKS_MODE_SERVER] = "server",	      [LINKSOCKS_MODE_CLIENT] = "client",
    [LINKSOCKS_MODE_CONNECTOR] = "connector", [LINKSOCKS_MODE_PROVIDER] = "provider",
};

static bool find_mode(const char *word, enum linksocks_mode *mode)
{
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		if (strcasecmp(modes[i], word) == 0) {
			*mode = (enum linksocks_mode)i;
			return true;
		}
	return false;
}

/* LINKSOCKS_MODE stands for the first word where there is none. */
static bool mode_of_environment(struct options *options, enum linksocks_mode *mode)
{
	const char *word = variable(options, "LINKSOCKS_MODE");
	if (!word)
		return false;
	if (strcasecmp(word, "forward") == 0)
		word = "client";
	else if (strcasecmp(word, "reverse") == 0)
		word = "provider";
	enum linksocks_mode found;
	if (!find_mode(word, &found) || found < LINKSOCKS_MODE_SERVER)
		return false;
	*mode = found;
	return true;
}

static bool choose(struct options *options, int argc, char **argv, int *next)
{
	const char *word = *next < argc ? argv[*next] : NULL;
	options->linksocks = LINKSOCKS_MODE_HELP;
	if (!word || word[0] == '-') {
		if (mode_of_environment(options, &options->linksocks))
			return true;
		if (word && strcmp(word, "--version") == 0)
			options->linksocks = LINKSOCKS_MODE_VERSION;
		else if (word && strcmp(word, "-h") != 0 && strcmp(word, "--help") != 0)
			return options_fail(options, "unknown flag: %.60s; see linksocks help", word);
		return true;
	}
	++*next;
	bool lower = strcspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(word);
	if (!lower || !find_mode(word, &options->linksocks))
		return options_fail(options, "unknown command %.60s; see linksocks help", word);
	return true;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool linksocks_is_called(int argc, char **argv)
{
	return argc > 0 && (strcmp(last_part(argv[0]), "linksocks") == 0 ||
			    (argc > 1 && strcmp(argv[1], "linksocks") == 0));
}

bool linksocks_options_parse(struct options *options, int argc, char **argv, char why[OPTIONS_WHY_SIZE])
{
	struct walk walk = {.options = options, .argc = argc, .argv = argv};
	options_begin(options, why);
	options->command = COMMAND_LINKSOCKS;
	walk.next = strcmp(last_part(argv[0]), "linksocks") == 0 ? 1 : 2;
	if (!choose(options, argc, argv, &walk.next))
		return false;
	if (options->linksocks == LINKSOCKS_MODE_HELP && walk.next < argc)
		return argv[walk.next][0] == '-' || find_mode(argv[walk.next], &options->linksocks)
			   ? (options->linksocks_help = true)
			   : options_fail(options, "unknown command %.60s; see linksocks help",
					  argv[walk.next]);
	if (options->linksocks < LINKSOCKS_MODE_SERVER)
		return true;
	walk.modes = options->linksocks == LINKSOCKS_MODE_SERVER ? ON_SERVER : ON_CLIENT;
	if (!take_words(&walk))
		return false;
	options->linksocks_help = walk.values[FLAG_HELP].number;
	return options->linksocks_help ||
	       (take_environment(&walk) && linksocks_settings(options, walk.values));
}
