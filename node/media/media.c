#include "node/media/media_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/base/base32.h"
#include "node/base/base64.h"
#include "node/base/limits.h"

#define CACHE_BYTES (INT64_C(1024) * 1024 * 1024)

#define FOLDERS_ABOVE 4 /* files/ab, files, media, and the data directory */

static const char *const folders[] = { [MEDIA_FILES] = "files", [MEDIA_THUMBS] = "thumbs" };

char *media_path(const struct media *m, enum media_folder f, struct str hash)
{
	CLEANUP(buf_deinit) struct buf name = { 0 };
	struct buf path = { 0 };

	base32_put(&name, hash.p, hash.n);
	buf_printf(
		&path, "%s/%s/%.2s/%.*s", m->dir, folders[f], name.p, STR_FMT(buf_str(&name)));
	return buf_detach_z(&path);
}

char *media_tmp_path(struct media *m)
{
	struct buf path = { 0 };

	buf_printf(&path, "%s/tmp/%llu", m->dir, (unsigned long long)m->next_tmp++);
	return buf_detach_z(&path);
}

enum err media_io_err(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

enum err media_file_sync(int fd)
{
	return fsync(fd) == 0 ? ERR_OK : media_io_err();
}

static enum err sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err;

	if (fd < 0)
		return media_io_err();
	err = media_file_sync(fd);
	close(fd);
	return err;
}

enum err media_file_place(const char *tmp, const char *path, bool known)
{
	CLEANUP(freep) char *folder = xstrdup(str_of(path));
	enum err err = ERR_OK;

	*strrchr(folder, '/') = 0;
	if ((mkdir(folder, 0700) != 0 && errno != EEXIST) || rename(tmp, path) != 0)
		return media_io_err();
	/* Whoever made them: an earlier run may have been killed before it synced them. */
	for (int up = 0; !err && up < (known ? 1 : FOLDERS_ABOVE); up++) {
		char *slash;

		err = sync_folder(folder);
		slash = strrchr(folder, '/');
		if (!slash || slash == folder)
			break;
		*slash = 0;
	}
	return err;
}

static unsigned folder_of(const unsigned char *hash)
{
	return (unsigned)hash[0] << 2 | hash[1] >> 6;
}

bool media_folder_known(const struct media *m, enum media_folder f, const unsigned char *hash)
{
	unsigned n = folder_of(hash);

	return m->folders[f][n / 8] >> n % 8 & 1;
}

void media_folder_placed(struct media *m, enum media_folder f, const unsigned char *hash)
{
	unsigned n = folder_of(hash);

	m->folders[f][n / 8] |= (unsigned char)(1u << n % 8);
}

/* --- what must not be deleted
 * ------------------------------------------------------------------- */

static struct str hash_str(const unsigned char hash[HASH_BYTES])
{
	return (struct str){ (const char *)hash, HASH_BYTES };
}

void media_hold(struct media *m, const unsigned char hash[HASH_BYTES])
{
	struct media_hold *h = (struct media_hold *)map_get(&m->sealing, hash_str(hash));

	if (!h) {
		h = NEW(struct media_hold);
		memcpy(h->hash, hash, HASH_BYTES);
		(void)map_put(&m->sealing, hash_str(h->hash), h);
	}
	h->n++;
}

void media_release(struct media *m, const unsigned char hash[HASH_BYTES])
{
	struct media_hold *h = (struct media_hold *)map_get(&m->sealing, hash_str(hash));

	if (--h->n == 0)
		free(map_del(&m->sealing, hash_str(hash)));
}

void media_file_drop(struct media *m, enum media_folder f, struct str hash)
{
	CLEANUP(freep) char *path = NULL;
	bool used = true;
	enum err err = f == MEDIA_FILES ? store_media_hash_used(m->o.store, hash, &used)
					: store_thumbnail_hash_used(m->o.store, hash, &used);

	if (err || used || map_get(&m->sealing, hash))
		return;
	path = media_path(m, f, hash);
	if (unlink(path) != 0 && errno != ENOENT)
		log_warn(m->o.log, "a file could not be deleted path=%s errno=%d", path, errno);
}

/* --- the cache
 * ------------------------------------------------------------------------------------ */

static enum err evict_one(struct media *m)
{
	CLEANUP(arena_freep) struct arena *a = arena_new();
	struct store_thumbnail t;
	struct store_media file;
	bool is_thumbnail;
	enum err err = store_media_oldest(m->o.store, a, &is_thumbnail, &file, &t);

