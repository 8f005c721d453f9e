/* protocols/frontends/via_dialogue.c - see via_dialogue.h. */
#include "protocols/frontends/via_dialogue.h"

#include <stdio.h>

#include "protocols/codecs/base64.h"

enum { SOCKS_NONE = 0, SOCKS_PASSWORD = 2, SOCKS_FIELD_MAX = 255 };

/* ---- hosts ---- */

/* Without the brackets of "[::1]". */
static const char *unbracketed(const char *host, char room[HOST_SIZE])
{
	size_t size = strlen(host);
	if (*host != '[' || size < 2 || host[size - 1] != ']')
		return host;
	text_copy(room, HOST_SIZE, (struct slice){(const uint8_t *)host + 1, size - 2});
	return room;
}

/* A literal that can be told to somebody else: a zone means nothing there. */
static bool literal_of(struct address *address, const char *host)
{
	char room[HOST_SIZE];
	return address_of_literal(address, unbracketed(host, room), 0) && !address->scope;
}

bool via_host_is_good(const char *host)
{
	struct address literal;
	if (literal_of(&literal, host))
		return true;
	if (!*host || strlen(host) >= HOST_SIZE)
		return false;
	for (; *host; host++)
		if (*host <= ' ' || *host >= 0x7f || strchr("/\\?#@:[]%\"<>", *host))
			return false;
	return true;
}

/* ---- SOCKS5 ---- */

static size_t greet(struct via_dialogue *dialogue, const struct config_via *via, uint8_t *bytes)
{
	dialogue->method = via->user && secret_is_set(&via->password) ? SOCKS_PASSWORD : SOCKS_NONE;
	dialogue->step = VIA_METHOD;
	memcpy(bytes, (uint8_t[]){5, 1, dialogue->method}, 3);
	return 3;
}

static size_t put_field(uint8_t *bytes, struct slice field)
{
	size_t size = size_min(field.size, SOCKS_FIELD_MAX);
	bytes[0] = (uint8_t)size;
	if (size)
		memcpy(bytes + 1, field.at, size);
	return 1 + size;
}

static size_t log_in(struct via_dialogue *dialogue, const struct config_via *via, uint8_t *bytes)
{
	size_t size = 1;
	dialogue->step = VIA_LOGGED_IN;
	bytes[0] = 1;
	size += put_field(bytes + size, slice_of(via->user));
	return size + put_field(bytes + size, secret_slice(&via->password));
}

static size_t ask_socks5(const char *host, uint16_t port, uint8_t *bytes)
{
	struct address literal;
	size_t size = 4;
	memcpy(bytes, (uint8_t[]){5, 1, 0, 3}, 4);
	if (literal_of(&literal, host)) {
		size_t width = literal.family == ADDRESS_IPV4 ? 4 : 16;
		bytes[3] = literal.family == ADDRESS_IPV4 ? 1 : 4;
		memcpy(bytes + size, literal.bytes, width);
		size += width;
	} else {
		size += put_field(bytes + size, slice_of(host));
	}
	put16(bytes + size, port);
	return size + 2;
}

/* ---- HTTP ---- */

static int put_credentials(const struct config_via *via, char *text, size_t room)
{
	uint8_t plain[VIA_CREDENTIALS_MAX + 1];
	char encoded[BASE64_SIZE(sizeof plain) + 1];
	struct slice user = slice_of(via->user), password = secret_slice(&via->password);
	size_t size = user.size + 1 + password.size;
	if (size > sizeof plain)
		return 0;                        /* the proxy will say that it wants some */
	memcpy(plain, user.at, user.size);
	plain[user.size] = ':';
	if (password.size)
		memcpy(plain + user.size + 1, password.at, password.size);
	base64_encode((struct slice){plain, size}, encoded);
	int used = snprintf(text, room, "Proxy-Authorization: Basic %s\r\n", encoded);
	secret_wipe(plain, sizeof plain);
	secret_wipe(encoded, sizeof encoded);
	return used;
}

static size_t ask_http(const struct config_via *via, const char *host, uint16_t port, uint8_t *bytes)
{
	char room[HOST_SIZE], *text = (char *)bytes;
	const char *bare = unbracketed(host, room), *open = "", *close = "";
	if (strchr(bare, ':')) {
		open = "[";
		close = "]";
	}
	int size = snprintf(text, VIA_SAY_MAX, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n", open,
			    bare, close, port, open, bare, close, port);
	if (via->user)
		size += put_credentials(via, text + size, VIA_SAY_MAX - (size_t)size);
	size += snprintf(text + size, VIA_SAY_MAX - (size_t)size, "\r\n");
	return (size_t)size;
}

