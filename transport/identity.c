#include "transport/identity.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/base/base32.h"
#include "transport/cert.h"
#include "transport/iddoc.h"
#include "transport/wire.h"

/*
 * The identity file is text, so that a person who opens it knows what it is:
 *
 *	kith-identity 1
 *	identity <base32 of the identity key's seed>
 *	node <base32 of the node key's seed>
 *	document <base32 of the identity document>
 *	check <base32 of H16 of all lines above>
 */
#define FILE_HEAD     "kith-identity 1\n"
#define SEED_LEN      32
#define CERT_YEARS_MS 63072000000ull
#define CODE_CHECK    2
#define CODE_CHARS    55

struct secrets {
	unsigned char identity_seed[SEED_LEN];
	unsigned char identity[64];
	unsigned char node_seed[SEED_LEN];
	unsigned char node[64];
	unsigned char noise[32];
};

struct identity {
	struct secrets *secrets; /* owned, sodium_malloc */
	unsigned char public_key[32];
	unsigned char node_public[32];
	unsigned char noise_public[32];
	char name[IDENTITY_NAME_LEN + 1];
	struct buf document;
	uint64_t document_seq;
	unsigned char certificate[CERT_LEN]; /* this node's, from the document */
};

static struct identity *identity_alloc(void)
{
	struct identity *id = NEW(struct identity);
	int rc = sodium_init();

	assert(rc >= 0); /* fails only where the system has no random bytes */
	(void)rc;
	id->secrets = sodium_malloc(sizeof(*id->secrets));
	if (!id->secrets)
		abort(); /* as xalloc does */
	sodium_memzero(id->secrets, sizeof(*id->secrets));
	return id;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	sodium_free(id->secrets);
	buf_deinit(&id->document);
	free(id);
}

void identity_freep(struct identity **id)
{
	identity_free(*id);
	*id = NULL;
}

/* Everything that follows from the two seeds. False if a key came out unusable, which a damaged
 * file can't bring about but a bad random generator could. */
static bool derive(struct identity *id)
{
	struct secrets *s = id->secrets;

	crypto_sign_seed_keypair(id->public_key, s->identity, s->identity_seed);
	crypto_sign_seed_keypair(id->node_public, s->node, s->node_seed);
	if (crypto_sign_ed25519_sk_to_curve25519(s->noise, s->node) != 0 ||
		crypto_sign_ed25519_pk_to_curve25519(id->noise_public, id->node_public) != 0)
		return false;
	identity_name_of(id->public_key, id->name);
	return identity_key_ok(id->public_key) && identity_key_ok(id->node_public);
}

/* Seed of identity key n: H[kith-id](R, n), n as 8 bytes. */
static void recovery_identity_seed(
	const struct identity_recovery *r, uint64_t n, unsigned char seed[SEED_LEN])
{
	unsigned char in[sizeof(r->seed) + 8];

	memcpy(in, r->seed, sizeof(r->seed));
	for (unsigned i = 0; i < 8; i++)
		in[sizeof(r->seed) + i] = (unsigned char)(n >> (56 - 8 * i));
	wire_hash(seed, SEED_LEN, "kith-id", (struct str){ (char *)in, sizeof(in) });
	sodium_memzero(in, sizeof(in));
}

/* H of the public key that may succeed number 0. */
static void next_commitment(const struct identity_recovery *r, unsigned char out[32])
{
	unsigned char seed[SEED_LEN], pk[32], sk[64];

	recovery_identity_seed(r, 1, seed);
	crypto_sign_seed_keypair(pk, sk, seed);
	wire_hash(out, 32, NULL, (struct str){ (char *)pk, sizeof(pk) });
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(sk, sizeof(sk));
}

static void first_document(
	struct identity *id, int64_t now_ms, uint64_t seq, const struct identity_recovery *r)
{
	CLEANUP(buf_deinit) struct buf bytes = { 0 };
	CLEANUP(freep) struct iddoc *d = NEW(struct iddoc);
	struct cert c = {
		.flags = CERT_MAY_CERTIFY,
		.not_before_ms = now_ms > 0 ? (uint64_t)now_ms : 0,
		.generation = 1,
		.issuer_kind = CERT_BY_IDENTITY,
	};
	enum err err;

