/* tools/tunnel/doctor.c - `tunnel doctor`: what this machine offers, and what would help; see commands.h. */
#include "tools/tunnel/commands.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/config_read.h"
#include "protocols/carriers/http2.h"
#include "protocols/codecs/compress.h"
#include "protocols/codecs/json.h"
#include "ring/resolver.h"
#include "ring/ring.h"
#include "tls/tls.h"
#include "tools/tunnel/crypto.h"
#include "tools/tunnel/state.h"

enum { LINE_SIZE = 512, WORTH_NOFILE = 65536 };

enum verdict { GOOD, HINT, BAD };

/* One line of the report, and below it what would help. */
__attribute__((format(printf, 4, 5)))
static int say(enum verdict verdict, const char *subject, const char *help, const char *format, ...)
{
	static const char *const marks[] = {"ok", "hint", "bad"};
	char text[LINE_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	printf("%-5s %-12s %s\n", marks[verdict], subject, text);
	if (help && verdict != GOOD)
		printf("%-5s %-12s -> %s\n", "", "", help);
	return verdict == BAD;
}

/* The first line of a small file of the kernel's; false when it cannot be read. */
static bool read_line(const char *path, char line[LINE_SIZE])
{
	FILE *file = fopen(path, "re");
	bool got = file && fgets(line, LINE_SIZE, file);
	if (file)
		fclose(file);
	if (got)
		line[strcspn(line, "\n")] = 0;
	return got;
}

static int report_kernel(void)
{
	struct utsname name;
	int major = 0, minor = 0;
	uname(&name);
	sscanf(name.release, "%d.%d", &major, &minor);
	bool old = major < 6;
	return say(old ? HINT : GOOD, "kernel",
		   "Linux 6.0 or later has all that io_uring is used for; epoll serves older ones",
		   "%s %s %s", name.sysname, name.release, name.machine);
}

static int report_engine(void)
{
	char why[RING_WHY_SIZE] = "", cause[RING_WHY_SIZE] = "", line[LINE_SIZE];
	const struct ring_table *engine = ring_choose("auto", why);
	if (!engine)
		return say(BAD, "engine", why, "none works");
	bool best = strcmp(engine->name, "io_uring") == 0;
	if (!best)
		ring_choose("io_uring", cause);
	int bad = say(best ? GOOD : HINT, "engine", cause, "%s", best ? why : engine->name);
	if (read_line("/proc/sys/kernel/io_uring_disabled", line) && strcmp(line, "0") != 0)
		say(HINT, "io_uring",
		    "sysctl kernel.io_uring_disabled=0, or membership in kernel.io_uring_group",
		    "kernel.io_uring_disabled is %s", line);
	return bad;
}

/* One line each. */
static void report_capabilities(void)
{
	char text[LINE_SIZE];
	ring_probe_text(text, sizeof text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		say(GOOD, "capability", "", "%s", line);
}

static int report_tls(void)
{
	char why[TLS_TEXT_SIZE];
	if (crypto_start(why) != STATUS_OK)
		return say(BAD, "tls", "reinstall the package libwolfssl", "%s", why);
	bool fast = tls_library_is_fast();
	int bad = say(fast ? GOOD : HINT, "tls",
		      "install libipsec-mb (x86-64 with AES-NI): AES-GCM then is many times faster",
		      "%s; bulk records of TLS 1.3 go %s", tls_library_text(),
		      fast ? "by the record path, in place" : "through the library");
	tls_library_stop();
	return bad;
}

/* What an advisory about one of them is compared with. */
static void report_libraries(void)
{
	say(GOOD, "libraries", NULL, "nghttp2 %s, c-ares %s, jansson %s, libyaml %s, zlib %s, lz4 %s",
	    http2_library_version(), resolver_library_version(), json_library_version(),
	    config_library_version(), compress_gzip_version(), compress_lz4_version());
}

static int report_cpus(void)
{
	cpu_set_t set;
	char line[LINE_SIZE];
	int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	long present = sysconf(_SC_NPROCESSORS_ONLN);
	say(GOOD, "cpus", NULL, "%d of %ld may be used", allowed, present);
	long long quota, period;
	if (read_line("/sys/fs/cgroup/cpu.max", line) && sscanf(line, "%lld %lld", &quota, &period) == 2 &&
	    period > 0)
		say(quota < period ? HINT : GOOD, "cgroup cpu",
		    "with less than one CPU every pause is a delay; give --cores 1", "%lld.%02lld CPUs",
		    quota / period, quota % period * 100 / period);
	return 0;
}

static int report_memory(void)
{
	char line[LINE_SIZE];
	long long limit;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	say(GOOD, "memory", NULL, "%lld MiB", (long long)pages * page / (1024 * 1024));
	if (read_line("/sys/fs/cgroup/memory.max", line) && sscanf(line, "%lld", &limit) == 1)
		say(limit < 128ll * 1024 * 1024 ? HINT : GOOD, "cgroup mem",
		    "128 MiB or more leave room for bursts", "%lld MiB", limit / (1024 * 1024));
	return 0;
}

static void format_limit(rlim_t limit, bool bytes, char text[32])
{
	if (limit == RLIM_INFINITY)
		snprintf(text, 32, "unlimited");
	else
		snprintf(text, 32, "%llu%s", (unsigned long long)(bytes ? limit / 1024 : limit),
			 bytes ? " KiB" : "");
}

static int report_limits(void)
{
	struct rlimit limit;
	char soft[32], hard[32];
	getrlimit(RLIMIT_NOFILE, &limit);
	format_limit(limit.rlim_cur, false, soft);
	format_limit(limit.rlim_max, false, hard);
	/* The program raises the soft limit itself. */
	say(limit.rlim_max < WORTH_NOFILE ? HINT : GOOD, "nofile",
	    "LimitNOFILE=1048576 in the unit, or ulimit -Hn 1048576",
	    "%s (up to %s); two per relayed connection", soft, hard);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	format_limit(limit.rlim_cur, true, soft);
	return say(limit.rlim_cur < 64 * 1024 ? HINT : GOOD, "memlock", "LimitMEMLOCK=8M in the unit", "%s",
		   soft);
}

static int report_network(void)
{
	char line[LINE_SIZE];
	if (read_line("/proc/sys/net/ipv4/tcp_congestion_control", line))
		say(strcmp(line, "bbr") == 0 ? GOOD : HINT, "congestion",
		    "over long or lossy paths bbr is faster: sysctl net.ipv4.tcp_congestion_control=bbr",
		    "%s", line);
	if (read_line("/proc/sys/net/core/somaxconn", line))
		say(atoi(line) < 1024 ? HINT : GOOD, "somaxconn", "sysctl net.core.somaxconn=4096", "%s",
		    line);
	if (read_line("/proc/sys/net/ipv6/conf/all/disable_ipv6", line) && strcmp(line, "0") != 0)
		say(HINT, "ipv6", "only if it is wanted: sysctl net.ipv6.conf.all.disable_ipv6=0", "off");
	return 0;
}

static int report_state(const struct options *options)
{
	char path[STATE_PATH_SIZE];
	struct config config = {0};
	struct stat file;
	for (size_t i = 0; i < options->setting_count; i++)
		if (strcmp(options->settings[i].key, "state_dir") == 0)
			config.state_dir = options->settings[i].value;
	if (!state_directory(&config, path))
		return say(HINT, "state", "set --state-dir, $STATE_DIRECTORY or $HOME",
			   "there is no place for it");
	if (stat(path, &file) != 0)
		return say(errno == ENOENT ? GOOD : BAD, "state", "give another --state-dir", "%s: %s", path,
			   errno == ENOENT ? "will be made" : strerror(errno));
	if (!S_ISDIR(file.st_mode) || access(path, R_OK | W_OK | X_OK) != 0)
		return say(BAD, "state", "make it writable for this user, or give another --state-dir", "%s",
			   path);
	return say(file.st_mode & 077 ? HINT : GOOD, "state", "it holds keys: chmod 700", "%s", path);
}

/* A clock that is wrong makes every certificate invalid. */
static int report_clock(void)
{
	const time_t built_after = 1704067200; /* the first second of 2024 */
	time_t now = time(NULL);
	struct tm parts;
	char text[64];
	gmtime_r(&now, &parts);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
	return say(now < built_after ? BAD : GOOD, "clock",
		   "set it, for example with systemd-timesyncd: certificates depend on it", "%s", text);
}

static int report_roots(void)
{
	return say(access(state_system_roots, R_OK) == 0 ? GOOD : HINT, "roots",
		   "install ca-certificates; it is needed only by clients with neither pin nor ca", "%s",
		   state_system_roots);
}

int doctor_command(const struct options *options)
{
	int bad = report_kernel();
	bad |= report_engine();
	report_capabilities();
	bad |= report_tls();
	report_libraries();
	bad |= report_cpus();
	bad |= report_memory();
	bad |= report_limits();
	bad |= report_network();
	bad |= report_state(options);
	bad |= report_roots();
	bad |= report_clock();
	return output_end(bad);
}
