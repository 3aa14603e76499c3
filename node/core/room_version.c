#include "node/core/room_version.h"

#include "node/base/compiler.h"

/* What versions 1 to 10 have in common, and then each what it added or changed. */
#define BEFORE_6 .special_aliases_auth = true, .keep_aliases = true
#define FROM_6   .strict_json = true, .limit_notifications = true, .key_validity = true
#define FROM_8   FROM_6, .knock = true, .restricted = true, .keep_allow = true
#define FROM_9   FROM_8, .keep_join_authorised = true
#define FROM_10  FROM_9, .knock_restricted = true, .integer_levels = true
#define FROM_11 \
	FROM_10, .redacts_in_content = true, .implicit_creator = true, \
		 .updated_redaction = true, .offered = true

static const struct room_version versions[] = {
	{ .name = "1", .format = EVENT_FORMAT_1, .state_res = STATE_RES_1, BEFORE_6 },
	{ .name = "2", .format = EVENT_FORMAT_1, .state_res = STATE_RES_2, BEFORE_6 },
	{ .name = "3", .format = EVENT_FORMAT_3, .state_res = STATE_RES_2, BEFORE_6 },
	{ .name = "4", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, BEFORE_6 },
	{ .name = "5",
		.format = EVENT_FORMAT_4,
		.state_res = STATE_RES_2,
		.key_validity = true,
		BEFORE_6 },
	{ .name = "6", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, FROM_6 },
	{ .name = "7",
		.format = EVENT_FORMAT_4,
		.state_res = STATE_RES_2,
		.knock = true,
		FROM_6 },
	{ .name = "8", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, FROM_8 },
	{ .name = "9", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, FROM_9 },
	{ .name = "10", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, FROM_10 },
	{ .name = "11", .format = EVENT_FORMAT_4, .state_res = STATE_RES_2, FROM_11 },
	{ .name = "12",
		.format = EVENT_FORMAT_12,
		.state_res = STATE_RES_2_1,
		.creator_power = true,
		.hash_room_id = true,
		FROM_11 },
};

const struct room_version *room_version_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (str_eq(name, str_of(versions[i].name)))
			return &versions[i];
	}
	return NULL;
}

const struct room_version *room_version_at(size_t i)
{
	return i < ARRAY_LEN(versions) ? &versions[i] : NULL;
}
