#include "tests/support/link_raw.h"

#include <sodium.h>

#define PROLOGUE "kith-link-1"

void link_raw_open(struct link_raw *r, const struct identity *id, enum noise_pattern pattern)
{
	struct open open = { .pattern = pattern, .lowest = 1, .highest = 1 };

	*r = (struct link_raw){ .id = id };
	if (pattern == NOISE_IKPSK1)
		memcpy(open.invite_id, "inviteid", 8);
	open_encode(&open, r->open);
}

void link_raw_hello(const struct link_raw *r, struct buf *out)
{
	const struct hello h = {
		.version = HELLO_VERSION,
		.cert_bytes = identity_certificate(r->id),
		.capabilities = CAP_ZSTD,
		.iddoc_seq = identity_document_seq(r->id),
		.max_record = RECORD_MAX_LARGE,
		.epoch = STR("epoch 01"),
	};

	hello_encode(&h, out);
}

void link_raw_first(struct link_raw *r, const struct identity *to, enum noise_pattern pattern,
	const unsigned char *psk, const unsigned char *nonce, struct str payload,
	struct buf *out)
{
	unsigned char prologue[sizeof(PROLOGUE) - 1 + OPEN_LEN], e[32];
	const struct noise_keys keys = { identity_noise_secret(r->id),
		identity_noise_public(r->id) };

	memcpy(prologue, PROLOGUE, sizeof(PROLOGUE) - 1);
	memcpy(prologue + sizeof(PROLOGUE) - 1, r->open, OPEN_LEN);
	memset(prologue + sizeof(prologue) - COOKIE_LEN, 0, COOKIE_LEN);
	noise_init(&r->noise, pattern, true, (struct str){ (char *)prologue, sizeof(prologue) },
		keys, pattern == NOISE_XX ? NULL : identity_noise_public(to));
	if (psk)
		noise_set_psk(&r->noise, psk);
	randombytes_buf(e, sizeof(e));
	buf_put(out, r->open, OPEN_LEN);
	if (nonce)
		buf_put(out, nonce, COOKIE_NONCE);
	assert_int_equal(noise_write(&r->noise, e, payload, out), ERR_OK);
}

void link_raw_second(struct link_raw *r, struct str message)
{
	CLEANUP(buf_deinit) struct buf hello = { 0 };

	assert_true(message.n > REPLY_LEN);
	assert_int_equal(noise_read(&r->noise, str_skip(message, REPLY_LEN), &hello), ERR_OK);
	noise_split(&r->noise, &r->tx, &r->rx);
}

void link_raw_seal(struct link_raw *r, struct str frames, struct buf *out)
{
	noise_seal(&r->tx, STR(""), frames, out);
}

enum err link_raw_read(struct link_raw *r, struct str message, struct buf *frames)
{
	return noise_open(&r->rx, STR(""), message, frames);
}

void link_raw_say(struct link_raw *r, struct pair *p, uint8_t type, struct str body)
{
	CLEANUP(buf_deinit) struct buf frames = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };

	frame_put(&frames, type, body);
	link_raw_seal(r, buf_str(&frames), &m);
	pair_give(p, &p->b, buf_str(&m));
}

void link_raw_up(struct link_raw *r, struct pair *p)
{
	CLEANUP(buf_deinit) struct buf hello = { 0 };
	CLEANUP(buf_deinit) struct buf m = { 0 };
	struct link_options o = pair_options(&p->b);

	link_free(p->b.link);
	p->b.link = link_new_responder(&o, p->now);
	link_raw_open(r, p->a.id, NOISE_IK);
	link_raw_hello(r, &hello);
	link_raw_first(r, p->b.id, NOISE_IK, NULL, NULL, buf_str(&hello), &m);
	pair_give(p, &p->b, buf_str(&m));
	assert_true(pair_take(p, &p->b, &m));
	link_raw_second(r, buf_str(&m));
	link_raw_say(r, p, FRAME_PAD, STR(""));
	assert_true(link_is_up(p->b.link));
}
