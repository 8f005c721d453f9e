/* protocols/tls_tunnel/control.h - the messages of the control stream: JSON-RPC 2.0 text <-> events.
 *
 * Owner:  the wire's state, one per session. Pure: no session, no writer; text in, one event out, and back.
 * State:  which of the two requests has been asked and answered, their ids, what the peer has shown.
 * Memory: what an event points to stays alive until control_release, which the wire calls before the next
 * message. Limits: CONTROL_MESSAGE_MAX, before authentication CONTROL_LOGIN_MAX; CONTROL_ITEMS_MAX entries of
 * any list. Normalised: PUBLISHED{refused} is read back as FORBIDDEN, AUTHED{refused} as AUTH, whatever the
 * reason was.
 */
#ifndef PROTOCOLS_TLS_TUNNEL_CONTROL_H
#define PROTOCOLS_TLS_TUNNEL_CONTROL_H

#include "core/event.h"
#include "core/memory.h"
#include "protocols/codecs/json.h"

enum {
	CONTROL_MESSAGE_MAX = 10 * 1024 * 1024, /* the original's limit, both directions */
	CONTROL_LOGIN_MAX = 64 * 1024,		/* a peer that is not authenticated yet */
	CONTROL_ITEMS_MAX = 10000,
	CONTROL_UUID_SIZE = 37,
	/* what a server may answer that it has */
	CONTROL_FEATURES = FEATURE_OURS | FEATURE_LINKS | FEATURE_SOURCE,
};

enum exchange { EXCHANGE_NONE, EXCHANGE_ASKED, EXCHANGE_DONE };

struct control {
	bool client;
	enum exchange login, config; /* authenticate, submit_config: heard or said, then answered with OK */
	uint32_t shown_by_peer, shown_by_us; /* enum feature bits */
	struct memory *memory;
	json_t *login_id, *config_id; /* server: what the answers must carry */
	/* what the last event points to */
	json_t *kept;
	struct credentials credentials;
	struct note note;
	struct publication about;
	struct publication *publications;
	uint32_t publication_count;
	struct slice *refused;
	uint32_t refused_count;
};

void control_init(struct control *control, bool client, struct memory *memory);
void control_fini(struct control *control);
void control_release(struct control *control);

/* One message. OK: *event is what it says, kind OWED when it says nothing to anybody. PROTOCOL: *fault tells
 * why. */
enum status control_decode(struct control *control, struct slice text, struct event *event,
			   const char **fault);

/* The message for an event: AUTH, AUTHED, PUBLISH, PUBLISHED, READY or NOTE. `uuid` names the client in
 * AUTHED{ok}. */
void control_encode(const struct control *control, const struct event *event, const char *uuid,
		    struct json_text *text);
/* It has left: what has been asked and answered. */
void control_said(struct control *control, const struct event *event);

/* ---- for other generations, which have the same lists in other messages ---- */
/* {"proxies": [...], "visitors": [...]}: PUBLISH. */
enum status control_read_config(struct control *control, const json_t *config, struct event *event,
				const char **fault);
/* Room for so many, to be filled and then published. False: no memory. */
bool control_reserve(struct control *control, uint32_t count);
void control_published(struct control *control, struct event *event);
/* A list of strings as slices in control->refused. False: it is none, or there is no memory. */
bool control_read_refused(struct control *control, const json_t *list);

/* A random UUID, version 4. */
void control_uuid(char uuid[CONTROL_UUID_SIZE], uint64_t *random);

static inline bool control_is_running(const struct control *control)
{
	return control->config == EXCHANGE_DONE;
}
/* Bytes that the peer's next message may have. */
static inline uint32_t control_size_max(const struct control *control)
{
	return control->client || control->login != EXCHANGE_NONE ? CONTROL_MESSAGE_MAX : CONTROL_LOGIN_MAX;
}
/* Both ends are this program. */
static inline bool control_is_ours(const struct control *control)
{
	return control->shown_by_peer & control->shown_by_us & FEATURE_OURS;
}
/* Headers of streams tell whose they are. */
static inline bool control_has_source(const struct control *control)
{
	return control->shown_by_peer & control->shown_by_us & FEATURE_SOURCE;
}

/* protocols/tls_tunnel/control_words.c: names of features, levels and notes, both ways. */
extern const struct feature_word {
	const char *name;
	enum feature bit;
} feature_words[4];
const char *level_word(uint8_t level);
uint8_t level_of_word(const char *word);
const char *note_word(enum note_kind kind); /* NULL for NOTE_TEXT */
enum note_kind note_of_word(const char *word);

#endif
