/*
 * sync_user: a client that syncs, for tests: asks, and keeps what it was told.
 */
#ifndef KITH_TESTS_SYNC_USER_H
#define KITH_TESTS_SYNC_USER_H

#include "node/json/json.h"
#include "node/sync/sync.h"
#include "tests/support/mesh.h"

struct push_rules;

/* The sync service of one node of a mesh. */
struct sync_rig {
	struct mesh_node *node;
	struct push_rules *push_rules;
	struct sync *sync;
};
void sync_rig_up(struct sync_rig *r, struct mesh_node *node);
void sync_rig_down(struct sync_rig *r);

struct sync_user {
	struct sync_rig *rig;
	struct str user_id;
	int64_t account, device;
	struct str since;  /* where the next sync begins; empty: initial */
	struct str filter; /* id or JSON, or empty */
	enum sync_state_after state_after;
	bool full_state;

	struct sync_op op;
	bool running;
	enum err err;
	const struct json *answer; /* lives as long as the mesh */
};

/* A registered user (mesh_register). */
void sync_user_init(struct sync_user *u, struct sync_rig *rig, const char *localpart);

void sync_begin(struct sync_user *u, uint64_t timeout_ms);
/* Runs the loop until the answer is there; u->since moves on. */
enum err sync_end(struct sync_user *u);
/* Both, without waiting for news; must succeed. */
const struct json *sync_now(struct sync_user *u);

/* A member of a member ...; NULL ends it. */
const struct json *dig(const struct json *j, ...) __attribute__((sentinel));

#endif
