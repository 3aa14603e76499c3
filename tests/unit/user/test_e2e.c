/*
 * Keys of devices and users: upload, query, claim, cross-signing, who hears of changes, and
 * what other servers tell and are told.
 */
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/base/base64.h"
#include "node/base/limits.h"
#include "node/core/sign.h"
#include "node/user/device_list.h"
#include "node/user/e2e_keys.h"
#include "store/outbox.h"
#include "tests/support/api.h"
#include "tests/support/cmocka.h"
#include "tests/support/room_maker.h"

#define V3 "/_matrix/client/v3"

static const struct json *parse(struct api_fixture *f, struct str text)
{
	const struct json *j;

	if (json_parse_in(f->arena, arena_str(f->arena, text), &json_limits_peer, &j, NULL))
		fail_msg("not JSON: %.*s", STR_FMT(text));
	return j;
}

/* An Ed25519 key and its public half as text. */
struct key {
	unsigned char secret[64];
	struct str public;
};

static struct key key_new(struct api_fixture *f, unsigned char seed)
{
	unsigned char bytes[32], public[32];
	struct buf text = { 0 };
	struct key k;

	memset(bytes, seed, sizeof(bytes));
	crypto_sign_seed_keypair(public, k.secret, bytes);
	base64_put(&text, public, 32);
	k.public = arena_str(f->arena, buf_str(&text));
	buf_deinit(&text);
	return k;
}

/* The object with a signature of user's key named name. */
static struct str sign(struct api_fixture *f, struct str object, const char *user,
	const struct key *k, struct str name)
{
	struct sign_key signer = { str_of(user),
		arena_printf(f->arena, "ed25519:%.*s", STR_FMT(name)), k->secret };
	struct buf out = { 0 };
	struct str text;

	assert_int_equal(sign_json(parse(f, object), &signer, &out), ERR_OK);
	text = arena_str(f->arena, buf_str(&out));
	buf_deinit(&out);
	return text;
}

static struct str cross_key(
	struct api_fixture *f, const char *user, const char *usage, const struct key *k)
{
	return arena_printf(f->arena,
		"{\"user_id\":\"%s\",\"usage\":[\"%s\"],\"keys\":{\"ed25519:%.*s\":\"%.*s\"}}",
		user, usage, STR_FMT(k->public), STR_FMT(k->public));
}

static struct str device_keys(
	struct api_fixture *f, const char *user, const char *device, const struct key *k)
{
	return arena_printf(f->arena,
		"{\"user_id\":\"%s\",\"device_id\":\"%s\",\"algorithms\":[\"m.olm.v1\"],"
		"\"keys\":{\"ed25519:%s\":\"%.*s\",\"curve25519:%s\":\"c\"},\"signatures\":{}}",
		user, device, device, STR_FMT(k->public), device);
}

static void upload_device_keys(
	struct api_fixture *f, const struct api_user *u, const struct key *k)
{
	(void)api_callf(f, u->token, 200, "POST", V3 "/keys/upload", "{'device_keys':%.*s}",
		STR_FMT(device_keys(f, u->user_id, u->device_id, k)));
}

static const struct json *query(struct api_fixture *f, const char *token, const char *user)
{
	return api_callf(
		f, token, 200, "POST", V3 "/keys/query", "{'device_keys':{'%s':[]}}", user);
}

