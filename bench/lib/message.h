/* bench/lib/message.h - short questions and answers that are known byte by byte.
 *
 * A message is its name, its number and whether it answers, in clear, then noise that follows from them:
 * a byte that is wrong, foreign, stale or of the other direction differs from what is expected.
 * Owner: nobody, values only. Thread: any.
 */
#ifndef BENCH_LIB_MESSAGE_H
#define BENCH_LIB_MESSAGE_H

#include "core/base.h"

enum { MESSAGE_HEAD = 24, MESSAGE_MAX = 1024 };

struct message_id {
	uint64_t name;     /* run and stream */
	uint64_t number;   /* within them */
	uint64_t answers;  /* 0 or 1 */
};

/* `size` is at least MESSAGE_HEAD. */
void message_make(uint8_t *bytes, size_t size, struct message_id id);
bool message_matches(const uint8_t *bytes, size_t size, struct message_id id);
/* What its head says; the rest of it may still contradict. */
struct message_id message_id(const uint8_t bytes[MESSAGE_HEAD]);

/* Sends one whole message on a blocking socket. */
bool message_send(int fd, size_t size, struct message_id id);
/* Receives `size` bytes unless the end comes first. Returns how many came, negative with errno. */
int message_receive(int fd, uint8_t *bytes, size_t size);

#endif
