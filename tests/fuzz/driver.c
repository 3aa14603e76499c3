/*
 * driver: runs a fuzz target over corpora with any compiler.
 *
 * usage: fuzz_x DIR_OR_FILE... Each file is given as it is, then cut short and with single
 * bytes changed at places that depend on its content alone, so that a run can be repeated.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/base/buf.h"

/* Exactly n bytes on the heap, so that a sanitizer sees every read behind them. */
static void run(const char *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void run_variants(struct buf *b)
{
	static const unsigned char values[] = { 0, '"', '{', '9', 0xff, 0x80 };
	size_t step = b->n / 40 + 1;

	run(b->p, b->n);
	for (size_t i = 0; i < b->n; i += step) {
		char was = b->p[i];

		run(b->p, i);
		b->p[i] = (char)values[i % sizeof(values)];
		run(b->p, b->n);
		b->p[i] = was;
	}
}

static int run_file(const char *path)
{
	CLEANUP(buf_deinit) struct buf b = { 0 };
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f) {
		perror(path);
		return 1;
	}
	do {
		n = fread(buf_reserve(&b, 65536), 1, 65536, f);
		b.n += n;
	} while (n);
	(void)fclose(f);
	run_variants(&b);
	return 0;
}

static int run_dir(const char *path)
{
	DIR *dir = opendir(path);
	int bad = 0;

	if (!dir) {
		perror(path);
		return 1;
	}
	for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
		char file[1024];

		if (d->d_name[0] == '.')
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
		bad |= run_file(file);
	}
	(void)closedir(dir);
	return bad;
}

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			bad |= run_dir(argv[i]);
		else
			bad |= run_file(argv[i]);
	}
	return bad;
}
