/*
 * identity_files: the data directory's lock and the identity in it (security.md, K1).
 *
 * The identity is one file, `identity`, mode 0600, so that it is there whole or not at all. It
 * is written to a temporary name (O_EXCL), synced, renamed, and the directory synced. A file
 * that is missing or damaged is an error with a clear text; nothing here ever makes a new
 * identity in place of one. Blocking calls, for start-up and the command line; any thread.
 */
#ifndef KITH_TRANSPORT_IDENTITY_FILES_H
#define KITH_TRANSPORT_IDENTITY_FILES_H

#include "node/base/err.h"
#include "transport/identity.h"

#include <stdbool.h>

/* Makes dir and its parents (mode 0700) where they are missing, and locks it against a second
 * process (flock on dir/lock). *fd holds the lock until data_dir_unlock(). ERR_EXISTS: another
 * process has it; ERR_IO with the reason for all else. */
enum err data_dir_lock(const char *dir, int *fd, struct err_ctx *why) MUST_CHECK;
void data_dir_unlock(int fd); /* -1 is fine */

/* True if the directory holds an identity file, damaged or not. */
bool identity_file_exists(const char *dir);

/* ERR_NOT_FOUND: none there. ERR_CORRUPT: damaged. ERR_FORBIDDEN: others may read it. */
enum err identity_file_load(
	const char *dir, struct identity **out, struct err_ctx *why) MUST_CHECK;

/* ERR_EXISTS: there is one already, which stays as it is. The directory must be locked. */
enum err identity_file_create(
	const char *dir, const struct identity *id, struct err_ctx *why) MUST_CHECK;

/* Writes a changed document of the same identity and node. */
enum err identity_file_update(
	const char *dir, const struct identity *id, struct err_ctx *why) MUST_CHECK;

#endif
