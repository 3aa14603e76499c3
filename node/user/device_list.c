#include "node/user/device_list.h"

#include "node/user/users_impl.h"
#include "store/cross_signing.h"
#include "store/device_list.h"
#include "store/outbox.h"

/* Both sorted and each once; so is the result. */
static void merge(struct arena *a, const struct store_user_list *x,
	const struct store_user_list *y, struct device_list_changes *out)
{
	struct str *ids = arena_calloc(a, x->n + y->n + 1, sizeof(*ids));
	size_t i = 0, k = 0, n = 0;

	while (i < x->n || k < y->n) {
		int order = i == x->n ? 1 : k == y->n ? -1 : str_cmp(x->ids[i], y->ids[k]);

		ids[n++] = order <= 0 ? x->ids[i] : y->ids[k];
		i += order <= 0;
		k += order >= 0;
	}
	out->changed = ids;
	out->n_changed = n;
}

enum err device_list_changes(struct users *u, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct device_list_changes *out)
{
	struct store_user_list changed = { 0 }, came = { 0 }, left = { 0 };
	enum err err = store_device_list_changed(u->store, a, user_id, since, to, &changed);

	if (!err)
		err = store_device_list_came(u->store, a, user_id, since, to, &came);
	if (!err)
		err = store_device_list_left(u->store, a, user_id, since, to, &left);
	if (err)
		return err;
	*out = (struct device_list_changes){ .left = left.ids, .n_left = left.n };
	merge(a, &changed, &came, out);
	return ERR_OK;
}

enum err device_list_updates(struct users *u, struct arena *a, struct str user_id,
	int64_t since, int64_t to, struct device_list_changes *out)
{
	struct store_user_list changed = { 0 };
	enum err err = store_device_list_changed(u->store, a, user_id, since, to, &changed);

	if (!err)
		*out = (struct device_list_changes){ .changed = changed.ids,
			.n_changed = changed.n };
	return err;
}

/* m.device_list_update: one device as it is now. stream_id and prev_id are positions of our
 * stream, so a server that missed one sees it. */
static enum err write_update(struct users *u, struct str user_id, struct str device_id,
	int64_t stream_id, int64_t previous, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_account account;
	struct store_device d = { 0 };
	struct jw w = jw_to(out);
	bool deleted;
	enum err err = store_account_get(u->store, a, user_id, &account);

	if (!err)
		err = store_device_get(u->store, a, account.nid, device_id, &d);
	if (err && err != ERR_NOT_FOUND)
		return err;
	deleted = err == ERR_NOT_FOUND;
	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	if (deleted)
		jw_kv_bool(&w, "deleted", true);
	if (d.display_name.n)
		jw_kv_str(&w, "device_display_name", d.display_name);
	jw_kv_str(&w, "device_id", device_id);
	if (d.device_keys.n)
		jw_kv_raw(&w, "keys", d.device_keys);
	jw_key(&w, "prev_id");
	jw_arr(&w);
	if (previous)
		jw_int(&w, previous);
	jw_end(&w);
	jw_kv_int(&w, "stream_id", stream_id);
	jw_kv_str(&w, "user_id", user_id);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.device_list_update");
	jw_end(&w);
	return ERR_OK;
}

/* m.signing_key_update: the keys that others may see. */
static enum err write_signing_keys(struct users *u, struct str user_id, struct buf *out)
{
	static const struct {
		const char *usage;
		const char *member;
	} keys[] = { { "master", "master_key" }, { "self_signing", "self_signing_key" } };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct jw w = jw_to(out);
	enum err err = ERR_OK;

	jw_obj(&w);
	jw_key(&w, "content");
	jw_obj(&w);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct store_cross_key k;

		err = store_cross_key_get(u->store, a, user_id, str_of(keys[i].usage), &k);
		if (err && err != ERR_NOT_FOUND)
			return err;
		if (!err)
			jw_kv_raw(&w, keys[i].member, k.json);
	}
	jw_kv_str(&w, "user_id", user_id);
	jw_end(&w);
	jw_kv_z(&w, "edu_type", "m.signing_key_update");
	jw_end(&w);
	return ERR_OK;
}

/* An update of devices has a stream_id, which is the position; of keys it has none. */
static enum err note(struct users *u, struct str user_id, bool is_update, int64_t *stream_id,
	int64_t *previous)
{
	int64_t pos = store_next_pos(u->store);
	enum err err = store_device_list_stream_id(u->store, user_id, previous);

	*stream_id = is_update ? pos : *previous;
	if (!err)
		err = store_device_list_put(u->store, user_id, pos, *stream_id);
	if (err)
		return err;
	store_feed(u->store,
		&(struct feed_item){
			.kind = FEED_DEVICE_LIST, .pos = pos, .user_id = user_id });
	return ERR_OK;
}

enum err device_list_note(struct users *u, struct str user_id)
{
	int64_t stream_id, previous;

	return note(u, user_id, false, &stream_id, &previous);
}

enum err device_list_changed(struct users *u, struct str user_id, struct str device_id)
{
	CLEANUP(buf_deinit) struct buf edu = { 0 };
	int64_t stream_id, previous;
	enum err err = note(u, user_id, device_id.n > 0, &stream_id, &previous);

	if (err)
		return err;
	if (device_id.n)
		err = write_update(u, user_id, device_id, stream_id, previous, &edu);
	else
		err = write_signing_keys(u, user_id, &edu);
	if (err)
		return err;
	return outbox_put_edu_user(u->store, user_id,
		&(struct outbox_edu){ .class = OUTBOX_KEEP, .json = buf_str(&edu) });
}
