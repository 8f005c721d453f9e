/* tls/library.c - the TLS library of the process: start, stop, random bytes; see tls.h. */
#include "tls/inside.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/ecc.h>

static struct tls_library_options options;
static char description[TLS_TEXT_SIZE];

static bool kernel_random(uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t got = getrandom(bytes, size, 0);
		if (got < 0 && errno != EINTR)
			return false;
		if (got > 0) {
			bytes += got;
			size -= (size_t)got;
		}
	}
	return true;
}

bool library_random(uint8_t *bytes, size_t size)
{
	if (!options.random)
		return kernel_random(bytes, size);
	options.random(options.random_state, bytes, size);
	return true;
}

uint64_t library_key_update_records(void)
{
	return options.key_update_records ? options.key_update_records : TLS_KEY_UPDATE_MAX;
}

void tls_random(uint8_t *bytes, size_t size) { check(library_random(bytes, size)); }

static enum status refuse(char why[TLS_TEXT_SIZE], const char *text)
{
	wolfSSL_Cleanup();
	options = (struct tls_library_options){.crypto = TLS_CRYPTO_AUTO};
	snprintf(why, TLS_TEXT_SIZE, "%s", text);
	return STATUS_IO;
}

enum status tls_library_start(const struct tls_library_options *given, char why[TLS_TEXT_SIZE])
{
	options = *given;
	why[0] = 0;
	if (strcmp(wolfSSL_lib_version(), LIBWOLFSSL_VERSION_STRING) != 0) {
		snprintf(why, TLS_TEXT_SIZE,
			 "built for wolfSSL %s but found %s: build again, or install that one",
			 LIBWOLFSSL_VERSION_STRING, wolfSSL_lib_version());
		return STATUS_IO;
	}
	if (wolfSSL_Init() != WOLFSSL_SUCCESS)
		return refuse(why, "wolfSSL does not start");
	if (!ticket_start())
		return refuse(why, "the kernel gives no random bytes");
	if (device_start(options.crypto, why) != STATUS_OK) {
		char reason[TLS_TEXT_SIZE];
		memcpy(reason, why, sizeof reason);
		return refuse(why, reason);
	}
	snprintf(description, sizeof description, "wolfSSL %s, AES-GCM by %s", wolfSSL_lib_version(),
		 device_text());
	return STATUS_OK;
}

void tls_library_stop(void)
{
	tls_thread_stop();
	ticket_stop();
	device_stop();
	wolfSSL_Cleanup();
	options = (struct tls_library_options){.crypto = TLS_CRYPTO_AUTO};
}

void tls_thread_stop(void)
{
	wc_ecc_fp_free();
	wolfSSL_ERR_remove_thread_state(NULL);
}

const char *tls_library_text(void) { return description; }
bool tls_library_is_fast(void) { return device_is_fast(); }
