/* tls/verify.c - judges the peer's certificate and says what is wrong with it; see inside.h.
 *
 * wolfSSL checks signatures, dates and constraints of the chain. Ours are: the pin (then nothing else
 * counts), the name, and a certificate of the anchors that is the peer's own, byte for byte: it is trusted
 * whatever its CA flag says. What wolfSSL refused is never accepted but for that one case.
 */
#include "tls/inside.h"
#include "tls/x509.h"

#include <stdio.h>
#include <time.h>

#include <wolfssl/wolfcrypt/sha256.h>

static bool has_pin(struct tls *tls, const uint8_t digest[PIN_SIZE])
{
	char text[PIN_TEXT_SIZE];

	if (memcmp(digest, tls->endpoint->settings->pin, PIN_SIZE) == 0)
		return true;
	pin_format(digest, text);
	tls_fail(tls, REASON_CERTIFICATE,
		 "the peer's certificate is not the pinned one. Its pin is %s: use that if the gateway "
		 "prints it too, else somebody is in between",
		 text);
	return false;
}

static bool is_anchor(const struct tls_endpoint *endpoint, const uint8_t digest[PIN_SIZE])
{
	for (size_t i = 0; i < endpoint->anchor_count; i++)
		if (memcmp(endpoint->anchors[i], digest, PIN_SIZE) == 0)
			return true;
	return false;
}

static bool is_issuer_missing(int error)
{
	return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
	       error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

static bool is_in_time(struct tls *tls, const struct x509_view *view)
{
	int64_t now = (int64_t)time(NULL);
	char limit[24], today[24];

	if (now >= view->not_before && now <= view->not_after)
		return true;
	bool early = now < view->not_before;
	x509_format_time(early ? view->not_before : view->not_after, limit);
	x509_format_time(now, today);
	tls_fail(tls, REASON_CERTIFICATE,
		 "the peer's certificate %s %s, and here it is %s: %s, or check this machine's clock",
		 early ? "is valid from" : "expired on", limit, today, early ? "wait" : "renew it");
	return false;
}

static bool is_for_host(struct tls *tls, const struct x509_view *view)
{
	char names[100];

	if (tls->endpoint->settings->server || !tls->host[0] || x509_has_name(view, tls->host))
		return true;
	x509_list_names(view, names, sizeof names);
	tls_fail(tls, REASON_CERTIFICATE,
		 "the certificate is for %s, not for %.80s: connect by a name that it has, or add that "
		 "one to its subjectAltName",
		 names, tls->host);
	return false;
}

static void explain(struct tls *tls, int error, const struct x509_view *view,
		    const uint8_t digest[PIN_SIZE])
{
	char pin[PIN_TEXT_SIZE];

	if (!is_in_time(tls, view))
		return;
	if (is_issuer_missing(error)) {
		pin_format(digest, pin);
		tls_fail(tls, REASON_CERTIFICATE,
			 "no trust anchor signed the peer's certificate (%zu loaded): take its CA or "
			 "itself as anchor, or pin %s once you compared that",
			 tls->endpoint->anchor_count, pin);
		return;
	}
	const char *text =
	    error == X509_V_ERR_CERT_SIGNATURE_FAILURE ? "its signature is false"
	    : error == X509_V_ERR_PATH_LENGTH_EXCEEDED
		? "its chain is longer than its CA allows"
		: wolfSSL_ERR_reason_error_string((unsigned long)(error < 0 ? -(long)error : error));
	tls_fail(tls, REASON_CERTIFICATE, "the peer's certificate is refused: %s (%d)", text, error);
}

static bool judge_leaf(struct tls *tls, bool accepted, int error, struct slice der,
		       const uint8_t digest[PIN_SIZE])
{
	struct x509_view view;

	if (!x509_view(&view, der)) {
		tls_fail(tls, REASON_CERTIFICATE, "the peer's certificate cannot be read");
		return false;
	}
	if (!accepted && !(is_issuer_missing(error) && is_anchor(tls->endpoint, digest))) {
		explain(tls, error, &view, digest);
		return false;
	}
	if (!is_in_time(tls, &view) || !is_for_host(tls, &view))
		return false;
	tls->verified = true;
	return true;
}

/* Called from the top of the chain down, the peer's own certificate last (depth 0). */
int verify_peer(int accepted, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls *tls = store->userCtx;
	uint8_t digest[PIN_SIZE];

	if (!store->certs || store->totalCerts < 1 || store->error_depth >= store->totalCerts) {
		tls_fail(tls, REASON_CERTIFICATE, "the peer showed no certificate");
		return 0;
	}
	struct slice der = {store->certs[0].buffer, store->certs[0].length};
	wc_Sha256Hash(der.at, (word32)der.size, digest);
	if (tls->endpoint->settings->has_pin) {
		tls->verified = has_pin(tls, digest);
		return tls->verified;
	}
	if (store->error_depth == 0)
		return judge_leaf(tls, accepted, store->error, der, digest);
	if (!accepted)
		tls_fail(tls, REASON_CERTIFICATE,
			 "certificate %d of the peer's chain is refused (%d): it may have expired, or "
			 "the chain is in disorder",
			 store->error_depth + 1, store->error);
	return accepted;
}
