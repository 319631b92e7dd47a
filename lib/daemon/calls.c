/* SPDX-License-Identifier: ISC */
#include "daemon/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/str.h"
#include "daemon/rights.h"

#define YES(name)                                                              \
	{                                                                      \
		SCMP_SYS(name), ANY_ARGS, 0, 0                                 \
	}
#define IF(name, argument, value)                                              \
	{                                                                      \
		SCMP_SYS(name), ARG_IS, argument, value                        \
	}
#define UNLESS(name, argument, bits)                                           \
	{                                                                      \
		SCMP_SYS(name), ARG_LACKS, argument, bits                      \
	}

/* clang-format off */

/* Everybody: the C library, libevent, OpenSSL, malloc, the log, sockets that
 * are there already, and new ones of the house. */
static const struct call base[] = {
	/* octets */
	YES(read), YES(readv), YES(pread64), YES(write), YES(writev),
	YES(lseek), YES(close), YES(close_range), YES(dup), YES(dup2),
	YES(dup3), YES(pipe2), YES(fstat), YES(fstatfs),
	IF(fcntl, 1, F_DUPFD), IF(fcntl, 1, F_DUPFD_CLOEXEC),
	IF(fcntl, 1, F_GETFD), IF(fcntl, 1, F_SETFD), IF(fcntl, 1, F_GETFL),
	IF(fcntl, 1, F_SETFL), IF(fcntl, 1, F_OFD_SETLK),
	IF(fcntl, 1, F_OFD_GETLK), IF(fcntl, 1, F_GET_SEALS),
	IF(ioctl, 1, FIONREAD), IF(ioctl, 1, FIONBIO), IF(ioctl, 1, TIOCOUTQ),
	IF(ioctl, 1, TCGETS),
	/* Of a descriptor it is fstat's way, and a jail has no names. */
	YES(newfstatat), YES(statx),
	/* sockets */
	IF(socket, 0, AF_UNIX), IF(socketpair, 0, AF_UNIX),
	YES(connect), YES(accept), YES(accept4), YES(shutdown),
	YES(getsockname), YES(getpeername), YES(getsockopt), YES(setsockopt),
	YES(recvfrom), YES(recvmsg), YES(recvmmsg), YES(sendto), YES(sendmsg),
	YES(sendmmsg),
	/* waiting */
	YES(poll), YES(ppoll), YES(select), YES(pselect6),
	YES(epoll_create1), YES(epoll_ctl), YES(epoll_wait), YES(epoll_pwait),
	YES(epoll_pwait2), YES(eventfd2), YES(signalfd4),
	YES(timerfd_create), YES(timerfd_settime), YES(timerfd_gettime),
	YES(futex), YES(futex_waitv), YES(restart_syscall), YES(sched_yield),
	YES(nanosleep), YES(clock_nanosleep),
	/* memory, none of it code */
	UNLESS(mmap, 2, PROT_EXEC), UNLESS(mprotect, 2, PROT_EXEC),
	YES(munmap), YES(mremap), YES(madvise), YES(brk), YES(mlock),
	YES(munlock), YES(membarrier),
	/* time, chance, and who one is */
	YES(clock_gettime), YES(clock_getres), YES(gettimeofday), YES(time),
	YES(times), YES(getrusage), YES(getrandom), YES(uname),
	YES(getpid), YES(getppid), YES(gettid), YES(getpgrp), YES(getpgid),
	YES(getuid), YES(geteuid), YES(getgid), YES(getegid),
	YES(getresuid), YES(getresgid), YES(getgroups),
	YES(sched_getaffinity), YES(getcpu), YES(sysinfo), YES(umask),
	YES(getrlimit), IF(prlimit64, 2, 0),
	/* signals, to nobody else: tgkill is in seccomp.c */
	YES(rt_sigaction), YES(rt_sigprocmask), YES(rt_sigreturn),
	YES(rt_sigpending), YES(rt_sigtimedwait), YES(rt_sigsuspend),
	YES(sigaltstack), YES(setitimer), YES(alarm),
	IF(prctl, 0, PR_SET_PDEATHSIG), IF(prctl, 0, PR_SET_NAME),
	IF(prctl, 0, PR_GET_NAME), IF(prctl, 0, PR_GET_DUMPABLE),
	IF(prctl, 0, PR_SET_NO_NEW_PRIVS), IF(prctl, 0, PR_SET_VMA),
	YES(set_robust_list), YES(rseq),
	YES(exit), YES(exit_group),
};

static const struct call reading[] = {
	YES(openat), YES(open), YES(getdents64), YES(access), YES(faccessat),
	YES(faccessat2), YES(readlink), YES(readlinkat), YES(stat),
	YES(lstat), YES(getcwd), YES(flock), YES(fadvise64), YES(readahead),
	YES(sendfile), YES(statfs), YES(landlock_create_ruleset),
	YES(landlock_add_rule), YES(landlock_restrict_self),
	IF(fcntl, 1, F_GETLK), IF(fcntl, 1, F_SETLK), IF(fcntl, 1, F_SETLKW),
	IF(fcntl, 1, F_OFD_SETLKW),
};

