/* core/reason.c - the table of reasons; see reason.h. */
#include "core/reason.h"

#include <errno.h>

static const struct {
	const char *text;
	bool error;
} reasons[REASON_COUNT] = {
#define X(name, error, text) [REASON_##name] = {text, error},
	REASONS(X)
#undef X
};

const char *reason_name(enum reason reason)
{
	/* lower-case names, made by hand so that they can be found with grep */
	static const char *const names[REASON_COUNT] = {
		[REASON_OK] = "ok", [REASON_REFUSED] = "refused", [REASON_UNREACHABLE] = "unreachable",
		[REASON_NAME] = "name", [REASON_FORBIDDEN] = "forbidden", [REASON_TIMEOUT] = "timeout",
		[REASON_NOT_FOUND] = "not_found", [REASON_LIMIT] = "limit", [REASON_STALLED] = "stalled",
		[REASON_LOST] = "lost", [REASON_TRUNCATED] = "truncated", [REASON_PROTOCOL] = "protocol",
		[REASON_AUTH] = "auth", [REASON_CERTIFICATE] = "certificate", [REASON_TLS] = "tls",
		[REASON_PLAINTEXT] = "plaintext", [REASON_REPLACED] = "replaced", [REASON_GOAWAY] = "goaway",
		[REASON_SILENT] = "silent", [REASON_MEMORY] = "memory", [REASON_STOPPING] = "stopping",
		[REASON_ADMINISTRATOR] = "administrator", [REASON_OTHER] = "other",
	};
	return names[reason];
}

const char *reason_text(enum reason reason) { return reasons[reason].text; }
bool reason_is_error(enum reason reason) { return reasons[reason].error; }

enum reason reason_of_errno(int error)
{
	switch (error < 0 ? -error : error) {
	case 0: return REASON_OK;
	case ECONNREFUSED: return REASON_REFUSED;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL:
	case ENOENT:
		return REASON_UNREACHABLE;
	case ETIMEDOUT: return REASON_TIMEOUT;
	case EACCES: case EPERM: return REASON_FORBIDDEN;
	case EMFILE: case ENFILE: return REASON_LIMIT;
	case ENOMEM: case ENOBUFS: return REASON_MEMORY;
	case ECONNRESET: case EPIPE: case ECONNABORTED: case ENOTCONN: return REASON_LOST;
	default: return REASON_OTHER;
	}
}
