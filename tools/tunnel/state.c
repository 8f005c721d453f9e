/* tools/tunnel/state.c - see state.h. */
#include "tools/tunnel/state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tls/tls.h"
#include "tools/tunnel/file.h"
#include "tools/tunnel/token.h"

enum { PEM_MAX = 4 * 1024 * 1024, CERTIFICATE_DAYS = 3650 };

const char state_system_roots[] = "/etc/ssl/certs/ca-certificates.crt";

/* ---- files that the configuration names ---- */

static bool read_pem(struct config *config, const char *path, struct slice *pem, char *why, size_t size)
{
	char reason[FILE_WHY_SIZE];
	size_t length;
	uint8_t *bytes = file_read(path, FILE_OPEN, PEM_MAX, &length, reason);
	if (!bytes) {
		snprintf(why, size, "%s", reason);
		return false;
	}
	*pem = (struct slice){config_keep(config, (struct slice){bytes, length}), length};
	free(bytes);
	if (pem->at)
		return true;
	snprintf(why, size, "out of memory");
	return false;
}

static bool read_secret(const char *path, struct secret *secret, char *why, size_t size)
{
	char reason[FILE_WHY_SIZE];
	size_t length;
	uint8_t *bytes = file_read(path, FILE_SECRET, PEM_MAX, &length, reason);
	if (!bytes) {
		snprintf(why, size, "%s", reason);
		return false;
	}
	if (reason[0])
		log_warn("key file", TEXT("remark", reason));
	bool kept = secret_set(secret, (struct slice){bytes, length});
	secret_wipe(bytes, length);
	free(bytes);
	if (!kept)
		snprintf(why, size, "out of memory");
	return kept;
}

static bool load_client(struct config *config, struct config_client *client, char *why, size_t size)
{
	if (client->client_cert &&
	    (!read_pem(config, client->client_cert, &client->certificate_pem, why, size) ||
	     !read_secret(client->client_key, &client->key_pem, why, size)))
		return false;
	if (client->has_pin)
		return true;
	if (client->gateway_tls_cert)
		return read_pem(config, client->gateway_tls_cert, &client->anchors_pem, why, size);
	if (read_pem(config, state_system_roots, &client->anchors_pem, why, size))
		return true;
	if (client->plaintext)           /* without them it just cannot be redirected to wss:// */
		return true;
	snprintf(why, size,
		 "%s cannot be read: install ca-certificates, or give gateway_tls_pin or gateway_tls_cert",
		 state_system_roots);
	return false;
}

/* ---- the directory ---- */

bool state_directory(const struct config *config, char path[STATE_PATH_SIZE])
{
	const char *systemd = getenv("STATE_DIRECTORY"), *xdg = getenv("XDG_STATE_HOME"),
		   *home = getenv("HOME");
	int size;
	if (config && config->state_dir)
		size = snprintf(path, STATE_PATH_SIZE, "%s", config->state_dir);
	else if (systemd && *systemd)
		/* systemd gives several with colons between; the first is ours. */
		size = snprintf(path, STATE_PATH_SIZE, "%.*s", (int)strcspn(systemd, ":"), systemd);
	else if (xdg && *xdg == '/')
		size = snprintf(path, STATE_PATH_SIZE, "%s/tunnel", xdg);
	else if (home && *home)
		size = snprintf(path, STATE_PATH_SIZE, "%s/.local/state/tunnel", home);
	else
		return false;
	return size < STATE_PATH_SIZE;
}

static bool state_file(const struct config *config, const char *name, char path[STATE_PATH_SIZE], char *why,
		       size_t size)
{
	char directory[STATE_PATH_SIZE], reason[FILE_WHY_SIZE];
	if (!state_directory(config, directory)) {
		snprintf(why, size,
			 "no place to keep the certificate: set state_dir, or $STATE_DIRECTORY, or $HOME");
		return false;
	}
	if (!file_make_directory(directory, reason)) {
		snprintf(why, size, "the state directory cannot be made: %s; set state_dir", reason);
		return false;
	}
	if (snprintf(path, STATE_PATH_SIZE, "%s/%s", directory, name) < STATE_PATH_SIZE)
		return true;
	snprintf(why, size, "the path of the state directory is too long");
	return false;
}

/* Makes the file, unless it is there; another process may make it at the same moment, and then its file
 * counts. */
static bool keep(const char *path, struct slice bytes, char *why, size_t size)
{
	char reason[FILE_WHY_SIZE];
	if (file_make(path, bytes, 0600, reason) != FILE_FAILED)
		return true;
	snprintf(why, size,
		 "%s; the state directory must be writable, or give tls_cert, tls_key and auth_key", reason);
	return false;
}

