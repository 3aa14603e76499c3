/*
 * endpoint: where a node can be reached (overlay.md, section 3).
 *
 * Two of the types so far: 1, a ws URL ("ws://host:port/_kith/link", the host a name or a
 * number), and 4, a numeric address and port.
 */
#ifndef KITH_TRANSPORT_ENDPOINT_H
#define KITH_TRANSPORT_ENDPOINT_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "transport/gate.h"
#include "transport/wire.h"

#define ENDPOINTS_MAX     8
#define ENDPOINT_URL_MAX  200
#define ENDPOINT_TEXT_MAX (ENDPOINT_URL_MAX + 32)
#define LINK_PATH         "/_kith/link"
#define LINK_PORT         27448

enum endpoint_type { ENDPOINT_URL = 1, ENDPOINT_ADDRESS = 4 };

struct endpoint {
	enum endpoint_type type;
	char host[ENDPOINT_URL_MAX + 1]; /* name or numeric address, without brackets */
	uint16_t port;
};

/* False for anything but a host and a port that fit. */
bool endpoint_from_address(struct endpoint *e, const struct gate_addr *a);
/* "host:port", "[v6]:port", or "ws://host:port[/_kith/link]". */
bool endpoint_from_text(struct endpoint *e, struct str text);
/* "host:port", for people; out holds ENDPOINT_TEXT_MAX. */
void endpoint_text(const struct endpoint *e, char *out);

/* type u8, len u8, value. */
void endpoint_put(const struct endpoint *e, struct buf *out);
/* Reads one; *known is false for a type that we can't dial (tcp of ZeroMQ, onion) or a value
 * that breaks its type's rules: skipped by who reads. w is bad if it is cut. */
void endpoint_get(struct wire *w, struct endpoint *out, bool *known);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* Reachable from this machine alone. */
bool endpoint_is_loopback(const struct endpoint *e);

/* A numeric address: n is 0 if text isn't one. */
struct gate_addr endpoint_parse_ip(const char *text, uint16_t port);

#endif
