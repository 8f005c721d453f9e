/* tools/tunnel/run.c - see run.h. */
#include "tools/tunnel/run_inside.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "ring/network.h"
#include "tools/tunnel/state.h"

enum { TRIM_THRESHOLD = 512 * 1024 };

/* ---- starting ---- */

static void resolve(struct process *process, struct resolve_job *job)
{
	resolver_submit(process->resolver, job);
}
static void post(void *state, struct mail *mail) { process_post(state, mail); }

static struct instant boot_time(void) { return (struct instant){run_clock_ns(CLOCK_BOOTTIME)}; }

/* Two descriptors a channel: as many as we may have. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* What ends the program, or is heard by it. */
static sigset_t our_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	return set;
}

static void block_signals(void)
{
	sigset_t set = our_signals();
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static uint32_t choose_cores(const struct config *config)
{
	uint32_t present = machine_cores();
	uint32_t cores = config->cores ? config->cores : present;
	if (cores > present)
		log_warn("more workers than CPUs", NUMBER("cores", cores), NUMBER("cpus", present));
	return cores;
}

static void tell_memory(const struct config *config, size_t budgets, uint32_t cores)
{
	size_t all = budgets + machine_memory_beside(config, cores), present = machine_memory();
	log_info("memory", NUMBER("limit_mib", budgets >> 20), NUMBER("process_max_mib", all >> 20));
	if (all > present)
		log_warn("more memory than there is: lower limits.process_memory or cores",
			 NUMBER("process_max_mib", all >> 20), NUMBER("present_mib", present >> 20));
}

bool run_start(struct run *run, struct config *config, char why[RUN_WHY_SIZE])
{
	*run = (struct run){.config = config,
			    .news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
			    .original = run->original,
			    .print_line = run->print_line,
			    .host = run->host};
	run_news_to(run);
	run->network = config->client_count ? network_watch() : -1;
	check(config->client_count <= RUN_CLIENTS_MAX);
	block_signals();
	raise_descriptors();
	/* Left to itself, glibc lets every heap keep twice the largest block that was ever freed. */
	mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
	struct process *process = &run->process;
	uint32_t cores = choose_cores(config);
	process->engine = ring_choose(config->engine, why);
	if (!process->engine)
		return false;
	log_info("engine", TEXT("name", process->engine->name), TEXT("why", why), NUMBER("workers", cores),
		 TEXT("tls", tls_library_text()));
	process->limits = config->limits;
	if (!process->limits.process_memory)
		process->limits.process_memory = machine_memory() / 2;
	tell_memory(config, process->limits.process_memory, cores);
	process->is_here = machine_has_address;
	process->access = &config->access;
	process->batching = config->batching;
	process->secret_bytes = tls_random;
	process->usage = machine_usage;
	process->populate = run_populate;
	process->populate_state = run;
	process->resolve = resolve;
	process->pinned = cores > 1 && cores <= machine_cores();
	tls_random((uint8_t *)&process->seed, sizeof process->seed);
	if (!process_init(process, cores, boot_time())) {
		snprintf(why, RUN_WHY_SIZE, "out of memory");
		return false;
	}
	if (!run_settings_fill(run, why))
		return false;
	process->resolver = resolver_start(post, process, why);
	if (!process->resolver)
		return false;
	if (process_start(process)) {
		malloc_trim(0); /* reading and checking took more than what stays */
		return true;
	}
	snprintf(why, RUN_WHY_SIZE, "%s", process->why);
	return false;
}

/* ---- ending ---- */

/* Waits for a signal among those that end the program, at most so long; news are cleared. 0: none. */
static int wait_signal(struct run *run, int signals, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = run->news, .events = POLLIN},
			       {.fd = run->network, .events = POLLIN}};
	struct signalfd_siginfo info;
	uint64_t count;
	poll(fds, 3, timeout_ms);
	if (fds[2].revents && network_changed(run->network))
		process_network_changed(&run->process);
	if (read(run->news, &count, sizeof count) < 0 && errno != EAGAIN)
		return SIGTERM;
	if (!(fds[0].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info)
		return 0;
	if (info.ssi_signo == SIGHUP || info.ssi_signo == SIGUSR2) {
		log_warn("this version does not reload or hand over; restart it instead",
			 NUMBER("signal", info.ssi_signo));
		return 0;
	}
	return (int)info.ssi_signo;
}

static void drain(struct run *run, int signals)
{
	int64_t until = boot_time().ns + run->config->drain_stop.ns;
	atomic_store(&run->draining, true);
	log_info("draining", NUMBER("limit_s", duration_ms(run->config->drain_stop) / 1000));
	process_drain(&run->process);
	/* Workers count as idle until they have heard of it. A second signal ends all at once. */
	int signal = wait_signal(run, signals, 50);
	while (!signal && !process_is_idle(&run->process) && boot_time().ns < until)
		signal = wait_signal(run, signals, 100);
}

static void say_original(const char *text)
{
	fputs(text, stdout);
	fflush(stdout);
}

