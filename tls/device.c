/* tls/device.c - AES-GCM and random bytes for wolfSSL; see device.h. */
#include "tls/device.h"

#include "tls/record.h"

#include <stdio.h>

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/cryptocb.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

static _Thread_local struct tls *at_work;

void device_enter(struct tls *tls) { at_work = tls; }
void device_leave(void) { at_work = NULL; }

#ifdef HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>

_Static_assert(sizeof(struct gcm_key_data) <= DEVICE_SCHEDULE_SIZE, "a schedule fits");

/* Only its table of functions is used, by every thread; none of its job queues. */
static IMB_MGR *functions;
static char description[64];

static const char *const arch_names[IMB_ARCH_NUM] = {
    [IMB_ARCH_SSE] = "SSE",
    [IMB_ARCH_AVX] = "AVX",
    [IMB_ARCH_AVX2] = "AVX2",
    [IMB_ARCH_AVX512] = "AVX512",
};

static struct gcm_key_data *schedule_of(struct device_key *key)
{
	return (struct gcm_key_data *)(void *)key->schedule;
}

void device_key_set(struct device_key *to, const uint8_t *key, uint32_t size)
{
	memcpy(to->key, key, size);
	to->size = size;
	if (size == 16)
		functions->gcm128_pre(key, schedule_of(to));
	else
		functions->gcm256_pre(key, schedule_of(to));
}

/* The schedule of the tls at work, rebuilt when the AES object holds another key. */
static struct device_key *find_key(const Aes *aes, bool seal, bool *is_new)
{
	struct device_key *key = seal ? &at_work->seal : &at_work->open;
	uint32_t size = (uint32_t)aes->keylen;

	*is_new = key->size != size || memcmp(key->key, aes->devKey, size) != 0;
	if (*is_new)
		device_key_set(key, (const uint8_t *)aes->devKey, size);
	return key;
}

static void run(bool seal, struct device_key *key, uint8_t *out, const uint8_t *in, size_t size,
		const uint8_t *iv, struct slice added, uint8_t tag[16])
{
	struct gcm_context_data scratch;
	aes_gcm_enc_dec_t function = key->size == 16 ? (seal ? functions->gcm128_enc : functions->gcm128_dec)
						     : (seal ? functions->gcm256_enc : functions->gcm256_dec);
	function(schedule_of(key), &scratch, out, in, size, iv, added.at, added.size, tag, 16);
}

/* ---- in steps ---- */

_Static_assert(sizeof(struct gcm_context_data) <= DEVICE_GCM_SIZE, "a state fits");

static struct gcm_context_data *state_of(struct device_gcm *gcm)
{
	return (struct gcm_context_data *)(void *)gcm->state;
}

static const struct gcm_key_data *key_of(const struct device_gcm *gcm)
{
	return (const struct gcm_key_data *)(const void *)gcm->key->schedule;
}

void device_gcm_begin(struct device_gcm *gcm, const struct device_key *key, const uint8_t nonce[12],
		      struct slice added)
{
	aes_gcm_init_t begin = key->size == 16 ? functions->gcm128_init : functions->gcm256_init;
	gcm->key = key;
	begin(key_of(gcm), state_of(gcm), nonce, added.at, added.size);
}

void device_gcm_seal(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size)
{
	aes_gcm_enc_dec_update_t update =
	    gcm->key->size == 16 ? functions->gcm128_enc_update : functions->gcm256_enc_update;
	update(key_of(gcm), state_of(gcm), to, from, size);
}

void device_gcm_open(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size)
{
	aes_gcm_enc_dec_update_t update =
	    gcm->key->size == 16 ? functions->gcm128_dec_update : functions->gcm256_dec_update;
	update(key_of(gcm), state_of(gcm), to, from, size);
}

/* The state holds a block of the key stream. */
static void finish(struct device_gcm *gcm, aes_gcm_enc_dec_finalize_t finalize, uint8_t tag[16])
{
	finalize(key_of(gcm), state_of(gcm), tag, 16);
	explicit_bzero(gcm->state, sizeof gcm->state);
}

void device_gcm_seal_end(struct device_gcm *gcm, uint8_t tag[16])
{
	finish(gcm, gcm->key->size == 16 ? functions->gcm128_enc_finalize : functions->gcm256_enc_finalize,
	       tag);
}

void device_gcm_open_end(struct device_gcm *gcm, uint8_t tag[16])
{
	finish(gcm, gcm->key->size == 16 ? functions->gcm128_dec_finalize : functions->gcm256_dec_finalize,
	       tag);
}

