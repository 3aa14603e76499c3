#include "node/node.h"

#include <stdlib.h>
#include <unistd.h>

#include <sodium.h>
#include <uv.h>

#include "node/base/alloc.h"
#include "node/inbox.h"
#include "node/links.h"
#include "node/loop_uv.h"
#include "node/media/media.h"
#include "node/media/thumbnail.h"
#include "node/room/carry_over.h"
#include "node/room/rooms.h"
#include "node/serve.h"
#include "node/sync/sync.h"
#include "node/user/presence.h"
#include "node/user/push_rules.h"
#include "node/user/receipt.h"
#include "node/user/typing.h"
#include "node/user/users.h"
#include "store/store.h"
#include "transport/identity_files.h"

#define LOG_MODULE "node"

#define PATH_BYTES 4200

static void path_of(const struct node *n, const char *name, char out[PATH_BYTES])
{
	(void)snprintf(out, PATH_BYTES, "%s/%s", config_get(&n->config, SET_DATA_DIR), name);
}

enum err node_identity_lost(const char *dir, struct err_ctx *why)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, NODE_DATABASE);
	if (identity_file_exists(dir) || access(path, F_OK) != 0)
		return ERR_OK;
	return err_set(why, ERR_CORRUPT,
		"the database in %s has lost its identity file: put it back from a backup, or "
		"use the recovery code (kith init --recover)",
		dir);
}

static enum err open_identity(struct node *n, struct err_ctx *why)
{
	const char *dir = config_get(&n->config, SET_DATA_DIR);
	enum err err;

	/* A directory that isn't there holds no identity: it is not made by looking. */
	if (!identity_file_exists(dir)) {
		err = node_identity_lost(dir, why);
		return err ? err
			   : err_set(why, ERR_NOT_FOUND,
				     "%s holds no node: kith init makes one", dir);
	}
	err = data_dir_lock(dir, &n->lock, why);
	if (!err)
		err = identity_file_load(dir, &n->identity, why);
	if (err == ERR_NOT_FOUND || err == ERR_FORBIDDEN)
		err = ERR_CORRUPT; /* it was there a moment ago, or others can read it */
	if (err)
		return err;
	if (identity_renew(n->identity, clock_wall_ms(&clock_system)) &&
		identity_file_update(dir, n->identity, why))
		log_warn(&n->log, "the renewed certificate was not kept: %s", why->text);
	n->server_name = str_of(identity_name(n->identity));
	n->sign_key = (struct sign_key){ n->server_name, str_of(IDENTITY_EVENT_KEY_ID),
		identity_secret(n->identity) };
	return ERR_OK;
}

static enum err open_store(struct node *n, struct err_ctx *why)
{
	char path[PATH_BYTES];
	char media[PATH_BYTES];
	struct store_options o = { .path = path,
		.server_name = n->server_name,
		.loop = loop_uv_loop(n->loop),
		.uv = loop_uv_handle(n->loop),
		.log = &n->log };

	path_of(n, NODE_DATABASE, path);
	/* The folder of media is made once there is a database. */
	path_of(n, NODE_MEDIA, media);
	o.must_exist = access(media, F_OK) == 0;
	if (config_is(&n->config, SET_DURABILITY, "full"))
		o.durability = STORE_FULL;
	return store_open(&o, &n->store, why);
}

static enum users_registration registration_of(const struct config *c)
{
	if (config_is(c, SET_REGISTRATION, "open"))
		return REGISTRATION_OPEN;
	return config_is(c, SET_REGISTRATION, "token") ? REGISTRATION_TOKEN
						       : REGISTRATION_CLOSED;
}

static enum err open_users(struct node *n, struct err_ctx *why)
{
	char path[PATH_BYTES];
	struct users_options o = { .store = n->store,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.server_name = n->server_name,
		.key = &n->sign_key,
		.registration = registration_of(&n->config),
		.password_low_cost = config_is(&n->config, SET_PASSWORD_COST, "low") };

	path_of(n, NODE_TOKEN, path);
	o.owner_token_path = n->token_path = xstrdup(str_of(path));
	return users_new(&o, &n->users, why);
}

static void open_rooms(struct node *n)
{
	struct rooms_options o = { .store = n->store,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.server_name = n->server_name,
		.key = &n->sign_key,
		.users = n->users,
		.default_version = str_of(config_get(&n->config, SET_DEFAULT_ROOM_VERSION)) };

	n->rooms = rooms_new(&o);
	users_set_room_ops(n->users, &rooms_user_ops, n->rooms);
}

