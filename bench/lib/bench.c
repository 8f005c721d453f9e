/* bench/lib/bench.c - see bench.h. */
#include "bench/lib/bench.h"

#include <stdlib.h>
#include <unistd.h>

#include "bench/lib/circuit.h"
#include "bench/lib/pattern.h"
#include "bench/lib/peer_kind.h"
#include "bench/lib/relay.h"

enum { EXIT_INTERRUPTED = 130 };

static void show_log(struct bench *bench, uint32_t index)
{
	char tail[2048];

	peer_log_tail(&bench->peers[index], &bench->setup, tail, sizeof(tail));
	if (tail[0] != 0)
		fprintf(stderr, "--- the end of its log:\n%s\n---\n", tail);
}

void bench_fail(struct bench *bench, uint32_t index, const char *text)
{
	fprintf(stderr, "%s: %s: FAULT: %s\n", bench->options.program, bench->peers[index].name, text);
	json_array_append_new(bench->faults,
			      json_pack("{s:s, s:s}", "peer", bench->peers[index].name, "text", text));
	bench->fault_count++;
	show_log(bench, index);
	peer_stop(&bench->peers[index]);
	bench->running[index] = false;
}

static void start_peers(struct bench *bench)
{
	for (uint32_t i = 0; i < PEER_COUNT && !child_is_interrupted(); i++) {
		struct peer *peer = &bench->peers[i];
		bool found = peer_find(peer, i, &bench->setup);
		bench->wanted[i] = options_wants(&bench->options, peer->name);
		if (!bench->wanted[i])
			continue;
		if (!found) {
			fprintf(stderr, "%s: SKIPPED %s: %s\n", bench->options.program, peer->name,
				peer->why);
			continue;
		}
		bench->running[i] = peer_start(peer, &bench->setup);
		if (bench->running[i] || child_is_interrupted())
			continue;
		fprintf(stderr, "%s: SKIPPED %s: it does not start: %s\n", bench->options.program, peer->name,
			peer->why);
		show_log(bench, i);
	}
}

double bench_cpu_seconds(struct bench *bench, uint32_t index, enum peer_part part, struct fault *fault)
{
	double seconds = peer_part_cpu_seconds(&bench->peers[index], part);

	if (seconds < 0)
		fault_set(fault, "a process ended");
	return seconds;
}

uint32_t bench_peer(const char *name)
{
	uint32_t index = 0;

	while (index < PEER_COUNT && strcmp(peer_kinds[index].name, name) != 0)
		index++;
	return index;
}

static void show_progress(const struct bench *bench, uint32_t round, uint32_t index, uint32_t figure)
{
	char text[FAULT_TEXT_SIZE];

	if (!isatty(STDERR_FILENO))
		return;
	bench->program->describe(bench, figure, text);
	fprintf(stderr, "\rround %u of %u: %s, %s \033[K", round + 1, bench->options.rounds,
		bench->peers[index].name, text);
}

void bench_measure(struct bench *bench, uint32_t index, uint32_t figure)
{
	struct fault fault = {.is_set = false};

	bench->run++;
	if (!bench->program->measure(bench, index, figure, &fault) && !child_is_interrupted())
		bench_fail(bench, index, fault.text);
}

