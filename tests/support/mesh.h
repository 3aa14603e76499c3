/*
 * mesh: several nodes in one process, everything real but the transport (net_double).
 *
 * Helpers fail the test themselves. Users are given as localparts; strings returned live as
 * long as the mesh.
 */
#ifndef KITH_TESTS_MESH_H
#define KITH_TESTS_MESH_H

#include "node/core/sign.h"
#include "node/federation/federation.h"
#include "node/loop_uv.h"
#include "store/store.h"
#include "tests/support/net_double.h"

#define MESH_MAX   4
#define MESH_USERS 4

struct user_caller;

struct mesh_node {
	struct mesh *mesh;
	char name[64];
	char dir[64];
	char path[96];
	unsigned char secret[64];
	struct sign_key key;
	struct log log;
	struct store *store;
	struct users *users;
	struct rooms *rooms;
	struct typing *typing;
	struct receipts *receipts;
	struct presence *presence;
	struct transport *transport;
	struct federation *federation;
	struct {
		const char *localpart;
		struct str token;
	} users_here[MESH_USERS];
	size_t n_users;
};

struct mesh {
	struct loop_uv *uv;
	struct loop *loop;
	struct arena *arena;
	struct net *net;
	struct mesh_node nodes[MESH_MAX];
	size_t n;
};

void mesh_up(struct mesh *m, size_t n);
void mesh_down(struct mesh *m);

/* A node goes away with all that is in memory, and comes back from what it stored. */
void mesh_stop(struct mesh_node *node);
void mesh_start(struct mesh_node *node);

/* Runs the loop until cond is true; fails the test after 10 s. */
void mesh_until(struct mesh *m, bool (*cond)(void *arg), void *arg, const char *what);
/* Runs the loop for a while: what was going to happen has. */
void mesh_settle(struct mesh *m, unsigned ms);

struct str mesh_user(struct mesh_node *node, const char *localpart); /* its id */
struct str mesh_register(struct mesh_node *node, const char *localpart);
/* Who a request of that user's would be from. */
void mesh_caller(struct mesh_node *node, const char *localpart, struct user_caller *out);
/* version NULL: the default. */
struct str mesh_create(
	struct mesh_node *node, const char *creator, const char *preset, const char *version);
enum err mesh_member(struct mesh_node *node, const char *sender, struct str room_id, int action,
	struct str target, const struct mesh_node *via);
/* content as JSON with ' for ". Returns the event's id. */
struct str mesh_send(struct mesh_node *node, const char *sender, struct str room_id,
	const char *type, const char *content);

/* The same for state with an empty state key. */
struct str mesh_set(struct mesh_node *node, const char *sender, struct str room_id,
	const char *type, const char *content);

/* In its timeline. */
bool mesh_has(struct mesh_node *node, struct str event_id);
void mesh_until_has(struct mesh_node *node, struct str event_id);
/* "join", "leave", ... or "" as the node's current state has it. */
struct str mesh_membership(struct mesh_node *node, struct str room_id, struct str user_id);
void mesh_until_membership(
	struct mesh_node *node, struct str room_id, struct str user_id, const char *membership);

#endif
