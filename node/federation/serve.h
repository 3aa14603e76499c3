/*
 * serve: the handlers of routes.c. serve_rooms.c, serve_users.c, serve_media.c,
 * transaction.c.
 */
#ifndef KITH_FEDERATION_SERVE_H
#define KITH_FEDERATION_SERVE_H

#include "node/federation/inbound.h"

enum err serve_version(struct inbound_request *r) MUST_CHECK;
enum err serve_key(struct inbound_request *r) MUST_CHECK;
enum err serve_transaction(struct inbound_request *r) MUST_CHECK; /* transaction.c */

enum err serve_make_join(struct inbound_request *r) MUST_CHECK;
enum err serve_send_join(struct inbound_request *r) MUST_CHECK;
enum err serve_make_leave(struct inbound_request *r) MUST_CHECK;
enum err serve_send_leave(struct inbound_request *r) MUST_CHECK;
enum err serve_make_knock(struct inbound_request *r) MUST_CHECK;
enum err serve_send_knock(struct inbound_request *r) MUST_CHECK;
enum err serve_invite_v1(struct inbound_request *r) MUST_CHECK;
enum err serve_invite_v2(struct inbound_request *r) MUST_CHECK;
enum err serve_backfill(struct inbound_request *r) MUST_CHECK;
enum err serve_missing_events(struct inbound_request *r) MUST_CHECK;
enum err serve_state(struct inbound_request *r) MUST_CHECK;
enum err serve_state_ids(struct inbound_request *r) MUST_CHECK;
enum err serve_event(struct inbound_request *r) MUST_CHECK;
enum err serve_event_auth(struct inbound_request *r) MUST_CHECK;
enum err serve_directory(struct inbound_request *r) MUST_CHECK;

enum err serve_profile(struct inbound_request *r) MUST_CHECK;
enum err serve_devices(struct inbound_request *r) MUST_CHECK;
enum err serve_keys_query(struct inbound_request *r) MUST_CHECK;
enum err serve_keys_claim(struct inbound_request *r) MUST_CHECK;
enum err serve_openid(struct inbound_request *r) MUST_CHECK;

enum err serve_download(struct inbound_request *r) MUST_CHECK;
enum err serve_thumbnail(struct inbound_request *r) MUST_CHECK;

#endif
