/*
 * e2e_ask: questions to several servers at once, whose answers make one.
 *
 *   start --> ask each server --> each answers or not --> all did: finish, once
 *
 * Held open by one count for the asker itself until e2e_ask_ready(), so that nothing is
 * finished while there is still to be asked. For the files of node/user.
 */
#ifndef KITH_USER_E2E_ASK_H
#define KITH_USER_E2E_ASK_H

#include "node/user/e2e_keys.h"
#include "node/user/users_impl.h"

struct e2e_ask;

/* One question. */
struct e2e_question {
	struct user_remote_call call;
	struct e2e_ask *ask;
	struct str server;
	struct str user_id;       /* of one user, or empty: a server's whole share */
	const struct json *share; /* what was asked for, as in the body */
};

struct e2e_ask {
	struct users *users;
	struct e2e_keys_call *call;
	struct arena *arena; /* owned; the operation is in it, too */
	uint64_t timeout_ms;
	size_t open;
	struct map failed; /* server names */
	enum err err;      /* of our own store: the whole answer fails */
	struct users_later later;
	/* A good answer came; not called for others. */
	void (*answer)(struct e2e_question *q, const struct json *reply);
	/* All have come: appends the answer's members but failures to w. */
	enum err (*finish)(struct e2e_ask *ask, struct jw *w);
	void (*deinit)(struct e2e_ask *ask); /* may be NULL */
};

/* timeout: the body's member. ERR_MALFORMED. */
enum err e2e_ask_timeout(
	const struct json *body, uint64_t *timeout_ms, struct err_ctx *why) MUST_CHECK;

void e2e_ask_init(struct e2e_ask *ask, struct users *u, struct arena *a,
	struct e2e_keys_call *call, uint64_t timeout_ms);
/* A question of the ask, its call ready; counted. The caller hands its call to an op, once. */
struct e2e_question *e2e_ask_add(
	struct e2e_ask *ask, struct str server, const struct json *share);
void e2e_ask_failed(struct e2e_ask *ask, struct str server);
/* All questions are asked. */
void e2e_ask_ready(struct e2e_ask *ask);

/* The members of map (by user id) that belong to server, as the body of a request:
 * {name: {user_id: ...}}. In the arena. */
struct str e2e_ask_share(
	struct e2e_ask *ask, const char *name, const struct json *map, struct str server);

#endif
