/* SPDX-License-Identifier: ISC */
/*
 * The skeleton's table of contents: daemon_main runs through the stages that
 * daemon.h lists. options.c reads the command line, jail.c gives privileges
 * up, worker.c, front.c and forker.c are the three ways to serve, and alone.c
 * is for who serves nobody; stress.c changes parameters under load.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/observe.h"
#include "daemon/daemon_private.h"
#include "ipc/explain.h"
#include "ipc/trace.h"

#define SNAPSHOT_MAX (4u << 20)

struct self self;

/* ---- for hooks ---------------------------------------------------------- */

const struct house_conf *daemon_house(void)
{
	return &self.house;
}

const char *daemon_role(void)
{
	return self.role->name;
}

const char *daemon_service(void)
{
	return self.service;
}

struct loop *daemon_loop(void)
{
	if (self.loop == NULL)
		self.loop = loop_new();
	return self.loop;
}

bool daemon_draining(void)
{
	return self.draining;
}

bool daemon_hurried(void)
{
	return self.hurried;
}

void *daemon_kept(size_t size)
{
	struct stat st;
	void *memory;

	if (self.kept < 0)
		return mem_alloc(size);
	if (fstat(self.kept, &st) < 0 || st.st_size < (off_t)size)
		log_fatal("the memory that is kept for this service is smaller "
			  "than %zu octets",
		    size);
	memory = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self.kept, 0);
	if (memory == MAP_FAILED)
		log_fatal("memory that is kept: %s", strerror(errno));
	file_close(&self.kept);
	return memory;
}

void daemon_session(const char *user, const char *client, bool tls)
{
	struct who_row *row;
	uint32_t pid = (uint32_t)getpid();

	if (self.board == NULL || self.slot < 0)
		return;
	row = &self.board->who[self.slot];
	who_write(row, pid, user, client, tls,
	    row->pid == pid ? row->since : clock_seconds());
}

void daemon_session_works(bool works)
{
	if (self.board != NULL && self.slot >= 0)
		self.board->who[self.slot].state = works ? WHO_WORKS : WHO_IDLE;
}

bool daemon_kicked(void)
{
	return self.board != NULL && self.slot >= 0 &&
	    self.board->who[self.slot].kicked != 0;
}

void daemon_count(const char *name, uint64_t amount)
{
	if (self.board != NULL)
		board_count(self.board, name, amount);
}

void daemon_gauge(const char *name, uint64_t value)
{
	if (self.board != NULL)
		board_gauge(self.board, name, value);
}

uint64_t daemon_figure(const char *name)
{
	return self.board != NULL ? board_figure(self.board, name) : 0;
}

void daemon_origin(const char *name, char *out, size_t size)
{
	struct buf text = buf_new(size - 1);

	conf_origin_text(self.conf, name, &text);
	snprintf(out, size, "%s", buf_text(&text));
	buf_free(&text);
}

void daemon_observe(const char *name, uint64_t us)
{
	if (self.board != NULL)
		board_observe(self.board, name, us);
}

/* ---- master ------------------------------------------------------------- */

void channel_say(enum channel_word word, const char *text)
{
	char packet[1 + CHANNEL_TEXT_MAX];
	size_t len = text == NULL ? 0 : strnlen(text, CHANNEL_TEXT_MAX);

	if (self.channel < 0)
		return;
	packet[0] = (char)word;
	if (len > 0)
		memcpy(packet + 1, text, len);
	/* When master is so slow that the channel is full it will look at
	 * the board anyway. */
	if (send(self.channel, packet, 1 + len, MSG_DONTWAIT | MSG_NOSIGNAL) <
	    0)
		return;
}

