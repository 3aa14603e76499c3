#include "node/rules_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	FILE *file;
	char *text; /* owned: the last thing read */
	size_t cap;
	size_t n;
};

static bool read_line(struct input *in)
{
	ssize_t n = getline(&in->text, &in->cap, in->file);

	in->n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool read_whole(struct input *in)
{
	ssize_t n = getdelim(&in->text, &in->cap, '\0', in->file); /* JSON has no NUL */

	in->n = n > 0 ? (size_t)n : 0;
	return n >= 0;
}

static bool is_blank(const struct input *in)
{
	return strspn(in->text, " \t\r\n") >= in->n;
}

/* A sentence as a JSON string. */
static void print_error(const char *text)
{
	printf("{\"error\":\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < ' ')
			printf("\\u%04x", (unsigned char)*text);
		else
			(void)putchar(*text);
	}
	printf("\"}\n");
}

static int answer_one(const struct arguments *a, const char *name, const struct input *in)
{
	int flags = (a->verify ? KITH_RULES_VERIFY : 0) | (a->explain ? KITH_RULES_EXPLAIN : 0);
	struct kith_error why = { { 0 } };
	char *answer = NULL;
	enum kith_status status = kith_rules(name, in->text, in->n, flags, &answer, &why);

	if (status == KITH_OK)
		printf("%s\n", answer);
	else if (a->lines)
		print_error(why.text);
	else
		(void)fprintf(stderr, "kith: %s: %s\n", a->words[0], why.text);
	(void)fflush(stdout); /* who asks line by line waits for it */
	kith_string_free(answer);
	return (int)status;
}

static int answer_all(const struct arguments *a, const char *name, struct input *in)
{
	int status = KITH_OK;

	if (!a->lines && read_whole(in))
		return answer_one(a, name, in);
	while (a->lines && read_line(in)) {
		if (!is_blank(in) && answer_one(a, name, in) != KITH_OK)
			status = KITH_USAGE;
	}
	if (!ferror(in->file) && a->lines)
		return status;
	(void)fprintf(stderr, "kith: %s: %s\n", a->words[0],
		ferror(in->file) ? strerror(errno) : "it is empty");
	return ferror(in->file) ? KITH_ERROR : KITH_USAGE;
}

static int run(const struct arguments *a, const char *name)
{
	bool standard = strcmp(a->words[0], "-") == 0;
	struct input in = { .file = standard ? stdin : fopen(a->words[0], "re") };
	int status;

	if (!in.file) {
		(void)fprintf(stderr, "kith: %s: %s\n", a->words[0], strerror(errno));
		return KITH_USAGE;
	}
	status = answer_all(a, name, &in);
	free(in.text);
	if (!standard)
		(void)fclose(in.file);
	return status;
}

int rules_command_auth(struct arguments *a)
{
	return run(a, "auth");
}

int rules_command_resolve(struct arguments *a)
{
	return run(a, "resolve");
}
