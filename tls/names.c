/* tls/names.c - which host names clients may ask a server for (SNI); see inside.h. */
#include "tls/inside.h"

#include <strings.h>

enum { ALERT_UNRECOGNIZED_NAME = 112, NAME_TEXT_MAX = 100 };

/* "*.x" stands for one label and x. */
static bool is_name(const char *allowed, struct slice name)
{
	size_t size = strlen(allowed);
	if (strncmp(allowed, "*.", 2) != 0)
		return size == name.size && strncasecmp(allowed, (const char *)name.at, size) == 0;
	const uint8_t *dot = memchr(name.at, '.', name.size);
	size_t label = dot ? (size_t)(dot - name.at) : 0;
	return label && name.size - label == size - 1 &&
	       strncasecmp(allowed + 1, (const char *)dot, size - 1) == 0;
}

static bool is_allowed(const struct tls_settings *settings, struct slice name)
{
	for (size_t i = 0; i < settings->server_name_count; i++)
		if (is_name(settings->server_names[i], name))
			return true;
	return false;
}

/* Each ClientHello comes by here, also one that resumes a session, and one without a name. */
static int judge_name(WOLFSSL *ssl, int *alert, void *owner)
{
	struct tls *tls = wolfSSL_GetIOReadCtx(ssl);
	void *request = NULL;
	uint16_t size = wolfSSL_SNI_GetRequest(ssl, WOLFSSL_SNI_HOST_NAME, &request);
	struct slice name = {request, request ? size : 0};
	if (name.size && is_allowed(tls->endpoint->settings, name))
		return 0;
	*alert = ALERT_UNRECOGNIZED_NAME;
	if (name.size)
		tls_fail(tls, REASON_TLS, "the client asked for %.*s, which is not in tls_server_names",
			 (int)size_min(name.size, NAME_TEXT_MAX), (const char *)name.at);
	else
		tls_fail(tls, REASON_TLS,
			 "the client asked for no host name (SNI): tls_server_names wants one");
	return fatal_return;
}

void names_set(struct tls_endpoint *endpoint)
{
	if (!endpoint->settings->server || !endpoint->settings->server_name_count)
		return;
	wolfSSL_CTX_set_servername_callback(endpoint->shared, judge_name);
}
