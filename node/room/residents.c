#include "node/room/residents.h"

#include "node/room/room.h"

size_t room_residents(struct rooms *r, struct arena *a, struct str room_id, struct str except,
	struct str *out, size_t max)
{
	const struct str *joined;
	size_t n_joined;
	size_t n = 0;

	if (store_membership_servers(r->store, a, room_id, &joined, &n_joined))
		return 0;
	for (size_t i = 0; i < n_joined && n < max; i++)
		if (!str_eq(joined[i], r->server_name) && !str_eq(joined[i], except))
			out[n++] = joined[i];
	return n;
}