_Static_assert(2 * HOST_SIZE + 128 + BASE64_SIZE(VIA_CREDENTIALS_MAX + 1) < VIA_SAY_MAX, "a request fits");

/* ---- speaking ---- */

bool via_owes(const struct via_dialogue *dialogue)
{
	return dialogue->step == VIA_GREET || dialogue->step == VIA_LOGIN || dialogue->step == VIA_ASK;
}

size_t via_say(struct via_dialogue *dialogue, const struct config_via *via, const char *host, uint16_t port,
	       uint8_t bytes[VIA_SAY_MAX])
{
	bool http = via->kind == VIA_HTTP;
	if (!via_owes(dialogue))
		return 0;
	dialogue->count = dialogue->need = 0;
	if (!http && dialogue->step == VIA_GREET)
		return greet(dialogue, via, bytes);
	if (dialogue->step == VIA_LOGIN)
		return log_in(dialogue, via, bytes);
	dialogue->step = VIA_ANSWER;
	dialogue->blank = true;
	return http ? ask_http(via, host, port, bytes) : ask_socks5(host, port, bytes);
}

/* ---- hearing ---- */

static enum status refuse(struct via_dialogue *dialogue, enum reason *reason, char *text, enum reason why,
			  const char *words)
{
	dialogue->step = VIA_REFUSED;
	*reason = why;
	text_copy(text, VIA_TEXT_SIZE, slice_of(words));
	return STATUS_PROTOCOL;
}

static enum status refuse_reply(struct via_dialogue *dialogue, enum reason *reason, char *text, uint8_t reply)
{
	static const struct {
		enum reason reason;
		const char *text;
	} replies[] = {
		{REASON_OTHER, "the proxy has failed"},
		{REASON_FORBIDDEN, "the proxy does not allow it"},
		{REASON_UNREACHABLE, "the proxy cannot reach that network"},
		{REASON_UNREACHABLE, "the proxy cannot reach that host"},
		{REASON_REFUSED, "the proxy was refused by the target"},
		{REASON_TIMEOUT, "the target did not answer the proxy"},
		{REASON_OTHER, "the proxy does not know the command"},
		{REASON_OTHER, "the proxy does not know this kind of address"},
	};
	if (!reply || reply > COUNT_OF(replies))
		return refuse(dialogue, reason, text, REASON_OTHER, "the proxy has failed");
	return refuse(dialogue, reason, text, replies[reply - 1].reason, replies[reply - 1].text);
}

/* One byte of a reply; *reply: it says no. False: that is no reply. */
static bool answer_byte(struct via_dialogue *dialogue, uint8_t byte, uint8_t *reply)
{
	uint16_t at = dialogue->count++;
	if (at == 0)
		return byte == 5;
	if (at == 1)
		*reply = byte;
	if (at == 3) {
		dialogue->need = byte == 1 ? 10 : byte == 4 ? 22 : 0;
		return byte == 1 || byte == 4 || byte == 3;
	}
	if (at == 4 && !dialogue->need)
		dialogue->need = (uint16_t)(5 + byte + 2);
	if (dialogue->need && dialogue->count == dialogue->need)
		dialogue->step = VIA_AGREED;
	return true;
}

