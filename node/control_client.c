#include "node/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/base/buf.h"
#include "node/node.h"

#define REPLY_BYTES_MAX (16L * 1024 * 1024)

/* A socket's path holds 107 bytes, a data directory's may be longer: so by way of its
 * descriptor. -1: nobody there. */
static int connect_to(const char *data_dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int dir = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd;
	int r;

	if (dir < 0)
		return -1;
	(void)snprintf(
		addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s", dir, NODE_CONTROL);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	(void)close(dir);
	if (r < 0 && fd >= 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static enum err send_all(int fd, struct str bytes)
{
	while (bytes.n) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return ERR_IO;
		if (n > 0)
			bytes = str_skip(bytes, (size_t)n);
	}
	return ERR_OK;
}

static enum err receive_line(int fd, struct buf *line)
{
	while (line->n < REPLY_BYTES_MAX) {
		ssize_t n = recv(fd, buf_reserve(line, 4096), 4096, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		line->n += (size_t)n;
		if (line->p[line->n - 1] == '\n') {
			line->n--;
			return ERR_OK;
		}
	}
	return ERR_TOO_LARGE;
}

enum err control_ask(const char *data_dir, struct str line, struct arena *a, struct str *reply)
{
	CLEANUP(buf_deinit) struct buf got = { 0 };
	int fd = connect_to(data_dir);
	enum err err;

	if (fd < 0)
		return ERR_UNREACHABLE;
	err = send_all(fd, line);
	if (!err)
		err = send_all(fd, STR("\n"));
	if (!err)
		err = receive_line(fd, &got);
	(void)close(fd);
	if (!err)
		*reply = arena_str(a, buf_str(&got));
	return err;
}
