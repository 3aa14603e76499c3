#include "node/command.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/arena.h"
#include "node/json/json.h"
#include "node/loop_uv.h"
#include "node/node.h"
#include "node/user/account.h"
#include "store/store.h"
#include "transport/transport.h"

#define INVITE_MINUTES     (INT64_C(7) * 24 * 60)
#define INVITE_MINUTES_MAX (INT64_C(366) * 24 * 60)

/* One command on its way; in its own arena, freed when it was answered. */
struct command {
	struct node *node;
	struct arena *arena;
	const struct json *args;
	struct buf answer;
	struct jw w;
	command_fn *done;
	void *arg;
	struct account_call account;
	struct store_waiter durable;
	int64_t expires_ts;
	struct loop_work check;
	struct buf path;
	enum err checked;
};

enum kith_status command_status(enum err err)
{
	switch (err) {
	case ERR_OK: return KITH_OK;
	case ERR_MALFORMED:
	case ERR_INVALID:
	case ERR_TOO_LARGE: return KITH_USAGE;
	case ERR_CORRUPT: return KITH_DAMAGED;
	case ERR_EXISTS: return KITH_EXISTS;
	case ERR_FORBIDDEN:
	case ERR_UNAUTHORIZED:
	case ERR_LIMIT: return KITH_REFUSED;
	case ERR_UNREACHABLE:
	case ERR_TIMEOUT: return KITH_UNREACHABLE;
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_FULL:
	case ERR_NOT_FOUND:
	case ERR_CANCELLED: return KITH_ERROR;
	}
	return KITH_ERROR;
}

static void finish(struct command *c, enum err err, const char *why)
{
	c->done(c->arg, command_status(err), err ? STR("") : buf_str(&c->answer),
		why && why[0] ? why : err_name(err));
	buf_deinit(&c->answer);
	arena_free(c->arena);
}

/* Whatever a command changed is told only when it is on disk. */
static void on_durable(struct store_waiter *w, enum err err)
{
	finish(CONTAINER_OF(w, struct command, durable), err, "the disk does not take it");
}

static void finish_durable(struct command *c)
{
	c->durable.fn = on_durable;
	store_durable(c->node->store, &c->durable);
}

static void registered(
	struct account_call *call, enum err err, const struct account_session *session)
{
	struct command *c = call->arg;

	if (err) {
		finish(c, err, call->why.text);
		return;
	}
	jw_obj(&c->w);
	jw_kv_str(&c->w, "user_id", session->user_id);
	jw_end(&c->w);
	finish_durable(c);
}

static void do_register(struct command *c)
{
	struct account_register reg = { .inhibit_login = true };
	struct err_ctx why = { { 0 } };
	enum err err = json_str(c->args, "user", &reg.localpart, &why);

	if (!err)
		err = json_str(c->args, "password", &reg.password, &why);
	if (!err && reg.localpart.n == 0)
		err = err_set(&why, ERR_INVALID, "an account needs a name");
	if (!err && reg.password.n == 0)
		err = err_set(&why, ERR_INVALID, "an account needs a password");
	if (err) {
		finish(c, err, why.text);
		return;
	}
	c->account = (struct account_call){ .done = registered, .arg = c };
	account_create(c->node->users, &reg, &c->account);
}

static void invited(void *arg, enum err err, struct str text, const char *why)
{
	struct command *c = arg;

	if (err) {
		finish(c, err, why);
		return;
	}
	jw_obj(&c->w);
	jw_kv_str(&c->w, "invite", text);
	jw_kv_int(&c->w, "expires_ts", c->expires_ts);
	jw_end(&c->w);
	finish(c, ERR_OK, NULL);
}

static void do_invite(struct command *c)
{
	struct transport_invite_options o = { 0 };
	struct err_ctx why = { { 0 } };
	int64_t minutes = INVITE_MINUTES;
	enum err err =
		json_opt_int(c->args, "expiry_minutes", 1, INVITE_MINUTES_MAX, &minutes, &why);

	if (err) {
		finish(c, err, why.text);
		return;
	}
	o.lifetime_ms = (uint64_t)minutes * 60000;
	c->expires_ts = clock_wall_ms(&clock_system) + minutes * 60000;
	transport_invite_create(c->node->transport, &o, invited, c);
}

