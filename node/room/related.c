#include "node/room/related.h"

#include "node/room/splice.h"

#define CHILDREN_MAX 1000 /* looked at for one event */

struct looking {
	const struct event_filter *f;
	bool found;
};

static bool look_at(void *arg, const struct store_event *child)
{
	struct looking *l = arg;
	struct str relates = splice_get(splice_get(child->json, "content"), "m.relates_to");
	struct str type = splice_string(splice_get(relates, "rel_type"));

	l->found = event_filter_match_relation(l->f, type, child->sender);
	return !l->found;
}

bool room_related(struct store *st, struct arena *a, const struct event_filter *f,
	const struct store_event *e)
{
	struct looking l = { .f = f };

	if (!event_filter_has_relations(f))
		return true;
	return !store_event_relations(st, a, e->room_id, e->event_id, STR(""), STR(""),
		       INT64_MIN, INT64_MAX, false, CHILDREN_MAX, look_at, &l) &&
		l.found;
}
