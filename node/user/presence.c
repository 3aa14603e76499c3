#include "node/user/presence.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/map.h"
#include "node/core/id.h"
#include "store/membership.h"
#include "store/outbox.h"
#include "store/store.h"
#include "store/user_setting.h"

/* Without a sync for so long a local user is offline; a parked poll is at most 5 minutes. */
#define OFFLINE_AFTER_MS (5L * 60 * 1000 + 30L * 1000)
/* Without doing anything for so long he is idle. */
#define IDLE_AFTER_MS (5L * 60 * 1000)
/* And so long "currently active". */
#define ACTIVE_MS    (60L * 1000)
#define STATUS_BYTES 1024
/* Users of other servers that are remembered; who comes when it is full isn't. */
#define REMOTE_MAX 10000

struct person {
	struct person *next_local;
	enum presence_state state;
	enum presence_state wanted; /* local: as his devices ask, before he is idle */
	bool local;
	bool active;        /* currently_active as it was told */
	bool known_active;  /* active_ms is of any meaning */
	uint64_t active_ms; /* of the loop's time: last did something */
	uint64_t seen_ms;   /* local: last synced */
	char *status_msg;   /* owned; NULL: none */
	uint64_t serial;    /* of the last change */
	size_t n;
	char user_id[];
};

struct presence {
	struct store *store;
	struct loop *loop;
	const struct clock *clock;
	const struct log *log;
	struct str server_name;
	struct loop_timer *timer;
	struct map people;
	struct person *locals;
	size_t n_remote;
	uint64_t serial;
};

static struct str user_id_of(const struct person *p)
{
	return (struct str){ p->user_id, p->n };
}

static const char *const names[] = { "offline", "unavailable", "online" };

bool presence_parse(struct str text, enum presence_state *out)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_eq(text, str_of(names[i]))) {
			*out = (enum presence_state)i;
			return true;
		}
	return false;
}

const char *presence_name(enum presence_state s)
{
	return names[s];
}

static uint64_t ago(const struct presence *p, uint64_t then)
{
	uint64_t now = loop_now_ms(p->loop);

	return now > then ? now - then : 0;
}

/* --- who is known
 * ------------------------------------------------------------------------------ */

static struct person *person_new(struct presence *p, struct str user_id, bool local)
{
	struct person *who = (struct person *)xalloc(sizeof *who + user_id.n);

	who->n = user_id.n;
	memcpy(who->user_id, user_id.p, user_id.n);
	who->local = local;
	(void)map_put(&p->people, user_id_of(who), who);
	if (local) {
		who->next_local = p->locals;
		p->locals = who;
	} else {
		p->n_remote++;
	}
	return who;
}

static struct person *local_person(struct presence *p, struct str user_id)
{
	struct person *who = (struct person *)map_get(&p->people, user_id);
	struct arena *a;
	struct str status;

	if (who)
		return who;
	who = person_new(p, user_id, true);
	a = arena_new();
	if (!store_presence_get(p->store, a, user_id, &status) && status.n)
		who->status_msg = xstrdup(status);
	arena_free(a);
	return who;
}

static struct person *remote_person(struct presence *p, struct str user_id)
{
	struct person *who = (struct person *)map_get(&p->people, user_id);

	if (who || p->n_remote >= REMOTE_MAX)
		return who;
	return person_new(p, user_id, false);
}

/* --- telling
 * ----------------------------------------------------------------------------------- */

static void write_edu(struct presence *p, const struct person *who, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	jw_key(&w, "push");
	jw_arr(&w);
	jw_obj(&w);
	jw_kv_bool(&w, "currently_active", who->active);
	jw_kv_int(
		&w, "last_active_ago", who->known_active ? (int64_t)ago(p, who->active_ms) : 0);
	jw_kv_z(&w, "presence", presence_name(who->state));
	if (who->status_msg)
		jw_kv_z(&w, "status_msg", who->status_msg);
	jw_kv_str(&w, "user_id", user_id_of(who));
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.presence");
	jw_end(&w);
}

static void changed(struct presence *p, struct person *who)
{
	CLEANUP(buf_deinit) struct buf json = { 0 }, key = { 0 };

	who->serial = ++p->serial;
	store_feed_now(p->store,
		&(struct feed_item){ .kind = FEED_PRESENCE, .user_id = user_id_of(who) });
	if (!who->local)
		return;
	write_edu(p, who, &json);
	buf_printf(&key, "m.presence %.*s", STR_FMT(user_id_of(who)));
	/* Whom this doesn't reach asks when he needs it. */
	if (outbox_put_edu_user(p->store, user_id_of(who),
		    &(struct outbox_edu){ .class = OUTBOX_NOW,
			    .key = buf_str(&key),
			    .json = buf_str(&json) }))
		return;
}

