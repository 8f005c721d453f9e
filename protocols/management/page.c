/* protocols/management/page.c - see page.h. */
#include "protocols/management/page.h"

#include <inttypes.h>
#include <stdio.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"refresh\" content=\"5\">\n<title>tunnel</title>\n<style>\n"
    ":root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--line:#e2e5ea;--text:#1b2330;--dim:#667085;"
    "--mark:#2563eb;--good:#15803d}\n"
    "@media(prefers-color-scheme:dark){:root{--back:#0f1319;--card:#171d26;--line:#2a3240;--text:#e6eaf0;"
    "--dim:#93a0b4;--mark:#7aa7ff;--good:#4ade80}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:90rem;padding:1.25rem;background:var(--back);color:var(--text);"
    "font:15px/1.45 system-ui,sans-serif}\n"
    "h1{font-size:1.3rem;margin:0 0 1rem}h2{font-size:1rem;margin:1.75rem 0 .6rem}\n"
    ".totals{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem}\n"
    ".totals div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:.8rem 1rem}\n"
    ".totals b{display:block;font-size:1.6rem;font-variant-numeric:tabular-nums}"
    ".totals span,.dim{color:var(--dim);font-size:.85rem}\n"
    ".table{background:var(--card);border:1px solid var(--line);border-radius:.6rem;overflow-x:auto}\n"
    "table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{text-align:left;padding:.5rem .65rem;border-top:1px solid var(--line);white-space:nowrap}\n"
    "th,th.words{border-top:0;color:var(--dim);font-weight:600;font-size:.8rem;white-space:nowrap}\n"
    ".words{white-space:normal;overflow-wrap:anywhere;min-width:4rem;max-width:22rem}"
    ".number{text-align:right}\n"
    "td:first-child{font-weight:600;min-width:0}td[data-is=Encryption],td[data-is=Target]{min-width:9rem}"
    "td[data-is=Encryption]{font-size:.8rem}.on{color:var(--good)}a{color:var(--mark)}\n"
    "@media(max-width:46rem){body{padding:.8rem}thead{display:none}tr{display:block;padding:.4rem 0;"
    "border-top:1px solid var(--line)}tbody tr:first-child{border-top:0}"
    "td,.words{display:flex;max-width:none;white-space:normal;overflow-wrap:anywhere;"
    "justify-content:space-between;gap:1rem;border:0;padding:.2rem .75rem;text-align:right}"
    "td::before{content:attr(data-is);color:var(--dim);font-weight:400;text-align:left}}\n"
    "</style>\n</head>\n<body>\n<h1>tunnel</h1>\n";

/* ---- writing ---- */

