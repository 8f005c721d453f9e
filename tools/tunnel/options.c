/* tools/tunnel/options.c - see options.h; URLs and published ports are read in options_client.c. */
#include "tools/tunnel/options_client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_MAX = 16 };

static const char *const names[COMMAND_COUNT] = {
    [COMMAND_RUN] = "",	       [COMMAND_GATEWAY] = "gateway", [COMMAND_CLIENT] = "client",
    [COMMAND_DEMO] = "demo",   [COMMAND_CHECK] = "check",     [COMMAND_CERT] = "cert",
    [COMMAND_TOKEN] = "token", [COMMAND_DOCTOR] = "doctor",   [COMMAND_VERSION] = "version",
    [COMMAND_HELP] = "help",   [COMMAND_LINKSOCKS] = "linksocks",
    [COMMAND_IMPORT] = "import", [COMMAND_STATUS] = "status", [COMMAND_TOP] = "top",
    [COMMAND_HEALTH] = "health",
};

static const char *const later[] = {"exec"};

const char *command_name(enum command command) { return names[command]; }

bool options_fail(struct options *options, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(options->why, OPTIONS_WHY_SIZE, format, arguments);
	va_end(arguments);
	/* An argument may hold anything; a complaint is one printable line. */
	for (char *at = options->why; *at; at++)
		if ((uint8_t)*at < 0x20 || *at == 0x7f)
			*at = '?';
	return false;
}

char *options_copy(struct options *options, struct slice text)
{
	if (text.size >= sizeof options->text - options->text_size) {
		options_fail(options,
			     "the command line is too long; put this into a file: tunnel --config FILE");
		return NULL;
	}
	char *copy = options->text + options->text_size;
	text_copy(copy, text.size + 1, text);
	options->text_size += text.size + 1;
	return copy;
}

bool options_set(struct options *options, const char *key, const char *value, const char *origin)
{
	if (!key)
		return false;
	check(options->setting_count < OPTIONS_SETTINGS_MAX);
	/* What is said last counts, so that a script can be given another value behind its own. */
	for (size_t i = 0; i < options->setting_count; i++) {
		if (strcmp(options->settings[i].key, key) == 0) {
			options->settings[i] = (struct config_setting){key, value, origin};
			return true;
		}
	}
	options->settings[options->setting_count++] = (struct config_setting){key, value, origin};
	return true;
}

/* ---- the table ---- */

#define ON(command) (1u << (command))
enum {
	RUNS = ON(COMMAND_RUN) | ON(COMMAND_GATEWAY) | ON(COMMAND_CLIENT) | ON(COMMAND_DEMO),
	SERVES = ON(COMMAND_RUN) | ON(COMMAND_GATEWAY) | ON(COMMAND_CLIENT),
	ASKS = ON(COMMAND_STATUS) | ON(COMMAND_TOP) | ON(COMMAND_HEALTH),
	ALL = (1u << COMMAND_COUNT) - 1,
};

typedef bool option_fn(struct options *options, const char *origin, const char *value);

static bool take_config(struct options *options, const char *origin, const char *value)
{
	options->config_file = value;
	return true;
}

static bool take_host(struct options *options, const char *origin, const char *value)
{
	if (options->host_count == OPTIONS_HOSTS_MAX)
		return options_fail(options, "%s: more than %d names", origin, OPTIONS_HOSTS_MAX);
	if (!*value || strpbrk(value, " \t/:@?#") != NULL) {
		struct address address;
		if (!address_of_literal(&address, value, 1))
			return options_fail(options, "%s: %.60s is no host name and no address", origin,
					    value);
	}
	options->hosts[options->host_count++] = value;
	return true;
}

static bool take_out_dir(struct options *options, const char *origin, const char *value)
{
	options->out_dir = value;
	return *value ? true : options_fail(options, "%s: give a directory", origin);
}

/* Digits alone, from 1 to `most`; 0: it is none. */
static unsigned number(const char *value, unsigned long most)
{
	char *end;
	unsigned long number = strtoul(value, &end, 10);
	return *value < '0' || *value > '9' || *end || number > most ? 0 : (unsigned)number;
}

static bool take_days(struct options *options, const char *origin, const char *value)
{
	options->days = number(value, 36500);
	return options->days ||
	       options_fail(options, "%s: give a number of days from 1 to 36500", origin);
}

static bool take_interval(struct options *options, const char *origin, const char *value)
{
	options->interval_s = number(value, 3600);
	return options->interval_s ||
	       options_fail(options, "%s: give a number of seconds from 1 to 3600", origin);
}

