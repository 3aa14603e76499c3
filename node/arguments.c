#include "node/arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Settings given as flags, until the file and the environment, which they go over, were read.
 */
struct flags {
	const char *names[32];
	const char *values[32];
	size_t n;
	const char *conf;
	const char *own[8]; /* flags that belong to some commands alone */
	size_t n_own;
};

static int usage(const char *sentence, const char *what)
{
	(void)fprintf(stderr, "kith: %s %s (kith --help lists them)\n", sentence, what);
	return KITH_USAGE;
}

static int complain(enum kith_status status, const struct kith_error *why)
{
	(void)fprintf(stderr, "kith: %s\n", why->text);
	return (int)status;
}

/* Help ----------------------------------------------------------------------------------- */

static void print_settings(bool all)
{
	struct kith_setting s;

	printf("\nSettings, as flags, as KITH_DATA_DIR and so on in the environment, or as\n"
	       "`data-dir = DIR` lines in kith.conf (in the data directory, or --config "
	       "FILE):\n");
	for (size_t i = 0; kith_config_list(i, &s); i++) {
		if (s.run_only && !all)
			continue;
		printf("  --%s %s\n        %s", s.name, s.values, s.help);
		if (s.preset[0])
			printf(" (%s)", s.preset);
		printf("\n");
	}
	printf("  --config FILE\n        read this file instead\n");
}

static void print_exit_codes(void)
{
	printf("\nExit codes: 0 done, 1 failed, 2 usage, 3 no identity, 4 damaged data,\n"
	       "5 locked by another process, 6 address taken, 7 peer unreachable,\n"
	       "8 exists already, 9 refused.\n");
}

void arguments_help(const struct arguments *a, const struct command *commands)
{
	const struct command *c = a->command;

	if (c) {
		printf("usage: kith %s%s%s [--SETTING VALUE ...]\n\n%s\n", c->name,
			c->usage[0] ? " " : "", c->usage, c->help);
	} else {
		printf("kith: a Matrix homeserver inside your own device\n\n"
		       "usage: kith [COMMAND] [--SETTING VALUE ...]\n\n");
		for (c = commands; c->name; c++)
			printf("  %-8s %.*s\n", c->name, (int)strcspn(c->help, "\n"), c->help);
		printf("\n`kith COMMAND --help` says more; without a command kith runs.\n");
	}
	if (!c->name || !c->pure)
		print_settings(!a->command || a->command == commands);
	if (a->command != commands && !c->pure)
		printf("  --json\n        print answers as JSON\n");
	print_exit_codes();
}

/* Words and flags ------------------------------------------------------------------------ */

static const struct command *find_command(const struct command *commands, const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

/* Flags of every command that are no settings; false if it is none of them. */
static bool common_flag(struct arguments *a, struct flags *f, char **argv, int *i)
{
	const char *flag = argv[*i];

	if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0)
		a->help = true;
	else if (strcmp(flag, "--json") == 0)
		a->json = true;
	else if (strcmp(flag, "--config") == 0 && argv[*i + 1])
		f->conf = argv[++*i];
	else
		return false;
	return true;
}

/* Flags of some commands; false if it is none of them. */
static bool own_flag(struct arguments *a, struct flags *f, char **argv, int *i)
{
	const char *flag = argv[*i];
	const char *next = argv[*i + 1];

	if (strcmp(flag, "--no-qr") == 0) {
		a->no_qr = true;
	} else if (strcmp(flag, "--lines") == 0) {
		a->lines = true;
	} else if (strcmp(flag, "--verify") == 0) {
		a->verify = true;
	} else if (strcmp(flag, "--explain") == 0) {
		a->explain = true;
	} else if (strcmp(flag, "--expires") == 0 && next) {
		a->minutes = next;
		++*i;
	} else if (strcmp(flag, "--recover") == 0) {
		a->recovery = next && next[0] != '-' ? next : "";
		*i += a->recovery == next;
	} else {
		return false;
	}
	if (f->n_own < sizeof(f->own) / sizeof(f->own[0]))
		f->own[f->n_own++] = flag;
	return true;
}

