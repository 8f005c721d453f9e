/* protocols/linksocks/greet.c - the HTTP heads around the upgrade: who asks, and what both ends can do. */
#include <stdio.h>

#include "protocols/codecs/http1.h"
#include "protocols/linksocks/wire_inside.h"

enum {
	SWITCHING_PROTOCOLS = 101,
	REDIRECTS = 300, /* 300-399 */
	BAD_REQUEST = 400,
	SECRET_MAX = 256, /* of a query: what is longer is no token anyway */
	SOURCE_MAX = 64,
	LINE_MAX = 96,
};

static const char features_field[] = "X-Tunnel-Features";

/* ---- features ---- */

static const struct {
	uint32_t feature;
	const char *name;
} features[] = {{FEATURE_CREDIT, "credit"}, {FEATURE_LZ4, "lz4"}, {FEATURE_HALF_CLOSE, "half-close"}};

const char *linksocks_features_text(uint32_t set, char text[64])
{
	size_t used = 0;
	text[0] = 0;
	for (size_t i = 0; i < COUNT_OF(features); i++) {
		if (!(set & features[i].feature))
			continue;
		used += (size_t)snprintf(text + used, 64 - used, "%s%s", used ? "," : "", features[i].name);
	}
	return used ? text : "stock";
}

/* Only our program has the field. */
static uint32_t features_of(const struct head *head)
{
	uint32_t set = http1_field(head, features_field).at ? FEATURE_OURS : 0;
	for (size_t i = 0; i < COUNT_OF(features); i++)
		if (http1_has_token(head, features_field, features[i].name))
			set |= features[i].feature;
	return set;
}

static void share(struct session *session, struct linksocks *linksocks, uint32_t shown)
{
	linksocks->features = linksocks->options.features & shown;
	if (linksocks->features & FEATURE_CREDIT)
		session->traits |= TRAIT_CREDIT;
	if (linksocks->features & FEATURE_HALF_CLOSE)
		session->traits |= TRAIT_HALF_CLOSE;
}

/* ---- the query ---- */

/* Without its escapes, cut to the room. */
static struct slice unescape(struct slice text, uint8_t *at, size_t room)
{
	size_t used = 0;
	for (size_t i = 0; i < text.size && used < room; i++) {
		uint8_t byte = text.at[i] == '+' ? ' ' : text.at[i];
		bool whole = byte == '%' && i + 2 < text.size;
		int high = whole ? hex_digit(text.at[i + 1]) : -1;
		int low = whole ? hex_digit(text.at[i + 2]) : -1;
		if (high >= 0 && low >= 0) {
			byte = (uint8_t)(high << 4 | low);
			i += 2;
		}
		at[used++] = byte;
	}
	return (struct slice){at, used};
}

/* Everything in front of `mark`, which is taken as well; all of it where there is none. */
static struct slice cut_at(struct slice *rest, char mark)
{
	const uint8_t *found = rest->size ? memchr(rest->at, mark, rest->size) : NULL;
	struct slice cut = {rest->at, found ? (size_t)(found - rest->at) : rest->size};
	size_t taken = found ? cut.size + 1 : cut.size;
	rest->at += taken;
	rest->size -= taken;
	return cut;
}

/* The first parameter of that name, as it stands there. */
static struct slice parameter(struct slice path, const char *name)
{
	cut_at(&path, '?');
	while (path.size) {
		struct slice value = cut_at(&path, '&');
		struct slice key = cut_at(&value, '=');
		if (slice_is(key, name))
			return value;
	}
	return (struct slice){NULL, 0};
}

static enum direction direction_of(struct slice path)
{
	struct slice text = parameter(path, "reverse");
	return !text.size				       ? DIRECTION_UNSAID
	       : slice_is(text, "true") || slice_is(text, "1") ? DIRECTION_REVERSE
							       : DIRECTION_FORWARD;
}

static struct slice trimmed(struct slice text)
{
	for (; text.size && text.at[0] == ' '; text.size--)
		text.at++;
	while (text.size && text.at[text.size - 1] == ' ')
		text.size--;
	return text;
}

/* What a proxy in front says of its client. For logs: it may be anything. */
static struct slice source_of(const struct head *head)
{
	struct slice source = http1_field(head, "CF-Connecting-IP");
	if (!source.size) {
		source = http1_field(head, "X-Forwarded-For");
		source = cut_at(&source, ',');
	}
	return trimmed(source);
}

/* ---- the server ---- */

static enum status refuse(struct session *session, struct linksocks *linksocks)
{
	linksocks->bad_request_owed = true;
	linksocks->phase = PHASE_OVER;
	session_owes(session);
	session_end(session, REASON_PROTOCOL, "no WebSocket upgrade", true);
	return STATUS_OK;
}

static struct slice keep(struct buf *buf, struct slice text, size_t max)
{
	struct slice kept = {buf->bytes + buf->used, size_min(text.size, max)};
	if (kept.size)
		memcpy(buf->bytes + buf->used, text.at, kept.size);
	buf->used += (uint32_t)kept.size;
	return kept;
}

/* The head is only there for this call: what the role is to see of it is copied. */
static bool remember(struct session *session, struct linksocks *linksocks, struct slice token,
		     const struct head *head)
{
	struct credentials *credentials = &linksocks->told.credentials;
	struct slice source = source_of(head);
	if (!token.size && !source.size)
		return true;
	struct buf *buf = linksocks->greeting =
	    buf_acquire(&session->hub->bufs, SECRET_MAX + SOURCE_MAX);
	if (!buf)
		return false;
	credentials->source = keep(buf, source, SOURCE_MAX);
	credentials->secret = unescape(token, buf->bytes + buf->used, SECRET_MAX);
	return true;
}

