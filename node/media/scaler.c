#include "node/media/scaler.h"

#include "node/base/alloc.h"

#include <stdlib.h>

void scaler_init(struct scaler *s, const struct image_want *want)
{
	*s = (struct scaler){ .want = *want, .orientation = 1 };
}

void scaler_deinit(struct scaler *s)
{
	free(s->line);
	free(s->sum);
	free(s->rgba);
	*s = (struct scaler){ 0 };
}

/* EXIF's orientations 5 to 8 swap width and height. */
static bool is_turned(const struct scaler *s)
{
	return s->orientation >= 5 && s->orientation <= 8;
}

/* a * b / c, rounded, within 1 .. limit. */
static unsigned scaled(unsigned a, unsigned b, unsigned c, unsigned limit)
{
	uint64_t v = ((uint64_t)a * b + c / 2) / c;

	if (v < 1)
		return 1;
	return v > limit ? limit : (unsigned)v;
}

static void plan_crop(struct scaler *s, unsigned width, unsigned height)
{
	/* As much of the source as has the wanted shape, from its middle. */
	s->crop_width = s->src_width;
	s->crop_height = scaled(s->src_width, height, width, s->src_height);
	if ((uint64_t)s->src_width * height > (uint64_t)s->src_height * width) {
		s->crop_width = scaled(s->src_height, width, height, s->src_width);
		s->crop_height = s->src_height;
	}
	s->x0 = (s->src_width - s->crop_width) / 2;
	s->y0 = (s->src_height - s->crop_height) / 2;
	s->width = width < s->crop_width ? width : s->crop_width;
	s->height = height < s->crop_height ? height : s->crop_height;
}

static void plan_fit(struct scaler *s, unsigned width, unsigned height)
{
	s->x0 = s->y0 = 0;
	s->crop_width = s->width = s->src_width;
	s->crop_height = s->height = s->src_height;
	if (s->width <= width && s->height <= height)
		return;
	if ((uint64_t)s->src_width * height > (uint64_t)s->src_height * width) {
		s->width = width;
		s->height = scaled(s->src_height, width, s->src_width, height);
	} else {
		s->height = height;
		s->width = scaled(s->src_width, height, s->src_height, width);
	}
}

enum err scaler_plan(struct scaler *s, unsigned src_width, unsigned src_height)
{
	unsigned width = is_turned(s) ? s->want.height : s->want.width;
	unsigned height = is_turned(s) ? s->want.width : s->want.height;

	if (!src_width || !src_height)
		return ERR_INVALID;
	if (src_width > IMAGE_MAX_SIDE || src_height > IMAGE_MAX_SIDE ||
		(uint64_t)src_width * src_height > IMAGE_MAX_PIXELS)
		return ERR_TOO_LARGE;
	s->src_width = src_width;
	s->src_height = src_height;
	if (s->want.crop)
		plan_crop(s, width, height);
	else
		plan_fit(s, width, height);
	return ERR_OK;
}

enum err scaler_begin(struct scaler *s, unsigned src_width, unsigned src_height)
{
	enum err err = scaler_plan(s, src_width, src_height);
	size_t line;

	if (err)
		return err;
	line = (size_t)s->width * 4 * sizeof(float);
	s->line = (float *)alloc_try(line);
	s->sum = (float *)alloc_try(line);
	s->rgba = (unsigned char *)alloc_try((size_t)s->width * s->height * 4);
	return s->line && s->sum && s->rgba ? ERR_OK : ERR_NOMEM;
}

/* Averages the row into s->line. Colours are weighed by alpha, so that what is transparent
 * lends no colour to an edge. */
