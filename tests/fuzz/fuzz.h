/*
 * fuzz: what a target defines. With -Dfuzz=true clang's libFuzzer calls it; else driver.c does,
 * over the files that it is given.
 */
#ifndef KITH_TESTS_FUZZ_H
#define KITH_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program where a property does not hold; unlike assert it says what the input was
 * for. */
#define FUZZ_CHECK(ok) \
	do { \
		if (!(ok)) { \
			(void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok); \
			abort(); \
		} \
	} while (0)

#endif
