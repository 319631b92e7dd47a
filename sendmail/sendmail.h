/* SPDX-License-Identifier: ISC */
/*
 * What the parts of sendmail(1) share. It runs with the rights of whoever
 * calls it, and ends with a status of sysexits(3).
 */
#ifndef SENDMAIL_SENDMAIL_H
#define SENDMAIL_SENDMAIL_H

#include <sysexits.h>

#include "conf/conf.h"
#include "daemon/house_conf.h"

enum mode {
	MODE_MAIL,
	MODE_SMTP,
	MODE_QUEUE,
	MODE_FLUSH,
	MODE_ALIASES,
	MODE_VERIFY
};

/* What the command line says (options.c); texts are its own. */
struct options {
	enum mode mode;
	const char *config_directory; /* -C */
	bool extract;                 /* -t */
	bool ignore_dots;             /* -i */
	bool verbose;                 /* -v */
	const char *sender;           /* -f, -r; NULL */
	const char *full_name;        /* -F; NULL */
	const char *body;             /* -B: "7BIT", "8BITMIME", or NULL */
	const char *envid;            /* -V; "" */
	const char *ret;              /* -R; "" */
	const char *notify;           /* -N; "" */
	const char *flush_id;         /* -qI; "" */
	const char *flush_site;       /* -qR; "" */
	char **recipients;            /* NULL-terminated */
};

struct sendmail {
	const char *name; /* "sendmail", "mailq", "newaliases" */
	struct options options;
	struct conf *conf;
	struct house_conf house;
	char *user;      /* the caller's login name, "" when there is none */
	char *full_name; /* his or her name, "" */
};

/* options.c: EX_OK, or after a message EX_USAGE or EX_UNAVAILABLE. */
int options_read(struct sendmail *s, int argc, char **argv);

/* person.c: fills user and full_name. */
void person_find(struct sendmail *s);

/* Each mode gives the exit status; a message has been printed when it is not
 * EX_OK. */
int mail_mode(struct sendmail *s);
int smtp_mode(struct sendmail *s);
int queue_mode(struct sendmail *s);
int flush_mode(struct sendmail *s);
int aliases_mode(struct sendmail *s);
int verify_mode(struct sendmail *s);

/* complain.c: prints "sendmail: ..." on stderr; returns status, for `return`. */
int complain(const struct sendmail *s, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
