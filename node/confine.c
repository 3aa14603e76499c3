#include "node/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#	include <linux/audit.h>
#	include <linux/filter.h>
#	include <linux/sched.h>
#	include <linux/seccomp.h>
#	include <sys/prctl.h>
#	include <sys/syscall.h>
#endif

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))

#	define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* --- files: Landlock ---------------------------------------------------------------------- */

/* The kernel's interface, from its first version on: headers of before know less of it. */
#	ifndef SYS_landlock_create_ruleset
#		define SYS_landlock_create_ruleset 444
#		define SYS_landlock_add_rule       445
#		define SYS_landlock_restrict_self  446
#	endif

#	define RULE_PATH      1
#	define GIVE_VERSION   1U
#	define MAY_EXECUTE    (1ULL << 0)
#	define MAY_READ       (1ULL << 2 | 1ULL << 3) /* files and directories */
#	define RIGHTS_FIRST   ((1ULL << 13) - 1)
#	define RIGHT_REFER    (1ULL << 13) /* renaming from one directory to another */
#	define RIGHT_TRUNCATE (1ULL << 14)

struct ruleset {
	uint64_t rights;
};

struct path_rule {
	uint64_t rights;
	int32_t dir;
} __attribute__((packed));

/* What the C library, OpenSSL and name resolution read, and the loader maps. */
static const char *const readable[] = {
	"/etc",
	"/usr",
	"/lib",
	"/lib64",
	"/bin",
	"/nix",
	"/run/systemd",
	"/run/NetworkManager",
	"/run/resolvconf",
	"/dev/urandom",
	"/dev/random",
	"/dev/null",
#	ifdef __SANITIZE_ADDRESS__ /* its report reads the memory map */
	"/proc",
#	endif
};

/* A path that isn't there needs no rule. */
static bool allow(int ruleset, const char *path, uint64_t rights)
{
	struct path_rule rule = { .rights = rights };
	int dir = open(path, O_PATH | O_CLOEXEC);
	bool ok;

	if (dir < 0)
		return false;
	rule.dir = dir;
	ok = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) == 0;
	close(dir);
	return ok;
}

/* Of a file only what files have. */
static void allow_reading(int ruleset, const char *path)
{
	if (!allow(ruleset, path, MAY_READ))
		(void)allow(ruleset, path, 1ULL << 2);
}

bool confine_files(const char *data_dir, const char **why)
{
	struct ruleset all = { RIGHTS_FIRST };
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GIVE_VERSION);
	bool ok;
	int fd;

	*why = "this kernel has no Landlock";
	if (version < 1)
		return false;
	if (version >= 2)
		all.rights |= RIGHT_REFER;
	if (version >= 3)
		all.rights |= RIGHT_TRUNCATE;
	fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0)
		return false;
	*why = "the data directory can't be named to Landlock";
	ok = allow(fd, data_dir, all.rights & ~MAY_EXECUTE);
	for (size_t i = 0; i < LENGTH(readable); i++)
		allow_reading(fd, readable[i]);
	if (ok) {
		*why = "Landlock refused the rules";
		ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
			syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	}
	close(fd);
	return ok;
}

/* --- calls: seccomp ------------------------------------------------------------------------
 */

/* What no server does: whoever asks for it is not us any more. */
static const unsigned deadly[] = {
	SYS_execve,
	SYS_execveat,
#	ifndef __SANITIZE_ADDRESS__ /* looks for leaks with it */
	SYS_ptrace,
#	endif
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_bpf,
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_setns,
	SYS_unshare,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_kexec_load,
	SYS_reboot,
	SYS_swapon,
	SYS_swapoff,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_open_by_handle_at,
	SYS_setuid,
	SYS_setgid,
	SYS_setreuid,
	SYS_setregid,
	SYS_setresuid,
	SYS_setresgid,
	SYS_setgroups,
	SYS_clock_settime,
	SYS_settimeofday,
	SYS_sethostname,
	SYS_quotactl,
	SYS_acct,
#	ifdef __x86_64__
	SYS_iopl,
	SYS_ioperm,
	SYS_modify_ldt,
#	endif
};

