/*
 * migrate: brings a database to the schema that this program knows. For store/ alone.
 *
 * Migrations are the files of store/migrations, embedded at build time and applied in order,
 * one transaction each, with the disk synced before the next. PRAGMA user_version is the number
 * of the last one.
 */
#ifndef KITH_STORE_MIGRATE_H
#define KITH_STORE_MIGRATE_H

#include "node/base/err.h"
#include "node/base/log.h"

#include <stddef.h>

struct sqlite3;

struct migration {
	int number;
	const char *name;
	const char *sql;
};

extern const struct migration migrations[];
extern const size_t n_migrations;

#define MIGRATE_APPLICATION_ID 0x6b697468 /* "kith", PRAGMA application_id */

/* The number of the newest migration that this program has. */
int migrate_latest(void);

/* Migrates db (path is for the free space check and for messages) up to number upto at most
 * (migrate_latest(); less in tests). ERR_INVALID: a newer schema, or not a database of ours. */
enum err migrate(struct sqlite3 *db, const char *path, int upto, const struct log *log,
	struct err_ctx *why) MUST_CHECK;

#endif
