/* bench/connections.c - what connections cost our program and its peers: short ones, handshakes, idle ones.
 *
 * How to run and to read it: bench/README.md.
 */
#include <stdlib.h>

#include "bench/lib/bench.h"
#include "bench/lib/echo.h"
#include "bench/lib/handshake.h"
#include "bench/lib/holder.h"
#include "bench/lib/idle_link.h"
#include "bench/lib/peer_kind.h"
#include "bench/lib/visit.h"

/* Handshakes at a time: enough to keep one core of the peer busy. */
enum { CALLERS_MAX = 8 };
#define REST_SECONDS 0.05

enum figure { FIGURE_SHORT, FIGURE_FULL, FIGURE_RESUMED, FIGURE_STREAM, FIGURE_LINK, FIGURE_COUNT };
static const char *const figure_names[FIGURE_COUNT] = {
    "short connection", "full handshake", "resumed handshake", "idle stream", "idle link",
};

/* The first two of what is done, the other three of what is held. */
struct cell {
	struct series per_s, cpu_us;
	struct series private_kib, pss_kib, after_kib;
};

static struct cell cells[PEER_COUNT][FIGURE_COUNT];

static uint32_t figure_count(const struct bench *bench)
{
	(void)bench;
	return FIGURE_COUNT;
}

static void describe(const struct bench *bench, uint32_t figure, char text[FAULT_TEXT_SIZE])
{
	(void)bench;
	snprintf(text, FAULT_TEXT_SIZE, "%s", figure_names[figure]);
}

static double warm_seconds(const struct bench *bench)
{
	return bench->options.seconds < 0.5 ? bench->options.seconds / 2 : 0.25;
}

static void add_rate(struct cell *cell, uint64_t count, double seconds, double cpu_seconds)
{
	series_add(&cell->per_s, (double)count / seconds);
	series_add(&cell->cpu_us, cpu_seconds * 1e6 / (double)count);
}

static bool measure_short(struct bench *bench, uint32_t index, struct fault *fault)
{
	struct visits visits = {.port = bench->peers[index].near, .listener = bench->setup.listener};
	struct visit_result result;

	visits.concurrency = bench->options.concurrency;
	visits.run = bench->run;
	visits.fault = fault;
	if (!visit_run(&visits, warm_seconds(bench), &result))
		return false;
	child_sleep(REST_SECONDS, NULL);
	double before = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, fault);
	if (!visit_run(&visits, bench->options.seconds, &result))
		return false;
	child_sleep(REST_SECONDS, NULL);
	double after = bench_cpu_seconds(bench, index, PEER_BOTH_ENDS, fault);
	if (result.count == 0)
		fault_set(fault, "no connection was answered");
	if (!fault_is_set(fault))
		add_rate(&cells[index][FIGURE_SHORT], result.count, result.seconds, after - before);
	return !fault_is_set(fault);
}

static bool count_handshakes(struct bench *bench, uint32_t index, struct handshakes *handshakes,
			     struct cell *cell)
{
	struct handshake_result result;

	if (!handshake_run(handshakes, warm_seconds(bench), &result))
		return false;
	child_sleep(REST_SECONDS, NULL);
	double before = bench_cpu_seconds(bench, index, PEER_LISTENING_END, handshakes->fault);
	if (!handshake_run(handshakes, bench->options.seconds, &result))
		return false;
	child_sleep(REST_SECONDS, NULL);
	double after = bench_cpu_seconds(bench, index, PEER_LISTENING_END, handshakes->fault);
	if (result.count == 0)
		fault_set(handshakes->fault, "no handshake was finished");
	if (fault_is_set(handshakes->fault))
		return false;
	if (result.refused == 0)
		add_rate(cell, result.count, result.seconds, after - before);
	return true;
}

/* A peer that gives no tickets, or does not take its own, has no reading. */
static bool measure_handshakes(struct bench *bench, uint32_t index, enum figure figure, struct fault *fault)
{
	struct handshakes handshakes = {.port = bench->peers[index].far, .fault = fault};
	uint32_t callers = (uint32_t)size_min(bench->options.concurrency, CALLERS_MAX);
	struct holder *holder = holder_create(bench->setup.listener);

	handshakes.resumed = figure == FIGURE_RESUMED;
	handshakes.psk_alone = bench->peers[index].kind->speaks_tunnel;
	if (holder == NULL) {
		fault_set(fault, "cannot start a thread");
		return false;
	}
	if (handshake_open(&handshakes, callers))
		count_handshakes(bench, index, &handshakes, &cells[index][figure]);
	handshake_close(&handshakes);
	holder_destroy(holder);
	return !fault_is_set(fault);
}

