/* bench/lib/primitive_codec.c - what WebSockets cost: masks, UTF-8, base64, frames; see primitive.h. */
#include "bench/lib/primitive.h"
#include "core/hub.h"
#include "core/writer.h"
#include "protocols/carriers/websocket.h"

enum { BODY_SIZE = 65472, SMALL_SIZE = 64, TEXT_SIZE = BODY_SIZE / 3 * 4, LOOP = 100 };

static uint8_t bytes[BODY_SIZE + 8], encoded[TEXT_SIZE + 8];
static const uint8_t key[WEBSOCKET_KEY_SIZE] = {0x37, 0xfa, 0x21, 0x3d};

static bool open_bytes(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)('a' + i * 7 % 26);
	base64_encode((struct slice){bytes, primitive->size}, (char *)encoded);
	return true;
}

static void close_bytes(const struct primitive *primitive) {}

/* Payload begins anywhere in a receive buffer. */
static int64_t unmask(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < LOOP; i++) {
		unsigned phase = websocket_mask(bytes + 6, primitive->size, key, i);
		primitive_keep(&phase);
	}
	*count = LOOP;
	return primitive_cpu_ns() - begin;
}

static int64_t judge_text(const struct primitive *primitive, uint32_t *count)
{
	struct utf8 utf8 = {0};
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < LOOP; i++)
		check(utf8_take(&utf8, (struct slice){bytes, primitive->size}));
	*count = LOOP;
	return primitive_cpu_ns() - begin;
}

static int64_t encode_base64(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < LOOP; i++) {
		base64_encode((struct slice){bytes, primitive->size}, (char *)encoded);
		primitive_keep(encoded);
	}
	*count = LOOP;
	return primitive_cpu_ns() - begin;
}

static int64_t decode_base64(const struct primitive *primitive, uint32_t *count)
{
	size_t size;
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < LOOP; i++)
		check(base64_decode((struct slice){encoded, BASE64_SIZE(primitive->size)}, bytes,
				    sizeof bytes, &size));
	*count = LOOP;
	return primitive_cpu_ns() - begin;
}

/* ---- a message from a client to a server ---- */

static struct limits limits;
static struct hub hub;
static struct session *ends[2];
static struct writer gather;
static struct buf *body;

static enum status hear_nothing(struct session *session, void *state, const struct chunk *chunk, size_t *used)
{
	*used = chunk->piece.bytes.size;
	return STATUS_OK;
}

static enum status say_nothing(struct session *session, void *state, const struct event *event,
			       struct writer *writer)
{
	return STATUS_OK;
}

static const struct wire deaf = {.name = "deaf", .decode = hear_nothing, .encode = say_nothing};

/* What `from` has in the gather list is heard by the other one, where it lies. */
static void pass(struct session *to)
{
	for (uint32_t i = 0; i < gather.count; i++) {
		buf_ref(gather.parts[i].piece.buf);
		session_input(to, gather.parts[i].piece);
	}
	writer_fini(&gather);
}

static void say_head(struct session *from, struct session *to, const struct head *head)
{
	writer_init(&gather, from, &hub.bufs, BODY_SIZE);
	writer_begin_head(&gather, head);
	check(writer_end(&gather) == STATUS_OK);
	pass(to);
}

static bool open_ends(const struct primitive *primitive, char why[PRIMITIVE_TEXT_SIZE])
{
	limits = LIMITS_DEFAULT;
	hub_init(&hub, 0, 1, &limits, (struct instant){1});
	for (int client = 0; client < 2; client++) {
		ends[client] =
		    session_create(&hub, &(struct session_options){
					     .wire = &deaf, .carrier = &carrier_websocket, .client = client});
		check(ends[client] != NULL);
		session_open(ends[client]);
	}
	say_head(ends[1], ends[0],
		 &(struct head){.method = slice_of("GET"),
				.path = slice_of("/"),
				.fields = {{slice_of("Host"), slice_of("h")}},
				.field_count = 1});
	say_head(ends[0], ends[1], &(struct head){.status = 101});
	body = buf_acquire(&hub.bufs, BODY_SIZE);
	check(body != NULL && ends[0]->state == SESSION_OPEN && ends[1]->state == SESSION_OPEN);
	memset(body->bytes, 1, BODY_SIZE);
	return true;
}

static void close_ends(const struct primitive *primitive)
{
	buf_unref(body);
	for (int client = 0; client < 2; client++) {
		session_end(ends[client], REASON_STOPPING, NULL, false);
		list_pull(&hub.ended);
		session_destroy(ends[client]);
	}
	hub_fini(&hub);
}

static int64_t carry_messages(const struct primitive *primitive, uint32_t *count)
{
	int64_t begin = primitive_cpu_ns();

	for (uint32_t i = 0; i < LOOP; i++) {
		writer_init(&gather, ends[1], &hub.bufs, 4 * BODY_SIZE);
		writer_begin(&gather, CHUNK_BINARY);
		writer_piece(&gather, (struct piece){body, {body->bytes, primitive->size}});
		check(writer_end(&gather) == STATUS_OK);
		pass(ends[0]);
	}
	*count = LOOP;
	return primitive_cpu_ns() - begin;
}

#define CODEC(name_, size_, batch_)                                                                          \
	{                                                                                                    \
		.name = (name_), .size = (size_), .touched = true, .open = open_bytes, .batch = (batch_),    \
		.close = close_bytes                                                                         \
	}
#define CARRIED(name_, size_)                                                                                \
	{                                                                                                    \
		.name = (name_), .size = (size_), .touched = true, .open = open_ends,                        \
		.batch = carry_messages, .close = close_ends                                                 \
	}

static const struct primitive all[] = {
    CODEC("unmask-65472", BODY_SIZE, unmask),
    CODEC("unmask-64", SMALL_SIZE, unmask),
    CODEC("utf8-65472", BODY_SIZE, judge_text),
    CODEC("base64-encode-65472", BODY_SIZE, encode_base64),
    CODEC("base64-decode-65472", BODY_SIZE, decode_base64),
    CARRIED("websocket-65472", BODY_SIZE),
    CARRIED("websocket-64", SMALL_SIZE),
};

const struct primitive_set primitives_codec = {all, COUNT_OF(all)};
