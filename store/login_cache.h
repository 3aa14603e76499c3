/*
 * login_cache: whose access token it is, for the few clients that ask again and again. What is
 * kept is dropped when any row of session, account or device changes.
 */
#ifndef KITH_STORE_LOGIN_CACHE_H
#define KITH_STORE_LOGIN_CACHE_H

#include "store/account.h"

#include <stdbool.h>

#define LOGIN_CACHE 16 /* a power of two */

struct login_kept {
	unsigned char hash[32];
	struct store_login login; /* its strings are in text */
	char *text;               /* owned; NULL: none */
};

/* False: look into the database, and tell by login_cache_put(). Strings in a. */
bool login_cache_get(const struct store *st, struct arena *a, const unsigned char *hash,
	struct store_login *out);
void login_cache_put(
	struct store *st, const unsigned char *hash, const struct store_login *login);
/* When rows changed: of this table; of any, if it is NULL. */
void login_cache_changed(struct store *st, const char *table);

#endif
