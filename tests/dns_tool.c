/* SPDX-License-Identifier: ISC */
/*
 * lib/net/dns and lib/mailauth over real name servers, for
 * tests/test_dns_zones.py. SERVERS is as dns_servers has it.
 *
 *	lookup SERVERS TIMEOUT_MS TRIES NAME TYPE...
 *	        asks all at once; in the order asked, separated by tabs:
 *	        status, "ad" or "-", why, TTL, values joined by "|"
 *	spf SERVERS BUDGET_MS
 *	        standard input: CLIENT TAB HELO TAB SENDER; answers with result,
 *	        look-ups, voids, problem, explanation
 *	verdict SERVERS BUDGET_MS CLIENT HELO SENDER
 *	        of the message on standard input, a line for each method
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "mailauth/verdict.h"

#define MESSAGE_MOST  (64u << 20)
#define QUERIES_MOST  64
#define TIMEOUT_MS    1000
#define TRIES         2
#define RECEIVER_NAME "receiver.example.org"

static const char *const status_names[] = {
    "ok", "nodata", "nxdomain", "temporary", "bad"};

static const struct {
	const char *name;
	enum dns_type type;
} types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX}, {"TXT", DNS_TXT},
    {"CNAME", DNS_CNAME}, {"PTR", DNS_PTR}, {"SRV", DNS_SRV},
    {"TLSA", DNS_TLSA}};

static struct dns *open_dns(
    struct loop *loop, const char *servers, int64_t timeout_ms, int tries)
{
	const char *why;
	struct dns *dns = dns_open(loop, servers, timeout_ms, tries, &why);

	if (dns == NULL) {
		fprintf(stderr, "%s\n", why);
		exit(2);
	}
	return dns;
}

/* ---- lookup ---- */

static struct loop *loop;
static unsigned open_queries;

static void add_value(const struct dns_record *r, struct buf *out)
{
	char address[NETADDR_TEXT_MAX];

	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		netaddr_text(&r->addr, address);
		buf_add_text(out, address);
		break;
	case DNS_TXT:
		buf_add(out, r->text);
		break;
	case DNS_TLSA:
		for (size_t i = 0; i < r->text.len; i++)
			buf_printf(
			    out, "%02x", (unsigned)(uint8_t)r->text.p[i]);
		break;
	default:
		buf_printf(out, "%u %u %u %.*s", r->preference, r->weight,
		    r->port, STR_FMT(r->name));
	}
}

static void keep(const struct dns_reply *r, void *arg)
{
	struct buf *out = arg;

	buf_printf(out, "%s\t%s\t%s\t%u\t", status_names[r->status],
	    r->authentic ? "ad" : "-", r->why,
	    r->count > 0 ? r->records[0].ttl : 0);
	for (size_t i = 0; i < r->count; i++) {
		if (i > 0)
			buf_add_char(out, '|');
		add_value(&r->records[i], out);
	}
	open_queries--;
}

static int look_up(int argc, char **argv)
{
	struct dns *dns = open_dns(loop, argv[0], strtoll(argv[1], NULL, 10),
	    (int)strtol(argv[2], NULL, 10));
	struct buf out[QUERIES_MOST];
	size_t count = 0;

	for (int i = 3; i + 1 < argc && count < QUERIES_MOST; i += 2) {
		for (size_t k = 0; k < ARRAY_LEN(types); k++) {
			if (strcmp(types[k].name, argv[i + 1]) != 0)
				continue;
			out[count] = buf_new(1u << 20);
			open_queries++;
			dns_ask(dns, str_from(argv[i]), types[k].type, keep,
			    &out[count++]);
		}
	}
	while (open_queries > 0)
		loop_turn(loop, -1);
	for (size_t i = 0; i < count; i++) {
		puts(buf_text(&out[i]));
		buf_free(&out[i]);
	}
	dns_close(&dns);
	return 0;
}

/* ---- spf ---- */

