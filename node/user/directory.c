#include "node/user/directory.h"

#include "node/user/users_impl.h"
#include "store/profile.h"

/* The answer while it is put together: each person once, at most limit. */
struct search {
	struct users *u;
	struct arena *a;
	struct str term;
	struct str self;
	size_t limit;
	size_t n;
	bool limited;
	struct map seen;
	struct jw w;
};

static bool lower_eq(char a, char b)
{
	if (a >= 'A' && a <= 'Z')
		a = (char)(a - 'A' + 'a');
	if (b >= 'A' && b <= 'Z')
		b = (char)(b - 'A' + 'a');
	return a == b;
}

static bool contains(struct str text, struct str term)
{
	for (size_t at = 0; at + term.n <= text.n; at++) {
		size_t i = 0;

		while (i < term.n && lower_eq(text.p[at + i], term.p[i]))
			i++;
		if (i == term.n)
			return true;
	}
	return false;
}

/* name and avatar: text, empty if there is none. */
static void add(struct search *s, struct str user_id, struct str name, struct str avatar)
{
	struct str copy;

	if (str_eq(user_id, s->self) || map_get(&s->seen, user_id))
		return;
	if (s->n >= s->limit) {
		s->limited = true;
		return;
	}
	copy = arena_str(s->a, user_id);
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

static void add_contact(void *arg, struct str user_id, struct str display_name)
{
	struct search *s = arg;

	if (contains(user_id, s->term) || contains(display_name, s->term))
		add(s, user_id, display_name, (struct str){ 0 });
}

static enum err add_people(struct search *s)
{
	struct store_person *local, *others;
	size_t n_local, n_others;
	enum err err = store_profile_search(
		s->u->store, s->a, s->term, s->limit + 2, &local, &n_local);

	if (!err)
		err = store_profile_search_rooms(
			s->u->store, s->a, s->self, s->term, s->limit + 2, &others, &n_others);
	if (err)
		return err;
	for (size_t i = 0; i < n_local; i++)
		add(s, local[i].user_id, local[i].displayname, local[i].avatar_url);
	for (size_t i = 0; i < n_others; i++)
		add(s, others[i].user_id, others[i].displayname, others[i].avatar_url);
	return ERR_OK;
}

enum err directory_search(struct users *u, const struct user_caller *who, struct str term,
	size_t limit, struct buf *out)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct search s = { .u = u, .a = a, .term = str_trim(term), .self = who->user_id };
	enum err err;

	s.limit = limit;
	s.w = jw_to(out);
	map_init(&s.seen);
	jw_obj(&s.w);
	jw_key(&s.w, "results");
	jw_arr(&s.w);
	if (u->contacts)
		u->contacts->each(u->contacts_arg, add_contact, &s);
	err = add_people(&s);
	jw_end(&s.w);
	jw_kv_bool(&s.w, "limited", s.limited);
	jw_end(&s.w);
	map_deinit(&s.seen);
	return err;
}
