/* SPDX-License-Identifier: ISC */
/* Writing XML 1.0: elements with text in them, and nothing else. Pure. */
#ifndef REPORTD_XML_H
#define REPORTD_XML_H

#include "core/buf.h"

void xml_begin(struct buf *out, const char *name);
void xml_end(struct buf *out, const char *name);
/*
 * <name>text</name>. The text may be anything: what has a meaning in XML is
 * written as a reference; control octets, which XML cannot say, and what is no
 * UTF-8 become "?".
 */
void xml_text(struct buf *out, const char *name, struct str text);
void xml_u64(struct buf *out, const char *name, uint64_t value);

#endif
