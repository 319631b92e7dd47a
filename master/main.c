/* SPDX-License-Identifier: ISC */
/*
 * The supervisor: reads master.cf, opens the sockets, starts processes when
 * they are needed, and again when they end badly.
 *
 *	tree.c        the directories and their owners; one master only
 *	sockets.c     what is listened on
 *	service.c     when another process is due
 *	process.c     starting, hearing and reaping processes
 *	spawn.c       what a child does until it is a program of its own
 *	generation.c  the configuration and its change (reload)
 *	control.c     the socket that the operator's command talks to
 *	figures.c     the socket that exporter asks
 *	report.c      what both are told
 *	stderr.c      what is said past the log
 *	stop.c        the end
 *
 *	renew.c       new processes in the place of old ones
 *	files.c       certificates and others that daemons cannot read again
 *	notify.c      what the service manager is told
 *	certificates.c  when certificates end
 *	upgrade.c     another program in our place
 *	inherit.c     what the program before left, in the form of state.c
 *
 * master [-f] [-w FD] -c CONFIG_DIRECTORY. `posthouse start` runs it; with -w
 * it writes "ready" or error lines to FD when it knows. -U and -T are for
 * upgrade.c: to go on with the state in FD, and to see whether one could.
 */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "daemon/confine.h"
#include "ipc/trace.h"
#include "master/certificates.h"

#define READY_MS 15000 /* until `posthouse start` is told how it stands */

static int ready_fd = -1;
static int64_t ready_deadline;
static struct loop_timer *ready_timer;
static int state_fd = -1; /* of the program before us */
static bool only_test;

/* ---- telling `posthouse start` ------------------------------------------- */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	va_list args;

	if (ready_fd < 0)
		return;
	va_start(args, format);
	vdprintf(ready_fd, format, args);
	va_end(args);
}

/* A warm service that has no ready process; NULL when all have. */
static const struct running *not_ready(void)
{
	for (const struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && service_is_warm(s) && !service_has_ready(s))
			return s;
	return NULL;
}

/* The terminal is the caller's again. */
static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3 && null >= 0 && !master.foreground; fd++)
		dup2(null, fd);
	stderr_leave();
	master.started_up = true;
	if (null > 2)
		close(null);
	file_close(&ready_fd);
}

static void look_ready(void *arg)
{
	const struct running *s = not_ready();

	(void)arg;
	if (s == NULL) {
		tell("ready\n");
		leave_terminal();
		notify_ready("");
		return;
	}
	if (s->error[0] == '\0' && deadline_left(ready_deadline) > 0) {
		loop_timer_set(ready_timer, 10);
		return;
	}
	for (s = master.services; s != NULL; s = s->next)
		if (s->error[0] != '\0')
			tell("service %s: %s\n", s->name, s->error);
	s = not_ready();
	if (s != NULL && s->error[0] == '\0')
		tell("service %s is not ready yet\n", s->name);
	leave_terminal();
	notify_ready("not all of it runs, see \"posthouse status\"");
}

/* ---- signals ------------------------------------------------------------- */

static void child_ended(int signal_number, void *arg)
{
	(void)signal_number;
	(void)arg;
	process_reap();
}

static void terminate(int signal_number, void *arg)
{
	(void)signal_number;
	(void)arg;
	stop_begin();
}

static void log_errors(const struct buf *errors)
{
	struct str rest = buf_str(errors);

	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		log_error("reload: %.*s", STR_FMT(line));
	}
}

static void hang_up(int signal_number, void *arg)
{
	struct buf errors = buf_new(65536);

	(void)signal_number;
	(void)arg;
	if (generation_load(&errors) < 0) {
		log_errors(&errors);
		log_error("reload: nothing was changed");
	}
	buf_free(&errors);
	control_look();
}

/* ---- the start ----------------------------------------------------------- */

/* Errors also go where `posthouse start` waits. */
static _Noreturn void refuse(struct buf *errors)
{
	if (ready_fd >= 0)
		tell("%s", buf_text(errors));
	else
		fprintf(stderr, "%s", buf_text(errors));
	exit(1);
}

static void fatal_to_starter(enum log_level level, struct str line, void *arg)
{
	(void)arg;
	(void)level;
	if (ready_fd >= 0)
		tell("%.*s\n", STR_FMT(line));
	else
		fprintf(stderr, "master: %.*s\n", STR_FMT(line));
}

static void configure(const char *directory)
{
	struct buf errors = buf_new(1u << 20);

	master.config = config_read(directory, &errors);
	if (master.config == NULL)
		refuse(&errors);
	conf_fill(master.config->conf, master_params, &master.conf, &errors);
	if (errors.len > 0)
		refuse(&errors);
	buf_free(&errors);
	if (master.config->house.debug_level > 0)
		log_set_level(LOG_LEVEL_DEBUG);
}

static void open_services(void)
{
	struct running **at = &master.services;
	struct buf errors = buf_new(65536);
	char why[300];

	for (size_t i = 0; i < master.config->mastercf->count; i++) {
		struct running *s = service_new(&master.config->services[i]);

		if (s == NULL)
			log_fatal("shared memory: %s", strerror(errno));
		*at = s;
		at = &s->next;
		files_find(s);
		if (service_open(s, why, sizeof(why)) < 0)
			buf_printf(&errors, "service %s: %s\n", s->name, why);
	}
	if (errors.len > 0)
		refuse(&errors);
	buf_free(&errors);
}

