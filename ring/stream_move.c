/* ring/stream_move.c - a held conn goes to another worker: descriptor, unread bytes, and what core packed. */
#include <stdlib.h>

#include "core/moved.h"
#include "ring/process.h"
#include "ring/stream.h"

struct parcel {
	struct mail mail;
	int fd;
	bool guarded, in_ended;
	struct address peer;
	struct moved *moved;
};

/* ---- arriving ---- */

/* What the stream had read before it left, in front of what it will read here. */
static bool unread_restore(struct stream *stream, const struct moved *moved)
{
	if (!moved->unread_size)
		return true;
	struct buf *buf = buf_acquire(&stream->worker->hub.bufs, moved->unread_size);
	if (!buf)
		return false;
	memcpy(buf->bytes, moved->unread, moved->unread_size);
	bufpool_copied(buf->home, moved->unread_size);
	buf->used = (uint32_t)moved->unread_size;
	bufqueue_push(&stream->in, buf);
	return true;
}

static void arrived(struct hub *to, struct mail *mail)
{
	struct parcel *parcel = OWNER(mail, struct parcel, mail);
	struct worker *worker = worker_of(to);
	struct session *session = worker->stopping ? NULL : session_unpack(to, parcel->moved);
	struct stream *stream =
	    session ? stream_adopt(worker, parcel->fd, session, &parcel->peer, parcel->guarded) : NULL;
	if (stream) {
		stream->in_ended = parcel->in_ended;
		hub_count(to, COUNTER_moves, 1);
		if (!unread_restore(stream, parcel->moved))
			session_end(session, REASON_MEMORY, NULL, false);
	} else {
		if (session)
			session_end(session, REASON_MEMORY, NULL, false);
		if (parcel->guarded)
			sources_leave(worker->process->sources, &parcel->peer);
		ring_close(worker->ring, parcel->fd, true);
	}
	free(parcel->moved);
	mail_free(mail);
}

/* ---- leaving ---- */

/* All that was read and not yet decoded, as one slice. False: no memory. */
static bool unread_flatten(struct stream *stream, struct slice *unread, struct buf **holder)
{
	size_t size = stream->pending.bytes.size + stream->in.bytes, used = 0;
	*holder = NULL;
	*unread = (struct slice){0};
	if (!size)
		return true;
	struct buf *buf = *holder = buf_acquire(&stream->worker->hub.bufs, size);
	if (!buf)
		return false;
	used = stream->pending.bytes.size;
	if (used)
		memcpy(buf->bytes, stream->pending.bytes.at, used);
	for (struct buf *next = stream->in.first; next; next = next->next) {
		memcpy(buf->bytes + used, next->bytes + next->start, next->used - next->start);
		used += next->used - next->start;
	}
	bufpool_copied(buf->home, used);
	*unread = (struct slice){buf->bytes, used};
	return true;
}

void stream_depart(struct stream *stream)
{
	struct worker *worker = stream->worker;
	struct move *move = stream->move;
	struct session *session = stream->session;
	if (!move || !session || session->state != SESSION_OPEN || !stream_can_move(stream))
		return;
	struct slice unread;
	struct buf *holder;
	struct parcel *parcel = mail_create(sizeof *parcel);
	struct moved *moved =
	    parcel && unread_flatten(stream, &unread, &holder) ? session_pack(session, unread) : NULL;
	if (parcel)
		buf_unref(holder);
	stream->move = NULL;
	session->move = NULL;
	uint32_t to = move->worker;
	memory_release(&worker->hub.memory, move, sizeof *move);
	if (!moved) {
		if (parcel)
			mail_free(&parcel->mail);
		session_end(session, REASON_MEMORY, NULL, false);
		return;
	}
	*parcel = (struct parcel){.mail = {.deliver = arrived, .to = to},
				  .guarded = stream->guarded,
				  .in_ended = stream->in_ended,
				  .peer = stream->peer,
				  .moved = moved};
	stream->session = NULL;
	session->stream = NULL;
	parcel->fd = stream_detach(stream);
	hub_post(&worker->hub, &parcel->mail);
	session_end(session, REASON_OK, NULL, false);
}

void stream_move(struct stream *stream, struct move *move)
{
	stream->move = move;
	if (stream->recv.submitted)
		ring_cancel(stream->worker->ring, &stream->recv);
	stream_depart(stream);
}
