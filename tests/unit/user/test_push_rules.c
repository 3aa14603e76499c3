/* Push rules: what a user changes is what is shown, in the order that counts. */
#include "tests/support/cmocka.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/user/push_rules.h"
#include "tests/support/store_fixture.h"

#define ALICE STR("@alice:x")

struct rig {
	struct store_fixture *f;
	struct push_rules *rules;
	struct arena *a;
};

static int up(void **state)
{
	struct rig *r = NEW(struct rig);
	void *f;

	if (store_fixture_up(&f))
		return 1;
	r->f = (struct store_fixture *)f;
	r->rules = push_rules_new(&(struct push_rules_options){ .store = r->f->st });
	r->a = arena_new();
	*state = r;
	return 0;
}

static int down(void **state)
{
	struct rig *r = (struct rig *)*state;
	void *f = r->f;

	push_rules_free(r->rules);
	arena_free(r->a);
	free(r);
	return store_fixture_down(&f);
}

static const struct json *parse(struct rig *r, const char *text)
{
	const struct json *j;

	assert_int_equal(json_parse_in(r->a, arena_str(r->a, str_of(text)), &json_limits_client,
				 &j, NULL),
		ERR_OK);
	return j;
}

static struct push_rule_name name(const char *kind, const char *rule_id)
{
	return (struct push_rule_name){ str_of(kind), str_of(rule_id) };
}

static enum err set(struct rig *r, const char *kind, const char *id, const char *body,
	const char *before, const char *after)
{
	return push_rules_set(r->rules, ALICE, name(kind, id), parse(r, body), str_of(before),
		str_of(after), NULL);
}

/* The ids of a kind as "a b c ", those that a test cares for: own ones and the master. */
static struct str order(struct rig *r, const char *kind)
{
	struct buf text = { 0 }, ids = { 0 };
	const struct json *all;
	struct str out;

	assert_int_equal(push_rules_put(r->rules, ALICE, &text), ERR_OK);
	buf_put_u8(&text, 0);
	all = parse(r, text.p);
	for (const struct json *j = json_first(json_get(all, kind)); j; j = json_next(j)) {
		bool is_default = true;
		struct str id;

		assert_true(json_as_str(json_get(j, "rule_id"), &id));
		assert_true(json_as_bool(json_get(j, "default"), &is_default));
		if (!is_default || str_eq(id, STR(".m.rule.master")))
			buf_printf(&ids, "%.*s ", STR_FMT(id));
	}
	out = arena_str(r->a, buf_str(&ids));
	buf_deinit(&text);
	buf_deinit(&ids);
	return out;
}

static struct str one(struct rig *r, const char *kind, const char *id)
{
	struct buf text = { 0 };
	struct str out;

	assert_int_equal(
		push_rules_put_one(r->rules, ALICE, name(kind, id), &text, NULL), ERR_OK);
	out = arena_str(r->a, buf_str(&text));
	buf_deinit(&text);
	return out;
}

#define ACTIONS "\"actions\":[\"notify\"]"

static void new_rules_come_first_and_move_where_they_are_told(void **state)
{
	struct rig *r = (struct rig *)*state;

	assert_int_equal(set(r, "override", "a", "{" ACTIONS "}", "", ""), ERR_OK);
	assert_int_equal(set(r, "override", "b", "{" ACTIONS "}", "", ""), ERR_OK);
	assert_int_equal(set(r, "override", "c", "{" ACTIONS "}", "", "b"), ERR_OK);
	assert_str_equal(order(r, "override"), ".m.rule.master b c a ");
	assert_int_equal(set(r, "override", "a", "{" ACTIONS "}", "b", ""), ERR_OK);
	assert_str_equal(order(r, "override"), ".m.rule.master a b c ");
	assert_int_equal(set(r, "override", "b", "{\"actions\":[]}", "", ""), ERR_OK);
	assert_str_equal(order(r, "override"), ".m.rule.master a b c ");
	assert_int_equal(
		set(r, "override", "d", "{" ACTIONS "}", "", "nothing"), ERR_NOT_FOUND);
	assert_int_equal(
		push_rules_delete(r->rules, ALICE, name("override", "b"), NULL), ERR_OK);
	assert_str_equal(order(r, "override"), ".m.rule.master a c ");
	assert_str_equal(order(r, "content"), "");
}

