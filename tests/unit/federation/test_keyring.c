/* Whose signature is it: names that are keys, keys that are asked for, and lies about them. */
#include "tests/support/cmocka.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/base/base32.h"
#include "node/base/base64.h"
#include "node/core/event.h"
#include "node/federation/keyring.h"
#include "node/loop_uv.h"
#include "tests/support/net_double.h"

#define MANY 100

struct fixture {
	struct loop_uv *uv;
	struct net *net;
	struct federation f; /* the asker */
	struct transport *them;
	char name[64]; /* their server name */
	unsigned char identity[64];
	unsigned char device[64];
	struct buf keys; /* what they answer to GET key/v2/server */
	unsigned asked;
};

static void serve(void *arg, struct transport_incoming *in)
{
	struct fixture *f = arg;

	assert_str_equal(in->path, "/_matrix/key/v2/server");
	f->asked++;
	transport_respond(
		in, &(struct transport_response){ .status = 200, .body = buf_str(&f->keys) });
}

static void put_kith_name(char out[64], const unsigned char public_key[32])
{
	struct buf text = { 0 };

	base32_put(&text, public_key, 32);
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	buf_deinit(&text);
}

static int up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	unsigned char public_key[32];

	assert_true(sodium_init() >= 0);
	assert_int_equal(loop_uv_new(NULL, &f->uv), ERR_OK);
	f->net = net_new(loop_uv_loop(f->uv));
	f->f.o.loop = loop_uv_loop(f->uv);
	f->f.o.clock = &clock_system;
	f->f.o.transport = net_join(f->net, "asker");
	f->f.keyring = keyring_new(&f->f);
	crypto_sign_keypair(public_key, f->device);
	crypto_sign_keypair(public_key, f->identity);
	put_kith_name(f->name, public_key);
	f->them = net_join(f->net, f->name);
	transport_serve(f->them, &(struct transport_handler){ .request = serve, .arg = f });
	*state = f;
	return 0;
}

static int down(void **state)
{
	struct fixture *f = *state;

	keyring_free(f->f.keyring);
	transport_free(f->f.o.transport);
	transport_free(f->them);
	net_free(f->net);
	loop_uv_free(f->uv);
	buf_deinit(&f->keys);
	free(f);
	return 0;
}

/* Their key list, naming the device key "ed25519:dev", signed with secret. */
static void put_keys(struct fixture *f, const char *server, const unsigned char *secret,
	int64_t valid_until, int64_t expired)
{
	CLEANUP(buf_deinit) struct buf text = { 0 };
	CLEANUP(buf_deinit) struct buf key = { 0 };
	CLEANUP(json_freep) struct json *obj = NULL;
	struct sign_key sign = { str_of(f->name), STR("ed25519:0"), secret };
	struct jw w = jw_to(&text);

	base64_put(&key, f->device + 32, 32);
	jw_obj(&w);
	jw_kv_z(&w, "server_name", server);
	jw_kv_int(&w, "valid_until_ts", valid_until);
	jw_key(&w, expired ? "old_verify_keys" : "verify_keys");
	jw_obj(&w);
	jw_key(&w, "ed25519:dev");
	jw_obj(&w);
	jw_kv_str(&w, "key", buf_str(&key));
	if (expired)
		jw_kv_int(&w, "expired_ts", expired);
	jw_end(&w);
	jw_end(&w);
	jw_end(&w);
	assert_int_equal(json_parse(buf_str(&text), &json_limits_event, &obj, NULL), ERR_OK);
	buf_clear(&f->keys);
	assert_int_equal(sign_json(obj, &sign, &f->keys), ERR_OK);
}

