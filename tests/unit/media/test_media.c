/* Uploads, downloads, reserved ids, other servers' files, thumbnails and the cache's bound. */
#include "tests/support/cmocka.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/media/media.h"
#include "node/media/thumbnail.h"
#include "tests/support/store_fixture.h"

#define US  STR("us.example")
#define HIM STR("them.example")

struct rig {
	struct store_fixture *f;
	struct media *m;
	char dir[128];
	struct media_remote_ops remote;
	struct media_fetch *asked; /* what the remote was asked for last */
	unsigned n_asked;
	unsigned answers;
	enum err err;
	char id[64];
};

static struct thumbnailer *thumbnailer; /* forked before anything else */

static void on_download(void *arg, struct media_fetch *f)
{
	struct rig *r = (struct rig *)arg;

	r->asked = f;
	r->n_asked++;
}

static void on_cancel(void *arg, struct media_fetch *f)
{
}

static void open_media(struct rig *r, uint64_t cache_bytes)
{
	r->remote = (struct media_remote_ops){ on_download, on_cancel, r };
	assert_int_equal(media_new(&(struct media_options){ .store = r->f->st,
					   .loop = r->f->loop,
					   .clock = &clock_system,
					   .rng = &rng_system,
					   .server_name = US,
					   .dir = r->dir,
					   .max_upload_bytes = 1000000,
					   .cache_bytes = cache_bytes,
					   .remote = &r->remote,
					   .thumbnailer = thumbnailer },
				 &r->m),
		ERR_OK);
}

static int up(void **state)
{
	struct rig *r = NEW(struct rig);
	void *f;

	if (store_fixture_up(&f))
		return 1;
	r->f = (struct store_fixture *)f;
	(void)snprintf(r->dir, sizeof r->dir, "%s/media", r->f->dir);
	open_media(r, 0);
	*state = r;
	return 0;
}

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char name[400];

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (unlink(name) != 0)
			remove_tree(name);
	}
	if (d)
		closedir(d);
	(void)rmdir(path);
}

static int down(void **state)
{
	struct rig *r = (struct rig *)*state;
	void *f = r->f;
	int failed;

	media_free(r->m);
	remove_tree(r->dir);
	failed = store_fixture_down(&f);
	free(r);
	return failed;
}

static unsigned count_files(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		char name[400];

		if (e->d_name[0] == '.')
			continue;
		int len = snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		assert_in_range(len, 1, sizeof(name) - 1);
		n += e->d_type == DT_DIR ? count_files(name) : 1;
	}
	if (d)
		closedir(d);
	return n;
}

static void on_uploaded(void *arg, enum err err, struct str media_id)
{
	struct rig *r = (struct rig *)arg;

	r->answers++;
	r->err = err;
	(void)snprintf(r->id, sizeof r->id, "%.*s", STR_FMT(media_id));
}

static void wait_answer(struct rig *r, unsigned before)
{
	while (r->answers == before)
		loop_uv_run_once(r->f->uv, true);
}

static enum err upload(struct rig *r, struct str reserved, struct str bytes)
{
	struct media_upload_start s = { .user_id = STR("@a:us.example"),
		.content_type = STR("text/plain"),
		.filename = STR("a.txt"),
		.media_id = reserved,
		.length = UINT64_MAX };
	struct media_upload *u;
	unsigned before = r->answers;
	enum err err = media_upload_new(r->m, &s, &u, NULL);

	if (err)
		return err;
	for (size_t at = 0; at < bytes.n; at += 7000) {
		struct str part = str_head(str_skip(bytes, at), 7000);

		err = media_upload_write(u, part.p, part.n);
		if (err) {
			media_upload_abort(u);
			return err;
		}
	}
	media_upload_finish(u, on_uploaded, r);
	assert_int_equal(r->answers, before);
	wait_answer(r, before);
	return r->err;
}

struct got {
	struct media_get get;
	struct rig *rig;
	struct buf bytes;
	enum err err;
};

static void on_got(struct media_get *g, enum err err)
{
	struct got *got = CONTAINER_OF(g, struct got, get);
	ssize_t n = 1;

	got->rig->answers++;
	got->err = err;
	while (!err && n > 0) {
		n = read(g->fd, buf_reserve(&got->bytes, 4096), 4096);
		got->bytes.n += n > 0 ? (size_t)n : 0;
	}
	if (!err)
		close(g->fd);
}

static void start_get(struct rig *r, struct got *got, struct str server, struct str id)
{
	*got = (struct got){ .rig = r };
	got->get.media = r->m;
	got->get.server_name = server;
	got->get.media_id = id;
	got->get.timeout_ms = 60;
	got->get.done = on_got;
	media_get_start(&got->get);
}

static enum err get(struct rig *r, struct got *got, struct str server, struct str id)
{
	unsigned before = r->answers;

	start_get(r, got, server, id);
	assert_int_equal(r->answers, before);
	wait_answer(r, before);
	return got->err;
}

