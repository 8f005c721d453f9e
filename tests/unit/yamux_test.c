/* tests/unit/yamux_test.c - frame headers: every one that the peers are known to send, whole and byte by
 * byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/codecs/yamux.h"

struct vector {
	uint8_t bytes[YAMUX_HEADER_SIZE];
	struct yamux_header header;
};

static const struct vector vectors[] = {
    {{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 4}, {0, YAMUX_DATA, YAMUX_SYN, 1, 4}},
    {{0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4}, {0, YAMUX_DATA, YAMUX_ACK, 1, 4}},
    {{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0x74}, {0, YAMUX_DATA, 0, 1, 116}},
    {{0, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0, 2}, {0, YAMUX_DATA, YAMUX_SYN | YAMUX_FIN, 3, 2}},
    {{0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 0}, {0, YAMUX_DATA, YAMUX_FIN, 3, 0}},
    {{0, 0, 0, 6, 0, 0, 0, 2, 0, 0, 0, 0}, {0, YAMUX_DATA, YAMUX_FIN | YAMUX_ACK, 2, 0}},
    {{0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0}, {0, YAMUX_DATA, YAMUX_RST, 2, 0}},
    {{0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0}, {0, YAMUX_WINDOW_UPDATE, YAMUX_SYN, 1, 0}},
    {{0, 1, 0, 1, 0, 0, 0, 1, 0, 0x0c, 0, 0}, {0, YAMUX_WINDOW_UPDATE, YAMUX_SYN, 1, 786432}},
    {{0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0}, {0, YAMUX_WINDOW_UPDATE, YAMUX_ACK, 1, 0}},
    {{0, 1, 0, 0, 0, 0, 0, 2, 0, 2, 0, 0}, {0, YAMUX_WINDOW_UPDATE, 0, 2, 131072}},
    {{0, 1, 0, 0, 0, 0, 0, 2, 0, 4, 0, 0}, {0, YAMUX_WINDOW_UPDATE, 0, 2, 262144}},
    {{0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0}, {0, YAMUX_WINDOW_UPDATE, YAMUX_FIN, 1, 0}},
    {{0, 1, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0}, {0, YAMUX_WINDOW_UPDATE, YAMUX_RST, 3, 0}},
    {{0, 2, 0, 1, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef}, {0, YAMUX_PING, YAMUX_SYN, 0, 0xdeadbeef}},
    {{0, 2, 0, 2, 0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef}, {0, YAMUX_PING, YAMUX_ACK, 0, 0xdeadbeef}},
    {{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, {0, YAMUX_GOAWAY, 0, 0, YAMUX_CODE_NORMAL}},
    {{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {0, YAMUX_GOAWAY, 0, 0, YAMUX_CODE_PROTOCOL}},
    {{0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, {0, YAMUX_GOAWAY, 0, 0, YAMUX_CODE_INTERNAL}},
};

static void assert_header(const struct yamux_header *a, const struct yamux_header *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->length, b->length);
}

static void vectors_both_ways(void **state)
{
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const struct yamux_header *header = &vectors[i].header;
		uint8_t bytes[YAMUX_HEADER_SIZE];
		yamux_encode(bytes, (enum yamux_type)header->type, header->flags, header->id, header->length);
		assert_memory_equal(bytes, vectors[i].bytes, sizeof bytes);
		struct yamux_header heard = yamux_decode(vectors[i].bytes);
		assert_header(&heard, header);
		assert_null(yamux_fault(&heard));
	}
}

static void read_at_every_split(void **state)
{
	uint8_t bytes[2 * YAMUX_HEADER_SIZE];
	memcpy(bytes, vectors[0].bytes, YAMUX_HEADER_SIZE);
	memcpy(bytes + YAMUX_HEADER_SIZE, vectors[14].bytes, YAMUX_HEADER_SIZE);
	for (size_t split = 0; split <= sizeof bytes; split++) {
		struct yamux_reader reader = {0};
		struct yamux_header heard[2];
		size_t count = 0;
		for (int half = 0; half < 2; half++) {
			struct slice input = {bytes + (half ? split : 0),
					      half ? sizeof bytes - split : split};
			while (yamux_read(&reader, &input, &heard[count]))
				count++;
			assert_int_equal(input.size, 0);
		}
		assert_int_equal(count, 2);
		assert_header(&heard[0], &vectors[0].header);
		assert_header(&heard[1], &vectors[14].header);
		assert_int_equal(reader.used, 0);
	}
}

static void faults(void **state)
{
	static const struct yamux_header bad[] = {
	    {1, YAMUX_DATA, 0, 1, 0},
	    {0, 4, 0, 1, 0},
	    {0, YAMUX_DATA, 0, 0, 1},
	    {0, YAMUX_DATA, YAMUX_SYN, 0, 0},
	    {0, YAMUX_DATA, 0, 1, YAMUX_WINDOW_MAX + 1},
	    {0, YAMUX_WINDOW_UPDATE, YAMUX_SYN, 0, 0},
	};
	static const struct yamux_header good[] = {
	    {0, YAMUX_DATA, 0x10, 1, 0},		/* a flag that nobody knows */
	    {0, YAMUX_WINDOW_UPDATE, 0, 7, UINT32_MAX}, /* judged with the stream */
	    {0, YAMUX_WINDOW_UPDATE, 0, 0, 5},
	    {0, YAMUX_PING, YAMUX_SYN, 9, 1},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_non_null(yamux_fault(&bad[i]));
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_null(yamux_fault(&good[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_both_ways),
	    cmocka_unit_test(read_at_every_split),
	    cmocka_unit_test(faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
