/* core/writer.c - a gather list with messages; see writer.h. */
#include "core/writer.h"

#include "core/session.h"

void writer_init(struct writer *writer, struct session *session, struct bufpool *bufs, size_t budget)
{
	writer->session = session;
	writer->bufs = bufs;
	writer->count = 0;
	writer->bytes = 0;
	writer->budget = budget;
	writer->slab = NULL;
	writer->shut = writer->open = writer->overflow = writer->starved = false;
	writer->frame = NULL;
}

void writer_fini(struct writer *writer)
{
	check(!writer->open);
	while (writer->count)
		buf_unref(writer->parts[--writer->count].piece.buf);
	buf_unref(writer->slab);
	writer->slab = NULL;
}

/* Where bytes go that will be rolled back anyway. */
static _Thread_local uint8_t nowhere[WRITER_SLAB];

static void writer_start(struct writer *writer, enum chunk_kind kind, const struct head *head)
{
	check(!writer->open);
	writer->open = true;
	writer->overflow = writer->cut = false;
	writer->kind = kind;
	writer->head = head;
	writer->mark_count = writer->count;
	writer->mark_bytes = writer->bytes;
	writer->frame = NULL;
	size_t room = writer->session->carrier->frame_room;
	if (room)
		writer->frame = writer_room(writer, room);
}

void writer_begin(struct writer *writer, enum chunk_kind kind) { writer_start(writer, kind, NULL); }
void writer_begin_head(struct writer *writer, const struct head *head)
{
	writer_start(writer, CHUNK_HEAD, head);
}

static struct part *next_part(struct writer *writer)
{
	if (writer->count == WRITER_PARTS) {
		writer->overflow = true;
		return NULL;
	}
	return &writer->parts[writer->count++];
}

/* The last part of the open message when the slab can go on behind it. */
static struct part *tail_part(struct writer *writer)
{
	if (writer->count == writer->mark_count)
		return NULL;
	struct part *part = &writer->parts[writer->count - 1];
	bool ends_slab = part->piece.buf == writer->slab && part->piece.bytes.at + part->piece.bytes.size ==
								writer->slab->bytes + writer->slab->used;
	bool is_frame = writer->frame && writer->count == writer->mark_count + 1;
	return ends_slab && !is_frame && !writer->cut ? part : NULL;
}

uint8_t *writer_room(struct writer *writer, size_t size)
{
	check(writer->open && size <= WRITER_SLAB);
	if (writer->overflow)
		return nowhere;
	if (!writer->slab || writer->slab->size - writer->slab->used < size) {
		buf_unref(writer->slab);
		writer->slab = buf_acquire(writer->bufs, WRITER_SLAB);
		if (!writer->slab) {
			writer->overflow = writer->starved = true;
			return nowhere;
		}
	}
	uint8_t *at = writer->slab->bytes + writer->slab->used;
	struct part *part = tail_part(writer);
	if (part) {
		part->piece.bytes.size += size;
	} else {
		if (!(part = next_part(writer)))
			return nowhere;
		*part = (struct part){.piece = {buf_ref(writer->slab), {at, size}}, .cut = writer->cut};
	}
	writer->cut = false;
	writer->slab->used += (uint32_t)size;
	writer->bytes += size;
	return at;
}

void writer_shrink(struct writer *writer, size_t unused)
{
	if (writer->overflow)
		return;
	struct part *part = &writer->parts[writer->count - 1];
	check(writer->count > writer->mark_count && part->piece.bytes.size >= unused);
	part->piece.bytes.size -= unused;
	writer->slab->used -= (uint32_t)unused;
	writer->bytes -= unused;
}

void writer_cut(struct writer *writer) { writer->cut = writer->session->carrier->keeps_parts; }

void writer_copy(struct writer *writer, struct slice bytes)
{
	while (bytes.size && !writer->overflow) {
		size_t room = writer->slab ? writer->slab->size - writer->slab->used : 0;
		size_t size = size_min(bytes.size, room ? room : WRITER_SLAB);
		memcpy(writer_room(writer, size), bytes.at, size);
		bytes.at += size;
		bytes.size -= size;
	}
}

void writer_piece(struct writer *writer, struct piece piece)
{
	check(writer->open);
	if (!piece.bytes.size || writer->overflow)
		return;
	if (!piece.buf || piece.bytes.size <= WRITER_COPY_MAX) {
		bufpool_copied(writer->bufs, piece.bytes.size);
		writer_copy(writer, piece.bytes);
		return;
	}
	struct part *part = next_part(writer);
	if (!part)
		return;
	*part = (struct part){.piece = {buf_ref(piece.buf), piece.bytes}, .cut = writer->cut};
	writer->cut = false;
	writer->bytes += piece.bytes.size;
}

void writer_pieces(struct writer *writer, const struct piece *pieces, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		writer_piece(writer, pieces[i]);
}

size_t writer_message_size(const struct writer *writer)
{
	return writer->bytes - writer->mark_bytes -
	       (writer->frame ? writer->session->carrier->frame_room : 0);
}

static void roll_back(struct writer *writer)
{
	while (writer->count > writer->mark_count)
		buf_unref(writer->parts[--writer->count].piece.buf);
	writer->bytes = writer->mark_bytes;
}

void writer_drop(struct writer *writer)
{
	roll_back(writer);
	writer->frame = NULL;
}

/* Takes a part out of the list. */
static void part_remove(struct writer *writer, struct part *part)
{
	buf_unref(part->piece.buf);
	writer->count--;
	memmove(part, part + 1, (size_t)(writer->parts + writer->count - part) * sizeof *part);
}

void writer_frame_end(struct writer *writer, size_t size)
{
	size_t unused = writer->session->carrier->frame_room - size;
	struct part *part = &writer->parts[writer->mark_count];
	struct piece *frame = &part->piece, *next = &part[1].piece;
	check(writer->frame && frame->bytes.at == writer->frame && frame->bytes.size == size + unused);
	writer->frame = NULL;
	writer->bytes -= unused;
	frame->bytes = (struct slice){frame->bytes.at + unused, size};
	bool has_next = part + 1 < writer->parts + writer->count;
	if (!size) {
		part_remove(writer, part);
	} else if (has_next && next->buf == frame->buf && next->bytes.at == frame->bytes.at + size) {
		next->bytes = (struct slice){frame->bytes.at, size + next->bytes.size};
		part_remove(writer, part);       /* one part of what lies side by side */
	}
}

enum status writer_end(struct writer *writer)
{
	check(writer->open);
	struct session *session = writer->session;
	bool says = writer->kind == CHUNK_HEAD || writer->kind == CHUNK_END || writer->kind == CHUNK_PING ||
		    writer->kind == CHUNK_PONG || writer_message_size(writer) > 0 || writer->overflow;
	if (says && !writer->overflow &&
	    session->carrier->seal(session, session->carrier_state, writer) != STATUS_OK)
		writer->overflow = true;
	writer->open = false;
	if (writer->overflow || !says) {
		roll_back(writer);
		return writer->overflow ? STATUS_FULL : STATUS_OK;
	}
	if (writer->count > writer->mark_count)
		writer->parts[writer->count - 1].last = true;
	return STATUS_OK;
}
