/* protocols/management/rows.h - what one worker tells of its links, their channels, and itself.
 *
 * Owner:  whoever made the rows; text from the worker's pool. Thread: that worker's.
 * Shape:  one JSON object a line, each with ",\n" behind it. Strings are escaped: no line feed is inside.
 * Limits: ROWS_MAX of one worker and one kind; the rest is counted.
 */
#ifndef PROTOCOLS_MANAGEMENT_ROWS_H
#define PROTOCOLS_MANAGEMENT_ROWS_H

#include "core/hub.h"
#include "protocols/codecs/json.h"
#include "protocols/management/management.h"

struct rows {
	struct json_text text;
	int64_t wall_offset_ns;
	uint32_t count, omitted, max;
};

void rows_sessions(struct rows *rows, struct hub *hub);
void rows_channels(struct rows *rows, struct hub *hub);
void rows_worker(struct rows *rows, struct hub *hub, struct instant started);

/* A link; not a ferry, and not one that has ended. */
bool session_is_shown(const struct session *session);
struct session_facts session_facts_of(const struct session *session);
const char *session_state_text(const struct session *session);
/* NULL: there are no more. `at`: 0 at first. */
const char *feature_next(uint32_t features, unsigned *at);
/* True: one more fits; else it is counted. */
bool rows_next(struct rows *rows);
/* "12.345" */
void put_seconds(struct json_text *text, int64_t ns);
/* Seconds of the wall clock. */
void put_instant(struct json_text *text, struct instant instant, int64_t wall_offset_ns);

#endif
