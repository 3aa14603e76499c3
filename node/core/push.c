#include "node/core/push.h"

#include "node/core/glob.h"
#include "node/core/power.h"

enum rule_kind { OVERRIDE, CONTENT, ROOM, SENDER, UNDERRIDE, N_KINDS };

static const char *const kind_names[N_KINDS] = { "override", "content", "room", "sender",
	"underride" };

struct condition;

typedef bool condition_fn(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx);

struct condition {
	condition_fn *holds;
	const struct str *path; /* unescaped parts of key */
	size_t n_path;
	bool is_body;    /* the path is content.body */
	struct str text; /* a folded pattern, the notification key */
	const struct json *value;
	uint64_t lo; /* of the member count, inclusive */
	uint64_t hi;
};

struct rule {
	struct rule *next;
	struct str rule_id;
	const struct json *actions;
	const struct condition *conditions;
	size_t n_conditions;
	bool notify;
	bool highlight;
	struct str sound;
};

struct push_ruleset {
	struct rule *first; /* in the order in which they are tried */
};

/* The property that path names, or NULL. */
static const struct json *property(const struct condition *c, const struct event *e)
{
	const struct json *j = e->tree;

	for (size_t i = 0; i < c->n_path && j; i++)
		j = json_get_str(j, c->path[i]);
	return j;
}

/* Its text: an event's ids are no members of every version's PDU. */
static bool property_text(const struct condition *c, const struct event *e, struct str *out)
{
	if (c->n_path == 1 && str_eq(c->path[0], STR("room_id"))) {
		*out = e->room_id;
		return true;
	}
	if (c->n_path == 1 && str_eq(c->path[0], STR("event_id"))) {
		*out = e->event_id;
		return true;
	}
	return json_as_str(property(c, e), out);
}

static bool event_match(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	struct str text;

	if (c->is_body)
		return pe->body.p && glob_match(c->text, pe->body, GLOB_WORDS);
	return property_text(c, pe->event, &text) &&
		glob_match(c->text, glob_fold(pe->arena, text), GLOB_WHOLE);
}

static bool is_simple(const struct json *j)
{
	int64_t i;

	return json_is(j, JSON_STRING) || json_is(j, JSON_BOOL) || json_is(j, JSON_NULL) ||
		json_as_int(j, &i);
}

static bool same(const struct json *a, const struct json *b)
{
	struct str sa;
	struct str sb;

	if (json_as_str(a, &sa) && json_as_str(b, &sb))
		return str_eq(sa, sb);
	return is_simple(a) && json_equal(a, b);
}

static bool event_property_is(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	struct str text;
	struct str wanted;

	if (json_as_str(c->value, &wanted))
		return property_text(c, pe->event, &text) && str_eq(text, wanted);
	return same(property(c, pe->event), c->value);
}

static bool event_property_contains(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	const struct json *list = property(c, pe->event);

	if (!json_is(list, JSON_ARRAY))
		return false;
	for (const struct json *m = json_first(list); m; m = json_next(m)) {
		if (same(m, c->value))
			return true;
	}
	return false;
}

static bool contains_display_name(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	return pe->body.p && ctx->display_name.n &&
		glob_has_words(glob_fold(pe->arena, ctx->display_name), pe->body);
}

static bool room_member_count(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	return ctx->member_count >= c->lo && ctx->member_count <= c->hi;
}

static bool sender_notification_permission(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	const struct event *levels = ctx->power_levels;
	const struct json *level;
	int64_t needed = 50;

	if (!ctx->create)
		return false;
	level = levels ? json_get_str(json_get(levels->content, "notifications"), c->text)
		       : NULL;
	if (level)
		(void)power_value(pe->event->version, level, &needed);
	return power_of_user(ctx->create, levels, pe->event->sender) >= needed;
}

static bool for_room(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	return str_eq(c->text, pe->event->room_id);
}

static bool for_sender(
	const struct condition *c, const struct push_event *pe, const struct push_context *ctx)
{
	return str_eq(c->text, pe->event->sender);
}

