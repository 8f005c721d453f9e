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

void device_enter(struct tls *tls);
void device_leave(void);

#endif
