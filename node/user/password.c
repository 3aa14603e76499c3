#include "node/user/password.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"

/* OWASP's second choice for Argon2id: less memory than libsodium's "interactive", which a phone
 * may not have, and one more pass. */
#define OPS_DEFAULT 3
#define MEM_DEFAULT (24U * 1024 * 1024)

/* What the pool thread sees: nothing but this. The job may be gone before it is done. */
struct password_work {
	struct loop_work work;
	struct passwords *pool;
	struct password_job *job; /* NULL: nobody waits any more */
	bool verify;
	bool decoy; /* verify against nothing: hash, then refuse */
	bool ok;
	bool rehash; /* made with less than is usual now: to be stored anew */
	unsigned long long ops;
	size_t mem;
	size_t password_n;
	char password[LIMIT_PASSWORD_BYTES];
	char hash[PASSWORD_HASH_CHARS];
};

struct passwords {
	struct loop *loop;
	bool low_cost;
	unsigned parallel;
	unsigned running;
	unsigned waiting;
	struct password_job *first; /* waiting, in order */
	struct password_job *busy;  /* on the pool, or about to be refused */
	bool closing;               /* freed when the last running one is back */
};

static void start_next(struct passwords *p);

static void list_remove(struct password_job **at, const struct password_job *j)
{
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
}

static void list_append(struct password_job **at, struct password_job *j)
{
	while (*at)
		at = &(*at)->next;
	j->next = NULL;
	*at = j;
}

static void work_free(struct password_work *w)
{
	sodium_memzero(w, sizeof(*w));
	free(w);
}

static void run_on_pool(struct loop_work *lw)
{
	struct password_work *w = CONTAINER_OF(lw, struct password_work, work);

	if (w->verify && !w->decoy) {
		w->ok = crypto_pwhash_str_verify(w->hash, w->password, w->password_n) == 0;
		if (!w->ok || !w->rehash)
			return;
		w->rehash = crypto_pwhash_str(
				    w->hash, w->password, w->password_n, w->ops, w->mem) == 0;
		return;
	}
	w->ok = crypto_pwhash_str(w->hash, w->password, w->password_n, w->ops, w->mem) == 0;
}

static void back_on_loop(struct loop_work *lw)
{
	struct password_work *w = CONTAINER_OF(lw, struct password_work, work);
	struct passwords *p = w->pool;
	struct password_job *j = w->job;
	enum err err = ERR_OK;

	p->running--;
	if (p->closing) {
		work_free(w);
		if (!p->running)
			free(p);
		return;
	}
	if (w->verify)
		err = w->ok && !w->decoy ? ERR_OK : ERR_FORBIDDEN;
	else if (!w->ok)
		err = ERR_NOMEM;
	if (!err)
		memcpy(j->hash, w->hash, sizeof(j->hash));
	j->rehashed = !err && w->rehash;
	work_free(w);
	list_remove(&p->busy, j);
	j->work = NULL;
	start_next(p);
	j->done(j, err);
}

static void start_next(struct passwords *p)
{
	struct password_job *j = p->first;

	if (!j || p->running >= p->parallel)
		return;
	p->first = j->next;
	list_append(&p->busy, j);
	p->waiting--;
	p->running++;
	loop_work(p->loop, &j->work->work);
}

static void refuse(struct loop_deferred *d)
{
	struct password_job *j = CONTAINER_OF(d, struct password_job, deferred);

	list_remove(&j->pool->busy, j);
	j->done(j, j->err);
}

static void enqueue(struct passwords *p, struct str password, struct password_job *j,
	bool verify, struct str hash)
{
	struct password_work *w;

	j->pool = p;
	j->work = NULL;
	j->rehashed = false;
	j->deferred = (struct loop_deferred){ .fn = refuse };
	j->err = password.n > LIMIT_PASSWORD_BYTES ? (verify ? ERR_FORBIDDEN : ERR_INVALID)
		: p->waiting >= PASSWORD_QUEUE     ? ERR_LIMIT
						   : ERR_OK;
	if (j->err) {
		list_append(&p->busy, j);
		loop_defer(p->loop, &j->deferred);
		return;
	}

	w = NEW(struct password_work);
	w->work.work = run_on_pool;
	w->work.done = back_on_loop;
	w->pool = p;
	w->job = j;
	w->verify = verify;
	w->decoy = verify && (hash.n == 0 || hash.n >= sizeof(w->hash));
	w->ops = p->low_cost ? crypto_pwhash_OPSLIMIT_MIN : OPS_DEFAULT;
	w->mem = p->low_cost ? crypto_pwhash_MEMLIMIT_MIN : MEM_DEFAULT;
	w->password_n = password.n;
	if (password.n)
		memcpy(w->password, password.p, password.n);
	if (verify && !w->decoy)
		memcpy(w->hash, hash.p, hash.n);
	/* A node that runs with cheap hashes for once leaves the good ones alone. */
	w->rehash = verify && !w->decoy && !p->low_cost &&
		crypto_pwhash_str_needs_rehash(w->hash, w->ops, w->mem) == 1;
	j->work = w;
	list_append(&p->first, j);
	p->waiting++;
	start_next(p);
}

void password_hash(struct passwords *p, struct str password, struct password_job *j)
{
	enqueue(p, password, j, false, (struct str){ 0 });
}

void password_verify(
	struct passwords *p, struct str password, struct str hash, struct password_job *j)
{
	enqueue(p, password, j, true, hash);
}

struct passwords *passwords_new(struct loop *loop, bool low_cost, unsigned parallel)
{
	struct passwords *p = NEW(struct passwords);

	p->loop = loop;
	p->low_cost = low_cost;
	p->parallel = parallel ? parallel : 2;
	return p;
}

static void cancel_all(struct password_job **list)
{
	while (*list) {
		struct password_job *j = *list;

		*list = j->next;
		loop_undefer(j->pool->loop, &j->deferred);
		if (j->work)
			j->work->job = NULL;
		j->work = NULL;
		j->done(j, ERR_CANCELLED);
	}
}

void passwords_free(struct passwords *p)
{
	if (!p)
		return;
	p->closing = true;
	for (struct password_job *j = p->first; j; j = j->next) {
		work_free(j->work);
		j->work = NULL;
	}
	cancel_all(&p->first);
	cancel_all(&p->busy);
	if (!p->running)
		free(p);
}
