/*
 * answer: the handlers of routes.c. answer_rooms.c, answer_users.c, answer_media.c,
 * transaction.c.
 */
#ifndef KITH_FEDERATION_ANSWER_H
#define KITH_FEDERATION_ANSWER_H

#include "node/federation/inbound.h"

enum err answer_version(struct inbound_request *r) MUST_CHECK;
enum err answer_key(struct inbound_request *r) MUST_CHECK;
enum err answer_transaction(struct inbound_request *r) MUST_CHECK; /* transaction.c */

/* The body lies in a spool (taken), so long; whatever it says is durable. answer_spool.c. */
struct spool;
void answer_spool(struct inbound_request *r, struct spool *spool, uint64_t length);

enum err answer_make_join(struct inbound_request *r) MUST_CHECK;
enum err answer_send_join(struct inbound_request *r) MUST_CHECK;
enum err answer_make_leave(struct inbound_request *r) MUST_CHECK;
enum err answer_send_leave(struct inbound_request *r) MUST_CHECK;
enum err answer_make_knock(struct inbound_request *r) MUST_CHECK;
enum err answer_send_knock(struct inbound_request *r) MUST_CHECK;
enum err answer_invite_v1(struct inbound_request *r) MUST_CHECK;
enum err answer_invite_v2(struct inbound_request *r) MUST_CHECK;
enum err answer_backfill(struct inbound_request *r) MUST_CHECK;
enum err answer_missing_events(struct inbound_request *r) MUST_CHECK;
enum err answer_state(struct inbound_request *r) MUST_CHECK;
enum err answer_state_ids(struct inbound_request *r) MUST_CHECK;
enum err answer_event(struct inbound_request *r) MUST_CHECK;
enum err answer_event_auth(struct inbound_request *r) MUST_CHECK;
enum err answer_directory(struct inbound_request *r) MUST_CHECK;

enum err answer_profile(struct inbound_request *r) MUST_CHECK;
enum err answer_devices(struct inbound_request *r) MUST_CHECK;
enum err answer_keys_query(struct inbound_request *r) MUST_CHECK;
enum err answer_keys_claim(struct inbound_request *r) MUST_CHECK;
enum err answer_openid(struct inbound_request *r) MUST_CHECK;

enum err answer_download(struct inbound_request *r) MUST_CHECK;
enum err answer_thumbnail(struct inbound_request *r) MUST_CHECK;

#endif
