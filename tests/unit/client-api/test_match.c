#include "client-api/match.h"

#include "tests/support/cmocka.h"

#define ROUTE(op, verb, where) \
	{ \
		.operation = (op), .method = (verb), .path = (where) \
	}

static const struct route routes[] = {
	ROUTE("state", "GET", "/v3/rooms/{roomId}/state"),
	ROUTE("state_type", "GET", "/v3/rooms/{roomId}/state/{type}"),
	ROUTE("state_key", "GET", "/v3/rooms/{roomId}/state/{type}/{key}"),
	ROUTE("put_state_key", "PUT", "/v3/rooms/{roomId}/state/{type}/{key}"),
	ROUTE("public", "GET", "/v3/rooms/public/list"),
	ROUTE("rules", "GET", "/v3/pushrules/"),
	ROUTE("enabled", "PUT", "/v3/pushrules/{scope}/{rule}/enabled"),
	ROUTE("versions", "GET", "/versions"),
};

static struct match_tree *tree(void)
{
	struct match_tree *t = match_new();
	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		assert_true(match_add(t, &routes[i]));
	return t;
}

static void paths_find_their_routes(void **state)
{
	static const struct {
		const char *path;
		const char *operation; /* NULL: none */
		const char *args;      /* joined by a blank */
	} cases[] = {
		{ "/versions", "versions", "" },
		{ "/v3/rooms/!a:b/state", "state", "!a:b" },
		{ "/v3/rooms/!a:b/state/m.room.name", "state_type", "!a:b m.room.name" },
		{ "/v3/rooms/!a:b/state/m.room.name/", "state_key", "!a:b m.room.name " },
		{ "/v3/rooms/!a:b/state/t/k%2Fk", "state_key", "!a:b t k%2Fk" },
		{ "/v3/rooms/public/state", "state", "public" },
		{ "/v3/rooms/public/list", "public", "" },
		{ "/v3/pushrules/", "rules", "" },
		{ "/v3/pushrules/global/.m.rule/enabled", "enabled", "global .m.rule" },
		{ "/", NULL, NULL },
		{ "", NULL, NULL },
		{ "*", NULL, NULL },
		{ "/v3", NULL, NULL },
		{ "/versions/", NULL, NULL },
		{ "//versions", NULL, NULL },
		{ "/Versions", NULL, NULL },
		{ "/%76ersions", NULL, NULL },
		{ "/v3/pushrules", NULL, NULL },
		{ "/v3/rooms//state", NULL, NULL },
		{ "/v3/rooms/a/b/state", NULL, NULL },
		{ "/v3/rooms/public/list/more", NULL, NULL },
		{ "/v3/rooms/!a:b/state/t/k/", NULL, NULL },
	};
	struct match_tree *t = tree();
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct match m;
		bool found = match_find(t, str_of(cases[i].path), &m);
		if (found != (cases[i].operation != NULL))
			fail_msg("%s: %s", cases[i].path, found ? "found" : "not found");
		if (!found)
			continue;
		assert_string_equal(m.routes[0]->operation, cases[i].operation);
		struct buf args = { 0 };
		for (size_t k = 0; k < m.n_args; k++) {
			buf_put_z(&args, k ? " " : "");
			buf_put_str(&args, m.args[k]);
		}
		assert_str_equal(buf_str(&args), cases[i].args);
		buf_deinit(&args);
	}
	match_free(t);
}

static void a_path_has_one_route_for_each_method(void **state)
{
	static const struct route again = ROUTE("again", "PUT", "/v3/rooms/{x}/state/{y}/{z}");
	static const struct route other = ROUTE("other", "POST", "/v3/rooms/{x}/state/{y}/{z}");
	struct match_tree *t = tree();
	struct match m;
	(void)state;
	assert_false(match_add(t, &again));
	assert_true(match_add(t, &other));
	assert_true(match_find(t, STR("/v3/rooms/r/state/t/k"), &m));
	assert_string_equal(m.routes[1]->method, "PUT");
	assert_string_equal(m.routes[2]->method, "POST");
	assert_null(m.routes[3]);
	match_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_find_their_routes),
		cmocka_unit_test(a_path_has_one_route_for_each_method),
	};
	return RUN_TESTS(tests);
}
