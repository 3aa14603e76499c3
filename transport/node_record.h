/*
 * node_record: how to reach a node, signed by it (overlay.md, section 3).
 *
 * The contact edition, sent inside sessions to contacts. Its TLV 1 is the user id of the node's
 * owner, so that contacts learn it when it is registered after the pairing.
 */
#ifndef KITH_TRANSPORT_NODE_RECORD_H
#define KITH_TRANSPORT_NODE_RECORD_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/endpoint.h"

#define NODE_RECORD_MAX          1024
#define NODE_RECORD_LIFETIME     3600
#define NODE_RECORD_LIFETIME_MAX 604800

struct node_record {
	unsigned char node[32];
	uint64_t seq;
	uint32_t lifetime_s;
	uint8_t class;
	uint8_t sleeping;
	struct endpoint endpoints[ENDPOINTS_MAX];
	size_t n_endpoints;
	char owner[256]; /* user id, or empty; whose it may be is the caller's check */
};

void node_record_encode(
	const struct node_record *r, const unsigned char node_secret[64], struct buf *out);

/* ERR_MALFORMED, ERR_FORBIDDEN (signature), ERR_INVALID (seq more than a day ahead of now). */
enum err node_record_parse(struct str bytes, int64_t now_ms, struct node_record *out,
	struct err_ctx *why) MUST_CHECK;

#endif
