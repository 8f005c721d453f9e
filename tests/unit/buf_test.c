/* tests/unit/buf_test.c - pools of buffers and of small objects: limits, what is refused, what comes home. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/memory.h"

static void sizes_and_limits(void **state)
{
	struct bufpool pool;
	struct buf *bufs[4];
	bufpool_init(&pool, 2, 200000);
	assert_int_equal((bufs[0] = buf_acquire(&pool, 1))->size, 1024);
	assert_int_equal((bufs[1] = buf_acquire(&pool, 1025))->size, 4096);
	assert_int_equal((bufs[2] = buf_acquire(&pool, 100000))->size, 100000);
	assert_int_equal(pool.bytes, 1024 + 4096 + 100000);
	assert_null(buf_acquire(&pool, 100000));
	assert_int_equal(pool.refused, 1);
	buf_unref(bufs[2]);
	for (int i = 2; i < 4; i++)
		assert_non_null(bufs[i] = buf_receive(&pool));
	assert_null(buf_receive(&pool));
	assert_int_equal(pool.refused, 2);
	struct buf *last = bufs[3];
	for (int i = 0; i < 4; i++)
		buf_unref(bufs[i]);
	assert_ptr_equal(bufs[3] = buf_receive(&pool), last); /* last in, first out */
	assert_int_equal(bufs[3]->used, 0);
	buf_unref(bufs[3]);
	bufpool_trim(&pool, 0);
	assert_int_equal(pool.free_count[0] + pool.free_count[4], 0);
	bufpool_fini(&pool);
}

/* Queues never starve the kernel of receive buffers. */
static void what_may_be_kept(void **state)
{
	struct bufpool pool;
	struct buf *bufs[8];
	bufpool_init(&pool, 8, SIZE_MAX / 2);
	for (int i = 0; i < 4; i++)
		bufs[i] = buf_receive(&pool);
	assert_true(buf_may_be_kept(bufs[0], BUF_RECEIVE_SIZE / 16));
	assert_false(buf_may_be_kept(bufs[0], BUF_RECEIVE_SIZE / 16 - 1));
	for (int i = 4; i < 6; i++)
		bufs[i] = buf_receive(&pool);
	assert_true(buf_may_be_kept(bufs[0], BUF_RECEIVE_SIZE / 4));
	assert_false(buf_may_be_kept(bufs[0], BUF_RECEIVE_SIZE / 4 - 1));
	bufs[6] = buf_receive(&pool);
	assert_false(buf_may_be_kept(bufs[0], BUF_RECEIVE_SIZE));
	bufs[7] = buf_acquire(&pool, 4096);
	assert_true(buf_may_be_kept(bufs[7], 4096));
	for (int i = 0; i < 8; i++)
		buf_unref(bufs[i]);
	bufpool_fini(&pool);
}

static void loans_come_home(void **state)
{
	struct bufpool home, here;
	bufpool_init(&home, 4, 1 << 20);
	bufpool_init(&here, 4, 1 << 20);
	struct buf *buf = buf_acquire(&home, 100);
	struct buf *loan = buf_loan(&here, buf_ref(buf));
	assert_ptr_equal(loan->bytes, buf->bytes);
	buf_unref(buf); /* what the loan keeps */
	buf_unref(buf_ref(loan));
	assert_null(here.returns);
	buf_unref(loan);
	assert_ptr_equal(here.returns, loan);
	here.returns = NULL;
	assert_int_equal(home.used, 1);
	buf_loan_return(loan);
	assert_int_equal(home.used, 0);
	bufpool_fini(&here);
	bufpool_fini(&home);
}

static void queue_counts_unread(void **state)
{
	struct bufpool pool;
	struct bufqueue queue = {0};
	bufpool_init(&pool, 4, 1 << 20);
	for (uint32_t i = 1; i <= 3; i++) {
		struct buf *buf = buf_acquire(&pool, 100);
		buf->used = i * 10;
		buf->start = i;
		bufqueue_push(&queue, buf);
	}
	assert_int_equal(queue.bytes, 60 - 6);
	bufqueue_ate(&queue, 4);
	assert_int_equal(queue.count, 3);
	bufqueue_ate(&queue, 5);
	assert_int_equal(queue.count, 2);
	assert_int_equal(pool.used, 2);
	buf_unref(bufqueue_pull(&queue));
	assert_int_equal(queue.bytes, 27);
	bufqueue_drop(&queue);
	assert_null(bufqueue_pull(&queue));
	assert_int_equal(queue.bytes + queue.count, 0);
	bufpool_fini(&pool);
}

/* ---- small objects ---- */

static uint32_t always(void *state) { return 1; }