/* --- decay
 * ------------------------------------------------------------------------------------- */

/* What a local user is now; *next_ms becomes no later than when that may change. */
static enum presence_state state_now(
	const struct presence *p, const struct person *who, uint64_t *next_ms)
{
	uint64_t unseen = ago(p, who->seen_ms), still = ago(p, who->active_ms);
	uint64_t left;

	if (who->wanted == PRESENCE_OFFLINE || unseen >= OFFLINE_AFTER_MS)
		return PRESENCE_OFFLINE;
	left = OFFLINE_AFTER_MS - unseen;
	if (left < *next_ms)
		*next_ms = left;
	if (who->wanted == PRESENCE_UNAVAILABLE || still >= IDLE_AFTER_MS)
		return PRESENCE_UNAVAILABLE;
	left = (still < ACTIVE_MS ? ACTIVE_MS : IDLE_AFTER_MS) - still;
	if (left < *next_ms)
		*next_ms = left;
	return PRESENCE_ONLINE;
}

static void settle(struct presence *p, struct person *who, uint64_t *next_ms)
{
	enum presence_state state = state_now(p, who, next_ms);
	bool active = state == PRESENCE_ONLINE && ago(p, who->active_ms) < ACTIVE_MS;

	if (state == who->state && active == who->active)
		return;
	who->state = state;
	who->active = active;
	changed(p, who);
}

static void settle_all(struct presence *p)
{
	uint64_t next_ms = UINT64_MAX;

	for (struct person *who = p->locals; who; who = who->next_local)
		settle(p, who, &next_ms);
	if (next_ms == UINT64_MAX)
		loop_timer_stop(p->loop, p->timer);
	else
		loop_timer_set(p->loop, p->timer, next_ms);
}

static void on_timer(void *arg)
{
	settle_all((struct presence *)arg);
}

/* --- local users
 * ------------------------------------------------------------------------------- */

static void set_status(struct person *who, struct str status_msg)
{
	free(who->status_msg);
	who->status_msg = status_msg.n ? xstrdup(status_msg) : NULL;
}

static void now_active(struct presence *p, struct person *who)
{
	who->active_ms = loop_now_ms(p->loop);
	who->known_active = true;
}

enum err presence_set(struct presence *p, struct str user_id, enum presence_state state,
	struct str status_msg, struct err_ctx *why)
{
	struct person *who;
	uint64_t before;
	bool other;
	enum err err;

	if (status_msg.n > STATUS_BYTES)
		return err_set(why, ERR_INVALID, "status_msg is over %d bytes", STATUS_BYTES);
	who = local_person(p, user_id);
	other = !str_eq(str_of(who->status_msg), status_msg);
	if (other) {
		err = store_begin(p->store);
		if (err)
			return err;
		err = store_end(p->store, store_presence_put(p->store, user_id, status_msg));
		if (err)
			return err;
		set_status(who, status_msg);
	}
	who->wanted = state;
	who->seen_ms = loop_now_ms(p->loop);
	if (state == PRESENCE_ONLINE)
		now_active(p, who);
	before = p->serial;
	settle_all(p);
	if (other && before == p->serial)
		changed(p, who);
	return ERR_OK;
}

void presence_seen(struct presence *p, struct str user_id, enum presence_state state)
{
	struct person *who;

	/* Asked not to be shown: what other devices show goes on. */
	if (state == PRESENCE_OFFLINE)
		return;
	who = local_person(p, user_id);
	who->seen_ms = loop_now_ms(p->loop);
	/* One device that is idle doesn't make one that isn't idle. */
	if (state == PRESENCE_ONLINE || who->state == PRESENCE_OFFLINE)
		who->wanted = state;
	if (state == PRESENCE_ONLINE && !who->known_active)
		now_active(p, who);
	if (state == PRESENCE_ONLINE && who->state == PRESENCE_OFFLINE)
		now_active(p, who);
	settle_all(p);
}

void presence_active(struct presence *p, struct str user_id)
{
	struct person *who = (struct person *)map_get(&p->people, user_id);

	if (!who || !who->local || who->wanted == PRESENCE_OFFLINE)
		return;
	now_active(p, who);
	who->wanted = PRESENCE_ONLINE;
	settle_all(p);
}

void presence_get(
	struct presence *p, struct arena *a, struct str user_id, struct presence_info *out)
{
	const struct person *who = (const struct person *)map_get(&p->people, user_id);
	struct str localpart, server;

