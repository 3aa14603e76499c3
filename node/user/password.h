/*
 * password: Argon2id on the thread pool (security.md, T2).
 *
 * At most a few hashes at once, since each takes tens of MiB, and at most 16 waiting.
 */
#ifndef KITH_USER_PASSWORD_H
#define KITH_USER_PASSWORD_H

#include "node/base/err.h"
#include "node/base/loop.h"
#include "node/base/str.h"

#include <stdbool.h>

#define PASSWORD_HASH_CHARS 128 /* crypto_pwhash_STRBYTES */
#define PASSWORD_QUEUE      16

struct passwords; /* the queue */

struct passwords *passwords_new(struct loop *loop, bool low_cost, unsigned parallel);
/* Jobs that wait or run end with ERR_CANCELLED before it returns. What is on the pool comes
 * back to the loop later and frees itself, so the loop must go on until it is empty. */
void passwords_free(struct passwords *p);

/* Owned by who asks, until done was called: once, on the loop, never before the function below
 * returned. ERR_FORBIDDEN: not that password; ERR_LIMIT: too many are waiting. */
struct password_job {
	void (*done)(struct password_job *j, enum err err);
	void *arg;
	char hash[PASSWORD_HASH_CHARS]; /* password_hash: the result, NUL-terminated */
	/* password_verify: it was right, and hash is it anew: what was stored is cheaper than
	 * what is made now. */
	bool rehashed;

	/* Private to password.c. */
	struct passwords *pool;
	struct password_job *next;
	struct password_work *work;
	struct loop_deferred deferred;
	enum err err;
};

/* password is copied. hash empty: there is no such user or no password; the same work is done
 * and the answer is ERR_FORBIDDEN. */
void password_hash(struct passwords *p, struct str password, struct password_job *j);
void password_verify(
	struct passwords *p, struct str password, struct str hash, struct password_job *j);

#endif
