/* The rules of content/rooms/v11.md and v12.md, one case for each. */
#include "tests/support/cmocka.h"

#include <stdio.h>

#include "tests/support/world.h"

#include "node/core/auth.h"

/* An event that alice's room is asked to take: NULL refusal means that it is allowed. */
struct
try {
	const char *type;
	const char *sender;
	const char *state_key;
	const char *content;
	const char *refusal; /* part of the text */
};

static const char levels[] =
	"{'users':{'@mod:a':50,'@mod2:a':50,'@half:a':25},'events':{'m.special':25,'m.top':80},"
	"'invite':25,'state_default':50,'notifications':{'room':50}}";

static void put_state(struct world *w, const char *type, const char *sender,
	const char *state_key, const char *content)
{
	static unsigned serial;
	char id[32];

	(void)snprintf(id, sizeof(id), "s%u", serial++);
	world_put(w, world_event(w, id, type, sender, state_key, content, "", NULL));
}

static void put_member(struct world *w, const char *user, const char *membership)
{
	char content[64];

	(void)snprintf(content, sizeof(content), "{'membership':'%s'}", membership);
	put_state(w, "m.room.member", user, user, content);
}

static void put_create(struct world *w, const char *content)
{
	world_put(w, world_event(w, "create", "m.room.create", "alice", "", content, "", NULL));
}

static void put_room(struct world *w, const char *version)
{
	world_init(w, version);
	put_create(w, "{'room_version':'11'}");
	put_state(w, "m.room.power_levels", "alice", "", levels);
	put_member(w, "alice", "join");
	put_member(w, "mod", "join");
	put_member(w, "mod2", "join");
	put_member(w, "half", "join");
	put_member(w, "bob", "join");
	put_member(w, "invited", "invite");
	put_member(w, "knocker", "knock");
	put_member(w, "left", "leave");
	put_member(w, "banned", "ban");
}

static void check_one(struct world *w, const struct try *t)
{
	static unsigned serial;
	struct err_ctx why = { 0 };
	const struct event *e;
	char id[32];
	size_t at;
	enum err err;

	(void)snprintf(id, sizeof(id), "t%u", serial++);
	e = world_event(w, id, t->type, t->sender, t->state_key, t->content, "", NULL);
	err = auth_check(e, &w->auth_state, &why);
	if (!t->refusal) {
		if (err)
			print_error(
				"%s by %s %s: %s\n", t->type, t->sender, t->content, why.text);
		assert_int_equal(err, ERR_OK);
		return;
	}
	if (err != ERR_FORBIDDEN || !str_find_str(str_of(why.text), str_of(t->refusal), &at))
		print_error("%s by %s %s: %s, wanted: %s\n", t->type, t->sender, t->content,
			why.text, t->refusal);
	assert_int_equal(err, ERR_FORBIDDEN);
	assert_true(str_find_str(str_of(why.text), str_of(t->refusal), &at));
}

#define CHECK_ALL(w, cases) \
	do { \
		for (size_t i_ = 0; i_ < ARRAY_LEN(cases); i_++) \
			check_one((w), &(cases)[i_]); \
	} while (0)

static const char *const both[] = { "11", "12" };

static void the_create_event_starts_a_room_alone(void **state)
{
	struct world w;
	struct err_ctx why = { 0 };

	(void)state;
	world_init(&w, "12");
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'room_version':'12'}", NULL });
	check_one(&w, &(struct try){ "m.room.create", "alice", "", "{}", NULL });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'room_version':'kaput'}",
			"rule 1 (m.room.create): unknown room_version" });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'room_version':12}",
			"unknown room_version" });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "",
			"{'additional_creators':['@bob:b']}", NULL });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'additional_creators':['bob']}",
			"additional_creators" });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'additional_creators':[7]}",
			"additional_creators" });
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "", "{'additional_creators':'@bob:b'}",
			"additional_creators" });
	assert_int_equal(
		auth_check(world_event(&w, "p", "m.room.create", "alice", "", "{}", "", "x"),
			&w.auth_state, &why),
		ERR_FORBIDDEN);
	world_deinit(&w);

	world_init(&w, "11");
	check_one(&w,
		&(struct try){ "m.room.create", "alice", "",
			"{'additional_creators':'only 12 looks'}", NULL });
	check_one(&w,
		&(struct try){
			"m.room.create", "@eve:elsewhere", "", "{}", "different servers" });
	world_deinit(&w);
}

