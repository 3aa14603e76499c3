#include "tests/sim/world.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "node/room/create.h"
#include "node/room/member.h"
#include "node/room/rooms.h"
#include "node/user/account.h"
#include "node/user/presence.h"
#include "node/user/receipt.h"
#include "node/user/typing.h"
#include "node/user/users.h"
#include "tests/sim/traffic.h"
#include "transport/transport_int.h"

#define BEGAN_MS INT64_C(1800000000000) /* wall time at 0 */
#define SECOND   UINT64_C(1000000)

void world_fail(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failed)
		return; /* the first one is what counts */
	w->failed = true;
	va_start(ap, fmt);
	(void)vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
}

/* ---- chance, for libsodium too ---- */

/* libsodium's interface has no argument: the one thing in the tests that a process has once. */
static struct queue *sodium_chance;

static const char *chance_name(void)
{
	return "simulated";
}

static uint32_t chance_random(void)
{
	return (uint32_t)queue_random(sodium_chance);
}

static void chance_fill(void *const p, const size_t n)
{
	rng_fill(queue_rng(sodium_chance), p, n);
}

static void seed_sodium(struct queue *q)
{
	static struct randombytes_implementation chance = {
		.implementation_name = chance_name, .random = chance_random, .buf = chance_fill
	};

	/* Its start takes of the real chance; what it draws then must not be missing here. */
	if (sodium_init() < 0)
		abort();
	sodium_chance = q;
	(void)randombytes_set_implementation(&chance);
}

/* ---- a node's outside ---- */

static int64_t wall_ms(void *arg)
{
	const struct node *n = arg;

	return BEGAN_MS + n->skew_ms + (int64_t)(n->world->q.now_us / 1000);
}

/* Unlike the loop's time it goes on while the node works. */
static uint64_t mono_ms(void *arg)
{
	const struct node *n = arg;
	uint64_t now = n->world->q.now_us, busy = n->loop.busy_us;

	return n->loop.boot_ms + (busy > now ? busy : now) / 1000;
}

static void write_log(void *arg, enum log_level level, const char *line)
{
	const struct node *n = arg;
	uint64_t ms = n->world->q.now_us / 1000;

	if (n->world->verbose)
		(void)fprintf(stderr, "# %5u.%03u %zu %s %s\n", (unsigned)(ms / 1000),
			(unsigned)(ms % 1000), n->at, log_level_name(level), line);
}

struct str node_name(const struct node *n)
{
	return str_of(identity_name(n->identity));
}

struct node *world_find(struct world *w, struct str name)
{
	for (size_t i = 0; i < w->n; i++) {
		if (str_eq(node_name(&w->nodes[i]), name))
			return &w->nodes[i];
	}
	return NULL;
}

/* ---- a node's life ---- */

static void on_peer_up(void *arg, struct str name)
{
	struct node *n = arg;

	(void)name;
	n->ups++;
	queue_trace(&n->world->q, 0x1000 + n->at, n->ups);
}

static void start_services(struct node *n)
{
	struct loop *loop = &n->loop.loop;
	const struct rng *rng = queue_rng(&n->world->q);
	struct str name = node_name(n);
	struct err_ctx why = { 0 };

	if (store_open(&(struct store_options){ .path = n->path,
			       .server_name = name,
			       .loop = loop,
			       .log = &n->log },
		    &n->store, &why) ||
		users_new(&(struct users_options){ .store = n->store,
				  .loop = loop,
				  .clock = &n->clock,
				  .rng = rng,
				  .log = &n->log,
				  .server_name = name,
				  .key = &n->key,
				  .registration = REGISTRATION_OPEN,
				  .password_low_cost = true },
			&n->users, &why)) {
		(void)fprintf(stderr, "node %zu: %s\n", n->at, why.text);
		abort();
	}
	n->rooms = rooms_new(&(struct rooms_options){ .store = n->store,
		.loop = loop,
		.clock = &n->clock,
		.rng = rng,
		.log = &n->log,
		.server_name = name,
		.key = &n->key,
		.users = n->users });
	n->typing = typing_new(&(struct typing_options){
		.store = n->store, .loop = loop, .log = &n->log, .server_name = name });
	n->receipts = receipts_new(&(struct receipts_options){ .store = n->store,
		.clock = &n->clock,
		.log = &n->log,
		.server_name = name,
		.users = n->users });
	n->presence = presence_new(&(struct presence_options){ .store = n->store,
		.loop = loop,
		.clock = &n->clock,
		.log = &n->log,
		.server_name = name });
	n->federation = federation_new(&(struct federation_options){ .store = n->store,
		.loop = loop,
		.clock = &n->clock,
		.rng = rng,
		.log = &n->log,
		.server_name = name,
		.key = &n->key,
		.transport = n->transport,
		.users = n->users,
		.rooms = n->rooms,
		.typing = n->typing,
		.receipts = n->receipts,
		.presence = n->presence });
	rooms_set_ops(n->rooms, federation_room_ops(n->federation));
	users_set_remote_ops(n->users, federation_user_ops(n->federation),
		federation_user_ops_arg(n->federation));
	federation_start(n->federation);
}

