#include <webp/decode.h>

#include "node/media/scaler.h"

enum err image_webp_decode(struct str bytes, struct scaler *s)
{
	const uint8_t *p = (const uint8_t *)bytes.p;
	WebPBitstreamFeatures seen;
	uint8_t *rgba;
	int width, height;
	enum err err;

	if (WebPGetFeatures(p, bytes.n, &seen) != VP8_STATUS_OK || seen.has_animation)
		return ERR_INVALID;
	if (seen.width < 0 || seen.height < 0)
		return ERR_INVALID;
	err = scaler_begin(s, (unsigned)seen.width, (unsigned)seen.height);
	if (err)
		return err;
	rgba = WebPDecodeRGBA(p, bytes.n, &width, &height);
	if (!rgba)
		return ERR_INVALID;
	for (int y = 0; y < height; y++)
		scaler_row(s, rgba + (size_t)y * (size_t)width * 4);
	WebPFree(rgba);
	return ERR_OK;
}
