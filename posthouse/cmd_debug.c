/* SPDX-License-Identifier: ISC */
/* posthouse debug: the protocol of one user or client in the log. */
#include <stdio.h>
#include <string.h>

#include "posthouse/ask_master.h"
#include "posthouse/posthouse.h"

#define USUAL_SECONDS 600

/* An address has digits and dots or colons only. */
static bool is_client(const char *word)
{
	return strspn(word, "0123456789abcdefABCDEF.:/[]") == strlen(word) &&
	    strpbrk(word, ".:") != NULL;
}

int cmd_debug(struct posthouse *p, int argc, char **argv)
{
	int64_t ms = USUAL_SECONDS * 1000;
	char what[512];
	const char *why;
	int len, status;
	bool off = argc == 2 && strcmp(argv[1], "off") == 0;

	if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--for") == 0))
		return posthouse_usage("debug");
	if (argv[1][0] == '-' || strchr(argv[1], '\n') != NULL)
		return posthouse_usage("debug");
	if (argc == 4 && (conf_parse_time(argv[3], &ms, &why) < 0 || ms < 1000))
		return posthouse_fail("debug", "%s is no time", argv[3]);
	len = snprintf(what, sizeof(what), "%s\n%s\n%lld",
	    off || is_client(argv[1]) ? "" : argv[1],
	    !off && is_client(argv[1]) ? argv[1] : "",
	    off ? 0LL : (long long)ms / 1000);
	if (len < 0 || (size_t)len >= sizeof(what))
		return posthouse_usage("debug");
	status = ask_master_with(
	    p, "debug", MASTER_DEBUG, "", what, NULL, NULL);
	if (status != 0 || p->json)
		return status;
	if (off)
		printf("no protocol is logged any more\n");
	else
		printf("for %lld s the log has the lines of %s: "
		       "\"protocol C:\" what the client says, \"protocol "
		       "S:\" the answers\n",
		    (long long)ms / 1000, argv[1]);
	return 0;
}