static void one_time_keys_are_given_out_once_and_in_order(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	char claim[256];
	const struct json *a;

	(void)snprintf(claim, sizeof(claim),
		"{\"one_time_keys\":{\"@bob:here.example\":{\"%s\":\"signed_curve25519\"}}}",
		bob.device_id);
	a = api_callf(f, bob.token, 200, "POST", V3 "/keys/upload",
		"{'one_time_keys':{'signed_curve25519:2':{'key':'two','signatures':{}}},"
		"'fallback_keys':{'signed_curve25519:F':{'key':'fall','fallback':true,"
		"'signatures':{}}}}");
	assert_int_equal(api_int(a, "one_time_key_counts", "signed_curve25519", NULL), 1);
	a = api_callf(f, bob.token, 200, "POST", V3 "/keys/upload",
		"{'one_time_keys':{'signed_curve25519:1':{'key':'one','signatures':{}},"
		"'signed_curve25519:2':{'signatures':{},'key':'two'}}}"); /* a repetition */
	assert_int_equal(api_int(a, "one_time_key_counts", "signed_curve25519", NULL), 2);
	a = api_callf(f, bob.token, 400, "POST", V3 "/keys/upload",
		"{'one_time_keys':{'signed_curve25519:1':{'key':'other','signatures':{}}}}");
	assert_string_equal(api_errcode(f, a), "M_INVALID_PARAM");

	a = api_call(f, alice.token, 200, "POST", V3 "/keys/claim", claim);
	assert_string_equal(api_text(f, a, "one_time_keys", "@bob:here.example", bob.device_id,
				    "signed_curve25519:2", "key", NULL),
		"two");
	a = api_call(f, alice.token, 200, "POST", V3 "/keys/claim", claim);
	assert_string_equal(api_text(f, a, "one_time_keys", "@bob:here.example", bob.device_id,
				    "signed_curve25519:1", "key", NULL),
		"one");
	for (int i = 0; i < 2; i++) { /* the fallback key stays */
		a = api_call(f, alice.token, 200, "POST", V3 "/keys/claim", claim);
		assert_string_equal(api_text(f, a, "one_time_keys", "@bob:here.example",
					    bob.device_id, "signed_curve25519:F", "key", NULL),
			"fall");
	}
	a = api_call(f, bob.token, 200, "POST", V3 "/keys/upload", "{}");
	assert_int_equal(api_int(a, "one_time_key_counts", "signed_curve25519", NULL), 0);
	a = api_callf(f, alice.token, 200, "POST", V3 "/keys/claim",
		"{'one_time_keys':{'@bob:here.example':{'NONE':'signed_curve25519'},"
		"'@nobody:here.example':{'X':'signed_curve25519'}}}");
	assert_int_equal(json_count(json_get(a, "one_time_keys")), 0);
	assert_int_equal(json_count(json_get(a, "failures")), 0);
}

static void unused_fallback_keys_are_told(void **state)
{
	struct api_fixture *f = *state;
	struct api_user bob = api_register(f, "bob");
	const char *upload = "{'fallback_keys':{'signed_curve25519:%s':{'key':'k'}}}";
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct user_caller who;
	struct jw w = jw_to(&out);

	assert_int_equal(users_authenticate(f->users, str_of(bob.token), STR(""), f->arena,
				 &who, NULL, NULL),
		ERR_OK);
	(void)api_callf(f, bob.token, 200, "POST", V3 "/keys/upload", upload, "A");
	assert_int_equal(e2e_keys_write_fallback(f->users, who.device, &w), ERR_OK);
	assert_true(str_eq(buf_str(&out), STR("[\"signed_curve25519\"]")));
	(void)api_callf(f, bob.token, 200, "POST", V3 "/keys/claim",
		"{'one_time_keys':{'@bob:here.example':{'%s':'signed_curve25519'}}}",
		bob.device_id);
	(void)api_callf(f, bob.token, 200, "POST", V3 "/keys/upload", upload, "A");
	buf_clear(&out);
	w = jw_to(&out);
	assert_int_equal(e2e_keys_write_fallback(f->users, who.device, &w), ERR_OK);
	assert_true(str_eq(buf_str(&out), STR("[]")));
	(void)api_callf(f, bob.token, 200, "POST", V3 "/keys/upload", upload, "B");
	buf_clear(&out);
	w = jw_to(&out);
	assert_int_equal(e2e_keys_write_fallback(f->users, who.device, &w), ERR_OK);
	assert_true(str_eq(buf_str(&out), STR("[\"signed_curve25519\"]")));
}

static void a_device_holds_a_hundred_one_time_keys(void **state)
{
	struct api_fixture *f = *state;
	struct api_user bob = api_register(f, "bob");
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_put_z(&body, "{\"one_time_keys\":{");
	for (int i = 0; i < LIMIT_ONE_TIME_KEYS; i++)
		buf_printf(&body, "%s\"a:%d\":\"k\"", i ? "," : "", i);
	buf_put_z(&body, "}}");
	buf_put(&body, "", 1);
	(void)api_call(f, bob.token, 200, "POST", V3 "/keys/upload", body.p);
	(void)api_callf(f, bob.token, 400, "POST", V3 "/keys/upload",
		"{'one_time_keys':{'a:more':'k'}}");
	(void)api_callf(f, bob.token, 200, "POST", V3 "/keys/upload",
		"{'one_time_keys':{'b:more':'k'}}");
}

