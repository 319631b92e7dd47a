/* SPDX-License-Identifier: ISC */
/*
 * sendmail, mailq and newaliases: mail from programs and people of this host.
 * It has no rights of its own.
 *
 * options.c reads the command line; mail.c and smtp.c are the two ways in
 * which a message comes, content.c (with dots.c) takes what arrives, header.c
 * finds recipients and completes the header (both pure), draft.c puts the
 * submission together, and submit.c brings it to pickup or, when the suite is
 * down, to postdrop. queue.c asks about the queue, aliases.c compiles tables,
 * verify.c has "posthouse route" say where an address leads, person.c knows who
 * calls.
 */
#include "sendmail/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"

/* 0, or EX_CONFIG after a message. */
static int read_conf(struct sendmail *s)
{
	struct buf errors = buf_new(65536);
	char *path;
	int status = EX_OK;

	if (asprintf(&path, "%s/main.cf", s->options.config_directory) < 0)
		return EX_OSERR;
	s->conf = conf_read(path, &errors);
	if (s->conf == NULL)
		status = complain(
		    s, EX_CONFIG, "%s: %s", path, strerror(errno));
	else if (conf_fill(s->conf, house_params, &s->house, &errors) < 0)
		status = complain(s, EX_CONFIG, "%s", buf_text(&errors));
	free(path);
	buf_free(&errors);
	return status;
}

/* What is opened later must not become standard output or input. */
static void keep_standard_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
}

int main(int argc, char **argv)
{
	static int (*const modes[])(struct sendmail *) = {
	    [MODE_MAIL] = mail_mode,
	    [MODE_SMTP] = smtp_mode,
	    [MODE_QUEUE] = queue_mode,
	    [MODE_FLUSH] = flush_mode,
	    [MODE_ALIASES] = aliases_mode,
	    [MODE_VERIFY] = verify_mode};
	struct sendmail s = {.name = "sendmail"};
	int status;

	keep_standard_descriptors();
	log_open("sendmail");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	status = options_read(&s, argc, argv);
	if (status == EX_OK)
		status = read_conf(&s);
	if (status == EX_OK) {
		person_find(&s);
		status = modes[s.options.mode](&s);
	}
	free(s.user);
	free(s.full_name);
	conf_free(&s.conf);
	if (fflush(stdout) != 0 && status == EX_OK)
		status = complain(
		    &s, EX_IOERR, "standard output: %s", strerror(errno));
	return status;
}
