/*
 * node: all parts of one kith node, and the order in which they are made, started and ended.
 *
 * Nothing but wiring lives here: which service gets which, and which ops struct is filled by
 * whom. No process-wide state: two nodes live in one process.
 */
#ifndef KITH_NODE_H
#define KITH_NODE_H

#include "client-api/request.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/config.h"
#include "node/core/sign.h"

struct carry_over;
struct control;
struct federation;
struct identity;
struct inbox;
struct client_listener;
struct loop_uv;
struct lws_node;
struct media;
struct presence;
struct push_rules;
struct receipts;
struct rooms;
struct router;
struct store;
struct sync;
struct thumbnailer;
struct transport;
struct typing;
struct users;

/* In the data directory. */
#define NODE_DATABASE "kith.db"
#define NODE_MEDIA    "media"
#define NODE_TOKEN    "owner-token"
#define NODE_CONTROL  "control"

struct node {
	struct config config;
	struct log log;
	int lock;         /* of the data directory, -1: none */
	char *token_path; /* owned */

	struct loop_uv *loop;
	struct inbox *inbox;
	struct identity *identity;
	struct sign_key sign_key;
	struct str server_name;
	struct store *store;
	struct users *users;
	struct rooms *rooms;
	struct typing *typing;
	struct receipts *receipts;
	struct presence *presence;
	struct push_rules *push_rules;
	struct carry_over *carry_over;
	struct sync *sync;
	struct thumbnailer *thumbnailer;
	struct media *media;

	/* From node_link() on: what talks to other nodes. */
	struct lws_node *lws;
	struct node_links *links; /* private to links.c */
	struct transport *transport;
	struct federation *federation;

	/* From node_serve() on: what talks to clients. */
	struct api api;
	struct api_ops api_ops;
	struct str host_name;
	struct router *router;
	struct client_listener *listener;
	struct control *control;
	char listen_address[80];
	char link_address[80];
};

/* ERR_CORRUPT with a sentence where dir holds a database but no identity: a new one made there
 * would cut its users off from who they were. */
enum err node_identity_lost(const char *dir, struct err_ctx *why) MUST_CHECK;

/* Reads the identity and opens the store; no socket yet. ERR_NOT_FOUND: no identity there;
 * ERR_EXISTS: another process has the directory; ERR_CORRUPT; ERR_IO. *out is owned:
 * node_close(). */
enum err node_open(const struct config *config, const struct log *log, struct node **out,
	struct err_ctx *why) MUST_CHECK;

/* Links with other nodes: binds the link listener. ERR_IO: the address can't be had. */
enum err node_link(struct node *n, struct err_ctx *why) MUST_CHECK;

/* Serves clients and the control socket. ERR_IO: the address can't be had. */
enum err node_serve(struct node *n, struct err_ctx *why) MUST_CHECK;

/* Ends everything in order, waits for the disk, frees n. NULL is fine. */
void node_close(struct node *n);

#endif
