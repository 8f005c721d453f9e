/* tls/identity.c - our own certificate and its key; see inside.h. */
#include "tls/inside.h"
#include "tls/x509.h"

#include <stdio.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>

enum { CERTIFICATE_DER_MAX = 16384, KEY_DER_MAX = 4096, POINT_MAX = 160 };

/* The public half of an elliptic curve key, as it stands at the end of a certificate's key field. */
static word32 ecc_public(const uint8_t *der, word32 size, uint8_t point[POINT_MAX])
{
	ecc_key key;
	WC_RNG rng;
	word32 at = 0, point_size = POINT_MAX;

	if (wc_ecc_init_ex(&key, NULL, INVALID_DEVID) != 0)
		return 0;
	bool good =
	    wc_EccPrivateKeyDecode(der, &at, &key, size) == 0 && wc_InitRng_ex(&rng, NULL, DEVICE_ID) == 0;
	if (good) {
		good = wc_ecc_make_pub_ex(&key, NULL, &rng) == 0 &&
		       wc_ecc_export_x963(&key, point, &point_size) == 0;
		wc_FreeRng(&rng);
	}
	wc_ecc_free(&key);
	return good ? point_size : 0;
}

static word32 ed25519_public(const uint8_t *der, word32 size, uint8_t point[POINT_MAX])
{
	ed25519_key key;
	word32 at = 0;

	if (wc_ed25519_init_ex(&key, NULL, INVALID_DEVID) != 0)
		return 0;
	bool good = wc_Ed25519PrivateKeyDecode(der, &at, &key, size) == 0 &&
		    wc_ed25519_make_public(&key, point, ED25519_PUB_KEY_SIZE) == 0;
	wc_ed25519_free(&key);
	return good ? ED25519_PUB_KEY_SIZE : 0;
}

/* wolfSSL's own comparison lets every elliptic curve key pass with every certificate of its curve. */
static bool belongs(struct slice certificate_pem, struct slice key_pem)
{
	uint8_t der[CERTIFICATE_DER_MAX], key[KEY_DER_MAX], point[POINT_MAX];
	struct x509_view view;

	int size = wc_CertPemToDer(certificate_pem.at, (int)certificate_pem.size, der, sizeof der, CERT_TYPE);
	int key_size = wc_KeyPemToDer(key_pem.at, (int)key_pem.size, key, sizeof key, NULL);
	word32 point_size = key_size > 0 ? ecc_public(key, (word32)key_size, point) : 0;
	if (!point_size && key_size > 0)
		point_size = ed25519_public(key, (word32)key_size, point);
	explicit_bzero(key, sizeof key);
	if (size <= 0 || key_size <= 0 || !x509_view(&view, (struct slice){der, (size_t)size}))
		return false;
	if (!point_size)
		return true; /* RSA, which wolfSSL has compared */
	struct slice held = view.public_key;
	return held.size > point_size && memcmp(held.at + held.size - point_size, point, point_size) == 0;
}

enum status identity_load(WOLFSSL_CTX *shared, const struct tls_settings *settings, char why[TLS_TEXT_SIZE])
{
	struct slice certificate = settings->certificate, key = settings->key;

	if (!certificate.size)
		return STATUS_OK;
	int result = wolfSSL_CTX_use_certificate_chain_buffer(shared, certificate.at, (long)certificate.size);
	if (result != WOLFSSL_SUCCESS) {
		snprintf(
		    why, TLS_TEXT_SIZE,
		    "certificate: not usable (wolfSSL %d); PEM with the leaf first is needed, with an RSA "
		    "key of 2048 bits or more, ECDSA P-256 or more, or Ed25519",
		    result);
		return STATUS_IO;
	}
	result = wolfSSL_CTX_use_PrivateKey_buffer(shared, key.at, (long)key.size, WOLFSSL_FILETYPE_PEM);
	if (result != WOLFSSL_SUCCESS) {
		snprintf(why, TLS_TEXT_SIZE,
			 "key: not usable (wolfSSL %d); an unencrypted PEM key of the certificate's type is "
			 "needed, RSA with 2048 bits or more",
			 result);
		return STATUS_IO;
	}
	if (wolfSSL_CTX_check_private_key(shared) != WOLFSSL_SUCCESS || !belongs(certificate, key)) {
		snprintf(why, TLS_TEXT_SIZE, "key: it does not belong to the certificate");
		return STATUS_IO;
	}
	return STATUS_OK;
}