static void device_keys_come_back_as_they_went_in(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	struct key k = key_new(f, 1);
	char target[128];
	const struct json *a;

	upload_device_keys(f, &bob, &k);
	(void)snprintf(target, sizeof(target), V3 "/devices/%s", bob.device_id);
	(void)api_callf(f, bob.token, 200, "PUT", target, "{'display_name':'phone'}");
	a = query(f, alice.token, "@bob:here.example");
	assert_string_equal(
		api_text(f, a, "device_keys", "@bob:here.example", bob.device_id, "keys",
			arena_printf(f->arena, "ed25519:%s", bob.device_id).p, NULL),
		k.public.p);
	assert_string_equal(api_text(f, a, "device_keys", "@bob:here.example", bob.device_id,
				    "unsigned", "device_display_name", NULL),
		"phone");
	a = api_callf(f, alice.token, 200, "POST", V3 "/keys/query",
		"{'device_keys':{'@bob:here.example':['OTHER'],'@no:here.example':[]}}");
	assert_int_equal(json_count(api_at(a, "device_keys", "@bob:here.example", NULL)), 0);
	assert_null(api_at(a, "device_keys", "@no:here.example", NULL));

	/* keys of another device or user */
	(void)api_callf(f, bob.token, 400, "POST", V3 "/keys/upload", "{'device_keys':%.*s}",
		STR_FMT(device_keys(f, "@bob:here.example", "OTHER", &k)));
	(void)api_callf(f, bob.token, 400, "POST", V3 "/keys/upload", "{'device_keys':%.*s}",
		STR_FMT(device_keys(f, "@alice:here.example", bob.device_id, &k)));
}

/* alice with cross-signing keys. */
struct crossed {
	struct api_user user;
	struct key device, master, self_signing, user_signing;
	struct str master_json, self_signing_json, user_signing_json;
};

static struct crossed crossed_new(struct api_fixture *f, const char *name, unsigned char seed)
{
	struct crossed c = { .user = api_register(f, name) };
	const char *id = c.user.user_id;

	c.device = key_new(f, seed);
	c.master = key_new(f, (unsigned char)(seed + 1));
	c.self_signing = key_new(f, (unsigned char)(seed + 2));
	c.user_signing = key_new(f, (unsigned char)(seed + 3));
	c.master_json = cross_key(f, id, "master", &c.master);
	c.self_signing_json = sign(f, cross_key(f, id, "self_signing", &c.self_signing), id,
		&c.master, c.master.public);
	c.user_signing_json = sign(f, cross_key(f, id, "user_signing", &c.user_signing), id,
		&c.master, c.master.public);
	upload_device_keys(f, &c.user, &c.device);
	return c;
}

static const struct json *upload_crossed(
	struct api_fixture *f, const struct crossed *c, int status, const char *more)
{
	return api_callf(f, c->user.token, status, "POST", V3 "/keys/device_signing/upload",
		"{'master_key':%.*s,'self_signing_key':%.*s,'user_signing_key':%.*s%s}",
		STR_FMT(c->master_json), STR_FMT(c->self_signing_json),
		STR_FMT(c->user_signing_json), more);
}

static void new_cross_signing_keys_need_a_password_but_the_first(void **state)
{
	struct api_fixture *f = *state;
	struct crossed c = crossed_new(f, "alice", 10);
	struct crossed other = c;
	const struct json *a;

	(void)upload_crossed(f, &c, 200, "");
	(void)upload_crossed(f, &c, 200, ""); /* the same again */
	a = query(f, c.user.token, "@alice:here.example");
	assert_non_null(api_at(a, "master_keys", "@alice:here.example", NULL));
	assert_non_null(api_at(a, "self_signing_keys", "@alice:here.example", NULL));
	assert_non_null(api_at(a, "user_signing_keys", "@alice:here.example", NULL));

	other.master = key_new(f, 50);
	other.master_json = cross_key(f, "@alice:here.example", "master", &other.master);
	other.self_signing_json = sign(f, c.self_signing_json, "@alice:here.example",
		&other.master, other.master.public);
	other.user_signing_json = sign(f, c.user_signing_json, "@alice:here.example",
		&other.master, other.master.public);
	(void)upload_crossed(f, &other, 401, "");
	a = query(f, c.user.token, "@alice:here.example");
	assert_non_null(
		json_get_str(api_at(a, "master_keys", "@alice:here.example", "keys", NULL),
			arena_printf(f->arena, "ed25519:%.*s", STR_FMT(c.master.public))));
	(void)upload_crossed(f, &other, 200,
		",'auth':{'type':'m.login.password','password':'pw',"
		"'user':'alice'}");
	a = query(f, c.user.token, "@alice:here.example");
	assert_non_null(
		json_get_str(api_at(a, "master_keys", "@alice:here.example", "keys", NULL),
			arena_printf(f->arena, "ed25519:%.*s", STR_FMT(other.master.public))));
}

