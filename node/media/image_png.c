#include <setjmp.h>
#include <stdlib.h>

#include <png.h>

#include "node/base/alloc.h"
#include "node/media/scaler.h"

/* What libpng reads from, and what must be freed when it gives up by longjmp. */
struct png_job {
	struct str bytes;
	unsigned char *pixels;
	unsigned char **rows;
	enum err err;
};

static void read_bytes(png_structp png, png_bytep out, png_size_t n)
{
	struct png_job *j = (struct png_job *)png_get_io_ptr(png);

	if (n > j->bytes.n)
		png_error(png, "cut short");
	memcpy(out, j->bytes.p, n);
	j->bytes = str_skip(j->bytes, n);
}

static void on_error(png_structp png, png_const_charp text)
{
	longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
}

/* Whatever the file has becomes 8-bit RGBA. */
static void to_rgba(png_structp png)
{
	png_set_scale_16(png);
	png_set_expand(png);
	png_set_gray_to_rgb(png);
	png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
}

/* An interlaced picture comes in passes, so all rows are needed at once. */
static void read_interlaced(png_structp png, struct scaler *s, struct png_job *j, size_t stride)
{
	size_t height = s->src_height;

	j->pixels = (unsigned char *)alloc_try(stride * height);
	j->rows = (unsigned char **)alloc_try(height * sizeof *j->rows);
	if (!j->pixels || !j->rows) {
		j->err = ERR_NOMEM;
		longjmp(png_jmpbuf(png), 1);
	}
	for (size_t y = 0; y < height; y++)
		j->rows[y] = j->pixels + y * stride;
	png_read_image(png, j->rows);
	for (size_t y = 0; y < height; y++)
		scaler_row(s, j->rows[y]);
}

static void read_rows(png_structp png, struct scaler *s, struct png_job *j, size_t stride)
{
	j->pixels = (unsigned char *)alloc_try(stride);
	if (!j->pixels) {
		j->err = ERR_NOMEM;
		longjmp(png_jmpbuf(png), 1);
	}
	for (unsigned y = 0; y < s->src_height; y++) {
		png_read_row(png, j->pixels, NULL);
		scaler_row(s, j->pixels);
	}
}

static void read_picture(png_structp png, png_infop info, struct scaler *s, struct png_job *j)
{
	int passes;

	png_set_read_fn(png, j, read_bytes);
	/* Colour profiles, text and the like are of no use here and only cost memory. */
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
	png_set_chunk_malloc_max(png, 4L * 1024 * 1024);
	png_read_info(png, info);
	j->err = scaler_begin(
		s, png_get_image_width(png, info), png_get_image_height(png, info));
	if (j->err)
		longjmp(png_jmpbuf(png), 1);
	to_rgba(png);
	passes = png_set_interlace_handling(png);
	png_read_update_info(png, info);
	if (png_get_rowbytes(png, info) != (size_t)s->src_width * 4)
		png_error(png, "not RGBA");
	if (passes > 1)
		read_interlaced(png, s, j, (size_t)s->src_width * 4);
	else
		read_rows(png, s, j, (size_t)s->src_width * 4);
	j->err = ERR_OK;
}

enum err image_png_decode(struct str bytes, struct scaler *s)
{
	/* Behind a pointer, so that what changes after setjmp is not kept in a register. */
	struct png_job *j = NEW(struct png_job);
	png_structp png =
		png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	enum err err;

	j->bytes = bytes;
	j->err = info ? ERR_OK : ERR_NOMEM;
	if (info && !setjmp(png_jmpbuf(png)))
		read_picture(png, info, s, j);
	else if (info && !j->err)
		j->err = ERR_INVALID;
	png_destroy_read_struct(&png, &info, NULL);
	err = j->err;
	free(j->pixels);
	free(j->rows);
	free(j);
	return err;
}
