#include "node/media/sandbox.h"

#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef __linux__
#	include <linux/audit.h>
#	include <linux/filter.h>
#	include <linux/seccomp.h>
#	include <sys/prctl.h>
#	include <sys/syscall.h>
#endif

#include "node/base/compiler.h"

void sandbox_close_from(int first)
{
	struct rlimit files;
	int end = 65536;

#if defined(__linux__) && defined(SYS_close_range)
	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < (rlim_t)end)
		end = (int)files.rlim_cur;
	for (int fd = first; fd < end; fd++)
		close(fd);
}

static void limit(int what, rlim_t value)
{
	struct rlimit l = { value, value };

	setrlimit((__rlimit_resource_t)what, &l);
}

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#	ifdef __x86_64__
#		define ARCH AUDIT_ARCH_X86_64
#	else
#		define ARCH AUDIT_ARCH_AARCH64
#	endif

#	define LOAD(field) \
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#	define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#	define KILL        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#	define IF_CALL(nr) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (nr), 0, 1), ALLOW

static void filter_calls(void)
{
	struct sock_filter rules[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
		KILL,
		LOAD(nr),
		IF_CALL(SYS_read),
		IF_CALL(SYS_write),
		IF_CALL(SYS_brk),
		IF_CALL(SYS_munmap),
		IF_CALL(SYS_mremap),
		IF_CALL(SYS_madvise),
		IF_CALL(SYS_mprotect), /* malloc grows a heap with it */
		IF_CALL(SYS_futex),
		IF_CALL(SYS_sigaltstack), /* AddressSanitizer, at each longjmp */
		IF_CALL(SYS_rt_sigreturn),
		IF_CALL(SYS_exit),
		IF_CALL(SYS_exit_group),
		/* mmap of memory alone, never of a file */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
		KILL,
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffffU, 0, 1),
		ALLOW,
		KILL,
	};
	struct sock_fprog program = { ARRAY_LEN(rules), rules };

	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

static void filter_calls(void)
{
}

#endif

void sandbox_enter(void)
{
	struct itimerval wall = { .it_value = { .tv_sec = SANDBOX_SECONDS } };

	signal(SIGALRM, SIG_DFL);
	setitimer(ITIMER_REAL, &wall, NULL);
	limit(RLIMIT_CPU, SANDBOX_SECONDS);
	limit(RLIMIT_FSIZE, SANDBOX_FILE);
	limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow alone is terabytes */
	limit(RLIMIT_DATA, SANDBOX_MEMORY);
#endif
#ifdef __linux__
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	filter_calls();
}
