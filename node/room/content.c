#include "node/room/content.h"

#include "node/core/id.h"
#include "node/core/power.h"
#include "node/room/room.h"
#include "node/room/splice.h"
#include "store/membership.h"

#define ANNOTATIONS_MAX 1000 /* looked at for one that is there already */

struct checking {
	struct rooms *r;
	const struct room_version *version;
	struct arena *a;
	struct room_send *s;
};

static enum err bad(struct checking *x, const char *key, const char *must)
{
	return err_set(&x->s->why, ERR_MALFORMED, "%s: %s", key, must);
}

/* --- power levels ------------------------------------------------------------------------ */

static enum err check_level(struct checking *x, const char *key, const struct json *value)
{
	int64_t level;

	return !value || power_value(x->version, value, &level)
		? ERR_OK
		: bad(x, key, "a level must be an integer");
}

static enum err check_levels(struct checking *x, const char *key)
{
	const struct json *map = json_get(x->s->content, key);
	enum err err = ERR_OK;

	if (map && !json_is(map, JSON_OBJECT))
		return bad(x, key, "must be an object");
	for (const struct json *m = json_first(map); m && !err; m = json_next(m))
		err = check_level(x, key, m);
	return err;
}

static enum err check_users(struct checking *x)
{
	const struct json *users = json_get(x->s->content, "users");
	struct str localpart;
	struct str server;

	for (const struct json *m = json_first(users); m; m = json_next(m))
		if (!id_user(json_key(m), &localpart, &server))
			return bad(x, "users", "has a key that is no user id");
	return ERR_OK;
}

/* Version 12: who made the room stands above all levels, and is not among them. */
static enum err check_creators(struct checking *x)
{
	const struct json *users = json_get(x->s->content, "users");
	struct room *room;
	const struct event *create;
	enum err err;

	if (!x->version->creator_power || !json_first(users))
		return ERR_OK;
	err = room_get(x->r, x->s->room_id, &room);
	if (err)
		return err;
	create = room_current(x->r, room, STR("m.room.create"), STR(""), &err);
	for (const struct json *m = json_first(users); m && create; m = json_next(m))
		if (power_is_creator(create, json_key(m)))
			return bad(x, "users", "names a creator of the room");
	return err;
}

static enum err check_power_levels(struct checking *x)
{
	static const char *const named[] = { "users_default", "events_default", "state_default",
		"ban", "redact", "kick", "invite" };
	static const char *const maps[] = { "users", "events", "notifications" };
	enum err err = ERR_OK;

	for (size_t i = 0; i < ARRAY_LEN(named) && !err; i++)
		err = check_level(x, named[i], json_get(x->s->content, named[i]));
	for (size_t i = 0; i < ARRAY_LEN(maps) && !err; i++)
		err = check_levels(x, maps[i]);
	if (!err)
		err = check_users(x);
	return err ? err : check_creators(x);
}

/* --- membership -------------------------------------------------------------------------- */

static enum err check_member(struct checking *x)
{
	struct str localpart;
	struct str server;
	struct str membership;
	enum err err = json_str(x->s->content, "membership", &membership, &x->s->why);

	if (err)
		return err;
	if (membership_parse(membership) == MEMBERSHIP_NONE)
		return bad(x, "membership", "there is no such membership");
	if (!id_user(x->s->state_key, &localpart, &server))
		return err_set(&x->s->why, ERR_INVALID, "the state key is no user id");
	return ERR_OK;
}

/* --- relations --------------------------------------------------------------------------- */

struct same {
	struct str sender;
	struct str key;
	bool found;
};

static bool is_same(void *arg, const struct store_event *e)
{
	struct same *s = arg;
	struct str relates = splice_get(splice_get(e->json, "content"), "m.relates_to");
	struct str key = splice_get(relates, "key");

	s->found = str_eq(e->sender, s->sender) && str_eq(key, s->key);
	return !s->found;
}

static enum err check_annotation(
	struct checking *x, const struct json *relates, struct str target)
{
	const struct json *key = json_get(relates, "key");
	struct buf text = { 0 };
	struct same same = { .sender = x->s->sender };
	enum err err;

	if (!json_is(key, JSON_STRING))
		return ERR_OK;
	json_canonical(key, &text); /* as it lies in stored events */
	same.key = buf_str(&text);
	err = store_event_relations(x->r->store, x->a, x->s->room_id, target,
		STR("m.annotation"), x->s->type, INT64_MIN, INT64_MAX, false, ANNOTATIONS_MAX,
		is_same, &same);
	buf_deinit(&text);
	if (err || !same.found)
		return err;
	x->s->errcode = "M_DUPLICATE_ANNOTATION";
	return err_set(&x->s->why, ERR_INVALID, "you have annotated this event so already");
}

static enum err check_thread(struct checking *x, struct str target)
{
	struct store_event root;
	struct str relates;
	enum err err = store_event_get(x->r->store, x->a, target, &root);

	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	relates = splice_get(splice_get(root.json, "content"), "m.relates_to");
	if (!splice_get(relates, "rel_type").n)
		return ERR_OK;
	x->s->errcode = "M_UNKNOWN";
	return err_set(&x->s->why, ERR_INVALID,
		"no thread begins at an event that relates to "
		"another");
}

static enum err check_relation(struct checking *x)
{
	const struct json *relates = json_get(x->s->content, "m.relates_to");
	struct str type;
	struct str target;

	if (!json_as_str(json_get(relates, "rel_type"), &type) ||
		!json_as_str(json_get(relates, "event_id"), &target))
		return ERR_OK;
	if (str_eq(type, STR("m.annotation")))
		return check_annotation(x, relates, target);
	if (str_eq(type, STR("m.thread")))
		return check_thread(x, target);
	return ERR_OK;
}

enum err room_content_check(
	struct rooms *r, const struct room_version *v, struct arena *a, struct room_send *s)
{
	struct checking x = { .r = r, .version = v, .a = a, .s = s };

	if (!s->is_state)
		return check_relation(&x);
	if (str_eq(s->type, STR("m.room.power_levels")) && !s->state_key.n)
		return check_power_levels(&x);
	if (str_eq(s->type, STR("m.room.member")))
		return check_member(&x);
	return ERR_OK;
}
