/*
 * write: the one writer of JSON strings. Private to node/json.
 */
#ifndef KITH_JSON_WRITE_H
#define KITH_JSON_WRITE_H

#include "node/base/buf.h"

/* Quoted, with the shortest escapes (appendices, "Canonical JSON"); C0 80 becomes \u0000. */
void write_string(struct buf *out, struct str s);

#endif
