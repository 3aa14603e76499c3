#include "node/serve.h"

#include <stdio.h>
#include <stdlib.h>

#include "client-api/limiter.h"
#include "client-api/listener.h"
#include "client-api/router.h"
#include "client-api/routes.h"
#include "node/base/alloc.h"
#include "node/control.h"
#include "node/loop_uv.h"
#include "node/node.h"
#include "node/user/users.h"
#include "store/store.h"
#include "transport/lws.h"

#define LOG_MODULE "node"

static enum err authenticate(void *arg, struct str token, struct str address, struct arena *a,
	struct caller *out, struct err_ctx *why)
{
	struct node *n = arg;
	struct user_caller who = { 0 };
	bool soft_logout = false;
	enum err err = users_authenticate(n->users, token, address, a, &who, &soft_logout, why);

	if (err) {
		out->soft_logout = soft_logout;
		return err;
	}
	*out = (struct caller){ .user_id = who.user_id,
		.device_id = who.device_id,
		.guest = who.is_guest,
		.owner = who.is_admin,
		.locked = who.is_locked,
		.suspended = who.is_suspended,
		.account = who.account,
		.device = who.device,
		.session = who.session };
	return ERR_OK;
}

struct store_wait {
	struct store_waiter waiter;
	void (*fn)(void *arg, enum err err);
	void *arg;
};

static void on_store(struct store_waiter *w, enum err err)
{
	struct store_wait *d = CONTAINER_OF(w, struct store_wait, waiter);

	d->fn(d->arg, err);
}

static void durable(
	void *arg, struct arena *a, void (*fn)(void *fn_arg, enum err err), void *fn_arg)
{
	struct node *n = arg;
	struct store_wait *d = ARENA_NEW(a, struct store_wait);

	*d = (struct store_wait){ .waiter.fn = on_store, .fn = fn, .arg = fn_arg };
	store_durable(n->store, &d->waiter);
}

static bool ready(
	void *arg, struct arena *a, void (*fn)(void *fn_arg, enum err err), void *fn_arg)
{
	struct node *n = arg;
	struct store_wait *d = ARENA_NEW(a, struct store_wait);

	*d = (struct store_wait){ .waiter.fn = on_store, .fn = fn, .arg = fn_arg };
	return store_ready(n->store, &d->waiter);
}

void serve_api(struct node *n)
{
	n->api_ops = (struct api_ops){ authenticate, durable, n, ready };
	n->host_name = str_of(config_get(&n->config, SET_HOST_NAME));
	n->api = (struct api){ .users = n->users,
		.rooms = n->rooms,
		.sync = n->sync,
		.media = n->media,
		.typing = n->typing,
		.receipts = n->receipts,
		.presence = n->presence,
		.push_rules = n->push_rules,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.ops = &n->api_ops,
		.server_name = n->server_name,
		.default_room_version =
			str_of(config_get(&n->config, SET_DEFAULT_ROOM_VERSION)),
		.hosts = &n->host_name,
		.n_hosts = n->host_name.n ? 1 : 0 };
	if (config_is(&n->config, SET_RATE_LIMITS, "on"))
		n->api.limiter = limiter_new();
	n->router = router_new(&n->api, routes_all);
}

void serve_api_end(struct node *n)
{
	router_free(n->router);
	limiter_free(n->api.limiter);
	n->router = NULL;
	n->api.limiter = NULL;
}

enum err serve_open(struct node *n, struct err_ctx *why)
{
	const char *address = config_get(&n->config, SET_LISTEN);
	struct client_listener_options o = {
		.router = n->router, .lws = n->lws, .uv = loop_uv_handle(n->loop)
	};
	char host_z[256];
	struct str host;
	unsigned port;
	enum err err;

	if (!config_address(address, &host, &port) || host.n >= sizeof(host_z))
		return err_set(why, ERR_INVALID, "%s is no HOST:PORT", address);
	(void)snprintf(host_z, sizeof(host_z), "%.*s", STR_FMT(host));
	o.host = host_z;
	o.port = (uint16_t)port;
	err = client_listener_new(&o, &n->listener, why);
	if (err)
		return err;
	n->api.any_address = !client_listener_is_loopback(n->listener);
	if (n->api.any_address)
		log_warn(&n->log,
			"clients beyond this machine can connect, unencrypted listen=%s",
			address);
	(void)snprintf(n->listen_address, sizeof(n->listen_address),
		str_find(host, ':') < host.n ? "[%s]:%u" : "%s:%u", host_z,
		(unsigned)client_listener_port(n->listener));
	return control_open(n, &n->control, why);
}

void serve_close(struct node *n)
{
	control_close(n->control);
	client_listener_free(n->listener);
	n->control = NULL;
	n->listener = NULL;
}
