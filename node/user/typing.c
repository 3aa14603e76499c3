#include "node/user/typing.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/map.h"
#include "node/core/id.h"
#include "store/membership.h"
#include "store/outbox.h"
#include "store/store.h"

#define TIMEOUT_MIN_MS    100
#define TIMEOUT_MAX_MS    120000
#define TIMEOUT_REMOTE_MS 30000
/* Of one room: who joins in beyond that isn't shown. */
#define TYPISTS_MAX 64

struct typist {
	struct typist *next;
	uint64_t until_ms;
	bool local;
	size_t n;
	char user_id[];
};

/* A room where somebody typed since the start; kept for its serial. */
struct room {
	struct typist *first;
	size_t n_typists;
	uint64_t serial;
	size_t n;
	char room_id[];
};

struct typing {
	struct store *store;
	struct loop *loop;
	const struct log *log;
	struct str server_name;
	struct loop_timer *timer;
	struct map rooms;
	uint64_t serial;
};

static struct str room_id_of(const struct room *r)
{
	return (struct str){ r->room_id, r->n };
}

static struct str user_id_of(const struct typist *p)
{
	return (struct str){ p->user_id, p->n };
}

static struct room *room_get(struct typing *t, struct str room_id)
{
	struct room *r = (struct room *)map_get(&t->rooms, room_id);

	if (r)
		return r;
	r = (struct room *)xalloc(sizeof *r + room_id.n);
	r->n = room_id.n;
	memcpy(r->room_id, room_id.p, room_id.n);
	(void)map_put(&t->rooms, room_id_of(r), r);
	return r;
}

static void changed(struct typing *t, struct room *r)
{
	r->serial = ++t->serial;
	store_feed_now(
		t->store, &(struct feed_item){ .kind = FEED_TYPING, .room_id = room_id_of(r) });
}

/* The timer runs to the first deadline, and not at all while nobody types. */
static void set_timer(struct typing *t)
{
	uint64_t now = loop_now_ms(t->loop), first = UINT64_MAX;
	const struct room *r;
	size_t at = 0;

	while ((r = (const struct room *)map_next(&t->rooms, &at)))
		for (const struct typist *p = r->first; p; p = p->next)
			if (p->until_ms < first)
				first = p->until_ms;
	if (first == UINT64_MAX)
		loop_timer_stop(t->loop, t->timer);
	else
		loop_timer_set(t->loop, t->timer, first > now ? first - now : 0);
}

static void on_timer(void *arg)
{
	struct typing *t = (struct typing *)arg;
	uint64_t now = loop_now_ms(t->loop);
	struct room *r;
	size_t at = 0;

	while ((r = (struct room *)map_next(&t->rooms, &at))) {
		struct typist **p = &r->first, *gone;
		bool any = false;

		while ((gone = *p)) {
			if (gone->until_ms > now) {
				p = &gone->next;
				continue;
			}
			*p = gone->next;
			r->n_typists--;
			free(gone);
			any = true;
		}
		if (any)
			changed(t, r);
	}
	set_timer(t);
}

/* True if the room's list is another one now. */
static bool put(struct room *r, struct str user_id, bool local, bool is_typing, uint64_t until)
{
	struct typist **at = &r->first, *p;

	while (*at && !str_eq(user_id_of(*at), user_id))
		at = &(*at)->next;
	p = *at;
	if (p && is_typing) {
		p->until_ms = until;
		return false;
	}
	if (p) {
		*at = p->next;
		r->n_typists--;
		free(p);
		return true;
	}
	if (!is_typing || r->n_typists >= TYPISTS_MAX)
		return false;
	p = (struct typist *)xalloc(sizeof *p + user_id.n);
	p->until_ms = until;
	p->local = local;
	p->n = user_id.n;
	memcpy(p->user_id, user_id.p, user_id.n);
	*at = p;
	r->n_typists++;
	return true;
}

static enum err tell_servers(
	struct typing *t, struct str room_id, struct str user_id, bool is_typing)
{
	CLEANUP(buf_deinit) struct buf json = { 0 }, key = { 0 };
	struct jw w = jw_to(&json);

