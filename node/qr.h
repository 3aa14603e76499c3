/*
 * qr: a QR code drawn with half-block characters, for `kith invite` in a terminal.
 */
#ifndef KITH_QR_H
#define KITH_QR_H

#include "node/base/buf.h"
#include "node/base/err.h"

/* Appends the drawing of text (letters are drawn upper case where that lets the code be
 * smaller: invites are base32). ERR_TOO_LARGE beyond what a QR code holds. */
enum err qr_put(struct buf *out, const char *text) MUST_CHECK;

#endif
