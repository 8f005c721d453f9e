/* protocols/management/page.h - the page for people: totals, what is published, links.
 *
 * One self-contained file without a script and without anything from elsewhere; it asks for itself again
 * every five seconds. Owner: the text is the caller's.
 * Never: puts a name, or anything else that a peer has said, into HTML as it is.
 */
#ifndef PROTOCOLS_MANAGEMENT_PAGE_H
#define PROTOCOLS_MANAGEMENT_PAGE_H

#include "protocols/management/rows.h"
#include "protocols/management/table.h"

enum { PAGE_ROWS_MAX = 500 };

struct page {
	const struct table *table;
	uint32_t link_count, link_omitted;
	int64_t now_ns;                  /* of the wall clock */
	int64_t wall_offset_ns;
};

/* Rows of the links of this worker, for the page. */
void page_links(struct rows *rows, struct hub *hub);
/* Everything before the rows of links, and everything behind them. */
void page_begin(const struct page *page, struct json_text *text);
void page_end(const struct page *page, struct json_text *text);
/* A part of a page, with what matters in HTML escaped. */
void put_escaped(struct json_text *text, const char *words);

#endif
