/* SPDX-License-Identifier: ISC */
/*
 * postdrop: leaves a submission in spool/drop while the suite is down. It is
 * the one program with a right of its own, the group that may write there, and
 * has it for that alone.
 *
 * It trusts nothing of its caller: the environment is forgotten, signals are
 * kept off, descriptors but the first three are closed; the configuration is
 * the installed one, or the right is given up; what is on standard input is
 * read and written anew, line by line, in the form of queue/drop.h. Only when
 * all of it is on the disk has the file a name that pickup takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/users.h"
#include "core/file.h"
#include "core/id.h"
#include "daemon/house_conf.h"
#include "ipc/limits.h"
#include "queue/drop.h"
#include "queue/queue_file.h"

#define WRITE_MOST  262144   /* octets that are written at once */
#define FREE_LEAST  33554432 /* octets that stay free on the disk */
#define RUN_SECONDS 600      /* the most that one run may take */

static struct conf *conf;
static struct house_conf house; /* its texts are conf's */

static int complain(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int complain(int status, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "postdrop: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return status;
}

/* ---- what the caller left us ---- */

/* Signals that would leave a half-written file; the alarm still ends us. */
static void keep_signals_off(void)
{
	static const int ignored[] = {
	    SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ, SIGTSTP};
	sigset_t none;

	sigemptyset(&none);
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	alarm(RUN_SECONDS);
}

static void keep_descriptors_off(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
	if (close_range(3, ~0u, 0) < 0)
		_exit(EX_OSERR);
}

/* Another configuration is the caller's own affair, and gets the caller's own
 * rights. */
static int give_up_group(void)
{
	gid_t own = getgid();

	if (setresgid(own, own, own) < 0 || getegid() != own)
		return complain(EX_OSERR, "setresgid: %s", strerror(errno));
	return EX_OK;
}

static int read_conf(const char *directory)
{
	struct buf errors = buf_new(65536);
	int status = EX_OK;
	char *path;

	if (asprintf(&path, "%s/main.cf", directory) < 0)
		return EX_OSERR;
	conf = conf_read(path, &errors);
	if (conf == NULL)
		status = complain(EX_CONFIG, "%s: %s", path, strerror(errno));
	else if (conf_fill(conf, house_params, &house, &errors) < 0)
		status = complain(EX_CONFIG, "%s", buf_text(&errors));
	free(path);
	buf_free(&errors);
	return status;
}

static int check_user(void)
{
	struct buf odd = buf_new(65536), errors = buf_new(65536);
	struct user_list list;
	uid_t uid = getuid();
	int status = EX_OK;

	if (user_list_read(
		&list, house.authorized_submit_users, &odd, &errors) < 0)
		status = complain(EX_CONFIG, "authorized_submit_users: %s",
		    buf_text(&errors));
	else if (uid != 0 && !user_list_has(&list, uid))
		status = complain(EX_NOPERM,
		    "uid %u may not send mail (authorized_submit_users)",
		    (unsigned)uid);
	user_list_free(&list);
	buf_free(&odd);
	buf_free(&errors);
	return status;
}

/* ---- the file ---- */

struct copy {
	struct drop_reader *in;
	struct buf out;
	int fd;
	uint64_t size;
};

static int put(struct copy *c)
{
	int r = file_write_full(c->fd, c->out.p, c->out.len);

	buf_clear(&c->out);
	return r == 0 ? EX_OK
		      : complain(EX_TEMPFAIL, "writing: %s", strerror(errno));
}

static int malformed(const char *why)
{
	return complain(
	    errno != 0 ? EX_IOERR : EX_DATAERR, "standard input: %s", why);
}

static int copy_head(struct copy *c)
{
	const struct drop_submission *s;
	const char *why;
	struct id id;

	if (drop_head(c->in, &s, &why) < 0)
		return malformed(why);
	if (id_parse(s->id, &id) < 0)
		return complain(EX_DATAERR, "standard input: no id");
	if (s->size > house.message_size_limit)
		return complain(EX_UNAVAILABLE,
		    "the message is larger than message_size_limit");
	c->size = s->size;
	return drop_put_head(&c->out, s) < 0 ? EX_SOFTWARE : EX_OK;
}

static int copy_recipients(struct copy *c)
{
	const struct cleanup_recipient *r;
	const char *why;
	int got;

	while ((got = drop_recipient(c->in, &r, &why)) > 0) {
		if (drop_put_recipient(&c->out, r) < 0)
			return EX_SOFTWARE;
		if (c->out.len > WRITE_MOST / 2 && put(c) != EX_OK)
			return EX_TEMPFAIL;
	}
	return got == 0 ? put(c) : malformed(why);
}

static int copy_content(struct copy *c)
{
	struct str piece;
	const char *why;
	int got;

	while ((got = drop_content(c->in, &piece, &why)) > 0) {
		buf_add(&c->out, piece);
		if (put(c) != EX_OK)
			return EX_TEMPFAIL;
	}
	if (got < 0)
		return malformed(why);
	return drop_put_end(&c->out, c->size) < 0 ? EX_SOFTWARE : put(c);
}

static int copy_all(int from, int to)
{
	struct copy c = {
	    .in = drop_reader_new(from), .out = buf_new(WRITE_MOST), .fd = to};
	int status = copy_head(&c);

	if (status == EX_OK)
		status = copy_recipients(&c);
	if (status == EX_OK)
		status = copy_content(&c);
	drop_reader_free(&c.in);
	buf_free(&c.out);
	return status;
}

static int check_space(void)
{
	struct statvfs fs;

	if (statvfs(".", &fs) < 0)
		return complain(EX_CANTCREAT, "statvfs: %s", strerror(errno));
	if ((uint64_t)fs.f_bavail * fs.f_frsize <
		house.message_size_limit + FREE_LEAST ||
	    (fs.f_files > 0 && fs.f_favail < 256))
		return complain(EX_TEMPFAIL, "not enough free space");
	return EX_OK;
}

/*
 * Everything of the file system goes to the disk, for the folder cannot be
 * opened for reading by us, and its entry must be there as well as the file.
 * The suite is down, so little else waits to be written.
 */
static int publish(int fd, const char *from, const char *to)
{
	if (fsync(fd) < 0)
		return complain(EX_TEMPFAIL, "fsync: %s", strerror(errno));
	if (rename(from, to) < 0)
		return complain(EX_CANTCREAT, "%s: %s", to, strerror(errno));
	if (syncfs(fd) == 0)
		return EX_OK;
	unlink(to);
	return complain(EX_TEMPFAIL, "syncfs: %s", strerror(errno));
}

static int leave(int from)
{
	struct id id = id_new();
	char name[4 + ID_LEN + 1];
	int fd, status;

	snprintf(name, sizeof(name), "new.%s", id.text);
	/* The folder's group, through which pickup may read. */
	fd = open(
	    name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		return complain(EX_CANTCREAT, "%s/drop/%s: %s",
		    house.queue_directory, name, strerror(errno));
	status = fchmod(fd, 0640) < 0 ? EX_CANTCREAT : copy_all(from, fd);
	if (status == EX_OK)
		status = publish(fd, name, id.text);
	if (status != EX_OK)
		unlink(name);
	file_close(&fd);
	return status;
}

static int enter_folder(void)
{
	char *path;
	int r;

	if (asprintf(&path, "%s/drop", house.queue_directory) < 0)
		return EX_OSERR;
	r = chdir(path);
	if (r < 0)
		complain(0, "%s: %s", path, strerror(errno));
	free(path);
	return r < 0 ? EX_CANTCREAT : EX_OK;
}

/* ---- the input ---- */

/* A file, for it is read by position; what stands behind a pipe is not. */
static int check_input(void)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || !S_ISREG(st.st_mode))
		return complain(EX_DATAERR, "standard input is no file");
	return EX_OK;
}

int main(int argc, char **argv)
{
	const char *directory = POSTHOUSE_SYSCONFDIR;
	int status = EX_OK;

	keep_descriptors_off();
	clearenv();
	keep_signals_off();
	umask(077);
	if (argc == 3 && strcmp(argv[1], "-C") == 0) {
		directory = argv[2];
		status = give_up_group();
	} else if (argc > 1) {
		status = complain(
		    EX_USAGE, "usage: postdrop [-C config_directory]");
	}
	if (status == EX_OK)
		status = read_conf(directory);
	if (status == EX_OK)
		status = check_user();
	if (status == EX_OK)
		status = check_input();
	if (status == EX_OK)
		status = enter_folder();
	if (status == EX_OK)
		status = check_space();
	if (status == EX_OK)
		status = leave(STDIN_FILENO);
	conf_free(&conf);
	return status;
}
