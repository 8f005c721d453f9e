/* bench/lib/bench.h - what every measuring program does: options, peers, rounds, faults, JSON, the end.
 *
 * Owner: the program, which is a table: what it measures and how that is printed. Thread: main.
 * A reading is one peer and one figure (a number of streams, a kind of load). Rounds are interleaved: every
 * peer is read for one figure before the next figure's turn, and each round starts with another peer.
 * A peer with a fault is stopped and not read again: its figures would mean nothing.
 */
#ifndef BENCH_LIB_BENCH_H
#define BENCH_LIB_BENCH_H

#include "bench/lib/fault.h"
#include "bench/lib/machine.h"
#include "bench/lib/options.h"

/* The first entry of the peers' table is ours. */
enum { BENCH_OURS = 0 };

struct bench_program;

struct bench {
	const struct bench_program *program;
	struct options options;
	struct machine machine;
	struct peer_setup setup;
	char directory[64];
	struct peer peers[PEER_COUNT];
	bool running[PEER_COUNT], wanted[PEER_COUNT];
	uint32_t run;                   /* of this reading; in the bytes of every load */
	uint32_t fault_count;
	json_t *faults;
};

struct bench_program {
	const char *name;
	const char *checks;             /* what is compared without --quick */
	struct options_program options;
	uint32_t (*figure_count)(const struct bench *bench);
	void (*describe)(const struct bench *bench, uint32_t figure, char text[FAULT_TEXT_SIZE]);
	/* Takes one reading. False after a fault, or when interrupted. */
	bool (*measure)(struct bench *bench, uint32_t index, uint32_t figure, struct fault *fault);
	void (*after)(struct bench *bench); /* behind the rounds, for readings of another kind; may be NULL */
	void (*print)(const struct bench *bench);
	json_t *(*rows)(const struct bench *bench);
	void (*settings)(const struct bench *bench, json_t *settings); /* adds its own; may be NULL */
};

/* Everything from the command line to the exit status. */
int bench_main(const struct bench_program *program, int argument_count, char **arguments);
/* Takes that reading; a fault is reported and ends the peer. */
void bench_measure(struct bench *bench, uint32_t index, uint32_t figure);
/* Says what is at fault, shows the end of its log, and stops the peer. */
void bench_fail(struct bench *bench, uint32_t index, const char *text);
/* CPU seconds so far. A fault when a process has ended. */
double bench_cpu_seconds(struct bench *bench, uint32_t index, enum peer_part part, struct fault *fault);
/* Where that peer is in the table. PEER_COUNT: nowhere. */
uint32_t bench_peer(const char *name);

#endif