static void cross_signing_keys_are_checked(void **state)
{
	struct api_fixture *f = *state;
	struct crossed c = crossed_new(f, "alice", 10);
	struct crossed bad = c;
	struct api_user named;
	const struct json *a;

	/* no master key at all */
	a = api_callf(f, c.user.token, 400, "POST", V3 "/keys/device_signing/upload",
		"{'self_signing_key':%.*s}", STR_FMT(c.self_signing_json));
	assert_string_equal(api_errcode(f, a), "M_MISSING_PARAM");
	/* signed by another key */
	bad.self_signing_json =
		sign(f, cross_key(f, "@alice:here.example", "self_signing", &c.self_signing),
			"@alice:here.example", &c.device, c.master.public);
	a = upload_crossed(f, &bad, 400, "");
	assert_string_equal(api_errcode(f, a), "M_INVALID_SIGNATURE");
	/* of another user, of another usage */
	bad.self_signing_json = c.self_signing_json;
	bad.master_json = cross_key(f, "@bob:here.example", "master", &c.master);
	(void)upload_crossed(f, &bad, 400, "");
	bad.master_json = cross_key(f, "@alice:here.example", "user_signing", &c.master);
	(void)upload_crossed(f, &bad, 400, "");
	/* a device of that name; and the other way round */
	named = api_login(f, "alice", c.self_signing.public.p);
	(void)upload_crossed(f, &c, 403, "");
	(void)api_call(f, named.token, 200, "POST", V3 "/logout", NULL);
	(void)upload_crossed(f, &c, 200, "");
	(void)api_callf(f, NULL, 403, "POST", V3 "/login",
		"{'type':'m.login.password','user':'alice','password':'pw','device_id':'%s'}",
		c.self_signing.public.p);
}

static void signatures_are_shown_to_those_who_may_see_them(void **state)
{
	struct api_fixture *f = *state;
	struct crossed alice = crossed_new(f, "alice", 10);
	struct crossed bob = crossed_new(f, "bob", 20);
	struct str signed_device, signed_master, signed_other;
	const struct json *a;

	(void)upload_crossed(f, &alice, 200, "");
	(void)upload_crossed(f, &bob, 200, "");
	signed_device =
		sign(f, device_keys(f, alice.user.user_id, alice.user.device_id, &alice.device),
			alice.user.user_id, &alice.self_signing, alice.self_signing.public);
	signed_master = sign(f, alice.master_json, alice.user.user_id, &alice.device,
		str_of(alice.user.device_id));
	signed_other = sign(f, bob.master_json, alice.user.user_id, &alice.user_signing,
		alice.user_signing.public);
	a = api_callf(f, alice.user.token, 200, "POST", V3 "/keys/signatures/upload",
		"{'@alice:here.example':{'%s':%.*s,'%.*s':%.*s},"
		"'@bob:here.example':{'%.*s':%.*s}}",
		alice.user.device_id, STR_FMT(signed_device), STR_FMT(alice.master.public),
		STR_FMT(signed_master), STR_FMT(bob.master.public), STR_FMT(signed_other));
	assert_int_equal(json_count(json_get(a, "failures")), 0);

	a = query(f, bob.user.token, "@alice:here.example");
	assert_non_null(json_get_str(
		api_at(a, "device_keys", "@alice:here.example", alice.user.device_id,
			"signatures", "@alice:here.example", NULL),
		arena_printf(f->arena, "ed25519:%.*s", STR_FMT(alice.self_signing.public))));
	assert_non_null(json_get_str(api_at(a, "master_keys", "@alice:here.example",
					     "signatures", "@alice:here.example", NULL),
		arena_printf(f->arena, "ed25519:%s", alice.user.device_id)));
	assert_null(api_at(a, "user_signing_keys", "@alice:here.example", NULL));

	a = query(f, alice.user.token, "@bob:here.example");
	assert_non_null(api_at(a, "master_keys", "@bob:here.example", "signatures",
		"@alice:here.example", NULL));
	a = query(f, bob.user.token, "@bob:here.example");
	assert_null(api_at(a, "master_keys", "@bob:here.example", "signatures",
		"@alice:here.example", NULL));

	/* the same device keys again keep what was signed */
	upload_device_keys(f, &alice.user, &alice.device);
	a = query(f, bob.user.token, "@alice:here.example");
	assert_int_equal(
		json_count(api_at(a, "device_keys", "@alice:here.example", alice.user.device_id,
			"signatures", "@alice:here.example", NULL)),
		1);
}

