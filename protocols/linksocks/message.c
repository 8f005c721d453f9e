/* protocols/linksocks/message.c - see message.h. */
#include "protocols/linksocks/message.h"

#include "protocols/codecs/json.h"

enum { JSON_TEXT_MAX = 64 * 1024 };

static const char too_short[] = "message too short";

/* What is left to read. `failed`: something was missing; what was read of it is empty. */
struct reader {
	struct slice left;
	bool failed;
};

static struct slice take(struct reader *reader, size_t size)
{
	struct slice taken = {reader->left.at, size};
	if (reader->failed || reader->left.size < size) {
		reader->failed = true;
		return (struct slice){NULL, 0};
	}
	reader->left.at += size;
	reader->left.size -= size;
	return taken;
}

static uint8_t take8(struct reader *reader)
{
	struct slice taken = take(reader, 1);
	return taken.size ? taken.at[0] : 0;
}

static uint16_t take16(struct reader *reader)
{
	struct slice taken = take(reader, 2);
	return taken.size ? get16(taken.at) : 0;
}

static uint32_t take32(struct reader *reader)
{
	struct slice taken = take(reader, 4);
	return taken.size ? get32(taken.at) : 0;
}

static void take_id(struct reader *reader, uint8_t id[LINKSOCKS_UUID_SIZE])
{
	struct slice taken = take(reader, LINKSOCKS_UUID_SIZE);
	if (taken.size)
		memcpy(id, taken.at, taken.size);
}

static struct slice take_text(struct reader *reader) { return take(reader, take8(reader)); }

/* A text that may be missing altogether: the Worker leaves out the length of an empty one. */
static struct slice take_optional(struct reader *reader)
{
	return reader->left.size ? take_text(reader) : (struct slice){NULL, 0};
}

/* As lenient as the original: a name may occur twice, and a text may have NUL in it. */
struct json_t *linksocks_json(struct slice text, const char **why)
{
	*why = json_survey(text, JSON_TEXT_MAX, JSON_DEPTH_MAX);
	json_t *value = *why ? NULL : json_loadb((const char *)text.at, text.size, JSON_ALLOW_NUL, NULL);
	if (json_is_object(value))
		return value;
	json_decref(value);
	if (!*why)
		*why = "text that is not a JSON object";
	return NULL;
}

static const char *json_fault(struct slice text)
{
	const char *why;
	json_decref(linksocks_json(text, &why));
	return why;
}

static void parse_tail(struct reader *reader, struct linksocks_message *message)
{
	message->source = take_text(reader);
	message->source_port = take16(reader);
	message->one_block = !reader->failed && !reader->left.size;
	if (message->one_block)
		return;
	message->target = take_text(reader);
	message->target_port = take16(reader);
}

static void parse_data(struct reader *reader, struct linksocks_message *message)
{
	message->network = take8(reader);
	take_id(reader, message->id);
	message->compression = take8(reader);
	message->payload = take(reader, take32(reader));
	if (message->network == LINKSOCKS_UDP)
		parse_tail(reader, message);
}

static void parse_connect(struct reader *reader, struct linksocks_message *message)
{
	message->network = take8(reader);
	take_id(reader, message->id);
	if (message->network == LINKSOCKS_UDP)
		return;
	if (message->network != LINKSOCKS_TCP) {
		message->network = 0;
		return;
	}
	message->text = take_text(reader);
	message->port = take16(reader);
}

/* A token behind a success may be anything: nobody depends on it. */
static void parse_auth_response(struct reader *reader, struct linksocks_message *message)
{
	message->success = take8(reader);
	struct reader behind = *reader;
	struct slice text = take_optional(&behind);
	if (behind.failed && message->success)
		return;
	*reader = behind;
	message->text = text;
}

static const char *parse_connector(struct reader *reader, struct linksocks_message *message)
{
	take_id(reader, message->id);
	message->text = take_text(reader);
	message->operation = take8(reader);
	bool known = message->operation == LINKSOCKS_ADD || message->operation == LINKSOCKS_REMOVE;
	return reader->failed || known ? NULL : "unknown connector operation";
}

static const char *parse_json(struct reader *reader, struct linksocks_message *message)
{
	message->text = take(reader, take32(reader));
	bool ours = message->type == LINKSOCKS_LOG || message->type == LINKSOCKS_PARTNERS;
	return ours && !reader->failed ? json_fault(message->text) : NULL;
}

