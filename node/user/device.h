/*
 * device: a user's devices (module device_management). Deleting one ends its tokens and drops
 * its keys and waiting messages.
 */
#ifndef KITH_USER_DEVICE_H
#define KITH_USER_DEVICE_H

#include "node/user/users.h"

/* GET devices: appends {"devices":[...]}; GET devices/{id}: one object, ERR_NOT_FOUND. */
enum err device_write_all(struct users *u, int64_t account, struct buf *out) MUST_CHECK;
enum err device_write(struct users *u, int64_t account, struct str device_id, struct buf *out,
	struct err_ctx *why) MUST_CHECK;

/* GET admin/whois/{userId}: appends the whole answer. ERR_NOT_FOUND. */
enum err device_write_whois(
	struct users *u, struct str user_id, struct buf *out, struct err_ctx *why) MUST_CHECK;

/* ERR_NOT_FOUND, ERR_INVALID (too long). */
enum err device_rename(struct users *u, const struct user_caller *who, struct str device_id,
	struct str display_name, struct err_ctx *why) MUST_CHECK;

/* Ids that are no device of the account are passed over. */
enum err device_delete(struct users *u, const struct user_caller *who,
	const struct str *device_ids, size_t n) MUST_CHECK;

#endif
