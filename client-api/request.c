#include "client-api/request.h"

#include <assert.h>

#include "client-api/limiter.h"
#include "client-api/request_impl.h"
#include "node/base/limits.h"
#include "node/base/percent.h"
#include "node/core/id.h"

static bool name_is(struct request *r, struct str encoded, struct str name)
{
	struct str decoded;
	if (str_find(encoded, '%') == encoded.n && str_find(encoded, '+') == encoded.n)
		return str_eq(encoded, name);
	return percent_decode(r->arena, encoded, true, &decoded) && str_eq(decoded, name);
}

/* The next of that name in "a=1&b=2", from *at on. */
static bool pair_next(
	struct request *r, struct str pairs, const char *name, size_t *at, struct str *out)
{
	struct str wanted = str_of(name);
	while (*at < pairs.n) {
		struct str rest = str_skip(pairs, *at), pair, key, value;
		(void)str_cut(rest, '&', &pair, &rest);
		*at += pair.n + 1;
		(void)str_cut(pair, '=', &key, &value);
		if (name_is(r, key, wanted) && percent_decode(r->arena, value, true, out))
			return true;
	}
	return false;
}

bool request_query_each(struct request *r, const char *name, size_t *at, struct str *out)
{
	return pair_next(r, r->query, name, at, out);
}

bool request_form(struct request *r, struct str form, const char *name, struct str *out)
{
	size_t at = 0;
	return pair_next(r, form, name, &at, out);
}

bool request_query(struct request *r, const char *name, struct str *out)
{
	size_t at = 0;
	return request_query_each(r, name, &at, out);
}

enum err request_query_int(
	struct request *r, const char *name, int64_t lo, int64_t hi, int64_t *out)
{
	struct str text;
	int64_t v;
	if (!request_query(r, name, &text))
		return ERR_OK;
	if (!str_to_i64(text, &v))
		return err_set(&r->why, ERR_INVALID, "%s is not an integer", name);
	*out = v < lo ? lo : v > hi ? hi : v;
	return ERR_OK;
}

enum err request_query_bool(struct request *r, const char *name, bool *out)
{
	struct str text;
	if (!request_query(r, name, &text))
		return ERR_OK;
	bool yes = str_eq(text, STR("true"));
	if (!yes && !str_eq(text, STR("false")))
		return err_set(&r->why, ERR_INVALID, "%s is neither true nor false", name);
	*out = yes;
	return ERR_OK;
}

bool request_header(struct request *r, const char *name, struct str *out)
{
	struct request_impl *q = request_impl(r);
	return q->to->ops->header(q->to, name, out);
}

struct str request_address(const struct request *r)
{
	return request_impl(r)->in_process ? STR("") : r->address;
}

enum err request_is_caller(struct request *r, struct str user_id)
{
	if (r->caller.user_id.n && str_eq(r->caller.user_id, user_id))
		return ERR_OK;
	return err_set(&r->why, ERR_FORBIDDEN, "this is another user's");
}

enum err request_limit_login(struct request *r, struct str user)
{
	struct request_impl *q = request_impl(r);
	struct str localpart, server;

	if (!r->api->limiter)
		return ERR_OK;
	if (id_user(user, &localpart, &server))
		user = localpart;
	/* No address begins like this. */
	q->login_key = arena_printf(r->arena, "@%.*s", STR_FMT(str_head(user, LIMIT_ID_BYTES)));
	q->wait_ms = limiter_wait_ms(
		r->api->limiter, COST_LOGIN, q->login_key, clock_mono_ms(r->api->clock));
	if (!q->wait_ms)
		return ERR_OK;
	q->login_key = (struct str){ 0 }; /* nothing is tried */
	return err_set(&r->why, ERR_LIMIT, "too many wrong passwords: try again later");
}

void request_body_start(struct request *r, const struct request_sink *sink)
{
	struct request_impl *q = request_impl(r);
	assert(r->route->body == BODY_STREAM && !q->body_started);
	q->sink = sink;
	q->body_started = true;
	q->to->ops->read_body(q->to);
}

void request_body_pause(struct request *r, bool pause)
{
	struct request_impl *q = request_impl(r);
	q->to->ops->pause_body(q->to, pause);
}

int64_t request_body_length(const struct request *r)
{
	return request_impl(r)->body_length;
}
