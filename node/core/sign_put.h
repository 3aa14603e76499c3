/*
 * sign_put: making signatures, shared by sign.c and event_build.c. Private to node/core.
 */
#ifndef KITH_CORE_SIGN_PUT_H
#define KITH_CORE_SIGN_PUT_H

#include "node/core/sign.h"

/* Appends the base64 of text's signature. */
void sign_text(struct str text, const struct sign_key *key, struct buf *out);

/* Appends the canonical text of signatures (NULL: none yet) with this one put in. */
void sign_put_signatures(const struct json *signatures, const struct sign_key *key,
	struct str signature, struct buf *out);

#endif
