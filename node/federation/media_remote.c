/*
 * media_remote: struct media_remote_ops: GET media/download of another server, its multipart
 * answer taken apart as it comes.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/federation/multipart.h"
#include "node/federation/remote.h"
#include "node/federation/uri.h"

#define DOWNLOAD_MS 300000
/* The JSON part and the lines around the file. */
#define OVERHEAD 65536

struct download {
	struct media_fetch *fetch;
	struct transport_call *call; /* NULL: asked too late */
	struct loop_deferred late;
	struct multipart parts;
	bool begun;  /* parts is set */
	bool failed; /* err says why; the rest of the body is passed over */
	enum err err;
};

static enum err on_head(
	void *arg, struct str content_type, struct str disposition, struct str location)
{
	struct download *d = arg;

	/* A file that lies elsewhere is behind HTTP, which the overlay has not. */
	if (location.n)
		return ERR_UNREACHABLE;
	return d->fetch->head(d->fetch, content_type, disposition);
}

static enum err on_data(void *arg, const void *p, size_t n)
{
	struct download *d = arg;

	return d->fetch->data(d->fetch, p, n);
}

static void fail(struct download *d, enum err err)
{
	d->failed = true;
	d->err = err;
	if (d->call)
		transport_cancel(d->call);
}

static bool on_body(void *arg, const struct transport_response *head, struct str piece)
{
	struct download *d = arg;
	enum err err = ERR_OK;

	if (d->failed)
		return true;
	if (head->status != 200) {
		fail(d, remote_status(head->status, STR(""), NULL));
		return true;
	}
	if (!d->begun) {
		err = multipart_init(&d->parts, head->content_type);
		d->begun = !err;
	}
	if (!err)
		err = multipart_feed(&d->parts, piece);
	if (err)
		fail(d, err);
	return true;
}

static void finished(
	void *arg, enum err err, const struct transport_response *res, const char *why)
{
	struct download *d = arg;

	if (d->failed)
		err = d->err;
	else if (err)
		err = remote_failure(err, why, NULL);
	else
		err = remote_status(res->status, res->body, NULL);
	if (!err)
		err = d->begun ? multipart_finish(&d->parts) : ERR_MALFORMED;
	if (d->begun)
		multipart_deinit(&d->parts);
	d->fetch->done(d->fetch, err);
	free(d);
}

static void too_late(struct loop_deferred *l)
{
	finished(CONTAINER_OF(l, struct download, late), ERR_CANCELLED, NULL,
		"the node is closing");
}

static void download(void *arg, struct media_fetch *fetch)
{
	CLEANUP(buf_deinit) struct buf path = { 0 };
	struct federation *f = arg;
	struct download *d = NEW(struct download);

	d->fetch = fetch;
	d->parts.head = on_head;
	d->parts.data = on_data;
	d->parts.arg = d;
	fetch->fetcher = d;
	if (f->stopped) {
		d->late.fn = too_late;
		loop_defer(f->o.loop, &d->late);
		return;
	}
	uri_put_path(&path, "/_matrix/federation/v1/media/download/%s", &fetch->media_id, 1);
	d->call = transport_request(f->o.transport,
		&(struct transport_request){ .name = fetch->server_name,
			.method = TRANSPORT_GET,
			.path = buf_str(&path),
			.deadline_ms = fetch->timeout_ms ? fetch->timeout_ms : DOWNLOAD_MS,
			.class = TRANSPORT_BULK,
			.max_response = fetch->max_bytes + OVERHEAD,
			.done = finished,
			.on_body = on_body,
			.arg = d });
}

static void cancel(void *arg, struct media_fetch *fetch)
{
	struct download *d = fetch->fetcher;

	(void)arg;
	if (!d->failed)
		fail(d, ERR_CANCELLED);
}

void media_remote_fill(struct federation *f, struct media_remote_ops *ops)
{
	*ops = (struct media_remote_ops){ .download = download, .cancel = cancel, .arg = f };
}
