/* tests/unit/inquiry_test.c - where a name leads, asked by a role: answered once, or never after a cancel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/request.h"
#include "tests/unit/one_worker.h"

static struct resolve_job *waiting;      /* the resolver has it, and has not answered */
static uint32_t questions;

static void resolve(struct process *asked, struct resolve_job *job)
{
	questions++;
	assert_null(waiting);
	waiting = job;
}

static void answer(enum reason reason, const char *address)
{
	struct resolve_job *job = waiting;
	waiting = NULL;
	job->reason = reason;
	if (address)
		assert_true(address_of_literal(&job->addresses[job->count++], address, job->port));
	process_post(&process, &job->mail);
}

static struct {
	uint32_t count, addresses;
	struct address first;
} told;

static void answered(struct inquiry *inquiry, const struct address *addresses, uint32_t count)
{
	assert_false(inquiry->asked);
	told.count++;
	told.addresses = count;
	if (count)
		told.first = addresses[0];
	memset(inquiry, 0xee, sizeof *inquiry);  /* it is the role's again */
}

static struct inquiry inquiry;

static void ask(const char *host)
{
	memset(&told, 0, sizeof told);
	questions = 0;
	inquiry = (struct inquiry){.host = host, .timeout = DURATION_S(5), .answered = answered};
	hub_resolve(&worker->hub, &inquiry);
	assert_true(inquiry.asked);
}

static void answers(void **state)
{
	char text[ADDRESS_TEXT_SIZE];
	ask("one.test");
	assert_int_equal(questions, 0);
	turn();
	assert_int_equal(questions, 1);
	assert_string_equal(waiting->host, "one.test");
	assert_int_equal(told.count, 0);
	answer(REASON_OK, "192.0.2.7");
	turn();
	assert_int_equal(told.count, 1);
	assert_int_equal(told.addresses, 1);
	assert_string_equal(address_host(&told.first, text), "192.0.2.7");
}

static void leads_nowhere(void **state)
{
	static const enum reason reasons[] = {REASON_NAME, REASON_TIMEOUT, REASON_LIMIT, REASON_STOPPING};
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		ask("none.test");
		turn();
		answer(reasons[i], NULL);
		turn();
		assert_int_equal(told.count, 1);
		assert_int_equal(told.addresses, 0);
	}
}

static void cancelled_before_it_is_asked(void **state)
{
	ask("one.test");
	hub_resolve_cancel(&inquiry);
	turn();
	assert_int_equal(questions, 0);
	assert_int_equal(told.count, 0);
}

static void cancelled_before_the_answer(void **state)
{
	ask("one.test");
	turn();
	hub_resolve_cancel(&inquiry);
	memset(&inquiry, 0xee, sizeof inquiry);
	answer(REASON_OK, "192.0.2.7");
	turn();
	assert_int_equal(told.count, 0);
}

static void cancelled_beside_the_answer(void **state)
{
	ask("one.test");
	turn();
	answer(REASON_OK, "192.0.2.7");
	hub_resolve_cancel(&inquiry);            /* its mail is under way */
	turn();
	assert_int_equal(told.count, 0);
	struct inquiry none = {0};
	hub_resolve_cancel(&none);               /* one that was never asked */
}

int main(void)
{
	process.resolve = resolve;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(leads_nowhere),
		cmocka_unit_test(cancelled_before_it_is_asked),
		cmocka_unit_test(cancelled_before_the_answer),
		cmocka_unit_test(cancelled_beside_the_answer),
	};
	return cmocka_run_group_tests(tests, worker_begin, worker_end);
}
