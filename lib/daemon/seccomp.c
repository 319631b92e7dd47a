/* SPDX-License-Identifier: ISC */
/*
 * What no daemon needs, and who has broken into one would like: other
 * programs, other processes' memory, the kernel's wider doors. A refused call
 * gives EPERM. The list is one of refusals, so that a library's update does
 * not end the mail; the jail, the uid and no_new_privs stand behind it.
 */
#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>

#include "core/log.h"
#include "daemon/daemon_private.h"

/* clang-format off */
static const int refused[] = {
	/* programs */
	SCMP_SYS(execve), SCMP_SYS(execveat),
	/* other processes */
	SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(perf_event_open),
	/* the machine */
	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root),
	SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen),
	SCMP_SYS(fsmount), SCMP_SYS(chroot), SCMP_SYS(unshare),
	SCMP_SYS(setns), SCMP_SYS(reboot), SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(ioperm),
	SCMP_SYS(iopl), SCMP_SYS(syslog),
	/* large doors */
	SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(personality), SCMP_SYS(modify_ldt), SCMP_SYS(uselib),
	SCMP_SYS(vhangup), SCMP_SYS(move_pages), SCMP_SYS(mbind),
};
/* clang-format on */

static int refuse_family(
    scmp_filter_ctx filter, enum scmp_compare compare, int family)
{
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT),
	    SCMP_SYS(socket), 1, SCMP_A0(compare, (scmp_datum_t)family));
}

/* Sockets of other families than those that carry mail and DNS: AF_UNIX,
 * AF_INET, AF_INET6 and AF_NETLINK. */
static int refuse_families(scmp_filter_ctx filter)
{
	int r = refuse_family(filter, SCMP_CMP_GT, AF_NETLINK);

	for (int family = AF_INET + 1; family < AF_NETLINK && r == 0; family++)
		if (family != AF_INET6)
			r = refuse_family(filter, SCMP_CMP_EQ, family);
	return r;
}

void seccomp_enter(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter == NULL ? -ENOMEM : 0;

	if (r == 0) {
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(refused) && r == 0; i++)
		r = seccomp_rule_add(
		    filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (r == 0)
		r = refuse_families(filter);
	if (r == 0)
		r = seccomp_load(filter);
	if (filter != NULL)
		seccomp_release(filter);
	if (r < 0)
		log_warning(
		    "system calls are not restricted: %s", strerror(-r));
}
