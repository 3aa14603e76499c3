#include "node/core/rules_case.h"

#include "node/base/base64.h"
#include "node/core/auth.h"
#include "node/core/id.h"
#include "node/core/rules.h"
#include "node/core/sign.h"

/* A file that a person has at hand, so as large as it likes to be. */
static const struct json_limits limits = { .bytes = (size_t)1 << 30,
	.values = (size_t)1 << 27,
	.keys = (size_t)1 << 24,
	.depth = 1000 };

enum err rules_case_init(
	struct rules_case *c, struct str text, unsigned flags, struct err_ctx *why)
{
	struct str name;
	enum err err;

	*c = (struct rules_case){ .arena = arena_new(), .flags = flags };
	map_init(&c->by_id);
	err = json_parse_in(c->arena, text, &limits, &c->tree, why);
	if (!err)
		err = json_str(c->tree, "room_version", &name, why);
	if (err)
		return err;
	c->version = room_version_find(name);
	return c->version
		? ERR_OK
		: err_set(why, ERR_INVALID, "there is no room version \"%.*s\"", STR_FMT(name));
}

void rules_case_deinit(struct rules_case *c)
{
	struct case_event *x;
	size_t at = 0;

	while ((x = map_next(&c->by_id, &at)))
		event_free(x->e);
	map_deinit(&c->by_id);
	arena_free(c->arena);
}

struct case_event *rules_case_get(const struct rules_case *c, struct str event_id)
{
	return map_get(&c->by_id, event_id);
}

static void reject(struct rules_case *c, struct case_event *x, const char *why)
{
	x->rejected = true;
	x->judged = CASE_DONE;
	x->why = arena_printf(c->arena, "%s", why).p;
}

enum err rules_case_add(struct rules_case *c, struct str event_id, const struct json *pdu,
	struct case_event **out, struct err_ctx *why)
{
	struct case_event *x = ARENA_NEW(c->arena, struct case_event);
	struct err_ctx shape = { { 0 } };
	struct event *e = NULL;
	enum err err = event_from_case(pdu, event_id, c->version, &e, &shape);

	if (err && !event_id.p)
		return err_set(why, err, "%s", shape.text);
	x->e = e;
	x->event_id = e ? e->event_id : event_id;
	x->why = "";
	if (rules_case_get(c, x->event_id)) {
		err = err_set(
			why, ERR_EXISTS, "event %.*s is there twice", STR_FMT(x->event_id));
		event_free(e);
		return err;
	}
	if (err)
		reject(c, x, shape.text);
	map_put(&c->by_id, x->event_id, x);
	*out = x;
	return ERR_OK;
}

/* The key of a server: in the case's "keys", or the name itself where it is a kith name. */
static bool known_key(
	const struct rules_case *c, struct str server, struct str key_id, unsigned char key[32])
{
	struct str text;

	if (json_as_str(json_get_str(json_get_str(json_get(c->tree, "keys"), server), key_id),
		    &text))
		return base64_get_exact(key, 32, text, false) == ERR_OK;
	return id_kith_name(server, key) && str_eq(key_id, STR("ed25519:0"));
}

static bool server_signed(const struct rules_case *c, const struct event *e, struct str server)
{
	const struct json *signatures = json_get_str(json_get(e->tree, "signatures"), server);
	unsigned char key[32];

	for (const struct json *s = json_first(signatures); s; s = json_next(s)) {
		if (known_key(c, server, json_key(s), key) &&
			!sign_event_verify(e, server, json_key(s), key, NULL))
			return true;
	}
	return false;
}

/* RULES_VERIFY: the event is what its servers signed. An event of another hash is redacted, as
 * a server would (server-server API, "Checks performed on receipt of a PDU"). */
static bool verify(struct rules_case *c, struct case_event *x)
{
	struct str servers[3];
	size_t n = sign_event_servers(x->e, servers);
	struct event *other;

	for (size_t i = 0; i < n; i++) {
		if (!server_signed(c, x->e, servers[i])) {
			reject(c, x,
				arena_printf(c->arena,
					"no signature of %.*s by a key that is known",
					STR_FMT(servers[i]))
					.p);
			return false;
		}
	}
	if (event_from_case(x->e->tree, (struct str){ 0 }, c->version, &other, NULL) ==
		ERR_OK) {
		bool same = str_eq(other->event_id, x->event_id);

		event_free(other);
		if (!same && c->version->format != EVENT_FORMAT_1) {
			reject(c, x, "its id is another");
			return false;
		}
	}
	if (!event_hash_ok(x->e) && event_redact(x->e, &other) == ERR_OK) {
		event_free(x->e);
		x->e = other;
	}
	return true;
}

