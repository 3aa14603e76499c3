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
 * Events of our own are written as texts alone; what others drafted is edited as a tree.
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

/* What is in one text of an event beside what it is made of; what is empty is left out. */
struct text {
	struct str content; /* canonical */
	struct str event_id;
	struct str hashes;
	struct str redacts;
	struct str signatures;
};

/* Canonical: the members are in the order of their keys. */
static void put_event(const struct event_build *b, const struct text *t, struct buf *out)
{
	struct jw w = jw_to(out);

	buf_clear(out);
	jw_obj(&w);
	put_ids(&w, "auth_events", b->auth_events, b->n_auth_events, b->version);
	jw_kv_raw(&w, "content", t->content);
	jw_kv_int(&w, "depth", b->depth);
	if (t->event_id.n)
		jw_kv_raw(&w, "event_id", t->event_id);
	if (t->hashes.n)
		jw_kv_raw(&w, "hashes", t->hashes);
	jw_kv_int(&w, "origin_server_ts", b->origin_server_ts);
	put_ids(&w, "prev_events", b->prev_events, b->n_prev_events, b->version);
	if (t->redacts.n)
		jw_kv_str(&w, "redacts", t->redacts);
	if (b->room_id.n)
		jw_kv_str(&w, "room_id", b->room_id);
	jw_kv_str(&w, "sender", b->sender);
	if (t->signatures.n)
		jw_kv_raw(&w, "signatures", t->signatures);
	if (b->is_state)
		jw_kv_str(&w, "state_key", b->state_key);
	jw_kv_str(&w, "type", b->type);
	jw_end(&w);
}

/* In versions 1 and 2 an id is whatever its maker says: a hash of the event serves. */
static void put_old_id(const unsigned char hash[REDACT_HASH_BYTES], const struct sign_key *key,
	struct buf *out)
{
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
		redact_content_hash(bare, hash);
		put_old_id(hash, key, &id);
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

static void sha256(const struct buf *text, unsigned char hash[REDACT_HASH_BYTES])
{
	crypto_hash_sha256(hash, (const unsigned char *)text->p, text->n);
}

static enum err build(const struct event_build *b, const struct json *content,
	const struct sign_key *key, struct event **out, struct err_ctx *why)
{
	CLEANUP(buf_deinit)
	struct buf whole = { 0 }, kept = { 0 }, text = { 0 }, id = { 0 }, hashes = { 0 },
		   signature = { 0 }, signatures = { 0 };
	struct text t = { 0 };
	struct text redacted;
	unsigned char hash[REDACT_HASH_BYTES];

	json_canonical(content, &whole);
	if (whole.n > LIMIT_EVENT_BYTES)
		return err_set(why, ERR_TOO_LARGE, "event: larger than 65536 bytes");
	t.content = buf_str(&whole);
	if (!b->version->redacts_in_content)
		t.redacts = b->redacts;
	if (b->version->format == EVENT_FORMAT_1) {
		put_event(b, &t, &text);
		sha256(&text, hash);
		put_old_id(hash, key, &id);
		t.event_id = buf_str(&id);
	}
	put_event(b, &t, &text);
	sha256(&text, hash);
	put_hashes(hash, &hashes);
	t.hashes = buf_str(&hashes);

	redact_put_content(content, b->version, b->type, &kept);
	redacted = t;
	redacted.content = buf_str(&kept);
	redacted.redacts = (struct str){ 0 };
	put_event(b, &redacted, &text);
	sha256(&text, hash);
	sign_text(buf_str(&text), key, &signature);
	sign_put_signatures(NULL, key, buf_str(&signature), &signatures);
	t.signatures = buf_str(&signatures);

	put_event(b, &t, &text);
	buf_clear(&id);
	if (b->version->format != EVENT_FORMAT_1)
		put_event_id(b->version, hash, &id);
	return event_make(buf_str(&text), buf_str(&id), b->version, out, why);
}

enum err event_build(const struct event_build *b, const struct sign_key *key,
	struct event **out, struct err_ctx *why)
{
	CLEANUP(json_freep) struct json *owned = NULL;
	const struct json *content = b->content_tree;

	if (!content) {
		if (b->content.n > LIMIT_EVENT_BYTES)
			return err_set(why, ERR_TOO_LARGE, "event: larger than 65536 bytes");
		TRY(json_parse(b->content, limits_of(b->version), &owned, why));
		content = owned;
	}
	if (!json_is(content, JSON_OBJECT))
		return err_set(why, ERR_MALFORMED, "content must be an object");
	return build(b, content, key, out, why);
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
