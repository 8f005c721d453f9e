/* bench/latency.c - how long 64 bytes there and 64 bytes back take through our program and its peers, idle
 * and beside bulk streams, and what a round trip costs both ends.
 *
 * How to run and to read it: bench/README.md.
 */
#include <stdlib.h>

#include "bench/lib/bench.h"
#include "bench/lib/bulk.h"
#include "bench/lib/echo.h"

#define GIB (1024.0 * 1024 * 1024)

struct cell {
	struct series p50_us, p99_us, p999_us;
	struct series echoes_per_s;
	struct series cpu_us; /* idle only: beside bulk it would be the bulk's */
	struct series bulk_gib_per_s;
};

static struct cell cells[PEER_COUNT][BULK_COUNT];
static const char *const bulk_names[BULK_COUNT] = {"nothing", "up", "down", "both"};

static uint32_t figure_count(const struct bench *bench) { return bench->options.bulk ? BULK_COUNT : 1; }

static void describe(const struct bench *bench, uint32_t figure, char text[FAULT_TEXT_SIZE])
{
	snprintf(text, FAULT_TEXT_SIZE, "%u echoes beside %s", bench->options.concurrency,
		 bulk_names[figure]);
}

static void add_times(struct cell *cell, const struct echo_result *result)
{
	series_add(&cell->p50_us, histogram_percentile(&result->times, 0.5) / 1000);
	series_add(&cell->p99_us, histogram_percentile(&result->times, 0.99) / 1000);
	series_add(&cell->p999_us, histogram_percentile(&result->times, 0.999) / 1000);
	series_add(&cell->echoes_per_s, (double)result->times.count / result->seconds);
}

static double warm_seconds(const struct bench *bench)
{
	return bench->options.seconds < 0.5 ? bench->options.seconds / 2 : 0.25;
}

/* The clocks are read while nothing is on its way. */
static bool measure_idle(struct bench *bench, uint32_t index, struct echo *echo, struct echo_result *result)
{
	struct cell *cell = &cells[index][BULK_NONE];
	double rest = 0.01;

	if (!echo_run(echo, warm_seconds(bench), result))
		return false;
	child_sleep(rest, NULL);
	double before = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, echo->fault);
	if (!echo_run(echo, bench->options.seconds, result))
		return false;
	child_sleep(rest, NULL);
	double after = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, echo->fault);
	if (result->times.count == 0)
		fault_set(echo->fault, "no echo came back");
	if (fault_is_set(echo->fault))
		return false;
	add_times(cell, result);
	series_add(&cell->cpu_us, (after - before) * 1e6 / (double)result->times.count);
	return true;
}

static bool measure_beside(struct bench *bench, uint32_t index, enum bulk kind, struct echo *echo,
			   struct echo_result *result)
{
	struct bulk_load *bulk = calloc(1, sizeof(*bulk));
	struct load model = {.thread_count = 1, .run = bench->run, .fault = echo->fault};
	struct cell *cell = &cells[index][kind];
	double warm = warm_seconds(bench), slack = 0.05;

	check(bulk != NULL);
	model.thorough = bench->options.quick;
	bool good = bulk_open(bulk, kind, &model, bench->peers[index].near, bench->setup.listener);
	if (good) {
		bulk_start(bulk, warm + bench->options.seconds + slack);
		child_sleep(warm, &echo->fault->is_set);
		good = echo_run(echo, bench->options.seconds, result);
		double rate = bulk_stop(bulk);
		if (result->times.count == 0)
			fault_set(echo->fault, "no echo came back beside a bulk stream");
		good = good && !fault_is_set(echo->fault);
		if (good) {
			add_times(cell, result);
			series_add(&cell->bulk_gib_per_s, rate / GIB);
		}
	}
	good = bulk_close(bulk) && good;
	free(bulk);
	return good;
}

static bool measure(struct bench *bench, uint32_t index, uint32_t figure, struct fault *fault)
{
	struct echo echo = {.run = bench->run, .fault = fault};
	struct echo_result *result = calloc(1, sizeof(*result));

	check(result != NULL);
	bool good =
	    echo_open(&echo, bench->options.concurrency, bench->peers[index].near, bench->setup.listener);
	if (good) {
		good = figure == BULK_NONE ? measure_idle(bench, index, &echo, result)
					   : measure_beside(bench, index, (enum bulk)figure, &echo, result);
		good = echo_close(&echo) && good;
	}
	free(result);
	return good;
}

