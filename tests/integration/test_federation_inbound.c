/*
 * A node and a peer that sends it what it likes: every request is answered with the
 * specification's error, and the node lives on.
 */
#include "tests/support/cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/room/member.h"
#include "node/user/to_device.h"
#include "node/user/users.h"
#include "store/outbox.h"
#include "tests/support/mesh.h"

#define V1 "/_matrix/federation/v1/"
#define V2 "/_matrix/federation/v2/"

struct fixture {
	struct mesh mesh;
	struct transport *peer; /* no node behind it */
	struct buf reply;
	unsigned status;
	bool done;
};

static int up(void **state)
{
	struct fixture *f = NEW(struct fixture);

	mesh_up(&f->mesh, 1);
	f->peer = net_join(f->mesh.net, "stranger.example");
	(void)mesh_register(&f->mesh.nodes[0], "alice");
	*state = f;
	return 0;
}

static int down(void **state)
{
	struct fixture *f = *state;

	transport_free(f->peer);
	mesh_down(&f->mesh);
	buf_deinit(&f->reply);
	free(f);
	return 0;
}

static void answered(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct fixture *f = arg;

	assert_int_equal(err, ERR_OK);
	f->status = res->status;
	buf_clear(&f->reply);
	buf_put_str(&f->reply, res->body);
	f->done = true;
}

static bool is_done(void *arg)
{
	return ((struct fixture *)arg)->done;
}

static unsigned ask_as(struct fixture *f, enum transport_method method, const char *path,
	struct str body, uint64_t sequence)
{
	f->done = false;
	(void)transport_request(f->peer,
		&(struct transport_request){ .name = str_of(f->mesh.nodes[0].name),
			.method = method,
			.path = str_of(path),
			.body = body,
			.sequence = sequence,
			.done = answered,
			.arg = f });
	mesh_until(&f->mesh, is_done, f, path);
	return f->status;
}

static unsigned ask(
	struct fixture *f, enum transport_method method, const char *path, const char *body)
{
	return ask_as(f, method, path, str_of(body), 0);
}

static bool says(const struct fixture *f, const char *what)
{
	size_t at;

	return str_find_str(buf_str(&f->reply), str_of(what), &at);
}