static void nothing_happens_without_the_rooms_own_create_event(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "12");
	check_one(&w,
		&(struct try){ "m.room.member", "alice", "alice", "{'membership':'join'}",
			"rule 3 (auth_events): there is no m.room.create" });
	world_put(&w, world_event(&w, "other", "m.room.create", "alice", "", "{}", "", NULL));
	check_one(&w,
		&(struct try){ "m.room.member", "alice", "alice", "{'membership':'join'}",
			"rule 2 (room_id): the create event is of another room" });
	world_deinit(&w);
}

static void a_room_may_be_closed_to_other_servers(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "11");
	put_create(&w, "{'m.federate':false}");
	put_state(&w, "m.room.join_rules", "alice", "", "{'join_rule':'public'}");
	check_one(&w,
		&(struct try){ "m.room.member", "bob", "bob", "{'membership':'join'}", NULL });
	check_one(&w,
		&(struct try){ "m.room.member", "@bob:b", "@bob:b", "{'membership':'join'}",
			"rule 3 (m.federate)" });
	world_deinit(&w);
}

static void the_creator_joins_first(void **state)
{
	struct world w;
	struct err_ctx why = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		const char join[] = "{'membership':'join'}";

		world_init(&w, both[i]);
		put_create(&w, "{}");
		assert_int_equal(auth_check(world_event(&w, "j", "m.room.member", "alice",
						    "alice", join, "", "create"),
					 &w.auth_state, &why),
			ERR_OK);
		/* Another one can't, and the creator can't behind something else. */
		assert_int_equal(auth_check(world_event(&w, "k", "m.room.member", "bob", "bob",
						    join, "", "create"),
					 &w.auth_state, &why),
			ERR_FORBIDDEN);
		assert_int_equal(auth_check(world_event(&w, "l", "m.room.member", "alice",
						    "alice", join, "", "create other"),
					 &w.auth_state, &why),
			ERR_FORBIDDEN);
		world_deinit(&w);
	}
}

static void members_come_and_go_by_the_rules(void **state)
{
	static const struct try cases[] = {
		{ "m.room.member", "bob", NULL, "{'membership':'join'}", "no state_key" },
		{ "m.room.member", "bob", "bob", "{}", "no content.membership" },
		{ "m.room.member", "bob", "bob", "{'membership':1}", "no content.membership" },
		{ "m.room.member", "bob", "bob", "{'membership':'dance'}",
			"unknown membership" },
		{ "m.room.member", "bob", "bob",
			"{'membership':'join','join_authorised_via_users_server':1}",
			"no user id" },
		/* join; the rule is invite */
		{ "m.room.member", "bob", "bob", "{'membership':'join'}", NULL },
		{ "m.room.member", "invited", "invited", "{'membership':'join'}", NULL },
		{ "m.room.member", "stranger", "stranger", "{'membership':'join'}",
			"not invited" },
		{ "m.room.member", "left", "left", "{'membership':'join'}", "not invited" },
		{ "m.room.member", "banned", "banned", "{'membership':'join'}", "banned" },
		{ "m.room.member", "mod", "invited", "{'membership':'join'}", "made to join" },
		/* invite */
		{ "m.room.member", "half", "new", "{'membership':'invite'}", NULL },
		{ "m.room.member", "bob", "new", "{'membership':'invite'}", "invite level" },
		{ "m.room.member", "stranger", "new", "{'membership':'invite'}",
			"sender is not in" },
		{ "m.room.member", "half", "bob", "{'membership':'invite'}", "in the room" },
		{ "m.room.member", "half", "banned", "{'membership':'invite'}", "banned" },
		{ "m.room.member", "half", "left", "{'membership':'invite'}", NULL },
		{ "m.room.member", "half", "knocker", "{'membership':'invite'}", NULL },
		/* leave */
		{ "m.room.member", "bob", "bob", "{'membership':'leave'}", NULL },
		{ "m.room.member", "invited", "invited", "{'membership':'leave'}", NULL },
		{ "m.room.member", "knocker", "knocker", "{'membership':'leave'}", NULL },
		{ "m.room.member", "left", "left", "{'membership':'leave'}", "not in" },
		{ "m.room.member", "banned", "banned", "{'membership':'leave'}", "not in" },
		{ "m.room.member", "mod", "bob", "{'membership':'leave'}", NULL },
		{ "m.room.member", "mod", "banned", "{'membership':'leave'}", NULL },
		{ "m.room.member", "half", "bob", "{'membership':'leave'}", "kick level" },
		{ "m.room.member", "half", "banned", "{'membership':'leave'}", "ban level" },
		{ "m.room.member", "mod", "mod2", "{'membership':'leave'}",
			"not below the sender's" },
		{ "m.room.member", "invited", "bob", "{'membership':'leave'}",
			"sender is not in" },
		/* ban */
		{ "m.room.member", "mod", "bob", "{'membership':'ban'}", NULL },
		{ "m.room.member", "mod", "stranger", "{'membership':'ban'}", NULL },
		{ "m.room.member", "mod", "alice", "{'membership':'ban'}", NULL },
		{ "m.room.member", "mod", "mod2", "{'membership':'ban'}",
			"not below the sender's" },
		{ "m.room.member", "half", "bob", "{'membership':'ban'}", "ban level" },
		{ "m.room.member", "stranger", "bob", "{'membership':'ban'}",
			"sender is not in" },
		/* knock; the rule is invite */
		{ "m.room.member", "stranger", "stranger", "{'membership':'knock'}",
			"takes no knocks" },
	};
	struct world w;

	(void)state;
	put_room(&w, "11");
	CHECK_ALL(&w, cases);
	world_deinit(&w);
}

