/*
 * What is kept for a user is one JSON document:
 *
 *     {"defaults": {rule_id: {"actions": [...], "enabled": b}, ...},
 *      "override": [rule, ...], "content": [...], "room": [...], "sender": [...],
 *      "underride": [...]}
 *
 * with his own rules exactly as clients see them. A change reads it, writes the next one.
 */
#include "node/user/push_rules.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/base/map.h"
#include "node/core/id.h"
#include "store/store.h"
#include "store/user_setting.h"

/* Users whose compiled rules are kept; when there are more all are compiled anew. */
#define COMPILED_MAX 256

static const char *const kinds[] = { "override", "content", "room", "sender", "underride" };

struct compiled {
	struct arena *arena;
	const struct push_ruleset *rules;
	size_t n;
	char user_id[];
};

struct push_rules {
	struct store *store;
	const struct log *log;
	struct map compiled;
	struct store_listener listener;
};

/* --- reading ----------------------------------------------------------------------------- */

static enum err load(struct push_rules *p, struct arena *a, struct str user_id,
	const struct json **doc, int64_t *pos)
{
	struct str text;
	enum err err = store_push_rules_get(p->store, a, user_id, pos, &text);

	*doc = NULL;
	if (err == ERR_NOT_FOUND) {
		*pos = 0;
		return ERR_OK;
	}
	if (!err)
		err = json_parse_in(a, text, &json_limits_peer, doc, NULL);
	return err == ERR_MALFORMED ? ERR_CORRUPT : err;
}

static void put_default(const struct json *doc, const struct push_default *d,
	struct str user_id, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf actions = { 0 };
	const struct json *mine = json_get(json_get(doc, "defaults"), d->rule_id);
	const struct json *own = json_get(mine, "actions");
	bool enabled = d->enabled;

	(void)json_as_bool(json_get(mine, "enabled"), &enabled);
	if (own)
		json_canonical(own, &actions);
	push_default_put(d, user_id, enabled, buf_str(&actions), out);
}

static void put_defaults(
	const struct json *doc, const char *kind, struct str user_id, bool master, struct jw *w)
{
	const struct push_default *d;

	for (size_t i = 0; (d = push_default_at(i)); i++) {
		CLEANUP(buf_deinit) struct buf rule = { 0 };
		bool is_master = str_eq(str_of(d->rule_id), STR(".m.rule.master"));

		if (is_master != master || strcmp(d->kind, kind) != 0)
			continue;
		put_default(doc, d, user_id, &rule);
		jw_raw(w, buf_str(&rule));
	}
}

static void put_all(const struct json *doc, struct str user_id, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		jw_key(&w, kinds[k]);
		jw_arr(&w);
		put_defaults(doc, kinds[k], user_id, true, &w);
		for (const struct json *r = json_first(json_get(doc, kinds[k])); r;
			r = json_next(r))
			jw_json(&w, r);
		put_defaults(doc, kinds[k], user_id, false, &w);
		jw_end(&w);
	}
	jw_end(&w);
}

enum err push_rules_put(struct push_rules *p, struct str user_id, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct json *doc;
	int64_t pos;
	enum err err = load(p, a, user_id, &doc, &pos);

	if (!err)
		put_all(doc, user_id, out);
	return err;
}

enum err push_rules_pos(struct push_rules *p, struct str user_id, int64_t *pos)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str text;
	enum err err = store_push_rules_get(p->store, a, user_id, pos, &text);

	if (err == ERR_NOT_FOUND) {
		*pos = 0;
		return ERR_OK;
	}
	return err;
}

static bool is_kind(struct str kind)
{
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		if (str_eq(kind, str_of(kinds[k])))
			return true;
	return false;
}

static const struct json *find_own(const struct json *doc, struct push_rule_name name)
{
	const struct json *list = json_get_str(doc, name.kind);

	for (const struct json *r = json_first(list); r; r = json_next(r)) {
		struct str id;

		if (json_as_str(json_get(r, "rule_id"), &id) && str_eq(id, name.rule_id))
			return r;
	}
	return NULL;
}

