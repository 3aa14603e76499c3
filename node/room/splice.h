/*
 * splice: walking the top level of JSON that we wrote ourselves, without parsing it.
 *
 * Stored events are canonical JSON: no blanks, sorted keys, valid by construction. So the
 * bytes of a member can be found by counting brackets and stepping over strings, and copied
 * into an answer as they are. Never for foreign bytes.
 */
#ifndef KITH_ROOM_SPLICE_H
#define KITH_ROOM_SPLICE_H

#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>

struct splice_member {
	struct str key;   /* as written, without quotes (escapes are left alone) */
	struct str value; /* one whole JSON value */
};

/* Walks an object: *at starts as 0. True with the next member; false at the end, and for bytes
 * that are no such object. */
bool splice_next(struct str obj, size_t *at, struct splice_member *m);

/* The value of one member of an object, or an empty str. key has nothing to escape. */
struct str splice_get(struct str obj, const char *key);

/* What is between the quotes of a JSON string that has no escapes; else, and for other values,
 * an empty str. */
struct str splice_string(struct str value);

/* The next element of an array: *at starts as 0. */
bool splice_element(struct str arr, size_t *at, struct str *value);

#endif
