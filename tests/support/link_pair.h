/*
 * link_pair: two links and the messages between them, on a clock that the test moves.
 *
 * Nothing moves by itself: the test takes a message from one side and gives it (or what it
 * makes of it) to the other, or lets pair_pump() carry all of them.
 */
#ifndef KITH_TESTS_LINK_PAIR_H
#define KITH_TESTS_LINK_PAIR_H

#include "tests/support/cmocka.h"
#include "transport/identity.h"
#include "transport/link.h"

struct side {
	struct identity *id;
	struct link *link;
	bool admits, allows_xx, waits;
	unsigned char psk[32];
	bool has_invite;
	unsigned ups, deads, strikes, admissions, agains, doubts;
	bool in_doubt, peer_asleep;
	bool solves_later;
	bool long_owner; /* says a user id of 255 bytes */
	char owner[256];
	unsigned char cookie[COOKIE_LEN];
	uint8_t difficulty;
	struct ping_pace *pace; /* of a mobile side */
	char why[96];

	/* Frames to send, and those that came. */
	struct buf to_send;
	bool bulk;
	uint64_t supply; /* this many zeros, in as few frames as fit */
	size_t pulled;   /* what the last of them was allowed */
	char got[4096];
	size_t got_n;
	unsigned got_frames;
	uint64_t now;
};

struct pair {
	struct side a, b; /* a dials */
	struct gate gate;
	uint64_t now;
};

int pair_set_up(void **state);
int pair_tear_down(void **state);
struct link_options pair_options(struct side *s);
void pair_links(struct pair *p, enum noise_pattern pattern, bool gated);
void pair_links_free(struct pair *p);
bool pair_take(struct pair *p, struct side *s, struct buf *message);
void pair_give(struct pair *p, struct side *s, struct str message);
void pair_pump(struct pair *p);
void pair_send(struct side *s, uint8_t type, const char *text);
bool pair_both_up(const struct pair *p);

#define ON_PAIR(f) cmocka_unit_test_setup_teardown(f, pair_set_up, pair_tear_down)

#endif
