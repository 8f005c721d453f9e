/* ring/uring_setup.c - making, restricting and probing kernel queues; see uring_setup.h. */
#include "ring/uring_setup.h"

#include <stdio.h>

#include "ring/ring_choose.h"

enum {
	SUBMISSIONS_MIN = 64,
	SUBMISSIONS_MAX = 1024,   /* a full queue is submitted and goes on */
	COMPLETIONS_MIN = 4096,
	COMPLETIONS_MAX = 65536,  /* the kernel's own limit */
	ACCEPT_BURST = 1024,      /* connections that one turn of a listener may bring */
};

static const uint8_t operations_used[] = {
	IORING_OP_ACCEPT, IORING_OP_CONNECT, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_SENDMSG,
	IORING_OP_RECVMSG, IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_ADD,
};

static const uint8_t registrations_used[] = {
	IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING, IORING_REGISTER_RING_FDS,
	IORING_UNREGISTER_RING_FDS,
};

static uint32_t power_of_two(uint32_t value, uint32_t min, uint32_t max)
{
	uint32_t power = min;
	while (power < value && power < max)
		power *= 2;
	return power;
}

static int restrict_to_used(struct io_uring *queue)
{
	struct io_uring_restriction rules[COUNT_OF(operations_used) + COUNT_OF(registrations_used) + 1] = {0};
	unsigned count = 0;
	for (size_t i = 0; i < COUNT_OF(operations_used); i++) {
		rules[count].opcode = IORING_RESTRICTION_SQE_OP;
		rules[count++].sqe_op = operations_used[i];
	}
	for (size_t i = 0; i < COUNT_OF(registrations_used); i++) {
		rules[count].opcode = IORING_RESTRICTION_REGISTER_OP;
		rules[count++].register_op = registrations_used[i];
	}
	rules[count].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[count++].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
	return uring_register(queue, IORING_REGISTER_RESTRICTIONS, rules, count);
}

static struct io_uring_params params_for(uint32_t operations)
{
	/* Room for twice of what can complete in one turn, so that the queue never overflows. */
	uint64_t completions = 2 * ((uint64_t)operations + ACCEPT_BURST);
	uint32_t wanted = completions < COMPLETIONS_MAX ? (uint32_t)completions : COMPLETIONS_MAX;
	return (struct io_uring_params){
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		.cq_entries = power_of_two(wanted, COMPLETIONS_MIN, COMPLETIONS_MAX),
	};
}

int uring_open(struct io_uring *queue, uint32_t operations, char why[RING_WHY_SIZE])
{
	const char *step = "io_uring_setup";
	struct io_uring_params params = params_for(operations);
	uint32_t entries = power_of_two(operations, SUBMISSIONS_MIN, SUBMISSIONS_MAX);
	int error = io_uring_queue_init_params(entries, queue, &params);
	if (error) {
		ring_why(why, error, step);
		return error;
	}
	if ((error = restrict_to_used(queue)) < 0)
		step = "io_uring restrictions";
	else if ((error = uring_register(queue, IORING_REGISTER_ENABLE_RINGS, NULL, 0)) < 0)
		step = "io_uring enabling";
	if (error < 0) {
		ring_why(why, error, step);
		io_uring_queue_exit(queue);
		return error;
	}
	/* Spares looking up the descriptor at every turn; without it everything works as well. */
	io_uring_register_ring_fd(queue);
	return 0;
}

void uring_close(struct io_uring *queue) { io_uring_queue_exit(queue); }

static bool offers_incremental(struct io_uring *queue, void *page)
{
	struct uring_buffers buffers = {.address = (uint64_t)(uintptr_t)page, .entries = 8, .group = 1,
					.flags = URING_BUFFERS_INCREMENTAL};
	return uring_register(queue, IORING_REGISTER_PBUF_RING, &buffers, 1) == 0;
}

static const char *yes_no(bool is) { return is ? "yes" : "no"; }

void ring_probe_text(char *text, size_t size)
{
	static uint8_t page[4096] __attribute__((aligned(4096)));
	char why[RING_WHY_SIZE];
	struct io_uring queue;
	int error = uring_open(&queue, SUBMISSIONS_MIN, why);
	if (error) {
		snprintf(text, size, "io_uring: no (%s)\n", why);
		return;
	}
	snprintf(text, size,
		 "io_uring: yes (single issuer, deferred task run, restrictions)\n"
		 "io_uring queue: %u submissions, %u completions\n"
		 "io_uring registered ring: %s\n"
		 "io_uring minimum wait (6.12): %s, used under load\n"
		 "io_uring bundles (6.10): %s, not used\n"
		 "io_uring incremental buffers (6.12): %s, not used\n",
		 queue.sq.ring_entries, queue.cq.ring_entries, yes_no(queue.enter_ring_fd != queue.ring_fd),
		 yes_no(queue.features & IORING_FEAT_MIN_TIMEOUT),
		 yes_no(queue.features & IORING_FEAT_RECVSEND_BUNDLE),
		 yes_no(offers_incremental(&queue, page)));
	uring_close(&queue);
}
