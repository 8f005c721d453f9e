/* tests/sim/words.c - see words.h. */
#include "tests/sim/words.h"

#include <stdio.h>

#include "tests/sim/peer_inside.h"
#include "tests/sim/tally.h"

enum { AUTHORITY_SIZE = 40, V2_FRONT = 16, METHOD_MAX = 4 };

static const char end_of_head[] = "\r\n\r\n";
static const char answer_head[] = "HTTP/1.1 200 OK\r\n\r\n";

/* ---- users of an HTTP proxy ---- */

static void write_authority(char text[AUTHORITY_SIZE], struct address target, bool by_name)
{
	snprintf(text, AUTHORITY_SIZE, by_name ? "host%u.example:%u" : "10.0.%u.1:%u", target.bytes[2],
		 target.port);
}

static bool begins(const uint8_t *bytes, const char *words)
{
	return memcmp(bytes, words, strlen(words)) == 0;
}

static bool tunnel_agrees(const uint8_t *answer) { return begins(answer, "HTTP/1.1 200 "); }

static bool answer_agrees(const uint8_t *answer)
{
	return begins(answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

static bool mute_agrees(const uint8_t *answer) { return begins(answer, "HTTP/1.1 502 "); }

static void await(struct talk *talk, const char *words, bool (*agrees)(const uint8_t *answer))
{
	talk->user.answer.size = (uint16_t)strlen(words);
	talk->agrees = agrees;
}

void http_tunnel(struct talk *talk, struct address target, bool by_name)
{
	struct words *front = &talk->user.front;
	char authority[AUTHORITY_SIZE];
	write_authority(authority, target, by_name);
	front->size = (uint16_t)snprintf((char *)front->bytes, sizeof front->bytes,
					 "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority, authority);
	check(front->size < sizeof front->bytes);
	await(talk, "HTTP/1.1 200 Connection Established\r\n\r\n", tunnel_agrees);
}

void http_ask(struct talk *talk, struct address target, bool by_name)
{
	struct words *front = &talk->user.front;
	char authority[AUTHORITY_SIZE], path[2 * TALK_HEADER + 1], length[40] = "";
	write_authority(authority, target, by_name);
	talk->asks = true;
	talk->mute = talk->down == 0 && talk->origin_kind == ORIGIN_POLITE && sim_below(2);
	if (talk->mute)
		tally(TALLY_answers_missing);
	for (size_t i = 0; i < TALK_HEADER; i++)
		snprintf(path + 2 * i, 3, "%02x", talk->user.header[i]);
	if (talk->up)
		snprintf(length, sizeof length, "Content-Length: %llu\r\n", (unsigned long long)talk->up);
	front->size = (uint16_t)snprintf((char *)front->bytes, sizeof front->bytes,
					 "%s http://%s/%s HTTP/1.1\r\nHost: %s\r\n%s\r\n",
					 talk->up ? "POST" : "GET", authority, path, authority, length);
	check(front->size < sizeof front->bytes);
	talk->user.sent = TALK_HEADER;           /* it is in the path */
	if (talk->mute)
		await(talk, "HTTP/1.1 502 ", mute_agrees);
	else
		await(talk, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", answer_agrees);
}

/* ---- origins: the head of a request ---- */

static unsigned digit_of(uint8_t byte)
{
	return byte >= 'a' ? byte - 'a' + 10u : byte - (unsigned)'0';
}

static void head_heard(struct peer *origin, const struct words *words)
{
	const char *head = (const char *)words->bytes, *path = memchr(head, '/', words->size);
	size_t left = path ? words->size - (size_t)(path - head) : 0;
	if (left < 1 + 2 * TALK_HEADER || !memmem(head, words->size, "\r\nHost: ", 8) ||
	    !memmem(head, words->size, "\r\nConnection: close\r\n", 21))
		sim_fail("an origin got a damaged head: %.*s", (int)words->size, head);
	for (size_t i = 0; i < TALK_HEADER; i++)
		origin->header[i] = (uint8_t)(digit_of((uint8_t)path[1 + 2 * i]) << 4 |
					      digit_of((uint8_t)path[2 + 2 * i]));
	origin->received = TALK_HEADER;
	const struct talk *talk = talk_meet(origin);
	if (!talk->asks)
		sim_fail("talk %u came to its origin as a request, which it is not", talk->id);
	if (talk->mute)
		return;
	origin->front.size = sizeof answer_head - 1;
	memcpy(origin->front.bytes, answer_head, sizeof answer_head - 1);
}

/* ---- origins: a PROXY header ---- */

/* The user's address, where the gateway has told it. */
static bool source_is_possible(const char *text)
{
	unsigned host;
	return sscanf(text, "PROXY TCP4 10.0.%u.1 ", &host) == 1 && host > 1 && host < NET_HOSTS_MAX;
}

static bool proxy_is_over(const struct words *words)
{
	const uint8_t *bytes = words->bytes;
	if (bytes[0] == 'P')
		return words->size >= 2 && bytes[words->size - 1] == '\n';
	return words->size >= V2_FRONT && words->size == V2_FRONT + (bytes[14] << 8 | bytes[15]);
}

static void proxy_heard(const struct words *words)
{
	static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";
	const uint8_t *bytes = words->bytes;
	char line[WORDS_MAX + 1];
	tally(TALLY_proxy_headers_read);
	if (bytes[0] == 'P') {
		memcpy(line, bytes, words->size);
		line[words->size] = 0;
		if (strcmp(line, "PROXY UNKNOWN\r\n") != 0 && !source_is_possible(line))
			sim_fail("an origin got a PROXY header of nobody: %s", line);
		return;
	}
	bool told = bytes[12] == 0x21 && bytes[V2_FRONT] == 10 && bytes[V2_FRONT + 1] == 0;
	if (memcmp(bytes, signature, sizeof signature - 1) != 0 || (!told && bytes[12] != 0x20))
		sim_fail("an origin got a damaged PROXY header");
}

/* ---- origins: both ---- */

/* A header of a talk begins with a zero, and nothing of this does. True: it is one, or the talk is known. */
static bool is_over(struct peer *origin, uint8_t next)
{
	return origin->talk || (origin->answer.size == 0 && next == 0);
}

static void hear_byte(struct peer *origin, uint8_t byte)
{
	struct words *words = &origin->answer;
	if (words->size == WORDS_MAX)
		sim_fail("an origin got words without an end: %.*s", WORDS_MAX, words->bytes);
	words->bytes[words->size++] = byte;
	bool request = words->bytes[0] == 'G' || (words->size > 1 && words->bytes[1] == 'O');
	size_t end = sizeof end_of_head - 1;
	if (request && words->size > end && memcmp(words->bytes + words->size - end, end_of_head, end) == 0)
		head_heard(origin, words);
	else if (request || !proxy_is_over(words))
		return;
	else
		proxy_heard(words);
	words->size = 0;
}

size_t prelude_hear(struct peer *origin, const uint8_t *bytes, size_t size)
{
	size_t taken = 0;
	if (origin->received)                    /* of the talk's header, which is behind all this */
		return 0;
	while (taken < size && !is_over(origin, bytes[taken]))
		hear_byte(origin, bytes[taken++]);
	return taken;
}
