/* tls/endpoint.c - the contexts of one settings on one worker; see tls.h. */
#include "tls/inside.h"
#include "tls/x509.h"

#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/sha256.h>

#define AES_13 "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384"
#define CHACHA_13 "TLS13-CHACHA20-POLY1305-SHA256"
#define AES_12                                                                                               \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                         \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
#define CHACHA_12 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

enum { DER_SIZE_MAX = 16384, KEY_BITS_RSA_MIN = 2048, KEY_BITS_ECC_MIN = 256 };

__attribute__((format(printf, 2, 3))) static enum status refuse(char why[TLS_TEXT_SIZE], const char *format,
								...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, TLS_TEXT_SIZE, format, arguments);
	va_end(arguments);
	return STATUS_IO;
}

static enum status check_settings(const struct tls_settings *settings, char why[TLS_TEXT_SIZE])
{
	if (settings->server && (!settings->certificate.size || !settings->key.size))
		return refuse(why, "a TLS server needs a certificate and its key");
	if (!settings->certificate.size != !settings->key.size)
		return refuse(why, "a certificate and its key come together: one of the two is missing");
	if (settings->require_client_certificate && !settings->anchors.size)
		return refuse(why, "client certificates are required, but there is no CA to judge them by");
	if (settings->require_client_certificate && settings->tls12)
		return refuse(why, "client certificates need TLS 1.3: take tls_min_version \"1.2\" away");
	if (!settings->server && !settings->has_pin && !settings->anchors.size)
		return refuse(why, "nothing tells which gateway to trust: give a pin or a CA file");
	return STATUS_OK;
}

static enum status set_protocol(WOLFSSL_CTX *shared, const struct tls_settings *settings,
				char why[TLS_TEXT_SIZE])
{
	int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
	const char *ciphers =
	    tls_library_is_fast()
		? (settings->tls12 ? AES_13 ":" CHACHA_13 ":" AES_12 ":" CHACHA_12 : AES_13 ":" CHACHA_13)
		: (settings->tls12 ? CHACHA_13 ":" AES_13 ":" CHACHA_12 ":" AES_12 : CHACHA_13 ":" AES_13);

	wolfSSL_CTX_SetDevId(shared, DEVICE_ID);
	wolfSSL_CTX_set_session_cache_mode(shared, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_clear_mode(shared, SSL_MODE_AUTO_RETRY | SSL_MODE_ENABLE_PARTIAL_WRITE);
	wolfSSL_CTX_set_options(shared, WOLFSSL_OP_CIPHER_SERVER_PREFERENCE);
	wolfSSL_CTX_SetIORecv(shared, wire_recv);
	wolfSSL_CTX_SetIOSend(shared, wire_send);
	wolfSSL_CTX_set_timeout(shared, TICKET_SECONDS);
	if (wolfSSL_CTX_SetMinVersion(shared, settings->tls12 ? WOLFSSL_TLSV1_2 : WOLFSSL_TLSV1_3) !=
		WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_cipher_list(shared, ciphers) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_groups(shared, groups, COUNT_OF(groups)) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_SetMinRsaKey_Sz(shared, KEY_BITS_RSA_MIN) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_SetMinEccKey_Sz(shared, KEY_BITS_ECC_MIN) != WOLFSSL_SUCCESS)
		return refuse(why, "this wolfSSL lacks a TLS version, cipher or group that is needed");
	return STATUS_OK;
}

/* The next certificate of a PEM text: its armour, taken off the front. */
static bool next_pem(struct slice *text, struct slice *pem)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END CERTIFICATE-----";
	const uint8_t *first = text->size ? memmem(text->at, text->size, begin, sizeof begin - 1) : NULL;

	if (!first)
		return false;
	size_t left = text->size - (size_t)(first - text->at);
	const uint8_t *last = memmem(first, left, end, sizeof end - 1);
	if (!last)
		return false;
	size_t size = (size_t)(last - first) + sizeof end - 1;
	*pem = (struct slice){first, size};
	*text = (struct slice){first + size, left - size};
	return true;
}

/* A certificate that may sign others goes to wolfSSL; each is remembered as what a peer may show itself. */
static int load_anchor(struct tls_endpoint *endpoint, struct slice pem, int *last_error)
{
	uint8_t *der = malloc(DER_SIZE_MAX);
	struct x509_view view;
	int loaded = 0;

	if (!der)
		return 0;
	int size = wc_CertPemToDer(pem.at, (int)pem.size, der, DER_SIZE_MAX, CERT_TYPE);
	if (size > 0 && x509_view(&view, (struct slice){der, (size_t)size})) {
		wc_Sha256Hash(der, (word32)size, endpoint->anchors[endpoint->anchor_count]);
		int result = view.is_ca ? wolfSSL_CTX_load_verify_buffer(endpoint->shared, der, size,
									 WOLFSSL_FILETYPE_ASN1)
					: WOLFSSL_SUCCESS;
		if (result == WOLFSSL_SUCCESS)
			loaded = 1;
		else
			*last_error = result;
	}
	free(der);
	return loaded;
}

/* The only function that loads trust. wolfSSL 5.5.4 files every CA also as a "trusted peer", which it
 * recognises by its signature bytes alone: a forged clone of the CA would be let in, so these are forgotten
 * at the end. */
static enum status set_anchors(struct tls_endpoint *endpoint, char why[TLS_TEXT_SIZE])
{
	struct slice text = endpoint->settings->anchors, pem;
	int last_error = 0;
	size_t count = 0;

