/* bench/lib/message.c - see message.h. */
#include "bench/lib/message.h"

#include <errno.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct message_id) == MESSAGE_HEAD, "the head has no padding");

void message_make(uint8_t *bytes, size_t size, struct message_id id)
{
	uint64_t seed = id.name ^ id.number << 1 ^ id.answers;

	check(size >= MESSAGE_HEAD && size <= MESSAGE_MAX);
	memcpy(bytes, &id, sizeof(id));
	for (size_t at = MESSAGE_HEAD; at < size; at += sizeof(seed)) {
		uint64_t word = random_next(&seed);
		memcpy(bytes + at, &word, size_min(sizeof(word), size - at));
	}
}

bool message_matches(const uint8_t *bytes, size_t size, struct message_id id)
{
	uint8_t expected[MESSAGE_MAX];

	message_make(expected, size, id);
	return memcmp(bytes, expected, size) == 0;
}

struct message_id message_id(const uint8_t bytes[MESSAGE_HEAD])
{
	struct message_id id;

	memcpy(&id, bytes, sizeof(id));
	return id;
}

bool message_send(int fd, size_t size, struct message_id id)
{
	uint8_t bytes[MESSAGE_MAX];

	message_make(bytes, size, id);
	return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

int message_receive(int fd, uint8_t *bytes, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t got = recv(fd, bytes + used, size - used, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (int)used;
}
