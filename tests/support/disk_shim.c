/*
 * disk_shim: put before libc (LD_PRELOAD) of a real node, it can make calls on its files fail,
 * and writes down what they change, so that a power cut can be played back (power_node.py).
 * Works on what lies below DISK_SHIM_DIR alone.
 *
 * DISK_SHIM_CONTROL names a file of struct control, shared with the test, which may change it
 * at any time. DISK_SHIM_TRACE names the record: struct record, then path, second path and
 * bytes. A record is there before the call returns, so that whatever the node tells the world
 * afterwards is told behind it.
 */
/* Both names of each call are wanted: open() and open64(). */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* These names are what it is about. */
#pragma GCC visibility push(default)

#define FDS 4096

enum op {
	OP_OPEN = 1,
	OP_READ = 2,
	OP_WRITE = 4,
	OP_TRUNCATE = 8,
	OP_SYNC = 16,
	OP_NAME = 32,
	OP_MAKE = 64
};

/* All fields are the test's but hits. */
struct control {
	_Atomic uint32_t ops;   /* which calls (enum op) are counted, and fail; 0: none */
	_Atomic uint32_t after; /* the n-th from now on is the first to fail */
	_Atomic uint32_t error; /* errno */
	_Atomic uint32_t once;
	_Atomic uint32_t hits; /* calls that failed */
	_Atomic uint32_t seen; /* calls that were counted */
};

enum kind { MADE = 1, WRITTEN, CUT, SYNC_BEGINS, SYNCED, RENAMED, GONE, FOLDER };

struct record {
	uint32_t kind;
	uint32_t path_n;
	uint32_t path2_n;
	uint32_t bytes_n;
	uint64_t inode;
	uint64_t at; /* an offset, a length, or the number of a sync */
};

