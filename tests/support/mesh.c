#include "tests/support/mesh.h"

#include <dirent.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/base32.h"
#include "node/room/create.h"
#include "node/room/member.h"
#include "node/room/rooms.h"
#include "node/room/send.h"
#include "node/user/account.h"
#include "node/user/presence.h"
#include "node/user/receipt.h"
#include "node/user/typing.h"
#include "node/user/users.h"
#include "store/event.h"
#include "store/membership.h"
#include "tests/support/cmocka.h"

#define PATIENCE_MS 10000
#define TICK_MS     10

static void write_log(void *arg, enum log_level level, const char *line)
{
	const struct mesh_node *node = arg;

	if (getenv("KITH_TEST_LOG"))
		print_message("%.6s %s %s\n", node->name, log_level_name(level), line);
}

/* ---- a node's life ---- */

void mesh_start(struct mesh_node *node)
{
	struct mesh *m = node->mesh;
	struct str name = str_of(node->name);
	struct err_ctx why = { 0 };
	enum err err;

	err = store_open(&(struct store_options){ .path = node->path,
				 .server_name = name,
				 .loop = m->loop,
				 .uv = loop_uv_handle(m->uv),
				 .log = &node->log },
		&node->store, &why);
	assert_int_equal(err, ERR_OK);
	node->transport = net_join(m->net, node->name);
	err = users_new(&(struct users_options){ .store = node->store,
				.loop = m->loop,
				.clock = &clock_system,
				.rng = &rng_system,
				.log = &node->log,
				.server_name = name,
				.key = &node->key,
				.registration = REGISTRATION_OPEN,
				.password_low_cost = true },
		&node->users, &why);
	assert_int_equal(err, ERR_OK);
	node->rooms = rooms_new(&(struct rooms_options){ .store = node->store,
		.loop = m->loop,
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &node->log,
		.server_name = name,
		.key = &node->key,
		.users = node->users });
	node->typing = typing_new(&(struct typing_options){ .store = node->store,
		.loop = m->loop,
		.log = &node->log,
		.server_name = name });
	node->receipts = receipts_new(&(struct receipts_options){ .store = node->store,
		.clock = &clock_system,
		.log = &node->log,
		.server_name = name,
		.users = node->users });
	node->presence = presence_new(&(struct presence_options){ .store = node->store,
		.loop = m->loop,
		.clock = &clock_system,
		.log = &node->log,
		.server_name = name });
	node->federation = federation_new(&(struct federation_options){ .store = node->store,
		.loop = m->loop,
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &node->log,
		.server_name = name,
		.key = &node->key,
		.transport = node->transport,
		.users = node->users,
		.rooms = node->rooms,
		.typing = node->typing,
		.receipts = node->receipts,
		.presence = node->presence });
	rooms_set_ops(node->rooms, federation_room_ops(node->federation));
	users_set_remote_ops(node->users, federation_user_ops(node->federation),
		federation_user_ops_arg(node->federation));
	federation_start(node->federation);
}

void mesh_stop(struct mesh_node *node)
{
	if (!node->store)
		return;
	net_connect(node->transport, false);
	federation_stop(node->federation);
	transport_free(node->transport);
	/* What waited for an answer has it now, and what is on the thread pool comes back. */
	mesh_settle(node->mesh, 20);
	users_free(node->users);
	typing_free(node->typing);
	receipts_free(node->receipts);
	presence_free(node->presence);
	rooms_free(node->rooms);
	federation_free(node->federation);
	store_close(node->store);
	node->store = NULL;
}

static void make_node(struct mesh *m, struct mesh_node *node)
{
	unsigned char public_key[32];
	struct buf text = { 0 };
	char *z;

	node->mesh = m;
	crypto_sign_keypair(public_key, node->secret);
	base32_put(&text, public_key, sizeof(public_key));
	z = buf_detach_z(&text);
	(void)snprintf(node->name, sizeof(node->name), "%s", z);
	free(z);
	node->key = (struct sign_key){ str_of(node->name), STR("ed25519:0"), node->secret };
	node->log = (struct log){ .level = LOG_DEBUG, .write = write_log, .arg = node };
	(void)snprintf(node->dir, sizeof(node->dir), "/tmp/kith-mesh-XXXXXX");
	assert_non_null(mkdtemp(node->dir));
	(void)snprintf(node->path, sizeof(node->path), "%s/kith.db", node->dir);
	mesh_start(node);
}

