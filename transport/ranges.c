#include "transport/ranges.h"

#include <string.h>

/* The first run that ends at or behind v. */
static size_t find(const struct ranges *s, uint64_t v)
{
	size_t i = 0;

	while (i < s->n && s->r[i].to < v)
		i++;
	return i;
}

bool ranges_has(const struct ranges *s, uint64_t v)
{
	size_t i = find(s, v + 1);

	return i < s->n && s->r[i].from <= v;
}

static void remove_at(struct ranges *s, size_t i, size_t count)
{
	memmove(&s->r[i], &s->r[i + count], (s->n - i - count) * sizeof(s->r[0]));
	s->n -= count;
}

bool ranges_add(struct ranges *s, uint64_t from, uint64_t to)
{
	size_t i = find(s, from), last = i;

	if (from >= to)
		return true;
	/* Everything from i on that touches [from, to) becomes one run. */
	while (last < s->n && s->r[last].from <= to)
		last++;
	if (last > i) {
		if (s->r[i].from < from)
			from = s->r[i].from;
		if (s->r[last - 1].to > to)
			to = s->r[last - 1].to;
		s->r[i] = (struct range){ from, to };
		remove_at(s, i + 1, last - i - 1);
		return true;
	}
	if (s->n == RANGES_MAX) {
		if (i == 0)
			return false;
		remove_at(s, 0, 1);
		i--;
	}
	memmove(&s->r[i + 1], &s->r[i], (s->n - i) * sizeof(s->r[0]));
	s->r[i] = (struct range){ from, to };
	s->n++;
	return true;
}

uint64_t ranges_end_of(const struct ranges *s, uint64_t at)
{
	size_t i = find(s, at + 1);

	return i < s->n && s->r[i].from <= at ? s->r[i].to : at;
}

void ranges_drop_below(struct ranges *s, uint64_t v)
{
	while (s->n > 0 && s->r[0].to <= v)
		remove_at(s, 0, 1);
	if (s->n > 0 && s->r[0].from < v)
		s->r[0].from = v;
}
