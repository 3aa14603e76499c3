#include "node/federation/quota.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"

#define DAY_MS UINT64_C(86400000)

struct day {
	char *server; /* owned; the map's key */
	uint64_t began_ms;
	uint64_t bytes;
	unsigned rooms;
};

void quota_init(struct quota *q)
{
	*q = (struct quota){ .next_sweep = QUOTA_SERVERS };
	map_init(&q->servers);
}

static void day_free(struct day *d)
{
	free(d->server);
	free(d);
}

void quota_deinit(struct quota *q)
{
	struct day *d;
	size_t at = 0;

	while ((d = map_next(&q->servers, &at)))
		day_free(d);
	map_deinit(&q->servers);
}

static void sweep(struct quota *q, uint64_t now_ms)
{
	struct day *d;
	size_t at = 0;

	while ((d = map_next(&q->servers, &at))) {
		if (now_ms - d->began_ms < DAY_MS)
			continue;
		(void)map_del(&q->servers, str_of(d->server));
		day_free(d);
	}
	q->next_sweep = 2 * q->servers.n;
	if (q->next_sweep < QUOTA_SERVERS)
		q->next_sweep = QUOTA_SERVERS;
}

static struct day *today(struct quota *q, struct str server, uint64_t now_ms)
{
	struct day *d = map_get(&q->servers, server);

	if (d && now_ms - d->began_ms >= DAY_MS) {
		d->began_ms = now_ms;
		d->bytes = 0;
		d->rooms = 0;
	}
	if (d)
		return d;
	if (q->servers.n >= q->next_sweep)
		sweep(q, now_ms);
	d = NEW(struct day);
	d->server = xstrdup(server);
	d->began_ms = now_ms;
	map_put(&q->servers, str_of(d->server), d);
	return d;
}

static enum err over(const struct day *d, uint64_t now_ms, uint64_t *wait_ms)
{
	*wait_ms = d->began_ms + DAY_MS - now_ms;
	return ERR_LIMIT;
}

enum err quota_bytes(
	struct quota *q, struct str server, size_t n, uint64_t now_ms, uint64_t *wait_ms)
{
	struct day *d = today(q, server, now_ms);

	if (n > LIMIT_PEER_DAY_BYTES || d->bytes > LIMIT_PEER_DAY_BYTES - n)
		return over(d, now_ms, wait_ms);
	d->bytes += n;
	return ERR_OK;
}

enum err quota_room(
	struct quota *q, struct str server, unsigned most, uint64_t now_ms, uint64_t *wait_ms)
{
	struct day *d = today(q, server, now_ms);

	if (d->rooms >= most)
		return over(d, now_ms, wait_ms);
	d->rooms++;
	return ERR_OK;
}
