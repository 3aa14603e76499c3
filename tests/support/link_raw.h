/*
 * link_raw: the other end of a link, made by hand from transport/noise.h, so that a test can
 * say what link.c never would, and sees for itself which keys a record is under.
 */
#ifndef KITH_TESTS_LINK_RAW_H
#define KITH_TESTS_LINK_RAW_H

#include "tests/support/link_pair.h"

struct link_raw {
	const struct identity *id; /* who it is */
	struct noise noise;
	struct noise_cipher tx, rx;
	unsigned char open[OPEN_LEN];
};

/* An OPEN of that pattern as it should be. */
void link_raw_open(struct link_raw *r, const struct identity *id, enum noise_pattern pattern);
/* Appends a HELLO as it should be. */
void link_raw_hello(const struct link_raw *r, struct buf *out);
/* OPEN, nonce (NULL: none) and message 1 with that payload, towards a node. psk may be NULL. */
void link_raw_first(struct link_raw *r, const struct identity *to, enum noise_pattern pattern,
	const unsigned char *psk, const unsigned char *nonce, struct str payload,
	struct buf *out);
/* Takes REPLY and message 2 of IK, and has the keys. */
void link_raw_second(struct link_raw *r, struct str message);
/* Brings a responder up: all of the above and a first record. */
void link_raw_up(struct link_raw *r, struct pair *p);

/* One record of these frames, and the plaintext of one. */
void link_raw_seal(struct link_raw *r, struct str frames, struct buf *out);
enum err link_raw_read(struct link_raw *r, struct str message, struct buf *frames) MUST_CHECK;
/* A record with one frame goes to p->b. */
void link_raw_say(struct link_raw *r, struct pair *p, uint8_t type, struct str body);

#endif
