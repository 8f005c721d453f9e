/* ring/introduction.c - see introduction.h. */
#include "ring/introduction.h"

#include "core/secret.h"

static void join(struct introduction *introduction)
{
	if (introduction->over && !introduction->send.submitted && !introduction->recv.submitted)
		introduction->done(introduction, introduction->done_state);
}

/* The dial may be gone from here on. What is being said to a proxy that has agreed must all leave. */
static void end(struct introduction *introduction, enum reason reason, const char *text)
{
	struct ring *ring = introduction->worker->ring;
	introduction->over = true;
	introduction->reason = reason;
	introduction->dial = NULL;
	text_copy(introduction->text, sizeof introduction->text, slice_of(text));
	if (introduction->recv.submitted)
		ring_cancel(ring, &introduction->recv);
	if (reason != REASON_OK && introduction->send.submitted)
		ring_cancel(ring, &introduction->send);
}

static void speak(struct introduction *introduction)
{
	const struct dial *dial = introduction->dial;
	if (introduction->send.submitted)
		return;
	size_t size = dial->dialogue->say(introduction->state, dial->via, dial->host, dial->port,
					  introduction->bytes);
	introduction->vector = (struct iovec){introduction->bytes, size};
	if (size)
		ring_send(introduction->worker->ring, &introduction->send, introduction->fd,
			  &introduction->vector, 1);
}

static void send_done(struct op *op, struct op_result result)
{
	struct introduction *introduction = OWNER(op, struct introduction, send);
	if (!introduction->over) {
		if (result.res < 0)
			end(introduction, REASON_LOST, "the proxy has closed the connection");
		else
			speak(introduction);
	}
	join(introduction);
}

static void hear(struct introduction *introduction, struct buf *buf)
{
	const struct dial *dial = introduction->dial;
	struct slice bytes = {buf->bytes + buf->start, buf->used - buf->start};
	enum reason reason = REASON_OK;
	char text[DIALOGUE_TEXT_SIZE] = "";
	size_t used = 0;
	enum status status =
	    dial->dialogue->hear(introduction->state, dial->via, bytes, &used, &reason, text);
	if (status == STATUS_OK && used < bytes.size) {
		buf->start += (uint32_t)used;
		bufqueue_push(&introduction->ahead, buf);
	} else {
		buf_unref(buf);
	}
	if (status == STATUS_MORE)
		speak(introduction);
	else
		end(introduction, reason, text);
}

static void recv_done(struct op *op, struct op_result result)
{
	struct introduction *introduction = OWNER(op, struct introduction, recv);
	bool bytes = result.buf && result.res > 0;
	bool agreed = introduction->over && introduction->reason == REASON_OK;
	if (bytes && agreed)
		bufqueue_push(&introduction->ahead, result.buf);
	else if (bytes && !introduction->over)
		hear(introduction, result.buf);
	else
		buf_unref(result.buf);
	if (result.final && !introduction->over) {
		if (result.res > 0)              /* a multishot that ended without a reason */
			ring_recv(introduction->worker->ring, &introduction->recv, introduction->fd);
		else
			end(introduction, REASON_LOST, "the proxy closed the connection without an answer");
	}
	join(introduction);
}

struct introduction *introduction_create(struct worker *worker, const struct dial *dial, int fd,
					 void (*done)(struct introduction *introduction, void *state),
					 void *done_state)
{
	struct introduction *introduction = memory_acquire(&worker->hub.memory, sizeof *introduction);
	if (!introduction)
		return NULL;
	introduction->worker = worker;
	introduction->dial = dial;
	introduction->fd = fd;
	introduction->send.done = send_done;
	introduction->recv.done = recv_done;
	introduction->done = done;
	introduction->done_state = done_state;
	ring_recv(worker->ring, &introduction->recv, fd);
	speak(introduction);
	if (!introduction->send.submitted)
		end(introduction, REASON_NAME, "the proxy cannot be told where to");
	return introduction;
}

void introduction_cancel(struct introduction *introduction, enum reason reason)
{
	if (introduction->over)
		return;
	end(introduction, reason, reason_text(reason));
	join(introduction);
}

void introduction_destroy(struct introduction *introduction)
{
	bufqueue_drop(&introduction->ahead);
	secret_wipe(introduction->bytes, sizeof introduction->bytes);    /* it may be a password */
	memory_release(&introduction->worker->hub.memory, introduction, sizeof *introduction);
}
