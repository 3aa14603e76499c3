#include "store/reader.h"

#include <stdlib.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "store/internal.h"
#include "store/sql.h"

struct store *store_reader_new(const struct store *st)
{
	struct store *reader = NEW(struct store);

	reader->path = xstrdup(str_of(st->path));
	reader->vfs = st->vfs ? xstrdup(str_of(st->vfs)) : NULL;
	reader->server_name = xstrdup(str_of(st->server_name));
	name_init(reader);
	return reader;
}

enum err store_reader_open(struct store *reader)
{
	/* Read-only connections can't open a WAL whose shared memory isn't there yet;
	 * query_only keeps this one from writing all the same. */
	enum err err =
		sql_open(reader->path, SQLITE_OPEN_READWRITE, reader->vfs, &reader->db, NULL);

	if (err)
		return err;
	(void)sqlite3_db_config(reader->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_busy_timeout(reader->db, 2000);
	return sql_exec(reader->db,
		"PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = "
		"-512;"
		"PRAGMA mmap_size = 0");
}

void store_reader_free(struct store *reader)
{
	if (!reader)
		return;
	db_deinit(reader);
	if (reader->db)
		(void)sqlite3_close(reader->db);
	store_forget(reader);
	free(reader->path);
	free(reader->vfs);
	free(reader->server_name);
	free(reader);
}