static const unsigned usual[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_preadv,
	SYS_pwritev,
	SYS_openat,
	SYS_close,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_lseek,
	SYS_faccessat,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_mkdirat,
	SYS_unlinkat,
	SYS_renameat,
	SYS_renameat2,
	SYS_linkat,
	SYS_fchmod,
	SYS_fchown,
	SYS_fchmodat,
	SYS_umask,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_fadvise64,
	SYS_fsync,
	SYS_fdatasync,
	SYS_sync_file_range,
	SYS_io_setup,
	SYS_io_submit,
	SYS_io_getevents,
	SYS_io_destroy,
	SYS_utimensat,
	SYS_statfs,
	SYS_fstatfs,
	SYS_copy_file_range,
	SYS_sendfile,
	SYS_fcntl,
	SYS_flock,
	SYS_dup,
	SYS_dup3,
	SYS_pipe2,
	SYS_eventfd2,
	SYS_timerfd_create,
	SYS_timerfd_settime,
	SYS_timerfd_gettime,
	SYS_signalfd4,
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_ppoll,
	SYS_pselect6,
	SYS_socketpair,
	SYS_bind,
	SYS_listen,
	SYS_accept,
	SYS_accept4,
	SYS_connect,
	SYS_getsockname,
	SYS_getpeername,
	SYS_setsockopt,
	SYS_getsockopt,
	SYS_sendto,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_recvmsg,
	SYS_sendmmsg,
	SYS_recvmmsg,
	SYS_shutdown,
	SYS_ioctl,
	SYS_mmap,
	SYS_munmap,
	SYS_mremap,
	SYS_mprotect,
	SYS_madvise,
	SYS_msync,
	SYS_mincore,
	SYS_mlock,
	SYS_mlock2,
	SYS_munlock,
	SYS_brk,
	SYS_membarrier,
	SYS_futex,
	SYS_set_robust_list,
	SYS_get_robust_list,
	SYS_set_tid_address,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_sched_getparam,
	SYS_sched_getscheduler,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	SYS_clock_gettime,
	SYS_clock_getres,
	SYS_gettimeofday,
	SYS_times,
	SYS_getrusage,
	SYS_getrlimit,
	SYS_setrlimit,
	SYS_prlimit64,
	SYS_sysinfo,
	SYS_uname,
	SYS_getcwd,
	SYS_getpid,
	SYS_gettid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_getgroups,
	SYS_getpgid,
	SYS_getsid,
	SYS_prctl,
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_rt_sigpending,
	SYS_rt_sigtimedwait,
	SYS_rt_sigsuspend,
	SYS_sigaltstack,
	SYS_kill,
	SYS_tkill,
	SYS_tgkill,
	SYS_wait4,
	SYS_waitid,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
	SYS_getrandom,
#	ifdef SYS_rseq
	SYS_rseq,
#	endif
#	ifdef SYS_close_range
	SYS_close_range,
#	endif
#	ifdef SYS_faccessat2
	SYS_faccessat2,
#	endif
#	ifdef SYS_openat2
	SYS_openat2,
#	endif
#	ifdef SYS_epoll_pwait2
	SYS_epoll_pwait2,
#	endif
#	ifdef SYS_futex_waitv
	SYS_futex_waitv,
#	endif
#	ifdef __x86_64__ /* the older names of some */
	SYS_open,
	SYS_stat,
	SYS_lstat,
	SYS_access,
	SYS_readlink,
	SYS_mkdir,
	SYS_rmdir,
	SYS_unlink,
	SYS_rename,
	SYS_link,
	SYS_chmod,
	SYS_dup2,
	SYS_pipe,
	SYS_eventfd,
	SYS_epoll_create,
	SYS_epoll_wait,
	SYS_poll,
	SYS_select,
	SYS_time,
	SYS_getpgrp,
	SYS_arch_prctl,
#	endif
#	ifdef __SANITIZE_ADDRESS__
	SYS_ptrace,
	SYS_clone,
#		ifdef __x86_64__
	SYS_getdents,
#		endif
#	endif
};

#	ifdef __x86_64__
#		define ARCH AUDIT_ARCH_X86_64
#	else
#		define ARCH AUDIT_ARCH_AARCH64
#	endif

struct program {
	struct sock_filter ops[2 * (LENGTH(deadly) + LENGTH(usual)) + 32];
	unsigned short n;
};

static void op(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->ops[p->n++] = (struct sock_filter){ code, yes, no, k };
}

static void answer(struct program *p, uint32_t what)
{
	op(p, BPF_RET | BPF_K, what, 0, 0);
}

static void load(struct program *p, size_t offset)
{
	op(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void on_call(struct program *p, unsigned nr, uint32_t what)
{
	op(p, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1);
	answer(p, what);
}

/* A new thread may be, a new process not. */
static void on_clone(struct program *p)
{
	op(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4);
	load(p, offsetof(struct seccomp_data, args[0]));
	op(p, BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1);
	answer(p, SECCOMP_RET_ALLOW);
	answer(p, SECCOMP_RET_KILL_PROCESS);
}

/* Sockets of the families that we speak; the netlink one tells addresses (getaddrinfo). */
static void on_socket(struct program *p)
{
	static const unsigned families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };

	op(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 2 * LENGTH(families) + 2);
	load(p, offsetof(struct seccomp_data, args[0]));
	for (size_t i = 0; i < LENGTH(families); i++)
		on_call(p, families[i], SECCOMP_RET_ALLOW);
	answer(p, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}

bool confine_calls(const char **why)
{
	struct program p = { .n = 0 };
	struct sock_fprog filter = { .filter = p.ops };

	load(&p, offsetof(struct seccomp_data, arch));
	op(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	answer(&p, SECCOMP_RET_KILL_PROCESS);
	load(&p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < LENGTH(usual); i++)
		on_call(&p, usual[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < LENGTH(deadly); i++)
		on_call(&p, deadly[i], SECCOMP_RET_KILL_PROCESS);
	on_clone(&p);
	on_socket(&p);
	answer(&p, SECCOMP_RET_ERRNO | ENOSYS);
	filter.len = p.n;
	*why = "this kernel takes no filter of calls (seccomp)";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			&filter) == 0;
}

#else

bool confine_files(const char *data_dir, const char **why)
{
	(void)data_dir;
	*why = "there is no Landlock on this system";
	return false;
}

bool confine_calls(const char **why)
{
	*why = "there is no seccomp on this system";
	return false;
}

#endif
