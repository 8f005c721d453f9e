/* bench/throughput.c - bytes a second, and CPU-seconds a GiB of both ends together, of our program and its
 * peers.
 *
 * Every peer runs all the time; a reading is one peer, one number of streams, one direction. Rounds are
 * interleaved: all peers are read one after the other before the next figure's turn, and each round starts
 * with another peer. How to run and to read it: bench/README.md.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bench/lib/load.h"
#include "bench/lib/machine.h"
#include "bench/lib/options.h"
#include "bench/lib/relay.h"

#define GIB (1024.0 * 1024 * 1024)

enum { EXIT_INTERRUPTED = 130 };

struct cell {
	struct series gib_per_s;
	struct series cpu_s_per_gib;
	struct series share;
};

struct bench {
	struct options options;
	struct machine machine;
	struct peer_setup setup;
	char directory[64];
	struct peer peers[PEER_COUNT];
	bool running[PEER_COUNT], wanted[PEER_COUNT];
	struct cell cells[PEER_COUNT][OPTIONS_STREAMS_MAX][DIRECTION_COUNT];
	uint32_t run;
	uint32_t fault_count;
	json_t *faults;
};

/* The first entry of the peers' table is ours. */
enum { OURS = 0 };

static const char *const direction_names[DIRECTION_COUNT] = {"up", "down"};

static void report_fault(struct bench *bench, uint32_t index, const char *text)
{
	fprintf(stderr, "%s: %s: FAULT: %s\n", bench->options.program, bench->peers[index].name, text);
	json_array_append_new(bench->faults,
			      json_pack("{s:s, s:s}", "peer", bench->peers[index].name, "text", text));
	bench->fault_count++;
}

static void show_log(struct bench *bench, uint32_t index)
{
	char tail[2048];

	peer_log_tail(&bench->peers[index], &bench->setup, tail, sizeof(tail));
	if (tail[0] != 0)
		fprintf(stderr, "--- the end of its log:\n%s\n---\n", tail);
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

/* One timed run on open streams: what it cost, once everything has arrived and its ends are at rest. */
static bool take_reading(struct bench *bench, uint32_t index, struct load *load, struct cell *cell)
{
	struct load_result result;
	double rest = 0.01, warm = size_min(250, (size_t)(bench->options.seconds * 500)) / 1000.0;

	if (!load_run(load, warm, &result))
		return false;
	child_sleep(rest, NULL);
	double before = peer_cpu_seconds(&bench->peers[index]);
	if (!load_run(load, bench->options.seconds, &result))
		return false;
	child_sleep(rest, NULL);
	double after = peer_cpu_seconds(&bench->peers[index]);
	if (before < 0 || after < 0 || result.bytes == 0) {
		snprintf(load->fault, sizeof(load->fault), "%s",
			 result.bytes == 0 ? "no bytes arrived" : "a process ended");
		return false;
	}
	double gib = (double)result.bytes / GIB;
	series_add(&cell->gib_per_s, gib / result.seconds);
	series_add(&cell->cpu_s_per_gib, (after - before) / gib);
	series_add(&cell->share, result.share);
	return true;
}

/* After a fault the peer is stopped and not measured again: its figures would mean nothing. */
static void measure(struct bench *bench, uint32_t index, uint32_t count_index, enum direction direction)
{
	struct load *load = calloc(1, sizeof(*load));
	struct cell *cell = &bench->cells[index][count_index][direction];
	const struct options *options = &bench->options;

	check(load != NULL);
	*load = (struct load){.thread_count = options->cores, .run = ++bench->run, .direction = direction};
	load->thorough = options->quick;
	bool good =
	    load_open(load, options->streams[count_index], bench->peers[index].near, bench->setup.listener);
	if (good) {
		good = take_reading(bench, index, load, cell);
		good = load_close(load) && good;
	}
	if (!good && !child_is_interrupted()) {
		report_fault(bench, index, load->fault);
		show_log(bench, index);
		peer_stop(&bench->peers[index]);
		bench->running[index] = false;
	}
	free(load);
}

static void show_progress(const struct bench *bench, uint32_t round, uint32_t index, uint32_t streams,
			  int direction)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rround %u of %u: %s, %u streams %s \033[K", round + 1,
			bench->options.rounds, bench->peers[index].name, streams, direction_names[direction]);
}

