/* SPDX-License-Identifier: ISC */
#include "net/proxy_protocol.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/clock.h"

/* ---- version 1: a line of text ---- */

/* The address in its usual form, and nothing that netaddr_parse takes
 * besides. */
static int read_address(struct str text, int family, struct netaddr *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = ascii_lower(text.p[i]);
		bool hex = ascii_digit(c) || (c >= 'a' && c <= 'f');

		if (!hex && c != '.' && c != ':')
			return -1;
	}
	if (netaddr_parse(text, 0, out) < 0 || out->u.sa.sa_family != family)
		return -1;
	return 0;
}

static int read_port(struct str text, uint16_t *port)
{
	uint64_t n;

	if (text.len > 1 && text.p[0] == '0')
		return -1;
	if (str_to_u64(text, 65535, &n) < 0)
		return -1;
	*port = (uint16_t)n;
	return 0;
}

static void set_port(struct netaddr *a, uint16_t port)
{
	if (a->u.sa.sa_family == AF_INET)
		a->u.in.sin_port = htons(port);
	else
		a->u.in6.sin6_port = htons(port);
}

/* "TCP4 192.0.2.1 192.0.2.2 40001 25", one blank between two words. */
static const char *read_line(struct str line, struct proxy_header *out)
{
	const char *end = line.p + line.len;
	struct str words[5];
	uint16_t from, to;
	int family;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		words[i] = str_cut(&line, ' ');
	if (str_eq(words[0], STR("UNKNOWN"))) {
		out->local = true; /* whatever follows */
		return NULL;
	}
	if (str_eq(words[0], STR("TCP4")))
		family = AF_INET;
	else if (str_eq(words[0], STR("TCP6")))
		family = AF_INET6;
	else
		return "the protocol is none of TCP4, TCP6 and UNKNOWN";
	if (read_address(words[1], family, &out->from) < 0 ||
	    read_address(words[2], family, &out->to) < 0)
		return "an address is wrong";
	if (read_port(words[3], &from) < 0 || read_port(words[4], &to) < 0 ||
	    words[4].p + words[4].len != end)
		return "a port is wrong";
	set_port(&out->from, from);
	set_port(&out->to, to);
	return NULL;
}

static enum proxy_result parse_v1(
    struct str input, struct proxy_header *out, const char **why)
{
	struct str head = str_sub(input, 0, PROXY_V1_MAX);
	size_t end = str_find(head, '\n');

	if (end == head.len && head.len < PROXY_V1_MAX)
		return PROXY_MORE;
	*why = "the line is too long";
	if (end == head.len)
		return PROXY_BAD;
	*why = "the line does not end in CRLF";
	if (end == 0 || head.p[end - 1] != '\r')
		return PROXY_BAD;
	out->len = end + 1;
	*why = read_line(str_sub(head, 6, end - 7), out);
	return *why == NULL ? PROXY_OK : PROXY_BAD;
}

/* ---- version 2: binary ---- */

#define V2_FIXED 16 /* octets before the addresses */

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";

