/* bench/lib/sealer.c - see sealer.h. */
#include "bench/lib/sealer.h"

enum { TYPE_DATA = 23, TAG_SIZE = 16, NONCE_SIZE = 12 };

bool sealer_start(const char **text)
{
	static char why[TLS_TEXT_SIZE];

	*text = why;
	if (tls_library_start(&(struct tls_library_options){0}, why) != STATUS_OK)
		return false;
	*text = device_text();
	return device_is_fast();
}

void sealer_init(struct sealer *sealer)
{
	static const uint8_t key[16] = "for measurement";

	device_key_set(&sealer->key, key, sizeof(key));
	sealer->sequence = 0;
}

void sealer_vectors(uint8_t *space, struct iovec vectors[SEALER_RECORDS])
{
	for (size_t i = 0; i < SEALER_RECORDS; i++)
		vectors[i] =
		    (struct iovec){space + i * SEALER_RECORD_SIZE + SEALER_HEADER_SIZE, TLS_RECORD_MAX};
}

static void begin(struct sealer *sealer, struct device_gcm *gcm, const uint8_t *header)
{
	uint8_t nonce[NONCE_SIZE] = {0};

	put32(nonce + 4, (uint32_t)(sealer->sequence >> 32));
	put32(nonce + 8, (uint32_t)sealer->sequence);
	sealer->sequence++;
	device_gcm_begin(gcm, &sealer->key, nonce, (struct slice){header, SEALER_HEADER_SIZE});
}

size_t sealer_seal(struct sealer *sealer, uint8_t *space, size_t size)
{
	uint8_t *record = space;

	while (size > 0) {
		struct device_gcm gcm;
		size_t plain = size_min(size, TLS_RECORD_MAX), body = plain + 1;
		uint8_t *at = record + SEALER_HEADER_SIZE;

		memcpy(record, (const uint8_t[]){TYPE_DATA, 3, 3}, 3);
		put16(record + 3, (uint16_t)(body + TAG_SIZE));
		at[plain] = TYPE_DATA;
		begin(sealer, &gcm, record);
		device_gcm_seal(&gcm, at, at, body);
		device_gcm_seal_end(&gcm, at + body);
		record = at + body + TAG_SIZE;
		size -= plain;
	}
	return (size_t)(record - space);
}

bool sealer_open(struct sealer *sealer, uint8_t *bytes, size_t size, struct iovec plain[SEALER_RECORDS],
		 unsigned *count, size_t *taken)
{
	*taken = *count = 0;
	while (*count < SEALER_RECORDS && size - *taken >= SEALER_HEADER_SIZE) {
		struct device_gcm gcm;
		uint8_t *record = bytes + *taken, *at = record + SEALER_HEADER_SIZE, tag[TAG_SIZE];
		size_t payload = get16(record + 3);

		if (payload <= TAG_SIZE || payload > SEALER_RECORD_SIZE - SEALER_HEADER_SIZE)
			return false;
		if (size - *taken < SEALER_HEADER_SIZE + payload)
			break;
		size_t body = payload - TAG_SIZE;
		begin(sealer, &gcm, record);
		device_gcm_open(&gcm, at, at, body);
		device_gcm_open_end(&gcm, tag);
		if (!device_is_same(tag, at + body, TAG_SIZE) || at[body - 1] != TYPE_DATA)
			return false;
		plain[(*count)++] = (struct iovec){at, body - 1};
		*taken += SEALER_HEADER_SIZE + payload;
	}
	return true;
}
