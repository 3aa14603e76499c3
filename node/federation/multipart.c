#include "node/federation/multipart.h"

/* The value of a parameter of a header, without quotes. */
static bool parameter(struct str header, struct str name, struct str *out)
{
	struct str rest = header;
	struct str part;

	while (rest.n) {
		struct str key;
		struct str value;

		(void)str_cut(rest, ';', &part, &rest);
		if (!str_cut(part, '=', &key, &value) || !str_eq_nocase(str_trim(key), name))
			continue;
		value = str_trim(value);
		if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
			value = (struct str){ value.p + 1, value.n - 2 };
		*out = value;
		return true;
	}
	return false;
}

enum err multipart_init(struct multipart *m, struct str content_type)
{
	struct str type = str_head(content_type, str_find(content_type, ';'));
	struct str boundary;

	if (!str_eq_nocase(str_trim(type), STR("multipart/mixed")) ||
		!parameter(content_type, STR("boundary"), &boundary) || boundary.n == 0 ||
		boundary.n > MULTIPART_MAX_BOUNDARY)
		return ERR_MALFORMED;
	memcpy(m->boundary, "\r\n--", 4);
	memcpy(m->boundary + 4, boundary.p, boundary.n);
	m->n_boundary = boundary.n + 4;
	m->held = (struct buf){ 0 };
	/* The first boundary may stand at the very beginning, without its line end. */
	buf_put(&m->held, "\r\n", 2);
	m->part = 0;
	m->state = MULTIPART_BODY;
	return ERR_OK;
}

void multipart_deinit(struct multipart *m)
{
	buf_deinit(&m->held);
}

static struct str boundary_of(const struct multipart *m)
{
	return (struct str){ m->boundary, m->n_boundary };
}

static enum err give(struct multipart *m, size_t n)
{
	return m->part == 2 && n ? m->data(m->arg, m->held.p, n) : ERR_OK;
}

/* Bytes of a part, up to the boundary. What could be the boundary's beginning is held back. */
static enum err take_body(struct multipart *m, bool *more)
{
	size_t at;
	size_t keep = m->n_boundary - 1;
	enum err err = ERR_OK;

	*more = str_find_str(buf_str(&m->held), boundary_of(m), &at);
	if (*more) {
		err = give(m, at);
		buf_drop(&m->held, at + m->n_boundary);
		m->state = MULTIPART_LINE;
	} else if (m->held.n > keep) {
		err = give(m, m->held.n - keep);
		buf_drop(&m->held, m->held.n - keep);
	}
	return err;
}

/* Behind a boundary: "--" ends it all, a line end begins a part. */
static enum err take_line(struct multipart *m, bool *more)
{
	size_t at;

	*more = false;
	if (str_starts(buf_str(&m->held), STR("--"))) {
		m->state = MULTIPART_END;
		return ERR_OK;
	}
	if (!str_find_str(buf_str(&m->held), STR("\r\n"), &at))
		return m->held.n > 256 ? ERR_MALFORMED : ERR_OK;
	if (str_trim(str_head(buf_str(&m->held), at)).n)
		return ERR_MALFORMED;
	/* The line end stays: it is also the one that ends an empty list of headers. */
	buf_drop(&m->held, at);
	m->part++;
	m->state = MULTIPART_HEADERS;
	*more = true;
	return ERR_OK;
}

static struct str header(struct str headers, struct str name)
{
	struct str rest = headers;
	struct str line;

	while (rest.n) {
		struct str key;
		struct str value;

		(void)str_cut(rest, '\n', &line, &rest);
		if (str_cut(line, ':', &key, &value) && str_eq_nocase(str_trim(key), name))
			return str_trim(value);
	}
	return (struct str){ 0 };
}

static enum err take_headers(struct multipart *m, bool *more)
{
	struct str headers;
	size_t at;
	enum err err = ERR_OK;

	*more = str_find_str(buf_str(&m->held), STR("\r\n\r\n"), &at);
	if (!*more)
		return m->held.n > MULTIPART_MAX_HEADERS ? ERR_MALFORMED : ERR_OK;
	headers = str_head(buf_str(&m->held), at);
	if (m->part == 2)
		err = m->head(m->arg, header(headers, STR("content-type")),
			header(headers, STR("content-disposition")),
			header(headers, STR("location")));
	buf_drop(&m->held, at + 4);
	m->state = MULTIPART_BODY;
	return err;
}

enum err multipart_feed(struct multipart *m, struct str bytes)
{
	bool more = true;
	enum err err = ERR_OK;

	buf_put_str(&m->held, bytes);
	while (more && !err) {
		switch (m->state) {
		case MULTIPART_BODY: err = take_body(m, &more); break;
		case MULTIPART_LINE: err = take_line(m, &more); break;
		case MULTIPART_HEADERS: err = take_headers(m, &more); break;
		case MULTIPART_END:
			buf_clear(&m->held);
			more = false;
			break;
		}
	}
	return err;
}

enum err multipart_finish(const struct multipart *m)
{
	return m->state == MULTIPART_END && m->part >= 2 ? ERR_OK : ERR_MALFORMED;
}
