/* What a worker may still do behind its sandbox, and what ends it (security.md M3). */
#include "node/media/sandbox.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/cmocka.h"

/* How a process ended that did this behind the sandbox: as waitpid says. */
static int end_of(int (*what)(int fd), int fd)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		sandbox_enter();
		_exit(what(fd));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int work(int fd)
{
	char *p = malloc(1 << 20);
	char c;

	if (!p || read(fd, &c, 1) != 1)
		return 1;
	p[c & 7] = c;
	free(p);
	return write(fd, "b", 1) == 1 ? 42 : 2;
}

static int open_file(int fd)
{
	(void)fd;
	return open("/etc/passwd", O_RDONLY) >= 0;
}

static int make_socket(int fd)
{
	(void)fd;
	return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static int run_program(int fd)
{
	char *const none[] = { NULL };

	(void)fd;
	return execve("/bin/true", none, none);
}

static int kill_parent(int fd)
{
	(void)fd;
	return kill(getppid(), 0);
}

static int wait_for_ever(int fd)
{
	char c;

	return (int)read(fd, &c, 1);
}

static void the_work_itself_goes_on(void **state)
{
	int fds[2];
	char c = 'a';

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[0], &c, 1), 1);
	int status = end_of(work, fds[1]);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(c, 'b');
	close(fds[0]);
	close(fds[1]);
}

static void what_reaches_beyond_it_ends_it(void **state)
{
	int (*const calls[])(int) = { open_file, make_socket, run_program, kill_parent };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int status = end_of(calls[i], -1);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %zu: status %x", i, (unsigned)status);
	}
}

static void one_that_never_ends_is_ended(void **state)
{
	struct timespec began, ended;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	clock_gettime(CLOCK_MONOTONIC, &began);
	int status = end_of(wait_for_ever, fds[0]);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
	assert_in_range(ended.tv_sec - began.tv_sec, SANDBOX_SECONDS - 1, SANDBOX_SECONDS + 3);
	close(fds[0]);
	close(fds[1]);
}

#ifndef __SANITIZE_ADDRESS__ /* whose own memory makes the limit impossible */
static int take_memory(int fd)
{
	size_t n = SANDBOX_MEMORY + (64UL << 20);
	volatile char *p = malloc(n);

	(void)fd;
	if (!p)
		return 7; /* as a decoder sees it: it gives up */
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1;
	return 0;
}

static void memory_has_an_end(void **state)
{
	(void)state;
	int status = end_of(take_memory, -1);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_work_itself_goes_on),
		cmocka_unit_test(what_reaches_beyond_it_ends_it),
		cmocka_unit_test(one_that_never_ends_is_ended),
#ifndef __SANITIZE_ADDRESS__
		cmocka_unit_test(memory_has_an_end),
#endif
	};

	return RUN_TESTS(tests);
}