static void join_rules_open_and_close_the_door(void **state)
{
	static const struct {
		const char *rule; /* content of m.room.join_rules */
		struct try t;
	} cases[] = {
		{ "{'join_rule':'public'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'join'}",
				NULL } },
		{ "{'join_rule':'public'}",
			{ "m.room.member", "banned", "banned", "{'membership':'join'}",
				"banned" } },
		{ "{'join_rule':'private'}",
			{ "m.room.member", "invited", "invited", "{'membership':'join'}",
				"lets nobody in" } },
		{ "{'join_rule':['public']}",
			{ "m.room.member", "invited", "invited", "{'membership':'join'}",
				"lets nobody in" } },
		{ "{}",
			{ "m.room.member", "invited", "invited", "{'membership':'join'}",
				NULL } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "invited", "invited", "{'membership':'join'}",
				NULL } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'join'}",
				"not invited" } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'knock'}",
				NULL } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "knocker", "knocker", "{'membership':'knock'}",
				NULL } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "bob", "stranger", "{'membership':'knock'}",
				"made to knock" } },
		{ "{'join_rule':'knock'}",
			{ "m.room.member", "banned", "banned", "{'membership':'knock'}",
				"banned" } },
		{ "{'join_rule':'knock_restricted'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'knock'}",
				NULL } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'knock'}",
				"takes no knocks" } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "invited", "invited", "{'membership':'join'}",
				NULL } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "stranger", "stranger", "{'membership':'join'}",
				"without join_authorised" } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "stranger", "stranger",
				"{'membership':'join','join_authorised_via_users_server':"
				"'@half:a'}",
				NULL } },
		{ "{'join_rule':'knock_restricted'}",
			{ "m.room.member", "stranger", "stranger",
				"{'membership':'join','join_authorised_via_users_server':"
				"'@half:a'}",
				NULL } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "stranger", "stranger",
				"{'membership':'join','join_authorised_via_users_server':"
				"'@bob:a'}",
				"may not invite" } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "stranger", "stranger",
				"{'membership':'join','join_authorised_via_users_server':"
				"'@left:a'}",
				"not in the room" } },
		{ "{'join_rule':'restricted'}",
			{ "m.room.member", "banned", "banned",
				"{'membership':'join','join_authorised_via_users_server':"
				"'@half:a'}",
				"banned" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		put_room(&w, "11");
		put_state(&w, "m.room.join_rules", "alice", "", cases[i].rule);
		check_one(&w, &cases[i].t);
		world_deinit(&w);
	}
}

static void sending_takes_being_there_and_the_level(void **state)
{
	static const struct try cases[] = {
		{ "m.room.message", "bob", NULL, "{}", NULL },
		{ "m.room.message", "left", NULL, "{}", "rule 5 (membership of the sender)" },
		{ "m.room.message", "invited", NULL, "{}", "not in the room" },
		{ "m.special", "bob", NULL, "{}", "rule 7 (required power level)" },
		{ "m.special", "half", NULL, "{}", NULL },
		{ "m.special", "half", "", "{}", NULL },
		{ "m.top", "mod", NULL, "{}", "required power level" },
		{ "m.room.name", "bob", "", "{}", "required power level" },
		{ "m.room.name", "mod", "", "{}", NULL },
		{ "m.thing", "mod", "@mod:a", "{}", NULL },
		{ "m.thing", "mod", "@bob:a", "{}", "rule 8 (state_key)" },
		{ "m.room.third_party_invite", "half", "token", "{}", NULL },
		{ "m.room.third_party_invite", "bob", "token", "{}", "invite level" },
		{ "m.room.redaction", "bob", NULL, "{'redacts':'$any'}", NULL },
	};
	struct world w;

	(void)state;
	put_room(&w, "11");
	CHECK_ALL(&w, cases);
	world_deinit(&w);
}