static void false_signatures_are_named_and_not_kept(void **state)
{
	struct api_fixture *f = *state;
	struct crossed alice = crossed_new(f, "alice", 10);
	struct crossed bob = crossed_new(f, "bob", 20);
	struct str device, by_bob, changed;
	const struct json *a;

	(void)upload_crossed(f, &alice, 200, "");
	(void)upload_crossed(f, &bob, 200, "");
	device = device_keys(f, alice.user.user_id, alice.user.device_id, &alice.device);
	/* somebody else's signature, in his name and in ours */
	by_bob = sign(f, device, bob.user.user_id, &bob.self_signing, bob.self_signing.public);
	a = api_callf(f, alice.user.token, 200, "POST", V3 "/keys/signatures/upload",
		"{'@alice:here.example':{'%s':%.*s}}", alice.user.device_id, STR_FMT(by_bob));
	assert_non_null(
		api_at(a, "failures", "@alice:here.example", alice.user.device_id, NULL));
	by_bob = sign(
		f, device, alice.user.user_id, &bob.self_signing, alice.self_signing.public);
	a = api_callf(f, alice.user.token, 200, "POST", V3 "/keys/signatures/upload",
		"{'@alice:here.example':{'%s':%.*s}}", alice.user.device_id, STR_FMT(by_bob));
	assert_string_equal(api_text(f, a, "failures", "@alice:here.example",
				    alice.user.device_id, "errcode", NULL),
		"M_INVALID_SIGNATURE");
	/* true, but of other keys than those that are stored */
	changed = sign(f, device_keys(f, alice.user.user_id, alice.user.device_id, &bob.device),
		alice.user.user_id, &alice.self_signing, alice.self_signing.public);
	a = api_callf(f, alice.user.token, 200, "POST", V3 "/keys/signatures/upload",
		"{'@alice:here.example':{'%s':%.*s,'NONE':%.*s}}", alice.user.device_id,
		STR_FMT(changed), STR_FMT(changed));
	assert_int_equal(json_count(api_at(a, "failures", "@alice:here.example", NULL)), 2);
	a = query(f, bob.user.token, "@alice:here.example");
	assert_int_equal(json_count(api_at(a, "device_keys", "@alice:here.example",
				 alice.user.device_id, "signatures", NULL)),
		0);
}

/*
 * Who hears of changes.
 */

static int64_t now_pos(struct api_fixture *f)
{
	int64_t pos;

	assert_int_equal(store_begin(f->store->st), ERR_OK);
	pos = store_next_pos(f->store->st);
	assert_int_equal(store_commit(f->store->st), ERR_OK);
	return pos;
}

static struct device_list_changes changes(
	struct api_fixture *f, const char *user, int64_t since)
{
	struct device_list_changes c;

	assert_int_equal(
		device_list_changes(f->users, f->arena, str_of(user), since, INT64_MAX, &c),
		ERR_OK);
	return c;
}

static void those_who_share_a_room_hear_of_new_keys(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user bob = api_register(f, "bob");
	struct api_user eve = api_register(f, "eve");
	struct key k = key_new(f, 1);
	struct room_maker room;
	struct device_list_changes c;
	const struct outbox_waiting *edus;
	const struct json *edu;
	int64_t since;
	size_t n;

	room_maker_init(&room, f->store->st, STR("!room:here.example"));
	(void)room_maker_send(&room, "m.room.member", "@carol:there.example",
		STR("@carol:there.example"), "{\"membership\":\"join\"}");
	since = now_pos(f);
	(void)room_maker_send(&room, "m.room.member", "@bob:here.example",
		STR("@bob:here.example"), "{\"membership\":\"join\"}");

	/* coming to share a room */
	c = changes(f, alice.user_id, since);
	assert_int_equal(c.n_changed, 1);
	assert_true(str_eq(c.changed[0], STR("@bob:here.example")));
	c = changes(f, bob.user_id, since);
	assert_int_equal(c.n_changed, 2);
	assert_true(str_eq(c.changed[0], STR("@alice:here.example")));
	assert_true(str_eq(c.changed[1], STR("@carol:there.example")));

	/* new keys */
	since = now_pos(f);
	upload_device_keys(f, &bob, &k);
	upload_device_keys(f, &eve, &k);
	c = changes(f, alice.user_id, since);
	assert_int_equal(c.n_changed, 1);
	assert_true(str_eq(c.changed[0], STR("@bob:here.example")));
	c = changes(f, bob.user_id, since);
	assert_int_equal(c.n_changed, 1); /* himself */
	assert_int_equal(changes(f, eve.user_id, since).n_changed, 1);
	assert_int_equal(outbox_edus(f->store->st, f->arena, STR("there.example"), f->wall_ms,
				 10, &edus, &n),
		ERR_OK);
	assert_int_equal(n, 1);
	edu = parse(f, edus[0].json);
	assert_string_equal(api_text(f, edu, "edu_type", NULL), "m.device_list_update");
	assert_string_equal(api_text(f, edu, "content", "device_id", NULL), bob.device_id);

	/* leaving */
	since = now_pos(f);
	(void)room_maker_send(&room, "m.room.member", "@bob:here.example",
		STR("@bob:here.example"), "{\"membership\":\"leave\"}");
	c = changes(f, alice.user_id, since);
	assert_int_equal(c.n_left, 1);
	assert_int_equal(c.n_changed, 0);
	c = changes(f, bob.user_id, since);
	assert_int_equal(c.n_left, 2);
	room_maker_deinit(&room);
}

