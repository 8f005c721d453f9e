/* core/buf.c - counted buffers; see buf.h. */
#include "core/buf.h"

#include <stdlib.h>

static const uint32_t class_size[BUF_CLASS_COUNT] = {1024, 4096, 16384, BUF_RECEIVE_SIZE, BUF_RECEIVE_SIZE};

enum { RECEIVE_MIN = 16, CLASS_RECEIVE = BUF_CLASS_COUNT - 1, CLASS_MADE = BUF_CLASS_COUNT, CLASS_LOAN };

void bufpool_init(struct bufpool *pool, uint32_t receive_max, size_t bytes_max)
{
	*pool = (struct bufpool){.receive_max = receive_max, .own.max = bytes_max};
	pool->budget = &pool->own;
}

static void free_put(struct bufpool *pool, struct buf *buf)
{
	buf->next = pool->free[buf->class];
	pool->free[buf->class] = buf;
	pool->free_count[buf->class]++;
	pool->budget->kept += buf->size;
}

static struct buf *free_take(struct bufpool *pool, uint8_t class)
{
	struct buf *buf = pool->free[class];
	if (!buf)
		return NULL;
	pool->free[class] = buf->next;
	if (--pool->free_count[class] < pool->free_low[class])
		pool->free_low[class] = pool->free_count[class];
	pool->budget->kept -= buf->size;
	return buf;
}

void bufpool_trim(struct bufpool *pool, uint32_t keep)
{
	for (uint8_t class = 0; class < BUF_CLASS_COUNT; class++)
		while (pool->free_count[class] > keep)
			free(free_take(pool, class));
}

void bufpool_rest(struct bufpool *pool)
{
	for (uint8_t class = 0; class < BUF_CLASS_COUNT; class++) {
		for (uint32_t count = pool->free_low[class]; count > 0; count--)
			free(free_take(pool, class));
		pool->free_low[class] = pool->free_count[class];
	}
}

void bufpool_fini(struct bufpool *pool)
{
	check(pool->used == 0 && pool->bytes == 0 && !pool->returns);
	bufpool_trim(pool, 0);
}

static struct buf *buf_refuse(struct bufpool *pool)
{
	pool->refused++;
	return NULL;
}

/* A new buffer of that many bytes, its struct in front of them in one allocation. */
static struct buf *buf_make(uint32_t size, uint8_t class)
{
	struct buf *buf = malloc(sizeof *buf + size);
	if (!buf)
		return NULL;
	*buf = (struct buf){.bytes = (uint8_t *)(buf + 1), .size = size, .class = class};
	return buf;
}

static struct buf *buf_take(struct bufpool *pool, uint8_t class, uint32_t size)
{
	struct budget *budget = pool->budget;
	if (!budget_has(budget, size) || (pool->fail && pool->fail(pool->fail_state)))
		return buf_refuse(pool);
	struct buf *buf = class < BUF_CLASS_COUNT ? free_take(pool, class) : NULL;
	if (!buf && !budget_has(budget, size + budget->kept))
		bufpool_trim(pool, 0); /* those of other sizes make room */
	if (!buf && !(buf = buf_make(size, class)))
		return buf_refuse(pool);
	budget_take(budget, size);
	buf->home = pool;
	buf->next = NULL;
	buf->refs = 1;
	buf->start = buf->used = 0;
	pool->used++;
	pool->bytes += size;
	return buf;
}

struct buf *buf_acquire(struct bufpool *pool, size_t size)
{
	for (uint8_t class = 0; class < CLASS_RECEIVE; class++)
		if (size <= class_size[class])
			return buf_take(pool, class, class_size[class]);
	check(size <= UINT32_MAX / 2);
	return buf_take(pool, CLASS_MADE, (uint32_t)size);
}

/* Reading leaves an eighth of the budget to what has been read, but for the buffers that make progress. */
static bool may_receive(const struct bufpool *pool)
{
	size_t left = pool->receive_used < RECEIVE_MIN ? 0 : pool->budget->max / 8;
	return pool->receive_used < pool->receive_max && budget_has(pool->budget, BUF_RECEIVE_SIZE + left);
}

