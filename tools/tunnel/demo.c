/* tools/tunnel/demo.c - see demo.h. */
#include "tools/tunnel/demo.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "tools/tunnel/commands.h"
#include "tools/tunnel/crypto.h"
#include "tools/tunnel/log_output.h"
#include "tools/tunnel/run.h"
#include "tools/tunnel/state.h"

enum { DEMO_BYTES = 512 << 20, BLOCK = 256 * 1024, WAIT_MS = 10000 };

static double seconds(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- sockets of the origin and the user: plain and blocking ---- */

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

/* A listening socket on a port of the kernel's choice. */
static int listen_anywhere(uint16_t *port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

static bool free_port(uint16_t *port)
{
	int fd = listen_anywhere(port);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = loopback(port);
	for (int tries = 0; tries < 100; tries++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
			return fd;
		close(fd);
		poll(NULL, 0, 20);       /* the client has published it, the gateway is about to listen */
	}
	return -1;
}

static bool write_all(int fd, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size) {
		ssize_t sent = send(fd, at, size, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

/* ---- the origin: answers one line with a greeting or with bytes that can be checked ---- */

static void fill(uint64_t *block, uint64_t first_word)
{
	for (size_t i = 0; i < BLOCK / sizeof *block; i++)
		block[i] = (first_word + i) * 0x9e3779b97f4a7c15u;
}

static void *origin_main(void *argument)
{
	int listener = *(int *)argument;
	uint64_t *block = malloc(BLOCK);
	for (int fd; block && (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
		char question;
		if (recv(fd, &question, 1, 0) != 1)
			continue;
		if (question == 'h') {
			static const char greeting[] = "hello from the other side";
			write_all(fd, greeting, sizeof greeting - 1);
			continue;
		}
		for (uint64_t sent = 0; sent < DEMO_BYTES; sent += BLOCK) {
			fill(block, sent / sizeof *block);
			if (!write_all(fd, block, BLOCK))
				break;
		}
	}
	free(block);
	return NULL;
}

/* ---- the user ---- */

static bool greet(uint16_t port)
{
	char text[64] = "";
	size_t used = 0;
	ssize_t size;
	int fd = connect_to(port);
	bool said = fd >= 0 && write_all(fd, "h", 1);
	while (said && used < sizeof text - 1 &&
	       (size = recv(fd, text + used, sizeof text - 1 - used, 0)) > 0)
		used += (size_t)size;
	close(fd);
	if (!used)
		return false;
	printf("  user        < \"%s\"\n", text);
	return true;
}

static bool is_right(const uint64_t *block, uint64_t first_word, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (block[i] != (first_word + i) * 0x9e3779b97f4a7c15u)
			return false;
	return true;
}

static void print_transfer(uint64_t bytes, double wall, double cpu)
{
	double gib = (double)bytes / (1 << 30);
	printf("  user        < %llu MiB in %.2f s: %.2f GiB/s, every byte checked\n"
	       "                (%.2f CPU-seconds per GiB for gateway, client, origin and user together)\n",
	       (unsigned long long)bytes >> 20, wall, gib / wall, cpu / gib);
}

/* A whole block; less at the end of the stream, and -1 for an error. */
static ssize_t read_block(int fd, void *block)
{
	size_t used = 0;
	while (used < BLOCK) {
		ssize_t size = recv(fd, (char *)block + used, BLOCK - used, 0);
		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return size < 0 ? size : (ssize_t)used;
		used += (size_t)size;
	}
	return BLOCK;
}

static bool transfer(uint16_t port)
{
	uint64_t *block = malloc(BLOCK), got = 0;
	int fd = connect_to(port);
	bool right = block && fd >= 0 && write_all(fd, "b", 1);
	ssize_t size = BLOCK;
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	while (right && got < DEMO_BYTES) {
		size = read_block(fd, block);
		right = size == BLOCK && is_right(block, got / sizeof *block, BLOCK / sizeof *block);
		got += size > 0 ? (uint64_t)size : 0;
	}
	const char *what = size < 0 ? strerror(errno) : size < BLOCK ? "the end came early" : "wrong bytes";
	if (right)
		print_transfer(got, seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
	else
		printf("  user        < %s after %llu bytes\n", what, (unsigned long long)got);
	if (fd >= 0)
		close(fd);
	free(block);
	return right;
}

/* ---- putting it together ---- */

struct demo {
	struct config config;
	uint16_t gateway_port, published_port, origin_port;
	int origin;
};

static bool find_ports(struct demo *demo)
{
	demo->origin = listen_anywhere(&demo->origin_port);
	if (demo->origin >= 0 && free_port(&demo->gateway_port) && free_port(&demo->published_port))
		return true;
	fprintf(stderr, "tunnel: no port of 127.0.0.1 can be had: %s\n", strerror(errno));
	return false;
}

/* A client's command line, and behind it what the user has said. The pin is replaced later. */
static bool demo_config(const struct options *options, struct demo *demo)
{
	static struct options made;
	char url[160], publish[64], listen_addr[32], why[OPTIONS_WHY_SIZE];
	snprintf(listen_addr, sizeof listen_addr, "127.0.0.1:%u", demo->gateway_port);
	snprintf(publish, sizeof publish, "demo=%u:127.0.0.1:%u", demo->published_port, demo->origin_port);
	snprintf(url, sizeof url,
		 "tls-tunnel://demonstration-key@%s?pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		 listen_addr);
	char *argv[] = {"tunnel", "client", url, "--publish", publish, "--log-level", "warn", NULL};
	bool good = options_parse(&made, COUNT_OF(argv) - 1, argv, why);
	check(good);
	for (size_t i = 0; i < options->setting_count; i++)
		made.settings[made.setting_count++] = options->settings[i];
	struct config *config = &demo->config;
	good = options_config(&made, config);
	options_fini(&made);
	config->gateway.enabled = config->gateway.public = config->gateway.tls_tunnel = true;
	config->gateway.transports = (1u << TRANSPORT_COUNT) - 1;
	return good && address_parse(&config->gateway.listen_addr, listen_addr) &&
	       secret_set(&config->gateway.auth_key, slice_of("demonstration-key"));
}

static bool start(struct run *run, struct demo *demo)
{
	struct config *config = &demo->config;
	char why[RUN_WHY_SIZE] = "";
	if (crypto_start(why) == STATUS_OK && state_load_temporary(config, why, sizeof why) &&
	    tls_pin_of_pem(config->gateway.certificate_pem, config->clients[0].pin) == STATUS_OK &&
	    run_start(run, config, why))
		return true;
	fprintf(stderr, "tunnel: the demonstration cannot start: %s\n", why);
	return false;
}

static bool wait_ready(struct run *run)
{
	struct pollfd news = {.fd = run->news, .events = POLLIN};
	double until = seconds(CLOCK_MONOTONIC) + WAIT_MS / 1000.0;
	while (!atomic_load(&run->clients_ready) && seconds(CLOCK_MONOTONIC) < until) {
		uint64_t count;
		poll(&news, 1, 200);
		if (read(run->news, &count, sizeof count) < 0 && errno != EAGAIN)
			return false;
	}
	return atomic_load(&run->clients_ready) > 0;
}

/* The link is ended by one side before the other stops, so that nothing is reported as lost. */
static void stop(struct run *run)
{
	process_drain(&run->process);
	for (int tries = 0; tries < 50 && (tries < 2 || !process_is_idle(&run->process)); tries++)
		poll(NULL, 0, 20);
	run_stop(run);
	tls_library_stop();
}

static bool demonstrate(struct demo *demo)
{
	static const char *const links[] = {[TRANSPORT_TLS] = "TLS 1.3",
					    [TRANSPORT_WSS] = "TLS 1.3, WebSocket",
					    [TRANSPORT_HTTP2] = "TLS 1.3, HTTP/2"};
	static struct run run;
	pthread_t thread;
	if (!start(&run, demo))
		return false;
	pthread_create(&thread, NULL, origin_main, &demo->origin);
	printf("One process, all on 127.0.0.1:\n\n  user > :%u gateway =%s= client > :%u origin\n\n",
	       demo->published_port, links[demo->config.clients[0].transport], demo->origin_port);
	printf("  engine        %s, %u worker%s; %s\n", run.process.engine->name, run.process.worker_count,
	       run.process.worker_count == 1 ? "" : "s", tls_library_text());
	bool worked = wait_ready(&run) && greet(demo->published_port) && transfer(demo->published_port);
	puts(worked ? "\nIt works. Next: `tunnel gateway` here, then paste the line that it prints on the "
		      "other machine."
		    : "\nIt did not work. `tunnel demo -v` says more; `tunnel doctor` tells what this "
		      "machine lacks.");
	shutdown(demo->origin, SHUT_RDWR);
	stop(&run);
	pthread_join(thread, NULL);
	return worked;
}

int demo_command(const struct options *options)
{
	static struct demo demo;
	int status = 1;
	log_output_start();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (find_ports(&demo)) {
		bool good = demo_config(options, &demo);
		log_start(demo.config.log_level, demo.config.log_format, log_output);
		status = !good ? 2 : demonstrate(&demo) ? 0 : 1;
	}
	config_fini(&demo.config);
	return output_end(status);
}
