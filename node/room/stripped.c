#include "node/room/stripped.h"

#include "node/room/format.h"
#include "node/room/room.h"

#define PRUNED_MAX   64
#define PRUNED_BYTES ((size_t)32 * 1024)

static const char *const told[] = { "m.room.create", "m.room.name", "m.room.avatar",
	"m.room.topic", "m.room.join_rules", "m.room.canonical_alias", "m.room.encryption" };

static enum err put_one(
	struct rooms *r, struct arena *a, int64_t nid, enum stripped_form form, struct jw *w)
{
	struct store_event e;
	enum err err = store_event_get_nid(r->store, a, nid, &e);

	if (err)
		return err;
	if (form == STRIPPED_EVENTS)
		room_format_stripped(&e, w);
	else
		jw_raw(w, e.json);
	return ERR_OK;
}

enum err room_stripped_put(struct rooms *r, struct str room_id, struct str member,
	enum stripped_form form, struct jw *w)
{
	struct arena *a = arena_new();
	enum err err = ERR_OK;

	for (size_t i = 0; i <= ARRAY_LEN(told) && !err; i++) {
		bool last = i == ARRAY_LEN(told);
		struct str type = last ? STR("m.room.member") : str_of(told[i]);
		int64_t nid;

		if (last && !member.n)
			break;
		err = store_state_get(r->store, room_id, type, last ? member : STR(""), &nid);
		if (err == ERR_NOT_FOUND)
			err = ERR_OK;
		else if (!err)
			err = put_one(r, a, nid, form, w);
	}
	arena_free(a);
	return err;
}

void room_stripped_prune(const struct json *pdus, struct buf *out)
{
	struct jw w = jw_to(out);
	size_t start = out->n;
	size_t n = 0;

	jw_arr(&w);
	for (const struct json *e = json_first(pdus); e && n < PRUNED_MAX; e = json_next(e)) {
		const struct json *content = json_get(e, "content");
		struct buf one = { 0 };
		struct jw o = jw_to(&one);
		struct str type;
		struct str key;
		struct str sender;

		if (!json_as_str(json_get(e, "type"), &type) ||
			!json_as_str(json_get(e, "state_key"), &key) ||
			!json_as_str(json_get(e, "sender"), &sender) ||
			!json_is(content, JSON_OBJECT))
			continue;
		jw_obj(&o);
		jw_kv_json(&o, "content", content);
		jw_kv_str(&o, "sender", sender);
		jw_kv_str(&o, "state_key", key);
		jw_kv_str(&o, "type", type);
		jw_end(&o);
		if (out->n - start + one.n <= PRUNED_BYTES) {
			jw_raw(&w, buf_str(&one));
			n++;
		}
		buf_deinit(&one);
	}
	jw_end(&w);
}