static bool take_url(struct options *options, const char *origin, const char *value)
{
	options->url = value;
	return true;
}

static bool take_plaintext(struct options *options, const char *origin, const char *value)
{
	options->plaintext = true;
	return true;
}

static bool take_token_file(struct options *options, const char *origin, const char *value)
{
	options->token_file = value;
	return true;
}

static bool take_verbose(struct options *options, const char *origin, const char *value)
{
	options->verbose++;
	return options_set(options, "log.level", options->verbose == 1 ? "debug" : "trace", origin);
}

static bool take_help(struct options *options, const char *origin, const char *value)
{
	if (options->command != COMMAND_HELP)
		options->topic = options->command;
	options->command = COMMAND_HELP;
	return true;
}

static bool take_version(struct options *options, const char *origin, const char *value)
{
	options->command = COMMAND_VERSION;
	return true;
}

/* Kept and wiped: every user of the machine can read argv, which is where `value` lies. */
static bool take_connector_token(struct options *options, const char *origin, const char *value)
{
	const char *copy = options_copy(options, slice_of(value));
	secret_wipe((char *)value, strlen(value));
	return copy && options_set(options, "client.connector_token", copy, origin);
}

static bool take_reverse(struct options *options, const char *origin, const char *value)
{
	return options_set(options, "client.reverse", "true", origin);
}

static bool take_allow_forward(struct options *options, const char *origin, const char *value)
{
	return options_set(options, "gateway.tls_tunnel.allow_forward", "true", origin);
}

static bool take_json(struct options *options, const char *origin, const char *value)
{
	options->json = true;
	return true;
}

static const struct option {
	const char *name;
	char letter;
	bool flag;                   /* takes no value */
	unsigned commands;
	const char *key;             /* the setting that it makes, or */
	option_fn *take;
} table[] = {
	{"--config", 'c', false, ON(COMMAND_RUN), NULL, take_config},
	{"--cores", 0, false, RUNS, "cores", NULL},
	{"--engine", 0, false, RUNS, "engine", NULL},
	{"--log-level", 0, false, RUNS, "log.level", NULL},
	{"--log-format", 0, false, RUNS, "log.format", NULL},
	{"--state-dir", 0, false, RUNS | ON(COMMAND_DOCTOR), "state_dir", NULL},
	{"--verbose", 'v', true, RUNS, NULL, take_verbose},
	{"--listen", 0, false, ON(COMMAND_GATEWAY), "gateway.listen_addr", NULL},
	{"--tls-cert", 0, false, ON(COMMAND_GATEWAY), "gateway.tls_cert", NULL},
	{"--tls-key", 0, false, ON(COMMAND_GATEWAY), "gateway.tls_key", NULL},
	{"--tls-client-ca", 0, false, ON(COMMAND_GATEWAY), "gateway.tls_client_ca", NULL},
	{"--auth-key-file", 0, false, ON(COMMAND_GATEWAY), "gateway.tls_tunnel.auth_key_file", NULL},
	{"--allow-forward", 0, true, ON(COMMAND_GATEWAY), NULL, take_allow_forward},
	{"--stats", 0, false, SERVES, "stats.listen_addr", NULL},
	{"--transport", 0, false, ON(COMMAND_DEMO), "client.transport", NULL},
	{"--host", 0, false, ON(COMMAND_GATEWAY) | ON(COMMAND_CERT), NULL, take_host},
	{"--auth-key-file", 0, false, ON(COMMAND_CLIENT), "client.auth_key_file", NULL},
	{"--client-cert", 0, false, ON(COMMAND_CLIENT), "client.client_cert", NULL},
	{"--client-key", 0, false, ON(COMMAND_CLIENT), "client.client_key", NULL},
	{"--links", 0, false, ON(COMMAND_CLIENT), "client.links", NULL},
	{"--publish", 0, false, ON(COMMAND_CLIENT), NULL, options_publish},
	{"--visit", 0, false, ON(COMMAND_CLIENT), NULL, options_visit},
	{"--socks", 0, false, ON(COMMAND_CLIENT), options_socks_key, NULL},
	{"--http", 0, false, ON(COMMAND_CLIENT), options_http_key, NULL},
	{"--reverse", 0, true, ON(COMMAND_CLIENT), NULL, take_reverse},
	{"--connector-token", 0, false, ON(COMMAND_CLIENT), NULL, take_connector_token},
	{"--token-file", 0, false, ON(COMMAND_CLIENT), "client.token_file", NULL},
	{"--threads", 0, false, ON(COMMAND_CLIENT), "client.threads", NULL},
	{"--out-dir", 0, false, ON(COMMAND_CERT), NULL, take_out_dir},
	{"--days", 0, false, ON(COMMAND_CERT), NULL, take_days},
	{"--url", 'u', false, ASKS, NULL, take_url},
	{"--token-file", 0, false, ASKS, NULL, take_token_file},
	{"--plaintext", 0, true, ASKS, NULL, take_plaintext},
	{"--interval", 'i', false, ON(COMMAND_TOP), NULL, take_interval},
	{"--json", 0, true, ON(COMMAND_STATUS), NULL, take_json},
	{"--help", 'h', true, ALL, NULL, take_help},
	{"--version", 0, true, ON(COMMAND_RUN), NULL, take_version},
};

