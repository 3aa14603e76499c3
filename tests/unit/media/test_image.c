/* Pictures in, smaller pictures out; damaged ones are refused. */
#include "tests/support/cmocka.h"

#include <stdlib.h>
#include <webp/encode.h>

#include "node/base/alloc.h"
#include "node/media/image.h"
#include "node/media/scaler.h"

/* Left half red, right half blue; alpha as given. */
static struct image two_colours(unsigned width, unsigned height, unsigned char alpha)
{
	struct image img = { .width = width, .height = height, .alpha = alpha != 255 };

	img.rgba = (unsigned char *)xcalloc((size_t)width * height, 4);
	for (size_t i = 0; i < (size_t)width * height; i++) {
		bool left = i % width < width / 2;
		unsigned char px[4] = { left ? 255 : 0, 0, left ? 0 : 255, alpha };

		memcpy(img.rgba + i * 4, px, 4);
	}
	return img;
}

static const unsigned char *pixel(const struct image *img, unsigned x, unsigned y)
{
	return img->rgba + ((size_t)y * img->width + x) * 4;
}

static void assert_colour(const unsigned char *px, int r, int g, int b)
{
	assert_in_range(abs(px[0] - r) + abs(px[1] - g) + abs(px[2] - b), 0, 24);
}

static struct buf encoded(unsigned width, unsigned height, unsigned char alpha)
{
	struct image img = two_colours(width, height, alpha);
	struct buf out = { 0 };
	const char *type;

	assert_int_equal(image_encode(&img, &out, &type), ERR_OK);
	assert_string_equal(type, alpha == 255 ? "image/jpeg" : "image/png");
	image_deinit(&img);
	return out;
}

static void check_shrunk(struct str bytes, bool crop, unsigned width, unsigned height)
{
	struct image_want want = { 32, 32, crop };
	struct image img;

	assert_int_equal(image_shrink(bytes, &want, &img), ERR_OK);
	assert_int_equal(img.width, width);
	assert_int_equal(img.height, height);
	assert_colour(pixel(&img, 2, height / 2), 255, 0, 0);
	assert_colour(pixel(&img, width - 3, height / 2), 0, 0, 255);
	image_deinit(&img);
}

static void a_jpeg_is_fitted_and_cropped(void **state)
{
	struct buf bytes = encoded(400, 200, 255);

	check_shrunk(buf_str(&bytes), false, 32, 16);
	check_shrunk(buf_str(&bytes), true, 32, 32);
	buf_deinit(&bytes);
}

static void a_png_keeps_its_alpha(void **state)
{
	struct buf bytes = encoded(301, 77, 128);
	struct image_want want = { 100, 100, false };
	struct image img;

	assert_int_equal(image_shrink(buf_str(&bytes), &want, &img), ERR_OK);
	assert_int_equal(img.width, 100);
	assert_int_equal(img.height, 26);
	assert_true(img.alpha);
	assert_int_equal(pixel(&img, 10, 10)[3], 128);
	assert_colour(pixel(&img, 10, 10), 255, 0, 0);
	image_deinit(&img);
	buf_deinit(&bytes);
}

static void a_webp_is_read(void **state)
{
	struct image img = two_colours(120, 60, 255);
	uint8_t *bytes;
	size_t n = WebPEncodeRGBA(img.rgba, 120, 60, 120 * 4, 90, &bytes);

	check_shrunk((struct str){ (char *)bytes, n }, false, 32, 16);
	WebPFree(bytes);
	image_deinit(&img);
}

static void a_gif_is_read(void **state)
{
	/* 2 x 1: index 1 (red), index 2 (blue); a palette of four. */
	static const char gif[] = "GIF89a\x02\x00\x01\x00\x81\x00\x00"
				  "\x00\x00\x00\xff\x00\x00\x00\x00\xff\xff\xff\xff"
				  "\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00"
				  "\x02\x02\x8c\x0a\x00\x3b";
	struct image_want want = { 32, 32, false };
	struct image img;

	assert_int_equal(
		image_shrink((struct str){ gif, sizeof gif - 1 }, &want, &img), ERR_OK);
	assert_int_equal(img.width, 2);
	assert_int_equal(img.height, 1);
	assert_colour(pixel(&img, 0, 0), 255, 0, 0);
	assert_colour(pixel(&img, 1, 0), 0, 0, 255);
	image_deinit(&img);
}

