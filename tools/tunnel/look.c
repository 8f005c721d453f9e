/* tools/tunnel/look.c - see look.h; asking is in look_take.c. */
#include "tools/tunnel/look.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/codecs/json.h"

enum {
	LINK_PEER,
	LINK_PROTOCOL,
	LINK_ROLE,
	LINK_IDENTITY,
	LINK_STATE,
	LINK_CHANNELS,
	LINK_IN,
	LINK_OUT,
	LINK_RATE,
	LINK_RTT,
	LINK_STALLED,
	LINK_UPTIME,
	LINK_COLUMNS
};
enum {
	CHANNEL_SOURCE,
	CHANNEL_TARGET,
	CHANNEL_KIND,
	CHANNEL_STATE,
	CHANNEL_PEER,
	CHANNEL_QUEUED,
	CHANNEL_IN,
	CHANNEL_OUT,
	CHANNEL_RATE,
	CHANNEL_STALLED,
	CHANNEL_AGE,
	CHANNEL_COLUMNS
};

static const struct view_column published_columns[PUBLISHED_COLUMNS] = {
    [PUBLISHED_NAME] = {"NAME", VIEW_TEXT, 'n', 0, {0, 0}},
    [PUBLISHED_KIND] = {"KIND", VIEW_TEXT, 0, 3, {0, 0}},
    [PUBLISHED_AT] = {"PUBLISHED", VIEW_TEXT, 'p', 9, {0, 0}},
    [PUBLISHED_LOCAL] = {"LOCAL", VIEW_COUNT, 0, 2, {0, 0}},
    [PUBLISHED_CLIENT] = {"CLIENT", VIEW_TEXT, 0, 6, {0, 0}},
    [PUBLISHED_ACTIVE] = {"ACTIVE", VIEW_COUNT, 'c', 11, {0, 0}},
    [PUBLISHED_TOTAL] = {"TOTAL", VIEW_COUNT, 't', 4, {0, 0}},
    [PUBLISHED_SENT] = {"SENT", VIEW_BYTES, 0, 5, {0, 0}},
    [PUBLISHED_RECEIVED] = {"RECEIVED", VIEW_BYTES, 0, 5, {0, 0}},
    [PUBLISHED_RATE] = {"RATE", VIEW_RATE, 'R', 10, {PUBLISHED_SENT, PUBLISHED_RECEIVED}},
    [PUBLISHED_STALLED] = {"STALLED", VIEW_STALL, 0, 8, {0, 0}},
    [PUBLISHED_UPTIME] = {"UPTIME", VIEW_SPAN, 'u', 1, {0, 0}},
};

static const struct view_column link_columns[LINK_COLUMNS] = {
    [LINK_PEER] = {"PEER", VIEW_TEXT, 'n', 0, {0, 0}},
    [LINK_PROTOCOL] = {"PROTOCOL", VIEW_TEXT, 0, 5, {0, 0}},
    [LINK_ROLE] = {"ROLE", VIEW_TEXT, 0, 3, {0, 0}},
    [LINK_IDENTITY] = {"IDENTITY", VIEW_TEXT, 0, 4, {0, 0}},
    [LINK_STATE] = {"STATE", VIEW_TEXT, 0, 6, {0, 0}},
    [LINK_CHANNELS] = {"CHANNELS", VIEW_COUNT, 'c', 11, {0, 0}},
    [LINK_IN] = {"IN", VIEW_BYTES, 0, 8, {0, 0}},
    [LINK_OUT] = {"OUT", VIEW_BYTES, 0, 8, {0, 0}},
    [LINK_RATE] = {"RATE", VIEW_RATE, 'R', 10, {LINK_IN, LINK_OUT}},
    [LINK_RTT] = {"RTT", VIEW_MS, 't', 2, {0, 0}},
    [LINK_STALLED] = {"STALLED", VIEW_STALL, 0, 7, {0, 0}},
    [LINK_UPTIME] = {"UPTIME", VIEW_SPAN, 'u', 1, {0, 0}},
};