static void open_ephemeral(struct node *n)
{
	struct loop *loop = loop_uv_loop(n->loop);

	n->typing = typing_new(&(struct typing_options){ .store = n->store,
		.loop = loop,
		.log = &n->log,
		.server_name = n->server_name });
	n->receipts = receipts_new(&(struct receipts_options){ .store = n->store,
		.clock = &clock_system,
		.log = &n->log,
		.server_name = n->server_name,
		.users = n->users });
	n->presence = presence_new(&(struct presence_options){ .store = n->store,
		.loop = loop,
		.clock = &clock_system,
		.log = &n->log,
		.server_name = n->server_name });
	n->push_rules = push_rules_new(
		&(struct push_rules_options){ .store = n->store, .log = &n->log });
	n->carry_over = carry_over_new(&(struct carry_over_options){ .store = n->store,
		.rooms = n->rooms,
		.users = n->users,
		.push_rules = n->push_rules,
		.log = &n->log });
}

static void open_sync(struct node *n)
{
	n->sync = sync_new(&(struct sync_options){ .store = n->store,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.server_name = n->server_name,
		.users = n->users,
		.rooms = n->rooms,
		.typing = n->typing,
		.presence = n->presence,
		.push_rules = n->push_rules });
}

static enum err open_media(struct node *n, struct err_ctx *why)
{
	char path[PATH_BYTES];
	struct media_options o = { .store = n->store,
		.loop = loop_uv_loop(n->loop),
		.clock = &clock_system,
		.rng = &rng_system,
		.log = &n->log,
		.server_name = n->server_name,
		.dir = path,
		.thumbnailer = n->thumbnailer };
	enum err err;

	path_of(n, NODE_MEDIA, path);
	err = media_new(&o, &n->media);
	return err ? err_set(why, err, "%s can't be made", path) : ERR_OK;
}

static enum err open_services(struct node *n, struct err_ctx *why)
{
	enum err err = open_users(n, why);

	if (err)
		return err;
	open_rooms(n);
	open_ephemeral(n);
	open_sync(n);
	err = open_media(n, why);
	if (!err)
		serve_api(n);
	return err;
}

enum err node_open(const struct config *config, const struct log *log, struct node **out,
	struct err_ctx *why)
{
	struct node *n = NEW(struct node);
	enum err err;

	n->lock = -1;
	config_copy(&n->config, config);
	n->log = *log;
	err = sodium_init() < 0 ? err_set(why, ERR_IO, "libsodium can't start") : ERR_OK;
	if (!err)
		err = open_identity(n, why);
	/* The helper that decodes pictures is forked before there are threads. */
	if (!err && thumbnailer_new(&n->thumbnailer))
		log_warn(&n->log, "no thumbnails: their helper process can't be started");
	if (!err)
		err = loop_uv_new(NULL, &n->loop);
	if (!err)
		err = inbox_new(loop_uv_handle(n->loop), &n->inbox);
	if (!err)
		err = open_store(n, why);
	if (!err)
		err = open_services(n, why);
	if (err) {
		node_close(n);
		return err_set(why, err, "the node can't be opened: %s", err_name(err));
	}
	*out = n;
	return ERR_OK;
}

enum err node_link(struct node *n, struct err_ctx *why)
{
	return links_open(n, why);
}

enum err node_serve(struct node *n, struct err_ctx *why)
{
	return serve_open(n, why);
}

static void free_services(struct node *n)
{
	media_free(n->media);
	sync_free(n->sync);
	carry_over_free(n->carry_over);
	push_rules_free(n->push_rules);
	presence_free(n->presence);
	receipts_free(n->receipts);
	typing_free(n->typing);
	if (n->rooms)
		rooms_free(n->rooms);
	if (n->users)
		users_free(n->users);
}

void node_close(struct node *n)
{
	if (!n)
		return;
	serve_close(n); /* no new requests; those that wait are answered or dropped */
	links_close(n);
	free_services(n); /* what waited for them is answered ... */
	if (n->store)
		store_finish(n->store); /* ... and what waited for the disk is given up */
	store_close(n->store);
	links_free(n);
	thumbnailer_free(n->thumbnailer);
	inbox_close(n->inbox);
	loop_uv_free(n->loop);
	serve_api_end(n); /* no request is left */
	identity_free(n->identity);
	data_dir_unlock(n->lock);
	free(n->token_path);
	config_deinit(&n->config);
	free(n);
}
