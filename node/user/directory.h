/*
 * directory: whom a user may want to write to (client-server API, "User Directory"): the
 * contacts that pairing announced, people of this node, and those in rooms that he shares or
 * could join or read.
 */
#ifndef KITH_USER_DIRECTORY_H
#define KITH_USER_DIRECTORY_H

#include "node/user/users.h"

struct directory_call {
	/* Once, on the loop, never before directory_search() returned. reply, the whole answer,
	 * is borrowed for the call. */
	void (*done)(struct directory_call *c, enum err err, struct str reply);
	void *arg;
};

/* By id and display name, in any case. Rooms may be large: some members are looked at in a turn
 * of the loop, the next ones in another. Inputs are copied. */
void directory_search(struct users *u, const struct user_caller *who, struct str term,
	size_t limit, struct directory_call *c);

#endif
