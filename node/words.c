#include "node/words.h"

#include <time.h>

#include "node/base/arena.h"
#include "node/json/json.h"

enum err words_arguments(struct buf *out, struct str name, const char *const *words, size_t n)
{
	struct jw w = jw_to(out);
	int64_t minutes;

	jw_obj(&w);
	if (str_eq(name, STR("register"))) {
		if (n != 2)
			return ERR_INVALID;
		jw_kv_z(&w, "user", words[0]);
		jw_kv_z(&w, "password", words[1]);
	} else if (str_eq(name, STR("join"))) {
		if (n != 1)
			return ERR_INVALID;
		jw_kv_z(&w, "invite", words[0]);
	} else if (str_eq(name, STR("invite")) && n == 1) {
		if (!str_to_i64(str_of(words[0]), &minutes))
			return ERR_INVALID;
		jw_kv_int(&w, "expiry_minutes", minutes);
	} else if (n != 0) {
		return ERR_INVALID;
	}
	jw_end(&w);
	return ERR_OK;
}

static struct str text_of(const struct json *obj, const char *key)
{
	struct str s = STR("");

	(void)json_as_str(json_get(obj, key), &s);
	return s;
}

static int64_t number_of(const struct json *obj, const char *key)
{
	int64_t n = 0;

	(void)json_as_int(json_get(obj, key), &n);
	return n;
}

static void put_time(struct buf *out, int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;
	char text[64];

	(void)localtime_r(&t, &tm);
	buf_put(out, text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm));
}

static void put_users(struct buf *out, const struct json *peer)
{
	const struct json *ids = json_get(peer, "user_ids");

	if (!json_first(ids))
		buf_put_z(out, " (it has no user yet)");
	for (const struct json *id = json_first(ids); id; id = json_next(id)) {
		struct str s;

		if (json_as_str(id, &s))
			buf_printf(out, " %.*s", STR_FMT(s));
	}
}

static void invite_words(struct buf *out, const struct json *a)
{
	buf_put_str(out, text_of(a, "invite"));
	buf_put_z(out, "\n\nGive it to one friend, who runs: kith join INVITE\nGood until ");
	put_time(out, number_of(a, "expires_ts"));
	buf_put_z(out, ", once.\n");
}

static void join_words(struct buf *out, const struct json *a)
{
	buf_printf(out, "Paired with %.*s\nWrite to:", STR_FMT(text_of(a, "server_name")));
	put_users(out, a);
	buf_put_z(out, "\n");
}

static void peers_words(struct buf *out, const struct json *a)
{
	const struct json *peers = json_get(a, "peers");

	if (!json_first(peers))
		buf_put_z(out, "No friends yet: kith invite\n");
	for (const struct json *p = json_first(peers); p; p = json_next(p)) {
		bool connected = false;
		int64_t seen = number_of(p, "last_seen_ts");

		(void)json_as_bool(json_get(p, "connected"), &connected);
		buf_printf(out, "%.*s ", STR_FMT(text_of(p, "server_name")));
		put_users(out, p);
		if (connected) {
			buf_put_z(out, "  linked\n");
		} else if (seen) {
			buf_put_z(out, "  last seen ");
			put_time(out, seen);
			buf_put_z(out, "\n");
		} else {
			buf_put_z(out, "  never seen\n");
		}
	}
}

/* Every member on a line of its own. */
static void status_words(struct buf *out, const struct json *a)
{
	for (const struct json *m = json_first(a); m; m = json_next(m)) {
		struct str key = json_key(m);
		struct str s;

		buf_printf(out, "%-20.*s ", STR_FMT(key));
		if (json_as_str(m, &s))
			buf_put_str(out, s);
		else
			json_canonical(m, out);
		buf_put_z(out, "\n");
	}
}

static void check_words(struct buf *out, const struct json *a)
{
	bool ok = false;

	(void)json_as_bool(json_get(a, "ok"), &ok);
	for (const struct json *f = json_first(json_get(a, "findings")); f; f = json_next(f)) {
		struct str s;

		if (json_as_str(f, &s))
			buf_printf(out, "%.*s\n", STR_FMT(s));
	}
	buf_put_z(out, ok ? "Everything is in order.\n" : "");
}

static void register_words(struct buf *out, const struct json *a)
{
	buf_printf(out, "Made %.*s\n", STR_FMT(text_of(a, "user_id")));
}

enum err words_answer(struct buf *out, struct str name, struct str answer)
{
	static const struct {
		const char *name;
		void (*put)(struct buf *out, const struct json *answer);
	} words[] = {
		{ "register", register_words },
		{ "invite", invite_words },
		{ "join", join_words },
		{ "peers", peers_words },
		{ "status", status_words },
		{ "check", check_words },
	};
	CLEANUP(json_freep) struct json *a = NULL;
	enum err err;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_eq(name, str_of(words[i].name)))
			continue;
		err = json_parse(answer, &json_limits_client, &a, NULL);
		if (err)
			return err;
		words[i].put(out, a);
		return ERR_OK;
	}
	return ERR_INVALID;
}