static void shrink_line(struct scaler *s, const unsigned char *rgba)
{
	const float step = (float)s->width / (float)s->crop_width;
	float *out = s->line;
	float filled = 0; /* of the pixel at out */
	unsigned at = 0;

	memset(s->line, 0, (size_t)s->width * 4 * sizeof(float));
	for (unsigned x = 0; x < s->crop_width; x++, rgba += 4) {
		float a = (float)rgba[3];
		float px[4] = { (float)rgba[0] * a, (float)rgba[1] * a, (float)rgba[2] * a, a };
		float part = step;

		if (filled + step >= 1 && at + 1 < s->width) {
			part = 1 - filled;
			for (int c = 0; c < 4; c++)
				out[c] += px[c] * part;
			out += 4;
			at++;
			filled = 0;
			part = step - part;
		}
		for (int c = 0; c < 4; c++)
			out[c] += px[c] * part;
		filled += part;
	}
}

static void add_line(struct scaler *s, float weight)
{
	for (size_t i = 0; i < (size_t)s->width * 4; i++)
		s->sum[i] += s->line[i] * weight;
}

static unsigned char to_byte(float v)
{
	v += 0.5F;
	if (v < 0)
		return 0;
	return v > 255 ? 255 : (unsigned char)v;
}

static void flush_row(struct scaler *s)
{
	unsigned char *out = s->rgba + (size_t)s->out_row * s->width * 4;

	for (size_t i = 0; i < s->width; i++, out += 4) {
		const float *px = s->sum + i * 4;

		out[3] = to_byte(px[3]);
		for (int c = 0; c < 3 && px[3] > 0; c++)
			out[c] = to_byte(px[c] / px[3]);
		if (out[3] != 255)
			s->alpha = true;
	}
	memset(s->sum, 0, (size_t)s->width * 4 * sizeof(float));
	s->out_row++;
}

void scaler_row(struct scaler *s, const unsigned char *rgba)
{
	unsigned y = s->row++;
	uint64_t from, to, edge;

	if (y < s->y0 || y >= s->y0 + s->crop_height || s->out_row >= s->height)
		return;
	y -= s->y0;
	shrink_line(s, rgba + (size_t)s->x0 * 4);
	/* The row covers from .. to of height * crop_height parts; a row of the result is
	 * crop_height of them. */
	from = (uint64_t)y * s->height;
	to = from + s->height;
	edge = (uint64_t)(s->out_row + 1) * s->crop_height;
	if (to < edge) {
		add_line(s, (float)s->height / (float)s->crop_height);
		return;
	}
	add_line(s, (float)(edge - from) / (float)s->crop_height);
	flush_row(s);
	if (to > edge)
		add_line(s, (float)(to - edge) / (float)s->crop_height);
}

/* Where the pixel that is shown at x, y lies in the unturned picture. */
static size_t source_of(const struct scaler *s, unsigned x, unsigned y)
{
	unsigned right = s->width - 1, bottom = s->height - 1;
	unsigned sx = x, sy = y;

	switch (s->orientation) {
	case 2: sx = right - x; break;
	case 3:
		sx = right - x;
		sy = bottom - y;
		break;
	case 4: sy = bottom - y; break;
	case 5:
		sx = y;
		sy = x;
		break;
	case 6:
		sx = y;
		sy = bottom - x;
		break;
	case 7:
		sx = right - y;
		sy = bottom - x;
		break;
	case 8:
		sx = right - y;
		sy = x;
		break;
	default: break;
	}
	return ((size_t)sy * s->width + sx) * 4;
}

enum err scaler_finish(struct scaler *s, struct image *out)
{
	unsigned width = is_turned(s) ? s->height : s->width;
	unsigned height = is_turned(s) ? s->width : s->height;
	unsigned char *turned;

	if (!s->rgba || s->out_row < s->height)
		return ERR_INVALID;
	turned = (unsigned char *)alloc_try((size_t)width * height * 4);
	if (!turned)
		return ERR_NOMEM;
	for (unsigned y = 0; y < height; y++)
		for (unsigned x = 0; x < width; x++)
			memcpy(turned + ((size_t)y * width + x) * 4,
				s->rgba + source_of(s, x, y), 4);
	*out = (struct image){
		.width = width, .height = height, .alpha = s->alpha, .rgba = turned
	};
	return ERR_OK;
}
