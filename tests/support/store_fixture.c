#include "tests/support/store_fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"

static void write_log(void *arg, enum log_level level, const char *line)
{
	struct store_fixture *f = arg;

	(void)level;
	(void)snprintf(f->line, sizeof(f->line), "%s", line);
}

int store_fixture_up(void **state)
{
	struct store_fixture *f = NEW(struct store_fixture);

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/kith-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "%s/kith.db", f->dir);
	if (loop_uv_new(NULL, &f->uv) != ERR_OK)
		return -1;
	f->loop = loop_uv_loop(f->uv);
	f->log = (struct log){ .level = LOG_INFO, .write = write_log, .arg = f };
	f->options = (struct store_options){ .path = f->path,
		.server_name = STR("here.example"),
		.loop = f->loop,
		.uv = loop_uv_handle(f->uv),
		.log = &f->log };
	store_fixture_open(f);
	*state = f;
	return 0;
}

void store_fixture_open(struct store_fixture *f)
{
	struct err_ctx why = { 0 };
	enum err err = store_open(&f->options, &f->st, &why);

	if (err)
		fail_msg("%s: %s", err_name(err), why.text);
}

void store_fixture_close(struct store_fixture *f)
{
	store_close(MOVE(f->st));
}

int store_fixture_down(void **state)
{
	struct store_fixture *f = *state;
	DIR *d;
	struct dirent *e;

	store_close(f->st);
	loop_uv_free(f->uv);
	d = opendir(f->dir);
	while (d && (e = readdir(d))) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", f->dir, e->d_name);
		if (e->d_name[0] != '.')
			(void)unlink(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

struct synced {
	struct store_waiter w;
	bool called;
	enum err err;
};

static void on_synced(struct store_waiter *w, enum err err)
{
	struct synced *s = CONTAINER_OF(w, struct synced, w);

	s->called = true;
	s->err = err;
}

enum err store_fixture_sync(struct store_fixture *f)
{
	struct synced s = { .w.fn = on_synced };

	store_durable(f->st, &s.w);
	while (!s.called)
		loop_uv_run_once(f->uv, true);
	return s.err;
}
