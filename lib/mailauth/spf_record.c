/* SPDX-License-Identifier: ISC */
#include "mailauth/spf_record.h"

#include <arpa/inet.h>

#include "mailauth/spf_macro.h"

#define VERSION "v=spf1"

struct parser {
	struct spf_record *out;
	const char *problem;
};

static const struct {
	const char *name;
	enum spf_mechanism mechanism;
} mechanisms[] = {
    {"all", SPF_ALL},
    {"include", SPF_INCLUDE},
    {"a", SPF_A},
    {"mx", SPF_MX},
    {"ptr", SPF_PTR},
    {"ip4", SPF_IP4},
    {"ip6", SPF_IP6},
    {"exists", SPF_EXISTS},
};

bool spf_record_is(struct str text)
{
	struct str version = STR(VERSION);

	return str_case_starts(text, version) &&
	    (text.len == version.len || text.p[version.len] == ' ');
}

static int fail(struct parser *p, const char *problem)
{
	p->problem = problem;
	return -1;
}

/*
 * Takes a prefix length and the mark before it off the end of *s: 1 when there
 * was one, 0 when not, -1 when it is out of bounds.
 */
static int take_bits(
    struct str *s, struct str mark, unsigned most, unsigned *bits)
{
	size_t digits = 0;
	uint64_t value;

	while (digits < s->len && ascii_digit(s->p[s->len - 1 - digits]))
		digits++;
	struct str number = str_skip(*s, s->len - digits);
	struct str before = str_sub(*s, 0, s->len - digits);
	if (digits == 0 || !str_ends(before, mark))
		return 0;
	if ((digits > 1 && number.p[0] == '0') ||
	    str_to_u64(number, most, &value) < 0)
		return -1;
	*bits = (unsigned)value;
	s->len = before.len - mark.len;
	return 1;
}

/* "[:domain][/bits][//bits]" of a and mx. */
static int read_dual(struct parser *p, struct str s, struct spf_term *term)
{
	if (take_bits(&s, STR("//"), 128, &term->bits6) < 0 ||
	    take_bits(&s, STR("/"), 32, &term->bits4) < 0)
		return fail(p, "a prefix length is out of bounds");
	if (s.len == 0)
		return 0;
	term->domain = str_skip(s, 1);
	if (s.p[0] != ':' || !spf_macro_valid(term->domain, SPF_DOMAIN))
		return fail(p, "malformed domain");
	return 0;
}

static int read_domain(
    struct parser *p, struct str s, bool needed, struct spf_term *term)
{
	if (s.len == 0)
		return needed ? fail(p, "the domain is missing") : 0;
	term->domain = str_skip(s, 1);
	if (s.p[0] != ':' || !spf_macro_valid(term->domain, SPF_DOMAIN))
		return fail(p, "malformed domain");
	return 0;
}

static int read_network(
    struct parser *p, struct str s, int family, struct spf_term *term)
{
	char text[INET6_ADDRSTRLEN];
	bool four = family == AF_INET;
	unsigned *bits = four ? &term->bits4 : &term->bits6;

	if (s.len == 0 || s.p[0] != ':')
		return fail(p, "the address is missing");
	s = str_skip(s, 1);
	if (take_bits(&s, STR("/"), four ? 32 : 128, bits) < 0)
		return fail(p, "a prefix length is out of bounds");
	term->network.u.sa.sa_family = (sa_family_t)family;
	term->network.len = four ? sizeof(term->network.u.in)
				 : sizeof(term->network.u.in6);
	void *at = four ? (void *)&term->network.u.in.sin_addr
			: (void *)&term->network.u.in6.sin6_addr;
	if (str_copy(text, sizeof(text), s) < 0 ||
	    inet_pton(family, text, at) != 1)
		return fail(p, "malformed address");
	return 0;
}