void put_escaped(struct json_text *text, const char *words)
{
	static const char *const escapes[] = {
		['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
	for (; *words; words++) {
		uint8_t byte = (uint8_t)*words;
		const char *escape = byte < COUNT_OF(escapes) ? escapes[byte] : NULL;
		bool control = byte < 0x20 || byte == 0x7f;
		json_put(text, escape ? escape : control ? "&#65533;" : (const char[]){*words, 0});
	}
}

/* Numbers stand right, and what may be long is broken. */
static const char *class_of(const char *column)
{
	static const char *const numbers[] = {"Client Port", "Active", "Total", "Sent", "Received",
					      "Uptime",      "In",     "Out",   "RTT",  "Channels"};
	static const char *const words[] = {"Proxy Name", "Name", "Identity", "Target", "Encryption"};
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		if (strcmp(column, numbers[i]) == 0)
			return "\" class=\"number\">";
	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (strcmp(column, words[i]) == 0)
			return "\" class=\"words\">";
	return "\">";
}

static void put_cell(struct json_text *text, const char *is, const char *words)
{
	json_put(text, "<td data-is=\"");
	json_put(text, is);
	json_put(text, class_of(is));
	put_escaped(text, *words ? words : "\xe2\x80\x93");
	json_put(text, "</td>");
}

static void put_number(struct json_text *text, const char *is, uint64_t number)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%" PRIu64, number);
	put_cell(text, is, digits);
}

static void put_bytes(struct json_text *text, const char *is, uint64_t bytes)
{
	static const char *const units[] = {"KB", "MB", "GB", "TB"};
	char words[40];
	size_t unit = 0;
	double amount = (double)bytes / 1024;
	while (amount >= 1024 && unit + 1 < COUNT_OF(units)) {
		amount /= 1024;
		unit++;
	}
	if (bytes < 1024)
		snprintf(words, sizeof words, "%" PRIu64 " B", bytes);
	else
		snprintf(words, sizeof words, "%.2f %s", amount, units[unit]);
	put_cell(text, is, words);
}

static void put_uptime(struct json_text *text, int64_t ns)
{
	char words[64];
	int64_t s = ns > 0 ? ns / 1000000000 : 0;
	if (s >= 86400)
		snprintf(words, sizeof words, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(words, sizeof words, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else if (s >= 60)
		snprintf(words, sizeof words, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else
		snprintf(words, sizeof words, "%" PRId64 "s", s);
	put_cell(text, "Uptime", words);
}

static void put_columns(struct json_text *text, const char *const *names, size_t count)
{
	json_put(text, "<div class=\"table\"><table><thead><tr>");
	for (size_t i = 0; i < count; i++) {
		json_put(text, "<th scope=\"col");
		json_put(text, class_of(names[i]));
		json_put(text, names[i]);
		json_put(text, "</th>");
	}
	json_put(text, "</tr></thead><tbody>\n");
}

static void put_end_of_table(struct json_text *text, size_t omitted)
{
	json_put(text, "</tbody></table></div>\n");
	if (!omitted)
		return;
	json_put(text, "<p class=\"dim\">and ");
	json_put_number(text, (int64_t)omitted);
	json_put(text, " more</p>\n");
}

/* ---- what is published ---- */

static void put_where(struct json_text *text, const char *is, const char *host, uint16_t port)
{
	char words[HOST_SIZE + 16];
	snprintf(words, sizeof words, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	put_cell(text, is, words);
}

static void put_counts(const struct page *page, struct json_text *text, const struct published_row *row)
{
	put_number(text, "Active", row->users.active + row->visitors.active);
	put_number(text, "Total", row->users.total + row->visitors.total);
	put_bytes(text, "Sent", row->users.sent + row->visitors.sent);
	put_bytes(text, "Received", row->users.received + row->visitors.received);
	put_uptime(text, page->now_ns - page->wall_offset_ns - row->since.ns);
}

static void put_held(const struct page *page, struct json_text *text, const struct published_row *row)
{
	json_put(text, "<tr>");
	put_cell(text, "Proxy Name", row->name);
	put_where(text, "Published Address", row->publish_addr, row->publish_port);
	put_number(text, "Client Port", row->local_port);
	put_counts(page, text, row);
	json_put(text, "</tr>\n");
}

static void put_own(const struct page *page, struct json_text *text, const struct published_row *row)
{
	json_put(text, "<tr>");
	put_cell(text, "Name", row->name);
	put_cell(text, "Kind", kind_text(row));
	put_cell(text, "Type", type_text(row));
	put_where(text, "Local Address", row->bind_addr, row->bind_port);
	if (row->target_port)
		put_where(text, "Target", row->target_addr, row->target_port);
	else
		put_cell(text, "Target", row->target_addr);
	json_put(text, row->users.active ? "<td data-is=\"Status\" class=\"on\">Connected</td>"
					 : "<td data-is=\"Status\">Idle</td>");
	put_counts(page, text, row);
	json_put(text, "</tr>\n");
}

static const char *const held_columns[] = {"Proxy Name", "Published Address", "Client Port", "Active",
					   "Total",      "Sent",              "Received",    "Uptime"};
static const char *const own_columns[] = {"Name",   "Kind",  "Type", "Local Address", "Target", "Status",
					  "Active", "Total", "Sent", "Received",      "Uptime"};

static void put_table(const struct page *page, struct json_text *text, bool own)
{
	const struct table *table = page->table;
	size_t first = 0, last = table->count;
	while (first < table->count && own && !table->rows[first]->client)
		first++;
	while (last > first && !own && table->rows[last - 1]->client)
		last--;
	if (first == last)
		return;
	json_put(text, own ? "<h2>This client</h2>\n" : "<h2>Published here</h2>\n");
	if (own)
		put_columns(text, own_columns, COUNT_OF(own_columns));
	else
		put_columns(text, held_columns, COUNT_OF(held_columns));
	for (size_t i = first; i < last; i++) {
		if (own)
			put_own(page, text, table->rows[i]);
		else
			put_held(page, text, table->rows[i]);
	}
	put_end_of_table(text, last == table->count ? table->omitted : 0);
}

static void put_total(struct json_text *text, uint64_t number, const char *of)
{
	json_put(text, "<div><b>");
	json_put_number(text, (int64_t)number);
	json_put(text, "</b><span>");
	json_put(text, of);
	json_put(text, "</span></div>\n");
}

/* ---- links ---- */

static const char *const link_columns[] = {"Peer",  "Protocol", "Role", "State",      "Identity", "Channels",
					   "In",    "Out",      "RTT",  "Encryption", "Uptime"};

void page_links(struct rows *rows, struct hub *hub)
{
	struct json_text *text = &rows->text;
	for (struct link *link = hub->sessions.next; link != &hub->sessions; link = link->next) {
		const struct session *session = OWNER(link, struct session, hub_link);
		if (!session_is_shown(session) || !rows_next(rows))
			continue;
		struct session_facts facts = session_facts_of(session);
		char rtt[32] = "";
		if (session->rtt.ns)
			snprintf(rtt, sizeof rtt, "%.1f ms", (double)session->rtt.ns / 1e6);
		json_put(text, "<tr>");
		put_cell(text, "Peer", session->peer);
		put_cell(text, "Protocol", facts.protocol);
		put_cell(text, "Role", facts.role);
		put_cell(text, "State", session_state_text(session));
		put_cell(text, "Identity", facts.identity ? facts.identity : "");
		put_number(text, "Channels", session->channel_count);
		put_bytes(text, "In", session->bytes_in);
		put_bytes(text, "Out", session->bytes_out);
		put_cell(text, "RTT", rtt);
		put_cell(text, "Encryption", session->tls[0] ? session->tls : "none");
		put_uptime(text, instant_since(hub->now, session->since).ns);
		json_put(text, "</tr>\n");
	}
}

/* ---- the page ---- */

void page_begin(const struct page *page, struct json_text *text)
{
	const struct table *table = page->table;
	uint64_t active = 0, total = 0;
	for (size_t i = 0; i < table->count; i++) {
		active += table->rows[i]->users.active + table->rows[i]->visitors.active;
		total += table->rows[i]->users.total + table->rows[i]->visitors.total;
	}
	json_put(text, head);
	json_put(text, "<div class=\"totals\">\n");
	put_total(text, table->count + table->omitted, "proxies");
	put_total(text, active, "active connections");
	put_total(text, total, "connections in all");
	put_total(text, page->link_count + page->link_omitted, "links");
	json_put(text, "</div>\n");
	if (!table->count)
		json_put(text, "<h2>Published here</h2>\n"
			       "<p class=\"dim\">Nothing is published at the moment.</p>\n");
	put_table(page, text, false);
	put_table(page, text, true);
	json_put(text, "<h2>Links</h2>\n");
	if (page->link_count)
		put_columns(text, link_columns, COUNT_OF(link_columns));
	else
		json_put(text, "<p class=\"dim\">There is no link at the moment.</p>\n");
}

void page_end(const struct page *page, struct json_text *text)
{
	if (page->link_count)
		put_end_of_table(text, page->link_omitted);
	json_put(text, "<p class=\"dim\">The same as JSON: <a href=\"/stats\">/stats</a>, "
		       "<a href=\"/api/v1/sessions\">sessions</a>, "
		       "<a href=\"/api/v1/channels\">channels</a>, "
		       "<a href=\"/api/v1/workers\">workers</a></p>\n</body>\n</html>\n");
}
