/* tests/unit/linksocks_message_test.c - messages of LinkSocks: every vector both ways, what the original
 * accepts and what it refuses, and messages that are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "protocols/codecs/compress.h"
#include "protocols/linksocks/message.h"

#define SLICE(text_)                                                                                         \
	{                                                                                                    \
		(const uint8_t *)(text_), sizeof(text_) - 1                                                  \
	}
#define U1                                                                                                   \
	{                                                                                                    \
		0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,    \
		    0xff                                                                                     \
	}
#define U2                                                                                                   \
	{                                                                                                    \
		0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x41, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30,    \
		    0xc8                                                                                     \
	}
#define NIL                                                                                                  \
	{                                                                                                    \
		0                                                                                            \
	}
#define U1_HEX "00112233445566778899aabbccddeeff"

enum { MESSAGE_SIZE = 1024 };

struct vector {
	const char *hex;
	struct linksocks_message message;
};

static const struct vector vectors[] = {
#include "tests/unit/linksocks_vectors.inc"
};

static size_t from_hex(const char *hex, uint8_t bytes[MESSAGE_SIZE])
{
	size_t size = strlen(hex) / 2;
	assert_true(size <= MESSAGE_SIZE);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)strtoul((char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
	return size;
}

/* From memory that ends where the message ends, so that a byte read beyond is seen. */
static enum status parse(const uint8_t *bytes, size_t size, struct linksocks_message *message,
			 const char **why, uint8_t **exact)
{
	*exact = malloc(size ? size : 1);
	assert_non_null(*exact);
	memcpy(*exact, bytes, size);
	return linksocks_parse((struct slice){*exact, size}, message, why);
}

static void assert_slice(struct slice a, struct slice b, const char *hex)
{
	if (a.size != b.size || (a.size && memcmp(a.at, b.at, a.size) != 0))
		fail_msg("'%.*s' is not '%.*s' in %s", (int)a.size, (const char *)a.at, (int)b.size,
			 (const char *)b.at, hex);
}

static void assert_message(const struct linksocks_message *a, const struct linksocks_message *b,
			   const char *hex)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->network, b->network);
	assert_int_equal(a->compression, b->compression);
	assert_int_equal(a->operation, b->operation);
	assert_int_equal(a->success, b->success);
	assert_int_equal(a->reverse, b->reverse);
	assert_memory_equal(a->id, b->id, sizeof a->id);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->amount, b->amount);
	assert_int_equal(a->source_port, b->source_port);
	assert_int_equal(a->target_port, b->target_port);
	assert_int_equal(a->one_block, b->one_block);
	assert_slice(a->text, b->text, hex);
	assert_slice(a->payload, b->payload, hex);
	assert_slice(a->source, b->source, hex);
	assert_slice(a->target, b->target, hex);
}

static size_t write_whole(const struct linksocks_message *message, uint8_t *at, size_t room)
{
	size_t size = linksocks_write(message, at, room);
	if (message->type != LINKSOCKS_DATA || !size)
		return size;
	if (room - size < message->payload.size)
		return 0;
	if (message->payload.size)
		memcpy(at + size, message->payload.at, message->payload.size);
	size += message->payload.size;
	if (message->network != LINKSOCKS_UDP)
		return size;
	size_t tail = linksocks_write_tail(message, at + size, room - size);
	return tail ? size + tail : 0;
}

static void vectors_both_ways(void **state)
{
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *vector = &vectors[i];
		uint8_t bytes[MESSAGE_SIZE], said[MESSAGE_SIZE], *exact;
		size_t size = from_hex(vector->hex, bytes);
		struct linksocks_message message;
		const char *why = NULL;
		assert_int_equal(parse(bytes, size, &message, &why, &exact), STATUS_OK);
		assert_null(why);
		assert_message(&message, &vector->message, vector->hex);
		assert_int_equal(write_whole(&vector->message, said, sizeof said), size);
		assert_memory_equal(said, bytes, size);
		for (size_t room = 0; room < size; room++)
			assert_int_equal(write_whole(&vector->message, said, room), 0);
		free(exact);
	}
}

/* Cut anywhere it is either refused or complete by itself; surplus never changes it. */
static void cut_and_surplus(void **state)
{
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *vector = &vectors[i];
		uint8_t bytes[MESSAGE_SIZE], *exact;
		size_t size = from_hex(vector->hex, bytes);
		struct linksocks_message message;
		const char *why;
		for (size_t cut = 0; cut < size; cut++) {
			enum status status = parse(bytes, cut, &message, &why, &exact);
			assert_true(status == STATUS_PROTOCOL ? why != NULL : status == STATUS_OK);
			free(exact);
		}
		memset(bytes + size, 0xaa, 7);
		enum status status = parse(bytes, size + 7, &message, &why, &exact);
		bool optional =
		    (message.type == LINKSOCKS_DISCONNECT || message.type == LINKSOCKS_CONNECTOR_RESPONSE) &&
		    !vector->message.text.size;
		if (!optional) { /* there the surplus is a text */
			assert_int_equal(status, STATUS_OK);
			assert_message(&message, &vector->message, vector->hex);
		}
		free(exact);
	}
}