static enum status hear_socks5(struct via_dialogue *dialogue, uint8_t byte, enum reason *reason, char *text)
{
	uint8_t reply = 0;
	switch (dialogue->step) {
	case VIA_METHOD:
		if (dialogue->count++ == 0)
			return byte == 5 ? STATUS_OK
					 : refuse(dialogue, reason, text, REASON_PROTOCOL,
						  "the proxy does not speak SOCKS5");
		if (byte != dialogue->method)
			return refuse(dialogue, reason, text, REASON_AUTH,
				      byte == 0xff ? "the proxy wants another kind of login"
						   : "the proxy chose a login that was not offered");
		dialogue->step = byte == SOCKS_PASSWORD ? VIA_LOGIN : VIA_ASK;
		return STATUS_OK;
	case VIA_LOGGED_IN:
		if (dialogue->count++ == 0)
			return STATUS_OK;        /* 01, but some say 05 */
		if (byte)
			return refuse(dialogue, reason, text, REASON_AUTH, "the proxy refuses the login");
		dialogue->step = VIA_ASK;
		return STATUS_OK;
	case VIA_ANSWER:
		if (!answer_byte(dialogue, byte, &reply))
			return refuse(dialogue, reason, text, REASON_PROTOCOL,
				      "the proxy's answer cannot be understood");
		return reply ? refuse_reply(dialogue, reason, text, reply) : STATUS_OK;
	default:
		return refuse(dialogue, reason, text, REASON_PROTOCOL, "the proxy speaks before it is asked");
	}
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The number in "HTTP/1.1 200 Connection established"; 0: that is no status line. */
static unsigned status_of(const struct via_dialogue *dialogue)
{
	const char *line = dialogue->line;
	bool good = dialogue->line_size >= 12 && memcmp(line, "HTTP/1.", 7) == 0 && is_digit(line[7]) &&
		    line[8] == ' ' && is_digit(line[9]) && is_digit(line[10]) && is_digit(line[11]) &&
		    (dialogue->line_size == 12 || line[12] == ' ');
	return good ? (unsigned)(line[9] - '0') * 100 + (unsigned)(line[10] - '0') * 10 +
			      (unsigned)(line[11] - '0')
		    : 0;
}

static enum reason reason_of_status(unsigned status)
{
	switch (status) {
	case 401:
	case 407:
		return REASON_AUTH;
	case 403:
		return REASON_FORBIDDEN;
	case 404:
	case 502:
	case 503:
		return REASON_UNREACHABLE;
	case 408:
	case 504:
		return REASON_TIMEOUT;
	default:
		return REASON_OTHER;
	}
}

/* The head is complete. */
static enum status judge_head(struct via_dialogue *dialogue, enum reason *reason, char *text)
{
	unsigned status = status_of(dialogue);
	if (status / 100 == 2) {
		dialogue->step = VIA_AGREED;
		return STATUS_OK;
	}
	if (status / 100 == 1) {                 /* the answer itself is still to come */
		dialogue->line_size = 0;
		dialogue->need = 0;
		return STATUS_OK;
	}
	refuse(dialogue, reason, text, reason_of_status(status), "the proxy answered ");
	size_t used = strlen(text);
	text_copy(text + used, VIA_TEXT_SIZE - used,
		  (struct slice){(const uint8_t *)dialogue->line + 9, dialogue->line_size - 9u});
	return STATUS_PROTOCOL;
}

/* `need` is 1 once the status line is over, `blank` while nothing of a line has come. */
static enum status hear_http(struct via_dialogue *dialogue, uint8_t byte, enum reason *reason, char *text)
{
	if (dialogue->step != VIA_ANSWER)
		return refuse(dialogue, reason, text, REASON_PROTOCOL, "the proxy speaks before it is asked");
	if (++dialogue->count > VIA_HEAD_MAX)
		return refuse(dialogue, reason, text, REASON_PROTOCOL, "the proxy's answer is too long");
	if (byte == '\r')
		return STATUS_OK;
	bool blank = dialogue->blank;
	dialogue->blank = byte == '\n';
	if (!dialogue->need && byte != '\n') {
		bool printable = byte >= ' ' && byte < 0x7f;
		if (dialogue->line_size < VIA_LINE_SIZE)
			dialogue->line[dialogue->line_size++] = printable ? (char)byte : '?';
		return STATUS_OK;
	}
	if (!dialogue->need) {
		dialogue->need = 1;
		return status_of(dialogue) ? STATUS_OK
					   : refuse(dialogue, reason, text, REASON_PROTOCOL,
						    "the proxy does not speak HTTP");
	}
	return byte == '\n' && blank ? judge_head(dialogue, reason, text) : STATUS_OK;
}

enum status via_hear(struct via_dialogue *dialogue, const struct config_via *via, struct slice bytes,
		     size_t *used, enum reason *reason, char text[VIA_TEXT_SIZE])
{
	enum status status = STATUS_OK;
	*used = 0;
	while (status == STATUS_OK && *used < bytes.size && dialogue->step != VIA_AGREED) {
		uint8_t byte = bytes.at[(*used)++];
		status = via->kind == VIA_HTTP ? hear_http(dialogue, byte, reason, text)
					       : hear_socks5(dialogue, byte, reason, text);
	}
	if (status != STATUS_OK)
		return status;
	return dialogue->step == VIA_AGREED ? STATUS_OK : STATUS_MORE;
}
