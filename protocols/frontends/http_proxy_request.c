/* protocols/frontends/http_proxy_request.c - see http_proxy_request.h. */
#include "protocols/frontends/http_proxy_request.h"

#include "core/secret.h"
#include "protocols/codecs/base64.h"

enum { HTTP_PORT = 80, BAD_REQUEST = 400 };

/* ---- whom it is for ---- */

static bool is_name_byte(uint8_t byte)
{
	uint8_t lower = byte | 0x20;
	return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
	       byte == '.' || byte == '_';
}

/* A name with at least one letter in each label; one dot may end it. */
static bool is_name(struct slice text)
{
	bool empty = true;
	for (size_t i = 0; i < text.size; i++) {
		if (!is_name_byte(text.at[i]) || (empty && text.at[i] == '.'))
			return false;
		empty = text.at[i] == '.';
	}
	return text.size && text.size < HOST_SIZE;
}

/* An IPv6 literal, which stood in brackets. A zone would mean nothing to the far end. */
static bool take_literal(struct slice text, char host[HOST_SIZE])
{
	char copy[ADDRESS_TEXT_SIZE], canonical[ADDRESS_TEXT_SIZE];
	struct address address;
	if (text.size >= sizeof copy || memchr(text.at, '%', text.size) || !memchr(text.at, ':', text.size))
		return false;
	text_copy(copy, sizeof copy, text);
	if (!address_of_literal(&address, copy, 0))
		return false;
	text_copy(host, HOST_SIZE, slice_of(address_host(&address, canonical)));
	return true;
}

static bool take_port(struct slice text, uint16_t *port)
{
	uint32_t value = 0;
	if (!text.size || text.size > 5)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		value = 10 * value + (uint32_t)(text.at[i] - '0');
	}
	*port = (uint16_t)value;
	return value && value <= UINT16_MAX;
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT; without a port *port stays as it is. */
static bool take_authority(struct slice text, char host[HOST_SIZE], uint16_t *port)
{
	bool bracketed = text.size && text.at[0] == '[';
	const uint8_t *end = memchr(text.at, bracketed ? ']' : ':', text.size);
	if (bracketed && !end)
		return false;
	size_t size = end ? (size_t)(end - text.at) : text.size;
	struct slice name = {text.at + bracketed, size - bracketed};
	struct slice rest = {text.at + size + bracketed, text.size - size - bracketed};
	if (rest.size && (rest.at[0] != ':' || !take_port((struct slice){rest.at + 1, rest.size - 1}, port)))
		return false;
	if (bracketed)
		return take_literal(name, host);
	if (!is_name(name))
		return false;
	text_copy(host, HOST_SIZE, name);
	return true;
}

/* Does the Host say the same? It may leave out the port. */
static bool host_agrees(const struct head *head, const struct http_proxy_request *request)
{
	struct slice text = http1_field(head, "host");
	char host[HOST_SIZE];
	uint16_t port = request->connect ? request->port : HTTP_PORT;
	if (!text.at)
		return true;                     /* HTTP/1.0 */
	return text.size && take_authority(text, host, &port) && port == request->port &&
	       http1_is_same(slice_of(host), slice_of(request->host));
}

/* ---- judging ---- */

static enum status refuse(unsigned *status, const char **hint, const char *words)
{
	*status = BAD_REQUEST;
	*hint = words;
	return STATUS_PROTOCOL;
}

static bool begins_with(struct slice text, const char *scheme)
{
	size_t size = strlen(scheme);
	return text.size >= size && http1_is_same((struct slice){text.at, size}, slice_of(scheme));
}

static const char *judge_target(const struct head *head, struct http_proxy_request *request)
{
	static const char http[] = "http://";
	struct slice text = head->path;
	request->connect = slice_is(head->method, "CONNECT");
	if (request->connect) {
		request->authority = text;
		return take_authority(text, request->host, &request->port) && request->port
			   ? NULL
			   : "CONNECT wants HOST:PORT, as in CONNECT example.com:443.";
	}
	if (text.at[0] == '/' || slice_is(text, "*"))
		return "This is a proxy, not a server: ask for a whole URL (http://HOST/PATH) or "
		       "CONNECT HOST:PORT, or set this address as the proxy of your client.";
	if (begins_with(text, "https://"))
		return "A proxy does not read https:// URLs: ask it to CONNECT HOST:443 and speak TLS "
		       "through that. Set this address as the proxy for HTTPS in your client.";
	if (!begins_with(text, http))
		return "Only http:// URLs and CONNECT HOST:PORT are served.";
	size_t start = strlen(http), end = start;
	while (end < text.size && text.at[end] != '/' && text.at[end] != '?')
		end++;
	request->authority = (struct slice){text.at + start, end - start};
	request->path = (struct slice){text.at + end, text.size - end};
	request->port = HTTP_PORT;
	return take_authority(request->authority, request->host, &request->port)
		   ? NULL
		   : "The URL has no host that is known: write http://HOST/PATH or http://HOST:PORT/PATH, "
		     "without a user.";
}

