/*
 * restricted: rooms that members of other rooms may join (client-server API, "Restricted
 * rooms"; server-server API, "Restricted rooms").
 */
#ifndef KITH_ROOM_RESTRICTED_H
#define KITH_ROOM_RESTRICTED_H

#include "node/room/room.h"

/*
 * The user of ours in whose name user_id may join: *out is empty where none is needed (other
 * join rules, an invite, joined already); in a. ERR_FORBIDDEN with errcode:
 * M_UNABLE_TO_AUTHORISE_JOIN if we can't see the rooms that count, M_UNABLE_TO_GRANT_JOIN if
 * the user fits but none of ours may invite; without one if the user does not fit.
 */
enum err room_restricted_authoriser(struct rooms *r, struct room *room, struct str user_id,
	struct arena *a, struct str *out, const char **errcode, struct err_ctx *why) MUST_CHECK;

#endif