/* The user ids of a peer: the owner's, as it told us. */
static void put_user_ids(struct jw *w, const struct transport_peer *p)
{
	jw_key(w, "user_ids");
	jw_arr(w);
	if (p->user_id.n)
		jw_str(w, p->user_id);
	jw_end(w);
}

static void joined(
	void *arg, enum err err, const struct transport_pairing *pairing, const char *why)
{
	struct command *c = arg;

	if (err) {
		finish(c, err, why);
		return;
	}
	jw_obj(&c->w);
	jw_kv_str(&c->w, "server_name", pairing->peer.name);
	put_user_ids(&c->w, &pairing->peer);
	if (pairing->room.n)
		jw_kv_str(&c->w, "room", pairing->room);
	jw_end(&c->w);
	finish(c, ERR_OK, NULL);
}

static void do_join(struct command *c)
{
	struct err_ctx why = { { 0 } };
	struct str text;
	enum err err = json_str(c->args, "invite", &text, &why);

	if (err)
		finish(c, err, why.text);
	else
		transport_invite_accept(c->node->transport, text, joined, c);
}

static void put_peer(void *arg, const struct transport_peer *p)
{
	struct jw *w = arg;

	if (p->level != TRANSPORT_CONTACT)
		return;
	jw_obj(w);
	jw_kv_str(w, "server_name", p->name);
	put_user_ids(w, p);
	if (p->petname.n)
		jw_kv_str(w, "petname", p->petname);
	jw_kv_bool(w, "connected", p->connected);
	jw_kv_bool(w, "blocked", p->blocked);
	jw_kv_int(w, "last_seen_ts", p->last_seen_ms);
	if (p->address.n)
		jw_kv_str(w, "address", p->address);
	if (p->last_error.n)
		jw_kv_str(w, "last_error", p->last_error);
	jw_end(w);
}

static void do_peers(struct command *c)
{
	jw_obj(&c->w);
	jw_key(&c->w, "peers");
	jw_arr(&c->w);
	transport_peers(c->node->transport, put_peer, &c->w);
	jw_end(&c->w);
	jw_end(&c->w);
	finish(c, ERR_OK, NULL);
}

static void do_status(struct command *c)
{
	struct node *n = c->node;
	struct transport_status t = { 0 };
	struct store_health h = { 0 };
	struct jw *w = &c->w;

	transport_status(n->transport, &t);
	store_health(n->store, &h);
	jw_obj(w);
	jw_kv_str(w, "server_name", n->server_name);
	jw_kv_z(w, "version", KITH_VERSION);
	jw_kv_bool(w, "running", n->listener != NULL);
	jw_kv_z(w, "listen", n->listen_address);
	jw_kv_z(w, "link_listen", n->link_address);
	jw_kv_z(w, "data_dir", config_get(&n->config, SET_DATA_DIR));
	jw_kv_int(w, "users", account_count(n->users));
	jw_kv_int(w, "friends", (int64_t)t.contacts);
	jw_kv_int(w, "links", (int64_t)t.links);
	jw_kv_int(w, "open_invites", (int64_t)t.invites);
	jw_kv_int(w, "link_bytes_in", (int64_t)t.bytes_in);
	jw_kv_int(w, "link_bytes_out", (int64_t)t.bytes_out);
	jw_kv_z(w, "database", h.text[0] ? h.text : "in order");
	jw_end(w);
	finish(c, ERR_OK, NULL);
}

static void put_finding(void *arg, const char *line)
{
	struct jw *w = arg;

	jw_z(w, line);
}

/* On the pool: reading a whole database takes seconds, and the node serves meanwhile. */
static void check_work(struct loop_work *work)
{
	struct command *c = CONTAINER_OF(work, struct command, check);
	struct jw *w = &c->w;

	jw_obj(w);
	jw_key(w, "findings");
	jw_arr(w);
	c->checked = store_check(c->path.p, put_finding, w);
	jw_end(w);
	jw_kv_bool(w, "ok", c->checked == ERR_OK);
	jw_end(w);
}

static void check_done(struct loop_work *work)
{
	struct command *c = CONTAINER_OF(work, struct command, check);
	enum err err = c->checked;

	if (err == ERR_CORRUPT)
		err = ERR_OK; /* the findings are the answer */
	buf_deinit(&c->path);
	finish(c, err, "the database can't be read");
}

static void do_check(struct command *c)
{
	buf_printf(
		&c->path, "%s/%s", config_get(&c->node->config, SET_DATA_DIR), NODE_DATABASE);
	buf_put_u8(&c->path, 0);
	c->check = (struct loop_work){ .work = check_work, .done = check_done };
	loop_work(loop_uv_loop(c->node->loop), &c->check);
}

