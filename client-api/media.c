/* media: module content_repo. Downloads and thumbnails need a token (security.md M2). */
#include "node/media/media.h"

#include "client-api/range.h"
#include "client-api/reply.h"
#include "client-api/routes.h"
#include "node/base/limits.h"
#include "node/core/id.h"

#define WAIT_DEFAULT_MS 20000
#define WAIT_MAX_MS     60000

/* --- uploads -------------------------------------------------------------------------------
 */

struct upload_call {
	struct request *request;
	struct media_upload *upload; /* NULL once it ended */
};

static void reply_uri(struct request *r, struct str media_id, int64_t unused_expires_at)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_str(&w, "content_uri",
		arena_printf(r->arena, "mxc://%.*s/%.*s", STR_FMT(r->api->server_name),
			STR_FMT(media_id)));
	if (unused_expires_at)
		jw_kv_int(&w, "unused_expires_at", unused_expires_at);
	jw_end(&w);
	reply_end(r);
}

static void on_uploaded(void *arg, enum err err, struct str media_id)
{
	struct upload_call *call = (struct upload_call *)arg;
	struct request *r = call->request;

	call->upload = NULL;
	r->on_abort = NULL;
	if (err == ERR_EXISTS)
		reply_error(r, 409, "M_CANNOT_OVERWRITE_MEDIA", "this id is filled already");
	else if (err)
		reply_err(r, err);
	else if (r->n_args)
		reply_empty(r);
	else
		reply_uri(r, media_id, 0);
}

static void drop_upload(struct upload_call *call)
{
	struct media_upload *u = call->upload;

	call->upload = NULL;
	if (u)
		media_upload_abort(u);
}

static void upload_aborted(struct request *r)
{
	drop_upload((struct upload_call *)r->ctx);
	reply_drop(r);
}

static void on_drained(void *arg)
{
	request_body_pause(((struct upload_call *)arg)->request, false);
}

static enum err upload_data(struct request *r, struct str bytes)
{
	struct upload_call *call = (struct upload_call *)r->ctx;
	enum err err = media_upload_write(call->upload, bytes.p, bytes.n);

	if (err) {
		drop_upload(call);
		return err_set(&r->why, err, "at most %llu bytes can be uploaded",
			(unsigned long long)media_max_upload(r->api->media));
	}
	if (media_upload_busy(call->upload)) {
		request_body_pause(r, true);
		media_upload_on_drain(call->upload, on_drained, call);
	}
	return ERR_OK;
}

static enum err upload_end(struct request *r)
{
	struct upload_call *call = (struct upload_call *)r->ctx;

	media_upload_finish(call->upload, on_uploaded, call);
	return ERR_OK;
}

static const struct request_sink upload_sink = { upload_data, upload_end };

static enum err begin_upload(struct request *r, struct str media_id)
{
	struct upload_call *call = ARENA_NEW(r->arena, struct upload_call);
	int64_t length = request_body_length(r);
	struct media_upload_start s = { .user_id = r->caller.user_id,
		.content_type = r->content_type,
		.media_id = media_id,
		.length = length < 0 ? UINT64_MAX : (uint64_t)length };
	enum err err;

	(void)request_query(r, "filename", &s.filename);
	err = media_upload_new(r->api->media, &s, &call->upload, &r->why);
	if (err == ERR_EXISTS) {
		reply_error(r, 409, "M_CANNOT_OVERWRITE_MEDIA", "%s", r->why.text);
		return ERR_OK;
	}
	if (err)
		return err;
	call->request = r;
	r->ctx = call;
	r->on_abort = upload_aborted;
	request_body_start(r, &upload_sink);
	return ERR_OK;
}

static enum err upload(struct request *r)
{
	return begin_upload(r, STR(""));
}

static enum err upload_to(struct request *r)
{
	if (!str_eq(r->args[0], r->api->server_name))
		return err_set(&r->why, ERR_NOT_FOUND, "this id is none of ours");
	return begin_upload(r, r->args[1]);
}

static enum err create(struct request *r)
{
	char id[MEDIA_ID_BYTES];
	int64_t unused_expires_at;
	enum err err =
		media_create(r->api->media, r->caller.user_id, id, &unused_expires_at, &r->why);

	if (!err)
		reply_uri(r, arena_str(r->arena, str_of(id)), unused_expires_at);
	return err;
}

static enum err get_config(struct request *r)
{
	struct jw w;

	reply_begin(r, &w);
	jw_obj(&w);
	jw_kv_int(&w, "m.upload.size", (int64_t)media_max_upload(r->api->media));
	jw_end(&w);
	reply_end(r);
	return ERR_OK;
}

/* --- downloads -----------------------------------------------------------------------------
 */

