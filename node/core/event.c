#include "node/core/event.h"

#include <sodium.h>

#include "node/base/base64.h"
#include "node/base/limits.h"
#include "node/core/event_make.h"
#include "node/core/id.h"
#include "node/core/redact.h"

static const char *const unhashed[] = { "unsigned", "event_id" };

/* Members that never are part of an event as we keep it. */
static size_t n_unhashed(const struct room_version *v)
{
	return v->format == EVENT_FORMAT_1 ? 1 : 2;
}

static enum err bad(struct err_ctx *why, const char *key, const char *what)
{
	return err_set(why, ERR_MALFORMED, "event: %s %s", key, what);
}

/* A string of at most 255 bytes without NUL. */
static enum err read_short(
	const struct json *pdu, const char *key, struct str *out, struct err_ctx *why)
{
	TRY(json_str(pdu, key, out, why));
	if (out->n > LIMIT_ID_BYTES)
		return bad(why, key, "is longer than 255 bytes");
	return str_find(*out, '\xc0') < out->n ? bad(why, key, "holds a NUL") : ERR_OK;
}

static bool id_fits(struct str id, const struct room_version *v)
{
	switch (v->format) {
	case EVENT_FORMAT_1: return id_event(id) && str_find(id, ':') < id.n;
	case EVENT_FORMAT_3: return id_is_hash(id, '$', false);
	case EVENT_FORMAT_4:
	case EVENT_FORMAT_12: return id_is_hash(id, '$', true);
	}
	return false;
}

static bool read_id(const struct json *item, const struct room_version *v, struct str *out)
{
	if (v->format != EVENT_FORMAT_1)
		return json_as_str(item, out) && id_fits(*out, v);
	/* A pair of the id and an object of hashes, which nobody checks any more. */
	return json_is(item, JSON_ARRAY) && json_count(item) == 2 &&
		json_as_str(json_first(item), out) && id_fits(*out, v) &&
		json_is(json_next(json_first(item)), JSON_OBJECT);
}

static bool has_id(const struct str *ids, size_t n, struct str id)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(ids[i], id))
			return true;
	}
	return false;
}

/* once: an id that is repeated counts as one. */
static enum err read_ids(struct event *e, const char *key, size_t max, bool once,
	const struct str **out, size_t *n_out, struct err_ctx *why)
{
	const struct json *list;
	struct str *ids;
	size_t n = 0;

	TRY(json_arr(e->tree, key, &list, why));
	ids = arena_calloc(e->arena, max, sizeof(*ids));
	for (const struct json *item = json_first(list); item; item = json_next(item)) {
		struct str id;

		if (!read_id(item, e->version, &id))
			return bad(why, key, "holds what is no event id of this room version");
		if (once && has_id(ids, n, id))
			continue;
		if (n == max)
			return bad(why, key, "names too many events");
		ids[n++] = id;
	}
	*out = ids;
	*n_out = n;
	return ERR_OK;
}

static enum err read_wide(
	const struct json *pdu, const char *key, int64_t lo, int64_t *out, struct err_ctx *why)
{
	if (!json_as_wide_int(json_get(pdu, key), out) || *out < lo)
		return bad(why, key, "must be an integer in range");
	return ERR_OK;
}

static enum err read_room_id(struct event *e, struct err_ctx *why)
{
	bool ok;

	if (e->version->hash_room_id && event_is(e, "m.room.create", NULL)) {
		if (json_get(e->tree, "room_id"))
			return bad(why, "room_id", "must not be in a create event");
		return ERR_OK; /* known once the event has its id */
	}
	TRY(read_short(e->tree, "room_id", &e->room_id, why));
	ok = e->version->hash_room_id
		? id_is_hash(e->room_id, '!', true)
		: id_room(e->room_id) && str_find(e->room_id, ':') < e->room_id.n;
	return ok ? ERR_OK : bad(why, "room_id", "is none of this room version");
}

/* In content it is checked no further than what content is: others take such an event, and it
 * redacts nothing. */
static enum err read_redacts(struct event *e, struct err_ctx *why)
{
	struct str id;

	if (!event_is(e, "m.room.redaction", NULL))
		return ERR_OK;
	if (e->version->redacts_in_content) {
		if (json_as_str(json_get(e->content, "redacts"), &id) && id_event(id))
			e->redacts = id;
		return ERR_OK;
	}
	if (!json_get(e->tree, "redacts"))
		return ERR_OK;
	TRY(read_short(e->tree, "redacts", &id, why));
	if (id_event(id))
		e->redacts = id;
	return ERR_OK;
}

