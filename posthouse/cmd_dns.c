/* SPDX-License-Identifier: ISC */
/*
 * posthouse dns: the records that a domain of this house needs, as they are to
 * be and as they are published.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#include "core/memory.h"
#include "net/netaddr.h"
#include "posthouse/dns.h"
#include "posthouse/edit.h"

#define OUTPUT_MOST (64u << 20)

struct request {
	const char *domain; /* NULL: all of them */
	bool brief, zone;
	const char *addresses[OWN_MOST + 1];
	size_t address_count;
};

static int read_request(int argc, char **argv, struct request *r)
{
	*r = (struct request){.domain = NULL};
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--check") == 0) {
			r->brief = true;
		} else if (strcmp(argv[i], "--zone") == 0) {
			r->zone = true;
		} else if (strcmp(argv[i], "--address") == 0) {
			if (++i == argc || r->address_count == OWN_MOST)
				return -1;
			r->addresses[r->address_count++] = argv[i];
		} else if (argv[i][0] == '-' || r->domain != NULL) {
			return -1;
		} else {
			r->domain = argv[i];
		}
	}
	return r->zone && (r->brief || r->domain == NULL) ? -1 : 0;
}

static int status_of(enum finding worst)
{
	return worst <= FINDING_OPTIONAL ? EX_OK
	    : worst == FINDING_UNKNOWN   ? EX_TEMPFAIL
					 : EXIT_FAILURE;
}

/* What is written where: a domain at a time. */
struct run {
	struct posthouse *p;
	const struct request *request;
	struct dns_house house;
	struct dns_look *look; /* NULL: nothing is asked */
	struct dns_plan *plan;
	struct buf out;
	struct json json;
	enum finding worst;
};

static void run_domain(struct run *run, struct str domain)
{
	const struct request *r = run->request;
	struct dns_plan *plan = run->plan;

	if (run->look != NULL) {
		dns_look_begin(run->look);
		dns_house_learn(&run->house, run->look);
	}
	dns_plan_make(plan, &run->house, domain);
	if (run->look != NULL)
		dns_check(plan, run->look);
	if (run->p->json)
		dns_print_json(plan, r->domain != NULL, &run->json);
	else if (r->zone)
		dns_print_zone(plan, &run->out);
	else if (r->domain == NULL)
		dns_print_line(plan, &run->out);
	else
		dns_print_plan(plan, r->brief, &run->out);
	if (dns_worst(plan) > run->worst)
		run->worst = dns_worst(plan);
	dns_plan_free(plan);
}

static int run_entry(struct str key, struct str value, void *arg)
{
	(void)value;
	run_domain(arg, key);
	return 0;
}

static int run_all(struct run *run)
{
	struct edit e;

	if (edit_open(&e, run->p, "dns", "domains") < 0)
		return -1;
	if (run->p->json)
		json_array(&run->json, NULL);
	edit_each(&e, run_entry, run);
	if (run->p->json)
		json_end(&run->json);
	edit_close(&e);
	return 0;
}

/* A domain of ours, in lower case; NULL after a message. The caller frees
 * it. */
static char *our_domain(struct posthouse *p, const char *name)
{
	struct buf entry = buf_new(1024);
	struct str s = str_from(name);
	char *domain;

	if (str_ends(s, STR(".")))
		s.len--;
	domain = str_dup(s);
	for (char *c = domain; *c != '\0'; c++)
		*c = ascii_lower(*c);
	if (!edit_domain(p, "dns", str_from(domain), &entry)) {
		free(domain);
		domain = NULL;
	}
	buf_free(&entry);
	return domain;
}

static int run_request(struct run *run)
{
	char *domain = NULL;
	int result = 0;

	if (run->request->domain != NULL &&
	    (domain = our_domain(run->p, run->request->domain)) == NULL)
		return -1;
	result = dns_house_open(&run->house, run->p, run->request->addresses);
	if (result == 0 && !run->request->zone)
		run->look = dns_look_open(run->p);
	if (result < 0 || (!run->request->zone && run->look == NULL))
		result = -1;
	else if (domain != NULL)
		run_domain(run, str_from(domain));
	else
		result = run_all(run);
	dns_look_close(&run->look);
	dns_house_close(&run->house);
	free(domain);
	return result;
}

int cmd_dns(struct posthouse *p, int argc, char **argv)
{
	struct request request;
	struct run run = {.p = p, .request = &request};
	struct netaddr a;
	int status = 1;

	if (read_request(argc, argv, &request) < 0 || (request.zone && p->json))
		return posthouse_usage("dns");
	for (size_t i = 0; i < request.address_count; i++)
		if (netaddr_parse(str_from(request.addresses[i]), 0, &a) < 0)
			return posthouse_misused(
			    "dns", "%s is no address", request.addresses[i]);
	run.out = buf_new(OUTPUT_MOST);
	run.json = json_start(&run.out);
	run.plan = NEW(struct dns_plan);
	if (posthouse_conf(p) == 0 && run_request(&run) == 0) {
		fputs(buf_text(&run.out), stdout);
		status = status_of(run.worst);
	}
	free(run.plan);
	buf_free(&run.out);
	return status;
}
