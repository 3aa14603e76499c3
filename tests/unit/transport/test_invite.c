/* What carries addresses: endpoints, invites, node records. */
#include "transport/invite.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "tests/support/cmocka.h"
#include "transport/addresses.h"
#include "transport/identity.h"
#include "transport/node_record.h"

#define NOW INT64_C(1700000000000)

static void endpoints_are_read_from_text(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port; /* 0: refused */
		enum endpoint_type type;
	} cases[] = {
		{ "10.0.0.1:27448", "10.0.0.1", 27448, ENDPOINT_ADDRESS },
		{ "10.0.0.1", "10.0.0.1", LINK_PORT, ENDPOINT_ADDRESS },
		{ "[2001:db8::1]:1", "2001:db8::1", 1, ENDPOINT_ADDRESS },
		{ "ws://example.org:80/_kith/link", "example.org", 80, ENDPOINT_URL },
		{ "example.org", "example.org", LINK_PORT, ENDPOINT_URL },
		{ "example.org:0", NULL, 0, 0 },
		{ "example.org:65536", NULL, 0, 0 },
		{ "example.org:1:2", NULL, 0, 0 },
		{ "2001:db8::1", NULL, 0, 0 },
		{ "[2001:db8::1", NULL, 0, 0 },
		{ "[2001:db8::1]x", NULL, 0, 0 },
		{ "a b:1", NULL, 0, 0 },
		{ "", NULL, 0, 0 },
		{ "http://x:1", NULL, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct endpoint e;
		bool ok = endpoint_from_text(&e, str_of(cases[i].text));

		assert_int_equal(ok, cases[i].port != 0);
		if (!ok)
			continue;
		assert_string_equal(e.host, cases[i].host);
		assert_int_equal(e.port, cases[i].port);
		assert_int_equal(e.type, cases[i].type);
	}
}

static struct identity *fresh(void)
{
	struct identity_recovery r;

	return identity_new(&rng_system, NOW, &r);
}

static struct invite an_invite(const struct identity *id)
{
	struct invite v = { .flags = INVITE_SINGLE_USE | INVITE_MUTUAL,
		.expiry_min = 29000000 };

	memcpy(v.identity, identity_public(id), 32);
	memcpy(v.node, identity_node_public(id), 32);
	randombytes_buf(v.secret, sizeof(v.secret));
	assert_true(endpoint_from_text(&v.endpoints[0], STR("192.168.1.5:27448")));
	assert_true(endpoint_from_text(&v.endpoints[1], STR("[fd00::1]:27448")));
	assert_true(endpoint_from_text(&v.endpoints[2], STR("home.example:4")));
	v.n_endpoints = 3;
	(void)snprintf(v.room, sizeof(v.room), "%s", "#r\xc3\xa4um:x");
	(void)snprintf(v.hint, sizeof(v.hint), "%s", "Anna");
	return v;
}

static void an_invite_survives_copying_in_every_usual_form(void **state)
{
	struct identity *id = fresh();
	struct invite v = an_invite(id), got;
	struct buf text = { 0 }, other = { 0 };

	(void)state;
	invite_encode(&v, &text);
	assert_true(text.n < 400);
	for (size_t i = 0; i < text.n; i++) /* a QR code's alphanumeric mode */
		assert_non_null(
			strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", text.p[i]));
	assert_int_equal(invite_parse(buf_str(&text), &got, NULL), ERR_OK);
	assert_memory_equal(got.identity, v.identity, 32);
	assert_memory_equal(got.secret, v.secret, INVITE_SECRET);
	assert_int_equal(got.flags, v.flags);
	assert_int_equal(got.expiry_min, v.expiry_min);
	assert_int_equal(got.n_endpoints, 3);
	assert_true(endpoint_equal(&got.endpoints[2], &v.endpoints[2]));
	assert_string_equal(got.room, v.room);
	assert_string_equal(got.hint, v.hint);

	buf_put_z(&other, "  https://kith.example/i#");
	for (size_t i = 0; i < text.n; i++)
		buf_put_u8(&other,
			(uint8_t)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] + 32
								       : text.p[i]));
	buf_put_z(&other, "\r\n");
	assert_int_equal(invite_parse(buf_str(&other), &got, NULL), ERR_OK);
	buf_deinit(&text);
	buf_deinit(&other);
	identity_free(id);
}

