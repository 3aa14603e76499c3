/*
 * server_cache: which servers have joined members in a room, of the rooms that were asked for
 * last. Each new event asks.
 */
#ifndef KITH_STORE_SERVER_CACHE_H
#define KITH_STORE_SERVER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

#define SERVER_CACHE     16 /* rooms; a power of two */
#define SERVER_CACHE_MAX 8  /* servers; rooms with more are not kept */

struct room_servers {
	int64_t room; /* 0: none */
	size_t n;
	int64_t joined; /* members of all of them */
	int64_t servers[SERVER_CACHE_MAX];
};

/* NULL: look into the database, and tell by server_cache_put(): n numbers of 8 bytes. */
const struct room_servers *server_cache_get(const struct store *st, int64_t room);
void server_cache_put(
	struct store *st, int64_t room, const void *servers, size_t n, int64_t joined);
/* When a room_server row changed, or was undone. */
void server_cache_forget(struct store *st);

#endif
