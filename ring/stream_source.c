/* ring/stream_source.c - whose an accepted connection is: by its socket, or as a trusted proxy says it. */
#include "core/detect.h"
#include "ring/process.h"
#include "ring/stream.h"

bool welcome_trusts(const struct welcome *welcome, const struct address *peer)
{
	const struct voucher *voucher = welcome->voucher;
	const struct source_rules *rules = &welcome->sources;
	return voucher && cidrs_have(voucher->trusted, voucher->trusted_count, peer) &&
	       !cidrs_have(rules->deny, rules->deny_count, peer);
}

bool welcome_lets_in(const struct welcome *welcome, const struct address *source)
{
	const struct source_rules *rules = &welcome->sources;
	if (cidrs_have(rules->deny, rules->deny_count, source))
		return false;
	return !rules->allow_count || cidrs_have(rules->allow, rules->allow_count, source);
}

/* All that was received, in one slab of its size: a header that comes in pieces holds no receive buffers.
 * False: no memory. */
static bool gather(struct stream *stream)
{
	struct bufpool *bufs = &stream->worker->hub.bufs;
	struct buf *all = buf_acquire(bufs, stream->in.bytes), *buf;
	if (!all)
		return false;
	while ((buf = bufqueue_pull(&stream->in))) {
		size_t size = buf->used - buf->start;
		memcpy(all->bytes + all->used, buf->bytes + buf->start, size);
		all->used += (uint32_t)size;
		buf_unref(buf);
	}
	bufpool_copied(bufs, all->used);
	bufqueue_push(&stream->in, all);
	return true;
}

static void refuse_source(struct stream *stream, enum reason reason, const char *text)
{
	hub_count(&stream->worker->hub, COUNTER_connections_refused_source, 1);
	stream_log_refusal(stream, reason, text);
	stream_terminate(stream, true);
}

/* The header is read: from here on the connection is the source's. */
static void source_known(struct stream *stream, const struct address *source)
{
	struct worker *worker = stream->worker;
	const struct welcome *welcome = stream->welcome;
	uint32_t max = worker->hub.limits->connections_per_source;
	if (source->family != ADDRESS_NONE) {
		stream->peer = *source;
		if (!welcome_lets_in(welcome, source)) {
			refuse_source(stream, REASON_FORBIDDEN, "not by gateway.sources");
			return;
		}
		stream->guarded = welcome->guarded && sources_enter(worker->process->sources, source, max);
		if (welcome->guarded && !stream->guarded) {
			refuse_source(stream, REASON_LIMIT, "limits.connections_per_source");
			return;
		}
	}
	stream_begin(stream);
	if (stream->in.count || stream->in_ended)
		stream_process(stream);
}

void stream_read_source(struct stream *stream)
{
	struct address source = {0};
	const char *fault = NULL;
	size_t used = 0;
	enum status status = STATUS_MORE;
	if (stream->in.count > 1 && !gather(stream)) {
		stream_fail(stream, REASON_MEMORY, NULL);
		return;
	}
	const struct buf *first = stream->in.first;
	if (first)
		status = stream->welcome->voucher->read(
		    (struct slice){first->bytes + first->start, first->used - first->start}, &source, &used,
		    &fault);
	if (status == STATUS_OK) {
		bufqueue_ate(&stream->in, used);
		source_known(stream, &source);
	} else if (status != STATUS_MORE) {
		stream_fail(stream, REASON_PROTOCOL, fault);
	} else if (stream->in_ended) {
		stream_fail(stream, REASON_LOST, "closed before its PROXY header was complete");
	} else if (first && first->size >= BUF_RECEIVE_SIZE && !gather(stream)) {
		stream_fail(stream, REASON_MEMORY, NULL);
	}
}
