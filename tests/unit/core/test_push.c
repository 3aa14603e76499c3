#include "tests/support/cmocka.h"

#include <sodium.h>

#include "node/core/push.h"

#define ID "$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"

static struct event *event_of(const char *members)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct event *e = NULL;
	struct err_ctx why = { 0 };

	buf_printf(&text,
		"{\"auth_events\":[],\"depth\":1,\"hashes\":{\"sha256\":\"\"},"
		"\"origin_server_ts\":1,\"prev_events\":[\"" ID "\"],\"room_id\":\"!r:s\","
		"\"signatures\":{},%s}",
		members);
	if (event_parse(buf_str(&text), room_version_find(STR("11")), &e, &why))
		fail_msg("%s: %s", members, why.text);
	return e;
}

/* The default rules, and extra ones in front of or between them. */
static const struct json *rules_of(struct arena *a, const char *override, const char *content,
	const char *room, const char *sender)
{
	static const char *const kinds[] = { "override", "underride" };
	CLEANUP(buf_deinit) struct buf text = { 0 };
	const struct json *out = NULL;

	buf_printf(&text, "{\"content\":[%s],\"room\":[%s],\"sender\":[%s]", content, room,
		sender);
	for (size_t k = 0; k < 2; k++) {
		bool first = true;

		buf_printf(&text, ",\"%s\":[", kinds[k]);
		if (k == 0 && *override) {
			buf_put_z(&text, override);
			first = false;
		}
		for (size_t i = 0; push_default_at(i); i++) {
			const struct push_default *d = push_default_at(i);

			if (strcmp(d->kind, kinds[k]))
				continue;
			buf_put_z(&text, first ? "" : ",");
			first = false;
			push_default_put(
				d, STR("@bob:s"), d->enabled, (struct str){ 0 }, &text);
		}
		buf_put_z(&text, "]");
	}
	buf_put_z(&text, "}");
	assert_int_equal(
		json_parse_in(a, buf_str(&text), &json_limits_client, &out, NULL), ERR_OK);
	return out;
}

#define MSG(content) \
	"\"sender\":\"@alice:s\",\"type\":\"m.room.message\",\"content\":{" content "}"
#define STATE(type, key, content) \
	"\"sender\":\"@alice:s\",\"type\":\"" type "\",\"state_key\":\"" key \
	"\",\"content\":{" content "}"

static const struct {
	const char *event;
	unsigned members;
	const char *rule; /* that is met; empty: none */
	bool notify;
	bool highlight;
	const char *sound;
} cases[] = {
	{ MSG("\"body\":\"hi\""), 3, ".m.rule.message", true, false, "" },
	{ MSG("\"body\":\"hi\""), 2, ".m.rule.room_one_to_one", true, false, "default" },
	{ MSG("\"body\":\"bob\",\"msgtype\":\"m.notice\""), 2, ".m.rule.suppress_notices",
		false, false, "" },
	{ MSG("\"body\":\"x\",\"m.mentions\":{\"user_ids\":[\"@bob:s\"]}"), 3,
		".m.rule.is_user_mention", true, true, "default" },
	{ MSG("\"body\":\"x\",\"m.mentions\":{\"user_ids\":[\"@bob:s2\",1,{}]}"), 3,
		".m.rule.message", true, false, "" },
	{ MSG("\"body\":\"x\",\"m.mentions\":{\"user_ids\":\"@bob:s\"}"), 3, ".m.rule.message",
		true, false, "" },
	{ MSG("\"body\":\"x\",\"m.mentions\":{\"room\":true}"), 3, ".m.rule.is_room_mention",
		true, true, "" },
	{ MSG("\"body\":\"x\",\"m.mentions\":{\"room\":\"true\"}"), 3, ".m.rule.message", true,
		false, "" },
	{ "\"sender\":\"@carol:s\",\"type\":\"m.room.message\",\"content\":{\"body\":\"x\","
	  "\"m.mentions\":{\"room\":true}}",
		3, ".m.rule.message", true, false, "" },
	{ MSG("\"body\":\"x\",\"m.relates_to\":{\"rel_type\":\"m.replace\"}"), 3,
		".m.rule.suppress_edits", false, false, "" },
	{ "\"sender\":\"@alice:s\",\"type\":\"m.reaction\",\"content\":{}", 2,
		".m.rule.reaction", false, false, "" },
	{ "\"sender\":\"@alice:s\",\"type\":\"m.room.encrypted\",\"content\":{}", 2,
		".m.rule.encrypted_room_one_to_one", true, false, "default" },
	{ "\"sender\":\"@alice:s\",\"type\":\"m.room.encrypted\",\"content\":{}", 9,
		".m.rule.encrypted", true, false, "" },
	{ "\"sender\":\"@alice:s\",\"type\":\"m.call.invite\",\"content\":{}", 9,
		".m.rule.call", true, false, "ring" },
	{ STATE("m.room.member", "@bob:s", "\"membership\":\"invite\""), 2,
		".m.rule.invite_for_me", true, false, "default" },
	{ STATE("m.room.member", "@eve:s", "\"membership\":\"invite\""), 2,
		".m.rule.member_event", false, false, "" },
	{ STATE("m.room.tombstone", "", ""), 3, ".m.rule.tombstone", true, true, "" },
	{ STATE("m.room.tombstone", "x", ""), 3, "", false, false, "" },
	{ STATE("m.room.server_acl", "", ""), 3, ".m.rule.room.server_acl", false, false, "" },
	{ STATE("m.room.topic", "", "\"topic\":\"x\""), 3, "", false, false, "" },
	{ "\"sender\":\"@bob:s\",\"type\":\"m.room.message\",\"content\":{\"body\":\"x\"}", 3,
		"", false, false, "" },
};

