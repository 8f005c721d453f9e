/* protocols/codecs/http1.c - heads of HTTP/1.1 messages, parsed strictly; see http1.h. */
#include "protocols/codecs/http1.h"

enum { STATUS_BAD_REQUEST = 400, STATUS_TOO_LARGE = 431, STATUS_NO_VERSION = 505, STATUS_DIGITS = 3 };

/* A head that is being read: what is left of it, and the first thing that is wrong with it. */
struct scan {
	struct slice rest;
	struct head *head;
	unsigned status;
	const char *why;
};

static bool refuse(struct scan *scan, unsigned status, const char *why)
{
	scan->status = status;
	scan->why = why;
	return false;
}

static bool wrong(struct scan *scan, const char *why) { return refuse(scan, STATUS_BAD_REQUEST, why); }

/* ---- letters ---- */

static bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }
static uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }
static bool is_one_of(uint8_t byte, const char *set) { return byte && strchr(set, byte); }
static bool is_alphanumeric(uint8_t byte)
{
	return is_digit(byte) || (lower(byte) >= 'a' && lower(byte) <= 'z');
}
static bool is_token_byte(uint8_t byte)
{
	return is_alphanumeric(byte) || is_one_of(byte, "!#$%&'*+-.^_`|~");
}
static bool is_value_byte(uint8_t byte) { return byte == '\t' || (byte >= 0x20 && byte != 0x7f); }
/* A fragment is no part of a target. */
static bool is_target_byte(uint8_t byte) { return byte > 0x20 && byte < 0x7f && byte != '#'; }
static bool is_host_byte(uint8_t byte)
{
	return is_alphanumeric(byte) || is_one_of(byte, "-._~%!$&'()*+;=:[]");
}
static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

static bool is_all(struct slice slice, bool (*is)(uint8_t byte))
{
	for (size_t i = 0; i < slice.size; i++)
		if (!is(slice.at[i]))
			return false;
	return true;
}

bool http1_is_target(struct slice target) { return target.size && is_all(target, is_target_byte); }
bool http1_is_value(struct slice value) { return is_all(value, is_value_byte); }
bool http1_is_token(struct slice token) { return token.size && is_all(token, is_token_byte); }

bool http1_is_same(struct slice a, struct slice b)
{
	if (a.size != b.size)
		return false;
	for (size_t i = 0; i < a.size; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

static bool is_word(struct slice slice, const char *word) { return http1_is_same(slice, slice_of(word)); }

static struct slice trimmed(struct slice slice)
{
	while (slice.size && is_blank(slice.at[0])) {
		slice.at++;
		slice.size--;
	}
	while (slice.size && is_blank(slice.at[slice.size - 1]))
		slice.size--;
	return slice;
}

/* Cuts off what stands before the first `byte`, and that byte. False: there is none. */
static bool cut(struct slice *rest, uint8_t byte, struct slice *front)
{
	const uint8_t *end = rest->size ? memchr(rest->at, byte, rest->size) : NULL;
	if (!end)
		return false;
	*front = (struct slice){rest->at, (size_t)(end - rest->at)};
	rest->size -= front->size + 1;
	rest->at = end + 1;
	return true;
}

/* ---- fields ---- */

struct slice http1_field(const struct head *head, const char *name)
{
	for (uint32_t i = 0; i < head->field_count; i++)
		if (is_word(head->fields[i].name, name))
			return head->fields[i].value;
	return (struct slice){0};
}

struct slice http1_last_field(const struct head *head, const char *name)
{
	for (uint32_t i = head->field_count; i-- > 0;)
		if (is_word(head->fields[i].name, name))
			return head->fields[i].value;
	return (struct slice){0};
}

struct slice http1_last_hop(const struct head *head)
{
	struct slice hop = http1_last_field(head, "x-forwarded-for");
	const uint8_t *comma = hop.size ? memrchr(hop.at, ',', hop.size) : NULL;
	if (comma)
		hop = (struct slice){comma + 1, (size_t)(hop.at + hop.size - comma - 1)};
	return trimmed(hop);
}

uint32_t http1_count(const struct head *head, const char *name)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < head->field_count; i++)
		count += is_word(head->fields[i].name, name);
	return count;
}

