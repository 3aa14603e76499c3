/* What the program may still do once it is confined, and what ends it (security.md P3). */
#include "node/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

#define CANNOT 99 /* a kernel that has no such thing: nothing to see */

static char dir[] = "/tmp/kith-confine-XXXXXX";

/* How a confined process ended that did this: as waitpid says. */
static int end_of(int (*what)(void))
{
	const char *why;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!confine_files(dir, &why) || !confine_calls(&why))
			_exit(CANNOT);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int may(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void *in_thread(void *arg)
{
	*(int *)arg = 42;
	return NULL;
}

static int work(void)
{
	char a[64], sub[64], b[80];
	pthread_t t;
	int n = 0;

	(void)snprintf(a, sizeof(a), "%s/a", dir);
	(void)snprintf(sub, sizeof(sub), "%s/sub", dir);
	(void)snprintf(b, sizeof(b), "%s/b", sub);
	if (may(a, O_CREAT | O_RDWR) || mkdir(sub, 0700) || rename(a, b) || may(b, O_RDWR) ||
		unlink(b))
		return 1;
	if (may("/etc/passwd", O_RDONLY) || may("/dev/urandom", O_RDONLY))
		return 2;
	if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_UNIX, SOCK_STREAM, 0) < 0)
		return 3;
	if (pthread_create(&t, NULL, in_thread, &n) || pthread_join(t, NULL) || n != 42)
		return 4;
	return 0;
}

static int files_beyond(void)
{
	if (may("/etc/kith-confine-test", O_CREAT | O_RDWR) != EACCES ||
		may("/tmp/kith-confine-test", O_CREAT | O_RDWR) != EACCES)
		return 1;
	if (may("/etc/passwd", O_RDWR) != EACCES || may("/root", O_RDONLY) != EACCES ||
		may("/home", O_RDONLY) != EACCES)
		return 2;
	return 0;
}

static int strange_calls(void)
{
	if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT)
		return 1;
	if (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != ENOSYS)
		return 2;
	return 0;
}

static int run_program(void)
{
	char *const none[] = { NULL };

	return execve("/bin/true", none, none);
}

static int become_nobody(void)
{
	return setuid(65534);
}

static int leave_the_namespace(void)
{
	return (int)syscall(SYS_unshare, 0x10000000);
}

static int look_into_another(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
}

#ifndef __SANITIZE_ADDRESS__
static int new_process(void)
{
	return (int)fork();
}

static int trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
#endif

static bool ended_with(int status, int code)
{
	return WIFEXITED(status) &&
		(WEXITSTATUS(status) == code || WEXITSTATUS(status) == CANNOT);
}

static void what_a_server_needs_goes_on(void **state)
{
	int status = end_of(work);

	(void)state;
	if (!ended_with(status, 0))
		fail_msg("status %x", (unsigned)status);
}

static void the_rest_of_the_disk_is_out_of_reach(void **state)
{
	int status = end_of(files_beyond);

	(void)state;
	if (!ended_with(status, 0))
		fail_msg("status %x", (unsigned)status);
}

static void what_we_never_ask_for_is_refused(void **state)
{
	int status = end_of(strange_calls);

	(void)state;
	if (!ended_with(status, 0))
		fail_msg("status %x", (unsigned)status);
}

static void what_nobody_but_an_intruder_asks_for_ends_the_process(void **state)
{
	static int (*const calls[])(void) = {
		run_program, become_nobody, leave_the_namespace, look_into_another,
#ifndef __SANITIZE_ADDRESS__
		new_process, trace
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int status = end_of(calls[i]);

		if (ended_with(status, CANNOT))
			return;
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %zu: status %x", i, (unsigned)status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_server_needs_goes_on),
		cmocka_unit_test(the_rest_of_the_disk_is_out_of_reach),
		cmocka_unit_test(what_we_never_ask_for_is_refused),
		cmocka_unit_test(what_nobody_but_an_intruder_asks_for_ends_the_process),
	};
	char sub[64];
	int status;

	if (!mkdtemp(dir))
		return 1;
	status = RUN_TESTS(tests);
	(void)snprintf(sub, sizeof(sub), "%s/sub", dir);
	(void)rmdir(sub);
	(void)rmdir(dir);
	return status;
}
