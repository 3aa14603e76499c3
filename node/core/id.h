/*
 * id: one parser each for what Matrix names (appendices, "Identifier Grammar").
 *
 * All return false for anything over 255 bytes, NUL and controls, or a grammar error; parts
 * point into the input.
 */
#ifndef KITH_CORE_ID_H
#define KITH_CORE_ID_H

#include "node/base/str.h"

#include <stdbool.h>

bool id_server_name(struct str s); /* DNS name, IP literal, port; or a kith name */
bool id_user(struct str s, struct str *localpart, struct str *server); /* historic ones too */
bool id_user_strict(struct str localpart); /* what we let people make: a-z0-9._=-/+ */
bool id_room(struct str s);                /* with a server, or a version 12 hash */
bool id_room_alias(struct str s, struct str *localpart, struct str *server);
bool id_event(struct str s);
bool id_mxc(struct str s, struct str *server, struct str *media_id); /* mxc://server/id */
struct str id_server_of(struct str id); /* behind the first ':', or empty */

/* A kith server name: 52 base32 characters that decode to a valid Ed25519 point and re-encode
 * to themselves (overlay.md, section 2). public_key may be NULL. */
bool id_kith_name(struct str s, unsigned char public_key[32]);

#endif