static void levels_change_within_reach_only(void **state)
{
	static const struct try cases[] = {
		{ "m.room.power_levels", "mod", "", "{'users_default':'5'}", "not an integer" },
		{ "m.room.power_levels", "mod", "", "{'ban':true}", "not an integer" },
		{ "m.room.power_levels", "mod", "", "{'events':[]}", "no object" },
		{ "m.room.power_levels", "mod", "", "{'events':{'x':'1'}}", "integer" },
		{ "m.room.power_levels", "mod", "", "{'notifications':{'room':null}}",
			"integer" },
		{ "m.room.power_levels", "mod", "", "{'users':{'bob':1}}", "no user id" },
		/* mod keeps everything but what a case is about */
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50,'@half:a':25},'events':{"
			"'m.special':25,'m.top':80},'invite':25,'state_default':50,"
			"'notifications':{'room':50}}",
			NULL },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50,'@half:a':50,'@bob:a':-3},"
			"'events':{'m.special':50,'m.top':80,'m.new':0},'invite':0,"
			"'state_default':50}",
			NULL },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50,'@half:a':51},'events':{"
			"'m.special':25,'m.top':80},'invite':25,'state_default':50}",
			"beyond" },
		/* own level down is fine, another's of the same level is not */
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod2:a':50,'@half:a':25},'events':{'m.top':80},"
			"'invite':25,'state_default':50}",
			NULL },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@half:a':25},'events':{'m.top':80},"
			"'invite':25,'state_default':50}",
			"beyond" },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':49},'events':{'m.top':80},"
			"'invite':25,'state_default':50}",
			"beyond" },
		/* an entry above the sender: neither changed nor taken away */
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50},'events':{'m.top':50},"
			"'invite':25,'state_default':50}",
			"beyond" },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50},'invite':25,"
			"'state_default':50}",
			"beyond" },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50},'events':{'m.top':80},"
			"'invite':51,'state_default':50}",
			"beyond" },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@mod:a':50,'@mod2:a':50},'events':{'m.top':80},"
			"'state_default':50,'notifications':{'room':51}}",
			"beyond" },
		{ "m.room.power_levels", "half", "", "{}", "required power level" },
	};
	struct world w;

	(void)state;
	put_room(&w, "11");
	CHECK_ALL(&w, cases);
	world_deinit(&w);
}

static void the_first_levels_are_the_creators(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, "11");
	put_create(&w, "{}");
	put_member(&w, "alice", "join");
	put_member(&w, "bob", "join");
	check_one(&w,
		&(struct try){ "m.room.power_levels", "alice", "",
			"{'users':{'@alice:a':100,'@bob:a':9007199254740991}}", NULL });
	check_one(&w,
		&(struct try){
			"m.room.power_levels", "bob", "", "{}", "required power level" });
	world_deinit(&w);
}

/* Before version 10 no rule keeps them out of a room's first levels. */
static void levels_that_are_none_stand_in_nobodys_way(void **state)
{
	static const struct try cases[] = {
		{ "m.room.power_levels", "alice", "", "{'users':{'@alice:a':'100'}}", NULL },
		{ "m.room.power_levels", "alice", "", "{'users':{'@alice:a':100},'ban':101}",
			"beyond" },
		{ "m.room.power_levels", "alice", "", "{'users':{'@alice:a':100},'ban':'x'}",
			"not an integer" },
		{ "m.room.power_levels", "mod", "",
			"{'users':{'@alice:a':100,'@mod:a':50}, 'invite':40}", "beyond" },
		{ "m.room.topic", "mod", "", "{}", NULL },
	};
	struct world w;

	(void)state;
	world_init(&w, "9");
	put_create(&w, "{'creator':'@alice:a'}");
	put_member(&w, "alice", "join");
	put_member(&w, "mod", "join");
	check_one(&w,
		&(struct try){ "m.room.power_levels", "alice", "",
			"{'users':{'@alice:a':100},'ban':true,'kick':'x','events':'y'}",
			NULL });
	put_state(&w, "m.room.power_levels", "alice", "",
		"{'users':{'@alice:a':100,'@mod:a':50},'ban':true,'kick':'x','invite':60,"
		"'events':'y','notifications':{'room':'z'}}");
	CHECK_ALL(&w, cases);
	world_deinit(&w);
}