/* ---- the walk over argv ---- */

static enum command find_command(const char *word)
{
	for (int i = COMMAND_GATEWAY; i < COMMAND_COUNT; i++)
		if (strcmp(names[i], word) == 0)
			return (enum command)i;
	return COMMAND_COUNT;
}

static bool is_later(const char *word)
{
	for (size_t i = 0; i < COUNT_OF(later); i++)
		if (strcmp(later[i], word) == 0)
			return true;
	return false;
}

/* The command decides which options there are, so it is looked for first: the first word that is no option
 * and no option's value. */
static const struct option *lookup(const char *name, size_t size, unsigned commands)
{
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const struct option *option = &table[i];
		bool named = size == strlen(option->name) && memcmp(option->name, name, size) == 0;
		bool lettered = size == 2 && option->letter && name[0] == '-' && name[1] == option->letter;
		if ((named || lettered) && (option->commands & commands))
			return option;
	}
	return NULL;
}

static size_t name_size(const char *argument)
{
	return argument[1] == '-' ? strcspn(argument, "=") : size_min(strlen(argument), 2);
}

static bool takes_next(const char *argument, unsigned commands)
{
	size_t size = name_size(argument);
	const struct option *option = lookup(argument, size, commands);
	return option && !option->flag && !argument[size];
}

static bool is_option(const char *argument) { return argument[0] == '-' && argument[1]; }

static bool choose(struct options *options, int argc, char **argv, int *place)
{
	*place = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			return true;
		if (is_option(argv[i])) {
			i += takes_next(argv[i], ALL);
			continue;
		}
		options->command = find_command(argv[i]);
		*place = i;
		if (options->command == COMMAND_LINKSOCKS)
			return options_fail(options,
					    "linksocks comes first: tunnel linksocks COMMAND [FLAGS]");
		if (options->command != COMMAND_COUNT)
			return true;
		options->command = COMMAND_RUN;
		if (is_later(argv[i]))
			return options_fail(options, "%s is not in this version", argv[i]);
		return options_fail(options, "there is no command %.60s; see tunnel --help", argv[i]);
	}
	return true;
}

static bool fail_option(struct options *options, const char *argument, size_t size)
{
	const char *space = options->command == COMMAND_RUN ? "" : " ";
	const struct option *elsewhere = lookup(argument, size, ALL);
	return options_fail(options, "%.*s %s%s%s; see tunnel%s%s --help", (int)size_min(size, 60), argument,
			    elsewhere ? "is no option of tunnel" : "is no option", elsewhere ? space : "",
			    elsewhere ? names[options->command] : "", space, names[options->command]);
}

/* One option and its value; `index` moves past what was taken. */
static bool take_option(struct options *options, int argc, char **argv, int *index)
{
	char *argument = argv[*index];
	size_t size = name_size(argument);
	enum command command = options->command == COMMAND_HELP ? options->topic : options->command;
	const struct option *option = lookup(argument, size, ON(command));
	const char *value = NULL;
	if (!option && options->command == COMMAND_HELP)
		option = lookup(argument, size, ALL);
	if (!option)
		return fail_option(options, argument, size);
	if (argument[1] == '-' && argument[size] == '=')
		value = argument + size + 1;
	else if (argument[1] != '-' && argument[size])
		value = argument + size;
	if (option->flag && value && argument[1] == '-')
		return options_fail(options, "%s takes no value", option->name);
	if (option->flag && value) {
		/* -vv: what is behind the letter is the next option. */
		argument[1] = value[0];
		memmove(argument + 2, value + 1, strlen(value));
		(*index)--;
		value = NULL;
	}
	if (!option->flag && !value && *index + 1 < argc)
		value = argv[++*index];
	if (!option->flag && !value)
		return options_fail(options, "%s needs a value", option->name);
	if (options->command == COMMAND_HELP || options->command == COMMAND_VERSION)
		return true;
	if (option->take)
		return option->take(options, option->name, value);
	return options_set(options, option->key, value, option->name);
}