static void memory_is_zeroed_and_kept(void **state)
{
	struct memory memory = {0};
	uint8_t *object = memory_acquire(&memory, 100);
	memset(object, 0xff, 100);
	memory_release(&memory, object, 100);
	uint8_t *again = memory_acquire(&memory, 128); /* of the same class */
	assert_ptr_equal(again, object);
	for (int i = 0; i < 128; i++)
		assert_int_equal(again[i], 0);
	assert_int_equal(memory.bytes, 128);
	memory.fail = always;
	assert_null(memory_acquire(&memory, 1));
	memory_release(&memory, again, 128);
	memory_release(&memory, NULL, 5);
	memory_fini(&memory);
}

static void memory_of_a_burst_goes_back(void **state)
{
	enum { COUNT = MEMORY_KEEP + 50 };
	static void *objects[COUNT];
	struct memory memory = {0};
	for (int i = 0; i < COUNT; i++)
		objects[i] = memory_acquire(&memory, 64);
	void *large = memory_acquire(&memory, MEMORY_STEP * MEMORY_CLASSES);
	assert_int_equal(memory.used, COUNT + 1);
	for (int i = 0; i < COUNT; i++)
		memory_release(&memory, objects[i], 64);
	memory_release(&memory, large, MEMORY_STEP * MEMORY_CLASSES);
	assert_int_equal(memory.free_count[1], MEMORY_KEEP);
	assert_int_equal(memory.bytes, 0);
	memory_fini(&memory);
}

/* Free lists shrink to what has been needed since the last time; what is free never adds to the limit. */
static void rest_of_the_idle(void **state)
{
	struct bufpool pool;
	struct buf *bufs[8];
	bufpool_init(&pool, 8, 8 * BUF_RECEIVE_SIZE);
	for (int i = 0; i < 8; i++)
		bufs[i] = buf_receive(&pool);
	for (int i = 0; i < 8; i++)
		buf_unref(bufs[i]);
	bufpool_rest(&pool); /* all were needed a moment ago */
	assert_int_equal(pool.free_count[4], 8);
	buf_unref(buf_receive(&pool));
	bufpool_rest(&pool);
	assert_int_equal(pool.free_count[4], 1);
	assert_int_equal(pool.budget->kept, BUF_RECEIVE_SIZE);
	bufpool_rest(&pool);
	assert_int_equal(pool.budget->kept, 0);
	for (int i = 0; i < 8; i++)
		bufs[i] = buf_receive(&pool);
	for (int i = 0; i < 8; i++)
		buf_unref(bufs[i]);
	struct buf *small = buf_acquire(&pool, 1);
	assert_true(pool.budget->used + pool.budget->kept <= pool.budget->max);
	buf_unref(small);
	bufpool_fini(&pool);
}

static void memory_rests(void **state)
{
	struct budget budget = {.max = 3 * (128 + MEMORY_HEADER)};
	struct memory memory = {.budget = &budget};
	void *objects[3];
	for (int i = 0; i < 3; i++)
		assert_non_null(objects[i] = memory_acquire(&memory, 100));
	assert_null(memory_acquire(&memory, 1));
	assert_int_equal(budget.used, budget.max);
	for (int i = 0; i < 3; i++)
		memory_release(&memory, objects[i], 100);
	assert_int_equal(budget.used, 0);
	memory_rest(&memory);
	assert_int_equal(memory.free_count[2], 3);
	memory_release(&memory, memory_acquire(&memory, 100), 100);
	memory_rest(&memory);
	assert_int_equal(memory.free_count[2], 1);
	memory_rest(&memory);
	assert_int_equal(budget.kept, 0);
	memory_fini(&memory);
}

/* A burst is over when little falls any more. */
static void budget_tells_of_a_fall(void **state)
{
	struct budget budget = {.max = 1000};
	budget_take(&budget, 900);
	assert_false(budget_fell(&budget, 100));
	budget_give(&budget, 500);
	assert_false(budget_fell(&budget, 100));
	budget_give(&budget, 50);
	assert_true(budget_fell(&budget, 100));
	assert_false(budget_fell(&budget, 100));
	budget_give(&budget, 99);
	assert_false(budget_fell(&budget, 100));
	budget_give(&budget, 1);
	assert_true(budget_fell(&budget, 100));
	assert_true(budget_has(&budget, 750) && !budget_has(&budget, 751));
	budget.max = 100;
	assert_false(budget_has(&budget, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_and_limits),		 cmocka_unit_test(what_may_be_kept),
	    cmocka_unit_test(loans_come_home),		 cmocka_unit_test(queue_counts_unread),
	    cmocka_unit_test(memory_is_zeroed_and_kept), cmocka_unit_test(memory_of_a_burst_goes_back),
	    cmocka_unit_test(rest_of_the_idle),		 cmocka_unit_test(memory_rests),
	    cmocka_unit_test(budget_tells_of_a_fall),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
