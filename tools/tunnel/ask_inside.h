/* tools/tunnel/ask_inside.h - what the files of a question share. Not for others.
 *
 * ask.c connects and speaks HTTP; ask_tls.c puts TLS between; ask_url.c and ask_prepare.c make the `struct
 * ask`, of which one serves any number of questions.
 */
#ifndef TOOLS_TUNNEL_ASK_INSIDE_H
#define TOOLS_TUNNEL_ASK_INSIDE_H

#include <time.h>

#include "tls/tls.h"
#include "tools/tunnel/ask.h"

/* One question under way. */
struct exchange {
	const struct ask *ask;
	struct tls *tls;                     /* NULL: in clear */
	int fd;
	struct timespec end;
	char *why;
	uint8_t *bytes;                      /* of the answer, so far */
	size_t size, room;
};

/* ---- ask.c; false: reported ---- */
bool exchange_fail(struct exchange *exchange, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All of it, on the socket. */
bool exchange_write(struct exchange *exchange, const void *bytes, size_t size);
/* At least one byte from the socket; 0: the end; -1: reported. */
ssize_t exchange_read(struct exchange *exchange, uint8_t *bytes, size_t room);
/* Room for so many bytes of the answer, and a zero behind them. */
bool exchange_reserve(struct exchange *exchange, size_t size);

/* ---- ask_tls.c ---- */
/* ask->tls, with the library. ask_tls_destroy in any case. */
bool ask_tls_create(struct ask *ask, char why[ASK_WHY_SIZE]);
void ask_tls_destroy(struct ask *ask);
/* The handshake on the connected socket. */
bool exchange_secure(struct exchange *exchange);
bool exchange_seal(struct exchange *exchange, const void *bytes, size_t size);
/* Appends to the answer: how many bytes; 0: the end; -1: reported. */
ssize_t exchange_unseal(struct exchange *exchange);
/* Says good-bye, if that can be said at once. */
void exchange_part(struct exchange *exchange);

#endif