static void an_invite_not_copied_whole_is_refused_with_words(void **state)
{
	struct identity *id = fresh();
	struct invite v = an_invite(id), got;
	struct buf text = { 0 };
	struct err_ctx why = { 0 };

	(void)state;
	invite_encode(&v, &text);
	for (size_t n = 0; n < text.n; n++)
		assert_int_equal(
			invite_parse(str_head(buf_str(&text), n), &got, NULL), ERR_MALFORMED);
	for (size_t i = 6; i < text.n; i++) {
		char was = text.p[i];

		text.p[i] = was == 'A' ? 'C' : 'A';
		assert_int_equal(invite_parse(buf_str(&text), &got, NULL), ERR_MALFORMED);
		text.p[i] = was;
	}
	text.p[5] = '2';
	assert_int_equal(invite_parse(buf_str(&text), &got, &why), ERR_MALFORMED);
	assert_non_null(strstr(why.text, "newer"));
	buf_deinit(&text);
	identity_free(id);
}

static void a_record_is_the_nodes_own_and_not_of_the_future(void **state)
{
	struct identity *id = fresh(), *other = fresh();
	struct node_record *r = NEW(struct node_record), *got = NEW(struct node_record);
	struct buf bytes = { 0 };

	(void)state;
	memcpy(r->node, identity_node_public(id), 32);
	r->seq = NOW;
	r->lifetime_s = 3600;
	assert_true(endpoint_from_text(&r->endpoints[0], STR("10.1.2.3:4")));
	r->n_endpoints = 1;
	(void)snprintf(r->owner, sizeof(r->owner), "@a:%s", identity_name(id));
	node_record_encode(r, identity_node_secret(id), &bytes);
	assert_int_equal(node_record_parse(buf_str(&bytes), NOW, got, NULL), ERR_OK);
	assert_true(endpoint_equal(&got->endpoints[0], &r->endpoints[0]));
	assert_string_equal(got->owner, r->owner);
	assert_int_equal(
		node_record_parse(buf_str(&bytes), NOW - 23 * 3600000, got, NULL), ERR_OK);
	assert_int_equal(
		node_record_parse(buf_str(&bytes), NOW - 25 * 3600000, got, NULL), ERR_INVALID);
	for (size_t i = 0; i < bytes.n; i++) {
		bytes.p[i] ^= 2;
		assert_int_not_equal(
			node_record_parse(buf_str(&bytes), NOW, got, NULL), ERR_OK);
		bytes.p[i] ^= 2;
		/* Cut inside its TLVs it is whole in shape, and wrong in signature. */
		assert_int_not_equal(
			node_record_parse(str_head(buf_str(&bytes), i), NOW, got, NULL),
			ERR_OK);
	}
	buf_clear(&bytes);
	node_record_encode(r, identity_node_secret(other), &bytes);
	assert_int_equal(node_record_parse(buf_str(&bytes), NOW, got, NULL), ERR_FORBIDDEN);
	buf_deinit(&bytes);
	free(r);
	free(got);
	identity_free(id);
	identity_free(other);
}

static void a_listener_on_one_address_names_that_alone(void **state)
{
	struct endpoint e[8];

	(void)state;
	assert_int_equal(addresses_own("127.0.0.1", 5, e, 8), 1);
	assert_string_equal(e[0].host, "127.0.0.1");
	assert_int_equal(e[0].port, 5);
	for (size_t i = 0, n = addresses_own(NULL, 6, e, 8); i < n; i++) {
		assert_int_equal(e[i].port, 6);
		assert_true(n == 1 || !endpoint_is_loopback(&e[i]));
	}
}

static void an_owner_is_a_user_of_that_server(void **state)
{
	struct identity *id = fresh(), *other = fresh();
	char text[400];

	(void)state;
	(void)snprintf(text, sizeof(text), "@anna:%s", identity_name(id));
	assert_true(hello_owner_ok(str_of(text), identity_public(id)));
	assert_false(hello_owner_ok(str_of(text), identity_public(other)));
	assert_false(hello_owner_ok(str_of(text + 1), identity_public(id)));
	(void)snprintf(text, sizeof(text), "@an\nna:%s", identity_name(id));
	assert_false(hello_owner_ok(str_of(text), identity_public(id)));
	(void)snprintf(text, sizeof(text), "@:%s", identity_name(id));
	assert_false(hello_owner_ok(str_of(text), identity_public(id)));
	(void)snprintf(text, sizeof(text), "@%0202d:%s", 1, identity_name(id));
	assert_false(hello_owner_ok(str_of(text), identity_public(id)));
	(void)snprintf(text, sizeof(text), "@%0201d:%s", 1, identity_name(id));
	assert_true(hello_owner_ok(str_of(text), identity_public(id)));
	identity_free(id);
	identity_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_read_from_text),
		cmocka_unit_test(an_invite_survives_copying_in_every_usual_form),
		cmocka_unit_test(an_invite_not_copied_whole_is_refused_with_words),
		cmocka_unit_test(a_record_is_the_nodes_own_and_not_of_the_future),
		cmocka_unit_test(a_listener_on_one_address_names_that_alone),
		cmocka_unit_test(an_owner_is_a_user_of_that_server),
	};

	if (sodium_init() < 0)
		return 1;
	return RUN_TESTS(tests);
}