/* What an event is judged by: the events that it names, and in version 12 the room's create. */
struct named {
	struct rules_case *c;
	const struct event **at;
	bool *rejected;
	size_t n;
	const struct event *create;
};

static const struct event *get_named(void *arg, struct str type, struct str state_key)
{
	const struct named *list = arg;

	for (size_t i = 0; i < list->n; i++) {
		const struct event *e = list->at[i];

		if (e->is_state && str_eq(e->type, type) && str_eq(e->state_key, state_key))
			return e;
	}
	if (list->create && state_key.n == 0 && str_eq(type, STR("m.room.create")))
		return list->create;
	return NULL;
}

static enum err name_all(struct named *list, const struct case_event *x, struct err_ctx *why)
{
	struct rules_case *c = list->c;
	size_t max = x->e->n_auth_events + 1;

	list->at = arena_calloc(c->arena, max, sizeof(const struct event *));
	list->rejected = arena_calloc(c->arena, max, sizeof(*list->rejected));
	for (size_t i = 0; i < x->e->n_auth_events; i++) {
		struct case_event *auth = rules_case_get(c, x->e->auth_events[i]);

		if (!auth || !auth->e)
			return err_set(why, ERR_FORBIDDEN,
				"authorisation rules, auth_events: %.*s is not there",
				STR_FMT(x->e->auth_events[i]));
		list->at[list->n] = auth->e;
		list->rejected[list->n++] = auth->rejected;
	}
	if (c->version->hash_room_id && !event_is(x->e, "m.room.create", NULL)) {
		struct str id =
			arena_printf(c->arena, "$%.*s", STR_FMT(str_skip(x->e->room_id, 1)));
		struct case_event *create = rules_case_get(c, id);

		if (create && create->e && !create->rejected)
			list->create = create->e;
	}
	return ERR_OK;
}

static void judge_one(struct rules_case *c, struct case_event *x)
{
	struct named list = { .c = c };
	struct auth_state state = { get_named, &list };
	struct err_ctx why = { { 0 } };
	enum err err;

	x->judged = CASE_DONE;
	if ((c->flags & RULES_VERIFY) && !verify(c, x))
		return;
	err = name_all(&list, x, &why);
	if (!err)
		err = auth_events_ok(x->e, list.at, list.rejected, list.n, &why);
	if (!err)
		err = auth_check(x->e, &state, &why);
	if (err)
		reject(c, x, why.text);
}

/* The next event that x waits for; NULL: it can be judged. One that waits for x in turn is of a
 * circle, which nothing honest makes: whoever closes it is judged without the other. */
static struct case_event *waits_for(const struct rules_case *c, const struct case_event *x)
{
	struct case_event *create;

	for (size_t i = 0; i < x->e->n_auth_events; i++) {
		struct case_event *auth = rules_case_get(c, x->e->auth_events[i]);

		if (auth && auth->judged == CASE_NEW)
			return auth;
		if (auth && auth->judged == CASE_OPEN)
			auth->rejected = true;
	}
	if (!c->version->hash_room_id)
		return NULL;
	create = rules_case_get(
		c, arena_printf(c->arena, "$%.*s", STR_FMT(str_skip(x->e->room_id, 1))));
	return create && create->judged == CASE_NEW ? create : NULL;
}

void rules_case_judge(struct rules_case *c, struct case_event *x)
{
	struct case_event **stack;
	size_t n = 0;

	if (x->judged != CASE_NEW)
		return;
	stack = arena_calloc(c->arena, c->by_id.n + 1, sizeof(struct case_event *));
	stack[n++] = x;
	x->judged = CASE_OPEN;
	while (n) {
		struct case_event *top = stack[n - 1];
		struct case_event *next = waits_for(c, top);

		if (next) {
			next->judged = CASE_OPEN;
			stack[n++] = next;
			continue;
		}
		judge_one(c, top);
		n--;
	}
}