	c.not_after_ms = c.not_before_ms + CERT_YEARS_MS;
	memcpy(c.identity, id->public_key, 32);
	memcpy(c.issuer, id->public_key, 32);
	memcpy(c.node, id->node_public, 32);
	cert_encode(&c, id->secrets->identity, &bytes);

	d->kind = IDDOC_IDENTITY;
	memcpy(d->identity, id->public_key, 32);
	memcpy(d->signer, id->public_key, 32);
	d->seq = seq;
	next_commitment(r, d->next);
	d->certs[0] = c;
	d->cert_bytes[0] = buf_str(&bytes);
	d->n_certs = 1;
	iddoc_encode(d, id->secrets->identity, &id->document);
	err = identity_set_document(id, buf_str(&id->document), NULL);
	assert(!err);
	(void)err;
}

static struct identity *make(
	const struct rng *rng, int64_t now_ms, uint64_t seq, const struct identity_recovery *r)
{
	struct identity *id = identity_alloc();
	bool ok;

	recovery_identity_seed(r, 0, id->secrets->identity_seed);
	rng_fill(rng, id->secrets->node_seed, SEED_LEN);
	ok = derive(id);
	assert(ok);
	(void)ok;
	first_document(id, now_ms, seq, r);
	return id;
}

struct identity *identity_new(
	const struct rng *rng, int64_t now_ms, struct identity_recovery *recovery)
{
	rng_fill(rng, recovery->seed, sizeof(recovery->seed));
	return make(rng, now_ms, 1, recovery);
}

struct identity *identity_recover(
	const struct rng *rng, int64_t now_ms, const struct identity_recovery *recovery)
{
	/* The lost device counted its documents up from 1, one for each change; milliseconds
	 * since 1970 are beyond any of them. */
	return make(rng, now_ms, now_ms > 1 ? (uint64_t)now_ms : 2, recovery);
}

const char *identity_name(const struct identity *id)
{
	return id->name;
}

const unsigned char *identity_public(const struct identity *id)
{
	return id->public_key;
}

const unsigned char *identity_node_public(const struct identity *id)
{
	return id->node_public;
}

const unsigned char *identity_secret(const struct identity *id)
{
	return id->secrets->identity;
}

const unsigned char *identity_node_secret(const struct identity *id)
{
	return id->secrets->node;
}

const unsigned char *identity_noise_secret(const struct identity *id)
{
	return id->secrets->noise;
}

const unsigned char *identity_noise_public(const struct identity *id)
{
	return id->noise_public;
}

struct str identity_certificate(const struct identity *id)
{
	return (struct str){ (const char *)id->certificate, CERT_LEN };
}

struct str identity_document(const struct identity *id)
{
	return buf_str(&id->document);
}

uint64_t identity_document_seq(const struct identity *id)
{
	return id->document_seq;
}

static const struct str *own_certificate(const struct identity *id, const struct iddoc *d)
{
	for (size_t i = 0; i < d->n_certs; i++) {
		if (memcmp(d->certs[i].node, id->node_public, 32) == 0)
			return &d->cert_bytes[i];
	}
	return NULL;
}

enum err identity_set_document(struct identity *id, struct str document, struct err_ctx *why)
{
	CLEANUP(freep) struct iddoc *d = NEW(struct iddoc);
	CLEANUP(buf_deinit) struct buf copy = { 0 };
	enum err err = iddoc_parse(document, d, why);
	const struct str *cert;

	if (err)
		return err;
	if (d->kind != IDDOC_IDENTITY || memcmp(d->identity, id->public_key, 32) != 0)
		return err_set(why, ERR_INVALID, "a document of another identity");
	cert = own_certificate(id, d);
	if (!cert)
		return err_set(why, ERR_INVALID, "a document without this node's certificate");
	memcpy(id->certificate, cert->p, CERT_LEN);
	id->document_seq = d->seq;
	buf_put_str(&copy, document);
	buf_deinit(&id->document);
	id->document = copy;
	copy = (struct buf){ 0 };
	return ERR_OK;
}

