#include "store/server_cache.h"

#include <string.h>

#include "store/internal.h"

const struct room_servers *server_cache_get(const struct store *st, int64_t room)
{
	const struct room_servers *r = &st->room_servers[room & (SERVER_CACHE - 1)];

	return room && r->room == room ? r : NULL;
}

void server_cache_put(
	struct store *st, int64_t room, const void *servers, size_t n, int64_t joined)
{
	struct room_servers *r = &st->room_servers[room & (SERVER_CACHE - 1)];

	if (n > SERVER_CACHE_MAX || !st->loop) /* a reader is not told of changes */
		return;
	r->room = room;
	r->n = n;
	r->joined = joined;
	if (n)
		memcpy(r->servers, servers, n * sizeof(r->servers[0]));
}

void server_cache_forget(struct store *st)
{
	for (size_t i = 0; i < SERVER_CACHE; i++)
		st->room_servers[i].room = 0;
}
