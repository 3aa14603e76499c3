#include "node/room/carry_over.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/id.h"
#include "node/user/account_data.h"
#include "node/user/push_rules.h"
#include "store/membership.h"
#include "store/store.h"

#define LOG_MODULE "room"

struct carry_over {
	struct carry_over_options o;
	struct store_listener listener;
};

static bool predecessor_of(struct carry_over *c, struct str room_id, struct str *old)
{
	const struct event *create =
		rooms_state_event(c->o.rooms, room_id, STR("m.room.create"), STR(""));

	return create &&
		json_as_str(
			json_get(json_get(create->content, "predecessor"), "room_id"), old) &&
		id_room(*old) && !str_eq(*old, room_id);
}

static bool has_tags(
	struct carry_over *c, struct arena *a, struct str user_id, struct str room_id)
{
	struct str content;

	return account_data_get_of(c->o.users, a, user_id, room_id, STR("m.tag"), &content) ==
		ERR_OK;
}

static enum err carry(struct carry_over *c, struct arena *a, const struct feed_item *item)
{
	struct store *st = c->o.store;
	struct store_member m;
	struct str old;
	enum err err = store_membership_get(st, a, item->room_id, item->user_id, &m);

	/* A new name is no new membership: the row's position is that of the last move. */
	if (err || m.membership != MEMBERSHIP_JOIN || m.pos != item->pos ||
		!predecessor_of(c, item->room_id, &old))
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	old = arena_str(a, old);
	if (store_membership_of(st, old, item->user_id) == MEMBERSHIP_NONE)
		return ERR_OK;
	err = store_begin(st);
	if (err)
		return err;
	if (!has_tags(c, a, item->user_id, item->room_id))
		err = account_data_copy_room(c->o.users, item->user_id, old, item->room_id);
	if (!err)
		err = push_rules_copy_room(c->o.push_rules, item->user_id, old, item->room_id);
	return store_end(st, err);
}

static void on_item(void *arg, const struct feed_item *item)
{
	struct carry_over *c = arg;
	struct arena *a;
	enum err err;

	if (item->kind != FEED_MEMBERSHIP || !rooms_is_local_user(c->o.rooms, item->user_id))
		return;
	a = arena_new();
	err = carry(c, a, item);
	arena_free(a);
	if (err)
		log_warn(c->o.log, "tags and push rules were not carried over room=%.*s",
			STR_FMT(item->room_id));
}

struct carry_over *carry_over_new(const struct carry_over_options *options)
{
	struct carry_over *c = NEW(struct carry_over);

	c->o = *options;
	c->listener = (struct store_listener){ .item = on_item, .arg = c };
	store_listen(c->o.store, &c->listener);
	return c;
}

void carry_over_free(struct carry_over *c)
{
	if (!c)
		return;
	store_unlisten(c->o.store, &c->listener);
	free(c);
}
