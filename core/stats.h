/* core/stats.h - counters of one worker, as one table of names. Read by anybody, summed by the reader. */
#ifndef CORE_STATS_H
#define CORE_STATS_H

#define COUNTERS(X) \
	X(connections_accepted) X(connections_refused_source) X(connections_refused_half_open) \
	X(connections_shed) X(handshakes) X(handshakes_resumed) X(handshakes_failed) X(detect_failed) \
	X(links_opened) X(links_closed) X(links_failed) X(logins_refused) X(logins_limited) X(peers_silent) \
	X(channels_opened) X(channels_refused) X(channels_limit) X(channels_reset) X(channels_stalled) \
	X(channels_idle) X(channels_memory) X(refusals_overflow) X(bytes_in) X(bytes_out) \
	X(link_bytes_in) X(link_bytes_out) X(messages_in) X(messages_out) X(bytes_discarded) \
	X(datagrams_in) X(datagrams_out) X(datagrams_dropped) \
	X(flows_blocked) X(windows_grown) X(windows_shrunk) X(windows_limit) \
	X(session_bytes_blocked) X(pieces_copied) X(bytes_copied) X(sends) X(sent_bytes) \
	X(received_bytes) X(turns) X(mails) X(moves) X(ferried_bytes) X(dials) X(dials_failed) \
	X(protocol_errors) X(log_lines_lost) X(channels_fullest) X(batches) X(batches_early) \
	X(forwards) X(forwards_refused) X(forwarders_full) X(answers_refused) \
	X(stall_peer_ms) X(stall_socket_ms) X(stall_link_ms) X(stall_memory_ms)

enum counter {
#define X(name) COUNTER_##name,
	COUNTERS(X)
#undef X
	COUNTER_COUNT
};

/* "channels_opened" */
const char *counter_name(enum counter counter);

#endif
