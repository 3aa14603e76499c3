/* Client-server API, "Room History Visibility": the matrix of settings and memberships. */
#include "tests/support/cmocka.h"

#include <stdio.h>

#include "tests/support/world.h"

#include "node/core/visibility.h"

#define W       VISIBILITY_WORLD
#define S       VISIBILITY_SHARED
#define I       VISIBILITY_INVITED
#define J       VISIBILITY_JOINED
#define NONE    VISIBILITY_MEMBER_NONE
#define INVITED VISIBILITY_MEMBER_INVITE
#define JOINED  VISIBILITY_MEMBER_JOIN

static void each_setting_lets_its_readers_see(void **state)
{
	static const struct {
		struct visibility_case c;
		bool sees;
	} cases[] = {
		{ { W, W, NONE, NONE, false }, true },
		{ { S, S, NONE, NONE, false }, false },
		{ { S, S, NONE, NONE, true }, true },
		{ { S, S, INVITED, INVITED, false }, false },
		{ { S, S, JOINED, JOINED, false }, true },
		{ { I, I, NONE, NONE, true }, false },
		{ { I, I, INVITED, INVITED, false }, true },
		{ { I, I, JOINED, JOINED, false }, true },
		{ { J, J, NONE, NONE, true }, false },
		{ { J, J, INVITED, INVITED, true }, false },
		{ { J, J, JOINED, JOINED, false }, true },
		/* one's own member event: before or after */
		{ { J, J, NONE, JOINED, false }, true },
		{ { J, J, JOINED, NONE, false }, true },
		{ { I, I, NONE, INVITED, false }, true },
		{ { S, S, NONE, INVITED, false }, false },
		/* a change of the setting: before or after */
		{ { W, J, NONE, NONE, false }, true },
		{ { J, W, NONE, NONE, false }, true },
		{ { J, S, NONE, NONE, true }, true },
		{ { J, S, NONE, NONE, false }, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(visibility_allows(&cases[i].c), cases[i].sees);
}

static void settings_and_memberships_are_read_from_events(void **state)
{
	static const struct {
		const char *content;
		enum visibility is;
	} settings[] = {
		{ "{'history_visibility':'world_readable'}", W },
		{ "{'history_visibility':'shared'}", S },
		{ "{'history_visibility':'invited'}", I },
		{ "{'history_visibility':'joined'}", J },
		{ "{'history_visibility':'anything'}", S },
		{ "{'history_visibility':7}", S },
		{ "{}", S },
	};
	static const struct {
		const char *content;
		enum visibility_member is;
	} members[] = {
		{ "{'membership':'join'}", JOINED },
		{ "{'membership':'invite'}", INVITED },
		{ "{'membership':'knock'}", NONE },
		{ "{'membership':'leave'}", NONE },
		{ "{'membership':'ban'}", NONE },
		{ "{}", NONE },
	};
	struct world w;
	char id[8];

	(void)state;
	world_init(&w, "12");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		(void)snprintf(id, sizeof(id), "s%zu", i);
		assert_int_equal(visibility_of(world_event(&w, id, "m.room.history_visibility",
					 "alice", "", settings[i].content, "", NULL)),
			settings[i].is);
	}
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		(void)snprintf(id, sizeof(id), "m%zu", i);
		assert_int_equal(visibility_member_of(world_event(&w, id, "m.room.member",
					 "alice", "alice", members[i].content, "", NULL)),
			members[i].is);
	}
	assert_int_equal(visibility_of(NULL), S);
	assert_int_equal(visibility_member_of(NULL), NONE);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_setting_lets_its_readers_see),
		cmocka_unit_test(settings_and_memberships_are_read_from_events),
	};

	return RUN_TESTS(tests);
}
