/*
 * words: commands between a terminal's words and JSON.
 */
#ifndef KITH_WORDS_H
#define KITH_WORDS_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stddef.h>

/* The arguments of a command as a JSON object. ERR_INVALID: a wrong number of words. */
enum err words_arguments(
	struct buf *out, struct str name, const char *const *words, size_t n) MUST_CHECK;

/* An answer in words, lines ending in a line feed. ERR_INVALID: no such command;
 * ERR_MALFORMED: not that command's answer. */
enum err words_answer(struct buf *out, struct str name, struct str answer) MUST_CHECK;

#endif
