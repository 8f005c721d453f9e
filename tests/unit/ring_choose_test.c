/* tests/unit/ring_choose_test.c - the choice of an engine where io_uring is forbidden or half forbidden.
 *
 * Each case runs in a child of its own, behind a filter of system calls as containers have them. And of a
 * machine so busy that seconds pass between any two looks at the clock.
 */
#include "ring/ring_socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

static int64_t pause_s, passed_s;    /* between two looks at the clock; in all */

int clock_gettime(clockid_t clock, struct timespec *where)
{
	int error = (int)syscall(SYS_clock_gettime, clock, where);
	where->tv_sec += passed_s += pause_s;
	return error;
}

/* Refuses one system call with `error`; the numbers of io_uring's are the same on all architectures. */
static bool refuse(uint32_t call, uint32_t error)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = COUNT_OF(rules), .filter = rules};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Refuses sockets of one domain, as a kernel without it does. */
static bool refuse_domain(uint32_t domain)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, domain, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = COUNT_OF(rules), .filter = rules};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* In the child: 0 when all is as it should be, else the number of the line. */
static int judge(uint32_t call, uint32_t error, const char *cause)
{
	char why[RING_WHY_SIZE] = "", text[1024];
	if (call && !refuse(call, error))
		return __LINE__;
	if (ring_choose("auto", why) != &ring_epoll || !strstr(why, cause) || strchr(why, '\n'))
		return printf("%s\n", why), __LINE__;
	why[0] = 0;
	if (ring_choose("io_uring", why) || !strstr(why, cause))
		return printf("%s\n", why), __LINE__;
	if (ring_choose("epoll", why) != &ring_epoll)
		return __LINE__;
	ring_probe_text(text, sizeof text);
	return call == __NR_io_uring_enter || strstr(text, "io_uring: no") ? 0 : __LINE__;
}

/* In the child: without IPv6, every address is every IPv4 address. */
static int judge_listen(void)
{
	struct address address, local;
	if (!refuse_domain(AF_INET6) || !address_parse(&address, ":0"))
		return __LINE__;
	int fd = socket_listen(NULL, &address, 10);
	if (fd < 0 || socket_local(NULL, fd, &local) != 0 || local.family != ADDRESS_IPV4 || local.port == 0)
		return __LINE__;
	if (!address_parse(&address, "[::1]:0") || socket_listen(NULL, &address, 10) != -EAFNOSUPPORT)
		return __LINE__;
	return 0;
}

/* The judge in the child found nothing wrong. */
static void expect_success(pid_t child)
{
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void without_ipv6(void **state)
{
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(judge_listen() ? 1 : 0);
	expect_success(child);
}

static void behind_filter(uint32_t call, uint32_t error, const char *cause)
{
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int line = judge(call, error, cause);
		fflush(NULL);
		_exit(line ? 1 : 0);
	}
	expect_success(child);
}

static bool is_allowed(void)
{
	char why[RING_WHY_SIZE];
	bool allowed = ring_choose("io_uring", why) != NULL;
	if (!allowed)
		fprintf(stderr, "SKIPPED: io_uring cannot be had here anyway: %s\n", why);
	return allowed;
}

static void setup_refused(void **state)
{
	if (!is_allowed())
		skip();
	behind_filter(__NR_io_uring_setup, EPERM, "seccomp");
	behind_filter(__NR_io_uring_setup, EPERM, "contrib/seccomp-io_uring.json");
	behind_filter(__NR_io_uring_setup, ENOSYS, "seccomp");
	behind_filter(__NR_io_uring_setup, ENOMEM, "memory");
	behind_filter(__NR_io_uring_setup, EINVAL, "6.1 or newer");
}

/* The queue can be made, but not used. */
static void others_refused(void **state)
{
	if (!is_allowed())
		skip();
	behind_filter(__NR_io_uring_enter, EPERM, "seccomp");
	behind_filter(__NR_io_uring_enter, ENOSYS, "seccomp");
	behind_filter(__NR_io_uring_register, EPERM, "seccomp");
}

static void choices(void **state)
{
	char why[RING_WHY_SIZE] = "", text[1024];
	const struct ring_table *automatic = ring_choose("auto", why);
	assert_non_null(automatic);
	assert_int_not_equal(why[0], 0);
	assert_ptr_equal(ring_choose("epoll", why), &ring_epoll);
	assert_null(ring_choose("kqueue", why));
	assert_non_null(strstr(why, "auto"));
	ring_probe_text(text, sizeof text);
	assert_non_null(strstr(text, "io_uring: "));
	ring_probe_text(text, 10);
	assert_int_equal(strlen(text), 9);
	if (is_allowed())
		assert_ptr_equal(automatic, &ring_uring);
}

static void on_a_busy_machine(void **state)
{
	char why[RING_WHY_SIZE] = "";
	bool allowed = is_allowed();
	pause_s = 5;
	const struct ring_table *epoll = ring_choose("epoll", why);
	const struct ring_table *uring = allowed ? ring_choose("io_uring", why) : NULL;
	pause_s = 0;
	assert_ptr_equal(epoll, &ring_epoll);
	if (allowed)
		assert_ptr_equal(uring, &ring_uring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices), cmocka_unit_test(setup_refused), cmocka_unit_test(others_refused),
		cmocka_unit_test(without_ipv6), cmocka_unit_test(on_a_busy_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
