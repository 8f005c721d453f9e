/* core/event.c - names of events; see event.h. */
#include "core/event.h"

static const char *const names[EVENT_COUNT] = {
#define X(name) [EVENT_##name] = #name,
	EVENTS(X)
#undef X
};

const char *event_name(enum event_kind kind) { return names[kind]; }