static void add_row(const struct bench *bench, struct table *table, uint32_t index, uint32_t figure)
{
	const struct cell *cell = &cells[index][figure];
	uint32_t nginx = bench_peer("nginx");

	if (cell->p50_us.count == 0)
		return;
	table_begin(table);
	table_cell(table, "%s", bench->peers[index].name);
	table_cell(table, "%s", bulk_names[figure]);
	table_series(table, &cell->p50_us, 1);
	table_series(table, &cell->p99_us, 1);
	table_series(table, &cell->p999_us, 1);
	table_ratio(table, &cell->p50_us, &cells[nginx][figure].p50_us);
	table_ratio(table, &cell->p99_us, &cells[index][BULK_NONE].p99_us);
	table_series(table, &cell->cpu_us, 1);
	table_series(table, &cell->echoes_per_s, 0);
	table_series(table, &cell->bulk_gib_per_s, 2);
}

static void print_table(const struct bench *bench)
{
	static const char *const headings[] = {
	    "peer",	     "beside",	     "p50 us", "p99 us",   "p99.9 us",
	    "p50 x nginx's", "p99 x idle's", "CPU us", "echoes/s", "bulk GiB/s",
	};
	struct table *table = table_create(headings, COUNT_OF(headings));

	for (uint32_t figure = 0; figure < figure_count(bench); figure++)
		for (uint32_t index = 0; index < PEER_COUNT; index++)
			add_row(bench, table, index, figure);
	table_print(table, stdout);
	free(table);
}

static json_t *row_json(const struct bench *bench, uint32_t index, uint32_t figure)
{
	const struct cell *cell = &cells[index][figure];
	const struct cell *nginx = &cells[bench_peer("nginx")][figure];
	json_t *row =
	    json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "peer", bench->peers[index].name,
		      "beside", bulk_names[figure], "concurrency", (int)bench->options.concurrency, "p50_us",
		      series_json(&cell->p50_us), "p99_us", series_json(&cell->p99_us), "p999_us",
		      series_json(&cell->p999_us), "echoes_per_s", series_json(&cell->echoes_per_s),
		      "p50_ratio_to_nginx", ratio_json(&cell->p50_us, &nginx->p50_us), "p50_ratio_to_ours",
		      ratio_json(&cell->p50_us, &cells[BENCH_OURS][figure].p50_us), "p99_ratio_to_idle",
		      ratio_json(&cell->p99_us, &cells[index][BULK_NONE].p99_us));

	if (cell->cpu_us.count > 0)
		json_object_set_new(row, "cpu_us_per_echo", series_json(&cell->cpu_us));
	if (cell->bulk_gib_per_s.count > 0)
		json_object_set_new(row, "bulk_gib_per_s", series_json(&cell->bulk_gib_per_s));
	return row;
}

static json_t *rows_json(const struct bench *bench)
{
	json_t *rows = json_array();

	for (uint32_t figure = 0; figure < figure_count(bench); figure++)
		for (uint32_t index = 0; index < PEER_COUNT; index++)
			if (cells[index][figure].p50_us.count > 0)
				json_array_append_new(rows, row_json(bench, index, figure));
	return rows;
}

static void add_settings(const struct bench *bench, json_t *settings)
{
	bool urgent = bench->options.concurrency == 1 && echo_is_urgent();

	json_object_set_new(settings, "concurrency", json_integer(bench->options.concurrency));
	json_object_set_new(settings, "bulk", json_boolean(bench->options.bulk));
	json_object_set_new(settings, "real_time_echo", json_boolean(urgent));
}

static const struct option own_options[] = {
    {"bulk", no_argument, NULL, 'b'},
    {"concurrency", required_argument, NULL, 'C'},
    {NULL, 0, NULL, 0},
};

static const struct bench_program program = {
    .name = "latency",
    .checks = "every byte of the echoes checked, stamps of the bulk",
    .options =
	{
	    .summary = "Round-trip times of 64 bytes through tunnel and its peers, on this machine.",
	    .own = own_options,
	    .own_help = "  --bulk            also beside a bulk stream up, one down, and both\n"
			"  --concurrency N   echoes at a time, a stream each (default 1)\n",
	    .quick_help = "every byte checked",
	    .usual = {.concurrency = 1},
	    .quick = {.concurrency = 1},
	},
    .figure_count = figure_count,
    .describe = describe,
    .measure = measure,
    .print = print_table,
    .rows = rows_json,
    .settings = add_settings,
};

int main(int argument_count, char **arguments) { return bench_main(&program, argument_count, arguments); }
