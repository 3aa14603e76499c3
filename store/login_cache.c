#include "store/login_cache.h"

#include <stdlib.h>
#include <string.h>

#include "node/base/alloc.h"
#include "store/internal.h"

/* The hashes of tokens are as good as random. */
static size_t place(const unsigned char *hash)
{
	return hash[0] & (LOGIN_CACHE - 1);
}

bool login_cache_get(const struct store *st, struct arena *a, const unsigned char *hash,
	struct store_login *out)
{
	const struct login_kept *k = &st->logins[place(hash)];

	if (!k->text || memcmp(k->hash, hash, sizeof(k->hash)) != 0)
		return false;
	*out = k->login;
	out->account.user_id = arena_str(a, k->login.account.user_id);
	out->device_id = arena_str(a, k->login.device_id);
	return true;
}

void login_cache_put(
	struct store *st, const unsigned char *hash, const struct store_login *login)
{
	struct login_kept *k = &st->logins[place(hash)];
	size_t n = login->account.user_id.n;

	free(k->text);
	*k = (struct login_kept){ .login = *login };
	memcpy(k->hash, hash, sizeof(k->hash));
	k->text = xalloc(n + login->device_id.n + 1);
	memcpy(k->text, login->account.user_id.p, n);
	memcpy(k->text + n, login->device_id.p, login->device_id.n);
	k->login.account.user_id.p = k->text;
	k->login.device_id.p = k->text + n;
}

void login_cache_changed(struct store *st, const char *table)
{
	if (table && strcmp(table, "session") != 0 && strcmp(table, "account") != 0 &&
		strcmp(table, "device") != 0)
		return;
	for (size_t i = 0; i < LOGIN_CACHE; i++) {
		free(st->logins[i].text);
		st->logins[i] = (struct login_kept){ 0 };
	}
}
