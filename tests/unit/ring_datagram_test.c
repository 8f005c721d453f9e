/* tests/unit/ring_datagram_test.c - datagrams on both engines: sizes, senders, bursts, refusals, cancelling.
 */
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ring/ring_datagram.h"
#include "tests/unit/ring_traffic.h"

enum { SIZE_MAX_HERE = 65507, NOTES_MAX = 4096 };

/* A socket that receives, checks the pattern of its own size, and perhaps answers. */
struct ear {
	struct op op;
	struct world *world;
	int fd;
	uint32_t count, finals, errors, bad;
	int32_t end;
	size_t sizes[NOTES_MAX];
	struct address from;
	uint8_t last[16];
	uint32_t cancel_at;             /* after so many; 0: never */
};

static void ear_done(struct op *op, struct op_result result)
{
	struct ear *ear = OWNER(op, struct ear, op);
	assert_null(result.buf);
	assert_int_equal(ear->finals, 0);
	if (result.final) {
		assert_null(result.received);
		ear->end = result.res;
		ear->finals++;
		return;
	}
	if (!result.received) {
		assert_true(result.res < 0);
		ear->errors++;
		return;
	}
	const struct slice payload = result.received->payload;
	assert_int_equal(result.res, payload.size);
	for (size_t i = 0; i < payload.size; i++)
		ear->bad += payload.at[i] != pattern((uint32_t)payload.size, i);
	ear->from = result.received->from;
	if (payload.size)
		memcpy(ear->last, payload.at, size_min(payload.size, sizeof ear->last));
	ear->sizes[ear->count++ % NOTES_MAX] = payload.size;
	if (ear->cancel_at && ear->count == ear->cancel_at)
		ring_cancel(ear->world->ring, op);
}

static void ear_open(struct ear *ear, struct world *world, const char *text, struct address *local)
{
	struct address address;
	*ear = (struct ear){.op = {.done = ear_done}, .world = world};
	assert_true(address_parse(&address, text));
	ear->fd = ring_bind(world->ring, &address);
	assert_true(ear->fd >= 0);
	assert_int_equal(ring_local(world->ring, ear->fd, local), 0);
	assert_true(local->port > 0);
	ring_recv_from(world->ring, &ear->op, ear->fd);
}

static void ear_close(struct ear *ear)
{
	if (ear->op.submitted)
		ring_cancel(ear->world->ring, &ear->op);
	TURN_UNTIL(ear->world, ear->finals == 1);
	assert_false(ear->op.submitted);
	assert_int_equal(ear->bad, 0);
	ring_close(ear->world->ring, ear->fd, false);
}

struct mouth {
	struct op op;
	struct ring_datagram datagrams[RING_DATAGRAMS];
	uint32_t finals;
	int32_t res;
};

static void mouth_done(struct op *op, struct op_result result)
{
	struct mouth *mouth = OWNER(op, struct mouth, op);
	assert_true(result.final);
	mouth->finals++;
	mouth->res = result.res;
}

static uint8_t bytes[SIZE_MAX_HERE + 1];

/* One datagram in two parts, told by its size. */
static int32_t speak(struct world *world, int fd, const struct address *to, size_t size)
{
	static struct mouth mouth;
	mouth = (struct mouth){.op = {.done = mouth_done}};
	pattern_fill(bytes, size, (uint32_t)size, 0);
	size_t cut = size / 3;
	mouth.datagrams[0] = (struct ring_datagram){
	    .to = *to, .parts = {{bytes, cut}, {bytes + cut, size - cut}}, .count = size ? 2 : 0};
	ring_send_to(world->ring, &mouth.op, fd, mouth.datagrams, 1);
	assert_true(mouth.op.submitted);
	TURN_UNTIL(world, mouth.finals == 1);
	assert_false(mouth.op.submitted);
	return mouth.res;
}

