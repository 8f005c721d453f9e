/* protocols/management/rows.c - see rows.h. */
#include "protocols/management/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/stall.h"

enum { WHERE_SIZE = HOST_SIZE + 16 };

/* ---- writing ---- */

bool rows_next(struct rows *rows)
{
	if (rows->count >= rows->max) {
		rows->omitted++;
		return false;
	}
	rows->count++;
	return true;
}

void put_seconds(struct json_text *text, int64_t ns)
{
	char digits[40];
	int64_t ms = ns > 0 ? ns / 1000000 : 0;
	snprintf(digits, sizeof digits, "%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
	json_put(text, digits);
}

void put_instant(struct json_text *text, struct instant instant, int64_t wall_offset_ns)
{
	put_seconds(text, instant.ns + wall_offset_ns);
}

static void put_name(struct json_text *text, const char *name)
{
	json_put(text, text->buf && text->buf->bytes[text->buf->used - 1] == '{' ? "" : ", ");
	json_put_text(text, slice_of(name));
	json_put(text, ": ");
}

static void put_words(struct json_text *text, const char *name, const char *words)
{
	put_name(text, name);
	json_put_text(text, slice_of(words ? words : ""));
}

static void put_count(struct json_text *text, const char *name, uint64_t count)
{
	put_name(text, name);
	json_put_number(text, (int64_t)count);
}

/* In quotes: it may have more digits than a number of JavaScript. */
static void put_id(struct json_text *text, const char *name, uint64_t id)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%" PRIu64, id);
	put_words(text, name, digits);
}

/* ---- sessions ---- */

bool session_is_shown(const struct session *session)
{
	return !(session->traits & TRAIT_CONN) && !session->ferry && session->state != SESSION_DEAD;
}

struct session_facts session_facts_of(const struct session *session)
{
	struct session_facts facts = {0};
	if (session->role && session->role->describe)
		session->role->describe(session, &facts);
	if (!facts.protocol)
		facts.protocol = session->wire->name;
	if (!facts.role)
		facts.role = session->client ? "client" : "gateway";
	return facts;
}

const char *session_state_text(const struct session *session)
{
	if (session->state == SESSION_STARTING)
		return "connecting";
	if (session->state == SESSION_FLUSH)
		return "ending";
	if (!session->ready)
		return "login";
	return session->draining ? "draining" : "open";
}

const char *feature_next(uint32_t features, unsigned *at)
{
	static const char *const names[] = {"ours",   "source", "verdict",   "links",
					    "credit", "lz4",    "half-close"};
	while (*at < COUNT_OF(names)) {
		unsigned bit = (*at)++;
		if (features & 1u << bit)
			return names[bit];
	}
	return NULL;
}

static void put_features(struct json_text *text, uint32_t features)
{
	const char *name, *between = "[";
	unsigned at = 0;
	put_name(text, "features");
	while ((name = feature_next(features, &at)) != NULL) {
		json_put(text, between);
		json_put_text(text, slice_of(name));
		between = ", ";
	}
	json_put(text, *between == '[' ? "[]" : "]");
}

static void put_session(struct rows *rows, const struct session *session)
{
	struct json_text *text = &rows->text;
	struct session_facts facts = session_facts_of(session);
	json_put(text, "{");
	put_id(text, "id", session->id);
	put_words(text, "protocol", facts.protocol);
	put_words(text, "role", facts.role);
	put_words(text, "peer", session->peer);
	put_words(text, "identity", facts.identity);
	put_count(text, "worker", session->hub->index);
	put_name(text, "since");
	put_instant(text, session->since, rows->wall_offset_ns);
	put_count(text, "channels", session->channel_count);
	put_count(text, "bytes_in", session->bytes_in);
	put_count(text, "bytes_out", session->bytes_out);
	put_name(text, "rtt_ms");
	put_seconds(text, session->rtt.ns * 1000);
	put_words(text, "tls", session->tls);
	put_features(text, facts.features);
	put_words(text, "state", session_state_text(session));
	put_words(text, "peer_role", facts.peer_role);
	put_words(text, "transport", facts.transport);
	put_words(text, "generation", facts.generation);
	json_put(text, "},\n");
}

void rows_sessions(struct rows *rows, struct hub *hub)
{
	for (struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next) {
		const struct session *session = OWNER(link, struct session, hub_link);
		if (session_is_shown(session) && rows_next(rows))
			put_session(rows, session);
	}
}

/* ---- channels ---- */

static const char *kind_of(const struct channel *channel)
{
	const struct target *target = &channel->target;
	return target->network == NETWORK_UDP ? "udp" : target->published ? "published" : "tcp";
}

