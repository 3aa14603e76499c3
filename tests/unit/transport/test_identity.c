#include "transport/identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "transport/cert.h"
#include "transport/iddoc.h"
#include "transport/identity_files.h"
#include "transport/wire.h"

#define NOW INT64_C(1700000000000)

static struct identity *fresh(void)
{
	struct identity_recovery r;

	return identity_new(&rng_system, NOW, &r);
}

static void a_name_is_the_public_key_and_nothing_else_is(void **state)
{
	CLEANUP(identity_freep) struct identity *id = fresh();
	const char *name = identity_name(id);
	unsigned char key[32];
	char bad[64];

	assert_int_equal(strlen(name), 52);
	assert_true(identity_name_parse(str_of(name), key));
	assert_memory_equal(key, identity_public(id), 32);

	snprintf(bad, sizeof(bad), "%s", name);
	bad[51] ^= 1; /* one of the four zero bits: decodes to the same key */
	assert_false(identity_name_parse(str_of(bad), key));
	snprintf(bad, sizeof(bad), "%s", name);
	for (char *c = bad; *c; c++)
		*c = (char)(*c >= 'a' ? *c - 32 : *c);
	assert_false(identity_name_parse(str_of(bad), key));
	assert_false(identity_name_parse(str_of("example.org"), key));
	assert_false(identity_name_parse(STR(""), key));
	memset(key, 0, 32); /* of order 4 */
	identity_name_of(key, bad);
	assert_false(identity_name_parse(str_of(bad), key));
}