/*
 * Other servers, scripted: each question is answered from the loop.
 */

struct script {
	struct api_fixture *f;
	const char *devices; /* answers; NULL: nobody answers */
	const char *keys;
	const char *claim;
	unsigned asked;
	char body[512]; /* of the last query or claim */
	struct user_remote_call *call;
	const char *answer;
	struct loop_deferred deferred;
};

static void give_answer(struct loop_deferred *d)
{
	struct script *s = CONTAINER_OF(d, struct script, deferred);
	const char *answer = s->answer;

	if (answer)
		s->call->done(s->call, ERR_OK, parse(s->f, str_of(answer)));
	else
		s->call->done(s->call, ERR_UNREACHABLE, NULL);
}

static void ask(struct script *s, const char *answer, struct user_remote_call *c)
{
	s->asked++;
	s->call = c;
	s->answer = answer;
	s->deferred = (struct loop_deferred){ .fn = give_answer };
	loop_defer(s->f->store->loop, &s->deferred);
}

static void remote_profile(
	void *arg, struct str user_id, struct str field, struct user_remote_call *c)
{
	(void)user_id, (void)field;
	ask(arg, "{\"displayname\":\"Carol\",\"avatar_url\":7}", c);
}

static void remote_query(void *arg, struct str server, struct str body, uint64_t timeout_ms,
	struct user_remote_call *c)
{
	struct script *s = arg;

	(void)server, (void)timeout_ms;
	(void)snprintf(s->body, sizeof(s->body), "%.*s", STR_FMT(body));
	ask(s, s->keys, c);
}

static void remote_claim(void *arg, struct str server, struct str body, uint64_t timeout_ms,
	struct user_remote_call *c)
{
	struct script *s = arg;

	(void)server, (void)timeout_ms;
	(void)snprintf(s->body, sizeof(s->body), "%.*s", STR_FMT(body));
	ask(s, s->claim, c);
}

static void remote_devices(void *arg, struct str user_id, struct user_remote_call *c)
{
	struct script *s = arg;

	(void)user_id;
	ask(s, s->devices, c);
}

static const struct user_remote_ops remote_ops = { remote_profile, remote_query, remote_claim,
	remote_devices };

#define CAROL_KEYS(device, curve) \
	"{\"user_id\":\"@carol:there.example\",\"device_id\":\"" device "\"," \
	"\"algorithms\":[],\"keys\":{\"curve25519:" device "\":\"" curve "\"}," \
	"\"signatures\":{}}"

