/*
 * room_rig: several servers' room services in one process, each with its own store and key, on
 * one loop. What they ask of each other goes straight to the other's services; a server can be
 * cut off, and its answers can be changed on the way.
 */
#ifndef KITH_TESTS_ROOM_RIG_H
#define KITH_TESTS_ROOM_RIG_H

#include "node/loop_uv.h"
#include "node/room/create.h"
#include "node/room/member.h"
#include "node/room/read.h"
#include "node/room/room.h"
#include "node/room/send.h"

#define RIG_SERVERS 5

struct room_rig;

struct rig_server {
	struct room_rig *rig;
	char name[16]; /* "a.test", "b.test", ... */
	char dir[64];
	char path[96];
	struct store *st;
	struct rooms *rooms;
	unsigned char secret[64];
	unsigned char public_key[32];
	struct sign_key key;
	struct room_ops ops;
	struct clock clock;
	struct log log;
	struct store_listener listener;
	bool cut;         /* unreachable */
	bool refuses;     /* takes no invite */
	bool holds;       /* its events are not sent to the others */
	int64_t sent_pos; /* its events up to here were sent */
	unsigned asked;   /* requests that it answered */
	int64_t skew_ms;  /* of its clock */
	/* Changes an answer of this server before it is handed over; NULL: none. */
	void (*twist)(struct rig_server *s, const char *what, struct buf *body);
};

struct room_rig {
	struct loop_uv *uv;
	struct loop *loop;
	struct arena *arena; /* for what a test keeps */
	size_t n;
	struct rig_server servers[RIG_SERVERS];
	int64_t now_ms;
	unsigned pending; /* calls on their way */
	bool patient;     /* who can't be reached may be told later */
	unsigned large;   /* answers to joins that came out of a file */
	uint64_t seed;    /* of the servers' keys and random bytes; 0: chance */
	uint64_t random;
	struct rng rng;

	/* The network, where a test plays it itself; NULL: everybody reaches everybody. */
	bool (*linked)(struct rig_server *x, struct rig_server *y);
	/* Instead of sending: the test calls rig_deliver() as often as it likes. */
	void (*carry)(
		struct rig_server *from, struct rig_server *to, const struct store_event *e);
};

/* n servers, nobody cut off. seed: the same one, the same keys. */
void room_rig_up(struct room_rig *rig, size_t n);
void room_rig_up_seeded(struct room_rig *rig, size_t n, uint64_t seed);
void room_rig_down(struct room_rig *rig);

/* Runs the loop until every call and every PDU has arrived and is stored. */
void room_rig_settle(struct room_rig *rig);

/* A PDU arrives, sooner or later. */
void rig_deliver(struct rig_server *from, struct rig_server *to, struct str json);

/* Creates a room as @alice of the server, version "12" or "11"; its id, in the arena. preset
 * NULL: private_chat. */
struct str rig_create(struct rig_server *s, const char *version, const char *preset);
/* body: JSON of createRoom's fields initial_state and so on is not for here: content alone. */
enum err rig_send(struct rig_server *s, struct str room_id, const char *user, const char *type,
	const char *state_key, const char *content, struct str *event_id);
/* action by one of our users on one of anybody's: "@bob:b.test". */
enum err rig_member(struct rig_server *s, enum room_member_action action, struct str room_id,
	const char *sender, const char *target);
enum err rig_join_via(struct rig_server *s, struct str room, const char *user, const char *via);

enum err rig_knock_via(
	struct rig_server *s, struct str room, const char *user, const char *via);

/* The content of current state, "" if there is none; in the arena. */
struct str rig_state(
	struct rig_server *s, struct str room_id, const char *type, const char *key);
enum membership rig_membership(struct rig_server *s, struct str room_id, const char *user);
/* Bodies of the m.room.message events that the user sees with /messages, newest first, with a
 * blank between; in the arena. */
struct str rig_messages(struct rig_server *s, struct str room_id, const char *user);
const struct json *rig_json(struct room_rig *rig, struct str text);

#endif
