/* SPDX-License-Identifier: ISC */
/* The files that logd writes, and the sockets that it sends lines to. */
#ifndef LOGD_OUTPUT_H
#define LOGD_OUTPUT_H

#include <sys/types.h>

#include "ipc/trace.h"
#include "logd/logd_conf.h"

/* Where the log goes, and the sockets' folders, while they can be seen; first
 * of all. -1: log_destination names none, or something else. */
int output_destinations(const struct logd_conf *conf);
/*
 * Opens the folders of the log and of the trace, while they can be seen. conf
 * and its strings must outlive all other calls. The log's folder, for the
 * caller to free; or NULL with errno and *path of what cannot be opened.
 */
char *output_find(
    const struct logd_conf *conf, const char *log_directory, const char **path);
/* Opens the files. host and the word before the slash must outlive all other
 * calls. 0, or -1 with errno and *path of the file that cannot be opened. */
int output_open(const char *host, const char *prefix, const char **path);

/* Adds a line or an event to the batch. */
void output_line(
    enum log_level level, struct str program, pid_t pid, struct str text);
/* Lines that syslogd and the journal did not take, until it is told them. */
uint64_t output_unsent(void);
/* count: of cells that are one event. */
void output_trace(const struct trace_cell *cells, size_t count);
/* Writes the batch: one write(2) for each file. */
void output_flush(void);
/* Writes what is batched and gives everything back. */
void output_close(void);
/* Goes on with the index; true when there is more to do at once. */
bool output_index(void);
/* Whether there are events that the index has not seen. */
bool output_is_unindexed(void);
/* Once a minute: removes trace files and indexes past their lifetime. */
void output_sweep(void);

#endif
