#include "transport/identity_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "node/base/buf.h"

#define FILE_NAME "identity"
#define FILE_MAX  65536

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static void wipe_deinit(struct buf *b)
{
	if (b->p)
		sodium_memzero(b->p, b->cap);
	buf_deinit(b);
}

static enum err io_error(
	struct err_ctx *why, const char *doing, const char *dir, const char *name)
{
	int e = errno;

	return err_set(why, e == ENOSPC || e == EDQUOT ? ERR_FULL : ERR_IO, "%s %s/%s: %s",
		doing, dir, name, strerror(e));
}

/* Makes dir and what of its parents is missing: on a new account not even ~/.local is there. */
static enum err make_dir(const char *dir, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_put_z(&path, dir);
	buf_put_u8(&path, '\0');
	for (char *at = path.p + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(path.p, 0700) != 0 && errno != EEXIST && errno != EROFS)
			return err_set(why, ERR_IO, "making %s: %s", path.p, strerror(errno));
		*at = '/';
	}
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_set(why, ERR_IO, "making %s: %s", dir, strerror(errno));
	return ERR_OK;
}

enum err data_dir_lock(const char *dir, int *fd, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	int lock;
	enum err made = make_dir(dir, why);

	if (made)
		return made;
	buf_printf(&path, "%s/lock", dir);
	buf_put_u8(&path, '\0');
	lock = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0)
		return io_error(why, "opening", dir, "lock");
	if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
		enum err err = errno == EWOULDBLOCK
			? err_set(why, ERR_EXISTS, "another kith uses the data directory %s",
				  dir)
			: io_error(why, "locking", dir, "lock");

		close(lock);
		return err;
	}
	*fd = lock;
	return ERR_OK;
}

void data_dir_unlock(int fd)
{
	closep(&fd);
}

static int open_dir(const char *dir)
{
	return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool identity_file_exists(const char *dir)
{
	CLEANUP(closep) int d = open_dir(dir);
	struct stat st;

	return d >= 0 && fstatat(d, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err read_all(
	int fd, const char *dir, size_t n, struct buf *text, struct err_ctx *why)
{
	buf_reserve(text, n + 1);
	while (text->n <= n) {
		ssize_t got = read(fd, text->p + text->n, n + 1 - text->n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return io_error(why, "reading", dir, FILE_NAME);
		if (got == 0)
			break;
		text->n += (size_t)got;
	}
	return ERR_OK;
}

enum err identity_file_load(const char *dir, struct identity **out, struct err_ctx *why)
{
	CLEANUP(closep) int d = open_dir(dir);
	CLEANUP(closep) int fd = -1;
	CLEANUP(wipe_deinit) struct buf text = { 0 };
	struct stat st;
	enum err err;

	if (d >= 0)
		fd = openat(d, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(why, ERR_NOT_FOUND,
			"there is no identity in %s: make one with `kith init`, or take one "
			"back "
			"with `kith init --recover`",
			dir);
	if (fd < 0 || fstat(fd, &st) != 0)
		return io_error(why, "opening", dir, FILE_NAME);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return err_set(why, ERR_CORRUPT, "%s/%s is damaged", dir, FILE_NAME);
	if (st.st_mode & 077)
		return err_set(why, ERR_FORBIDDEN,
			"others may read %s/%s, which holds the secret keys: chmod 600 it", dir,
			FILE_NAME);
	err = read_all(fd, dir, (size_t)st.st_size, &text, why);
	if (err)
		return err;
	err = identity_decode(buf_str(&text), out, NULL);
	if (err)
		return err_set(why, ERR_CORRUPT,
			"%s/%s is damaged: restore it from a backup, or use the recovery code "
			"(`kith init --recover` in a new data directory)",
			dir, FILE_NAME);
	return ERR_OK;
}

static enum err write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ERR_IO;
		text = str_skip(text, (size_t)n);
	}
	return fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

/* What an interrupted try left under the temporary name was never shown to anyone. */
static enum err write_identity(
	int d, const char *dir, const struct identity *id, struct err_ctx *why)
{
	static const char temporary[] = FILE_NAME ".new";
	CLEANUP(closep) int fd = -1;
	CLEANUP(wipe_deinit) struct buf text = { 0 };

	if (unlinkat(d, temporary, 0) != 0 && errno != ENOENT)
		return io_error(why, "replacing", dir, temporary);
	fd = openat(d, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return io_error(why, "making", dir, temporary);
	identity_encode(id, &text);
	if (fchmod(fd, 0600) != 0 || write_all(fd, buf_str(&text)) != ERR_OK ||
		renameat(d, temporary, d, FILE_NAME) != 0) {
		enum err err = io_error(why, "writing", dir, FILE_NAME);

		unlinkat(d, temporary, 0);
		return err;
	}
	if (fsync(d) != 0)
		return io_error(why, "syncing", dir, "");
	return ERR_OK;
}

enum err identity_file_create(const char *dir, const struct identity *id, struct err_ctx *why)
{
	CLEANUP(closep) int d = open_dir(dir);
	CLEANUP(closep) int above = -1;

	if (d < 0)
		return io_error(why, "opening", dir, "");
	if (identity_file_exists(dir))
		return err_set(why, ERR_EXISTS, "there is an identity in %s already", dir);
	TRY(write_identity(d, dir, id, why));
	/* The directory itself may be new; one above that we can't read is older than us. */
	above = openat(d, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above >= 0 && fsync(above) != 0)
		return io_error(why, "syncing", dir, "..");
	return ERR_OK;
}

enum err identity_file_update(const char *dir, const struct identity *id, struct err_ctx *why)
{
	CLEANUP(closep) int d = open_dir(dir);

	if (d < 0)
		return io_error(why, "opening", dir, "");
	if (!identity_file_exists(dir))
		return err_set(why, ERR_NOT_FOUND, "there is no identity in %s", dir);
	return write_identity(d, dir, id, why);
}
