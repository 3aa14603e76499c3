/*
 * wal_vfs: an SQLite VFS over another one, for a store's writing connection and its
 * checkpoints.
 *
 * SQLite writes each frame of the WAL with two calls, a header of 24 bytes and the page: 18
 * system calls for an event alone. Here they are put together and written when the frame that
 * commits is complete, inside the call that brought it: an error of the disk is still one of
 * this commit, and nothing is kept back once a transaction is visible to other connections.
 * So what is on disk is the same as without, and everyone else may use the VFS below. All files
 * but the WAL are that one's own.
 */
#ifndef KITH_STORE_WAL_VFS_H
#define KITH_STORE_WAL_VFS_H

#include "node/base/err.h"

#include <stdbool.h>

struct sqlite3_file;
struct wal_vfs;

/* below: the name of a VFS, NULL for the default one. Any thread. */
enum err wal_vfs_new(const char *below, struct wal_vfs **out) MUST_CHECK;
/* When no connection uses it any more. NULL is fine. */
void wal_vfs_free(struct wal_vfs *v);
/* To open a connection with; v's. */
const char *wal_vfs_name(const struct wal_vfs *v);

/* Brings a WAL opened through such a VFS (SQLITE_FCNTL_JOURNAL_POINTER) to the disk, as far as
 * it has been written: all that was committed. An SQLite result code. From any thread, also
 * while the connection writes the next transaction. */
int wal_vfs_sync(struct sqlite3_file *wal, int flags) MUST_CHECK;
/* A sync of the WAL failed, that of a checkpoint's connection perhaps. The kernel tells of
 * pages that it could not write once, and takes them for clean afterwards: so from then on no
 * sync of it succeeds. Any thread. */
bool wal_vfs_failed(struct wal_vfs *v);
/* Ends that, while nobody writes: each byte of the WAL of this database, if there is one, is
 * written again and synced. An SQLite result code. */
int wal_vfs_mend(struct wal_vfs *v, const char *path) MUST_CHECK;

/* A descriptor of the same file, the file's own, for those who can wait for a sync in another
 * way; -1 if there is none. */
int wal_vfs_fd(const struct sqlite3_file *wal);

#endif