/* ---- what wolfSSL asks for ---- */

/* Anything else is left to wolfSSL. */
static bool is_ours(const Aes *aes, word32 iv_size, word32 tag_size)
{
	return functions && at_work && iv_size == 12 && tag_size >= 12 && tag_size <= 16 &&
	       (aes->keylen == 16 || aes->keylen == 32);
}

static int seal_gcm(wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_enc.aes;
	struct slice added = {info->cipher.aesgcm_enc.authIn, info->cipher.aesgcm_enc.authInSz};
	const uint8_t *iv = info->cipher.aesgcm_enc.iv;
	uint8_t tag[16], nonce[12];
	bool is_new;

	if (!is_ours(aes, info->cipher.aesgcm_enc.ivSz, info->cipher.aesgcm_enc.authTagSz))
		return CRYPTOCB_UNAVAILABLE;
	struct device_key *key = find_key(aes, true, &is_new);
	if (at_work->records) {
		record_nonce_for_library(at_work, is_new, nonce);
		iv = nonce;
	}
	run(true, key, info->cipher.aesgcm_enc.out, info->cipher.aesgcm_enc.in, info->cipher.aesgcm_enc.sz,
	    iv, added, tag);
	memcpy(info->cipher.aesgcm_enc.authTag, tag, info->cipher.aesgcm_enc.authTagSz);
	return 0;
}

static int open_gcm(wc_CryptoInfo *info)
{
	const Aes *aes = info->cipher.aesgcm_dec.aes;
	struct slice added = {info->cipher.aesgcm_dec.authIn, info->cipher.aesgcm_dec.authInSz};
	uint8_t tag[16];
	bool is_new;

	if (!is_ours(aes, info->cipher.aesgcm_dec.ivSz, info->cipher.aesgcm_dec.authTagSz))
		return CRYPTOCB_UNAVAILABLE;
	if (at_work->opened_for_library) {
		memmove(info->cipher.aesgcm_dec.out, info->cipher.aesgcm_dec.in, info->cipher.aesgcm_dec.sz);
		return 0;
	}
	run(false, find_key(aes, false, &is_new), info->cipher.aesgcm_dec.out, info->cipher.aesgcm_dec.in,
	    info->cipher.aesgcm_dec.sz, info->cipher.aesgcm_dec.iv, added, tag);
	return device_is_same(tag, info->cipher.aesgcm_dec.authTag, info->cipher.aesgcm_dec.authTagSz)
		   ? 0
		   : AES_GCM_AUTH_E;
}

static int gcm(wc_CryptoInfo *info) { return info->cipher.enc ? seal_gcm(info) : open_gcm(info); }

/* The fourth test case of the GCM specification: AES-128, 60 bytes of text, 20 of added data. */
static bool known_answer(void)
{
	static const uint8_t secret[16] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
					   0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
	static const uint8_t iv[12] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
				       0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
	static const uint8_t added[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
					  0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
	static const uint8_t plain[60] = {
	    0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
	    0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
	    0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
	    0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
	static const uint8_t sealed[4] = {0x42, 0x83, 0x1e, 0xc2};
	static const uint8_t tag[16] = {0x5b, 0xc9, 0x4f, 0xbc, 0x32, 0x21, 0xa5, 0xdb,
					0x94, 0xfa, 0xe9, 0x5a, 0xe7, 0x12, 0x1a, 0x47};
	static struct device_key key;        /* not on the stack: a sanitizer's stack is less aligned */
	uint8_t out[60], out_tag[16];

	device_key_set(&key, secret, 16);
	run(true, &key, out, plain, sizeof plain, iv, (struct slice){added, sizeof added}, out_tag);
	return memcmp(out, sealed, sizeof sealed) == 0 && memcmp(out_tag, tag, sizeof tag) == 0;
}

/* Both directions against wolfSSL's own AES for one length. */
static bool agrees(uint32_t key_size, size_t size)
{
	static uint8_t plain[TLS_RECORD_MAX], ours[TLS_RECORD_MAX], theirs[TLS_RECORD_MAX];
	uint8_t secret[32], iv[12], our_tag[16], their_tag[16];
	static struct device_key key;        /* not on the stack: a sanitizer's stack is less aligned */
	struct slice added = {secret, 5};
	Aes aes;

	for (size_t i = 0; i < size; i++)
		plain[i] = (uint8_t)(i * 31 + size);
	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = (uint8_t)(i * 7 + key_size);
	memcpy(iv, secret, sizeof iv);
	if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
		return false;
	bool good =
	    wc_AesGcmSetKey(&aes, secret, key_size) == 0 &&
	    wc_AesGcmEncrypt(&aes, theirs, plain, (word32)size, iv, 12, their_tag, 16, added.at, 5) == 0;
	wc_AesFree(&aes);
	device_key_set(&key, secret, key_size);
	run(true, &key, ours, plain, size, iv, added, our_tag);
	good = good && memcmp(ours, theirs, size) == 0 && memcmp(our_tag, their_tag, 16) == 0;
	run(false, &key, ours, ours, size, iv, added, our_tag);
	return good && memcmp(ours, plain, size) == 0 && memcmp(our_tag, their_tag, 16) == 0;
}

static bool check_itself(void)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 63, 64, 257, 4096, TLS_RECORD_MAX};
	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		if (!agrees(16, sizes[i]) || !agrees(32, sizes[i]))
			return false;
	return known_answer();
}

