#include "tests/crash/life.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "tests/support/room_maker.h"

#define WRITERS_MAX 16
#define CREATOR     STR("@alice:here.example")

struct writer {
	struct store_waiter w;
	struct store_waiter ready;
	struct loop_timer *next;
	struct life *life;
	unsigned n; /* the event that it waits for */
};

struct life {
	const struct life_options *o;
	struct life_record *r;
	struct store *st;
	struct room_maker maker;
	struct writer writers[WRITERS_MAX];
	unsigned begun;
	unsigned waiting;
	unsigned room;
	bool failed;
};

static void room_name(char out[64], unsigned room)
{
	(void)snprintf(out, 64, "!r%u:here.example", room);
}

static enum err put(struct life *l, unsigned n)
{
	CLEANUP(event_freep) struct event *e = NULL;
	char content[128];
	char txn[16];
	int64_t nid;
	int64_t pos;
	int64_t group = l->maker.group;
	enum err err = store_begin(l->st);

	if (err)
		return err;
	(void)snprintf(txn, sizeof(txn), "%u", n);
	(void)snprintf(content, sizeof(content), "{\"body\":\"%u\",\"msgtype\":\"m.text\"}", n);
	/* Every fifth event is state: other tables move, too. */
	e = room_maker_event_new(&l->maker, n % 5 ? "m.room.message" : "m.room.topic",
		n % 5 ? NULL : "", CREATOR, content);
	err = store_end(l->st,
		room_maker_put(&l->maker, e, STORE_LOCAL, STR("DEV"), str_of(txn), &nid, &pos));
	if (err)
		l->maker.group = group;
	return err;
}

#define PAUSE_MS 5 /* after an error */

static void failed(struct writer *w)
{
	struct life *l = w->life;

	l->failed = true;
	if (l->o->failed)
		l->o->failed(l->o->arg);
	if (l->o->go_on)
		loop_timer_set(loop_uv_loop(l->o->uv), w->next, PAUSE_MS);
}

static void next_event(struct writer *w)
{
	struct life *l = w->life;
	enum err err;

	if (l->begun >= l->o->events || l->r->n >= LIFE_EVENTS_MAX ||
		(l->failed && !l->o->go_on))
		return;
	l->begun++;
	w->n = l->r->n++;
	l->r->events[w->n].room = l->room;
	err = put(l, w->n);
	if (err) {
		l->r->events[w->n].refused = true;
		failed(w);
		return;
	}
	l->waiting++;
	store_durable(l->st, &w->w);
}

static void on_ready(struct store_waiter *sw, enum err err)
{
	if (!err)
		next_event(CONTAINER_OF(sw, struct writer, ready));
}

/* Half of them wait for the last pass over a long WAL; the others just come. */
static void on_timer(void *arg)
{
	struct writer *w = arg;

	w->ready.fn = on_ready;
	if ((w - w->life->writers) % 2 || store_ready(w->life->st, &w->ready))
		next_event(w);
}

static void told(struct store_waiter *sw, enum err err)
{
	struct writer *w = CONTAINER_OF(sw, struct writer, w);
	struct life *l = w->life;

	l->waiting--;
	if (err) {
		l->r->events[w->n].refused = err == ERR_FULL;
		failed(w);
		return;
	}
	l->r->events[w->n].acked = true;
	if (l->o->acked)
		l->o->acked(l->o->arg, w->n);
	loop_timer_set(loop_uv_loop(l->o->uv), w->next, 0);
}

/* What was rolled back was the maker's last event, state group and more: it begins a room of
 * its own again. */
static bool new_room(struct life *l)
{
	char name[64];

	l->room = l->r->rooms++;
	room_name(name, l->room);
	return room_maker_try_init(&l->maker, l->st, str_of(name)) == ERR_OK;
}

static void rolled_back(void *arg)
{
	((struct life *)arg)->maker.group = 0;
}