static void run_round(struct bench *bench, uint32_t round)
{
	uint32_t figure_count = bench->program->figure_count(bench);

	for (uint32_t at = 0; at < figure_count * PEER_COUNT; at++) {
		uint32_t index = (at + round) % PEER_COUNT;
		if (child_is_interrupted() || !bench->running[index])
			continue;
		show_progress(bench, round, index, at / PEER_COUNT);
		bench_measure(bench, index, at / PEER_COUNT);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

static void print_head(const struct bench *bench)
{
	const struct options *options = &bench->options;
	const struct machine *machine = &bench->machine;

	printf("%s, %u cores, %s\n", machine->cpu, machine->cores, machine->kernel);
	printf("%s network, congestion control %s, of the load's own sockets %s\n",
	       machine->private_network ? "private loopback" : "host's loopback", machine->congestion,
	       machine->load_congestion);
	printf("protocol %s, engine %s, %u worker%s each end, %u link%s; %u round%s of %g s; %s\n\n",
	       options->protocol, options->engine, options->cores, options->cores == 1 ? "" : "s",
	       options->links, options->links == 1 ? "" : "s", options->rounds,
	       options->rounds == 1 ? "" : "s", options->seconds,
	       options->quick ? "every byte checked" : bench->program->checks);
	for (uint32_t i = 0; i < PEER_COUNT; i++)
		if (bench->wanted[i] && bench->peers[i].version[0] != 0)
			printf("%-15s %-18s %s\n", bench->peers[i].name, bench->peers[i].version,
			       bench->peers[i].tls);
	printf("\n");
}

static json_t *peers_json(const struct bench *bench)
{
	json_t *peers = json_array();

	for (uint32_t i = 0; i < PEER_COUNT; i++) {
		const struct peer *peer = &bench->peers[i];
		if (bench->wanted[i])
			json_array_append_new(peers, json_pack("{s:s, s:s, s:s, s:b}", "name", peer->name,
							       "version", peer->version, "tls", peer->tls,
							       "measured", bench->running[i]));
	}
	return peers;
}

static json_t *settings_json(const struct bench *bench)
{
	const struct options *options = &bench->options;
	json_t *settings =
	    json_pack("{s:s, s:s, s:i, s:i, s:f, s:i, s:b}", "protocol", options->protocol, "engine",
		      options->engine, "cores", (int)options->cores, "links", (int)options->links, "seconds",
		      options->seconds, "rounds", (int)options->rounds, "quick", options->quick);

	if (bench->program->settings != NULL)
		bench->program->settings(bench, settings);
	return settings;
}

static void print_json(const struct bench *bench)
{
	json_t *all =
	    json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:O}", "bench", bench->program->name, "schema", 1,
		      "machine", machine_json(&bench->machine), "settings", settings_json(bench), "peers",
		      peers_json(bench), "rows", bench->program->rows(bench), "faults", bench->faults);

	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	printf("\n");
	json_decref(all);
}

static bool prepare(struct bench *bench)
{
	char why[PEER_TEXT_SIZE];
	bool isolated = !bench->options.host_network && machine_isolate();

	if (!isolated && !bench->options.host_network)
		fprintf(stderr, "%s: no private network here: using the host's loopback\n",
			bench->options.program);
	machine_raise_files();
	machine_describe(&bench->machine, isolated);
	snprintf(bench->directory, sizeof(bench->directory), "/tmp/tunnel-bench-XXXXXX");
	if (mkdtemp(bench->directory) == NULL) {
		perror(bench->directory);
		return false;
	}
	setenv("XDG_STATE_HOME", bench->directory, 1);
	child_init(bench->directory);
	bench->setup = (struct peer_setup){.directory = bench->directory, .tunnel = bench->options.tunnel};
	bench->setup.engine = bench->options.engine;
	bench->setup.cores = bench->options.cores;
	bench->setup.links = bench->options.links;
	snprintf(bench->setup.self, sizeof(bench->setup.self), "%s", bench->options.self);
	bench->setup.listener = circuit_listen(&bench->setup.origin);
	if (bench->setup.listener < 0) {
		perror("listen");
		return false;
	}
	if (peer_certify(&bench->setup, why))
		return true;
	fprintf(stderr, "%s: cannot make a certificate: %s\n", bench->options.program, why);
	return false;
}

static int finish(struct bench *bench)
{
	if (!child_is_interrupted() && bench->options.json)
		print_json(bench);
	else if (!child_is_interrupted())
		bench->program->print(bench);
	for (uint32_t i = 0; i < PEER_COUNT; i++)
		peer_stop(&bench->peers[i]);
	if (child_is_interrupted())
		return EXIT_INTERRUPTED;
	if (!bench->running[BENCH_OURS] && bench->fault_count == 0)
		fprintf(stderr, "%s: tunnel was not measured\n", bench->options.program);
	return bench->fault_count > 0 || !bench->running[BENCH_OURS] ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct bench *bench)
{
	int status = EXIT_FAILURE;

	bench->faults = json_array();
	pattern_init();
	if (prepare(bench)) {
		start_peers(bench);
		if (!bench->options.json && !child_is_interrupted())
			print_head(bench);
		fflush(stdout);
		for (uint32_t round = 0; round < bench->options.rounds; round++)
			run_round(bench, round);
		if (bench->program->after != NULL)
			bench->program->after(bench);
		status = finish(bench);
	}
	child_fini();
	json_decref(bench->faults);
	return status;
}

int bench_main(const struct bench_program *program, int argument_count, char **arguments)
{
	if (argument_count > 2 && strcmp(arguments[1], "--relay") == 0)
		return relay_run(argument_count - 2, arguments + 2);

	struct bench *bench = calloc(1, sizeof(*bench));
	check(bench != NULL);
	bench->program = program;
	int status = options_parse(&bench->options, &program->options, argument_count, arguments);
	if (status < 0)
		status = run(bench);
	free(bench);
	return status;
}
