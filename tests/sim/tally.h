/* tests/sim/tally.h - what has happened in all runs, so that one can see what the seeds exercise.
 *
 * Owner:  the program; never reset. A name that stays at zero over many seeds is a class of faults that the
 *         simulator no longer reaches, and fails the run (main.c).
 */
#ifndef TESTS_SIM_TALLY_H
#define TESTS_SIM_TALLY_H

#include "core/stats.h"
#include "core/base.h"

/* What the simulated world does. */
#define TALLIES_OF_WORLD(X)                                                                                  \
	X(pieces_cut)	    /* reads and writes that took less than was asked */                             \
	X(ops_late)	    /* could go on and waited for a later turn */                                    \
	X(edges)	    /* told by epoll */                                                              \
	X(ops_early)	    /* submitted and tried in the same turn */                                       \
	X(cancels_late)	    /* not heard at once */                                                          \
	X(multishots_ended) /* with a result, without a reason */                                            \
	X(receives_starved) /* ENOBUFS */                                                                    \
	X(receives_failed)   /* of datagrams */                                                              \
	X(datagrams_lost)                                                                                    \
	X(datagrams_twice)                                                                                   \
	X(datagrams_stuck)   /* no room to send */                                                           \
	X(datagrams_back)    /* came back to a user, as they were */                                         \
	X(datagrams_provided) /* the same, by a provider of LinkSocks */                                     \
	X(datagrams_crowded) /* no room to receive */                                                        \
	X(accepts_emfile)                                                                                    \
	X(connects_emfile) X(ports_in_use) X(connects_refused) X(connects_lost) X(connects_unreachable)      \
	    X(allocations_failed) X(names_unknown) X(names_late) X(resets) X(resets_overtaking) X(paths_cut) \
		X(paths_half_dead) X(paths_timed_out) X(clients_killed) X(clients_vanished)                  \
		    X(gateways_killed) X(nodes_stopped) X(nodes_drained) X(workers_paused)               \
		    X(programs_paused) X(clocks_jumped) X(networks_changed) X(services_down)             \
		    X(strangers)

/* What the program does, seen from outside: by its log, its state, its peers. */
#define TALLIES_OF_PROGRAM(X)                                                                                \
	X(goaways)	      /* heard by a client */                                                        \
	X(takeovers)	      /* an older link of the same client was replaced */                            \
	X(silent_links_ended) /* of a client that wants its ports back and is not the same any more */       \
	X(further_links)      /* a client's second one is up, or lost */                                     \
	X(single_links)	      /* the gateway takes one, so a client that wants several has one */            \
	X(ports_refused)      /* somebody else holds them, and lives */                                      \
	X(binds_retried)                                                                                     \
	X(dials_retried) X(refusals_in_ring) /* seen while they waited to be said */                         \
	    X(ferries_full)		     /* a ring without enough free slots */                          \
	    X(bridged_here) X(bridged_over) /* a visitor that a LinkSocks provider serves, by a ferry */ \
	    X(links_over_wss) X(links_over_http2) X(links_of_old) /* TLS Tunnel's, by a client */ \
	    X(links_of_oldest)		    /* that is 1.0 */                                       \
	    X(socks_over_tls)		    /* a client of LinkSocks is up at the gateway's port */ \
	    X(proxy_headers_read)	    /* by an origin */                                      \
	    X(answers_missing)		    /* an origin of HTTP closes without one */              \
	    X(early_ends) /* a target ended before it had heard everything, and all came through */

/* Counters of the program that must move. */
#define TALLIES_OF_COUNTERS(X)                                                                               \
	X(connections_accepted) X(connections_refused_source) X(connections_shed) X(handshakes)              \
	X(handshakes_failed) X(detect_failed) X(links_opened) X(links_closed) X(links_failed)                \
	X(logins_refused) X(peers_silent) X(channels_opened) X(channels_refused) X(channels_limit)           \
	X(channels_reset) X(channels_memory) X(channels_idle) X(bytes_discarded) X(flows_blocked)            \
	X(session_bytes_blocked) X(pieces_copied) X(moves) X(ferried_bytes) X(dials) X(dials_failed) \
	X(forwards) X(forwards_refused)

enum tally_kind {
#define X(name) TALLY_##name,
	TALLIES_OF_WORLD(X) TALLIES_OF_PROGRAM(X)
#undef X
	TALLY_COUNT
};

extern uint64_t tallies[TALLY_COUNT];

static inline void tally(enum tally_kind what) { tallies[what]++; }
/* The counters of a worker that is about to go. */
void tally_counters(const uint64_t counters[COUNTER_COUNT]);
/* A line of the program's log. */
void tally_log(const char *line, size_t size);
/* All of them, one line each. The number of those that are zero. */
uint32_t tallies_print(void);

#endif
