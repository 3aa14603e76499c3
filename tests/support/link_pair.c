#include "tests/support/link_pair.h"

#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "node/base/alloc.h"

#define WALL INT64_C(1700000000000)

static struct side *side_of(struct link *l)
{
	return link_arg(l);
}

static void on_hello(struct link *l, struct hello *out)
{
	out->iddoc_seq = identity_document_seq(side_of(l)->id);
	out->epoch = STR("epoch 01");
	if (side_of(l)->long_owner) {
		struct side *s = side_of(l);

		memset(s->owner, 'u', sizeof(s->owner));
		s->owner[0] = '@';
		(void)snprintf(s->owner + 255 - 53, 54, ":%s", identity_name(s->id));
		out->owner = str_of(s->owner);
	}
}

static bool on_psk(struct link *l, const unsigned char id[INVITE_ID_LEN], unsigned char psk[32])
{
	struct side *s = side_of(l);

	if (!s->has_invite || memcmp(id, "inviteid", 8) != 0)
		return false;
	memcpy(psk, s->psk, 32);
	return true;
}

static bool on_allow_xx(struct link *l)
{
	return side_of(l)->allows_xx;
}

static void on_admit(struct link *l)
{
	struct side *s = side_of(l);

	s->admissions++;
	if (!s->waits)
		link_admit(l, s->now, s->admits);
}

static void on_up(struct link *l)
{
	side_of(l)->ups++;
}

static enum err on_frame(struct link *l, uint8_t type, struct str body)
{
	struct side *s = side_of(l);

	if (type == 0x7f)
		return ERR_MALFORMED;
	if (type > FRAME_DIRECT)
		return ERR_NOT_FOUND;
	s->got_frames++;
	if (s->got_n + body.n <= sizeof(s->got)) {
		if (body.n > 0)
			memcpy(s->got + s->got_n, body.p, body.n);
		s->got_n += body.n;
	}
	return ERR_OK;
}

static void on_pull(struct link *l, uint64_t now, size_t max, struct buf *frames, bool *bulk)
{
	struct side *s = side_of(l);

	(void)now;
	if (s->supply > 0) {
		static const char zeros[RECORD_MAX_LARGE];

		s->pulled = max;
		*bulk = true;
		max = max - 4 < s->supply ? max - 4 : s->supply;
		frame_put(frames, FRAME_DIRECT, (struct str){ zeros, max });
		s->supply -= max;
		return;
	}
	assert_true(s->to_send.n <= max);
	*bulk = s->bulk;
	buf_put_str(frames, buf_str(&s->to_send));
	buf_clear(&s->to_send);
}

static void on_wake(struct link *l)
{
	(void)l;
}

static void on_strike(struct link *l, unsigned n, const char *what)
{
	(void)what;
	side_of(l)->strikes += n;
}

static void on_dead(struct link *l, const char *why)
{
	struct side *s = side_of(l);

	s->deads++;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static bool on_again(struct link *l)
{
	side_of(l)->agains++;
	return side_of(l)->admits;
}

static void on_doubt(struct link *l, bool yes)
{
	side_of(l)->doubts += yes;
	side_of(l)->in_doubt = yes;
}

static void on_asleep(struct link *l, bool yes)
{
	side_of(l)->peer_asleep = yes;
}

static void on_solve(struct link *l, const unsigned char cookie[COOKIE_LEN], uint8_t difficulty)
{
	struct side *s = side_of(l);
	unsigned char nonce[COOKIE_NONCE];

	memcpy(s->cookie, cookie, COOKIE_LEN);
	s->difficulty = difficulty;
	if (!s->solves_later)
		link_solved(l, s->now, gate_solve(cookie, difficulty, nonce) ? nonce : NULL);
}

static const struct link_ops ops = { on_hello, on_psk, on_allow_xx, on_admit, on_up, on_frame,
	on_pull, on_wake, on_strike, on_dead, on_again, on_doubt, on_asleep, on_solve };

struct link_options pair_options(struct side *s)
{
	return (struct link_options){
		.ops = &ops,
		.arg = s,
		.rng = &rng_system,
		.addr = { .ip = { 127, 0, 0, 1 }, .n = 4, .port = 1 },
		.node_public = identity_node_public(s->id),
		.noise = { identity_noise_secret(s->id), identity_noise_public(s->id) },
		.certificate = identity_certificate(s->id),
		.capabilities = CAP_ZSTD | (s->pace ? (uint32_t)CAP_MOBILE : 0),
		.pace = s->pace,
	};
}

void pair_links(struct pair *p, enum noise_pattern pattern, bool gated)
{
	struct link_options o = pair_options(&p->a);

	o.pattern = pattern;
	o.peer_node = identity_node_public(p->b.id);
	memcpy(o.invite_id, "inviteid", 8);
	memcpy(o.psk, p->a.psk, 32);
	p->a.link = link_new_initiator(&o, p->now);
	o = pair_options(&p->b);
	o.gate = gated ? &p->gate : NULL;
	p->b.link = link_new_responder(&o, p->now);
}

void pair_links_free(struct pair *p)
{
	link_free(p->a.link);
	link_free(p->b.link);
	p->a.link = p->b.link = NULL;
	buf_deinit(&p->a.to_send);
	buf_deinit(&p->b.to_send);
}

int pair_set_up(void **state)
{
	struct pair *p = NEW(struct pair);
	struct identity_recovery r;

	p->now = 1000000;
	p->a.id = identity_new(&rng_system, WALL, &r);
	p->b.id = identity_new(&rng_system, WALL, &r);
	p->a.admits = p->b.admits = true;
	randombytes_buf(p->a.psk, 32);
	memcpy(p->b.psk, p->a.psk, 32);
	gate_init(&p->gate, &rng_system);
	*state = p;
	return 0;
}

int pair_tear_down(void **state)
{
	struct pair *p = *state;

	pair_links_free(p);
	identity_free(p->a.id);
	identity_free(p->b.id);
	free(p);
	return 0;
}

/* Takes one message from a side; false if it has none. */
bool pair_take(struct pair *p, struct side *s, struct buf *message)
{
	s->now = p->now;
	buf_clear(message);
	return link_output(s->link, p->now, message);
}

void pair_give(struct pair *p, struct side *s, struct str message)
{
	s->now = p->now;
	link_input(s->link, p->now, message);
}

/* Carries messages both ways until nobody has any. */
void pair_pump(struct pair *p)
{
	struct buf m = { 0 };
	bool some = true;

	for (unsigned i = 0; some && i < 100; i++) {
		some = false;
		while (pair_take(p, &p->a, &m)) {
			pair_give(p, &p->b, buf_str(&m));
			some = true;
		}
		while (pair_take(p, &p->b, &m)) {
			pair_give(p, &p->a, buf_str(&m));
			some = true;
		}
	}
	buf_deinit(&m);
}

void pair_send(struct side *s, uint8_t type, const char *text)
{
	frame_put(&s->to_send, type, str_of(text));
	link_wake(s->link);
}

bool pair_both_up(const struct pair *p)
{
	return link_is_up(p->a.link) && link_is_up(p->b.link);
}
