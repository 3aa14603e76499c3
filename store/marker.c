/*
 * While a log is in use a file beside the database says so. Without it a database whose log was
 * lost (copied without it, deleted by a cleaner) would open as it was at the last checkpoint:
 * what was acknowledged since would be gone without a word.
 *
 * It is made behind the first sync of a log, whose name is on disk by then, and removed (for
 * sure: the folder is synced) before a clean end removes the log. So a power cut never leaves
 * one without a log; and where it is lost itself nothing is wrong.
 */
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"

#define ENDING "-open"

static char *name_of(const char *path, const char *ending)
{
	struct buf name = { 0 };

	buf_printf(&name, "%s%s", path, ending);
	return buf_detach_z(&name);
}

static bool exists(const char *path, const char *ending)
{
	CLEANUP(freep) char *name = name_of(path, ending);
	struct stat file;

	return stat(name, &file) == 0;
}

enum err marker_check(const char *path, bool must_exist, struct err_ctx *why)
{
	struct stat file;
	bool open = exists(path, ENDING);

	if ((must_exist || open) && (stat(path, &file) != 0 || file.st_size == 0))
		return err_set(why, ERR_CORRUPT,
			"%s is missing or empty, but was there before: put it back from a "
			"backup. A new one is not made by itself",
			path);
	if (open && !exists(path, "-wal"))
		return err_set(why, ERR_CORRUPT,
			"%s-wal is missing, which holds what was written last: put it back; "
			"or, to go on without, delete %s" ENDING,
			path, path);
	return ERR_OK;
}

void marker_set(struct store *st)
{
	CLEANUP(freep) char *name = NULL;
	int fd;

	if (st->marked || st->vfs)
		return;
	name = name_of(st->path, ENDING);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return; /* tried again behind the next sync */
	(void)close(fd);
	st->marked = true;
}

/* The name of a folder's entry is on disk when the folder is synced. */
static bool sync_folder_of(char *path)
{
	char *slash = strrchr(path, '/');
	int fd;
	bool ok;

	if (slash)
		*slash = 0;
	fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ok = fsync(fd) == 0;
	(void)close(fd);
	return ok;
}

bool marker_clear(struct store *st)
{
	CLEANUP(freep) char *name = NULL;

	if (st->vfs)
		return true;
	name = name_of(st->path, ENDING);
	if (unlink(name) != 0)
		return errno == ENOENT;
	return sync_folder_of(name);
}
