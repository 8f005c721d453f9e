/* protocols/carriers/http2.c - one HTTP/2 stream as a stream of bytes, both roles; see http2.h.
 *
 * nghttp2 reads the frames where they lie: payload of a DATA frame is told as a piece of the input, and
 * nghttp2 pauses behind each. Its memory is the worker's, so that budgets hold: about 26 KiB a session.
 */
#include "protocols/carriers/http2.h"

#include <stdio.h>

#include "core/hub.h"

/* ---- memory ---- */

/* What nghttp2 has got, and how much it is. */
struct lump {
	_Alignas(16) size_t size;
};

static void *lump_acquire(size_t size, void *state)
{
	struct lump *lump = memory_acquire(state, sizeof *lump + size);
	if (!lump)
		return NULL;
	lump->size = size;
	return lump + 1;
}

static void lump_release(void *at, void *state)
{
	struct lump *lump = at;
	if (lump)
		memory_release(state, lump - 1, sizeof *lump + lump[-1].size);
}

static void *lump_acquire_many(size_t count, size_t size, void *state)
{
	return size && count > SIZE_MAX / 2 / size ? NULL : lump_acquire(count * size, state);
}

static void *lump_resize(void *at, size_t size, void *state)
{
	const struct lump *lump = at;
	void *larger = lump_acquire(size, state);
	if (!larger || !lump)
		return larger;
	memcpy(larger, at, size_min(size, lump[-1].size));
	lump_release(at, state);
	return larger;
}

/* ---- frames that carry nothing ---- */

void http2_calm(struct http2 *http2, uint32_t frames)
{
	http2->noise -= (uint32_t)size_min(frames, http2->noise);
}

/* One more. False: too many. */
static bool make_noise(struct session *session, struct http2 *http2)
{
	struct instant now = session->hub->now;
	int64_t ms = duration_ms(instant_since(now, http2->noise_at));
	if (ms >= 1000 / HTTP2_NOISE_PER_S) {
		int64_t frames = ms / (1000 / HTTP2_NOISE_PER_S);
		http2_calm(http2, frames < HTTP2_NOISE_MAX ? (uint32_t)frames : HTTP2_NOISE_MAX);
		http2->noise_at = now;
	}
	const char *fault = NULL;
	if (++http2->noise > HTTP2_NOISE_MAX)
		fault = "floods us with HTTP/2 frames that carry nothing";
	else if (nghttp2_session_get_outbound_queue_size(http2->nghttp2) > HTTP2_ANSWERS_MAX)
		fault = "does not read the HTTP/2 frames that it asks for";
	if (!http2->fault)
		http2->fault = fault;
	return !fault;
}