struct download_call {
	struct media_get get;
	struct request *request;
	struct media_read *read; /* NULL while the file is looked for, and once it is read */
	uint64_t left;           /* bytes still to be read of what is promised */
	struct str filename;     /* that of the path; empty: the stored one */
};

static void end_download(struct download_call *call)
{
	call->request->on_abort = NULL;
	media_read_free(call->read);
	call->read = NULL;
	media_get_deinit(&call->get);
}

static void on_read(void *arg, enum err err, const void *p, size_t n)
{
	struct download_call *call = (struct download_call *)arg;
	struct request *r = call->request;

	if (err || n == 0) {
		/* Short of what was promised, this closes the connection. */
		end_download(call);
		reply_finish(r);
		return;
	}
	call->left -= n;
	bool more = reply_write(r, (struct str){ (const char *)p, n });
	if (call->left == 0) {
		end_download(call);
		reply_finish(r);
	} else if (more) {
		media_read_next(call->read, on_read, call);
	}
}

static void on_room(struct request *r)
{
	struct download_call *call = (struct download_call *)r->ctx;

	media_read_next(call->read, on_read, call);
}

static void put_headers(struct request *r, const struct download_call *call)
{
	struct buf disposition = { 0 };

	media_disposition_put(&disposition, &call->get.info, call->filename);
	reply_header(r, "Content-Disposition", arena_str(r->arena, buf_str(&disposition)));
	buf_deinit(&disposition);
	reply_header(r, "Content-Security-Policy",
		STR("sandbox; default-src 'none'; script-src 'none'; plugin-types "
		    "application/pdf; style-src 'unsafe-inline'; object-src 'self';"));
	reply_header(r, "Cross-Origin-Resource-Policy", STR("cross-origin"));
	reply_header(r, "X-Content-Type-Options", STR("nosniff"));
	reply_header(r, "Accept-Ranges", STR("bytes"));
	/* What an mxc URI names never changes. */
	reply_header(r, "Cache-Control", STR("private, max-age=31536000, immutable"));
}

static void reply_no_file(struct request *r, const struct media_get *g, enum err err)
{
	bool remote = !str_eq(g->server_name, r->api->server_name);

	r->why = g->why;
	if (err == ERR_TIMEOUT && !remote)
		reply_error(r, 504, "M_NOT_YET_UPLOADED", "%s", g->why.text);
	else if (err == ERR_TOO_LARGE && remote)
		reply_error(r, 502, "M_TOO_LARGE", "%s", g->why.text);
	else if (err == ERR_INVALID && g->thumbnail)
		reply_error(r, 400, "M_UNKNOWN", "%s", g->why.text);
	else
		reply_err(r, err);
}

/* What of the file is wanted. There is nothing that a client could make sure of with If-Range:
 * then it gets all. */
static enum range_kind part_of(struct download_call *call, uint64_t *first)
{
	struct request *r = call->request;
	uint64_t size = call->get.info.size;
	enum range_kind kind = RANGE_WHOLE;
	struct str range, validator;

	*first = 0;
	call->left = size;
	if (request_header(r, "range", &range) && !request_header(r, "if-range", &validator))
		kind = range_parse(range, size, first, &call->left);
	if (kind == RANGE_PART)
		reply_header(r, "Content-Range",
			arena_printf(r->arena, "bytes %llu-%llu/%llu",
				(unsigned long long)*first,
				(unsigned long long)(*first + call->left - 1),
				(unsigned long long)size));
	if (kind == RANGE_NONE)
		reply_header(r, "Content-Range",
			arena_printf(r->arena, "bytes */%llu", (unsigned long long)size));
	return kind;
}

static void on_got(struct media_get *g, enum err err)
{
	struct download_call *call = CONTAINER_OF(g, struct download_call, get);
	struct request *r = call->request;
	enum range_kind kind;
	uint64_t first;

	if (err) {
		end_download(call);
		reply_no_file(r, g, err);
		return;
	}
	kind = part_of(call, &first);
	call->read = media_read_new(r->api->media, g->fd, first, call->left);
	if (kind == RANGE_NONE) {
		end_download(call);
		reply_bytes(r, 416, "application/json",
			STR("{\"errcode\":\"M_INVALID_PARAM\","
			    "\"error\":\"the file has no such part\"}"));
		return;
	}
	put_headers(r, call);
	reply_stream(r, kind == RANGE_PART ? 206 : 200,
		arena_str(r->arena, g->info.content_type).p, (int64_t)call->left, on_room);
	media_read_next(call->read, on_read, call);
}

static void download_aborted(struct request *r)
{
	struct download_call *call = (struct download_call *)r->ctx;
	bool streaming = call->read != NULL;

	if (!streaming)
		media_get_cancel(&call->get);
	end_download(call);
	if (streaming)
		reply_finish(r);
	else
		reply_drop(r);
}

