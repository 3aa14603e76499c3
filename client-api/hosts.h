/*
 * hosts: is a request meant for us? (security.md L1)
 *
 * A web page can make its own DNS name resolve to this machine, but it can't choose the Host
 * that the browser then sends. So only names that are ours are served.
 */
#ifndef KITH_CLIENT_API_HOSTS_H
#define KITH_CLIENT_API_HOSTS_H

#include "client-api/request.h"

/* host: the header's value, with or without a port. */
bool hosts_is_ours(const struct api *api, struct str host);

/* Whether a page of that Origin was served under that Host: one of our own (fallback.c), where
 * the host is ours. "null" and other ports never are. */
bool hosts_is_own_page(struct str host, struct str origin);

#endif
