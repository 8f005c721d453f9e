/* tools/tunnel/machine.c - what this machine lets the process use; see run.h. */
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/tunnel/run.h"

/* The first line of a small file of the kernel. False: it is not there. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool read = fgets(line, (int)size, file) != NULL;
	fclose(file);
	return read;
}

void machine_usage(struct hub_usage *usage)
{
	struct timespec time;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	usage->busy = (struct duration){(int64_t)time.tv_sec * 1000000000 + time.tv_nsec};
	usage->cpu = sched_getcpu();
}

uint32_t machine_cores(void)
{
	cpu_set_t set;
	uint32_t cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
	char line[64];
	long quota = 0, period = 0;
	if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof line) &&
	    sscanf(line, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) {
		uint32_t allowed = (uint32_t)((quota + period - 1) / period);
		cores = allowed < cores ? allowed : cores;
	}
	return cores ? cores : 1;
}

size_t machine_memory(void)
{
	char line[64];
	size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
	if (read_line("/sys/fs/cgroup/memory.max", line, sizeof line)) {
		size_t limit = strtoull(line, NULL, 10);
		memory = limit && limit < memory ? limit : memory;
	}
	return memory;
}

/* Measured with Debian's libraries. wolfSSL keeps a table for each public key that a worker has met twice, up
 * to 15 of them: keys of its own are one or two, those of clients with certificates as many as there are. */
size_t machine_memory_beside(const struct config *config, uint32_t cores)
{
	enum { PROGRAM = 6 << 20, WORKER = 5 << 19, CURVES = 22 << 20 };
	bool many_keys = config->gateway.enabled && config->gateway.tls_client_ca;
	return PROGRAM + (size_t)cores * (WORKER + (many_keys ? CURVES : 0));
}

/* The kernel lets a socket be bound to exactly those. Without a descriptor to ask with: it might be. */
bool machine_has_address(const struct address *address)
{
	bool ipv4 = address->family == ADDRESS_IPV4;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = address->scope};
	memcpy(&in.sin_addr, address->bytes, sizeof in.sin_addr);
	memcpy(&in6.sin6_addr, address->bytes, sizeof in6.sin6_addr);
	int fd = socket(ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	const struct sockaddr *name = ipv4 ? (const struct sockaddr *)&in : (const struct sockaddr *)&in6;
	bool here = bind(fd, name, ipv4 ? sizeof in : sizeof in6) == 0;
	close(fd);
	return here;
}
