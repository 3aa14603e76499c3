#include "store/internal.h"

#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include "node/base/hash.h"
#include "store/sql.h"

/* A database holds users and events of one server: beside another identity it would speak in a
 * stranger's name. So it remembers whose it is, by a digest of the name that fits meta. */
enum err store_own(struct store *st, struct err_ctx *why)
{
	unsigned char digest[HASH_BYTES];
	int64_t ours;
	int64_t known = 0;
	char text[128];
	enum err err;

	hash_bytes(str_of(st->server_name), digest);
	memcpy(&ours, digest, sizeof(ours));
	ours = (ours & INT64_MAX) | 1; /* never 0, which stands for none yet */
	err = sql_int(st->db, "SELECT coalesce(max(value), 0) FROM meta WHERE key = 'server'",
		&known);
	if (err)
		return err;
	if (known == ours)
		return ERR_OK;
	if (known)
		return err_set(why, ERR_CORRUPT,
			"%s is another server's database, not that of %s: put back the "
			"identity that belongs to it",
			st->path, st->server_name);
	(void)snprintf(text, sizeof(text),
		"INSERT INTO meta (key, value) VALUES ('server', %lld)", (long long)ours);
	return sql_exec(st->db, text);
}