static enum err read_who(struct event *e, struct err_ctx *why)
{
	TRY(read_short(e->tree, "type", &e->type, why));
	TRY(read_short(e->tree, "sender", &e->sender, why));
	if (!id_user(e->sender, NULL, NULL))
		return bad(why, "sender", "is no user id");
	if (json_get(e->tree, "state_key")) {
		TRY(read_short(e->tree, "state_key", &e->state_key, why));
		e->is_state = true;
	}
	return ERR_OK;
}

static enum err read_origin(struct event *e, struct err_ctx *why)
{
	TRY(read_who(e, why));
	return read_wide(e->tree, "origin_server_ts", INT64_MIN, &e->origin_server_ts, why);
}

static enum err read_place(struct event *e, struct err_ctx *why)
{
	TRY(read_room_id(e, why));
	TRY(read_wide(e->tree, "depth", 0, &e->depth, why));
	TRY(read_ids(e, "prev_events", LIMIT_PREV_EVENTS, true, &e->prev_events,
		&e->n_prev_events, why));
	if (e->n_prev_events == 0 && !event_is(e, "m.room.create", NULL))
		return bad(why, "prev_events", "is empty");
	return read_ids(e, "auth_events", LIMIT_AUTH_EVENTS, false, &e->auth_events,
		&e->n_auth_events, why);
}

static enum err read_proofs(const struct event *e, struct err_ctx *why)
{
	const struct json *signatures;
	const struct json *hashes;
	struct str hash;

	TRY(json_obj(e->tree, "signatures", &signatures, why));
	TRY(json_obj(e->tree, "hashes", &hashes, why));
	return json_str(hashes, "sha256", &hash, why);
}

static enum err read_shape(struct event *e, struct err_ctx *why)
{
	TRY(read_origin(e, why));
	TRY(json_obj(e->tree, "content", &e->content, why));
	TRY(read_redacts(e, why));
	TRY(read_place(e, why));
	return read_proofs(e, why);
}

static void read_event_id(struct event *e)
{
	unsigned char hash[REDACT_HASH_BYTES];
	CLEANUP(buf_deinit) struct buf id = { 0 };

	redact_reference_hash(e->tree, e->version, hash, NULL);
	buf_put_z(&id, "$");
	if (e->version->format == EVENT_FORMAT_3)
		base64_put(&id, hash, sizeof(hash));
	else
		base64_put_url(&id, hash, sizeof(hash));
	e->event_id = arena_str(e->arena, buf_str(&id));
}

static enum err name_event(struct event *e, struct err_ctx *why)
{
	if (e->version->format == EVENT_FORMAT_1) {
		TRY(read_short(e->tree, "event_id", &e->event_id, why));
		return id_fits(e->event_id, e->version)
			? ERR_OK
			: bad(why, "event_id", "is no event id of this room version");
	}
	if (!e->event_id.p)
		read_event_id(e);
	if (e->room_id.p)
		return ERR_OK;
	e->room_id = arena_printf(e->arena, "!%.*s", STR_FMT(str_skip(e->event_id, 1)));
	return ERR_OK;
}

enum err event_make(struct str json, struct str event_id, const struct room_version *v,
	struct event **out, struct err_ctx *why)
{
	struct arena *arena;
	struct event *e;
	enum err err;

	if (json.n > LIMIT_EVENT_BYTES)
		return err_set(why, ERR_TOO_LARGE, "event: larger than 65536 bytes");
	arena = arena_new();
	e = ARENA_NEW(arena, struct event);
	e->arena = arena;
	e->version = v;
	e->json = arena_str(arena, json);
	if (event_id.p)
		e->event_id = arena_str(arena, event_id);
	err = json_parse_in(arena, e->json,
		v->strict_json ? &json_limits_event : &json_limits_peer, &e->tree, why);
	if (!err)
		err = read_shape(e, why);
	if (!err)
		err = name_event(e, why);
	if (err) {
		arena_free(arena);
		return err;
	}
	*out = e;
	return ERR_OK;
}