static void creators_of_version_12_stand_above_all_levels(void **state)
{
	static const struct try cases[] = {
		{ "m.top", "alice", NULL, "{}", NULL },
		{ "m.top", "carol", NULL, "{}", NULL },
		{ "m.top", "mod", NULL, "{}", "rule 8 (required power level)" },
		{ "m.room.member", "mod", "carol", "{'membership':'ban'}",
			"not below the sender's" },
		{ "m.room.member", "alice", "carol", "{'membership':'ban'}",
			"not below the sender's" },
		{ "m.room.member", "carol", "mod", "{'membership':'ban'}", NULL },
		{ "m.room.power_levels", "alice", "", "{'users':{'@alice:a':100}}",
			"names a creator" },
		{ "m.room.power_levels", "alice", "", "{'users':{'@carol:a':1}}",
			"names a creator" },
		{ "m.room.power_levels", "carol", "", "{'users':{'@bob:a':9007199254740991}}",
			NULL },
		{ "m.room.member", "@x:b", "@x:b", "{'membership':'join'}",
			"rule 5 (m.room.member)" },
	};
	struct world w;

	(void)state;
	world_init(&w, "12");
	put_create(&w, "{'additional_creators':['@carol:a']}");
	put_state(&w, "m.room.power_levels", "alice", "", levels);
	put_member(&w, "alice", "join");
	put_member(&w, "carol", "join");
	put_member(&w, "mod", "join");
	CHECK_ALL(&w, cases);
	world_deinit(&w);

	/* In version 11 nobody is a creator in this sense. */
	put_room(&w, "11");
	check_one(&w, &(struct try){ "m.top", "alice", NULL, "{}", "required power level" });
	world_deinit(&w);
}

static void third_party_invites_need_their_parts(void **state)
{
	static const struct try cases[] = {
		{ "m.room.member", "alice", "new",
			"{'membership':'invite','third_party_invite':{}}", "no signed" },
		{ "m.room.member", "alice", "new",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@new:a'}}}",
			"no mxid or token" },
		{ "m.room.member", "alice", "new",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@other:a','token':'tok'}}}",
			"another user" },
		{ "m.room.member", "alice", "new",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@new:a','token':'nope'}}}",
			"has this token" },
		{ "m.room.member", "mod", "new",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@new:a','token':'tok'}}}",
			"invited by another user" },
		{ "m.room.member", "alice", "new",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@new:a','token':'tok','signatures':{'id':{'ed25519:0':'AAAA'}}}}}",
			"no signature of its keys" },
		{ "m.room.member", "alice", "banned",
			"{'membership':'invite','third_party_invite':{'signed':{'mxid':"
			"'@banned:a','token':'tok'}}}",
			"banned" },
	};
	struct world w;

	(void)state;
	put_room(&w, "11");
	put_state(&w, "m.room.third_party_invite", "alice", "tok",
		"{'public_key':'11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo'}");
	CHECK_ALL(&w, cases);
	world_deinit(&w);
}

static bool has_key(const struct auth_key *keys, size_t n, const char *type, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(keys[i].type, str_of(type)) &&
			str_eq(keys[i].state_key, str_of(key)))
			return true;
	return false;
}

static void events_name_what_authorises_them(void **state)
{
	struct world w;
	struct auth_key keys[8];
	const struct event *e;
	size_t n;

	(void)state;
	put_room(&w, "11");
	e = world_event(&w, "m", "m.room.message", "bob", NULL, "{}", "", NULL);
	n = auth_select(
		e->version, e->type, e->is_state, e->state_key, e->sender, e->content, keys);
	assert_int_equal(n, 3);
	assert_true(has_key(keys, n, "m.room.create", ""));
	assert_true(has_key(keys, n, "m.room.power_levels", ""));
	assert_true(has_key(keys, n, "m.room.member", "@bob:a"));

	e = world_event(&w, "j", "m.room.member", "bob", "bob",
		"{'membership':'join','join_authorised_via_users_server':'@half:a'}", "", NULL);
	n = auth_select(
		e->version, e->type, e->is_state, e->state_key, e->sender, e->content, keys);
	assert_int_equal(n, 5);
	assert_true(has_key(keys, n, "m.room.member", "@half:a"));
	assert_true(has_key(keys, n, "m.room.join_rules", ""));

	e = world_event(&w, "i", "m.room.member", "bob", "new",
		"{'membership':'invite','third_party_invite':{'signed':{'token':'t'}}}", "",
		NULL);
	n = auth_select(
		e->version, e->type, e->is_state, e->state_key, e->sender, e->content, keys);
	assert_int_equal(n, 6);
	assert_true(has_key(keys, n, "m.room.third_party_invite", "t"));
	assert_true(has_key(keys, n, "m.room.member", "@new:a"));
	world_deinit(&w);

	world_init(&w, "12");
	e = world_event(
		&w, "k", "m.room.member", "bob", "new", "{'membership':'leave'}", "", NULL);
	n = auth_select(
		e->version, e->type, e->is_state, e->state_key, e->sender, e->content, keys);
	assert_int_equal(n, 3);
	assert_false(has_key(keys, n, "m.room.create", ""));
	assert_false(has_key(keys, n, "m.room.join_rules", ""));
	world_deinit(&w);
}

