/* tls/inside.h - what the files of tls/ share among themselves; nobody else includes it.
 *
 * library.c   the process: start, stop, random bytes      device.c   AES-GCM and random for wolfSSL
 * endpoint.c  contexts of one settings                    identity.c our certificate and its key
 * ticket.c    ticket keys and their rotation              verify.c   judges the peer's certificate
 * names.c     the names that clients may ask for
 * x509.c      reads what that needs from DER
 * wire.c      wolfSSL's two I/O callbacks: record guard   failure.c  the first failure, in words
 * tls.c       the ports                                   certificate.c  makes one, pins
 * record.c    bulk records, without a copy
 */
#ifndef TLS_INSIDE_H
#define TLS_INSIDE_H

#include "tls/tls.h"
#include "tls/device.h"
#include "tls/ticket.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

enum {
	TLS_HOST_SIZE = 256,
	TLS_HEADER_SIZE = 5,
	TLS_CIPHERTEXT_MAX = 16640,    /* payload of one record on the wire */
	TLS_OUT_ALERT_ROOM = 1024,     /* nothing is read that could be answered while less is free */
	TLS_OUT_WRITE_ROOM = 8 * 1024, /* what plain_in leaves free, so that a full wire_out still reads */
	TLS_IN_ENOUGH = 128 * 1024,    /* ciphertext beyond which no more is asked for */
};

struct tls_endpoint {
	const struct tls_settings *settings;
	WOLFSSL_CTX *shared;
	uint8_t (*anchors)[PIN_SIZE];  /* SHA-256 of each certificate of the anchors */
	size_t anchor_count;
	struct ticket_keys tickets;
	WOLFSSL_SESSION *session;          /* client: what the next tls to session_host may resume */
	char session_host[TLS_HOST_SIZE];
};

/* One direction of the record path. */
struct record_way {
	uint8_t iv[12];
	uint64_t sequence;
};

struct tls {
	struct device_key seal, open;
	struct tls_endpoint *endpoint;
	struct bufpool *bufs;
	WOLFSSL *ssl;
	struct bufqueue in;            /* ciphertext that wolfSSL has not read */
	struct bufqueue out;           /* ciphertext that is not acknowledged */
	struct bufqueue spare;         /* empty slabs for out, acquired before a write */
	uint32_t record_left;          /* of the record that wolfSSL is reading */
	uint32_t fragment;             /* plaintext bytes that go into one record */
	struct record_way seal_way, open_way;
	uint32_t opened;               /* plaintext at the head of `in`, */
	uint32_t opened_after;         /* and what follows it there: padding, type, tag */
	uint32_t records_without_data; /* in a row */
	enum tls_state state;
	enum reason reason;
	const char *alpn;
	uint8_t peer_major, peer_minor; /* version of the peer's hello, for the text */
	bool records;                  /* the record path is in use */
	bool opened_for_library;       /* what wolfSSL reads now is plaintext already */
	bool started;                  /* the first byte was seen */
	bool ended;                    /* tls_wire_end was called */
	bool closing;                  /* our close_notify is queued */
	bool verified;                 /* the peer's certificate was judged and accepted */
	bool resumed;
	bool has_ticket;               /* the server sent one in this session */
	char host[TLS_HOST_SIZE];
	char text[TLS_TEXT_SIZE];
};

/* Records the first failure; later ones change nothing. */
__attribute__((format(printf, 3, 4)))
void tls_fail(struct tls *tls, enum reason reason, const char *format, ...);
/* The same from wolfSSL's error code. */
void tls_fail_library(struct tls *tls, int error);

enum wire_record { WIRE_RECORD_NONE, WIRE_RECORD_WHOLE, WIRE_RECORD_BAD };

/* Looks at the next record of `in` without reading it: is it whole, is its header one a peer may send? A bad
 * one has failed the tls. `payload` is its length behind the header. */
enum wire_record wire_next(struct tls *tls, size_t *payload);
/* An upper bound of the plaintext in the first whole records that wait: of one, and of more as they fit. */
size_t wire_plain_size(struct tls *tls, size_t max);
void wire_take(struct tls *tls, struct buf *buf);
size_t wire_room(const struct tls *tls);
/* Room for `size` bytes of ciphertext in slabs that are already ours. */
bool wire_reserve(struct tls *tls, size_t size);
/* Copies the first bytes that wait, as many as there are, without taking them; and takes some. */
size_t wire_peek(const struct tls *tls, uint8_t *to, size_t size);
void wire_skip(struct tls *tls, size_t size);
/* Where the next byte of `out` goes, in a reserved slab, and how many go there; then, how many did. */
uint8_t *wire_tail(struct tls *tls, size_t *room);
void wire_wrote(struct tls *tls, size_t size);
void wire_append(struct tls *tls, const uint8_t *bytes, size_t size);
int wire_recv(WOLFSSL *ssl, char *bytes, int size, void *owner);
int wire_send(WOLFSSL *ssl, char *bytes, int size, void *owner);

/* Our own certificate and its key, when the settings have them. */
enum status identity_load(WOLFSSL_CTX *shared, const struct tls_settings *settings, char why[TLS_TEXT_SIZE]);

/* A server's list of names, where it has one. */
void names_set(struct tls_endpoint *endpoint);

/* wolfSSL's verify callback; its user pointer is the tls. */
int verify_peer(int accepted, WOLFSSL_X509_STORE_CTX *store);

/* From the options given at start. False only when the kernel refuses. */
bool library_random(uint8_t *bytes, size_t size);
uint64_t library_key_update_records(void);

#endif
