#include "client-api/hosts.h"

static bool is_digits(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

/* Takes ":port" off the end. */
static bool strip_port(struct str *host)
{
	size_t colon;
	if (host->n && host->p[0] == '[') {
		size_t end = str_find(*host, ']');
		if (end == host->n)
			return false;
		colon = end + 1;
		if (colon < host->n && host->p[colon] != ':')
			return false;
	} else {
		colon = str_find(*host, ':');
	}
	if (!is_digits(str_skip(*host, colon + 1)))
		return false;
	host->n = colon < host->n ? colon : host->n;
	return host->n > 0;
}

/* An address can't be rebound as a name can: where others than this machine may come, they know
 * it by whatever address it has in their network. */
static bool is_address(struct str host)
{
	unsigned dots = 0;
	if (host.p[0] == '[')
		return true;
	for (size_t i = 0; i < host.n; i++) {
		if (host.p[i] == '.')
			dots++;
		else if (host.p[i] < '0' || host.p[i] > '9')
			return false;
	}
	return dots == 3;
}

bool hosts_is_ours(const struct api *api, struct str host)
{
	static const struct str always[] = { STR_INIT("127.0.0.1"), STR_INIT("localhost"),
		STR_INIT("[::1]") };

	if (!strip_port(&host))
		return false;
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (str_eq_nocase(host, always[i]))
			return true;
	/* All of 127/8 is this machine. */
	if (str_starts(host, STR("127.")) && is_address(host))
		return true;
	if (api->server_name.n && str_eq_nocase(host, api->server_name))
		return true;
	for (size_t i = 0; i < api->n_hosts; i++)
		if (str_eq_nocase(host, api->hosts[i]))
			return true;
	return api->any_address && is_address(host);
}

bool hosts_is_own_page(struct str host, struct str origin)
{
	static const struct str schemes[] = { STR_INIT("http://"), STR_INIT("https://") };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (str_starts(origin, schemes[i]))
			return host.n && str_eq_nocase(str_skip(origin, schemes[i].n), host);
	return false;
}