static void open_log(void)
{
	char *path;

	if (asprintf(&path, "%s/sockets/log",
		master.config->house.run_directory) < 0)
		return;
	if (logsink_open(path) < 0)
		log_set_sink(NULL, NULL);
	free(path);
}

static void announce(void)
{
	struct str rest = buf_str(&master.config->warnings);

	log_info("daemon started -- version %s, configuration %s",
	    POSTHOUSE_VERSION, master.config->directory);
	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		log_warning("%.*s", STR_FMT(line));
	}
	if (geteuid() != 0)
		log_warning("not started as root: all of the suite runs as "
			    "uid %u, and roles are not kept apart",
		    (unsigned)geteuid());
	if (!confine_possible())
		log_warning("the kernel has no Landlock (posthouse-security(7))"
			    ": users and modes of files alone keep roles and "
			    "sessions apart");
}

static void prepare(void)
{
	struct rlimit r;
	pid_t other;

	umask(022);
	signal(SIGPIPE, SIG_IGN);
	/* Sessions of imapd outlive their parent; we hear of their end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (tree_lock(&other) < 0)
		log_fatal("already running, as process %d", (int)other);
	if (chdir("/") < 0)
		log_fatal("/: %s", strerror(errno));
	tree_make();
	tree_take_over();
	master.snapshot = snapshot_make(master.config);
	if (master.snapshot < 0)
		log_fatal("configuration snapshot: %s", strerror(errno));
}

static void options(int argc, char **argv, const char **directory)
{
	int c;
	uint64_t n;

	while ((c = getopt(argc, argv, "c:fw:U:T:")) != -1) {
		if (c == 'c') {
			*directory = optarg;
		} else if (c == 'f') {
			master.foreground = true;
		} else if ((c == 'U' || c == 'T') &&
		    str_to_u64(str_from(optarg), INT32_MAX, &n) == 0) {
			state_fd = (int)n;
			only_test = c == 'T';
		} else if (c == 'w' &&
		    str_to_u64(str_from(optarg), 1023, &n) == 0) {
			ready_fd = (int)n;
			file_set_cloexec(ready_fd);
		} else {
			log_fatal("usage: master [-f] [-w FD] -c "
				  "CONFIG_DIRECTORY");
		}
	}
}

static void watch_signals(void)
{
	loop_signal(master.loop, SIGCHLD, child_ended, NULL);
	loop_signal(master.loop, SIGTERM, terminate, NULL);
	loop_signal(master.loop, SIGINT, terminate, NULL);
	loop_signal(master.loop, SIGHUP, hang_up, NULL);
}

static _Noreturn void run(void)
{
	files_watch();
	certificates_watch();
	master.up = true;
	loop_run(master.loop);

	stderr_end();
	figures_close();
	control_close();
	tree_unlock();
	exit(0);
}

/* ---- after another program of master (upgrade.c) -------------------------- */

/* -T: could we go on? Says why not. */
static _Noreturn void test_state(const char *directory)
{
	struct buf errors = buf_new(1u << 20);
	struct config *c;

	master.loop = loop_new();
	inherit(state_fd);
	c = config_read(directory, &errors);
	if (c == NULL)
		refuse(&errors);
	config_free(&c);
	exit(0);
}

/* The daemons of the new version, or those that there are go on. */
static void renew_all(void)
{
	struct buf errors = buf_new(65536);

	if (generation_load(&errors) < 0) {
		log_errors(&errors);
		generation_refused("the configuration has errors; the "
				   "processes of before go on");
	}
	buf_free(&errors);
}

/* -U */
static _Noreturn void go_on(void)
{
	sigset_t none;

	master.loop = loop_new();
	inherit(state_fd);
	file_close(&state_fd);
	figures_open();
	master.started_up = true;
	umask(022);
	if (chdir("/") < 0)
		log_warning("/: %s", strerror(errno));
	if (master.config->house.debug_level > 0)
		log_set_level(LOG_LEVEL_DEBUG);
	open_log();
	announce();
	watch_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	process_reap();
	for (struct running *s = master.services; s != NULL; s = s->next)
		service_look(s);
	renew_all();
	run();
}

int main(int argc, char **argv)
{
	const char *directory = POSTHOUSE_SYSCONFDIR;

	log_open("master");
	options(argc, argv, &directory);
	log_set_sink(fatal_to_starter, NULL);
	if (only_test)
		test_state(directory);
	if (state_fd >= 0)
		go_on();
	configure(directory);
	master.started = clock_seconds();
	master.generation = master.last_generation = 1;
	master.loop = loop_new();
	prepare();
	open_services();
	control_open();
	figures_open();
	stderr_watch();
	open_log();
	announce();

	watch_signals();
	for (struct running *s = master.services; s != NULL; s = s->next)
		service_look(s);
	ready_deadline = deadline_in(READY_MS);
	ready_timer = loop_timer_new(master.loop, look_ready, NULL);
	loop_timer_set(ready_timer, 10);
	run();
}
