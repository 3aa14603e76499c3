#include "tests/support/cmocka.h"

#include <sodium.h>

#include "node/core/id.h"
#include "node/core/sign.h"

static unsigned char public_key[32];
static unsigned char secret[64];

static struct sign_key key_of(struct str server)
{
	return (struct sign_key){ server, STR("ed25519:0"), secret };
}

static const struct str prev_hash[] = { STR_INIT(
	"$acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk") };
static const struct str prev_old_hash[] = { STR_INIT(
	"$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk") };
static const struct str prev_pair[] = { STR_INIT("$1:example.org") };

static struct event_build message(const struct room_version *v)
{
	return (struct event_build){ .version = v,
		.room_id = v->hash_room_id ? STR("!acR1l0raoZnm60CBwAVgqbZqoO_mYU81xysh1u7XcJk")
					   : STR("!room:example.org"),
		.type = STR("m.room.message"),
		.sender = STR("@alice:example.org"),
		.content = STR("{\"msgtype\":\"m.text\", \"body\":\"h\\u00e9llo\"}"),
		.depth = 7,
		.origin_server_ts = 1700000000000,
		.prev_events = v->format == EVENT_FORMAT_1 ? prev_pair
			: v->format == EVENT_FORMAT_3      ? prev_old_hash
							   : prev_hash,
		.n_prev_events = 1 };
}

static void what_we_build_is_whole_in_every_version(void **state)
{
	const struct sign_key key = key_of(STR("example.org"));

	(void)state;
	for (size_t i = 0; room_version_at(i); i++) {
		const struct event_build b = message(room_version_at(i));
		CLEANUP(event_freep) struct event *e = NULL;
		CLEANUP(event_freep) struct event *again = NULL;
		CLEANUP(event_freep) struct event *redacted = NULL;
		struct err_ctx why = { 0 };

		if (event_build(&b, &key, &e, &why))
			fail_msg("version %s: %s", b.version->name, why.text);
		assert_true(event_hash_ok(e));
		assert_true(id_event(e->event_id));
		assert_int_equal(e->depth, 7);
		assert_int_equal(
			sign_event_verify(e, key.server_name, key.key_id, public_key, NULL),
			ERR_OK);
		assert_int_equal(event_parse(e->json, b.version, &again, NULL), ERR_OK);
		assert_true(str_eq(again->event_id, e->event_id));
		assert_true(str_eq(again->json, e->json));
		assert_int_equal(event_redact(e, &redacted), ERR_OK);
		assert_false(event_hash_ok(redacted));
		assert_int_equal(sign_event_verify(redacted, key.server_name, key.key_id,
					 public_key, NULL),
			ERR_OK);
	}
}

static void what_is_no_event_is_not_built(void **state)
{
	const struct sign_key key = key_of(STR("example.org"));
	static const struct str contents[] = { STR_INIT("[]"), STR_INIT("{"), STR_INIT(""),
		STR_INIT("{},\"x\":{}"), STR_INIT("{\"a\":1.5}"), STR_INIT("{\"a\":1,\"a\":1}"),
		STR_INIT("null") };
	struct event_build b = message(room_version_find(STR("12")));
	struct event *e = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		b.content = contents[i];
		assert_int_equal(event_build(&b, &key, &e, NULL), ERR_MALFORMED);
	}
	b.content = STR("{}");
	b.type = STR("\xff");
	assert_int_equal(event_build(&b, &key, &e, NULL), ERR_MALFORMED);
	b.type = STR("x");
	b.sender = STR("alice");
	assert_int_equal(event_build(&b, &key, &e, NULL), ERR_MALFORMED);
	b.sender = STR("@alice:example.org");
	b.n_prev_events = 0;
	assert_int_equal(event_build(&b, &key, &e, NULL), ERR_MALFORMED);
	b.type = STR("m.room.create");
	b.room_id = STR("");
	b.is_state = true;
	assert_int_equal(event_build(&b, &key, &e, NULL), ERR_OK);
	assert_true(str_eq(str_skip(e->room_id, 1), str_skip(e->event_id, 1)));
	event_free(e);
}

static void a_template_is_completed_and_signed(void **state)
{
	const struct room_version *v = room_version_find(STR("12"));
	const struct sign_key key = key_of(STR("b.example.org"));
	const struct sign_key other = key_of(STR("a.example.org"));
	struct event_build b = message(v);
	CLEANUP(event_freep) struct event *first = NULL;
	CLEANUP(event_freep) struct event *e = NULL;
	CLEANUP(event_freep) struct event *both = NULL;
	CLEANUP(json_freep) struct json *sigs = NULL;

	(void)state;
	b.sender = STR("@bob:b.example.org");
	assert_int_equal(event_build(&b, &other, &first, NULL), ERR_OK);
	assert_int_equal(
		event_sign_template(first->tree, v, 1800000000000, &key, &e, NULL), ERR_OK);
	assert_true(e->origin_server_ts == 1800000000000);
	assert_true(event_hash_ok(e));
	assert_int_equal(json_count(json_get(e->tree, "signatures")), 1);
	assert_int_equal(
		sign_event_verify(e, key.server_name, key.key_id, public_key, NULL), ERR_OK);
	assert_int_equal(sign_event_verify(e, other.server_name, key.key_id, public_key, NULL),
		ERR_FORBIDDEN);

	assert_int_equal(event_cosign(e, &other, &both), ERR_OK);
	assert_true(str_eq(both->event_id, e->event_id));
	assert_int_equal(json_count(json_get(both->tree, "signatures")), 2);
	assert_int_equal(
		sign_event_verify(both, key.server_name, key.key_id, public_key, NULL), ERR_OK);
	assert_int_equal(
		sign_event_verify(both, other.server_name, key.key_id, public_key, NULL),
		ERR_OK);
}

int main(void)
{
	static const unsigned char seed[32] = { 1 };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_we_build_is_whole_in_every_version),
		cmocka_unit_test(what_is_no_event_is_not_built),
		cmocka_unit_test(a_template_is_completed_and_signed),
	};

	if (sodium_init() < 0)
		return 1;
	(void)crypto_sign_seed_keypair(public_key, secret, seed);
	return RUN_TESTS(tests);
}
