#include "store/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <sqlite3.h>

#include "store/sql.h"

#define LOG_MODULE "store"

int migrate_latest(void)
{
	return migrations[n_migrations - 1].number;
}

/* What a migration rewrites lies twice on disk until its checkpoint. */
static enum err check_free_space(const char *path, struct err_ctx *why)
{
	struct stat file;
	struct statvfs fs;

	if (stat(path, &file) != 0 || statvfs(path, &fs) != 0)
		return ERR_OK; /* a file system without an answer is no reason to refuse */
	if ((unsigned long long)fs.f_bavail * fs.f_frsize < (unsigned long long)file.st_size)
		return err_set(why, ERR_FULL,
			"%s needs a new schema, and as much free disk space as it is large "
			"(%lld "
			"bytes)",
			path, (long long)file.st_size);
	return ERR_OK;
}

static enum err apply(sqlite3 *db, const struct migration *m, struct err_ctx *why)
{
	char version[64];
	enum err err;

	(void)snprintf(version, sizeof(version),
		"PRAGMA user_version = %d; PRAGMA application_id = %d;", m->number,
		MIGRATE_APPLICATION_ID);
	err = sql_exec(db, "BEGIN IMMEDIATE");
	if (!err)
		err = sql_exec(db, m->sql);
	if (!err)
		err = sql_exec(db, version);
	if (!err)
		err = sql_exec(db, "COMMIT");
	if (!err)
		return ERR_OK;
	(void)err_set(
		why, err, "migration %04d-%s: %s", m->number, m->name, sqlite3_errmsg(db));
	if (!sqlite3_get_autocommit(db))
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

enum err migrate(
	sqlite3 *db, const char *path, int upto, const struct log *log, struct err_ctx *why)
{
	int64_t version;
	int64_t id;
	int64_t tables;
	const struct migration *now = NULL;
	enum err err = sql_int(db, "PRAGMA user_version", &version);

	if (!err)
		err = sql_int(db, "PRAGMA application_id", &id);
	if (!err)
		err = sql_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err)
		return err_set(why, err, "%s: %s", path, sqlite3_errmsg(db));
	if (tables > 0 && id != MIGRATE_APPLICATION_ID)
		return err_set(why, ERR_INVALID, "%s is not a database of kith", path);
	if (version > migrate_latest())
		return err_set(why, ERR_INVALID,
			"%s was written by a newer kith (schema %lld, this one knows up to "
			"%d): "
			"install that version or a later one; nothing was changed",
			path, (long long)version, migrate_latest());
	if (version == upto)
		return ERR_OK;
	if (version > 0) {
		err = check_free_space(path, why);
		if (err)
			return err;
	}
	for (size_t i = 0; i < n_migrations; i++) {
		if (migrations[i].number <= version || migrations[i].number > upto)
			continue;
		err = apply(db, &migrations[i], why);
		if (err)
			return err;
		now = &migrations[i];
	}
	if (now)
		log_info(log, "schema is now %04d-%s", now->number, now->name);
	return ERR_OK;
}