	if (!who && id_user(user_id, &localpart, &server) && str_eq(server, p->server_name))
		who = local_person(p, user_id);
	if (!who) {
		*out = (struct presence_info){ .last_active_ago_ms = -1 };
		return;
	}
	*out = (struct presence_info){
		.state = who->state,
		.currently_active = who->active,
		.last_active_ago_ms = who->known_active ? (int64_t)ago(p, who->active_ms) : -1,
		.status_msg = arena_str(a, str_of(who->status_msg)),
	};
}

enum err presence_get_for(struct presence *p, struct arena *a, struct str viewer,
	struct str user_id, struct presence_info *out, struct err_ctx *why)
{
	if (!str_eq(viewer, user_id) && !store_membership_share(p->store, viewer, user_id))
		return err_set(
			why, ERR_FORBIDDEN, "you share no room with %.*s", STR_FMT(user_id));
	presence_get(p, a, user_id, out);
	return ERR_OK;
}

void presence_write(const struct presence_info *info, struct jw *w)
{
	jw_obj(w);
	if (info->state == PRESENCE_ONLINE)
		jw_kv_bool(w, "currently_active", info->currently_active);
	if (info->last_active_ago_ms >= 0)
		jw_kv_int(w, "last_active_ago", info->last_active_ago_ms);
	jw_kv_z(w, "presence", presence_name(info->state));
	if (info->status_msg.n)
		jw_kv_str(w, "status_msg", info->status_msg);
	jw_end(w);
}

/* --- users of other servers
 * -------------------------------------------------------------------- */

struct update {
	struct str user_id;
	struct str status_msg;
	enum presence_state state;
	bool active;
	int64_t ago_ms; /* -1: not told */
};

static enum err parse_update(const struct json *j, struct update *u, struct err_ctx *why)
{
	struct str state, localpart, server;
	enum err err = json_str(j, "user_id", &u->user_id, why);

	if (!err)
		err = json_str(j, "presence", &state, why);
	if (!err)
		err = json_opt_str(j, "status_msg", &u->status_msg, why);
	if (!err)
		err = json_opt_bool(j, "currently_active", &u->active, why);
	if (!err)
		err = json_opt_int(j, "last_active_ago", 0, JSON_INT_MAX, &u->ago_ms, why);
	if (err)
		return err;
	if (!id_user(u->user_id, &localpart, &server) || !presence_parse(state, &u->state) ||
		u->status_msg.n > STATUS_BYTES)
		return err_set(why, ERR_MALFORMED, "m.presence: bad user_id or presence");
	return ERR_OK;
}

static void apply_update(struct presence *p, const struct update *u)
{
	struct person *who = remote_person(p, u->user_id);
	uint64_t now = loop_now_ms(p->loop);

	if (!who || who->local)
		return;
	who->state = u->state;
	who->active = u->active;
	who->known_active = u->ago_ms >= 0;
	who->active_ms =
		u->ago_ms > 0 && (uint64_t)u->ago_ms < now ? now - (uint64_t)u->ago_ms : now;
	set_status(who, u->status_msg);
	changed(p, who);
}

enum err presence_receive(
	struct presence *p, struct str origin, const struct json *content, struct err_ctx *why)
{
	const struct json *push;
	enum err err = json_arr(content, "push", &push, why);

	for (const struct json *j = err ? NULL : json_first(push); j; j = json_next(j)) {
		struct update u = { .ago_ms = -1 };

		err = parse_update(j, &u, why);
		if (err)
			return err;
		/* What a server says of another's users is not for it to say; of users whom
		 * nobody here meets it is of no use. */
		if (str_eq(id_server_of(u.user_id), origin) && !str_eq(origin, p->server_name))
			apply_update(p, &u);
	}
	return err;
}

uint64_t presence_serial(const struct presence *p)
{
	return p->serial;
}

void presence_since(const struct presence *p, uint64_t serial,
	void (*each)(void *arg, struct str user_id), void *arg)
{
	const struct person *who;
	size_t at = 0;

	if (serial >= p->serial)
		return;
	while ((who = (const struct person *)map_next(&p->people, &at)))
		if (who->serial > serial)
			each(arg, user_id_of(who));
}

struct presence *presence_new(const struct presence_options *o)
{
	struct presence *p = NEW(struct presence);

	p->store = o->store;
	p->loop = o->loop;
	p->clock = o->clock;
	p->log = o->log;
	p->server_name = o->server_name;
	p->timer = loop_timer_new(o->loop, on_timer, p);
	map_init(&p->people);
	return p;
}

void presence_free(struct presence *p)
{
	struct person *who;
	size_t at = 0;

	if (!p)
		return;
	while ((who = (struct person *)map_next(&p->people, &at))) {
		free(who->status_msg);
		free(who);
	}
	map_deinit(&p->people);
	loop_timer_free(p->loop, p->timer);
	free(p);
}