static bool list_has(struct slice list, struct slice token)
{
	struct slice item;
	while (cut(&list, ',', &item))
		if (http1_is_same(trimmed(item), token))
			return true;
	return http1_is_same(trimmed(list), token);
}

bool http1_lists(const struct head *head, const char *name, struct slice token)
{
	for (uint32_t i = 0; i < head->field_count; i++)
		if (is_word(head->fields[i].name, name) && list_has(head->fields[i].value, token))
			return true;
	return false;
}

bool http1_has_token(const struct head *head, const char *name, const char *token)
{
	return http1_lists(head, name, slice_of(token));
}

uint64_t http1_content_length(const struct head *head)
{
	struct slice digits = http1_field(head, "content-length");
	uint64_t length = 0;
	for (size_t i = 0; i < digits.size; i++)     /* 18 of them at most */
		length = 10 * length + (uint64_t)(digits.at[i] - '0');
	return length;
}

/* ---- parsing ---- */

/* The next line without its end. MORE: it is not complete. */
static enum status next_line(struct scan *scan, struct slice *line)
{
	if (!cut(&scan->rest, '\n', line))
		return STATUS_MORE;
	if (!line->size || line->at[line->size - 1] != '\r') {
		wrong(scan, "a line of the head does not end with CR LF");
		return STATUS_PROTOCOL;
	}
	line->size--;
	return STATUS_OK;
}

static bool parse_version(struct scan *scan, struct slice text)
{
	static const char prefix[] = "HTTP/";
	size_t size = strlen(prefix);
	bool is_version = text.size == size + 3 && memcmp(text.at, prefix, size) == 0 &&
			  is_digit(text.at[size]) && text.at[size + 1] == '.' && is_digit(text.at[size + 2]);
	if (!is_version)
		return wrong(scan, "the first line has no HTTP version");
	if (text.at[size] != '1' || text.at[size + 2] > '1')
		return refuse(scan, STATUS_NO_VERSION, "the HTTP version is not 1.0 or 1.1");
	scan->head->minor = text.at[size + 2] - '0';
	return true;
}

static bool parse_request_line(struct scan *scan, struct slice line)
{
	struct head *head = scan->head;
	if (!cut(&line, ' ', &head->method) || !http1_is_token(head->method))
		return wrong(scan, "the first line has no method");
	if (!cut(&line, ' ', &head->path) || !http1_is_target(head->path))
		return wrong(scan, "the first line has no valid target");
	return parse_version(scan, line);
}

/* The text behind the status, and the blank before it, may be missing. */
static bool parse_status_line(struct scan *scan, struct slice line)
{
	struct slice version;
	if (!cut(&line, ' ', &version) || !parse_version(scan, version))
		return scan->why ? false : wrong(scan, "the first line has no status");
	bool has_digits = line.size >= STATUS_DIGITS &&
			  is_all((struct slice){line.at, STATUS_DIGITS}, is_digit) &&
			  (line.size == STATUS_DIGITS || line.at[STATUS_DIGITS] == ' ');
	unsigned status = 0;
	for (size_t i = 0; has_digits && i < STATUS_DIGITS; i++)
		status = 10 * status + (line.at[i] - '0');
	if (status < 100 || status > 599)
		return wrong(scan, "the first line has no status");
	if (!http1_is_value(line))
		return wrong(scan, "the first line has a control character");
	scan->head->status = status;
	return true;
}

static bool parse_first_line(struct scan *scan, struct slice line)
{
	bool is_response = line.size >= 5 && memcmp(line.at, "HTTP/", 5) == 0;
	return is_response ? parse_status_line(scan, line) : parse_request_line(scan, line);
}

static bool parse_field(struct scan *scan, struct slice line)
{
	struct head *head = scan->head;
	struct slice name;
	if (is_blank(line.at[0]))
		return wrong(scan, "a field goes on in the next line");
	if (!cut(&line, ':', &name) || !http1_is_token(name))
		return wrong(scan, "a line of the head is no field");
	if (!http1_is_value(line))
		return wrong(scan, "a field has a control character");
	if (head->field_count == HEAD_FIELDS_MAX)
		return refuse(scan, STATUS_TOO_LARGE, "the head has too many fields");
	head->fields[head->field_count].name = name;
	head->fields[head->field_count++].value = trimmed(line);
	return true;
}

