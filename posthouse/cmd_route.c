/* SPDX-License-Identifier: ISC */
/*
 * posthouse route: where mail for an address would go, and which line of which
 * file says so. lookup says why, and the programs local and smtp are asked as
 * for a delivery (explanation.h); nothing is sent or changed.
 */
#include <stdio.h>
#include <string.h>

#include "posthouse/destination.h"

#define JSON_MAX    (64u << 20)
#define ADDRESS_MAX 1024

static void print_json(
    const struct explanation *x, const struct destinations *d)
{
	struct buf out = buf_new(JSON_MAX);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	destinations_json(x, d, &j);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
}

int cmd_route(struct posthouse *p, int argc, char **argv)
{
	bool steps = argc == 3 && strcmp(argv[1], "--steps") == 0;
	const char *address = argv[argc - 1];
	struct destinations d;
	struct explanation x;
	int status = 1;

	if (argc != 2 + steps || address[0] == '\0' || address[0] == '-' ||
	    strlen(address) > ADDRESS_MAX)
		return posthouse_usage("route");
	if (explanation_open(&x, p, "route") == 0 &&
	    destinations_find(&x, str_from(address), 0, &d) == 0) {
		if (p->json)
			print_json(&x, &d);
		else
			destinations_print(&x, &d);
		if (steps && !p->json) {
			printf("\nsteps\n");
			explanation_print(&x, 0, x.count);
		}
		status = verdict_status(d.verdict);
		destinations_free(&d);
	}
	explanation_close(&x);
	return status;
}
