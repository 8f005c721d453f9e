/* tools/tunnel/ask.c - see ask.h; URLs are read in ask_url.c, ask_tls.c puts TLS between. */
#include "tools/tunnel/ask_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocols/codecs/http1.h"
#include "ring/ring_socket.h"

bool exchange_fail(struct exchange *exchange, const char *format, ...)
{
	char reason[ASK_WHY_SIZE - ASK_PREFIX_SIZE - 4];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(reason, sizeof reason, format, arguments);
	va_end(arguments);
	snprintf(exchange->why, ASK_WHY_SIZE, "%s: %s", exchange->ask->url, reason);
	return false;
}

static bool fail_errno(struct exchange *exchange, int error)
{
	if (error == ECONNREFUSED || error == ENOENT)
		return exchange_fail(exchange,
				     "nobody listens there; stats.listen_addr of the configuration turns it "
				     "on, --url says where it is");
	return exchange_fail(exchange, "%s", strerror(error));
}

/* ---- waiting ---- */

static struct timespec left(const struct exchange *exchange)
{
	struct timespec now, left;
	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = exchange->end.tv_sec - now.tv_sec;
	left.tv_nsec = exchange->end.tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_nsec += 1000000000;
		left.tv_sec--;
	}
	return left.tv_sec < 0 ? (struct timespec){0} : left;
}

static bool wait_for(struct exchange *exchange, short events)
{
	struct pollfd poll_fd = {.fd = exchange->fd, .events = events};
	const volatile sig_atomic_t *stop = exchange->ask->stop;
	int count;
	do {
		struct timespec span = left(exchange);
		count = ppoll(&poll_fd, 1, &span, exchange->ask->mask);
	} while (count < 0 && errno == EINTR && !(stop && *stop));
	if (count > 0)
		return true;
	if (count < 0)
		return exchange_fail(exchange, "%s", strerror(errno));
	return exchange_fail(exchange, "no answer within %d s", ASK_SECONDS);
}

/* ---- connecting ---- */

static bool connect_to(struct exchange *exchange, const struct sockaddr *name, socklen_t size)
{
	int error = 0;
	socklen_t error_size = sizeof error;
	exchange->fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (exchange->fd < 0)
		return fail_errno(exchange, errno);
	if (connect(exchange->fd, name, size) == 0)
		return true;
	if (errno != EINPROGRESS && errno != EAGAIN)
		return fail_errno(exchange, errno);
	if (!wait_for(exchange, POLLOUT))
		return false;
	getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
	return error ? fail_errno(exchange, error) : true;
}

static bool connect_unix(struct exchange *exchange)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	text_copy(name.sun_path, sizeof name.sun_path, slice_of(exchange->ask->path));
	return connect_to(exchange, (const struct sockaddr *)&name, sizeof name);
}

static void disconnect(struct exchange *exchange)
{
	if (exchange->fd >= 0)
		close(exchange->fd);
	exchange->fd = -1;
}

/* Decided by the address and not by the name: nobody hears a token for being called localhost. */
static bool may_hear(const struct ask *ask, const struct addrinfo *place)
{
	struct sockaddr_storage name = {0};
	struct address address;
	if (!secret_is_set(&ask->token) || ask->https || ask->plaintext)
		return true;
	memcpy(&name, place->ai_addr, size_min(place->ai_addrlen, sizeof name));
	address_of_sockaddr(&address, &name, place->ai_addrlen);
	return address_is_loopback(&address);
}

static bool connect_tcp(struct exchange *exchange)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	char port[8];
	snprintf(port, sizeof port, "%u", exchange->ask->port);
	int error = getaddrinfo(exchange->ask->host, port, &hints, &list);
	if (error)
		return exchange_fail(exchange, "%s", gai_strerror(error));
	bool connected = false;
	for (struct addrinfo *at = list; at && !connected; at = at->ai_next) {
		disconnect(exchange);
		connected = may_hear(exchange->ask, at)
				? connect_to(exchange, at->ai_addr, at->ai_addrlen)
				: exchange_fail(exchange, "the token would go there in clear; say https://, "
							  "or --plaintext where nobody reads along");
	}
	freeaddrinfo(list);
	return connected;
}

/* ---- the request ---- */

bool exchange_write(struct exchange *exchange, const void *bytes, size_t size)
{
	const char *at = bytes;
	while (size) {
		ssize_t sent = send(exchange->fd, at, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			if (!wait_for(exchange, POLLOUT))
				return false;
		} else if (sent < 0) {
			return fail_errno(exchange, errno);
		} else {
			at += sent;
			size -= (size_t)sent;
		}
	}
	return true;
}

static bool say(struct exchange *exchange, const char *text, size_t size)
{
	return exchange->tls ? exchange_seal(exchange, text, size) : exchange_write(exchange, text, size);
}

