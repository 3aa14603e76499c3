#include "client-api/routes.h"

const struct route *const routes_all[] = {
	basics_routes,
	ephemeral_routes,
	media_routes,
	push_routes,
	room_create_routes,
	room_directory_routes,
	room_membership_routes,
	room_read_routes,
	room_send_routes,
	room_state_routes,
	sync_routes,
	NULL,
};
