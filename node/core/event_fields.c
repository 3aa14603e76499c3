#include "node/core/event_fields.h"

/* Of a longer path the rest is not looked at, and more is sent than was asked for. */
#define KEYS_MAX 16

/* The keys of a path: split at dots that no backslash stands before. */
static struct event_field split(struct arena *a, struct str path)
{
	size_t max = 1;
	struct str *keys;
	char *bytes;
	size_t n = 0;
	size_t begin = 0;
	size_t used = 0;

	for (size_t i = 0; i < path.n; i++)
		max += path.p[i] == '.';
	keys = arena_calloc(a, max, sizeof(*keys));
	bytes = arena_calloc(a, path.n + 1, 1);
	for (size_t i = 0; i < path.n; i++) {
		bool escape = path.p[i] == '\\' && i + 1 < path.n &&
			(path.p[i + 1] == '.' || path.p[i + 1] == '\\');

		if (path.p[i] == '.') {
			keys[n++] = (struct str){ bytes + begin, used - begin };
			begin = used;
			continue;
		}
		i += escape;
		bytes[used++] = path.p[i];
	}
	keys[n++] = (struct str){ bytes + begin, used - begin };
	return (struct event_field){ keys, n < KEYS_MAX ? n : KEYS_MAX };
}

enum err event_fields_parse(
	struct arena *a, const struct json *list, struct event_fields *out, struct err_ctx *why)
{
	struct event_field *fields;
	struct str path;
	size_t n = 0;

	*out = (struct event_fields){ 0 };
	if (!list)
		return ERR_OK;
	for (const struct json *m = json_first(list); m; m = json_next(m))
		if (!json_is(m, JSON_STRING))
			return err_set(why, ERR_MALFORMED, "event_fields holds no strings");
	if (json_count(list) > EVENT_FIELDS_MAX)
		return ERR_OK;
	fields = arena_calloc(a, json_count(list) + 1, sizeof(*fields));
	for (const struct json *m = json_first(list); m; m = json_next(m))
		if (json_as_str(m, &path))
			fields[n++] = split(a, path);
	*out = (struct event_fields){ fields, n, true };
	return ERR_OK;
}

/* The paths that led to an object: those whose first `depth` keys are the way to it. */
struct level {
	const struct event_field *const *fields;
	size_t n;
	size_t depth;
};

static bool is_there(const struct json *obj, const struct event_field *f, size_t depth)
{
	for (; depth < f->n; depth++) {
		if (!json_is(obj, JSON_OBJECT))
			return false;
		obj = json_get_str(obj, f->keys[depth]);
	}
	return obj != NULL;
}

static void put_level(const struct level *l, const struct json *obj, struct jw *w)
{
	const struct event_field *next[EVENT_FIELDS_MAX];

	jw_obj(w);
	for (const struct json *m = json_first(obj); m; m = json_next(m)) {
		struct level deeper = { next, 0, l->depth + 1 };
		bool whole = false;

		for (size_t i = 0; i < l->n; i++) {
			const struct event_field *f = l->fields[i];

			if (!str_eq(f->keys[l->depth], json_key(m)) ||
				!is_there(m, f, l->depth + 1))
				continue;
			whole |= f->n == l->depth + 1;
			next[deeper.n++] = f;
		}
		if (!deeper.n)
			continue;
		jw_key_str(w, json_key(m));
		if (whole)
			jw_json(w, m);
		else
			put_level(&deeper, m, w);
	}
	jw_end(w);
}

void event_fields_put(const struct event_fields *f, const struct json *event, struct jw *w)
{
	const struct event_field *fields[EVENT_FIELDS_MAX];

	for (size_t i = 0; i < f->n; i++)
		fields[i] = &f->fields[i];
	put_level(&(struct level){ fields, f->n, 0 }, event, w);
}
