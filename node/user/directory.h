/*
 * directory: whom a user may want to write to (client-server API, "User Directory"): people of
 * this node, people sharing a room with him, and the contacts that pairing announced.
 */
#ifndef KITH_USER_DIRECTORY_H
#define KITH_USER_DIRECTORY_H

#include "node/user/users.h"

/* Appends {"limited":...,"results":[...]}. Case-insensitive (ASCII) by id and display name. */
enum err directory_search(struct users *u, const struct user_caller *who, struct str term,
	size_t limit, struct buf *out) MUST_CHECK;

#endif
