/*
 * Content-Disposition (RFC 6266, RFC 8187): what others say, and what we say (security.md M1).
 */
#include "node/media/media_impl.h"

/* client-server API, "Serving inline content". */
bool media_is_inline(struct str content_type)
{
	static const char *const types[] = { "text/css", "text/plain", "text/csv",
		"application/json", "application/ld+json", "image/jpeg", "image/gif",
		"image/png", "image/apng", "image/webp", "image/avif", "video/mp4",
		"video/webm", "video/ogg", "video/quicktime", "audio/mp4", "audio/webm",
		"audio/aac", "audio/mpeg", "audio/ogg", "audio/wave", "audio/wav",
		"audio/x-wav", "audio/x-pn-wav", "audio/flac", "audio/x-flac" };
	struct str type, parameters;

	(void)str_cut(content_type, ';', &type, &parameters);
	type = str_trim(type);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (str_eq_nocase(type, str_of(types[i])))
			return true;
	return false;
}

/* --- writing
 * ------------------------------------------------------------------------------------- */

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || strchr("!#$&+-.^_`|~", c)))
			return false;
	}
	return s.n > 0;
}

static bool is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e)
			return false;
	return true;
}

static void put_quoted(struct buf *out, struct str s)
{
	buf_put_u8(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)s.p[i]);
	}
	buf_put_u8(out, '"');
}

static void put_encoded(struct buf *out, struct str s)
{
	buf_put_z(out, "utf-8''");
	for (size_t i = 0; i < s.n; i++) {
		struct str c = { s.p + i, 1 };

		if (is_token(c) && s.p[i])
			buf_put_str(out, c);
		else
			buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
	}
}

void media_disposition_put(struct buf *out, const struct media_info *info, struct str name)
{
	if (!name.n)
		name = info->filename;
	buf_put_z(out, info->is_inline ? "inline" : "attachment");
	if (!name.n)
		return;
	if (is_token(name)) {
		buf_printf(out, "; filename=%.*s", STR_FMT(name));
	} else if (is_ascii(name)) {
		buf_put_z(out, "; filename=");
		put_quoted(out, name);
	} else {
		buf_put_z(out, "; filename*=");
		put_encoded(out, name);
	}
}

/* --- reading
 * ------------------------------------------------------------------------------------- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* utf-8'language'percent-encoded; empty for anything else. */
static struct str decode_extended(struct arena *a, struct str v)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str charset, language, text;

	if (!str_cut(v, '\'', &charset, &text) || !str_cut(text, '\'', &language, &text) ||
		!str_eq_nocase(charset, STR("utf-8")))
		return STR("");
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '%') {
			buf_put_u8(&out, (uint8_t)text.p[i]);
			continue;
		}
		if (i + 2 >= text.n || hex(text.p[i + 1]) < 0 || hex(text.p[i + 2]) < 0)
			return STR("");
		buf_put_u8(&out, (uint8_t)(hex(text.p[i + 1]) << 4 | hex(text.p[i + 2])));
		i += 2;
	}
	return arena_str(a, buf_str(&out));
}

/* The value at the start of *rest, quoted or not; *rest goes behind its ';'. */
static struct str take_value(struct arena *a, struct str *rest)
{
	CLEANUP(buf_deinit) struct buf out = { 0 };
	struct str s = str_trim(*rest), value;
	size_t i = 1;

	if (!str_starts(s, STR("\""))) {
		(void)str_cut(s, ';', &value, rest);
		return str_trim(value);
	}
	for (; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		buf_put_u8(&out, (uint8_t)s.p[i]);
	}
	(void)str_cut(str_skip(s, i + 1), ';', &value, rest);
	return arena_str(a, buf_str(&out));
}

struct str media_disposition_name(struct arena *a, struct str header)
{
	struct str rest, kind, key, plain = STR(""), extended = STR("");

	(void)str_cut(header, ';', &kind, &rest);
	while (rest.n && str_cut(rest, '=', &key, &rest)) {
		struct str value = take_value(a, &rest);

		key = str_trim(key);
		if (str_eq_nocase(key, STR("filename*")))
			extended = decode_extended(a, value);
		else if (str_eq_nocase(key, STR("filename")))
			plain = value;
	}
	return arena_str(a, extended.n ? extended : plain);
}
