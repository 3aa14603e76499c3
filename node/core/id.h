/*
 * id: one parser each for what Matrix names (appendices, "Identifier Grammar").
 *
 * All return false for anything over 255 bytes, what is not UTF-8, NUL, or a grammar error;
 * parts point into the input and may be NULL. Control characters are legal where the
 * specification says so: in the localparts of historic user ids, of room ids and of aliases.
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
bool id_event(struct str s); /* of any room version */
/* Sigil and 43 characters of unpadded base64 that hold exactly a SHA-256: events of version 3
 * (url false) and up (url true), and rooms of version 12. */
bool id_is_hash(struct str s, char sigil, bool url);
bool id_mxc(struct str s, struct str *server, struct str *media_id); /* mxc://server/id */
struct str id_server_of(struct str id); /* behind the first ':', or empty */

/* A kith server name: 52 base32 characters that decode to a valid Ed25519 point and re-encode
 * to themselves (overlay.md, section 2). public_key may be NULL. */
bool id_kith_name(struct str s, unsigned char public_key[32]);

#endif
