/*
 * multipart: the multipart/mixed body in which servers hand over media (server-server API,
 * "Content Repository"): a JSON object, then the file or where it lies.
 *
 * A parser that takes bytes as they come and keeps no more of them than a boundary and the
 * headers of a part.
 */
#ifndef KITH_FEDERATION_MULTIPART_H
#define KITH_FEDERATION_MULTIPART_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdbool.h>

#define MULTIPART_MAX_HEADERS  8192
#define MULTIPART_MAX_BOUNDARY 70

struct multipart {
	/* The file's part begins. location: instead of bytes; the others may be empty. */
	enum err (*head)(void *arg, struct str content_type, struct str disposition,
		struct str location);
	enum err (*data)(void *arg, const void *p, size_t n);
	void *arg;

	/* Private to multipart.c. */
	char boundary[MULTIPART_MAX_BOUNDARY + 8]; /* "\r\n--" and it */
	size_t n_boundary;
	struct buf held; /* not yet looked at to the end */
	unsigned part;   /* 0: before the first */
	enum multipart_state {
		MULTIPART_BODY,
		MULTIPART_LINE,
		MULTIPART_HEADERS,
		MULTIPART_END
	} state;
};

/* content_type is the response's. ERR_MALFORMED: not multipart/mixed with a boundary. */
enum err multipart_init(struct multipart *m, struct str content_type) MUST_CHECK;
void multipart_deinit(struct multipart *m);

/* ERR_MALFORMED, or what head() and data() return. */
enum err multipart_feed(struct multipart *m, struct str bytes) MUST_CHECK;
/* The body is over: ERR_MALFORMED unless it was whole. */
enum err multipart_finish(const struct multipart *m) MUST_CHECK;

#endif
