/* SPDX-License-Identifier: ISC */
/*
 * Upgrade: another program of master goes on in our place, with our process
 * id, sockets, children and their channels, and the configuration that runs.
 *
 * The state is written to a sealed memfd (state.h). First a child executes the
 * new program as `master -T`, which reads the state and the configuration on
 * disk as if it went on with them, and says whether it could; we go on working
 * meanwhile, and ever after when it could not. Then the state is written anew
 * and the program is executed as `master -U` in this process. Nobody notices:
 * who connects waits at sockets that stay open. The new program then reloads,
 * so that daemons of the new version take over one by one, or none of them
 * (generation.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/trace.h"
#include "master/master.h"

#define NOTES_MAX 16384

static struct {
	char *program; /* NULL: nothing is under way */
	pid_t pid;     /* of the check */
	int said;      /* pipe */
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct buf notes;
	bool understood;
	const char *why; /* why not; NULL */
	int *fds;        /* that the new program gets */
	size_t fd_count;
} upgrade = {.said = -1};

/* ---- writing ------------------------------------------------------------- */

static void pass(int64_t fd)
{
	if (fd < 0)
		return;
	upgrade.fds = mem_resize(
	    upgrade.fds, upgrade.fd_count + 1, sizeof(upgrade.fds[0]));
	upgrade.fds[upgrade.fd_count++] = (int)fd;
}

static int write_house(struct buf *out)
{
	const struct config *c = master.config;
	struct state_house h = {.generation = master.generation,
	    .last_generation = master.last_generation,
	    .started = (uint64_t)master.started,
	    .main_length = c->text_len,
	    .master_length = c->master_len,
	    .directory = str_from(c->directory),
	    .foreground = master.foreground,
	    .run = (uint64_t)master.run_fd,
	    .alive = (uint64_t)master.alive,
	    .lock = (uint64_t)tree_lock_fd(),
	    .control = (uint64_t)control_fd()};

	stderr_state(&h);
	pass(master.run_fd);
	pass(master.alive);
	pass(tree_lock_fd());
	pass(control_fd());
	pass(h.err_read);
	pass(h.err_write);
	pass(h.err_kept);
	if (ipc_encode(out, &state_house, &h) < 0)
		return -1;
	buf_add_bytes(out, c->text, c->text_len);
	buf_add_bytes(out, c->master_text, c->master_len);
	return 0;
}

static int write_listener(struct buf *out, const struct listener *l)
{
	char text[NETADDR_TEXT_MAX] = "";
	struct state_listener m = {.fd = (uint64_t)l->fd};

	pass(l->fd);
	if (l->address.len > 0) {
		netaddr_text(&l->address, text);
		m.port = netaddr_port(&l->address);
	}
	m.address = str_from(text);
	return ipc_encode(out, &state_listener, &m);
}

static int write_process(struct buf *out, const struct process *p)
{
	struct state_process m = {.pid = (uint64_t)p->pid,
	    .channel = p->ended ? -1 : p->channel,
	    .slot = p->slot,
	    .generation = p->generation,
	    .ready = p->ready,
	    .draining = p->draining,
	    .ended = p->ended,
	    .process_started = p->started,
	    .kill_at = p->kill_at};

	if (!p->ended)
		pass(p->channel);
	return ipc_encode(out, &state_process, &m);
}

static int write_service(struct buf *out, const struct running *s)
{
	struct state_service m = {.name = str_from(s->name),
	    .type = str_from(config_type_name(s->type)),
	    .role = str_from(s->role->name),
	    .generation = s->generation,
	    .running = s->wanted == WANT_RUNNING,
	    .removed = s->removed,
	    .limit = (uint64_t)s->limit,
	    .restarts = s->restarts,
	    .failures = s->failures,
	    .throttled_until = s->throttled_until,
	    .stress_until = s->stress_until,
	    .board = (uint64_t)s->board_fd,
	    .kept = s->kept_fd,
	    .error = str_from(s->error)};
	int r;

	pass(s->board_fd);
	pass(s->kept_fd);
	r = ipc_encode(out, &state_service, &m);
	for (int i = 0; r == 0 && i < s->listener_count; i++)
		r = write_listener(out, &s->listeners[i]);
	for (const struct process *p = s->processes; r == 0 && p != NULL;
	     p = p->next)
		r = write_process(out, p);
	return r;
}

static int write_all(struct buf *out)
{
	struct state_end end = {0};

	buf_printf(out, "%s\t%d\n", state_exchange.name, STATE_VERSION);
	if (write_house(out) < 0)
		return -1;
	for (const struct running *s = master.services; s != NULL;
	     s = s->next) {
		if (write_service(out, s) < 0)
			return -1;
		end.services++;
	}
	if (ipc_encode(out, &state_end, &end) < 0 || out->overflow)
		return -1;
	return 0;
}

