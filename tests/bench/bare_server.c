/*
 * bare_server: the least a C server can do for a durable, signed message, as a measure of the
 * machine beside kith: it reads a request, signs its body, writes as many bytes as kith's log
 * takes for a message alone, flushes them and answers. Nothing is parsed, checked or kept.
 * usage: bare_server PORT FILE
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	RECORD_BYTES = 9 * 1048, /* flush.py's SEND_BYTES */
	FILE_BYTES = 256 * 1024, /* written over and over, as the log is */
	PAGE_BYTES = 4096,
	REQUEST_BYTES = 8192,
	EVENTS = 32,
};

static const char ANSWER[] =
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 61\r\n\r\n"
	"{\"event_id\": \"$0123456789012345678901234567890123456789012\"}\n";

struct bare_server {
	unsigned char key[crypto_sign_SECRETKEYBYTES];
	unsigned char record[RECORD_BYTES];
	int file;
	off_t at;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_on(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		bind(fd, (struct sockaddr *)&to, sizeof(to)) || listen(fd, EVENTS))
		die("listen");
	return fd;
}

/* Page by page: the kernel counts a later write by the pieces that the file was made of. */
static int open_file(const char *path)
{
	static const char zeros[PAGE_BYTES];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	for (off_t at = 0; at < FILE_BYTES; at += PAGE_BYTES) {
		if (pwrite(fd, zeros, sizeof(zeros), at) < 0)
			die(path);
	}
	if (fsync(fd))
		die(path);
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void greet(int epoll, int listener)
{
	int on = 1;
	int fd = accept(listener, NULL, NULL);

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("accept");
	watch(epoll, fd);
}

/* A request, or its head when the body comes in a piece of its own: an object's end, or a GET.
 */
static void serve(struct bare_server *s, int fd)
{
	unsigned char request[REQUEST_BYTES];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	if (n <= 0) {
		(void)close(fd);
		return;
	}
	if (request[n - 1] != '}' && request[0] != 'G')
		return;
	(void)crypto_sign_detached(s->record, NULL, request, (unsigned long long)n, s->key);
	if (pwrite(s->file, s->record, sizeof(s->record), s->at) < 0 || fdatasync(s->file))
		die("write");
	s->at = (s->at + RECORD_BYTES) % (FILE_BYTES - RECORD_BYTES);
	if (send(fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL) < 0)
		die("send");
}

int main(int argc, char **argv)
{
	struct epoll_event ready[EVENTS];
	struct bare_server s = { 0 };
	unsigned char public[crypto_sign_PUBLICKEYBYTES];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener;

	if (argc != 3 || epoll < 0 || sodium_init() < 0) {
		(void)fprintf(stderr, "usage: bare_server PORT FILE\n");
		return 2;
	}
	(void)crypto_sign_keypair(public, s.key);
	s.file = open_file(argv[2]);
	listener = listen_on(argv[1]);
	watch(epoll, listener);
	for (;;) {
		int n = epoll_wait(epoll, ready, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == listener)
				greet(epoll, listener);
			else
				serve(&s, ready[i].data.fd);
		}
	}
}