bool identity_renew(struct identity *id, int64_t now_ms)
{
	CLEANUP(freep) struct iddoc *d = NEW(struct iddoc);
	CLEANUP(buf_deinit) struct buf document = { 0 };
	CLEANUP(buf_deinit) struct buf bytes = { 0 };
	uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;
	enum err err = iddoc_parse(buf_str(&id->document), d, NULL);
	size_t i = 0;

	assert(!err); /* it was read before */
	(void)err;
	while (memcmp(d->certs[i].node, id->node_public, 32) != 0)
		i++; /* it holds this node's certificate, or it would not be ours */
	if (d->certs[i].not_after_ms == 0 ||
		now + CERT_YEARS_MS / 2 < d->certs[i].not_after_ms ||
		d->certs[i].issuer_kind != CERT_BY_IDENTITY)
		return false;
	d->certs[i].not_after_ms = now + CERT_YEARS_MS;
	d->certs[i].generation++;
	cert_encode(&d->certs[i], id->secrets->identity, &bytes);
	d->cert_bytes[i] = buf_str(&bytes);
	d->seq++;
	iddoc_encode(d, id->secrets->identity, &document);
	err = identity_set_document(id, buf_str(&document), NULL);
	assert(!err);
	(void)err;
	return true;
}

/* ---- names ---- */

void identity_name_of(const unsigned char public_key[32], char name[IDENTITY_NAME_LEN + 1])
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	base32_put(&b, public_key, 32);
	assert(b.n == IDENTITY_NAME_LEN);
	memcpy(name, b.p, IDENTITY_NAME_LEN);
	name[IDENTITY_NAME_LEN] = '\0';
}

bool identity_key_ok(const unsigned char public_key[32])
{
	return crypto_core_ed25519_is_valid_point(public_key) == 1;
}

bool identity_name_parse(struct str name, unsigned char public_key[32])
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	char again[IDENTITY_NAME_LEN + 1];

	if (name.n != IDENTITY_NAME_LEN || base32_get(&b, name) != ERR_OK || b.n != 32)
		return false;
	identity_name_of((const unsigned char *)b.p, again);
	if (memcmp(again, name.p, IDENTITY_NAME_LEN) != 0 ||
		!identity_key_ok((const unsigned char *)b.p))
		return false;
	memcpy(public_key, b.p, 32);
	return true;
}

/* ---- recovery codes ---- */

void identity_recovery_code(
	const struct identity_recovery *recovery, char code[IDENTITY_CODE_LEN + 1])
{
	struct buf b = { 0 };
	unsigned char in[sizeof(recovery->seed) + CODE_CHECK];
	char *at = code;

	memcpy(in, recovery->seed, sizeof(recovery->seed));
	wire_hash(in + sizeof(recovery->seed), CODE_CHECK, NULL,
		(struct str){ (const char *)recovery->seed, sizeof(recovery->seed) });
	buf_reserve(&b, CODE_CHARS + 1); /* no copies of it left behind by growth */
	base32_put(&b, in, sizeof(in));
	assert(b.n == CODE_CHARS);
	for (size_t i = 0; i < CODE_CHARS; i++) {
		if (i > 0 && i % 5 == 0)
			*at++ = '-';
		*at++ = b.p[i];
	}
	*at = '\0';
	sodium_memzero(in, sizeof(in));
	sodium_memzero(b.p, b.n);
	buf_deinit(&b);
}

static enum err code_check(struct str text, struct identity_recovery *out, struct err_ctx *why)
{
	struct buf b = { 0 };
	unsigned char check[CODE_CHECK];
	enum err err = ERR_OK;

	buf_reserve(&b, sizeof(out->seed) + CODE_CHECK);
	if (base32_get(&b, text) != ERR_OK || b.n != sizeof(out->seed) + CODE_CHECK) {
		err = err_set(why, ERR_MALFORMED,
			"the recovery code has a character that is none of a-z and 2-7");
		goto out;
	}
	wire_hash(check, sizeof(check), NULL, (struct str){ b.p, sizeof(out->seed) });
	if (sodium_memcmp(check, b.p + sizeof(out->seed), sizeof(check)) != 0) {
		err = err_set(why, ERR_MALFORMED, "the recovery code has a typing mistake");
		goto out;
	}
	memcpy(out->seed, b.p, sizeof(out->seed));
out:
	sodium_memzero(b.p, b.cap);
	buf_deinit(&b);
	return err;
}