static const char *state_of(const struct channel *channel)
{
	static const char *const names[] = {[CHANNEL_ASKED] = "asked",
					    [CHANNEL_OPENING] = "opening",
					    [CHANNEL_OPEN] = "open",
					    [CHANNEL_CLOSED] = "closed"};
	bool ends = channel->state == CHANNEL_OPEN && (channel->in_done || channel->out_done);
	return ends ? "ending" : names[channel->state];
}

static void write_where(const char *host, uint16_t port, char text[WHERE_SIZE])
{
	const char *form = strchr(host, ':') ? "[%s]:%u" : "%s:%u";
	snprintf(text, WHERE_SIZE, form, host, port);
}

/* Whose it is: the user's address where it is known, else who has brought it. */
static const char *source_of(const struct channel *channel, char text[WHERE_SIZE])
{
	const struct channel *asker = channel->pair->side[0];
	if (channel->target.source.family) {
		char formatted[ADDRESS_TEXT_SIZE];
		struct address user = user_address_to(&channel->target.source);
		snprintf(text, WHERE_SIZE, "%s", address_format(&user, formatted));
		return text;
	}
	return asker && !asker->session->ferry ? asker->session->peer : "";
}

static void put_stalls(struct json_text *text, const struct pair *pair)
{
	static const struct { const char *name; enum stall cause; } causes[] = {
		{"{\"peer\": ", STALL_PEER}, {", \"socket\": ", STALL_SOCKET},
		{", \"link\": ", STALL_LINK}, {", \"memory\": ", STALL_MEMORY},
	};
	put_name(text, "stalled_seconds");
	for (size_t i = 0; i < COUNT_OF(causes); i++) {
		int64_t ns = 0;
		for (int side = 0; side < 2; side++)
			ns += pair->side[side] ? channel_stalled(pair->side[side], causes[i].cause).ns : 0;
		json_put(text, causes[i].name);
		put_seconds(text, ns);
	}
	json_put(text, "}");
}

static void put_channel(struct rows *rows, const struct channel *channel)
{
	struct json_text *text = &rows->text;
	const struct pair *pair = channel->pair;
	char source[WHERE_SIZE], target[WHERE_SIZE];
	write_where(channel->target.host, channel->target.port, target);
	json_put(text, "{");
	put_id(text, "id", pair->id + channel->side);
	put_id(text, "session", channel->session->id);
	put_words(text, "kind", kind_of(channel));
	put_words(text, "source", source_of(channel, source));
	put_words(text, "target", target);
	put_words(text, "state", state_of(channel));
	put_name(text, "since");
	put_instant(text, pair->since, rows->wall_offset_ns);
	put_count(text, "bytes_in", pair->flow[channel->side].pulled);
	put_count(text, "bytes_out", pair->flow[!channel->side].pulled);
	put_count(text, "queued_bytes", pair->flow[0].bytes + pair->flow[1].bytes);
	put_stalls(text, pair);
	json_put(text, "},\n");
}

void rows_channels(struct rows *rows, struct hub *hub)
{
	for (struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next) {
		struct session *session = OWNER(link, struct session, hub_link);
		if (!session_is_shown(session))
			continue;
		for (struct link *at = session->channels.next; at != &session->channels; at = at->next) {
			const struct channel *channel = OWNER(at, struct channel, session_link);
			if (channel->pair && rows_next(rows))
				put_channel(rows, channel);
		}
	}
}

/* ---- the worker ---- */

static uint32_t conn_count(const struct hub *hub)
{
	uint32_t ferries = 0;
	for (uint32_t i = 0; hub->ferries && i < hub->worker_count; i++)
		ferries += hub->ferries[i] != NULL;
	return hub->session_count - hub->link_count - ferries;
}

void rows_worker(struct rows *rows, struct hub *hub, struct instant started)
{
	struct json_text *text = &rows->text;
	struct hub_usage usage = {.cpu = -1};
	int64_t all_ns = instant_since(hub->now, started).ns;
	if (!rows_next(rows))
		return;
	if (hub->usage)
		hub->usage(&usage);
	json_put(text, "{");
	put_count(text, "id", hub->index);
	put_count(text, "cpu", (uint64_t)usage.cpu);
	put_name(text, "busy");
	put_seconds(text, all_ns > 0 ? (int64_t)(1e9 * (double)usage.busy.ns / (double)all_ns) : 0);
	put_count(text, "links", hub->link_count);
	put_count(text, "conns", conn_count(hub));
	put_count(text, "buffers", hub->bufs.used);
	put_name(text, "busy_seconds");
	put_seconds(text, usage.busy.ns);
	put_count(text, "pairs", hub->pair_count);
	put_count(text, "memory_bytes", hub->budget.used);
	json_put(text, "},\n");
}
