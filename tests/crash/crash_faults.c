/*
 * A disk that fails: each operation of a scripted workload fails in turn, once or from then on
 * until the disk is well again. What was reported durable is there afterwards, what was refused
 * is not, and the store takes writes again.
 *
 *     crash_faults [EVERY [KIND]]      every operation, or each EVERY-th, of all kinds or one
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"
#include "tests/crash/life.h"
#include "tests/support/crash_vfs.h"

#define ERRORS_UNTIL_WELL 5
#define REFUSALS_MAX      3000 /* 5 ms apart, for each writer */
#define EVENTS_OPEN       3
#define EVENTS            24
#define OPERATIONS_MAX    20000
#define LASTING_STEP      12

struct rig {
	struct crash_vfs *vfs;
	struct loop_uv *uv;
	char dir[64];
	char path[96];
	struct life_record record;
	struct crash_fault fault;
	bool at_open; /* the database is new, and is to fail from its creation on */
	bool has_begun;
	struct buf empty; /* a database with nothing in it, for those that begin later */
	struct life_options *options;
	unsigned errors;
	unsigned acked_after; /* the disk was well again */
	unsigned acked;
};

#define CHANGES (CRASH_OPEN | CRASH_WRITE | CRASH_TRUNCATE)
#define ALL     (CHANGES | CRASH_READ | CRASH_SYNC | CRASH_SIZE | CRASH_LOCK | CRASH_MAP)

static const struct {
	const char *name;
	unsigned ops;
	int rc;
	bool half;
} faults[] = {
	{ "full", CHANGES, SQLITE_FULL, false },
	{ "full-half-written", CRASH_WRITE, SQLITE_FULL, true },
	{ "full-map", CRASH_MAP, SQLITE_IOERR_SHMSIZE, false },
	{ "write", CRASH_WRITE, SQLITE_IOERR_WRITE, false },
	{ "write-half-written", CRASH_WRITE, SQLITE_IOERR_WRITE, true },
	{ "read", CRASH_READ, SQLITE_IOERR_READ, false },
	{ "sync", CRASH_SYNC, SQLITE_IOERR_FSYNC, false },
	{ "truncate", CRASH_TRUNCATE | CRASH_DELETE, SQLITE_IOERR_TRUNCATE, false },
	{ "size", CRASH_SIZE, SQLITE_IOERR_FSTAT, false },
	{ "lock", CRASH_LOCK, SQLITE_IOERR_LOCK, false },
	{ "descriptors", CRASH_OPEN, SQLITE_CANTOPEN, false },
	{ "memory", ALL, SQLITE_IOERR_NOMEM, false },
	{ "read-only", CHANGES, SQLITE_READONLY, false },
};

static void remove_files(const struct rig *r)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < 3; i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s%s", r->path, ends[i]);
		(void)remove(path);
	}
}

static void begun(void *arg)
{
	struct rig *r = arg;

	r->has_begun = true;
	if (!r->at_open)
		crash_vfs_fail(r->vfs, &r->fault);
}

static void failed(void *arg)
{
	struct rig *r = arg;

	if (++r->errors == ERRORS_UNTIL_WELL && !r->fault.once)
		crash_vfs_fail(r->vfs, NULL);
	/* A store that went down refuses at once, and is tried again after a second: what is
	 * refused doesn't count. */
	if (r->errors < REFUSALS_MAX)
		r->options->events++;
}

static void acked(void *arg, unsigned n)
{
	struct rig *r = arg;

	(void)n;
	r->acked++;
	r->acked_after += r->errors > 0;
}

static bool write_file(const char *path, const struct buf *bytes)
{
	FILE *out = fopen(path, "wb");
	bool ok = out && fwrite(bytes->p, 1, bytes->n, out) == bytes->n;

	return out && fclose(out) == 0 && ok;
}

