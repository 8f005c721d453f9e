/* ring/uring_lend.c - receive buffers lent to the kernel; see uring_lend.h. */
#include "ring/uring_lend.h"

#include <sys/mman.h>
#include <unistd.h>

enum {
	SLOTS_SIZE = LEND_MAX * sizeof(struct io_uring_buf),
	POOL_SMALL = 64,     /* a pool up to this size is lent whole, of a larger one at most a half */
	LOOK_TURNS = 4096,
};

int lend_init(struct lend *lend, struct io_uring *queue, struct bufpool *bufs)
{
	uint32_t spare = bufs->receive_max <= POOL_SMALL ? bufs->receive_max : bufs->receive_max / 2;
	size_t share = size_max(bufs->budget->max / 4 / BUF_RECEIVE_SIZE, LEND_MIN);
	if (spare > share)
		spare = (uint32_t)share;
	*lend = (struct lend){.bufs = bufs, .free_count = LEND_MAX};
	lend->target_max = spare < LEND_MAX ? spare : LEND_MAX;
	lend->target = lend->target_max < LEND_MIN ? lend->target_max : LEND_MIN;
	for (uint32_t i = 0; i < LEND_MAX; i++)
		lend->free[i] = (uint16_t)(LEND_MAX - 1 - i);
	void *slots = mmap(NULL, SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slots == MAP_FAILED)
		return -errno;
	struct io_uring_buf_reg buffers = {.ring_addr = (uint64_t)(uintptr_t)slots, .ring_entries = LEND_MAX,
					   .bgid = LEND_GROUP};
	int error = io_uring_register_buf_ring(queue, &buffers, 0);
	if (error) {
		munmap(slots, SLOTS_SIZE);
		return error;
	}
	lend->slots = slots;
	io_uring_buf_ring_init(lend->slots);
	return 0;
}

void lend_fini(struct lend *lend, struct io_uring *queue)
{
	io_uring_unregister_buf_ring(queue, LEND_GROUP);
	munmap(lend->slots, SLOTS_SIZE);
	for (uint32_t i = 0; i < LEND_MAX; i++)
		buf_unref(lend->lent[i]);
}

static void look(struct lend *lend)
{
	if (lend->taken > lend->taken_peak)
		lend->taken_peak = lend->taken;
	lend->taken = 0;
	if (++lend->turns < LOOK_TURNS)
		return;
	if (lend->taken_peak < lend->target / 4 && lend->target > LEND_MIN)
		lend->target /= 2;
	lend->turns = lend->taken_peak = 0;
}

void lend_fill(struct lend *lend)
{
	int count = 0;
	look(lend);
	while (lend_count(lend) < lend->target && lend->bufs->receive_used < lend->bufs->receive_max) {
		struct buf *buf = buf_receive(lend->bufs);
		if (!buf)
			break;
		uint16_t id = lend->free[--lend->free_count];
		check(!lend->lent[id]);
		lend->lent[id] = buf;
		io_uring_buf_ring_add(lend->slots, buf->bytes, buf->size, id, LEND_MAX - 1, count++);
	}
	if (count > 0)
		io_uring_buf_ring_advance(lend->slots, count);
}

struct buf *lend_take(struct lend *lend, uint16_t id)
{
	check(id < LEND_MAX && lend->lent[id]);
	struct buf *buf = lend->lent[id];
	lend->lent[id] = NULL;
	lend->free[lend->free_count++] = id;
	lend->taken++;
	lend->taken_since++;
	return buf;
}

static void drop_pages(const struct buf *buf)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)buf->bytes, end = start + buf->size;
	start = (start + page - 1) & ~(page - 1);
	end &= ~(page - 1);
	if (start < end)
		madvise((void *)start, end - start, MADV_DONTNEED);
}

void lend_rest(struct lend *lend)
{
	bool quiet = lend->taken_since < LEND_MIN || lend->taken_since < lend_count(lend);
	if (quiet && (lend->taken_since || !lend->rested)) {
		for (uint32_t id = 0; id < LEND_MAX; id++)
			if (lend->lent[id])
				drop_pages(lend->lent[id]);
		lend->target = lend->target_max < LEND_MIN ? lend->target_max : LEND_MIN;
	}
	lend->rested = quiet;
	lend->taken_since = 0;
}

void lend_ran_out(struct lend *lend, uint32_t sockets)
{
	/* One greedy socket is no reason to lend more, many sockets are. */
	if (sockets < lend->target / 2 || lend->target >= lend->target_max)
		return;
	lend->target = lend->target * 2 < lend->target_max ? lend->target * 2 : lend->target_max;
}
