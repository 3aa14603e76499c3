#include "node/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

#include "node/base/alloc.h"
#include "node/base/buf.h"
#include "node/command.h"
#include "node/loop_uv.h"
#include "node/node.h"

#define LOG_MODULE "control"

#define LINE_BYTES_MAX ((size_t)64 * 1024)
#define CONNS_MAX      16
#define READ_BYTES     4096

struct conn {
	uv_pipe_t pipe;
	struct control *control; /* NULL: it was closed under us */
	struct conn *next;
	struct buf line;
	char chunk[READ_BYTES];
	bool busy;    /* a command runs */
	bool closing; /* free when it is not busy and the handle is closed */
	bool closed;
};

struct control {
	uv_pipe_t pipe;
	struct node *node;
	struct conn *conns;
	size_t n_conns;
	bool closed;
};

struct reply {
	uv_write_t req;
	struct buf bytes;
	struct conn *conn;
};

static void free_conn(struct conn *c)
{
	if (c->busy || !c->closed)
		return;
	if (c->line.p)
		explicit_bzero(c->line.p, c->line.cap);
	buf_deinit(&c->line);
	free(c);
}

static void conn_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	c->closed = true;
	free_conn(c);
}

static void close_conn(struct conn *c)
{
	struct control *k = c->control;

	if (c->closing)
		return;
	c->closing = true;
	for (struct conn **at = &k->conns; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			k->n_conns--;
			break;
		}
	}
	uv_close((uv_handle_t *)&c->pipe, conn_closed);
}

static void written(uv_write_t *req, int status)
{
	struct reply *r = CONTAINER_OF(req, struct reply, req);

	if (status < 0)
		close_conn(r->conn);
	buf_deinit(&r->bytes);
	free(r);
}

static void next_line(struct conn *c);

static void answer(void *arg, struct str line)
{
	struct conn *c = arg;
	struct reply *r;
	uv_buf_t out;

	c->busy = false;
	if (c->closing) {
		free_conn(c);
		return;
	}
	r = NEW(struct reply);
	r->conn = c;
	buf_put_str(&r->bytes, line);
	buf_put_u8(&r->bytes, '\n');
	out = uv_buf_init(r->bytes.p, (unsigned)r->bytes.n);
	if (uv_write(&r->req, (uv_stream_t *)&c->pipe, &out, 1, written)) {
		buf_deinit(&r->bytes);
		free(r);
		close_conn(c);
		return;
	}
	next_line(c);
}

/* Runs the line that has come, if it is whole and none is running. */
static void next_line(struct conn *c)
{
	size_t end = str_find(buf_str(&c->line), '\n');
	struct buf line = { 0 };

	if (c->busy || c->closing)
		return;
	if (end == c->line.n) {
		if (c->line.n > LINE_BYTES_MAX)
			close_conn(c);
		return;
	}
	buf_put(&line, c->line.p, end);
	buf_drop(&c->line, end + 1);
	c->busy = true;
	command_run_line(c->control->node, buf_str(&line), answer, c);
	explicit_bzero(line.p, line.cap); /* it may hold a password */
	buf_deinit(&line);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
	struct conn *c = handle->data;

	(void)wanted;
	*out = uv_buf_init(c->chunk, sizeof(c->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
	struct conn *c = stream->data;

	if (n < 0) {
		close_conn(c);
		return;
	}
	if (c->line.n + (size_t)n > LINE_BYTES_MAX + READ_BYTES) {
		close_conn(c);
		return;
	}
	buf_put(&c->line, chunk->base, (size_t)n);
	explicit_bzero(chunk->base, (size_t)n);
	next_line(c);
}

/* security.md L6: of our own uid, or root's. */
static bool peer_is_us(struct conn *c)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd;

	return uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0 &&
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
		cred.uid == geteuid();
}

static void on_connection(uv_stream_t *server, int status)
{
	struct control *k = server->data;
	struct conn *c;

	if (status < 0)
		return;
	c = NEW(struct conn);
	c->control = k;
	(void)uv_pipe_init(server->loop, &c->pipe, 0);
	c->pipe.data = c;
	c->next = k->conns;
	k->conns = c;
	k->n_conns++;
	if (uv_accept(server, (uv_stream_t *)&c->pipe) || k->n_conns > CONNS_MAX ||
		!peer_is_us(c) || uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read)) {
		log_warn(&k->node->log, "a connection to the control socket was refused");
		close_conn(c);
	}
}

/* A socket's path holds 107 bytes, a data directory's may be longer: so by way of its
 * descriptor. Umask 077 in the program, and a directory of mode 0700, leave no moment in which
 * others can connect; the mode is set all the same for apps with another umask. */
static int bind_in(struct control *k, int dir)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, NODE_CONTROL);
	(void)unlinkat(dir, NODE_CONTROL, 0);
	r = uv_pipe_bind(&k->pipe, path);
	if (r == 0 && fchmodat(dir, NODE_CONTROL, 0600, 0))
		r = UV_EIO;
	if (r == 0)
		r = uv_listen((uv_stream_t *)&k->pipe, CONNS_MAX, on_connection);
	return r;
}

static void control_closed(uv_handle_t *handle)
{
	free(handle->data);
}

enum err control_open(struct node *n, struct control **out, struct err_ctx *why)
{
	const char *data_dir = config_get(&n->config, SET_DATA_DIR);
	int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct control *k;
	int r;

	if (dir < 0)
		return err_set(why, ERR_IO, "%s: %s", data_dir, strerror(errno));
	k = NEW(struct control);
	k->node = n;
	(void)uv_pipe_init(loop_uv_handle(n->loop), &k->pipe, 0);
	k->pipe.data = k;
	r = bind_in(k, dir);
	(void)close(dir);
	if (r) {
		uv_close((uv_handle_t *)&k->pipe, control_closed);
		return err_set(
			why, ERR_IO, "the control socket in %s: %s", data_dir, uv_strerror(r));
	}
	*out = k;
	return ERR_OK;
}

void control_close(struct control *k)
{
	char path[4200];

	if (!k)
		return;
	while (k->conns)
		close_conn(k->conns);
	(void)snprintf(path, sizeof(path), "%s/%s", config_get(&k->node->config, SET_DATA_DIR),
		NODE_CONTROL);
	(void)unlink(path);
	uv_close((uv_handle_t *)&k->pipe, control_closed);
}