static void ignore(void *arg, const struct feed_item *item)
{
	(void)arg;
	(void)item;
}

struct once {
	struct store_waiter w;
	enum err err;
	bool called;
};

static void on_once(struct store_waiter *w, enum err err)
{
	struct once *o = CONTAINER_OF(w, struct once, w);

	o->called = true;
	o->err = err;
}

static bool wait_durable(struct life *l)
{
	struct once o = { .w.fn = on_once };

	store_durable(l->st, &o.w);
	while (!o.called)
		loop_uv_run_once(l->o->uv, true);
	return o.err == ERR_OK;
}

bool life_run(const struct life_options *o, struct life_record *r)
{
	struct life *l = NEW(struct life);
	struct store_listener listener = {
		.item = ignore, .rolled_back = rolled_back, .arg = l
	};
	bool ok;

	l->o = o;
	l->r = r;
	if (store_open(&o->store, &l->st, NULL)) {
		free(l);
		return false;
	}
	store_listen(l->st, &listener);
	l->failed = !new_room(l) || !wait_durable(l);
	if (!l->failed && o->begun)
		o->begun(o->arg);
	for (unsigned i = 0; i < o->writers && i < WRITERS_MAX && !l->failed; i++) {
		struct writer *w = &l->writers[i];

		*w = (struct writer){ .w.fn = told, .life = l };
		w->next = loop_timer_new(loop_uv_loop(o->uv), on_timer, w);
		loop_timer_set(loop_uv_loop(o->uv), w->next, 0);
	}
	loop_uv_run(o->uv);
	store_unlisten(l->st, &listener);
	for (unsigned i = 0; i < WRITERS_MAX; i++)
		loop_timer_free(loop_uv_loop(o->uv), l->writers[i].next);
	room_maker_deinit(&l->maker);
	store_close(l->st);
	loop_uv_run(o->uv);
	ok = !l->failed;
	free(l);
	return ok;
}

static bool is_there(struct store *st, const struct life_record *r, unsigned n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	char room[64];
	char txn[16];
	struct str id;

	room_name(room, r->events[n].room);
	(void)snprintf(txn, sizeof(txn), "%u", n);
	return store_event_by_txn(st, a, CREATOR, STR("DEV"), str_of(room),
		       n % 5 ? STR("m.room.message") : STR("m.room.topic"), str_of(txn),
		       &id) == ERR_OK;
}

static bool compare(struct store *st, const struct life_record *r, unsigned last_from,
	char *text, size_t size)
{
	unsigned missing = r->n;

	for (unsigned n = 0; n < r->n; n++) {
		bool there = is_there(st, r, n);

		if (r->events[n].acked && !there) {
			(void)snprintf(text, size, "event %u was acknowledged and is lost", n);
			return false;
		}
		if (r->events[n].refused && there) {
			(void)snprintf(text, size, "event %u was refused and is stored", n);
			return false;
		}
		if (!there && n >= last_from && missing == r->n && !r->events[n].refused)
			missing = n;
		if (there && n > missing) {
			(void)snprintf(text, size, "event %u is stored, %u before it is not", n,
				missing);
			return false;
		}
	}
	return true;
}

static void note(void *arg, const char *line)
{
	char *text = arg;

	(void)snprintf(text, 200, "store_check: %s", line);
}

bool life_check(struct loop_uv *uv, const char *path, const struct life_record *r,
	unsigned last_from, char *text, size_t size)
{
	struct store_options o = { .path = path,
		.server_name = STR("here.example"),
		.loop = loop_uv_loop(uv),
		.uv = loop_uv_handle(uv) };
	struct store *st;
	struct err_ctx why = { 0 };
	bool ok;

	if (store_open(&o, &st, &why)) {
		(void)snprintf(text, size, "can't be opened: %s", why.text);
		return false;
	}
	ok = compare(st, r, last_from, text, size);
	store_close(st);
	loop_uv_run(uv);
	return ok && store_check(path, note, text) == ERR_OK;
}
