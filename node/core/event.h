/*
 * event: one persistent event of a room (PDU), parsed, checked for shape and named.
 *
 * server-server API "PDUs" and content/rooms/vN.md "Event format". An event is its canonical
 * JSON: what is hashed and signed is what is stored and sent, byte for byte. An event is
 * immutable; all its strings point into its own arena.
 */
#ifndef KITH_CORE_EVENT_H
#define KITH_CORE_EVENT_H

#include "node/base/arena.h"
#include "node/base/err.h"
#include "node/core/room_version.h"
#include "node/json/json.h"

struct event {
	const struct room_version *version;
	struct str event_id; /* from the reference hash; read from the event in versions 1, 2 */
	struct str room_id;  /* of a version 12 create event: '!' and its own id without '$' */
	struct str type;
	struct str sender;
	struct str state_key; /* when is_state */
	bool is_state;
	struct str
		redacts; /* m.room.redaction: what it redacts, wherever the version keeps it */
	int64_t depth;
	int64_t origin_server_ts;
	const struct str *prev_events; /* ids, each once */
	size_t n_prev_events;
	const struct str
		*auth_events; /* ids, as listed (version 12: without the create event) */
	size_t n_auth_events;
	const struct json *tree;    /* the whole PDU without unsigned */
	const struct json *content; /* an object */
	struct str json; /* canonical bytes, without unsigned and event_id (versions 3 up) */
	struct arena *arena; /* owns all of it */
};

/* Parses a PDU as another server sent it and checks sizes, shape and grammar (F2, F3 of
 * security.md), not hash or signatures. unsigned is dropped. ERR_MALFORMED, ERR_TOO_LARGE. *out
 * is owned: event_free(). */
enum err event_parse(struct str bytes, const struct room_version *v, struct event **out,
	struct err_ctx *why) MUST_CHECK;
/* Of a tree, say, an element of a transaction. Parse that with json_limits_peer: whether
 * numbers are strict is checked here, by the event's own room version. */
enum err event_from_json(const struct json *pdu, const struct room_version *v,
	struct event **out, struct err_ctx *why) MUST_CHECK;
/* Bytes that we stored ourselves: shape is taken for granted, the id is given, so nothing is
 * hashed. ERR_CORRUPT. */
enum err event_from_store(struct str json, struct str event_id, const struct room_version *v,
	struct event **out) MUST_CHECK;
/* As a person wrote it down to ask about rules (node/core/rules.h): what no auth rule and no
 * resolution looks at may be missing, ids in prev_events and auth_events may be any strings,
 * and with an event_id given the event has that id, else its own. ERR_MALFORMED, ERR_TOO_LARGE.
 */
enum err event_from_case(const struct json *pdu, struct str event_id,
	const struct room_version *v, struct event **out, struct err_ctx *why) MUST_CHECK;
void event_free(struct event *e);
void event_freep(struct event **e);

/* The redacted form: an event of the same id whose content (and top level) is stripped as its
 * version says. *out is owned. */
enum err event_redact(const struct event *e, struct event **out) MUST_CHECK;

/* True if the content hash in the event is that of its content. */
bool event_hash_ok(const struct event *e);

bool event_is(const struct event *e, const char *type,
	const char *state_key); /* state_key NULL: any */

/* What a new event of ours is made of. */
struct event_build {
	const struct room_version *version;
	struct str room_id; /* empty for a version 12 create */
	struct str type;
	struct str sender;
	bool is_state;
	struct str state_key;
	struct str redacts;              /* empty: none */
	struct str content;              /* JSON text of an object */
	const struct json *content_tree; /* instead, if it was parsed already; else NULL */
	int64_t depth;
	int64_t origin_server_ts;
	const struct str *prev_events;
	size_t n_prev_events;
	const struct str *auth_events;
	size_t n_auth_events;
};
struct sign_key; /* node/core/sign.h */
/* Builds, hashes and signs. ERR_TOO_LARGE, ERR_MALFORMED (content is not canonical JSON, ids).
 */
enum err event_build(const struct event_build *b, const struct sign_key *key,
	struct event **out, struct err_ctx *why) MUST_CHECK;
/* A make_join template, which another server filled in: what it says in origin_server_ts,
 * hashes, signatures and event_id is replaced by ours. Whether it is the event that was asked
 * for is the caller's to check on what comes out. */
enum err event_sign_template(const struct json *template_json, const struct room_version *v,
	int64_t origin_server_ts, const struct sign_key *key, struct event **out,
	struct err_ctx *why) MUST_CHECK;
/* Adds key's signature to an event of another server (invites, restricted joins). */
enum err event_cosign(
	const struct event *e, const struct sign_key *key, struct event **out) MUST_CHECK;

#endif
