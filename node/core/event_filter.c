#include "node/core/event_filter.h"

#include "node/core/id.h"

typedef bool check_fn(struct str s);

static bool any_string(struct str s)
{
	return true;
}

static bool user_id(struct str s)
{
	struct str localpart, server;

	return id_user(s, &localpart, &server);
}

static enum err parse_list(struct arena *a, const struct json *obj, const char *key,
	check_fn *check, struct filter_list *out, struct err_ctx *why)
{
	const struct json *arr = NULL;
	struct str *items;
	size_t n = 0;
	enum err err = json_opt_arr(obj, key, &arr, why);

	if (err || !arr)
		return err;
	items = (struct str *)arena_calloc(a, json_count(arr) + 1, sizeof *items);
	for (const struct json *m = json_first(arr); m; m = json_next(m)) {
		if (!json_as_str(m, &items[n]))
			return err_set(why, ERR_MALFORMED, "%s holds what is no string", key);
		if (!check(items[n]))
			return err_set(why, ERR_INVALID, "%s holds what is no such id", key);
		n++;
	}
	*out = (struct filter_list){ .items = items, .n = n, .set = true };
	return ERR_OK;
}

static enum err parse_lists(
	struct arena *a, const struct json *obj, struct event_filter *f, struct err_ctx *why)
{
	const struct {
		const char *key;
		check_fn *check;
		struct filter_list *out;
	} lists[] = {
		{ "types", any_string, &f->types },
		{ "not_types", any_string, &f->not_types },
		{ "senders", user_id, &f->senders },
		{ "not_senders", user_id, &f->not_senders },
		{ "rooms", id_room, &f->rooms },
		{ "not_rooms", id_room, &f->not_rooms },
		{ "related_by_rel_types", any_string, &f->related_by_rel_types },
		{ "related_by_senders", user_id, &f->related_by_senders },
	};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		enum err err =
			parse_list(a, obj, lists[i].key, lists[i].check, lists[i].out, why);

		if (err)
			return err;
	}
	return ERR_OK;
}

enum err event_filter_parse(
	struct arena *a, const struct json *obj, struct event_filter *out, struct err_ctx *why)
{
	struct event_filter f = { 0 };
	const struct json *url = json_get(obj, "contains_url");
	bool with_url;
	enum err err;

	if (obj && !json_is(obj, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "a filter is an object");
	err = parse_lists(a, obj, &f, why);
	if (!err)
		err = json_opt_int(obj, "limit", -JSON_INT_MAX, JSON_INT_MAX, &f.limit, why);
	if (!err)
		err = json_opt_bool(obj, "lazy_load_members", &f.lazy_load_members, why);
	if (!err)
		err = json_opt_bool(
			obj, "include_redundant_members", &f.include_redundant_members, why);
	if (!err)
		err = json_opt_bool(obj, "unread_thread_notifications",
			&f.unread_thread_notifications, why);
	if (err)
		return err;
	f.has_limit = json_is(json_get(obj, "limit"), JSON_NUMBER);
	if (f.limit < 0)
		return err_set(why, ERR_INVALID, "limit must not be negative");
	if (url && !json_is(url, JSON_NULL)) {
		if (!json_as_bool(url, &with_url))
			return err_set(why, ERR_MALFORMED, "contains_url is no boolean");
		f.contains_url = with_url ? FILTER_URL_WITH : FILTER_URL_WITHOUT;
	}
	*out = f;
	return ERR_OK;
}

bool event_filter_glob(struct str pattern, struct str text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	/* On a mismatch only the last star takes one byte more: earlier ones have done all
	 * that they can, so this is at most pattern times text, and linear for one star. */
	while (t < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.n && pattern.p[p] == text.p[t]) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

static bool list_has(const struct filter_list *l, struct str s)
{
	for (size_t i = 0; i < l->n; i++)
		if (str_eq(l->items[i], s))
			return true;
	return false;
}

static bool list_has_glob(const struct filter_list *l, struct str s)
{
	for (size_t i = 0; i < l->n; i++)
		if (event_filter_glob(l->items[i], s))
			return true;
	return false;
}

bool event_filter_room(const struct event_filter *f, struct str room_id)
{
	return !list_has(&f->not_rooms, room_id) &&
		(!f->rooms.set || list_has(&f->rooms, room_id));
}

bool event_filter_match(
	const struct event_filter *f, struct str type, struct str sender, struct str room_id)
{
	if (list_has_glob(&f->not_types, type) ||
		(f->types.set && !list_has_glob(&f->types, type)))
		return false;
	if (sender.n &&
		(list_has(&f->not_senders, sender) ||
			(f->senders.set && !list_has(&f->senders, sender))))
		return false;
	return !room_id.n || event_filter_room(f, room_id);
}

bool event_filter_match_content(const struct event_filter *f, const struct json *content)
{
	if (f->contains_url == FILTER_URL_ANY)
		return true;
	return json_is(json_get(content, "url"), JSON_STRING) ==
		(f->contains_url == FILTER_URL_WITH);
}

bool event_filter_has_relations(const struct event_filter *f)
{
	return f->related_by_rel_types.set || f->related_by_senders.set;
}

bool event_filter_match_relation(
	const struct event_filter *f, struct str rel_type, struct str sender)
{
	return (!f->related_by_rel_types.set || list_has(&f->related_by_rel_types, rel_type)) &&
		(!f->related_by_senders.set || list_has(&f->related_by_senders, sender));
}

bool event_filter_none(const struct event_filter *f)
{
	return (f->types.set && !f->types.n) || (f->senders.set && !f->senders.n) ||
		(f->rooms.set && !f->rooms.n) || list_has(&f->not_types, STR("*"));
}

bool event_filter_all(const struct event_filter *f)
{
	return !f->types.set && !f->not_types.n && !f->senders.set && !f->not_senders.n &&
		f->contains_url == FILTER_URL_ANY && !event_filter_has_relations(f);
}
