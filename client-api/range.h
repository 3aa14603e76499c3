/*
 * range: the part of a file that a request wants (RFC 9110, 14.2): one range of bytes.
 */
#ifndef KITH_CLIENT_API_RANGE_H
#define KITH_CLIENT_API_RANGE_H

#include "node/base/str.h"

#include <stdint.h>

enum range_kind {
	RANGE_WHOLE, /* nothing is asked that we serve in parts: all of it, 200 */
	RANGE_PART,  /* 206 */
	RANGE_NONE,  /* 416: it begins behind the end */
};

/* header: the value of Range. Writes first and length for a RANGE_PART. What is malformed or
 * several ranges is RANGE_WHOLE, as the RFC allows. */
enum range_kind range_parse(
	struct str header, uint64_t size, uint64_t *first, uint64_t *length);

#endif