static const char *parse_body(struct reader *reader, struct linksocks_message *message)
{
	switch (message->type) {
	case LINKSOCKS_AUTH:
		message->text = take_text(reader);
		message->reverse = take8(reader);
		take_id(reader, message->id);
		return NULL;
	case LINKSOCKS_AUTH_RESPONSE:
		parse_auth_response(reader, message);
		return NULL;
	case LINKSOCKS_CONNECT:
		parse_connect(reader, message);
		return NULL;
	case LINKSOCKS_DATA:
		parse_data(reader, message);
		return NULL;
	case LINKSOCKS_CONNECT_RESPONSE:
		message->success = take8(reader);
		take_id(reader, message->id);
		message->text = message->success ? message->text : take_optional(reader);
		return NULL;
	case LINKSOCKS_DISCONNECT:
		take_id(reader, message->id);
		message->text = take_optional(reader);
		return NULL;
	case LINKSOCKS_CONNECTOR:
		return parse_connector(reader, message);
	case LINKSOCKS_CONNECTOR_RESPONSE:
		take_id(reader, message->id);
		message->success = take8(reader);
		message->text = take_optional(reader);
		return NULL;
	case LINKSOCKS_LOG:
	case LINKSOCKS_PARTNERS:
	case LINKSOCKS_DIRECT_CAPABILITIES:
	case LINKSOCKS_DIRECT_RENDEZVOUS:
	case LINKSOCKS_DIRECT_STATUS:
		return parse_json(reader, message);
	case LINKSOCKS_CREDIT:
		take_id(reader, message->id);
		message->amount = take32(reader);
		return NULL;
	case LINKSOCKS_EOF:
		take_id(reader, message->id);
		return NULL;
	default:
		return NULL;
	}
}

enum status linksocks_parse(struct slice bytes, struct linksocks_message *message, const char **why)
{
	struct reader reader = {.left = bytes};
	uint8_t version = take8(&reader);
	*message = (struct linksocks_message){.type = take8(&reader)};
	*why = reader.failed  ? too_short
	       : version >> 4 ? "unsupported protocol major version"
			      : parse_body(&reader, message);
	if (!*why && reader.failed)
		*why = too_short;
	return *why ? STATUS_PROTOCOL : STATUS_OK;
}

enum status linksocks_parse_data_head(struct slice bytes, struct linksocks_message *message,
				      size_t *payload_size, const char **why)
{
	struct reader reader = {.left = bytes};
	*why = bytes.size && bytes.at[0] >> 4 ? "unsupported protocol major version" : NULL;
	if (*why)
		return STATUS_PROTOCOL;
	if (bytes.size < LINKSOCKS_DATA_HEAD_SIZE)
		return STATUS_MORE;
	take(&reader, 1);
	*message = (struct linksocks_message){.type = take8(&reader)};
	message->network = take8(&reader);
	take_id(&reader, message->id);
	message->compression = take8(&reader);
	*payload_size = take32(&reader);
	message->payload = take(&reader, size_min(*payload_size, reader.left.size));
	return STATUS_OK;
}

/* ---- writing ---- */

struct output {
	uint8_t *at;
	size_t used, room;
	bool failed;
};

static uint8_t *put(struct output *output, size_t size)
{
	if (output->failed || output->room - output->used < size) {
		output->failed = true;
		return NULL;
	}
	uint8_t *at = output->at + output->used;
	output->used += size;
	return at;
}

static void put8(struct output *output, uint8_t value)
{
	uint8_t *at = put(output, 1);
	if (at)
		*at = value;
}

static void put_port(struct output *output, uint16_t port)
{
	uint8_t *at = put(output, 2);
	if (at)
		put16(at, port);
}

static void put_size(struct output *output, size_t size)
{
	uint8_t *at = put(output, 4);
	if (at)
		put32(at, (uint32_t)size);
}

static void put_bytes(struct output *output, const void *bytes, size_t size)
{
	uint8_t *at = size ? put(output, size) : NULL;
	if (at)
		memcpy(at, bytes, size);
}

static void put_id(struct output *output, const struct linksocks_message *message)
{
	put_bytes(output, message->id, LINKSOCKS_UUID_SIZE);
}

