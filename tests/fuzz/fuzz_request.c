/* Any bytes as the head of a request or response, and as a packed body. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/packer.h"
#include "transport/request.h"

static bool inside(struct str part, struct str whole)
{
	return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	struct request_head rq, rq2;
	struct response_head rs, rs2;
	struct buf b = { 0 };
	struct packer *packer = packer_new();
	size_t used, used2;

	if (request_get(s, &rq, &used) == ERR_OK) {
		FUZZ_CHECK(used <= size && inside(rq.path, s));
		request_put(&rq, &b);
		FUZZ_CHECK(str_eq(buf_str(&b), str_head(s, used)));
		FUZZ_CHECK(request_get(buf_str(&b), &rq2, &used2) == ERR_OK && used2 == used);
	}
	buf_clear(&b);
	if (response_get(s, &rs, &used) == ERR_OK) {
		FUZZ_CHECK(used <= size && inside(rs.content_type, s));
		FUZZ_CHECK(inside(rs.disposition, s) && rs.status >= 100 && rs.status <= 599);
		response_put(&rs, &b);
		FUZZ_CHECK(response_get(buf_str(&b), &rs2, &used2) == ERR_OK);
		FUZZ_CHECK(
			rs2.length == rs.length && str_eq(rs2.content_type, rs.content_type));
	}
	buf_clear(&b);
	for (uint8_t flags = PACK_ZSTD; flags <= (PACK_ZSTD | PACK_DICTIONARY); flags += 2) {
		buf_clear(&b);
		if (packer_unpack(packer, flags, s, 65536, &b) == ERR_OK)
			FUZZ_CHECK(b.n <= 65536);
	}
	packer_free(packer);
	buf_deinit(&b);
	return 0;
}