/* Filled once, before main(), but for fds and the record, which lock guards. */
static struct shim {
	char dir[PATH_MAX];
	size_t dir_n;
	struct control *control;
	int trace;
	pthread_mutex_t lock;
	uint64_t syncs;
	struct {
		uint64_t inode; /* 0: none of ours */
		bool is_dir;
		char *path;
	} fds[FDS];
} shim = { .trace = -1, .lock = PTHREAD_MUTEX_INITIALIZER };

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static int real_open(const char *path, int flags, mode_t mode)
{
	return REAL(int, "openat", int, const char *, int, ...)(AT_FDCWD, path, flags, mode);
}

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv("DISK_SHIM_DIR");
	const char *control = getenv("DISK_SHIM_CONTROL");
	const char *trace = getenv("DISK_SHIM_TRACE");
	int fd;

	if (!dir)
		return;
	shim.dir_n = (size_t)snprintf(shim.dir, sizeof(shim.dir), "%s", dir);
	if (control) {
		fd = real_open(control, O_RDWR | O_CLOEXEC, 0);
		shim.control = mmap(
			NULL, sizeof(*shim.control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (shim.control == MAP_FAILED)
			abort();
		(void)REAL(int, "close", int)(fd);
	}
	if (trace)
		shim.trace = real_open(trace, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static bool fails(enum op op)
{
	struct control *c = shim.control;

	if (!c || !(atomic_load(&c->ops) & op))
		return false;
	atomic_fetch_add(&c->seen, 1);
	if (atomic_load(&c->after) > 1) {
		atomic_fetch_sub(&c->after, 1);
		return false;
	}
	errno = (int)atomic_load(&c->error);
	atomic_fetch_add(&c->hits, 1);
	if (atomic_load(&c->once))
		atomic_store(&c->ops, 0);
	return true;
}

static void put(const void *p, size_t n)
{
	if (n &&
		REAL(ssize_t, "write", int, const void *, size_t)(shim.trace, p, n) !=
			(ssize_t)n)
		abort();
}

/* With the lock. */
static void note(enum kind kind, uint64_t inode, uint64_t at, const char *path,
	const char *path2, const void *bytes, size_t n)
{
	struct record r = { .kind = kind,
		.path_n = path ? (uint32_t)strlen(path) : 0,
		.path2_n = path2 ? (uint32_t)strlen(path2) : 0,
		.bytes_n = (uint32_t)n,
		.inode = inode,
		.at = at };

	if (shim.trace < 0)
		return;
	put(&r, sizeof(r));
	put(path, r.path_n);
	put(path2, r.path2_n);
	put(bytes, n);
}

/* A path in full, if it is of ours. */
static bool ours(int dirfd, const char *path, char out[PATH_MAX])
{
	if (!shim.dir_n)
		return false;
	if (path[0] == '/' || dirfd == AT_FDCWD)
		(void)snprintf(out, PATH_MAX, "%s", path);
	else if (dirfd >= 0 && dirfd < FDS && shim.fds[dirfd].path)
		(void)snprintf(out, PATH_MAX, "%s/%s", shim.fds[dirfd].path, path);
	else
		return false;
	return strncmp(out, shim.dir, shim.dir_n) == 0 &&
		(out[shim.dir_n] == '/' || out[shim.dir_n] == 0);
}

static void forget_fd(int fd)
{
	if (fd < 0 || fd >= FDS || !shim.fds[fd].path)
		return;
	free(shim.fds[fd].path);
	shim.fds[fd].path = NULL;
	shim.fds[fd].inode = 0;
}

static bool is_ours(int fd)
{
	return fd >= 0 && fd < FDS && shim.fds[fd].inode;
}

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	struct stat st;
	bool was;
	int fd;

	if (!ours(dirfd, path, full))
		return REAL(int, "openat", int, const char *, int, ...)(
			dirfd, path, flags, mode);
	if (fails(OP_OPEN) || ((flags & O_CREAT) && lstat(full, &st) != 0 && fails(OP_MAKE)))
		return -1;
	pthread_mutex_lock(&shim.lock);
	was = lstat(full, &st) == 0;
	fd = REAL(int, "openat", int, const char *, int, ...)(dirfd, path, flags, mode);
	if (fd >= 0 && fd < FDS && fstat(fd, &st) == 0) {
		forget_fd(fd);
		shim.fds[fd].inode = st.st_ino;
		shim.fds[fd].is_dir = S_ISDIR(st.st_mode);
		shim.fds[fd].path = strdup(full);
		if (!was)
			note(MADE, st.st_ino, 0, full, NULL, NULL, 0);
		else if (flags & O_TRUNC)
			note(CUT, st.st_ino, 0, full, NULL, NULL, 0);
	}
	pthread_mutex_unlock(&shim.lock);
	return fd;
}

#define MODE_OF(flags) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | O_TMPFILE)) { \
		va_list ap; \
		va_start(ap, flags); \
		mode = (mode_t)va_arg(ap, int); \
		va_end(ap); \
	}
#define OPEN(name) \
	int name(const char *path, int flags, ...); \
	int name(const char *path, int flags, ...) \
	{ \
		MODE_OF(flags) \
		return open_at(AT_FDCWD, path, flags, mode); \
	}
#define OPENAT(name) \
	int name(int dirfd, const char *path, int flags, ...); \
	int name(int dirfd, const char *path, int flags, ...) \
	{ \
		MODE_OF(flags) \
		return open_at(dirfd, path, flags, mode); \
	}
OPEN(open)
OPEN(open64)
OPEN(__open_2)
OPEN(__open64_2)
OPENAT(openat)
OPENAT(openat64)
OPENAT(__openat_2)
OPENAT(__openat64_2)

int close(int fd)
{
	if (is_ours(fd)) {
		pthread_mutex_lock(&shim.lock);
		forget_fd(fd);
		pthread_mutex_unlock(&shim.lock);
	}
	return REAL(int, "close", int)(fd);
}

/* at < 0: where the file's position is. */
static ssize_t write_at(int fd, const void *p, size_t n, off_t at)
{
	bool moves = at < 0;
	ssize_t done;

	if (moves)
		at = lseek(fd, 0, SEEK_CUR);
	pthread_mutex_lock(&shim.lock);
	done = moves
		? REAL(ssize_t, "write", int, const void *, size_t)(fd, p, n)
		: REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)(fd, p, n, at);
	if (done > 0)
		note(WRITTEN, shim.fds[fd].inode, (uint64_t)at, NULL, NULL, p, (size_t)done);
	pthread_mutex_unlock(&shim.lock);
	return done;
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (!is_ours(fd))
		return REAL(ssize_t, "write", int, const void *, size_t)(fd, p, n);
	return fails(OP_WRITE) ? -1 : write_at(fd, p, n, -1);
}

