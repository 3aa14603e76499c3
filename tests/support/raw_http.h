/*
 * raw_http: a client that sends exactly the bytes that a test wants, on the same thread and
 * loop as the server that it talks to.
 */
#ifndef KITH_TESTS_RAW_HTTP_H
#define KITH_TESTS_RAW_HTTP_H

#include "node/base/buf.h"
#include "node/loop_uv.h"

struct raw {
	struct loop_uv *uv;
	int fd;
	struct buf in; /* what came and was not taken yet */
	bool eof;      /* the server has closed its side */
	bool reset;
};

struct raw_answer {
	unsigned status; /* 0: the connection ended instead */
	struct buf head; /* status line and headers */
	struct buf body; /* without chunks */
};

/* Connects to 127.0.0.1. */
void raw_open(struct raw *r, struct loop_uv *uv, uint16_t port);
void raw_close(struct raw *r);

/* Sends all of it, turning the loop while the server is slow. */
void raw_send(struct raw *r, struct str bytes);
void raw_send_z(struct raw *r, const char *z);

/* Turns the loop until a whole answer is there, or the connection ended, or 5 s are over (then
 * the test fails). answer is cleared first; raw_answer_deinit() it in the end. */
void raw_answer(struct raw *r, struct raw_answer *answer);
void raw_answer_of_head(struct raw *r, struct raw_answer *answer); /* to a HEAD request */
void raw_answer_deinit(struct raw_answer *a);
/* The value of a header, or an empty string; has_header says whether it is there. */
struct str raw_header(const struct raw_answer *a, const char *name);
bool raw_has_header(const struct raw_answer *a, const char *name);

/* Sends z on a connection of its own and takes the answer. */
void raw_once(struct loop_uv *uv, uint16_t port, const char *z, struct raw_answer *answer);

/* Turns the loop until the server closes; fails after ms. */
void raw_await_eof(struct raw *r, unsigned ms);
/* Turns the loop for ms. */
void raw_turn(struct loop_uv *uv, unsigned ms);

#endif