	buf_printf(&key, "m.typing %.*s %.*s", STR_FMT(room_id), STR_FMT(user_id));
	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	jw_kv_str(&w, "room_id", room_id);
	jw_kv_bool(&w, "typing", is_typing);
	jw_kv_str(&w, "user_id", user_id);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.typing");
	jw_end(&w);
	return outbox_put_edu_room(t->store, room_id,
		&(struct outbox_edu){
			.class = OUTBOX_NOW, .key = buf_str(&key), .json = buf_str(&json) });
}

enum err typing_set(struct typing *t, struct str room_id, struct str user_id, bool is_typing,
	int64_t timeout_ms, struct err_ctx *why)
{
	struct room *r;

	if (store_membership_of(t->store, room_id, user_id) != MEMBERSHIP_JOIN)
		return err_set(why, ERR_FORBIDDEN, "%.*s is not in %.*s", STR_FMT(user_id),
			STR_FMT(room_id));
	if (timeout_ms < TIMEOUT_MIN_MS)
		timeout_ms = TIMEOUT_MIN_MS;
	if (timeout_ms > TIMEOUT_MAX_MS)
		timeout_ms = TIMEOUT_MAX_MS;
	r = room_get(t, room_id);
	if (put(r, user_id, true, is_typing, loop_now_ms(t->loop) + (uint64_t)timeout_ms))
		changed(t, r);
	set_timer(t);
	/* Said again each time, since others forget it after a while too. */
	return tell_servers(t, room_id, user_id, is_typing);
}

enum err typing_receive(
	struct typing *t, struct str origin, const struct json *content, struct err_ctx *why)
{
	struct str room_id, user_id, localpart, server;
	struct room *r;
	bool is_typing;
	enum err err = json_str(content, "room_id", &room_id, why);

	if (!err)
		err = json_str(content, "user_id", &user_id, why);
	if (!err)
		err = json_bool(content, "typing", &is_typing, why);
	if (err)
		return err;
	if (!id_room(room_id) || !id_user(user_id, &localpart, &server))
		return err_set(why, ERR_MALFORMED, "m.typing: no room and user ids");
	if (!str_eq(server, origin))
		return err_set(why, ERR_FORBIDDEN, "m.typing: %.*s is not of %.*s",
			STR_FMT(user_id), STR_FMT(origin));
	if (store_membership_of(t->store, room_id, user_id) != MEMBERSHIP_JOIN)
		return err_set(why, ERR_FORBIDDEN, "m.typing: %.*s is not in %.*s",
			STR_FMT(user_id), STR_FMT(room_id));
	r = room_get(t, room_id);
	if (put(r, user_id, false, is_typing, loop_now_ms(t->loop) + TIMEOUT_REMOTE_MS))
		changed(t, r);
	set_timer(t);
	return ERR_OK;
}

uint64_t typing_serial(const struct typing *t)
{
	return t->serial;
}

uint64_t typing_room_serial(const struct typing *t, struct str room_id)
{
	const struct room *r = (const struct room *)map_get(&t->rooms, room_id);

	return r ? r->serial : 0;
}

void typing_each(const struct typing *t, struct str room_id,
	void (*each)(void *arg, struct str user_id), void *arg)
{
	const struct room *r = (const struct room *)map_get(&t->rooms, room_id);

	for (const struct typist *p = r ? r->first : NULL; p; p = p->next)
		each(arg, user_id_of(p));
}

void typing_rooms_since(const struct typing *t, uint64_t serial,
	void (*each)(void *arg, struct str room_id), void *arg)
{
	const struct room *r;
	size_t at = 0;

	if (serial >= t->serial)
		return;
	while ((r = (const struct room *)map_next(&t->rooms, &at)))
		if (r->serial > serial)
			each(arg, room_id_of(r));
}

struct typing *typing_new(const struct typing_options *o)
{
	struct typing *t = NEW(struct typing);

	t->store = o->store;
	t->loop = o->loop;
	t->log = o->log;
	t->server_name = o->server_name;
	t->timer = loop_timer_new(o->loop, on_timer, t);
	map_init(&t->rooms);
	return t;
}

void typing_free(struct typing *t)
{
	struct room *r;
	size_t at = 0;

	if (!t)
		return;
	while ((r = (struct room *)map_next(&t->rooms, &at))) {
		struct typist *p;

		while ((p = r->first)) {
			r->first = p->next;
			free(p);
		}
		free(r);
	}
	map_deinit(&t->rooms);
	loop_timer_free(t->loop, t->timer);
	free(t);
}
