#include "node/qr.h"

#include <errno.h>

#include <qrencode.h>

#define QUIET \
	2 /* light modules around the code; readers want four, two do on a dark terminal */

static bool dark(const QRcode *q, int x, int y)
{
	x -= QUIET;
	y -= QUIET;
	if (x < 0 || y < 0 || x >= q->width || y >= q->width)
		return false;
	return q->data[y * q->width + x] & 1;
}

enum err qr_put(struct buf *out, const char *text)
{
	/* Case-insensitive: the alphanumeric mode, which is a third smaller, has no lower case.
	 */
	QRcode *q = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 0);
	int side;

	if (!q)
		return errno == ENOMEM ? ERR_NOMEM : ERR_TOO_LARGE;
	side = q->width + 2 * QUIET;
	for (int y = 0; y < side; y += 2) {
		for (int x = 0; x < side; x++) {
			/* Drawn inverted: the foreground is light on most terminals. */
			static const char *const blocks[] = { "\u2588", "\u2580", "\u2584",
				" " };
			int k = (dark(q, x, y) ? 2 : 0) + (dark(q, x, y + 1) ? 1 : 0);

			buf_put_z(out, blocks[k]);
		}
		buf_put_u8(out, '\n');
	}
	QRcode_free(q);
	return ERR_OK;
}