enum err identity_recovery_parse(
	struct str code, struct identity_recovery *recovery, struct err_ctx *why)
{
	char text[CODE_CHARS];
	size_t n = 0;
	enum err err;

	for (size_t i = 0; i < code.n; i++) {
		char c = code.p[i];

		if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n')
			continue;
		if (n < sizeof(text))
			text[n] = c;
		n++;
	}
	if (n != CODE_CHARS) {
		sodium_memzero(text, sizeof(text));
		return err_set(why, ERR_MALFORMED,
			"the recovery code has %zu letters and digits instead of %d", n,
			CODE_CHARS);
	}
	err = code_check((struct str){ text, sizeof(text) }, recovery, why);
	sodium_memzero(text, sizeof(text));
	return err;
}

void identity_recovery_wipe(struct identity_recovery *recovery)
{
	sodium_memzero(recovery, sizeof(*recovery));
}

/* ---- the file ---- */

static void put_line(struct buf *out, const char *key, const void *p, size_t n)
{
	buf_put_z(out, key);
	buf_put_u8(out, ' ');
	base32_put(out, p, n);
	buf_put_u8(out, '\n');
}

void identity_encode(const struct identity *id, struct buf *out)
{
	size_t at = out->n;
	unsigned char check[16];

	/* One growth, so that no copy of a secret is left in freed memory. */
	buf_reserve(out, 512 + id->document.n * 2);
	buf_put_z(out, FILE_HEAD);
	put_line(out, "identity", id->secrets->identity_seed, SEED_LEN);
	put_line(out, "node", id->secrets->node_seed, SEED_LEN);
	put_line(out, "document", id->document.p, id->document.n);
	wire_hash(check, sizeof(check), NULL, (struct str){ out->p + at, out->n - at });
	put_line(out, "check", check, sizeof(check));
}

/* The value of the line "key value\n" at the start of *rest. */
static bool take_line(struct str *rest, const char *key, struct buf *out)
{
	struct str line, word, value;

	if (!str_cut(*rest, '\n', &line, rest) || !str_cut(line, ' ', &word, &value))
		return false;
	return str_eq(word, str_of(key)) && base32_get(out, value) == ERR_OK;
}

static bool take_seed(struct str *rest, const char *key, unsigned char seed[SEED_LEN])
{
	struct buf b = { 0 };
	bool ok;

	buf_reserve(&b, SEED_LEN + 8);
	ok = take_line(rest, key, &b) && b.n == SEED_LEN;
	if (ok)
		memcpy(seed, b.p, SEED_LEN);
	sodium_memzero(b.p, b.cap);
	buf_deinit(&b);
	return ok;
}

static bool take_check(struct str text, struct str *rest)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	struct str above = str_head(text, text.n - rest->n);
	unsigned char check[16];

	wire_hash(check, sizeof(check), NULL, above);
	return take_line(rest, "check", &b) && b.n == sizeof(check) &&
		memcmp(b.p, check, sizeof(check)) == 0 && rest->n == 0;
}

enum err identity_decode(struct str text, struct identity **out, struct err_ctx *why)
{
	CLEANUP(identity_freep) struct identity *id = identity_alloc();
	CLEANUP(buf_deinit) struct buf doc = { 0 };
	struct str rest = text;

	if (!str_starts(text, STR(FILE_HEAD)))
		return err_set(why, ERR_CORRUPT, "the identity file has another beginning");
	rest = str_skip(rest, STR(FILE_HEAD).n);
	if (!take_seed(&rest, "identity", id->secrets->identity_seed) ||
		!take_seed(&rest, "node", id->secrets->node_seed) ||
		!take_line(&rest, "document", &doc) || !take_check(text, &rest))
		return err_set(why, ERR_CORRUPT,
			"the identity file is damaged (its check does not fit)");
	if (!derive(id) || identity_set_document(id, buf_str(&doc), why) != ERR_OK)
		return err_set(
			why, ERR_CORRUPT, "the identity file's keys and document differ");
	*out = MOVE(id);
	return ERR_OK;
}
