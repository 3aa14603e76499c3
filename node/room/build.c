#include "node/room/build.h"

#include "node/room/persist.h"
#include "node/room/state.h"

static int64_t next_depth(const struct room *room)
{
	int64_t depth = 0;

	for (size_t i = 0; i < room->n_ends; i++)
		if (room->ends[i].depth > depth)
			depth = room->ends[i].depth;
	return depth < JSON_INT_MAX ? depth + 1 : JSON_INT_MAX;
}

/* Only members' events are selected for by their content. */
static enum err content_tree(
	const struct room_draft *d, struct json **owned, const struct json **out)
{
	enum err err;

	*out = d->content_tree;
	if (*out || !str_eq(d->type, STR("m.room.member")))
		return ERR_OK;
	err = json_parse(d->content, &json_limits_event, owned, NULL);
	*out = *owned;
	return err;
}

enum err room_place(
	struct rooms *r, struct room *room, const struct room_draft *d, struct room_place *out)
{
	CLEANUP(json_freep) struct json *owned = NULL;
	const struct json *content;
	struct auth_key keys[8];
	size_t n;
	enum err err = content_tree(d, &owned, &content);

	if (err)
		return err;
	out->depth = next_depth(room);
	out->n_prev_events = 0;
	/* The latest ends: they are last. */
	for (size_t i = room->n_ends; i > 0 && out->n_prev_events < LIMIT_PREV_EVENTS; i--)
		out->prev_events[out->n_prev_events++] = str_of(room->ends[i - 1].event_id);

	n = auth_select(
		room->version, d->type, d->is_state, d->state_key, d->sender, content, keys);
	out->n_auth_events = 0;
	for (size_t i = 0; i < n; i++) {
		const struct event *e =
			room_current(r, room, keys[i].type, keys[i].state_key, &err);

		if (e)
			out->auth_events[out->n_auth_events++] = e->event_id;
	}
	return err;
}

static enum err build(struct rooms *r, const struct room_version *v, struct str room_id,
	const struct room_draft *d, const struct room_place *place, struct event **out,
	struct err_ctx *why)
{
	const struct event_build b = { .version = v,
		.room_id = room_id,
		.type = d->type,
		.sender = d->sender,
		.is_state = d->is_state,
		.state_key = d->state_key,
		.redacts = d->redacts,
		.content = d->content,
		.content_tree = d->content_tree,
		.depth = place->depth,
		.origin_server_ts = clock_wall_ms(r->clock),
		.prev_events = place->prev_events,
		.n_prev_events = place->n_prev_events,
		.auth_events = place->auth_events,
		.n_auth_events = place->n_auth_events };

	return event_build(&b, r->key, out, why);
}

enum err room_build(struct rooms *r, struct room *room, const struct room_draft *d,
	struct event **out, struct err_ctx *why)
{
	struct room_place place;
	enum err err = room_place(r, room, d, &place);

	if (err)
		return err;
	return build(r, room->version, room->id, d, &place, out, why);
}

enum err room_build_create(struct rooms *r, const struct room_version *v, struct str room_id,
	struct str sender, struct str content, struct event **out, struct err_ctx *why)
{
	const struct room_draft d = { .type = STR("m.room.create"),
		.sender = sender,
		.is_state = true,
		.state_key = STR(""),
		.content = content };
	const struct room_place place = { .depth = 1 };

	return build(r, v, room_id, &d, &place, out, why);
}

enum err room_send_built(
	struct rooms *r, struct room *room, const struct event *e, const struct room_draft *d)
{
	struct room_persist p = { .event = e,
		.flags = STORE_LOCAL,
		.before = room->group,
		.device_id = d->device_id,
		.txn_id = d->txn_id };
	enum err err = store_begin(r->store);

	if (err)
		return err;
	return room_store_end(r, room_persist(r, room, &p));
}

enum err room_send_draft(struct rooms *r, struct room *room, const struct room_draft *d,
	char event_id[256], struct err_ctx *why)
{
	CLEANUP(event_freep) struct event *e = NULL;
	struct room_state state;
	enum err err = room_build(r, room, d, &e, why);

	if (err)
		return err;
	room_state_current(&state, r, room);
	err = room_state_check(&state, e, why);
	room_state_deinit(&state);
	if (!err)
		err = room_send_built(r, room, e, d);
	if (!err && event_id)
		room_copy_id(event_id, e->event_id);
	return err;
}
