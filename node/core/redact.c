#include "node/core/redact.h"

#include <sodium.h>

/* Keys that stay, with the versions that keep them. */
enum keep {
	ALWAYS,
	BEFORE_11, /* all versions but those of version 11's algorithm */
	FROM_11,   /* those */
	ALIASES,   /* columns of room_version */
	ALLOW,
	JOIN_AUTHORISED,
};

struct rule {
	const char *type; /* of the event; NULL: top level of every event */
	const char *key;
	enum keep keep;
};

static const struct rule rules[] = {
	{ NULL, "auth_events", ALWAYS },
	{ NULL, "content", ALWAYS },
	{ NULL, "depth", ALWAYS },
	{ NULL, "event_id", ALWAYS },
	{ NULL, "hashes", ALWAYS },
	{ NULL, "membership", BEFORE_11 },
	{ NULL, "origin", BEFORE_11 },
	{ NULL, "origin_server_ts", ALWAYS },
	{ NULL, "prev_events", ALWAYS },
	{ NULL, "prev_state", BEFORE_11 },
	{ NULL, "room_id", ALWAYS },
	{ NULL, "sender", ALWAYS },
	{ NULL, "signatures", ALWAYS },
	{ NULL, "state_key", ALWAYS },
	{ NULL, "type", ALWAYS },
	{ "m.room.aliases", "aliases", ALIASES },
	{ "m.room.create", "creator", BEFORE_11 },
	{ "m.room.history_visibility", "history_visibility", ALWAYS },
	{ "m.room.join_rules", "allow", ALLOW },
	{ "m.room.join_rules", "join_rule", ALWAYS },
	{ "m.room.member", "join_authorised_via_users_server", JOIN_AUTHORISED },
	{ "m.room.member", "membership", ALWAYS },
	{ "m.room.power_levels", "ban", ALWAYS },
	{ "m.room.power_levels", "events", ALWAYS },
	{ "m.room.power_levels", "events_default", ALWAYS },
	{ "m.room.power_levels", "invite", FROM_11 },
	{ "m.room.power_levels", "kick", ALWAYS },
	{ "m.room.power_levels", "redact", ALWAYS },
	{ "m.room.power_levels", "state_default", ALWAYS },
	{ "m.room.power_levels", "users", ALWAYS },
	{ "m.room.power_levels", "users_default", ALWAYS },
	{ "m.room.redaction", "redacts", FROM_11 },
};

static bool version_keeps(const struct room_version *v, enum keep keep)
{
	switch (keep) {
	case ALWAYS: return true;
	case BEFORE_11: return !v->updated_redaction;
	case FROM_11: return v->updated_redaction;
	case ALIASES: return v->keep_aliases;
	case ALLOW: return v->keep_allow;
	case JOIN_AUTHORISED: return v->keep_join_authorised;
	}
	return false;
}

/* type.p NULL: top level. */
static bool keeps(const struct room_version *v, struct str type, struct str key)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct rule *r = &rules[i];

		if (!r->type != !type.p || (r->type && !str_eq(type, str_of(r->type))))
			continue;
		if (str_eq(key, str_of(r->key)))
			return version_keeps(v, r->keep);
	}
	return false;
}

/* Version 11 keeps one key of an object inside a member event's content; the object itself
 * stays when it has no such key, since event ids depend on it and other servers do so. */
static void put_third_party_invite(struct jw *w, const struct json *m)
{
	const struct json *signed_part = json_get(m, "signed");

	if (!json_is(m, JSON_OBJECT))
		return;
	jw_key(w, "third_party_invite");
	jw_obj(w);
	if (signed_part)
		jw_kv_json(w, "signed", signed_part);
	jw_end(w);
}

static void put_content(
	struct jw *w, const struct json *content, const struct room_version *v, struct str type)
{
	jw_obj(w);
	for (const struct json *m = json_first(content); m; m = json_next(m)) {
		bool all = v->updated_redaction && str_eq(type, STR("m.room.create"));

		if (v->updated_redaction && str_eq(type, STR("m.room.member")) &&
			str_eq(json_key(m), STR("third_party_invite"))) {
			put_third_party_invite(w, m);
		} else if (all || keeps(v, type, json_key(m))) {
			jw_key_str(w, json_key(m));
			jw_json(w, m);
		}
	}
	jw_end(w);
}

void redact_put_content(const struct json *content, const struct room_version *v,
	struct str type, struct buf *out)
{
	struct jw w = jw_to(out);

	put_content(&w, content, v, type);
}

void redact_put(const struct json *pdu, const struct room_version *v, bool with_signatures,
	struct buf *out)
{
	struct jw w = jw_to(out);
	struct str type = STR("");

	(void)json_as_str(json_get(pdu, "type"), &type);
	jw_obj(&w);
	for (const struct json *m = json_first(pdu); m; m = json_next(m)) {
		struct str key = json_key(m);

		if (!keeps(v, (struct str){ 0 }, key) ||
			(!with_signatures && str_eq(key, STR("signatures"))))
			continue;
		jw_key_str(&w, key);
		if (str_eq(key, STR("content")) && json_is(m, JSON_OBJECT))
			put_content(&w, m, v, type);
		else
			jw_json(&w, m);
	}
	jw_end(&w);
}

static void sha256(struct str text, unsigned char hash[REDACT_HASH_BYTES])
{
	crypto_hash_sha256(hash, (const unsigned char *)text.p, text.n);
}

void redact_reference_hash(const struct json *pdu, const struct room_version *v,
	unsigned char hash[REDACT_HASH_BYTES], struct buf *signed_text)
{
	CLEANUP(buf_deinit) struct buf own = { 0 };
	struct buf *text = signed_text ? signed_text : &own;

	redact_put(pdu, v, false, text);
	sha256(buf_str(text), hash);
}

void redact_content_hash(const struct json *pdu, unsigned char hash[REDACT_HASH_BYTES])
{
	static const char *const left_out[] = { "unsigned", "signatures", "hashes" };
	CLEANUP(buf_deinit) struct buf text = { 0 };

	json_canonical_without(pdu, left_out, ARRAY_LEN(left_out), &text);
	sha256(buf_str(&text), hash);
}
