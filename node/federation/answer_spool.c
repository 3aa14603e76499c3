/*
 * An answer that lies in a spool, sent piece by piece as the peer takes it.
 */
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/federation/answer.h"
#include "store/spool.h"

/* Shorter ones go as a whole, and packed. */
#define WHOLE_MAX ((uint64_t)1024 * 1024)
#define PIECE     65536

struct spool_answer {
	struct transport_incoming *in;
	struct spool *spool; /* owned */
	uint64_t at;
	uint64_t length;
	bool writing;
};

static void end(struct spool_answer *s)
{
	spool_free(s->spool);
	free(s);
}

static void give_up(struct spool_answer *s)
{
	transport_respond_abort(s->in);
	end(s);
}

static enum err write_piece(struct spool_answer *s, bool *more)
{
	CLEANUP(buf_deinit) struct buf piece = { 0 };
	uint64_t left = s->length - s->at;
	size_t n = left < PIECE ? (size_t)left : PIECE;
	enum err err = spool_get(s->spool, s->at, n, &piece);

	s->at += n;
	return err ? err : transport_respond_write(s->in, buf_str(&piece), more);
}

/* The request is gone with the last piece. */
static void pump(struct spool_answer *s)
{
	bool more = true;
	enum err err = ERR_OK;

	s->writing = true;
	while (more && !err && s->at < s->length)
		err = write_piece(s, &more);
	s->writing = false;
	if (err)
		give_up(s);
	else if (s->at == s->length)
		end(s);
}

static void on_writable(struct transport_incoming *in)
{
	struct spool_answer *s = in->arg;

	if (!s->writing)
		pump(s);
}

static void on_abort(struct transport_incoming *in)
{
	struct spool_answer *s = in->arg;

	if (!s->writing)
		give_up(s);
}

static void stream(struct inbound_request *r, struct spool *spool, uint64_t length)
{
	struct transport_incoming *in = inbound_take(r);
	struct spool_answer *s;

	if (!in) {
		spool_free(spool);
		return;
	}
	s = NEW(struct spool_answer);
	*s = (struct spool_answer){ .in = in, .spool = spool, .length = length };
	in->arg = s;
	in->on_writable = on_writable;
	in->on_abort = on_abort;
	s->writing = true;
	transport_respond_begin(
		in, &(struct transport_response){ .status = 200, .length = length });
	pump(s);
}

void answer_spool(struct inbound_request *r, struct spool *spool, uint64_t length)
{
	CLEANUP(buf_deinit) struct buf body = { 0 };
	enum err err;

	if (length > WHOLE_MAX) {
		stream(r, spool, length);
		return;
	}
	err = spool_get(spool, 0, (size_t)length, &body);
	spool_free(spool);
	if (err)
		inbound_error(r, err);
	else
		inbound_reply(r, &body);
}