/* The grammar takes "..", but no such server can be. */
static bool has_empty_label(struct str server_name)
{
	for (size_t i = 0; i < server_name.n; i++)
		if (server_name.p[i] == '.' &&
			(i == 0 || i + 1 == server_name.n || server_name.p[i + 1] == '.'))
			return true;
	return false;
}

static enum err begin_download(struct request *r, struct download_call *call)
{
	struct media_get *g = &call->get;
	bool allow_remote = true, redirect = false;
	int64_t timeout_ms = WAIT_DEFAULT_MS;
	enum err err = request_query_int(r, "timeout_ms", 0, WAIT_MAX_MS, &timeout_ms);

	if (!err)
		err = request_query_bool(r, "allow_remote", &allow_remote);
	if (!err)
		err = request_query_bool(r, "allow_redirect", &redirect);
	if (err)
		return err;
	if (!id_server_name(r->args[0]) || has_empty_label(r->args[0]))
		return err_set(&r->why, ERR_INVALID, "this is no server name");
	g->media = r->api->media;
	g->server_name = r->args[0];
	g->media_id = r->args[1];
	g->local_only = !allow_remote;
	g->timeout_ms = (uint64_t)timeout_ms;
	g->done = on_got;
	call->request = r;
	r->ctx = call;
	r->on_abort = download_aborted;
	media_get_start(g);
	return ERR_OK;
}

static enum err download(struct request *r)
{
	struct download_call *call = ARENA_NEW(r->arena, struct download_call);

	if (r->n_args > 2)
		call->filename = r->args[2];
	return begin_download(r, call);
}

static enum err thumbnail(struct request *r)
{
	struct download_call *call = ARENA_NEW(r->arena, struct download_call);
	struct str method = STR("scale");
	int64_t width = 0, height = 0;
	bool animated = false;
	enum err err = request_query_int(r, "width", INT32_MIN, 10000, &width);

	if (!err)
		err = request_query_int(r, "height", INT32_MIN, 10000, &height);
	if (!err)
		err = request_query_bool(r, "animated", &animated);
	if (err)
		return err;
	(void)request_query(r, "method", &method);
	if (width < 1 || height < 1)
		return err_set(&r->why, ERR_INVALID, "width and height are above 0");
	if (!str_eq(method, STR("scale")) && !str_eq(method, STR("crop")))
		return err_set(&r->why, ERR_INVALID, "method is scale or crop");
	call->get.thumbnail = true;
	call->get.width = (unsigned)width;
	call->get.height = (unsigned)height;
	call->get.method = str_eq(method, STR("crop")) ? MEDIA_CROP : MEDIA_SCALE;
	return begin_download(r, call);
}

/* The endpoints without a token are frozen: nothing is served there ("Content repository",
 * deprecated endpoints). */
static enum err frozen(struct request *r)
{
	return err_set(&r->why, ERR_NOT_FOUND, "files are served to those who log in");
}

#define V1 "/_matrix/client/v1/media"
#define V3 "/_matrix/media/v3"

const struct route media_routes[] = {
	{ "uploadContent", "POST", V3 "/upload", AUTH_TOKEN, COST_WRITE, upload, BODY_STREAM,
		LIMIT_BODY_MEDIA },
	{ "createContent", "POST", "/_matrix/media/v1/create", AUTH_TOKEN, COST_WRITE, create,
		BODY_NONE },
	{ "uploadContentToMXC", "PUT", V3 "/upload/{serverName}/{mediaId}", AUTH_TOKEN,
		COST_WRITE, upload_to, BODY_STREAM, LIMIT_BODY_MEDIA },
	{ "getConfigAuthed", "GET", V1 "/config", AUTH_TOKEN_OR_GUEST, COST_READ, get_config },
	{ "getConfig", "GET", V3 "/config", AUTH_TOKEN_OR_GUEST, COST_READ, get_config },
	{ "getContentAuthed", "GET", V1 "/download/{serverName}/{mediaId}", AUTH_TOKEN_OR_GUEST,
		COST_READ, download },
	{ "getContentOverrideNameAuthed", "GET",
		V1 "/download/{serverName}/{mediaId}/{fileName}", AUTH_TOKEN_OR_GUEST,
		COST_READ, download },
	{ "getContentThumbnailAuthed", "GET", V1 "/thumbnail/{serverName}/{mediaId}",
		AUTH_TOKEN_OR_GUEST, COST_READ, thumbnail },
	{ "getContent", "GET", V3 "/download/{serverName}/{mediaId}", AUTH_NONE, COST_READ,
		frozen },
	{ "getContentOverrideName", "GET", V3 "/download/{serverName}/{mediaId}/{fileName}",
		AUTH_NONE, COST_READ, frozen },
	{ "getContentThumbnail", "GET", V3 "/thumbnail/{serverName}/{mediaId}", AUTH_NONE,
		COST_READ, frozen },
	{ 0 },
};