static void got_free(struct got *got)
{
	media_get_deinit(&got->get);
	buf_deinit(&got->bytes);
}

static struct buf noise(size_t n)
{
	struct buf b = { 0 };

	rng_fill(&rng_system, buf_reserve(&b, n), n);
	b.n = n;
	return b;
}

static void what_was_uploaded_is_downloaded(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct buf bytes = noise(500000);
	struct got got;

	assert_int_equal(upload(r, STR(""), buf_str(&bytes)), ERR_OK);
	assert_int_equal(strlen(r->id), 32);
	assert_int_equal(get(r, &got, US, str_of(r->id)), ERR_OK);
	assert_str_equal(got.get.info.content_type, "text/plain");
	assert_str_equal(got.get.info.filename, "a.txt");
	assert_true(got.get.info.is_inline);
	assert_int_equal(got.get.info.size, bytes.n);
	assert_true(str_eq(buf_str(&got.bytes), buf_str(&bytes)));
	got_free(&got);
	assert_int_equal(get(r, &got, US, STR("unknown")), ERR_NOT_FOUND);
	got_free(&got);
	buf_deinit(&bytes);
}

static void equal_files_are_kept_once_and_nothing_is_left_behind(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct buf big = noise(1000001);
	char first[64];
	char tmp[200];

	assert_int_equal(upload(r, STR(""), STR("same")), ERR_OK);
	memcpy(first, r->id, sizeof first);
	assert_int_equal(upload(r, STR(""), STR("same")), ERR_OK);
	assert_string_not_equal(first, r->id);
	assert_int_equal(upload(r, STR(""), STR("")), ERR_OK);
	assert_int_equal(upload(r, STR(""), buf_str(&big)), ERR_TOO_LARGE);
	loop_uv_run(r->f->uv);
	assert_int_equal(count_files(r->dir), 2);
	(void)snprintf(tmp, sizeof tmp, "%s/tmp", r->dir);
	assert_int_equal(count_files(tmp), 0);
	buf_deinit(&big);
}

static void a_reserved_id_is_filled_by_its_maker(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct media_upload_start s = { .user_id = STR("@b:us.example"), .length = 3 };
	char id[MEDIA_ID_BYTES];
	struct media_upload *u;
	struct got got;
	int64_t expires;

	assert_int_equal(media_create(r->m, STR("@a:us.example"), id, &expires, NULL), ERR_OK);
	assert_int_equal(get(r, &got, US, str_of(id)), ERR_TIMEOUT);
	got_free(&got);
	s.media_id = str_of(id);
	assert_int_equal(media_upload_new(r->m, &s, &u, NULL), ERR_FORBIDDEN);
	s.media_id = STR("other");
	assert_int_equal(media_upload_new(r->m, &s, &u, NULL), ERR_NOT_FOUND);

	start_get(r, &got, US, str_of(id));
	loop_uv_run_once(r->f->uv, false);
	assert_int_equal(upload(r, str_of(id), STR("late")), ERR_OK);
	while (r->answers < 3)
		loop_uv_run_once(r->f->uv, true);
	assert_int_equal(got.err, ERR_OK);
	assert_str_equal(buf_str(&got.bytes), "late");
	got_free(&got);
	assert_int_equal(upload(r, str_of(id), STR("again")), ERR_EXISTS);
}

static void another_servers_file_is_fetched_once(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct got one, two;

	start_get(r, &one, HIM, STR("pic"));
	start_get(r, &two, HIM, STR("pic"));
	loop_uv_run_once(r->f->uv, false);
	assert_int_equal(r->n_asked, 1);
	assert_str_equal(r->asked->server_name, "them.example");
	assert_int_equal(r->asked->head(r->asked, STR("image/png"),
				 STR("attachment; filename*=utf-8''%c3%a4%22.png; x=\"y;z\"")),
		ERR_OK);
	assert_int_equal(r->asked->data(r->asked, "by", 2), ERR_OK);
	assert_int_equal(r->asked->data(r->asked, "tes", 3), ERR_OK);
	r->asked->done(r->asked, ERR_OK);
	while (r->answers < 2)
		loop_uv_run_once(r->f->uv, true);
	assert_int_equal(one.err, ERR_OK);
	assert_str_equal(buf_str(&one.bytes), "bytes");
	assert_str_equal(two.get.info.filename, "\xc3\xa4\".png");
	got_free(&one);
	got_free(&two);
	assert_int_equal(get(r, &one, HIM, STR("pic")), ERR_OK);
	assert_int_equal(r->n_asked, 1);
	got_free(&one);
}

