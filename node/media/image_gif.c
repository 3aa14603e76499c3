#include <gif_lib.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/media/scaler.h"

/* The first frame alone, laid on a transparent screen. */
struct gif_job {
	struct str bytes;
	GifFileType *gif;
	unsigned char *indexes; /* of the frame */
	unsigned char *row;     /* of the screen, RGBA */
	int transparent;        /* colour index, -1: none */
};

static int read_bytes(GifFileType *gif, GifByteType *out, int n)
{
	struct gif_job *j = (struct gif_job *)gif->UserData;
	struct str part = str_head(j->bytes, n < 0 ? 0 : (size_t)n);

	memcpy(out, part.p, part.n);
	j->bytes = str_skip(j->bytes, part.n);
	return (int)part.n;
}

static bool read_extensions(struct gif_job *j)
{
	GifByteType *block;
	int code;

	if (DGifGetExtension(j->gif, &code, &block) == GIF_ERROR)
		return false;
	while (block) {
		GraphicsControlBlock control;

		if (code == GRAPHICS_EXT_FUNC_CODE &&
			DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
			j->transparent = control.TransparentColor;
		if (DGifGetExtensionNext(j->gif, &block) == GIF_ERROR)
			return false;
	}
	return true;
}

/* Up to the first picture's description. */
static bool find_frame(struct gif_job *j)
{
	GifRecordType type;

	for (;;) {
		if (DGifGetRecordType(j->gif, &type) == GIF_ERROR)
			return false;
		if (type == IMAGE_DESC_RECORD_TYPE)
			return DGifGetImageDesc(j->gif) == GIF_OK;
		if (type != EXTENSION_RECORD_TYPE || !read_extensions(j))
			return false;
	}
}

static enum err read_frame(struct gif_job *j)
{
	static const int first[] = { 0, 4, 2, 1 }, step[] = { 8, 8, 4, 2 };
	const GifImageDesc *d = &j->gif->Image;

	if (d->Width <= 0 || d->Height <= 0 || d->Width > IMAGE_MAX_SIDE ||
		d->Height > IMAGE_MAX_SIDE)
		return ERR_INVALID;
	j->indexes = (unsigned char *)alloc_try((size_t)d->Width * (size_t)d->Height);
	if (!j->indexes)
		return ERR_NOMEM;
	for (int pass = 0; pass < (d->Interlace ? 4 : 1); pass++)
		for (int y = d->Interlace ? first[pass] : 0; y < d->Height;
			y += d->Interlace ? step[pass] : 1)
			if (DGifGetLine(j->gif, j->indexes + (size_t)y * (size_t)d->Width,
				    d->Width) == GIF_ERROR)
				return ERR_INVALID;
	return ERR_OK;
}

static void paint_row(struct gif_job *j, unsigned y, unsigned width)
{
	const GifImageDesc *d = &j->gif->Image;
	const ColorMapObject *map = d->ColorMap ? d->ColorMap : j->gif->SColorMap;
	size_t top = d->Top < 0 ? 0 : (size_t)d->Top, left = d->Left < 0 ? 0 : (size_t)d->Left;
	const unsigned char *in;

	memset(j->row, 0, (size_t)width * 4);
	if (!map || y < top || y - top >= (size_t)d->Height)
		return;
	in = j->indexes + (y - top) * (size_t)d->Width;
	for (size_t x = 0; x < (size_t)d->Width && left + x < width; x++) {
		unsigned char *out = j->row + (left + x) * 4;

		if (in[x] == j->transparent || in[x] >= map->ColorCount)
			continue;
		out[0] = map->Colors[in[x]].Red;
		out[1] = map->Colors[in[x]].Green;
		out[2] = map->Colors[in[x]].Blue;
		out[3] = 255;
	}
}

static enum err read_picture(struct gif_job *j, struct scaler *s)
{
	unsigned width = (unsigned)j->gif->SWidth, height = (unsigned)j->gif->SHeight;
	enum err err = scaler_begin(s, width, height);

	if (err)
		return err;
	if (!find_frame(j))
		return ERR_INVALID;
	err = read_frame(j);
	if (err)
		return err;
	j->row = (unsigned char *)alloc_try((size_t)width * 4);
	if (!j->row)
		return ERR_NOMEM;
	for (unsigned y = 0; y < height; y++) {
		paint_row(j, y, width);
		scaler_row(s, j->row);
	}
	return ERR_OK;
}

enum err image_gif_decode(struct str bytes, struct scaler *s)
{
	struct gif_job j = { .bytes = bytes, .transparent = -1 };
	enum err err = ERR_INVALID;
	int why;

	j.gif = DGifOpen(&j, read_bytes, &why);
	if (!j.gif)
		return ERR_INVALID;
	if (j.gif->SWidth > 0 && j.gif->SHeight > 0)
		err = read_picture(&j, s);
	DGifCloseFile(j.gif, &why);
	free(j.indexes);
	free(j.row);
	return err;
}
