/* tls/failure.c - the first failure of a tls, in words that tell a person what to do; see inside.h. */
#include "tls/inside.h"

#include <stdarg.h>
#include <stdio.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

struct alert {
	int code;
	enum reason reason;
	const char *name;
	const char *advice;
};

static const struct alert alerts[] = {
    {10, REASON_TLS, "unexpected_message", "the two ends disagree about the protocol"},
    {20, REASON_TLS, "bad_record_mac", "bytes were altered on the way"},
    {22, REASON_TLS, "record_overflow", "bytes were altered on the way"},
    {40, REASON_TLS, "handshake_failure",
     "no TLS version, cipher or key type in common; "
     "tls_min_version \"1.2\" would allow older peers"},
    {42, REASON_CERTIFICATE, "bad_certificate",
     "the peer refuses our certificate: compare its pin or trust file"},
    {43, REASON_CERTIFICATE, "unsupported_certificate", "the peer cannot use our certificate's type"},
    {44, REASON_CERTIFICATE, "certificate_revoked", "our certificate was revoked"},
    {45, REASON_CERTIFICATE, "certificate_expired", "renew our certificate, or set the peer's clock"},
    {46, REASON_CERTIFICATE, "certificate_unknown",
     "the peer refuses our certificate: compare its pin or trust file"},
    {47, REASON_TLS, "illegal_parameter", "the two ends disagree about the protocol"},
    {48, REASON_CERTIFICATE, "unknown_ca",
     "the peer does not trust our certificate's issuer: give it our CA"},
    {49, REASON_CERTIFICATE, "access_denied", "the peer does not let this certificate in"},
    {50, REASON_TLS, "decode_error", "the two ends disagree about the protocol"},
    {51, REASON_TLS, "decrypt_error", "a signature or key of the handshake does not fit"},
    {70, REASON_TLS, "protocol_version",
     "no TLS version in common: update the peer, or set "
     "tls_min_version \"1.2\" here"},
    {71, REASON_TLS, "insufficient_security", "the peer wants stronger ciphers or keys"},
    {80, REASON_TLS, "internal_error", "the reason is in the peer's log"},
    {86, REASON_TLS, "inappropriate_fallback", "the peer offers a newer TLS version"},
    {90, REASON_TLS, "user_canceled", "the peer gave up"},
    {109, REASON_TLS, "missing_extension", "the two ends disagree about the protocol"},
    {112, REASON_CERTIFICATE, "unrecognized_name",
     "the peer does not serve the host name that we dial, or wants one where we dial an address"},
    {116, REASON_CERTIFICATE, "certificate_required", "the peer wants a client certificate: configure one"},
    {120, REASON_TLS, "no_application_protocol",
     "no ALPN protocol in common: compare the transports of both ends"},
};

void tls_fail(struct tls *tls, enum reason reason, const char *format, ...)
{
	va_list arguments;

	if (tls->state == TLS_FAILED)
		return;
	tls->state = TLS_FAILED;
	tls->reason = reason;
	va_start(arguments, format);
	vsnprintf(tls->text, sizeof tls->text, format, arguments);
	va_end(arguments);
}

static void fail_alert(struct tls *tls)
{
	WOLFSSL_ALERT_HISTORY history;

	memset(&history, 0, sizeof history);
	wolfSSL_get_alert_history(tls->ssl, &history);
	for (size_t i = 0; i < COUNT_OF(alerts); i++) {
		if (alerts[i].code == history.last_rx.code) {
			tls_fail(tls, alerts[i].reason, "the peer ended TLS with the alert %s: %s",
				 alerts[i].name, alerts[i].advice);
			return;
		}
	}
	tls_fail(tls, REASON_TLS, "the peer ended TLS with alert %d", history.last_rx.code);
}

static void fail_version(struct tls *tls)
{
	const char *floor = tls->endpoint->settings->tls12 ? "1.2" : "1.3";
	static const char *const names[] = {"SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2"};
	const char *name = tls->peer_major == 3 && tls->peer_minor < COUNT_OF(names) ? names[tls->peer_minor]
										     : "an older TLS";
	tls_fail(tls, REASON_TLS, "the peer speaks %s, this end at least TLS %s: %s", name, floor,
		 tls->peer_minor == 3 ? "update the peer, or set tls_min_version to \"1.2\" here"
				      : "update the peer; TLS 1.0 and 1.1 are never accepted");
}

void tls_fail_library(struct tls *tls, int error)
{
	switch (error) {
	case MEMORY_E:
	case MEMORY_ERROR:
		tls_fail(tls, REASON_MEMORY, "no memory for TLS");
		return;
	case FATAL_ERROR:
		fail_alert(tls);
		return;
	case VERSION_ERROR:
		fail_version(tls);
		return;
	case NO_PEER_CERT:
		tls_fail(tls, REASON_CERTIFICATE,
			 "the peer showed no certificate, and one is required: "
			 "configure client_cert and client_key there");
		return;
	case MATCH_SUITE_ERROR:
	case ECC_CURVETYPE_ERROR:
		tls_fail(tls, REASON_TLS,
			 "no cipher or key exchange in common: ECDHE with AES-GCM or "
			 "ChaCha20-Poly1305 is needed");
		return;
	case UNKNOWN_ALPN_PROTOCOL_NAME_E:
		tls_fail(tls, REASON_TLS,
			 "the peer offers no application protocol (ALPN) that is spoken here: "
			 "compare the transports of both ends");
		return;
	case VERIFY_MAC_ERROR:
	case DECRYPT_ERROR:
	case AES_GCM_AUTH_E:
		tls_fail(tls, REASON_TLS,
			 "a record does not open: bytes were altered, lost or inserted on the way");
		return;
	case VERIFY_SIGN_ERROR:
	case VERIFY_CERT_ERROR:
	case SIG_VERIFY_E:
		tls_fail(tls, REASON_CERTIFICATE,
			 "the peer does not hold the key of the certificate that it showed");
		return;
	default:
		tls_fail(tls, REASON_TLS, "TLS failed: %s (wolfSSL %d)",
			 wolfSSL_ERR_reason_error_string((unsigned long)(error < 0 ? -(long)error : error)),
			 error);
	}
}
