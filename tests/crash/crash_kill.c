/*
 * kill -9: a process that fills a store is killed at a random moment, again and again on the
 * same database, and what it had been told is durable is looked for. What it was told lies in
 * memory that this process shares with it.
 *
 *     crash_kill KILLS [SEED]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/life.h"

#define MS_MAX 300

static void remove_files(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };

	for (size_t i = 0; i < 3; i++) {
		char name[160];

		(void)snprintf(name, sizeof(name), "%s%s", path, ends[i]);
		(void)remove(name);
	}
}

static _Noreturn void fill(const char *path, struct life_record *r, unsigned writers)
{
	struct loop_uv *uv;
	struct life_options o = { .writers = writers, .events = LIFE_EVENTS_MAX };

	if (loop_uv_new(NULL, &uv))
		_exit(1);
	o.uv = uv;
	o.store = (struct store_options){ .path = path,
		.server_name = STR("here.example"),
		.loop = loop_uv_loop(uv),
		.uv = loop_uv_handle(uv),
		.checkpoint_kib = 256,
		.wal_limit_kib = 1024 };
	(void)life_run(&o, r);
	_exit(0);
}

static bool kill_once(const char *path, struct life_record *r, char *text, size_t size)
{
	unsigned from = r->n;
	unsigned writers = 1 + (unsigned)(rand() % 16);
	useconds_t us = (useconds_t)(rand() % (MS_MAX * 1000));
	struct loop_uv *uv;
	bool ok;
	pid_t child = fork();

	if (child < 0)
		return false;
	if (child == 0)
		fill(path, r, writers);
	(void)usleep(us);
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	if (access(path, F_OK) != 0)
		return true; /* it had not even begun */
	if (loop_uv_new(NULL, &uv))
		return false;
	ok = life_check(uv, path, r, from, text, size);
	loop_uv_free(uv);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned kills = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 10;
	unsigned lost = 0;
	unsigned acked = 0;
	char dir[64] = "/tmp/kith-kill-XXXXXX";
	char path[96];
	struct life_record *r = mmap(
		NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED || !mkdtemp(dir))
		return 2;
	srand(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1);
	(void)snprintf(path, sizeof(path), "%s/kith.db", dir);
	for (unsigned i = 0; i < kills; i++) {
		char text[200] = "the rig itself failed";
		bool ok = kill_once(path, r, text, sizeof(text));
		bool last = i + 1 == kills || !ok || r->n > LIFE_EVENTS_MAX / 2;

		if (!ok) {
			lost++;
			(void)printf("kill %u: %s\n", i, text);
		}
		for (unsigned n = 0; last && n < r->n; n++)
			acked += r->events[n].acked;
		if (last) {
			remove_files(path);
			memset(r, 0, sizeof(*r));
		}
	}
	(void)printf("%u kills, %u with something lost, %u events acknowledged\n", kills, lost,
		acked);
	remove_files(path);
	(void)rmdir(dir);
	return lost != 0;
}
