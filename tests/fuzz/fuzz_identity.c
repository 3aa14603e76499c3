/*
 * The first byte says as what the others are read: a certificate, an identity document (alone
 * and merged into a set), a node record, the identity file, a recovery code. What is taken
 * stays within its bounds, and merging twice teaches nothing.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "transport/cert.h"
#include "transport/iddoc.h"
#include "transport/identity.h"
#include "transport/node_record.h"

static void as_cert(struct str s)
{
	struct cert c;

	if (cert_parse(s, &c, NULL) == ERR_OK)
		FUZZ_CHECK(s.n == CERT_LEN && c.issuer_kind <= CERT_BY_NODE);
}

static void as_document(struct str s)
{
	struct iddoc *d = NEW(struct iddoc);
	struct iddoc_set set = { 0 };
	bool changed;

	if (iddoc_parse(s, d, NULL) == ERR_OK) {
		FUZZ_CHECK(d->n_certs <= IDDOC_MAX_CERTS && d->n_homes <= IDDOC_MAX_HOMES);
		FUZZ_CHECK(d->n_revoked <= IDDOC_MAX_REVOKED);
	}
	if (iddoc_set_merge(&set, s, &changed, NULL) == ERR_OK) {
		FUZZ_CHECK(changed);
		FUZZ_CHECK(iddoc_set_merge(&set, s, &changed, NULL) == ERR_OK && !changed);
		FUZZ_CHECK(iddoc_set_seq(&set) == d->seq);
	}
	iddoc_set_deinit(&set);
	free(d);
}

static void as_record(struct str s)
{
	struct node_record *r = NEW(struct node_record);

	if (node_record_parse(s, INT64_MAX, r, NULL) == ERR_OK) {
		FUZZ_CHECK(r->n_endpoints <= ENDPOINTS_MAX);
		FUZZ_CHECK(memchr(r->owner, 0, sizeof(r->owner)));
	}
	free(r);
}

static void as_file(struct str s)
{
	struct identity *id = NULL;

	if (identity_decode(s, &id, NULL) == ERR_OK)
		FUZZ_CHECK(strlen(identity_name(id)) == IDENTITY_NAME_LEN);
	identity_free(id);
}

static void as_code(struct str s)
{
	struct identity_recovery r;
	char code[IDENTITY_CODE_LEN + 1];
	unsigned char key[32];

	if (identity_recovery_parse(s, &r, NULL) == ERR_OK) {
		identity_recovery_code(&r, code);
		FUZZ_CHECK(identity_recovery_parse(str_of(code), &r, NULL) == ERR_OK);
	}
	if (identity_name_parse(s, key)) {
		identity_name_of(key, code);
		FUZZ_CHECK(str_eq(s, str_of(code)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const as[])(
		struct str) = { as_cert, as_document, as_record, as_file, as_code };
	struct str s = { (const char *)data + 1, size - 1 };

	if (size == 0)
		return 0;
	as[data[0] % ARRAY_LEN(as)](s);
	return 0;
}