static bool send_request(struct exchange *exchange, const char *path)
{
	const struct ask *ask = exchange->ask;
	char text[4096];
	bool token = secret_is_set(&ask->token), v6 = strchr(ask->host, ':') != NULL;
	int size =
	    ask->path[0]
		? snprintf(text, sizeof text, "GET %s%s HTTP/1.1\r\nHost: localhost\r\n", ask->prefix, path)
		: snprintf(text, sizeof text, "GET %s%s HTTP/1.1\r\nHost: %s%s%s:%u\r\n", ask->prefix, path,
			   v6 ? "[" : "", ask->host, v6 ? "]" : "", ask->port);
	size += snprintf(text + size, sizeof text - (size_t)size, "%s%.*s%sConnection: close\r\n\r\n",
			 token ? "Authorization: Bearer " : "", (int)ask->token.size,
			 token ? (const char *)ask->token.bytes : "", token ? "\r\n" : "");
	bool sent = (size_t)size < sizeof text
			? say(exchange, text, (size_t)size)
			: exchange_fail(exchange, "the URL and the token are too long");
	secret_wipe(text, sizeof text);
	return sent;
}

/* ---- the answer ---- */

ssize_t exchange_read(struct exchange *exchange, uint8_t *bytes, size_t room)
{
	for (;;) {
		ssize_t size = recv(exchange->fd, bytes, room, 0);
		if (size >= 0)
			return size;
		if (errno != EAGAIN) {
			fail_errno(exchange, errno);
			return -1;
		}
		if (!wait_for(exchange, POLLIN))
			return -1;
	}
}

bool exchange_reserve(struct exchange *exchange, size_t size)
{
	size_t room = exchange->room ? exchange->room : 16 * 1024;
	while (room - exchange->size <= size)
		room *= 2;
	if (room == exchange->room)
		return true;
	if (exchange->size + size > ASK_BODY_MAX)
		return exchange_fail(exchange, "the answer is too long");
	uint8_t *bytes = realloc(exchange->bytes, room);
	if (!bytes)
		return exchange_fail(exchange, "out of memory");
	exchange->bytes = bytes;
	exchange->room = room;
	return true;
}

/* At least one more byte; false: the end, or reported (`*failed`). */
static bool receive(struct exchange *exchange, bool *failed)
{
	ssize_t size = -1;
	if (exchange->tls)
		size = exchange_unseal(exchange);
	else if (exchange_reserve(exchange, 1))
		size = exchange_read(exchange, exchange->bytes + exchange->size,
				     exchange->room - exchange->size - 1);
	*failed = size < 0;
	exchange->size += size > 0 ? (size_t)size : 0;
	return size > 0;
}

/* The length that the head tells; SIZE_MAX: up to the end of the connection. False: reported. */
static bool body_size(struct exchange *exchange, const struct head *head, size_t *size)
{
	struct slice field = http1_field(head, "Content-Length");
	*size = SIZE_MAX;
	if (http1_field(head, "Transfer-Encoding").size)
		return exchange_fail(exchange, "the answer comes in a form that is not read here");
	if (!field.at)
		return true;
	*size = 0;
	for (size_t i = 0; i < field.size; i++) {
		if (field.at[i] < '0' || field.at[i] > '9' || *size > ASK_BODY_MAX)
			return exchange_fail(exchange, "the answer has no proper length");
		*size = *size * 10 + (size_t)(field.at[i] - '0');
	}
	return true;
}

static bool receive_answer(struct exchange *exchange, struct answer *answer)
{
	struct head head;
	const char *fault = "";
	size_t used = 0, size = 0;
	unsigned refused;
	bool failed = false, more = true;
	enum status status = STATUS_MORE;
	while (status == STATUS_MORE && more) {
		more = receive(exchange, &failed);
		if (failed)
			return false;
		status = http1_parse_head((struct slice){exchange->bytes, exchange->size}, &head, &used,
					  &refused, &fault);
	}
	if (status == STATUS_MORE && !exchange->size)
		return exchange_fail(exchange, "it hung up without an answer%s",
				     exchange->tls ? "" : "; if TLS is spoken there, say https://");
	if (status != STATUS_OK || !head.status)
		return exchange_fail(exchange, "what answers there does not speak HTTP/1.1");
	answer->status = head.status;
	if (!body_size(exchange, &head, &size))
		return false;
	while (more && (size == SIZE_MAX || exchange->size < used + size))
		more = receive(exchange, &failed);
	if (failed)
		return false;
	if (size != SIZE_MAX && exchange->size < used + size)
		return exchange_fail(exchange, "the answer ends too early");
	answer->size = size == SIZE_MAX ? exchange->size - used : size;
	memmove(exchange->bytes, exchange->bytes + used, answer->size);
	exchange->bytes[answer->size] = 0;
	answer->body = (char *)exchange->bytes;
	return true;
}

static bool meet(struct exchange *exchange)
{
	bool met = exchange->ask->path[0] ? connect_unix(exchange) : connect_tcp(exchange);
	return met && (!exchange->ask->https || exchange_secure(exchange));
}

bool ask_get(const struct ask *ask, const char *path, struct answer *answer, char why[ASK_WHY_SIZE])
{
	struct exchange exchange = {.ask = ask, .fd = -1, .why = why};
	clock_gettime(CLOCK_MONOTONIC, &exchange.end);
	exchange.end.tv_sec += ASK_SECONDS;
	*answer = (struct answer){0};
	bool done = meet(&exchange) && send_request(&exchange, path) && receive_answer(&exchange, answer);
	if (done && exchange.tls)
		exchange_part(&exchange);
	if (exchange.tls)
		tls_destroy(exchange.tls);
	disconnect(&exchange);
	if (!done)
		free(exchange.bytes);
	return done;
}
