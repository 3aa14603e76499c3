/*
 * main: the commands of the `kith` program, a user of kith.h alone. Exit codes are
 * enum kith_status.
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

#include "node/arguments.h"
#include "node/confine.h"
#include "node/include/kith.h"
#include "node/rules_command.h"

#define PASSWORD_MAX 512

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
static enum kith_status open_or_init(
	struct arguments *a, struct kith **k, struct kith_error *why)
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

/* A command as it must be typed to reach this node. */
static void print_command(const struct arguments *a, const char *label, const char *words)
{
	struct kith_config *plain = kith_config_new();
	const char *dir = kith_config_get(a->config, "data-dir");

	printf("  %-32s %s %s", label, a->program, words);
	if (strcmp(dir, kith_config_get(plain, "data-dir")) != 0)
		printf(" --data-dir '%s'", dir);
	printf("\n");
	kith_config_free(plain);
}

static void greet(const struct arguments *a, struct kith *k)
{
	char *token = kith_owner_token(k);

	printf("kith %s, server name %s\n"
	       "  homeserver URL for your client:  http://%s\n"
	       "  other nodes link to:             %s\n",
		kith_version(), kith_server_name(k), kith_listen_address(k),
		kith_link_address(k));
	if (token) {
		print_command(a, "make the first account:", "register NAME");
		printf("  or in a client, with this registration token: %s\n", token);
	}
	kith_string_free(token);
	print_command(a, "invite a friend:", "invite");
	print_command(a, "accept a friend's invite:", "join INVITE");
	(void)fflush(stdout);
}

/* security.md P3. Not to be had is no reason not to run, but one to say so. */
static void note_confined(bool confined, const char *why)
{
	if (!confined)
		(void)fprintf(stderr, "kith: runs less confined than it could: %s\n", why);
}

/* Opens and starts the node, confined as early as can be: a directory that isn't there yet must
 * be made first. */
static enum kith_status start(struct arguments *a, struct kith **k, struct kith_error *error)
{
	const char *dir = kith_config_get(a->config, "data-dir");
	const char *why = "";
	struct stat st;
	bool is_there = stat(dir, &st) == 0 && S_ISDIR(st.st_mode);
	enum kith_status status;

	if (is_there)
		note_confined(confine_files(dir, &why), why);
	status = open_or_init(a, k, error);
	if (status)
		return status;
	if (!is_there)
		note_confined(confine_files(dir, &why), why);
	status = kith_start(*k, error);
	if (status)
		kith_close(*k);
	else
		note_confined(confine_calls(&why), why);
	return status;
}

static int run_node(struct arguments *a)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct kith_error why = { { 0 } };
	struct kith *k = NULL;
	enum kith_status status;

	kith_config_set_log(a->config, write_log, NULL);
	status = start(a, &k, &why);
	if (status)
		return complain(status, &why);
	running = k;
	(void)sigaction(SIGTERM, &act, NULL);
	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGHUP, &act, NULL);
	greet(a, k);
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

static int recover(struct arguments *a)
{
	struct kith_error why = { { 0 } };
	enum kith_status status;
	char code[128];
	char *name = NULL;

	if (a->recovery[0])
		(void)snprintf(code, sizeof(code), "%s", a->recovery);
	else if (!ask_secret("Recovery code: ", code, sizeof(code))) {
		(void)fputs("kith: no recovery code came on standard input\n", stderr);
		return KITH_USAGE;
	}
	status = kith_init_recover(a->config, code, &name, &why);
	explicit_bzero(code, sizeof(code));
	if (status)
		return complain(status, &why);
	printf("This node is now a device of %s\n", name);
	kith_string_free(name);
	return KITH_OK;
}

static int run_init(struct arguments *a)
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

static int ask_node(struct arguments *a, const char *name, const char *const *words, size_t n,
	char **answer)
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

static void show(const struct arguments *a, const char *name, const char *answer)
{
	char *text = a->json ? NULL : kith_answer_text(name, answer);

	if (text)
		(void)fputs(text, stdout);
	else
		printf("%s\n", answer);
	kith_string_free(text);
}