/* ---- certificate and key ---- */

static bool make_certificate(struct tls_certificate *certificate, char *why, size_t size)
{
	char name[HOST_NAME_MAX + 1] = "localhost", reason[TLS_TEXT_SIZE];
	const char *hosts[] = {"localhost", name, "127.0.0.1", "::1"};
	/* A machine's name may be one that no certificate can carry; then it has none. */
	if (gethostname(name, sizeof name) != 0 || !*name ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
			 "TUVWXYZ0123456789-.") != strlen(name))
		text_copy(name, sizeof name, slice_of("localhost"));
	name[sizeof name - 1] = 0;
	if (strcmp(name, "localhost") == 0)
		hosts[1] = "127.0.0.1";
	enum status status = tls_certificate_make(certificate, hosts, strcmp(name, "localhost") == 0 ? 2 : 4,
						  (int64_t)time(NULL), CERTIFICATE_DAYS, reason);
	if (status == STATUS_OK)
		return true;
	snprintf(why, size, "no certificate can be made: %s", reason);
	return false;
}

/* Certificate and key lie in one file, so that they cannot be of two makings. */
static bool split_pem(struct config *config, const struct secret *both, const char *path, char *why,
		      size_t size)
{
	static const char begin[] = "-----BEGIN ";
	struct slice pem = secret_slice(both);
	const uint8_t *at = pem.size ? memmem(pem.at + 1, pem.size - 1, begin, strlen(begin)) : NULL;
	if (!at || !memmem(at, pem.size - (size_t)(at - pem.at), "PRIVATE KEY", 11)) {
		snprintf(why, size, "%s is not what was written there: move it away, and a new one is made",
			 path);
		return false;
	}
	struct slice certificate = {pem.at, (size_t)(at - pem.at)};
	struct slice key = {at, pem.size - certificate.size};
	config->gateway.certificate_pem = (struct slice){config_keep(config, certificate), certificate.size};
	if (config->gateway.certificate_pem.at && secret_set(&config->gateway.key_pem, key))
		return true;
	snprintf(why, size, "out of memory");
	return false;
}

static bool join_pem(const struct tls_certificate *certificate, struct secret *both)
{
	char text[sizeof certificate->certificate + sizeof certificate->key];
	int length = snprintf(text, sizeof text, "%s%s", certificate->certificate, certificate->key);
	bool kept = secret_set(both, (struct slice){(uint8_t *)text, (size_t)length});
	secret_wipe(text, sizeof text);
	return kept;
}

static bool keep_certificate(const char *path, char *why, size_t size)
{
	struct tls_certificate certificate;
	struct secret both = {0};
	if (access(path, F_OK) == 0)
		return true;
	bool made = make_certificate(&certificate, why, size);
	if (made)
		made = join_pem(&certificate, &both) && keep(path, secret_slice(&both), why, size);
	secret_wipe(&certificate, sizeof certificate);
	secret_fini(&both);
	return made;
}

static bool load_own_certificate(struct config *config, char *why, size_t size)
{
	char path[STATE_PATH_SIZE];
	struct secret both = {0};
	bool loaded = state_file(config, "gateway.pem", path, why, size) &&
		      keep_certificate(path, why, size) && read_secret(path, &both, why, size) &&
		      split_pem(config, &both, path, why, size);
	secret_fini(&both);
	return loaded;
}

/* ---- the shared key ---- */

static bool load_own_key(struct config *config, char *why, size_t size)
{
	char path[STATE_PATH_SIZE], text[TOKEN_SIZE];
	struct secret *secret = &config->gateway.auth_key;
	if (!state_file(config, "auth_key", path, why, size))
		return false;
	token_make(text);
	bool loaded = (access(path, F_OK) == 0 || keep(path, slice_of(text), why, size)) &&
		      read_secret(path, secret, why, size);
	secret_wipe(text, sizeof text);
	while (secret->size && secret->bytes[secret->size - 1] == '\n')
		secret->bytes[--secret->size] = 0;
	if (!loaded || (secret->size >= CONFIG_KEY_MIN && secret->size <= CONFIG_KEY_MAX))
		return loaded;
	snprintf(why, size, "%s does not hold %d to %d bytes: move it away, and a new one is made", path,
		 CONFIG_KEY_MIN, CONFIG_KEY_MAX);
	return false;
}

/* ---- all of it ---- */

static bool needs_key(const struct config_gateway *gateway)
{
	return gateway->tls_tunnel && !secret_is_set(&gateway->auth_key) && !gateway->identity_count;
}

