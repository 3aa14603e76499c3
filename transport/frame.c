#include "transport/frame.h"

#include "transport/wire.h"

void frame_put(struct buf *out, uint8_t type, struct str body)
{
	buf_put_u8(out, type);
	wire_put_var_bytes(out, body);
}

bool frame_next(struct str *rest, uint8_t *type, struct str *body, bool *bad)
{
	struct wire w = wire_of(*rest);

	if (rest->n == 0)
		return false;
	*type = wire_u8(&w);
	*body = wire_var_bytes(&w, w.rest.n);
	if (w.bad) {
		*bad = true;
		return false;
	}
	*rest = w.rest;
	return true;
}

/* A PAD takes two bytes at least, and none is 130 bytes long (its length needs a second byte
 * from 128 on). */
void frame_pad(struct buf *plain)
{
	static const size_t sizes[] = { 64, 128, 256, 512, 1024 };
	static const char zeros[1024];
	size_t i = 0;

	while (i < ARRAY_LEN(sizes) && plain->n != sizes[i] && plain->n + 2 > sizes[i])
		i++;
	if (i == ARRAY_LEN(sizes) || plain->n == sizes[i])
		return;
	if (sizes[i] - plain->n == 130)
		frame_put(plain, FRAME_PAD, (struct str){ zeros, 0 });
	if (sizes[i] - plain->n > 129)
		frame_put(plain, FRAME_PAD, (struct str){ zeros, sizes[i] - plain->n - 3 });
	else
		frame_put(plain, FRAME_PAD, (struct str){ zeros, sizes[i] - plain->n - 2 });
}

enum err frame_bye_get(struct str body, uint16_t *code, struct str *text)
{
	struct wire w = wire_of(body);
	uint16_t c = wire_u16(&w);
	struct str t = wire_var_bytes(&w, FRAME_BYE_TEXT);

	if (!wire_done(&w))
		return ERR_MALFORMED;
	*code = c;
	*text = t;
	return ERR_OK;
}

void frame_bye_put(struct buf *out, uint16_t code, struct str text)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_put_be16(&body, code);
	wire_put_var_bytes(&body, str_head(text, FRAME_BYE_TEXT));
	frame_put(out, FRAME_BYE, buf_str(&body));
}

enum err frame_sleep_get(struct str body, struct frame_sleep *out)
{
	struct wire w = wire_of(body);
	struct frame_sleep s = { .for_s = wire_u32(&w), .hold = wire_u8(&w) };

	if (!wire_done(&w) || s.hold > 1)
		return ERR_MALFORMED;
	*out = s;
	return ERR_OK;
}

void frame_sleep_put(struct buf *out, const struct frame_sleep *sleep)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_put_be32(&body, sleep->for_s);
	buf_put_u8(&body, sleep->hold);
	frame_put(out, FRAME_SLEEP, buf_str(&body));
}

enum err frame_info_check(struct str body)
{
	struct wire w = wire_of(body);

	(void)wire_u16(&w);
	(void)wire_u8(&w);
	if (w.bad || (w.rest.n != 0 && w.rest.n != 6 && w.rest.n != 18))
		return ERR_MALFORMED;
	return ERR_OK;
}

enum err frame_idseq_get(struct str body, unsigned char identity[32], uint64_t *seq)
{
	struct wire w = wire_of(body);
	uint64_t s;

	if (body.n != FRAME_IDSEQ_LEN)
		return ERR_MALFORMED;
	wire_copy(&w, identity, 32);
	s = wire_u64(&w);
	*seq = s;
	return ERR_OK;
}

void frame_idseq_put(struct buf *out, const unsigned char identity[32], uint64_t seq)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };

	buf_put(&body, identity, 32);
	buf_put_be64(&body, seq);
	frame_put(out, FRAME_IDSEQ, buf_str(&body));
}
