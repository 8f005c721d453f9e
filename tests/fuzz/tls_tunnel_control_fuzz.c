/* tests/fuzz/tls_tunnel_control_fuzz.c - messages of the control stream. The first byte chooses the side and
 * the state; what is understood is written again and must be understood in the same way.
 */
#include "protocols/tls_tunnel/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct memory memory;
static struct bufpool pool;

static void write_again(struct control *control, const struct event *event, bool client)
{
	struct control writer, reader;
	struct json_text text;
	struct event heard;
	const char *fault = NULL;
	control_init(&writer, !client, &memory);
	control_init(&reader, client, &memory);
	reader.login = EXCHANGE_ASKED;
	if (event->kind == EVENT_AUTH)
		reader.login = EXCHANGE_NONE;
	else if (client)
		reader.config = EXCHANGE_ASKED;
	writer.shown_by_peer = control->credentials.features;
	if (event->kind == EVENT_AUTHED || event->kind == EVENT_PUBLISHED) {
		writer.login_id = json_integer(1);
		writer.config_id = json_integer(2);
	}
	json_text_init(&text, &pool);
	control_encode(&writer, event, "00000000-0000-4000-8000-000000000000", &text);
	check(!text.failed);
	check(control_decode(&reader, (struct slice){text.buf->bytes, text.buf->used}, &heard, &fault) ==
	      STATUS_OK);
	check(heard.kind == event->kind && heard.reason == event->reason);
	check(heard.publication_count == event->publication_count);
	check(heard.refused_count == event->refused_count || event->kind == EVENT_NOTE);
	json_text_fini(&text);
	control_fini(&writer);
	control_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (!size)
		return 0;
	if (!pool.budget)
		bufpool_init(&pool, 1, (size_t)1 << 30);
	bool client = bytes[0] & 1;
	struct control control;
	struct event event;
	const char *fault = NULL;
	control_init(&control, client, &memory);
	control.login = (enum exchange)(bytes[0] >> 1 & 3) % 3;
	control.config = (enum exchange)(bytes[0] >> 3 & 3) % 3;
	enum status status = control_decode(&control, (struct slice){bytes + 1, size - 1}, &event, &fault);
	check(status == STATUS_OK || (status == STATUS_PROTOCOL && fault));
	bool said = status == STATUS_OK && event.kind != EVENT_OWED;
	bool long_text = event.text.size == 0 && event.reason != REASON_OK; /* a default takes its place */
	if (said && !long_text)
		write_again(&control, &event, client);
	control_fini(&control);
	check(memory.used == 0 && pool.used == 0);
	return 0;
}