static void stop_services(struct node *n)
{
	users_free(n->users);
	typing_free(n->typing);
	receipts_free(n->receipts);
	presence_free(n->presence);
	rooms_free(n->rooms);
	federation_free(n->federation);
	store_close(n->store);
	n->store = NULL;
}

void node_start(struct node *n)
{
	char listen[64], address[32];
	struct transport_options o = {
		.loop = &n->loop.loop,
		.clock = &n->clock,
		.rng = queue_rng(&n->world->q),
		.log = &n->log,
		.identity = n->identity,
		.persist = &n->memory.persist,
		.listen = listen,
	};
	struct err_ctx why = { 0 };

	net_address(n->at, address);
	(void)snprintf(listen, sizeof(listen), "%s:%d", address, LINK_PORT);
	if (transport_new(&o, &n->transport, &why)) {
		(void)fprintf(stderr, "node %zu: %s\n", n->at, why.text);
		abort();
	}
	n->peers = (struct transport_listener){ .peer_up = on_peer_up, .arg = n };
	transport_listen(n->transport, &n->peers);
	if (n->world->full)
		start_services(n);
	n->up = true;
	traffic_node_up(n);
	queue_loop_turn(&n->loop);
}

void node_stop(struct node *n)
{
	if (!n->up)
		return;
	traffic_node_down(n);
	n->up = false;
	if (n->world->full)
		federation_stop(n->federation);
	queue_loop_turn(&n->loop);
	transport_free(n->transport);
	n->transport = NULL;
	queue_loop_drain(&n->loop);
	if (n->world->full)
		stop_services(n);
	queue_loop_drain(&n->loop);
}

static void node_init(struct world *w, size_t at)
{
	struct node *n = &w->nodes[at];
	struct identity_recovery recovery;

	n->world = w;
	n->at = at;
	n->clock = (struct clock){ wall_ms, mono_ms, n };
	n->log = (struct log){ .level = LOG_DEBUG, .write = write_log, .arg = n };
	queue_loop_init(&n->loop, &w->q);
	net_place(w->net, at, &n->loop);
	persist_memory_init(&n->memory, &n->loop.loop);
	n->identity = identity_new(queue_rng(&w->q), wall_ms(n), &recovery);
	n->key = (struct sign_key){ node_name(n), STR("ed25519:0"),
		identity_secret(n->identity) };
	(void)snprintf(n->path, sizeof(n->path), "%s/%zu.db", w->dir, at);
	node_start(n);
}

static void after_event(void *arg, struct queue_loop *l)
{
	struct node *n = l ? CONTAINER_OF(l, struct node, loop) : NULL;

	if (n && n->up)
		world_check_bounds(arg, n);
}

struct world *world_new(uint64_t seed, size_t n, bool full, const struct net_model *model)
{
	struct world *w = NEW(struct world);

	queue_init(&w->q, seed);
	seed_sodium(&w->q);
	w->n = n;
	w->full = full;
	w->net = net_new(&w->q, n, model);
	w->nodes = xcalloc(n, sizeof(w->nodes[0]));
	w->friends = xcalloc(n * n, sizeof(w->friends[0]));
	w->verbose = getenv("KITH_TEST_LOG") != NULL;
	(void)snprintf(w->dir, sizeof(w->dir), "%s/kith-sim-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (full && !mkdtemp(w->dir))
		abort();
	w->traffic = traffic_new(w);
	for (size_t i = 0; i < n; i++)
		node_init(w, i);
	w->q.after = after_event;
	w->q.arg = w;
	return w;
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

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		node_stop(&w->nodes[i]);
	net_free(w->net);
	for (size_t i = 0; i < w->n; i++) {
		struct node *n = &w->nodes[i];

		queue_loop_deinit(&n->loop);
		persist_memory_deinit(&n->memory);
		identity_free(n->identity);
	}
	if (w->full)
		remove_dir(w->dir);
	traffic_free(w->traffic);
	queue_deinit(&w->q);
	free(w->nodes);
	free(w->friends);
	free(w);
}

/* ---- time ---- */

void world_run(struct world *w, uint64_t us)
{
	uint64_t until = w->q.now_us + us;

	while (!w->failed && queue_step(&w->q, until))
		;
}

bool world_until(struct world *w, bool (*cond)(void *arg), void *arg, uint64_t limit_us)
{
	uint64_t until = w->q.now_us + limit_us;

	while (!w->failed && !cond(arg)) {
		if (!queue_step(&w->q, until))
			return false;
	}
	return !w->failed;
}

/* ---- what has to be there before it begins ---- */

struct waiting {
	bool done;
	enum err err;
	char text[1024];
	struct node *node;
};

static bool is_done(void *arg)
{
	return ((struct waiting *)arg)->done;
}

static void on_invite(void *arg, enum err err, struct str text, const char *why)
{
	struct waiting *w = arg;

	(void)why;
	w->done = true;
	w->err = err;
	(void)snprintf(w->text, sizeof(w->text), "%.*s", STR_FMT(text));
}

static void on_accepted(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct waiting *w = arg;

	(void)pairing;
	w->done = true;
	w->err = err;
	(void)snprintf(w->text, sizeof(w->text), "%s", why ? why : "");
}

bool world_pair(struct world *w, size_t a, size_t b)
{
	struct waiting invite = { 0 }, accept = { 0 };

	transport_invite_create(w->nodes[a].transport, &(struct transport_invite_options){ 0 },
		on_invite, &invite);
	queue_loop_turn(&w->nodes[a].loop);
	if (!world_until(w, is_done, &invite, SECOND) || invite.err)
		return false;
	transport_invite_accept(
		w->nodes[b].transport, str_of(invite.text), on_accepted, &accept);
	queue_loop_turn(&w->nodes[b].loop);
	if (!world_until(w, is_done, &accept, 60 * SECOND) || accept.err)
		return false;
	w->friends[a * w->n + b] = w->friends[b * w->n + a] = true;
	return true;
}

static void on_registered(
	struct account_call *c, enum err err, const struct account_session *session)
{
	struct waiting *w = c->arg;

