/* SPDX-License-Identifier: ISC */
/*
 * posthouse check: what is found, and the parts that look. Each part adds lines
 * to problems (the suite, or a part of it, would not work) and to warnings.
 */
#ifndef POSTHOUSE_CHECK_H
#define POSTHOUSE_CHECK_H

#include "daemon/config.h"

struct check {
	struct config *config;
	struct buf problems, warnings; /* lines */
};

/*
 * Calls see for each parameter of text: with its value in main.cf, or its
 * default, and once more with the value that each service has of its own (-o
 * in master.cf). place: "main.cf:12", "master.cf:30 -o", "default"; all of it
 * lasts for the call.
 */
void check_each_setting(struct check *c,
    void (*see)(struct check *c, const struct conf_param *row,
	const char *value, const char *place, void *arg),
    void *arg);

/* A parameter as it is in effect; "" where it is wrong, which others tell. */
void check_value_of(struct check *c, const char *name, struct buf *value);

/* Every lookup table that a parameter names. */
void check_tables(struct check *c);
/* Spool, store, log, and who may read and write there. */
void check_folders(struct check *c);
/* Keys that mail is signed with, and who may read them. */
void check_keys(struct check *c);
/* What inet services listen on: free, or ours already. */
void check_ports(struct check *c);
/* Whether each DNS server answers, within some seconds. */
void check_dns(struct check *c);
/* Every certificate that a parameter names, with its key. */
void check_certificates(struct check *c);

#endif
