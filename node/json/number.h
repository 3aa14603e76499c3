/*
 * number: JSON numbers as text. Private to node/json.
 *
 * A number that is no plain integer within +-(2^53-1) is kept as it was written, since a double
 * can't hold all of them and hashes are over text.
 */
#ifndef KITH_JSON_NUMBER_H
#define KITH_JSON_NUMBER_H

#include "node/base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* No '.', no exponent. */
bool number_is_integer_text(struct str text);

/* The exact value if it is integral and within +-(2^53-1), in whatever notation. */
bool number_to_int(struct str text, int64_t *out);

/* False if it is too large for a double. */
bool number_to_double(struct str text, double *out);

/* As Python's repr() writes a float: the shortest digits that read back as v. v is finite. */
void number_put_double(struct buf *out, double v);

/* The canonical text of a number that is kept as text. */
void number_put_text(struct buf *out, struct str text);

#endif