static ssize_t any_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (!is_ours(fd))
		return REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t)(
			fd, p, n, at);
	return fails(OP_WRITE) ? -1 : write_at(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return any_pwrite(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return any_pwrite(fd, p, n, at);
}

ssize_t read(int fd, void *p, size_t n)
{
	if (is_ours(fd) && fails(OP_READ))
		return -1;
	return REAL(ssize_t, "read", int, void *, size_t)(fd, p, n);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	if (is_ours(fd) && fails(OP_READ))
		return -1;
	return REAL(ssize_t, "pread64", int, void *, size_t, off_t)(fd, p, n, at);
}

ssize_t pread64(int fd, void *p, size_t n, off_t at)
{
	return pread(fd, p, n, at);
}

static int sync_fd(int fd, const char *name)
{
	uint64_t number;
	uint64_t inode;
	char *path = NULL;
	int rc;

	if (!is_ours(fd))
		return REAL(int, name, int)(fd);
	if (fails(OP_SYNC))
		return -1;
	pthread_mutex_lock(&shim.lock);
	number = ++shim.syncs;
	inode = shim.fds[fd].inode;
	path = shim.fds[fd].is_dir ? strdup(shim.fds[fd].path) : NULL;
	note(SYNC_BEGINS, inode, number, path, NULL, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	rc = REAL(int, name, int)(fd);
	pthread_mutex_lock(&shim.lock);
	if (rc == 0)
		note(SYNCED, inode, number, path, NULL, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	free(path);
	return rc;
}

int fsync(int fd)
{
	return sync_fd(fd, "fsync");
}

int fdatasync(int fd)
{
	return sync_fd(fd, "fdatasync");
}

static int cut(int fd, off_t size)
{
	int rc;

	if (!is_ours(fd))
		return REAL(int, "ftruncate64", int, off_t)(fd, size);
	if (fails(OP_TRUNCATE))
		return -1;
	pthread_mutex_lock(&shim.lock);
	rc = REAL(int, "ftruncate64", int, off_t)(fd, size);
	if (rc == 0)
		note(CUT, shim.fds[fd].inode, (uint64_t)size, NULL, NULL, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return cut(fd, size);
}

int ftruncate64(int fd, off_t size)
{
	return cut(fd, size);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	char a[PATH_MAX];
	char b[PATH_MAX];
	bool watched = ours(from_dir, from, a) && ours(to_dir, to, b);
	int rc;

	if (watched && fails(OP_NAME))
		return -1;
	pthread_mutex_lock(&shim.lock);
	rc = REAL(int, "renameat", int, const char *, int, const char *)(
		from_dir, from, to_dir, to);
	if (rc == 0 && watched)
		note(RENAMED, 0, 0, a, b, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	return rc;
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int dirfd, const char *path, int flags)
{
	char full[PATH_MAX];
	bool watched = ours(dirfd, path, full);
	int rc;

	if (watched && fails(OP_NAME))
		return -1;
	pthread_mutex_lock(&shim.lock);
	rc = REAL(int, "unlinkat", int, const char *, int)(dirfd, path, flags);
	if (rc == 0 && watched)
		note(GONE, 0, 0, full, NULL, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	return rc;
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
	char full[PATH_MAX];
	bool watched = ours(AT_FDCWD, path, full);
	int rc;

	if (watched && fails(OP_NAME))
		return -1;
	pthread_mutex_lock(&shim.lock);
	rc = REAL(int, "mkdir", const char *, mode_t)(path, mode);
	if (rc == 0 && watched)
		note(FOLDER, 0, 0, full, NULL, NULL, 0);
	pthread_mutex_unlock(&shim.lock);
	return rc;
}

/* The kernel's own asynchronous syncs are not offered: the node then uses fdatasync(). */
long syscall(long number, ...)
{
	va_list ap;
	long a[6];

	if (number == SYS_io_setup && shim.dir_n) {
		errno = ENOSYS;
		return -1;
	}
	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return REAL(long, "syscall", long, ...)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
