/*
 * Any bytes as the frames of records, from a peer whose link is up: three bytes say how long it
 * waits first and how long the record is. The link stays within what a peer may cause: no more
 * than one strike for each malformed record (three for a false handshake), no answer larger
 * than eight times what it answers, and it ends cleanly.
 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"
#include "transport/identity.h"
#include "transport/link.h"

struct side {
	struct link *link;
	struct identity *id;
	struct str next; /* what it says next */
	unsigned strikes;
	bool asleep;
};

static struct side *side_of(struct link *l)
{
	return link_arg(l);
}

static void say_hello(struct link *l, struct hello *out)
{
	out->iddoc_seq = identity_document_seq(side_of(l)->id);
}

static bool no_psk(struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	(void)l, (void)id, (void)psk;
	return false;
}

static bool no_xx(struct link *l)
{
	(void)l;
	return false;
}

static void admit(struct link *l)
{
	link_admit(l, 1, true);
}

static void up(struct link *l)
{
	(void)l;
}

static enum err frame(struct link *l, uint8_t type, struct str body)
{
	(void)l;
	FUZZ_CHECK(type < FRAME_MUST_KNOW && type > FRAME_BYE && type != FRAME_REHS);
	return type == FRAME_DIRECT && body.n > 4 ? ERR_MALFORMED
		: type == FRAME_DIRECT            ? ERR_OK
						  : ERR_NOT_FOUND;
}

static void pull(struct link *l, uint64_t now, size_t max, struct buf *frames, bool *bulk)
{
	struct side *s = side_of(l);

	(void)now;
	*bulk = true;
	buf_put_str(frames, str_head(s->next, max));
	s->next = STR("");
}

static void nothing(struct link *l)
{
	(void)l;
}

static void strike(struct link *l, unsigned n, const char *what)
{
	(void)what;
	side_of(l)->strikes += n;
}

static void dead(struct link *l, const char *why)
{
	(void)l, (void)why;
}

static bool again(struct link *l)
{
	(void)l;
	return true;
}

static void doubt(struct link *l, bool yes)
{
	(void)l, (void)yes;
}

static void asleep(struct link *l, bool yes)
{
	FUZZ_CHECK(side_of(l)->asleep != yes);
	side_of(l)->asleep = yes;
}

static void solve(struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty)
{
	(void)l, (void)cookie, (void)difficulty;
}

static const struct link_ops ops = { say_hello, no_psk, no_xx, admit, up, frame, pull, nothing,
	strike, dead, again, doubt, asleep, solve };

static void count_up(void *arg, void *p, size_t n)
{
	unsigned char *next = arg;

	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = (unsigned char)(*next += 7);
}

static struct link_options options(struct side *s, const struct rng *rng)
{
	return (struct link_options){ .ops = &ops,
		.arg = s,
		.rng = rng,
		.node_public = identity_node_public(s->id),
		.noise = { identity_noise_secret(s->id), identity_noise_public(s->id) },
		.certificate = identity_certificate(s->id) };
}

/* What from says goes to to; returns how much it was. */
static size_t carry(struct side *from, struct side *to, uint64_t now)
{
	CLEANUP(buf_deinit) struct buf m = { 0 };
	size_t n = 0;

	while (link_output(from->link, now, &m)) {
		n += m.n;
		link_input(to->link, now, buf_str(&m));
		buf_clear(&m);
	}
	return n;
}

static void talk(struct side *a, struct side *b, struct str rest)
{
	static const uint64_t waits[] = { 0, 100, 5000, 2 * LINK_RENEW_LEAST_MS };
	uint64_t now = 2;

	while (rest.n >= 3 && link_is_up(b->link)) {
		size_t n = (unsigned char)rest.p[1] << 8 | (unsigned char)rest.p[2], said, got;
		unsigned before = b->strikes;

		now += waits[(unsigned char)rest.p[0] % ARRAY_LEN(waits)];
		a->next = str_head(str_skip(rest, 3), n);
		rest = str_skip(rest, 3 + a->next.n);
		link_tick(b->link, now);
		(void)carry(b, a, now);
		link_wake(a->link);
		said = carry(a, b, now);
		got = carry(b, a, now);
		FUZZ_CHECK(got <= 8 * said);
		FUZZ_CHECK(b->strikes - before <= 3);
	}
	link_close(b->link, now, BYE_CLOSING, "the end");
	(void)carry(b, a, now);
	link_tick(b->link, now + LINK_CLOSING_MS);
	FUZZ_CHECK(link_state(b->link) == LINK_DEAD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char seed = 1;
	const struct rng rng = { count_up, &seed };
	struct identity_recovery r;
	struct side a = { 0 }, b = { 0 };
	struct link_options o;

	if (size > NOISE_MAX_MSG || sodium_init() < 0)
		return 0;
	a.id = identity_new(&rng, INT64_C(1700000000000), &r);
	b.id = identity_new(&rng, INT64_C(1700000000000), &r);
	o = options(&a, &rng);
	o.peer_node = identity_node_public(b.id);
	a.link = link_new_initiator(&o, 1);
	o = options(&b, &rng);
	b.link = link_new_responder(&o, 1);
	while (carry(&a, &b, 1) + carry(&b, &a, 1) > 0)
		;
	FUZZ_CHECK(link_is_up(a.link) && link_is_up(b.link));
	talk(&a, &b, (struct str){ (const char *)data, size });
	link_free(a.link);
	link_free(b.link);
	identity_free(a.id);
	identity_free(b.id);
	return 0;
}
