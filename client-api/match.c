#include "client-api/match.h"

#include <assert.h>
#include <stdlib.h>

#include "node/base/alloc.h"

struct match_tree {
	struct str segment;       /* of a literal; borrowed from its route */
	struct match_tree *next;  /* sibling */
	struct match_tree *child; /* the first literal */
	struct match_tree *any;   /* {name} */
	const struct route *routes[MATCH_METHODS_MAX + 1];
};

struct match_tree *match_new(void)
{
	return NEW(struct match_tree);
}

void match_free(struct match_tree *t)
{
	while (t) {
		struct match_tree *next = t->next;
		match_free(t->child);
		match_free(t->any);
		free(t);
		t = next;
	}
}

/* The path behind its leading slash, or false. */
static bool first_segment(struct str path, struct str *segment, struct str *rest, bool *more)
{
	if (path.n == 0 || path.p[0] != '/')
		return false;
	*more = str_cut(str_skip(path, 1), '/', segment, rest);
	return true;
}

static struct match_tree *literal(const struct match_tree *t, struct str segment)
{
	for (struct match_tree *c = t->child; c; c = c->next)
		if (str_eq(c->segment, segment))
			return c;
	return NULL;
}

static struct match_tree *add_segment(struct match_tree *t, struct str segment)
{
	if (segment.n && segment.p[0] == '{') {
		if (!t->any)
			t->any = NEW(struct match_tree);
		return t->any;
	}
	struct match_tree *c = literal(t, segment);
	if (c)
		return c;
	c = NEW(struct match_tree);
	c->segment = segment;
	c->next = t->child;
	t->child = c;
	return c;
}

bool match_add(struct match_tree *t, const struct route *r)
{
	struct str path = str_of(r->path), segment, rest;
	bool more = true;

	while (more) {
		bool ok = first_segment(path, &segment, &rest, &more);
		assert(ok);
		t = add_segment(t, segment);
		/* str_cut drops the slash: put it back in front of what follows. */
		path = (struct str){ more ? rest.p - 1 : rest.p, more ? rest.n + 1 : 0 };
	}
	size_t n = 0;
	for (; t->routes[n]; n++)
		if (strcmp(t->routes[n]->method, r->method) == 0)
			return false;
	assert(n < MATCH_METHODS_MAX);
	t->routes[n] = r;
	return true;
}

static bool find(const struct match_tree *t, struct str path, struct match *m)
{
	struct str segment, rest;
	bool more;

	if (!first_segment(path, &segment, &rest, &more))
		return false;
	struct str below = { more ? rest.p - 1 : rest.p, more ? rest.n + 1 : 0 };
	const struct match_tree *c = literal(t, segment);
	if (c && more && find(c, below, m))
		return true;
	if (c && !more && c->routes[0]) {
		m->routes = c->routes;
		return true;
	}
	c = t->any;
	if (!c || m->n_args == REQUEST_ARGS_MAX || (more && segment.n == 0))
		return false;
	m->args[m->n_args++] = segment;
	if (more && find(c, below, m))
		return true;
	if (!more && c->routes[0]) {
		m->routes = c->routes;
		return true;
	}
	m->n_args--;
	return false;
}

bool match_find(const struct match_tree *t, struct str path, struct match *out)
{
	*out = (struct match){ 0 };
	return find(t, path, out);
}
