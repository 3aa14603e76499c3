/*
 * glob: "*" and "?" (appendices, "Glob-style matching"), without case, in linear time.
 *
 * Never backtracks over a "*", so that a stranger's pattern costs at most its length times
 * that of the text, and one without "?" much less. Both sides are folded once by their owner
 * and then matched as often as wanted.
 */
#ifndef KITH_CORE_GLOB_H
#define KITH_CORE_GLOB_H

#include "node/base/arena.h"
#include "node/base/str.h"

#include <stdbool.h>

/* A copy of s (UTF-8) without case: ASCII, Latin, Greek and Cyrillic letters. */
struct str glob_fold(struct arena *a, struct str s);

enum glob_mode {
	GLOB_WHOLE, /* the whole text matches */
	GLOB_WORDS, /* some part does that starts and ends at a word boundary (push rules) */
};

/* pattern and text are folded. "?" is one character, not one byte. */
bool glob_match(struct str pattern, struct str text, enum glob_mode mode);

/* As glob_match with GLOB_WORDS, but "*" and "?" in words mean themselves. */
bool glob_has_words(struct str words, struct str text);

#endif
