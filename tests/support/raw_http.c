#include "tests/support/raw_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

#define PATIENCE_MS 30000

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* One turn of the loop; sleeps a little where nothing happens. */
static void turn(struct loop_uv *uv)
{
	const struct timespec nap = { 0, 200000 };
	loop_uv_run_once(uv, false);
	nanosleep(&nap, NULL);
}

void raw_turn(struct loop_uv *uv, unsigned ms)
{
	uint64_t end = now_ms() + ms;
	/* On a machine that stalls the time alone is no turn of the loop. */
	for (int turns = 0; turns < 40 || now_ms() < end; turns++)
		turn(uv);
}

void raw_open(struct raw *r, struct loop_uv *uv, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*r = (struct raw){ .uv = uv };
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(r->fd >= 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(fcntl(r->fd, F_SETFL, O_NONBLOCK), 0);
}

void raw_close(struct raw *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	buf_deinit(&r->in);
	turn(r->uv);
}

static void receive(struct raw *r)
{
	while (!r->eof) {
		ssize_t n = recv(r->fd, buf_reserve(&r->in, 65536), 65536, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		r->reset = n < 0;
		r->eof = n <= 0;
		if (n > 0)
			r->in.n += (size_t)n;
	}
}

void raw_send(struct raw *r, struct str bytes)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	while (bytes.n && !r->eof) {
		ssize_t n = send(r->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return; /* the server has closed: its answer may still be there */
		if (n > 0)
			bytes = str_skip(bytes, (size_t)n);
		turn(r->uv);
		receive(r);
		assert_true(now_ms() < end);
	}
}

void raw_send_z(struct raw *r, const char *z)
{
	raw_send(r, str_of(z));
}

static bool header_of(struct str head, const char *name, struct str *value)
{
	struct str line, key;
	while (str_cut(head, '\n', &line, &head)) {
		if (!str_cut(line, ':', &key, value) || !str_eq_nocase(key, str_of(name)))
			continue;
		*value = str_trim(*value);
		return true;
	}
	return false;
}

/* The bytes of a body that begin at p, or false if it isn't whole. */
static bool take_chunks(struct str in, struct buf *body, size_t *used)
{
	struct str rest = in, line;
	for (;;) {
		unsigned long n = 0;
		if (!str_cut(rest, '\n', &line, &rest))
			return false;
		for (size_t i = 0; i < line.n && line.p[i] != '\r'; i++)
			n = n * 16 +
				(unsigned long)(strchr("0123456789abcdef", line.p[i]) -
					"0123456789abcdef");
		if (rest.n < n + 2)
			return false;
		buf_put(body, rest.p, n);
		rest = str_skip(rest, n + 2);
		if (n == 0)
			break;
	}
	*used = in.n - rest.n;
	return true;
}

static bool take_answer(struct raw *r, struct raw_answer *a, bool of_head)
{
	struct str in = buf_str(&r->in), v;
	size_t at, used = 0;
	uint64_t n = 0;

	if (!str_find_str(in, STR("\r\n\r\n"), &at))
		return false;
	struct str head = str_head(in, at + 2), rest = str_skip(in, at + 4);
	buf_clear(&a->body);
	if (of_head) {
		used = 0;
	} else if (header_of(head, "transfer-encoding", &v)) {
		if (!take_chunks(rest, &a->body, &used))
			return false;
	} else if (header_of(head, "content-length", &v)) {
		assert_true(str_to_u64(v, &n));
		if (rest.n < n)
			return false;
		buf_put_str(&a->body, str_head(rest, n));
		used = n;
	} else if (head.n < 12 || head.p[9] == '1') {
		used = 0; /* 100 Continue */
	} else {
		if (!r->eof)
			return false;
		buf_put_str(&a->body, rest);
		used = rest.n;
	}
	buf_clear(&a->head);
	buf_put_str(&a->head, head);
	uint64_t status;
	assert_true(str_starts(head, STR("HTTP/1.1 ")));
	assert_true(str_to_u64((struct str){ head.p + 9, 3 }, &status));
	a->status = (unsigned)status;
	buf_drop(&r->in, at + 4 + used);
	return true;
}

static void await_answer(struct raw *r, struct raw_answer *a, bool of_head)
{
	uint64_t end = now_ms() + PATIENCE_MS;
	a->status = 0;
	for (;;) {
		turn(r->uv);
		receive(r);
		if (take_answer(r, a, of_head) || r->eof)
			return;
		assert_true(now_ms() < end);
	}
}

void raw_answer(struct raw *r, struct raw_answer *a)
{
	await_answer(r, a, false);
}

void raw_answer_of_head(struct raw *r, struct raw_answer *a)
{
	await_answer(r, a, true);
}

void raw_answer_deinit(struct raw_answer *a)
{
	buf_deinit(&a->head);
	buf_deinit(&a->body);
}

bool raw_has_header(const struct raw_answer *a, const char *name)
{
	struct str v;
	return header_of(buf_str(&a->head), name, &v);
}

struct str raw_header(const struct raw_answer *a, const char *name)
{
	struct str v;
	return header_of(buf_str(&a->head), name, &v) ? v : STR("");
}

void raw_once(struct loop_uv *uv, uint16_t port, const char *z, struct raw_answer *a)
{
	struct raw r;
	raw_open(&r, uv, port);
	raw_send_z(&r, z);
	raw_answer(&r, a);
	raw_close(&r);
}

void raw_await_eof(struct raw *r, unsigned ms)
{
	uint64_t end = now_ms() + ms;
	while (!r->eof) {
		turn(r->uv);
		receive(r);
		assert_true(now_ms() < end);
	}
}