static int frame_begins(nghttp2_session *nghttp2, const nghttp2_frame_hd *head, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	if (head->type == NGHTTP2_DATA && head->length && !(head->flags & NGHTTP2_FLAG_PADDED)) {
		http2_calm(http2, 1);
		return 0;
	}
	return make_noise(session, http2) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- heads ---- */

/* The first stream is ours, all others are refused. */
static int head_begins(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	http2->headers_size = 0;
	if (!http2->stream)
		http2->stream = frame->hd.stream_id;
	if (frame->hd.stream_id == http2->stream)
		return 0;
	nghttp2_submit_rst_stream(nghttp2, 0, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int header_heard(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name,
			size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	struct slice key = {name, name_size};
	http2->headers_size += name_size + value_size + 32;
	if (http2->headers_size > HTTP2_HEADERS_MAX) {
		http2->fault = "sent an HTTP/2 head that is too big";
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (!session->client && slice_is(key, ":method"))
		text_copy(http2->method, sizeof http2->method, (struct slice){value, value_size});
	if (session->client && slice_is(key, ":status") && value_size == 3)
		http2->status = (unsigned)(value[0] - '0') * 100 + (unsigned)(value[1] - '0') * 10 +
				(unsigned)(value[2] - '0');
	return 0;
}

static void end(struct http2 *http2) { http2->ended = true; }

static void agree(struct session *session, struct http2 *http2)
{
	http2->phase = HTTP2_AGREED;
	session_carrier_agreed(session);
}

static nghttp2_nv header_of(const char *name, const char *value)
{
	return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
			    strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static const char page[] = "Not found\n";

static ssize_t read_page(nghttp2_session *nghttp2, int32_t stream, uint8_t *at, size_t size, uint32_t *flags,
			 nghttp2_data_source *source, void *state)
{
	size_t part = size_min(size, sizeof page - 1);
	memcpy(at, page, part);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)part;
}

/* Server: the request is whole. */
static int request_heard(struct session *session, struct http2 *http2)
{
	nghttp2_data_provider units = {.read_callback = http2_read_unit}, text = {.read_callback = read_page};
	if (strcmp(http2->method, "CONNECT") == 0) {
		nghttp2_nv ok = header_of(":status", "200");
		agree(session, http2);
		return nghttp2_submit_response(http2->nghttp2, http2->stream, &ok, 1, &units);
	}
	bool is_get = strcmp(http2->method, "GET") == 0, is_head = strcmp(http2->method, "HEAD") == 0;
	nghttp2_nv refusal = header_of(":status", is_get || is_head ? "404" : "405");
	http2->phase = HTTP2_REFUSED;
	http2->fault = is_get || is_head ? "asked for a page over HTTP/2 instead of a tunnel"
					 : "asked over HTTP/2 with another method than CONNECT";
	return nghttp2_submit_response(http2->nghttp2, http2->stream, &refusal, 1, is_get ? &text : NULL);
}

/* Client: one of the answers is whole. */
static void answer_heard(struct session *session, struct http2 *http2)
{
	char text[80];
	if (http2->phase != HTTP2_OPENING || http2->status / 100 == 1)
		return;
	if (http2->status == 200) {
		agree(session, http2);
		return;
	}
	snprintf(text, sizeof text, "the gateway answered CONNECT with status %u", http2->status);
	(void)session_fault(session, text);
	http2->phase = HTTP2_REFUSED;
	http2->fault = "the gateway refused CONNECT"; /* behind the status */
}

/* ---- all other frames ---- */

static void go_away_heard(struct session *session, struct http2 *http2, uint32_t code)
{
	char text[80];
	end(http2);
	if (code == NGHTTP2_NO_ERROR)
		return;
	snprintf(text, sizeof text, "the peer ended HTTP/2: %s", nghttp2_http2_strerror(code));
	(void)session_fault(session, text);
}

static int frame_heard(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	bool ours = frame->hd.stream_id == http2->stream && http2->stream;
	int status = 0;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		if (!ours)
			break;
		if (session->client)
			answer_heard(session, http2);
		else if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
			status = request_heard(session, http2);
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			end(http2);
		break;
	case NGHTTP2_DATA:
		if (ours && frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			end(http2);
		break;
	case NGHTTP2_GOAWAY:
		go_away_heard(session, http2, frame->goaway.error_code);
		break;
	}
	if (http2->backlog) /* it may be news of a window */
		session_owes(session);
	return nghttp2_is_fatal(status) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int payload_heard(nghttp2_session *nghttp2, uint8_t flags, int32_t stream, const uint8_t *at,
			 size_t size, void *state)
{
	struct http2 *http2 = http2_of(state);
	nghttp2_session_consume(nghttp2, stream, size);
	if (stream != http2->stream || http2->phase != HTTP2_AGREED)
		return 0;
	if (flags & NGHTTP2_FLAG_PADDED)
		http2_calm(http2, 2);            /* one for having been taken for empty */
	http2->payload = (struct slice){at, size};
	return NGHTTP2_ERR_PAUSE;
}

/* A stream is over: reset, or both have ended it. */
static int stream_closes(nghttp2_session *nghttp2, int32_t stream, uint32_t code, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	char text[80];
	if (stream != http2->stream)
		return 0;
	end(http2);
	http2->closed = true;
	if (code == NGHTTP2_NO_ERROR || (code == NGHTTP2_CANCEL && http2->phase == HTTP2_AGREED))
		return 0;
	snprintf(text, sizeof text, "the stream was reset: %s", nghttp2_http2_strerror(code));
	(void)session_fault(session, text);
	return 0;
}

/* The peer broke the rules; nghttp2 has the answer ready. */
static int frame_is_bad(nghttp2_session *nghttp2, const nghttp2_frame *frame, int error, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	char text[WHY_TEXT_SIZE];
	if (frame->hd.stream_id && frame->hd.stream_id != http2->stream)
		return 0;
	snprintf(text, sizeof text, "broke HTTP/2: %s", nghttp2_strerror(error));
	(void)session_fault(session, text);
	http2->fault = "broke HTTP/2";
	return 0;
}

static int frame_said(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *state)
{
	struct session *session = state;
	struct http2 *http2 = http2_of(session);
	uint32_t code = NGHTTP2_NO_ERROR;
	char text[80];
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		http2->goaway_said = true;
		code = frame->goaway.error_code;
	} else if (frame->hd.type == NGHTTP2_RST_STREAM && frame->hd.stream_id == http2->stream) {
		code = frame->rst_stream.error_code;
	}
	if (code == NGHTTP2_NO_ERROR || session->state != SESSION_OPEN)
		return 0;
	snprintf(text, sizeof text, "broke HTTP/2: %s", nghttp2_http2_strerror(code));
	(void)session_fault(session, text);
	http2->fault = "broke HTTP/2";
	return 0;
}

/* ---- begin and end ---- */

static int make(struct session *session, struct http2 *http2)
{
	nghttp2_session_callbacks *calls = NULL;
	nghttp2_option *option = NULL;
	nghttp2_mem memory = {&session->hub->memory, lump_acquire, lump_release, lump_acquire_many,
			      lump_resize};
	int error = nghttp2_option_new(&option) || nghttp2_session_callbacks_new(&calls);
	if (error)
		goto out;
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_session_callbacks_set_on_begin_frame_callback(calls, frame_begins);
	nghttp2_session_callbacks_set_on_begin_headers_callback(calls, head_begins);
	nghttp2_session_callbacks_set_on_header_callback(calls, header_heard);
	nghttp2_session_callbacks_set_on_frame_recv_callback(calls, frame_heard);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, payload_heard);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, stream_closes);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls, frame_is_bad);
	nghttp2_session_callbacks_set_on_frame_send_callback(calls, frame_said);
	nghttp2_session_callbacks_set_send_data_callback(calls, http2_say_unit);
	error = session->client
		    ? nghttp2_session_client_new3(&http2->nghttp2, calls, session, option, &memory)
		    : nghttp2_session_server_new3(&http2->nghttp2, calls, session, option, &memory);
out:
	nghttp2_session_callbacks_del(calls);
	nghttp2_option_del(option);
	return error;
}

static int say_settings(const struct session *session, struct http2 *http2)
{
	uint32_t limit = session->hub->limits->http2_window, window = limit ? limit : HTTP2_WINDOW;
	nghttp2_settings_entry entries[] = {
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP2_HEADERS_MAX},
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};
	size_t count = session->client ? 3 : 2;
	int error = nghttp2_submit_settings(http2->nghttp2, 0, entries, count);
	return error ? error : nghttp2_session_set_local_window_size(http2->nghttp2, 0, 0, (int32_t)window);
}

