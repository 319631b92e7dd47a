/* SPDX-License-Identifier: ISC */
/*
 * What of a report is this house: addresses that mail of ours leaves from, and
 * the keys that sign it. Rows of DMARC carry no id of a message, so these are
 * all that joins them to us.
 */
#ifndef POSTHOUSE_REPORT_OWN_H
#define POSTHOUSE_REPORT_OWN_H

#include "core/table.h"
#include "posthouse/posthouse.h"
#include "report/report.h"

struct report_own {
	struct ifaddrs *interfaces;
	struct buf networks;        /* feedback_own_networks */
	struct table domains, keys; /* enum own_key of what was looked for */
	int folder;                 /* of keys; -1: it cannot be read */
};

/* 0, or -1 after a message on stderr: feedback_own_networks is none. What
 * cannot be read is taken for empty. */
int report_own_open(struct report_own *own, struct posthouse *p);
void report_own_close(struct report_own *own);

/* An address of this host, or of feedback_own_networks. */
bool report_own_address(const struct report_own *own, struct str address);

enum own_key {
	OWN_KEY_UNKNOWN, /* nobody here signs for that domain */
	OWN_KEY_OURS,    /* a key of dkim_key_directory, whatever its state */
	OWN_KEY_OTHER    /* of the domain are other keys */
};
enum own_key report_own_key(
    struct report_own *own, struct str domain, struct str selector);

/* Whose the messages of a row are. */
enum whose {
	WHOSE_OURS, /* sent by this house, or with its signature that holds */
	WHOSE_CHANGED, /* from elsewhere, with its signature that does not */
	WHOSE_OTHERS,
	WHOSE_COUNT
};
extern const char *const whose_names[WHOSE_COUNT]; /* "ours" ... */
enum whose report_own_row(struct report_own *own, const struct report_row *row);

#endif