/* A word that is no option. */
static bool take_word(struct options *options, const char *word)
{
	switch (options->command) {
	case COMMAND_CLIENT:
		return options_url(options, word);
	case COMMAND_CHECK:
	case COMMAND_IMPORT:
		if (options->config_file)
			return options_fail(options, "%s takes one file", names[options->command]);
		options->config_file = word;
		return true;
	case COMMAND_HELP:
		options->topic = find_command(word);
		if (options->topic != COMMAND_COUNT)
			return true;
		options->topic = COMMAND_RUN;
		return options_fail(options, "there is no command %.60s; see tunnel --help", word);
	case COMMAND_VERSION:
		return true;
	default:
		return options_fail(options, "%.60s is too much; see tunnel %s --help", word,
				    names[options->command]);
	}
}

static bool walk(struct options *options, int argc, char **argv, int command_at)
{
	bool words_only = false;
	for (int i = 1; i < argc; i++) {
		if (i == command_at)
			continue;
		if (!words_only && strcmp(argv[i], "--") == 0)
			words_only = true;
		else if (!words_only && is_option(argv[i])) {
			if (!take_option(options, argc, argv, &i))
				return false;
		} else if (!take_word(options, argv[i])) {
			return false;
		}
	}
	return true;
}

/* Before anything else: a URL may hold a key, and the command line can be read by every user of the machine.
 */
static bool hide_urls(struct options *options, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strstr(argv[i], "://") || is_option(argv[i]))
			continue;
		char *copy = options_copy(options, slice_of(argv[i]));
		secret_wipe(argv[i], strlen(argv[i]));
		if (!copy)
			return false;
		argv[i] = copy;
	}
	return true;
}

static const char *setting(const struct options *options, const char *key)
{
	for (size_t i = 0; i < options->setting_count; i++)
		if (strcmp(options->settings[i].key, key) == 0)
			return options->settings[i].value;
	return NULL;
}

static bool complete_client(struct options *options)
{
	if (!setting(options, "client.gateway_addr"))
		return options_fail(options, "give the line that the gateway prints: tunnel client "
					     "tls-tunnel://KEY@HOST:PORT?pin=...");
	bool proxies = setting(options, options_socks_key) || setting(options, options_http_key);
	if (strcmp(setting(options, "client.protocol"), "linksocks") == 0)
		return !setting(options, options_http_key) ||
		       options_fail(options, "--http is for tls-tunnel://; LinkSocks has --socks");
	if (!setting(options, "client.auth_key") && !setting(options, "client.auth_key_file"))
		return options_fail(options, "the URL has no key: tls-tunnel://KEY@HOST:PORT, or give "
					     "--auth-key-file FILE");
	if (!options->publish_count && !options->visit_count && !proxies)
		return options_fail(options,
				    "nothing to do: give --publish NAME=PORT:HOST:PORT, "
				    "--visit NAME:PORT=HOST:PORT, --socks HOST:PORT or --http HOST:PORT");
	return options_forward(options);
}

/* What a command cannot do without. */
static bool complete(struct options *options)
{
	switch (options->command) {
	case COMMAND_GATEWAY:
	case COMMAND_RUN:
		return options->config_file || options_set(options, "gateway", NULL, "gateway");
	case COMMAND_CLIENT:
		return complete_client(options);
	case COMMAND_CHECK:
		return options->config_file || options_fail(options, "give the file: tunnel check FILE");
	case COMMAND_IMPORT:
		return options->config_file ||
		       options_fail(options, "give the file: tunnel import FILE.toml");
	case COMMAND_CERT:
		return options->host_count || options_fail(options, "give a name: tunnel cert --host NAME");
	default:
		return true;
	}
}

void options_begin(struct options *options, char why[OPTIONS_WHY_SIZE])
{
	memset(options, 0, sizeof *options);
	options->out_dir = ".";
	options->days = 3650;
	options->interval_s = 2;
	options->why = why;
	why[0] = 0;
}

bool options_parse(struct options *options, int argc, char **argv, char why[OPTIONS_WHY_SIZE])
{
	int command_at;
	options_begin(options, why);
	return hide_urls(options, argc, argv) && choose(options, argc, argv, &command_at) &&
	       walk(options, argc, argv, command_at) && complete(options);
}

void options_fini(struct options *options) { secret_wipe(options, sizeof *options); }