/* "a.b\.c" as its parts. */
static void read_path(struct arena *a, struct str key, struct condition *c)
{
	size_t parts = 1;
	struct str *path;
	char *p;

	for (size_t i = 0; i < key.n; i++)
		parts += key.p[i] == '.';
	path = arena_calloc(a, parts, sizeof(*path));
	p = arena_alloc(a, key.n + 1);
	parts = 0;
	path[0] = (struct str){ p, 0 };
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == '.') {
			path[++parts] = (struct str){ p, 0 };
			continue;
		}
		if (key.p[i] == '\\' && i + 1 < key.n &&
			(key.p[i + 1] == '.' || key.p[i + 1] == '\\'))
			i++;
		*p++ = key.p[i];
		path[parts].n++;
	}
	c->path = path;
	c->n_path = parts + 1;
	c->is_body = str_eq(key, STR("content.body"));
}

static bool read_count(struct str is, struct condition *c)
{
	static const struct str ops[] = { STR_INIT("=="), STR_INIT("<="), STR_INIT(">="),
		STR_INIT("<"), STR_INIT(">"), STR_INIT("") };
	uint64_t n;
	size_t i = 0;

	while (!str_starts(is, ops[i]))
		i++;
	if (!str_to_u64(str_skip(is, ops[i].n), &n) || n > JSON_INT_MAX)
		return false;
	c->lo = i == 1 || i == 3 ? 0 : i == 4 ? n + 1 : n;
	c->hi = i == 2 || i == 4 ? UINT64_MAX : i == 3 ? n - 1 : n;
	return i != 3 || n > 0;
}

static bool read_match(struct arena *a, const struct json *j, struct condition *c)
{
	struct str pattern;

	if (!json_as_str(json_get(j, "pattern"), &pattern))
		return false;
	c->text = glob_fold(a, pattern);
	return true;
}

static bool read_value(struct arena *a, const struct json *j, struct condition *c)
{
	c->value = json_get(j, "value");
	return is_simple(c->value);
}

static bool read_count_member(struct arena *a, const struct json *j, struct condition *c)
{
	struct str is;

	return json_as_str(json_get(j, "is"), &is) && read_count(is, c);
}

static bool read_key(struct arena *a, const struct json *j, struct condition *c)
{
	return json_as_str(json_get(j, "key"), &c->text);
}

static const struct {
	const char *kind;
	bool has_path;
	bool (*read)(struct arena *a, const struct json *j, struct condition *c);
	condition_fn *holds;
} condition_kinds[] = {
	{ "event_match", true, read_match, event_match },
	{ "event_property_is", true, read_value, event_property_is },
	{ "event_property_contains", true, read_value, event_property_contains },
	{ "contains_display_name", false, NULL, contains_display_name },
	{ "room_member_count", false, read_count_member, room_member_count },
	{ "sender_notification_permission", false, read_key, sender_notification_permission },
};

/* False for a condition that never matches. */
static bool read_condition(struct arena *a, const struct json *j, struct condition *c)
{
	struct str kind;
	struct str key;

	if (!json_as_str(json_get(j, "kind"), &kind))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(condition_kinds); i++) {
		if (!str_eq(kind, str_of(condition_kinds[i].kind)))
			continue;
		c->holds = condition_kinds[i].holds;
		if (condition_kinds[i].has_path) {
			if (!json_as_str(json_get(j, "key"), &key))
				return false;
			read_path(a, key, c);
		}
		return !condition_kinds[i].read || condition_kinds[i].read(a, j, c);
	}
	return false;
}

static bool read_conditions(struct arena *a, const struct json *list, struct rule *r)
{
	struct condition *c;

	if (!list)
		return true;
	if (!json_is(list, JSON_ARRAY))
		return false;
	c = arena_calloc(a, json_count(list) + 1, sizeof(*c));
	r->conditions = c;
	for (const struct json *m = json_first(list); m; m = json_next(m)) {
		if (!read_condition(a, m, &c[r->n_conditions++]))
			return false;
	}
	return true;
}

