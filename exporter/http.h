/* SPDX-License-Identifier: ISC */
/*
 * The head of a request (RFC 9112), as much of it as an endpoint needs that
 * answers one path. (libevent's evhttp takes neither a socket that is
 * connected already nor a bound on its clients.)
 */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include "core/str.h"

struct http_request {
	bool get, head;  /* neither: another method */
	struct str path; /* without the query; a view into the input */
	bool last;       /* the connection ends behind the answer */
	bool old;        /* HTTP/1.0 */
};

/*
 * Reads a head from what has arrived. Returns its length, 0 when it has not
 * all come, or the negative of a status code: 400, 431 (longer than most),
 * 505. A body, which no request here needs, makes the request the last.
 */
long http_parse(struct str in, size_t most, struct http_request *out);

/* "Not Found" for 404. */
const char *http_phrase(int status);

#endif
