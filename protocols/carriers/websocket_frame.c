/* protocols/carriers/websocket_frame.c - frame headers, masks and codes (RFC 6455, 5); see websocket.h. */
#include "protocols/carriers/websocket.h"

enum {
	BIT_LAST = 0x80,
	BITS_RESERVED = 0x70,
	BITS_OPCODE = 0x0f,
	BIT_MASKED = 0x80,
	BITS_SIZE = 0x7f,
	SIZE_16 = 126,
	SIZE_64 = 127,
	SIZE_16_MAX = 0xffff,
	CONTROL = 8, /* from this opcode on */
};

/* What is wrong with the first two bytes; NULL: nothing. */
static const char *fault_of(const uint8_t *at, bool masked)
{
	uint8_t opcode = at[0] & BITS_OPCODE, size = at[1] & BITS_SIZE;
	if (at[0] & BITS_RESERVED)
		return "sent a frame with a reserved bit";
	if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && opcode < CONTROL))
		return "sent a frame with a reserved opcode";
	if (opcode >= CONTROL && !(at[0] & BIT_LAST))
		return "sent a control frame in fragments";
	if (opcode >= CONTROL && size > WEBSOCKET_CONTROL_MAX)
		return "sent a control frame that is too long";
	if (masked && !(at[1] & BIT_MASKED))
		return "sent a frame that is not masked";
	if (!masked && at[1] & BIT_MASKED)
		return "sent a frame that is masked";
	return NULL;
}

/* Fills the reader up to `size` bytes. False: the input is used up before. */
static bool fill(struct websocket_reader *reader, struct slice *input, size_t size)
{
	if (reader->used >= size)
		return true;
	size_t count = size_min(size - reader->used, input->size);
	if (count)
		memcpy(reader->bytes + reader->used, input->at, count);
	reader->used += (uint8_t)count;
	input->at += count;
	input->size -= count;
	return reader->used == size;
}

static uint64_t get64(const uint8_t *at) { return (uint64_t)get32(at) << 32 | get32(at + 4); }

static void put64(uint8_t *at, uint64_t value)
{
	put32(at, (uint32_t)(value >> 32));
	put32(at + 4, (uint32_t)value);
}

enum status websocket_read_header(struct websocket_reader *reader, struct slice *input, bool masked,
				  struct websocket_frame *frame, const char **why)
{
	const uint8_t *at = reader->bytes;
	*why = NULL;
	if (!fill(reader, input, 2))
		return STATUS_MORE;
	if ((*why = fault_of(at, masked)) != NULL)
		return STATUS_PROTOCOL;
	uint8_t size = at[1] & BITS_SIZE;
	size_t mask_at = size == SIZE_64 ? 10 : size == SIZE_16 ? 4 : 2;
	if (!fill(reader, input, mask_at + (masked ? WEBSOCKET_KEY_SIZE : 0)))
		return STATUS_MORE;
	*frame = (struct websocket_frame){
	    .opcode = at[0] & BITS_OPCODE, .last = at[0] & BIT_LAST, .masked = masked, .size = size};
	if (size == SIZE_16)
		frame->size = get16(at + 2);
	if (size == SIZE_64)
		frame->size = get64(at + 2);
	if (masked)
		memcpy(frame->key, at + mask_at, WEBSOCKET_KEY_SIZE);
	if (frame->size >> 63)
		*why = "sent a frame with an impossible length";
	if ((size == SIZE_16 && frame->size < SIZE_16) || (size == SIZE_64 && frame->size <= SIZE_16_MAX))
		*why = "sent a length in more bytes than it needs";
	reader->used = 0;
	return *why ? STATUS_PROTOCOL : STATUS_OK;
}

size_t websocket_put_header(uint8_t room[WEBSOCKET_HEADER_MAX], const struct websocket_frame *frame)
{
	size_t mask_at = frame->size > SIZE_16_MAX ? 10 : frame->size >= SIZE_16 ? 4 : 2;
	size_t size = mask_at + (frame->masked ? WEBSOCKET_KEY_SIZE : 0);
	uint8_t *at = room + WEBSOCKET_HEADER_MAX - size;
	at[0] = (uint8_t)((frame->last ? BIT_LAST : 0) | frame->opcode);
	at[1] = mask_at == 10 ? SIZE_64 : mask_at == 4 ? SIZE_16 : (uint8_t)frame->size;
	if (mask_at == 4)
		put16(at + 2, (uint16_t)frame->size);
	if (mask_at == 10)
		put64(at + 2, frame->size);
	if (frame->masked) {
		at[1] |= BIT_MASKED;
		memcpy(at + mask_at, frame->key, WEBSOCKET_KEY_SIZE);
	}
	return size;
}

unsigned websocket_mask(uint8_t *at, size_t size, const uint8_t key[WEBSOCKET_KEY_SIZE], unsigned phase)
{
	uint8_t turned[8];
	uint64_t word, block[4];
	unsigned behind = (phase + (unsigned)(size % WEBSOCKET_KEY_SIZE)) % WEBSOCKET_KEY_SIZE;
	for (unsigned i = 0; i < sizeof turned; i++)
		turned[i] = key[(phase + i) % WEBSOCKET_KEY_SIZE];
	memcpy(&word, turned, sizeof word);
	for (; size >= sizeof block; size -= sizeof block, at += sizeof block) {
		memcpy(block, at, sizeof block);
		block[0] ^= word;
		block[1] ^= word;
		block[2] ^= word;
		block[3] ^= word;
		memcpy(at, block, sizeof block);
	}
	for (size_t i = 0; i < size; i++)
		at[i] ^= turned[i % sizeof turned];
	return behind;
}

/* RFC 6455, 7.4, and what is registered since (1012 to 1014). */
bool websocket_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}
