/* bench/lib/machine.c - see machine.h. */
#include "bench/lib/machine.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/lib/circuit.h"

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

/* Without privilege a user namespace gives the right to make a network; everybody stays who they are. */
static bool unshare_network(void)
{
	char uids[32], gids[32];

	snprintf(uids, sizeof(uids), "%u %u 1", getuid(), getuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getgid(), getgid());
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	return write_text("/proc/self/uid_map", uids) && write_text("/proc/self/setgroups", "deny") &&
	       write_text("/proc/self/gid_map", gids);
}

static bool raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	bool up = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
	request.ifr_flags |= IFF_UP;
	up = up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return up;
}

bool machine_isolate(void)
{
	if (!unshare_network())
		return false;
	if (!raise_loopback())
		fprintf(stderr, "bench: the private network has no loopback; try --host-network\n");
	write_text("/proc/sys/net/ipv4/tcp_congestion_control", "reno");
	return true;
}

static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	snprintf(text, size, "unknown");
	if (file == NULL)
		return;
	if (fgets(text, (int)size, file) != NULL)
		text[strcspn(text, "\n")] = 0;
	fclose(file);
}

/* "model name (family 6, model 207)" of the first CPU: virtual machines often hide the name. */
static void read_cpu(char *text, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512], name[96] = "unknown";
	int family = 0, model = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL && line[0] != '\n') {
		sscanf(line, "cpu family : %d", &family);
		sscanf(line, "model : %d", &model);
		sscanf(line, "model name : %95[^\n]", name);
	}
	if (file != NULL)
		fclose(file);
	snprintf(text, size, "%s (family %d, model %d)", name, family, model);
}

void machine_describe(struct machine *machine, bool private_network)
{
	struct utsname system;
	cpu_set_t set;

	uname(&system);
	snprintf(machine->kernel, sizeof(machine->kernel), "%s %s %s", system.sysname, system.release,
		 system.machine);
	read_cpu(machine->cpu, sizeof(machine->cpu));
	read_line("/proc/sys/net/ipv4/tcp_congestion_control", machine->congestion,
		  sizeof(machine->congestion));
	machine->load_congestion = circuit_congestion();
	machine->private_network = private_network;
	machine->cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 0;
}

void machine_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

json_t *machine_json(const struct machine *machine)
{
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:b}", "cpu", machine->cpu, "cores", (int)machine->cores,
			 "kernel", machine->kernel, "congestion_control", machine->congestion,
			 "load_congestion_control", machine->load_congestion, "private_network",
			 machine->private_network);
}