static struct event *make_event(
	struct fixture *f, const char *key_id, const unsigned char *secret, int64_t ts)
{
	struct sign_key key = { str_of(f->name), str_of(key_id), secret };
	char sender[80] = "@x:";
	struct str prev = STR("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	struct err_ctx why = { 0 };
	struct event *e = NULL;
	enum err err;

	strncat(sender, f->name, 60);
	err = event_build(
		&(struct event_build){ .version = room_version_find(STR("12")),
			.room_id = STR("!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
			.type = STR("m.room.message"),
			.sender = str_of(sender),
			.content = STR("{}"),
			.depth = 1,
			.origin_server_ts = ts,
			.prev_events = &prev,
			.n_prev_events = 1 },
		&key, &e, &why);
	if (err)
		print_error("%s\n", why.text);
	assert_int_equal(err, ERR_OK);
	return e;
}

static void verified(struct room_verify *v)
{
	*(bool *)v->handle = true;
}

static void verify(
	struct fixture *f, const struct event *const *events, size_t n, enum err *results)
{
	bool done = false;
	struct room_verify v = {
		.events = events, .n = n, .done = verified, .results = results, .handle = &done
	};

	keyring_verify(f->f.keyring, &v);
	assert_false(done);
	while (!done)
		loop_uv_run_once(f->uv, true);
}

static enum err verify_one(struct fixture *f, struct event *e)
{
	enum err result = ERR_NOMEM;

	verify(f, (const struct event *const *)&e, 1, &result);
	event_free(e);
	return result;
}

static void a_name_is_its_own_key(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(verify_one(f, make_event(f, "ed25519:0", f->identity, 5)), ERR_OK);
	assert_int_equal(
		verify_one(f, make_event(f, "ed25519:0", f->device, 5)), ERR_FORBIDDEN);
	assert_int_equal(f->asked, 0);
}

static void many_signatures_are_checked_on_the_pool(void **state)
{
	struct fixture *f = *state;
	struct event *events[MANY];
	enum err results[MANY];

	for (size_t i = 0; i < MANY; i++)
		events[i] = make_event(
			f, "ed25519:0", i == 77 ? f->device : f->identity, (int64_t)i);
	verify(f, (const struct event *const *)events, MANY, results);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(results[i], i == 77 ? ERR_FORBIDDEN : ERR_OK);
		event_free(events[i]);
	}
}

static void other_keys_are_asked_for_once_and_believed_if_signed(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_wall_ms(&clock_system);

	put_keys(f, f->name, f->identity, now + 1000, 0);
	assert_int_equal(verify_one(f, make_event(f, "ed25519:dev", f->device, now)), ERR_OK);
	assert_int_equal(verify_one(f, make_event(f, "ed25519:dev", f->device, 5)), ERR_OK);
	assert_int_equal(
		verify_one(f, make_event(f, "ed25519:dev", f->identity, 5)), ERR_FORBIDDEN);
	assert_int_equal(f->asked, 1);
	/* An event from behind the key's end makes us ask again. */
	assert_int_equal(verify_one(f, make_event(f, "ed25519:dev", f->device, now + 2000)),
		ERR_UNREACHABLE);
	assert_int_equal(f->asked, 2);
}

static void withdrawn_keys_verify_the_past_alone(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_wall_ms(&clock_system);

	put_keys(f, f->name, f->identity, now + 100000, now - 5000);
	assert_int_equal(
		verify_one(f, make_event(f, "ed25519:dev", f->device, now - 6000)), ERR_OK);
	assert_int_equal(verify_one(f, make_event(f, "ed25519:dev", f->device, now - 4000)),
		ERR_UNREACHABLE);
}

static void lies_about_keys_are_not_believed(void **state)
{
	struct fixture *f = *state;
	int64_t now = clock_wall_ms(&clock_system);
	struct event *e;

	put_keys(f, f->name, f->device, now + 1000, 0); /* not the identity's signature */
	e = make_event(f, "ed25519:dev", f->device, now);
	assert_int_equal(verify_one(f, e), ERR_UNREACHABLE);
	put_keys(f, "other.example", f->identity, now + 1000, 0);
	e = make_event(f, "ed25519:dev", f->device, now);
	assert_int_equal(verify_one(f, e), ERR_UNREACHABLE);
	buf_clear(&f->keys);
	buf_put_z(&f->keys, "[]");
	e = make_event(f, "ed25519:dev", f->device, now);
	assert_int_equal(verify_one(f, e), ERR_UNREACHABLE);
	net_connect(f->them, false);
	e = make_event(f, "ed25519:dev", f->device, now);
	assert_int_equal(verify_one(f, e), ERR_UNREACHABLE);
}

static void our_own_answer_verifies(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf out = { 0 };
	CLEANUP(json_freep) struct json *answer = NULL;
	struct sign_key key = { str_of(f->name), STR("ed25519:0"), f->identity };
	struct federation them = { .o = { .server_name = str_of(f->name), .key = &key } };

	assert_int_equal(keyring_serve(&them, clock_wall_ms(&clock_system), &out), ERR_OK);
	assert_int_equal(json_parse(buf_str(&out), &json_limits_peer, &answer, NULL), ERR_OK);
	assert_int_equal(keyring_learn(f->f.keyring, str_of(f->name), answer, NULL), ERR_OK);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_its_own_key),
		TEST(many_signatures_are_checked_on_the_pool),
		TEST(other_keys_are_asked_for_once_and_believed_if_signed),
		TEST(withdrawn_keys_verify_the_past_alone),
		TEST(lies_about_keys_are_not_believed),
		TEST(our_own_answer_verifies),
	};

	return RUN_TESTS(tests);
}