static void all_sizes(void **state)
{
	static const size_t sizes[] = {0,     1,     2,	    3,	   100,	  512,	 1200,	1472,  1473,  4096,
				       9000,  16384, 32768, 65000, 65428, 65429, 65472, 65473, 65500,
				       SIZE_MAX_HERE};
	struct world world;
	struct ear ear;
	struct address local;
	world_init(&world, 64);
	int before = descriptors();
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		assert_int_equal(speak(&world, ear.fd, &local, sizes[i]), 1);
		TURN_UNTIL(&world, ear.count == i + 1);
		assert_int_equal(ear.sizes[i], sizes[i]);
		assert_true(address_is_equal(&ear.from, &local));
	}
	assert_int_equal(speak(&world, ear.fd, &local, SIZE_MAX_HERE + 1), 0);   /* EMSGSIZE */
	assert_int_equal(speak(&world, ear.fd, &local, 7), 1);
	TURN_UNTIL(&world, ear.count == COUNT_OF(sizes) + 1);
	assert_true(ear.op.submitted);
	ear_close(&ear);
	assert_int_equal(descriptors(), before);
	ring_rest(world.ring);
	world_fini(&world);                      /* every buffer came home */
}

/* Who sent it: over IPv4 and IPv6, to a socket of one family and to one of both. */
static void senders(void **state)
{
	static const char *const pairs[][2] = {
		{"127.0.0.1:0", "127.0.0.1:0"},
		{"[::1]:0", "[::1]:0"},
		{":0", "127.0.0.1:0"},
		{":0", "[::1]:0"},
	};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct world world;
		struct ear ear, other;
		struct address local, far;
		world_init(&world, 64);
		ear_open(&ear, &world, pairs[i][0], &local);
		ear_open(&other, &world, pairs[i][1], &far);
		struct address to = far;
		to.port = local.port;
		assert_int_equal(speak(&world, other.fd, &to, 40), 1);
		TURN_UNTIL(&world, ear.count == 1);
		assert_true(address_is_equal(&ear.from, &far));  /* IPv4 as IPv4, also at a socket of both */
		assert_int_equal(speak(&world, ear.fd, &ear.from, 41), 1);
		TURN_UNTIL(&world, other.count == 1);
		to.family = far.family;
		assert_true(address_is_equal(&other.from, &to));
		ear_close(&ear);
		ear_close(&other);
		world_fini(&world);
	}
}

/* A batch in which some cannot be sent: the others are. */
static void batch(void **state)
{
	struct world world;
	struct ear ear;
	struct address local;
	static struct mouth mouth;
	world_init(&world, 64);
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	mouth = (struct mouth){.op = {.done = mouth_done}};
	for (uint32_t i = 0; i < RING_DATAGRAMS; i++) {
		mouth.datagrams[i] = (struct ring_datagram){.to = local, .parts = {{bytes, 50}}, .count = 1};
		if (i == 0)
			mouth.datagrams[i].to = (struct address){0};
		else if (i == 5)
			address_of_literal(&mouth.datagrams[i].to, "::1", 9);
		else if (i == RING_DATAGRAMS - 1)
			mouth.datagrams[i].to.port = 0;
	}
	pattern_fill(bytes, 50, 50, 0);
	ring_send_to(world.ring, &mouth.op, ear.fd, mouth.datagrams, RING_DATAGRAMS);
	TURN_UNTIL(&world, mouth.finals == 1 && ear.count == RING_DATAGRAMS - 3);
	assert_int_equal(mouth.res, RING_DATAGRAMS - 3);
	mouth = (struct mouth){.op = {.done = mouth_done}, .datagrams[0].count = 0};
	ring_send_to(world.ring, &mouth.op, ear.fd, mouth.datagrams, 1);
	TURN_UNTIL(&world, mouth.finals == 1);
	assert_int_equal(mouth.res, 0);
	ear_close(&ear);
	world_fini(&world);
}

/* More than the engine has room for in a turn, on several sockets: all arrive, in order. */
static void bursts(void **state)
{
	enum { EARS = 3, EACH = 100 };
	struct world world;
	static struct ear ears[EARS];
	struct address locals[EARS];
	world_init(&world, 64);
	for (int i = 0; i < EARS; i++)
		ear_open(&ears[i], &world, "127.0.0.1:0", &locals[i]);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t n = 1; n <= EACH; n++) {
		pattern_fill(bytes, n, (uint32_t)n, 0);
		for (int i = 0; i < EARS; i++) {
			struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(locals[i].port),
						   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
			assert_int_equal(sendto(fd, bytes, n, 0, (struct sockaddr *)&name, sizeof name), n);
		}
	}
	TURN_UNTIL(&world, ears[0].count == EACH && ears[1].count == EACH && ears[2].count == EACH);
	for (int i = 0; i < EARS; i++) {
		for (size_t n = 0; n < EACH; n++)
			assert_int_equal(ears[i].sizes[n], n + 1);
		ear_close(&ears[i]);
	}
	close(fd);
	world_fini(&world);
}

