/* core/base.h - the smallest vocabulary: checks, statuses, slices, byte order.
 *
 * Owner: nobody, values only. Thread: any.
 * check() is always on: it guards against programmer errors and ends the process. What a peer sends
 * never reaches a check; it becomes STATUS_PROTOCOL. What the world does becomes a status or a reason.
 */
#ifndef CORE_BASE_H
#define CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define check(condition) \
	((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))

/* Prints one line on stderr and aborts. Never returns. */
_Noreturn void check_failed(const char *condition, const char *file, int line, const char *function);

/* The struct that holds this member. */
#define OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

enum status {
	STATUS_OK,          /* done */
	STATUS_MORE,        /* not before more bytes, room or news have come */
	STATUS_FULL,        /* no room now: nothing was taken, ask again later */
	STATUS_PROTOCOL,    /* the peer broke the rules */
	STATUS_AUTH,        /* a credential or a certificate was refused */
	STATUS_UNREACHABLE, /* the target cannot be reached */
	STATUS_IO,          /* the connection is gone, or can only be aborted */
	STATUS_COUNT
};

/* Borrowed bytes. */
struct slice {
	const uint8_t *at;
	size_t size;
};

/* The characters of a C string, without its end. */
struct slice slice_of(const char *text);
bool slice_is(struct slice slice, const char *text);

static inline size_t size_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t size_max(size_t a, size_t b) { return a > b ? a : b; }

/* Big-endian integers, as every wire of this program has them. */
static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}
static inline void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}
static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)(value >> 16));
	put16(at + 2, (uint16_t)value);
}

/* The value of a hexadecimal digit in either case; -1: it is none. */
int hex_digit(uint8_t letter);
/* %XX in place. False: a % without two digits behind it, or a zero byte. */
bool percent_decode(char *text);

/* splitmix64: a reproducible sequence for jitter, ids in tests and the simulator. Not for secrets. */
uint64_t random_next(uint64_t *state);

/* Copies text into a field of `size` bytes, always terminated; what does not fit is cut. */
void text_copy(char *field, size_t size, struct slice text);
/* Nothing but white space, if anything. */
bool text_is_blank(const char *text);

#endif
