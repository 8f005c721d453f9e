/* core/config.c - the whole configuration: the top of the file, its defaults, its life; see config.h. */
#include "core/config_sections.h"

#define FIELD(type, name) offsetof(struct type, name)
#define LATER(name) {name, NULL, 0, false}

static void read_cores(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, CONFIG_CORES_MAX, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_engine(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const engines[] = {"auto", "io_uring", "epoll", NULL};
	int engine = config_choice(reader, node, engines);
	if (engine >= 0)
		*(const char **)field = engines[engine];
}

static void read_level(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const levels[] = {"error", "warn", "info", "debug", "trace", NULL};
	int level = config_choice(reader, node, levels);
	if (level >= 0)
		log_level_parse(levels[level], field);
}

static void read_format(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const formats[] = {"text", "json", NULL};
	int format = config_choice(reader, node, formats);
	if (format >= 0)
		*(enum log_format *)field = format ? LOG_JSON : LOG_TEXT;
}

static void read_log(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"level", read_level, FIELD(config, log_level), false},
		{"format", read_format, FIELD(config, log_format), false},
	};
	static const struct config_table table = {.name = "log", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
}

static void read_drain(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"stop", config_read_span, FIELD(config, drain_stop), false},
		{"upgrade", config_read_span, FIELD(config, drain_upgrade), false},
	};
	static const struct config_table table = {.name = "drain", .keys = keys, .count = COUNT_OF(keys)};
	config_read_mapping(reader, node, &table, field);
}

static void read_count(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 1, 10000000, &number))
		*(uint32_t *)field = (uint32_t)number;
}

static void read_rate(struct config_reader *reader, const struct config_node *node, void *field)
{
	uint64_t number;
	if (config_number(reader, node, 0, 10000000, &number))
		*(uint32_t *)field = (uint32_t)number;
}

/* A buffer of bytes: from one TLS record up to what a mistyped unit would ask for. */
static void read_bytes(struct config_reader *reader, const struct config_node *node, void *field)
{
	const size_t least = 16 * 1024, most = (size_t)64 * 1024 * 1024 * 1024;
	size_t bytes = least;
	config_read_size(reader, node, &bytes);
	if (bytes < least || bytes > most)
		config_fail(reader, node, "%s must be from 16KiB to 64GiB", node->key);
	else
		*(size_t *)field = bytes;
}

static void read_memory(struct config_reader *reader, const struct config_node *node, void *field)
{
	const size_t least = 16 * 1024 * 1024;
	if (node->kind == CONFIG_SCALAR && strcmp(node->text, "auto") == 0) {
		*(size_t *)field = 0;
		return;
	}
	size_t bytes = least;
	config_read_size(reader, node, &bytes);
	if (bytes < least)
		config_fail(reader, node, "%s must be auto, or at least 16MiB", node->key);
	else
		*(size_t *)field = bytes;
}

static void read_limits(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"channel_bytes", read_bytes, FIELD(limits, channel_bytes), false},
		{"channel_bytes_no_credit", read_bytes, FIELD(limits, channel_bytes_no_credit), false},
		{"session_bytes", read_bytes, FIELD(limits, session_bytes), false},
		{"process_memory", read_memory, FIELD(limits, process_memory), false},
		{"exchange_bytes", read_bytes, FIELD(limits, exchange_bytes), false},
		{"channels_per_session", read_count, FIELD(limits, channels_per_session), false},
		{"connections_per_source", read_count, FIELD(limits, connections_per_source), false},
		{"opens_per_second", read_rate, FIELD(limits, opens_per_second), false},
		{"channel_idle", config_read_duration, FIELD(limits, channel_idle), false},
		{"http_idle", config_read_duration, FIELD(limits, http_idle), false},
		{"udp_idle", config_read_duration, FIELD(limits, udp_idle), false},
	};
	static const struct config_table table = {.name = "limits", .keys = keys, .count = COUNT_OF(keys)};
	struct limits *limits = field;
	config_read_mapping(reader, node, &table, limits);
	if (limits->session_bytes < limits->channel_bytes)
		config_fail(
		    reader, node,
		    "limits: session_bytes (default 16MiB) is less than channel_bytes (default 256KiB)");
}

static void read_clients(struct config_reader *reader, const struct config_node *node, void *field)
{
	struct config *config = field;
	config->clients = config_read_list(reader, node, sizeof(struct config_client), config_read_client,
					   true, &config->client_count);
	if (config->client_count > CONFIG_CLIENTS_MAX)
		config_fail(reader, node, "client has more than %d entries", CONFIG_CLIENTS_MAX);
	config_check_clients(reader, node);
}

static void read_batching(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const struct config_key keys[] = {
		{"enabled", config_read_bool, FIELD(batching, enabled), false},
		{"min", config_read_duration, FIELD(batching, min), false},
		{"max", config_read_duration, FIELD(batching, max), false},
		{"buffer", read_bytes, FIELD(batching, buffer), false},
	};
	static const struct config_table table = {.name = "batching", .keys = keys, .count = COUNT_OF(keys)};
	struct batching *batching = field;
	config_read_mapping(reader, node, &table, batching);
	if (batching->max.ns < batching->min.ns)
		config_fail(reader, node, "batching: min (default 20ms) is longer than max (default 500ms)");
}