/* Two ends that disagree about where a message ends, or whom it is for, can be played off against each
 * other. */
static bool judge(struct scan *scan)
{
	const struct head *head = scan->head;
	uint32_t hosts = http1_count(head, "host"), lengths = http1_count(head, "content-length"),
		 codings = http1_count(head, "transfer-encoding");
	struct slice length = http1_field(head, "content-length");
	if (lengths + codings > 1)
		return wrong(scan, "the head says the length of its body twice");
	if (lengths && (!length.size || length.size > 18 || !is_all(length, is_digit)))
		return wrong(scan, "the length of the body is no number");
	if (head->status)
		return true;
	if (hosts > 1 || (!hosts && head->minor))
		return wrong(scan, "the request has not exactly one Host");
	if (!is_all(http1_field(head, "host"), is_host_byte))
		return wrong(scan, "the Host is none");
	if (codings && (!head->minor || !is_word(http1_field(head, "transfer-encoding"), "chunked")))
		return wrong(scan, "the body is coded otherwise than chunked");
	return true;
}

static enum status parse(struct scan *scan)
{
	struct slice line;
	enum status status = next_line(scan, &line);
	if (status != STATUS_OK)
		return status;
	if (!parse_first_line(scan, line))
		return STATUS_PROTOCOL;
	while ((status = next_line(scan, &line)) == STATUS_OK && line.size)
		if (!parse_field(scan, line))
			return STATUS_PROTOCOL;
	if (status != STATUS_OK)
		return status;
	return judge(scan) ? STATUS_OK : STATUS_PROTOCOL;
}

enum status http1_parse_head(struct slice bytes, struct head *head, size_t *used, unsigned *status,
			     const char **why)
{
	struct scan scan = {.rest = {bytes.at, size_min(bytes.size, HTTP1_HEAD_MAX)}, .head = head};
	*head = (struct head){0};
	*used = 0;
	*status = 0;
	*why = NULL;
	enum status answer = parse(&scan);
	if (answer == STATUS_MORE && bytes.size >= HTTP1_HEAD_MAX) {
		refuse(&scan, STATUS_TOO_LARGE, "the head is too long");
		answer = STATUS_PROTOCOL;
	}
	if (answer == STATUS_OK)
		*used = (size_t)(scan.rest.at - bytes.at);
	*status = scan.status;
	*why = scan.why;
	return answer;
}

/* ---- what a head means ---- */

/* Sixteen bytes in base64. What they are does not matter, so spare bits do not either. */
static bool is_key(struct slice key)
{
	if (key.size != 24 || key.at[22] != '=' || key.at[23] != '=')
		return false;
	for (size_t i = 0; i < 22; i++)
		if (!is_alphanumeric(key.at[i]) && !is_one_of(key.at[i], "+/"))
			return false;
	return true;
}

bool http1_is_websocket_upgrade(const struct head *head)
{
	struct slice length = http1_field(head, "content-length");
	return !head->status && head->minor && slice_is(head->method, "GET") &&
	       http1_count(head, "host") == 1 && http1_has_token(head, "upgrade", "websocket") &&
	       http1_has_token(head, "connection", "upgrade") &&
	       http1_count(head, "sec-websocket-key") == 1 &&
	       is_key(http1_field(head, "sec-websocket-key")) &&
	       http1_count(head, "sec-websocket-version") == 1 &&
	       slice_is(http1_field(head, "sec-websocket-version"), "13") &&
	       (!length.at || slice_is(length, "0")) && !http1_count(head, "transfer-encoding");
}

const char *http1_status_text(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} texts[] = {
	    {100, "Continue"},
	    {101, "Switching Protocols"},
	    {103, "Early Hints"},
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {206, "Partial Content"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {304, "Not Modified"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {407, "Proxy Authentication Required"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {411, "Length Required"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {421, "Misdirected Request"},
	    {422, "Unprocessable Content"},
	    {426, "Upgrade Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	};
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return "";
}
