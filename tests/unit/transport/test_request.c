#include "transport/request.h"

#include <stdlib.h>

#include "tests/support/cmocka.h"
#include "transport/packer.h"
#include "transport/wire.h"

static void a_request_is_read_as_it_was_written(void **state)
{
	struct buf b = { 0 };
	struct request_head h = { TRANSPORT_POST, PACK_ZSTD, STR("federation/v1/x?a=%2F"), 300,
		70000 };
	struct request_head got;
	size_t used;

	(void)state;
	request_put(&h, &b);
	buf_put_z(&b, "body");
	assert_int_equal(request_get(buf_str(&b), &got, &used), ERR_OK);
	assert_int_equal(used, b.n - 4);
	assert_int_equal(got.method, TRANSPORT_POST);
	assert_int_equal(got.flags, PACK_ZSTD);
	assert_true(str_eq(got.path, h.path));
	assert_int_equal(got.sequence, 300);
	assert_int_equal(got.length, 70000);
	for (size_t n = 0; n < used; n++)
		assert_int_equal(request_get(str_head(buf_str(&b), n), &got, &used), ERR_LIMIT);
	buf_deinit(&b);
}

static void a_response_is_read_as_it_was_written(void **state)
{
	struct buf b = { 0 };
	struct response_head h = { .status = 429,
		.content_type = STR("text/html; charset=utf-8"),
		.disposition = STR("inline; filename=\"\xc3\xa4\""),
		.retry_after_ms = 5000,
		.acked = STR("\x07\x00"),
		.length = UINT64_C(1) << 40 };
	struct response_head got;
	size_t used;

	(void)state;
	response_put(&h, &b);
	assert_int_equal(response_get(buf_str(&b), &got, &used), ERR_OK);
	assert_int_equal(used, b.n);
	assert_int_equal(got.status, 429);
	assert_true(str_eq(got.content_type, h.content_type));
	assert_true(str_eq(got.disposition, h.disposition));
	assert_int_equal(got.retry_after_ms, 5000);
	assert_true(got.length == h.length);
	assert_true(str_eq(got.acked, h.acked));
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(
			response_get(str_head(buf_str(&b), n), &got, &used), ERR_LIMIT);
	buf_deinit(&b);
}

static void malformed_heads_are_refused(void **state)
{
	static const struct str requests[] = {
		STR_INIT("\x02\x00\x00\x00\x00\x00"), /* a response */
		STR_INIT("\x01\x04\x00\x00\x00\x00"), /* no such method */
		STR_INIT("\x01\x00\x02\x00\x00\x00"), /* a dictionary for nothing packed */
		STR_INIT("\x01\x00\x00\x03"
			 "a b\x00\x00"), /* would split a request line */
		STR_INIT("\x01\x00\x00\x02\r\n\x00\x00"),
		STR_INIT("\x01\x00\x00\x81\x20"), /* path too long */
	};
	static const struct str responses[] = {
		STR_INIT("\x01\x80\x01\x00\x00\x00"),
		STR_INIT("\x02\x63\x00\x00\x00"),                 /* status 99 */
		STR_INIT("\x02\xd8\x04\x00\x00\x00"),             /* status 600 */
		STR_INIT("\x02\xc8\x01\x00\x04\x01\x02\r\n\x00"), /* a header split */
		STR_INIT("\x02\xc8\x01\x00\x03\x83\x01x\x00"),    /* must be understood */
		STR_INIT("\x02\xc8\x01\x00\x03\x03\x01x\x00"), /* retry after isn't 8 bytes */
		STR_INIT("\x02\xc8\x01\x00\x03\x04\x01\x07\x00"), /* acked is cut */
	};
	struct request_head rq;
	struct response_head rs;
	size_t used;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		assert_int_equal(request_get(requests[i], &rq, &used), ERR_MALFORMED);
	for (size_t i = 0; i < ARRAY_LEN(responses); i++)
		assert_int_equal(response_get(responses[i], &rs, &used), ERR_MALFORMED);
}

static void a_head_that_never_ends_is_refused(void **state)
{
	static char bytes[REQUEST_HEAD_MAX] = { 2, (char)0xc8, 1, 0, (char)0xff, 63 };
	struct response_head rs;
	size_t used;

	(void)state;
	assert_int_equal(
		response_get((struct str){ bytes, sizeof(bytes) - 1 }, &rs, &used), ERR_LIMIT);
	assert_int_equal(
		response_get((struct str){ bytes, sizeof(bytes) }, &rs, &used), ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_read_as_it_was_written),
		cmocka_unit_test(a_response_is_read_as_it_was_written),
		cmocka_unit_test(malformed_heads_are_refused),
		cmocka_unit_test(a_head_that_never_ends_is_refused),
	};

	return RUN_TESTS(tests);
}
