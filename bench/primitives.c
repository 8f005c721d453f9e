/* bench/primitives.c - what the small operations cost, of which the program is made.
 *
 * No peers and no load: each primitive alone, in memory, in this process. A reading is one primitive for so
 * many seconds; rounds go through all of them. How to run and to read it: bench/README.md.
 */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/lib/machine.h"
#include "bench/lib/primitive.h"
#include "bench/lib/table.h"
#include "tls/tls.h"

enum { EXIT_USAGE = 2, PRIMITIVES_MAX = 64, ONLY_MAX = 16, BATCHES_MAX = 65536 };

struct reading {
	const struct primitive *primitive;
	struct series ns;
	char why[PRIMITIVE_TEXT_SIZE]; /* it was skipped */
};

struct bench {
	const char *program;
	double seconds;
	uint32_t rounds;
	bool json;
	const char *only[ONLY_MAX];
	uint32_t only_count;
	struct reading readings[PRIMITIVES_MAX];
	uint32_t count;
};

/* ---- the command line ---- */

static const struct option names[] = {
    {"seconds", required_argument, NULL, 't'},
    {"rounds", required_argument, NULL, 'r'},
    {"only", required_argument, NULL, 'o'},
    {"json", no_argument, NULL, 'j'},
    {"quick", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void print_help(const struct bench *bench)
{
	printf("usage: %s [OPTION]...\nWhat the small operations cost, of which tunnel is made.\n\n"
	       "  --seconds S     of each reading (default 0.2)\n"
	       "  --rounds N      readings of each figure (default 5)\n"
	       "  --only NAME,... those whose name begins so; may be repeated:\n",
	       bench->program);
	for (uint32_t i = 0; i < bench->count; i++)
		printf("                  %s\n", bench->readings[i].primitive->name);
	printf("  --json          for machines; bench/README.md has the schema\n"
	       "  --quick         1 round of 0.01 s\n");
}

static bool is_of(const char *name, const char *only) { return strncmp(name, only, strlen(only)) == 0; }

static bool add_only(struct bench *bench, char *list)
{
	char *rest = NULL;

	for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
		bool known = false;
		for (uint32_t i = 0; i < bench->count; i++)
			known = known || is_of(bench->readings[i].primitive->name, word);
		if (!known || bench->only_count == ONLY_MAX)
			return false;
		bench->only[bench->only_count++] = word;
	}
	return true;
}

static bool take(struct bench *bench, int letter, char *value)
{
	char *end = NULL;

	switch (letter) {
	case 't':
		bench->seconds = strtod(value, &end);
		return *end == 0 && bench->seconds >= 0.001 && bench->seconds <= 3600;
	case 'r':
		bench->rounds = (uint32_t)strtoul(value, &end, 10);
		return *end == 0 && bench->rounds >= 1 && bench->rounds <= SERIES_MAX;
	case 'o':
		return add_only(bench, value);
	case 'j':
		bench->json = true;
		return true;
	case 'q':
		bench->seconds = 0.01;
		bench->rounds = 1;
		return true;
	default:
		return false;
	}
}

/* Negative: go on; else the status to exit with. */
static int parse(struct bench *bench, int count, char **arguments)
{
	for (;;) {
		int letter = getopt_long(count, arguments, "", names, NULL);
		if (letter == -1)
			break;
		if (letter == 'h') {
			print_help(bench);
			return EXIT_SUCCESS;
		}
		if (letter != '?' && take(bench, letter, optarg))
			continue;
		fprintf(stderr, "%s: see --help\n", bench->program);
		return EXIT_USAGE;
	}
	if (optind == count)
		return -1;
	fprintf(stderr, "%s: what is this: %s; see --help\n", bench->program, arguments[optind]);
	return EXIT_USAGE;
}

/* ---- measuring ---- */

static void add_set(struct bench *bench, const struct primitive_set *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		check(bench->count < PRIMITIVES_MAX);
		bench->readings[bench->count++].primitive = &set->first[i];
	}
}

static bool is_wanted(const struct bench *bench, const struct primitive *primitive)
{
	for (uint32_t i = 0; i < bench->only_count; i++)
		if (is_of(primitive->name, bench->only[i]))
			return true;
	return bench->only_count == 0;
}

static int compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

/* The median of the batches: one that was disturbed does not matter. The first tenth is not counted: caches,
 * branch predictors and pools are cold. */