static int ask(const struct session *session, struct http2 *http2)
{
	nghttp2_data_provider units = {.read_callback = http2_read_unit};
	check(session->opening);
	nghttp2_nv headers[] = {header_of(":method", "CONNECT"),
				header_of(":authority", session->opening->host)};
	http2->stream = nghttp2_submit_request(http2->nghttp2, NULL, headers, 2, &units, NULL);
	return http2->stream > 0 ? 0 : http2->stream;
}

bool http2_begin(struct session *session, struct http2 *http2)
{
	int error = make(session, http2);
	if (!error)
		error = say_settings(session, http2);
	if (!error && session->client)
		error = ask(session, http2);
	if (!error)
		return true;
	nghttp2_session_del(http2->nghttp2);
	http2->nghttp2 = NULL;
	http2->stream = 0;
	return false;
}

static void http2_start(struct session *session, void *state)
{
	session_carrier_waits(session);
	(void)http2_begin(session, state); /* without memory: when it is asked to speak */
	session_owes(session);
}

static void http2_stop(struct session *session, void *state)
{
	struct http2 *http2 = state;
	http2_backlog_release(session, http2);
	nghttp2_session_del(http2->nghttp2);
}

/* ---- hearing ---- */

/* nghttp2 will not read on. The peer is told once, as far as it can be. */
static enum status fail(struct session *session, struct http2 *http2, int error)
{
	uint32_t code =
	    http2->fault || error == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
	if (error == NGHTTP2_ERR_NOMEM || (error == NGHTTP2_ERR_CALLBACK_FAILURE && !http2->fault)) {
		(void)session_fault(session, "no memory for HTTP/2");
		return STATUS_IO;
	}
	if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		http2->fault = "did not begin as HTTP/2 does";
	else if (!http2->fault)
		http2->fault = nghttp2_strerror(error);
	nghttp2_session_terminate_session(http2->nghttp2, code);
	return STATUS_PROTOCOL;
}