static enum err no_such_rule(struct push_rule_name name, struct err_ctx *why)
{
	return err_set(why, ERR_NOT_FOUND, "there is no %.*s rule %.*s", STR_FMT(name.kind),
		STR_FMT(name.rule_id));
}

enum err push_rules_put_one(struct push_rules *p, struct str user_id,
	struct push_rule_name name, struct buf *out, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct push_default *d = push_default_find(name.kind, name.rule_id);
	const struct json *doc, *own;
	int64_t pos;
	enum err err;

	if (!is_kind(name.kind))
		return err_set(why, ERR_INVALID, "there are no rules of kind %.*s",
			STR_FMT(name.kind));
	err = load(p, a, user_id, &doc, &pos);
	if (err)
		return err;
	if (d) {
		put_default(doc, d, user_id, out);
		return ERR_OK;
	}
	own = find_own(doc, name);
	if (!own)
		return no_such_rule(name, why);
	json_canonical(own, out);
	return ERR_OK;
}

/* --- changing -------------------------------------------------------------------------------
 */

/* One change, applied while the next document is written. */
struct edit {
	struct push_rules *p;
	struct str user_id;
	struct push_rule_name name;
	const struct json *doc;
	const struct push_default *is_default;

	/* What happens to the rule; NULL and empty: it stays. */
	bool remove;
	struct str rule; /* the whole rule, made or replaced */
	const bool *enabled;
	const struct json *actions;
	struct str before, after;
	bool placed;
};

static void forget_compiled(struct push_rules *p, struct str user_id)
{
	struct compiled *c = (struct compiled *)map_del(&p->compiled, user_id);

	if (!c)
		return;
	arena_free(c->arena);
	free(c);
}

static void write_changed(const struct edit *e, const struct json *rule, struct jw *w)
{
	jw_obj(w);
	for (const struct json *m = json_first(rule); m; m = json_next(m)) {
		struct str key = json_key(m);

		if ((e->enabled && str_eq(key, STR("enabled"))) ||
			(e->actions && str_eq(key, STR("actions"))))
			continue;
		jw_key_str(w, key);
		jw_json(w, m);
	}
	if (e->enabled)
		jw_kv_bool(w, "enabled", *e->enabled);
	if (e->actions)
		jw_kv_json(w, "actions", e->actions);
	jw_end(w);
}

static bool is_rule(const struct json *rule, struct str rule_id)
{
	struct str id;

	return json_as_str(json_get(rule, "rule_id"), &id) && str_eq(id, rule_id);
}

static void write_new(struct edit *e, struct jw *w)
{
	jw_raw(w, e->rule);
	e->placed = true;
}

static void write_rules(struct edit *e, const char *kind, struct jw *w)
{
	bool here = str_eq(e->name.kind, str_of(kind)) && !e->is_default;
	bool moves = e->before.n || e->after.n;
	const struct json *old = here ? find_own(e->doc, e->name) : NULL;

	jw_arr(w);
	/* A new rule without a place comes first: the most important of its kind. */
	if (here && e->rule.n && !old && !moves)
		write_new(e, w);
	for (const struct json *r = json_first(json_get(e->doc, kind)); r; r = json_next(r)) {
		if (here && e->rule.n && e->before.n && is_rule(r, e->before))
			write_new(e, w);
		if (!here || r != old)
			jw_json(w, r);
		else if (e->rule.n && !moves)
			write_new(e, w);
		else if (!e->remove && !e->rule.n)
			write_changed(e, r, w);
		if (here && e->rule.n && !e->placed && e->after.n && is_rule(r, e->after))
			write_new(e, w);
	}
	jw_end(w);
}

static void write_defaults(const struct edit *e, struct jw *w)
{
	const struct json *old = json_get(e->doc, "defaults");
	bool found = false;

	jw_obj(w);
	for (const struct json *m = json_first(old); m; m = json_next(m)) {
		jw_key_str(w, json_key(m));
		if (e->is_default && str_eq(json_key(m), e->name.rule_id)) {
			write_changed(e, m, w);
			found = true;
		} else {
			jw_json(w, m);
		}
	}
	if (e->is_default && !found) {
		jw_key_str(w, e->name.rule_id);
		write_changed(e, NULL, w);
	}
	jw_end(w);
}

