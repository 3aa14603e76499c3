/*
 * main: the command line of kith, a user of kith.h alone.
 *
 * Every command takes the settings as flags (--data-dir DIR ...), from the environment
 * (KITH_DATA_DIR) and from kith.conf, flags first. Exit codes are enum kith_status.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "node/include/kith.h"

#define PASSWORD_MAX 512
#define MAX_WORDS    4

struct args {
	struct kith_config *config;
	const char *words[MAX_WORDS]; /* what is no flag, behind the command */
	size_t n_words;
	const char *recovery; /* --recover CODE, or "" to ask */
	const char *minutes;  /* --expires */
	bool json;
	bool no_qr;
};

struct command {
	const char *name;
	const char *usage; /* behind `kith name` */
	const char *help;
	int (*run)(struct args *a);
	size_t min_words;
	size_t max_words;
};

static int complain(enum kith_status status, const struct kith_error *why)
{
	(void)fprintf(stderr, "kith: %s\n", why->text[0] ? why->text : "failed");
	return (int)status;
}

/* Progress: a dot on the terminal for each second that a command takes. */

static void dot(int sig)
{
	int saved = errno;

	(void)sig;
	if (write(STDERR_FILENO, ".", 1) < 0)
		errno = saved;
	errno = saved;
}

static void progress(bool on)
{
	struct itimerval every = { { 1, 0 }, { 1, 0 } };
	struct sigaction act = { .sa_handler = dot, .sa_flags = SA_RESTART };

	if (!isatty(STDERR_FILENO))
		return;
	if (!on)
		every = (struct itimerval){ 0 };
	(void)sigaction(SIGALRM, &act, NULL);
	(void)setitimer(ITIMER_REAL, &every, NULL);
}

/* kith run ------------------------------------------------------------------------------- */

/* The running node, for the signal handler; set before the handler is installed. */
static struct kith *volatile running;

static void on_signal(int sig)
{
	(void)sig;
	kith_stop(running);
}

static void write_log(void *arg, enum kith_log_level level, const char *line)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];

	(void)arg, (void)level;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)fprintf(stderr, "%s.%03ldZ %s\n", stamp, now.tv_nsec / 1000000, line);
}

static void show_recovery(const char *server_name, const char *recovery)
{
	printf("This node's server name is %s\n"
	       "Its recovery code, shown this once and kept nowhere, is\n\n    %s\n\n"
	       "Write it down: with it a new device becomes this server when this one is "
	       "lost.\n\n",
		server_name, recovery);
}

/* Opens the node, making its identity on the first run. */
static enum kith_status open_or_init(struct args *a, struct kith **k, struct kith_error *why)
{
	enum kith_status status = kith_open(a->config, k, why);
	char *name = NULL;
	char *recovery = NULL;

	if (status != KITH_NO_IDENTITY)
		return status;
	*why = (struct kith_error){ { 0 } };
	status = kith_init(a->config, &name, &recovery, why);
	if (status)
		return status;
	show_recovery(name, recovery);
	kith_string_free(name);
	kith_string_free(recovery);
	return kith_open(a->config, k, why);
}

static void greet(struct kith *k)
{
	char *token = kith_owner_token(k);

	printf("kith %s, server name %s\n"
	       "  homeserver URL for your client:  http://%s\n"
	       "  other nodes link to:             %s\n",
		kith_version(), kith_server_name(k), kith_listen_address(k),
		kith_link_address(k));
	if (token)
		printf("  make the first account:          kith register NAME\n"
		       "  or in a client, with this registration token: %s\n",
			token);
	kith_string_free(token);
	printf("  invite a friend:                 kith invite\n");
	(void)fflush(stdout);
}

static int run_node(struct args *a)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct kith_error why = { { 0 } };
	struct kith *k = NULL;
	enum kith_status status;

	kith_config_set_log(a->config, write_log, NULL);
	status = open_or_init(a, &k, &why);
	if (status)
		return complain(status, &why);
	status = kith_start(k, &why);
	if (status) {
		kith_close(k);
		return complain(status, &why);
	}
	running = k;
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	greet(k);
	kith_run(k);
	act.sa_handler = SIG_IGN; /* a second signal must not find the node gone */
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	kith_close(k);
	return KITH_OK;
}

/* kith init ------------------------------------------------------------------------------ */

