/* ring/uring_compat.h - liburing, and what its release 2.3 has not: constants and calls of newer kernels.
 *
 * Owner: nobody. Thread: that of the queue. The constants are kernel ABI and never change; with a newer
 * liburing its own are used. This is the only place that includes liburing, for the files ring_uring.c
 * and uring_*.c.
 */
#ifndef RING_URING_COMPAT_H
#define RING_URING_COMPAT_H

#include <errno.h>
#include <liburing.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_FEAT_RECVSEND_BUNDLE
#define IORING_FEAT_RECVSEND_BUNDLE (1U << 14)
#endif
#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1U << 15)
#endif

/* Enumerators in newer headers, so #ifndef cannot tell; own names instead. */
enum {
	URING_BUFFERS_INCREMENTAL = 2, /* flag of a buffer ring, 6.12 */
	URING_BUNDLE = 1 << 4,         /* ioprio of receives and sends, 6.10 */
};

/* liburing 2.3 calls the flags of a buffer ring `pad`; this is the kernel's struct. */
struct uring_buffers {
	uint64_t address;
	uint32_t entries;
	uint16_t group, flags;
	uint64_t reserved[3];
};

/* The argument of a wait with a minimum. */
struct uring_wait {
	uint64_t sigmask;
	uint32_t sigmask_size, min_wait_us;
	uint64_t timeout;
};

/* Declared by liburing 2.3, but not exported by its shared library. */
static inline int uring_register(struct io_uring *queue, unsigned code, const void *argument, unsigned count)
{
	long result = syscall(__NR_io_uring_register, queue->ring_fd, code, argument, count);
	return result < 0 ? -errno : (int)result;
}

#if defined(IO_URING_CHECK_VERSION)
#if !IO_URING_CHECK_VERSION(2, 8)
#define URING_HAS_MIN_TIMEOUT 1
#endif
#endif

/* Submits, then waits for `count` completions; after min_wait_us one is enough. NULL: no time limit. */
static inline int uring_wait_batch(struct io_uring *queue, unsigned count, struct __kernel_timespec *timeout,
				   uint32_t min_wait_us)
{
#ifdef URING_HAS_MIN_TIMEOUT
	struct io_uring_cqe *first;
	return io_uring_submit_and_wait_min_timeout(queue, &first, count, timeout, min_wait_us, NULL);
#else
	/* The index array of 2.3 is filled once and for all, so that only the tail moves. */
	struct io_uring_sq *sq = &queue->sq;
	if (sq->sqe_head != sq->sqe_tail) {
		sq->sqe_head = sq->sqe_tail;
		io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	}
	struct uring_wait wait = {.min_wait_us = min_wait_us, .timeout = (uint64_t)(uintptr_t)timeout};
	unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	if (queue->enter_ring_fd != queue->ring_fd)
		flags |= IORING_ENTER_REGISTERED_RING;
	return io_uring_enter2((unsigned)queue->enter_ring_fd, sq->sqe_tail - *sq->khead, count, flags,
			       (sigset_t *)&wait, sizeof wait);
#endif
}

#endif