static enum err store_doc(struct edit *e, struct str doc)
{
	struct store *st = e->p->store;
	int64_t pos;
	enum err err = store_begin(st);

	if (err)
		return err;
	pos = store_next_pos(st);
	err = store_push_rules_put(st, e->user_id, pos, doc);
	if (!err)
		store_feed(st,
			&(struct feed_item){
				.kind = FEED_ACCOUNT_DATA, .pos = pos, .user_id = e->user_id });
	forget_compiled(e->p, e->user_id);
	return store_end(st, err);
}

static enum err apply(struct edit *e, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf doc = { 0 };
	struct jw w = jw_to(&doc);

	jw_obj(&w);
	jw_key(&w, "defaults");
	write_defaults(e, &w);
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		jw_key(&w, kinds[k]);
		write_rules(e, kinds[k], &w);
	}
	jw_end(&w);
	if (e->rule.n && !e->placed)
		return err_set(
			why, ERR_NOT_FOUND, "before or after names no rule of this kind");
	if (doc.n > LIMIT_BODY_DEFAULT)
		return err_set(why, ERR_LIMIT, "the push rules are too large");
	return store_doc(e, buf_str(&doc));
}

static enum err begin(struct edit *e, struct arena *a, struct err_ctx *why)
{
	int64_t pos;

	if (!is_kind(e->name.kind))
		return err_set(why, ERR_INVALID, "there are no rules of kind %.*s",
			STR_FMT(e->name.kind));
	e->is_default = push_default_find(e->name.kind, e->name.rule_id);
	return load(e->p, a, e->user_id, &e->doc, &pos);
}

static size_t count_own(const struct json *doc)
{
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
		n += json_count(json_get(doc, kinds[k]));
	return n;
}

static enum err check_name(struct push_rule_name name, struct err_ctx *why)
{
	if (name.rule_id.n == 0 || name.rule_id.n > LIMIT_ID_BYTES || name.rule_id.p[0] == '.')
		return err_set(why, ERR_INVALID,
			"a rule_id has 1 to 255 bytes and doesn't begin with '.'");
	for (size_t i = 0; i < name.rule_id.n; i++)
		if (name.rule_id.p[i] == '/' || name.rule_id.p[i] == '\\')
			return err_set(why, ERR_INVALID, "a rule_id has no slashes");
	return ERR_OK;
}

/* Of any kind, known to us or not. */
static enum err check_condition(const struct json *c, struct err_ctx *why)
{
	static const char *const texts[] = { "key", "pattern", "is" };
	const struct json *value = json_get(c, "value");
	struct str s;
	int64_t n;
	bool b;
	enum err err;