struct fixture {
	struct arena *arena;
	struct event *create;
	struct event *levels;
};

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->arena = arena_new();
	f->create = event_of("\"sender\":\"@dan:s\",\"type\":\"m.room.create\",\"state_key\":"
			     "\"\",\"content\":{}");
	f->levels = event_of(STATE("m.room.power_levels", "", "\"users\":{\"@alice:s\":50}"));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	event_free(f->create);
	event_free(f->levels);
	arena_free(f->arena);
	test_free(f);
	return 0;
}

static struct push_result evaluate(
	struct fixture *f, const struct json *rules, const char *members, unsigned count)
{
	struct event *e = event_of(members);
	struct push_event pe = push_event_of(f->arena, e);
	const struct push_context ctx = { .user_id = STR("@bob:s"),
		.display_name = STR("Bobby T?bles"),
		.member_count = count,
		.create = f->create,
		.power_levels = f->levels };
	struct push_result r = push_evaluate(push_compile(f->arena, rules), &pe, &ctx);

	event_free(e);
	return r;
}

static void default_rules_do_what_they_say(void **state)
{
	struct fixture *f = *state;
	const struct json *rules = rules_of(f->arena, "", "", "", "");

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct push_result r = evaluate(f, rules, cases[i].event, cases[i].members);

		if (!str_eq(r.rule_id, str_of(cases[i].rule)))
			fail_msg("%s: %.*s", cases[i].event, STR_FMT(r.rule_id));
		assert_int_equal(r.notify, cases[i].notify);
		assert_int_equal(r.highlight, cases[i].highlight);
		assert_true(str_eq(r.sound, str_of(cases[i].sound)));
	}
}

#define RULE(id, rest) "{\"rule_id\":\"" id "\",\"default\":false,\"enabled\":true," rest "}"
#define NOTIFY         "\"actions\":[\"notify\"]"

static void kinds_are_tried_in_order(void **state)
{
	struct fixture *f = *state;
	struct push_result r;

	r = evaluate(f,
		rules_of(f->arena, "", RULE("cake", "\"pattern\":\"ca?e\"," NOTIFY),
			RULE("!r:s", "\"actions\":[\"dont_notify\"]"), ""),
		MSG("\"body\":\"Cake!\""), 3);
	assert_str_equal(r.rule_id, "cake");
	r = evaluate(f,
		rules_of(f->arena, "", RULE("cake", "\"pattern\":\"ca?e\"," NOTIFY),
			RULE("!r:s", "\"actions\":[\"dont_notify\"]"),
			RULE("@alice:s", NOTIFY)),
		MSG("\"body\":\"pie\""), 3);
	assert_str_equal(r.rule_id, "!r:s");
	assert_false(r.notify);
	r = evaluate(f,
		rules_of(f->arena, "", "", RULE("!other:s", NOTIFY),
			RULE("@alice:s",
				"\"actions\":[\"notify\",{\"set_tweak\":\"highlight\","
				"\"value\":false},{\"set_tweak\":\"sound\",\"value\":"
				"\"ding\"}]")),
		MSG("\"body\":\"pie\""), 3);
	assert_str_equal(r.rule_id, "@alice:s");
	assert_true(r.notify);
	assert_false(r.highlight);
	assert_str_equal(r.sound, "ding");
	r = evaluate(f,
		rules_of(f->arena, RULE("mine", "\"conditions\":[]," NOTIFY),
			RULE("cake", "\"pattern\":\"cake\"," NOTIFY), "", ""),
		MSG("\"body\":\"cake\""), 3);
	assert_str_equal(r.rule_id, "mine");
}

