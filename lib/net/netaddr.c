/* SPDX-License-Identifier: ISC */
#include "net/netaddr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const struct in6_addr mapped_prefix = {
    .s6_addr = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

static bool is_mapped(const struct in6_addr *a)
{
	return memcmp(a, &mapped_prefix, 12) == 0;
}

/*
 * The bytes that count, most significant first: 4 of IPv4 (an IPv4-mapped
 * IPv6 address is one), 16 of IPv6, or 0.
 */
static size_t bytes_of(const struct netaddr *a, const uint8_t **bytes)
{
	*bytes = NULL;
	if (a->len == 0)
		return 0;
	if (a->u.sa.sa_family == AF_INET) {
		*bytes = (const uint8_t *)&a->u.in.sin_addr;
		return 4;
	}
	if (a->u.sa.sa_family != AF_INET6)
		return 0;
	*bytes = a->u.in6.sin6_addr.s6_addr;
	if (!is_mapped(&a->u.in6.sin6_addr))
		return 16;
	*bytes += 12;
	return 4;
}

uint64_t netaddr_client_key(const struct netaddr *a)
{
	const uint8_t *bytes;
	size_t len = bytes_of(a, &bytes);
	uint64_t key = len == 4 ? 1 : 0;

	for (size_t i = 0; i < len && i < 8; i++)
		key = key << 8 | bytes[i];
	return key;
}

int netaddr_parse(struct str text, uint16_t port, struct netaddr *out)
{
	struct netaddr a = {.len = 0};
	char name[INET6_ADDRSTRLEN + 1];

	if (text.len >= 2 && text.p[0] == '[' && text.p[text.len - 1] == ']')
		text = str_sub(text, 1, text.len - 2);
	bool only6 = str_case_starts(text, STR("IPv6:"));
	if (only6)
		text = str_skip(text, 5);
	if (str_copy(name, sizeof(name), text) < 0)
		return -1;
	if (!only6 && inet_pton(AF_INET, name, &a.u.in.sin_addr) == 1) {
		a.u.in.sin_family = AF_INET;
		a.u.in.sin_port = htons(port);
		a.len = sizeof(a.u.in);
	} else if (inet_pton(AF_INET6, name, &a.u.in6.sin6_addr) == 1) {
		a.u.in6.sin6_family = AF_INET6;
		a.u.in6.sin6_port = htons(port);
		a.len = sizeof(a.u.in6);
	} else {
		return -1;
	}
	*out = a;
	return 0;
}

void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_MAX])
{
	const uint8_t *bytes;
	size_t len = bytes_of(a, &bytes);

	if (len == 0 ||
	    inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, out,
		NETADDR_TEXT_MAX) == NULL)
		snprintf(out, NETADDR_TEXT_MAX, "unknown");
}

uint16_t netaddr_port(const struct netaddr *a)
{
	if (a->len == 0)
		return 0;
	if (a->u.sa.sa_family == AF_INET)
		return ntohs(a->u.in.sin_port);
	if (a->u.sa.sa_family == AF_INET6)
		return ntohs(a->u.in6.sin6_port);
	return 0;
}

/* What getpeername and getsockname gave, when it is an internet address. */
static struct netaddr accept_family(struct netaddr a)
{
	if (a.u.sa.sa_family != AF_INET && a.u.sa.sa_family != AF_INET6)
		a.len = 0;
	return a;
}

struct netaddr netaddr_peer(int fd)
{
	struct netaddr a = {.len = sizeof(a.u)};

	if (getpeername(fd, &a.u.sa, &a.len) < 0)
		a.len = 0;
	return accept_family(a);
}

struct netaddr netaddr_own(int fd)
{
	struct netaddr a = {.len = sizeof(a.u)};

	if (getsockname(fd, &a.u.sa, &a.len) < 0)
		a.len = 0;
	return accept_family(a);
}

bool netaddr_is_loopback(const struct netaddr *a)
{
	const uint8_t *bytes;
	size_t len = bytes_of(a, &bytes);

	if (len == 4)
		return bytes[0] == 127;
	return len == 16 &&
	    memcmp(bytes, &in6addr_loopback, sizeof(in6addr_loopback)) == 0;
}

void netaddr_reverse(const struct netaddr *a, char out[80])
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *b;
	size_t len = bytes_of(a, &b);

	out[0] = '\0';
	if (len == 4) {
		snprintf(out, 80, "%u.%u.%u.%u", b[3], b[2], b[1], b[0]);
		return;
	}
	char *p = out;
	for (size_t i = len; i-- > 0;) {
		*p++ = hex[b[i] & 15];
		*p++ = '.';
		*p++ = hex[b[i] >> 4];
		*p++ = i > 0 ? '.' : '\0';
	}
}

/* Whether the first `bits` bits are the same. */
static bool same_bits(const uint8_t *a, const uint8_t *b, size_t bits)
{
	size_t whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	unsigned mask = (0xff00u >> rest) & 0xff;
	return ((a[whole] ^ b[whole]) & mask) == 0;
}

/* "ADDRESS" or "ADDRESS/BITS": 1 when a lies in it, 0, or -1. */
static int in_network(const struct netaddr *a, struct str text)
{
	struct netaddr net;
	const uint8_t *mine, *theirs;
	struct str rest = text;
	struct str address = str_cut(&rest, '/');
	bool has_bits = address.len < text.len;

	if (netaddr_parse(address, 0, &net) < 0)
		return -1;
	bool mapped = net.u.sa.sa_family == AF_INET6 &&
	    is_mapped(&net.u.in6.sin6_addr);
	size_t len = bytes_of(&net, &theirs);
	uint64_t bits = len * 8;
	if (has_bits && str_to_u64(rest, mapped ? 128 : bits, &bits) < 0)
		return -1;
	if (mapped && has_bits) { /* ::ffff:a.b.c.d/96 and up */
		if (bits < 96)
			return -1;
		bits -= 96;
	}
	if (len == 0 || bytes_of(a, &mine) != len)
		return 0;
	return same_bits(mine, theirs, (size_t)bits) ? 1 : 0;
}

int netaddr_in_list(const struct netaddr *a, struct str list, struct str *bad)
{
	for (;;) {
		struct str word = str_word(&list, " ,\t\r\n");
		if (word.len == 0)
			return 0;
		bool negated = word.p[0] == '!';
		int found = in_network(a, str_skip(word, negated ? 1 : 0));
		if (found < 0) {
			if (bad != NULL)
				*bad = word;
			return -1;
		}
		if (found > 0)
			return negated ? 0 : 1;
	}
}
