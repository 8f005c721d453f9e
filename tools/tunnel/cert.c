/* tools/tunnel/cert.c - `tunnel cert`: a self-signed certificate and its key as files; see commands.h. */
#include "tools/tunnel/commands.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tls/tls.h"
#include "tools/tunnel/file.h"

static int fail(const char *why)
{
	fprintf(stderr, "tunnel: %s\n", why);
	return 1;
}

static enum file_made make_file(const char *path, const char *text, unsigned mode)
{
	char why[FILE_WHY_SIZE];
	enum file_made made = file_make(path, slice_of(text), mode, why);
	if (made == FILE_EXISTS)
		fprintf(stderr,
			"tunnel: %s is there already and is left alone; move it away, or give another "
			"--out-dir\n",
			path);
	else if (made == FILE_FAILED)
		fprintf(stderr, "tunnel: %s\n", why);
	return made;
}

/* Both files or none: the key first, because a certificate without its key is of no use. */
static bool make_files(const struct tls_certificate *certificate, const char *cert, const char *key)
{
	if (access(cert, F_OK) == 0)
		return make_file(cert, "", 0644) == FILE_MADE;
	if (make_file(key, certificate->key, 0600) != FILE_MADE)
		return false;
	if (make_file(cert, certificate->certificate, 0644) == FILE_MADE)
		return true;
	unlink(key);
	return false;
}

int cert_command(const struct options *options)
{
	char cert[PATH_MAX], key[PATH_MAX], why[TLS_TEXT_SIZE], reason[FILE_WHY_SIZE];
	struct tls_certificate certificate;
	if (snprintf(cert, sizeof cert, "%s/cert.pem", options->out_dir) >= (int)sizeof cert ||
	    snprintf(key, sizeof key, "%s/key.pem", options->out_dir) >= (int)sizeof key)
		return fail("the path of --out-dir is too long");
	if (!file_make_directory(options->out_dir, reason))
		return fail(reason);
	if (tls_certificate_make(&certificate, options->hosts, options->host_count, (int64_t)time(NULL),
				 options->days, why) != STATUS_OK)
		return fail(why);
	bool made = make_files(&certificate, cert, key);
	if (made)
		printf("certificate  %s\nkey          %s\npin          %s\n", cert, key, certificate.pin);
	secret_wipe(&certificate, sizeof certificate);
	return output_end(made ? 0 : 1);
}