static uint16_t get16(const char *p)
{
	return (uint16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
}

static void read_v4(const char *p, struct proxy_header *out)
{
	struct netaddr a = {.len = sizeof(a.u.in)};

	a.u.in.sin_family = AF_INET;
	out->from = out->to = a;
	memcpy(&out->from.u.in.sin_addr, p, 4);
	memcpy(&out->to.u.in.sin_addr, p + 4, 4);
	set_port(&out->from, get16(p + 8));
	set_port(&out->to, get16(p + 10));
}

static void read_v6(const char *p, struct proxy_header *out)
{
	struct netaddr a = {.len = sizeof(a.u.in6)};

	a.u.in6.sin6_family = AF_INET6;
	out->from = out->to = a;
	memcpy(&out->from.u.in6.sin6_addr, p, 16);
	memcpy(&out->to.u.in6.sin6_addr, p + 16, 16);
	set_port(&out->from, get16(p + 32));
	set_port(&out->to, get16(p + 34));
}

/* family: the octet with address family and protocol. */
static const char *read_addresses(
    unsigned family, const char *p, size_t len, struct proxy_header *out)
{
	switch (family) {
	case 0x11: /* TCP over IPv4 */
		if (len < 12)
			return "the addresses are cut off";
		read_v4(p, out);
		return NULL;
	case 0x21: /* TCP over IPv6 */
		if (len < 36)
			return "the addresses are cut off";
		read_v6(p, out);
		return NULL;
	case 0x00: /* unknown */
	case 0x31: /* a UNIX socket */
		out->local = true;
		return NULL;
	default:
		return "the family is none of TCP over IPv4 and IPv6";
	}
}

static enum proxy_result parse_v2(
    struct str input, struct proxy_header *out, const char **why)
{
	if (input.len < V2_FIXED)
		return PROXY_MORE;
	unsigned version = (uint8_t)input.p[12] >> 4;
	unsigned command = (uint8_t)input.p[12] & 15;
	out->len = V2_FIXED + get16(input.p + 14);
	*why = version != 2 ? "the version is unknown"
	    : command > 1   ? "the command is none of LOCAL and PROXY"
			    : "the header is too long";
	if (version != 2 || command > 1 || out->len > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (input.len < out->len)
		return PROXY_MORE;
	*why = NULL;
	if (command == 0)
		out->local = true; /* the addresses mean nothing */
	else
		*why = read_addresses((uint8_t)input.p[13], input.p + V2_FIXED,
		    out->len - V2_FIXED, out);
	return *why == NULL ? PROXY_OK : PROXY_BAD;
}

/* ---- both ---- */

/* Whether input begins with what, or is the beginning of it. */
static bool may_be(struct str input, struct str what)
{
	size_t len = input.len < what.len ? input.len : what.len;

	return memcmp(input.p, what.p, len) == 0;
}

enum proxy_result proxy_parse(
    struct str input, struct proxy_header *out, const char **why)
{
	struct str v2 = str_of(signature, sizeof(signature));

	*out = (struct proxy_header){.len = 0};
	*why = "";
	if (input.len == 0)
		return PROXY_MORE;
	if (may_be(input, v2))
		return input.len < v2.len ? PROXY_MORE
					  : parse_v2(input, out, why);
	if (may_be(input, STR("PROXY ")))
		return input.len < 6 ? PROXY_MORE : parse_v1(input, out, why);
	*why = "there is none";
	return PROXY_BAD;
}

/* ---- from a socket ---- */

static void wake_at(int fd, size_t octets)
{
	int n = (int)octets;

	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

/* The header stays in the socket until it is whole. */
enum proxy_result proxy_take(
    int fd, size_t *seen, struct proxy_header *out, const char **why)
{
	char input[PROXY_HEADER_MAX];
	ssize_t n = recv(fd, input, sizeof(input), MSG_PEEK | MSG_DONTWAIT);
	enum proxy_result r;

	*why = "";
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return PROXY_MORE;
	if (n <= 0 || (size_t)n == *seen)
		return PROXY_GONE; /* woken, and nothing new */
	r = proxy_parse(str_of(input, (size_t)n), out, why);
	if (r == PROXY_MORE) {
		*seen = (size_t)n;
		wake_at(fd, *seen + 1);
	} else if (*seen > 0) {
		wake_at(fd, 1);
	}
	if (r == PROXY_OK &&
	    recv(fd, input, out->len, MSG_DONTWAIT) != (ssize_t)out->len)
		return PROXY_GONE;
	return r;
}

enum proxy_result proxy_wait(
    int fd, int64_t deadline, struct proxy_header *out, const char **why)
{
	struct pollfd p = {fd, POLLIN, 0};
	enum proxy_result r = PROXY_MORE;
	size_t seen = 0;

	while (r == PROXY_MORE) {
		int n = poll(&p, 1, deadline_left(deadline));

		*why = "";
		if (n == 0 || (n < 0 && errno != EINTR))
			return PROXY_GONE;
		if (n > 0)
			r = proxy_take(fd, &seen, out, why);
	}
	return r;
}