static void a_failed_fetch_leaves_nothing(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct buf big = noise(1000001);
	struct got got;

	start_get(r, &got, HIM, STR("pic"));
	loop_uv_run_once(r->f->uv, false);
	assert_int_equal(r->asked->data(r->asked, big.p, big.n), ERR_TOO_LARGE);
	r->asked->done(r->asked, ERR_TOO_LARGE);
	while (r->answers < 1)
		loop_uv_run_once(r->f->uv, true);
	assert_int_equal(got.err, ERR_TOO_LARGE);
	got_free(&got);
	start_get(r, &got, HIM, STR("pic"));
	loop_uv_run_once(r->f->uv, false);
	assert_int_equal(r->n_asked, 2);
	media_get_cancel(&got.get);
	r->asked->done(r->asked, ERR_CANCELLED);
	loop_uv_run(r->f->uv);
	assert_int_equal(count_files(r->dir), 0);
	buf_deinit(&big);
}

static void the_cache_has_a_bound(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct got got;

	media_free(r->m);
	open_media(r, 1000);
	assert_int_equal(upload(r, STR(""), STR("ours stays")), ERR_OK);
	for (int i = 0; i < 5; i++) {
		struct buf bytes = noise(400);
		char id[8];
		unsigned before = r->answers;

		(void)snprintf(id, sizeof id, "f%d", i);
		start_get(r, &got, HIM, str_of(id));
		loop_uv_run_once(r->f->uv, false);
		assert_int_equal(r->asked->data(r->asked, bytes.p, bytes.n), ERR_OK);
		r->asked->done(r->asked, ERR_OK);
		wait_answer(r, before);
		assert_int_equal(got.err, ERR_OK);
		got_free(&got);
		buf_deinit(&bytes);
	}
	assert_int_equal(count_files(r->dir), 3);
}

static struct buf picture(void)
{
	struct image img = { .width = 300, .height = 200 };
	struct buf out = { 0 };
	const char *type;

	img.rgba = (unsigned char *)xcalloc(300 * 200, 4);
	memset(img.rgba, 0x80, 300 * 200 * 4);
	assert_int_equal(image_encode(&img, &out, &type), ERR_OK);
	image_deinit(&img);
	return out;
}

static void a_thumbnail_is_made_once(void **state)
{
	struct rig *r = (struct rig *)*state;
	struct buf bytes = picture();
	unsigned before;
	struct got got;

	assert_int_equal(upload(r, STR(""), buf_str(&bytes)), ERR_OK);
	for (int i = 0; i < 2; i++) {
		before = r->answers;
		start_get(r, &got, US, str_of(r->id));
		got.get.thumbnail = true;
		got.get.width = got.get.height = 90;
		got.get.method = MEDIA_CROP;
		wait_answer(r, before);
		assert_int_equal(got.err, ERR_OK);
		assert_str_equal(got.get.info.content_type, "image/jpeg");
		assert_int_equal(image_sniff(buf_str(&got.bytes)), IMAGE_JPEG);
		assert_int_equal(got.get.info.size, got.bytes.n);
		got_free(&got);
	}
	assert_int_equal(count_files(r->dir), 2);
	assert_int_equal(upload(r, STR(""), STR("<svg/>")), ERR_OK);
	before = r->answers;
	start_get(r, &got, US, str_of(r->id));
	got.get.thumbnail = true;
	got.get.width = got.get.height = 90;
	wait_answer(r, before);
	assert_int_equal(got.err, ERR_INVALID);
	got_free(&got);
	buf_deinit(&bytes);
}

static void file_names_are_quoted_or_encoded(void **state)
{
	static const struct {
		struct media_info info;
		const char *name, *header;
	} cases[] = {
		{ { .filename = STR_INIT("a.png"), .is_inline = true }, "",
			"inline; filename=a.png" },
		{ { .is_inline = false }, "", "attachment" },
		{ { .filename = STR_INIT("x") }, "a \"b\".txt",
			"attachment; filename=\"a \\\"b\\\".txt\"" },
		{ { .filename = STR_INIT("\xc3\xa4;.txt") }, "",
			"attachment; filename*=utf-8''%C3%A4%3B.txt" },
		{ { .filename = STR_INIT("x") }, "a\r\nX: y",
			"attachment; filename*=utf-8''a%0D%0AX%3A%20y" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = { 0 };

		media_disposition_put(&out, &cases[i].info, str_of(cases[i].name));
		assert_str_equal(buf_str(&out), cases[i].header);
		buf_deinit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_uploaded_is_downloaded, up, down),
		cmocka_unit_test_setup_teardown(
			equal_files_are_kept_once_and_nothing_is_left_behind, up, down),
		cmocka_unit_test_setup_teardown(a_reserved_id_is_filled_by_its_maker, up, down),
		cmocka_unit_test_setup_teardown(another_servers_file_is_fetched_once, up, down),
		cmocka_unit_test_setup_teardown(a_failed_fetch_leaves_nothing, up, down),
		cmocka_unit_test_setup_teardown(the_cache_has_a_bound, up, down),
		cmocka_unit_test_setup_teardown(a_thumbnail_is_made_once, up, down),
		cmocka_unit_test(file_names_are_quoted_or_encoded),
	};
	int failed;

	if (thumbnailer_new(&thumbnailer))
		return 1;
	failed = RUN_TESTS(tests);
	thumbnailer_free(thumbnailer);
	return failed;
}