	if (err)
		return err;
	err = store_begin(m->o.store);
	if (err)
		return err;
	err = store_end(m->o.store,
		is_thumbnail ? store_thumbnail_delete(m->o.store, &t)
			     : store_media_delete(m->o.store, file.server, file.media_id));
	if (err)
		return err;
	m->cached -= is_thumbnail ? t.size : file.size;
	media_file_drop(m, is_thumbnail ? MEDIA_THUMBS : MEDIA_FILES,
		is_thumbnail ? t.hash : file.hash);
	return ERR_OK;
}

void media_cache_grew(struct media *m, int64_t n)
{
	if (m->cached >= 0)
		m->cached += n;
	else if (store_media_cached(m->o.store, &m->cached))
		return;
	while (m->cached > (int64_t)m->o.cache_bytes)
		if (evict_one(m)) {
			m->cached = -1; /* counted anew the next time */
			return;
		}
}

/* --- the service
 * ---------------------------------------------------------------------------------- */

static void empty_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

static enum err make_folder(const char *dir, const char *name)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };

	buf_printf(&path, "%s%s%s", dir, name[0] ? "/" : "", name);
	buf_put_u8(&path, 0);
	return mkdir(path.p, 0700) == 0 || errno == EEXIST ? ERR_OK : ERR_IO;
}

enum err media_new(const struct media_options *o, struct media **out)
{
	static const char *const names[] = { "", "files", "thumbs", "tmp" };
	CLEANUP(buf_deinit) struct buf tmp = { 0 };
	struct media *m;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (make_folder(o->dir, names[i]))
			return ERR_IO;
	buf_printf(&tmp, "%s/tmp", o->dir);
	buf_put_u8(&tmp, 0);
	empty_folder(tmp.p);
	m = NEW(struct media);
	m->o = *o;
	if (!m->o.max_upload_bytes)
		m->o.max_upload_bytes = LIMIT_BODY_MEDIA;
	if (!m->o.cache_bytes)
		m->o.cache_bytes = CACHE_BYTES;
	m->dir = xstrdup(str_of(o->dir));
	m->cached = -1;
	map_init(&m->sealing);
	map_init(&m->fetches);
	*out = m;
	return ERR_OK;
}

void media_free(struct media *m)
{
	if (!m)
		return;
	map_deinit(&m->sealing);
	map_deinit(&m->fetches);
	free(m->dir);
	free(m);
}

void media_set_remote(struct media *m, const struct media_remote_ops *ops)
{
	m->o.remote = ops;
}

uint64_t media_max_upload(const struct media *m)
{
	return m->o.max_upload_bytes;
}

static enum err reserve(
	struct media *m, struct str user_id, struct str id, int64_t now, struct err_ctx *why)
{
	int64_t pending;
	enum err err = store_media_pending(m->o.store, user_id, now - PENDING_MS, &pending);

	if (err)
		return err;
	if (pending >= LIMIT_PENDING_UPLOADS)
		return err_set(
			why, ERR_LIMIT, "%d reserved ids wait to be filled", (int)pending);
	return store_media_put(m->o.store,
		&(struct store_media){ .media_id = id,
			.user_id = user_id,
			.created_ts = now,
			.used_ts = now });
}

void media_id_make(struct media *m, char id[MEDIA_ID_BYTES])
{
	unsigned char random[24]; /* 192 bits: 32 characters */
	CLEANUP(buf_deinit) struct buf text = { 0 };

	rng_fill(m->o.rng, random, sizeof random);
	base64_put_url(&text, random, sizeof random);
	memcpy(id, text.p, MEDIA_ID_BYTES - 1);
	id[MEDIA_ID_BYTES - 1] = 0;
}

enum err media_create(struct media *m, struct str user_id, char id[MEDIA_ID_BYTES],
	int64_t *unused_expires_at, struct err_ctx *why)
{
	int64_t now = clock_wall_ms(m->o.clock);
	char made[MEDIA_ID_BYTES];
	enum err err;

	media_id_make(m, made);
	err = store_begin(m->o.store);
	if (err)
		return err;
	err = store_end(m->o.store, reserve(m, user_id, str_of(made), now, why));
	if (err)
		return err;
	memcpy(id, made, sizeof made);
	*unused_expires_at = now + PENDING_MS;
	return ERR_OK;
}
