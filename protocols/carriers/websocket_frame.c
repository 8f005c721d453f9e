/* protocols/carriers/websocket_frame.c - frame headers, masks and codes (RFC 6455, 5); see websocket.h. */
#include "protocols/carriers/websocket.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
	BIT_LAST = 0x80,
	BITS_RESERVED = 0x70,
	BITS_OPCODE = 0x0f,
	BIT_MASKED = 0x80,
	BITS_SIZE = 0x7f,
	SIZE_16 = 126,
	SIZE_64 = 127,
	SIZE_16_MAX = 0xffff,
	CONTROL = 8,	     /* from this opcode on */
	WIDE_MIN = 1024,     /* bytes from which on wide registers pay */
	WIDE_ALIGNMENT = 32, /* no access spans two cache lines */
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

/* Whole words at the front. Returns how many bytes they have. */
static size_t mask_words(uint8_t *at, size_t size, uint64_t word)
{
	uint64_t block[4];
	size_t done = 0;
	for (; size - done >= sizeof block; done += sizeof block) {
		memcpy(block, at + done, sizeof block);
		block[0] ^= word;
		block[1] ^= word;
		block[2] ^= word;
		block[3] ^= word;
		memcpy(at + done, block, sizeof block);
	}
	for (; size - done >= sizeof *block; done += sizeof *block) {
		memcpy(block, at + done, sizeof *block);
		block[0] ^= word;
		memcpy(at + done, block, sizeof *block);
	}
	return done;
}

#if defined(__x86_64__)
/* Whole blocks at the front, where the CPU has registers of 256 bits. */
__attribute__((target("avx2"))) static size_t mask_wide(uint8_t *at, size_t size, uint64_t word)
{
	__m256i key = _mm256_set1_epi64x((long long)word);
	size_t done = 0;
	for (; size - done >= 4 * sizeof key; done += 4 * sizeof key) {
		__m256i *block = (__m256i *)(void *)(at + done);
		__m256i a = _mm256_loadu_si256(block), b = _mm256_loadu_si256(block + 1);
		__m256i c = _mm256_loadu_si256(block + 2), d = _mm256_loadu_si256(block + 3);
		_mm256_storeu_si256(block, _mm256_xor_si256(a, key));
		_mm256_storeu_si256(block + 1, _mm256_xor_si256(b, key));
		_mm256_storeu_si256(block + 2, _mm256_xor_si256(c, key));
		_mm256_storeu_si256(block + 3, _mm256_xor_si256(d, key));
	}
	return done;
}
#endif

/* The key as it goes on at that phase, twice. */
static uint64_t turn(const uint8_t key[WEBSOCKET_KEY_SIZE], size_t phase)
{
	uint8_t twice[2 * WEBSOCKET_KEY_SIZE];
	uint32_t half;
	memcpy(twice, key, WEBSOCKET_KEY_SIZE);
	memcpy(twice + WEBSOCKET_KEY_SIZE, key, WEBSOCKET_KEY_SIZE);
	memcpy(&half, twice + phase % WEBSOCKET_KEY_SIZE, sizeof half);
	return (uint64_t)half << 32 | half;
}

static void mask_bytes(uint8_t *at, size_t size, const uint8_t key[WEBSOCKET_KEY_SIZE], size_t phase)
{
	for (size_t i = 0; i < size; i++)
		at[i] ^= key[(phase + i) % WEBSOCKET_KEY_SIZE];
}

unsigned websocket_mask(uint8_t *at, size_t size, const uint8_t key[WEBSOCKET_KEY_SIZE], unsigned phase)
{
	size_t done = 0;
#if defined(__x86_64__)
	if (size >= WIDE_MIN && __builtin_cpu_supports("avx2")) {
		done = -(uintptr_t)at % WIDE_ALIGNMENT;
		mask_bytes(at, done, key, phase);
		done += mask_wide(at + done, size - done, turn(key, phase + done));
	}
#endif
	done += mask_words(at + done, size - done, turn(key, phase + done));
	mask_bytes(at + done, size - done, key, phase + done);
	return (phase + (unsigned)(size % WEBSOCKET_KEY_SIZE)) % WEBSOCKET_KEY_SIZE;
}

/* RFC 6455, 7.4, and what is registered since (1012 to 1014). */
bool websocket_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}