/* Cut to what its length can say, not inside of a character. */
static void put_text(struct output *output, struct slice text)
{
	size_t size = size_min(text.size, LINKSOCKS_TEXT_MAX);
	while (size && size < text.size && (text.at[size] & 0xc0) == 0x80)
		size--;
	put8(output, (uint8_t)size);
	put_bytes(output, text.at, size);
}

static void put_endpoint(struct output *output, struct slice host, uint16_t port)
{
	put_text(output, host);
	put_port(output, port);
}

static void write_head(struct output *output, const struct linksocks_message *message)
{
	put8(output, message->network);
	put_id(output, message);
	put8(output, message->compression);
	put_size(output, message->payload.size);
}

static void write_response(struct output *output, const struct linksocks_message *message)
{
	bool id_first = message->type == LINKSOCKS_CONNECTOR_RESPONSE;
	if (id_first)
		put_id(output, message);
	put8(output, message->success);
	if (message->type == LINKSOCKS_CONNECT_RESPONSE)
		put_id(output, message);
	if (!message->success || (id_first && message->text.size))
		put_text(output, message->text);
}

static void write_body(struct output *output, const struct linksocks_message *message)
{
	switch (message->type) {
	case LINKSOCKS_AUTH:
		put_text(output, message->text);
		put8(output, message->reverse);
		put_id(output, message);
		break;
	case LINKSOCKS_CONNECT:
		put8(output, message->network);
		put_id(output, message);
		if (message->network == LINKSOCKS_TCP)
			put_endpoint(output, message->text, message->port);
		break;
	case LINKSOCKS_DATA:
		write_head(output, message);
		break;
	case LINKSOCKS_AUTH_RESPONSE:
	case LINKSOCKS_CONNECT_RESPONSE:
	case LINKSOCKS_CONNECTOR_RESPONSE:
		write_response(output, message);
		break;
	case LINKSOCKS_DISCONNECT:
		put_id(output, message);
		if (message->text.size)
			put_text(output, message->text);
		break;
	case LINKSOCKS_CONNECTOR:
		put_id(output, message);
		put_text(output, message->text);
		put8(output, message->operation);
		break;
	case LINKSOCKS_CREDIT:
		put_id(output, message);
		put_size(output, message->amount);
		break;
	case LINKSOCKS_EOF:
		put_id(output, message);
		break;
	default:
		put_size(output, message->text.size);
		put_bytes(output, message->text.at, message->text.size);
	}
}

size_t linksocks_write(const struct linksocks_message *message, uint8_t *at, size_t room)
{
	struct output output = {.at = at, .room = room};
	put8(&output, LINKSOCKS_VERSION);
	put8(&output, message->type);
	write_body(&output, message);
	return output.failed ? 0 : output.used;
}

size_t linksocks_write_tail(const struct linksocks_message *message, uint8_t *at, size_t room)
{
	struct output output = {.at = at, .room = room};
	put_endpoint(&output, message->source, message->source_port);
	put_endpoint(&output, message->target, message->target_port);
	return output.failed ? 0 : output.used;
}

/* ---- names of channels and instances ---- */

static bool is_dash(size_t at) { return at == 8 || at == 13 || at == 18 || at == 23; }

void uuid_format(const uint8_t id[LINKSOCKS_UUID_SIZE], char text[UUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	size_t used = 0;
	for (size_t i = 0; i < LINKSOCKS_UUID_SIZE; i++) {
		if (is_dash(used))
			text[used++] = '-';
		text[used++] = digits[id[i] >> 4];
		text[used++] = digits[id[i] & 15];
	}
	text[used] = 0;
}

bool uuid_parse(struct slice text, uint8_t id[LINKSOCKS_UUID_SIZE])
{
	uint8_t found[LINKSOCKS_UUID_SIZE];
	size_t used = 0;
	if (text.size != UUID_TEXT_SIZE - 1)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		int digit = hex_digit(text.at[i]);
		if (is_dash(i)) {
			if (text.at[i] != '-')
				return false;
			continue;
		}
		if (digit < 0)
			return false;
		found[used / 2] = (uint8_t)(used & 1 ? found[used / 2] << 4 | digit : digit);
		used++;
	}
	memcpy(id, found, sizeof found);
	return true;
}
