#include "transport/packer.h"

#include <stdlib.h>

#include <zstd.h>

#include "node/base/alloc.h"

#define LEVEL         3
#define DICTIONARY_ID 1

struct packer {
	ZSTD_CDict *pack;
	ZSTD_DDict *unpack;
};

struct packer *packer_new(void)
{
	return NEW(struct packer);
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCDict(p->pack);
	ZSTD_freeDDict(p->unpack);
	free(p);
}

bool packer_flags_ok(uint8_t flags)
{
	return flags == 0 || flags == PACK_ZSTD || flags == (PACK_ZSTD | PACK_DICTIONARY);
}

uint8_t packer_pack(struct packer *p, struct str body, struct buf *out)
{
	size_t bound = ZSTD_compressBound(body.n), n;
	ZSTD_CCtx *ctx;

	if (body.n < PACKER_FROM)
		return 0;
	if (!p->pack)
		p->pack = ZSTD_createCDict(packer_dictionary, packer_dictionary_len, LEVEL);
	ctx = ZSTD_createCCtx();
	if (!p->pack || !ctx || ZSTD_isError(ZSTD_CCtx_refCDict(ctx, p->pack))) {
		ZSTD_freeCCtx(ctx);
		return 0;
	}
	n = ZSTD_compress2(ctx, buf_reserve(out, bound), bound, body.p, body.n);
	ZSTD_freeCCtx(ctx);
	if (ZSTD_isError(n) || n >= body.n)
		return 0;
	out->n += n;
	return PACK_ZSTD | PACK_DICTIONARY;
}

/* Decompresses into exactly size bytes. */
static bool decompress(struct packer *p, bool with, struct str body, char *to, size_t size)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	size_t n;

	if (with && !p->unpack)
		p->unpack = ZSTD_createDDict(packer_dictionary, packer_dictionary_len);
	if (!ctx || (with && !p->unpack)) {
		ZSTD_freeDCtx(ctx);
		return false;
	}
	n = with ? ZSTD_decompress_usingDDict(ctx, to, size, body.p, body.n, p->unpack)
		 : ZSTD_decompressDCtx(ctx, to, size, body.p, body.n);
	ZSTD_freeDCtx(ctx);
	return !ZSTD_isError(n) && n == size;
}

enum err packer_unpack(
	struct packer *p, uint8_t flags, struct str body, uint64_t max, struct buf *out)
{
	unsigned long long size = ZSTD_getFrameContentSize(body.p, body.n);
	bool with = flags & PACK_DICTIONARY;
	char *to;

	if (size == ZSTD_CONTENTSIZE_ERROR ||
		ZSTD_getDictID_fromFrame(body.p, body.n) != (with ? DICTIONARY_ID : 0))
		return ERR_MALFORMED;
	if (size == ZSTD_CONTENTSIZE_UNKNOWN || size > max)
		return ERR_TOO_LARGE;
	to = buf_reserve(out, (size_t)size + 1);
	if (!decompress(p, with, body, to, (size_t)size))
		return ERR_MALFORMED;
	out->n += (size_t)size;
	return ERR_OK;
}
