/*
 * scaler: rows of a picture in, a smaller picture out, by averaging areas.
 *
 * A decoder learns the size, calls scaler_begin() once, then scaler_row() for each row from the
 * top. Memory is that of the small picture and two of its rows.
 */
#ifndef KITH_MEDIA_SCALER_H
#define KITH_MEDIA_SCALER_H

#include "node/media/image.h"

struct scaler {
	struct image_want want;
	unsigned orientation; /* as in EXIF: 1 to 8; set before scaler_begin() */

	/* Private to scaler.c. */
	unsigned src_width, src_height;
	unsigned x0, y0, crop_width, crop_height; /* what of the source is shown */
	unsigned width, height;                   /* of the result, before turning */
	unsigned row;                             /* of the source, next */
	unsigned out_row;
	float *line; /* a source row at the result's width */
	float *sum;  /* the result's row so far */
	unsigned char *rgba;
	bool alpha;
};

void scaler_init(struct scaler *s, const struct image_want *want);
void scaler_deinit(struct scaler *s);

/* The size that the result will have for a source of this one; sides of the source that are
 * turned by the orientation are the source's own. ERR_TOO_LARGE, ERR_INVALID (a side of 0). */
enum err scaler_plan(struct scaler *s, unsigned src_width, unsigned src_height) MUST_CHECK;
/* scaler_plan, then memory: ERR_NOMEM. */
enum err scaler_begin(struct scaler *s, unsigned src_width, unsigned src_height) MUST_CHECK;
void scaler_row(struct scaler *s, const unsigned char *rgba); /* src_width pixels */

/* The result, turned upright. ERR_INVALID when rows are missing. */
enum err scaler_finish(struct scaler *s, struct image *out) MUST_CHECK;

#endif
