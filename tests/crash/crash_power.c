/*
 * Power loss: the store runs on a disk that forgets what was not synced (crash_vfs.h), the
 * power goes at a random operation, and what the disk then holds is opened and looked through.
 *
 *     crash_power CUTS [SEED]           0 acknowledged events may be lost
 *     crash_power --without-sync CUTS   the rig's own test: events must get lost
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "node/base/alloc.h"
#include "tests/crash/life.h"
#include "tests/support/crash_vfs.h"

#define LIVES_PER_DATABASE 20

struct rig {
	struct crash_vfs *vfs;
	struct loop_uv *uv;
	char dir[64];
	char live[96];
	char image[96];
	struct life_record record;
	unsigned cut_after;
	unsigned fail_ops;
	unsigned fail_after; /* 0: nothing fails before the cut */
	uint64_t rng;
};

static uint64_t rnd(struct rig *r, uint64_t below)
{
	r->rng = r->rng * 6364136223846793005ULL + 1442695040888963407ULL;
	return (r->rng >> 33) % below;
}

static void remove_files(const char *folder)
{
	static const char *const names[] = { "kith.db", "kith.db-wal", "kith.db-shm" };

	for (size_t i = 0; i < 3; i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)remove(path);
	}
}

static void begun(void *arg)
{
	struct rig *r = arg;

	crash_vfs_cut_after(r->vfs, r->cut_after);
	/* The kernel reports a sync that failed once; what comes after must not trust it. */
	crash_vfs_fail(r->vfs,
		&(struct crash_fault){ .ops = r->fail_ops,
			.after = r->fail_after,
			.rc = SQLITE_IOERR_FSYNC,
			.once = true });
}

static bool copy_file(const char *from_dir, const char *to_dir, const char *name)
{
	char path[160];
	char bytes[65536];
	FILE *in;
	FILE *out;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", from_dir, name);
	in = fopen(path, "rb");
	if (!in)
		return true; /* none to copy */
	(void)snprintf(path, sizeof(path), "%s/%s", to_dir, name);
	out = fopen(path, "wb");
	if (!out) {
		(void)fclose(in);
		return false;
	}
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		if (fwrite(bytes, 1, n, out) != n)
			n = 0;
	(void)fclose(in);
	return fclose(out) == 0;
}

/* One life, one cut, one look. False with what is wrong in text. */
static bool cut_once(struct rig *r, char *text, size_t size)
{
	char path[128];
	char seen[128];
	unsigned from = r->record.n;
	struct life_options o = { .uv = r->uv,
		.writers = 1 + (unsigned)rnd(r, 8),
		.events = 10 + (unsigned)rnd(r, 150),
		.begun = begun,
		.arg = r };

	(void)snprintf(path, sizeof(path), "%s/kith.db", r->live);
	(void)snprintf(seen, sizeof(seen), "%s/kith.db", r->image);
	crash_vfs_reset(r->vfs);
	o.store = (struct store_options){ .path = path,
		.server_name = STR("here.example"),
		.loop = loop_uv_loop(r->uv),
		.uv = loop_uv_handle(r->uv),
		.vfs = "crash",
		.checkpoint_kib = 32 + (unsigned)rnd(r, 100),
		.wal_limit_kib = 100 + (unsigned)rnd(r, 200) };
	r->cut_after = 1 + (unsigned)rnd(r, 900);
	r->fail_after = rnd(r, 3) ? 0 : 1 + (unsigned)rnd(r, r->cut_after);
	r->fail_ops = CRASH_OPEN | CRASH_WRITE | CRASH_TRUNCATE | CRASH_SYNC;
	if (rnd(r, 2)) {
		r->fail_ops = CRASH_SYNC; /* of the log, or of a checkpoint */
		r->fail_after = r->fail_after ? 1 + r->fail_after / 8 : 0;
	}
	o.go_on = r->fail_after != 0;
	(void)life_run(&o, &r->record);
	if (!crash_vfs_is_cut(r->vfs)) {
		/* It ended before: the last operations of closing were the last. */
		crash_vfs_cut_after(r->vfs, 0);
		return true;
	}
	remove_files(r->image);
	remove_files(r->live);
	if (!crash_vfs_write_images(r->vfs, r->image) ||
		!copy_file(r->image, r->live, "kith.db") ||
		!copy_file(r->image, r->live, "kith.db-wal")) {
		(void)snprintf(text, size, "the rig can't write its files");
		return false;
	}
	/* What failed on the way leaves gaps. */
	if (r->fail_after)
		from = r->record.n;
	return life_check(r->uv, seen, &r->record, from, text, size);
}

int main(int argc, char **argv)
{
	struct rig *r = NEW(struct rig);
	bool without = argc > 1 && strcmp(argv[1], "--without-sync") == 0;
	unsigned cuts =
		argc > 1 + without ? (unsigned)strtoul(argv[1 + without], NULL, 10) : 100;
	uint64_t seed = argc > 2 + without ? strtoull(argv[2 + without], NULL, 10) : 1;
	unsigned done = 0;
	unsigned lost = 0;
	unsigned acked = 0;

	r->rng = seed;
	r->vfs = crash_vfs_new("crash", seed);
	crash_vfs_ignore_wal_syncs(r->vfs, without);
	(void)snprintf(r->dir, sizeof(r->dir), "/tmp/kith-crash-XXXXXX");
	if (!mkdtemp(r->dir) || loop_uv_new(NULL, &r->uv))
		return 2;
	(void)snprintf(r->live, sizeof(r->live), "%s/live", r->dir);
	(void)snprintf(r->image, sizeof(r->image), "%s/image", r->dir);
	if (mkdir(r->live, 0700) || mkdir(r->image, 0700))
		return 2;
	for (unsigned i = 0; i < cuts; i++) {
		char text[200] = "";

		if (i % LIVES_PER_DATABASE == 0) {
			remove_files(r->live);
			memset(&r->record, 0, sizeof(r->record));
		}
		if (!cut_once(r, text, sizeof(text))) {
			lost++;
			if (!without)
				(void)printf("cut %u (seed %llu): %s\n", i,
					(unsigned long long)seed, text);
			remove_files(r->live);
			memset(&r->record, 0, sizeof(r->record));
		}
		done++;
		for (unsigned n = 0; (i + 1) % LIVES_PER_DATABASE == 0 && n < r->record.n; n++)
			acked += r->record.events[n].acked;
	}
	(void)printf(
		"%u cuts, %u with something lost, %u events acknowledged\n", done, lost, acked);
	remove_files(r->live);
	remove_files(r->image);
	(void)rmdir(r->live);
	(void)rmdir(r->image);
	(void)rmdir(r->dir);
	crash_vfs_free(r->vfs);
	loop_uv_free(r->uv);
	free(r);
	return (lost == 0) == !without ? 0 : 1;
}
