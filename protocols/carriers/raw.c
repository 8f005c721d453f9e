/* protocols/carriers/raw.c - no carrier at all: a byte stream, as TCP or TLS gives it. */
#include "core/writer.h"

static enum status raw_decode(struct session *session, void *state, struct piece *input, struct chunk *chunk)
{
	if (!input->bytes.size)
		return STATUS_MORE;
	*chunk = (struct chunk){.kind = CHUNK_BYTES, .last = true, .piece = *input};
	input->bytes.at += input->bytes.size;
	input->bytes.size = 0;
	return STATUS_OK;
}

static enum status raw_seal(struct session *session, void *state, struct writer *writer)
{
	if (writer->kind == CHUNK_END)
		writer->shut = true;
	return STATUS_OK;
}

const struct carrier carrier_raw = {.name = "raw", .decode = raw_decode, .seal = raw_seal};
