/* tests/unit/tls_trust_test.c - who is believed: pins, anchors, names, dates, client certificates; and the
 * certificate that we make ourselves.
 */
#include "tls_raw.h"
#include "tls/x509.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct trust {
	const char *certificate, *key, *anchors, *host;
	const char *complaint; /* NULL: accepted; else a part of the client's text */
};

static void try(const struct trust *trust)
{
	struct peers peers;

	peers_init(&peers);
	peers.server_settings.certificate = slice_of(trust->certificate);
	peers.server_settings.key = slice_of(trust->key);
	peers.client_settings.anchors = slice_of(trust->anchors);
	peers_begin(&peers, trust->host);
	shake(&peers);
	if (!trust->complaint) {
		assert_open(&peers);
		assert_talks(&peers);
	} else {
		assert_int_equal(tls_state(peers.client), TLS_FAILED);
		assert_int_equal(tls_state(peers.server), TLS_FAILED);
		assert_int_equal(tls_reason(peers.client), REASON_CERTIFICATE);
		if (!strstr(tls_text(peers.client), trust->complaint))
			fail_msg("wanted \"%s\": %s", trust->complaint, tls_text(peers.client));
		assert_int_equal(
		    tls_plain_in(peers.client, &(struct piece){NULL, {(const uint8_t *)"x", 1}}, 1),
		    STATUS_IO);
	}
	peers_end(&peers);
}

#define LEAF leaf_certificate, leaf_key, root_certificate

