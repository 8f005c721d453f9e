/* tests/sim/main.c - sim_test [FIRST [LAST]] [--scenario N] [--verbose] [--twice N]: 1 on any fault, at the
 * first.
 *
 * `sim_test SEED` runs one seed again. Every N-th seed (default 50) runs twice and must leave the same bytes
 * on the wire. From TALLIED_RUNS seeds on, a class of faults that never struck is a fault too.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "tests/sim/course.h"
#include "tests/sim/tally.h"
#include "tests/sim/world.h"

enum { SEED_SECONDS_MAX = 120, TALLIED_RUNS = 1000 };

struct totals { uint64_t runs, steps, bytes, checked, clean, broken, refused; };
static struct totals totals;

static uint64_t run(uint64_t seed, enum sim_scenario scenario)
{
	alarm(SEED_SECONDS_MAX);
	sim_start(seed, scenario);
	course_run();
	totals.runs++;
	totals.steps += sim.steps;
	totals.bytes += sim.bytes;
	totals.checked += peers.checked_bytes;
	totals.clean += peers.clean_talks;
	totals.broken += peers.broken_talks;
	totals.refused += peers.refused_talks;
	sim_end();
	return sim.hash;
}

/* What a seed runs when nobody says otherwise. */
static enum sim_scenario scenario_of(uint64_t seed)
{
	static const enum sim_scenario often[] = {
	    SCENARIO_SWARM, SCENARIO_CALM,   SCENARIO_SWARM, SCENARIO_TLS,  SCENARIO_SWARM, SCENARIO_CONTEST,
	    SCENARIO_SWARM, SCENARIO_LIMITS, SCENARIO_CALM,  SCENARIO_TLS,  SCENARIO_SWARM, SCENARIO_SERVICE,
	    SCENARIO_SWARM, SCENARIO_DRAIN,  SCENARIO_TLS,   SCENARIO_STOP,  SCENARIO_EXCHANGES,
	};
	return often[seed % COUNT_OF(often)];
}

static void died(int signal)
{
	if (signal == SIGALRM)
		sim_fail("no end after %d s of real time", SEED_SECONDS_MAX);
	sim_fail("signal %d", signal);
}

static void log_line_out(enum log_level level, enum log_format format, const char *line, size_t size)
{
	tally_log(line, size);
	sim_trace("    %s: %.*s", log_level_name(level), (int)size, line);
}

static double real_seconds(void)
{
	struct timespec now;
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_totals(double seconds)
{
	printf("%llu runs in %.1f s (%.1f a second), %llu steps, %.1f MB on the wire, %.1f MB checked, "
	       "talks: %llu whole, %llu cut, %llu refused\n",
	       (unsigned long long)totals.runs, seconds, (double)totals.runs / seconds,
	       (unsigned long long)totals.steps, (double)totals.bytes / 1e6, (double)totals.checked / 1e6,
	       (unsigned long long)totals.clean, (unsigned long long)totals.broken,
	       (unsigned long long)totals.refused);
}

struct options { uint64_t first, last, scenario, twice; };

static struct options options_of(int argc, char **argv)
{
	struct options options = {.twice = 50};
	int given = 0;
	for (int i = 1; i < argc; i++) {
		bool follows = i + 1 < argc;
		if (strcmp(argv[i], "--verbose") == 0)
			sim.verbose = true;
		else if (strcmp(argv[i], "--twice") == 0 && follows)
			options.twice = strtoull(argv[++i], NULL, 0);
		else if (strcmp(argv[i], "--scenario") == 0 && follows)
			options.scenario = strtoull(argv[++i], NULL, 0);
		else if (given++ == 0)
			options.first = options.last = strtoull(argv[i], NULL, 0);
		else
			options.last = strtoull(argv[i], NULL, 0);
	}
	if (given == 0)
		options = (struct options){1, 100, options.scenario, options.twice};
	return options;
}

static void run_seed(const struct options *options, uint64_t seed)
{
	enum sim_scenario scenario =
		options->scenario ? (enum sim_scenario)options->scenario : scenario_of(seed);
	uint64_t hash = run(seed, scenario);
	if (sim.verbose)
		fprintf(stderr, "seed %llu scenario %d: hash %016llx\n", (unsigned long long)seed,
			(int)scenario, (unsigned long long)hash);
	if (options->twice && seed % options->twice == 0 && run(seed, scenario) != hash)
		sim_fail("the same seed left other bytes on the wire the second time");
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE};
	struct options options = options_of(argc, argv);
	for (size_t i = 0; i < COUNT_OF(signals); i++)
		signal(signals[i], died);
	log_start(sim.verbose ? LOG_DEBUG : LOG_INFO, LOG_TEXT, log_line_out);
	double start = real_seconds();
	world_prepare();
	for (uint64_t seed = options.first; seed <= options.last; seed++)
		run_seed(&options, seed);
	tls_library_stop();
	print_totals(real_seconds() - start);
	bool all = options.last - options.first + 1 >= TALLIED_RUNS && !options.scenario;
	if (!all && !sim.verbose)
		return 0;
	uint32_t zeros = tallies_print();
	if (all && zeros)
		fprintf(stderr, "%u things never happened: the seeds do not reach them any more\n", zeros);
	return all && zeros;
}