static bool weigh(struct bench *bench, uint32_t index, enum peer_part part, struct memory *memory,
		  struct fault *fault)
{
	double quiet = bench->options.quick ? 0.2 : 0.5;

	if (peer_memory(&bench->peers[index], part, quiet, memory))
		return true;
	fault_set(fault, "a process ended, or its memory cannot be read");
	return false;
}

/* New processes, so that what earlier readings have left is not in this one. */
static bool refresh(struct bench *bench, uint32_t index, struct fault *fault)
{
	struct peer *peer = &bench->peers[index];

	if (peer_restart(peer, &bench->setup))
		return true;
	fault_set(fault, "it does not start again: %.400s", peer->why);
	return false;
}

static void add_memory(struct cell *cell, uint32_t count, const struct memory memory[3])
{
	series_add(&cell->private_kib, (memory[1].private_kib - memory[0].private_kib) / count);
	series_add(&cell->pss_kib, (memory[1].pss_kib - memory[0].pss_kib) / count);
	series_add(&cell->after_kib, (memory[2].private_kib - memory[0].private_kib) / count);
}

static bool measure_streams(struct bench *bench, uint32_t index, struct fault *fault)
{
	struct echo echo = {.run = bench->run, .fault = fault};
	uint32_t count = bench->options.idle_streams;
	struct memory memory[3];

	if (!refresh(bench, index, fault) || !weigh(bench, index, PEER_BOTH_ENDS, &memory[0], fault) ||
	    !echo_open(&echo, count, bench->peers[index].near, bench->setup.listener))
		return false;
	bool good = echo_once(&echo) && weigh(bench, index, PEER_BOTH_ENDS, &memory[1], fault);
	good = echo_close(&echo) && good && weigh(bench, index, PEER_BOTH_ENDS, &memory[2], fault);
	if (good)
		add_memory(&cells[index][FIGURE_STREAM], count, memory);
	return good;
}

static bool measure_links(struct bench *bench, uint32_t index, struct fault *fault)
{
	struct idle_links links = {.count = 0};
	uint32_t count = bench->options.idle_links;
	const struct peer_kind *kind = bench->peers[index].kind;
	struct memory memory[3];
	bool good = refresh(bench, index, fault);
	struct holder *holder = good ? holder_create(bench->setup.listener) : NULL;

	if (holder == NULL) {
		fault_set(fault, "cannot start a thread");
		return false;
	}
	good = weigh(bench, index, PEER_LISTENING_END, &memory[0], fault) &&
	       idle_links_open(&links, count, bench->peers[index].far,
			       kind->speaks_tunnel ? TUNNEL_KEY : NULL, kind->transport, fault) &&
	       weigh(bench, index, PEER_LISTENING_END, &memory[1], fault);
	good = idle_links_close(&links) && good;
	good = good && weigh(bench, index, PEER_LISTENING_END, &memory[2], fault);
	holder_destroy(holder);
	if (good)
		add_memory(&cells[index][FIGURE_LINK], count, memory);
	return good;
}

static bool measure(struct bench *bench, uint32_t index, uint32_t figure, struct fault *fault)
{
	bool is_tls = peer_is_tls(&bench->peers[index]);

	switch ((enum figure)figure) {
	case FIGURE_SHORT:
		return measure_short(bench, index, fault);
	case FIGURE_FULL:
	case FIGURE_RESUMED:
		return !is_tls || measure_handshakes(bench, index, (enum figure)figure, fault);
	case FIGURE_STREAM:
		return measure_streams(bench, index, fault);
	default:
		return !is_tls || measure_links(bench, index, fault);
	}
}

static void add_rates_row(const struct bench *bench, struct table *table, uint32_t index)
{
	const struct cell *own = cells[index], *ours = cells[BENCH_OURS];

	if (own[FIGURE_SHORT].per_s.count == 0)
		return;
	table_begin(table);
	table_cell(table, "%s", bench->peers[index].name);
	for (int figure = FIGURE_SHORT; figure <= FIGURE_RESUMED; figure++) {
		table_series(table, &own[figure].per_s, 0);
		table_series(table, &own[figure].cpu_us, 0);
		table_ratio(table, &own[figure].cpu_us, &ours[figure].cpu_us);
	}
}

