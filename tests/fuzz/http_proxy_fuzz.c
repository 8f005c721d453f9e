/* tests/fuzz/http_proxy_fuzz.c - a user of the HTTP proxy says anything: the pieces change nothing, and what
 * goes on to a target is one request that a strict server understands.
 *
 * Byte 0: what is wanted of users, how their requests are answered, whether they are moved first. Byte 1: how
 * large the pieces are.
 */
#include "protocols/codecs/chunked.h"
#include "protocols/codecs/http1.h"
#include "protocols/frontends/http_proxy.h"
#include "tests/unit/wire_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { PASSWORD = 1, CONNECT_ONLY = 2, BAD_LOGIN = 4, REFUSES = 8, MOVES = 16 };

static uint8_t answers;
static bool moves;
static struct conn *user, *far;
static char asked[HOST_SIZE + 8];

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		check(event->credentials->user.size + event->credentials->secret.size < 1024);
		session_say(session, EVENT_AUTHED);
		return;
	}
	check(event->kind == EVENT_OPEN && event->target->port && event->target->host[0]);
	for (const char *at = event->target->host; *at; at++)
		check((uint8_t)*at > ' ' && (uint8_t)*at < 0x7f && !strchr("/@[]%\\", *at));
	snprintf(asked, sizeof asked, "%s:%u", event->target->host, event->target->port);
	if (moves)
		return;
	if (answers & REFUSES) {
		channel_refuse(event->channel, (enum reason)(1 + (answers >> 4)), "no\r\nway");
		return;
	}
	check(!far);                             /* one request, one target */
	far = conn_create(SERVER, false, &world_role, NULL);
	session_open(far->session);
	check(channel_open(far->session, event->channel->pair, event->target));
}

static void user_fill(struct session *session, struct event *event)
{
	event->reason = answers & BAD_LOGIN ? REASON_AUTH : REASON_OK;
}

static const struct role user_role = {.name = "user", .event = user_event, .fill = user_fill};

static void move(void)
{
	conn_move(user);
	moves = false;
	world_turns(4, false);
}

/* As far as the user has sent it. */
static void body_is_one(const struct head *head, struct slice body)
{
	struct chunked chunked = {.max = CHUNKED_MAX};
	struct slice payload;
	if (!http1_count(head, "transfer-encoding")) {
		check(body.size <= http1_content_length(head));
		return;
	}
	enum status status = STATUS_MORE;
	while (status == STATUS_MORE && body.size)
		status = chunked_take(&chunked, &body, &payload);
	check((status == STATUS_OK || status == STATUS_MORE) && !body.size);
}

static void request_is_one(struct slice bytes)
{
	static const char *const gone[] = {"proxy-connection", "proxy-authorization", "keep-alive", "te",
					   "upgrade", "proxy-authenticate"};
	struct head head;
	size_t used;
	unsigned status;
	const char *why;
	enum status parsed = http1_parse_head(bytes, &head, &used, &status, &why);
	if (parsed == STATUS_PROTOCOL && status == 431)
		return;                          /* it has become longer by what was added */
	check(parsed == STATUS_OK && !head.status);
	check(head.path.at[0] == '/' || slice_is(head.path, "*"));
	check(http1_count(&head, "host") == 1 && http1_field(&head, "host").size);
	check(http1_count(&head, "connection") == 1 && slice_is(http1_field(&head, "connection"), "close"));
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		check(!http1_count(&head, gone[i]));
	body_is_one(&head, (struct slice){bytes.at + used, bytes.size - used});
}

struct outcome {
	char asked[sizeof asked];
	struct bytes user, far;
	bool gone;
	enum reason why;
};

static void talk(struct slice bytes, size_t step, bool moving, struct outcome *outcome)
{
	const struct http_proxy_policy policy = {.password = answers & PASSWORD,
						 .connect_only = answers & CONNECT_ONLY};
	struct session_options options = {.wire = &wire_http_proxy, .carrier = &carrier_raw,
					  .role = &user_role};
	world_init(bytes.size);
	far = NULL;
	asked[0] = 0;
	moves = moving;
	user = &world.conns[world.conn_count++];
	*user = (struct conn){.session = session_create(&world.hub, &options), .asks = true};
	session_open(user->session);
	http_proxy_set_policy(user->session, &policy);
	for (size_t at = 0; at < bytes.size && !user->gone; at += step) {
		bytes_add(&user->in, bytes.at + at, size_min(step, bytes.size - at));
		world_turns(3, false);
		if (moves && asked[0])
			move();
	}
	world_turns(3, false);
	bool tunnel = user->out.size > 12 && memcmp(user->out.at, "HTTP/1.1 200", 12) == 0;
	if (far && far->out.size && !tunnel)
		request_is_one((struct slice){far->out.at, far->out.size});
	*outcome = (struct outcome){.gone = user->gone, .why = user->why};
	memcpy(outcome->asked, asked, sizeof asked);
	bytes_add(&outcome->user, user->out.at, user->out.size);
	if (far && !far->why)                    /* of what was cut off, more or less may have arrived */
		bytes_add(&outcome->far, far->out.at, far->out.size);
	world_close();
}

static bool same(const struct bytes *a, const struct bytes *b)
{
	return a->size == b->size && (!a->size || memcmp(a->at, b->at, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct outcome whole, pieces;
	if (size < 2)
		return 0;
	answers = bytes[0];
	struct slice rest = {bytes + 2, size - 2};
	talk(rest, SIZE_MAX / 2, false, &whole);
	talk(rest, 1 + bytes[1], answers & MOVES && !(answers & REFUSES), &pieces);
	check(strcmp(whole.asked, pieces.asked) == 0);
	check(whole.gone == pieces.gone && whole.why == pieces.why);
	check(same(&whole.user, &pieces.user) && same(&whole.far, &pieces.far));
	free(whole.user.at);
	free(whole.far.at);
	free(pieces.user.at);
	free(pieces.far.at);
	return 0;
}
