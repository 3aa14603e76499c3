/*
 * e2e_local: what we know of users' keys ourselves, written as keys/query and keys/claim have
 * it. For the files of node/user.
 */
#ifndef KITH_USER_E2E_LOCAL_H
#define KITH_USER_E2E_LOCAL_H

#include "node/user/users_impl.h"

/* The parts of an answer, each an open object. */
struct e2e_answer {
	struct buf text[4];
	struct jw w[4];
};
enum { E2E_DEVICES, E2E_MASTER, E2E_SELF_SIGNING, E2E_USER_SIGNING };

void e2e_answer_init(struct e2e_answer *r);
void e2e_answer_deinit(struct e2e_answer *r);
/* Closes the parts and writes them as members of w's open object; user_signing_keys only if
 * own. Once. */
void e2e_answer_write(struct e2e_answer *r, struct jw *w, bool own);

/* A user's devices and keys as the viewer (empty: another server) may see them. wanted: array
 * of device ids, empty for all. A user who is not there leaves no trace. */
enum err e2e_local_query(struct users *u, struct arena *a, struct str user_id,
	const struct json *wanted, struct str viewer, struct e2e_answer *r) MUST_CHECK;
/* The same of a user elsewhere whose devices we keep track of. */
enum err e2e_cached_query(struct users *u, struct arena *a, struct str user_id,
	const struct json *wanted, struct str viewer, struct e2e_answer *r) MUST_CHECK;

/* One device object with its name added; json is the stored text. */
void e2e_write_device(struct jw *w, struct str json, struct str display_name);
bool e2e_wanted(const struct json *wanted, struct str device_id);

/* {device_id: algorithm} of one of ours: writes user_id and the keys given away into w's open
 * object, if there are any. Inside a transaction. */
enum err e2e_local_claim(struct users *u, struct arena *a, struct str user_id,
	const struct json *devices, struct jw *w) MUST_CHECK;

/* {user_id: {device_id: algorithm}}; {user_id: [device_id]}. ERR_MALFORMED, ERR_INVALID. */
enum err e2e_check_claim(const struct json *one_time_keys, struct err_ctx *why) MUST_CHECK;
enum err e2e_check_query(const struct json *device_keys, struct err_ctx *why) MUST_CHECK;

#endif