/* A batch is what waits in one flow. */
static void check_batching(struct config_reader *reader, const struct config_node *root)
{
	const struct config *config = reader->config;
	const struct config_node *node = config_node_find(root, "batching");
	const struct config_node *buffer = node ? config_node_find(node, "buffer") : NULL;
	if (buffer && config->batching.buffer > config->limits.channel_bytes)
		config_fail(reader, buffer,
			    "buffer is more than limits.channel_bytes (default 256KiB): raise both");
}

static const struct config_key keys[] = {
	{"cores", read_cores, FIELD(config, cores), false},
	{"engine", read_engine, FIELD(config, engine), false},
	{"state_dir", config_read_text, FIELD(config, state_dir), false},
	{"log", read_log, 0, false},
	{"drain", read_drain, 0, false},
	{"limits", read_limits, FIELD(config, limits), false},
	{"gateway", config_read_gateway, FIELD(config, gateway), false},
	{"client", read_clients, 0, false},
	{"batching", read_batching, FIELD(config, batching), false},
	{"access", config_read_access, FIELD(config, access), false},
	{"stats", config_read_stats, FIELD(config, stats), false},
	LATER("audit"), LATER("proxy"),
};

static void read_all(struct config_reader *reader, const struct config_node *root)
{
	static const struct config_table table = {
	    .name = "the configuration", .keys = keys, .count = COUNT_OF(keys)};
	struct config *config = reader->config;
	config_read_mapping(reader, root, &table, config);
	check_batching(reader, root);
	config_check_stats(reader, root);
	const struct config_node *access = config_node_find(root, "access");
	config->access_given = access && access->count > 0;
	if (!reader->errors->error_count && !config->gateway.enabled && !config->client_count)
		config_fail(reader, root, "there is nothing to run: give a gateway, a client, or both");
}

static struct config_node *load(struct config_reader *reader, const struct config_source *source)
{
	struct config_node *root = NULL;
	if (source->file_name && source->text.size > CONFIG_FILE_MAX)
		config_fail_at(reader, 1, 1, "the file is larger than 1 MiB");
	else if (source->file_name)
		root = config_yaml_load(reader, source->text);
	if (root)
		config_expand(reader, root);
	if (!root && !reader->errors->error_count) {
		root = config_node_create(reader, NULL, CONFIG_MAPPING);
		if (root)
			root->line = root->column = 1;
	}
	for (size_t i = 0; root && i < source->setting_count; i++)
		config_setting_apply(reader, root, &source->settings[i]);
	return root;
}

bool config_build(struct config *config, const struct config_source *source, struct problems *errors)
{
	struct config_reader reader = {
	    .config = config, .file_name = source->file_name, .files = source->files, .errors = errors};
	*errors = (struct problems){0};
	*config = (struct config){
		.engine = "auto",
		.log_level = LOG_INFO,
		.log_format = LOG_TEXT,
		.drain_stop = DURATION_S(25),
		.drain_upgrade = DURATION_S(3600),
		.limits = LIMITS_DEFAULT,
		.batching = BATCHING_DEFAULT,
	};
	reader.no_memory = !config_access_default(config);
	const struct config_node *root = load(&reader, source);
	if (root)
		read_all(&reader, root);
	if (reader.no_memory)
		config_fail_at(&reader, 1, 1, "out of memory");
	config_blocks_free(&reader.blocks);
	problems_sort(errors);
	return errors->error_count == 0 && !reader.no_memory;
}

bool config_parse(struct config *config, const char *file_name, struct slice text,
		  const struct config_files *files, struct problems *errors)
{
	struct config_source source = {.file_name = file_name, .text = text, .files = files};
	return config_build(config, &source, errors);
}

uint8_t *config_keep(struct config *config, struct slice bytes)
{
	uint8_t *copy = config_alloc(&config->blocks, bytes.size + 1);
	if (!copy)
		return NULL;
	if (bytes.size)
		memcpy(copy, bytes.at, bytes.size);
	copy[bytes.size] = 0;
	return copy;
}

void config_fini(struct config *config)
{
	struct config_gateway *gateway = &config->gateway;
	secret_fini(&gateway->auth_key);
	secret_fini(&gateway->key_pem);
	for (size_t i = 0; i < gateway->identity_count; i++)
		secret_fini(&gateway->identities[i].auth_key);
	for (size_t i = 0; i < config->client_count; i++) {
		secret_fini(&config->clients[i].auth_key);
		secret_fini(&config->clients[i].key_pem);
		config_via_fini(&config->clients[i].upstream_proxy);
		config_linksocks_client_fini(&config->clients[i].linksocks);
	}
	config_linksocks_fini(&gateway->linksocks);
	secret_fini(&config->stats.token);
	secret_fini(&config->stats.key_pem);
	config_access_fini(&config->access);
	config_blocks_free(&config->blocks);
	*config = (struct config){0};
}