static void print_spf(const struct spf_verdict *s)
{
	printf("%s\t%u\t%u\t%.*s\t%.*s\n", spf_result_name(s->result),
	    s->lookups, s->voids, STR_FMT(s->problem), STR_FMT(s->explanation));
}

static int check_spf(char **argv)
{
	struct dns *dns = open_dns(loop, argv[0], TIMEOUT_MS, TRIES);
	struct questions *q = questions_new(dns);
	struct arena arena = arena_new(1u << 20);
	struct spf_verdict verdict;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, stdin)) > 0) {
		struct str rest = str_of(line, (size_t)len - 1);
		struct spf_request r = {
		    .receiver = STR(RECEIVER_NAME), .now = clock_seconds()};
		netaddr_parse(str_cut(&rest, '\t'), 0, &r.client);
		r.helo = str_cut(&rest, '\t');
		r.sender = rest;
		questions_clear(q, deadline_in(strtoll(argv[1], NULL, 10)));
		while (spf_check(q, &r, &arena, &verdict) == SPF_PENDING)
			questions_wait(q, loop);
		print_spf(&verdict);
		fflush(stdout);
		arena_clear(&arena);
	}
	free(line);
	questions_free(&q);
	arena_free(&arena);
	dns_close(&dns);
	return 0;
}

/* ---- verdict ---- */

static void print_verdict(struct verdict *v)
{
	const struct dmarc_verdict *d = verdict_dmarc(v);

	printf("helo\t");
	print_spf(verdict_spf_helo(v));
	if (verdict_spf_sender(v) != NULL) {
		printf("spf\t");
		print_spf(verdict_spf_sender(v));
	}
	for (size_t i = 0; i < verdict_dkim_count(v); i++) {
		const struct dkim_verdict *k = verdict_dkim(v, i);
		printf("dkim\t%s\t%.*s\t%u\t%s\t%s\n",
		    dkim_result_name(k->result), STR_FMT(k->domain), k->bits,
		    k->authentic ? "ad" : "-", k->why);
	}
	printf("arc\t%s\t%s\n", arc_result_name(verdict_arc(v)),
	    arc_chain_why(verdict_arc_chain(v)));
	printf("dmarc\t%s\t%s\t%.*s\t%s\n", dmarc_result_name(d->result),
	    dmarc_policy_name(d->asked), STR_FMT(d->policy_domain), d->problem);
}

static int judge(char **argv)
{
	struct verdict_policy policy = {.receiver = RECEIVER_NAME,
	    .dkim = {.signatures_most = 10, .bits_least = 1024},
	    .budget_ms = strtoll(argv[1], NULL, 10)};
	struct dns *dns = open_dns(loop, argv[0], TIMEOUT_MS, TRIES);
	struct verdict *v = verdict_new(dns, loop, &policy);
	struct buf message = buf_new(MESSAGE_MOST);
	struct netaddr client;
	char *room;
	size_t n;

	while ((room = buf_room(&message, 65536)) != NULL &&
	    (n = fread(room, 1, 65536, stdin)) > 0)
		buf_added(&message, n);
	struct str whole = buf_str(&message);
	size_t header = header_length(whole);
	netaddr_parse(str_from(argv[2]), 0, &client);
	verdict_begin(v, &client, str_from(argv[3]));
	verdict_sender(v, str_from(argv[4]));
	verdict_header(v, str_sub(whole, 0, header));
	verdict_body(v, str_skip(whole, header));
	verdict_end(v);
	print_verdict(v);
	verdict_free(&v);
	dns_close(&dns);
	buf_free(&message);
	return 0;
}

int main(int argc, char **argv)
{
	int result = 2;

	loop = loop_new();
	if (argc >= 7 && strcmp(argv[1], "lookup") == 0)
		result = look_up(argc - 2, argv + 2);
	else if (argc == 4 && strcmp(argv[1], "spf") == 0)
		result = check_spf(argv + 2);
	else if (argc == 7 && strcmp(argv[1], "verdict") == 0)
		result = judge(argv + 2);
	loop_free(&loop);
	return result;
}