static void test_names(void **state)
{
	static const struct trust cases[] = {
	    {LEAF, "gw.example", NULL},
	    {LEAF, "GW.Example", NULL},
	    {LEAF, "gw.example.", NULL},
	    {LEAF, "a.wild.example", NULL},
	    {LEAF, "127.0.0.1", NULL},
	    {LEAF, "::1", NULL},
	    {LEAF, "[::1]", NULL},
	    {LEAF, "0:0:0:0:0:0:0:1", NULL},
	    {LEAF, "other.example", "gw.example, *.wild.example, 127.0.0.1, ::1"},
	    {LEAF, "gw.example.org", "not for gw.example.org"},
	    {LEAF, "a.gw.example", "not for"},
	    {LEAF, "wild.example", "not for"},
	    {LEAF, "a.b.wild.example", "not for"},
	    {LEAF, "127.0.0.2", "not for 127.0.0.2"},
	    {LEAF, "::2", "not for"},
	    {nameless_certificate, nameless_key, root_certificate, "gw.example", "no names"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		try(&cases[i]);
}

static void test_chains(void **state)
{
	static char both[8192], chain[8192], disorder[8192], with_root[8192];
	snprintf(both, sizeof both, "# comment\n%s\n%s", other_root_certificate, root_certificate);
	snprintf(chain, sizeof chain, "%s%s", deep_certificate, intermediate_certificate);
	snprintf(with_root, sizeof with_root, "%s%s%s", deep_certificate, intermediate_certificate,
		 root_certificate);
	snprintf(disorder, sizeof disorder, "%s%s", deep_certificate, other_root_certificate);
	const struct trust cases[] = {
	    {leaf_certificate, leaf_key, both, "gw.example", NULL},
	    {chain, deep_key, root_certificate, "gw.example", NULL},
	    {with_root, deep_key, root_certificate, "gw.example", NULL},
	    {with_root, deep_key, intermediate_certificate, "gw.example", NULL},
	    {deep_certificate, deep_key, intermediate_certificate, "gw.example", NULL},
	    {deep_certificate, deep_key, root_certificate, "gw.example", "no trust anchor"},
	    {disorder, deep_key, root_certificate, "gw.example", "no trust anchor"},
	    {foreign_certificate, foreign_key, root_certificate, "gw.example", "no trust anchor"},
	    {foreign_certificate, foreign_key, both, "gw.example", NULL},
	    {chain, deep_key, other_root_certificate, "gw.example", "no trust anchor"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		try(&cases[i]);
}

static void test_dates(void **state)
{
	static const struct trust cases[] = {
	    {expired_certificate, expired_key, root_certificate, "gw.example", "expired on 2002-01-01"},
	    {future_certificate, future_key, root_certificate, "gw.example", "valid from 2110-01-01"},
	    {self_expired_certificate, self_expired_key, self_expired_certificate, "gw.example",
	     "this machine's clock"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		try(&cases[i]);
}

/* A certificate of the anchors that is the peer's own is believed whatever its CA flag; it signs for nobody
 * else. */
static void test_own_anchor(void **state)
{
	static const struct trust cases[] = {
	    {self_ca_certificate, self_ca_key, self_ca_certificate, "gw.example", NULL},
	    {self_leaf_certificate, self_leaf_key, self_leaf_certificate, "gw.example", NULL},
	    {self_plain_certificate, self_plain_key, self_plain_certificate, "gw.example", NULL},
	    {deep_certificate, deep_key, deep_certificate, "gw.example", NULL},
	    {self_leaf_certificate, self_leaf_key, self_leaf_certificate, "other.example",
	     "not for other.example"},
	    {self_leaf_certificate, self_leaf_key, self_plain_certificate, "gw.example", "no trust anchor"},
	    {self_leaf_certificate, self_leaf_key, self_ca_certificate, "gw.example", "refused"},
	    {child_certificate, child_key, self_leaf_certificate, "gw.example", "no trust anchor"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		try(&cases[i]);
}

static void test_pin(void **state)
{
	struct peers peers;
	uint8_t pin[PIN_SIZE];
	char text[PIN_TEXT_SIZE];

	assert_int_equal(tls_pin_of_pem(PEM(expired_certificate), pin), STATUS_OK);
	pin_format(pin, text);
	for (int wrong = 0; wrong < 2; wrong++) {
		peers_init(&peers);
		peers.server_settings.certificate = PEM(expired_certificate);
		peers.server_settings.key = PEM(expired_key);
		peers.client_settings.anchors = (struct slice){NULL, 0};
		peers.client_settings.has_pin = true;
		memcpy(peers.client_settings.pin, pin, sizeof pin);
		peers.client_settings.pin[31] ^= (uint8_t)wrong;
		peers_begin(&peers, "any.name.will.do");
		for (int again = 0; again < 3; again++) {
			if (again)
				peers_connect(&peers, "any.name.will.do");
			shake(&peers);
			if (wrong) {
				assert_int_equal(tls_reason(peers.client), REASON_CERTIFICATE);
				if (!strstr(tls_text(peers.client), text))
					fail_msg("%s", tls_text(peers.client));
				assert_int_equal(tls_reason(peers.server), REASON_CERTIFICATE);
			} else {
				assert_open(&peers);
				assert_talks(&peers);
			}
			peers_disconnect(&peers);
		}
		peers_end(&peers);
	}
}

/* A chain that the peer sent along with a pinned certificate does not become trust. */
static void test_pin_with_chain(void **state)
{
	static char chain[8192];
	struct peers peers;

	snprintf(chain, sizeof chain, "%s%s%s", deep_certificate, intermediate_certificate,
		 other_root_certificate);
	peers_init(&peers);
	peers.server_settings.certificate = slice_of(chain);
	peers.server_settings.key = PEM(deep_key);
	peers.client_settings.anchors = (struct slice){NULL, 0};
	peers.client_settings.has_pin = true;
	tls_pin_of_pem(PEM(deep_certificate), peers.client_settings.pin);
	peers_begin(&peers, "gw.example");
	shake(&peers);
	assert_open(&peers);
	assert_talks(&peers);
	peers_end(&peers);
}

/* A client knows the public certificate that is pinned, but the peer must hold its key. */
static void test_pin_without_key(void **state)
{
	struct peers peers;
	struct raw raw;
	struct slice key = PEM(self_leaf_key);

	peers_init(&peers);
	peers.client_settings.has_pin = true;
	tls_pin_of_pem(PEM(leaf_certificate), peers.client_settings.pin);
	peers_begin(&peers, "gw.example");
	raw_begin(&raw, wolfTLSv1_3_server_method(), true);
	raw_open(&raw);
	assert_int_equal(wolfSSL_use_PrivateKey_buffer(raw.ssl, key.at, (long)key.size, WOLFSSL_FILETYPE_PEM),
			 WOLFSSL_SUCCESS);
	raw_shake(&raw, peers.client, &peers.bufs, true, 65536);
	assert_int_equal(tls_state(peers.client), TLS_FAILED);
	assert_int_equal(tls_reason(peers.client), REASON_CERTIFICATE);
	raw_end(&raw);
	peers_end(&peers);
}

static void test_pin_text(void **state)
{
	static const char *const good[] = {
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8=",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd/+8",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd/+8=",
	    "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1dffef",
	    "sha256:000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1DFFEF",
	};
	static const char *const bad[] = {
	    "",
	    "sha256:",
	    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8",
	    "sha1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-8==",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_-9",
	    "sha256:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd_ 8",
	    "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1dffeg",
	};
	uint8_t pin[PIN_SIZE];
	char text[PIN_TEXT_SIZE];

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_true(pin_parse(good[i], pin));
		pin_format(pin, text);
		assert_string_equal(text, good[0]);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (pin_parse(bad[i], pin))
			fail_msg("%s was parsed", bad[i]);
	assert_int_equal(tls_pin_of_pem(PEM("no certificate"), pin), STATUS_IO);
	assert_int_equal(tls_pin_of_pem((struct slice){NULL, 0}, pin), STATUS_IO);
}

static void test_client_certificates(void **state)
{
	static const struct {
		const char *certificate, *key;
		const char *complaint;
	} cases[] = {
	    {client_certificate, client_key, NULL},
	    {NULL, NULL, "showed no certificate"},
	    {leaf_certificate, leaf_key, "refused"},
	    {client_clone_certificate, client_clone_key, "refused"},
	    {self_leaf_certificate, self_leaf_key, "no trust anchor"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct peers peers;

		peers_init(&peers);
		peers.server_settings.anchors = PEM(client_root_certificate);
		peers.server_settings.require_client_certificate = true;
		if (cases[i].certificate) {
			peers.client_settings.certificate = slice_of(cases[i].certificate);
			peers.client_settings.key = slice_of(cases[i].key);
		}
		peers_begin(&peers, "gw.example");
		for (int again = 0; again < 2; again++) {
			struct tls_facts facts;
			if (again)
				peers_connect(&peers, "gw.example");
			shake(&peers);
			if (!cases[i].complaint) {
				assert_open(&peers);
				tls_facts(peers.client, &facts);
				assert_false(facts.resumed);
				assert_talks(&peers);
			} else {
				assert_int_equal(tls_state(peers.server), TLS_FAILED);
				assert_int_equal(tls_reason(peers.server), REASON_CERTIFICATE);
				if (!strstr(tls_text(peers.server), cases[i].complaint))
					fail_msg("wanted \"%s\": %s", cases[i].complaint,
						 tls_text(peers.server));
				struct piece piece;
				assert_int_equal(tls_plain_out(peers.client, &piece), STATUS_IO);
				assert_int_equal(tls_reason(peers.client), REASON_CERTIFICATE);
			}
			peers_disconnect(&peers);
		}
		peers_end(&peers);
	}
}

/* A ticket from a listener without client certificates opens nothing where they are required. */
static void test_ticket_does_not_replace_a_certificate(void **state)
{
	struct peers peers;
	struct tls_settings strict;
	char why[TLS_TEXT_SIZE];

	peers_init(&peers);
	peers.server_settings.anchors = PEM(client_root_certificate);
	strict = peers.server_settings;
	strict.require_client_certificate = true;
	peers_begin(&peers, "gw.example");
	shake(&peers);
	assert_talks(&peers);
	peers_disconnect(&peers);
	tls_endpoint_destroy(peers.server_endpoint);
	peers.server_endpoint = tls_endpoint_create(&strict, why);
	peers_connect(&peers, "gw.example");
	shake(&peers);
	assert_int_equal(tls_state(peers.server), TLS_FAILED);
	assert_int_equal(tls_reason(peers.server), REASON_CERTIFICATE);
	peers_end(&peers);
}

static void test_settings_refused(void **state)
{
	static const struct {
		struct tls_settings settings;
		const char *why;
	} cases[] = {
	    {{.server = true}, "needs a certificate"},
	    {{.server = true, .certificate = PEM(leaf_certificate)}, "key"},
	    {{.server = true, .certificate = PEM(leaf_certificate), .key = PEM(self_ca_key)}, "key:"},
	    {{.server = true, .certificate = PEM("nothing"), .key = PEM(leaf_key)}, "certificate:"},
	    {{.server = true, .certificate = PEM(leaf_certificate), .key = PEM("nothing")}, "key:"},
	    {{.server = true,
	      .certificate = PEM(leaf_certificate),
	      .key = PEM(leaf_key),
	      .require_client_certificate = true},
	     "no CA"},
	    {{.server = true,
	      .certificate = PEM(leaf_certificate),
	      .key = PEM(leaf_key),
	      .anchors = PEM(root_certificate),
	      .require_client_certificate = true,
	      .tls12 = true},
	     "TLS 1.3"},
	    {{.server = false}, "pin or a CA"},
	    {{.anchors = PEM("nothing")}, "anchors:"},
	    {{.anchors = PEM("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}, "anchors:"},
	    {{.anchors = PEM(root_certificate), .certificate = PEM(client_certificate)}, "missing"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char why[TLS_TEXT_SIZE];
		assert_null(tls_endpoint_create(&cases[i].settings, why));
		if (!strstr(why, cases[i].why))
			fail_msg("wanted \"%s\": %s", cases[i].why, why);
	}
}

/* What we make is accepted as its own anchor and by its pin, under each of its names. */
static void test_made_certificate(void **state)
{
	static const char *const hosts[] = {"gw.example", "10.1.2.3", "fd00::7", "*.sub.example"};
	static const char *const asked[] = {"gw.example", "10.1.2.3", "fd00::7", "x.sub.example"};
	struct tls_certificate made, other;
	char why[TLS_TEXT_SIZE];
	uint8_t pin[PIN_SIZE], parsed[PIN_SIZE];
	int64_t now = (int64_t)time(NULL);

	assert_int_equal(tls_certificate_make(&made, hosts, COUNT_OF(hosts), now, 30, why), STATUS_OK);
	assert_int_equal(tls_certificate_make(&other, hosts, COUNT_OF(hosts), now, 30, why), STATUS_OK);
	assert_string_not_equal(made.certificate, other.certificate);
	assert_true(pin_parse(made.pin, parsed));
	assert_int_equal(tls_pin_of_pem(slice_of(made.certificate), pin), STATUS_OK);
	assert_memory_equal(pin, parsed, sizeof pin);
	for (size_t i = 0; i < COUNT_OF(asked); i++)
		try(&(struct trust){made.certificate, made.key, made.certificate, asked[i], NULL});
	try(&(struct trust){made.certificate, made.key, made.certificate, "sub.example", "not for"});
	try(&(struct trust){made.certificate, made.key, other.certificate, "gw.example", "no trust anchor"});
	assert_int_equal(tls_certificate_make(&other, hosts, 1, now - 100 * 86400, 30, why), STATUS_OK);
	try(&(struct trust){other.certificate, other.key, other.certificate, "gw.example", "expired on"});
	assert_int_equal(tls_certificate_make(&other, hosts, 1, now, 365 * 100, why), STATUS_OK);
	try(&(struct trust){other.certificate, other.key, other.certificate, "gw.example", NULL});
	assert_int_equal(tls_certificate_make(&other, hosts, 0, now, 30, why), STATUS_IO);
	assert_true(strlen(why) > 10);
}

/* OpenSSL reads it, where that is installed. */
static void test_made_certificate_in_openssl(void **state)
{
	static const char *const hosts[] = {"gw.example", "10.1.2.3"};
	struct tls_certificate made;
	char why[TLS_TEXT_SIZE], text[8192];
	char name[] = "/tmp/tls_trust_test_XXXXXX";

	assert_int_equal(tls_certificate_make(&made, hosts, 2, (int64_t)time(NULL), 30, why), STATUS_OK);
	int file = mkstemp(name);
	assert_true(file >= 0);
	assert_int_equal(write(file, made.certificate, strlen(made.certificate)),
			 (ssize_t)strlen(made.certificate));
	close(file);
	snprintf(text, sizeof text,
		 "openssl verify -x509_strict -CAfile %s %s >/dev/null 2>&1; openssl x509 -in %s -noout "
		 "-text 2>/dev/null",
		 name, name, name);
	FILE *pipe = popen(text, "r");
	size_t size = fread(text, 1, sizeof text - 1, pipe);
	text[size] = 0;
	pclose(pipe);
	unlink(name);
	if (!size)
		skip();
	assert_non_null(strstr(text, "Version: 3"));
	assert_non_null(strstr(text, "CA:FALSE"));
	assert_non_null(strstr(text, "DNS:gw.example, IP Address:10.1.2.3"));
	assert_non_null(strstr(text, "TLS Web Server Authentication"));
	assert_non_null(strstr(text, "Digital Signature"));
	assert_non_null(strstr(text, "prime256v1"));
	assert_non_null(strstr(text, "CN = gw.example"));
}

/* Every truncation and many alterations of a certificate are read without a fault. */
static void test_damaged_certificates(void **state)
{
	static uint8_t der[2048];
	struct x509_view view;
	uint64_t seed = 5;
	char names[64];

	int size = wolfSSL_CertPemToDer((const uint8_t *)leaf_certificate, sizeof leaf_certificate - 1, der,
					sizeof der, CERT_TYPE);
	assert_true(size > 100);
	assert_true(x509_view(&view, (struct slice){der, (size_t)size}));
	assert_true(x509_has_name(&view, "gw.example"));
	for (int i = 0; i < 60000; i++) {
		size_t length = i < size ? (size_t)i : (size_t)size;
		uint8_t *copy = malloc(length + 1);
		memcpy(copy, der, length);
		if (i >= size)
			copy[random_next(&seed) % length] = (uint8_t)random_next(&seed);
		if (x509_view(&view, (struct slice){copy, length})) {
			x509_has_name(&view, "gw.example");
			x509_has_name(&view, "::1");
			x509_list_names(&view, names, 1 + random_next(&seed) % sizeof names);
		}
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_chains),
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_own_anchor),
	    cmocka_unit_test(test_pin),
	    cmocka_unit_test(test_pin_with_chain),
	    cmocka_unit_test(test_pin_without_key),
	    cmocka_unit_test(test_pin_text),
	    cmocka_unit_test(test_client_certificates),
	    cmocka_unit_test(test_ticket_does_not_replace_a_certificate),
	    cmocka_unit_test(test_damaged_certificates),
	    cmocka_unit_test(test_settings_refused),
	    cmocka_unit_test(test_made_certificate),
	    cmocka_unit_test(test_made_certificate_in_openssl),
	};
	return cmocka_run_group_tests(tests, library_setup, library_teardown);
}