static const struct view_column channel_columns[CHANNEL_COLUMNS] = {
    [CHANNEL_SOURCE] = {"SOURCE", VIEW_TEXT, 'n', 0, {0, 0}},
    [CHANNEL_TARGET] = {"TARGET", VIEW_TEXT, 'p', 10, {0, 0}},
    [CHANNEL_KIND] = {"KIND", VIEW_TEXT, 0, 2, {0, 0}},
    [CHANNEL_STATE] = {"STATE", VIEW_TEXT, 0, 5, {0, 0}},
    [CHANNEL_PEER] = {"LINK", VIEW_TEXT, 0, 3, {0, 0}},
    [CHANNEL_QUEUED] = {"QUEUED", VIEW_BYTES, 'c', 4, {0, 0}},
    [CHANNEL_IN] = {"IN", VIEW_BYTES, 0, 7, {0, 0}},
    [CHANNEL_OUT] = {"OUT", VIEW_BYTES, 0, 7, {0, 0}},
    [CHANNEL_RATE] = {"RATE", VIEW_RATE, 'R', 9, {CHANNEL_IN, CHANNEL_OUT}},
    [CHANNEL_STALLED] = {"STALLED", VIEW_STALL, 0, 6, {0, 0}},
    [CHANNEL_AGE] = {"AGE", VIEW_SPAN, 'u', 1, {0, 0}},
};

void look_init(struct look *look)
{
	*look = (struct look){0};
	view_init(&look->views[LOOK_PUBLISHED], "proxies", published_columns, PUBLISHED_COLUMNS);
	view_init(&look->views[LOOK_LINKS], "links", link_columns, LINK_COLUMNS);
	view_init(&look->views[LOOK_CHANNELS], "channels", channel_columns, CHANNEL_COLUMNS);
}

void look_fini(struct look *look)
{
	for (int i = 0; i < LOOK_COUNT; i++)
		view_fini(&look->views[i]);
}

/* ---- members ---- */

static double number_of(const json_t *object, const char *name)
{
	double number;
	return json_member_number(object, name, &number) ? number : (double)NAN;
}

static double zero_of(const json_t *object, const char *name)
{
	double number;
	return json_member_number(object, name, &number) ? number : 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_member_text(object, name);
	return text ? text : "";
}

/* "ADDR:PORT", "[V6]:PORT"; "" when there is no address. */
static void place_of(const json_t *object, const char *addr_name, const char *port_name, char *text,
		     size_t size)
{
	const char *addr = text_of(object, addr_name);
	double port = number_of(object, port_name);
	text[0] = 0;
	if (*addr && port > 0)
		snprintf(text, size, strchr(addr, ':') ? "[%s]:%.0f" : "%s:%.0f", addr, port);
	else if (*addr)
		snprintf(text, size, "%s", addr);
}

/* ---- what is published ---- */

static void take_counts(struct view_row *row, const json_t *object)
{
	row->numbers[PUBLISHED_LOCAL] = number_of(object, "local_port");
	row->numbers[PUBLISHED_ACTIVE] =
	    number_of(object, "active_connections") + zero_of(object, "visitor_active_connections");
	row->numbers[PUBLISHED_TOTAL] =
	    number_of(object, "total_connections") + zero_of(object, "visitor_total_connections");
	row->numbers[PUBLISHED_SENT] =
	    number_of(object, "bytes_sent") + zero_of(object, "visitor_bytes_sent");
	row->numbers[PUBLISHED_RECEIVED] =
	    number_of(object, "bytes_received") + zero_of(object, "visitor_bytes_received");
}

static void read_published(struct view *view, const json_t *object, double now)
{
	char key[512], at[512], target[512];
	const char *name = text_of(object, "name"), *kind = text_of(object, "kind");
	bool client = json_has(object, "bind_addr");
	bool visits = client && strcmp(kind, "proxy") != 0 && (*kind || !json_has(object, "publish_addr"));
	snprintf(key, sizeof key, "%s/%s/%.0f/%.0f", kind, name, zero_of(object, "publish_port"),
		 zero_of(object, "bind_port"));
	struct view_row *row = view_add(view, key);
	if (!row)
		return;
	place_of(object, visits ? "bind_addr" : "publish_addr", visits ? "bind_port" : "publish_port", at,
		 sizeof at);
	place_of(object, "target_addr", "target_port", target, sizeof target);
	const char *who = text_of(object, "identity");
	view_set_text(view, row, PUBLISHED_NAME, name);
	view_set_text(view, row, PUBLISHED_KIND, *kind ? kind : text_of(object, "proxy_type"));
	view_set_text(view, row, PUBLISHED_AT, at);
	view_set_text(view, row, PUBLISHED_CLIENT, client ? target : *who ? who : text_of(object, "peer"));
	/* Channels of what a client publishes tell the port alone. */
	snprintf(key, sizeof key, "%s:%.0f", client && !visits ? "" : name, zero_of(object, "publish_port"));
	view_set_alias(view, row, key);
	take_counts(row, object);
	row->numbers[PUBLISHED_UPTIME] = now - number_of(object, "start_time");
}

/* ---- links ---- */

