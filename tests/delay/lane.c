/* tests/delay/lane.c - see delay.h. */
#include "tests/delay/delay.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void *map(size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

bool lane_init(struct lane *lane, int from, int to)
{
	*lane = (struct lane){.from = from, .to = to};
	lane->bytes = map(LANE_BYTES);
	lane->stamps = map(LANE_STAMPS * sizeof *lane->stamps);
	return lane->bytes && lane->stamps;
}

void lane_fini(struct lane *lane)
{
	if (lane->bytes)
		munmap(lane->bytes, LANE_BYTES);
	if (lane->stamps)
		munmap(lane->stamps, LANE_STAMPS * sizeof *lane->stamps);
}

bool lane_has_room(const struct lane *lane, const struct way *way)
{
	size_t limit = way->queue_bytes && way->queue_bytes < LANE_BYTES ? way->queue_bytes : LANE_BYTES;
	return !lane->ended && lane->in - lane->out < limit && lane->stamped - lane->left < LANE_STAMPS;
}

static void stamp(struct lane *lane, struct way *way, size_t size, int64_t now_ns)
{
	int64_t due = now_ns;
	if (way->bytes_per_s) {
		int64_t begins = way->free_ns > now_ns ? way->free_ns : now_ns;
		due = way->free_ns = begins + (int64_t)(size * 1000000000 / way->bytes_per_s);
	}
	due += way->delay_ns;
	if (lane->stamped != lane->left) {
		const struct stamp *last = &lane->stamps[(lane->stamped - 1) % LANE_STAMPS];
		due = due < last->due_ns ? last->due_ns : due;
	}
	lane->stamps[lane->stamped++ % LANE_STAMPS] = (struct stamp){due, size};
	lane->in += size;
}

bool lane_fill(struct lane *lane, struct way *way, int64_t now_ns)
{
	while (lane_has_room(lane, way)) {
		size_t at = lane->in % LANE_BYTES, size = LANE_BYTES - (lane->in - lane->out);
		size = size > LANE_BYTES - at ? LANE_BYTES - at : size;
		size = size > LANE_READ ? LANE_READ : size;
		ssize_t got = recv(lane->from, lane->bytes + at, size, 0);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		stamp(lane, way, (size_t)got, now_ns);
		lane->ended = !got;
		if ((size_t)got < size)
			break;
	}
	return true;
}

/* The bytes of the first run, as many as are taken. False: none were. */
static bool leave(struct lane *lane, struct stamp *first, bool *failed)
{
	size_t at = lane->out % LANE_BYTES;
	size_t size = first->size > LANE_BYTES - at ? LANE_BYTES - at : first->size;
	ssize_t sent = send(lane->to, lane->bytes + at, size, MSG_NOSIGNAL);
	if (sent < 0) {
		lane->blocked = errno == EAGAIN;
		*failed = errno != EAGAIN && errno != EINTR;
		return false;
	}
	lane->out += (size_t)sent;
	first->size -= (size_t)sent;
	lane->left += !first->size;
	return true;
}

bool lane_drain(struct lane *lane, int64_t now_ns)
{
	bool failed = false, goes_on = !lane->blocked;
	while (goes_on && lane_due_ns(lane) <= now_ns) {
		struct stamp *first = &lane->stamps[lane->left % LANE_STAMPS];
		if (first->size) {
			goes_on = leave(lane, first, &failed);
			continue;
		}
		lane->left++;
		lane->done = true;
		shutdown(lane->to, SHUT_WR);
	}
	return !failed;
}

int64_t lane_due_ns(const struct lane *lane)
{
	return lane->blocked || lane->stamped == lane->left ? INT64_MAX
							    : lane->stamps[lane->left % LANE_STAMPS].due_ns;
}