/* What stands in Connection is not passed on. */
static bool connection_hides(const struct head *head)
{
	static const char *const names[] = {"host", "content-length", "transfer-encoding"};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (http1_has_token(head, "connection", names[i]))
			return true;
	return false;
}

enum status http_proxy_judge(const struct head *head, struct http_proxy_request *request, unsigned *status,
			     const char **hint)
{
	*request = (struct http_proxy_request){0};
	if (head->status)
		return refuse(status, hint, "This is an answer, where a request belongs.");
	const char *wrong = judge_target(head, request);
	if (wrong)
		return refuse(status, hint, wrong);
	if (!host_agrees(head, request))
		return refuse(status, hint, "The Host is not the one of the target.");
	if (connection_hides(head))
		return refuse(status, hint, "Connection names a field that belongs to the message itself.");
	if (http1_count(head, "proxy-authorization") > 1)
		return refuse(status, hint, "The request has two logins.");
	request->chunked = http1_count(head, "transfer-encoding") != 0;
	request->length = http1_content_length(head);
	if (request->connect && (request->chunked || request->length))
		return refuse(status, hint, "CONNECT has no body.");
	request->bodiless = slice_is(head->method, "HEAD");
	request->keeps = head->minor && !request->chunked && !request->length &&
			 !http1_has_token(head, "connection", "close") &&
			 !http1_has_token(head, "proxy-connection", "close");
	return STATUS_OK;
}

/* ---- rewriting ---- */

static size_t put(uint8_t *bytes, struct slice slice)
{
	if (slice.size)
		memcpy(bytes, slice.at, slice.size);
	return slice.size;
}

static size_t put_text(uint8_t *bytes, const char *text) { return put(bytes, slice_of(text)); }

static size_t put_first_line(const struct head *head, const struct http_proxy_request *request,
			     uint8_t *bytes)
{
	size_t size = put(bytes, head->method);
	bool bare = !request->path.size;
	size += put_text(bytes + size, " ");
	if (bare && slice_is(head->method, "OPTIONS"))
		size += put_text(bytes + size, "*");
	else if (bare || request->path.at[0] == '?')
		size += put_text(bytes + size, "/");
	size += put(bytes + size, request->path);
	return size + put_text(bytes + size, head->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
}

static bool is_for_one_hop(const struct head *head, struct slice name)
{
	static const char *const names[] = {"connection", "proxy-connection",    "keep-alive",        "te",
					    "upgrade",	  "proxy-authorization", "proxy-authenticate"};
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (http1_is_same(name, slice_of(names[i])))
			return true;
	return http1_lists(head, "connection", name);
}

/* Without Via: it would tell every server that its client sits behind this program. */
size_t http_proxy_rewrite(const struct head *head, const struct http_proxy_request *request, uint8_t *bytes)
{
	size_t size = put_first_line(head, request, bytes);
	if (!http1_count(head, "host")) {
		size += put_text(bytes + size, "Host: ");
		size += put(bytes + size, request->authority);
		size += put_text(bytes + size, "\r\n");
	}
	for (uint32_t i = 0; i < head->field_count; i++) {
		struct slice name = head->fields[i].name, value = head->fields[i].value;
		if (is_for_one_hop(head, name))
			continue;
		/* from the name to the end of the value, as it was */
		size += put(bytes + size,
			    (struct slice){name.at, (size_t)(value.at + value.size - name.at)});
		size += put_text(bytes + size, "\r\n");
	}
	return size + put_text(bytes + size, "Connection: close\r\n\r\n");
}

/* ---- logging in ---- */

/* What stands behind "Basic ". */
static bool find_token(const struct head *head, struct slice *token)
{
	static const char scheme[] = "basic ";
	struct slice text = http1_field(head, "proxy-authorization");
	if (!begins_with(text, scheme))
		return false;
	text = (struct slice){text.at + strlen(scheme), text.size - strlen(scheme)};
	while (text.size && *text.at == ' ')
		text = (struct slice){text.at + 1, text.size - 1};
	*token = text;
	return true;
}

bool http_proxy_read_login(const struct head *head, struct http_proxy_login *login)
{
	struct slice token;
	size_t size = 0;
	if (!find_token(head, &token) || !base64_decode(token, login->bytes, sizeof login->bytes, &size))
		return false;
	const uint8_t *colon = memchr(login->bytes, ':', size);
	for (size_t i = 0; i < size; i++)
		if (login->bytes[i] < ' ' || login->bytes[i] == 0x7f)
			return false;
	if (!colon)
		return false;
	size_t user = (size_t)(colon - login->bytes);
	login->credentials = (struct credentials){.user = {login->bytes, user},
						  .secret = {colon + 1, size - user - 1}};
	return true;
}