/* The conditions that a kind of rule has by itself. */
static bool read_fixed(
	struct arena *a, const struct json *j, enum rule_kind kind, struct rule *r)
{
	struct condition *c = ARENA_NEW(a, struct condition);

	r->conditions = c;
	r->n_conditions = 1;
	c->text = r->rule_id;
	c->holds = kind == ROOM ? for_room : for_sender;
	if (kind != CONTENT)
		return true;
	c->holds = event_match;
	c->is_body = true;
	return read_match(a, j, c);
}

static void read_actions(const struct json *actions, struct rule *r)
{
	for (const struct json *m = json_first(actions); m; m = json_next(m)) {
		struct str name = STR("");

		if (json_as_str(m, &name)) {
			r->notify |= str_eq(name, STR("notify"));
			continue;
		}
		(void)json_as_str(json_get(m, "set_tweak"), &name);
		if (str_eq(name, STR("sound"))) {
			(void)json_as_str(json_get(m, "value"), &r->sound);
		} else if (str_eq(name, STR("highlight"))) {
			r->highlight = true;
			(void)json_as_bool(json_get(m, "value"), &r->highlight);
		}
	}
}

bool push_actions_ok(const struct json *actions)
{
	struct str tweak;

	if (!json_is(actions, JSON_ARRAY))
		return false;
	for (const struct json *m = json_first(actions); m; m = json_next(m)) {
		if (!json_is(m, JSON_STRING) && !json_as_str(json_get(m, "set_tweak"), &tweak))
			return false;
	}
	return true;
}

/* NULL for a rule that never matches. */
static struct rule *read_rule(struct arena *a, const struct json *j, enum rule_kind kind)
{
	struct rule *r = ARENA_NEW(a, struct rule);
	bool enabled = false;

	r->actions = json_get(j, "actions");
	if (!json_as_str(json_get(j, "rule_id"), &r->rule_id) ||
		!json_as_bool(json_get(j, "enabled"), &enabled) || !enabled ||
		!json_is(r->actions, JSON_ARRAY))
		return NULL;
	if (kind == OVERRIDE || kind == UNDERRIDE
			? !read_conditions(a, json_get(j, "conditions"), r)
			: !read_fixed(a, j, kind, r))
		return NULL;
	read_actions(r->actions, r);
	return r;
}

const struct push_ruleset *push_compile(struct arena *a, const struct json *global)
{
	struct push_ruleset *rules = ARENA_NEW(a, struct push_ruleset);
	struct rule **tail = &rules->first;

	for (int kind = 0; kind < N_KINDS; kind++) {
		const struct json *list = json_get(global, kind_names[kind]);

		if (!json_is(list, JSON_ARRAY))
			continue;
		for (const struct json *m = json_first(list); m; m = json_next(m)) {
			*tail = read_rule(a, m, (enum rule_kind)kind);
			if (*tail)
				tail = &(*tail)->next;
		}
	}
	return rules;
}

struct push_event push_event_of(struct arena *a, const struct event *e)
{
	struct push_event pe = { .event = e, .arena = a };
	struct str body;

	if (json_as_str(json_get(e->content, "body"), &body))
		pe.body = glob_fold(a, body);
	return pe;
}

static bool rule_matches(
	const struct rule *r, const struct push_event *pe, const struct push_context *ctx)
{
	for (size_t i = 0; i < r->n_conditions; i++) {
		if (!r->conditions[i].holds(&r->conditions[i], pe, ctx))
			return false;
	}
	return true;
}

struct push_result push_evaluate(const struct push_ruleset *rules, const struct push_event *pe,
	const struct push_context *ctx)
{
	if (str_eq(pe->event->sender, ctx->user_id))
		return (struct push_result){ 0 };
	for (const struct rule *r = rules->first; r; r = r->next) {
		if (rule_matches(r, pe, ctx))
			return (struct push_result){ .notify = r->notify,
				.highlight = r->notify && r->highlight,
				.sound = r->sound,
				.rule_id = r->rule_id,
				.actions = r->actions };
	}
	return (struct push_result){ 0 };
}
