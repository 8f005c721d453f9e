/* tls/tls.h - wolfSSL as a box with four byte ports: no sockets, no files, no clock of its own.
 *
 *   wire_in  ciphertext from the peer, whole buffers     wire_out  ciphertext for the peer, as slices
 *   plain_out  plaintext from the peer, as pieces        plain_in  plaintext for the peer, a gather list
 *
 * Owner:  the stream. Thread: the worker whose endpoint made it; a tls is never moved between workers.
 * States: HANDSHAKE -> OPEN -> CLOSED (the peer's close_notify was read) and FAILED from anywhere; the
 *         first failure sticks (tls_reason, tls_text) and after it the ports are empty, except that an
 *         alert may still leave by wire_out.
 * Limits: TLS_WIRE_OUT_MAX bytes wait in wire_out; plain_in takes nothing when a whole record would not
 *         fit. Memory of the idle: no buffer is held while nothing waits.
 * Never:  refuses wolfSSL a write after the handshake (5.5.4 loses data then); reads plaintext of a
 *         record that failed to open; shows wolfSSL a record header that no TLS peer may send.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "core/buf.h"
#include "core/instant.h"
#include "core/pin.h"
#include "core/reason.h"

enum {
	TLS_RECORD_MAX = 16384,          /* plaintext bytes of one record */
	TLS_WIRE_OUT_MAX = 256 * 1024,
	TLS_TEXT_SIZE = 256,
	TLS_ALPN_MAX = 4,
	TLS_KEY_UPDATE_MAX = 1 << 23,    /* records that one key seals; RFC 8446, 5.5 allows 2^24.5 */
	/* What one tls takes from the budget of its pool, beside buffers: with wolfSSL 5.5.4 what it has, and
	 * a little less than at the height of a handshake. */
	TLS_SERVER_MEMORY = 60 * 1024,
	TLS_CLIENT_MEMORY = 78 * 1024,
};

/* ---- the process ---- */

enum tls_crypto {
	TLS_CRYPTO_AUTO,     /* ipsec-mb where the CPU and the library have it */
	TLS_CRYPTO_LIBRARY,  /* wolfSSL's own AES: ChaCha20-Poly1305 is preferred */
};

struct tls_library_options {
	enum tls_crypto crypto;
	uint32_t key_update_records; /* that one key seals on the record path; 0: TLS_KEY_UPDATE_MAX */
	/* The simulator's generator: fills bytes reproducibly. NULL: the kernel's getrandom(). */
	void (*random)(void *state, uint8_t *bytes, size_t size);
	void *random_state;
};

/* Once, before any worker starts: the library, the one crypto device, the process-wide ticket keys.
 * STATUS_OK, or STATUS_IO with one line in `why`. */
enum status tls_library_start(const struct tls_library_options *options, char why[TLS_TEXT_SIZE]);
void tls_library_stop(void);
/* At the end of each thread that used TLS. */
void tls_thread_stop(void);
/* For doctor and the log: "wolfSSL 5.5.4, AES-GCM by ipsec-mb 1.3 (AVX512)". */
const char *tls_library_text(void);
/* AES-GCM goes through ipsec-mb; else ChaCha20-Poly1305 is offered first. */
bool tls_library_is_fast(void);

/* ---- settings and endpoints ---- */

/* Immutable after start; the bytes are borrowed and must outlive every endpoint made from it. */
struct tls_settings {
	bool server;
	bool tls12;                      /* also TLS 1.2, with ECDHE and AEAD only; else 1.3 alone */
	struct slice certificate; /* PEM chain, leaf first; server: required, client: for gateways that ask */
	struct slice key;                /* PEM */
	struct slice anchors; /* PEM bundle that the peer's chain must end in; client without pin: required */
	bool require_client_certificate; /* server: anchors judge the clients; needs 1.3 */
	bool has_pin;                    /* client: the leaf must have this digest, nothing else is checked */
	uint8_t pin[PIN_SIZE];
	const char
	    *alpn[TLS_ALPN_MAX]; /* NULL-ended, in our order of preference (server) or as offered (client) */
	bool library_records;            /* bulk records through wolfSSL, too: for tests and comparison */
	const char *const *server_names; /* server: what a client may ask for (SNI): exact in any case, or
					  * "*.x" for one label before x; others get unrecognized_name */
	size_t server_name_count;        /* 0: anything, and nothing */
	bool alpn_required;	 /* server: a client that offers ALPN without any of ours is refused */
};

