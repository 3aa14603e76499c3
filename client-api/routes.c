#include "client-api/routes.h"

const struct route *const routes_all[] = {
	basics_routes,
	NULL,
};
