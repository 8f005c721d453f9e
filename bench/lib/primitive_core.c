/* bench/lib/primitive_core.c - frames, the writer, buffers, and a whole relay without a kernel; see
 * primitive.h.
 */
#include "bench/lib/primitive.h"
#include "protocols/codecs/yamux.h"
#include "tests/unit/wire_world.h"

enum {
	BODY_SIZE = YAMUX_SEND_MAX,
	WSS_SIZE = BODY_SIZE - 8,    /* with the frame's header in front: one record each */
	HTTP2_SIZE = BODY_SIZE - 18,
	SMALL_SIZE = 64,
	SLAB_SIZE = 4096,
	RELAY_ROUNDS = 64,
	BUFFERS = 64,
};

static bool open_nothing(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE]) { return true; }
static void close_nothing(const struct primitive *primitive) {}

/* ---- frames ---- */

static int64_t encode_frames(const struct primitive *primitive, uint32_t *count)
{
	uint8_t bytes[YAMUX_HEADER_SIZE];
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++) {
		yamux_encode(bytes, YAMUX_DATA, 0, 2 * i + 1, BODY_SIZE);
		primitive_keep(bytes);
	}
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

/* As the wire does: read, then judged. */
static int64_t decode_frames(const struct primitive *primitive, uint32_t *count)
{
	uint8_t bytes[YAMUX_HEADER_SIZE];
	struct yamux_reader reader = {0};

	yamux_encode(bytes, YAMUX_DATA, 0, 1, BODY_SIZE);
	int64_t begin = primitive_cpu_ns();
	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++) {
		struct slice input = {bytes, sizeof bytes};
		struct yamux_header header;
		primitive_keep(bytes);
		check(yamux_read(&reader, &input, &header) && yamux_fault(&header) == NULL);
		primitive_keep(&header);
	}
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

/* ---- the writer and buffers ---- */

static struct bufpool pool, abroad;
static struct session session;
static struct writer gather;
static struct buf *body;

static enum status seal_nothing(struct session *self, void *state, struct writer *at) { return STATUS_OK; }

static bool open_pool(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	static const struct carrier bare = {.name = "bare", .seal = seal_nothing};

	bufpool_init(&pool, BUFFERS, 64 << 20);
	bufpool_init(&abroad, BUFFERS, 64 << 20);
	session.carrier = &bare;
	body = buf_receive(&pool);
	check(body != NULL);
	memset(body->bytes, 1, body->size);
	return true;
}

static void close_pool(const struct primitive *primitive)
{
	buf_unref(body);
	bufpool_fini(&pool);
	bufpool_fini(&abroad);
}

/* Messages of a header and a body, as a link's pump says them, until the writer is full; then all is let go,
 * as behind a send. */
static int64_t write_messages(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	*count = 0;
	for (uint32_t i = 0; i < PRIMITIVE_LOOP / 8; i++) {
		writer_init(&gather, &session, &pool, 8 * (size_t)BODY_SIZE);
		for (uint32_t message = 0; message < 8; message++) {
			writer_begin(&gather, CHUNK_BYTES);
			yamux_encode(writer_room(&gather, YAMUX_HEADER_SIZE), YAMUX_DATA, 0, 1,
				     primitive->size);
			writer_piece(&gather, (struct piece){body, {body->bytes, primitive->size}});
			check(writer_end(&gather) == STATUS_OK);
			++*count;
		}
		writer_fini(&gather);
	}
	return primitive_cpu_ns() - begin;
}

static int64_t receive_buffers(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++)
		buf_unref(buf_receive(&pool));
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

static int64_t acquire_slabs(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++)
		buf_unref(buf_acquire(&pool, SLAB_SIZE));
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

/* The part of a ferry without its ring: lent, let go abroad, home again. */
static int64_t lend_buffers(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < PRIMITIVE_LOOP; i++) {
		struct buf *loan = buf_loan(&abroad, buf_ref(body));
		check(loan != NULL);
		buf_unref(loan);
		abroad.returns = loan->next;
		buf_loan_return(loan);
	}
	*count = PRIMITIVE_LOOP;
	return primitive_cpu_ns() - begin;
}