static double time_batches(const struct primitive *primitive, int64_t span_ns)
{
	static double batches[BATCHES_MAX];
	int64_t begin_ns = primitive_now_ns();
	uint32_t count, used = 0;

	while (primitive_now_ns() - begin_ns < span_ns / 10)
		primitive->batch(primitive, &count);
	do {
		int64_t took_ns = primitive->batch(primitive, &count);
		batches[used++] = (double)took_ns / count;
	} while (primitive_now_ns() - begin_ns < span_ns && used < BATCHES_MAX);
	qsort(batches, used, sizeof(batches[0]), compare);
	return batches[used / 2];
}

static void measure(const struct bench *bench, struct reading *reading)
{
	const struct primitive *primitive = reading->primitive;

	if (!primitive->open(primitive, reading->why)) {
		fprintf(stderr, "%s: SKIPPED %s: %s\n", bench->program, primitive->name, reading->why);
		return;
	}
	reading->why[0] = 0;
	series_add(&reading->ns, time_batches(primitive, (int64_t)(bench->seconds * 1e9)));
	primitive->close(primitive);
}

static void run_round(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->count; i++)
		if (is_wanted(bench, bench->readings[i].primitive) && bench->readings[i].why[0] == 0)
			measure(bench, &bench->readings[i]);
}

/* ---- what is said ---- */

static void add_time(struct table *table, const struct series *ns)
{
	double median = series_median(ns), spread = series_spread(ns);

	if (median >= 10000)
		table_cell(table, "%.2f µs", median / 1000);
	else
		table_cell(table, median < 100 ? "%.1f ns" : "%.0f ns", median);
	if (spread < 0 || median <= 0)
		table_cell(table, "–");
	else
		table_cell(table, "±%.0f %%", 100 * spread / median);
}

static void print_table(const struct bench *bench, const struct machine *machine)
{
	struct table *table = calloc(1, sizeof(*table));

	check(table != NULL);
	printf("%s, %u cores, %s\n%s\n%u round%s of %g s\n\n", machine->cpu, machine->cores, machine->kernel,
	       tls_library_text(), bench->rounds, bench->rounds == 1 ? "" : "s", bench->seconds);
	table_begin(table);
	table_cell(table, "primitive");
	table_cell(table, "each");
	table_cell(table, "spread");
	table_cell(table, "GB/s");
	for (uint32_t i = 0; i < bench->count; i++) {
		const struct reading *reading = &bench->readings[i];
		if (reading->ns.count == 0)
			continue;
		table_begin(table);
		table_cell(table, "%s", reading->primitive->name);
		add_time(table, &reading->ns);
		if (reading->primitive->touched)
			table_cell(table, "%.2f", reading->primitive->size / series_median(&reading->ns));
		else
			table_cell(table, "–");
	}
	table_print(table, stdout);
	free(table);
}

static json_t *row_json(const struct reading *reading)
{
	return json_pack("{s:s, s:i, s:o}", "name", reading->primitive->name, "bytes",
			 (int)reading->primitive->size, "ns", series_json(&reading->ns));
}

static void print_json(const struct bench *bench, const struct machine *machine)
{
	json_t *rows = json_array(), *skipped = json_array();

	for (uint32_t i = 0; i < bench->count; i++) {
		const struct reading *reading = &bench->readings[i];
		if (reading->ns.count > 0)
			json_array_append_new(rows, row_json(reading));
		else if (reading->why[0] != 0)
			json_array_append_new(
			    skipped,
			    json_pack("{s:s, s:s}", "name", reading->primitive->name, "text", reading->why));
	}
	json_t *settings = json_pack("{s:f, s:i, s:s}", "seconds", bench->seconds, "rounds",
				     (int)bench->rounds, "tls", tls_library_text());
	json_t *all =
	    json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "bench", "primitives", "schema", 1, "machine",
		      machine_json(machine), "settings", settings, "rows", rows, "skipped", skipped);
	json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	printf("\n");
	json_decref(all);
}

int main(int argument_count, char **arguments)
{
	static struct bench bench = {.seconds = 0.2, .rounds = 5};
	struct machine machine;
	char why[TLS_TEXT_SIZE];

	bench.program = arguments[0];
	add_set(&bench, &primitives_tls);
	add_set(&bench, &primitives_core);
	add_set(&bench, &primitives_codec);
	add_set(&bench, &primitives_ring);
	int status = parse(&bench, argument_count, arguments);
	if (status >= 0)
		return status;
	if (tls_library_start(&(struct tls_library_options){0}, why) != STATUS_OK) {
		fprintf(stderr, "%s: %s\n", bench.program, why);
		return EXIT_FAILURE;
	}
	machine_describe(&machine, false);
	for (uint32_t round = 0; round < bench.rounds; round++)
		run_round(&bench);
	if (bench.json)
		print_json(&bench, &machine);
	else
		print_table(&bench, &machine);
	tls_library_stop();
	return EXIT_SUCCESS;
}
