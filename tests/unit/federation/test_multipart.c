/* The multipart answer of a media download, in pieces of every size. */
#include "tests/support/cmocka.h"

#include "node/federation/multipart.h"

struct got {
	struct buf data;
	char type[64];
	char disposition[64];
	char location[64];
	unsigned heads;
	enum err fail;
};

static void copy(char out[64], struct str s)
{
	s = str_head(s, 63);
	memcpy(out, s.p ? s.p : "", s.n);
	out[s.n] = '\0';
}

static enum err head(
	void *arg, struct str content_type, struct str disposition, struct str location)
{
	struct got *g = arg;

	g->heads++;
	copy(g->type, content_type);
	copy(g->disposition, disposition);
	copy(g->location, location);
	return ERR_OK;
}

static enum err data(void *arg, const void *p, size_t n)
{
	struct got *g = arg;

	buf_put(&g->data, p, n);
	return g->fail;
}

static enum err take(struct got *g, const char *type, struct str body, size_t piece)
{
	struct multipart m = { .head = head, .data = data, .arg = g };
	enum err err = multipart_init(&m, str_of(type));

	if (err)
		return err;
	for (size_t at = 0; at < body.n && !err; at += piece)
		err = multipart_feed(&m, str_head(str_skip(body, at), piece));
	if (!err)
		err = multipart_finish(&m);
	multipart_deinit(&m);
	return err;
}

#define TYPE "multipart/mixed; boundary=xyz"

static const struct str whole =
	STR_INIT("--xyz\r\nContent-Type: application/json\r\n\r\n{}\r\n"
		 "--xyz\r\ncontent-type: text/plain\r\nContent-Disposition: inline\r\n\r\n"
		 "bytes\r\n--xy and more\r\n\r\n--xyz--\r\n");

static void the_file_comes_out_whatever_the_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= whole.n; piece++) {
		struct got g = { 0 };

		assert_int_equal(take(&g, TYPE, whole, piece), ERR_OK);
		assert_int_equal(g.heads, 1);
		assert_string_equal(g.type, "text/plain");
		assert_string_equal(g.disposition, "inline");
		assert_str_equal(buf_str(&g.data), "bytes\r\n--xy and more\r\n");
		buf_deinit(&g.data);
	}
}

static void odd_but_right_bodies_are_taken(void **state)
{
	struct got g = { 0 };

	(void)state;
	/* A preamble, no headers, an empty file, a quoted boundary, blanks, an epilogue. */
	assert_int_equal(
		take(&g, "Multipart/Mixed; a=b; Boundary=\"x y\"",
			STR("hello\r\n--x y \r\n\r\n{}\r\n--x y\r\n\r\n\r\n--x y--bye"), 1000),
		ERR_OK);
	assert_int_equal(g.data.n, 0);
	assert_int_equal(take(&g, TYPE,
				 STR("--xyz\r\n\r\n{}\r\n--xyz\r\nLocation: "
				     "https://cdn.example/1\r\n\r\n\r\n--xyz--"),
				 7),
		ERR_OK);
	assert_string_equal(g.location, "https://cdn.example/1");
	buf_deinit(&g.data);
}

static void broken_bodies_are_refused(void **state)
{
	static const char *const types[] = { "", "text/plain", "multipart/mixed",
		"multipart/mixed; boundary=", "multipart/form-data; boundary=xyz",
		"multipart/mixed; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	CLEANUP(buf_deinit) struct buf endless = { 0 };
	struct got g = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_int_equal(take(&g, types[i], whole, 100), ERR_MALFORMED);
	for (size_t n = 0; n < whole.n - 4; n++)
		assert_int_equal(take(&g, TYPE, str_head(whole, n), 9), ERR_MALFORMED);
	assert_int_equal(
		take(&g, TYPE, STR("--xyz junk\r\n\r\n{}\r\n--xyz--"), 9), ERR_MALFORMED);
	assert_int_equal(take(&g, TYPE, STR("--xyz\r\n\r\n{}\r\n--xyz--"), 9), ERR_MALFORMED);
	buf_put_z(&endless, "--xyz\r\n");
	for (int i = 0; i < 2000; i++)
		buf_put_z(&endless, "X: yyyyy\r\n");
	assert_int_equal(take(&g, TYPE, buf_str(&endless), 100), ERR_MALFORMED);
	g.fail = ERR_FULL;
	assert_int_equal(take(&g, TYPE, whole, 9), ERR_FULL);
	buf_deinit(&g.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_comes_out_whatever_the_pieces),
		cmocka_unit_test(odd_but_right_bodies_are_taken),
		cmocka_unit_test(broken_bodies_are_refused),
	};

	return RUN_TESTS(tests);
}