static void add_memory_row(const struct bench *bench, struct table *table, uint32_t index)
{
	const struct cell *own = cells[index], *ours = cells[BENCH_OURS];

	if (own[FIGURE_STREAM].private_kib.count == 0)
		return;
	table_begin(table);
	table_cell(table, "%s", bench->peers[index].name);
	for (int figure = FIGURE_STREAM; figure <= FIGURE_LINK; figure++) {
		table_series(table, &own[figure].private_kib, 1);
		table_ratio(table, &own[figure].private_kib, &ours[figure].private_kib);
		table_series(table, &own[figure].after_kib, 1);
	}
}

static void print_tables(const struct bench *bench)
{
	static const char *const rates[] = {
	    "peer",   "connections/s", "CPU us",    "x ours", "handshakes/s",
	    "CPU us", "x ours",	       "resumed/s", "CPU us", "x ours",
	};
	static const char *const memories[] = {
	    "peer", "KiB/stream", "x ours", "stays", "KiB/link", "x ours", "stays",
	};
	struct table *table = table_create(rates, COUNT_OF(rates));

	for (uint32_t index = 0; index < PEER_COUNT; index++)
		add_rates_row(bench, table, index);
	table_print(table, stdout);
	free(table);
	printf("\n");
	table = table_create(memories, COUNT_OF(memories));
	for (uint32_t index = 0; index < PEER_COUNT; index++)
		add_memory_row(bench, table, index);
	table_print(table, stdout);
	free(table);
}

static json_t *row_json(const struct bench *bench, uint32_t index, uint32_t figure)
{
	const struct cell *cell = &cells[index][figure], *ours = &cells[BENCH_OURS][figure];
	json_t *row =
	    json_pack("{s:s, s:s}", "peer", bench->peers[index].name, "measure", figure_names[figure]);

	if (figure <= FIGURE_RESUMED) {
		json_object_set_new(row, "per_s", series_json(&cell->per_s));
		json_object_set_new(row, "cpu_us", series_json(&cell->cpu_us));
		json_object_set_new(row, "ratio_to_ours", ratio_json(&cell->cpu_us, &ours->cpu_us));
		return row;
	}
	json_object_set_new(row, "private_kib", series_json(&cell->private_kib));
	json_object_set_new(row, "pss_kib", series_json(&cell->pss_kib));
	json_object_set_new(row, "kib_after_close", series_json(&cell->after_kib));
	json_object_set_new(row, "ratio_to_ours", ratio_json(&cell->private_kib, &ours->private_kib));
	return row;
}

static json_t *rows_json(const struct bench *bench)
{
	json_t *rows = json_array();

	for (uint32_t figure = 0; figure < FIGURE_COUNT; figure++)
		for (uint32_t index = 0; index < PEER_COUNT; index++) {
			const struct cell *cell = &cells[index][figure];
			if (cell->per_s.count + cell->private_kib.count > 0)
				json_array_append_new(rows, row_json(bench, index, figure));
		}
	return rows;
}

static void add_settings(const struct bench *bench, json_t *settings)
{
	const struct options *options = &bench->options;

	json_object_set_new(settings, "concurrency", json_integer(options->concurrency));
	json_object_set_new(settings, "idle_streams", json_integer(options->idle_streams));
	json_object_set_new(settings, "idle_links", json_integer(options->idle_links));
}

static const struct option own_options[] = {
    {"concurrency", required_argument, NULL, 'C'},
    {"idle-streams", required_argument, NULL, 'I'},
    {"idle-links", required_argument, NULL, 'L'},
    {NULL, 0, NULL, 0},
};

static const struct bench_program program = {
    .name = "connections",
    .checks = "every byte checked",
    .options =
	{
	    .summary = "What connections cost tunnel and its peers, on this machine.",
	    .own = own_options,
	    .own_help = "  --concurrency N   connections at a time (default 32); handshakes: at most 8\n"
			"  --idle-streams N  that are held to weigh both ends (default 1000)\n"
			"  --idle-links N    TLS links that are held to weigh the gateway (default 500)\n",
	    .quick_help = "50 idle streams, 20 idle links",
	    .usual = {.concurrency = 32, .idle_streams = 1000, .idle_links = 500},
	    .quick = {.concurrency = 8, .idle_streams = 50, .idle_links = 20},
	},
    .figure_count = figure_count,
    .describe = describe,
    .measure = measure,
    .print = print_tables,
    .rows = rows_json,
    .settings = add_settings,
};

int main(int argument_count, char **arguments)
{
	tls_client_start();
	int status = bench_main(&program, argument_count, arguments);
	tls_client_stop();
	return status;
}
