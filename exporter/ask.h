/* SPDX-License-Identifier: ISC */
/* The figures of now, from master. */
#ifndef EXPORTER_ASK_H
#define EXPORTER_ASK_H

#include "core/buf.h"
#include "exporter/exporter_conf.h"

/* Once, in start. */
void ask_open(const struct exporter_conf *conf);
/*
 * done is called with the text of all metrics, valid during the call, or with
 * NULL and why; at once when the last text is young enough. One that waits is
 * told by arg in ask_forget.
 */
void ask_figures(
    void (*done)(const struct buf *text, const char *why, void *arg),
    void *arg);
void ask_forget(const void *arg);

#endif
