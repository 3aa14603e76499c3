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
extern const struct route account_data_routes[];
extern const struct route account_routes[];
extern const struct route admin_routes[];
extern const struct route basics_routes[];
extern const struct route device_management_routes[];
extern const struct route end_to_end_encryption_routes[];
extern const struct route ephemeral_routes[];
extern const struct route fallback_routes[];
extern const struct route key_backup_routes[];
extern const struct route login_routes[];
extern const struct route media_routes[];
extern const struct route openid_routes[];
extern const struct route profile_routes[];
extern const struct route push_routes[];
extern const struct route register_routes[];
extern const struct route room_create_routes[];
extern const struct route room_directory_routes[];
extern const struct route room_membership_routes[];
extern const struct route room_read_routes[];
extern const struct route room_send_routes[];
extern const struct route room_state_routes[];
extern const struct route send_to_device_routes[];
extern const struct route sync_routes[];
extern const struct route user_directory_routes[];

#endif
