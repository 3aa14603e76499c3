/*
 * receipt: how far each user has read (client-server API, "Receipts", "Fully read markers").
 *
 * A receipt is kept for each room, user, type and thread: the latest only. m.read is public and
 * goes to the other servers of the room; m.read.private stays here and is shown to its user
 * alone. m.fully_read is room account data.
 *
 * Loop thread; inside the caller's transaction or one of its own.
 */
#ifndef KITH_USER_RECEIPT_H
#define KITH_USER_RECEIPT_H

#include "node/base/clock.h"
#include "node/base/err.h"
#include "node/base/log.h"
#include "node/base/str.h"
#include "node/json/json.h"

struct receipts;
struct store;
struct users;

struct receipts_options {
	struct store *store;
	const struct clock *clock;
	const struct log *log;
	struct str server_name;
	struct users *users; /* whose account data m.fully_read is */
};
struct receipts *receipts_new(const struct receipts_options *o);
void receipts_free(struct receipts *r); /* NULL is fine */

/* A local user read event_id. type: "m.read", "m.read.private" or "m.fully_read"; thread_id:
 * empty (unthreaded), "main" or an event id. The event must be one of the room that we have
 * (ERR_NOT_FOUND), the user joined (ERR_FORBIDDEN); ERR_INVALID: another type, or a thread_id
 * where none may be. A receipt that would move backwards is taken and changes nothing. */
enum err receipts_set(struct receipts *r, struct str room_id, struct str user_id,
	struct str type, struct str event_id, struct str thread_id,
	struct err_ctx *why) MUST_CHECK;

/* The content of an m.receipt EDU from origin (server-server API, "Receipts"): entries of users
 * of other servers are skipped, those for rooms we aren't in too. ERR_MALFORMED. */
enum err receipts_receive(struct receipts *r, struct str origin, const struct json *content,
	struct err_ctx *why) MUST_CHECK;

#endif