#define ROOM  "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define EVENT "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void whatever_is_asked_gets_its_error(void **state)
{
	static const struct {
		enum transport_method method;
		const char *path;
		const char *body;
		unsigned status;
		const char *errcode;
	} cases[] = {
		{ TRANSPORT_GET, V1 "nothing", "", 404, "M_UNRECOGNIZED" },
		{ TRANSPORT_GET, "/_matrix/client/v3/sync", "", 404, "M_UNRECOGNIZED" },
		{ TRANSPORT_GET, "", "", 404, "M_UNRECOGNIZED" },
		{ TRANSPORT_GET, V1 "send/1", "", 405, "M_UNRECOGNIZED" },
		{ TRANSPORT_DELETE, V1 "version", "", 405, "M_UNRECOGNIZED" },
		{ TRANSPORT_PUT, V1 "send/1", "", 400, "M_NOT_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "{", 400, "M_NOT_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "[]", 400, "M_BAD_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "{}", 400, "M_BAD_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "{\"pdus\":{}}", 400, "M_BAD_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "{\"pdus\":[],\"edus\":1}", 400, "M_BAD_JSON" },
		{ TRANSPORT_PUT, V1 "send/1", "{\"pdus\":[],\"origin\":\"other.example\"}", 403,
			"M_FORBIDDEN" },
		{ TRANSPORT_PUT, V1 "send/%zz", "{\"pdus\":[]}", 404, "M_UNRECOGNIZED" },
		{ TRANSPORT_GET, V1 "make_join/" ROOM "/@x:stranger.example?ver=12", "", 404,
			"M_" },
		{ TRANSPORT_GET, V1 "make_leave/" ROOM "/@x:stranger.example", "", 404, "M_" },
		{ TRANSPORT_PUT, V2 "send_join/" ROOM "/" EVENT, "{}", 404, "M_" },
		{ TRANSPORT_PUT, V2 "send_leave/" ROOM "/" EVENT, "{}", 404, "M_" },
		{ TRANSPORT_PUT, V2 "invite/" ROOM "/" EVENT, "{}", 400, "M_BAD_JSON" },
		{ TRANSPORT_PUT, V2 "invite/" ROOM "/" EVENT,
			"{\"event\":{},\"room_version\":\"99\"}", 400,
			"M_INCOMPATIBLE_ROOM_VERSION" },
		{ TRANSPORT_PUT, V2 "invite/" ROOM "/" EVENT,
			"{\"event\":{},\"room_version\":\"12\"}", 400, "M_" },
		{ TRANSPORT_PUT, V2 "invite/" ROOM "/" EVENT,
			"{\"event\":{},\"room_version\":\"12\",\"invite_room_state\":{}}", 400,
			"M_BAD_JSON" },
		{ TRANSPORT_PUT, V1 "invite/" ROOM "/" EVENT, "{}", 400, "M_" },
		{ TRANSPORT_GET, V1 "backfill/" ROOM, "", 400, "M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "backfill/" ROOM "?v=" EVENT, "", 400, "M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "backfill/" ROOM "?v=" EVENT "&limit=-1", "", 400,
			"M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "backfill/" ROOM "?v=" EVENT "&limit=9", "", 404, "M_" },
		{ TRANSPORT_POST, V1 "get_missing_events/" ROOM, "{}", 404, "M_" },
		{ TRANSPORT_GET, V1 "state/" ROOM, "", 400, "M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "state/" ROOM "?event_id=" EVENT, "", 404, "M_" },
		{ TRANSPORT_GET, V1 "state_ids/" ROOM "?event_id=" EVENT, "", 404, "M_" },
		{ TRANSPORT_GET, V1 "event/" EVENT, "", 404, "M_NOT_FOUND" },
		{ TRANSPORT_GET, V1 "event_auth/" ROOM "/" EVENT, "", 404, "M_" },
		{ TRANSPORT_GET, V1 "query/profile", "", 400, "M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "query/profile?user_id=nobody", "", 404, "M_NOT_FOUND" },
		{ TRANSPORT_GET, V1 "query/directory", "", 400, "M_INVALID_PARAM" },
		{ TRANSPORT_GET, V1 "query/directory?room_alias=%23x:y", "", 404,
			"M_NOT_FOUND" },
		{ TRANSPORT_GET, V1 "user/devices/@x:y", "", 404, "M_NOT_FOUND" },
		{ TRANSPORT_POST, V1 "user/keys/query", "{}", 400, "M_BAD_JSON" },
		{ TRANSPORT_POST, V1 "user/keys/query", "{\"device_keys\":[]}", 400,
			"M_BAD_JSON" },
		{ TRANSPORT_POST, V1 "user/keys/claim", "{\"one_time_keys\":1}", 400,
			"M_BAD_JSON" },
		{ TRANSPORT_GET, V1 "openid/userinfo", "", 401, "M_" },
		{ TRANSPORT_GET, V1 "openid/userinfo?access_token=x", "", 401, "M_" },
		{ TRANSPORT_GET, V1 "media/download/x", "", 404, "M_NOT_FOUND" },
		{ TRANSPORT_GET, V1 "media/thumbnail/x?width=1&height=1", "", 404,
			"M_NOT_FOUND" },
		{ TRANSPORT_GET, V1 "version", "", 200, "kith" },
		{ TRANSPORT_GET, "/_matrix/key/v2/server", "", 200, "ed25519:0" },
		{ TRANSPORT_PUT, V1 "send/1", "{\"pdus\":[]}", 200, "{\"pdus\":{}}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned status = ask(f, cases[i].method, cases[i].path, cases[i].body);

		if (status != cases[i].status || !says(f, cases[i].errcode))
			print_error("%s %s: %u %.*s\n", cases[i].path, cases[i].body, status,
				STR_FMT(buf_str(&f->reply)));
		assert_int_equal(status, cases[i].status);
		assert_true(says(f, cases[i].errcode));
	}
}

static void a_transaction_is_of_bounded_size(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_put_z(&body, "{\"pdus\":[{}");
	for (int i = 1; i < 50; i++)
		buf_put_z(&body, ",{}");
	buf_put_z(&body, "]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/1", buf_str(&body), 0), 200);
	body.n -= 2;
	buf_put_z(&body, ",{}]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/2", buf_str(&body), 0), 413);
	buf_clear(&body);
	buf_put_z(&body, "{\"pdus\":[],\"edus\":[{}");
	for (int i = 1; i < 101; i++)
		buf_put_z(&body, ",{}");
	buf_put_z(&body, "]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/3", buf_str(&body), 0), 413);
}

static size_t inbox(struct fixture *f)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct mesh_node *node = &f->mesh.nodes[0];
	struct to_device_page page;
	struct user_caller alice;

	mesh_caller(node, "alice", &alice);
	assert_int_equal(to_device_since(node->users, a, alice.device, 0,
				 store_durable_pos(node->store), 100, &page),
		ERR_OK);
	return page.n;
}

static void put_to_device(struct fixture *f, struct buf *body, const char *message_id)
{
	buf_printf(body,
		"{\"pdus\":[],\"edus\":[{\"edu_type\":\"m.direct_to_device\",\"content\":{"
		"\"sender\":\"@x:stranger.example\",\"type\":\"t\",\"message_id\":\"%s\","
		"\"messages\":{\"%.*s\":{\"DEVICE\":{\"n\":1}}}}}",
		message_id, STR_FMT(mesh_user(&f->mesh.nodes[0], "alice")));
}

static void a_repeated_transaction_has_no_second_effect(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };

	put_to_device(f, &body, "m1");
	buf_put_z(&body, "]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", buf_str(&body), 7), 200);
	assert_int_equal(inbox(f), 1);
	/* The same sequence and id: what is inside isn't even looked at. */
	buf_clear(&body);
	put_to_device(f, &body, "m2");
	buf_put_z(&body, "]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", buf_str(&body), 7), 200);
	assert_int_equal(inbox(f), 1);
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/b", buf_str(&body), 8), 200);
	assert_int_equal(inbox(f), 2);
	/* And a message that comes in another transaction again is known by its own id. */
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/c", buf_str(&body), 9), 200);
	assert_int_equal(inbox(f), 2);
}