/* Reads until payload was heard or the input is used up. */
static enum status read_frames(struct session *session, struct http2 *http2, struct slice *input)
{
	ssize_t used = nghttp2_session_mem_recv(http2->nghttp2, input->at, input->size);
	if (used < 0)
		return fail(session, http2, (int)used);
	check((size_t)used <= input->size);
	input->at += used;
	input->size -= (size_t)used;
	return http2->fault ? STATUS_PROTOCOL : STATUS_OK;
}

/* The payload is the last of the input. Its frame is not over for nghttp2, which may see now that the stream
 * is. Then the last byte stays in the input as well, so that we are asked once more, and tell the end. */
static void end_frame(struct session *session, struct http2 *http2, struct slice *input)
{
	struct slice payload = http2->payload, nothing = *input;
	(void)read_frames(session, http2, &nothing);
	http2->payload = payload;
	if (http2->ended || http2->fault) {
		input->at--;
		input->size++;
	}
}

static enum status http2_decode(struct session *session, void *state, struct piece *input,
				struct chunk *chunk)
{
	struct http2 *http2 = state;
	enum status status = STATUS_OK;
	if (!http2->nghttp2 && !http2_begin(session, http2)) {
		(void)session_fault(session, "no memory for HTTP/2");
		return STATUS_IO;
	}
	http2->payload = (struct slice){NULL, 0};
	if (!http2->ended && !http2->fault)
		status = read_frames(session, http2, &input->bytes);
	if (http2->payload.size && !input->bytes.size)
		end_frame(session, http2, &input->bytes);
	if (nghttp2_session_want_write(http2->nghttp2))
		session_owes(session);
	if (http2->payload.size) {
		*chunk =
		    (struct chunk){.kind = CHUNK_BYTES, .last = true, .piece = {input->buf, http2->payload}};
		return STATUS_OK;
	}
	if (http2->fault || status != STATUS_OK) {
		if (http2->fault)
			(void)session_fault(session, http2->fault);
		return status == STATUS_OK ? STATUS_PROTOCOL : status;
	}
	if (!http2->ended)
		return STATUS_MORE;
	input->bytes.size = 0;
	if (http2->end_told)
		return STATUS_MORE;
	http2->end_told = true;
	*chunk = (struct chunk){.kind = CHUNK_END, .last = true};
	return STATUS_OK;
}

const struct carrier carrier_http2 = {
    .name = "http2",
    .keeps_parts = true,
    .overhead = 2 * HTTP2_HEADER_SIZE,
    .state_size = sizeof(struct http2),
    .start = http2_start,
    .decode = http2_decode,
    .seal = http2_seal,
    .owed = http2_owed,
    .finish = http2_finish,
    .stop = http2_stop,
};

const char *http2_library_version(void) { return nghttp2_version(0)->version_str; }