	if (!json_is(c, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "a condition is no object");
	err = json_str(c, "kind", &s, why);
	for (size_t i = 0; i < ARRAY_LEN(texts) && !err; i++)
		err = json_opt_str(c, texts[i], &s, why);
	if (!err && value && !json_is(value, JSON_NULL) && !json_as_str(value, &s) &&
		!json_as_int(value, &n) && !json_as_bool(value, &b))
		err = err_set(why, ERR_MALFORMED, "a condition's value is compound");
	return err;
}

/* The rule as clients see it, from the body of a PUT. A replaced rule stays enabled as it was.
 */
static enum err write_rule(
	const struct edit *e, const struct json *body, struct buf *out, struct err_ctx *why)
{
	bool is_content = str_eq(e->name.kind, STR("content"));
	bool by_conditions =
		str_eq(e->name.kind, STR("override")) || str_eq(e->name.kind, STR("underride"));
	const struct json *actions, *conditions = NULL;
	const struct json *old = find_own(e->doc, e->name);
	bool enabled = true;
	struct str pattern = { 0 };
	struct jw w = jw_to(out);
	enum err err = json_arr(body, "actions", &actions, why);

	if (!err && !push_actions_ok(actions))
		err = err_set(why, ERR_MALFORMED, "actions holds what is no action");
	if (!err)
		err = is_content ? json_str(body, "pattern", &pattern, why)
				 : json_opt_str(body, "pattern", &pattern, why);
	if (!err)
		err = json_opt_arr(body, "conditions", &conditions, why);
	for (const struct json *c = json_first(conditions); c && !err; c = json_next(c))
		err = check_condition(c, why);
	if (err)
		return err;
	(void)json_as_bool(json_get(old, "enabled"), &enabled);
	jw_obj(&w);
	jw_kv_json(&w, "actions", actions);
	if (by_conditions) {
		jw_key(&w, "conditions");
		if (conditions)
			jw_json(&w, conditions);
		else
			jw_raw(&w, STR("[]"));
	}
	jw_kv_bool(&w, "default", false);
	jw_kv_bool(&w, "enabled", enabled);
	if (is_content)
		jw_kv_str(&w, "pattern", pattern);
	jw_kv_str(&w, "rule_id", e->name.rule_id);
	jw_end(&w);
	return ERR_OK;
}

/* A default rule's name is a place too: behind .m.rule.master, or before the others, is where
 * own rules are anyway. */
static struct str place(const struct push_rules *p, struct str kind, struct str rule_id)
{
	return push_default_find(kind, rule_id) ? STR("") : rule_id;
}

enum err push_rules_set(struct push_rules *p, struct str user_id, struct push_rule_name name,
	const struct json *body, struct str before, struct str after, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf rule = { 0 };
	struct edit e = { .p = p,
		.user_id = user_id,
		.name = name,
		.before = place(p, name.kind, before),
		.after = before.n ? STR("") : place(p, name.kind, after) };
	enum err err = begin(&e, a, why);

	if (!err)
		err = check_name(name, why);
	if (!err && count_own(e.doc) >= LIMIT_PUSH_RULES && !find_own(e.doc, name))
		err = err_set(
			why, ERR_LIMIT, "a user has at most %d push rules", LIMIT_PUSH_RULES);
	if (!err)
		err = write_rule(&e, body, &rule, why);
	if (err)
		return err;
	if (str_eq(e.before, name.rule_id) || str_eq(e.after, name.rule_id))
		e.before = e.after = STR("");
	e.rule = buf_str(&rule);
	return apply(&e, why);
}

/* The rule's conditions, with one room's id in the place of the other's. */
static void put_conditions(
	const struct json *conditions, struct str from_room, struct str to_room, struct jw *w)
{
	struct str s;

	jw_arr(w);
	for (const struct json *c = json_first(conditions); c; c = json_next(c)) {
		jw_obj(w);
		for (const struct json *m = json_first(c); m; m = json_next(m)) {
			jw_key_str(w, json_key(m));
			if (json_as_str(m, &s) && str_eq(s, from_room))
				jw_str(w, to_room);
			else
				jw_json(w, m);
		}
		jw_end(w);
	}
	jw_end(w);
}

static enum err copy_rule(struct push_rules *p, struct str user_id, struct push_rule_name name,
	const struct json *rule, struct str to_room)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct push_rule_name copy = { name.kind, to_room };
	struct jw w = jw_to(&text);
	const struct json *body;
	bool enabled = true;
	enum err err;

	jw_obj(&w);
	jw_kv_json(&w, "actions", json_get(rule, "actions"));
	if (json_get(rule, "conditions")) {
		jw_key(&w, "conditions");
		put_conditions(json_get(rule, "conditions"), name.rule_id, to_room, &w);
	}
	jw_end(&w);
	err = json_parse_in(a, buf_str(&text), &json_limits_client, &body, NULL);
	if (!err)
		err = push_rules_set(p, user_id, copy, body, STR(""), STR(""), NULL);
	(void)json_as_bool(json_get(rule, "enabled"), &enabled);
	if (!err && !enabled)
		err = push_rules_set_enabled(p, user_id, copy, false, NULL);
	return err == ERR_LIMIT ? ERR_OK : err; /* the user has as many as may be */
}

enum err push_rules_copy_room(
	struct push_rules *p, struct str user_id, struct str from_room, struct str to_room)
{
	static const char *const copied[] = { "override", "room" };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	const struct json *doc;
	int64_t pos;
	enum err err = load(p, a, user_id, &doc, &pos);

