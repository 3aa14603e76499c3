/*
 * room_version: what differs between room versions, as one table.
 *
 * content/rooms/vN.md of the specification. No other file compares version names: a rule that
 * changed between versions is a column here.
 */
#ifndef KITH_CORE_ROOM_VERSION_H
#define KITH_CORE_ROOM_VERSION_H

#include "node/base/str.h"

#include <stdbool.h>

enum state_res { STATE_RES_1, STATE_RES_2, STATE_RES_2_1 };
enum event_format {
	EVENT_FORMAT_1, /* event_id is a member; pairs of id and hash in prev_events */
	EVENT_FORMAT_3, /* the id is the reference hash */
	EVENT_FORMAT_4 /* url-safe ids */,
	EVENT_FORMAT_12 /* create has no room_id, auth_events without create */
};

struct room_version {
	const char *name; /* "12" */
	enum event_format format;
	enum state_res state_res;
	bool strict_json;          /* 6: canonical JSON is enforced */
	bool special_aliases_auth; /* 1 to 5: m.room.aliases has an auth rule */
	bool limit_notifications;  /* 6: notifications power levels are checked */
	bool knock;                /* 7 */
	bool restricted;           /* 8 */
	bool knock_restricted;     /* 10 */
	bool integer_levels;       /* 10: power levels are integers, not strings */
	bool redacts_in_content;   /* 11 */
	bool implicit_creator;     /* 11: sender of create, no content.creator */
	bool updated_redaction;    /* 11: redaction algorithm of version 11 */
	bool keep_join_authorised; /* 9: redaction keeps join_authorised_via_users_server */
	bool keep_allow;           /* 8: redaction keeps join_rules' allow */
	bool keep_aliases;         /* 1 to 5: redaction keeps aliases */
	bool creator_power;        /* 12: creators have infinite power, additional_creators */
	bool hash_room_id;         /* 12: room id is the create event's id with '!' */
	bool key_validity;         /* 5: valid_until_ts is enforced */
	bool offered;              /* we make new rooms of it */
};

/* NULL for a version that we don't know. */
const struct room_version *room_version_find(struct str name);
/* All known versions in order: i from 0 until NULL. */
const struct room_version *room_version_at(size_t i);

#endif