/* One line from standard input without its end, unechoed on a terminal; false at its end. */
static bool ask_secret(const char *prompt, char *out, size_t size)
{
	bool tty = isatty(STDIN_FILENO);
	struct termios before;
	bool ok;

	if (tty) {
		struct termios quiet;

		(void)fputs(prompt, stderr);
		(void)tcgetattr(STDIN_FILENO, &before);
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	ok = fgets(out, (int)size, stdin) != NULL;
	if (tty) {
		(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		(void)fputs("\n", stderr);
	}
	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok;
}

static int recover(struct args *a)
{
	struct kith_error why = { { 0 } };
	enum kith_status status;
	char code[128];
	char *name = NULL;

	if (a->recovery[0])
		(void)snprintf(code, sizeof(code), "%s", a->recovery);
	else if (!ask_secret("Recovery code: ", code, sizeof(code)))
		return KITH_USAGE;
	status = kith_init_recover(a->config, code, &name, &why);
	explicit_bzero(code, sizeof(code));
	if (status)
		return complain(status, &why);
	printf("This node is now a device of %s\n", name);
	kith_string_free(name);
	return KITH_OK;
}

static int run_init(struct args *a)
{
	struct kith_error why = { { 0 } };
	char *name = NULL;
	char *recovery = NULL;
	enum kith_status status;

	if (a->recovery)
		return recover(a);
	status = kith_init(a->config, &name, &recovery, &why);
	if (status)
		return complain(status, &why);
	show_recovery(name, recovery);
	kith_string_free(name);
	kith_string_free(recovery);
	return KITH_OK;
}

/* The commands that a running node may do ------------------------------------------------ */

static int ask_node(
	struct args *a, const char *name, const char *const *words, size_t n, char **answer)
{
	struct kith_error why = { { 0 } };
	char *arguments = kith_command_arguments(name, words, n);
	enum kith_status status = KITH_USAGE;

	if (arguments) {
		progress(true);
		status = kith_command(a->config, name, arguments, answer, &why);
		progress(false);
	}
	kith_string_free(arguments);
	return status ? complain(status, &why) : KITH_OK;
}

static void show(const struct args *a, const char *name, const char *answer)
{
	char *text = a->json ? NULL : kith_answer_text(name, answer);

	if (text)
		(void)fputs(text, stdout);
	else
		printf("%s\n", answer);
	kith_string_free(text);
}

static int ask_and_show(struct args *a, const char *name, const char *const *words, size_t n)
{
	char *answer = NULL;
	int status = ask_node(a, name, words, n, &answer);

	if (status == KITH_OK)
		show(a, name, answer);
	kith_string_free(answer);
	return status;
}

static int run_register(struct args *a)
{
	char password[PASSWORD_MAX + 2];
	char again[PASSWORD_MAX + 2];
	const char *words[2] = { a->words[0], password };
	int status;

	if (!ask_secret("Password: ", password, sizeof(password)))
		return KITH_USAGE;
	if (isatty(STDIN_FILENO)) {
		if (!ask_secret("Once more: ", again, sizeof(again)) ||
			strcmp(password, again) != 0) {
			(void)fputs("kith: the passwords differ\n", stderr);
			return KITH_USAGE;
		}
	}
	status = ask_and_show(a, "register", words, 2);
	explicit_bzero(password, sizeof(password));
	explicit_bzero(again, sizeof(again));
	return status;
}

static int run_invite(struct args *a)
{
	char *answer = NULL;
	int status = ask_node(a, "invite", &a->minutes, a->minutes ? 1 : 0, &answer);
	char *text;
	char *qr;

	if (status)
		return status;
	show(a, "invite", answer);
	text = kith_answer_text("invite", answer);
	qr = !a->json && !a->no_qr && isatty(STDOUT_FILENO) && text ? strchr(text, '\n') : NULL;
	if (qr) {
		*qr = '\0';
		qr = kith_qr_text(text);
		printf("\n%s", qr ? qr : "");
		kith_string_free(qr);
	}
	kith_string_free(text);
	kith_string_free(answer);
	return status;
}

static int run_join(struct args *a)
{
	return ask_and_show(a, "join", a->words, 1);
}

static int run_peers(struct args *a)
{
	return ask_and_show(a, "peers", NULL, 0);
}

static int run_status(struct args *a)
{
	return ask_and_show(a, "status", NULL, 0);
}

static int run_check(struct args *a)
{
	char *answer = NULL;
	int status = ask_node(a, "check", NULL, 0, &answer);

	if (status)
		return status;
	show(a, "check", answer);
	if (strstr(answer, "\"ok\":true") == NULL)
		status = KITH_DAMAGED;
	kith_string_free(answer);
	return status;
}

static const struct command commands[] = {
	{ "run", "", "serve until a signal comes; makes a new node in an empty directory",
		run_node, 0, 0 },
	{ "init", "[--recover [CODE]]",
		"make this node's identity, or take it back by its code", run_init, 0, 0 },
	{ "register", "NAME", "make an account; the password is read from standard input",
		run_register, 1, 1 },
	{ "invite", "[--expires MINUTES] [--no-qr]",
		"print an invite for one friend, and its QR code", run_invite, 0, 0 },
	{ "join", "INVITE", "accept a friend's invite", run_join, 1, 1 },
	{ "peers", "", "list friends, their user ids, and who is linked now", run_peers, 0, 0 },
	{ "status", "", "what this node is and how it does", run_status, 0, 0 },
	{ "check", "", "verify configuration and database", run_check, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 },
};

/* The command line ----------------------------------------------------------------------- */

static void print_settings(void)
{
	struct kith_setting s;

	printf("\nSettings, as flags, as KITH_DATA_DIR and so on in the environment, or as\n"
	       "`data-dir = DIR` lines in kith.conf (in the data directory, or --config "
	       "FILE):\n");
	for (size_t i = 0; kith_config_list(i, &s); i++) {
		printf("  --%s %s\n        %s", s.name, s.values, s.help);
		if (s.preset[0])
			printf(" (%s)", s.preset);
		printf("\n");
	}
	printf("  --config FILE\n        read this file instead\n"
	       "  --json\n        print answers as JSON\n");
}

static int print_help(const struct command *c)
{
	if (c) {
		printf("kith %s %s\n    %s\n", c->name, c->usage, c->help);
	} else {
		printf("kith: a Matrix homeserver inside your own device\n\n"
		       "usage: kith [COMMAND] [--SETTING VALUE ...]\n\n");
		for (c = commands; c->name; c++)
			printf("  %-8s %s\n", c->name, c->help);
		printf("\n`kith COMMAND --help` says more. Exit codes: 0 done, 1 failed, 2 "
		       "usage,\n"
		       "3 no identity, 4 damaged data, 5 locked by another process, 6 address "
		       "taken,\n"
		       "7 peer unreachable, 8 exists already, 9 refused.\n");
	}
	print_settings();
	return KITH_OK;
}

static int usage(const char *sentence, const char *what)
{
	(void)fprintf(stderr, "kith: %s %s (kith --help lists them)\n", sentence, what);
	return KITH_USAGE;
}

static const struct command *find_command(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

/* Settings given as flags, until the file and the environment, which they go over, were read.
 */
struct flags {
	const char *names[32];
	const char *values[32];
	size_t n;
	const char *conf;
	bool help;
};

/* Flags that are no settings; false if it is none of them. */
static bool own_flag(struct args *a, struct flags *f, char **argv, int *i)
{
	const char *flag = argv[*i] + 2;

	if (strcmp(flag, "help") == 0) {
		f->help = true;
	} else if (strcmp(flag, "json") == 0) {
		a->json = true;
	} else if (strcmp(flag, "no-qr") == 0) {
		a->no_qr = true;
	} else if (strcmp(flag, "recover") == 0) {
		bool given = argv[*i + 1] && argv[*i + 1][0] != '-';

		a->recovery = given ? argv[++*i] : "";
	} else if (strcmp(flag, "expires") == 0 && argv[*i + 1]) {
		a->minutes = argv[++*i];
	} else if (strcmp(flag, "config") == 0 && argv[*i + 1]) {
		f->conf = argv[++*i];
	} else {
		return false;
	}
	return true;
}

/* `--name value` or `--name=value` */
static int setting_flag(struct args *a, struct flags *f, char **argv, int *i)
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

static int read_words(struct args *a, struct flags *f, char **argv, const struct command **c)
{
	int status = KITH_OK;

	for (int i = 1; argv[i] && !status; i++) {
		if (strcmp(argv[i], "-h") == 0) {
			f->help = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("kith %s\n", kith_version());
			exit(KITH_OK);
		} else if (strncmp(argv[i], "--", 2) == 0) {
			if (!own_flag(a, f, argv, &i))
				status = setting_flag(a, f, argv, &i);
		} else if (!*c) {
			*c = find_command(argv[i]);
			if (!*c)
				return usage("there is no command named", argv[i]);
		} else if (a->n_words == MAX_WORDS) {
			return usage("too many words, from", argv[i]);
		} else {
			a->words[a->n_words++] = argv[i];
		}
	}
	return status;
}

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
static int read_settings(struct args *a, const struct flags *f)
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

/* security.md K1, K2: nothing we make is for other users, nothing secret is dumped. */
static void harden(void)
{
	struct rlimit none = { 0, 0 };
	struct rlimit files;

	(void)umask(077);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 16384) {
		files.rlim_cur = files.rlim_max < 16384 ? files.rlim_max : 16384;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct args a = { .config = kith_config_new() };
	const struct command *c = NULL;
	struct flags f = { .n = 0 };
	int status;

	(void)argc;
	harden();
	status = read_words(&a, &f, argv, &c);
	if (!status && f.help) {
		status = print_help(c);
	} else if (!status) {
		status = read_settings(&a, &f);
		if (!c)
			c = &commands[0];
		if (!status && (a.n_words < c->min_words || a.n_words > c->max_words))
			status = usage("wrong number of words for", c->name);
		if (!status)
			status = c->run(&a);
	}
	kith_config_free(a.config);
	return status;
}