static void one_bad_edu_costs_only_itself(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };

	put_to_device(f, &body, "m1");
	buf_put_z(&body,
		",{\"edu_type\":\"m.unknown\",\"content\":{}},{\"edu_type\":7},{},null,"
		"{\"edu_type\":\"m.typing\",\"content\":[]},"
		"{\"edu_type\":\"m.receipt\",\"content\":{\"!x:y\":7}},"
		"{\"edu_type\":\"m.presence\",\"content\":{}},"
		"{\"edu_type\":\"m.device_list_update\",\"content\":{\"user_id\":1}},"
		"{\"edu_type\":\"m.signing_key_update\",\"content\":{}}]}");
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", buf_str(&body), 7), 200);
	assert_int_equal(inbox(f), 1);
}

static void nobody_speaks_for_another_server(void **state)
{
	struct fixture *f = *state;
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_printf(&body,
		"{\"pdus\":[],\"edus\":[{\"edu_type\":\"m.direct_to_device\",\"content\":{"
		"\"sender\":\"@x:other.example\",\"type\":\"t\",\"message_id\":\"m\","
		"\"messages\":{\"%.*s\":{\"DEVICE\":{\"n\":1}}}}}]}",
		STR_FMT(mesh_user(&f->mesh.nodes[0], "alice")));
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", buf_str(&body), 7), 200);
	assert_int_equal(inbox(f), 0);
}

