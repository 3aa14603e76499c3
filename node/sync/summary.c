/* Whom a room without a name is called after, and how many there are (RoomSummary). */
#include "node/sync/answer.h"

#define HEROES 5

struct hero {
	struct str user_id;
	int64_t pos;
};

struct hero_list {
	struct str self;
	struct hero best[HEROES]; /* by pos, first comes first */
	size_t n;
};

static bool consider(void *arg, const struct store_member *m)
{
	struct hero_list *l = (struct hero_list *)arg;
	size_t at = l->n;

	if (str_eq(m->user_id, l->self))
		return true;
	while (at > 0 && l->best[at - 1].pos > m->pos)
		at--;
	if (at == HEROES)
		return true;
	if (l->n < HEROES)
		l->n++;
	memmove(l->best + at + 1, l->best + at, (l->n - 1 - at) * sizeof *l->best);
	l->best[at] = (struct hero){ m->user_id, m->pos };
	return true;
}

static enum err find_heroes(struct answer *an, struct room_data *d)
{
	static const unsigned masks[] = { MEMBERSHIP_JOIN | MEMBERSHIP_INVITE,
		MEMBERSHIP_LEAVE | MEMBERSHIP_BAN };
	struct hero_list l = { .self = an->op->user_id };

	for (size_t i = 0; i < ARRAY_LEN(masks) && l.n == 0; i++) {
		enum err err = store_membership_members(
			an->store, d->a, d->part->room_id, masks[i], consider, &l);

		if (err)
			return err;
	}
	d->summary.has_heroes = true;
	d->summary.n_heroes = l.n;
	for (size_t i = 0; i < l.n; i++)
		d->summary.heroes[i] = l.best[i].user_id;
	return ERR_OK;
}

/* True if the state event has a string of at least one byte at content.key. */
static enum err has_text(
	struct answer *an, struct room_data *d, struct str type, const char *key, bool *out)
{
	const struct json *tree;
	struct store_event e;
	struct str text;
	int64_t nid;
	enum err err = store_state_get(an->store, d->part->room_id, type, STR(""), &nid);

	if (!err)
		err = store_event_get_nid(an->store, d->a, nid, &e);
	if (err)
		return err == ERR_NOT_FOUND ? ERR_OK : err;
	err = json_parse_in(d->a, e.json, &json_limits_peer, &tree, NULL);
	if (err)
		return err == ERR_NOMEM ? err : ERR_CORRUPT;
	*out = json_as_str(json_get(json_get(tree, "content"), key), &text) && text.n > 0;
	return ERR_OK;
}

/* A new name or picture of a member moves nothing: the row is older than the token. */
static bool member_moved(struct answer *an, struct room_data *d, struct str user_id)
{
	struct store_member m;

	return store_membership_get(an->store, d->a, d->part->room_id, user_id, &m) ||
		m.pos > d->part->from;
}

static bool moved(struct answer *an, struct room_data *d)
{
	for (size_t i = 0; i < d->n_deltas; i++) {
		const struct store_state_delta *delta = &d->deltas[i];

		if (str_eq(delta->type, STR("m.room.name")) ||
			str_eq(delta->type, STR("m.room.canonical_alias")) ||
			(str_eq(delta->type, STR("m.room.member")) &&
				member_moved(an, d, delta->state_key)))
			return true;
	}
	return false;
}

enum err summary_gather(struct answer *an, struct room_data *d)
{
	struct summary *s = &d->summary;
	bool named = false;
	enum err err;

	if (d->part->kind != PART_JOIN || (!d->part->full && !moved(an, d)))
		return ERR_OK;
	s->told = true;
	err = store_membership_count(an->store, d->part->room_id, MEMBERSHIP_JOIN, &s->joined);
	if (!err)
		err = store_membership_count(
			an->store, d->part->room_id, MEMBERSHIP_INVITE, &s->invited);
	if (!err)
		err = has_text(an, d, STR("m.room.name"), "name", &named);
	if (!err && !named)
		err = has_text(an, d, STR("m.room.canonical_alias"), "alias", &named);
	if (!err && !named)
		err = find_heroes(an, d);
	return err;
}
