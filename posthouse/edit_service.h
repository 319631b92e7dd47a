/* SPDX-License-Identifier: ISC */
/* Editing the -o options of a service in the text of master.cf; everything
 * else stays as it is. */
#ifndef POSTHOUSE_EDIT_SERVICE_H
#define POSTHOUSE_EDIT_SERVICE_H

#include "core/buf.h"

/*
 * Sets name to value for the service "name/type"; value NULL removes the
 * option. old gets the value before, was whether there was one. The text is
 * replaced as a whole. 0, or -1 when there is no such service.
 */
int edit_service(struct buf *text, struct str service, struct str name,
    const char *value, struct buf *old, bool *was);

#endif
