#include "tests/support/room_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/room/receive.h"
#include "node/room/serve.h"
#include "node/room/splice.h"
#include "store/spool.h"
#include "tests/support/cmocka.h"

#include <sodium.h>

static int64_t wall_ms(void *arg)
{
	struct rig_server *s = arg;

	return (s->rig->now_ms += 10) + s->skew_ms;
}

static void write_log(void *arg, enum log_level level, const char *line)
{
	const struct rig_server *s = arg;

	if (getenv("RIG_LOG"))
		(void)fprintf(stderr, "# %s %d %s\n", s->name, level, line);
}

/* splitmix64: events have the same ids in each run of a seed, so ties between them go the same
 * way. */
static void seeded_fill(void *arg, void *p, size_t n)
{
	struct room_rig *rig = arg;
	unsigned char *out = p;

	for (size_t i = 0; i < n; i++) {
		uint64_t z = rig->random += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
		out[i] = (unsigned char)(z ^ (z >> 31));
	}
}

static struct rig_server *server_named(struct room_rig *rig, struct str name)
{
	for (size_t i = 0; i < rig->n; i++)
		if (str_eq(str_of(rig->servers[i].name), name))
			return &rig->servers[i];
	return NULL;
}

static void fill_ops(struct rig_server *s);

static void make_key(struct rig_server *s, char letter)
{
	unsigned char seed[32] = { (unsigned char)letter };

	if (!s->rig->seed) {
		crypto_sign_keypair(s->public_key, s->secret);
		return;
	}
	memcpy(seed + 1, &s->rig->seed, sizeof(s->rig->seed));
	crypto_sign_seed_keypair(s->public_key, s->secret, seed);
}

static void server_up(struct room_rig *rig, struct rig_server *s, char letter)
{
	struct store_options o = { .loop = rig->loop, .uv = loop_uv_handle(rig->uv) };
	struct rooms_options ro = { .loop = rig->loop, .rng = &rig->rng, .log = &s->log };
	struct err_ctx why = { 0 };

	s->rig = rig;
	s->log = (struct log){ .level = LOG_DEBUG, .write = write_log, .arg = s };
	(void)snprintf(s->name, sizeof(s->name), "%c.test", letter);
	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/kith-rig-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	(void)snprintf(s->path, sizeof(s->path), "%s/kith.db", s->dir);
	make_key(s, letter);
	s->key = (struct sign_key){ str_of(s->name), STR("ed25519:0"), s->secret };
	s->clock = (struct clock){ .wall_ms = wall_ms, .mono_ms = clock_system.mono_ms };
	s->clock.arg = s;
	o.path = s->path;
	o.server_name = str_of(s->name);
	if (store_open(&o, &s->st, &why))
		fail_msg("%s", why.text);
	fill_ops(s);
	ro.store = s->st;
	ro.server_name = str_of(s->name);
	ro.key = &s->key;
	ro.clock = &s->clock;
	ro.ops = rig->n > 1 ? &s->ops : NULL;
	s->rooms = rooms_new(&ro);
}

