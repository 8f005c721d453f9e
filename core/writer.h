/* core/writer.h - a gather list with messages: what encode writes into.
 *
 * Owner:  the worker; one pump at a time. Payload is referenced, headers are copied into scratch slabs of the
 *         worker's pool, so every part names the buf that keeps it alive and the list may outlive the pump.
 * Rule:   begin .. end is one message; it is sealed by the carrier or rolled back as a whole. Nothing empty
 *         is ever said but a PING or a PONG: another empty message rolls back and answers OK.
 * Limits: WRITER_PARTS parts; `budget` bytes, which the last message may exceed.
 */
#ifndef CORE_WRITER_H
#define CORE_WRITER_H

#include "core/chunk.h"

enum {
	WRITER_PARTS = 64,
	WRITER_SLAB = 4096,
	WRITER_COPY_MAX = 512,   /* payload pieces up to this size are copied behind their header */
};

struct part {
	struct piece piece;
	bool last;               /* the last part of its message */
	bool cut;                /* it begins a unit: see writer_cut */
};

struct writer {
	struct session *session;
	struct bufpool *bufs;
	struct part parts[WRITER_PARTS];
	uint32_t count;
	size_t bytes, budget;
	struct buf *slab;        /* scratch, written up to slab->used */
	bool starved;            /* a slab could not be had: ask again when there is memory */
	bool shut;               /* END was said: nothing may follow, the stream shuts its sending side */
	/* the open message */
	bool open, overflow;
	bool cut;                /* the next byte begins a part */
	enum chunk_kind kind;
	const struct head *head;
	uint8_t *frame;          /* carrier->frame_room bytes in front of it, NULL when it wants none */
	uint32_t mark_count;
	size_t mark_bytes;
};

void writer_init(struct writer *writer, struct session *session, struct bufpool *bufs, size_t budget);
/* Gives back what was not taken out of parts, and the slab. */
void writer_fini(struct writer *writer);
static inline bool writer_is_full(const struct writer *writer) { return writer->bytes >= writer->budget; }

void writer_begin(struct writer *writer, enum chunk_kind kind);
/* Instead of begin: a HEAD message; the carrier writes it from `head`, borrowed until end. */
void writer_begin_head(struct writer *writer, const struct head *head);
/* `size` (<= WRITER_SLAB) contiguous bytes to be filled now; never NULL (after an overflow they go nowhere).
 */
uint8_t *writer_room(struct writer *writer, size_t size);
/* Gives back the end of the last room. */
void writer_shrink(struct writer *writer, size_t unused);
/* What follows is another unit of the wire's (a header ends here): carriers that keep parts never have two
 * units in one frame. */
void writer_cut(struct writer *writer);
void writer_copy(struct writer *writer, struct slice bytes);      /* any size */
void writer_piece(struct writer *writer, struct piece piece);     /* a reference; a small one is copied */
void writer_pieces(struct writer *writer, const struct piece *pieces, uint32_t count);
/* OK; FULL: too many parts or no memory, rolled back to begin. */
enum status writer_end(struct writer *writer);
/* Bytes of the open message so far, without the frame. For a carrier's seal. */
size_t writer_message_size(const struct writer *writer);
/* By a seal, once: the frame's header are its last `size` bytes; the rest of that room is not sent. */
void writer_frame_end(struct writer *writer, size_t size);
/* By a seal: nothing of the open message is said. */
void writer_drop(struct writer *writer);

#endif