/* A life without a fault leaves what the others start from. */
static bool make_empty(struct rig *r)
{
	struct life_options o = { .uv = r->uv,
		.store = { .path = r->path,
			.server_name = STR("here.example"),
			.loop = loop_uv_loop(r->uv),
			.uv = loop_uv_handle(r->uv) } };
	char bytes[65536];
	size_t n;
	FILE *in;

	if (!life_run(&o, &r->record))
		return false;
	in = fopen(r->path, "rb");
	while (in && (n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		buf_put(&r->empty, bytes, n);
	return in && fclose(in) == 0;
}

/* False with what is wrong in text. *beyond: the workload ended before the fault. */
static bool run_once(struct rig *r, bool *beyond, char *text, size_t size)
{
	struct life_options o = { .uv = r->uv,
		.store = { .path = r->path,
			.server_name = STR("here.example"),
			.loop = loop_uv_loop(r->uv),
			.uv = loop_uv_handle(r->uv),
			.vfs = "crash",
			.checkpoint_kib = 40,
			.wal_limit_kib = 120 },
		.writers = 3,
		.events = r->at_open ? EVENTS_OPEN : EVENTS,
		.begun = begun,
		.acked = acked,
		.failed = failed,
		.arg = r,
		.go_on = true };

	remove_files(r);
	if (!r->at_open && !write_file(r->path, &r->empty))
		return false;
	crash_vfs_reset(r->vfs);
	memset(&r->record, 0, sizeof(r->record));
	r->record.rooms = !r->at_open; /* make_empty() has made one */
	r->options = &o;
	r->has_begun = false;
	r->errors = 0;
	r->acked = 0;
	r->acked_after = 0;
	if (r->at_open)
		crash_vfs_fail(r->vfs, &r->fault);
	(void)life_run(&o, &r->record);
	*beyond = !crash_vfs_has_failed(r->vfs) && r->errors == 0;
	crash_vfs_fail(r->vfs, NULL);
	if (*beyond && r->acked != o.events) {
		(void)snprintf(text, size, "the workload itself went wrong");
		return false;
	}
	if (r->has_begun && r->errors > 0 && r->acked_after == 0) {
		(void)snprintf(text, size, "nothing could be written after the disk was well");
		return false;
	}
	return life_check(r->uv, r->path, &r->record, r->record.n, text, size);
}

/* Every step-th operation. The number of runs that went wrong. */
static unsigned series(struct rig *r, const char *name, unsigned step, unsigned *runs)
{
	unsigned wrong = 0;
	bool beyond = false;

	for (unsigned at = 1; !beyond && at < OPERATIONS_MAX; at += step) {
		char text[200] = "";

		++*runs;
		r->fault.after = at;
		if (run_once(r, &beyond, text, sizeof(text)))
			continue;
		wrong++;
		(void)printf("%s at operation %u%s%s: %s\n", name, at,
			r->fault.once ? "" : " and on", r->at_open ? ", from opening" : "",
			text);
	}
	return wrong;
}

static unsigned kind(struct rig *r, size_t i, unsigned step, unsigned *runs)
{
	unsigned wrong;
	unsigned before = *runs;

	r->fault = (struct crash_fault){
		.ops = faults[i].ops, .rc = faults[i].rc, .half = faults[i].half, .once = true
	};
	r->at_open = true;
	wrong = series(r, faults[i].name, step, runs);
	r->at_open = false;
	wrong += series(r, faults[i].name, step, runs);
	/* A disk that stays ill takes its second to be tried again. */
	r->fault.once = false;
	wrong += series(r, faults[i].name, LASTING_STEP * step, runs);
	(void)printf("%s: %u runs, %u went wrong\n", faults[i].name, *runs - before, wrong);
	(void)fflush(stdout);
	return wrong;
}

int main(int argc, char **argv)
{
	struct rig *r = NEW(struct rig);
	unsigned step = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
	unsigned wrong = 0;
	unsigned runs = 0;

	r->vfs = crash_vfs_new("crash", 1);
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/kith-crash-XXXXXX");
	if (step == 0 || !mkdtemp(r->dir) || loop_uv_new(NULL, &r->uv))
		return 2;
	(void)snprintf(r->path, sizeof(r->path), "%s/kith.db", r->dir);
	if (!make_empty(r))
		return 2;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (argc < 3 || strcmp(argv[2], faults[i].name) == 0)
			wrong += kind(r, i, step, &runs);
	(void)printf("%u runs, %u went wrong\n", runs, wrong);
	remove_files(r);
	(void)rmdir(r->dir);
	crash_vfs_free(r->vfs);
	loop_uv_free(r->uv);
	buf_deinit(&r->empty);
	free(r);
	return wrong != 0 || runs == 0;
}
