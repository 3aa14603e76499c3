#include "transport/noise.h"

#include <assert.h>
#include <string.h>

#include <sodium.h>

/* What a message does, in order (Noise, section 5): E and S carry keys, the others mix one in.
 */
enum token { END, E, S, EE, ES, SE, SS, PSK };

#define MAX_TOKENS   6
#define MAX_MESSAGES 3

struct pattern {
	const char *name;
	bool rs_known; /* the responder's static key is a pre-message */
	bool psk;
	unsigned messages;
	enum token tokens[MAX_MESSAGES][MAX_TOKENS];
};

static const struct pattern patterns[] = {
	[NOISE_IK] = { "Noise_IK_25519_ChaChaPoly_BLAKE2b", true, false, 2,
		{ { E, ES, S, SS, END }, { E, EE, SE, END } } },
	[NOISE_IKPSK1] = { "Noise_IKpsk1_25519_ChaChaPoly_BLAKE2b", true, true, 2,
		{ { E, ES, S, SS, PSK, END }, { E, EE, SE, END } } },
	[NOISE_XX] = { "Noise_XX_25519_ChaChaPoly_BLAKE2b", false, false, 3,
		{ { E, END }, { E, EE, S, ES, END }, { S, SE, END } } },
};

#define HMAC_BLOCK 128

static void hmac(unsigned char out[NOISE_HASH], const unsigned char key[NOISE_HASH],
	const unsigned char *p, size_t n, const unsigned char *last)
{
	unsigned char pad[HMAC_BLOCK];
	crypto_generichash_state st;

	memset(pad, 0x36, sizeof(pad));
	for (size_t i = 0; i < NOISE_HASH; i++)
		pad[i] ^= key[i];
	crypto_generichash_init(&st, NULL, 0, NOISE_HASH);
	crypto_generichash_update(&st, pad, sizeof(pad));
	crypto_generichash_update(&st, p, n);
	if (last)
		crypto_generichash_update(&st, last, 1);
	crypto_generichash_final(&st, out, NOISE_HASH);

	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	crypto_generichash_init(&st, NULL, 0, NOISE_HASH);
	crypto_generichash_update(&st, pad, sizeof(pad));
	crypto_generichash_update(&st, out, NOISE_HASH);
	crypto_generichash_final(&st, out, NOISE_HASH);
	sodium_memzero(pad, sizeof(pad));
	sodium_memzero(&st, sizeof(st));
}

/* HKDF(ck, input) into n outputs of NOISE_HASH bytes, n up to 3. */
static void hkdf(const unsigned char ck[NOISE_HASH], const unsigned char *input, size_t input_n,
	unsigned n, unsigned char out[][NOISE_HASH])
{
	unsigned char temp[NOISE_HASH];

	hmac(temp, ck, input, input_n, NULL);
	for (unsigned i = 0; i < n; i++) {
		unsigned char number = (unsigned char)(i + 1);

		hmac(out[i], temp, i ? out[i - 1] : temp, i ? NOISE_HASH : 0, &number);
	}
	sodium_memzero(temp, sizeof(temp));
}

static void cipher_init(struct noise_cipher *c, const unsigned char *key)
{
	memcpy(c->k, key, sizeof(c->k));
	c->n = 0;
	c->has_key = true;
}

static void nonce_of(uint64_t n, unsigned char nonce[12])
{
	memset(nonce, 0, 4);
	for (unsigned i = 0; i < 8; i++)
		nonce[4 + i] = (unsigned char)(n >> (8 * i));
}

void noise_seal(struct noise_cipher *c, struct str ad, struct str plain, struct buf *out)
{
	unsigned char nonce[12];

	assert(c->has_key && c->n < UINT64_MAX);
	nonce_of(c->n, nonce);
	buf_reserve(out, plain.n + NOISE_TAG);
	crypto_aead_chacha20poly1305_ietf_encrypt((unsigned char *)out->p + out->n, NULL,
		(const unsigned char *)plain.p, plain.n, (const unsigned char *)ad.p, ad.n,
		NULL, nonce, c->k);
	out->n += plain.n + NOISE_TAG;
	c->n++;
}

enum err noise_open(struct noise_cipher *c, struct str ad, struct str sealed, struct buf *plain)
{
	unsigned char nonce[12];