static void run_round(struct bench *bench, uint32_t round)
{
	const struct options *options = &bench->options;

	for (uint32_t at = 0; at < options->stream_count * DIRECTION_COUNT * PEER_COUNT; at++) {
		uint32_t index = (at + round) % PEER_COUNT;
		int direction = (int)(at / PEER_COUNT % DIRECTION_COUNT);
		uint32_t count_index = at / PEER_COUNT / DIRECTION_COUNT;
		if (child_is_interrupted() || !bench->running[index])
			continue;
		show_progress(bench, round, index, options->streams[count_index], direction);
		measure(bench, index, count_index, (enum direction)direction);
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
	printf("protocol %s, engine %s, %u worker%s each end; %u round%s of %g s; %s\n\n", options->protocol,
	       options->engine, options->cores, options->cores == 1 ? "" : "s", options->rounds,
	       options->rounds == 1 ? "" : "s", options->seconds,
	       options->quick ? "every byte checked" : "stamps of all bytes checked");
	for (uint32_t i = 0; i < PEER_COUNT; i++)
		if (bench->wanted[i] && bench->peers[i].version[0] != 0)
			printf("%-8s %-18s %s\n", bench->peers[i].name, bench->peers[i].version,
			       bench->peers[i].tls);
	printf("\n");
}

static void add_value(struct table *table, const struct series *series)
{
	double median = series_median(series), spread = series_spread(series);

	if (series->count == 0)
		table_cell(table, "–");
	else if (spread < 0 || median <= 0)
		table_cell(table, "%.2f", median);
	else
		table_cell(table, "%.2f ±%2.0f %%", median, 100 * spread / median);
}

static void add_ratio(struct table *table, const struct cell *cell, const struct cell *ours)
{
	double ratio = series_ratio(&cell->cpu_s_per_gib, &ours->cpu_s_per_gib);

	if (ratio > 0)
		table_cell(table, "%.2f", ratio);
	else
		table_cell(table, "–");
}

static void add_row(const struct bench *bench, struct table *table, uint32_t index, uint32_t count_index)
{
	const struct cell *cells = bench->cells[index][count_index], *ours = bench->cells[OURS][count_index];
	const struct cell *up = &cells[DIRECTION_UP], *down = &cells[DIRECTION_DOWN];

	if (up->gib_per_s.count + down->gib_per_s.count == 0)
		return;
	table_begin(table);
	table_cell(table, "%s", bench->peers[index].name);
	table_cell(table, "%u", bench->options.streams[count_index]);
	add_value(table, &up->cpu_s_per_gib);
	add_value(table, &down->cpu_s_per_gib);
	add_ratio(table, up, &ours[DIRECTION_UP]);
	add_ratio(table, down, &ours[DIRECTION_DOWN]);
	add_value(table, &up->gib_per_s);
	add_value(table, &down->gib_per_s);
	double share = series_median(&up->share);
	if (down->share.count > 0 && series_median(&down->share) < share)
		share = series_median(&down->share);
	table_cell(table, "%.2f", share);
}

static void print_table(const struct bench *bench)
{
	static const char *const headings[] = {"peer",		 "streams",    "CPU-s/GiB up",
					       "CPU-s/GiB down", "x ours up",  "x ours down",
					       "GiB/s up",	 "GiB/s down", "share"};
	struct table *table = calloc(1, sizeof(*table));

	check(table != NULL);
	table_begin(table);
	for (size_t i = 0; i < COUNT_OF(headings); i++)
		table_cell(table, "%s", headings[i]);
	for (uint32_t count_index = 0; count_index < bench->options.stream_count; count_index++)
		for (uint32_t index = 0; index < PEER_COUNT; index++)
			add_row(bench, table, index, count_index);
	table_print(table, stdout);
	free(table);
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

static json_t *row_json(const struct bench *bench, uint32_t index, uint32_t count_index, int direction)
{
	const struct cell *cell = &bench->cells[index][count_index][direction];
	double ratio =
	    series_ratio(&cell->cpu_s_per_gib, &bench->cells[OURS][count_index][direction].cpu_s_per_gib);

	return json_pack("{s:s, s:i, s:s, s:o, s:o, s:o, s:o}", "peer", bench->peers[index].name, "streams",
			 (int)bench->options.streams[count_index], "direction", direction_names[direction],
			 "gib_per_s", series_json(&cell->gib_per_s), "cpu_s_per_gib",
			 series_json(&cell->cpu_s_per_gib), "share", series_json(&cell->share),
			 "ratio_to_ours", ratio > 0 ? json_real(ratio) : json_null());
}

static json_t *rows_json(const struct bench *bench)
{
	json_t *rows = json_array();

	uint32_t cells = bench->options.stream_count * PEER_COUNT * DIRECTION_COUNT;
	for (uint32_t cell = 0; cell < cells; cell++) {
		int direction = (int)(cell % DIRECTION_COUNT);
		uint32_t index = cell / DIRECTION_COUNT % PEER_COUNT,
			 count_index = cell / DIRECTION_COUNT / PEER_COUNT;
		if (bench->cells[index][count_index][direction].gib_per_s.count > 0)
			json_array_append_new(rows, row_json(bench, index, count_index, direction));
	}
	return rows;
}

static void print_json(const struct bench *bench)
{
	const struct options *options = &bench->options;
	json_t *settings =
	    json_pack("{s:s, s:s, s:i, s:f, s:i, s:b}", "protocol", options->protocol, "engine",
		      options->engine, "cores", (int)options->cores, "seconds", options->seconds, "rounds",
		      (int)options->rounds, "quick", options->quick);
	json_t *all = json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:O}", "bench", "throughput", "schema", 1,
				"machine", machine_json(&bench->machine), "settings", settings, "peers",
				peers_json(bench), "rows", rows_json(bench), "faults", bench->faults);

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
		print_table(bench);
	for (uint32_t i = 0; i < PEER_COUNT; i++)
		peer_stop(&bench->peers[i]);
	if (child_is_interrupted())
		return EXIT_INTERRUPTED;
	if (!bench->running[OURS] && bench->fault_count == 0)
		fprintf(stderr, "%s: tunnel was not measured\n", bench->options.program);
	return bench->fault_count > 0 || !bench->running[OURS] ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argument_count, char **arguments)
{
	if (argument_count == 4 && strcmp(arguments[1], "--relay") == 0)
		return relay_run((uint16_t)atoi(arguments[2]), (uint16_t)atoi(arguments[3]));

	struct bench *bench = calloc(1, sizeof(*bench));
	check(bench != NULL);
	int status =
	    options_parse(&bench->options, argument_count, arguments,
			  "Bytes a second and CPU-seconds a GiB of tunnel and its peers, on this machine.");
	if (status < 0) {
		bench->faults = json_array();
		pattern_init();
		bool ready = prepare(bench);
		status = EXIT_FAILURE;
		if (ready) {
			start_peers(bench);
			if (!bench->options.json && !child_is_interrupted())
				print_head(bench);
			fflush(stdout);
			for (uint32_t round = 0; round < bench->options.rounds; round++)
				run_round(bench, round);
			status = finish(bench);
		}
		child_fini();
		json_decref(bench->faults);
	}
	free(bench);
	return status;
}
