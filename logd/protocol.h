/* SPDX-License-Identifier: ISC */
/*
 * The protocols of users and clients that the operator asked for (posthouse
 * debug, debug_peer_list): a file for each below $log_directory/protocol, which
 * grows to protocol_log_size_limit and goes after protocol_log_lifetime.
 */
#ifndef LOGD_PROTOCOL_H
#define LOGD_PROTOCOL_H

#include <sys/types.h>

#include "core/buf.h"
#include "logd/logd_conf.h"

/* conf must outlive all other calls; log_dir stays the caller's. 0, or -1 with
 * errno. */
int protocol_open(const struct logd_conf *conf, int log_dir);
/*
 * Writes a line. name is whom it is about, as a sender says it, who may be
 * anybody: false when it can be the name of no file here.
 */
bool protocol_line(
    struct str name, struct str program, pid_t pid, struct str text);
/* Removes what is past its lifetime. */
void protocol_sweep(void);

#endif
