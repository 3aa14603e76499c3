/*
 * arguments: the command line of the `kith` program, taken apart.
 *
 * Settings come as flags (--data-dir DIR ...), from the environment (KITH_DATA_DIR) and from
 * kith.conf, flags first. Sentences for what is wrong go to standard error.
 */
#ifndef KITH_ARGUMENTS_H
#define KITH_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "node/include/kith.h"

#define ARGUMENTS_WORDS_MAX 4

struct command;

struct arguments {
	const char *program; /* as it was called, for lines that a person copies */
	struct kith_config *config;
	const struct command *command;          /* NULL: none was named */
	const char *words[ARGUMENTS_WORDS_MAX]; /* what is no flag, behind the command */
	size_t n_words;
	const char *recovery; /* --recover CODE, "" to ask, NULL if not given */
	const char *minutes;  /* --expires */
	bool json;
	bool no_qr;
	bool lines; /* --lines, --verify, --explain: of auth and resolve */
	bool verify;
	bool explain;
	bool help;
};

/* What the program can do; tables of them end in one without a name. */
struct command {
	const char *name;
	const char *usage; /* behind `kith name` */
	const char *help;
	const char *flags; /* the flags that are this command's alone, " --a --b " */
	int (*run)(struct arguments *a);
	size_t min_words;
	size_t max_words;
	bool pure; /* it has to do with no node, and so with no setting */
};

/* Reads argv into *a, whose config the caller made, with the settings of the environment and of
 * kith.conf. KITH_OK, KITH_USAGE, or what else a setting's source gave; --version ends the
 * process. Strings of *a point into argv. */
int arguments_read(struct arguments *a, const struct command *commands, char **argv);

/* --help: of the command that was named, or of the program. */
void arguments_help(const struct arguments *a, const struct command *commands);

#endif