static void read_link(struct view *view, const json_t *object, double now)
{
	static const char *const names[] = {"peer", "protocol", "role", "identity", "state"};
	struct view_row *row = view_add(view, text_of(object, "id"));
	if (!row)
		return;
	for (int i = LINK_PEER; i <= LINK_STATE; i++)
		view_set_text(view, row, i, text_of(object, names[i]));
	row->numbers[LINK_CHANNELS] = number_of(object, "channels");
	row->numbers[LINK_IN] = number_of(object, "bytes_in");
	row->numbers[LINK_OUT] = number_of(object, "bytes_out");
	row->numbers[LINK_RTT] = number_of(object, "rtt_ms");
	row->numbers[LINK_UPTIME] = now - number_of(object, "since");
}

/* ---- channels ---- */

static void read_channel(struct view *view, const json_t *object, double now)
{
	static const char *const names[] = {"source", "target", "kind", "state", "session"};
	static const char *const stalls[VIEW_CAUSES] = {"peer", "socket", "link", "memory"};
	struct view_row *row = view_add(view, text_of(object, "id"));
	if (!row)
		return;
	for (int i = CHANNEL_SOURCE; i <= CHANNEL_PEER; i++)
		view_set_text(view, row, i, text_of(object, names[i]));
	row->numbers[CHANNEL_QUEUED] = number_of(object, "queued_bytes");
	row->numbers[CHANNEL_IN] = number_of(object, "bytes_in");
	row->numbers[CHANNEL_OUT] = number_of(object, "bytes_out");
	row->numbers[CHANNEL_AGE] = now - number_of(object, "since");
	const json_t *stalled = json_member_object(object, "stalled_seconds");
	for (int i = 0; stalled && i < VIEW_CAUSES; i++)
		row->stalls[i] = zero_of(stalled, stalls[i]);
}

/* A row under the name by which channels know it. */
struct name {
	char text[320];
	struct view_row *row;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static struct name *names_of(struct view *view)
{
	struct name *names = calloc(view->count + 1, sizeof *names);
	view->no_memory |= !names;
	for (size_t i = 0; names && i < view->count; i++) {
		struct view_row *row = &view->rows[i];
		names[i].row = row;
		snprintf(names[i].text, sizeof names[i].text, "%s", row->alias ? row->alias : row->key);
	}
	if (names && view->count)
		qsort(names, view->count, sizeof *names, by_text);
	return names;
}

static struct view_row *find(const struct name *names, size_t count, const char *text)
{
	struct name wanted = {.row = NULL};
	snprintf(wanted.text, sizeof wanted.text, "%s", text ? text : "");
	const struct name *found =
	    names && count ? bsearch(&wanted, names, count, sizeof *names, by_text) : NULL;
	return found ? found->row : NULL;
}

static void add_stalls(struct view_row *to, const struct view_row *from)
{
	if (!to)
		return;
	to->stalled_parts++;
	for (int i = 0; i < VIEW_CAUSES; i++)
		to->stalls[i] += from->stalls[i];
}

/* What holds a channel back holds back its link and what it was opened for. */
static void spread_stalls(struct look *look)
{
	struct view *links = &look->views[LOOK_LINKS], *published = &look->views[LOOK_PUBLISHED],
		    *channels = &look->views[LOOK_CHANNELS];
	struct name *link_names = names_of(links), *published_names = names_of(published);
	for (size_t i = 0; i < channels->count; i++) {
		struct view_row *row = &channels->rows[i];
		struct view_row *link = find(link_names, links->count, row->texts[CHANNEL_PEER]);
		add_stalls(link, row);
		add_stalls(find(published_names, published->count, row->texts[CHANNEL_TARGET]), row);
		if (link)
			view_set_text(channels, row, CHANNEL_PEER, link->texts[LINK_PEER]);
	}
	free(link_names);
	free(published_names);
}

/* ---- all of it ---- */

bool look_read(struct look *look, enum look_table table, struct slice json, double now, const char **fault)
{
	typedef void read_fn(struct view * view, const json_t *object, double now);
	static read_fn *const readers[LOOK_COUNT] = {read_published, read_link, read_channel};
	json_t *list = json_parse(json, json.size + 1, fault);
	if (!list)
		return false;
	bool good = json_is_array(list);
	*fault = "a list was expected";
	for (size_t i = 0; good && i < json_array_size(list); i++)
		if (json_is_object(json_array_get(list, i)))
			readers[table](&look->views[table], json_array_get(list, i), now);
	json_decref(list);
	look->told[table] = good;
	if (good && table == LOOK_CHANNELS)
		spread_stalls(look);
	return good;
}

void look_compare(struct look *look, struct look *before)
{
	for (int i = 0; i < LOOK_COUNT; i++)
		view_compare(&look->views[i], &before->views[i], look->at - before->at);
}