/* ---- what the original accepts ---- */

enum { ERROR = -1 };

struct accepted {
	const char *hex;
	int type; /* or ERROR */
	struct linksocks_message message;
};

static const struct accepted table[] = {
    {"01", ERROR, {0}},
    {"1102", ERROR, {0}},
    {"0f0201", LINKSOCKS_AUTH_RESPONSE, {.success = true}},
    {"01fe", 0xfe, {0}},
    {"01020103616263", LINKSOCKS_AUTH_RESPONSE, {.success = true, .text = SLICE("abc")}},
    {"0102ff", LINKSOCKS_AUTH_RESPONSE, {.success = true}},
    {"010200", LINKSOCKS_AUTH_RESPONSE, {0}},
    {"0102000561", ERROR, {0}},
    {"010300" U1_HEX, LINKSOCKS_CONNECT, {.id = U1}},
    {"010301" U1_HEX, ERROR, {0}},
    {"010302" U1_HEX "01610050", LINKSOCKS_CONNECT, {.id = U1, .network = LINKSOCKS_UDP}},
    {"010401" U1_HEX "020000000161",
     LINKSOCKS_DATA,
     {.id = U1, .network = LINKSOCKS_TCP, .compression = 2, .payload = SLICE("a")}},
    {"010401" U1_HEX "000000000561", ERROR, {0}},
    {"010401" U1_HEX "000000000161ffff",
     LINKSOCKS_DATA,
     {.id = U1, .network = LINKSOCKS_TCP, .payload = SLICE("a")}},
    {"010402" U1_HEX "000000000161", ERROR, {0}},
    /* Departs: the original refuses one address block alone; an older document has it so. */
    {"010402" U1_HEX "00000000016107382e382e382e380035",
     LINKSOCKS_DATA,
     {.id = U1,
      .network = LINKSOCKS_UDP,
      .payload = SLICE("a"),
      .source = SLICE("8.8.8.8"),
      .source_port = 53,
      .one_block = true}},
    {"010402" U1_HEX "000000000161000000000000",
     LINKSOCKS_DATA,
     {.id = U1, .network = LINKSOCKS_UDP, .payload = SLICE("a")}},
    /* Departs: the original refuses a failure without its length byte; the Worker leaves it out. */
    {"010500" U1_HEX, LINKSOCKS_CONNECT_RESPONSE, {.id = U1}},
    {"0106" U1_HEX "00", LINKSOCKS_DISCONNECT, {.id = U1}},
    {"0107" U1_HEX "016103", ERROR, {0}},
    {"0108" U1_HEX "0100", LINKSOCKS_CONNECTOR_RESPONSE, {.id = U1, .success = true}},
    /* Departs, as above. */
    {"0108" U1_HEX "00", LINKSOCKS_CONNECTOR_RESPONSE, {.id = U1}},
    {"0109000000027b7b", ERROR, {0}},
    {"0109000000025b5d", ERROR, {0}},
    {"010a000000037b7d20", LINKSOCKS_PARTNERS, {.text = SLICE("{} ")}},
    {"010a0000000d7b2261223a312c2261223a327d", LINKSOCKS_PARTNERS, {.text = SLICE("{\"a\":1,\"a\":2}")}},
    {"010900000010"
     "7b226d7367223a225c7530303030227d",
     LINKSOCKS_LOG,
     {.text = SLICE("{\"msg\":\"\\u0000\"}")}},
    {"0140" U1_HEX "00010000", LINKSOCKS_CREDIT, {.id = U1, .amount = 65536}},
    {"0140" U1_HEX "000100", ERROR, {0}},
    {"0141" U1_HEX, LINKSOCKS_EOF, {.id = U1}},
};

static void acceptance(void **state)
{
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		uint8_t bytes[MESSAGE_SIZE], *exact;
		size_t size = from_hex(table[i].hex, bytes);
		struct linksocks_message message, expected = table[i].message;
		const char *why = NULL;
		enum status status = parse(bytes, size, &message, &why, &exact);
		if ((status == STATUS_PROTOCOL) != (table[i].type == ERROR))
			fail_msg("%s: %s", table[i].hex, why ? why : "accepted");
		if (status == STATUS_OK) {
			expected.type = (uint8_t)table[i].type;
			assert_message(&message, &expected, table[i].hex);
		}
		free(exact);
	}
}

