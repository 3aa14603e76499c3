#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>

#include "node/base/alloc.h"
#include "node/media/image.h"

#define JPEG_QUALITY 82

static void png_put(png_structp png, png_bytep p, png_size_t n)
{
	buf_put((struct buf *)png_get_io_ptr(png), p, n);
}

static void png_flush(png_structp png)
{
}

static void write_png(png_structp png, png_infop info, const struct image *img, struct buf *out)
{
	png_set_write_fn(png, out, png_put, png_flush);
	png_set_IHDR(png, info, img->width, img->height, 8, PNG_COLOR_TYPE_RGBA,
		PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (unsigned y = 0; y < img->height; y++)
		png_write_row(png, img->rgba + (size_t)y * img->width * 4);
	png_write_end(png, info);
}

static enum err encode_png(const struct image *img, struct buf *out)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	enum err err = ERR_NOMEM;

	if (info && !setjmp(png_jmpbuf(png))) {
		write_png(png, info, img, out);
		err = ERR_OK;
	}
	png_destroy_write_struct(&png, &info);
	return err;
}

struct jpeg_job {
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr errors;
	jmp_buf fail;
	unsigned char *bytes;
	unsigned long n;
};

static void on_error(j_common_ptr c)
{
	struct jpeg_job *j = (struct jpeg_job *)c->client_data;

	longjmp(j->fail, 1);
}

static void write_jpeg(struct jpeg_job *j, const struct image *img)
{
	jpeg_create_compress(&j->jpeg);
	jpeg_mem_dest(&j->jpeg, &j->bytes, &j->n);
	j->jpeg.image_width = img->width;
	j->jpeg.image_height = img->height;
	j->jpeg.input_components = 4;
	j->jpeg.in_color_space = JCS_EXT_RGBX;
	jpeg_set_defaults(&j->jpeg);
	jpeg_set_quality(&j->jpeg, JPEG_QUALITY, TRUE);
	jpeg_start_compress(&j->jpeg, TRUE);
	while (j->jpeg.next_scanline < j->jpeg.image_height) {
		JSAMPROW row = img->rgba + (size_t)j->jpeg.next_scanline * img->width * 4;

		jpeg_write_scanlines(&j->jpeg, &row, 1);
	}
	jpeg_finish_compress(&j->jpeg);
}

static enum err encode_jpeg(const struct image *img, struct buf *out)
{
	struct jpeg_job *j = NEW(struct jpeg_job);
	enum err err = ERR_NOMEM;

	j->jpeg.err = jpeg_std_error(&j->errors);
	j->errors.error_exit = on_error;
	j->jpeg.client_data = j;
	if (!setjmp(j->fail)) {
		write_jpeg(j, img);
		buf_put(out, j->bytes, j->n);
		err = ERR_OK;
	}
	jpeg_destroy_compress(&j->jpeg);
	free(j->bytes);
	free(j);
	return err;
}

enum err image_encode(const struct image *img, struct buf *out, const char **content_type)
{
	enum err err = img->alpha ? encode_png(img, out) : encode_jpeg(img, out);

	if (!err)
		*content_type = img->alpha ? "image/png" : "image/jpeg";
	return err;
}
