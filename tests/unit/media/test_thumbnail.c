/* The worker process: it answers, and outlives what kills it. */
#include "tests/support/cmocka.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/base/clock.h"
#include "node/loop_uv.h"
#include "node/media/thumbnail.h"

struct rig {
	struct thumbnailer *thumbnailer;
	struct loop_uv *uv;
	unsigned answers;
	enum err err;
};

static struct rig rig;

static int file_of(struct str bytes)
{
	char name[] = "/tmp/kith-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, bytes.p, bytes.n), bytes.n);
	return fd;
}

static void on_done(struct thumbnail_job *j, enum err err)
{
	rig.answers++;
	rig.err = err;
}

static enum err shrink(struct str bytes, const char **type, off_t *size)
{
	struct thumbnail_job j = { .thumbnailer = rig.thumbnailer,
		.loop = loop_uv_loop(rig.uv),
		.in_fd = file_of(bytes),
		.out_fd = file_of(STR("")),
		.want = { 16, 16, false },
		.done = on_done };
	unsigned before = rig.answers;

	thumbnailer_start(&j);
	assert_int_equal(rig.answers, before);
	while (rig.answers == before)
		loop_uv_run_once(rig.uv, true);
	*type = j.content_type;
	*size = lseek(j.out_fd, 0, SEEK_END);
	close(j.in_fd);
	close(j.out_fd);
	return rig.err;
}

static struct buf picture(void)
{
	struct image img = { .width = 200, .height = 100, .alpha = true };
	struct buf out = { 0 };
	const char *type;

	img.rgba = (unsigned char *)xcalloc(200 * 100, 4);
	rng_fill(&rng_system, img.rgba, 200 * 100 * 4);
	assert_int_equal(image_encode(&img, &out, &type), ERR_OK);
	image_deinit(&img);
	return out;
}

static void a_picture_comes_back_small(void **state)
{
	struct buf bytes = picture();
	const char *type;
	off_t size;

	assert_int_equal(shrink(buf_str(&bytes), &type, &size), ERR_OK);
	assert_string_equal(type, "image/png");
	assert_in_range(size, 50, 3000);
	buf_deinit(&bytes);
}

static void what_is_no_picture_is_invalid(void **state)
{
	struct buf bytes = picture();
	const char *type;
	off_t size;

	assert_int_equal(shrink(STR("%PDF-1.4 and so on"), &type, &size), ERR_INVALID);
	assert_int_equal(shrink(str_head(buf_str(&bytes), 300), &type, &size), ERR_INVALID);
	assert_int_equal(size, 0);
	assert_int_equal(shrink(STR(""), &type, &size), ERR_INVALID);
	buf_deinit(&bytes);
}

static void many_wait_for_one_worker(void **state)
{
	struct buf bytes = picture();
	struct thumbnail_job jobs[5];

	rig.answers = 0;
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		jobs[i] = (struct thumbnail_job){ .thumbnailer = rig.thumbnailer,
			.loop = loop_uv_loop(rig.uv),
			.in_fd = file_of(buf_str(&bytes)),
			.out_fd = file_of(STR("")),
			.want = { 16, 16, true },
			.done = on_done };
		thumbnailer_start(&jobs[i]);
	}
	while (rig.answers < ARRAY_LEN(jobs))
		loop_uv_run_once(rig.uv, true);
	for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
		assert_int_equal(jobs[i].err, ERR_OK);
		close(jobs[i].in_fd);
		close(jobs[i].out_fd);
	}
	buf_deinit(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_picture_comes_back_small),
		cmocka_unit_test(what_is_no_picture_is_invalid),
		cmocka_unit_test(many_wait_for_one_worker),
	};
	int failed;

	if (thumbnailer_new(&rig.thumbnailer) || loop_uv_new(NULL, &rig.uv))
		return 1;
	failed = RUN_TESTS(tests);
	thumbnailer_free(rig.thumbnailer);
	loop_uv_free(rig.uv);
	return failed;
}
