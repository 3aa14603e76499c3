#include "node/json/split.h"

/*
 *   BEGIN --{--> KEY_OR_END --"--> KEY --"--> COLON --:--> VALUE --[--> ELEMENT_OR_END
 *                    |              ^                        |              |
 *                    }              +--"-- KEY_NEXT --,--    text          text --,--> ELEMENT
 *                    v                        ^         \    |              |
 *                   END <---------------}-----+--------- AFTER <----]-------+
 */
enum state {
	BEGIN,
	KEY_OR_END,
	KEY_NEXT,
	KEY,
	COLON,
	VALUE,
	ELEMENT_OR_END,
	ELEMENT,
	TEXT, /* of a value or an element */
	AFTER,
	AFTER_ELEMENT,
	END
};

void json_split_init(struct json_split *s)
{
	s->state = BEGIN;
	s->key = (struct buf){ 0 };
	s->text = (struct buf){ 0 };
	s->in_array = false;
}

void json_split_deinit(struct json_split *s)
{
	buf_deinit(&s->key);
	buf_deinit(&s->text);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum err emit(struct json_split *s)
{
	struct str key = buf_str(&s->key);
	enum err err = s->in_array ? s->element(s->arg, key, buf_str(&s->text))
				   : s->member(s->arg, key, buf_str(&s->text));

	buf_clear(&s->text);
	s->state = s->in_array ? AFTER_ELEMENT : AFTER;
	return err;
}

static enum err begin_text(struct json_split *s, char c)
{
	if (c == ',' || c == ']' || c == '}' || c == ':')
		return ERR_MALFORMED;
	s->state = TEXT;
	s->depth = c == '{' || c == '[';
	s->in_string = c == '"';
	s->escaped = false;
	buf_put_u8(&s->text, (uint8_t)c);
	return ERR_OK;
}

/* One byte of a string, its closing quote included. */
static void string_byte(struct json_split *s, char c)
{
	if (s->escaped)
		s->escaped = false;
	else if (c == '\\')
		s->escaped = true;
	else if (c == '"')
		s->in_string = false;
}

/* *again: the byte ended the text without being part of it. */
static enum err text_byte(struct json_split *s, char c, bool *again)
{
	bool bare = !s->in_string && s->depth == 0; /* a number, true, false, null */

	if (bare && (c == ',' || c == ']' || c == '}' || is_blank(c))) {
		*again = true;
		return emit(s);
	}
	if (s->text.n >= s->max_element)
		return ERR_TOO_LARGE;
	buf_put_u8(&s->text, (uint8_t)c);
	if (s->in_string)
		string_byte(s, c);
	else if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if (c == '}' || c == ']')
		s->depth--;
	if (s->depth == 0 && !s->in_string && (c == '}' || c == ']' || c == '"'))
		return emit(s);
	return ERR_OK;
}

static enum err key_byte(struct json_split *s, char c)
{
	string_byte(s, c);
	if (!s->in_string) {
		s->state = COLON;
		return ERR_OK;
	}
	if (s->key.n >= s->max_element)
		return ERR_TOO_LARGE;
	buf_put_u8(&s->key, (uint8_t)c);
	return ERR_OK;
}

static enum err begin_key(struct json_split *s)
{
	s->state = KEY;
	s->in_string = true;
	s->escaped = false;
	buf_clear(&s->key);
	return ERR_OK;
}

static enum err begin_value(struct json_split *s, char c)
{
	s->in_array = c == '[';
	if (!s->in_array)
		return begin_text(s, c);
	s->state = ELEMENT_OR_END;
	return ERR_OK;
}

static enum err go(struct json_split *s, enum state next)
{
	s->state = next;
	return ERR_OK;
}

/* A byte between keys and values. */
static enum err outer_byte(struct json_split *s, char c)
{
	switch ((enum state)s->state) {
	case BEGIN: return c == '{' ? go(s, KEY_OR_END) : ERR_MALFORMED;
	case KEY_OR_END:
		if (c == '}')
			return go(s, END);
		return c == '"' ? begin_key(s) : ERR_MALFORMED;
	case KEY_NEXT: return c == '"' ? begin_key(s) : ERR_MALFORMED;
	case COLON: return c == ':' ? go(s, VALUE) : ERR_MALFORMED;
	case VALUE: return begin_value(s, c);
	case ELEMENT_OR_END: return c == ']' ? go(s, AFTER) : begin_text(s, c);
	case ELEMENT: return begin_text(s, c);
	case AFTER:
		if (c == ',')
			return go(s, KEY_NEXT);
		return c == '}' ? go(s, END) : ERR_MALFORMED;
	case AFTER_ELEMENT:
		if (c == ',')
			return go(s, ELEMENT);
		return c == ']' ? go(s, AFTER) : ERR_MALFORMED;
	case KEY:
	case TEXT:
	case END: break;
	}
	return ERR_MALFORMED;
}

enum err json_split_feed(struct json_split *s, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];
		bool again = false;
		enum err err = ERR_OK;

		if (s->state == TEXT)
			err = text_byte(s, c, &again);
		else if (s->state == KEY)
			err = key_byte(s, c);
		else if (!is_blank(c))
			err = outer_byte(s, c);
		if (again && !err && !is_blank(c))
			err = outer_byte(s, c);
		if (err)
			return err;
	}
	return ERR_OK;
}

enum err json_split_end(const struct json_split *s)
{
	return s->state == END ? ERR_OK : ERR_MALFORMED;
}
