#include "tests/support/cmocka.h"

#include <sodium.h>

#include "node/base/base64.h"
#include "node/core/event_make.h"
#include "node/core/redact.h"
#include "node/core/sign_put.h"
#include "tests/support/vectors.h"

struct fixture {
	struct arena *arena;
	const struct json *vectors;
	struct sign_key key;
	unsigned char secret[64];
	unsigned char public_key[32];
};

static int setup(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	unsigned char seed[32];
	struct str text;

	f->arena = arena_new();
	f->vectors = vectors_read(f->arena, "signing.json");
	if (!f->vectors || json_str(f->vectors, "signing_key_seed_base64", &text, NULL) ||
		base64_get_exact(seed, sizeof(seed), text, false))
		return -1;
	(void)crypto_sign_seed_keypair(f->public_key, f->secret, seed);
	f->key.secret = f->secret;
	*state = f;
	return json_str(f->vectors, "server_name", &f->key.server_name, NULL) ||
		json_str(f->vectors, "key_id", &f->key.key_id, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	test_free(f);
	return 0;
}

static void json_is_signed_as_in_the_appendices(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	for (const struct json *v = json_first(json_get(f->vectors, "json_signing")); v;
		v = json_next(v)) {
		CLEANUP(buf_deinit) struct buf out = { 0 };
		CLEANUP(buf_deinit) struct buf expected = { 0 };
		const struct json *signed_json = json_get(v, "signed");

		assert_int_equal(sign_json(json_get(v, "input"), &f->key, &out), ERR_OK);
		json_canonical(signed_json, &expected);
		assert_true(str_eq(buf_str(&out), buf_str(&expected)));
		assert_int_equal(sign_json_verify(signed_json, f->key.server_name,
					 f->key.key_id, f->public_key, NULL),
			ERR_OK);
		n++;
	}
	assert_int_equal(n, 2);
}

/* The examples are no whole events (some members are missing), so the parts are tested. */
static void events_are_hashed_and_signed_as_in_the_appendices(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	for (const struct json *v = json_first(json_get(f->vectors, "event_signing")); v;
		v = json_next(v)) {
		const struct json *done = json_get(v, "signed");
		const struct json *sigs = json_get(done, "signatures");
		CLEANUP(buf_deinit) struct buf text = { 0 };
		CLEANUP(buf_deinit) struct buf hash_text = { 0 };
		CLEANUP(buf_deinit) struct buf signature = { 0 };
		unsigned char hash[32];
		struct str expected;

		redact_content_hash(json_get(v, "input"), hash);
		base64_put(&hash_text, hash, sizeof(hash));
		assert_int_equal(
			json_str(json_get(done, "hashes"), "sha256", &expected, NULL), ERR_OK);
		assert_true(str_eq(buf_str(&hash_text), expected));

		redact_put(done, room_version_find(STR("1")), false, &text);
		sign_text(buf_str(&text), &f->key, &signature);
		assert_int_equal(
			json_str(json_get(sigs, "domain"), "ed25519:1", &expected, NULL),
			ERR_OK);
		assert_true(str_eq(buf_str(&signature), expected));
		n++;
	}
	assert_int_equal(n, 2);
}

static enum err verify(struct fixture *f, const char *text)
{
	CLEANUP(json_freep) struct json *j = NULL;

	assert_int_equal(json_parse(str_of(text), &json_limits_peer, &j, NULL), ERR_OK);
	return sign_json_verify(j, STR("domain"), STR("ed25519:1"), f->public_key, NULL);
}

#define SIGNATURE \
	"KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/" \
	"fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"

static void what_was_changed_does_not_verify(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		verify(f,
			"{\"one\":1,\"two\":\"Two\",\"unsigned\":{\"x\":1},\"signatures\":{"
			"\"other\":7,\"domain\":{\"ed25519:1\":\"" SIGNATURE "\"}}}"),
		ERR_OK);
	assert_int_equal(verify(f,
				 "{\"one\":2,\"two\":\"Two\",\"signatures\":{\"domain\":{"
				 "\"ed25519:1\":\"" SIGNATURE "\"}}}"),
		ERR_FORBIDDEN);
	assert_int_equal(verify(f,
				 "{\"one\":1,\"two\":\"Two\",\"signatures\":{\"domain\":{"
				 "\"ed25519:2\":\"" SIGNATURE "\"}}}"),
		ERR_FORBIDDEN);
	assert_int_equal(verify(f,
				 "{\"one\":1,\"two\":\"Two\",\"signatures\":{\"domain2\":{"
				 "\"ed25519:1\":\"" SIGNATURE "\"}}}"),
		ERR_FORBIDDEN);
	assert_int_equal(verify(f,
				 "{\"one\":1,\"two\":\"Two\",\"signatures\":{\"domain\":{"
				 "\"ed25519:1\":\"AAAA\"}}}"),
		ERR_FORBIDDEN);
	assert_int_equal(verify(f, "{\"one\":1,\"signatures\":[]}"), ERR_FORBIDDEN);
	assert_int_equal(
		verify(f, "{\"one\":1,\"signatures\":{\"domain\":[]}}"), ERR_FORBIDDEN);
	assert_int_equal(verify(f, "[]"), ERR_FORBIDDEN);
}

