/*
 * sha1: SHA-1, by which state resolution 1 orders events of equal depth (content/rooms/v1.md).
 * An order and no proof: nothing may trust it, and nothing else may use it.
 */
#ifndef KITH_CORE_SHA1_H
#define KITH_CORE_SHA1_H

#include "node/base/str.h"

#define SHA1_BYTES 20

void sha1(struct str s, unsigned char out[SHA1_BYTES]);

#endif