/* False: the CPU has no AES instructions, which is no failure. */
static bool open_ipsec_mb(void)
{
	IMB_ARCH arch = IMB_ARCH_NONE;

	functions = alloc_mb_mgr(0);
	if (!functions)
		return false;
	init_mb_mgr_auto(functions, &arch);
	if (arch < IMB_ARCH_SSE || arch >= IMB_ARCH_NUM || !functions->gcm128_enc) {
		free_mb_mgr(functions);
		functions = NULL;
		return false;
	}
	snprintf(description, sizeof description, "ipsec-mb %s (%s)", imb_get_version_str(),
		 arch_names[arch]);
	return true;
}

bool device_is_fast(void) { return functions != NULL; }

static void close_ipsec_mb(void)
{
	if (functions)
		free_mb_mgr(functions);
	functions = NULL;
}

#else

static const char description[1] = "";
static int gcm(wc_CryptoInfo *info) { return CRYPTOCB_UNAVAILABLE; }
static bool check_itself(void) { return true; }
static bool open_ipsec_mb(void) { return false; }
static void close_ipsec_mb(void) {}
bool device_is_fast(void) { return false; }
void device_key_set(struct device_key *to, const uint8_t *key, uint32_t size) { check(false); }
void device_gcm_begin(struct device_gcm *gcm, const struct device_key *key, const uint8_t nonce[12],
		      struct slice added)
{
	check(false);
}
void device_gcm_seal(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size) { check(false); }
void device_gcm_open(struct device_gcm *gcm, uint8_t *to, const uint8_t *from, size_t size) { check(false); }
void device_gcm_seal_end(struct device_gcm *gcm, uint8_t tag[16]) { check(false); }
void device_gcm_open_end(struct device_gcm *gcm, uint8_t tag[16]) { check(false); }

#endif

bool device_is_same(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint8_t difference = 0;
	for (size_t i = 0; i < size; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

const char *device_text(void) { return device_is_fast() ? description : "wolfSSL (no ipsec-mb: slow)"; }

static int answer(int device, wc_CryptoInfo *info, void *unused)
{
	if (info->algo_type == WC_ALGO_TYPE_CIPHER && info->cipher.type == WC_CIPHER_AES_GCM)
		return gcm(info);
	if (info->algo_type == WC_ALGO_TYPE_RNG)
		return library_random(info->rng.out, info->rng.sz) ? 0 : RNG_FAILURE_E;
	if (info->algo_type == WC_ALGO_TYPE_SEED)
		return library_random(info->seed.seed, info->seed.sz) ? 0 : RNG_FAILURE_E;
	return CRYPTOCB_UNAVAILABLE;
}

enum status device_start(enum tls_crypto crypto, char why[TLS_TEXT_SIZE])
{
	if (crypto == TLS_CRYPTO_AUTO && open_ipsec_mb() && !check_itself()) {
		close_ipsec_mb();
		snprintf(why, TLS_TEXT_SIZE,
			 "the installed ipsec-mb computes AES-GCM wrongly on this CPU: "
			 "update libipsec-mb, or set TUNNEL_CRYPTO=library");
		return STATUS_IO;
	}
	if (wc_CryptoCb_RegisterDevice(DEVICE_ID, answer, NULL) != 0) {
		close_ipsec_mb();
		snprintf(why, TLS_TEXT_SIZE, "wolfSSL takes no crypto device");
		return STATUS_IO;
	}
	return STATUS_OK;
}

void device_stop(void)
{
	wc_CryptoCb_UnRegisterDevice(DEVICE_ID);
	close_ipsec_mb();
}