/* The row of the table whose payload is not gzip: it parses, and unpacking refuses it. */
static void bad_gzip(void **state)
{
	struct bufpool pool;
	uint8_t bytes[MESSAGE_SIZE], out[64];
	size_t size = from_hex("010401" U1_HEX "010000000161", bytes), unpacked;
	struct linksocks_message message;
	const char *why;
	bufpool_init(&pool, 4, 1 << 20);
	assert_int_equal(linksocks_parse((struct slice){bytes, size}, &message, &why), STATUS_OK);
	assert_int_equal(message.compression, LINKSOCKS_GZIP);
	assert_int_equal(gzip_unpack(&pool, message.payload, out, sizeof out, &unpacked), STATUS_PROTOCOL);
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		if (vectors[i].message.compression != LINKSOCKS_GZIP)
			continue;
		assert_int_equal(gzip_unpack(&pool, vectors[i].message.payload, out, sizeof out, &unpacked),
				 STATUS_OK);
		assert_int_equal(unpacked, 64);
		for (size_t k = 0; k < unpacked; k++)
			assert_int_equal(out[k], 'A');
	}
	bufpool_fini(&pool);
}

static void head_of_data(void **state)
{
	uint8_t bytes[MESSAGE_SIZE];
	size_t size = from_hex("010401" U1_HEX "000000000568656c6c6fffff", bytes), payload;
	struct linksocks_message message;
	const char *why;
	for (size_t cut = 0; cut < LINKSOCKS_DATA_HEAD_SIZE; cut++)
		assert_int_equal(
		    linksocks_parse_data_head((struct slice){bytes, cut}, &message, &payload, &why),
		    STATUS_MORE);
	for (size_t cut = LINKSOCKS_DATA_HEAD_SIZE; cut <= size; cut++) {
		assert_int_equal(
		    linksocks_parse_data_head((struct slice){bytes, cut}, &message, &payload, &why),
		    STATUS_OK);
		assert_int_equal(payload, 5);
		assert_int_equal(message.payload.size, size_min(cut - LINKSOCKS_DATA_HEAD_SIZE, 5));
		assert_int_equal(message.network, LINKSOCKS_TCP);
	}
	bytes[0] = 0x21;
	assert_int_equal(linksocks_parse_data_head((struct slice){bytes, size}, &message, &payload, &why),
			 STATUS_PROTOCOL);
}

/* What does not fit into one byte of length is cut, between characters. */
static void long_texts(void **state)
{
	static const uint8_t types[] = {
	    LINKSOCKS_AUTH,	  LINKSOCKS_AUTH_RESPONSE, LINKSOCKS_CONNECT_RESPONSE,
	    LINKSOCKS_DISCONNECT, LINKSOCKS_CONNECTOR,	   LINKSOCKS_CONNECTOR_RESPONSE};
	uint8_t text[400], bytes[MESSAGE_SIZE];
	for (size_t i = 0; i + 1 < sizeof text; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	for (size_t i = 0; i < COUNT_OF(types); i++) {
		struct linksocks_message message = {.type = types[i],
						    .operation = LINKSOCKS_ADD,
						    .text = {text, sizeof text}},
					 heard;
		const char *why;
		size_t size = linksocks_write(&message, bytes, sizeof bytes);
		assert_int_not_equal(size, 0);
		assert_int_equal(linksocks_parse((struct slice){bytes, size}, &heard, &why), STATUS_OK);
		assert_int_equal(heard.text.size, 254);
		assert_memory_equal(heard.text.at, text, heard.text.size);
	}
}

static void ids_as_text(void **state)
{
	static const uint8_t id[] = U2;
	char text[UUID_TEXT_SIZE];
	uint8_t back[LINKSOCKS_UUID_SIZE] = {0};
	uuid_format(id, text);
	assert_string_equal(text, "6ba7b810-9dad-41d1-80b4-00c04fd430c8");
	assert_true(uuid_parse(slice_of(text), back));
	assert_memory_equal(back, id, sizeof id);
	assert_true(uuid_parse(slice_of("6BA7B810-9DAD-41D1-80B4-00C04FD430C8"), back));
	assert_false(uuid_parse(slice_of("6ba7b810-9dad-41d1-80b4-00c04fd430c"), back));
	assert_false(uuid_parse(slice_of("6ba7b810-9dad-41d1-80b4-00c04fd430c88"), back));
	assert_false(uuid_parse(slice_of("6ba7b81009dad-41d1-80b4-00c04fd430c8"), back));
	assert_false(uuid_parse(slice_of("6ba7b810-9dad-41d1-80b4-00c04fd430g8"), back));
	assert_false(uuid_parse(slice_of(""), back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(vectors_both_ways), cmocka_unit_test(cut_and_surplus),
	    cmocka_unit_test(acceptance),	 cmocka_unit_test(bad_gzip),
	    cmocka_unit_test(head_of_data),	 cmocka_unit_test(long_texts),
	    cmocka_unit_test(ids_as_text)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
