/*
 * token: places in a timeline, as clients hold them.
 *
 * A place is between two events: right behind every event whose position is at most pos. So a
 * timeline whose first event has position p begins at p - 1, and one whose last event has
 * position p ends at p; it works alike for backfilled events, whose positions are negative.
 *
 * /messages, /context, /relations and the prev_batch of /sync write "t" and the position. A
 * /sync token ("s", the position of the room events' stream, then whatever sync adds behind a
 * '_') is read as a place too, since clients hand it to /messages and /members.
 */
#ifndef KITH_ROOM_TOKEN_H
#define KITH_ROOM_TOKEN_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdint.h>

#define TOKEN_TEXT_MAX 24

/* Appends "t" and the position. */
void token_put(struct buf *out, int64_t pos);

/* ERR_INVALID for anything that neither token_put nor /sync writes. */
enum err token_parse(struct str text, int64_t *pos, struct err_ctx *why) MUST_CHECK;

#endif
