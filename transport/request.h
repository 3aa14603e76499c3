/*
 * request: Matrix requests and responses as bytes of a stream (overlay.md, section 10).
 *
 *   request:  1 | method u8 | flags u8 | path varint+bytes, after "/_matrix/" | sequence varint
 *             | body length varint | body
 *   response: 2 | status varint | flags u8 | TLVs varint+bytes (1 content type, 2 disposition,
 *             3 retry after ms u64, 4 committed: transport/acked.h) | body length varint | body
 *
 * (overlay.md writes the response's TLVs without their length; a parser needs it.) A body is
 * plain, or packed as the flags say (transport/packer.h). Pure.
 */
#ifndef KITH_TRANSPORT_REQUEST_H
#define KITH_TRANSPORT_REQUEST_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/transport.h"

#define REQUEST_PATH_MAX  4096
#define REQUEST_HEAD_MAX  8192 /* of either kind */
#define REQUEST_FIELD_MAX 1024 /* content type, disposition */
#define REQUEST_PREFIX    "/_matrix/"

struct request_head {
	enum transport_method method;
	uint8_t flags;   /* pack_flag */
	struct str path; /* without the prefix */
	uint64_t sequence;
	uint64_t length; /* of the body as it travels */
};

struct response_head {
	unsigned status;
	uint8_t flags;
	struct str content_type;
	struct str disposition;
	uint64_t retry_after_ms;
	struct str acked; /* as acked_put() has it, or empty */
	uint64_t length;
};

/* Append the head alone. */
void request_put(const struct request_head *h, struct buf *out);
void response_put(const struct response_head *h, struct buf *out);

/* Reads a head from the front of bytes: *used is what it took; what strings it holds point into
 * bytes. ERR_LIMIT: not all of it is there yet (and it is no longer than REQUEST_HEAD_MAX). */
enum err request_get(struct str bytes, struct request_head *out, size_t *used) MUST_CHECK;
enum err response_get(struct str bytes, struct response_head *out, size_t *used) MUST_CHECK;

#endif