	for (struct slice rest = text; next_pem(&rest, &pem);)
		count++;
	if (!text.size)
		return STATUS_OK;
	if (!count)
		return refuse(why, "anchors: no PEM certificate in it");
	endpoint->anchors = calloc(count, PIN_SIZE);
	if (!endpoint->anchors)
		return refuse(why, "anchors: no memory");
	for (struct slice rest = text; next_pem(&rest, &pem);)
		endpoint->anchor_count += (size_t)load_anchor(endpoint, pem, &last_error);
	if (wolfSSL_CTX_Unload_trust_peers(endpoint->shared) != WOLFSSL_SUCCESS)
		return refuse(why, "anchors: wolfSSL does not forget its trusted peers");
	if (!endpoint->anchor_count)
		return refuse(why,
			      "anchors: none of the %zu certificates is usable (wolfSSL %d); they may have "
			      "expired, or this "
			      "machine's clock is wrong",
			      count, last_error);
	return STATUS_OK;
}

static void set_verification(struct tls_endpoint *endpoint)
{
	const struct tls_settings *settings = endpoint->settings;
	int mode = WOLFSSL_VERIFY_NONE;

	if (!settings->server)
		mode = WOLFSSL_VERIFY_PEER;
	else if (settings->require_client_certificate)
		mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	wolfSSL_CTX_set_verify(endpoint->shared, mode, mode == WOLFSSL_VERIFY_NONE ? NULL : verify_peer);
}

static void add_digest(wc_Sha256 *sha, const void *bytes, size_t size)
{
	uint8_t length[4];

	put32(length, (uint32_t)size);
	wc_Sha256Update(sha, length, sizeof length);
	if (size)
		wc_Sha256Update(sha, bytes, (word32)size);
}

/* A ticket is as good as the handshake it came from, so it opens only under the very same settings. Where
 * clients must show certificates there are none: each connection shows it anew. */
static void set_tickets(struct tls_endpoint *endpoint)
{
	const struct tls_settings *settings = endpoint->settings;
	uint8_t binding[TICKET_SECRET_SIZE],
	    flags[2] = {settings->tls12, settings->require_client_certificate};
	wc_Sha256 sha;

	if (!settings->server) {
		wolfSSL_CTX_UseSessionTicket(endpoint->shared);
		return;
	}
	wc_InitSha256(&sha);
	add_digest(&sha, flags, sizeof flags);
	add_digest(&sha, settings->certificate.at, settings->certificate.size);
	add_digest(&sha, settings->anchors.at, settings->anchors.size);
	wc_Sha256Final(&sha, binding);
	wc_Sha256Free(&sha);
	ticket_keys_init(&endpoint->tickets, binding);
	wolfSSL_CTX_set_TicketEncCb(endpoint->shared, ticket_seal_or_open);
	wolfSSL_CTX_set_TicketEncCtx(endpoint->shared,
				     settings->require_client_certificate ? NULL : &endpoint->tickets);
	wolfSSL_CTX_set_TicketHint(endpoint->shared, TICKET_SECONDS);
	if (settings->require_client_certificate)
		wolfSSL_CTX_no_ticket_TLSv13(endpoint->shared);
}

/* Our order of preference, not the client's. */
static int choose_alpn(WOLFSSL *ssl, const unsigned char **out, unsigned char *out_size,
		       const unsigned char *offered, unsigned size, void *owner)
{
	const struct tls_settings *settings = ((const struct tls_endpoint *)owner)->settings;

	for (int i = 0; i < TLS_ALPN_MAX && settings->alpn[i]; i++) {
		size_t length = strlen(settings->alpn[i]);
		for (unsigned at = 0; at < size && at + offered[at] < size; at += 1u + offered[at]) {
			if (offered[at] != length || memcmp(offered + at + 1, settings->alpn[i], length) != 0)
				continue;
			*out = offered + at + 1;
			*out_size = offered[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static enum status set_up(struct tls_endpoint *endpoint, char why[TLS_TEXT_SIZE])
{
	const struct tls_settings *settings = endpoint->settings;

	endpoint->shared =
	    wolfSSL_CTX_new(settings->server ? wolfSSLv23_server_method() : wolfSSLv23_client_method());
	if (!endpoint->shared)
		return refuse(why, "no memory for TLS");
	if (set_protocol(endpoint->shared, settings, why) != STATUS_OK ||
	    identity_load(endpoint->shared, settings, why) != STATUS_OK ||
	    set_anchors(endpoint, why) != STATUS_OK)
		return STATUS_IO;
	set_verification(endpoint);
	names_set(endpoint);
	set_tickets(endpoint);
	if (settings->server && settings->alpn[0])
		wolfSSL_CTX_set_alpn_select_cb(endpoint->shared, choose_alpn, endpoint);
	return STATUS_OK;
}

struct tls_endpoint *tls_endpoint_create(const struct tls_settings *settings, char why[TLS_TEXT_SIZE])
{
	why[0] = 0;
	if (check_settings(settings, why) != STATUS_OK)
		return NULL;
	struct tls_endpoint *endpoint = calloc(1, sizeof *endpoint);
	if (!endpoint) {
		refuse(why, "no memory for TLS");
		return NULL;
	}
	endpoint->settings = settings;
	if (set_up(endpoint, why) != STATUS_OK) {
		tls_endpoint_destroy(endpoint);
		endpoint = NULL;
	}
	wolfSSL_ERR_clear_error();
	return endpoint;
}

void tls_endpoint_destroy(struct tls_endpoint *endpoint)
{
	if (!endpoint)
		return;
	if (endpoint->session)
		wolfSSL_SESSION_free(endpoint->session);
	if (endpoint->shared)
		wolfSSL_CTX_free(endpoint->shared);
	ticket_keys_fini(&endpoint->tickets);
	free(endpoint->anchors);
	free(endpoint);
}
