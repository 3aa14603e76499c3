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
bool power_is_creator(const struct event *create, struct str user_id);

#endif
