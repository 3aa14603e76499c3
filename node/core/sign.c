#include "node/core/sign.h"

#include <sodium.h>

#include "node/base/base64.h"
#include "node/core/id.h"
#include "node/core/redact.h"
#include "node/core/sign_put.h"

void sign_text(struct str text, const struct sign_key *key, struct buf *out)
{
	unsigned char sig[crypto_sign_BYTES];

	(void)crypto_sign_detached(
		sig, NULL, (const unsigned char *)text.p, text.n, key->secret);
	base64_put(out, sig, sizeof(sig));
}

/* One member set in obj, which may be NULL or no object: then it is the only one. */
static void put_with(const struct json *obj, struct str key, struct str value, struct buf *out)
{
	const struct json_edit edit = { key, value };

	json_canonical_edited(json_is(obj, JSON_OBJECT) ? obj : NULL, &edit, 1, out);
}

void sign_put_signatures(const struct json *signatures, const struct sign_key *key,
	struct str signature, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf quoted = { 0 };
	CLEANUP(buf_deinit) struct buf own = { 0 };

	buf_put_z(&quoted, "\"");
	buf_put_str(&quoted, signature);
	buf_put_z(&quoted, "\"");
	put_with(json_get_str(signatures, key->server_name), key->key_id, buf_str(&quoted),
		&own);
	put_with(signatures, key->server_name, buf_str(&own), out);
}

static const char *const unsigned_keys[] = { "signatures", "unsigned" };

enum err sign_json(const struct json *obj, const struct sign_key *key, struct buf *out)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf signature = { 0 };
	CLEANUP(buf_deinit) struct buf signatures = { 0 };
	struct json_edit edits[2] = { { .key = STR("signatures") },
		{ .key = STR("unsigned") } };

	if (!json_is(obj, JSON_OBJECT))
		return ERR_MALFORMED;
	json_canonical_without(obj, unsigned_keys, ARRAY_LEN(unsigned_keys), &text);
	sign_text(buf_str(&text), key, &signature);
	sign_put_signatures(json_get(obj, "signatures"), key, buf_str(&signature), &signatures);
	edits[0].value = buf_str(&signatures);
	json_canonical_edited(obj, edits, 2, out);
	return ERR_OK;
}

static enum err verify(const struct json *obj, struct str text, struct str server,
	struct str key_id, const unsigned char public_key[32], struct err_ctx *why)
{
	unsigned char sig[crypto_sign_BYTES];
	struct str encoded;

	if (!json_as_str(
		    json_get_str(json_get_str(json_get(obj, "signatures"), server), key_id),
		    &encoded))
		return err_set(why, ERR_FORBIDDEN, "not signed by %.*s with %.*s",
			STR_FMT(server), STR_FMT(key_id));
	if (base64_get_exact(sig, sizeof(sig), encoded, false) ||
		crypto_sign_verify_detached(
			sig, (const unsigned char *)text.p, text.n, public_key))
		return err_set(why, ERR_FORBIDDEN, "bad signature of %.*s with %.*s",
			STR_FMT(server), STR_FMT(key_id));
	return ERR_OK;
}

enum err sign_json_verify(const struct json *obj, struct str server, struct str key_id,
	const unsigned char public_key[32], struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	if (!json_is(obj, JSON_OBJECT))
		return err_set(why, ERR_FORBIDDEN, "not a signed object");
	json_canonical_without(obj, unsigned_keys, ARRAY_LEN(unsigned_keys), &text);
	return verify(obj, buf_str(&text), server, key_id, public_key, why);
}

enum err sign_event_verify(const struct event *e, struct str server, struct str key_id,
	const unsigned char public_key[32], struct err_ctx *why)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };

	redact_put(e->tree, e->version, false, &text);
	return verify(e->tree, buf_str(&text), server, key_id, public_key, why);
}

static size_t add(struct str out[3], size_t n, struct str server)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(out[i], server))
			return n;
	}
	out[n] = server;
	return n + 1;
}

size_t sign_event_servers(const struct event *e, struct str out[3])
{
	struct str membership = STR("");
	struct str user;
	struct str server;
	size_t n = 0;

	if (event_is(e, "m.room.member", NULL))
		(void)json_as_str(json_get(e->content, "membership"), &membership);
	/* The server that turns a third-party invite into this event may be any. */
	if (!str_eq(membership, STR("invite")) || !json_get(e->content, "third_party_invite"))
		n = add(out, n, id_server_of(e->sender));
	if (e->version->format == EVENT_FORMAT_1)
		n = add(out, n, id_server_of(e->event_id));
	if (e->version->restricted && str_eq(membership, STR("join")) &&
		json_as_str(json_get(e->content, "join_authorised_via_users_server"), &user) &&
		id_user(user, NULL, &server))
		n = add(out, n, server);
	return n;
}
