/* SPDX-License-Identifier: ISC */
/* The verbs of posthouse report; argv begins with the verb. */
#ifndef POSTHOUSE_REPORT_H
#define POSTHOUSE_REPORT_H

#include "posthouse/posthouse.h"

int report_list(struct posthouse *p, int argc, char **argv);
int report_show(struct posthouse *p, int argc, char **argv);
int report_summary(struct posthouse *p, int argc, char **argv);
int report_show_pending(struct posthouse *p, int argc, char **argv);
int report_send_now(struct posthouse *p, int argc, char **argv);

#endif
