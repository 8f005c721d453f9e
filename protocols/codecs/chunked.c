/* protocols/codecs/chunked.c - see chunked.h. */
#include "protocols/codecs/chunked.h"

#include "protocols/codecs/http1.h"

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }
static bool is_value(uint8_t byte) { return http1_is_value((struct slice){&byte, 1}); }
static bool is_token(uint8_t byte) { return http1_is_token((struct slice){&byte, 1}); }

static enum status begin(struct chunked *chunked, enum chunked_step step)
{
	chunked->step = step;
	chunked->part = CHUNKED_FRONT;
	chunked->size = 0;
	return STATUS_MORE;
}

/* A digit in front of everything else of its line. */
static enum status take_digit(struct chunked *chunked, int digit)
{
	chunked->part = CHUNKED_DIGITS;
	chunked->left = chunked->left * 16 + (uint64_t)digit;
	return chunked->left > chunked->max ? STATUS_FULL : STATUS_MORE;
}

static enum status take_size(struct chunked *chunked, uint8_t byte)
{
	int digit = hex_digit(byte);
	if (++chunked->size > CHUNKED_LINE_MAX)
		return STATUS_PROTOCOL;
	if (chunked->part == CHUNKED_CR)
		return byte != '\n' ? STATUS_PROTOCOL
				    : begin(chunked, chunked->left ? CHUNKED_PAYLOAD : CHUNKED_TRAILER);
	if (chunked->part <= CHUNKED_DIGITS && digit >= 0)
		return take_digit(chunked, digit);
	if (chunked->part == CHUNKED_FRONT)
		return STATUS_PROTOCOL;
	if (byte == '\r' && chunked->part != CHUNKED_BLANK)
		chunked->part = CHUNKED_CR;
	else if (byte == ';')
		chunked->part = CHUNKED_REST;
	else if (chunked->part != CHUNKED_REST && is_blank(byte))
		chunked->part = CHUNKED_BLANK;
	else if (chunked->part != CHUNKED_REST || !is_value(byte))
		return STATUS_PROTOCOL;
	return STATUS_MORE;
}

static enum status take_payload_end(struct chunked *chunked, uint8_t byte)
{
	if (byte != "\r\n"[chunked->size])
		return STATUS_PROTOCOL;
	return ++chunked->size == 2 ? begin(chunked, CHUNKED_SIZE) : STATUS_MORE;
}

/* DIGITS stands for the name of a field, `left` for "this line has one". */
static enum status take_trailer(struct chunked *chunked, uint8_t byte)
{
	if (++chunked->size > CHUNKED_TRAILER_MAX)
		return STATUS_FULL;
	if (chunked->part == CHUNKED_CR) {
		bool empty = !chunked->left;
		if (byte != '\n')
			return STATUS_PROTOCOL;
		chunked->left = 0;
		chunked->part = CHUNKED_FRONT;
		chunked->step = empty ? CHUNKED_OVER : CHUNKED_TRAILER;
		return empty ? STATUS_OK : STATUS_MORE;
	}
	if (byte == '\r' && chunked->part != CHUNKED_DIGITS)
		chunked->part = CHUNKED_CR;
	else if (chunked->part == CHUNKED_REST && is_value(byte))
		return STATUS_MORE;
	else if (byte == ':' && chunked->part == CHUNKED_DIGITS)
		chunked->part = CHUNKED_REST;
	else if (chunked->part <= CHUNKED_DIGITS && is_token(byte))
		chunked->part = CHUNKED_DIGITS, chunked->left = 1;
	else
		return STATUS_PROTOCOL;
	return STATUS_MORE;
}

static enum status take_framing(struct chunked *chunked, uint8_t byte)
{
	switch (chunked->step) {
	case CHUNKED_SIZE:
		return take_size(chunked, byte);
	case CHUNKED_PAYLOAD_END:
		return take_payload_end(chunked, byte);
	default:
		return take_trailer(chunked, byte);
	}
}

static void take_payload(struct chunked *chunked, struct slice *bytes, struct slice *payload)
{
	size_t size = chunked->left < bytes->size ? (size_t)chunked->left : bytes->size;
	*payload = (struct slice){bytes->at, size};
	*bytes = (struct slice){bytes->at + size, bytes->size - size};
	chunked->left -= size;
	if (!chunked->left)
		begin(chunked, CHUNKED_PAYLOAD_END);
}

enum status chunked_take(struct chunked *chunked, struct slice *bytes, struct slice *payload)
{
	enum status status = chunked->step == CHUNKED_OVER ? STATUS_OK : STATUS_MORE;
	*payload = (struct slice){bytes->at, 0};
	while (bytes->size && status == STATUS_MORE) {
		if (chunked->step == CHUNKED_PAYLOAD) {
			take_payload(chunked, bytes, payload);
			return STATUS_MORE;
		}
		status = take_framing(chunked, *bytes->at);
		*bytes = (struct slice){bytes->at + 1, bytes->size - 1};
	}
	return status;
}
