#include "node/sync/answer.h"

#include "node/user/device_list.h"
#include "node/user/e2e_keys.h"
#include "node/user/presence.h"
#include "node/user/push_rules.h"
#include "node/user/to_device.h"
#include "node/user/typing.h"

/* To-device messages of one answer (module send_to_device, "Server behaviour"). */
#define TO_DEVICE_PAGE 100

/* --- rooms -----------------------------------------------------------------------------------
 */

static enum err write_rooms(struct answer *an, const struct parts *parts)
{
	static const char *const keys[N_PART_KINDS] = { [PART_JOIN] = "join",
		[PART_INVITE] = "invite",
		[PART_KNOCK] = "knock",
		[PART_LEAVE] = "leave" };
	enum err err = ERR_OK;

	jw_key(&an->w, "rooms");
	jw_obj(&an->w);
	for (size_t k = 0; k < N_PART_KINDS && !err; k++) {
		jw_key(&an->w, keys[k]);
		jw_obj(&an->w);
		for (const struct part *p = parts->of[k]; p && !err; p = p->next)
			err = part_write(an, p);
		jw_end(&an->w);
	}
	jw_end(&an->w);
	return err;
}

/* --- the user's own
 * ---------------------------------------------------------------------------- */

static enum err write_push_rules(struct answer *an)
{
	CLEANUP(buf_deinit) struct buf rules = { 0 };
	struct push_rules *p = an->sync->o.push_rules;
	int64_t pos;
	enum err err;

	if (!an->initial && !answer_may_have(an, FEED_ACCOUNT_DATA))
		return ERR_OK;
	err = push_rules_pos(p, an->op->user_id, &pos);
	if (err || (!an->initial && pos <= an->from.stream) ||
		!event_filter_match(
			&an->filter->account_data, STR("m.push_rules"), STR(""), STR("")))
		return err;
	err = push_rules_put(p, an->op->user_id, &rules);
	if (err)
		return err;
	an->empty = false;
	jw_obj(&an->w);
	jw_key(&an->w, "content");
	jw_obj(&an->w);
	jw_kv_raw(&an->w, "global", buf_str(&rules));
	jw_end(&an->w);
	jw_kv_z(&an->w, "type", "m.push_rules");
	jw_end(&an->w);
	return ERR_OK;
}

static enum err write_account_data(struct answer *an)
{
	struct jw *w = &an->w;
	enum err err;

	jw_key(w, "account_data");
	jw_obj(w);
	jw_key(w, "events");
	jw_arr(w);
	err = write_push_rules(an);
	for (size_t i = 0; i < an->n_data && !err; i++) {
		const struct account_data_item *d = &an->data[i];

		if (d->room_id.n ||
			!event_filter_match(
				&an->filter->account_data, d->type, STR(""), STR("")))
			continue;
		an->empty = false;
		jw_obj(w);
		jw_kv_raw(w, "content", d->content);
		jw_kv_str(w, "type", d->type);
		jw_end(w);
	}
	jw_end(w);
	jw_end(w);
	return err;
}

static enum err write_to_device(struct answer *an)
{
	struct jw *w = &an->w;
	struct to_device_page page;
	enum err err;

	an->to.to_device = an->to.stream;
	if (!an->op->device || !answer_may_have(an, FEED_TO_DEVICE))
		return ERR_OK;
	err = to_device_since(an->sync->o.users, an->a, an->op->device, an->from.to_device,
		an->to.stream, TO_DEVICE_PAGE, &page);
	if (err)
		return err;
	an->to.to_device = page.next;
	if (page.n == 0)
		return ERR_OK;
	an->empty = false;
	jw_key(w, "to_device");
	jw_obj(w);
	jw_key(w, "events");
	jw_arr(w);
	for (size_t i = 0; i < page.n; i++)
		jw_raw(w, page.messages[i].json);
	jw_end(w);
	jw_end(w);
	return ERR_OK;
}

static void write_users(struct jw *w, const char *key, const struct str *users, size_t n)
{
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++)
		jw_str(w, users[i]);
	jw_end(w);
}

static enum err write_device_lists(struct answer *an)
{
	struct device_list_changes changes = { 0 };
	enum err err;

