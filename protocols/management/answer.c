/* protocols/management/answer.c - what all workers have told, as one text. */
#include <stdlib.h>

#include "protocols/management/inside.h"
#include "protocols/management/page.h"

/* Bytes of the first `count` rows: one a line. */
static size_t size_of_rows(struct slice text, uint32_t count)
{
	const uint8_t *at = text.at, *end = text.at + text.size;
	for (uint32_t i = 0; i < count && at < end; i++) {
		const uint8_t *feed = memchr(at, '\n', (size_t)(end - at));
		at = feed ? feed + 1 : end;
	}
	return (size_t)(at - text.at);
}

/* Rows of all workers, at most `max` of them. Returns how many there are. */
static uint32_t put_rows(const struct part *parts, uint32_t max, struct json_text *body, size_t *omitted)
{
	uint32_t count = 0;
	for (const struct part *part = parts; part; part = part->next) {
		uint32_t takes = part->count < max - count ? part->count : max - count;
		*omitted += part->omitted + part->count - takes;
		if (takes) {
			size_t size = size_of_rows((struct slice){part->text, part->size}, takes);
			json_put_bytes(body, (struct slice){part->text, size});
		}
		count += takes;
	}
	return count;
}

/* Each row ends with ",\n"; what follows the last one is taken back. */
static void put_list(const struct part *parts, struct json_text *body, size_t *omitted)
{
	json_put(body, "[\n");
	uint32_t count = put_rows(parts, MANAGEMENT_ROWS_MAX, body, omitted);
	if (!body->failed)
		body->buf->used -= count ? 2 : 1;
	json_put(body, count ? "\n]\n" : "]\n");
}

/* False: no memory. */
static bool make_table(const struct hub *hub, const struct part *parts, size_t max, struct table *table)
{
	size_t count = 0, at = 0;
	for (const struct part *part = parts; part; part = part->next)
		count += part->row_count;
	struct published_row **rows = NULL;
	if (budget_has(&hub->budget, (count + 1) * sizeof *rows)) /* until the answer is made, in one go */
		rows = calloc(count + 1, sizeof *rows);
	if (!rows)
		return false;
	for (const struct part *part = parts; part; part = part->next)
		for (size_t i = 0; i < part->row_count; i++)
			rows[at++] = &part->rows[i];
	table_make(table, rows, count, max);
	return true;
}

static void put_page(const struct management *management, const struct part *parts,
		     const struct table *table, struct json_text *body)
{
	int64_t offset_ns = management->settings->wall_offset_ns;
	struct page page = {.table = table,
			    .now_ns = management->service.hub->now.ns + offset_ns,
			    .wall_offset_ns = offset_ns};
	for (const struct part *part = parts; part; part = part->next) {
		page.link_count += part->count;
		page.link_omitted += part->omitted;
	}
	uint32_t shown = page.link_count < PAGE_ROWS_MAX ? page.link_count : PAGE_ROWS_MAX;
	page.link_omitted += page.link_count - shown;
	page.link_count = shown;
	size_t omitted = 0;
	page_begin(&page, body);
	put_rows(parts, PAGE_ROWS_MAX, body, &omitted);
	page_end(&page, body);
}

bool answer_make(struct management *management, const struct management_call *call,
		 const struct part *parts, struct json_text *body, size_t *omitted)
{
	bool page = call->action == MANAGEMENT_PAGE;
	struct table table;
	if (!page && call->action != MANAGEMENT_PUBLISHED) {
		put_list(parts, body, omitted);
		return !body->failed;
	}
	if (!make_table(management->service.hub, parts, page ? PAGE_ROWS_MAX : MANAGEMENT_ROWS_MAX, &table))
		return false;
	*omitted = table.omitted;
	if (page)
		put_page(management, parts, &table, body);
	else
		table_put(&table, body, management->settings->wall_offset_ns);
	free(table.rows);
	return !body->failed;
}
