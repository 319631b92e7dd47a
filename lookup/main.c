/* SPDX-License-Identifier: ISC */
/*
 * lookup, a front: answers who is who and where mail goes.
 *
 * answer.c takes the questions apart; resolve.c, expand.c and directory.c
 * decide, from tables alone; tables.c keeps the tables open. rewriting.c has the
 * secrets of rewritten senders. Every question
 * is answered at once, so a connection has no state but its buffers.
 */
#include <stdlib.h>

#include "daemon/desk.h"
#include "ipc/lookup.h"
#include "lookup/answer.h"
#include "lookup/rewriting.h"

#define ALL_MAPS                                                               \
	conf.mail_domain_maps, conf.virtual_mailbox_maps,                      \
	    conf.virtual_alias_maps, conf.alias_maps,                          \
	    conf.relay_recipient_maps, conf.local_recipient_maps,              \
	    conf.transport_maps, conf.smtpd_sender_login_maps

static struct lookup_conf conf;
static struct tables tables;
static struct directory directory;
static struct rewriting rewriting;

static int answer(
    struct wire *w, void *peer, const struct ipc_type *type, const void *msg)
{
	(void)peer;
	/* An explanation leaves no trace in the figures. */
	if (type != &lookup_explain)
		daemon_count("questions", 1);
	return answer_question(&directory, w, type, msg);
}

static const struct desk_calls calls = {answer, NULL, NULL};

/* Tables that stand elsewhere than beside main.cf may be read too. */
static void allow_tables(const char *maps)
{
	struct str rest = str_from(maps), spec;
	char *text, *folder;

	while ((spec = map_cut_spec(&rest)).len > 0) {
		text = str_dup(spec);
		folder = map_folder(text, daemon_house()->config_directory);
		if (folder != NULL)
			daemon_allow(folder, false);
		free(text);
	}
}

/* The folder, so that a file that takes its place may be read as well. */
static void allow_secrets(void)
{
	char *folder;

	if (conf.srs_secrets_file[0] != '/')
		return;
	folder = str_dup(str_from(conf.srs_secrets_file));
	folder[str_find_last(str_from(folder), '/')] = '\0';
	daemon_allow(folder[0] == '\0' ? "/" : folder, false);
}

static int before_jail(void)
{
	const char *const maps[] = {ALL_MAPS, conf.proxy_read_maps};

	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		allow_tables(maps[i]);
	allow_secrets();
	return 0;
}

/* Opens the tables, so that what is wrong with them is in the log now. */
static int start(void)
{
	const char *const maps[] = {ALL_MAPS};
	struct buf value = buf_new(65536);
	const char *why;

	tables = tables_new(daemon_house()->config_directory);
	rewriting = rewriting_new(
	    conf.srs_secrets_file, daemon_house()->config_directory);
	directory = (struct directory){.conf = &conf,
	    .rewriting = &rewriting,
	    .myorigin = daemon_house()->myorigin,
	    .tables = &tables,
	    .arena = arena_new(DIRECTORY_ARENA_MAX),
	    .origin = daemon_origin};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		tables_find_any(&tables, maps[i], STR(""), &value, &why);
	buf_free(&value);
	desk_open(&lookup_exchange, &calls);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct daemon lookup = {
	    .name = "lookup",
	    .kind = DAEMON_FRONT,
	    .params = lookup_params,
	    .conf = &conf,
	    .before_jail = before_jail,
	    .start = start,
	    .accepted = desk_accepted,
	    .drain = desk_drain,
	};

	return daemon_main(&lookup, argc, argv);
}
