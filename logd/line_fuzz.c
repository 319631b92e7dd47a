/* SPDX-License-Identifier: ISC */
/* Whatever a line's text: its forms have no control octet but the line feeds
 * that belong there, and the JSON is one line. */
#include <stdint.h>
#include <stdlib.h>

#include "logd/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct buf *out, size_t line_feeds)
{
	size_t seen = 0;

	if (out->overflow)
		abort();
	for (size_t i = 0; i < out->len; i++) {
		unsigned char c = (unsigned char)out->p[i];

		seen += c == '\n';
		if (c != '\n' && (c < ' ' || c == 127))
			abort();
	}
	if (seen != line_feeds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct log_line l = {.us = 1700000000000000u,
	    .level = LOG_LEVEL_INFO,
	    .host = "mail",
	    .prefix = "posthouse",
	    .program = STR("smtpd"),
	    .pid = 12,
	    .text = str_of(data, len)};
	struct buf out = buf_new(1u << 17);

	line_json(&out, &l);
	check(&out, 1);
	buf_clear(&out);
	line_syslog(&out, &l, 2, false);
	check(&out, 0);
	buf_clear(&out);
	line_syslog(&out, &l, 2, true);
	check(&out, 0);
	buf_clear(&out);
	line_journal(&out, &l, 2);
	check(&out, line_queue_id(l.text).len > 0 ? 7 : 6);
	buf_free(&out);
	return 0;
}
