/* core/config_value.c - scalars: text, numbers, durations, sizes, choices; see config_reader.h. */
#include "core/config_reader.h"

#include <stdio.h>

static const int64_t hours_max = 100000;

const char *config_text(struct config_reader *reader, const char *text)
{
	uint8_t *copy = config_keep(reader->config, slice_of(text));
	if (!copy)
		reader->no_memory = true;
	return copy ? (const char *)copy : "";
}

const char *config_scalar(struct config_reader *reader, const struct config_node *node)
{
	if (node->kind == CONFIG_REFUSED)
		return NULL;
	if (node->kind != CONFIG_SCALAR) {
		config_fail(reader, node, "%s takes one value", node->key);
		return NULL;
	}
	if (node->size == 0 || config_node_is_empty(node)) {
		config_fail(reader, node, "%s has no value", node->key);
		return NULL;
	}
	return node->text;
}

/* Decimal digits; what follows them is left in `text`. */
static bool digits(const char **text, uint64_t *number)
{
	const char *at = *text;
	uint64_t value = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (at == *text)
		return false;
	*text = at;
	*number = value;
	return true;
}

bool config_number(struct config_reader *reader, const struct config_node *node, uint64_t min, uint64_t max,
		   uint64_t *number)
{
	const char *text = config_scalar(reader, node), *rest = text;
	if (!text)
		return false;
	if (digits(&rest, number) && !*rest && *number >= min && *number <= max)
		return true;
	config_fail(reader, node, "%s must be a number from %llu to %llu, not %.60s", node->key,
		    (unsigned long long)min, (unsigned long long)max, text);
	return false;
}

int config_choice(struct config_reader *reader, const struct config_node *node, const char *const *choices)
{
	const char *text = config_scalar(reader, node);
	char list[256];
	size_t size = 0;
	if (!text)
		return -1;
	for (int i = 0; choices[i]; i++) {
		if (strcmp(choices[i], text) == 0)
			return i;
		int more = snprintf(list + size, sizeof list - size, "%s%s", i ? ", " : "", choices[i]);
		size = size_min(size + (size_t)more, sizeof list - 1);
	}
	config_fail(reader, node, "%s must be one of %s, not %.60s", node->key, list, text);
	return -1;
}

void config_read_text(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node);
	if (text)
		*(const char **)field = config_text(reader, text);
}

void config_read_bool(struct config_reader *reader, const struct config_node *node, void *field)
{
	static const char *const choices[] = {"false", "true", NULL};
	int choice = config_choice(reader, node, choices);
	if (choice >= 0)
		*(bool *)field = choice == 1;
}

