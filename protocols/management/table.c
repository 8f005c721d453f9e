/* protocols/management/table.c - see table.h. */
#include "protocols/management/table.h"

#include <stdlib.h>

/* ---- adding up ---- */

static int order_numbers(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int order_keys(const struct published_row *a, const struct published_row *b)
{
	if (a->client != b->client)
		return a->client ? 1 : -1;
	if (a->client) {
		int services = order_numbers(a->service, b->service);
		return services ? services : order_numbers(a->position, b->position);
	}
	int names = strcmp(a->name, b->name), ports = order_numbers(a->publish_port, b->publish_port);
	return names ? names : ports ? ports : order_numbers(a->service, b->service);
}

static int order(const void *left, const void *right)
{
	const struct published_row *a = *(struct published_row *const *)left;
	const struct published_row *b = *(struct published_row *const *)right;
	int keys = order_keys(a, b);
	return keys ? keys : order_numbers(!a->whole, !b->whole);
}

static void add_counts(struct published_count *to, const struct published_count *from)
{
	to->active += from->active;
	to->total += from->total;
	to->sent += from->sent;
	to->received += from->received;
}

/* The first one of a key is a whole one, if there is any. */
static void add_row(struct published_row *to, const struct published_row *from)
{
	add_counts(&to->users, &from->users);
	add_counts(&to->visitors, &from->visitors);
	if (instant_is_set(from->since) && (!instant_is_set(to->since) || from->since.ns < to->since.ns))
		to->since = from->since;
}

void table_make(struct table *table, struct published_row **rows, size_t count, size_t max)
{
	*table = (struct table){.rows = rows};
	if (count)
		qsort(rows, count, sizeof *rows, order);
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && order_keys(rows[i], rows[next]) == 0; next++)
			add_row(rows[i], rows[next]);
		if (!rows[i]->whole)
			continue;        /* whose client is gone */
		if (table->count < max)
			rows[table->count++] = rows[i];
		else
			table->omitted++;
	}
}

/* ---- telling ---- */

const char *type_text(const struct published_row *row)
{
	static const char *const names[][2] = {{"tcp", "Tcp"},        {"http/1.1", "Http11"},
					       {"http/2.0", "Http2"}, {"ssh", "Ssh"},
					       {"http", "HttpProxy"}, {"socks5", "Socks5Proxy"}};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(row->type, names[i][0]) == 0)
			return names[i][1];
	return row->type;
}

const char *kind_text(const struct published_row *row)
{
	static const char *const names[] = {[PUBLISHED_PROXY] = "proxy",
					    [PUBLISHED_VISITOR] = "visitor",
					    [PUBLISHED_FORWARDER] = "forwarder"};
	return names[row->kind];
}

static void put_name(struct json_text *text, const char *name)
{
	json_put(text, strcmp(name, "name") == 0 ? "\n    " : ",\n    ");
	json_put_text(text, slice_of(name));
	json_put(text, ": ");
}

static void put_words(struct json_text *text, const char *name, const char *words)
{
	put_name(text, name);
	json_put_text(text, slice_of(words));
}

static void put_number(struct json_text *text, const char *name, uint64_t number)
{
	put_name(text, name);
	json_put_number(text, (int64_t)number);
}

static uint64_t start_of(const struct published_row *row, int64_t wall_offset_ns)
{
	return (uint64_t)((row->since.ns + wall_offset_ns) / 1000000000);
}

static void put_held(struct json_text *text, const struct published_row *row, uint64_t start)
{
	put_words(text, "name", row->name);
	put_words(text, "publish_addr", row->publish_addr);
	put_number(text, "publish_port", row->publish_port);
	put_number(text, "local_port", row->local_port);
	put_number(text, "total_connections", row->users.total);
	put_number(text, "active_connections", row->users.active);
	put_number(text, "bytes_sent", row->users.sent);
	put_number(text, "bytes_received", row->users.received);
	put_number(text, "start_time", start);
	put_words(text, "kind", kind_text(row));
	put_words(text, "proxy_type", type_text(row));
	put_words(text, "identity", row->identity);
	put_words(text, "peer", row->peer);
	put_number(text, "links", row->links);
	put_number(text, "visitor_total_connections", row->visitors.total);
	put_number(text, "visitor_active_connections", row->visitors.active);
	put_number(text, "visitor_bytes_sent", row->visitors.sent);
	put_number(text, "visitor_bytes_received", row->visitors.received);
}

static void put_own(struct json_text *text, const struct published_row *row, uint64_t start)
{
	put_words(text, "name", row->name);
	put_words(text, "proxy_type", type_text(row));
	put_words(text, "bind_addr", row->bind_addr);
	put_number(text, "bind_port", row->bind_port);
	put_words(text, "target_addr", row->target_addr);
	put_number(text, "target_port", row->target_port);
	put_number(text, "active_connections", row->users.active);
	put_number(text, "total_connections", row->users.total);
	put_number(text, "bytes_sent", row->users.sent);
	put_number(text, "bytes_received", row->users.received);
	put_number(text, "start_time", start);
	put_words(text, "status", row->users.active ? "Connected" : "Idle");
	put_words(text, "publish_addr", row->publish_addr);
	put_number(text, "publish_port", row->publish_port);
	put_number(text, "local_port", row->local_port);
	put_words(text, "kind", kind_text(row));
}

void table_put(const struct table *table, struct json_text *text, int64_t wall_offset_ns)
{
	json_put(text, "[");
	for (size_t i = 0; i < table->count; i++) {
		const struct published_row *row = table->rows[i];
		uint64_t start = start_of(row, wall_offset_ns);
		json_put(text, i ? ",\n  {" : "\n  {");
		if (row->client)
			put_own(text, row, start);
		else
			put_held(text, row, start);
		json_put(text, "\n  }");
	}
	json_put(text, table->count ? "\n]" : "]");
}
