/* protocols/codecs/yamux.c - frame headers; see yamux.h. */
#include "protocols/codecs/yamux.h"

struct yamux_header yamux_decode(const uint8_t at[YAMUX_HEADER_SIZE])
{
	return (struct yamux_header){at[0], at[1], get16(at + 2), get32(at + 4), get32(at + 8)};
}

bool yamux_read(struct yamux_reader *reader, struct slice *input, struct yamux_header *header)
{
	const uint8_t *at = input->at;
	size_t taken = size_min(YAMUX_HEADER_SIZE - reader->used, input->size);
	if (taken < YAMUX_HEADER_SIZE) {
		if (taken)
			memcpy(reader->bytes + reader->used, at, taken);
		reader->used += (uint8_t)taken;
		at = reader->bytes;
	}
	input->at += taken;
	input->size -= taken;
	if (at == reader->bytes && reader->used < YAMUX_HEADER_SIZE)
		return false;
	reader->used = 0;
	*header = yamux_decode(at);
	return true;
}

const char *yamux_fault(const struct yamux_header *header)
{
	if (header->version != YAMUX_VERSION)
		return "a frame of an unknown yamux version";
	if (header->type > YAMUX_GOAWAY)
		return "a frame of an unknown yamux type";
	if (header->type == YAMUX_DATA && header->id == 0)
		return "data on yamux stream 0";
	if (header->type == YAMUX_DATA && header->length > YAMUX_WINDOW_MAX)
		return "a yamux frame larger than any window";
	if (header->type == YAMUX_WINDOW_UPDATE && header->id == 0 && header->flags & YAMUX_SYN)
		return "yamux stream 0 was opened";
	return NULL;
}