static void rooms_are_closed_to_those_outside(void **state)
{
	static const char *const fmts[] = {
		V1 "make_join/%.*s/@x:stranger.example?ver=12",
		V1 "make_leave/%.*s/@x:stranger.example",
		V1 "backfill/%.*s?limit=10&v=" EVENT,
		V1 "state/%.*s?event_id=" EVENT,
		V1 "state_ids/%.*s?event_id=" EVENT,
		V1 "event_auth/%.*s/" EVENT,
	};
	struct fixture *f = *state;
	struct mesh_node *node = &f->mesh.nodes[0];
	struct str room = mesh_create(node, "alice", "private_chat", NULL);
	struct str event =
		mesh_send(node, "alice", room, "m.room.message", "{'body':'secret'}");

	for (size_t i = 0; i < ARRAY_LEN(fmts); i++) {
		char path[256];

		(void)snprintf(path, sizeof(path), fmts[i], STR_FMT(room));
		(void)ask(f, TRANSPORT_GET, path, "");
		if (f->status != 403)
			print_error(
				"%s: %u %.*s\n", path, f->status, STR_FMT(buf_str(&f->reply)));
		assert_int_equal(f->status, 403);
	}
	assert_int_equal(
		ask(f, TRANSPORT_GET,
			arena_printf(f->mesh.arena, V1 "event/%.*s", STR_FMT(event)).p, ""),
		403);
	assert_false(says(f, "secret"));
	assert_int_equal(
		ask(f, TRANSPORT_POST,
			arena_printf(f->mesh.arena, V1 "get_missing_events/%.*s", STR_FMT(room))
				.p,
			"{\"earliest_events\":[],\"latest_events\":[\"" EVENT "\"]}"),
		403);
	assert_false(says(f, "secret"));
}

/* Ten a day from who is no contact (security.md, O6), whatever becomes of them. */
static void strangers_bring_a_few_rooms_a_day(void **state)
{
	struct fixture *f = *state;
	struct str body = STR("{\"event\":{},\"room_version\":\"12\"}");

	for (int i = 0; i < 10; i++)
		assert_int_equal(ask_as(f, TRANSPORT_PUT,
					 "/_matrix/federation/v2/invite/!a/" EVENT, body, 0),
			400);
	assert_int_equal(
		ask_as(f, TRANSPORT_PUT, "/_matrix/federation/v2/invite/!a/" EVENT, body, 0),
		429);
	assert_true(says(f, "M_LIMIT_EXCEEDED") && says(f, "retry_after_ms"));
	/* The rest goes on. */
	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", STR("{\"pdus\":[]}"), 0), 200);
}

static void refused_events_are_named_with_the_reason(void **state)
{
	struct fixture *f = *state;
	struct mesh_node *node = &f->mesh.nodes[0];
	struct str room = mesh_create(node, "alice", "public_chat", NULL);
	struct str body = arena_printf(f->mesh.arena,
		"{\"pdus\":[{\"room_id\":\"%.*s\",\"type\":\"m.room.message\",\"sender\":"
		"\"@x:stranger.example\",\"content\":{},\"depth\":9,\"origin_server_ts\":1,"
		"\"prev_events\":[\"" EVENT "\"],\"auth_events\":[],\"hashes\":{\"sha256\":"
		"\"x\"},\"signatures\":{}},7,null,{\"room_id\":3}]}",
		STR_FMT(room));

	assert_int_equal(ask_as(f, TRANSPORT_PUT, V1 "send/a", body, 7), 200);
	assert_true(says(f, "\"error\""));
	assert_int_equal(ask(f, TRANSPORT_GET, V1 "version", ""), 200);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whatever_is_asked_gets_its_error),
		TEST(a_transaction_is_of_bounded_size),
		TEST(a_repeated_transaction_has_no_second_effect),
		TEST(one_bad_edu_costs_only_itself),
		TEST(nobody_speaks_for_another_server),
		TEST(rooms_are_closed_to_those_outside),
		TEST(strangers_bring_a_few_rooms_a_day),
		TEST(refused_events_are_named_with_the_reason),
	};

	return RUN_TESTS(tests);
}