static int read_arguments(struct parser *p, struct str s, struct spf_term *term)
{
	switch (term->mechanism) {
	case SPF_ALL:
		return s.len == 0 ? 0 : fail(p, "\"all\" takes nothing");
	case SPF_INCLUDE:
	case SPF_EXISTS:
		return read_domain(p, s, true, term);
	case SPF_PTR:
		return read_domain(p, s, false, term);
	case SPF_A:
	case SPF_MX:
		return read_dual(p, s, term);
	case SPF_IP4:
		return read_network(p, s, AF_INET, term);
	case SPF_IP6:
		return read_network(p, s, AF_INET6, term);
	}
	return -1;
}

static int read_mechanism(struct parser *p, struct str word)
{
	struct spf_term *term = &p->out->terms[p->out->count];
	struct str s = word;
	size_t len = 0;

	*term = (struct spf_term){.qualifier = '+',
	    .text = word,
	    .domain = STR_EMPTY,
	    .bits4 = 32,
	    .bits6 = 128};
	if (memchr("+-~?", s.p[0], 4) != NULL) {
		term->qualifier = s.p[0];
		s = str_skip(s, 1);
	}
	while (len < s.len && s.p[len] != ':' && s.p[len] != '/')
		len++;
	for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) {
		if (!str_case_eq(
			str_sub(s, 0, len), str_from(mechanisms[i].name)))
			continue;
		term->mechanism = mechanisms[i].mechanism;
		p->out->count++;
		return read_arguments(p, str_skip(s, len), term);
	}
	return fail(p, "unknown mechanism");
}

/* The length of a modifier's name, or 0 when the word is none. */
static size_t modifier_name(struct str word)
{
	size_t len = 0;

	while (len < word.len &&
	    (ascii_alnum(word.p[len]) || memchr("-_.", word.p[len], 3)))
		len++;
	return len > 0 && len < word.len && word.p[len] == '=' &&
		ascii_alpha(word.p[0])
	    ? len
	    : 0;
}

static int read_modifier(struct parser *p, struct str word, size_t name_len)
{
	struct str name = str_sub(word, 0, name_len);
	struct str value = str_skip(word, name_len + 1);
	struct str *into = str_case_eq(name, STR("redirect"))
	    ? &p->out->redirect
	    : str_case_eq(name, STR("exp")) ? &p->out->explanation
					    : NULL;

	if (into == NULL)
		return spf_macro_valid(value, SPF_MODIFIER)
		    ? 0
		    : fail(p, "malformed modifier");
	if (into->len > 0)
		return fail(p, "a modifier stands twice");
	if (!spf_macro_valid(value, SPF_DOMAIN))
		return fail(p, "malformed domain");
	*into = value;
	return 0;
}

int spf_record_parse(struct str text, struct arena *arena,
    struct spf_record *out, const char **problem, struct str *where)
{
	struct parser p = {.out = out, .problem = "too large"};
	size_t words = 1;

	for (size_t i = 0; i < text.len; i++)
		words += text.p[i] == ' ';
	*where = STR_EMPTY;
	*out = (struct spf_record){
	    .redirect = STR_EMPTY, .explanation = STR_EMPTY};
	out->terms = arena_alloc(arena, words * sizeof(*out->terms));
	if (out->terms == NULL) {
		*problem = p.problem;
		return -1;
	}
	text = str_skip(text, sizeof(VERSION) - 1);
	for (;;) {
		struct str word = str_word(&text, " ");
		if (word.len == 0)
			return 0;
		size_t name_len = modifier_name(word);
		*where = word;
		if ((name_len > 0 ? read_modifier(&p, word, name_len)
				  : read_mechanism(&p, word)) < 0) {
			*problem = p.problem;
			return -1;
		}
	}
}

bool spf_network_has(
    const struct netaddr *network, unsigned bits, const struct netaddr *address)
{
	if (network->u.sa.sa_family != address->u.sa.sa_family)
		return false;
	bool four = network->u.sa.sa_family == AF_INET;
	const uint8_t *a = four ? (const uint8_t *)&network->u.in.sin_addr
				: (const uint8_t *)&network->u.in6.sin6_addr;
	const uint8_t *b = four ? (const uint8_t *)&address->u.in.sin_addr
				: (const uint8_t *)&address->u.in6.sin6_addr;
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 ||
	    ((a[whole] ^ b[whole]) & (uint8_t)(0xff << (8 - rest))) == 0;
}
