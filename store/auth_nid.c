#include "store/auth_nid.h"

#include <string.h>

#include "store/internal.h"

/* Where an id has its place: ids are hashes. Who makes some that meet gets searches. */
static size_t place(struct str event_id)
{
	uint64_t bytes;

	memcpy(&bytes, event_id.p + 1, sizeof(bytes));
	bytes *= 0x9e3779b97f4a7c15U; /* base64 has few bits of each byte */
	return bytes >> 32 & (AUTH_NIDS - 1);
}

bool auth_nid_get(const struct store *st, struct str event_id, int64_t *nid)
{
	const struct auth_nid *a;

	if (event_id.n != sizeof(a->event_id))
		return false;
	a = &st->auth_nids[place(event_id)];
	if (memcmp(a->event_id, event_id.p, sizeof(a->event_id)) != 0)
		return false;
	*nid = a->nid;
	return true;
}

void auth_nid_put(struct store *st, struct str event_id, int64_t nid)
{
	struct auth_nid *a;

	if (event_id.n != sizeof(a->event_id))
		return;
	a = &st->auth_nids[place(event_id)];
	memcpy(a->event_id, event_id.p, sizeof(a->event_id));
	a->nid = nid;
}

void auth_nid_forget_all(struct store *st)
{
	memset(st->auth_nids, 0, sizeof(st->auth_nids));
}
