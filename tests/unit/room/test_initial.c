#include "tests/support/cmocka.h"

#include "node/json/json.h"
#include "node/room/initial.h"

static const struct room_version v11 = { .name = "11", .implicit_creator = true };
static const struct room_version v12 = {
	.name = "12", .implicit_creator = true, .creator_power = true
};

struct made {
	struct arena *a;
	struct room_initial *events;
	size_t n;
	struct err_ctx why;
};

static enum err make(struct made *m, const struct room_version *v, struct room_create *c)
{
	struct room_initial_params p = {
		.create = c, .version = v, .member_content = STR("{\"membership\":\"join\"}")
	};

	c->creator = STR("@me:here");
	*m = (struct made){ .a = arena_new() };
	return room_initial_state(m->a, &p, &m->events, &m->n, &m->why);
}

static const struct json *parsed(struct made *m, const char *text)
{
	const struct json *j;

	assert_int_equal(
		json_parse_in(m->a, str_of(text), &json_limits_client, &j, &m->why), ERR_OK);
	return j;
}

static struct str content_of(const struct made *m, const char *type)
{
	struct str found = { 0 };

	for (size_t i = 0; i < m->n; i++)
		if (str_eq(m->events[i].type, str_of(type)))
			found = m->events[i].content;
	return found;
}

static void the_order_is_the_specification_s(void **state)
{
	static const char *const order[] = { "m.room.create", "m.room.member",
		"m.room.power_levels", "m.room.join_rules", "m.room.guest_access",
		"m.room.history_visibility", "x.y", "m.room.name", "m.room.topic" };
	struct room_create c = { .name = STR("N"), .topic = STR("T") };
	struct made m;
	struct made json = { .a = arena_new() };

	(void)state;
	c.initial_state = parsed(&json,
		"[{\"type\":\"m.room.history_visibility\",\"content\":{\"history_visibility\":"
		"\"joined\"}},{\"type\":\"x.y\",\"state_key\":\"k\",\"content\":{}},"
		"{\"type\":\"m.room.name\",\"content\":{\"name\":\"other\"}}]");
	assert_int_equal(make(&m, &v12, &c), ERR_OK);
	assert_int_equal(m.n, ARRAY_LEN(order));
	for (size_t i = 0; i < m.n; i++)
		assert_str_equal(m.events[i].type, order[i]);
	assert_str_equal(m.events[6].state_key, "k");
	assert_str_equal(content_of(&m, "m.room.history_visibility"),
		"{\"history_visibility\":\"joined\"}");
	assert_str_equal(content_of(&m, "m.room.name"), "{\"name\":\"N\"}");
	arena_free(m.a);
	arena_free(json.a);
}

static void version_12_has_creators_instead_of_a_level(void **state)
{
	struct room_create c = { .preset = STR("trusted_private_chat") };
	struct made m;
	struct made json = { .a = arena_new() };

	(void)state;
	c.invite = parsed(&json, "[\"@a:b\",\"@a:b\",\"@me:here\"]");
	c.creation_content = parsed(&json,
		"{\"additional_creators\":[\"@c:d\"],\"room_version\":\"1\",\"creator\":\"@x:"
		"y\","
		"\"m.federate\":false}");
	assert_int_equal(make(&m, &v12, &c), ERR_OK);
	assert_str_equal(content_of(&m, "m.room.create"),
		"{\"m.federate\":false,\"additional_creators\":[\"@c:d\",\"@a:b\"],"
		"\"room_version\":\"12\"}");
	assert_true(str_find_str(
		content_of(&m, "m.room.power_levels"), STR("\"users\":{}"), &(size_t){ 0 }));
	assert_true(str_find_str(content_of(&m, "m.room.power_levels"),
		STR("\"m.room.tombstone\":150"), &(size_t){ 0 }));
	arena_free(m.a);

	assert_int_equal(make(&m, &v11, &c), ERR_OK);
	assert_true(str_find_str(content_of(&m, "m.room.power_levels"),
		STR("\"users\":{\"@me:here\":100,\"@a:b\":100}"), &(size_t){ 0 }));
	arena_free(m.a);
	arena_free(json.a);
}

static void overridden_levels_replace_whole_members(void **state)
{
	struct room_create c = { 0 };
	struct made m;
	struct made json = { .a = arena_new() };

	(void)state;
	c.power_levels = parsed(&json, "{\"events\":{\"m.x\":1},\"invite\":7}");
	assert_int_equal(make(&m, &v11, &c), ERR_OK);
	assert_str_equal(content_of(&m, "m.room.power_levels"),
		"{\"ban\":50,\"events_default\":0,\"kick\":50,\"redact\":50,\"state_default\":"
		"50,"
		"\"users\":{\"@me:here\":100},\"users_default\":0,\"events\":{\"m.x\":1},"
		"\"invite\":7}");
	arena_free(m.a);
	arena_free(json.a);
}

static void what_nobody_may_ask_for_is_refused(void **state)
{
	static const struct {
		const char *initial_state;
		const char *creation_content;
		const char *invite;
		const char *preset;
		enum err err;
	} cases[] = {
		{ "[{\"type\":\"m.room.create\",\"content\":{}}]", NULL, NULL, "",
			ERR_INVALID },
		{ "[{\"type\":\"m.room.member\",\"state_key\":\"@a:b\",\"content\":{}}]", NULL,
			NULL, "", ERR_INVALID },
		{ "[{\"type\":\"x\"}]", NULL, NULL, "", ERR_MALFORMED },
		{ "[{\"type\":1,\"content\":{}}]", NULL, NULL, "", ERR_MALFORMED },
		{ "[7]", NULL, NULL, "", ERR_MALFORMED },
		{ NULL, "{\"additional_creators\":{}}", NULL, "", ERR_MALFORMED },
		{ NULL, "{\"additional_creators\":[\"nobody\"]}", NULL, "", ERR_INVALID },
		{ NULL, "{\"m.federate\":\"no\"}", NULL, "", ERR_MALFORMED },
		{ NULL, NULL, "[7]", "", ERR_MALFORMED },
		{ NULL, NULL, "[\"nobody\"]", "", ERR_INVALID },
		{ NULL, NULL, NULL, "nice", ERR_INVALID },
	};

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		struct room_create c = { .preset = str_of(cases[k].preset) };
		struct made json = { .a = arena_new() };
		struct made m;

		if (cases[k].initial_state)
			c.initial_state = parsed(&json, cases[k].initial_state);
		if (cases[k].creation_content)
			c.creation_content = parsed(&json, cases[k].creation_content);
		if (cases[k].invite)
			c.invite = parsed(&json, cases[k].invite);
		assert_int_equal(make(&m, &v12, &c), cases[k].err);
		assert_true(m.why.text[0]);
		arena_free(m.a);
		arena_free(json.a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_order_is_the_specification_s),
		cmocka_unit_test(version_12_has_creators_instead_of_a_level),
		cmocka_unit_test(overridden_levels_replace_whole_members),
		cmocka_unit_test(what_nobody_may_ask_for_is_refused),
	};
	return RUN_TESTS(tests);
}
