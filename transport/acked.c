#include "transport/acked.h"

#include "transport/wire.h"

void acked_put(const struct acked *a, struct buf *out)
{
	uint64_t end = a->upto;

	wire_put_varint(out, a->upto);
	wire_put_varint(out, a->more.n);
	for (size_t i = 0; i < a->more.n; i++) {
		const struct range *r = &a->more.r[i];

		wire_put_varint(out, r->from - end - 1);
		wire_put_varint(out, r->to - r->from);
		end = r->to - 1;
	}
}

bool acked_get(struct str value, struct acked *out)
{
	struct wire w = wire_of(value);
	struct acked a = { .upto = wire_varint(&w) };
	uint64_t n = wire_varint(&w), end = a.upto;

	if (w.bad || n > RANGES_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t gap = wire_varint(&w), len = wire_varint(&w);

		if (w.bad || gap == 0 || len == 0 || gap >= UINT64_MAX - end ||
			len > UINT64_MAX - end - gap - 1)
			return false;
		(void)ranges_add(&a.more, end + gap + 1, end + gap + 1 + len);
		end += gap + len;
	}
	if (!wire_done(&w))
		return false;
	*out = a;
	return true;
}

bool acked_has(const struct acked *a, uint64_t sequence)
{
	return sequence <= a->upto || ranges_has(&a->more, sequence);
}