static const struct {
	const char *condition;
	bool holds;
} conditions[] = {
	{ "{\"kind\":\"event_match\",\"key\":\"room_id\",\"pattern\":\"!R:s\"}", true },
	{ "{\"kind\":\"event_match\",\"key\":\"sender\",\"pattern\":\"@al*\"}", true },
	{ "{\"kind\":\"event_match\",\"key\":\"content.body\",\"pattern\":\"tables\"}", false },
	{ "{\"kind\":\"event_match\",\"key\":\"content.none\",\"pattern\":\"*\"}", false },
	{ "{\"kind\":\"event_match\",\"key\":\"content.n\",\"pattern\":\"*\"}", false },
	{ "{\"kind\":\"event_match\",\"key\":\"content.a\\\\.b.c\\\\\\\\d\",\"pattern\":\"v\"}",
		true },
	{ "{\"kind\":\"event_match\",\"key\":\"content.a.b\",\"pattern\":\"*\"}", false },
	{ "{\"kind\":\"event_match\",\"key\":\"content.body\"}", false },
	{ "{\"kind\":\"event_match\",\"pattern\":\"x\"}", false },
	{ "{\"kind\":\"event_property_is\",\"key\":\"content.n\",\"value\":7}", true },
	{ "{\"kind\":\"event_property_is\",\"key\":\"content.n\",\"value\":\"7\"}", false },
	{ "{\"kind\":\"event_property_is\",\"key\":\"content.nil\",\"value\":null}", true },
	{ "{\"kind\":\"event_property_is\",\"key\":\"content.none\",\"value\":null}", false },
	{ "{\"kind\":\"event_property_is\",\"key\":\"type\",\"value\":\"m.room.message\"}",
		true },
	{ "{\"kind\":\"event_property_is\",\"key\":\"content.list\",\"value\":[1]}", false },
	{ "{\"kind\":\"event_property_contains\",\"key\":\"content.list\",\"value\":1}", true },
	{ "{\"kind\":\"event_property_contains\",\"key\":\"content.list\",\"value\":2}",
		false },
	{ "{\"kind\":\"event_property_contains\",\"key\":\"content.list\",\"value\":\"x\"}",
		true },
	{ "{\"kind\":\"event_property_contains\",\"key\":\"content.n\",\"value\":7}", false },
	{ "{\"kind\":\"contains_display_name\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\"5\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\"==5\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\"<5\"}", false },
	{ "{\"kind\":\"room_member_count\",\"is\":\"<6\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\"<=5\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\">5\"}", false },
	{ "{\"kind\":\"room_member_count\",\"is\":\">4\"}", true },
	{ "{\"kind\":\"room_member_count\",\"is\":\">=6\"}", false },
	{ "{\"kind\":\"room_member_count\",\"is\":\"<0\"}", false },
	{ "{\"kind\":\"room_member_count\",\"is\":\"x\"}", false },
	{ "{\"kind\":\"room_member_count\",\"is\":5}", false },
	{ "{\"kind\":\"sender_notification_permission\",\"key\":\"room\"}", true },
	{ "{\"kind\":\"sender_notification_permission\"}", false },
	{ "{\"kind\":\"org.example.unknown\"}", false },
	{ "{}", false },
	{ "7", false },
};

static void conditions_hold_when_they_should(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		CLEANUP(buf_deinit) struct buf rule = { 0 };
		struct push_result r;

		buf_printf(&rule, RULE("mine", "\"conditions\":[%s]," NOTIFY),
			conditions[i].condition);
		buf_put_u8(&rule, 0);
		r = evaluate(f, rules_of(f->arena, rule.p, "", "", ""),
			MSG("\"body\":\"hey bobby "
			    "t?bles!\",\"n\":7,\"nil\":null,\"list\":[1,\"x\"],"
			    "\"a.b\":{\"c\\\\d\":\"V\"}"),
			5);
		if (str_eq(r.rule_id, STR("mine")) != conditions[i].holds)
			fail_msg("%s", conditions[i].condition);
	}
}

static void rules_of_a_wrong_shape_never_match(void **state)
{
	static const char *const bad[] = {
		"{\"rule_id\":\"mine\",\"enabled\":false,\"conditions\":[]," NOTIFY "}",
		"{\"rule_id\":\"mine\",\"conditions\":[]," NOTIFY "}",
		"{\"rule_id\":\"mine\",\"enabled\":true,\"conditions\":{}," NOTIFY "}",
		"{\"rule_id\":\"mine\",\"enabled\":true,\"conditions\":[]}",
		"{\"enabled\":true,\"conditions\":[]," NOTIFY "}",
		"[]",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct push_result r = evaluate(
			f, rules_of(f->arena, bad[i], "", "", ""), MSG("\"body\":\"x\""), 3);

		assert_str_equal(r.rule_id, ".m.rule.message");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			default_rules_do_what_they_say, setup, teardown),
		cmocka_unit_test_setup_teardown(kinds_are_tried_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			conditions_hold_when_they_should, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rules_of_a_wrong_shape_never_match, setup, teardown),
	};
	return sodium_init() < 0 ? 1 : RUN_TESTS(tests);
}
