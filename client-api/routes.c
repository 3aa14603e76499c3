#include "client-api/routes.h"

const struct route *const routes_all[] = {
	account_data_routes,
	account_routes,
	admin_routes,
	basics_routes,
	device_management_routes,
	end_to_end_encryption_routes,
	key_backup_routes,
	login_routes,
	openid_routes,
	profile_routes,
	register_routes,
	room_create_routes,
	room_directory_routes,
	room_membership_routes,
	room_read_routes,
	room_send_routes,
	room_state_routes,
	send_to_device_routes,
	user_directory_routes,
	NULL,
};