/* The contexts for one settings on one worker. */
struct tls_endpoint;
/* NULL with one line in `why` (what is wrong with which of certificate, key, anchors, and what to do). */
struct tls_endpoint *tls_endpoint_create(const struct tls_settings *settings, char why[TLS_TEXT_SIZE]);
void tls_endpoint_destroy(struct tls_endpoint *endpoint);

/* ---- one tls session ---- */

struct tls;

enum tls_wants {                         /* what is possible now, as bits */
	TLS_WANTS_WIRE_IN = 1,           /* it could use more ciphertext */
	TLS_WANTS_WIRE_OUT = 2,          /* ciphertext waits to be sent */
	TLS_WANTS_PLAIN_IN = 4,          /* a record of plaintext would be taken */
	TLS_WANTS_PLAIN_OUT = 8,         /* tls_plain_out is worth a call */
};

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSED, TLS_FAILED };

/* `host`: client: the name or address literal that the certificate must carry and, for a name, SNI; NULL for
 * a server. Buffers come from `bufs`. NULL when there is no memory, or none left in its budget. */
struct tls *tls_create(struct tls_endpoint *endpoint, struct bufpool *bufs, const char *host);
/* Wipes keys; gives every buffer home. */
void tls_destroy(struct tls *tls);

enum tls_state tls_state(const struct tls *tls);
unsigned tls_wants(const struct tls *tls);
enum reason tls_reason(const struct tls *tls);      /* OK, CERTIFICATE, PLAINTEXT, TLS, TIMEOUT ... */
/* One line for a person: what failed and what would help ("the gateway's certificate is not the pinned one:
 * it is sha256:...; take the pin that the gateway prints at start"). Holds no secret. "" when nothing failed.
 */
const char *tls_text(const struct tls *tls);

/* Takes over the buffer (start..used unread). Works through the handshake as far as the bytes go. A client
 * calls it first with NULL, which makes the ClientHello. Ciphertext that is not needed yet is kept; do not
 * give more while TLS_WANTS_WIRE_IN is not set (a bounded amount is still taken, so that what was in flight
 * is never lost). */
void tls_wire_in(struct tls *tls, struct buf *buf);
/* The stream has ended. Without a close_notify before it: REASON_TRUNCATED once plaintext is drained. */
void tls_wire_end(struct tls *tls);
/* Next plaintext. STATUS_OK: piece, with one reference that is the caller's; STATUS_MORE: nothing now (also
 * when no buffer can be had: try again next turn); STATUS_IO: it is over, see tls_state: CLOSED is a clean
 * end. */
enum status tls_plain_out(struct tls *tls, struct piece *piece);
/* Seals one record from the parts, together 1..TLS_RECORD_MAX bytes. STATUS_FULL: nothing was taken;
 * STATUS_MORE: the handshake is not over; STATUS_IO: closed or failed. */
enum status tls_plain_in(struct tls *tls, const struct piece *parts, size_t count);
/* Ciphertext to send, as at most `max` pieces, borrowed until tls_wire_ack has covered them. Returns their
 * count. */
size_t tls_wire_out(struct tls *tls, struct piece *pieces, size_t max);
/* `size` bytes of wire_out are sent and done with. */
void tls_wire_ack(struct tls *tls, size_t size);
/* Queues our close_notify (once). plain_in takes nothing after it. */
void tls_close(struct tls *tls);

/* After the handshake. */
struct tls_facts {
	const char *version;    /* "TLSv1.3" */
	const char *cipher;     /* "TLS13-AES128-GCM-SHA256" */
	const char *group;      /* "X25519", or NULL where unknown */
	const char *alpn;       /* chosen protocol or NULL */
	bool resumed;
	const char *path;       /* how bulk records are handled: "record" or "library" */
};
void tls_facts(const struct tls *tls, struct tls_facts *facts);

/* ---- certificates and pins: tls/certificate.c ---- */

struct tls_certificate {
	char certificate[4096]; /* PEM */
	char key[1024];         /* PEM; wipe it */
	char pin[PIN_TEXT_SIZE];
};

/* A self-signed ECDSA P-256 certificate: CA:FALSE, subjectAltName with every host (names as DNS, literals as
 * IP), serverAuth, a random serial, valid from one hour before `now_unix` for `days`. */
enum status tls_certificate_make(struct tls_certificate *certificate, const char *const *hosts,
				 size_t host_count, int64_t now_unix, unsigned days, char why[TLS_TEXT_SIZE]);
/* SHA-256 of the first certificate in PEM text. */
enum status tls_pin_of_pem(struct slice pem, uint8_t pin[PIN_SIZE]);
/* Random bytes for secrets, from the same source as wolfSSL's. */
void tls_random(uint8_t *bytes, size_t size);

#endif