/* Everything in a sealed memfd; -1 with errno. */
static int write_state(void)
{
	struct buf out = buf_new(STATE_MAX);
	int fd = memfd_create(
	    "posthouse-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	upgrade.fd_count = 0;
	errno = EINVAL;
	if (fd >= 0 &&
	    (write_all(&out) < 0 || file_write_full(fd, out.p, out.len) < 0 ||
		fcntl(fd, F_ADD_SEALS,
		    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
		    0))
		file_close(&fd);
	buf_free(&out);
	pass(fd);
	return fd;
}

/* ---- executing ----------------------------------------------------------- */

static void let_through(bool through)
{
	for (size_t i = 0; i < upgrade.fd_count; i++)
		fcntl(upgrade.fds[i], F_SETFD, through ? 0 : FD_CLOEXEC);
}

/* Returns only on failure. */
static void execute(const char *option, int state)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", state);
	execl(upgrade.program, "master", option, number, "-c",
	    master.config->directory, (char *)NULL);
}

static void over(const char *why)
{
	upgrade.why = why;
	if (why != NULL && !master.stopping)
		log_error("upgrade to %s: %s; going on as before",
		    upgrade.program, why);
	loop_timer_stop(upgrade.timer);
	loop_watch_free(&upgrade.watch);
	file_close(&upgrade.said);
	upgrade.pid = 0;
	control_look();
}

static void hear(void)
{
	char text[2048];
	ssize_t n;

	while ((n = read(upgrade.said, text, sizeof(text))) > 0)
		buf_add_bytes(&upgrade.notes, text, (size_t)n);
	if (n == 0)
		loop_watch_set(upgrade.watch, 0);
}

static void said(unsigned what, void *arg)
{
	(void)what;
	(void)arg;
	hear();
}

static void late(void *arg)
{
	(void)arg;
	if (upgrade.pid <= 0)
		return;
	kill(upgrade.pid, SIGKILL);
	buf_add_text(&upgrade.notes, "the new program does not answer\n");
}

static _Noreturn void check(int state, int to)
{
	let_through(true);
	if (dup2(to, STDOUT_FILENO) < 0 || dup2(to, STDERR_FILENO) < 0)
		_exit(1);
	execute("-T", state);
	dprintf(STDERR_FILENO, "%s: %s\n", upgrade.program, strerror(errno));
	_exit(1);
}

static int start_check(void)
{
	int pair[2], state = write_state();
	sigset_t all, before;

	if (state < 0 || pipe2(pair, O_CLOEXEC) < 0) {
		file_close(&state);
		return -1;
	}
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	upgrade.pid = fork();
	if (upgrade.pid == 0) {
		for (int i = 1; i < 32; i++)
			signal(i, SIG_DFL);
		sigprocmask(SIG_SETMASK, &before, NULL);
		check(state, pair[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	file_close(&state);
	file_close(&pair[1]);
	if (upgrade.pid < 0) {
		file_close(&pair[0]);
		return -1;
	}
	file_set_nonblocking(pair[0]);
	upgrade.said = pair[0];
	upgrade.watch = loop_watch_new(
	    master.loop, pair[0], LOOP_READ, said, NULL);
	return 0;
}

int upgrade_begin(const char *program, const char **why)
{
	if (upgrade.program != NULL && upgrade.pid > 0) {
		*why = "an upgrade is under way";
		return -1;
	}
	if (generation_state(why) == 0) {
		*why = "a reload is still under way";
		return -1;
	}
	for (const struct running *s = master.services; s != NULL; s = s->next)
		if (s->before != 0) {
			*why = "a service is being restarted";
			return -1;
		}
	free(upgrade.program);
	upgrade.program = str_dup(str_from(program));
	upgrade.understood = false;
	upgrade.why = NULL;
	buf_free(&upgrade.notes);
	upgrade.notes = buf_new(NOTES_MAX);
	if (upgrade.timer == NULL)
		upgrade.timer = loop_timer_new(master.loop, late, NULL);
	if (start_check() < 0) {
		upgrade.pid = 0;
		*why = strerror(errno);
		return -1;
	}
	loop_timer_set(upgrade.timer, master.conf.service_start_timeout);
	return 0;
}

bool upgrade_reap(pid_t pid, int status)
{
	if (pid != upgrade.pid || pid <= 0)
		return false;
	hear();
	upgrade.understood = upgrade.why == NULL && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0;
	over(upgrade.understood       ? NULL
		: upgrade.why != NULL ? upgrade.why
		: WIFSIGNALED(status)
		? "the new program was ended by a signal"
		: "the new program cannot go on with what there is");
	return true;
}

void upgrade_give_up(const char *why)
{
	if (upgrade.program == NULL || upgrade.why != NULL)
		return;
	upgrade.understood = false;
	upgrade.why = why;
	if (upgrade.pid > 0)
		kill(upgrade.pid, SIGKILL);
	control_look();
}

bool upgrade_is_checking(void)
{
	return upgrade.pid > 0;
}

int upgrade_state(const char **why)
{
	*why = upgrade.why != NULL ? upgrade.why : "";
	if (upgrade.program == NULL)
		return -1;
	if (upgrade.why != NULL)
		return -1;
	return upgrade.understood ? 1 : 0;
}

struct str upgrade_notes(void)
{
	return buf_str(&upgrade.notes);
}

void upgrade_execute(const char **why)
{
	sigset_t all, before;
	int state = write_state();

	upgrade.understood = false;
	if (state >= 0) {
		log_info("upgrade: %s goes on from here", upgrade.program);
		logsink_flush();
		/* What comes now is for the new program, which has no handlers
		 * at first. */
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, &before);
		let_through(true);
		execute("-U", state);
		let_through(false);
		sigprocmask(SIG_SETMASK, &before, NULL);
		file_close(&state);
	}
	over("it could not be executed");
	*why = upgrade.why;
}
