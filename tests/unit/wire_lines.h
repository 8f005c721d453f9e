/* tests/unit/wire_lines.h - one end of a link under test, the other one written by hand as lines of bytes:
 * hex, text in quotes, ?? for any byte, # for the size (u32) of the text behind it. Include it in one file of
 * a program, instead of wire_world.h.
 */
#ifndef TESTS_UNIT_WIRE_LINES_H
#define TESTS_UNIT_WIRE_LINES_H

#include "tests/unit/wire_world.h"

/* The end under test: the other one is written here by hand. */
static int us;

/* What the client publishes. */
static const struct publication web = {.name = "web",
				       .type = "tcp",
				       .publish_addr = "0.0.0.0",
				       .publish_port = 8080,
				       .local_port = 3000,
				       .bind_addr = ""};

/* Of what stands between the next two quotes. */
static void put_size(const char *line, uint8_t at[4])
{
	const char *first = strchr(line, '\'') + 1;
	put32(at, (uint32_t)(strchr(first, '\'') - first));
}

/* "00 02 ?? ..." and text in quotes ('...') to bytes; wild[i] where two question marks stood. */
static size_t parse(const char *line, uint8_t *bytes, bool *wild)
{
	size_t size = 0;
	while (*line) {
		if (*line == ' ') {
			line++;
		} else if (*line == '#') {
			put_size(line++, bytes + size);
			size += 4;
		} else if (*line == '\'') {
			for (line++; *line != '\''; line++)
				bytes[size++] = (uint8_t)*line;
			line++;
		} else {
			unsigned byte = 0;
			wild[size] = *line == '?';
			if (!wild[size])
				assert_int_equal(sscanf(line, "%2x", &byte), 1);
			bytes[size++] = (uint8_t)byte;
			line += 2;
		}
	}
	return size;
}

static uint8_t scratch[1 << 20];
static bool wild[1 << 20];

static void hear(const char *line)
{
	struct bytes bytes = {0};
	memset(wild, 0, sizeof wild);
	size_t size = parse(line, scratch, wild);
	bytes_add(&bytes, scratch, size);
	for (int i = 0; i < 1000 && bytes.size && world.link[us]; i++) {
		world_feed(world.link[us], &bytes);
		world_turn(false);
	}
	free(bytes.at);
	world_turns(2, false);
}

/* All that was said since the last time. */
static void expect(const char *line)
{
	struct bytes *said = &world.said[us];
	world_turns(2, false);
	memset(wild, 0, sizeof wild);
	size_t size = parse(line, scratch, wild);
	for (size_t i = 0; i < said->size && i < size; i++)
		if (!wild[i] && said->at[i] != scratch[i])
			fail_msg("byte %zu of %zu is %02x and not %02x\nexpected %s", i, said->size,
				 said->at[i], scratch[i], line);
	if (said->size != size)
		fail_msg("said %zu bytes and not %zu\nexpected %s", said->size, size, line);
	said->size = 0;
}

static void expect_heard(const char *lines)
{
	struct script *script = &world.script[us];
	assert_string_equal(script->heard, lines);
	script_forget(script);
}

static inline void forget(void)
{
	world.said[us].size = 0;
	script_forget(&world.script[us]);
}

/* The key is that of the published vectors. */
static inline void begin_as(int side, enum tunnel_generation generation)
{
	us = side;
	world_init(7);
	world.script[CLIENT].credentials.secret = slice_of("0123456789abcdef");
	world.script[CLIENT].publications = &web;
	world.script[CLIENT].publication_count = 1;
	world.speaks = generation;
	world_open(side);
	world_turns(2, false);
}

static inline void begin(int side) { begin_as(side, TUNNEL_UNKNOWN); }

#endif