void mesh_up(struct mesh *m, size_t n)
{
	*m = (struct mesh){ .n = n };
	assert_true(n <= MESH_MAX && sodium_init() >= 0);
	assert_int_equal(loop_uv_new(NULL, &m->uv), ERR_OK);
	m->loop = loop_uv_loop(m->uv);
	m->arena = arena_new();
	m->net = net_new(m->loop);
	for (size_t i = 0; i < n; i++)
		make_node(m, &m->nodes[i]);
}

static void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[512];

		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			(void)unlink(path);
	}
	if (d)
		(void)closedir(d);
	(void)rmdir(dir);
}

void mesh_down(struct mesh *m)
{
	for (size_t i = 0; i < m->n; i++)
		mesh_stop(&m->nodes[i]);
	mesh_settle(m, 20);
	net_free(m->net);
	for (size_t i = 0; i < m->n; i++)
		remove_dir(m->nodes[i].dir);
	loop_uv_free(m->uv);
	arena_free(m->arena);
}

/* ---- waiting ---- */

static void alarm_rang(void *arg)
{
	*(bool *)arg = true;
}

void mesh_settle(struct mesh *m, unsigned ms)
{
	bool rang = false;
	struct loop_timer *t = loop_timer_new(m->loop, alarm_rang, &rang);

	loop_timer_set(m->loop, t, ms);
	while (!rang)
		loop_uv_run_once(m->uv, true);
	loop_timer_free(m->loop, t);
}

/* The clock ticks, because what makes cond true may be the last that happens for long. */
void mesh_until(struct mesh *m, bool (*cond)(void *arg), void *arg, const char *what)
{
	bool ticked = false;
	struct loop_timer *t = loop_timer_new(m->loop, alarm_rang, &ticked);
	uint64_t until = loop_now_ms(m->loop) + PATIENCE_MS;
	bool met;

	while (!(met = cond(arg)) && loop_now_ms(m->loop) < until) {
		loop_timer_set(m->loop, t, TICK_MS);
		loop_uv_run_once(m->uv, true);
	}
	loop_timer_free(m->loop, t);
	if (!met)
		fail_msg("in vain: %s", what);
}

/* ---- users and rooms ---- */

struct str mesh_user(struct mesh_node *node, const char *localpart)
{
	return arena_printf(node->mesh->arena, "@%s:%s", localpart, node->name);
}

struct waiting {
	bool done;
	enum err err;
	struct arena *arena;
	struct str token;
};

static bool is_done(void *arg)
{
	return ((struct waiting *)arg)->done;
}

static void registered(
	struct account_call *c, enum err err, const struct account_session *session)
{
	struct waiting *w = c->arg;

	w->done = true;
	w->err = err;
	if (!err)
		w->token = arena_str(w->arena, session->access_token);
}

struct str mesh_register(struct mesh_node *node, const char *localpart)
{
	struct waiting w = { .arena = node->mesh->arena };
	struct account_call call = { .done = registered, .arg = &w };

	account_create(node->users,
		&(struct account_register){
			.localpart = str_of(localpart), .device.device_id = STR("DEVICE") },
		&call);
	mesh_until(node->mesh, is_done, &w, "registering");
	assert_int_equal(w.err, ERR_OK);
	assert_true(node->n_users < MESH_USERS);
	node->users_here[node->n_users].localpart = localpart;
	node->users_here[node->n_users++].token = w.token;
	return mesh_user(node, localpart);
}

void mesh_caller(struct mesh_node *node, const char *localpart, struct user_caller *out)
{
	for (size_t i = 0; i < node->n_users; i++) {
		if (strcmp(node->users_here[i].localpart, localpart) != 0)
			continue;
		assert_int_equal(users_authenticate(node->users, node->users_here[i].token,
					 STR(""), node->mesh->arena, out, NULL, NULL),
			ERR_OK);
		return;
	}
	fail_msg("%s is not registered", localpart);
}

