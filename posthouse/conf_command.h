/* SPDX-License-Identifier: ISC */
/* The verbs of posthouse conf that have a file of their own. argc and argv
 * are what stands behind the verb; the result is the exit status. */
#ifndef POSTHOUSE_CONF_COMMAND_H
#define POSTHOUSE_CONF_COMMAND_H

#include "posthouse/posthouse.h"

int conf_diff(struct posthouse *p, int argc, char **argv);
int conf_import(struct posthouse *p, int argc, char **argv);

#endif
