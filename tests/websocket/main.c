/* tests/websocket/main.c - the WebSocket carrier on a blocking socket: says back each message that it hears,
 * so that other implementations can talk to it.
 *
 *   websocket_echo server              prints "listening PORT"; one connection after the other
 *   websocket_echo client PORT PATH    prints "status N" for the answer; ends with the WebSocket
 *
 * A line on standard output tells how each ended: "end CODE", "lost", or "fault TEXT".
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/hub.h"
#include "core/session.h"
#include "core/writer.h"
#include "protocols/codecs/http1.h"

enum { MESSAGE_MAX = 32 << 20, BUDGET = 256 * 1024 };

static struct limits limits;
static struct hub hub;
static struct session *session;
static int sock;
static bool is_asked, is_over;
static struct buf *message; /* what has come of it */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void fill_random(uint8_t *bytes, size_t size) { check(getrandom(bytes, size, 0) == (ssize_t)size); }

/* ---- saying ---- */

static void say_all(struct writer *writer)
{
	for (uint32_t i = 0; i < writer->count; i++) {
		struct slice bytes = writer->parts[i].piece.bytes;
		while (bytes.size) {
			ssize_t sent = send(sock, bytes.at, bytes.size, MSG_NOSIGNAL);
			if (sent <= 0)
				break;
			bytes.at += sent;
			bytes.size -= (size_t)sent;
		}
	}
	if (writer->shut)
		shutdown(sock, SHUT_WR);
	writer_fini(writer);
}

static void say_head(const struct head *head)
{
	static struct writer writer;
	writer_init(&writer, session, &hub.bufs, BUDGET);
	writer_begin_head(&writer, head);
	check(writer_end(&writer) == STATUS_OK);
	say_all(&writer);
}

static void say_message(enum chunk_kind kind, struct slice bytes)
{
	static struct writer writer;
	writer_init(&writer, session, &hub.bufs, BUDGET);
	writer_begin(&writer, kind);
	writer_piece(&writer, (struct piece){message, bytes});
	check(writer_end(&writer) == STATUS_OK);
	say_all(&writer);
}

static void say_debts(void)
{
	static struct writer writer;
	while (session_has_output(session)) {
		writer_init(&writer, session, &hub.bufs, BUDGET);
		session_pump(session, &writer);
		say_all(&writer);
	}
}

/* ---- the wire ---- */

static void keep(struct slice bytes)
{
	uint32_t used = message ? message->used : 0;
	if (!message || message->size - used < bytes.size) {
		struct buf *bigger = buf_acquire(&hub.bufs, 2 * (used + bytes.size) + 4096);
		check(bigger != NULL);
		if (used)
			memcpy(bigger->bytes, message->bytes, used);
		bigger->used = used;
		buf_unref(message);
		message = bigger;
	}
	if (bytes.size)
		memcpy(message->bytes + used, bytes.at, bytes.size);
	message->used += (uint32_t)bytes.size;
}

static enum status echo_decode(struct session *self, void *state, const struct chunk *chunk, size_t *used)
{
	*used = chunk->piece.bytes.size;
	switch (chunk->kind) {
	case CHUNK_HEAD:
		is_asked = !self->client;
		if (self->client)
			printf("status %u\n", chunk->head->status);
		return STATUS_OK;
	case CHUNK_END:
		if (!is_over && (chunk->code || !self->why_text[0]))
			printf(chunk->code ? "end %u\n" : "lost\n", chunk->code);
		is_over = true;
		session_end(self, REASON_LOST, NULL, true);
		return STATUS_OK;
	case CHUNK_TEXT:
	case CHUNK_BINARY:
		break;
	default:
		return STATUS_OK;
	}
	keep(chunk->piece.bytes);
	if (chunk->last) {
		say_message(chunk->kind, (struct slice){message->bytes, message->used});
		buf_unref(message);
		message = NULL;
	}
	return STATUS_OK;
}

static enum status echo_encode(struct session *self, void *state, const struct event *event,
			       struct writer *writer)
{
	return STATUS_OK;
}

static const struct wire echo_wire = {.name = "echo",
				      .chunk_max = BUDGET,
				      .message_max = MESSAGE_MAX,
				      .decode = echo_decode,
				      .encode = echo_encode};

/* ---- one connection ---- */

static void hear(void)
{
	struct buf *buf = buf_receive(&hub.bufs);
	check(buf != NULL);
	ssize_t size = recv(sock, buf->bytes, buf->size, 0);
	if (size > 0) {
		buf->used = (uint32_t)size;
		session_input(session, (struct piece){buf, {buf->bytes, (size_t)size}});
		return;
	}
	buf_unref(buf);
	session_input_end(session);
}

/* The answer waits until the input was decoded: a wire says nothing inside decode but what it has to. */
static void answer(void)
{
	if (!is_asked)
		return;
	is_asked = false;
	say_head(&(struct head){.status = 101});
}

static void run(int connected, const char *path)
{
	sock = connected;
	is_over = is_asked = false;
	session = session_create(&hub, &(struct session_options){.wire = &echo_wire,
								 .carrier = &carrier_websocket,
								 .client = path != NULL});
	check(session != NULL);
	session_open(session);
	if (path)
		say_head(&(struct head){.method = slice_of("GET"),
					.path = slice_of(path),
					.fields = {{slice_of("Host"), slice_of("localhost")}},
					.field_count = 1});
	while (session_wants_input(session)) {
		hear();
		answer();
		say_debts();
	}
	if (!is_over)
		printf("fault %s\n", session->why_text);
	fflush(stdout);
	shutdown(sock, SHUT_WR);
	uint8_t rest[4096]; /* what is not read would become a reset that overtakes what was said */
	while (recv(sock, rest, sizeof rest, 0) > 0)
		;
	close(sock);
	session_end(session, REASON_STOPPING, NULL, false);
	list_pull(&hub.ended);
	session_destroy(session);
	buf_unref(message);
	message = NULL;
}

static void serve(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM, 0), connected;
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&address, &size))
		die("listen");
	printf("listening %u\n", ntohs(address.sin_port));
	fflush(stdout);
	while ((connected = accept(listener, NULL, NULL)) >= 0)
		run(connected, NULL);
	die("accept");
}

int main(int count, char **arguments)
{
	limits = LIMITS_DEFAULT;
	hub_init(&hub, 0, 1, &limits, (struct instant){1});
	hub.secret_bytes = fill_random;
	if (count == 2 && strcmp(arguments[1], "server") == 0)
		serve();
	if (count != 4 || strcmp(arguments[1], "client") != 0) {
		fprintf(stderr, "usage: websocket_echo server | client PORT PATH\n");
		return 2;
	}
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)strtoul(arguments[2], NULL, 10))};
	int connected = socket(AF_INET, SOCK_STREAM, 0);
	if (connected < 0 || connect(connected, (struct sockaddr *)&address, sizeof address))
		die("connect");
	run(connected, arguments[3]);
	hub_fini(&hub);
	return 0;
}
