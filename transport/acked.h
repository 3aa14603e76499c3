/*
 * acked: which transactions of an outbox are committed at their destination (overlay.md,
 * section 11). Said in HELLO (TLV 8) and in answers to requests that have a sequence (TLV 4),
 * so that a sender learns of what took effect though the answer was lost.
 *
 *   upto varint | n varint | n x { gap varint, length varint }
 *
 * All sequences up to upto, and n runs beyond it: each begins gap (1 or more) behind the end of
 * the one before.
 */
#ifndef KITH_TRANSPORT_ACKED_H
#define KITH_TRANSPORT_ACKED_H

#include "node/base/buf.h"
#include "transport/ranges.h"

struct acked {
	uint64_t upto;
	struct ranges more;
};

void acked_put(const struct acked *a, struct buf *out);
bool acked_get(struct str value, struct acked *out);
bool acked_has(const struct acked *a, uint64_t sequence);

#endif