/* ---- a relay: user, gateway, client, service ---- */

static struct session *user, *service;

/* What it says goes as it is to the other one, or nowhere. */
static void pass(struct session *from, struct session *to)
{
	link_remove(&from->writable_link);
	writer_init(&gather, from, &world.hub.bufs, 8 * (size_t)BODY_SIZE);
	session_pump(from, &gather);
	for (uint32_t i = 0; to != NULL && i < gather.count; i++) {
		check(session_wants_input(to));
		buf_ref(gather.parts[i].piece.buf);
		session_input(to, gather.parts[i].piece);
		world_drain();
	}
	writer_fini(&gather);
	world_drain();
}

static bool open_relay(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	static const struct opening opening = {.host = "localhost", .path = "/"};

	world_init(1);
	world.options.carrier = primitive->carrier;
	for (int side = 0; side < 2; side++) {
		world.script[side].credentials =
		    (struct credentials){.secret = slice_of("secret"), .features = FEATURE_OURS};
		world.options.client = side == CLIENT;
		world.link[side] = session_create(&world.hub, &world.options);
		check(world.link[side] != NULL);
		world.link[side]->opening = side == CLIENT ? &opening : NULL;
		session_open(world.link[side]);
	}
	world_turns(10, true);
	struct conn *conn = world_ask(SERVER, "", 80);
	world_turns(10, true);
	check(conn->session != NULL && conn->peer != NULL && conn->peer->session != NULL);
	user = conn->session;
	service = conn->peer->session;
	return true;
}

static void close_relay(const struct primitive *primitive) { world_close(); }

static int64_t relay_bodies(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < RELAY_ROUNDS; i++) {
		struct buf *buf = buf_receive(&world.hub.bufs);
		check(buf != NULL && session_wants_input(user));
		buf->used = primitive->size;
		session_input(user, (struct piece){buf, {buf->bytes, primitive->size}});
		world_drain();
		pass(world.link[SERVER], world.link[CLIENT]);
		pass(service, NULL);
		if (session_has_output(world.link[CLIENT]))
			pass(world.link[CLIENT], world.link[SERVER]);
	}
	*count = RELAY_ROUNDS;
	return primitive_cpu_ns() - begin;
}

#define ALONE(name_, batch_)                                                                                 \
	{                                                                                                    \
		.name = (name_), .open = open_nothing, .batch = (batch_), .close = close_nothing             \
	}
#define POOLED(name_, size_, batch_)                                                                         \
	{                                                                                                    \
		.name = (name_), .size = (size_), .open = open_pool, .batch = (batch_), .close = close_pool  \
	}
#define RELAY(name_, size_, carrier_)                                                                        \
	{                                                                                                    \
		.name = (name_), .size = (size_), .carrier = (carrier_), .open = open_relay,                 \
		.batch = relay_bodies, .close = close_relay                                                  \
	}

static const struct primitive all[] = {
    ALONE("frame-encode", encode_frames),
    ALONE("frame-decode", decode_frames),
    POOLED("writer-16372", BODY_SIZE, write_messages),
    POOLED("writer-64", SMALL_SIZE, write_messages),
    POOLED("buffer-receive", 0, receive_buffers),
    POOLED("buffer-slab", 0, acquire_slabs),
    POOLED("buffer-loan", 0, lend_buffers),
    RELAY("relay-16372", BODY_SIZE, &carrier_raw),
    RELAY("relay-64", SMALL_SIZE, &carrier_raw),
    RELAY("relay-wss-16364", WSS_SIZE, &carrier_websocket_bytes),
    RELAY("relay-wss-64", SMALL_SIZE, &carrier_websocket_bytes),
    RELAY("relay-http2-16354", HTTP2_SIZE, &carrier_http2),
    RELAY("relay-http2-64", SMALL_SIZE, &carrier_http2),
};

const struct primitive_set primitives_core = {all, COUNT_OF(all)};
