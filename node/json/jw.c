#include "node/json/json.h"

#include <assert.h>

#include "node/json/number.h"
#include "node/json/write.h"

static void put_escape(struct buf *out, unsigned char c)
{
	static const char short_form[] = "\bb\tt\nn\ff\rr\"\"\\\\";

	for (size_t i = 0; i < sizeof(short_form) - 1; i += 2) {
		if ((unsigned char)short_form[i] == c) {
			buf_put_c(out, '\\');
			buf_put(out, &short_form[i + 1], 1);
			return;
		}
	}
	buf_printf(out, "\\u%04x", c);
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != 0xc0;
}

/* What of s, from the byte at i that isn't plain. */
static void write_escaped(struct buf *out, struct str s, size_t i)
{
	size_t from = 0;

	for (; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_plain(c))
			continue;
		buf_put(out, s.p + from, i - from);
		if (c == 0xc0) {
			i++; /* 80 */
			c = 0;
		}
		put_escape(out, c);
		from = i + 1;
	}
	if (from < s.n)
		buf_put(out, s.p + from, s.n - from);
}

void write_string(struct buf *out, struct str s)
{
	size_t plain = 0;

	(void)buf_reserve(out, s.n + 3); /* and a ':' or ',' behind it */
	buf_put_c(out, '"');
	while (plain < s.n && is_plain((unsigned char)s.p[plain]))
		plain++;
	if (plain == s.n)
		buf_put_str(out, s);
	else
		write_escaped(out, s, plain);
	buf_put_c(out, '"');
}

struct jw jw_to(struct buf *out)
{
	return (struct jw){ .out = out };
}

static uint64_t bit(const struct jw *w)
{
	return UINT64_C(1) << (w->depth - 1);
}

/* The comma before a value or key, where one is due. */
static void begin(struct jw *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth == 0)
		return;
	if (w->has_items & bit(w))
		buf_put_c(w->out, ',');
	w->has_items |= bit(w);
}

static void open_container(struct jw *w, bool array)
{
	begin(w);
	assert(w->depth < 64);
	w->depth++;
	w->has_items &= ~bit(w);
	w->is_array = array ? w->is_array | bit(w) : w->is_array & ~bit(w);
	buf_put_c(w->out, array ? '[' : '{');
}

void jw_obj(struct jw *w)
{
	open_container(w, false);
}

void jw_arr(struct jw *w)
{
	open_container(w, true);
}

void jw_end(struct jw *w)
{
	assert(w->depth > 0 && !w->after_key);
	buf_put_c(w->out, w->is_array & bit(w) ? ']' : '}');
	w->depth--;
}

void jw_key_str(struct jw *w, struct str key)
{
	assert(w->depth > 0 && !w->after_key && !(w->is_array & bit(w)));
	begin(w);
	write_string(w->out, key);
	buf_put_c(w->out, ':');
	w->after_key = true;
}

void jw_key(struct jw *w, const char *key)
{
	jw_key_str(w, str_of(key));
}

void jw_str(struct jw *w, struct str s)
{
	begin(w);
	write_string(w->out, s);
}

void jw_z(struct jw *w, const char *z)
{
	jw_str(w, str_of(z));
}

void jw_int(struct jw *w, int64_t v)
{
	begin(w);
	buf_put_i64(w->out, v);
}

void jw_double(struct jw *w, double v)
{
	begin(w);
	number_put_double(w->out, v);
}

void jw_bool(struct jw *w, bool v)
{
	begin(w);
	buf_put_z(w->out, v ? "true" : "false");
}

void jw_null(struct jw *w)
{
	begin(w);
	buf_put_z(w->out, "null");
}

void jw_raw(struct jw *w, struct str json)
{
	begin(w);
	buf_put_str(w->out, json);
}

void jw_json(struct jw *w, const struct json *j)
{
	begin(w);
	json_canonical(j, w->out);
}

void jw_kv_str(struct jw *w, const char *key, struct str s)
{
	jw_key(w, key);
	jw_str(w, s);
}

void jw_kv_z(struct jw *w, const char *key, const char *z)
{
	jw_key(w, key);
	jw_z(w, z);
}

void jw_kv_int(struct jw *w, const char *key, int64_t v)
{
	jw_key(w, key);
	jw_int(w, v);
}

void jw_kv_bool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_bool(w, v);
}

void jw_kv_raw(struct jw *w, const char *key, struct str json)
{
	jw_key(w, key);
	jw_raw(w, json);
}

void jw_kv_json(struct jw *w, const char *key, const struct json *j)
{
	jw_key(w, key);
	jw_json(w, j);
}