static const struct unit {
	const char *name;
	uint64_t size;
} time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}},
  size_units[] = {{"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024}, {"B", 1}};

/* One number with its unit off the front of `text`, added to the total. */
static bool add_unit(const char **text, const struct unit *units, size_t count, uint64_t *total)
{
	uint64_t number, product;
	if (!digits(text, &number))
		return false;
	size_t length = strspn(*text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	for (size_t i = 0; i < count; i++) {
		if (length != strlen(units[i].name) || memcmp(*text, units[i].name, length) != 0)
			continue;
		*text += length;
		return !__builtin_mul_overflow(number, units[i].size, &product) &&
		       !__builtin_add_overflow(*total, product, total);
	}
	return false;
}

/* "500ms", "5s", "1h30m". */
static bool parse_duration(const char *text, struct duration *span)
{
	uint64_t ms = 0;
	do {
		if (!add_unit(&text, time_units, COUNT_OF(time_units), &ms))
			return false;
	} while (*text);
	if (ms > (uint64_t)hours_max * 3600000)
		return false;
	*span = DURATION_MS((int64_t)ms);
	return true;
}

static bool read_duration(struct config_reader *reader, const struct config_node *node, struct duration *span)
{
	const char *text = config_scalar(reader, node);
	if (!text)
		return false;
	if (strcmp(text, "0") == 0) {
		*span = (struct duration){0};
		return true;
	}
	if (parse_duration(text, span))
		return true;
	config_fail(reader, node, "%s must be a duration such as 500ms, 5s, 2m or 12h, not %.60s", node->key,
		    text);
	return false;
}

void config_read_duration(struct config_reader *reader, const struct config_node *node, void *field)
{
	if (read_duration(reader, node, field) && ((struct duration *)field)->ns == 0)
		config_fail(reader, node, "%s must be more than 0", node->key);
}

void config_read_span(struct config_reader *reader, const struct config_node *node, void *field)
{
	read_duration(reader, node, field);
}

void config_read_size(struct config_reader *reader, const struct config_node *node, void *field)
{
	const char *text = config_scalar(reader, node), *rest = text;
	uint64_t size = 0;
	if (!text)
		return;
	bool good = digits(&rest, &size) && !*rest;
	if (!good) {
		size = 0;
		rest = text;
		good = add_unit(&rest, size_units, COUNT_OF(size_units), &size) && !*rest;
	}
	if (good && size <= SIZE_MAX / 2)
		*(size_t *)field = (size_t)size;
	else
		config_fail(reader, node, "%s must be a size such as 4096, 256KiB, 4MiB or 1GiB, not %.60s",
			    node->key, text);
}

/* ---- ${NAME} ---- */

enum { VARIABLE_MAX = 255 };

static bool is_name(const char *text, size_t size)
{
	if (!size || size > VARIABLE_MAX || (*text >= '0' && *text <= '9'))
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] != '_' && !(text[i] >= '0' && text[i] <= '9') &&
		    !(text[i] >= 'A' && text[i] <= 'Z') && !(text[i] >= 'a' && text[i] <= 'z'))
			return false;
	return true;
}

/* The value for "${NAME}" at `at`, of which `size` bytes are to be replaced; NULL: reported. */
static const char *variable(struct config_reader *reader, const struct config_node *node, const char *at,
			    size_t *size)
{
	const char *end = strchr(at, '}');
	char name[VARIABLE_MAX + 1];
	size_t length = end ? (size_t)(end - at) - 2 : 0;
	if (!is_name(at + 2, length)) {
		config_fail(reader, node,
			    "${ must begin a variable as in ${NAME}; write $${ for the text itself");
		return NULL;
	}
	text_copy(name, sizeof name, (struct slice){(const uint8_t *)at + 2, length});
	const char *value = reader->files ? reader->files->variable(reader->files, name) : NULL;
	if (!value)
		config_fail(reader, node, "the environment variable %s is not set", name);
	*size = length + 3;
	return value;
}

/* Expands into `out`, or only counts where `out` is NULL. SIZE_MAX: reported. */
static size_t expand(struct config_reader *reader, const struct config_node *node, char *out)
{
	size_t total = 0;
	for (const char *at = node->text; *at;) {
		const char *piece = at;
		size_t taken = 1, size = 1;
		if (strncmp(at, "$${", 3) == 0) {
			piece = at + 1;
			taken = 3;
			size = 2;
		} else if (at[0] == '$' && at[1] == '{') {
			piece = variable(reader, node, at, &taken);
			if (!piece)
				return SIZE_MAX;
			size = strlen(piece);
		}
		if (out)
			memcpy(out + total, piece, size);
		total += size;
		at += taken;
	}
	return total;
}

static void expand_scalar(struct config_reader *reader, struct config_node *node)
{
	if (!strstr(node->text, "${"))
		return;
	size_t size = expand(reader, node, NULL);
	reader->expanded_size += size == SIZE_MAX ? 0 : size;
	if (size != SIZE_MAX && reader->expanded_size > CONFIG_EXPANDED_MAX) {
		config_fail(reader, node, "what the environment adds is too long");
		size = SIZE_MAX;
	}
	char *text = size == SIZE_MAX ? NULL : config_alloc(&reader->blocks, size + 1);
	if (!text) {
		reader->no_memory |= size != SIZE_MAX;
		node->kind = CONFIG_REFUSED;
		return;
	}
	expand(reader, node, text);
	node->text = text;
	node->size = size;
	node->plain = false;
}

/* Depth is bounded by the loader. */
void config_expand(struct config_reader *reader, struct config_node *node)
{
	if (node->kind == CONFIG_SCALAR)
		expand_scalar(reader, node);
	for (struct config_node *value = node->first; value; value = value->next)
		config_expand(reader, value);
}