struct buf *buf_receive(struct bufpool *pool)
{
	if (!may_receive(pool))
		return buf_refuse(pool);
	struct buf *buf = buf_take(pool, CLASS_RECEIVE, BUF_RECEIVE_SIZE);
	if (buf)
		pool->receive_used++;
	return buf;
}

struct buf *buf_ref(struct buf *buf)
{
	check(buf->refs > 0);
	buf->refs++;
	return buf;
}

void buf_unref(struct buf *buf)
{
	if (!buf)
		return;
	check(buf->refs > 0);
	if (--buf->refs)
		return;
	struct bufpool *pool = buf->home;
	check(pool->used > 0);
	pool->used--;
	if (buf->class == CLASS_LOAN) {
		buf->next = pool->returns;
		pool->returns = buf;
		return;
	}
	check(pool->bytes >= buf->size);
	pool->bytes -= buf->size;
	budget_give(pool->budget, buf->size);
	if (buf->class == CLASS_RECEIVE)
		pool->receive_used--;
	if (buf->class == CLASS_MADE) {
		free(buf);
		return;
	}
	free_put(pool, buf);
}

bool buf_may_be_kept(const struct buf *buf, size_t size)
{
	const struct bufpool *pool = buf->home;
	if (buf->class != CLASS_RECEIVE)
		return size >= buf->size / 4;
	if (pool->receive_used <= pool->receive_max / 2)
		return size >= buf->size / 16;
	return size >= buf->size / 4 && pool->receive_used <= pool->receive_max - pool->receive_max / 4;
}

void piece_shelve(struct piece *piece)
{
	struct buf *buf = piece->buf;
	size_t size = piece->bytes.size;
	bool stays = buf->size < BUF_RECEIVE_SIZE || buf_may_be_kept(buf, size);
	struct buf *copy = stays ? NULL : buf_acquire(buf->home, size);
	if (!copy)
		return;
	if (size)
		memcpy(copy->bytes, piece->bytes.at, size);
	bufpool_copied(buf->home, size);
	copy->used = (uint32_t)size;
	buf_unref(buf);
	*piece = (struct piece){copy, {copy->bytes, size}};
}

struct buf *buf_loan(struct bufpool *here, struct buf *parent)
{
	struct buf *loan = here->fail && here->fail(here->fail_state) ? NULL : malloc(sizeof *loan);
	if (!loan)
		return buf_refuse(here);
	*loan = (struct buf){.home = here, .parent = parent, .bytes = parent->bytes, .refs = 1,
			     .size = parent->size, .used = parent->size, .class = CLASS_LOAN};
	here->used++;
	return loan;
}

void buf_loan_return(struct buf *loan)
{
	check(loan->class == CLASS_LOAN && loan->refs == 0);
	buf_unref(loan->parent);
	free(loan);
}

void bufqueue_push(struct bufqueue *queue, struct buf *buf)
{
	check(buf->start <= buf->used && !buf->next);
	if (queue->last)
		queue->last->next = buf;
	else
		queue->first = buf;
	queue->last = buf;
	queue->count++;
	queue->bytes += buf->used - buf->start;
}

struct buf *bufqueue_pull(struct bufqueue *queue)
{
	struct buf *buf = queue->first;
	if (!buf)
		return NULL;
	if (!(queue->first = buf->next))
		queue->last = NULL;
	buf->next = NULL;
	queue->count--;
	queue->bytes -= buf->used - buf->start;
	return buf;
}

void bufqueue_ate(struct bufqueue *queue, size_t size)
{
	struct buf *buf = queue->first;
	check(buf && size <= buf->used - buf->start);
	buf->start += (uint32_t)size;
	queue->bytes -= size;
	if (buf->start == buf->used)
		buf_unref(bufqueue_pull(queue));
}

void bufqueue_drop(struct bufqueue *queue)
{
	while (queue->first)
		buf_unref(bufqueue_pull(queue));
}