static bool load_gateway(struct config *config, char *why, size_t size)
{
	struct config_gateway *gateway = &config->gateway;
	if (gateway->tls_client_ca &&
	    !read_pem(config, gateway->tls_client_ca, &gateway->client_ca_pem, why, size))
		return false;
	if (gateway->behind_proxy)
		return !needs_key(gateway) || load_own_key(config, why, size);
	if (gateway->tls_cert) {
		if (!read_pem(config, gateway->tls_cert, &gateway->certificate_pem, why, size) ||
		    !read_secret(gateway->tls_key, &gateway->key_pem, why, size))
			return false;
	} else if (!gateway->behind_proxy && !load_own_certificate(config, why, size)) {
		return false;
	}
	return !needs_key(gateway) || load_own_key(config, why, size);
}

static bool load_stats(struct config *config, char *why, size_t size)
{
	struct config_stats *stats = &config->stats;
	return !stats->tls_cert || (read_pem(config, stats->tls_cert, &stats->certificate_pem, why, size) &&
				    read_secret(stats->tls_key, &stats->key_pem, why, size));
}

bool state_load(struct config *config, char *why, size_t size)
{
	if (config->gateway.enabled && config->gateway.public && !load_gateway(config, why, size))
		return false;
	if (config->stats.enabled && !load_stats(config, why, size))
		return false;
	for (size_t i = 0; i < config->client_count; i++)
		if (!load_client(config, &config->clients[i], why, size))
			return false;
	return true;
}

bool state_load_temporary(struct config *config, char *why, size_t size)
{
	struct tls_certificate certificate;
	struct secret both = {0};
	char text[TOKEN_SIZE];
	bool made = make_certificate(&certificate, why, size) && join_pem(&certificate, &both) &&
		    split_pem(config, &both, "the certificate", why, size);
	secret_wipe(&certificate, sizeof certificate);
	secret_fini(&both);
	if (!made || !needs_key(&config->gateway))
		return made;
	token_make(text);
	made = secret_set(&config->gateway.auth_key, slice_of(text));
	secret_wipe(text, sizeof text);
	return made;
}

/* ---- the line for the other machine ---- */

/* Unreserved characters stand for themselves. False: no room. */
static bool add_encoded(char *line, size_t *used, struct slice text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	for (size_t i = 0; i < text.size; i++) {
		if (*used + 4 > STATE_LINE_SIZE)
			return false;
		if (text.at[i] && strchr(plain, text.at[i]))
			line[(*used)++] = (char)text.at[i];
		else
			*used += (size_t)snprintf(line + *used, 4, "%%%02X", text.at[i]);
	}
	return true;
}

static void choose_host(const struct config *config, char host[HOST_SIZE])
{
	struct address address = config->gateway.listen_addr;
	char text[ADDRESS_TEXT_SIZE], *colon;
	static const uint8_t none[16];
	bool any = address.family == ADDRESS_ANY || memcmp(address.bytes, none, sizeof none) == 0;
	if ((address.family == ADDRESS_IPV4 || address.family == ADDRESS_IPV6) && !any) {
		text_copy(host, HOST_SIZE, slice_of(address_format(&address, text)));
		colon = strrchr(host, ':');
		*colon = 0;
	} else if (gethostname(host, HOST_SIZE) != 0 || !*host) {
		text_copy(host, HOST_SIZE, slice_of("HOST"));
	}
	host[HOST_SIZE - 1] = 0;
}

bool state_client_line(const struct config *config, const char *host, uint16_t port,
		       char line[STATE_LINE_SIZE])
{
	uint8_t pin[PIN_SIZE];
	char pin_text[PIN_TEXT_SIZE], own[HOST_SIZE];
	const struct config_gateway *gateway = &config->gateway;
	if (!secret_is_set(&gateway->auth_key) || tls_pin_of_pem(gateway->certificate_pem, pin) != STATUS_OK)
		return false;
	pin_format(pin, pin_text);
	choose_host(config, own);
	size_t used = (size_t)snprintf(line, STATE_LINE_SIZE, "tunnel client 'tls-tunnel://");
	if (!add_encoded(line, &used, secret_slice(&gateway->auth_key)))
		return false;
	bool bare_v6 = host && strchr(host, ':') && host[0] != '[';
	int more = snprintf(line + used, STATE_LINE_SIZE - used, "@%s%s%s:%u?pin=%s'", bare_v6 ? "[" : "",
			    host ? host : own, bare_v6 ? "]" : "", port, pin_text);
	return more > 0 && (size_t)more < STATE_LINE_SIZE - used;
}
