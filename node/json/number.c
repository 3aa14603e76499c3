#include "node/json/number.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/base/alloc.h"
#include "node/json/json.h"

bool number_is_integer_text(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '.' || text.p[i] == 'e' || text.p[i] == 'E')
			return false;
	}
	return true;
}

/* A decimal number as digits * 10^exponent. */
struct decimal {
	bool minus;
	bool huge; /* more digits than we hold, or an exponent beyond any use */
	uint64_t digits;
	int64_t exponent;
};

static void add_digit(struct decimal *d, int64_t *zeros, char c)
{
	if (c == '0' && d->digits) {
		++*zeros; /* only counts if a digit follows */
		return;
	}
	for (; *zeros > 0 && !d->huge; --*zeros)
		d->huge = __builtin_mul_overflow(d->digits, 10u, &d->digits);
	if (__builtin_mul_overflow(d->digits, 10u, &d->digits) ||
		__builtin_add_overflow(d->digits, (uint64_t)(c - '0'), &d->digits))
		d->huge = true;
}

static int64_t read_exponent(struct str s)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = str_skip(s, 1);
	if (!str_to_u64(s, &v) || v > 1000000000)
		v = 1000000000;
	return minus ? -(int64_t)v : (int64_t)v;
}

/* text has JSON's grammar. */
static struct decimal read_decimal(struct str text)
{
	struct decimal d = { 0 };
	int64_t zeros = 0;
	int64_t fraction = 0;
	bool in_fraction = false;
	size_t i = 0;

	if (text.n && text.p[0] == '-') {
		d.minus = true;
		i = 1;
	}
	for (; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
		if (text.p[i] == '.') {
			in_fraction = true;
			continue;
		}
		add_digit(&d, &zeros, text.p[i]);
		fraction += in_fraction;
	}
	if (i < text.n)
		d.exponent = read_exponent(str_skip(text, i + 1));
	d.exponent += zeros - fraction;
	return d;
}

bool number_to_int(struct str text, int64_t *out)
{
	struct decimal d = read_decimal(text);

	if (d.digits == 0 && !d.huge) {
		*out = 0;
		return true;
	}
	if (d.huge || d.exponent < 0 || d.exponent > 15)
		return false;
	for (; d.exponent > 0; d.exponent--) {
		if (__builtin_mul_overflow(d.digits, 10u, &d.digits))
			return false;
	}
	if (d.digits > (uint64_t)JSON_INT_MAX)
		return false;
	*out = d.minus ? -(int64_t)d.digits : (int64_t)d.digits;
	return true;
}

/* strtod and printf write the decimal point of the thread's locale, which is the app's. */
static locale_t plain_locale(void)
{
	return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static void locale_back(locale_t before)
{
	freelocale(uselocale(before));
}

bool number_to_double(struct str text, double *out)
{
	CLEANUP(freep) char *z = xstrdup(text);
	locale_t before = plain_locale();
	double v = strtod(z, NULL);

	locale_back(before);
	if (__builtin_isinf(v))
		return false;
	*out = v;
	return true;
}

/* Writes digits ("d.ddd" without the point) and a decimal exponent as repr() lays them out. */
static void lay_out(struct buf *out, const char *digits, size_t n, int exponent)
{
	if (exponent < -4 || exponent >= 16) {
		buf_put(out, digits, 1);
		if (n > 1) {
			buf_put_z(out, ".");
			buf_put(out, digits + 1, n - 1);
		}
		buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
		return;
	}
	if (exponent < 0) {
		buf_put_z(out, "0.");
		for (int i = -1; i > exponent; i--)
			buf_put_z(out, "0");
		buf_put(out, digits, n);
		return;
	}
	for (size_t i = 0; i <= (size_t)exponent; i++)
		buf_put(out, i < n ? digits + i : "0", 1);
	buf_put_z(out, ".");
	if (n > (size_t)exponent + 1)
		buf_put(out, digits + exponent + 1, n - (size_t)exponent - 1);
	else
		buf_put_z(out, "0");
}

void number_put_double(struct buf *out, double v)
{
	locale_t before = plain_locale();
	char text[40];
	char digits[20];
	size_t n = 0;
	char *e;

	for (int precision = 0; precision <= 16; precision++) {
		(void)snprintf(text, sizeof(text), "%.*e", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	locale_back(before);
	e = strchr(text, 'e');
	for (char *p = text; p < e; p++) {
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	}
	if (text[0] == '-')
		buf_put_z(out, "-");
	lay_out(out, digits, n, (int)strtol(e + 1, NULL, 10));
}

void number_put_text(struct buf *out, struct str text)
{
	double v = 0;
	int64_t i;

	/* The specification's example turns 1e10 into 10000000000, while what Python once
	 * hashed as a float says 1.0 and is written so: the point tells them apart. */
	if (str_eq(text, STR("-0")))
		buf_put_z(out, "0");
	else if (str_find(text, '.') == text.n && number_to_int(text, &i))
		buf_put_i64(out, i);
	else if (!number_is_integer_text(text) && number_to_double(text, &v))
		number_put_double(out, v);
	else
		buf_put_str(out, text);
}