/* Nobody listens there: the socket goes on, whatever the kernel tells it. */
static void refused(void **state)
{
	struct world world;
	struct ear ear, gone;
	struct address local, nobody;
	static const int on = 1;
	world_init(&world, 64);
	ear_open(&gone, &world, "127.0.0.1:0", &nobody);
	ear_close(&gone);
	for (int told = 0; told < 2; told++) {
		ear_open(&ear, &world, "127.0.0.1:0", &local);
		if (told)                        /* the kernel reports ICMP to this one */
			assert_int_equal(setsockopt(ear.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
		for (int i = 0; i < 5; i++)
			speak(&world, ear.fd, &nobody, 30);
		settle(&world);
		assert_true(ear.op.submitted);
		uint32_t sent = 0;
		for (int i = 0; i < 20 && !sent; i++)    /* a send may be told of an earlier refusal */
			sent = (uint32_t)speak(&world, ear.fd, &local, 31);
		TURN_UNTIL(&world, ear.count == 1);
		assert_int_equal(ear.sizes[0], 31);
		ear_close(&ear);
	}
	world_fini(&world);
}

static void cancelled(void **state)
{
	struct world world;
	struct ear ear;
	struct address local;
	world_init(&world, 64);
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	ear_close(&ear);                         /* before it was armed */
	assert_int_equal(ear.end, -ECANCELED);
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	settle(&world);
	ear_close(&ear);
	assert_int_equal(ear.end, -ECANCELED);
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	for (int i = 0; i < 40; i++)             /* while there is more */
		speak(&world, ear.fd, &local, 10);
	TURN_UNTIL(&world, ear.count == 40);
	ear.cancel_at = 43;
	for (int i = 0; i < 10; i++)
		speak(&world, ear.fd, &local, 10);
	TURN_UNTIL(&world, ear.finals == 1);
	ear_close(&ear);
	world_fini(&world);
}

static void unusual_binds(void **state)
{
	struct world world;
	struct address address, local;
	world_init(&world, 64);
	assert_int_equal(ring_bind(world.ring, &(struct address){0}), -EAFNOSUPPORT);
	assert_true(address_parse(&address, "unix:/nowhere"));
	assert_int_equal(ring_bind(world.ring, &address), -EAFNOSUPPORT);
	assert_true(address_parse(&address, "192.0.2.77:0"));
	assert_int_equal(ring_bind(world.ring, &address), -EADDRNOTAVAIL);
	assert_true(address_parse(&address, "127.0.0.1:0"));
	int fd = ring_bind(world.ring, &address);
	assert_int_equal(ring_local(world.ring, fd, &local), 0);
	assert_int_equal(ring_bind(world.ring, &local), -EADDRINUSE);
	ring_close(world.ring, fd, false);
	world_fini(&world);
}

static uint32_t always_fails(void *state) { return 1; }

static void no_memory(void **state)
{
	struct world world;
	struct ear ear;
	struct address local;
	world_init(&world, 64);
	world.bufs.fail = always_fails;
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	TURN_UNTIL(&world, ear.finals == 1);
	assert_int_equal(ear.end, -ENOMEM);
	world.bufs.fail = NULL;
	ear_close(&ear);
	ear_open(&ear, &world, "127.0.0.1:0", &local);
	assert_int_equal(speak(&world, ear.fd, &local, 9), 1);
	TURN_UNTIL(&world, ear.count == 1);
	ear_close(&ear);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sizes), cmocka_unit_test(senders),	      cmocka_unit_test(batch),
		cmocka_unit_test(bursts),    cmocka_unit_test(refused),	      cmocka_unit_test(cancelled),
		cmocka_unit_test(no_memory), cmocka_unit_test(unusual_binds),
	};
	return RUN_ON_BOTH(tests);
}
