#include "transport/addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "transport/wire.h"

#define FOUND_MAX 64

struct found {
	struct gate_addr addr;
	unsigned rank; /* lower first */
};

enum rank { GLOBAL4, PRIVATE4, GLOBAL6, LOCAL6, LOOPBACK, USELESS };

static enum rank rank_of(const struct gate_addr *a)
{
	const unsigned char *ip = a->ip;

	if (a->n == 4) {
		if (ip[0] == 127)
			return LOOPBACK;
		if ((ip[0] == 169 && ip[1] == 254) || ip[0] == 0)
			return USELESS;
		if (ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
			(ip[0] == 192 && ip[1] == 168) ||
			(ip[0] == 100 && (ip[1] & 0xc0) == 64))
			return PRIVATE4;
		return GLOBAL4;
	}
	if (IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)(const void *)ip))
		return LOOPBACK;
	if ((ip[0] & 0xe0) == 0x20)
		return GLOBAL6;
	return (ip[0] & 0xfe) == 0xfc ? LOCAL6 : USELESS;
}

static bool address_of(const struct ifaddrs *i, uint16_t port, struct gate_addr *out)
{
	*out = (struct gate_addr){ .port = port };
	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
		return false;
	if (i->ifa_addr->sa_family == AF_INET) {
		struct sockaddr_in sin;

		memcpy(&sin, i->ifa_addr, sizeof(sin));
		out->n = 4;
		memcpy(out->ip, &sin.sin_addr, 4);
	} else if (i->ifa_addr->sa_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, i->ifa_addr, sizeof(sin6));
		out->n = 16;
		memcpy(out->ip, &sin6.sin6_addr, 16);
	}
	return out->n > 0;
}

static size_t enumerate(uint16_t port, struct found *out, size_t max)
{
	struct ifaddrs *list = NULL;
	size_t n = 0;

	if (getifaddrs(&list) != 0)
		return 0;
	for (const struct ifaddrs *i = list; i && n < max; i = i->ifa_next) {
		if (!address_of(i, port, &out[n].addr))
			continue;
		out[n].rank = rank_of(&out[n].addr);
		n += out[n].rank != USELESS;
	}
	freeifaddrs(list);
	return n;
}

size_t addresses_own(const char *host, uint16_t port, struct endpoint *out, size_t max)
{
	struct found found[FOUND_MAX];
	struct gate_addr only = endpoint_parse_ip(host ? host : "", port);
	static const unsigned char zeros[16];
	size_t n, made = 0;

	if (only.n > 0 && memcmp(only.ip, zeros, only.n) != 0)
		return max > 0 && endpoint_from_address(&out[0], &only);
	n = enumerate(port, found, FOUND_MAX);
	for (unsigned rank = GLOBAL4; rank <= LOOPBACK; rank++) {
		if (rank == LOOPBACK && made > 0)
			break;
		for (size_t i = 0; i < n && made < max; i++) {
			if (found[i].rank == rank &&
				endpoint_from_address(&out[made], &found[i].addr))
				made++;
		}
	}
	return made;
}

uint64_t addresses_network(void)
{
	struct found found[FOUND_MAX];
	size_t n = enumerate(0, found, FOUND_MAX);
	uint64_t id = 0;

	/* Summed, so that the order doesn't matter. */
	for (size_t i = 0; i < n; i++) {
		const struct gate_addr *a = &found[i].addr;
		uint64_t h;

		if (found[i].rank == LOOPBACK)
			continue;
		wire_hash(&h, sizeof(h), NULL,
			(struct str){ (const char *)a->ip, a->n == 4 ? 3 : 8 });
		id += h;
	}
	return id;
}
