#include "transport/wire.h"

#include "tests/support/cmocka.h"

static void varints_have_one_form(void **state)
{
	static const struct {
		struct str bytes;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ STR_INIT("\x00"), true, 0 },
		{ STR_INIT("\x7f"), true, 127 },
		{ STR_INIT("\x80\x01"), true, 128 },
		{ STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, UINT64_MAX },
		{ STR_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), false, 0 },
		{ STR_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), false, 0 },
		{ STR_INIT("\x80\x00"), false, 0 },
		{ STR_INIT("\x80"), false, 0 },
		{ STR_INIT(""), false, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire w = wire_of(cases[i].bytes);

		assert_true(wire_varint(&w) == cases[i].value);
		assert_int_equal(wire_done(&w), cases[i].ok);
	}
}

static void what_is_written_is_read(void **state)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };

	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t v = UINT64_C(1) << bit;
		struct wire w;

		buf_clear(&b);
		wire_put_varint(&b, v);
		assert_int_equal(b.n, wire_varint_len(v));
		w = wire_of(buf_str(&b));
		assert_true(wire_varint(&w) == v);
		assert_true(wire_done(&w));
	}
}

static void unknown_tlvs_are_skipped_or_refused_by_their_high_bit(void **state)
{
	struct wire w = wire_of(STR("\x03\x01x\x01\x02ok\x40\x00"));
	struct str value;
	uint8_t type;

	assert_true(wire_tlv(&w, 1u << 1, &type, &value));
	assert_int_equal(type, 1);
	assert_str_equal(value, "ok");
	assert_false(wire_tlv(&w, 1u << 1, &type, &value));
	assert_true(wire_done(&w));

	w = wire_of(STR("\x83\x01x"));
	assert_false(wire_tlv(&w, 1u << 1, &type, &value));
	assert_false(wire_done(&w));

	w = wire_of(STR("\x01\x05x"));
	assert_false(wire_tlv(&w, 1u << 1, &type, &value));
	assert_false(wire_done(&w));
}

static void a_short_input_reads_as_zeros_and_is_bad(void **state)
{
	struct wire w = wire_of(STR("\x01"));
	unsigned char out[4] = { 9, 9, 9, 9 };

	assert_int_equal(wire_u32(&w), 0);
	wire_copy(&w, out, sizeof(out));
	assert_memory_equal(out, "\0\0\0\0", 4);
	assert_int_equal(wire_u8(&w), 0);
	assert_false(wire_done(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_have_one_form),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(unknown_tlvs_are_skipped_or_refused_by_their_high_bit),
		cmocka_unit_test(a_short_input_reads_as_zeros_and_is_bad),
	};

	return RUN_TESTS(tests);
}
