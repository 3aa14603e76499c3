#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "node/base/alloc.h"
#include "node/media/scaler.h"

struct jpeg_job {
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	jmp_buf fail;
	unsigned char *row; /* as libjpeg gives it */
	unsigned char *rgba;
	enum err err;
};

static void on_error(j_common_ptr c)
{
	struct jpeg_job *j = (struct jpeg_job *)c->client_data;

	longjmp(j->fail, 1);
}

static void on_message(j_common_ptr c, int level)
{
}

static void no_output(j_common_ptr c)
{
}

static unsigned read_u16(const unsigned char *p, bool big)
{
	return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

/* The orientation in the first directory of an EXIF block (TIFF inside APP1), 1 if there is
 * none or it makes no sense. */
static unsigned exif_orientation(const unsigned char *p, size_t n)
{
	bool big;
	size_t dir, count;

	if (n < 14 || memcmp(p, "Exif\0\0", 6) != 0)
		return 1;
	p += 6;
	n -= 6;
	big = p[0] == 'M';
	dir = (size_t)read_u16(p + (big ? 4 : 6), big) << 16 | read_u16(p + (big ? 6 : 4), big);
	if (dir < 8 || dir > n - 2)
		return 1;
	count = read_u16(p + dir, big);
	for (size_t i = 0; i < count && dir + 2 + (i + 1) * 12 <= n; i++) {
		const unsigned char *entry = p + dir + 2 + i * 12;
		unsigned value = read_u16(entry + 8, big);

		if (read_u16(entry, big) == 0x0112)
			return value >= 1 && value <= 8 ? value : 1;
	}
	return 1;
}

/* libjpeg shrinks by 2, 4 or 8 for almost nothing; the scaler does the rest from at least
 * twice the size. */
static unsigned shrink_by(const struct jpeg_decompress_struct *jpeg, const struct scaler *s)
{
	unsigned by = 8;

	while (by > 1 &&
		(jpeg->image_width / by < s->width * 2 ||
			jpeg->image_height / by < s->height * 2))
		by /= 2;
	return by;
}

/* Adobe's CMYK files are inverted, and there are no others. */
static void cmyk_row(unsigned char *rgba, const unsigned char *cmyk, size_t n)
{
	for (size_t i = 0; i < n; i++, rgba += 4, cmyk += 4) {
		for (int c = 0; c < 3; c++)
			rgba[c] = (unsigned char)(cmyk[c] * cmyk[3] / 255);
		rgba[3] = 255;
	}
}

static enum err read_picture(struct jpeg_job *j, struct scaler *s)
{
	struct jpeg_decompress_struct *jpeg = &j->jpeg;
	bool cmyk;
	enum err err;

	for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
		s->orientation = exif_orientation(m->data, m->data_length);
	err = scaler_plan(s, jpeg->image_width, jpeg->image_height);
	if (err)
		return err;
	jpeg->scale_num = 1;
	jpeg->scale_denom = shrink_by(jpeg, s);
	cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
	jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_EXT_RGBA;
	jpeg->dct_method = JDCT_ISLOW;
	jpeg_start_decompress(jpeg);
	err = scaler_begin(s, jpeg->output_width, jpeg->output_height);
	if (err)
		return err;
	j->row = (unsigned char *)alloc_try((size_t)jpeg->output_width * 4);
	j->rgba = (unsigned char *)alloc_try((size_t)jpeg->output_width * 4);
	if (!j->row || !j->rgba)
		return ERR_NOMEM;
	while (jpeg->output_scanline < jpeg->output_height) {
		jpeg_read_scanlines(jpeg, &j->row, 1);
		if (cmyk)
			cmyk_row(j->rgba, j->row, jpeg->output_width);
		scaler_row(s, cmyk ? j->rgba : j->row);
	}
	return ERR_OK;
}

enum err image_jpeg_decode(struct str bytes, struct scaler *s)
{
	struct jpeg_job *j = NEW(struct jpeg_job);
	enum err err;

	j->jpeg.err = jpeg_std_error(&j->errors);
	j->errors.error_exit = on_error;
	j->errors.emit_message = on_message;
	j->errors.output_message = no_output;
	j->jpeg.client_data = j;
	j->err = ERR_INVALID;
	if (!setjmp(j->fail)) {
		jpeg_create_decompress(&j->jpeg);
		jpeg_mem_src(&j->jpeg, (const unsigned char *)bytes.p, bytes.n);
		jpeg_save_markers(&j->jpeg, JPEG_APP0 + 1, 0xffff);
		if (jpeg_read_header(&j->jpeg, TRUE) == JPEG_HEADER_OK)
			j->err = read_picture(j, s);
	} else {
		j->err = ERR_INVALID;
	}
	jpeg_destroy_decompress(&j->jpeg);
	err = j->err;
	free(j->row);
	free(j->rgba);
	free(j);
	return err;
}
