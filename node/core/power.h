/*
 * power: power levels of a room (m.room.power_levels, client-server API) with each version's
 * leniency, and the creators of version 12, whose power is beyond any number.
 */
#ifndef KITH_CORE_POWER_H
#define KITH_CORE_POWER_H

#include "node/core/event.h"

#define POWER_INFINITE INT64_MAX

/* levels: the m.room.power_levels event or NULL; create: never NULL. */
int64_t power_of_user(
	const struct event *create, const struct event *levels, struct str user_id);
int64_t power_to_send(
	const struct event *create, const struct event *levels, struct str type, bool is_state);
/* action: "ban", "kick", "redact", "invite". */
int64_t power_to(const struct event *create, const struct event *levels, const char *action);
/* True only in versions where creators stand above all levels (12 up). */
bool power_is_creator(const struct event *create, struct str user_id);
/* Who made the room: content.creator before version 11, then the sender. Empty if a version
 * that needs content.creator has none. */
struct str power_creator(const struct event *create);

/* One level as the version writes it: an integer; before version 10 also a string that holds
 * one, or a number whose fraction is dropped. False if j is none of these. Saturates below
 * POWER_INFINITE. */
bool power_value(const struct room_version *v, const struct json *j, int64_t *out);

#endif
