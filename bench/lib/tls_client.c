/* bench/lib/tls_client.c - see tls_client.h. */
#include "bench/lib/tls_client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "bench/lib/child.h"
#include "bench/lib/circuit.h"
#include "tls/tls.h"

#define TICKET_SECONDS 2
enum { TICKET_LOOK_US = 20000 };

void tls_client_start(void) { check(wolfSSL_Init() == WOLFSSL_SUCCESS); }

void tls_client_stop(void) { wolfSSL_Cleanup(); }

bool tls_client_init(struct tls_client *client)
{
	int groups[] = {WOLFSSL_ECC_X25519};

	client->session = NULL;
	client->shared = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
	if (client->shared == NULL) {
		fault_set(client->fault, "no memory for a TLS client");
		return false;
	}
	wolfSSL_CTX_set_verify(client->shared, WOLFSSL_VERIFY_NONE, NULL);
	wolfSSL_CTX_set_session_cache_mode(client->shared, WOLFSSL_SESS_CACHE_OFF);
	wolfSSL_CTX_set_groups(client->shared, groups, COUNT_OF(groups));
	wolfSSL_CTX_set_cipher_list(client->shared, "TLS13-AES128-GCM-SHA256");
	return true;
}

void tls_client_fini(struct tls_client *client)
{
	if (client->session != NULL)
		wolfSSL_SESSION_free(client->session);
	wolfSSL_CTX_free(client->shared);
	tls_thread_stop();
}

static void drop(struct tls_call *call)
{
	wolfSSL_free(call->ssl);
	close(call->fd);
	*call = (struct tls_call){.fd = -1};
}

bool tls_call_open(struct tls_client *client, struct tls_call *call)
{
	*call = (struct tls_call){.fd = circuit_connect(client->port)};
	if (call->fd < 0) {
		fault_set(client->fault, "cannot connect to 127.0.0.1:%u: %s", client->port, strerror(errno));
		return false;
	}
	call->ssl = wolfSSL_new(client->shared);
	if (call->ssl == NULL) {
		fault_set(client->fault, "no memory for a TLS connection");
		close(call->fd);
		return false;
	}
	wolfSSL_set_fd(call->ssl, call->fd);
	if (client->psk_alone)
		wolfSSL_no_dhe_psk(call->ssl);
	if (client->session != NULL)
		wolfSSL_set_session(call->ssl, client->session);
	int result = wolfSSL_connect(call->ssl);
	call->resumed = wolfSSL_session_reused(call->ssl) != 0;
	if (result == WOLFSSL_SUCCESS)
		return true;
	fault_set(client->fault, "TLS with 127.0.0.1:%u failed: wolfSSL error %d", client->port,
		  wolfSSL_get_error(call->ssl, result));
	drop(call);
	return false;
}

bool tls_call_close(struct tls_client *client, struct tls_call *call)
{
	uint8_t bytes[4096];
	ssize_t size;

	wolfSSL_shutdown(call->ssl);
	shutdown(call->fd, SHUT_WR);
	do {
		size = recv(call->fd, bytes, sizeof(bytes), 0);
	} while (size > 0 || (size < 0 && errno == EINTR));
	bool ended = size == 0 || errno == ECONNRESET;
	if (!ended)
		fault_set(client->fault, "127.0.0.1:%u does not end a TLS connection: %s", client->port,
			  strerror(errno));
	drop(call);
	return ended;
}

static int note_ticket(WOLFSSL *ssl, const unsigned char *ticket, int size, void *noted)
{
	(void)ssl, (void)ticket;
	*(bool *)noted = size > 0;
	return 0;
}

bool tls_call_keep(struct tls_client *client, struct tls_call *call)
{
	struct timeval limit = {.tv_usec = TICKET_LOOK_US};
	double end = child_now() + TICKET_SECONDS;
	bool noted = false;
	uint8_t byte;

	setsockopt(call->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	wolfSSL_set_SessionTicket_cb(call->ssl, note_ticket, &noted);
	while (!noted && child_now() < end) {
		int size = wolfSSL_read(call->ssl, &byte, 1);
		if (size <= 0 && wolfSSL_get_error(call->ssl, size) != WOLFSSL_ERROR_WANT_READ)
			break;
	}
	wolfSSL_set_SessionTicket_cb(call->ssl, NULL, NULL);
	limit = (struct timeval){.tv_sec = 5};
	setsockopt(call->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (noted)
		client->session = wolfSSL_get1_session(call->ssl);
	return client->session != NULL;
}