static const struct {
	struct str name;
	void (*run)(struct command *c);
	bool links;
} table[] = {
	{ STR_INIT("register"), do_register, false },
	{ STR_INIT("invite"), do_invite, true },
	{ STR_INIT("join"), do_join, true },
	{ STR_INIT("peers"), do_peers, true },
	{ STR_INIT("status"), do_status, true },
	{ STR_INIT("check"), do_check, false },
};

bool command_needs_links(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (str_eq(name, table[i].name))
			return table[i].links;
	}
	return false;
}

void command_run(
	struct node *n, struct str name, struct str arguments, command_fn *done, void *arg)
{
	struct arena *a = arena_new();
	struct command *c = ARENA_NEW(a, struct command);
	struct err_ctx why = { { 0 } };
	enum err err;

	*c = (struct command){ .node = n, .arena = a, .done = done, .arg = arg };
	c->w = jw_to(&c->answer);
	if (arguments.n == 0)
		arguments = STR("{}");
	err = json_parse_in(a, arena_str(a, arguments), &json_limits_client, &c->args, &why);
	for (size_t i = 0; !err && i < ARRAY_LEN(table); i++) {
		if (str_eq(name, table[i].name)) {
			table[i].run(c);
			return;
		}
	}
	if (!err)
		err = err_set(&why, ERR_INVALID, "there is no command %.*s", STR_FMT(name));
	finish(c, err, why.text);
}

void command_line_put(struct buf *out, struct str name, struct str arguments)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	jw_kv_str(&w, "command", name);
	jw_kv_raw(&w, "arguments", arguments.n ? arguments : STR("{}"));
	jw_end(&w);
}

void command_reply_put(
	struct buf *out, enum kith_status status, struct str answer, const char *why)
{
	struct jw w = jw_to(out);

	jw_obj(&w);
	jw_kv_int(&w, "status", status);
	if (status == KITH_OK)
		jw_kv_raw(&w, "answer", answer);
	else
		jw_kv_z(&w, "error", why ? why : "");
	jw_end(&w);
}

struct line_call {
	void (*done)(void *arg, struct str reply);
	void *arg;
};

static void line_done(void *arg, enum kith_status status, struct str answer, const char *why)
{
	struct line_call *call = arg;
	CLEANUP(buf_deinit) struct buf reply = { 0 };

	command_reply_put(&reply, status, answer, why);
	call->done(call->arg, buf_str(&reply));
	free(call);
}

void command_run_line(
	struct node *n, struct str line, void (*done)(void *arg, struct str reply), void *arg)
{
	CLEANUP(json_freep) struct json *j = NULL;
	CLEANUP(buf_deinit) struct buf arguments = { 0 };
	struct line_call *call = NEW(struct line_call);
	struct err_ctx why = { { 0 } };
	const struct json *args = NULL;
	struct str name;
	enum err err = json_parse(line, &json_limits_client, &j, &why);

	*call = (struct line_call){ done, arg };
	if (!err)
		err = json_str(j, "command", &name, &why);
	if (!err)
		err = json_opt_obj(j, "arguments", &args, &why);
	if (err) {
		line_done(call, command_status(err), STR(""), why.text);
		return;
	}
	if (args)
		json_canonical(args, &arguments);
	command_run(n, name, buf_str(&arguments), line_done, call);
	if (arguments.p)
		explicit_bzero(arguments.p, arguments.n); /* it may hold a password */
}

enum kith_status command_reply_read(
	struct arena *a, struct str line, struct str *answer, struct str *why)
{
	const struct json *j = NULL;
	const struct json *body = NULL;
	struct buf text = { 0 };
	int64_t status = KITH_ERROR;

	*answer = *why = STR("");
	if (json_parse_in(a, line, &json_limits_client, &j, NULL) ||
		json_int(j, "status", 0, KITH_REFUSED, &status, NULL)) {
		*why = STR("the node's answer can't be read");
		return KITH_ERROR;
	}
	if (status != KITH_OK) {
		(void)json_as_str(json_get(j, "error"), why);
		return (enum kith_status)status;
	}
	body = json_get(j, "answer");
	json_canonical(body, &text);
	*answer = arena_str(a, buf_str(&text));
	buf_deinit(&text);
	return KITH_OK;
}
