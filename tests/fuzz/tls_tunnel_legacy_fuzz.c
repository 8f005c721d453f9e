/* tests/fuzz/tls_tunnel_legacy_fuzz.c - the handshakes before yamux hear anything, in any pieces. They end,
 * or not; two ways to cut the same bytes come to the same event.
 *
 * Byte 0: bit 0 the side, bits 1-2 the generation (client), bits 3-7 the pieces. The rest is heard; answers
 * are given as soon as they are asked for.
 */
#include "core/hub.h"
#include "protocols/tls_tunnel/legacy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What came of it: a sum over all events and the end. */
struct outcome {
	uint64_t sum;
	size_t taken;
};

static void add(struct outcome *outcome, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		outcome->sum = (outcome->sum ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
}

static void add_text(struct outcome *outcome, const char *text) { add(outcome, text, strlen(text) + 1); }

/* Everything that an event points to is read. */
static void add_event(struct outcome *outcome, const struct event *event)
{
	add(outcome, &event->kind, sizeof event->kind);
	add(outcome, event->text.at, event->text.size);
	if (event->credentials)
		add(outcome, event->credentials->secret.at, event->credentials->secret.size);
	for (uint32_t i = 0; i < event->publication_count; i++) {
		const struct publication *one = &event->publications[i];
		add_text(outcome, one->name);
		add_text(outcome, one->type);
		add_text(outcome, one->publish_addr);
		add_text(outcome, one->bind_addr);
		add(outcome, &one->publish_port, sizeof one->publish_port);
		add(outcome, &one->local_port, sizeof one->local_port);
	}
	for (uint32_t i = 0; i < event->refused_count; i++)
		add(outcome, event->refused[i].at, event->refused[i].size);
}

/* What is said in return, which has to be possible after every event. */
static void answer(struct hub *hub, const struct legacy *legacy, struct control *control,
		   const struct event *heard)
{
	static const enum event_kind answers[EVENT_COUNT] = {
	    [EVENT_AUTH] = EVENT_AUTHED, [EVENT_PUBLISH] = EVENT_PUBLISHED, [EVENT_AUTHED] = EVENT_PUBLISH};
	struct event event = {.kind = answers[heard->kind],
			      .publications = heard->publications,
			      .publication_count = heard->publication_count};
	struct json_text text;
	if (!event.kind)
		return;
	json_text_init(&text, &hub->bufs);
	legacy_encode(legacy, &event, &text);
	json_text_fini(&text);
	control_said(control, &event);
}

static void rules(const struct legacy *legacy, const struct event *event)
{
	char text[LEGACY_RULE_SIZE];
	for (uint32_t i = 0; i < event->publication_count && i < 64; i++)
		if (!event->publications[i].visitor)
			legacy_rule(legacy->generation, event->publications, event->publication_count, i,
				    8443, text);
}

static struct outcome run(const uint8_t *bytes, size_t size, uint8_t how, size_t piece)
{
	static const enum tunnel_generation generations[] = {TUNNEL_14, TUNNEL_14Y, TUNNEL_10, TUNNEL_14};
	struct limits limits = LIMITS_DEFAULT;
	struct hub hub;
	struct control control;
	struct legacy legacy = {.generation = generations[how >> 1 & 3]};
	struct outcome outcome = {14695981039346656037u, 0};
	enum status status = STATUS_OK;
	hub_init(&hub, 0, 1, &limits, (struct instant){1});
	control_init(&control, how & 1, &hub.memory);
	for (size_t at = 0; at < size && (status == STATUS_OK || status == STATUS_MORE);) {
		struct slice input = {bytes + at, size_min(piece, size - at)};
		struct event event;
		const char *fault = NULL;
		size_t taken;
		status = legacy_decode(&legacy, &control, &hub.bufs, input, &taken, &event, &fault);
		check(taken <= input.size && (status != STATUS_MORE || taken == input.size));
		check((status == STATUS_PROTOCOL) == (fault != NULL));
		at += taken;
		outcome.taken += taken;
		if (status != STATUS_OK)
			continue;
		add_event(&outcome, &event);
		rules(&legacy, &event);
		answer(&hub, &legacy, &control, &event);
		check(taken);
	}
	add(&outcome, &status, sizeof status);
	check(hub.bufs.bytes <= 8 * size + 4096); /* never by what was announced */
	legacy_release(&legacy);
	control_fini(&control);
	hub_fini(&hub);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 2)
		return 0;
	struct outcome whole = run(bytes + 1, size - 1, bytes[0], size);
	struct outcome parts = run(bytes + 1, size - 1, bytes[0], 1 + (bytes[0] >> 3));
	check(whole.taken == parts.taken && whole.sum == parts.sum);
	return 0;
}