	w->done = true;
	w->err = err;
	if (!err)
		(void)snprintf(w->node->token, sizeof(w->node->token), "%.*s",
			STR_FMT(session->access_token));
}

static void register_user(struct node *n)
{
	struct waiting w = { .node = n };
	struct account_call call = { .done = on_registered, .arg = &w };
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct user_caller who;

	account_create(n->users,
		&(struct account_register){
			.localpart = STR("u"), .device.device_id = STR("DEVICE") },
		&call);
	queue_loop_turn(&n->loop);
	if (!world_until(n->world, is_done, &w, 10 * SECOND) || w.err ||
		users_authenticate(n->users, str_of(n->token), STR(""), a, &who, NULL, NULL)) {
		world_fail(n->world, "no account on node %zu", n->at);
		return;
	}
	(void)snprintf(n->user_id, sizeof(n->user_id), "%.*s", STR_FMT(who.user_id));
	n->device = who.device;
}

void world_register(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		register_user(&w->nodes[i]);
}

static void on_created(struct room_create *c, enum err err)
{
	struct waiting *w = c->owner;

	w->done = true;
	w->err = err;
}

static void on_joined(struct room_member *m, enum err err)
{
	struct waiting *w = m->owner;

	w->done = true;
	w->err = err;
}

static bool join(struct world *w, struct node *n)
{
	struct waiting waiting = { 0 };
	struct str via = node_name(&w->nodes[0]);
	struct room_member m = { .action = MEMBER_JOIN,
		.room = str_of(w->room_id),
		.sender = str_of(n->user_id),
		.via = &via,
		.n_via = 1,
		.done = on_joined,
		.owner = &waiting };

	rooms_member(n->rooms, &m);
	queue_loop_turn(&n->loop);
	return world_until(w, is_done, &waiting, 60 * SECOND) && !waiting.err;
}

bool world_room(struct world *w)
{
	struct waiting waiting = { 0 };
	struct room_create c = { .creator = str_of(w->nodes[0].user_id),
		.preset = STR("public_chat"),
		.done = on_created,
		.owner = &waiting };

	rooms_create(w->nodes[0].rooms, &c);
	queue_loop_turn(&w->nodes[0].loop);
	if (!world_until(w, is_done, &waiting, 10 * SECOND) || waiting.err)
		return false;
	(void)snprintf(w->room_id, sizeof(w->room_id), "%s", c.room_id);
	for (size_t i = 1; i < w->n; i++) {
		if (!join(w, &w->nodes[i]))
			return false;
	}
	world_run(w, 5 * SECOND); /* everybody hears of the last ones */
	return true;
}

/* ---- bounds ---- */

void world_check_bounds(struct world *w, struct node *n)
{
	const struct transport *t = n->transport;
	size_t links = 0;

	for (const struct wlink *l = t->links; l; l = l->next)
		links++;
	if (links > LINKS_MAX || gate_half_open(&t->gate) > GATE_HALF_OPEN)
		world_fail(w, "node %zu has %zu links, %u half open", n->at, links,
			gate_half_open(&t->gate));
	if (t->incoming_bytes > INCOMING_BYTES)
		world_fail(w, "node %zu holds %zu bytes of requests", n->at, t->incoming_bytes);
	for (const struct contact *c = t->contacts; c; c = c->next) {
		if (c->queued > CALLS_QUEUED_MAX + TRANSPORT_MAX_BODY ||
			c->n_peers > CONTACT_NODES)
			world_fail(w, "node %zu queues %zu bytes for one contact", n->at,
				c->queued);
	}
	traffic_note_state(w->traffic, links);
}