static void a_rule_keeps_what_was_not_changed(void **state)
{
	struct rig *r = (struct rig *)*state;

	assert_int_equal(
		set(r, "content", "w", "{" ACTIONS ",\"pattern\":\"cake*\"}", "", ""), ERR_OK);
	assert_int_equal(
		push_rules_set_enabled(r->rules, ALICE, name("content", "w"), false, NULL),
		ERR_OK);
	assert_str_equal(one(r, "content", "w"),
		"{\"actions\":[\"notify\"],\"default\":false,\"enabled\":false,"
		"\"pattern\":\"cake*\",\"rule_id\":\"w\"}");
	assert_int_equal(push_rules_set_actions(
				 r->rules, ALICE, name("content", "w"), parse(r, "[]"), NULL),
		ERR_OK);
	assert_str_equal(one(r, "content", "w"),
		"{\"actions\":[],\"default\":false,\"enabled\":false,"
		"\"pattern\":\"cake*\",\"rule_id\":\"w\"}");
}

static void default_rules_can_be_changed_but_not_made_or_deleted(void **state)
{
	struct rig *r = (struct rig *)*state;
	const struct json *rule;
	bool enabled = false;

	assert_int_equal(push_rules_set_enabled(r->rules, ALICE,
				 name("override", ".m.rule.master"), true, NULL),
		ERR_OK);
	rule = parse(r, one(r, "override", ".m.rule.master").p);
	assert_true(json_as_bool(json_get(rule, "enabled"), &enabled) && enabled);
	assert_int_equal(push_rules_set_actions(r->rules, ALICE,
				 name("underride", ".m.rule.message"), parse(r, "[]"), NULL),
		ERR_OK);
	rule = parse(r, one(r, "underride", ".m.rule.message").p);
	assert_int_equal(json_count(json_get(rule, "actions")), 0);
	assert_int_equal(
		push_rules_delete(r->rules, ALICE, name("underride", ".m.rule.message"), NULL),
		ERR_INVALID);
	assert_int_equal(
		set(r, "underride", ".m.rule.message", "{" ACTIONS "}", "", ""), ERR_INVALID);
}

static void bad_rules_are_refused(void **state)
{
	static const struct {
		const char *kind, *id, *body;
		enum err err;
	} cases[] = {
		{ "nonsense", "a", "{" ACTIONS "}", ERR_INVALID },
		{ "override", ".a", "{" ACTIONS "}", ERR_INVALID },
		{ "override", "a/b", "{" ACTIONS "}", ERR_INVALID },
		{ "override", "", "{" ACTIONS "}", ERR_INVALID },
		{ "override", "a", "{}", ERR_MALFORMED },
		{ "override", "a", "{\"actions\":\"notify\"}", ERR_MALFORMED },
		{ "override", "a", "{\"actions\":[5]}", ERR_MALFORMED },
		{ "override", "a", "{" ACTIONS ",\"conditions\":{}}", ERR_MALFORMED },
		{ "override", "a", "{" ACTIONS ",\"conditions\":[{}]}", ERR_MALFORMED },
		{ "content", "a", "{" ACTIONS "}", ERR_MALFORMED },
	};
	struct rig *r = (struct rig *)*state;
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(set(r, cases[i].kind, cases[i].id, cases[i].body, "", ""),
			cases[i].err);
	assert_int_equal(push_rules_put_one(r->rules, ALICE, name("override", "a"), &out, NULL),
		ERR_NOT_FOUND);
	assert_int_equal(
		push_rules_set_enabled(r->rules, ALICE, name("override", "a"), true, NULL),
		ERR_NOT_FOUND);
	buf_deinit(&out);
}

static void a_change_has_a_position_and_new_compiled_rules(void **state)
{
	struct rig *r = (struct rig *)*state;
	const struct push_ruleset *before, *same, *after;
	int64_t pos;

	assert_int_equal(push_rules_pos(r->rules, ALICE, &pos), ERR_OK);
	assert_int_equal(pos, 0);
	assert_int_equal(push_rules_compiled(r->rules, ALICE, &before), ERR_OK);
	assert_int_equal(push_rules_compiled(r->rules, ALICE, &same), ERR_OK);
	assert_ptr_equal(before, same);
	assert_int_equal(set(r, "room", "!r:x", "{\"actions\":[]}", "", ""), ERR_OK);
	assert_int_equal(push_rules_pos(r->rules, ALICE, &pos), ERR_OK);
	assert_int_equal(pos, store_last_pos(r->f->st));
	assert_int_equal(push_rules_compiled(r->rules, ALICE, &after), ERR_OK);
	assert_int_equal(push_rules_pos(r->rules, STR("@bob:x"), &pos), ERR_OK);
	assert_int_equal(pos, 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, up, down)
	const struct CMUnitTest tests[] = {
		T(new_rules_come_first_and_move_where_they_are_told),
		T(a_rule_keeps_what_was_not_changed),
		T(default_rules_can_be_changed_but_not_made_or_deleted),
		T(bad_rules_are_refused),
		T(a_change_has_a_position_and_new_compiled_rules),
	};
	return RUN_TESTS(tests);
}