static const struct call writing[] = {
	YES(pwrite64), YES(pwritev), YES(pwritev2), YES(preadv), YES(preadv2),
	YES(ftruncate), YES(truncate), YES(fallocate), YES(fsync),
	YES(fdatasync), YES(sync_file_range), YES(syncfs), YES(msync),
	YES(copy_file_range), YES(splice),
	YES(rename), YES(renameat), YES(renameat2), YES(link), YES(linkat),
	YES(unlink), YES(unlinkat), YES(rmdir), YES(mkdir), YES(mkdirat),
	YES(fchmod), YES(fchmodat), YES(utimensat),
	IF(ioctl, 1, FICLONE), IF(ioctl, 1, FICLONERANGE),
	YES(getpriority), IF(setpriority, 0, 0), IF(ioprio_set, 0, 1),
};

/* Addresses cannot be told apart here; Landlock keeps to ports. Netlink tells
 * which interfaces and addresses this host has. */
static const struct call resolving[] = {
	IF(socket, 0, AF_INET), IF(socket, 0, AF_INET6),
	IF(socket, 0, AF_NETLINK), YES(bind),
};

/* As the C library forks: no thread, no memory shared, and no namespace. */
static const struct call forking[] = {
	IF(clone, 0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD),
	YES(fork), YES(wait4), YES(waitid), YES(fchdir),
	IF(setpgid, 0, 0), YES(setrlimit), IF(prlimit64, 0, 0),
};

/* As the C library makes threads. */
static const struct call threading[] = {
	IF(clone, 0,
	    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |
		CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |
		CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID),
	YES(sched_getparam), YES(sched_getscheduler),
	YES(sched_get_priority_min), YES(sched_get_priority_max),
	YES(set_tid_address),
};

static const struct call compiling[] = {
	YES(mmap), YES(mprotect),
};

/* The dynamic linker maps code from files; nothing is writable and code. */
static const struct call loading[] = {
	UNLESS(mmap, 2, PROT_WRITE), UNLESS(mprotect, 2, PROT_EXEC),
	/* libcap, which modules of the name service link, as it is loaded */
	IF(prctl, 0, PR_CAPBSET_READ),
};

static const struct call reaching[] = {
	YES(fchdir),
};

#ifdef __SANITIZE_ADDRESS__
/* What the sanitizers do to report a bug. */
static const struct call sanitizing[] = {
	YES(mmap), YES(mprotect), YES(openat), YES(open), YES(readlink),
	YES(getcwd), YES(sched_getscheduler), YES(getrlimit), YES(access),
};
#endif

#define SET(may, calls) {may, calls, ARRAY_LEN(calls)}
const struct call_set call_sets[] = {
	SET(0, base),
	SET(MAY_READ, reading),
	SET(MAY_WRITE, writing),
	SET(MAY_RESOLVE | MAY_CONNECT, resolving),
	SET(MAY_FORK, forking),
	SET(MAY_THREAD, threading),
	SET(MAY_COMPILE, compiling),
	SET(MAY_LOAD, loading),
	SET(MAY_REACH, reaching),
#ifdef __SANITIZE_ADDRESS__
	SET(0, sanitizing),
#endif
};
const unsigned call_set_count = ARRAY_LEN(call_sets);

/* What who has broken in would like, and no daemon needs: other programs,
 * other processes, the kernel's wider doors. */
const int calls_refused[] = {
	/* programs */
	SCMP_SYS(execve), SCMP_SYS(execveat),
	/* other processes */
	SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(pidfd_getfd), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise), SCMP_SYS(kcmp), SCMP_SYS(perf_event_open),
	/* who one is, and with which rights */
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid),
	SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups),
	SCMP_SYS(capset), SCMP_SYS(personality), SCMP_SYS(seccomp),
	/* the machine */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr), SCMP_SYS(chroot), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(reboot), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
	SCMP_SYS(quotactl_fd), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(ioperm),
	SCMP_SYS(iopl), SCMP_SYS(syslog), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(chown), SCMP_SYS(lchown), SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	/* large doors */
	SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(fanotify_init), SCMP_SYS(modify_ldt), SCMP_SYS(uselib),
	SCMP_SYS(vhangup), SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
	SCMP_SYS(mbind), SCMP_SYS(set_mempolicy),
};
const unsigned calls_refused_count = ARRAY_LEN(calls_refused);

/* Calls that are partly allowed, and what the rest of them answers. */
static const struct {
	int number, error;
} errors[] = {
	{SCMP_SYS(socket), EAFNOSUPPORT}, {SCMP_SYS(socketpair), EAFNOSUPPORT},
	{SCMP_SYS(mmap), EACCES}, {SCMP_SYS(mprotect), EACCES},
	{SCMP_SYS(ioctl), ENOTTY}, {SCMP_SYS(fcntl), EINVAL},
	{SCMP_SYS(prctl), EINVAL}, {SCMP_SYS(clone), EPERM},
	{SCMP_SYS(fork), EPERM}, {SCMP_SYS(vfork), EPERM},
	{SCMP_SYS(tgkill), EPERM}, {SCMP_SYS(prlimit64), EPERM},
	{SCMP_SYS(setrlimit), EPERM}, {SCMP_SYS(openat), EACCES},
	{SCMP_SYS(open), EACCES}, {SCMP_SYS(bind), EACCES},
	{SCMP_SYS(listen), EACCES},
};
/* clang-format on */

/*
 * Nothing that is refused for its own sake: EPERM. What is only in no list is
 * answered as by an older kernel, for which libraries have another way.
 */
int call_error(int number)
{
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		if (errors[i].number == number)
			return errors[i].error;
	for (size_t i = 0; i < ARRAY_LEN(calls_refused); i++)
		if (calls_refused[i] == number)
			return EPERM;
	return ENOSYS;
}
