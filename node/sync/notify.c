#include "node/sync/notify.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/base/map.h"
#include "store/membership.h"
#include "store/store.h"

/* Rooms remembered for one user; when there are more, all are forgotten and asked for anew. */
#define ROOMS_MAX 4096
/* Users who have nothing parked are kept until they come back, which is soon: so many at most,
 * with at most so many rooms each. */
#define IDLE_USERS_MAX 256
#define IDLE_ROOMS_MAX 64

/* Whether a parked user is in a room, as asked for when the room's first item came. */
struct room_answer {
	bool joined;
	char room_id[];
};

struct notify_user {
	struct notify_waiter *first, *last; /* oldest first; those that are woken, too */
	size_t n;                           /* of them, parked */
	struct map rooms;                   /* room id -> struct room_answer, owned */
	size_t n_user_id;
	char user_id[];
};

struct notify {
	struct store *store;
	struct loop *loop;
	struct map users; /* those who have something parked, and some who had */
	struct store_listener listener;
	struct notify_waiter *woken, *woken_last;
	struct loop_deferred wake_all;
	size_t parked;
};

/* --- who is parked ---------------------------------------------------------------------------
 */

static void forget_rooms(struct notify_user *u)
{
	struct room_answer *r;
	size_t at = 0;

	while ((r = (struct room_answer *)map_next(&u->rooms, &at)))
		free(r);
	map_deinit(&u->rooms);
	map_init(&u->rooms);
}

static struct notify_user *user_get(struct notify *n, struct str user_id)
{
	struct notify_user *u = (struct notify_user *)map_get(&n->users, user_id);

	if (u)
		return u;
	u = (struct notify_user *)xalloc(sizeof *u + user_id.n);
	u->n_user_id = user_id.n;
	memcpy(u->user_id, user_id.p, user_id.n);
	map_init(&u->rooms);
	(void)map_put(&n->users, (struct str){ u->user_id, u->n_user_id }, u);
	return u;
}

static void user_free(struct notify *n, struct notify_user *u)
{
	(void)map_del(&n->users, (struct str){ u->user_id, u->n_user_id });
	forget_rooms(u);
	map_deinit(&u->rooms);
	free(u);
}

/* No longer parked. */
static void unpark(struct notify_waiter *w)
{
	loop_timer_free(w->notify->loop, w->timer);
	w->timer = NULL;
	w->user->n--;
	w->notify->parked--;
}

/* Out of its user's list; the user may go with his last waiter. */
static void take_out(struct notify_waiter *w)
{
	struct notify *n = w->notify;
	struct notify_user *u = w->user;

	if (w->prev)
		w->prev->next = w->next;
	else
		u->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		u->last = w->prev;
	w->next = w->prev = NULL;
	w->user = NULL;
	if (!u->first && (n->users.n > IDLE_USERS_MAX || u->rooms.n > IDLE_ROOMS_MAX))
		user_free(n, u);
}

/* From parked to woken; wake() is called at the end of the turn. Until then it stays in its
 * user's list and learns of all that is told. */
static void rouse(struct notify_waiter *w, enum notify_why why)
{
	struct notify *n = w->notify;

	if (w->woken) {
		w->why = why > w->why ? why : w->why;
		return;
	}
	unpark(w);
	w->woken = true;
	w->why = why;
	w->next_woken = NULL;
	if (n->woken_last)
		n->woken_last->next_woken = w;
	else
		n->woken = w;
	n->woken_last = w;
	loop_defer(n->loop, &n->wake_all);
}

static void wake(struct notify_waiter *w)
{
	struct buf room = w->room;

	w->room = (struct buf){ 0 };
	take_out(w);
	w->woken = false;
	w->notify = NULL;
	w->room_id = w->several ? STR("") : buf_str(&room);
	w->wake(w, w->why); /* may park again, or cancel others */
	buf_deinit(&room);
}

