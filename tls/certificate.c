/* tls/certificate.c - makes a self-signed certificate, and speaks of pins; see tls.h. */
#include "tls/inside.h"
#include "tls/x509.h"

#include <stdio.h>
#include <time.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/sha256.h>

enum {
	DER_SIZE_MAX = 3000,
	KEY_DER_SIZE_MAX = 256,
	NAMES_SIZE_MAX = 2000,
	COMMON_NAME_MAX = 63,
	SERIAL_SIZE = 16,
	NAME_DNS = 0x82,
	NAME_ADDRESS = 0x87,
	DER_SEQUENCE = 0x30,
	DER_UTC_TIME = 0x17,
	DER_TIME = 0x18,
};

enum status tls_pin_of_pem(struct slice pem, uint8_t pin[PIN_SIZE])
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	uint8_t der[16384];
	const uint8_t *first = pem.size ? memmem(pem.at, pem.size, begin, sizeof begin - 1) : NULL;

	if (!first)
		return STATUS_IO;
	int size =
	    wc_CertPemToDer(first, (int)(pem.size - (size_t)(first - pem.at)), der, sizeof der, CERT_TYPE);
	wolfSSL_ERR_clear_error();
	if (size <= 0 || wc_Sha256Hash(der, (word32)size, pin) != 0)
		return STATUS_IO;
	return STATUS_OK;
}

/* ---- a new certificate ---- */

/* All names as one GeneralNames element; 0 when they do not fit or one is too long. */
static int encode_names(const char *const *hosts, size_t count, uint8_t *out, size_t size)
{
	uint8_t names[NAMES_SIZE_MAX], address[16];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t address_size = x509_address_of(hosts[i], address);
		size_t length = address_size ? address_size : strlen(hosts[i]);
		if (length < 1 || length > 127 || used + length + 2 > sizeof names)
			return 0;
		names[used++] = address_size ? NAME_ADDRESS : NAME_DNS;
		names[used++] = (uint8_t)length;
		memcpy(names + used, address_size ? address : (const uint8_t *)hosts[i], length);
		used += length;
	}
	if (!used || used + 4 > size)
		return 0;
	out[0] = DER_SEQUENCE;
	out[1] = 0x82;
	put16(out + 2, (uint16_t)used);
	size_t header = 4;
	if (used < 128) {
		out[1] = (uint8_t)used;
		header = 2;
	} else if (used < 256) {
		out[1] = 0x81;
		out[2] = (uint8_t)used;
		header = 3;
	}
	memcpy(out + header, names, used);
	return (int)(header + used);
}

/* An ASN.1 time with its tag: two-digit years until 2049, as the standard wants it. */
static int encode_time(int64_t unix_seconds, uint8_t out[24])
{
	time_t seconds = (time_t)unix_seconds;
	struct tm parts;

	if (!gmtime_r(&seconds, &parts) || parts.tm_year < 70 || parts.tm_year > 8099)
		return 0;
	bool is_short = parts.tm_year < 150;
	size_t length = strftime((char *)out + 2, 22, is_short ? "%y%m%d%H%M%SZ" : "%Y%m%d%H%M%SZ", &parts);
	out[0] = is_short ? DER_UTC_TIME : DER_TIME;
	out[1] = (uint8_t)length;
	return (int)length + 2;
}

static bool describe(Cert *draft, const char *const *hosts, size_t count, int64_t now_unix, unsigned days)
{
	if (wc_InitCert(draft) != 0)
		return false;
	text_copy(draft->subject.commonName, COMMON_NAME_MAX, slice_of(hosts[0]));
	draft->selfSigned = 1;
	draft->isCA = 0;
	draft->basicConstSet = 1;
	draft->sigType = CTC_SHA256wECDSA;
	draft->altNamesSz = encode_names(hosts, count, draft->altNames, sizeof draft->altNames);
	draft->beforeDateSz = encode_time(now_unix - 3600, draft->beforeDate);
	draft->afterDateSz = encode_time(now_unix + (int64_t)days * 86400, draft->afterDate);
	draft->serialSz = SERIAL_SIZE;
	if (!library_random(draft->serial, SERIAL_SIZE))
		return false;
	draft->serial[0] = (uint8_t)((draft->serial[0] & 0x7f) | 0x40);
	return draft->altNamesSz && draft->beforeDateSz && draft->afterDateSz &&
	       wc_SetKeyUsage(draft, "digitalSignature") == 0 && wc_SetExtKeyUsage(draft, "serverAuth") == 0;
}

static bool write_pem(const uint8_t *der, int size, char *pem, size_t pem_size, int type)
{
	int length = size > 0 ? wc_DerToPem(der, (word32)size, (byte *)pem, (word32)pem_size - 1, type) : 0;

	pem[length > 0 ? length : 0] = 0;
	return length > 0;
}

static bool sign(struct tls_certificate *certificate, Cert *draft, ecc_key *key, WC_RNG *rng)
{
	uint8_t der[DER_SIZE_MAX], key_der[KEY_DER_SIZE_MAX], pin[PIN_SIZE];

	if (wc_MakeCert(draft, der, sizeof der, NULL, key, rng) < 0)
		return false;
	int size = wc_SignCert(draft->bodySz, draft->sigType, der, sizeof der, NULL, key, rng);
	int key_size = wc_EccKeyToDer(key, key_der, sizeof key_der);
	bool good =
	    write_pem(der, size, certificate->certificate, sizeof certificate->certificate, CERT_TYPE) &&
	    write_pem(key_der, key_size, certificate->key, sizeof certificate->key, ECC_PRIVATEKEY_TYPE);
	explicit_bzero(key_der, sizeof key_der);
	if (!good || wc_Sha256Hash(der, (word32)size, pin) != 0)
		return false;
	pin_format(pin, certificate->pin);
	return true;
}

static bool make(struct tls_certificate *certificate, Cert *draft)
{
	ecc_key key;
	WC_RNG rng;

	if (wc_InitRng_ex(&rng, NULL, DEVICE_ID) != 0)
		return false;
	bool good = wc_ecc_init_ex(&key, NULL, INVALID_DEVID) == 0;
	if (good) {
		good = wc_ecc_make_key_ex(&rng, 32, &key, ECC_SECP256R1) == 0 &&
		       sign(certificate, draft, &key, &rng);
		wc_ecc_free(&key);
	}
	wc_FreeRng(&rng);
	return good;
}

enum status tls_certificate_make(struct tls_certificate *certificate, const char *const *hosts,
				 size_t host_count, int64_t now_unix, unsigned days, char why[TLS_TEXT_SIZE])
{
	Cert *draft = wc_CertNew(NULL);

	why[0] = 0;
	*certificate = (struct tls_certificate){.pin = ""};
	if (!draft) {
		snprintf(why, TLS_TEXT_SIZE, "no memory for a certificate");
		return STATUS_IO;
	}
	bool described = host_count && describe(draft, hosts, host_count, now_unix, days);
	bool made = described && make(certificate, draft);
	wc_CertFree(draft);
	wolfSSL_ERR_clear_error();
	if (!described)
		snprintf(why, TLS_TEXT_SIZE,
			 "no certificate can be made for these hosts and dates: one to about a hundred names "
			 "of at most 127 characters are needed, and a clock that is right");
	else if (!made)
		snprintf(why, TLS_TEXT_SIZE, "wolfSSL could not make the certificate");
	return made ? STATUS_OK : STATUS_IO;
}
