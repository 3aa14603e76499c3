#include "node/room/token.h"

void token_put(struct buf *out, int64_t pos)
{
	buf_put_u8(out, 't');
	buf_put_i64(out, pos);
}

enum err token_parse(struct str text, int64_t *pos, struct err_ctx *why)
{
	struct str number = str_skip(text, 1);
	struct str rest = { 0 };

	if (text.n < 2 || text.n > 255 || (text.p[0] != 't' && text.p[0] != 's'))
		return err_set(why, ERR_INVALID, "this is no token of ours");
	if (text.p[0] == 's')
		str_cut(number, '_', &number, &rest);
	if (!str_to_i64(number, pos))
		return err_set(why, ERR_INVALID, "this is no token of ours");
	return ERR_OK;
}
