/* tests/fuzz/http1_fuzz.c - heads of HTTP/1.1: slices stay inside, a prefix never says more than the whole,
 * and what is taken is taken again when it is written down anew. */
#include <stdlib.h>

#include "protocols/codecs/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_inside(struct slice slice, const uint8_t *bytes, size_t used)
{
	check(!slice.at || (slice.at >= bytes && slice.at + slice.size <= bytes + used));
}

static void check_head(const struct head *head, const uint8_t *bytes, size_t used)
{
	check(head->field_count <= HEAD_FIELDS_MAX);
	check_inside(head->method, bytes, used);
	check_inside(head->path, bytes, used);
	for (uint32_t i = 0; i < head->field_count; i++) {
		check_inside(head->fields[i].name, bytes, used);
		check_inside(head->fields[i].value, bytes, used);
		check(!memchr(head->fields[i].value.at, '\n', head->fields[i].value.size));
	}
	if (http1_is_websocket_upgrade(head))
		check(http1_field(head, "host").at && http1_has_token(head, "UPGRADE", "WebSocket"));
}

static uint8_t *put(uint8_t *at, struct slice slice)
{
	if (slice.size)
		memcpy(at, slice.at, slice.size);
	return at + slice.size;
}

/* Written down with single blanks it is no longer than it was, but for the text of a status. */
static void write_again(const struct head *head, size_t used)
{
	uint8_t *text = malloc(used + 2 * HEAD_FIELDS_MAX + 64), *at = text;
	check(text != NULL);
	if (head->status) {
		uint8_t status[3] = {(uint8_t)('0' + head->status / 100),
				     (uint8_t)('0' + head->status / 10 % 10),
				     (uint8_t)('0' + head->status % 10)};
		at = put(at, slice_of(head->minor ? "HTTP/1.1 " : "HTTP/1.0 "));
		at = put(at, (struct slice){status, sizeof status});
		at = put(at, slice_of(" \r\n"));
	} else {
		at = put(put(put(at, head->method), slice_of(" ")), head->path);
		at = put(at, slice_of(head->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n"));
	}
	for (uint32_t i = 0; i < head->field_count; i++) {
		at = put(put(at, head->fields[i].name), slice_of(":"));
		at = put(put(at, head->fields[i].value), slice_of("\r\n"));
	}
	at = put(at, slice_of("\r\n"));
	struct head again;
	size_t size;
	unsigned status;
	const char *why;
	check(http1_parse_head((struct slice){text, (size_t)(at - text)}, &again, &size, &status, &why) ==
	      STATUS_OK);
	check(size == (size_t)(at - text) && again.field_count == head->field_count &&
	      again.status == head->status);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct head head, less;
	size_t used, used_less;
	unsigned status, status_less;
	const char *why, *why_less;
	enum status answer = http1_parse_head((struct slice){bytes, size}, &head, &used, &status, &why);
	size_t shorter = size ? (bytes[0] * 7 + bytes[size - 1] * 3 + size / 2) % size : 0;
	enum status answer_less =
	    http1_parse_head((struct slice){bytes, shorter}, &less, &used_less, &status_less, &why_less);
	check(answer_less == STATUS_MORE || (answer_less == answer && used_less == used && why_less == why));
	check((answer == STATUS_PROTOCOL) == (why != NULL));
	check((status != 0) == (why != NULL));
	check((answer == STATUS_OK) == (used != 0) && used <= size && used <= HTTP1_HEAD_MAX);
	if (answer != STATUS_OK)
		return 0;
	check_head(&head, bytes, used);
	write_again(&head, used);
	return 0;
}