	if (sealed.n < NOISE_TAG)
		return ERR_MALFORMED;
	if (!c->has_key || c->n == UINT64_MAX)
		return ERR_FORBIDDEN;
	nonce_of(c->n, nonce);
	buf_reserve(plain, sealed.n - NOISE_TAG + 1);
	if (crypto_aead_chacha20poly1305_ietf_decrypt((unsigned char *)plain->p + plain->n,
		    NULL, NULL, (const unsigned char *)sealed.p, sealed.n,
		    (const unsigned char *)ad.p, ad.n, nonce, c->k) != 0)
		return ERR_FORBIDDEN;
	plain->n += sealed.n - NOISE_TAG;
	c->n++;
	return ERR_OK;
}

void noise_rekey(struct noise_cipher *c)
{
	unsigned char zeros[32] = { 0 };
	unsigned char out[32 + NOISE_TAG];
	unsigned char nonce[12];

	nonce_of(UINT64_MAX, nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		out, NULL, zeros, sizeof(zeros), NULL, 0, NULL, nonce, c->k);
	memcpy(c->k, out, sizeof(c->k));
	sodium_memzero(out, sizeof(out));
}

static void mix_hash(struct noise *n, const void *p, size_t len)
{
	crypto_generichash_state st;

	crypto_generichash_init(&st, NULL, 0, NOISE_HASH);
	crypto_generichash_update(&st, n->h, sizeof(n->h));
	crypto_generichash_update(&st, p, len);
	crypto_generichash_final(&st, n->h, sizeof(n->h));
}

static void mix_key(struct noise *n, const unsigned char key[32])
{
	unsigned char out[2][NOISE_HASH];

	hkdf(n->ck, key, 32, 2, out);
	memcpy(n->ck, out[0], NOISE_HASH);
	cipher_init(&n->cipher, out[1]);
	sodium_memzero(out, sizeof(out));
}

static void mix_psk(struct noise *n)
{
	unsigned char out[3][NOISE_HASH];

	hkdf(n->ck, n->psk, sizeof(n->psk), 3, out);
	memcpy(n->ck, out[0], NOISE_HASH);
	mix_hash(n, out[1], NOISE_HASH);
	cipher_init(&n->cipher, out[2]);
	sodium_memzero(out, sizeof(out));
}

static enum err mix_dh(
	struct noise *n, const unsigned char secret[32], const unsigned char public_key[32])
{
	unsigned char shared[32];

	if (crypto_scalarmult(shared, secret, public_key) != 0)
		return ERR_FORBIDDEN;
	mix_key(n, shared);
	sodium_memzero(shared, sizeof(shared));
	return ERR_OK;
}

/* The tokens that both sides treat alike; ES is the initiator's e with the responder's s. */
static enum err mix_token(struct noise *n, enum token token)
{
	bool ours_e = token == EE || token == (n->initiator ? ES : SE);
	bool theirs_e = token == EE || token == (n->initiator ? SE : ES);

	if (token == PSK) {
		mix_psk(n);
		return ERR_OK;
	}
	return mix_dh(n, ours_e ? n->e : n->s.secret, theirs_e ? n->re : n->rs);
}

static void seal_and_hash(struct noise *n, struct str plain, struct buf *out)
{
	size_t at = out->n;

	if (n->cipher.has_key)
		noise_seal(&n->cipher, (struct str){ (char *)n->h, sizeof(n->h) }, plain, out);
	else
		buf_put_str(out, plain);
	mix_hash(n, out->p ? out->p + at : "", out->n - at);
}

static enum err open_and_hash(struct noise *n, struct str in, struct buf *plain)
{
	if (n->cipher.has_key) {
		enum err err = noise_open(
			&n->cipher, (struct str){ (char *)n->h, sizeof(n->h) }, in, plain);

		if (err)
			return err;
	} else {
		buf_put_str(plain, in);
	}
	mix_hash(n, in.p, in.n);
	return ERR_OK;
}

void noise_init(struct noise *n, enum noise_pattern pattern, bool initiator,
	struct str prologue, struct noise_keys s, const unsigned char *rs)
{
	const struct pattern *p = &patterns[pattern];
	const char *name = p->name;