static void signatures_of_others_stay(void **state)
{
	struct fixture *f = *state;
	CLEANUP(json_freep) struct json *j = NULL;
	CLEANUP(json_freep) struct json *done = NULL;
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str text;

	assert_int_equal(
		json_parse(STR("{\"one\":1,\"two\":\"Two\",\"unsigned\":{},\"signatures\":{"
			       "\"a\":{\"k\":\"x\"},\"domain\":{\"ed25519:0\":\"y\","
			       "\"ed25519:1\":\"old\"},\"z\":{}}}"),
			&json_limits_peer, &j, NULL),
		ERR_OK);
	assert_int_equal(sign_json(j, &f->key, &out), ERR_OK);
	assert_int_equal(json_parse(buf_str(&out), &json_limits_event, &done, NULL), ERR_OK);
	assert_null(json_get(done, "unsigned"));
	assert_int_equal(json_str(json_get(json_get(done, "signatures"), "domain"), "ed25519:1",
				 &text, NULL),
		ERR_OK);
	assert_str_equal(text, SIGNATURE);
	assert_int_equal(json_str(json_get(json_get(done, "signatures"), "domain"), "ed25519:0",
				 &text, NULL),
		ERR_OK);
	assert_int_equal(
		json_str(json_get(json_get(done, "signatures"), "a"), "k", &text, NULL),
		ERR_OK);
}

static const struct {
	const char *version;
	const char *members;
	size_t n;
	const char *servers[3];
} needed[] = {
	{ "12", "\"type\":\"x\",\"content\":{}", 1, { "s" } },
	{ "11",
		"\"type\":\"m.room.member\",\"state_key\":\"@b:t\",\"content\":{"
		"\"membership\":\"invite\",\"third_party_invite\":{}}",
		0, { 0 } },
	{ "11",
		"\"type\":\"m.room.member\",\"state_key\":\"@a:s\",\"content\":{"
		"\"membership\":\"join\",\"third_party_invite\":{}}",
		1, { "s" } },
	{ "11",
		"\"type\":\"m.room.member\",\"state_key\":\"@a:s\",\"content\":{"
		"\"membership\":\"join\",\"join_authorised_via_users_server\":\"@b:t\"}",
		2, { "s", "t" } },
	{ "11",
		"\"type\":\"m.room.member\",\"state_key\":\"@a:s\",\"content\":{"
		"\"membership\":\"join\",\"join_authorised_via_users_server\":\"@b:s\"}",
		1, { "s" } },
	{ "7",
		"\"type\":\"m.room.member\",\"state_key\":\"@a:s\",\"content\":{"
		"\"membership\":\"join\",\"join_authorised_via_users_server\":\"@b:t\"}",
		1, { "s" } },
	{ "1", "\"type\":\"x\",\"content\":{},\"event_id\":\"$1:u\"", 2, { "s", "u" } },
	{ "2",
		"\"type\":\"m.room.member\",\"state_key\":\"@b:t\",\"event_id\":\"$1:u\","
		"\"content\":{\"membership\":\"invite\",\"third_party_invite\":{}}",
		1, { "u" } },
};

static void events_need_the_signatures_of_their_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		const struct room_version *v = room_version_find(str_of(needed[i].version));
		const char *prev = v->format == EVENT_FORMAT_1
			? "[\"$0:u\",{}]"
			: "\"$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk\"";
		const char *room_id = v->hash_room_id
			? "!acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk"
			: "!r:s";
		CLEANUP(buf_deinit) struct buf text = { 0 };
		CLEANUP(event_freep) struct event *e = NULL;
		struct err_ctx why = { 0 };
		struct str servers[3];

		buf_printf(&text,
			"{\"auth_events\":[],\"depth\":1,\"hashes\":{\"sha256\":\"\"},"
			"\"origin_server_ts\":1,\"prev_events\":[%s],\"room_id\":\"%s\","
			"\"sender\":\"@a:s\",\"signatures\":{},%s}",
			prev, room_id, needed[i].members);
		if (event_parse(buf_str(&text), v, &e, &why))
			fail_msg("%s", why.text);
		assert_int_equal(sign_event_servers(e, servers), needed[i].n);
		for (size_t k = 0; k < needed[i].n; k++)
			assert_str_equal(servers[k], needed[i].servers[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			json_is_signed_as_in_the_appendices, setup, teardown),
		cmocka_unit_test_setup_teardown(
			events_are_hashed_and_signed_as_in_the_appendices, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_was_changed_does_not_verify, setup, teardown),
		cmocka_unit_test_setup_teardown(signatures_of_others_stay, setup, teardown),
		cmocka_unit_test(events_need_the_signatures_of_their_version),
	};
	return sodium_init() < 0 ? 1 : RUN_TESTS(tests);
}
