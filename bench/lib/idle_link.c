/* bench/lib/idle_link.c - see idle_link.h. */
#include "bench/lib/idle_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/lib/child.h"
#include "protocols/codecs/yamux.h"

enum { TEXT_SIZE = 1024, LENGTH_SIZE = 4, CONTROL_STREAM = 1 };

/* One message on the control stream: frame, length and JSON are one write. */
static bool say(struct idle_carrier *carrier, unsigned flags, const char *json)
{
	uint8_t bytes[YAMUX_HEADER_SIZE + LENGTH_SIZE + TEXT_SIZE];
	size_t size = strlen(json);

	check(size <= TEXT_SIZE);
	yamux_encode(bytes, YAMUX_DATA, flags, CONTROL_STREAM, (uint32_t)(LENGTH_SIZE + size));
	put32(bytes + YAMUX_HEADER_SIZE, (uint32_t)size);
	memcpy(bytes + YAMUX_HEADER_SIZE + LENGTH_SIZE, json, size);
	size += YAMUX_HEADER_SIZE + LENGTH_SIZE;
	return idle_carrier_write(carrier, bytes, size);
}

/* The next frame; what a message says is put into `text`, which is empty after any other frame. */
static bool hear(struct idle_carrier *carrier, char text[TEXT_SIZE])
{
	uint8_t head[YAMUX_HEADER_SIZE];

	text[0] = 0;
	if (!idle_carrier_read(carrier, head, sizeof(head)))
		return false;
	struct yamux_header header = yamux_decode(head);
	if (header.type == YAMUX_PING && (header.flags & YAMUX_SYN) != 0) {
		yamux_encode(head, YAMUX_PING, YAMUX_ACK, 0, header.length);
		return idle_carrier_write(carrier, head, sizeof(head));
	}
	if (header.type != YAMUX_DATA)
		return header.type != YAMUX_GOAWAY;
	if (header.length >= TEXT_SIZE || !idle_carrier_read(carrier, (uint8_t *)text, header.length))
		return false;
	if (header.length > LENGTH_SIZE)
		memmove(text, text + LENGTH_SIZE, header.length - LENGTH_SIZE);
	text[header.length > LENGTH_SIZE ? header.length - LENGTH_SIZE : 0] = 0;
	return true;
}

/* Until the answer with this number has come. */
static bool await(struct idle_carrier *carrier, const char *number, struct fault *fault)
{
	char text[TEXT_SIZE];

	do {
		if (!hear(carrier, text)) {
			fault_set(fault, "the gateway ended a link that logged in");
			return false;
		}
	} while (strstr(text, number) == NULL);
	if (strstr(text, "\"result\"") == NULL)
		fault_set(fault, "the gateway refused a link: %.300s", text);
	return !fault_is_set(fault);
}

static bool log_in(struct idle_carrier *carrier, const char *key, struct fault *fault)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text),
		 "{\"jsonrpc\":\"2.0\",\"method\":\"authenticate\",\"params\":{\"auth_key\":\"%s\","
		 "\"protocol_version\":\"1.5.1\"},\"id\":1}",
		 key);
	return say(carrier, YAMUX_SYN, text) && await(carrier, "\"id\":1", fault) &&
	       say(carrier, 0,
		   "{\"jsonrpc\":\"2.0\",\"method\":\"submit_config\",\"params\":{\"proxies\":[],"
		   "\"visitors\":[]},\"id\":2}") &&
	       await(carrier, "\"id\":2", fault);
}

bool idle_links_open(struct idle_links *links, uint32_t count, uint16_t port, const char *key,
		     enum idle_transport transport, struct fault *fault)
{
	*links = (struct idle_links){.client = {.port = port, .fault = fault, .psk_alone = key != NULL}};
	if (!tls_client_init(&links->client))
		return false;
	links->calls = calloc(count, sizeof(*links->calls));
	check(links->calls != NULL);
	while (links->count < count && !child_is_interrupted()) {
		struct tls_call *call = &links->calls[links->count];
		if (!tls_call_open(&links->client, call))
			return false;
		links->count++;
		struct idle_carrier carrier = {.ssl = call->ssl, .transport = transport};
		if (key == NULL || (idle_carrier_open(&carrier) && log_in(&carrier, key, fault)))
			continue;
		fault_set(fault, "a link could not log in");
		return false;
	}
	return !child_is_interrupted();
}

bool idle_links_close(struct idle_links *links)
{
	bool good = true;

	for (uint32_t i = 0; i < links->count; i++)
		good = tls_call_close(&links->client, &links->calls[i]) && good;
	free(links->calls);
	if (links->client.shared != NULL)
		tls_client_fini(&links->client);
	*links = (struct idle_links){.count = 0};
	return good;
}
