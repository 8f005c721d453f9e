/* core/config_secret.c - keys, tokens and passwords, as values and from files; see config_sections.h. */
#include "core/config_sections.h"

enum secret_kind { SECRET_KEY, SECRET_TOKEN, SECRET_PASSWORD, SECRET_API_KEY, SECRET_BEARER };

static const struct { size_t min, max; } sizes[] = {
	[SECRET_KEY] = {CONFIG_KEY_MIN, CONFIG_KEY_MAX},
	[SECRET_TOKEN] = {1, CONFIG_TOKEN_MAX},
	[SECRET_PASSWORD] = {1, CONFIG_PASSWORD_MAX},
	[SECRET_API_KEY] = {1, CONFIG_KEY_MAX},
	[SECRET_BEARER] = {CONFIG_KEY_MIN, CONFIG_KEY_MAX},
};

static bool is_anonymous(struct slice bytes) { return slice_is(bytes, "anonymous"); }

/* What a header field can carry, without blanks at its ends. */
static bool is_field(struct slice bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		if (bytes.at[i] < 0x20 || bytes.at[i] > 0x7e)
			return false;
	return bytes.at[0] != ' ' && bytes.at[bytes.size - 1] != ' ';
}

/* All of them travel as text: in JSON, in a URL's place, in a header. */
static void set(struct config_reader *reader, const struct config_node *node, enum secret_kind kind,
		struct slice bytes, struct secret *secret)
{
	size_t min = sizes[kind].min, max = sizes[kind].max;
	if (bytes.size < min || bytes.size > max)
		config_fail(reader, node, "%s must have %zu to %zu bytes, not %zu%s", node->key, min, max,
			    bytes.size, min == CONFIG_KEY_MIN ? "; `tunnel token` makes a good one" : "");
	else if (!config_is_utf8(bytes) || memchr(bytes.at, 0, bytes.size))
		config_fail(reader, node, "%s must be UTF-8 text without zero bytes", node->key);
	else if (kind == SECRET_TOKEN && is_anonymous(bytes))
		config_fail(reader, node, "%s: the word anonymous is reserved", node->key);
	else if (kind >= SECRET_API_KEY && !is_field(bytes))
		config_fail(reader, node, "%s must be printable ASCII without blanks at its ends", node->key);
	else if (!secret_set(secret, bytes))
		reader->no_memory = true;
}

static void read_value(struct config_reader *reader, const struct config_node *node, enum secret_kind kind,
		       struct secret *secret)
{
	const char *text = config_scalar(reader, node);
	if (text)
		set(reader, node, kind, slice_of(text), secret);
}

static void read_file(struct config_reader *reader, const struct config_node *node, enum secret_kind kind,
		      struct secret *secret)
{
	uint8_t bytes[CONFIG_SECRET_FILE_MAX];
	char why[CONFIG_WHY_SIZE] = "no files are read here";
	const char *path = config_scalar(reader, node);
	if (!path)
		return;
	int64_t size =
	    reader->files ? reader->files->read(reader->files, path, bytes, sizeof bytes, why) : -1;
	if (size < 0) {
		config_fail(reader, node, "%s: %s", node->key, why);
		return;
	}
	if (reader->files && why[0])
		config_warn(reader, node, "%s: %s", node->key, why);
	struct slice text = {bytes, (size_t)size};
	if (text.size && text.at[text.size - 1] == '\n')
		text.size--;
	if (text.size && text.at[text.size - 1] == '\r')
		text.size--;
	set(reader, node, kind, text, secret);
	secret_wipe(bytes, sizeof bytes);
}

/* `x: ""` says that there is none, where that is a choice. */
static bool is_none(const struct config_node *node)
{
	return node->kind == CONFIG_SCALAR && node->size == 0 && !node->plain;
}

void config_read_key(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_value(reader, node, SECRET_KEY, field);
}

void config_read_key_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_file(reader, node, SECRET_KEY, field);
}

void config_read_token(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_value(reader, node, SECRET_TOKEN, field);
}

void config_read_token_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_file(reader, node, SECRET_TOKEN, field);
}

void config_read_password(struct config_reader *reader, const struct config_node *node, void *field)
{
	if (!is_none(node))
		read_value(reader, node, SECRET_PASSWORD, field);
}

void config_read_password_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_file(reader, node, SECRET_PASSWORD, field);
}

void config_read_api_key(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_value(reader, node, SECRET_API_KEY, field);
}

void config_read_api_key_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_file(reader, node, SECRET_API_KEY, field);
}

void config_read_bearer(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_value(reader, node, SECRET_BEARER, field);
}

void config_read_bearer_file(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_file(reader, node, SECRET_BEARER, field);
}

void config_read_user(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = is_none(node) ? NULL : config_scalar(reader, node);
	if (!text)
		return;
	if (strlen(text) > CONFIG_PASSWORD_MAX || !config_is_utf8(slice_of(text)))
		config_fail(reader, node, "%s must have 1 to %d bytes of UTF-8", node->key,
			    CONFIG_PASSWORD_MAX);
	else
		*(const char **)field = config_text(reader, text);
}
