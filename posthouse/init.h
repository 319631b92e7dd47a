/* SPDX-License-Identifier: ISC */
/* What `posthouse init` is made of. */
#ifndef POSTHOUSE_INIT_H
#define POSTHOUSE_INIT_H

#include "core/buf.h"

#define INIT_SETTINGS_MAX 200

struct init {
	char *directory; /* absolute */
	const char *domain, *host, *password;
	char *hostname; /* mail.DOMAIN */
	unsigned users, port_base;
	const char *settings[INIT_SETTINGS_MAX]; /* NAME=VALUE */
	size_t setting_count;
};

/* conf/master.cf, line by line; ends with NULL. Written by the Makefile. */
extern const char *const master_cf_lines[];

/* The text of each file. */
void init_main_cf(const struct init *in, struct buf *out);
void init_master_cf(const struct init *in, struct buf *out);
void init_users(const struct init *in, struct buf *out);
void init_aliases(const struct init *in, struct buf *out);
void init_passwords(const struct init *in, const char *hash, struct buf *out);

/* The port of a service of master.cf in a private instance, or 0. */
unsigned init_port(const struct init *in, struct str service);

#endif
