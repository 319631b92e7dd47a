/* SPDX-License-Identifier: ISC */
/*
 * The folder of received reports (feedback_directory): KIND-KEY.json for each
 * (report_write), and beside an unreadable one KIND-KEY.eml, the mail as far
 * as it is kept. A report has one key, so it is there once.
 */
#ifndef FEEDBACK_FOLDER_H
#define FEEDBACK_FOLDER_H

#include "feedback/feedback_conf.h"
#include "report/report.h"

/* In before_jail. 0, or -1 after a line in the log. */
int folder_open(const char *path, const struct feedback_conf *conf);

enum kept { KEPT_NEW, KEPT_KNOWN, KEPT_NOT };
/*
 * Stores it durably under the key; message is kept, up to the limit, when the
 * report is unreadable. KEPT_NOT: errno.
 */
enum kept folder_store(
    const struct report *r, const char *key, struct str message);

/* Removes what is too old, and the oldest when it is too much; now and then,
 * or at once. */
void folder_sweep(int64_t now, bool at_once);

#endif
