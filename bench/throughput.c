/* bench/throughput.c - bytes a second, and CPU-seconds a GiB of both ends together, of our program and its
 * peers.
 *
 * Every peer runs all the time; a reading is one peer, one number of streams, one direction. How to run and
 * to read it: bench/README.md.
 */
#include <stdlib.h>

#include "bench/lib/bench.h"
#include "bench/lib/load.h"
#include "bench/lib/syscalls.h"

#define MIB (1024.0 * 1024)
#define GIB (1024 * MIB)

struct cell {
	struct series gib_per_s;
	struct series cpu_s_per_gib;
	struct series share;
	struct series syscalls_per_mib, copied_per_byte; /* one reading with --count, else none */
};

static struct cell cells[PEER_COUNT][OPTIONS_STREAMS_MAX][DIRECTION_COUNT];
static bool counting;
static struct syscalls *syscalls; /* NULL: not counted */
static const char *const direction_names[DIRECTION_COUNT] = {"up", "down"};

static uint32_t figure_count(const struct bench *bench)
{
	return bench->options.stream_count * DIRECTION_COUNT;
}

static void describe(const struct bench *bench, uint32_t figure, char text[FAULT_TEXT_SIZE])
{
	snprintf(text, FAULT_TEXT_SIZE, "%u streams %s", bench->options.streams[figure / DIRECTION_COUNT],
		 direction_names[figure % DIRECTION_COUNT]);
}

/* One timed run on open streams: what it cost, once everything has arrived and its ends are at rest. */
static bool take_reading(struct bench *bench, uint32_t index, struct load *load, struct cell *cell)
{
	struct load_result result;
	double rest = 0.01, warm = size_min(250, (size_t)(bench->options.seconds * 500)) / 1000.0;

	if (!load_run(load, warm, &result))
		return false;
	child_sleep(rest, NULL);
	double before = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, load->fault);
	if (!load_run(load, bench->options.seconds, &result))
		return false;
	child_sleep(rest, NULL);
	double after = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, load->fault);
	if (result.bytes == 0)
		fault_set(load->fault, "no bytes arrived");
	if (fault_is_set(load->fault))
		return false;
	double gib = (double)result.bytes / GIB;
	series_add(&cell->gib_per_s, gib / result.seconds);
	series_add(&cell->cpu_s_per_gib, (after - before) / gib);
	series_add(&cell->share, result.share);
	return true;
}

/* Instead of take_reading: what counting costs does not matter here. */
static bool count_calls(struct bench *bench, uint32_t index, struct load *load, struct cell *cell)
{
	const struct peer *peer = &bench->peers[index];
	struct load_result result;
	double rest = 0.01, warm = 0.1;

	if (!load_run(load, warm, &result))
		return false;
	bool counts = syscalls != NULL && syscalls_start(syscalls, peer->pids, PEER_PROCESS_COUNT);
	bool good = load_run(load, bench->options.seconds, &result);
	child_sleep(rest, NULL);
	int64_t calls = counts ? syscalls_stop(syscalls) : -1;
	if (good && calls >= 0 && result.bytes > 0)
		series_add(&cell->syscalls_per_mib, (double)calls * MIB / (double)result.bytes);
	return good;
}

static bool measure(struct bench *bench, uint32_t index, uint32_t figure, struct fault *fault)
{
	struct load *load = calloc(1, sizeof(*load));
	uint32_t count_index = figure / DIRECTION_COUNT;
	enum direction direction = (enum direction)(figure % DIRECTION_COUNT);
	const struct options *options = &bench->options;

	check(load != NULL);
	*load = (struct load){.thread_count = options->cores, .run = bench->run, .direction = direction};
	load->thorough = options->quick;
	load->fault = fault;
	bool good =
	    load_open(load, options->streams[count_index], bench->peers[index].near, bench->setup.listener);
	if (good) {
		struct cell *cell = &cells[index][count_index][direction];
		good = counting ? count_calls(bench, index, load, cell)
				: take_reading(bench, index, load, cell);
		good = load_close(load) && good;
	}
	free(load);
	return good;
}

/* Ours in ends of their own, which say at their end what they have copied since their start. */
static void count_ours(struct bench *bench, uint32_t figure)
{
	struct peer *peer = &bench->peers[BENCH_OURS];
	struct cell *cell = &cells[BENCH_OURS][figure / DIRECTION_COUNT][figure % DIRECTION_COUNT];
	uint64_t copied, carried;

	if (!peer_restart(peer, &bench->setup)) {
		if (!child_is_interrupted())
			bench_fail(bench, BENCH_OURS, peer->why);
		return;
	}
	bench_measure(bench, BENCH_OURS, figure);
	peer_stop(peer);
	if (bench->running[BENCH_OURS] && peer_counter(peer, &bench->setup, "bytes_copied", &copied) &&
	    peer_counter(peer, &bench->setup, "bytes_in", &carried) && carried > 0)
		series_add(&cell->copied_per_byte, (double)copied * PEER_PROCESS_COUNT / (double)carried);
}