static enum status hear_request(struct session *session, struct linksocks *linksocks, const struct head *head)
{
	if (!http1_is_websocket_upgrade(head))
		return refuse(session, linksocks);
	/* The answer that has gone out was a plain one: such a client has seen no feature of ours. */
	uint32_t shown = session->head_answered ? 0 : features_of(head);
	share(session, linksocks, shown);
	linksocks->phase = PHASE_AUTH;
	linksocks->upgrade_owed = true;
	session_owes(session);
	struct slice token = parameter(head->path, "token");
	struct credentials *credentials = &linksocks->told.credentials;
	*credentials = (struct credentials){
	    .form = CREDENTIAL_SHA256, .direction = direction_of(head->path), .features = shown};
	uint8_t text[UUID_TEXT_SIZE];
	uuid_parse(unescape(parameter(head->path, "instance"), text, sizeof text), credentials->instance);
	if (!remember(session, linksocks, token, head))
		return linksocks_starved(session);
	if (!token.size)
		return STATUS_OK; /* the first message is to bring it */
	linksocks->asked = true;
	struct event event = {.kind = EVENT_AUTH, .credentials = credentials};
	return session_deliver(session, &event);
}

static void add_field(struct head *head, const char *name, const char *value)
{
	head->fields[head->field_count].name = slice_of(name);
	head->fields[head->field_count++].value = slice_of(value);
}

static void add_features(struct head *head, uint32_t set, char text[64])
{
	bool named = set & ~(uint32_t)FEATURE_OURS;
	if (set)
		add_field(head, features_field, named ? linksocks_features_text(set, text) : "none");
}

static enum status say_bad_request(struct writer *writer)
{
	static const char body[] = "Bad Request\n";
	struct head head = {.status = BAD_REQUEST};
	add_field(&head, "Content-Type", "text/plain; charset=utf-8");
	add_field(&head, "Sec-Websocket-Version", "13");
	add_field(&head, "Content-Length", "12");
	writer_begin_head(writer, &head);
	enum status status = writer_end(writer);
	if (status != STATUS_OK)
		return status;
	writer_begin(writer, CHUNK_BYTES);
	writer_copy(writer, slice_of(body));
	return writer_end(writer);
}

enum status linksocks_say_answer(struct linksocks *linksocks, struct writer *writer)
{
	enum status status = STATUS_OK;
	if (linksocks->upgrade_owed) {
		char text[64];
		struct head head = {.status = SWITCHING_PROTOCOLS};
		/* to nobody who has not told his */
		add_features(&head, linksocks->features ? linksocks->options.features : 0, text);
		writer_begin_head(writer, &head);
		status = writer_end(writer);
		linksocks->upgrade_owed = status != STATUS_OK;
	}
	if (linksocks->bad_request_owed) {
		status = say_bad_request(writer);
		linksocks->bad_request_owed = status != STATUS_OK;
	}
	return status;
}

/* ---- the client ---- */

static enum status hear_refusal(struct session *session, struct linksocks *linksocks, const struct head *head)
{
	struct slice location = http1_field(head, "Location");
	bool moved = head->status / 100 == REDIRECTS / 100 && location.size;
	struct event event = {.kind = moved ? EVENT_GOAWAY : EVENT_AUTHED,
			      .reason = moved ? REASON_GOAWAY : REASON_REFUSED};
	linksocks->phase = PHASE_OVER;
	linksocks->kept = buf_acquire(&session->hub->bufs, size_max(location.size, LINE_MAX));
	if (!linksocks->kept)
		return linksocks_starved(session);
	char *at = (char *)linksocks->kept->bytes;
	if (moved) {
		memcpy(at, location.at, location.size);
		event.text = (struct slice){linksocks->kept->bytes, location.size};
	} else {
		snprintf(at, LINE_MAX, "HTTP/1.1 %u %s", head->status, http1_status_text(head->status));
		event.text = slice_of(at);
	}
	return session_deliver(session, &event);
}

enum status linksocks_hear_head(struct session *session, struct linksocks *linksocks, const struct head *head)
{
	if (linksocks->phase != PHASE_HEAD)
		return STATUS_OK;
	if (!session->client)
		return hear_request(session, linksocks, head);
	if (head->status != SWITCHING_PROTOCOLS)
		return hear_refusal(session, linksocks, head);
	share(session, linksocks, features_of(head));
	linksocks->phase = PHASE_AUTH;
	session_wake(session);
	return STATUS_OK;
}

static enum status say_request(struct linksocks *linksocks, const struct credentials *credentials,
			       struct writer *writer)
{
	char text[64];
	struct head head = {.method = slice_of("GET"), .path = credentials->path};
	head.fields[0].name = slice_of("Host");
	head.fields[0].value = credentials->host;
	head.field_count = 1;
	add_features(&head, linksocks->options.features, text);
	writer_begin_head(writer, &head);
	enum status status = writer_end(writer);
	if (status == STATUS_OK)
		linksocks->asked = true;
	return status;
}

enum status linksocks_say_auth(struct session *session, struct linksocks *linksocks,
			       const struct event *event, struct writer *writer)
{
	const struct credentials *credentials = event->credentials;
	enum status status = linksocks->asked ? STATUS_OK : say_request(linksocks, credentials, writer);
	if (status != STATUS_OK || !credentials->secret.size)
		return status;
	if (linksocks->phase == PHASE_HEAD)
		return STATUS_MORE; /* not a byte may follow the request before it is answered */
	if (linksocks->phase != PHASE_AUTH)
		return STATUS_OK;
	struct linksocks_message message = {.type = LINKSOCKS_AUTH,
					    .text = credentials->secret,
					    .reverse = credentials->direction == DIRECTION_REVERSE};
	memcpy(message.id, credentials->instance, sizeof message.id);
	return linksocks_say(writer, &message);
}
