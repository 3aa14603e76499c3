/*
 * split: an object that is too large to be held, taken apart as it comes.
 *
 * For answers like send_join's {"state": [...], "auth_chain": [...], ...}, members in any
 * order: each element of a member that is an array is handed over as text, and each other
 * member whole. Only the outermost grammar is checked here; what is handed over is one balanced
 * piece of text, which the taker parses with json_parse(). Nothing recurses, and no more is
 * held than the element that has not ended yet.
 */
#ifndef KITH_JSON_SPLIT_H
#define KITH_JSON_SPLIT_H

#include "node/base/buf.h"
#include "node/base/err.h"

struct json_split {
	/* In, set before json_split_init(). */
	size_t max_element; /* bytes of an element, a key, or a member that is no array */
	/* key is as it was written, between the quotes. Both are borrowed; an error ends the
	 * whole. */
	enum err (*element)(void *arg, struct str key, struct str text);
	enum err (*member)(void *arg, struct str key, struct str text);
	void *arg;

	/* Private to split.c. */
	int state;
	struct buf key;
	struct buf text;
	unsigned depth; /* of brackets in the text */
	bool in_string;
	bool escaped;
	bool in_array;
};

void json_split_init(struct json_split *s);
void json_split_deinit(struct json_split *s);

/* The next bytes. ERR_MALFORMED, ERR_TOO_LARGE, or what element() or member() said; after an
 * error it must not be fed again. */
enum err json_split_feed(struct json_split *s, struct str bytes) MUST_CHECK;
/* There is no more: ERR_MALFORMED if the object has not ended. */
enum err json_split_end(const struct json_split *s) MUST_CHECK;

#endif