enum err event_from_json(const struct json *pdu, const struct room_version *v,
	struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	if (!json_is(pdu, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "event: not an object");
	if (v->strict_json && !json_is_strict(pdu))
		return err_set(why, ERR_MALFORMED, "event: numbers are not canonical");
	json_canonical_without(pdu, unhashed, n_unhashed(v), &text);
	return event_make(buf_str(&text), (struct str){ 0 }, v, out, why);
}

enum err event_parse(
	struct str bytes, const struct room_version *v, struct event **out, struct err_ctx *why)
{
	CLEANUP(json_freep) struct json *pdu = NULL;
	enum err err = json_parse(
		bytes, v->strict_json ? &json_limits_event : &json_limits_peer, &pdu, why);

	return err ? err : event_from_json(pdu, v, out, why);
}

enum err event_from_store(
	struct str json, struct str event_id, const struct room_version *v, struct event **out)
{
	return event_make(json, event_id, v, out, NULL) ? ERR_CORRUPT : ERR_OK;
}

/* The ids of a list, whatever they look like; none where there is no list. */
static enum err case_ids(struct event *e, const char *key, bool once, const struct str **out,
	size_t *n_out, struct err_ctx *why)
{
	const struct json *list = NULL;
	struct str *ids;
	size_t n = 0;

	TRY(json_opt_arr(e->tree, key, &list, why));
	ids = arena_calloc(e->arena, json_count(list) + 1, sizeof(*ids));
	for (const struct json *item = json_first(list); item; item = json_next(item)) {
		const struct json *id = json_is(item, JSON_ARRAY) ? json_first(item) : item;

		if (!json_as_str(id, &ids[n]))
			return bad(why, key, "holds what is no event id");
		n += !once || !has_id(ids, n, ids[n]);
	}
	*out = ids;
	*n_out = n;
	return ERR_OK;
}

static enum err case_number(
	const struct event *e, const char *key, int64_t *out, struct err_ctx *why)
{
	return json_get(e->tree, key) ? read_wide(e->tree, key, INT64_MIN, out, why) : ERR_OK;
}

/* Like read_shape(), but for what a rule needs alone. */
static enum err case_shape(struct event *e, struct err_ctx *why)
{
	TRY(read_who(e, why));
	TRY(json_obj(e->tree, "content", &e->content, why));
	TRY(read_redacts(e, why));
	TRY(case_number(e, "origin_server_ts", &e->origin_server_ts, why));
	TRY(case_number(e, "depth", &e->depth, why));
	if (!(e->version->hash_room_id && event_is(e, "m.room.create", NULL)))
		TRY(read_short(e->tree, "room_id", &e->room_id, why));
	TRY(case_ids(e, "prev_events", true, &e->prev_events, &e->n_prev_events, why));
	return case_ids(e, "auth_events", false, &e->auth_events, &e->n_auth_events, why);
}

enum err event_from_case(const struct json *pdu, struct str event_id,
	const struct room_version *v, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	struct arena *arena;
	struct event *e;
	enum err err;

	if (!json_is(pdu, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "event: not an object");
	if (v->strict_json && !json_is_strict(pdu))
		return err_set(why, ERR_MALFORMED, "event: numbers are not canonical");
	json_canonical_without(pdu, unhashed, n_unhashed(v), &text);
	if (text.n > LIMIT_EVENT_BYTES)
		return err_set(why, ERR_TOO_LARGE, "event: larger than 65536 bytes");
	arena = arena_new();
	e = ARENA_NEW(arena, struct event);
	e->arena = arena;
	e->version = v;
	e->json = arena_str(arena, buf_str(&text));
	if (event_id.p)
		e->event_id = arena_str(arena, event_id);
	err = json_parse_in(arena, e->json, &json_limits_peer, &e->tree, why);
	if (!err)
		err = case_shape(e, why);
	if (!err && !e->event_id.p && v->format == EVENT_FORMAT_1)
		err = read_short(e->tree, "event_id", &e->event_id, why);
	if (!err && !e->event_id.p)
		read_event_id(e);
	if (err) {
		arena_free(arena);
		return err;
	}
	if (!e->room_id.p)
		e->room_id = arena_printf(arena, "!%.*s", STR_FMT(str_skip(e->event_id, 1)));
	*out = e;
	return ERR_OK;
}

void event_free(struct event *e)
{
	if (e)
		arena_free(e->arena);
}

void event_freep(struct event **e)
{
	event_free(*e);
}

enum err event_redact(const struct event *e, struct event **out)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	redact_put(e->tree, e->version, true, &text);
	return event_make(buf_str(&text), e->event_id, e->version, out, NULL);
}

bool event_hash_ok(const struct event *e)
{
	unsigned char expected[REDACT_HASH_BYTES];
	unsigned char given[REDACT_HASH_BYTES];
	struct str text;

	if (!json_as_str(json_get(json_get(e->tree, "hashes"), "sha256"), &text) ||
		base64_get_exact(given, sizeof(given), text, false))
		return false;
	redact_content_hash(e->tree, expected);
	return sodium_memcmp(expected, given, sizeof(expected)) == 0;
}

bool event_is(const struct event *e, const char *type, const char *state_key)
{
	if (!str_eq(e->type, str_of(type)))
		return false;
	return !state_key || (e->is_state && str_eq(e->state_key, str_of(state_key)));
}