static void keys_of_others_are_asked_of_their_server(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct script s = { .f = f };
	const struct json *a;

	users_set_remote_ops(f->users, &remote_ops, &s);
	s.keys = "{\"device_keys\":{\"@carol:there.example\":{\"D\":" CAROL_KEYS(
		"D", "1") ",\"BAD\":" CAROL_KEYS("OTHER",
		"1") ",\"WORSE\":3},"
		     "\"@alice:here.example\":{\"X\":{}}}}";
	a = query(f, alice.token, "@carol:there.example");
	assert_string_equal(s.body, "{\"device_keys\":{\"@carol:there.example\":[]}}");
	assert_int_equal(json_count(api_at(a, "device_keys", "@carol:there.example", NULL)), 1);
	assert_non_null(api_at(a, "device_keys", "@carol:there.example", "D", NULL));
	assert_null(api_at(a, "device_keys", "@alice:here.example", NULL));
	(void)query(f, alice.token, "@carol:there.example");
	assert_int_equal(s.asked, 2); /* no room is shared: nothing is kept */

	s.claim = "{\"one_time_keys\":{\"@carol:there.example\":{\"D\":{\"a:1\":\"k\"},"
		  "\"E\":{\"a:1\":\"k\"},\"F\":{\"other:1\":\"k\"}}}}";
	a = api_callf(f, alice.token, 200, "POST", V3 "/keys/claim",
		"{'one_time_keys':{'@carol:there.example':{'D':'a','F':'a'}}}");
	assert_int_equal(
		json_count(api_at(a, "one_time_keys", "@carol:there.example", NULL)), 1);
	assert_string_equal(
		api_text(f, a, "one_time_keys", "@carol:there.example", "D", "a:1", NULL), "k");

	s.keys = NULL;
	s.claim = NULL;
	a = query(f, alice.token, "@carol:there.example");
	assert_non_null(api_at(a, "failures", "there.example", NULL));
	a = api_callf(f, alice.token, 200, "POST", V3 "/keys/claim",
		"{'one_time_keys':{'@carol:there.example':{'D':'a'}}}");
	assert_non_null(api_at(a, "failures", "there.example", NULL));

	a = api_call(f, alice.token, 200, "GET", V3 "/profile/@carol:there.example", NULL);
	assert_string_equal(api_text(f, a, "displayname", NULL), "Carol");
	assert_null(json_get(a, "avatar_url")); /* no string */
	(void)api_call(f, alice.token, 404, "GET",
		V3 "/profile/@carol:there.example/avatar_url", NULL);
}

static enum err receive_update(struct api_fixture *f, const char *text)
{
	return users_receive_device_list(
		f->users, STR("there.example"), parse(f, str_of(text)), NULL);
}

#define UPDATE(device, id, prev, curve) \
	"{\"user_id\":\"@carol:there.example\",\"device_id\":\"" device "\",\"stream_id\":" id \
	",\"prev_id\":[" prev "],\"keys\":" CAROL_KEYS(device, curve) "}"

static void devices_of_those_in_our_rooms_are_kept_and_updated(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct script s = { .f = f };
	struct room_maker room;
	const struct json *a;
	int64_t since;

	users_set_remote_ops(f->users, &remote_ops, &s);
	room_maker_init(&room, f->store->st, STR("!room:here.example"));
	(void)room_maker_send(&room, "m.room.member", "@carol:there.example",
		STR("@carol:there.example"), "{\"membership\":\"join\"}");
	s.devices = "{\"user_id\":\"@carol:there.example\",\"stream_id\":5,\"devices\":[{"
		    "\"device_id\":\"D\",\"keys\":" CAROL_KEYS("D", "1") "}]}";
	(void)query(f, alice.token, "@carol:there.example");
	a = query(f, alice.token, "@carol:there.example");
	assert_int_equal(s.asked, 1);
	assert_int_equal(json_count(api_at(a, "device_keys", "@carol:there.example", NULL)), 1);

	/* the next update is taken */
	since = now_pos(f);
	assert_int_equal(receive_update(f, UPDATE("E", "6", "5", "2")), ERR_OK);
	assert_int_equal(changes(f, alice.user_id, since).n_changed, 1);
	a = query(f, alice.token, "@carol:there.example");
	assert_int_equal(s.asked, 1);
	assert_int_equal(json_count(api_at(a, "device_keys", "@carol:there.example", NULL)), 2);
	/* an old one again changes nothing */
	assert_int_equal(receive_update(f, UPDATE("D", "5", "4", "9")), ERR_OK);
	a = query(f, alice.token, "@carol:there.example");
	assert_string_equal(api_text(f, a, "device_keys", "@carol:there.example", "D", "keys",
				    "curve25519:D", NULL),
		"1");
	assert_int_equal(s.asked, 1);
	/* after a gap all is asked for anew */
	assert_int_equal(receive_update(f, UPDATE("F", "9", "8", "2")), ERR_OK);
	a = query(f, alice.token, "@carol:there.example");
	assert_int_equal(s.asked, 2);
	assert_int_equal(json_count(api_at(a, "device_keys", "@carol:there.example", NULL)), 1);
	/* somebody else's user, somebody we don't know, nonsense */
	assert_int_equal(users_receive_device_list(f->users, STR("evil.example"),
				 parse(f, STR(UPDATE("F", "9", "8", "2"))), NULL),
		ERR_FORBIDDEN);
	assert_int_equal(
		receive_update(f, "{\"user_id\":\"@carol:there.example\"}"), ERR_MALFORMED);
	assert_int_equal(receive_update(f,
				 "{\"user_id\":\"@nobody:there.example\",\"device_id\":\"D\","
				 "\"stream_id\":1}"),
		ERR_OK);

	/* who left is forgotten: it would be out of date when he comes back */
	(void)room_maker_send(&room, "m.room.member", "@carol:there.example",
		STR("@carol:there.example"), "{\"membership\":\"leave\"}");
	assert_int_equal(store_fixture_sync(f->store), ERR_OK);
	(void)room_maker_send(&room, "m.room.member", "@carol:there.example",
		STR("@carol:there.example"), "{\"membership\":\"join\"}");
	(void)query(f, alice.token, "@carol:there.example");
	assert_int_equal(s.asked, 3);
	room_maker_deinit(&room);
}