	if (an->initial || (!an->members && !answer_may_have(an, FEED_DEVICE_LIST)))
		return ERR_OK;
	err = (an->members ? device_list_changes : device_list_updates)(an->sync->o.users,
		an->a, an->op->user_id, an->from.stream, an->to.stream, &changes);
	if (err || (!changes.n_changed && !changes.n_left))
		return err;
	an->empty = false;
	jw_key(&an->w, "device_lists");
	jw_obj(&an->w);
	write_users(&an->w, "changed", changes.changed, changes.n_changed);
	write_users(&an->w, "left", changes.left, changes.n_left);
	jw_end(&an->w);
	return ERR_OK;
}

static enum err write_key_counts(struct answer *an)
{
	enum err err;

	if (!an->op->device)
		return ERR_OK;
	jw_key(&an->w, "device_one_time_keys_count");
	err = e2e_keys_write_counts(an->sync->o.users, an->op->device, &an->w);
	if (err)
		return err;
	jw_key(&an->w, "device_unused_fallback_key_types");
	return e2e_keys_write_fallback(an->sync->o.users, an->op->device, &an->w);
}

/* --- presence
 * ------------------------------------------------------------------------------------ */

static void write_presence_of(void *arg, struct str user_id)
{
	struct answer *an = (struct answer *)arg;
	struct jw *w = &an->w;
	struct presence_info info;

	if (!event_filter_match(&an->filter->presence, STR("m.presence"), user_id, STR("")) ||
		(!str_eq(user_id, an->op->user_id) &&
			!store_membership_share(an->store, an->op->user_id, user_id)))
		return;
	presence_get(an->sync->o.presence, an->a, user_id, &info);
	an->empty = false;
	jw_obj(w);
	jw_key(w, "content");
	presence_write(&info, w);
	jw_kv_str(w, "sender", user_id);
	jw_kv_z(w, "type", "m.presence");
	jw_end(w);
}

static void write_presence(struct answer *an)
{
	struct jw *w = &an->w;

	if (event_filter_none(&an->filter->presence))
		return;
	jw_key(w, "presence");
	jw_obj(w);
	jw_key(w, "events");
	jw_arr(w);
	presence_since(an->sync->o.presence, an->from.presence, write_presence_of, an);
	jw_end(w);
	jw_end(w);
}

/* --- the whole
 * ------------------------------------------------------------------------------------- */

static enum err write_all(struct answer *an)
{
	CLEANUP(buf_deinit) struct buf token = { 0 };
	struct parts parts;
	enum err err = ERR_OK;

	if (answer_may_have(an, FEED_ACCOUNT_DATA))
		err = account_data_since(an->sync->o.users, an->a, an->op->account,
			an->initial ? 0 : an->from.stream, an->to.stream, &an->data,
			&an->n_data);
	if (!err)
		err = parts_find(an, &parts);
	if (err)
		return err;
	jw_obj(&an->w);
	err = write_account_data(an);
	if (!err)
		err = write_device_lists(an);
	if (!err)
		err = write_key_counts(an);
	if (!err)
		write_presence(an);
	if (!err)
		err = write_rooms(an, &parts);
	if (!err)
		err = write_to_device(an);
	sync_token_put(&token, &an->to);
	jw_kv_str(&an->w, "next_batch", buf_str(&token));
	jw_end(&an->w);
	return err;
}

enum err answer_write(struct sync *s, const struct sync_op *op, const struct sync_moved *moved,
	struct buf *out, bool *empty)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct answer an = { .sync = s,
		.store = s->o.store,
		.op = op,
		.filter = op->parsed,
		.moved = moved,
		.all_told = store_durable_pos(s->o.store) == store_last_pos(s->o.store),
		.a = a,
		.from = op->from,
		.initial = op->initial,
		.empty = true,
		.now_ms = clock_wall_ms(s->o.clock),
		.w = jw_to(out) };
	enum err err;

	an.to = (struct sync_token){ .stream = store_last_pos(s->o.store),
		.boot = s->boot,
		.typing = typing_serial(s->o.typing),
		.presence = presence_serial(s->o.presence) };
	err = write_all(&an);
	if (!err)
		*empty = an.empty;
	return err;
}
