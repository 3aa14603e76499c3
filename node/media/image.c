#include "node/media/image.h"

#include "node/media/scaler.h"

#include <stdlib.h>

void image_deinit(struct image *img)
{
	free(img->rgba);
	*img = (struct image){ 0 };
}

enum image_format image_sniff(struct str bytes)
{
	if (str_starts(bytes, STR("\x89PNG\r\n\x1a\n")))
		return IMAGE_PNG;
	if (str_starts(bytes, STR("\xff\xd8\xff")))
		return IMAGE_JPEG;
	if (str_starts(bytes, STR("GIF87a")) || str_starts(bytes, STR("GIF89a")))
		return IMAGE_GIF;
	if (str_starts(bytes, STR("RIFF")) && str_starts(str_skip(bytes, 8), STR("WEBP")))
		return IMAGE_WEBP;
	return IMAGE_UNKNOWN;
}

static enum err decode(struct str bytes, struct scaler *s)
{
	switch (image_sniff(bytes)) {
	case IMAGE_PNG: return image_png_decode(bytes, s);
	case IMAGE_JPEG: return image_jpeg_decode(bytes, s);
	case IMAGE_GIF: return image_gif_decode(bytes, s);
	case IMAGE_WEBP: return image_webp_decode(bytes, s);
	case IMAGE_UNKNOWN: break;
	}
	return ERR_INVALID;
}

enum err image_shrink(struct str bytes, const struct image_want *want, struct image *out)
{
	struct scaler s;
	enum err err;

	scaler_init(&s, want);
	err = decode(bytes, &s);
	if (!err)
		err = scaler_finish(&s, out);
	scaler_deinit(&s);
	return err;
}
