/* Any text as an invite: what is taken is written and read back to the same. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/invite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str s = { (const char *)data, size };
	struct invite v, again;
	struct buf text = { 0 };
	struct endpoint e;

	if (endpoint_from_text(&e, s)) {
		char out[ENDPOINT_TEXT_MAX];
		struct endpoint back;

		endpoint_text(&e, out);
		FUZZ_CHECK(endpoint_from_text(&back, str_of(out)) && endpoint_equal(&e, &back));
	}
	if (invite_parse(s, &v, NULL) != ERR_OK)
		return 0;
	FUZZ_CHECK(v.n_endpoints <= INVITE_ENDPOINTS);
	invite_encode(&v, &text);
	FUZZ_CHECK(invite_parse(buf_str(&text), &again, NULL) == ERR_OK);
	FUZZ_CHECK(again.expiry_min == v.expiry_min && again.n_endpoints == v.n_endpoints);
	FUZZ_CHECK(strcmp(again.room, v.room) == 0 && strcmp(again.hint, v.hint) == 0);
	buf_deinit(&text);
	return 0;
}