static void created(struct room_create *c, enum err err)
{
	struct waiting *w = c->owner;

	w->done = true;
	w->err = err;
}

struct str mesh_create(
	struct mesh_node *node, const char *creator, const char *preset, const char *version)
{
	struct waiting w = { 0 };
	struct room_create c = { .creator = mesh_user(node, creator),
		.preset = str_of(preset),
		.done = created,
		.owner = &w };

	if (version)
		c.version = str_of(version);
	rooms_create(node->rooms, &c);
	mesh_until(node->mesh, is_done, &w, "creating a room");
	if (w.err)
		print_error("%s\n", c.why.text);
	assert_int_equal(w.err, ERR_OK);
	return arena_str(node->mesh->arena, str_of(c.room_id));
}

static void moved(struct room_member *m, enum err err)
{
	struct waiting *w = m->owner;

	w->done = true;
	w->err = err;
}

enum err mesh_member(struct mesh_node *node, const char *sender, struct str room_id, int action,
	struct str target, const struct mesh_node *via)
{
	struct waiting w = { 0 };
	struct str server = via ? str_of(via->name) : (struct str){ 0 };
	struct room_member m = { .action = (enum room_member_action)action,
		.room = room_id,
		.sender = mesh_user(node, sender),
		.target = target,
		.via = &server,
		.n_via = via != NULL,
		.done = moved,
		.owner = &w };

	rooms_member(node->rooms, &m);
	mesh_until(node->mesh, is_done, &w, "a change of membership");
	if (w.err)
		print_message("# membership: %s\n", m.why.text);
	return w.err;
}

static struct str send(struct mesh_node *node, const char *sender, struct str room_id,
	const char *type, bool is_state, const char *content)
{
	struct str text = arena_str(node->mesh->arena, str_of(content));
	struct room_send s = { .room_id = room_id,
		.sender = mesh_user(node, sender),
		.type = str_of(type),
		.is_state = is_state,
		.state_key = STR("") };
	enum err err;

	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\'')
			((char *)text.p)[i] = '"';
	err = json_parse_in(node->mesh->arena, text, &json_limits_client, &s.content, NULL);
	assert_int_equal(err, ERR_OK);
	err = rooms_send(node->rooms, &s);
	if (err)
		print_error("%s\n", s.why.text);
	assert_int_equal(err, ERR_OK);
	return arena_str(node->mesh->arena, str_of(s.event_id));
}

struct str mesh_send(struct mesh_node *node, const char *sender, struct str room_id,
	const char *type, const char *content)
{
	return send(node, sender, room_id, type, false, content);
}

struct str mesh_set(struct mesh_node *node, const char *sender, struct str room_id,
	const char *type, const char *content)
{
	return send(node, sender, room_id, type, true, content);
}

bool mesh_has(struct mesh_node *node, struct str event_id)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_event e;

	return !store_event_get(node->store, a, event_id, &e) && e.pos != 0 &&
		!(e.flags & (STORE_OUTLIER | STORE_REJECTED | STORE_SOFT_FAILED));
}

struct wanted {
	struct mesh_node *node;
	struct str id;
	struct str user_id;
	struct str membership;
};

static bool has_event(void *arg)
{
	const struct wanted *w = arg;

	return mesh_has(w->node, w->id);
}

void mesh_until_has(struct mesh_node *node, struct str event_id)
{
	struct wanted w = { .node = node, .id = event_id };

	mesh_until(node->mesh, has_event, &w, event_id.p);
}

struct str mesh_membership(struct mesh_node *node, struct str room_id, struct str user_id)
{
	return membership_name(store_membership_of(node->store, room_id, user_id));
}

static bool has_membership(void *arg)
{
	const struct wanted *w = arg;

	return str_eq(mesh_membership(w->node, w->id, w->user_id), w->membership);
}

void mesh_until_membership(
	struct mesh_node *node, struct str room_id, struct str user_id, const char *membership)
{
	struct wanted w = { node, room_id, user_id, str_of(membership) };

	mesh_until(node->mesh, has_membership, &w, membership);
}