int channel_hear_text(char *packet, size_t size)
{
	ssize_t n;

	if (self.channel < 0)
		return 0;
	do {
		n = recv(self.channel, packet, size - 1, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	packet[n > 0 ? n : 0] = '\0';
	if (n > 0)
		return packet[0];
	return n < 0 && errno == EAGAIN ? 0 : CHANNEL_DRAIN;
}

int channel_hear(void)
{
	char packet[16];

	return channel_hear_text(packet, sizeof(packet));
}

void board_say(enum board_state state)
{
	struct board_slot *s = &self.board->slots[self.slot];
	uint32_t before = atomic_exchange(&s->state, state);

	if (state == BOARD_PARKED)
		s->since = clock_ms();
	if (state == BOARD_IDLE && before != BOARD_IDLE)
		self.board->idle++;
	if (state != BOARD_IDLE && before == BOARD_IDLE &&
	    atomic_fetch_sub(&self.board->idle, 1) <= 1 && state == BOARD_BUSY)
		channel_say(CHANNEL_BUSY, NULL);
}

void board_served(void)
{
	self.board->slots[self.slot].served++;
	self.board->served++;
}

void listeners_close(void)
{
	for (int i = 0; i < self.listener_count; i++)
		file_close(&self.listeners[i]);
}

struct conn conn_of(int fd, const struct netaddr *peer)
{
	struct conn c = {.fd = fd, .service = self.service, .found = ""};

	if (self.type != TYPE_INET)
		return c;
	c.peer = *peer;
	if (!self.daemon->hands_over)
		c.own = netaddr_own(fd);
	return c;
}

void leave(int status)
{
	int64_t deadline = deadline_in(200);

	while (!logsink_flush() && deadline_left(deadline) > 0)
		poll(NULL, 0, 5);
	_exit(status);
}

/* ---- stages ------------------------------------------------------------- */

/* A worker that is busy cannot look at its channel. Closing the listeners at
 * once lets a new master bind; accept(2) then fails harmlessly. */
static void terminated(int signal_number)
{
	int keep = errno;

	(void)signal_number;
	self.draining = self.hurried = 1;
	for (int i = 0; i < self.listener_count; i++) {
		if (self.listeners[i] >= 0)
			close(self.listeners[i]);
		self.listeners[i] = -1;
	}
	errno = keep;
}

static void prepare_signals(void)
{
	struct sigaction term = {.sa_handler = terminated};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigaction(SIGTERM, &term, NULL);
	if (self.by_hand)
		sigaction(SIGINT, &term, NULL);
}

static void take_descriptors(void)
{
	int last;

	self.channel = CHANNEL_FD;
	for (int i = 0; i < self.listener_count; i++)
		self.listeners[i] = LISTENERS_FD + i;
	self.alive = LISTENERS_FD + self.listener_count;
	if (role_kept(self.role) > 0)
		self.kept = last = self.alive + 1;
	else
		last = self.alive;
	for (int fd = CHANNEL_FD; fd <= last; fd++)
		if (file_set_cloexec(fd) < 0)
			log_fatal("descriptor %d: %s (started by master?)", fd,
			    strerror(errno));
	self.board = board_map(BOARD_FD);
	if (self.board == NULL)
		log_fatal("scoreboard: %s", strerror(errno));
}

/* By hand: a board of our own, and perhaps a listening socket. */
static void make_descriptors(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	struct netaddr port;
	uint64_t n;
	int fd;

	self.board = board_new(&fd);
	if (self.board == NULL)
		log_fatal("scoreboard: %s", strerror(errno));
	file_close(&fd);
	self.slot = board_take(self.board, (uint32_t)getpid());
	if (self.listen == NULL)
		return;
	if (str_to_u64(str_from(self.listen), 65535, &n) == 0) {
		self.type = TYPE_INET;
		netaddr_parse(STR("127.0.0.1"), (uint16_t)n, &port);
		fd = socket(
		    AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0 || bind(fd, &port.u.sa, port.len) < 0)
			log_fatal("port %s: %s", self.listen, strerror(errno));
	} else {
		if (str_copy(path.sun_path, sizeof(path.sun_path),
			str_from(self.listen)) < 0)
			log_fatal("%s: path too long", self.listen);
		unlink(self.listen);
		fd = socket(AF_UNIX,
		    (self.daemon->datagram != NULL ? SOCK_DGRAM : SOCK_STREAM) |
			SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0);
		if (fd < 0 ||
		    bind(fd, (struct sockaddr *)&path, sizeof(path)) < 0)
			log_fatal("%s: %s", self.listen, strerror(errno));
	}
	if (self.daemon->datagram == NULL && listen(fd, 128) < 0)
		log_fatal("%s: %s", self.listen, strerror(errno));
	if (self.daemon->datagram != NULL)
		self.type = TYPE_DGRAM;
	self.listeners[0] = fd;
	self.listener_count = 1;
}

static struct conf *read_conf(struct buf *errors)
{
	struct buf text = buf_new(SNAPSHOT_MAX);
	struct conf *conf = NULL;
	char *path;

	if (self.by_hand) {
		if (asprintf(&path, "%s/main.cf", self.config_directory) < 0)
			log_fatal("out of memory");
		conf = conf_read(path, errors);
		free(path);
	} else if (file_read_fd(SNAPSHOT_FD, &text) == 0) {
		conf = conf_parse(buf_str(&text), "main.cf", errors);
	}
	buf_free(&text);
	return conf;
}

/* What master itself sets stands in no line. */
static unsigned master_line_of(const char *assignment)
{
	return str_starts(str_from(assignment), STR("config_directory="))
	    ? 0
	    : (unsigned)self.master_line;
}

/* The first error line; all of them are known to master, which checked. */
static void configure(void)
{
	struct buf errors = buf_new(65536);
	struct buf place = buf_new(8192);
	struct str rest, first;

	self.conf = read_conf(&errors);
	if (self.conf == NULL)
		log_fatal("cannot read the configuration: %s%s",
		    strerror(errno), buf_text(&errors));
	if (self.by_hand && conf_raw(self.conf, "config_directory") == NULL) {
		buf_printf(
		    &place, "config_directory=%s", self.config_directory);
		conf_override(self.conf, buf_text(&place), &errors);
	}
	for (size_t i = 0; i < self.override_count; i++)
		conf_override_at(self.conf, self.overrides[i],
		    master_line_of(self.overrides[i]), &errors);
	conf_fill(self.conf, house_params, &self.house, &errors);
	if (self.daemon->params != NULL)
		conf_fill(
		    self.conf, self.daemon->params, self.daemon->conf, &errors);
	rest = buf_str(&errors);
	first = str_cut(&rest, '\n');
	if (first.len > 0)
		log_fatal("%.*s", STR_FMT(first));
	buf_free(&errors);
	buf_free(&place);
	if (self.debug || self.house.debug_level > 0)
		log_set_level(LOG_LEVEL_DEBUG);
}

/* Why a start fails is told to master too, for `posthouse start`. */
static void tell_fatal(enum log_level level, struct str line, void *arg)
{
	char text[CHANNEL_TEXT_MAX];

	(void)arg;
	if (level != LOG_LEVEL_FATAL)
		return;
	if (line.len >= sizeof(text))
		line.len = sizeof(text) - 1;
	if (str_copy(text, sizeof(text), line) == 0)
		channel_say(CHANNEL_FATAL, text);
}

/* Until there is a connection to logd. */
static void early_sink(enum log_level level, struct str line, void *arg)
{
	dprintf(STDERR_FILENO, "%s: %.*s\n", log_program(), STR_FMT(line));
	tell_fatal(level, line, arg);
}

static void connect_log(void)
{
	char *path;

	logsink_also(tell_fatal, NULL);
	/* Who explains leaves neither log lines nor trace events. */
	if (self.explain)
		log_set_level(LOG_LEVEL_WARNING);
	if (self.debug || self.explain || self.daemon->datagram != NULL)
		return; /* logd itself writes its lines where it likes */
	if (asprintf(&path, "%s/sockets/log", self.house.run_directory) < 0)
		return;
	logsink_open(path);
	free(path);
}

static void explain_run(void)
{
	struct ipc *asker = ipc_server(0, &explain_exchange);

	self.daemon->explain(asker);
	ipc_close(&asker);
}

int daemon_main(const struct daemon *daemon, int argc, char **argv)
{
	log_open(daemon->name);
	log_set_sink(early_sink, NULL);
	self.daemon = daemon;
	umask(0007);
	options_read(argc, argv);
	prepare_signals();
	if (self.by_hand)
		make_descriptors();
	else
		take_descriptors();
	configure();
	stress_prepare();
	observe_to(daemon_observe);
	connect_log();
	if (daemon->before_jail != NULL && daemon->before_jail() != 0)
		leave(1);
	jail_enter();
	if (daemon->start != NULL && daemon->start() != 0)
		leave(1);
	if (self.explain)
		explain_run();
	else if (daemon->kind == DAEMON_FRONT)
		front_run();
	else if (daemon->kind == DAEMON_FORKER)
		forker_run();
	else if (daemon->kind == DAEMON_ALONE)
		alone_run();
	else
		worker_run();
	leave(0);
}
