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

static bool transfer(uint16_t port)
{
	uint64_t *block = malloc(BLOCK), got = 0;
	int fd = connect_to(port);
	bool right = block && fd >= 0 && write_all(fd, "b", 1);
	double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
	while (right && got < DEMO_BYTES) {
		ssize_t size = recv(fd, block, BLOCK, MSG_WAITALL);
		right = size == BLOCK && is_right(block, got / sizeof *block, BLOCK / sizeof *block);
		got += size > 0 ? (uint64_t)size : 0;
	}
	wall = seconds(CLOCK_MONOTONIC) - wall;
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (right)
		printf("  user        < %llu MiB in %.2f s: %.2f GiB/s, every byte checked\n"
		       "                (%.2f CPU-seconds per GiB for gateway, client, origin and user "
		       "together)\n",
		       (unsigned long long)got >> 20, wall, (double)got / wall / (1 << 30),
		       cpu / ((double)got / (1 << 30)));
	if (fd >= 0)
		close(fd);
	free(block);
	return right;
}

/* ---- putting it together ---- */

static bool demo_config(const struct options *options, struct config *config, uint16_t gateway,
			uint16_t published, uint16_t origin)
{
	static struct options made;
	char url[128], listen_addr[32], publish[64], why[OPTIONS_WHY_SIZE];
	snprintf(listen_addr, sizeof listen_addr, "127.0.0.1:%u", gateway);
	snprintf(publish, sizeof publish, "demo=%u:127.0.0.1:%u", published, origin);
	snprintf(url, sizeof url,
		 "tls-tunnel://"
		 "demonstration-key@127.0.0.1:%u?pin=sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		 gateway);
	char *argv[] = {(char *)"tunnel", (char *)"client", url, (char *)"--publish", publish, NULL};
	if (!options_parse(&made, 5, argv, why) || !options_config(&made, config)) {
		options_fini(&made);
		return false;
	}
	options_fini(&made);
	config->gateway.enabled = true;
	config->cores = config->cores ? config->cores : 0;
	if (!address_parse(&config->gateway.listen_addr, listen_addr) ||
	    !secret_set(&config->gateway.auth_key, slice_of("demonstration-key")))
		return false;
	if (!state_load_temporary(config, why, sizeof why)) {
		fprintf(stderr, "tunnel: %s\n", why);
		return false;
	}
	return tls_pin_of_pem(config->gateway.certificate_pem, config->clients[0].pin) == STATUS_OK;
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

static bool demo(const struct options *options, struct config *config)
{
	static struct run run;
	static int origin;
	uint16_t gateway_port, published_port, origin_port;
	char why[RUN_WHY_SIZE] = "";
	pthread_t thread;
	struct tls_library_options library = {.crypto = TLS_CRYPTO_AUTO};
	if (tls_library_start(&library, why) != STATUS_OK || !free_port(&gateway_port) ||
	    !free_port(&published_port) || (origin = listen_anywhere(&origin_port)) < 0 ||
	    !demo_config(options, config, gateway_port, published_port, origin_port) ||
	    !run_start(&run, config, why)) {
		fprintf(stderr, "tunnel: the demonstration cannot start: %s\n", why);
		return false;
	}
	pthread_create(&thread, NULL, origin_main, &origin);
	printf("One process, all on 127.0.0.1:\n\n  user > :%u gateway =TLS 1.3= client > :%u origin\n\n",
	       published_port, origin_port);
	printf("  engine        %s, %u worker%s; %s\n", run.process.engine->name, run.process.worker_count,
	       run.process.worker_count == 1 ? "" : "s", tls_library_text());
	bool worked = wait_ready(&run) && greet(published_port) && transfer(published_port);
	puts(worked ? "\nIt works. Next: `tunnel gateway` here, then paste the line that it prints on the "
		      "other machine."
		    : "\nIt did not work; `tunnel doctor` tells what this machine lacks.");
	shutdown(origin, SHUT_RDWR);
	close(origin);
	run_stop(&run);
	pthread_join(thread, NULL);
	tls_library_stop();
	return worked;
}

int demo_command(const struct options *options)
{
	struct config config = {0};
	log_output_start();
	log_start(options->verbose ? LOG_DEBUG : LOG_WARN, LOG_TEXT, log_output);
	setvbuf(stdout, NULL, _IOLBF, 0);
	bool worked = demo(options, &config);
	config_fini(&config);
	return output_end(worked ? 0 : 1);
}
