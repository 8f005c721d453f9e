/* tests/fuzz/socks5_fuzz.c - a SOCKS5 user says anything, in any pieces; and so does a datagram.
 *
 * Byte 0: what the protocol wants of its users, and how their requests are answered. Then records: a size
 * byte n, and n bytes that are heard at once. The whole input is a datagram as well.
 */
#include "core/request.h"
#include "protocols/frontends/socks5.h"
#include "protocols/frontends/socks5_dialogue.h"
#include "tests/unit/wire_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint8_t answers;

static void user_event(struct session *session, const struct event *event)
{
	if (event->kind == EVENT_AUTH) {
		check(event->credentials->user.size <= 255 && event->credentials->secret.size <= 255);
		session_say(session, EVENT_AUTHED);
		return;
	}
	check(event->kind == EVENT_OPEN);
	bool udp = event->target->network == NETWORK_UDP;
	for (const char *at = event->target->host; *at; at++)
		check((uint8_t)*at > ' ' && *at != 0x7f);
	check(udp == !event->target->host[0]);
	if (answers & 8) {
		channel_refuse(event->channel, (enum reason)(answers >> 4), NULL);
		return;
	}
	struct conn *far = conn_create(SERVER, false, &world_role, NULL);
	session_open(far->session);
	check(channel_open(far->session, event->channel->pair, event->target));
}

static void user_fill(struct session *session, struct event *event)
{
	event->reason = answers & 4 ? REASON_AUTH : REASON_OK;
}

static const struct role user_role = {.name = "user", .event = user_event, .fill = user_fill};

/* What was understood reads again as it was. */
static void hear_datagram(struct slice bytes)
{
	struct target target, again;
	uint8_t head[SOCKS5_UDP_HEAD_MAX];
	size_t used = 0, used_again = 0;
	if (socks5_parse_datagram(bytes, &target, &used) != STATUS_OK)
		return;
	check(used >= 4 + 1 + 2 && used <= bytes.size && used <= SOCKS5_UDP_HEAD_MAX);
	size_t head_size = socks5_write_datagram(head, &target);
	check(head_size <= sizeof head);
	check(socks5_parse_datagram((struct slice){head, head_size}, &again, &used_again) == STATUS_OK);
	check(used_again == head_size && again.port == target.port && strcmp(again.host, target.host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	hear_datagram((struct slice){bytes, size});
	answers = bytes[0];
	const struct socks5_policy policy = {
		.password = answers & 1, .any_method = answers & 2, .udp = answers & 2};
	struct session_options options = {.wire = &wire_socks5, .carrier = &carrier_raw, .role = &user_role};
	world_init(size);
	struct conn *user = &world.conns[world.conn_count++];
	*user = (struct conn){.session = session_create(&world.hub, &options), .asks = true};
	session_open(user->session);
	socks5_set_policy(user->session, &policy);
	for (size_t at = 1; at < size && !user->gone;) {
		size_t piece = bytes[at++];
		piece = size_min(piece, size - at);
		bytes_add(&user->in, bytes + at, piece);
		at += piece;
		user->in_ended = piece == 0;
		world_turns(3, false);
	}
	check(user->out.size <= 2 + 2 + 10);
	for (struct link *link; (link = list_pull(&world.hub.requests)) != NULL;) {
		struct binding *binding = OWNER(OWNER(link, struct request, link), struct binding, request);
		if (binding->session)
			binding->session->binding = NULL;
		memory_release(&world.hub.memory, binding, sizeof *binding);
	}
	world_close();
	return 0;
}
