/* SPDX-License-Identifier: ISC */
/*
 * A process may do the system calls of its role (calls.c) and no others. A
 * refused call fails, with a line in the log for the first of its kind, and
 * the process goes on: an update of a library, with calls that were not seen
 * before, must not end the mail.
 */
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/log.h"
#include "daemon/calls.h"
#include "daemon/daemon_private.h"

#define NUMBERS_MAX 1024

static char prefix[80]; /* of a line about a refused call */
static volatile sig_atomic_t told[NUMBERS_MAX];

/* ---- a refused call ------------------------------------------------------- */

/* The result of the call that was interrupted. */
static void set_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long long)result;
#else
/* cppcheck-suppress preprocessorErrorDirective ; it knows no machine */
#error "where does the kernel leave a system call's result?"
#endif
}

/* To stderr, which master logs: the log's own buffers may be in use just now.
 * Only what is safe in a signal handler. */
static void tell(int number)
{
	char line[sizeof(prefix) + 64];
	char digits[12];
	size_t len = 0, count = 0;

	for (const char *p = prefix; *p != '\0'; p++)
		line[len++] = *p;
	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	while (count > 0)
		line[len++] = digits[--count];
	for (const char *p = " is refused\n"; *p != '\0'; p++)
		line[len++] = *p;
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* it is still refused */
}

static void refused(int signal_number, siginfo_t *info, void *context)
{
	int keep = errno, number = info->si_syscall;

	(void)signal_number;
	if (number < 0)
		return; /* a tracer took the call away and says its result */
	if (number < NUMBERS_MAX && !told[number]) {
		told[number] = 1;
		tell(number);
	}
	set_result(context, -call_error(number));
	errno = keep;
}

static void catch_refused(const char *role)
{
	struct sigaction action = {
	    .sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER};

	snprintf(prefix, sizeof(prefix), "%s (role %s): system call ",
	    log_program(), role);
	sigaction(SIGSYS, &action, NULL);
}

/* ---- the filter ----------------------------------------------------------- */

/* A call that two sets have, or that this machine has not, is no error. */
static int rule(scmp_filter_ctx filter, uint32_t action, const struct call *c)
{
	static const enum scmp_compare compare[] = {
	    [ARG_IS] = SCMP_CMP_EQ, [ARG_LACKS] = SCMP_CMP_MASKED_EQ};
	struct scmp_arg_cmp arg = {c->arg, compare[c->when], c->value, 0};
	int r;

	if (c->number < 0)
		return 0;
	r = seccomp_rule_add_array(
	    filter, action, c->number, c->when == ANY_ARGS ? 0 : 1, &arg);
	return r == -EEXIST ? 0 : r;
}

static int allow(scmp_filter_ctx filter, const struct rights *rights)
{
	int r = 0;

	for (unsigned s = 0; s < call_set_count && r == 0; s++) {
		const struct call_set *set = &call_sets[s];

		if (set->may != 0 && (set->may & rights->may) == 0)
			continue;
		for (unsigned i = 0; i < set->count && r == 0; i++)
			r = rule(filter, SCMP_ACT_ALLOW, &set->calls[i]);
	}
	return r;
}

/* Signals: for abort(3), to oneself. Who forks does not know its children's
 * numbers; Landlock keeps them from others. */
static int allow_signals(scmp_filter_ctx filter, const struct rights *rights)
{
	struct call own = {SCMP_SYS(tgkill), ARG_IS, 0, (uint64_t)getpid()};

	if (rights->may & MAY_FORK)
		own.when = ANY_ARGS;
	return rule(filter, SCMP_ACT_ALLOW, &own);
}

static int refuse(scmp_filter_ctx filter, uint32_t action)
{
	int r = 0;

	for (unsigned i = 0; i < calls_refused_count && r == 0; i++)
		r = rule(filter, action,
		    &(struct call){calls_refused[i], ANY_ARGS, 0, 0});
	return r;
}

/*
 * Where the C library makes a thread it blocks all signals, SIGSYS too, and a
 * call that is trapped then ends the process: these fail without a line.
 * clone3's flags cannot be seen; the library goes on with clone(2).
 */
static int refuse_threads(
    scmp_filter_ctx filter, const struct rights *rights, bool enforce)
{
	struct scmp_arg_cmp shares = {
	    0, SCMP_CMP_MASKED_EQ, CLONE_VM, CLONE_VM};
	int r = seccomp_rule_add(
	    filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (r < 0 || !enforce || rights->may & MAY_THREAD)
		return r;
	return seccomp_rule_add_array(
	    filter, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(clone), 1, &shares);
}

/* Log mode: what is in no list is done, and the kernel logs it. */
static int fill(
    scmp_filter_ctx filter, const struct rights *rights, bool enforce)
{
	int r;

	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	r = refuse_threads(filter, rights, enforce);
	if (r == 0 && !enforce)
		r = refuse(filter, SCMP_ACT_ERRNO(EPERM));
	if (r == 0)
		r = allow(filter, rights);
	if (r == 0)
		r = allow_signals(filter, rights);
	return r == 0 ? seccomp_load(filter) : r;
}

int seccomp_enter(const struct rights *rights, enum seccomp_mode mode)
{
	bool enforce = mode == SECCOMP_ENFORCE;
	scmp_filter_ctx filter;
	int r;

	if (mode == SECCOMP_OFF)
		return 0;
	catch_refused(rights->role);
	filter = seccomp_init(enforce ? SCMP_ACT_TRAP : SCMP_ACT_LOG);
	if (filter == NULL)
		return -ENOMEM;
	r = fill(filter, rights, enforce);
	seccomp_release(filter);
	return r;
}
