#include "node/core/event.h"

#include <sodium.h>

#include "node/base/base64.h"
#include "node/base/limits.h"
#include "node/core/event_make.h"
#include "node/core/id.h"
#include "node/core/redact.h"
#include "node/core/sign_put.h"

/*
 * A new event is made in three texts: the bare one; that with its content hash; that with our
 * signature over the redacted second. The hash of the signed bytes is the event's name too.
 */

static const struct json_limits *limits_of(const struct room_version *v)
{
	return v->strict_json ? &json_limits_event : &json_limits_peer;
}

static void put_ids(struct jw *w, const char *key, const struct str *ids, size_t n,
	const struct room_version *v)
{
	jw_key(w, key);
	jw_arr(w);
	for (size_t i = 0; i < n; i++) {
		if (v->format != EVENT_FORMAT_1) {
			jw_str(w, ids[i]);
			continue;
		}
		jw_arr(w);
		jw_str(w, ids[i]);
		jw_obj(w);
		jw_end(w);
		jw_end(w);
	}
	jw_end(w);
}

/* Canonical where content is: its members are in the order of their keys. hashes empty: none.
 */
static void put_bare(
	const struct event_build *b, struct str content, struct str hashes, struct buf *out)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	put_ids(&w, "auth_events", b->auth_events, b->n_auth_events, b->version);
	jw_kv_raw(&w, "content", content);
	jw_kv_int(&w, "depth", b->depth);
	if (hashes.n)
		jw_kv_raw(&w, "hashes", hashes);
	jw_kv_int(&w, "origin_server_ts", b->origin_server_ts);
	put_ids(&w, "prev_events", b->prev_events, b->n_prev_events, b->version);
	if (b->redacts.n && !b->version->redacts_in_content)
		jw_kv_str(&w, "redacts", b->redacts);
	if (b->room_id.n)
		jw_kv_str(&w, "room_id", b->room_id);
	jw_kv_str(&w, "sender", b->sender);
	if (b->is_state)
		jw_kv_str(&w, "state_key", b->state_key);
	jw_kv_str(&w, "type", b->type);
	jw_end(&w);
}

/* In versions 1 and 2 an id is whatever its maker says: a hash of the event serves. */
static void put_old_id(const struct json *bare, const struct sign_key *key, struct buf *out)
{
	unsigned char hash[REDACT_HASH_BYTES];

	redact_content_hash(bare, hash);
	buf_put_z(out, "\"$");
	base64_put_url(out, hash, 18);
	buf_printf(out, ":%.*s\"", STR_FMT(key->server_name));
}

static void put_hashes(const unsigned char hash[REDACT_HASH_BYTES], struct buf *out)
{
	buf_put_z(out, "{\"sha256\":\"");
	base64_put(out, hash, REDACT_HASH_BYTES);
	buf_put_z(out, "\"}");
}

static void put_hashed(const struct json *bare, const struct room_version *v,
	const struct sign_key *key, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf hashes = { 0 };
	CLEANUP(buf_deinit) struct buf id = { 0 };
	CLEANUP(buf_deinit) struct buf named = { 0 };
	CLEANUP(json_freep) struct json *tree = NULL;
	struct json_edit edits[2] = { { .key = STR("event_id") }, { .key = STR("hashes") } };
	unsigned char hash[REDACT_HASH_BYTES];
	const struct json *hashed = bare;

	if (v->format == EVENT_FORMAT_1) {
		put_old_id(bare, key, &id);
		edits[0].value = buf_str(&id);
		json_canonical_edited(bare, edits, 1, &named);
		if (!json_parse(buf_str(&named), limits_of(v), &tree, NULL))
			hashed = tree;
	}
	redact_content_hash(hashed, hash);
	put_hashes(hash, &hashes);
	edits[1].value = buf_str(&hashes);
	json_canonical_edited(bare, edits, 2, out);
}

static void put_event_id(const struct room_version *v,
	const unsigned char hash[REDACT_HASH_BYTES], struct buf *out)
{
	buf_put_z(out, "$");
	if (v->format == EVENT_FORMAT_3)
		base64_put(out, hash, REDACT_HASH_BYTES);
	else
		base64_put_url(out, hash, REDACT_HASH_BYTES);
}

