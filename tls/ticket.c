/* tls/ticket.c - session ticket keys; see ticket.h. */
#include "tls/ticket.h"

#include "tls/inside.h"

#include <pthread.h>
#include <time.h>

#include <wolfssl/wolfcrypt/chacha20_poly1305.h>
#include <wolfssl/wolfcrypt/sha256.h>

enum { STEPS_MAX = 200000 }; /* from 1970 to now in one go, should the clock be set late */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of process_keys; not taken by handshakes */
static struct ticket_keys process_keys;

static void digest(const char *label, const uint8_t *a, const uint8_t *b, uint8_t out[32])
{
	wc_Sha256 sha;

	wc_InitSha256(&sha);
	wc_Sha256Update(&sha, (const byte *)label, (word32)strlen(label) + 1);
	wc_Sha256Update(&sha, a, TICKET_SECRET_SIZE);
	if (b)
		wc_Sha256Update(&sha, b, TICKET_SECRET_SIZE);
	wc_Sha256Final(&sha, out);
	wc_Sha256Free(&sha);
}

/* Moves the secrets on to the epoch of now. A clock that was set back changes nothing. */
static bool advance(struct ticket_keys *keys)
{
	int64_t epoch = (int64_t)time(NULL) / TICKET_SECONDS;
	bool moved = false;

	if (epoch - keys->epoch > STEPS_MAX)
		keys->epoch = epoch - STEPS_MAX;
	for (; keys->epoch < epoch; keys->epoch++, moved = true) {
		memcpy(keys->secret[1], keys->secret[0], TICKET_SECRET_SIZE);
		digest("step", keys->secret[1], NULL, keys->secret[0]);
	}
	return moved;
}

bool ticket_start(void)
{
	process_keys = (struct ticket_keys){.epoch = (int64_t)time(NULL) / TICKET_SECONDS};
	return library_random(process_keys.secret[0], TICKET_SECRET_SIZE) &&
	       library_random(process_keys.secret[1], TICKET_SECRET_SIZE);
}

void ticket_stop(void) { explicit_bzero(&process_keys, sizeof process_keys); }

void ticket_keys_init(struct ticket_keys *keys, const uint8_t binding[TICKET_SECRET_SIZE])
{
	pthread_mutex_lock(&lock);
	advance(&process_keys);
	*keys = process_keys;
	pthread_mutex_unlock(&lock);
	memcpy(keys->binding, binding, TICKET_SECRET_SIZE);
}

void ticket_keys_fini(struct ticket_keys *keys) { explicit_bzero(keys, sizeof *keys); }

static void bring_up_to_date(struct ticket_keys *keys)
{
	if (!advance(keys))
		return;
	pthread_mutex_lock(&lock);
	advance(&process_keys);
	pthread_mutex_unlock(&lock);
}

static int seal_ticket(struct ticket_keys *keys, unsigned char *name, unsigned char *iv, unsigned char *mac,
		       unsigned char *ticket, int size)
{
	uint8_t key[32], title[32];

	digest("name", keys->secret[0], keys->binding, title);
	digest("key", keys->secret[0], keys->binding, key);
	memcpy(name, title, WOLFSSL_TICKET_NAME_SZ);
	memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
	bool good = library_random(iv, WOLFSSL_TICKET_IV_SZ) &&
		    wc_ChaCha20Poly1305_Encrypt(key, iv, name, WOLFSSL_TICKET_NAME_SZ, ticket, (word32)size,
						ticket, mac) == 0;
	explicit_bzero(key, sizeof key);
	return good ? WOLFSSL_TICKET_RET_OK : WOLFSSL_TICKET_RET_FATAL;
}

static int open_ticket(struct ticket_keys *keys, const unsigned char *name, const unsigned char *iv,
		       const unsigned char *mac, unsigned char *ticket, int size)
{
	for (int i = 0; i < 2; i++) {
		uint8_t key[32], title[32];

		digest("name", keys->secret[i], keys->binding, title);
		if (memcmp(name, title, WOLFSSL_TICKET_NAME_SZ) != 0)
			continue;
		digest("key", keys->secret[i], keys->binding, key);
		int error = wc_ChaCha20Poly1305_Decrypt(key, iv, name, WOLFSSL_TICKET_NAME_SZ, ticket,
							(word32)size, mac, ticket);
		explicit_bzero(key, sizeof key);
		return error ? WOLFSSL_TICKET_RET_REJECT : WOLFSSL_TICKET_RET_OK;
	}
	return WOLFSSL_TICKET_RET_REJECT;
}

int ticket_seal_or_open(WOLFSSL *ssl, unsigned char name[WOLFSSL_TICKET_NAME_SZ],
			unsigned char iv[WOLFSSL_TICKET_IV_SZ], unsigned char mac[WOLFSSL_TICKET_MAC_SZ],
			int seal, unsigned char *ticket, int size, int *out_size, void *owner)
{
	struct ticket_keys *keys = owner;

	if (!keys)
		return WOLFSSL_TICKET_RET_REJECT;
	bring_up_to_date(keys);
	*out_size = size;
	return seal ? seal_ticket(keys, name, iv, mac, ticket, size)
		    : open_ticket(keys, name, iv, mac, ticket, size);
}
