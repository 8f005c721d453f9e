/* ring/ring_choose.c - the choice of an engine, by trying it. */
#include "ring/ring_choose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ring/ring_socket.h"

enum { TRIAL_SIZE = 4096, TRIAL_BUFFERS = 4 };

/* kernel.io_uring_disabled; 0 where the kernel does not know it. */
static int disabled_by_sysctl(void)
{
	int value = 0;
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	if (!file)
		return 0;
	if (fscanf(file, "%d", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static bool is_filtered(void)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2;
}

static const char *remedy_of_eperm(int disabled)
{
	if (disabled == 1)
		return "kernel.io_uring_disabled is 1: set it to 0, or put the group of this process into "
		       "kernel.io_uring_group";
	if (disabled != 0)
		return "kernel.io_uring_disabled is 2: set it to 0 (sysctl -w kernel.io_uring_disabled=0)";
	return "a seccomp profile forbids it, as containers do by default: run with "
	       "contrib/seccomp-io_uring.json";
}

void ring_why(char why[RING_WHY_SIZE], int error, const char *step)
{
	static const char hidden[] = "a seccomp profile hides it, if the kernel is 6.1 or newer: run with "
				     "contrib/seccomp-io_uring.json";
	static const char absent[] = "the kernel has none: 6.1 or newer with CONFIG_IO_URING is needed";
	const char *remedy;
	switch (error) {
	case -EPERM:
		remedy = remedy_of_eperm(disabled_by_sysctl());
		break;
	case -EACCES:
		remedy = "a security module or a restriction forbids it: look into the audit log";
		break;
	case -ENOSYS:
		remedy = is_filtered() ? hidden : absent;
		break;
	case -EINVAL:
		remedy = "the kernel is too old: 6.1 or newer is needed";
		break;
	case -ENOMEM:
		remedy = "no memory for its queues: raise the container's memory limit or use fewer cores";
		break;
	case -EMFILE:
	case -ENFILE:
		remedy = "no descriptor is left: raise the limit of open files";
		break;
	case -ETIME:
		remedy = "it accepts work but completes nothing: report the kernel version";
		break;
	default:
		remedy = "unexpected: report it with the kernel version";
		break;
	}
	snprintf(why, RING_WHY_SIZE, "%s: %s; %s", step, strerror(-error), remedy);
}

/* What a round trip through an engine has brought. */
struct trial {
	struct op recv, send;
	size_t received;
	int32_t sent, end;
};

static void trial_recv_done(struct op *op, struct op_result result)
{
	struct trial *trial = OWNER(op, struct trial, recv);
	if (result.res > 0)
		trial->received += (size_t)result.res;
	buf_unref(result.buf);
	if (result.final)
		trial->end = result.res;
}

static void trial_send_done(struct op *op, struct op_result result)
{
	OWNER(op, struct trial, send)->sent = result.res;
}

/* Runs the ring until the op is over. 0, -ETIME after 2 s, or what the kernel says to being entered. This
 * process may not have run for all that time: an engine has failed when it is asked after it and has no news.
 */
static int wait_for(struct ring *ring, const struct op *op)
{
	struct instant deadline = instant_after(ring_now(ring), DURATION_S(2));
	bool late = false;
	while (op->submitted) {
		int count = ring_run(ring, deadline);
		if (count < 0)
			return count;
		if (late && count == 0)
			return -ETIME;
		late = !instant_before(ring_now(ring), deadline);
	}
	return 0;
}

static void give_up(struct ring *ring, struct trial *trial)
{
	if (trial->recv.submitted)
		ring_cancel(ring, &trial->recv);
	if (trial->send.submitted)
		ring_cancel(ring, &trial->send);
	wait_for(ring, &trial->recv);
	wait_for(ring, &trial->send);
}

/* Bytes in two parts through a pair of sockets, then the end of the stream. 0 or -errno. */
static int round_trip(struct ring *ring, int fds[2])
{
	static uint8_t zeros[TRIAL_SIZE];
	struct iovec parts[2] = {{zeros, 1}, {zeros, TRIAL_SIZE - 1}};
	struct trial trial = {.recv.done = trial_recv_done, .send.done = trial_send_done};
	ring_recv(ring, &trial.recv, fds[0]);
	ring_send(ring, &trial.send, fds[1], parts, 2);
	int error = wait_for(ring, &trial.send);
	if (!error) {
		ring_shutdown(ring, fds[1]);
		error = wait_for(ring, &trial.recv);
	}
	if (error == -ETIME)
		give_up(ring, &trial);
	if (error)
		return error;
	if (trial.sent < 0 || trial.end < 0)
		return trial.sent < 0 ? trial.sent : trial.end;
	return trial.sent == TRIAL_SIZE && trial.received == TRIAL_SIZE ? 0 : -EIO;
}

/* 0, or -errno and why. */
static int try(const struct ring_table *table, char why[RING_WHY_SIZE])
{
	struct bufpool bufs;
	struct instant now;
	struct ring_options options = {.bufs = &bufs, .entries = 16, .now = &now};
	struct ring *ring;
	int fds[2], error;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
		error = -errno;
		ring_why(why, error, "socketpair");
		return error;
	}
	bufpool_init(&bufs, TRIAL_BUFFERS, TRIAL_BUFFERS * (size_t)BUF_RECEIVE_SIZE);
	error = table->create(&ring, &options, why);
	if (!error) {
		error = round_trip(ring, fds);
		if (error)
			ring_why(why, error, table->name);
		ring_destroy(ring);
	}
	socket_close(fds[0], false);
	socket_close(fds[1], false);
	bufpool_fini(&bufs);
	return error;
}

const struct ring_table *ring_choose(const char *wanted, char why[RING_WHY_SIZE])
{
	bool automatic = strcmp(wanted, "auto") == 0;
	char cause[RING_WHY_SIZE];
	if (automatic || strcmp(wanted, "io_uring") == 0) {
		if (try(&ring_uring, cause) == 0) {
			snprintf(why, RING_WHY_SIZE, "io_uring: tried, works");
			return &ring_uring;
		}
		snprintf(why, RING_WHY_SIZE, "%s", cause);
		if (!automatic)
			return NULL;
	} else if (strcmp(wanted, "epoll") != 0) {
		snprintf(why, RING_WHY_SIZE, "no such engine: use auto, io_uring or epoll");
		return NULL;
	}
	if (try(&ring_epoll, cause) == 0) {
		if (!automatic)
			snprintf(why, RING_WHY_SIZE, "epoll: as asked for");
		return &ring_epoll;
	}
	snprintf(why, RING_WHY_SIZE, "%s", cause);
	return NULL;
}
