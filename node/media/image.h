/*
 * image: foreign pictures made small (security.md M3).
 *
 * PNG, JPEG, GIF (first frame) and WebP, told apart by their first bytes, nothing else. Pure:
 * bytes in, pixels out. Decoders push rows into a scaler (scaler.h), so that only an interlaced
 * picture is ever held whole. It runs in a worker process (thumbnail.h) that may be killed at
 * any time, and bounds what it decodes all the same.
 */
#ifndef KITH_MEDIA_IMAGE_H
#define KITH_MEDIA_IMAGE_H

#include "node/base/buf.h"
#include "node/base/err.h"
#include "node/base/str.h"

#include <stdbool.h>

#define IMAGE_MAX_SIDE   10000
#define IMAGE_MAX_PIXELS (32UL * 1000 * 1000)

enum image_format { IMAGE_UNKNOWN, IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP };
enum image_format image_sniff(struct str bytes);

struct image_want {
	unsigned width, height; /* at least 1 */
	bool crop;              /* fill width x height; else fit into it */
};

/* 8 bits each of red, green, blue, alpha; not premultiplied. */
struct image {
	unsigned width, height;
	bool alpha;          /* some pixel is not opaque */
	unsigned char *rgba; /* owned: image_deinit() */
};
void image_deinit(struct image *img);

/* Never larger than the picture itself. ERR_INVALID: no picture, a damaged one or of another
 * format; ERR_TOO_LARGE: over the bounds above; ERR_NOMEM. */
enum err image_shrink(
	struct str bytes, const struct image_want *want, struct image *out) MUST_CHECK;

/* PNG if it has alpha, else JPEG. *content_type is static. */
enum err image_encode(
	const struct image *img, struct buf *out, const char **content_type) MUST_CHECK;

/* The decoders, one file each. */
struct scaler;
enum err image_png_decode(struct str bytes, struct scaler *s) MUST_CHECK;
enum err image_jpeg_decode(struct str bytes, struct scaler *s) MUST_CHECK;
enum err image_gif_decode(struct str bytes, struct scaler *s) MUST_CHECK;
enum err image_webp_decode(struct str bytes, struct scaler *s) MUST_CHECK;

#endif
