/* tools/tunnel/log_output.h - the log's sink: adds the time and writes to stderr.
 *
 * Owner:  the process. Thread: any. One line is one write(2), so lines of several threads do not mix.
 * Limits: a line waits at most LOG_OUTPUT_WAIT_MS for a full pipe, and not at all when the line before was
 *         lost; then it is lost and counted, and the next line that gets through is followed by one that
 *         says how many were. A closed pipe loses all, quietly.
 * Never:  ends the process, raises SIGPIPE, changes the descriptor's flags (others may share it).
 */
#ifndef TOOLS_TUNNEL_LOG_OUTPUT_H
#define TOOLS_TUNNEL_LOG_OUTPUT_H

#include "core/log.h"

enum { LOG_OUTPUT_WAIT_MS = 20 };

log_sink_fn log_output;
/* Lines lost since the start. */
uint64_t log_output_lost(void);
/* Ignores SIGPIPE and learns once whether stderr needs times (not under the journal, which has its own).
 * Before log_start. */
void log_output_start(void);

#endif