static int ask_and_show(
	struct arguments *a, const char *name, const char *const *words, size_t n)
{
	char *answer = NULL;
	int status = ask_node(a, name, words, n, &answer);

	if (status == KITH_OK)
		show(a, name, answer);
	kith_string_free(answer);
	return status;
}

static int run_register(struct arguments *a)
{
	char password[PASSWORD_MAX + 2];
	char again[PASSWORD_MAX + 2];
	const char *words[2] = { a->words[0], password };
	int status;

	if (!ask_secret("Password: ", password, sizeof(password))) {
		(void)fputs("kith: no password came on standard input\n", stderr);
		return KITH_USAGE;
	}
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

static int run_invite(struct arguments *a)
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

static int run_join(struct arguments *a)
{
	return ask_and_show(a, "join", a->words, 1);
}

static int run_peers(struct arguments *a)
{
	return ask_and_show(a, "peers", NULL, 0);
}

static int run_status(struct arguments *a)
{
	return ask_and_show(a, "status", NULL, 0);
}

static int run_check(struct arguments *a)
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
	{ "run", "",
		"serve until a signal comes; makes a new node in an empty directory\n\n"
		"Clients reach the node on --listen, other nodes on --link-listen. SIGTERM, "
		"SIGINT\n"
		"and SIGHUP end it in order.",
		"", run_node, 0, 0, false },
	{ "init", "[--recover [CODE]]",
		"make this node's identity, or take it back by its code\n\n"
		"Prints the server name and, this once, the recovery code. --recover makes "
		"this\n"
		"device one of the server whose code it is; without CODE it is asked for.",
		" --recover ", run_init, 0, 0, false },
	{ "register", "NAME",
		"make an account; the password is read from standard input\n\n"
		"NAME is what stands before the colon of the user id: a-z 0-9 . _ = - / +",
		"", run_register, 1, 1, false },
	{ "invite", "[--expires MINUTES] [--no-qr]",
		"print an invite for one friend, and its QR code\n\n"
		"Good once, for 7 days unless --expires says otherwise. The QR code is drawn "
		"on\n"
		"terminals alone.",
		" --expires --no-qr ", run_invite, 0, 0, false },
	{ "join", "INVITE",
		"accept a friend's invite\n\n"
		"Prints the friend's user ids: whom to write to in your client.",
		"", run_join, 1, 1, false },
	{ "peers", "", "list friends, their user ids, and who is linked now", "", run_peers, 0,
		0, false },
	{ "status", "", "what this node is and how it does", "", run_status, 0, 0, false },
	{ "check", "",
		"verify configuration and database\n\n"
		"Prints what is wrong, a line each, and exits with 4 if something is.",
		"", run_check, 0, 0, false },
	{ "auth", "FILE [--lines] [--verify]",
		"say whether an event is allowed by its auth events\n\n"
		"FILE (- is standard input) is JSON: {\"room_version\": \"12\", \"event\": "
		"PDU,\n"
		"\"auth_events\": [PDU, ...]}. With --lines it has a case on each line.",
		" --lines --verify ", rules_command_auth, 1, 1, true },
	{ "resolve", "FILE [--lines] [--verify] [--explain]",
		"resolve states of a room, and say which events are rejected\n\n"
		"FILE (- is standard input) is JSON: {\"room_version\": \"12\", \"events\": "
		"{\"$id\":\n"
		"PDU, ...}, \"state_sets\": [[\"$id\", ...], ...]}. Ids are taken as given, "
		"signatures\n"
		"and hashes checked with --verify alone; \"keys\": {server: {key id: key}} has "
		"the\n"
		"keys of servers without a kith name. --explain says why each event in "
		"conflict won\n"
		"or lost. With --lines FILE has a case on each line.",
		" --lines --verify --explain ", rules_command_resolve, 1, 1, true },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0, false },
};

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
	struct arguments a = { .config = kith_config_new() };
	int status;

	(void)argc;
	harden();
	status = arguments_read(&a, commands, argv);
	if (!status && a.help)
		arguments_help(&a, commands);
	else if (!status)
		status = (a.command ? a.command : commands)->run(&a);
	kith_config_free(a.config);
	return status;
}