static void the_recovery_code_brings_the_same_name_back_on_a_new_node(void **state)
{
	struct identity_recovery r, again;
	CLEANUP(identity_freep) struct identity *a = identity_new(&rng_system, NOW, &r);
	CLEANUP(identity_freep) struct identity *b = NULL;
	char code[IDENTITY_CODE_LEN + 1], spaced[160];
	size_t n = 0;

	identity_recovery_code(&r, code);
	assert_int_equal(strlen(code), IDENTITY_CODE_LEN);
	for (const char *c = code; *c; c++) {
		spaced[n++] = ' ';
		spaced[n++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	}
	assert_int_equal(
		identity_recovery_parse((struct str){ spaced, n }, &again, NULL), ERR_OK);
	b = identity_recover(&rng_system, NOW + 1, &again);
	assert_string_equal(identity_name(a), identity_name(b));
	assert_memory_not_equal(identity_node_public(a), identity_node_public(b), 32);
	assert_true(identity_document_seq(b) > identity_document_seq(a));
}

static void a_mistyped_recovery_code_is_refused(void **state)
{
	struct identity_recovery r, again;
	CLEANUP(identity_freep) struct identity *id = identity_new(&rng_system, NOW, &r);
	char code[IDENTITY_CODE_LEN + 1];
	unsigned taken = 0;

	identity_recovery_code(&r, code);
	for (size_t i = 0; i < IDENTITY_CODE_LEN; i++) {
		char was = code[i];

		if (was == '-')
			continue;
		code[i] = was == 'a' ? 'b' : 'a';
		taken += identity_recovery_parse(str_of(code), &again, NULL) == ERR_OK;
		code[i] = '1';
		assert_int_equal(
			identity_recovery_parse(str_of(code), &again, NULL), ERR_MALFORMED);
		code[i] = was;
	}
	assert_true(taken <= 1); /* two check bytes: one in 65,536 slips through */
	code[IDENTITY_CODE_LEN - 1] = '\0';
	assert_int_equal(identity_recovery_parse(str_of(code), &again, NULL), ERR_MALFORMED);
}

static void a_certificate_gets_a_successor_in_its_second_year(void **state)
{
	const int64_t year = INT64_C(365) * 24 * 3600 * 1000;
	CLEANUP(identity_freep) struct identity *id = fresh();
	CLEANUP(buf_deinit) struct buf old = { 0 };
	struct iddoc_set set = { 0 };
	struct cert c;
	bool changed = false;

	(void)state;
	buf_put_str(&old, identity_document(id));
	assert_false(identity_renew(id, NOW + year - 1));
	assert_true(str_eq(identity_document(id), buf_str(&old)));
	assert_true(identity_renew(id, NOW + year + 1));
	assert_int_equal(identity_document_seq(id), 2);
	assert_int_equal(cert_parse(identity_certificate(id), &c, NULL), ERR_OK);
	assert_int_equal(c.generation, 2);
	assert_true(cert_in_time(&c, NOW) && cert_in_time(&c, NOW + 3 * year));
	assert_false(identity_renew(id, NOW + year + 1));
	/* Who knows the first document takes the second, and goes on allowing the node. */
	assert_int_equal(iddoc_set_merge(&set, buf_str(&old), &changed, NULL), ERR_OK);
	assert_int_equal(iddoc_set_merge(&set, identity_document(id), &changed, NULL), ERR_OK);
	assert_true(changed && iddoc_set_seq(&set) == 2 && iddoc_set_allows(&set, &c));
	iddoc_set_deinit(&set);
}

static void every_bit_of_a_certificate_counts(void **state)
{
	CLEANUP(identity_freep) struct identity *id = fresh();
	char bytes[CERT_LEN];
	struct cert c;

	memcpy(bytes, identity_certificate(id).p, CERT_LEN);
	assert_int_equal(cert_parse((struct str){ bytes, CERT_LEN }, &c, NULL), ERR_OK);
	assert_memory_equal(c.node, identity_node_public(id), 32);
	assert_true(cert_in_time(&c, NOW));
	assert_true(cert_in_time(&c, NOW - 23 * 3600 * 1000));
	assert_false(cert_in_time(&c, NOW - 25 * 3600 * 1000));
	assert_false(cert_in_time(&c, (int64_t)c.not_after_ms + 25 * 3600 * 1000));
	for (size_t bit = 0; bit < CERT_LEN * 8; bit++) {
		bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(
			cert_parse((struct str){ bytes, CERT_LEN }, &c, NULL), ERR_OK);
		bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t n = 0; n < CERT_LEN; n++)
		assert_int_equal(cert_parse((struct str){ bytes, n }, &c, NULL), ERR_MALFORMED);
}

static void a_damaged_identity_text_is_refused(void **state)
{
	CLEANUP(identity_freep) struct identity *id = fresh();
	CLEANUP(identity_freep) struct identity *back = NULL;
	CLEANUP(buf_deinit) struct buf text = { 0 };

	identity_encode(id, &text);
	assert_int_equal(identity_decode(buf_str(&text), &back, NULL), ERR_OK);
	assert_string_equal(identity_name(back), identity_name(id));
	assert_memory_equal(identity_secret(back), identity_secret(id), 64);
	assert_memory_equal(identity_noise_secret(back), identity_noise_secret(id), 32);
	for (size_t i = 0; i < text.n; i += 3) {
		struct identity *bad = NULL;

		text.p[i] ^= 1;
		assert_int_equal(identity_decode(buf_str(&text), &bad, NULL), ERR_CORRUPT);
		text.p[i] ^= 1;
		assert_int_equal(
			identity_decode(str_head(buf_str(&text), i), &bad, NULL), ERR_CORRUPT);
	}
}

struct tmp {
	char dir[64];
	char file[96];
};

static int make_dir(void **state)
{
	struct tmp *t = NEW(struct tmp);

	snprintf(t->dir, sizeof(t->dir), "/tmp/kith-test-XXXXXX");
	if (!mkdtemp(t->dir))
		return -1;
	snprintf(t->file, sizeof(t->file), "%s/identity", t->dir);
	*state = t;
	return 0;
}

static int remove_dir(void **state)
{
	struct tmp *t = *state;
	char lock[96];

	snprintf(lock, sizeof(lock), "%s/lock", t->dir);
	unlink(t->file);
	unlink(lock);
	rmdir(t->dir);
	free(t);
	return 0;
}

static void the_file_is_private_and_never_replaced(void **state)
{
	struct tmp *t = *state;
	CLEANUP(identity_freep) struct identity *id = fresh();
	CLEANUP(identity_freep) struct identity *other = fresh();
	CLEANUP(identity_freep) struct identity *back = NULL;
	struct stat st;

	assert_int_equal(identity_file_load(t->dir, &back, NULL), ERR_NOT_FOUND);
	assert_false(identity_file_exists(t->dir));
	assert_int_equal(identity_file_create(t->dir, id, NULL), ERR_OK);
	assert_int_equal(stat(t->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(identity_file_create(t->dir, other, NULL), ERR_EXISTS);
	assert_int_equal(identity_file_load(t->dir, &back, NULL), ERR_OK);
	assert_string_equal(identity_name(back), identity_name(id));
}

static void a_damaged_open_or_linked_file_is_refused_and_left_alone(void **state)
{
	struct tmp *t = *state;
	CLEANUP(identity_freep) struct identity *id = fresh();
	struct identity *back = NULL;
	struct err_ctx why = { 0 };
	int fd;

	assert_int_equal(identity_file_create(t->dir, id, NULL), ERR_OK);
	assert_int_equal(chmod(t->file, 0640), 0);
	assert_int_equal(identity_file_load(t->dir, &back, &why), ERR_FORBIDDEN);
	assert_non_null(strstr(why.text, "chmod"));
	assert_int_equal(chmod(t->file, 0600), 0);

	assert_int_equal(truncate(t->file, 100), 0);
	why = (struct err_ctx){ 0 };
	assert_int_equal(identity_file_load(t->dir, &back, &why), ERR_CORRUPT);
	assert_non_null(strstr(why.text, "--recover"));
	assert_int_equal(identity_file_create(t->dir, id, NULL), ERR_EXISTS);

	assert_int_equal(unlink(t->file), 0);
	assert_int_equal(symlink("/dev/zero", t->file), 0);
	assert_int_not_equal(identity_file_load(t->dir, &back, NULL), ERR_OK);
	assert_int_equal(unlink(t->file), 0);
	fd = open(t->file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(identity_file_load(t->dir, &back, NULL), ERR_CORRUPT);
}

static void a_second_process_is_kept_out_until_the_first_is_gone(void **state)
{
	struct tmp *t = *state;
	int fd = -1, second = -1, status;
	pid_t pid;

	assert_int_equal(data_dir_lock(t->dir, &fd, NULL), ERR_OK);
	pid = fork();
	if (pid == 0)
		_exit(data_dir_lock(t->dir, &second, NULL) == ERR_EXISTS ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(data_dir_lock(t->dir, &second, NULL), ERR_EXISTS);
	data_dir_unlock(fd);
	assert_int_equal(data_dir_lock(t->dir, &second, NULL), ERR_OK);
	data_dir_unlock(second);
}

/* ---- identity documents ---- */

struct maker {
	unsigned char identity[32], identity_secret[64];
	unsigned char node[3][32], node_secret[3][64];
};

static void maker_init(struct maker *m)
{
	crypto_sign_keypair(m->identity, m->identity_secret);
	for (unsigned i = 0; i < 3; i++)
		crypto_sign_keypair(m->node[i], m->node_secret[i]);
}

static struct cert cert_for(struct maker *m, unsigned node, uint8_t flags, int by_node)
{
	struct cert c = { .flags = flags, .generation = 1 };

	memcpy(c.identity, m->identity, 32);
	memcpy(c.node, m->node[node], 32);
	c.issuer_kind = by_node < 0 ? CERT_BY_IDENTITY : CERT_BY_NODE;
	memcpy(c.issuer, by_node < 0 ? m->identity : m->node[by_node], 32);
	return c;
}

/* A document: kind 0 certifies node 0 (which may certify); kind 1 is signed by node signer. */
static void document(struct maker *m, uint64_t seq, int signer, int revoked, struct buf *out)
{
	struct iddoc *d = NEW(struct iddoc);
	struct buf bytes = { 0 };
	struct cert c = cert_for(m, 0, CERT_MAY_CERTIFY, -1);

	if (signer >= 0)
		c = cert_for(m, 1, 0, signer);
	cert_encode(&c, signer < 0 ? m->identity_secret : m->node_secret[signer], &bytes);
	d->kind = signer < 0 ? IDDOC_IDENTITY : IDDOC_AMENDMENT;
	d->seq = seq;
	memcpy(d->identity, m->identity, 32);
	memcpy(d->signer, signer < 0 ? m->identity : m->node[signer], 32);
	if (revoked < 0 || signer < 0) {
		d->cert_bytes[0] = buf_str(&bytes);
		d->n_certs = 1;
	}
	if (revoked >= 0) {
		memcpy(d->revoked[0].node, m->node[revoked], 32);
		d->n_revoked = 1;
	}
	iddoc_encode(d, signer < 0 ? m->identity_secret : m->node_secret[signer], out);
	buf_deinit(&bytes);
	free(d);
}

static void a_revocation_beats_every_certificate_until_a_newer_document(void **state)
{
	struct maker m;
	struct iddoc_set s = { 0 };
	struct buf base = { 0 }, add = { 0 }, revoke = { 0 }, newer = { 0 };
	struct cert by_node, first, second;
	bool changed;

	maker_init(&m);
	document(&m, 5, -1, -1, &base);
	document(&m, 5, 0, -1, &add);
	document(&m, 5, 0, 1, &revoke);
	document(&m, 6, -1, -1, &newer);
	by_node = cert_for(&m, 1, 0, 0);
	second = cert_for(&m, 1, 0, -1);
	first = cert_for(&m, 0, 0, -1);

	assert_int_equal(iddoc_set_merge(&s, buf_str(&add), &changed, NULL), ERR_NOT_FOUND);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&base), &changed, NULL), ERR_OK);
	assert_true(changed);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&base), &changed, NULL), ERR_OK);
	assert_false(changed);
	assert_true(iddoc_set_allows(&s, &first));
	assert_false(iddoc_set_allows(&s, &by_node)); /* not listed */
	assert_false(iddoc_set_allows(&s, &second));
	assert_int_equal(iddoc_set_merge(&s, buf_str(&add), &changed, NULL), ERR_OK);
	assert_true(iddoc_set_allows(&s, &by_node));
	assert_int_equal(iddoc_set_merge(&s, buf_str(&revoke), &changed, NULL), ERR_OK);
	assert_true(changed);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&add), &changed, NULL), ERR_OK);
	assert_false(changed);
	assert_true(iddoc_set_revokes(&s, by_node.node));
	assert_false(iddoc_set_allows(&s, &by_node));
	assert_false(iddoc_set_allows(&s, &second));
	assert_int_equal(iddoc_set_merge(&s, buf_str(&newer), &changed, NULL), ERR_OK);
	assert_int_equal(iddoc_set_seq(&s), 6);
	assert_false(iddoc_set_allows(&s, &second)); /* the newer one doesn't list it */
	assert_true(iddoc_set_allows(&s, &first));
	assert_int_equal(iddoc_set_merge(&s, buf_str(&revoke), &changed, NULL), ERR_OK);
	assert_false(changed);

	iddoc_set_deinit(&s);
	buf_deinit(&base);
	buf_deinit(&add);
	buf_deinit(&revoke);
	buf_deinit(&newer);
}

