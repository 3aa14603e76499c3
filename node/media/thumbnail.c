#include "node/media/thumbnail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/base/alloc.h"
#include "node/base/limits.h"
#include "node/media/sandbox.h"

struct thumbnailer {
	int fd; /* to the helper */
	pid_t helper;
	struct thumbnail_job *first, *last; /* first is running */
};

/* What a worker's end says. */
enum worker_end { END_JPEG = 10, END_PNG, END_INVALID, END_TOO_LARGE, END_NOMEM, END_IO };

struct ask {
	uint32_t width, height;
	uint32_t crop;
};

/* --- the worker, behind the sandbox ------------------------------------------------------ */

static bool write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n <= 0)
			return false;
		s = str_skip(s, (size_t)n);
	}
	return true;
}

static enum worker_end end_of(enum err err)
{
	if (err == ERR_TOO_LARGE)
		return END_TOO_LARGE;
	return err == ERR_NOMEM ? END_NOMEM : END_INVALID;
}

static enum worker_end work_on(int in, int out, size_t size, const struct ask *ask)
{
	struct image_want want = { ask->width, ask->height, ask->crop != 0 };
	struct buf bytes = { 0 }, encoded = { 0 };
	struct image img;
	const char *type;
	enum err err;

	sandbox_enter();
	buf_reserve(&bytes, size);
	while (bytes.n < size) {
		ssize_t n = read(in, bytes.p + bytes.n, size - bytes.n);

		if (n <= 0)
			return END_IO;
		bytes.n += (size_t)n;
	}
	err = image_shrink(buf_str(&bytes), &want, &img);
	if (!err)
		err = image_encode(&img, &encoded, &type);
	if (err)
		return end_of(err);
	if (!write_all(out, buf_str(&encoded)))
		return END_IO;
	return img.alpha ? END_PNG : END_JPEG;
}

/* --- the helper ----------------------------------------------------------------------------
 */

/* What a message brought; descriptors are -1 when they are missing. */
static ssize_t receive_ask(int fd, struct ask *ask, int fds[2])
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = { ask, sizeof *ask };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	const struct cmsghdr *c;
	ssize_t n;

	fds[0] = fds[1] = -1;
	do
		n = recvmsg(fd, &m, 0);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(2 * sizeof(int)))
		memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return n;
}

static unsigned char run_worker(int socket, const int fds[2], const struct ask *ask)
{
	struct stat st;
	int status;
	pid_t pid;

	if (fstat(fds[0], &st) != 0 || st.st_size <= 0 || st.st_size > LIMIT_BODY_MEDIA)
		return END_INVALID;
	pid = fork();
	if (pid < 0)
		return END_NOMEM;
	if (pid == 0) {
		close(socket);
		_exit(work_on(fds[0], fds[1], (size_t)st.st_size, ask));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* A worker that was killed looked at a picture that kills workers. */
	return WIFEXITED(status) && WEXITSTATUS(status) >= END_JPEG
		? (unsigned char)WEXITSTATUS(status)
		: (unsigned char)END_NOMEM;
}

static void helper_run(int socket)
{
	struct ask ask;
	int fds[2];

	/* The terminal's signals are for the node; the helper ends with the socket. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	if (dup2(socket, STDERR_FILENO + 1) < 0)
		return;
	socket = STDERR_FILENO + 1;
	sandbox_close_from(socket + 1);
	while (receive_ask(socket, &ask, fds) == sizeof ask) {
		unsigned char end = run_worker(socket, fds, &ask);

		close(fds[0]);
		close(fds[1]);
		if (write(socket, &end, 1) != 1)
			return;
	}
}

/* --- the node ------------------------------------------------------------------------------
 */

enum err thumbnailer_new(struct thumbnailer **out)
{
	struct thumbnailer *t;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return ERR_IO;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		helper_run(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return ERR_IO;
	}
	t = NEW(struct thumbnailer);
	t->fd = pair[0];
	t->helper = pid;
	*out = t;
	return ERR_OK;
}

void thumbnailer_free(struct thumbnailer *t)
{
	if (!t)
		return;
	close(t->fd);
	while (waitpid(t->helper, NULL, 0) < 0 && errno == EINTR)
		;
	free(t);
}

static bool send_ask(int fd, const struct ask *ask, const int fds[2])
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct ask copy = *ask;
	struct iovec v = { &copy, sizeof copy };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	return sendmsg(fd, &m, MSG_NOSIGNAL) == sizeof copy;
}

/* On the pool. The helper answers when the worker has ended, which the sandbox sees to. */
static void ask_helper(struct loop_work *w)
{
	struct thumbnail_job *j = CONTAINER_OF(w, struct thumbnail_job, work);
	struct ask ask = { j->want.width, j->want.height, j->want.crop };
	int fds[2] = { j->in_fd, j->out_fd };
	int fd = j->thumbnailer->fd;
	unsigned char end = 0;
	ssize_t n;

	j->err = ERR_IO;
	if (lseek(j->in_fd, 0, SEEK_SET) < 0 || !send_ask(fd, &ask, fds))
		return;
	do
		n = read(fd, &end, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return;
	switch ((enum worker_end)end) {
	case END_JPEG:
	case END_PNG:
		j->content_type = end == END_PNG ? "image/png" : "image/jpeg";
		j->err = ERR_OK;
		break;
	case END_INVALID: j->err = ERR_INVALID; break;
	case END_TOO_LARGE: j->err = ERR_TOO_LARGE; break;
	case END_NOMEM: j->err = ERR_LIMIT; break;
	case END_IO: break;
	}
}

static void run_first(struct thumbnailer *t);

static void helper_answered(struct loop_work *w)
{
	struct thumbnail_job *j = CONTAINER_OF(w, struct thumbnail_job, work);
	struct thumbnailer *t = j->thumbnailer;

	t->first = j->next;
	if (!t->first)
		t->last = NULL;
	else
		run_first(t);
	j->done(j, j->err); /* j may be gone after this line */
}

static void run_first(struct thumbnailer *t)
{
	t->first->work = (struct loop_work){ .work = ask_helper, .done = helper_answered };
	loop_work(t->first->loop, &t->first->work);
}

void thumbnailer_start(struct thumbnail_job *j)
{
	struct thumbnailer *t = j->thumbnailer;

	j->next = NULL;
	if (t->last) {
		t->last->next = j;
		t->last = j;
		return;
	}
	t->first = t->last = j;
	run_first(t);
}
