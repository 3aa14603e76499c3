#include "node/user/login_token.h"

#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/user/users_impl.h"

#define LOGIN_TOKEN_MS   INT64_C(120000)
#define LOGIN_TOKENS_MAX 16

struct login_token {
	struct login_token *older;
	unsigned char hash[TOKEN_HASH_BYTES];
	uint64_t born_ms;
	char *user_id;   /* owned */
	char *device_id; /* owned; of the device that asked */
};

static void drop(struct login_token **at)
{
	struct login_token *t = *at;

	*at = t->older;
	free(t->user_id);
	free(t->device_id);
	sodium_memzero(t, sizeof(*t));
	free(t);
}

void login_token_free_all(struct users *u)
{
	while (u->login_tokens)
		drop(&u->login_tokens);
}

static bool is_old(const struct users *u, const struct login_token *t)
{
	return clock_mono_ms(u->o.clock) - t->born_ms >= (uint64_t)LOGIN_TOKEN_MS;
}

/* Leaves room for one more, and none of this user's. */
static void make_room(struct users *u, struct str user_id)
{
	struct login_token **at = &u->login_tokens;
	unsigned n = 0;

	while (*at) {
		bool mine = str_eq(str_of((*at)->user_id), user_id);

		if (mine || is_old(u, *at) || ++n >= LOGIN_TOKENS_MAX)
			drop(at);
		else
			at = &(*at)->older;
	}
}

void login_token_new(struct users *u, const struct user_caller *who, struct arena *a,
	struct str *token, int64_t *expires_in_ms)
{
	struct login_token *t = NEW(struct login_token);
	struct token made;

	make_room(u, who->user_id);
	token_make(u->o.rng, "kl_", &made);
	token_hash(token_str(&made), t->hash);
	t->born_ms = clock_mono_ms(u->o.clock);
	t->user_id = xstrdup(who->user_id);
	t->device_id = xstrdup(who->device_id);
	t->older = u->login_tokens;
	u->login_tokens = t;
	*token = arena_str(a, token_str(&made));
	*expires_in_ms = LOGIN_TOKEN_MS;
	sodium_memzero(&made, sizeof(made));
}

/* Whose token it was, in a; empty if it lets nobody in. It is gone either way. */
static struct str take(struct users *u, struct str text, struct arena *a)
{
	unsigned char hash[TOKEN_HASH_BYTES];
	struct login_token **at = &u->login_tokens;
	struct str user_id = { 0 };

	token_hash(text, hash);
	while (*at && sodium_memcmp((*at)->hash, hash, sizeof(hash)) != 0)
		at = &(*at)->older;
	if (!*at)
		return user_id;
	if (!is_old(u, *at) &&
		users_device_exists(u, str_of((*at)->user_id), str_of((*at)->device_id)))
		user_id = arena_str(a, str_of((*at)->user_id));
	drop(at);
	return user_id;
}

void login_token_login(struct users *u, struct str token, const struct account_device *device,
	struct account_call *c)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();

	account_login_trusted(u, take(u, token, a), device, c);
}
