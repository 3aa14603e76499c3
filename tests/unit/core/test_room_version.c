#include "tests/support/cmocka.h"

#include <stdlib.h>

#include "node/core/room_version.h"

static void all_stable_versions_are_known(void **state)
{
	size_t n = 0;

	(void)state;
	for (; room_version_at(n); n++) {
		const struct room_version *v = room_version_at(n);

		assert_int_equal(strtol(v->name, NULL, 10), n + 1);
		assert_ptr_equal(room_version_find(str_of(v->name)), v);
		assert_int_equal(v->offered, n + 1 >= 11);
	}
	assert_int_equal(n, 12);
	assert_null(room_version_find(STR("13")));
	assert_null(room_version_find(STR("")));
	assert_null(room_version_find(STR("012")));
}

/* The version in which each column turns; content/rooms/vN.md, "added-in" and "changed-in". */
static void rules_change_where_the_specification_says(void **state)
{
	(void)state;
	for (int i = 1; i <= 12; i++) {
		const struct room_version *v = room_version_at((size_t)i - 1);

		assert_int_equal(v->strict_json, i >= 6);
		assert_int_equal(v->special_aliases_auth, i <= 5);
		assert_int_equal(v->keep_aliases, i <= 5);
		assert_int_equal(v->limit_notifications, i >= 6);
		assert_int_equal(v->key_validity, i >= 5);
		assert_int_equal(v->knock, i >= 7);
		assert_int_equal(v->restricted, i >= 8);
		assert_int_equal(v->keep_allow, i >= 8);
		assert_int_equal(v->keep_join_authorised, i >= 9);
		assert_int_equal(v->knock_restricted, i >= 10);
		assert_int_equal(v->integer_levels, i >= 10);
		assert_int_equal(v->redacts_in_content, i >= 11);
		assert_int_equal(v->implicit_creator, i >= 11);
		assert_int_equal(v->updated_redaction, i >= 11);
		assert_int_equal(v->creator_power, i >= 12);
		assert_int_equal(v->hash_room_id, i >= 12);
		assert_int_equal(v->state_res,
			i == 1           ? STATE_RES_1
				: i < 12 ? STATE_RES_2
					 : STATE_RES_2_1);
		assert_int_equal(v->format,
			i <= 2           ? EVENT_FORMAT_1
				: i == 3 ? EVENT_FORMAT_3
				: i < 12 ? EVENT_FORMAT_4
					 : EVENT_FORMAT_12);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_stable_versions_are_known),
		cmocka_unit_test(rules_change_where_the_specification_says),
	};
	return RUN_TESTS(tests);
}