static void only_a_granting_node_may_amend(void **state)
{
	struct maker m, other;
	struct iddoc_set s = { 0 };
	struct buf base = { 0 }, wrong = { 0 }, foreign = { 0 };
	bool changed;

	maker_init(&m);
	maker_init(&other);
	document(&m, 5, -1, -1, &base);
	document(&m, 5, 2, 0, &wrong);
	document(&other, 9, -1, -1, &foreign);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&base), &changed, NULL), ERR_OK);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&wrong), &changed, NULL), ERR_FORBIDDEN);
	assert_int_equal(iddoc_set_merge(&s, buf_str(&foreign), &changed, NULL), ERR_INVALID);
	iddoc_set_deinit(&s);
	buf_deinit(&base);
	buf_deinit(&wrong);
	buf_deinit(&foreign);
}

static void every_byte_of_a_document_counts(void **state)
{
	struct maker m;
	struct buf doc = { 0 };
	struct iddoc *d = NEW(struct iddoc);

	maker_init(&m);
	document(&m, 5, -1, 2, &doc);
	assert_int_equal(iddoc_parse(buf_str(&doc), d, NULL), ERR_OK);
	assert_int_equal(d->n_revoked, 1);
	for (size_t i = 0; i < doc.n; i++) {
		doc.p[i] ^= 0x10;
		assert_int_not_equal(iddoc_parse(buf_str(&doc), d, NULL), ERR_OK);
		doc.p[i] ^= 0x10;
		assert_int_not_equal(iddoc_parse(str_head(buf_str(&doc), i), d, NULL), ERR_OK);
	}
	buf_put_u8(&doc, 0);
	assert_int_not_equal(iddoc_parse(buf_str(&doc), d, NULL), ERR_OK);
	buf_deinit(&doc);
	free(d);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_the_public_key_and_nothing_else_is),
		cmocka_unit_test(the_recovery_code_brings_the_same_name_back_on_a_new_node),
		cmocka_unit_test(a_mistyped_recovery_code_is_refused),
		cmocka_unit_test(a_certificate_gets_a_successor_in_its_second_year),
		cmocka_unit_test(every_bit_of_a_certificate_counts),
		cmocka_unit_test(a_damaged_identity_text_is_refused),
		IN_DIR(the_file_is_private_and_never_replaced),
		IN_DIR(a_damaged_open_or_linked_file_is_refused_and_left_alone),
		IN_DIR(a_second_process_is_kept_out_until_the_first_is_gone),
		cmocka_unit_test(a_revocation_beats_every_certificate_until_a_newer_document),
		cmocka_unit_test(only_a_granting_node_may_amend),
		cmocka_unit_test(every_byte_of_a_document_counts),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