	*n = (struct noise){ .pattern = pattern, .initiator = initiator, .s = s };
	assert(strlen(name) <= NOISE_HASH);
	memcpy(n->h, name, strlen(name));
	memcpy(n->ck, n->h, NOISE_HASH);
	mix_hash(n, prologue.p, prologue.n);
	if (!p->rs_known)
		return;
	if (initiator) {
		assert(rs);
		memcpy(n->rs, rs, sizeof(n->rs));
		n->has_rs = true;
	}
	mix_hash(n, initiator ? n->rs : s.public_key, 32);
}

void noise_set_psk(struct noise *n, const unsigned char psk[32])
{
	memcpy(n->psk, psk, sizeof(n->psk));
}

bool noise_finished(const struct noise *n)
{
	return n->message >= patterns[n->pattern].messages;
}

static enum err write_token(
	struct noise *n, enum token token, const unsigned char ephemeral[32], struct buf *out)
{
	if (token == E) {
		memcpy(n->e, ephemeral, sizeof(n->e));
		crypto_scalarmult_base(n->e_public, n->e);
		buf_put(out, n->e_public, sizeof(n->e_public));
		mix_hash(n, n->e_public, sizeof(n->e_public));
		if (patterns[n->pattern].psk)
			mix_key(n, n->e_public);
		return ERR_OK;
	}
	if (token == S) {
		seal_and_hash(n, (struct str){ (const char *)n->s.public_key, 32 }, out);
		return ERR_OK;
	}
	return mix_token(n, token);
}

enum err noise_write(
	struct noise *n, const unsigned char ephemeral[32], struct str payload, struct buf *out)
{
	const enum token *t = patterns[n->pattern].tokens[n->message];

	assert(!noise_finished(n) && (n->message % 2 == 0) == n->initiator);
	for (; *t != END; t++) {
		enum err err = write_token(n, *t, ephemeral, out);

		if (err)
			return err;
	}
	seal_and_hash(n, payload, out);
	n->message++;
	return ERR_OK;
}

static enum err read_static(struct noise *n, struct str *rest)
{
	CLEANUP(buf_deinit) struct buf key = { 0 };
	size_t len = 32 + (n->cipher.has_key ? NOISE_TAG : 0);
	enum err err;

	if (rest->n < len)
		return ERR_MALFORMED;
	err = open_and_hash(n, str_head(*rest, len), &key);
	if (err)
		return err;
	memcpy(n->rs, key.p, sizeof(n->rs));
	n->has_rs = true;
	*rest = str_skip(*rest, len);
	return ERR_OK;
}

static enum err read_token(struct noise *n, enum token token, struct str *rest)
{
	if (token == E) {
		if (rest->n < sizeof(n->re))
			return ERR_MALFORMED;
		memcpy(n->re, rest->p, sizeof(n->re));
		mix_hash(n, n->re, sizeof(n->re));
		if (patterns[n->pattern].psk)
			mix_key(n, n->re);
		*rest = str_skip(*rest, sizeof(n->re));
		return ERR_OK;
	}
	if (token == S)
		return read_static(n, rest);
	return mix_token(n, token);
}

enum err noise_read(struct noise *n, struct str message, struct buf *payload)
{
	const enum token *t = patterns[n->pattern].tokens[n->message];
	enum err err;

	assert(!noise_finished(n) && (n->message % 2 == 1) == n->initiator);
	if (message.n > NOISE_MAX_MSG)
		return ERR_MALFORMED;
	for (; *t != END; t++) {
		err = read_token(n, *t, &message);
		if (err)
			return err;
	}
	err = open_and_hash(n, message, payload);
	if (err)
		return err;
	n->message++;
	return ERR_OK;
}

void noise_split(const struct noise *n, struct noise_cipher *tx, struct noise_cipher *rx)
{
	unsigned char out[2][NOISE_HASH];

	assert(noise_finished(n));
	hkdf(n->ck, NULL, 0, 2, out);
	cipher_init(n->initiator ? tx : rx, out[0]);
	cipher_init(n->initiator ? rx : tx, out[1]);
	sodium_memzero(out, sizeof(out));
}

const unsigned char *noise_hash(const struct noise *n)
{
	assert(noise_finished(n));
	return n->h;
}

void noise_wipe(struct noise *n)
{
	sodium_memzero(n, sizeof(*n));
}

void noise_cipher_wipe(struct noise_cipher *c)
{
	sodium_memzero(c, sizeof(*c));
}
