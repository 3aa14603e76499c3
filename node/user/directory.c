#include "node/user/directory.h"

#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/core/glob.h"
#include "node/user/users_impl.h"
#include "store/profile.h"

/* People looked at in one turn of the loop: a millisecond or two. */
#define PEOPLE_A_TURN 200

/* The answer while it is put together: each person once, at most limit. */
struct search {
	struct users *users;
	struct directory_call *call;
	struct arena *arena; /* owned: what lives as long as the search */
	struct users_later later;
	struct str term; /* folded */
	struct str self;
	size_t limit;
	size_t n;
	bool limited; /* there are more: enough was found */
	bool locals_done;
	struct str after_id; /* the last account looked at */
	int64_t *rooms;
	size_t n_rooms, at;
	int64_t after; /* the last member of rooms[at] looked at */
	struct map seen;
	struct buf out;
	struct jw w;
};

static bool matches(const struct search *s, struct arena *a, struct str text)
{
	struct str folded = glob_fold(a, text);

	return s->term.n == 0 || memmem(folded.p, folded.n, s->term.p, s->term.n) != NULL;
}

/* name and avatar: text, empty if there is none. */
static void consider(struct search *s, struct str user_id, struct str name, struct str avatar)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct str copy;

	if (s->limited || map_get(&s->seen, user_id) ||
		(!matches(s, a, user_id) && !matches(s, a, name)))
		return;
	if (s->n >= s->limit) {
		s->limited = true;
		return;
	}
	copy = arena_str(s->arena, user_id);
	map_put(&s->seen, copy, s);
	s->n++;
	jw_obj(&s->w);
	if (avatar.n)
		jw_kv_str(&s->w, "avatar_url", avatar);
	if (name.n)
		jw_kv_str(&s->w, "display_name", name);
	jw_kv_str(&s->w, "user_id", user_id);
	jw_end(&s->w);
}

static void consider_contact(void *arg, struct str user_id, struct str display_name)
{
	consider(arg, user_id, display_name, (struct str){ 0 });
}

static void consider_all(struct search *s, const struct store_person *people, size_t n)
{
	for (size_t i = 0; i < n; i++)
		consider(s, people[i].user_id, people[i].displayname, people[i].avatar_url);
}

static enum err look_at_accounts(struct search *s)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store *st = s->users->store;
	struct store_person *people;
	size_t n;
	enum err err = store_profile_accounts(st, a, s->after_id, PEOPLE_A_TURN, &people, &n);

	if (err)
		return err;
	consider_all(s, people, n);
	if (n == PEOPLE_A_TURN) {
		s->after_id = arena_str(s->arena, people[n - 1].user_id);
		return ERR_OK;
	}
	s->locals_done = true;
	return store_profile_rooms(st, s->arena, s->self, &s->rooms, &s->n_rooms);
}

static enum err look_at_members(struct search *s)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_person *people;
	size_t looked_at = 0, n;
	enum err err = ERR_OK;

	while (s->at < s->n_rooms && looked_at < PEOPLE_A_TURN && !err) {
		err = store_profile_members(s->users->store, a, s->rooms[s->at], s->after,
			PEOPLE_A_TURN, &people, &n);
		if (err)
			break;
		consider_all(s, people, n);
		looked_at += n + 1;
		s->after = n == PEOPLE_A_TURN ? people[n - 1].nid : 0;
		s->at += n < PEOPLE_A_TURN;
	}
	return err;
}

static void finish(struct search *s, enum err err)
{
	struct directory_call *c = s->call;

	jw_end(&s->w);
	jw_kv_bool(&s->w, "limited", s->limited);
	jw_end(&s->w);
	c->done(c, err, buf_str(&s->out));
	map_deinit(&s->seen);
	buf_deinit(&s->out);
	arena_free(s->arena);
	free(s);
}

static void go_on(struct users_later *l, bool cancelled)
{
	struct search *s = CONTAINER_OF(l, struct search, later);
	enum err err = cancelled ? ERR_CANCELLED : ERR_OK;

	if (!err && !s->limited)
		err = s->locals_done ? look_at_members(s) : look_at_accounts(s);
	if (err || s->limited || (s->locals_done && s->at == s->n_rooms))
		finish(s, err);
	else
		users_later(s->users, &s->later);
}

void directory_search(struct users *u, const struct user_caller *who, struct str term,
	size_t limit, struct directory_call *c)
{
	struct search *s = NEW(struct search);

	s->users = u;
	s->call = c;
	s->arena = arena_new();
	s->term = glob_fold(s->arena, str_trim(term));
	s->self = arena_str(s->arena, who->user_id);
	s->limit = limit;
	s->after_id = STR("");
	map_init(&s->seen);
	s->w = jw_to(&s->out);
	jw_obj(&s->w);
	jw_key(&s->w, "results");
	jw_arr(&s->w);
	if (u->contacts)
		u->contacts->each(u->contacts_arg, consider_contact, s);
	s->later.fn = go_on;
	users_later(u, &s->later);
}