static void a_small_picture_stays_as_it_is(void **state)
{
	struct buf bytes = encoded(8, 4, 100);
	struct image_want want = { 32, 32, true };
	struct image img;

	assert_int_equal(image_shrink(buf_str(&bytes), &want, &img), ERR_OK);
	assert_true(img.width <= 8 && img.height <= 4);
	image_deinit(&img);
	buf_deinit(&bytes);
}

static void a_turned_photo_is_put_upright(void **state)
{
	struct image_want want = { 2, 4, false };
	unsigned char row[4 * 4] = { 255, 0, 0, 255, 255, 0, 0, 255, 0, 0, 255, 255, 0, 0, 255,
		255 };
	struct scaler s;
	struct image img;

	scaler_init(&s, &want);
	s.orientation = 6; /* the camera's top is at the right: turned by 90 degrees */
	assert_int_equal(scaler_begin(&s, 4, 2), ERR_OK);
	scaler_row(&s, row);
	scaler_row(&s, row);
	assert_int_equal(scaler_finish(&s, &img), ERR_OK);
	assert_int_equal(img.width, 2);
	assert_int_equal(img.height, 4);
	assert_colour(pixel(&img, 0, 0), 255, 0, 0);
	assert_colour(pixel(&img, 0, 3), 0, 0, 255);
	image_deinit(&img);
	scaler_deinit(&s);
}

static void every_cut_and_flip_is_refused_or_drawn(void **state)
{
	struct buf kinds[] = { encoded(64, 48, 255), encoded(64, 48, 9) };
	struct image_want want = { 16, 16, false };

	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (size_t n = 0; n < kinds[k].n; n++) {
			struct image img = { 0 };

			if (!image_shrink(str_head(buf_str(&kinds[k]), n), &want, &img))
				image_deinit(&img);
			kinds[k].p[n] ^= 0x55;
			if (!image_shrink(buf_str(&kinds[k]), &want, &img))
				image_deinit(&img);
			kinds[k].p[n] ^= 0x55;
		}
		buf_deinit(&kinds[k]);
	}
}

static void a_bomb_is_refused_by_its_sides(void **state)
{
	struct buf bytes = encoded(64, 48, 9);
	struct image_want want = { 16, 16, false };
	struct scaler s;
	struct image img;

	scaler_init(&s, &want);
	assert_int_equal(scaler_plan(&s, IMAGE_MAX_SIDE, 3200), ERR_OK);
	assert_int_equal(scaler_plan(&s, IMAGE_MAX_SIDE + 1, 1), ERR_TOO_LARGE);
	assert_int_equal(scaler_plan(&s, IMAGE_MAX_SIDE, 3201), ERR_TOO_LARGE);
	assert_int_equal(scaler_plan(&s, 0, 1), ERR_INVALID);
	assert_int_equal(image_shrink(STR("<svg/>"), &want, &img), ERR_INVALID);
	assert_int_equal(image_shrink(STR(""), &want, &img), ERR_INVALID);
	buf_deinit(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jpeg_is_fitted_and_cropped),
		cmocka_unit_test(a_png_keeps_its_alpha),
		cmocka_unit_test(a_webp_is_read),
		cmocka_unit_test(a_gif_is_read),
		cmocka_unit_test(a_small_picture_stays_as_it_is),
		cmocka_unit_test(a_turned_photo_is_put_upright),
		cmocka_unit_test(every_cut_and_flip_is_refused_or_drawn),
		cmocka_unit_test(a_bomb_is_refused_by_its_sides),
	};
	return RUN_TESTS(tests);
}
