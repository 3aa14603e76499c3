/*
 * routes: every endpoint that the node has.
 *
 * One array for each module, in its own file; this is the list of arrays. tests/lint compares
 * them with the specification, and the README's table is printed from them.
 */
#ifndef KITH_CLIENT_API_ROUTES_H
#define KITH_CLIENT_API_ROUTES_H

#include "client-api/route.h"

/* Ends with NULL. */
extern const struct route *const routes_all[];

/* The arrays, each ended by a zeroed route. */
extern const struct route basics_routes[];
extern const struct route ephemeral_routes[];
extern const struct route media_routes[];
extern const struct route push_routes[];
extern const struct route room_create_routes[];
extern const struct route room_directory_routes[];
extern const struct route room_membership_routes[];
extern const struct route room_read_routes[];
extern const struct route room_send_routes[];
extern const struct route room_state_routes[];
extern const struct route sync_routes[];

#endif
