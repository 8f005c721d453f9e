/* tests/fuzz/linksocks_message_fuzz.c - any bytes as a message; what is accepted is written and parsed again
 * as the same.
 */
#include "protocols/linksocks/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool is_same(struct slice a, struct slice b)
{
	return a.size == b.size && (!a.size || memcmp(a.at, b.at, a.size) == 0);
}

static size_t write_whole(const struct linksocks_message *message, uint8_t *at, size_t room)
{
	size_t size = linksocks_write(message, at, room);
	check(size && size + message->payload.size <= room);
	if (message->type != LINKSOCKS_DATA)
		return size;
	if (message->payload.size)
		memcpy(at + size, message->payload.at, message->payload.size);
	size += message->payload.size;
	return message->network == LINKSOCKS_UDP
		   ? size + linksocks_write_tail(message, at + size, room - size)
		   : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t said[1 << 16];
	struct linksocks_message message, again;
	const char *why = NULL;
	size_t payload;
	linksocks_parse_data_head((struct slice){bytes, size}, &message, &payload, &why);
	enum status status = linksocks_parse((struct slice){bytes, size}, &message, &why);
	check(status == STATUS_OK || (status == STATUS_PROTOCOL && why));
	bool known = (message.type >= LINKSOCKS_AUTH && message.type <= LINKSOCKS_DIRECT_STATUS) ||
		     message.type == LINKSOCKS_CREDIT || message.type == LINKSOCKS_EOF;
	if (status != STATUS_OK || !known || size > sizeof said - 1024)
		return 0;
	size_t used = write_whole(&message, said, sizeof said);
	check(linksocks_parse((struct slice){said, used}, &again, &why) == STATUS_OK);
	check(again.type == message.type && again.network == message.network &&
	      again.success == message.success && again.reverse == message.reverse &&
	      again.operation == message.operation && again.compression == message.compression &&
	      again.port == message.port && again.amount == message.amount &&
	      again.source_port == message.source_port && again.target_port == message.target_port &&
	      memcmp(again.id, message.id, sizeof again.id) == 0);
	bool said_text = message.type != LINKSOCKS_AUTH_RESPONSE || !message.success;
	bool no_address = message.type == LINKSOCKS_CONNECT_RESPONSE && message.success;
	check(!said_text || no_address || is_same(again.text, message.text));
	check(is_same(again.payload, message.payload) && is_same(again.source, message.source) &&
	      is_same(again.target, message.target));
	return 0;
}
