/* core/reason.h - why something ended: one table of text, counter and "is it an error".
 *
 * Owner: nobody, values only. The first reason given to an object sticks. The name is a metric label
 * and the text goes to logs and, where a protocol has room for it, to the peer.
 */
#ifndef CORE_REASON_H
#define CORE_REASON_H

#include "core/base.h"

/*        name          is an error  text */
#define REASONS(X) \
	X(OK,            false, "done") \
	X(REFUSED,       true,  "connection refused") \
	X(UNREACHABLE,   true,  "host or network unreachable") \
	X(NAME,          true,  "name does not resolve") \
	X(FORBIDDEN,     true,  "not allowed") \
	X(TIMEOUT,       true,  "timed out") \
	X(NOT_FOUND,     true,  "nothing is published under that name and port") \
	X(LIMIT,         true,  "a limit was reached") \
	X(STALLED,       true,  "stalled reader") \
	X(LOST,          true,  "connection lost") \
	X(TRUNCATED,     true,  "connection ended without a close_notify") \
	X(PROTOCOL,      true,  "protocol error") \
	X(AUTH,          true,  "authentication failed") \
	X(CERTIFICATE,   true,  "certificate refused") \
	X(TLS,           true,  "TLS failed") \
	X(PLAINTEXT,     true,  "not TLS") \
	X(REPLACED,      false, "replaced by a newer connection of the same client") \
	X(GOAWAY,        false, "peer is going away") \
	X(SILENT,        true,  "peer fell silent") \
	X(MEMORY,        true,  "out of memory budget") \
	X(STOPPING,      false, "stopping") \
	X(ADMINISTRATOR, false, "closed by the administrator") \
	X(OTHER,         true,  "other")

enum reason {
#define X(name, error, text) REASON_##name,
	REASONS(X)
#undef X
	REASON_COUNT
};

const char *reason_name(enum reason reason);   /* "not_found": a metric label */
const char *reason_text(enum reason reason);   /* "nothing is published ..." */
bool reason_is_error(enum reason reason);

/* What a negative errno of connect, recv or send means; REASON_OTHER when nothing better fits. */
enum reason reason_of_errno(int error);

#endif
