#include "node/core/server_acl.h"

#include "node/core/glob.h"

struct list {
	struct str *globs; /* folded */
	size_t n;
};

struct server_acl {
	bool allow_ip_literals;
	struct list allow;
	struct list deny;
};

static struct list read_list(struct arena *a, const struct json *list)
{
	struct list out = { 0 };
	struct str text;

	if (!json_is(list, JSON_ARRAY))
		return out;
	out.globs = arena_calloc(a, json_count(list) + 1, sizeof(*out.globs));
	for (const struct json *m = json_first(list); m; m = json_next(m)) {
		if (json_as_str(m, &text))
			out.globs[out.n++] = glob_fold(a, text);
	}
	return out;
}

const struct server_acl *server_acl_compile(struct arena *a, const struct json *content)
{
	struct server_acl *acl = ARENA_NEW(a, struct server_acl);

	acl->allow_ip_literals = true;
	(void)json_as_bool(json_get(content, "allow_ip_literals"), &acl->allow_ip_literals);
	acl->allow = read_list(a, json_get(content, "allow"));
	acl->deny = read_list(a, json_get(content, "deny"));
	return acl;
}

/* Without its port. */
static struct str host_of(struct str server)
{
	size_t end = str_find(server, ']');

	if (server.n && server.p[0] == '[' && end < server.n)
		return str_head(server, end + 1);
	return str_head(server, str_find(server, ':'));
}

static bool is_ip_literal(struct str host)
{
	size_t dots = 0;
	uint64_t v;

	if (host.n && host.p[0] == '[')
		return true;
	for (bool more = true; more; dots += more) {
		struct str part;

		more = str_cut(host, '.', &part, &host);
		if (part.n > 3 || !str_to_u64(part, &v) || v > 255)
			return false;
	}
	return dots == 3;
}

static bool matches(const struct list *list, struct str host)
{
	for (size_t i = 0; i < list->n; i++) {
		if (glob_match(list->globs[i], host, GLOB_WHOLE))
			return true;
	}
	return false;
}

bool server_acl_allows(const struct server_acl *acl, struct str server)
{
	CLEANUP(arena_freep) struct arena *a = NULL;
	struct str host;

	if (!acl)
		return true;
	a = arena_new();
	host = glob_fold(a, host_of(server));
	if (!acl->allow_ip_literals && is_ip_literal(host))
		return false;
	return !matches(&acl->deny, host) && matches(&acl->allow, host);
}
