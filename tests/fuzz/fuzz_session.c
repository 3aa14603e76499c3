/*
 * Any bytes as the plaintext of a link's records: a run of frames, of which DIRECT ones go into
 * a session that reads, holds, answers and resets streams as the bytes fall. Streams stay
 * within their bounds, and what the session sends in return another one takes.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include "transport/link.h"
#include "transport/session.h"

struct side {
	struct session *s;
	unsigned streams;
	uint64_t bytes;
	uint32_t chance;
};

static uint32_t next(struct side *x)
{
	x->chance = x->chance * 1664525 + 1013904223;
	return x->chance >> 24;
}

static void on_wake(void *arg)
{
	(void)arg;
}

static void on_opened(void *arg, struct stream *st)
{
	struct side *x = arg;

	x->streams++;
	stream_set_arg(st, x);
}

static void on_data(void *arg, struct stream *st, struct str bytes, bool fin)
{
	struct side *x = arg;

	x->bytes += bytes.n;
	x->chance ^= (uint32_t)bytes.n;
	if (next(x) % 4)
		stream_consumed(st, bytes.n);
	if (next(x) % 4 == 0) {
		stream_write(st, bytes, fin);
		if (fin || next(x) % 2)
			stream_release(st);
	}
}

static void on_reset(void *arg, struct stream *st, uint64_t code)
{
	(void)code;
	if (next(arg) % 2)
		stream_release(st);
}

static void on_stopped(void *arg, struct stream *st, uint64_t code)
{
	(void)arg, (void)st, (void)code;
}

static void on_writable(void *arg, struct stream *st)
{
	(void)arg, (void)st;
}

static void on_streams_free(void *arg)
{
	(void)arg;
}

static void on_doc(void *arg, struct str doc)
{
	struct side *x = arg;

	FUZZ_CHECK(doc.n <= SESSION_DOC_MAX);
	x->bytes += doc.n;
}

static const struct session_ops ops = { on_wake, on_opened, on_data, on_reset, on_stopped,
	on_writable, on_streams_free, on_doc, on_doc };

/* What x sends, y must understand: it knows nothing of the streams, so an error may only be
 * about those that it never opened. */
static void answer(struct side *x, uint64_t now)
{
	struct buf out = { 0 };
	bool bulk;

	for (unsigned i = 0; i < 64; i++) {
		buf_clear(&out);
		if (!session_output(x->s, now, 4096, &out, &bulk))
			break;
		FUZZ_CHECK(out.n <= 4096 + SESSION_DOC_MAX);
	}
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, body;
	struct side x = { .chance = 1 };
	uint64_t now = 1;
	uint8_t type;
	bool bad = false;
	enum err err = ERR_OK;

	x.s = session_new(&ops, &x, false);
	while (!err && frame_next(&rest, &type, &body, &bad)) {
		now += 7;
		if (type == FRAME_SLEEP)
			session_path_up(x.s);
		if (type != FRAME_DIRECT)
			continue;
		err = session_input(x.s, now, body);
		answer(&x, now);
		session_tick(x.s, now);
	}
	FUZZ_CHECK(x.bytes <= size);
	FUZZ_CHECK(x.streams <= 2 * SESSION_STREAMS + size);
	session_free(x.s);
	return 0;
}
