/*
 * packer: bodies of requests and answers, packed with zstd (overlay.md, section 10).
 *
 * Each body is one frame of its own that states its content size, made at level 3 with
 * dictionary 1 (transport/dictionary): no context spans two of them, so that nobody learns of a
 * secret from how well a neighbour's text packs. The packer itself holds only the dictionary in
 * the forms that zstd works with, made when they are first wanted.
 */
#ifndef KITH_TRANSPORT_PACKER_H
#define KITH_TRANSPORT_PACKER_H

#include "node/base/buf.h"
#include "node/base/err.h"

#include <stdint.h>

#define PACKER_FROM 128 /* shorter bodies go as they are */

enum pack_flag {
	PACK_ZSTD = 1,
	PACK_DICTIONARY = 2, /* with dictionary 1; never without PACK_ZSTD */
};

extern const unsigned char packer_dictionary[];
extern const size_t packer_dictionary_len;

struct packer;

struct packer *packer_new(void);
void packer_free(struct packer *p); /* NULL is fine */

/* Are these flags that a body can have? */
bool packer_flags_ok(uint8_t flags);

/* Appends body packed and returns its flags; 0 and nothing if it isn't worth it. */
uint8_t packer_pack(struct packer *p, struct str body, struct buf *out);

/* Appends the content of a packed body. ERR_TOO_LARGE: it states more than max, or doesn't say.
 * ERR_MALFORMED: no frame, one of another dictionary than the flags say, or a broken one. */
enum err packer_unpack(struct packer *p, uint8_t flags, struct str body, uint64_t max,
	struct buf *out) MUST_CHECK;

#endif
