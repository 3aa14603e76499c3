#include "node/links.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/federation/federation.h"
#include "node/loop_uv.h"
#include "node/media/media.h"
#include "node/node.h"
#include "node/room/rooms.h"
#include "node/user/users.h"
#include "store/peer.h"
#include "store/store.h"
#include "transport/lws.h"
#include "transport/persist.h"
#include "transport/transport.h"

#define LOG_MODULE "node"

struct node_links {
	struct node *node;
	struct transport_persist persist;
	struct transport_listener contacts;
	struct store_listener feed;
	bool owner_told;
};

/* What the overlay keeps, in the store (transport/persist.h). */

static struct store *store_of(struct transport_persist *p)
{
	return CONTAINER_OF(p, struct node_links, persist)->node->store;
}

static enum err persist_load(struct transport_persist *p, enum transport_value kind,
	enum err (*each)(void *arg, struct str key, struct str value), void *arg)
{
	return store_peer_load(store_of(p), kind, each, arg);
}

static enum err persist_put(struct transport_persist *p, enum transport_value kind,
	struct str key, struct str value)
{
	return store_peer_put(store_of(p), kind, key, value);
}

static enum err persist_del(
	struct transport_persist *p, enum transport_value kind, struct str key)
{
	return store_peer_del(store_of(p), kind, key);
}

struct durable_call {
	struct store_waiter waiter;
	void (*done)(void *arg, enum err err);
	void *arg;
};

static void on_durable(struct store_waiter *w, enum err err)
{
	struct durable_call *c = CONTAINER_OF(w, struct durable_call, waiter);

	c->done(c->arg, err);
	free(c);
}

static void persist_durable(
	struct transport_persist *p, void (*done)(void *arg, enum err err), void *arg)
{
	struct durable_call *c = NEW(struct durable_call);

	*c = (struct durable_call){ .waiter.fn = on_durable, .done = done, .arg = arg };
	store_durable(store_of(p), &c->waiter);
}

/* Whom the owner paired with, for the user directory. */

struct each_contact {
	void (*each)(void *arg, struct str user_id, struct str display_name);
	void *arg;
};

static void one_contact(void *arg, const struct transport_peer *peer)
{
	struct each_contact *e = arg;

	if (peer->level == TRANSPORT_CONTACT && peer->user_id.n && !peer->blocked)
		e->each(e->arg, peer->user_id, peer->petname);
}

static void contacts_each(void *arg,
	void (*each)(void *each_arg, struct str user_id, struct str display_name),
	void *each_arg)
{
	struct node *n = arg;
	struct each_contact e = { each, each_arg };

	if (n->transport)
		transport_peers(n->transport, one_contact, &e);
}

static const struct user_contact_ops contact_ops = { contacts_each };

/* The owner's user id goes to contacts as soon as there is one. */

static void tell_owner(struct node *n)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str owner = users_owner(n->users, a);
	enum err err;

	if (owner.n == 0)
		return;
	n->links->owner_told = true;
	err = transport_set_owner(n->transport, owner);
	if (err)
		log_warn(&n->log, "contacts are not told of user=%.*s err=%s", STR_FMT(owner),
			err_name(err));
}

static void on_feed(void *arg, const struct feed_item *item)
{
	struct node *n = arg;

	if (!n->links->owner_told && item->kind == FEED_PROFILE)
		tell_owner(n);
}

static enum err open_transport(struct node *n, struct err_ctx *why)
{
	const char *listen = config_get(&n->config, SET_LINK_LISTEN);
	struct transport_options o = { .loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.uv = loop_uv_handle(n->loop),
		.identity = n->identity,
		.persist = &n->links->persist,
		.listen = listen[0] ? listen : NULL,
		.mobile = config_is(&n->config, SET_MOBILE, "on") };
	enum err err = lws_node_new(loop_uv_handle(n->loop), &n->log, &n->lws, why);
	struct str host;
	unsigned port;

	if (err)
		return err;
	o.lws = lws_node_context(n->lws);
	err = transport_new(&o, &n->transport, why);
	if (err)
		return err;
	if (!o.listen || !config_address(listen, &host, &port))
		host = STR("*");
	(void)snprintf(n->link_address, sizeof(n->link_address), "%.*s:%u", STR_FMT(host),
		(unsigned)transport_port(n->transport));
	return ERR_OK;
}

static void open_federation(struct node *n)
{
	n->federation = federation_new(&(struct federation_options){ .store = n->store,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.server_name = n->server_name,
		.key = &n->sign_key,
		.transport = n->transport,
		.unlimited = !config_is(&n->config, SET_RATE_LIMITS, "on"),
		.users = n->users,
		.rooms = n->rooms,
		.media = n->media,
		.typing = n->typing,
		.receipts = n->receipts,
		.presence = n->presence });
	rooms_set_ops(n->rooms, federation_room_ops(n->federation));
	users_set_remote_ops(n->users, federation_user_ops(n->federation),
		federation_user_ops_arg(n->federation));
	media_set_remote(n->media, federation_media_ops(n->federation));
	federation_start(n->federation);
}

enum err links_open(struct node *n, struct err_ctx *why)
{
	enum err err;

	n->links = NEW(struct node_links);
	n->links->node = n;
	n->links->persist = (struct transport_persist){ persist_load, persist_put, persist_del,
		persist_durable };
	err = open_transport(n, why);
	if (err)
		return err;
	users_set_contact_ops(n->users, &contact_ops, n);
	open_federation(n);
	n->links->feed = (struct store_listener){ .item = on_feed, .arg = n };
	store_listen(n->store, &n->links->feed);
	tell_owner(n);
	return ERR_OK;
}

void links_close(struct node *n)
{
	if (!n->links)
		return;
	if (n->federation) {
		store_unlisten(n->store, &n->links->feed);
		federation_stop(n->federation);
	}
	transport_free(n->transport);
	n->transport = NULL;
	/* The last answers (cancelled ones) come in these turns. */
	for (int turn = 0; turn < 8; turn++)
		loop_uv_run_once(n->loop, false);
}

void links_free(struct node *n)
{
	federation_free(n->federation);
	if (n->lws) {
		lws_node_stop(n->lws);
		for (int turn = 0; turn < 8; turn++)
			loop_uv_run_once(n->loop, false);
		lws_node_free(n->lws);
	}
	free(n->links);
}
