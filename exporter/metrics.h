/* SPDX-License-Identifier: ISC */
/* Figures in Prometheus' text format 0.0.4; pure. */
#ifndef EXPORTER_METRICS_H
#define EXPORTER_METRICS_H

#include "core/buf.h"
#include "daemon/reading.h"

void metrics_write(const struct reading *r, struct buf *out);

#endif