static void other_servers_are_told_of_our_devices(void **state)
{
	struct api_fixture *f = *state;
	struct crossed alice = crossed_new(f, "alice", 10);
	CLEANUP(buf_deinit) struct buf out = { 0 };
	const struct json *a;

	(void)upload_crossed(f, &alice, 200, "");
	assert_int_equal(
		users_serve_devices(f->users, str_of(alice.user.user_id), &out, NULL), ERR_OK);
	a = parse(f, buf_str(&out));
	assert_int_equal(json_count(json_get(a, "devices")), 1);
	assert_non_null(json_get(a, "master_key"));
	assert_true(api_int(a, "stream_id", NULL) > 0);
	buf_clear(&out);
	assert_int_equal(users_serve_keys_query(f->users,
				 parse(f,
					 STR("{\"device_keys\":{\"@alice:here.example\":[],"
					     "\"@x:far.example\":[]}}")),
				 &out, NULL),
		ERR_OK);
	a = parse(f, buf_str(&out));
	assert_non_null(
		api_at(a, "device_keys", "@alice:here.example", alice.user.device_id, NULL));
	assert_int_equal(json_count(json_get(a, "device_keys")), 1);
	assert_null(json_get(a, "user_signing_keys"));
	buf_clear(&out);
	assert_int_equal(users_serve_devices(f->users, STR("@no:here.example"), &out, NULL),
		ERR_NOT_FOUND);
	assert_int_equal(users_serve_keys_claim(f->users,
				 parse(f, STR("{\"one_time_keys\":{\"@a:b\":1}}")), &out, NULL),
		ERR_MALFORMED);
	assert_int_equal(out.n, 0);
}

static void a_deleted_device_takes_its_keys_along(void **state)
{
	struct api_fixture *f = *state;
	struct api_user alice = api_register(f, "alice");
	struct api_user other = api_login(f, "alice", "OTHER");
	struct key k = key_new(f, 1);
	const struct json *a;
	int64_t since;

	upload_device_keys(f, &other, &k);
	(void)api_callf(f, alice.token, 200, "PUT", V3 "/sendToDevice/m.t/1",
		"{'messages':{'@alice:here.example':{'OTHER':{}}}}");
	since = now_pos(f);
	(void)api_callf(f, alice.token, 200, "DELETE", V3 "/devices/OTHER",
		"{'auth':{'type':'m.login.password','password':'pw'}}");
	assert_int_equal(changes(f, alice.user_id, since).n_changed, 1);
	a = query(f, alice.token, "@alice:here.example");
	assert_int_equal(json_count(api_at(a, "device_keys", "@alice:here.example", NULL)), 0);
	(void)api_call(f, other.token, 401, "GET", V3 "/account/whoami", NULL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, api_up, api_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_time_keys_are_given_out_once_and_in_order),
		TEST(unused_fallback_keys_are_told),
		TEST(a_device_holds_a_hundred_one_time_keys),
		TEST(device_keys_come_back_as_they_went_in),
		TEST(new_cross_signing_keys_need_a_password_but_the_first),
		TEST(cross_signing_keys_are_checked),
		TEST(signatures_are_shown_to_those_who_may_see_them),
		TEST(false_signatures_are_named_and_not_kept),
		TEST(those_who_share_a_room_hear_of_new_keys),
		TEST(keys_of_others_are_asked_of_their_server),
		TEST(devices_of_those_in_our_rooms_are_kept_and_updated),
		TEST(other_servers_are_told_of_our_devices),
		TEST(a_deleted_device_takes_its_keys_along),
	};

	return RUN_TESTS(tests);
}
