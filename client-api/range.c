#include "client-api/range.h"

/* The last n bytes. */
static enum range_kind suffix(struct str text, uint64_t size, uint64_t *first, uint64_t *length)
{
	uint64_t n;

	if (!str_to_u64(text, &n))
		return RANGE_WHOLE;
	if (n == 0 || size == 0)
		return RANGE_NONE;
	*length = n < size ? n : size;
	*first = size - *length;
	return RANGE_PART;
}

enum range_kind range_parse(struct str header, uint64_t size, uint64_t *first, uint64_t *length)
{
	struct str unit, set, from, to;
	uint64_t begin, last = UINT64_MAX;

	if (!str_cut(header, '=', &unit, &set) || !str_eq_nocase(unit, STR("bytes")) ||
		!str_cut(str_trim(set), '-', &from, &to))
		return RANGE_WHOLE;
	if (from.n == 0)
		return suffix(to, size, first, length);
	if (!str_to_u64(from, &begin) || (to.n && !str_to_u64(to, &last)) || last < begin)
		return RANGE_WHOLE;
	if (begin >= size)
		return RANGE_NONE;
	*first = begin;
	*length = (last < size ? last + 1 : size) - begin;
	return RANGE_PART;
}