static void the_list_of_auth_events_is_checked(void **state)
{
	struct world w;
	const struct event *create;
	const struct event *pl;
	const struct event *pl2;
	const struct event *bob;
	const struct event *eve;
	const struct event *e;
	const bool fine[4] = { false };
	const bool bad[4] = { false, true };

	(void)state;
	world_init(&w, "11");
	create = world_event(&w, "create", "m.room.create", "alice", "", "{}", "", NULL);
	pl = world_event(&w, "pl", "m.room.power_levels", "alice", "", "{}", "", NULL);
	pl2 = world_event(&w, "pl2", "m.room.power_levels", "alice", "", "{}", "", NULL);
	bob = world_event(&w, "bob", "m.room.member", "bob", "bob", "{}", "", NULL);
	eve = world_event(&w, "eve", "m.room.member", "eve", "eve", "{}", "", NULL);
	e = world_event(&w, "e", "m.room.message", "bob", NULL, "{}", "", NULL);
#define LIST(...) ((const struct event *const[]){ __VA_ARGS__ })
	assert_int_equal(auth_events_ok(e, LIST(create, pl, bob), fine, 3, NULL), ERR_OK);
	assert_int_equal(auth_events_ok(e, LIST(create), fine, 1, NULL), ERR_OK);
	assert_int_equal(auth_events_ok(e, LIST(pl, bob), fine, 2, NULL), ERR_FORBIDDEN);
	assert_int_equal(
		auth_events_ok(e, LIST(create, pl, pl2), fine, 3, NULL), ERR_FORBIDDEN);
	assert_int_equal(auth_events_ok(e, LIST(create, pl, pl), fine, 3, NULL), ERR_FORBIDDEN);
	assert_int_equal(auth_events_ok(e, LIST(create, eve), fine, 2, NULL), ERR_FORBIDDEN);
	assert_int_equal(auth_events_ok(e, LIST(create, pl, bob), bad, 3, NULL), ERR_FORBIDDEN);
	world_deinit(&w);

	world_init(&w, "12");
	create = world_event(&w, "create", "m.room.create", "alice", "", "{}", "", NULL);
	pl = world_event(&w, "pl", "m.room.power_levels", "alice", "", "{}", "", NULL);
	e = world_event(&w, "e", "m.room.message", "bob", NULL, "{}", "", NULL);
	assert_int_equal(auth_events_ok(e, LIST(pl), fine, 1, NULL), ERR_OK);
	assert_int_equal(auth_events_ok(e, LIST(create, pl), fine, 2, NULL), ERR_FORBIDDEN);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_create_event_starts_a_room_alone),
		cmocka_unit_test(nothing_happens_without_the_rooms_own_create_event),
		cmocka_unit_test(a_room_may_be_closed_to_other_servers),
		cmocka_unit_test(the_creator_joins_first),
		cmocka_unit_test(members_come_and_go_by_the_rules),
		cmocka_unit_test(join_rules_open_and_close_the_door),
		cmocka_unit_test(sending_takes_being_there_and_the_level),
		cmocka_unit_test(levels_change_within_reach_only),
		cmocka_unit_test(the_first_levels_are_the_creators),
		cmocka_unit_test(levels_that_are_none_stand_in_nobodys_way),
		cmocka_unit_test(creators_of_version_12_stand_above_all_levels),
		cmocka_unit_test(third_party_invites_need_their_parts),
		cmocka_unit_test(events_name_what_authorises_them),
		cmocka_unit_test(the_list_of_auth_events_is_checked),
	};

	return RUN_TESTS(tests);
}
