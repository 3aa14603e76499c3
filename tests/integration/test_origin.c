/*
 * A web page of another origin and a whole node: whatever it asks without a token, no answer
 * tells who lives here, and each can be read by an honest client (security.md L4).
 */
#include <stdlib.h>

#include "client-api/routes.h"
#include "tests/support/cmocka.h"
#include "tests/support/nodes.h"
#include "tests/support/raw_http.h"

struct page {
	struct test_node node;
	struct loop_uv *uv; /* the client's own: the node has its thread */
	uint16_t port;
};

static int set_up(void **state)
{
	struct page *p = calloc(1, sizeof(*p));
	uint64_t port = 0;

	node_new(&p->node);
	(void)user_new(&p->node, "alice");
	struct str address = str_of(kith_listen_address(p->node.kith));
	assert_true(str_to_u64(str_skip(address, str_find(address, ':') + 1), &port));
	p->port = (uint16_t)port;
	assert_int_equal(loop_uv_new(NULL, &p->uv), ERR_OK);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct page *p = *state;

	loop_uv_free(p->uv);
	node_free(&p->node);
	free(p);
	return 0;
}

/* The path with something in place of each {name} that a page can guess. */
static void put_path(struct buf *b, const char *path)
{
	for (; *path; path++) {
		if (*path != '{') {
			buf_put_u8(b, (uint8_t)*path);
			continue;
		}
		buf_put_z(b, strncmp(path, "{userId}", 8) == 0 ? "%40alice%3Ax" : "x");
		path = strchr(path, '}');
	}
}

static void ask(struct page *p, const char *method, const char *path, struct raw_answer *a)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s ", method);
	put_path(&b, path);
	buf_printf(&b,
		" HTTP/1.1\r\nHost: localhost:%u\r\nOrigin: https://evil.example\r\n"
		"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		p->port);
	buf_put_u8(&b, 0);
	raw_once(p->uv, p->port, b.p, a);
	buf_deinit(&b);
}

static void tells_nothing(struct page *p, const char *what, const struct raw_answer *a)
{
	struct str name = str_of(kith_server_name(p->node.kith));
	size_t at;

	if (str_find_str(buf_str(&a->body), name, &at) ||
		str_find_str(buf_str(&a->head), name, &at) ||
		str_find_str(buf_str(&a->body), STR("@alice:"), &at))
		fail_msg("%s tells who lives here: %.*s", what, STR_FMT(buf_str(&a->body)));
	assert_str_equal(raw_header(a, "Access-Control-Allow-Origin"), "*");
}

static void no_endpoint_tells_a_page_who_lives_here(void **state)
{
	struct page *p = *state;

	for (const struct route *const *table = routes_all; *table; table++)
		for (const struct route *r = *table; r->operation; r++) {
			struct raw_answer a = { 0 };
			bool open = r->auth == AUTH_NONE || r->auth == AUTH_OPTIONAL;

			ask(p, r->method, r->path, &a);
			if (a.status == 0 || (!open && a.status != 401))
				fail_msg("%s: %u", r->operation, a.status);
			tells_nothing(p, r->operation, &a);
			raw_answer_deinit(&a);
		}
}

static void servers_endpoints_are_not_for_clients(void **state)
{
	static const char *const paths[] = { "/_matrix/key/v2/server",
		"/_matrix/federation/v1/version", "/_matrix/federation/v1/query/profile",
		"/.well-known/matrix/server", "/_kith/status", "/" };
	struct page *p = *state;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct raw_answer a = { 0 };

		ask(p, "GET", paths[i], &a);
		assert_int_equal(a.status, 404);
		tells_nothing(p, paths[i], &a);
		raw_answer_deinit(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_endpoint_tells_a_page_who_lives_here),
		cmocka_unit_test(servers_endpoints_are_not_for_clients),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	(void)cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