/* Adds a signature to what is complete but for it, and makes the event of it. */
static enum err sign_and_make(const struct json *hashed, const struct room_version *v,
	const struct sign_key *key, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf signature = { 0 };
	CLEANUP(buf_deinit) struct buf signatures = { 0 };
	CLEANUP(buf_deinit) struct buf id = { 0 };
	struct json_edit edit = { .key = STR("signatures") };
	unsigned char hash[REDACT_HASH_BYTES];

	redact_reference_hash(hashed, v, hash, &text);
	sign_text(buf_str(&text), key, &signature);
	sign_put_signatures(
		json_get(hashed, "signatures"), key, buf_str(&signature), &signatures);
	edit.value = buf_str(&signatures);
	buf_clear(&text);
	json_canonical_edited(hashed, &edit, 1, &text);
	if (v->format != EVENT_FORMAT_1)
		put_event_id(v, hash, &id);
	return event_make(buf_str(&text), buf_str(&id), v, out, why);
}

static enum err complete(const struct json *bare, const struct room_version *v,
	const struct sign_key *key, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(json_freep) struct json *hashed = NULL;

	put_hashed(bare, v, key, &text);
	TRY(json_parse(buf_str(&text), limits_of(v), &hashed, why));
	return sign_and_make(hashed, v, key, out, why);
}

/* Versions 1 and 2, whose id is a part of what is hashed. */
static enum err build_named(const struct event_build *b, struct str content,
	const struct sign_key *key, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(json_freep) struct json *bare = NULL;

	put_bare(b, content, (struct str){ 0 }, &text);
	TRY(json_parse(buf_str(&text), limits_of(b->version), &bare, why));
	return complete(bare, b->version, key, out, why);
}

/* The content hash is that of the bare text as it stands: it is written canonical. */
static enum err build(const struct event_build *b, struct str content,
	const struct sign_key *key, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf hashes = { 0 };
	CLEANUP(json_freep) struct json *hashed = NULL;
	unsigned char hash[REDACT_HASH_BYTES];

	put_bare(b, content, (struct str){ 0 }, &text);
	crypto_hash_sha256(hash, (const unsigned char *)text.p, text.n);
	put_hashes(hash, &hashes);
	buf_clear(&text);
	put_bare(b, content, buf_str(&hashes), &text);
	TRY(json_parse(buf_str(&text), limits_of(b->version), &hashed, why));
	return sign_and_make(hashed, b->version, key, out, why);
}

enum err event_build(const struct event_build *b, const struct sign_key *key,
	struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(json_freep) struct json *content = NULL;

	if (b->content.n > LIMIT_EVENT_BYTES)
		return err_set(why, ERR_TOO_LARGE, "event: larger than 65536 bytes");
	/* On its own first: text that is no object could complete what surrounds it. */
	TRY(json_parse(b->content, limits_of(b->version), &content, why));
	if (!json_is(content, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "content must be an object");
	json_canonical(content, &text);
	if (b->version->format == EVENT_FORMAT_1)
		return build_named(b, buf_str(&text), key, out, why);
	return build(b, buf_str(&text), key, out, why);
}

enum err event_sign_template(const struct json *template_json, const struct room_version *v,
	int64_t origin_server_ts, const struct sign_key *key, struct event **out,
	struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf ts = { 0 };
	CLEANUP(json_freep) struct json *bare = NULL;
	struct json_edit edits[] = { { .key = STR("event_id") }, { .key = STR("hashes") },
		{ .key = STR("origin_server_ts") }, { .key = STR("signatures") },
		{ .key = STR("unsigned") } };

	if (!json_is(template_json, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "event template: not an object");
	buf_put_i64(&ts, origin_server_ts);
	edits[2].value = buf_str(&ts);
	json_canonical_edited(template_json, edits, ARRAY_LEN(edits), &text);
	TRY(json_parse(buf_str(&text), limits_of(v), &bare, why));
	return complete(bare, v, key, out, why);
}

enum err event_cosign(const struct event *e, const struct sign_key *key, struct event **out)
{
	return sign_and_make(e->tree, e->version, key, out, NULL);
}
