/* tls/device.h - the one crypto device that wolfSSL is given: AES-GCM by ipsec-mb, random bytes by us.
 *
 * Owner:  the process; registered before any worker starts. Thread: any, it has no mutable state of its
 *         own. It finds the key schedules of the tls at work through a pointer of the thread, which each
 *         port sets (device_enter) and clears (device_leave).
 * Never:  uses a schedule without comparing the whole key: a KeyUpdate changes the key behind our back.
 */
#ifndef TLS_DEVICE_H
#define TLS_DEVICE_H

#include "tls/tls.h"

enum {
	DEVICE_ID = 7,
	DEVICE_SCHEDULE_SIZE = 2048,
	DEVICE_GCM_SIZE = 128,
};

/* One expanded AES key; all zero: none yet. */
struct device_key {
	_Alignas(64) uint8_t schedule[DEVICE_SCHEDULE_SIZE];
	uint8_t key[32];
	uint32_t size;
};

/* Finds ipsec-mb where `crypto` allows it, checks it against known answers and registers the device. */
enum status device_start(enum tls_crypto crypto, char why[TLS_TEXT_SIZE]);
void device_stop(void);
bool device_is_fast(void);
/* "ipsec-mb 1.3.0 (AVX512)" or what is used instead. */
const char *device_text(void);

/* ---- AES-GCM in steps, for the record path; only where device_is_fast() ---- */

/* One record on its way. */
struct device_gcm {
	_Alignas(16) uint8_t state[DEVICE_GCM_SIZE];
	const struct device_key *key;
};

/* `size` is 16 or 32. */
void device_key_set(struct device_key *to, const uint8_t *key, uint32_t size);
void device_gcm_begin(struct device_gcm *gcm, const struct device_key *key, const uint8_t nonce[12],
		      struct slice added);
/* `to` may be `from`. */
void device_gcm_seal(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size);
void device_gcm_open(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size);
void device_gcm_seal_end(struct device_gcm *gcm, uint8_t tag[16]);
void device_gcm_open_end(struct device_gcm *gcm, uint8_t tag[16]);
/* Takes the same time wherever they differ. */
bool device_is_same(const uint8_t *a, const uint8_t *b, size_t size);

void device_enter(struct tls *tls);
void device_leave(void);

#endif