static void server_down(struct rig_server *s)
{
	DIR *d;
	struct dirent *e;

	rooms_free(s->rooms);
	store_close(s->st);
	d = opendir(s->dir);
	while (d && (e = readdir(d))) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", s->dir, e->d_name);
		if (e->d_name[0] != '.')
			(void)unlink(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(s->dir);
}

void room_rig_up(struct room_rig *rig, size_t n)
{
	room_rig_up_seeded(rig, n, 0);
}

void room_rig_up_seeded(struct room_rig *rig, size_t n, uint64_t seed)
{
	*rig = (struct room_rig){ .n = n, .now_ms = 1700000000000, .seed = seed };
	assert_true(n <= RIG_SERVERS);
	assert_int_equal(loop_uv_new(NULL, &rig->uv), ERR_OK);
	rig->loop = loop_uv_loop(rig->uv);
	rig->arena = arena_new();
	rig->random = seed;
	rig->rng = seed ? (struct rng){ seeded_fill, rig } : rng_system;
	for (size_t i = 0; i < n; i++)
		server_up(rig, &rig->servers[i], (char)('a' + (int)i));
}

void room_rig_down(struct room_rig *rig)
{
	room_rig_settle(rig);
	for (size_t i = 0; i < rig->n; i++)
		server_down(&rig->servers[i]);
	arena_free(rig->arena);
	loop_uv_free(rig->uv);
}

/* What goes on the way: a call, its answer, and a PDU all come in a later turn. */
struct flight {
	struct loop_deferred deferred;
	struct rig_server *from;
	struct room_call *call;
	enum err err;
	struct buf body;
};

static void land(struct loop_deferred *d)
{
	struct flight *f = CONTAINER_OF(d, struct flight, deferred);
	struct flight now = *f;

	free(f);
	now.from->rig->pending--;
	/* In pieces of any size, cut anywhere. */
	for (struct str rest = buf_str(&now.body); !now.err && now.call->piece && rest.n;
		rest = str_skip(rest, 777))
		(void)now.call->piece(now.call, str_head(rest, 777));
	if (!now.err && now.call->piece)
		buf_clear(&now.body);
	now.call->done(now.call, now.err, buf_str(&now.body));
	buf_deinit(&now.body);
}

/* Takes body. */
static void answer(struct rig_server *s, struct rig_server *by, struct room_call *call,
	const char *what, enum err err, struct buf *body, const struct err_ctx *why)
{
	struct flight *f = NEW(struct flight);

	if (!err && by && by->twist)
		by->twist(by, what, body);
	if (why)
		call->why = *why;
	f->deferred.fn = land;
	f->from = s;
	f->call = call;
	f->err = err;
	f->body = *body;
	*body = (struct buf){ 0 };
	s->rig->pending++;
	loop_defer(s->rig->loop, &f->deferred);
}

/* The server that is asked, or NULL after answering that it can't be reached. */
static struct rig_server *reach(struct rig_server *s, struct room_call *call)
{
	struct rig_server *by = server_named(s->rig, call->server);
	struct buf none = { 0 };

	if (by && !by->cut && !s->cut && (!s->rig->linked || s->rig->linked(s, by))) {
		by->asked++;
		return by;
	}
	answer(s, NULL, call, "", ERR_UNREACHABLE, &none, NULL);
	return NULL;
}

struct served {
	struct room_serve s;
	struct buf out;
};

static void serving(struct rig_server *s, struct served *x)
{
	*x = (struct served){ .s = { .origin = str_of(s->name) } };
}

static void served(struct rig_server *s, struct rig_server *by, struct room_call *call,
	const char *what, struct served *x, enum err err)
{
	if (x->s.errcode && !strstr(x->s.why.text, x->s.errcode)) {
		struct err_ctx why;

		(void)snprintf(
			why.text, sizeof(why.text), "%s: %.180s", x->s.errcode, x->s.why.text);
		x->s.why = why;
	}
	answer(s, by, call, what, err, &x->out, &x->s.why);
	buf_deinit(&x->out);
}

static const struct str all_versions[] = { STR_INIT("11"), STR_INIT("12") };

#define SERVE(name, ...) \
	struct rig_server *s = arg; \
	struct rig_server *by = reach(s, call); \
	struct served x; \
	enum err err; \
	if (!by) \
		return; \
	serving(s, &x); \
	x.s.out = &x.out; \
	err = rooms_##name(by->rooms, &x.s, __VA_ARGS__); \
	served(s, by, call, #name, &x, err)

static void make_join(void *arg, struct room_call *call, struct str room_id, struct str user_id)
{
	SERVE(make_join, room_id, user_id, all_versions, 2);
}

static void make_leave(
	void *arg, struct room_call *call, struct str room_id, struct str user_id)
{
	SERVE(make_leave, room_id, user_id);
}

static void make_knock(
	void *arg, struct room_call *call, struct str room_id, struct str user_id)
{
	SERVE(make_knock, room_id, user_id, all_versions, 2);
}

static void backfill(void *arg, struct room_call *call, struct str room_id,
	const struct str *event_ids, size_t n, unsigned limit)
{
	SERVE(serve_backfill, room_id, event_ids, n, limit);
}

static void put_ids(struct jw *w, const char *key, const struct str *ids, size_t n)
{
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, ids[i]);
	jw_end(w);
}

static void missing_events(void *arg, struct room_call *call, struct str room_id,
	const struct str *earliest, size_t n_earliest, const struct str *latest,
	size_t n_latest, unsigned limit)
{
	struct rig_server *asker = arg;
	struct buf text = { 0 };
	struct jw w = jw_to(&text);
	const struct json *body;

	jw_obj(&w);
	put_ids(&w, "earliest_events", earliest, n_earliest);
	put_ids(&w, "latest_events", latest, n_latest);
	jw_kv_int(&w, "limit", limit);
	jw_end(&w);
	body = rig_json(asker->rig, buf_str(&text));
	buf_deinit(&text);
	{
		SERVE(serve_missing_events, room_id, body);
	}
}

static void state_ids(
	void *arg, struct room_call *call, struct str room_id, struct str event_id)
{
	SERVE(serve_state_ids, room_id, event_id);
}

/* Of a large room: out of the file that it lies in. */
static void put_body(struct str body, struct spool *spool, uint64_t length, struct buf *out)
{
	buf_put_str(out, body);
	if (spool)
		assert_int_equal(spool_get(spool, 0, length, out), ERR_OK);
	spool_free(spool);
}

struct stating {
	struct room_serve_state in;
	struct rig_server *s;
	struct rig_server *by;
	struct room_call *call;
};

static void stated(struct room_serve_state *x, enum err err, struct str body)
{
	struct stating *f = x->owner;
	struct buf out = { 0 };

	put_body(body, x->spool, x->length, &out);
	f->s->rig->pending--;
	answer(f->s, f->by, f->call, "serve_state", err, &out, &x->why);
	free(f);
}

static void state(void *arg, struct room_call *call, struct str room_id, struct str event_id)
{
	struct rig_server *s = arg;
	struct rig_server *by = reach(s, call);
	struct stating *f;

	if (!by)
		return;
	f = NEW(struct stating);
	f->s = s;
	f->by = by;
	f->call = call;
	f->in = (struct room_serve_state){ .origin = str_of(s->name),
		.room_id = arena_str(s->rig->arena, room_id),
		.event_id = arena_str(s->rig->arena, event_id),
		.done = stated,
		.owner = f };
	s->rig->pending++;
	rooms_serve_state(by->rooms, &f->in);
}

static void event(void *arg, struct room_call *call, struct str event_id)
{
	SERVE(serve_event, event_id);
}

static void event_auth(
	void *arg, struct room_call *call, struct str room_id, struct str event_id)
{
	SERVE(serve_event_auth, room_id, event_id);
}

static void query_directory(void *arg, struct room_call *call, struct str alias)
{
	SERVE(serve_directory, alias);
}

/* send_join, send_leave, send_knock */
struct sending {
	struct room_serve_send send;
	struct rig_server *s;
	struct rig_server *by;
	struct room_call *call;
	const char *what;
};

static void sent(struct room_serve_send *x, enum err err, struct str body)
{
	struct sending *f = x->owner;
	struct buf out = { 0 };

	put_body(body, x->spool, x->length, &out);
	f->s->rig->large += x->spool != NULL;
	f->s->rig->pending--;
	answer(f->s, f->by, f->call, f->what, err, &out, &x->why);
	free(f);
}

static void send_event(struct rig_server *s, struct room_call *call, const char *membership,
	struct str room_id, struct str event_id, struct str json)
{
	struct rig_server *by = reach(s, call);
	struct sending *f;

	if (!by)
		return;
	f = NEW(struct sending);
	f->s = s;
	f->by = by;
	f->call = call;
	f->what = membership;
	f->send = (struct room_serve_send){ .membership = membership,
		.origin = str_of(s->name),
		.room_id = arena_str(s->rig->arena, room_id),
		.event_id = arena_str(s->rig->arena, event_id),
		.pdu = rig_json(s->rig, json),
		.done = sent,
		.owner = f };
	s->rig->pending++;
	rooms_serve_send(by->rooms, &f->send);
}

static void send_join(void *arg, struct room_call *call, struct str room_id,
	struct str event_id, struct str json)
{
	send_event(arg, call, "join", room_id, event_id, json);
}

static void send_leave(void *arg, struct room_call *call, struct str room_id,
	struct str event_id, struct str json)
{
	send_event(arg, call, "leave", room_id, event_id, json);
}

static void send_knock(void *arg, struct room_call *call, struct str room_id,
	struct str event_id, struct str json)
{
	send_event(arg, call, "knock", room_id, event_id, json);
}

struct inviting {
	struct room_receive_invite in;
	struct rig_server *s;
	struct rig_server *by;
	struct room_call *call;
};

static void invited(struct room_receive_invite *i, enum err err, struct str signed_json)
{
	struct inviting *f = i->owner;
	struct buf out = { 0 };
	struct jw w = jw_to(&out);

	if (!err) {
		jw_obj(&w);
		jw_kv_raw(&w, "event", signed_json);
		jw_end(&w);
	}
	f->s->rig->pending--;
	answer(f->s, f->by, f->call, "invite", err, &out, &i->why);
	free(f);
}

static void invite(void *arg, struct room_call *call, struct str room_id, struct str event_id,
	struct str json)
{
	struct rig_server *s = arg;
	struct rig_server *by = reach(s, call);
	const struct json *body;
	struct inviting *f;

	if (!by)
		return;
	if (by->refuses) {
		struct buf none = { 0 };

		answer(s, by, call, "invite", ERR_FORBIDDEN, &none, NULL);
		return;
	}
	body = rig_json(s->rig, json);
	f = NEW(struct inviting);
	f->s = s;
	f->by = by;
	f->call = call;
	f->in = (struct room_receive_invite){ .origin = str_of(s->name),
		.room_id = arena_str(s->rig->arena, room_id),
		.event_id = arena_str(s->rig->arena, event_id),
		.event = json_get(body, "event"),
		.invite_room_state = json_get(body, "invite_room_state"),
		.done = invited,
		.owner = f };
	assert_true(json_as_str(json_get(body, "room_version"), &f->in.room_version));
	s->rig->pending++;
	rooms_receive_invite(by->rooms, &f->in);
}

struct verifying {
	struct loop_deferred deferred;
	struct loop_work work;
	struct room_verify *v;
	struct rig_server *s;
};

static void check_all(struct loop_work *w)
{
	struct verifying *f = CONTAINER_OF(w, struct verifying, work);
	struct room_verify *v = f->v;

	for (size_t i = 0; i < v->n; i++) {
		struct str need[3];
		size_t n = sign_event_servers(v->events[i], need);

		v->results[i] = ERR_OK;
		for (size_t k = 0; k < n && !v->results[i]; k++) {
			struct rig_server *by = server_named(f->s->rig, need[k]);

			v->results[i] = by ? sign_event_verify(v->events[i], need[k],
						     STR("ed25519:0"), by->public_key, NULL)
					   : ERR_UNREACHABLE;
		}
	}
}

static void all_checked(struct loop_work *w)
{
	struct verifying *f = CONTAINER_OF(w, struct verifying, work);
	struct room_verify *v = f->v;

	f->s->rig->pending--;
	free(f);
	v->done(v);
}

static void verify_now(struct loop_deferred *d)
{
	struct verifying *f = CONTAINER_OF(d, struct verifying, deferred);

	check_all(&f->work);
	all_checked(&f->work);
}

/* As federation does: many on the pool. */
static void verify(void *arg, struct room_verify *v)
{
	struct verifying *f = NEW(struct verifying);

	f->deferred.fn = verify_now;
	f->work = (struct loop_work){ .work = check_all, .done = all_checked };
	f->v = v;
	f->s = arg;
	f->s->rig->pending++;
	if (v->n > 32)
		loop_work(f->s->rig->loop, &f->work);
	else
		loop_defer(f->s->rig->loop, &f->deferred);
}

static bool returns(void *arg, struct str server)
{
	struct rig_server *s = arg;

	return server_named(s->rig, server) && s->rig->patient;
}

static void fill_ops(struct rig_server *s)
{
	s->ops = (struct room_ops){ .make_join = make_join,
		.send_join = send_join,
		.make_leave = make_leave,
		.send_leave = send_leave,
		.make_knock = make_knock,
		.send_knock = send_knock,
		.invite = invite,
		.backfill = backfill,
		.missing_events = missing_events,
		.state_ids = state_ids,
		.state = state,
		.event = event,
		.event_auth = event_auth,
		.directory = query_directory,
		.verify = verify,
		.returns = returns,
		.arg = s };
}

/* One PDU on its way to one server. */
struct pdu {
	struct room_receive in;
	struct rig_server *to;
};

static void received(struct room_receive *in, enum err err)
{
	struct pdu *p = in->owner;

	if (err && getenv("RIG_LOG"))
		(void)fprintf(stderr, "# %s refuses %s: %s %s\n", p->to->name, in->event_id,
			err_name(err), in->why.text);
	p->to->rig->pending--;
	free(p);
}

struct spreading {
	struct rig_server *s;
	int64_t last;
};

void rig_deliver(struct rig_server *from, struct rig_server *to, struct str json)
{
	struct pdu *p = NEW(struct pdu);

	p->to = to;
	p->in = (struct room_receive){ .origin = str_of(from->name),
		.pdu = rig_json(from->rig, json),
		.done = received,
		.owner = p };
	from->rig->pending++;
	rooms_receive_pdu(to->rooms, &p->in);
}

static bool spread(void *arg, const struct store_event *e)
{
	struct spreading *x = arg;
	struct room_rig *rig = x->s->rig;

	x->last = e->nid;
	for (size_t i = 0; i < rig->n; i++) {
		struct rig_server *to = &rig->servers[i];

		if (to == x->s || to->cut)
			continue;
		/* Who is in the room after it, or was before it. */
		if (!store_membership_server_joined(x->s->st, e->room_id, str_of(to->name)) &&
			!(str_eq(e->type, STR("m.room.member")) &&
				str_eq(id_server_of(e->state_key), str_of(to->name)) &&
				rooms_is_in_room(to->rooms, e->room_id)))
			continue;
		if (rig->carry)
			rig->carry(x->s, to, e);
		else
			rig_deliver(x->s, to, e->json);
	}
	return true;
}

/* What each server made and hasn't sent yet. */
static bool spread_all(struct room_rig *rig)
{
	bool any = false;

	for (size_t i = 0; i < rig->n; i++) {
		struct rig_server *s = &rig->servers[i];
		struct spreading x = { .s = s };
		struct arena *a = arena_new();

		if (!s->holds && !s->cut)
			assert_int_equal(store_event_local_range(s->st, a, s->sent_pos,
						 INT64_MAX, 100, spread, &x),
				ERR_OK);
		if (x.last) {
			s->sent_pos = x.last;
			any = true;
		}
		arena_free(a);
	}
	return any;
}

struct synced {
	struct store_waiter w;
	bool called;
};

static void on_synced(struct store_waiter *w, enum err err)
{
	(void)err;
	CONTAINER_OF(w, struct synced, w)->called = true;
}

static void sync_all(struct room_rig *rig)
{
	for (size_t i = 0; i < rig->n; i++) {
		struct synced s = { .w.fn = on_synced };

		store_durable(rig->servers[i].st, &s.w);
		while (!s.called)
			loop_uv_run_once(rig->uv, true);
	}
}

void room_rig_settle(struct room_rig *rig)
{
	do {
		do
			sync_all(rig);
		while (rig->pending);
	} while (rig->n > 1 && spread_all(rig));
}

struct waiting {
	bool called;
	enum err err;
};

static void run_until(struct room_rig *rig, const bool *called)
{
	while (!*called)
		sync_all(rig);
}

static void created(struct room_create *c, enum err err)
{
	*(struct waiting *)c->owner = (struct waiting){ true, err };
}

static struct str user_at(struct rig_server *s, const char *user)
{
	return user[0] == '@' ? str_of(user)
			      : arena_printf(s->rig->arena, "@%s:%s", user, s->name);
}

struct str rig_create(struct rig_server *s, const char *version, const char *preset)
{
	struct waiting w = { false };
	struct room_create c = { .creator = user_at(s, "alice"),
		.version = str_of(version),
		.preset = preset ? str_of(preset) : STR("private_chat"),
		.done = created,
		.owner = &w };

	rooms_create(s->rooms, &c);
	assert_false(w.called);
	run_until(s->rig, &w.called);
	if (w.err)
		fail_msg("%s: %s", err_name(w.err), c.why.text);
	return arena_str(s->rig->arena, str_of(c.room_id));
}

enum err rig_send(struct rig_server *s, struct str room_id, const char *user, const char *type,
	const char *state_key, const char *content, struct str *event_id)
{
	struct room_send send = { .room_id = room_id,
		.sender = user_at(s, user),
		.type = str_of(type),
		.is_state = state_key != NULL,
		.state_key = str_of(state_key),
		.content = rig_json(s->rig, str_of(content)) };
	enum err err = rooms_send(s->rooms, &send);

	if (!err && event_id)
		*event_id = arena_str(s->rig->arena, str_of(send.event_id));
	return err;
}

static void changed(struct room_member *m, enum err err)
{
	*(struct waiting *)m->owner = (struct waiting){ true, err };
	if (err && getenv("RIG_LOG"))
		(void)fprintf(stderr, "# member: %s %s %s\n", err_name(err),
			m->errcode ? m->errcode : "", m->why.text);
}

static enum err change(struct rig_server *s, struct room_member *m)
{
	struct waiting w = { false };

	m->done = changed;
	m->owner = &w;
	rooms_member(s->rooms, m);
	assert_false(w.called);
	run_until(s->rig, &w.called);
	return w.err;
}

enum err rig_member(struct rig_server *s, enum room_member_action action, struct str room_id,
	const char *sender, const char *target)
{
	struct room_member m = { .action = action,
		.room = room_id,
		.sender = user_at(s, sender),
		.target = target ? user_at(s, target) : STR("") };

	return change(s, &m);
}

static enum err enter_via(struct rig_server *s, enum room_member_action action, struct str room,
	const char *user, const char *via)
{
	struct str servers[1] = { str_of(via) };
	struct room_member m = { .action = action,
		.room = room,
		.sender = user_at(s, user),
		.via = servers,
		.n_via = via ? 1 : 0 };

	return change(s, &m);
}

enum err rig_join_via(struct rig_server *s, struct str room, const char *user, const char *via)
{
	return enter_via(s, MEMBER_JOIN, room, user, via);
}

enum err rig_knock_via(struct rig_server *s, struct str room, const char *user, const char *via)
{
	return enter_via(s, MEMBER_KNOCK, room, user, via);
}

const struct json *rig_json(struct room_rig *rig, struct str text)
{
	const struct json *j = NULL;
	struct err_ctx why = { 0 };

	if (json_parse_in(rig->arena, text, &json_limits_event, &j, &why))
		fail_msg("%s in %.*s", why.text, STR_FMT(text));
	return j;
}

struct str rig_state(
	struct rig_server *s, struct str room_id, const char *type, const char *key)
{
	struct store_event e;
	int64_t nid;

	if (store_state_get(s->st, room_id, str_of(type), str_of(key), &nid))
		return STR("");
	assert_int_equal(store_event_get_nid(s->st, s->rig->arena, nid, &e), ERR_OK);
	return splice_get(e.json, "content");
}

enum membership rig_membership(struct rig_server *s, struct str room_id, const char *user)
{
	return store_membership_of(s->st, room_id, user_at(s, user));
}

static void read_done(struct room_messages *m, enum err err)
{
	*(struct waiting *)m->owner = (struct waiting){ true, err };
}

struct str rig_messages(struct rig_server *s, struct str room_id, const char *user)
{
	struct waiting w = { false };
	struct room_messages m = { .reader = { user_at(s, user), STR("DEV"), room_id },
		.limit = 100,
		.done = read_done,
		.owner = &w };
	struct buf out = { 0 };
	const struct json *body;
	struct str text;

	room_messages_start(s->rooms, &m);
	assert_false(w.called);
	run_until(s->rig, &w.called);
	if (w.err) {
		buf_deinit(&m.out);
		return arena_printf(s->rig->arena, "%s", err_name(w.err));
	}
	body = rig_json(s->rig, buf_str(&m.out));
	for (const struct json *e = json_first(json_get(body, "chunk")); e; e = json_next(e)) {
		if (!json_as_str(json_get(json_get(e, "content"), "body"), &text))
			continue;
		if (out.n)
			buf_put_u8(&out, ' ');
		buf_put_str(&out, text);
	}
	text = arena_str(s->rig->arena, buf_str(&out));
	buf_deinit(&out);
	buf_deinit(&m.out);
	return text;
}
