/* tls/x509.h - the few fields of a certificate that we judge ourselves, read straight from its DER.
 *
 * Owner: nobody; a view borrows the DER. Thread: any. Bounded, no recursion, no allocation.
 * Names are compared with the subjectAltName only, never with the subject: DNS names without regard to case,
 * with "*." standing for exactly one label in front of at least two more; addresses byte by byte. A name that
 * holds a NUL or another character that no host name has matches nothing.
 * Never: checks a signature.
 */
#ifndef TLS_X509_H
#define TLS_X509_H

#include "core/base.h"

struct x509_view {
	bool is_ca;                     /* basicConstraints says so */
	int64_t not_before, not_after;  /* seconds since 1970 */
	struct slice public_key;        /* SubjectPublicKeyInfo; its last bytes are the key itself */
	struct slice names;             /* the GeneralNames, empty when there is no subjectAltName */
};

/* False when it is no certificate that could be judged. */
bool x509_view(struct x509_view *view, struct slice der);
/* `host` is a name or an IPv4 or IPv6 literal, with or without brackets. */
bool x509_has_name(const struct x509_view *view, const char *host);
/* "gw.example, *.gw.example, 10.0.0.1" as far as they fit; "no names" when there are none. */
void x509_list_names(const struct x509_view *view, char *text, size_t size);
/* "2030-01-31 12:00 UTC" */
void x509_format_time(int64_t unix_seconds, char text[24]);
/* Is it an address literal? Its 4 or 16 bytes and their count, or 0. */
size_t x509_address_of(const char *host, uint8_t bytes[16]);

#endif