static void wake_all(struct loop_deferred *d)
{
	struct notify *n = CONTAINER_OF(d, struct notify, wake_all);
	struct notify_waiter *w;

	while ((w = n->woken)) {
		n->woken = w->next_woken;
		if (!n->woken)
			n->woken_last = NULL;
		wake(w);
	}
}

static void on_deadline(void *arg)
{
	rouse((struct notify_waiter *)arg, NOTIFY_TIMEOUT);
}

void notify_park(struct notify *n, struct notify_waiter *w, uint64_t timeout_ms)
{
	struct notify_user *u = user_get(n, w->user_id);

	w->notify = n;
	w->user = u;
	w->woken = w->several = false;
	w->kinds = 0;
	w->room = (struct buf){ 0 };
	w->next = NULL;
	w->prev = u->last;
	if (u->last)
		u->last->next = w;
	else
		u->first = w;
	u->last = w;
	u->n++;
	n->parked++;
	w->timer = loop_timer_new(n->loop, on_deadline, w);
	loop_timer_set(n->loop, w->timer, timeout_ms);
	if (u->n <= LIMIT_SYNC_PARKED_USER)
		return;
	for (w = u->first; w->woken;)
		w = w->next;
	rouse(w, NOTIFY_CROWDED);
}

static void unlink_woken(struct notify *n, struct notify_waiter *w)
{
	struct notify_waiter **at = &n->woken, *before = NULL;

	while (*at != w) {
		before = *at;
		at = &before->next_woken;
	}
	*at = w->next_woken;
	if (n->woken_last == w)
		n->woken_last = before;
}

void notify_leave(struct notify_waiter *w)
{
	struct notify *n = w->notify;

	if (!n)
		return;
	if (w->woken)
		unlink_woken(n, w);
	else
		unpark(w);
	take_out(w);
	buf_deinit(&w->room);
	w->woken = false;
	w->notify = NULL;
}

/* --- whom an item concerns
 * -------------------------------------------------------------------- */

static bool is_joined(struct notify *n, struct notify_user *u, struct str room_id)
{
	struct room_answer *r = (struct room_answer *)map_get(&u->rooms, room_id);

	if (r)
		return r->joined;
	if (u->rooms.n >= ROOMS_MAX)
		forget_rooms(u);
	r = (struct room_answer *)xalloc(sizeof *r + room_id.n);
	memcpy(r->room_id, room_id.p, room_id.n);
	r->joined = store_membership_of(n->store, room_id,
			    (struct str){ u->user_id, u->n_user_id }) == MEMBERSHIP_JOIN;
	(void)map_put(&u->rooms, (struct str){ r->room_id, room_id.n }, r);
	return r->joined;
}

/* What a room's streams moved is told with the room, but for private receipts. */
static bool is_of_room(enum feed_kind kind)
{
	return kind == FEED_EVENT || kind == FEED_STATE || kind == FEED_MEMBERSHIP ||
		kind == FEED_RECEIPT || kind == FEED_TYPING;
}

static void learn(struct notify_waiter *w, const struct feed_item *item)
{
	w->kinds |= NOTIFY_KIND(item->kind);
	if (!is_of_room(item->kind) || w->several)
		return;
	if (item->room_id.n && !w->room.n)
		buf_put_str(&w->room, item->room_id);
	w->several = !item->room_id.n || !str_eq(buf_str(&w->room), item->room_id);
}

static void rouse_user(struct notify_user *u, const struct feed_item *item, enum notify_why why)
{
	for (struct notify_waiter *w = u->first; w; w = w->next) {
		if ((!item->device_id.n || str_eq(w->device_id, item->device_id)) &&
			(item->pos <= 0 || item->pos > w->seen)) {
			learn(w, item);
			rouse(w, why);
		}
	}
}

static void rouse_named(struct notify *n, const struct feed_item *item, enum notify_why why)
{
	struct notify_user *u = (struct notify_user *)map_get(&n->users, item->user_id);

	if (u)
		rouse_user(u, item, why);
}