static void print_client_line(struct run *run)
{
	char line[STATE_LINE_SIZE];
	if (state_client_line(run->config, run->host, run->public.address.port, line)) {
		printf("On the other machine, where its port 3000 shall become port 8080 of this one:\n"
		       "  %s --publish web=8080:127.0.0.1:3000\n",
		       line);
		fflush(stdout);
	}
	secret_wipe(line, sizeof line);
}

/* What clients need where the certificate is of our own making. */
static const char *pin_of(const struct run *run, char text[PIN_TEXT_SIZE])
{
	uint8_t pin[PIN_SIZE];
	text[0] = 0;
	if (tls_pin_of_pem(run->config->gateway.certificate_pem, pin) == STATUS_OK)
		pin_format(pin, text);
	return text;
}

static const char *why_no_port(const struct run *run, int error)
{
	switch (error) {
	case -EADDRINUSE:
		return run->original ? "another process listens there; stop it or choose another port "
				       "(--ws-port)"
				     : "another process listens there; stop it or choose another address "
				       "(--listen, listen_addr)";
	case -EACCES:
		return "ports below 1024 need privileges; choose another or grant CAP_NET_BIND_SERVICE";
	case -EADDRNOTAVAIL:
		return "that is no address of this machine";
	default:
		return reason_text(reason_of_errno(error));
	}
}

/* Once for each port. False: it cannot listen, and it has been said why. */
static bool tell_port(struct run *run, struct run_port *port, const struct address *wanted)
{
	char where[ADDRESS_TEXT_SIZE], pin[PIN_TEXT_SIZE];
	int state = atomic_load(&port->state);
	if (state == 0 || port->told)
		return true;
	port->told = true;
	if (state == 1 && port == &run->stats) {
		log_info("management listening", TEXT("address", address_format(&port->address, where)));
		return true;
	}
	if (state == 1) {
		bool own = port == &run->own, clear = !own && run->config->gateway.behind_proxy;
		log_info("listening", TEXT("address", address_format(&port->address, where)),
			 TEXT(own || clear ? "speaks" : "pin",
			      own     ? "LinkSocks in clear"
			      : clear ? "everything in clear, behind a proxy that does TLS"
				      : pin_of(run, pin)));
		if (run->print_line && port == &run->public)
			print_client_line(run);
		if (run->original)
			say_original("LinkSocks server started\n");
		return true;
	}
	log_error("cannot listen", TEXT("address", address_format(wanted, where)),
		  TEXT("reason", why_no_port(run, state)));
	return false;
}

static bool tell_ports(struct run *run)
{
	const struct config_gateway *gateway = &run->config->gateway;
	return tell_port(run, &run->public, &gateway->listen_addr) &&
	       tell_port(run, &run->own, &gateway->linksocks.listen_addr) &&
	       tell_port(run, &run->stats, &run->config->stats.listen_addr);
}

/* What scripts around the original client wait for. */
static void tell_clients(struct run *run)
{
	if (!run->original)
		return;
	if (!run->clients_told && atomic_load(&run->clients_ready)) {
		run->clients_told = true;
		say_original(run->config->clients[0].linksocks.reverse
				 ? "Authentication successful for reverse proxy\n"
				 : "Authentication successful for forward proxy\n");
	}
	if (!run->users_told && atomic_load(&run->users_listen)) {
		run->users_told = true;
		say_original("SOCKS5 server started\n");
	}
}

int run_until_signal(struct run *run)
{
	sigset_t set = our_signals();
	int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), status = 0;
	for (;;) {
		int signal = wait_signal(run, signals, -1);
		if (!tell_ports(run)) {
			status = 1;
			break;
		}
		tell_clients(run);
		if (atomic_load(&run->failed)) {
			log_error("giving up", TEXT("reason", run->failure));
			status = 1;
			break;
		}
		if (signal) {
			drain(run, signals);
			break;
		}
	}
	close(signals);
	return status;
}

/* What the workers have counted, as far as anything was. */
static void log_counters(const struct process *process)
{
	struct log_fact facts[COUNTER_COUNT];
	size_t count = 0;

	for (int i = 0; i < COUNTER_COUNT; i++) {
		uint64_t sum = process_counter(process, (enum counter)i);
		if (sum)
			facts[count++] = NUMBER(counter_name((enum counter)i), sum);
	}
	log_line(LOG_DEBUG, "counters", facts, count);
}

void run_stop(struct run *run)
{
	process_stop(&run->process);
	process_join(&run->process);
	if (log_enabled(LOG_DEBUG))
		log_counters(&run->process);
	process_fini(&run->process);
	rate_sources_destroy(run->gateway.source_rates);
	for (size_t i = 0; i < run->config->client_count; i++)
		client_links_destroy(run->clients[i].links);
	for (size_t i = 0; i < run->config->client_count; i++)
		linksocks_client_links_destroy(run->linksocks_clients[i].links);
	close(run->news);
	if (run->network >= 0)
		close(run->network);
	run_news_to(NULL);
}
