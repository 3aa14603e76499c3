/*
 * frame: what a link's records are made of (overlay.md section 4, "Records").
 *
 * type u8, length varint, body. A record is a run of whole frames. Pure.
 */
#ifndef KITH_TRANSPORT_FRAME_H
#define KITH_TRANSPORT_FRAME_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdbool.h>

enum frame_type {
	FRAME_PAD = 0x00,
	FRAME_PING = 0x01,
	FRAME_PONG = 0x02,
	FRAME_BYE = 0x03,
	FRAME_INFO = 0x04,
	FRAME_SLEEP = 0x05,
	FRAME_REHS = 0x06,
	FRAME_RECORD = 0x07,
	FRAME_IDSEQ = 0x08,
	FRAME_DIRECT = 0x26,
};

#define FRAME_MUST_KNOW 0x80 /* from here on: who doesn't know the type ends the link */
#define FRAME_BYE_TEXT  64
#define FRAME_PING_LEN  8
#define FRAME_IDSEQ_LEN 40

/* Appends one frame. */
void frame_put(struct buf *out, uint8_t type, struct str body);

/* Walks the frames of a record's plaintext: true and the next frame, or false at the end or
 * with *bad set. */
bool frame_next(struct str *rest, uint8_t *type, struct str *body, bool *bad);

/* PAD up to the next of a few sizes (64, 128, 256, 512, 1024), so that sizes say little. What
 * is longer stays as it is. */
void frame_pad(struct buf *plain);

/* Bodies. ERR_MALFORMED. */

struct frame_sleep {
	uint32_t for_s; /* until it means to be back: from now, since clocks are wrong */
	uint8_t hold;   /* 1: it keeps the link, which says nothing meanwhile */
};

enum err frame_bye_get(struct str body, uint16_t *code, struct str *text) MUST_CHECK;
void frame_bye_put(struct buf *out, uint16_t code, struct str text); /* cut to fit */
enum err frame_sleep_get(struct str body, struct frame_sleep *out) MUST_CHECK;
void frame_sleep_put(struct buf *out, const struct frame_sleep *sleep);
/* cost u16, flags u8, address as the peer sees us (0, 6 or 18 bytes). */
enum err frame_info_check(struct str body) MUST_CHECK;
enum err frame_idseq_get(struct str body, unsigned char identity[32], uint64_t *seq) MUST_CHECK;
void frame_idseq_put(struct buf *out, const unsigned char identity[32], uint64_t seq);

#endif