/* Everyone joined to the item's room. device_id in the item is the sender's, not theirs. */
static void rouse_room(struct notify *n, const struct feed_item *item)
{
	struct feed_item any = {
		.kind = item->kind, .pos = item->pos, .room_id = item->room_id
	};
	struct notify_user *u;
	size_t at = 0;

	while ((u = (struct notify_user *)map_next(&n->users, &at)))
		if (u->first && is_joined(n, u, item->room_id))
			rouse_user(u, &any, NOTIFY_MOVED);
}

/* Everyone who shares a room with the item's user, and that user. */
static void rouse_sharing(struct notify *n, const struct feed_item *item)
{
	struct feed_item any = { .kind = item->kind, .pos = item->pos };
	struct notify_user *u;
	size_t at = 0;

	while ((u = (struct notify_user *)map_next(&n->users, &at))) {
		struct str user_id = { u->user_id, u->n_user_id };

		if (u->first &&
			(str_eq(user_id, item->user_id) ||
				store_membership_share(n->store, user_id, item->user_id)))
			rouse_user(u, &any, NOTIFY_MOVED);
	}
}

static void forget_room_of(struct notify *n, const struct feed_item *item)
{
	struct notify_user *u = (struct notify_user *)map_get(&n->users, item->user_id);

	if (u)
		free(map_del(&u->rooms, item->room_id));
}

static void on_item(void *arg, const struct feed_item *item)
{
	struct notify *n = (struct notify *)arg;

	if (!n->users.n)
		return;
	switch (item->kind) {
	case FEED_EVENT:
	case FEED_STATE:
	case FEED_TYPING: rouse_room(n, item); break;
	case FEED_RECEIPT: /* without a room: a private one */
		if (item->room_id.n)
			rouse_room(n, item);
		else
			rouse_named(n, item, NOTIFY_MOVED);
		break;
	case FEED_MEMBERSHIP:
		forget_room_of(n, item);
		rouse_named(n, item, NOTIFY_MOVED);
		break;
	case FEED_PRESENCE:
	case FEED_DEVICE_LIST: rouse_sharing(n, item); break;
	case FEED_ACCOUNT_DATA:
	case FEED_TO_DEVICE:
	case FEED_KEY_COUNTS: rouse_named(n, item, NOTIFY_MOVED); break;
	case FEED_TOKEN_REVOKED: rouse_named(n, item, NOTIFY_REVOKED); break;
	case FEED_OUTBOX:
	case FEED_PROFILE: break;
	}
}

/* What was read of a batch that is gone may be wrong; and of one that could not be synced, the
 * feed may not tell what is there after all. */
static void on_rolled_back(void *arg)
{
	struct notify *n = (struct notify *)arg;
	struct notify_user *u;
	size_t at = 0;

	while ((u = (struct notify_user *)map_next(&n->users, &at))) {
		forget_rooms(u);
		for (struct notify_waiter *w = u->first; w; w = w->next) {
			w->kinds = ~0U;
			w->several = true;
		}
	}
}

struct notify *notify_new(struct store *st, struct loop *loop)
{
	struct notify *n = NEW(struct notify);

	n->store = st;
	n->loop = loop;
	map_init(&n->users);
	n->wake_all.fn = wake_all;
	n->listener = (struct store_listener){
		.item = on_item, .rolled_back = on_rolled_back, .arg = n
	};
	store_listen(st, &n->listener);
	return n;
}

void notify_free(struct notify *n)
{
	struct notify_user *u;
	size_t at = 0;

	if (!n)
		return;
	store_unlisten(n->store, &n->listener);
	while ((u = (struct notify_user *)map_next(&n->users, &at)))
		for (struct notify_waiter *w = u->first; w; w = w->next)
			rouse(w, NOTIFY_CLOSING);
	loop_undefer(n->loop, &n->wake_all);
	wake_all(&n->wake_all);
	for (at = 0; (u = (struct notify_user *)map_next(&n->users, &at));)
		user_free(n, u);
	map_deinit(&n->users);
	free(n);
}

size_t notify_parked(const struct notify *n)
{
	return n->parked;
}