/* A round of its own: nothing that is counted has a part in the other figures. */
static void run_counts(struct bench *bench)
{
	char why[SYSCALLS_TEXT_SIZE];

	if (!bench->options.count)
		return;
	counting = bench->setup.counts = true;
	syscalls = malloc(sizeof(*syscalls));
	check(syscalls != NULL);
	if (!syscalls_find(syscalls, why)) {
		fprintf(stderr, "%s: system calls are not counted: %s\n", bench->options.program, why);
		free(syscalls);
		syscalls = NULL;
	}
	for (uint32_t at = 0; at < figure_count(bench) * PEER_COUNT; at++) {
		uint32_t index = at % PEER_COUNT, figure = at / PEER_COUNT;
		if (child_is_interrupted() || !bench->running[index])
			continue;
		if (index == BENCH_OURS)
			count_ours(bench, figure);
		else
			bench_measure(bench, index, figure);
	}
	free(syscalls);
}

static void add_row(const struct bench *bench, struct table *table, uint32_t index, uint32_t count_index)
{
	const struct cell *ours = cells[BENCH_OURS][count_index];
	const struct cell *up = &cells[index][count_index][DIRECTION_UP], *down = up + DIRECTION_DOWN;

	if (up->gib_per_s.count + down->gib_per_s.count == 0)
		return;
	table_begin(table);
	table_cell(table, "%s", bench->peers[index].name);
	table_cell(table, "%u", bench->options.streams[count_index]);
	table_series(table, &up->cpu_s_per_gib, 2);
	table_series(table, &down->cpu_s_per_gib, 2);
	table_ratio(table, &up->cpu_s_per_gib, &ours[DIRECTION_UP].cpu_s_per_gib);
	table_ratio(table, &down->cpu_s_per_gib, &ours[DIRECTION_DOWN].cpu_s_per_gib);
	table_series(table, &up->gib_per_s, 2);
	table_series(table, &down->gib_per_s, 2);
	double share = series_median(&up->share);
	if (down->share.count > 0 && series_median(&down->share) < share)
		share = series_median(&down->share);
	table_cell(table, "%.2f", share);
	for (const struct cell *cell = up; bench->options.count && cell <= down; cell++) {
		table_series(table, &cell->syscalls_per_mib, 2);
		table_series(table, &cell->copied_per_byte, 2);
	}
}

static void print_table(const struct bench *bench)
{
	static const char *const headings[] = {"peer",		 "streams",    "CPU-s/GiB up",
					       "CPU-s/GiB down", "x ours up",  "x ours down",
					       "GiB/s up",	 "GiB/s down", "share",
					       "calls/MiB up",	 "copied up",  "calls/MiB down",
					       "copied down"};
	uint32_t counted = bench->options.count ? 0 : 2 * DIRECTION_COUNT;
	struct table *table = table_create(headings, COUNT_OF(headings) - counted);

	for (uint32_t count_index = 0; count_index < bench->options.stream_count; count_index++)
		for (uint32_t index = 0; index < PEER_COUNT; index++)
			add_row(bench, table, index, count_index);
	table_print(table, stdout);
	free(table);
}

static json_t *row_json(const struct bench *bench, uint32_t index, uint32_t count_index, int direction)
{
	const struct cell *cell = &cells[index][count_index][direction];
	const struct cell *ours = &cells[BENCH_OURS][count_index][direction];

	json_t *row = json_pack(
	    "{s:s, s:i, s:s, s:o, s:o, s:o, s:o}", "peer", bench->peers[index].name, "streams",
	    (int)bench->options.streams[count_index], "direction", direction_names[direction], "gib_per_s",
	    series_json(&cell->gib_per_s), "cpu_s_per_gib", series_json(&cell->cpu_s_per_gib), "share",
	    series_json(&cell->share), "ratio_to_ours",
	    ratio_json(&cell->cpu_s_per_gib, &ours->cpu_s_per_gib));
	if (cell->syscalls_per_mib.count > 0)
		json_object_set_new(row, "syscalls_per_mib", series_json(&cell->syscalls_per_mib));
	if (cell->copied_per_byte.count > 0)
		json_object_set_new(row, "copied_per_byte", series_json(&cell->copied_per_byte));
	return row;
}

static json_t *rows_json(const struct bench *bench)
{
	json_t *rows = json_array();

	uint32_t cell_count = bench->options.stream_count * PEER_COUNT * DIRECTION_COUNT;
	for (uint32_t cell = 0; cell < cell_count; cell++) {
		int direction = (int)(cell % DIRECTION_COUNT);
		uint32_t index = cell / DIRECTION_COUNT % PEER_COUNT,
			 count_index = cell / DIRECTION_COUNT / PEER_COUNT;
		if (cells[index][count_index][direction].gib_per_s.count > 0)
			json_array_append_new(rows, row_json(bench, index, count_index, direction));
	}
	return rows;
}

static const struct option own_options[] = {
    {"streams", required_argument, NULL, 's'},
    {"count", no_argument, NULL, 'k'},
    {NULL, 0, NULL, 0},
};

static const struct bench_program program = {
    .name = "throughput",
    .checks = "stamps of all bytes checked",
    .options =
	{
	    .summary = "Bytes a second and CPU-seconds a GiB of tunnel and its peers, on this machine.",
	    .own = own_options,
	    .own_help = "  --streams N,...   streams at a time, may be repeated (default 1,16,128)\n"
			"  --count           a further round: system calls, and copies in our ends\n",
	    .quick_help = "1 and 4 streams, every byte checked",
	    .usual = {.streams = {1, 16, 128}, .stream_count = 3},
	    .quick = {.streams = {1, 4}, .stream_count = 2},
	},
    .figure_count = figure_count,
    .describe = describe,
    .measure = measure,
    .after = run_counts,
    .print = print_table,
    .rows = rows_json,
};

int main(int argument_count, char **arguments) { return bench_main(&program, argument_count, arguments); }
