/*
 * answer_media: our media for other servers (server-server API, "Content Repository"), read
 * from disk and sent piece by piece:
 *
 *   GET --media_get--> HEAD --read--> PIECES --written, room--> read ... --all--> done
 */
#include <stdlib.h>
#include <sys/stat.h>

#include "node/base/alloc.h"
#include "node/federation/answer.h"
#include "node/media/media.h"

#define GET_MS     20000
#define MAX_SIDE   4096
#define BOUNDARY   "kith-federation-media-part"
#define TAIL       "\r\n--" BOUNDARY "--\r\n"
#define BOUNDARY_T "multipart/mixed; boundary=" BOUNDARY

struct send_media {
	struct media *media;
	struct media_get get;
	struct inbound_request *r;     /* until the answer begins */
	struct transport_incoming *in; /* from then on; NULL: nobody waits */
	struct media_read *read;
	struct buf head;
	uint64_t left; /* of the file */
	bool reading;  /* or writing: on_abort() leaves it alone */
};

static void end(struct send_media *s)
{
	media_read_free(s->read);
	media_get_deinit(&s->get);
	buf_deinit(&s->head);
	free(s);
}

static void give_up(struct send_media *s)
{
	if (s->in)
		transport_respond_abort(s->in);
	end(s);
}

static void read_more(struct send_media *s);

/* The last piece: the request is gone once the announced length is reached. */
static void send_tail(struct send_media *s)
{
	bool more;

	s->reading = true;
	if (transport_respond_write(s->in, STR(TAIL), &more))
		transport_respond_abort(s->in);
	end(s);
}

static void was_read(void *arg, enum err err, const void *p, size_t n)
{
	struct send_media *s = arg;
	bool more = false;

	if (err || n == 0 || n > s->left || !s->in) {
		give_up(s); /* also a file that is shorter than it was */
		return;
	}
	if (transport_respond_write(s->in, (struct str){ p, n }, &more)) {
		give_up(s);
		return;
	}
	s->reading = false;
	s->left -= n;
	if (s->left == 0)
		send_tail(s);
	else if (more)
		read_more(s);
}

static void read_more(struct send_media *s)
{
	s->reading = true;
	media_read_next(s->read, was_read, s);
}

static void on_writable(struct transport_incoming *in)
{
	struct send_media *s = in->arg;

	if (!s->reading)
		read_more(s);
}

/* Nobody waits any more. A read that is running notices when it comes back. */
static void on_abort(struct transport_incoming *in)
{
	struct send_media *s = in->arg;

	if (!s->reading)
		give_up(s);
}

static void put_head(struct send_media *s)
{
	const struct media_info *info = &s->get.info;

	buf_put_z(&s->head,
		"--" BOUNDARY "\r\nContent-Type: application/json\r\n\r\n{}\r\n"
		"--" BOUNDARY "\r\nContent-Type: ");
	buf_put_str(&s->head, info->content_type);
	buf_put_z(&s->head, "\r\nContent-Disposition: ");
	media_disposition_put(&s->head, info, STR(""));
	buf_put_z(&s->head, "\r\n\r\n");
}

static void begin(struct send_media *s)
{
	struct stat file;
	bool more;

	s->left = fstat(s->get.fd, &file) == 0 ? (uint64_t)file.st_size : 0;
	s->read = media_read_new(s->media, s->get.fd, 0, s->left);
	put_head(s);
	s->in = inbound_take(s->r);
	s->r = NULL;
	if (!s->in) {
		end(s);
		return;
	}
	s->in->arg = s;
	s->in->on_writable = on_writable;
	s->in->on_abort = on_abort;
	s->reading = true;
	transport_respond_begin(s->in,
		&(struct transport_response){ .status = 200,
			.content_type = STR(BOUNDARY_T),
			.length = s->head.n + s->left + sizeof(TAIL) - 1 });
	if (transport_respond_write(s->in, buf_str(&s->head), &more)) {
		give_up(s);
		return;
	}
	s->reading = false;
	if (s->left == 0)
		send_tail(s);
	else if (more)
		read_more(s);
}

static void got(struct media_get *g, enum err err)
{
	struct send_media *s = CONTAINER_OF(g, struct send_media, get);

	if (!err) {
		begin(s);
		return;
	}
	s->r->why = g->why;
	if (err == ERR_TIMEOUT)
		inbound_error_status(
			s->r, 504, "M_NOT_YET_UPLOADED", "It has not been uploaded yet");
	else
		inbound_error(s->r, err);
	end(s);
}

static enum err start(struct inbound_request *r, struct send_media *s)
{
	struct str text;
	uint64_t ms;

	s->media = r->f->o.media;
	s->r = r;
	s->get.media = s->media;
	s->get.server_name = r->f->o.server_name;
	s->get.media_id = r->args[0];
	s->get.local_only = true;
	s->get.timeout_ms = GET_MS;
	s->get.done = got;
	s->get.fd = -1;
	if (inbound_query(r, "timeout_ms", &text) && str_to_u64(text, &ms) && ms < GET_MS)
		s->get.timeout_ms = ms;
	media_get_start(&s->get);
	return ERR_OK;
}

enum err answer_download(struct inbound_request *r)
{
	if (!r->f->o.media)
		return err_set(&r->why, ERR_NOT_FOUND, "no media are kept here");
	return start(r, NEW(struct send_media));
}

static bool read_side(struct inbound_request *r, const char *name, unsigned *out)
{
	struct str text;
	uint64_t side;

	if (!inbound_query(r, name, &text) || !str_to_u64(text, &side) || side == 0)
		return false;
	*out = side > MAX_SIDE ? MAX_SIDE : (unsigned)side;
	return true;
}

enum err answer_thumbnail(struct inbound_request *r)
{
	struct send_media *s;
	struct str method = STR("scale");
	unsigned width;
	unsigned height;

	if (!r->f->o.media)
		return err_set(&r->why, ERR_NOT_FOUND, "no media are kept here");
	if (!read_side(r, "width", &width) || !read_side(r, "height", &height))
		return err_set(&r->why, ERR_INVALID, "width and height must be numbers");
	(void)inbound_query(r, "method", &method);
	if (!str_eq(method, STR("scale")) && !str_eq(method, STR("crop")))
		return err_set(&r->why, ERR_INVALID, "method is scale or crop");
	s = NEW(struct send_media);
	s->get.thumbnail = true;
	s->get.width = width;
	s->get.height = height;
	s->get.method = str_eq(method, STR("crop")) ? MEDIA_CROP : MEDIA_SCALE;
	return start(r, s);
}