	for (size_t i = 0; i < ARRAY_LEN(copied) && !err; i++) {
		struct push_rule_name name = { str_of(copied[i]), from_room };
		const struct json *rule = find_own(doc, name);

		if (rule && !find_own(doc, (struct push_rule_name){ name.kind, to_room }))
			err = copy_rule(p, user_id, name, rule, to_room);
	}
	return err;
}

enum err push_rules_delete(struct push_rules *p, struct str user_id, struct push_rule_name name,
	struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct edit e = { .p = p, .user_id = user_id, .name = name, .remove = true };
	enum err err = begin(&e, a, why);

	if (err)
		return err;
	if (e.is_default)
		return err_set(why, ERR_INVALID, "a default rule can be disabled, not deleted");
	if (!find_own(e.doc, name))
		return no_such_rule(name, why);
	return apply(&e, why);
}

enum err push_rules_set_enabled(struct push_rules *p, struct str user_id,
	struct push_rule_name name, bool enabled, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct edit e = { .p = p, .user_id = user_id, .name = name, .enabled = &enabled };
	enum err err = begin(&e, a, why);

	if (err)
		return err;
	if (!e.is_default && !find_own(e.doc, name))
		return no_such_rule(name, why);
	return apply(&e, why);
}

enum err push_rules_set_actions(struct push_rules *p, struct str user_id,
	struct push_rule_name name, const struct json *actions, struct err_ctx *why)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct edit e = { .p = p, .user_id = user_id, .name = name, .actions = actions };
	enum err err = begin(&e, a, why);

	if (err)
		return err;
	if (!push_actions_ok(actions))
		return err_set(why, ERR_MALFORMED, "actions holds what is no action");
	if (!e.is_default && !find_own(e.doc, name))
		return no_such_rule(name, why);
	return apply(&e, why);
}

/* --- compiled --------------------------------------------------------------------------------
 */

static void forget_all(void *arg)
{
	struct push_rules *p = (struct push_rules *)arg;
	struct compiled *c;
	size_t at = 0;

	while ((c = (struct compiled *)map_next(&p->compiled, &at))) {
		arena_free(c->arena);
		free(c);
	}
	map_deinit(&p->compiled);
	map_init(&p->compiled);
}

enum err push_rules_compiled(
	struct push_rules *p, struct str user_id, const struct push_ruleset **out)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct compiled *c = (struct compiled *)map_get(&p->compiled, user_id);
	const struct json *global;
	enum err err;

	if (c) {
		*out = c->rules;
		return ERR_OK;
	}
	err = push_rules_put(p, user_id, &text);
	if (err)
		return err;
	a = arena_new();
	err = json_parse_in(a, arena_str(a, buf_str(&text)), &json_limits_peer, &global, NULL);
	if (err)
		return err == ERR_NOMEM ? err : ERR_CORRUPT;
	if (p->compiled.n >= COMPILED_MAX)
		forget_all(p);
	c = (struct compiled *)xalloc(sizeof *c + user_id.n);
	c->n = user_id.n;
	memcpy(c->user_id, user_id.p, user_id.n);
	c->rules = push_compile(a, global);
	c->arena = MOVE(a);
	(void)map_put(&p->compiled, (struct str){ c->user_id, c->n }, c);
	*out = c->rules;
	return ERR_OK;
}

static void no_item(void *arg, const struct feed_item *item)
{
}

struct push_rules *push_rules_new(const struct push_rules_options *o)
{
	struct push_rules *p = NEW(struct push_rules);

	p->store = o->store;
	p->log = o->log;
	map_init(&p->compiled);
	p->listener =
		(struct store_listener){ .item = no_item, .rolled_back = forget_all, .arg = p };
	store_listen(o->store, &p->listener);
	return p;
}

void push_rules_free(struct push_rules *p)
{
	if (!p)
		return;
	store_unlisten(p->store, &p->listener);
	forget_all(p);
	map_deinit(&p->compiled);
	free(p);
}
