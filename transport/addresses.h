/*
 * addresses: where this device can be reached, as far as it knows itself.
 */
#ifndef KITH_TRANSPORT_ADDRESSES_H
#define KITH_TRANSPORT_ADDRESSES_H

#include "transport/endpoint.h"

/* At most max endpoints of a listener on host (numeric; NULL or an unspecified address: every
 * one), the most useful first: global IPv4, private IPv4, global IPv6, unique local IPv6.
 * Loopback only if there is no other; link-local never, since it means nothing elsewhere.
 * Returns their number. */
size_t addresses_own(const char *host, uint16_t port, struct endpoint *out, size_t max);

/* A number for the network that the device is in: of the prefixes (/24, /64) of its own
 * addresses. Another one is most probably another network. */
uint64_t addresses_network(void);

#endif
