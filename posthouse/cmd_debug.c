/* SPDX-License-Identifier: ISC */
/* posthouse debug: the protocol of one user or client, in a file of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "posthouse/ask_master.h"
#include "posthouse/edit.h"
#include "posthouse/posthouse.h"

#define USUAL_SECONDS 600

/* An address has digits and dots or colons only. */
static bool is_client(const char *word)
{
	return strspn(word, "0123456789abcdefABCDEF.:/[]") == strlen(word) &&
	    strpbrk(word, ".:") != NULL;
}

/* As logd names it (logd/protocol.c). */
static char *file_of(struct posthouse *p, const char *whom)
{
	char *path, *name;

	if (posthouse_conf(p) < 0 ||
	    asprintf(
		&path, "%s/protocol/%s.log", p->house.log_directory, whom) < 0)
		return NULL;
	name = path + strlen(path) - strlen(whom) - strlen(".log");
	for (size_t i = 0; i < strlen(whom); i++) {
		name[i] = ascii_lower(name[i]);
		if (!ascii_alnum(name[i]) && strchr("@.+-_:=", name[i]) == NULL)
			name[i] = '_';
	}
	return path;
}

/* A user who has a mailbox here; a login may leave the domain out. 0, or a
 * status after a message: nobody would notice that no line comes. */
static int look_up(struct posthouse *p, const char *whom)
{
	struct buf name = buf_new(1024), value = buf_new(65536);
	struct edit e;
	int status = EX_NOUSER;

	if (posthouse_conf(p) < 0)
		return EX_CONFIG;
	buf_add_text(&name, whom);
	if (strchr(whom, '@') == NULL)
		buf_printf(&name, "@%s", p->house.mydomain);
	if (edit_open(&e, p, "debug", "users") < 0) {
		status = EX_CONFIG;
	} else {
		if (edit_get(&e, buf_str(&name), &value))
			status = 0;
		else
			posthouse_fail("debug",
			    "there is no user %s; \"posthouse user list\" "
			    "shows "
			    "them, and a client is given by its address",
			    whom);
		edit_close(&e);
	}
	buf_free(&name);
	buf_free(&value);
	return status;
}

static int say_off(struct posthouse *p)
{
	if (p->json)
		printf("{\"on\":false}\n");
	else
		printf("no protocol is written any more, but of "
		       "debug_peer_list\n");
	return 0;
}

static int say_on(struct posthouse *p, const char *whom, int64_t seconds)
{
	struct buf out = buf_new(65536);
	struct json j = json_start(&out);
	char *file = file_of(p, whom);

	if (p->json) {
		json_object(&j, NULL);
		json_bool(&j, "on", true);
		json_u64(&j, "seconds", (uint64_t)seconds);
		json_text(&j, "file", str_from(file != NULL ? file : ""));
		json_end(&j);
		fputs(buf_text(&out), stdout);
	} else {
		printf("for %lld s this file has the lines of %s: \"C:\" what "
		       "the client says, \"S:\" the answers\n    %s\n",
		    (long long)seconds, whom, file != NULL ? file : "?");
	}
	free(file);
	buf_free(&out);
	return 0;
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
	if (!off && !is_client(argv[1]) && (status = look_up(p, argv[1])) != 0)
		return status;
	if (argc == 4 && (conf_parse_time(argv[3], &ms, &why) < 0 || ms < 1000))
		return posthouse_misused("debug", "%s is no time", argv[3]);
	len = snprintf(what, sizeof(what), "%s\n%s\n%lld",
	    off || is_client(argv[1]) ? "" : argv[1],
	    !off && is_client(argv[1]) ? argv[1] : "",
	    off ? 0LL : (long long)ms / 1000);
	if (len < 0 || (size_t)len >= sizeof(what))
		return posthouse_usage("debug");
	status = ask_master_with(
	    p, "debug", MASTER_DEBUG, "", what, NULL, NULL);
	if (status != 0)
		return status;
	if (off)
		return say_off(p);
	return say_on(p, argv[1], ms / 1000);
}