/* `--name value` or `--name=value` */
static int setting_flag(struct arguments *a, struct flags *f, char **argv, int *i)
{
	char *name = argv[*i] + 2;
	char *equals = strchr(name, '=');

	if (equals)
		*equals = '\0';
	if (!kith_config_get(a->config, name))
		return usage("there is no setting named", name);
	if (!equals && !argv[*i + 1])
		return usage("a value is missing behind", name);
	if (f->n == sizeof(f->names) / sizeof(f->names[0]))
		return usage("too many flags, from", name);
	f->names[f->n] = name;
	f->values[f->n++] = equals ? equals + 1 : argv[++*i];
	return KITH_OK;
}

static int read_word(struct arguments *a, const struct command *commands, const char *word)
{
	if (a->command) {
		if (a->n_words == ARGUMENTS_WORDS_MAX)
			return usage("too many words, from", word);
		a->words[a->n_words++] = word;
		return KITH_OK;
	}
	a->command = find_command(commands, word);
	return a->command ? KITH_OK : usage("there is no command named", word);
}

static int read_words(
	struct arguments *a, struct flags *f, const struct command *commands, char **argv)
{
	int status = KITH_OK;

	for (int i = 1; argv[i] && !status; i++) {
		if (strcmp(argv[i], "--version") == 0) {
			printf("kith %s\n", kith_version());
			exit(KITH_OK);
		}
		if (common_flag(a, f, argv, &i) || own_flag(a, f, argv, &i))
			continue;
		if (strncmp(argv[i], "--", 2) == 0)
			status = setting_flag(a, f, argv, &i);
		else
			status = read_word(a, commands, argv[i]);
	}
	return status;
}

/* A flag of another command says that something else was meant. */
static int check_own(const struct arguments *a, const struct flags *f, const struct command *c)
{
	char padded[40];

	for (size_t i = 0; i < f->n_own; i++) {
		(void)snprintf(padded, sizeof(padded), " %s ", f->own[i]);
		if (!strstr(c->flags, padded)) {
			(void)fprintf(stderr,
				"kith: %s does not belong to %s (kith %s --help)\n", f->own[i],
				c->name, c->name);
			return KITH_USAGE;
		}
	}
	if (a->n_words >= c->min_words && a->n_words <= c->max_words)
		return KITH_OK;
	(void)fprintf(stderr, "kith: usage: kith %s%s%s\n", c->name, c->usage[0] ? " " : "",
		c->usage);
	return KITH_USAGE;
}

/* Settings ------------------------------------------------------------------------------- */

static enum kith_status apply_flags(
	struct kith_config *config, const struct flags *f, struct kith_error *why)
{
	enum kith_status status = kith_config_load_env(config, why);

	for (size_t i = 0; i < f->n && !status; i++)
		status = kith_config_set(config, f->names[i], f->values[i], why);
	return status;
}

/* The file lies in the data directory, which flags and the environment name: so those are
 * applied once to find it, and again over it. */
static int read_settings(struct arguments *a, const struct flags *f)
{
	struct kith_error why = { { 0 } };
	enum kith_status status = apply_flags(a->config, f, &why);
	char path[4200];

	(void)snprintf(
		path, sizeof(path), "%s/kith.conf", kith_config_get(a->config, "data-dir"));
	if (!status)
		status = kith_config_load_file(
			a->config, f->conf ? f->conf : path, f->conf != NULL, &why);
	if (!status)
		status = apply_flags(a->config, f, &why);
	return status ? complain(status, &why) : KITH_OK;
}

int arguments_read(struct arguments *a, const struct command *commands, char **argv)
{
	const struct command *c;
	struct flags f = { .n = 0 };
	int status;

	a->program = argv[0] ? argv[0] : "kith";
	status = read_words(a, &f, commands, argv);
	if (status || a->help)
		return status;
	c = a->command ? a->command : commands;
	status = check_own(a, &f, c);
	return status || c->pure ? status : read_settings(a, &f);
}
