/* SPDX-License-Identifier: ISC */
/*
 * lookup, a front: answers who is who and where mail goes.
 *
 * answer.c takes the questions apart; resolve.c, expand.c and directory.c
 * decide, from tables alone; tables.c keeps the tables open. rewriting.c has the
 * secrets of rewritten senders. Every question
 * is answered at once, so a connection has no state but its buffers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"
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
static char *readable; /* as struct directory has it */

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
		text = str_dup(str_skip(spec, spec.p[0] == '!'));
		folder = map_folder(text, daemon_house()->config_directory);
		if (folder != NULL)
			daemon_allow(folder, false);
		free(text);
	}
}

/* What other daemons ask tables for, and what proxy_read_maps allows them. */
static void list_readable(void)
{
	const struct house_conf *house = daemon_house();

	if (asprintf(&readable, "%s %s %s %s %s %s %s %s", conf.proxy_read_maps,
		house->dmarc_trusted_forwarders, house->dmarc_mailing_lists,
		house->arc_trusted_sealers, house->dkim_signing_table,
		house->greylist_exempt_clients, house->greylist_exempt_senders,
		house->greylist_exempt_recipients) < 0)
		log_fatal("no memory");
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
	list_readable();
	const char *const maps[] = {ALL_MAPS, readable};

	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		allow_tables(maps[i]);
	allow_secrets();
	return 0;
}

/* Of lists of words and tables. */
static void open_listed(const char *list)
{
	struct str rest = str_from(list), word;
	struct buf value = buf_new(65536);
	const char *why;

	while ((word = map_cut_spec(&rest)).len > 0) {
		word = str_skip(word, word.p[0] == '!');
		buf_clear(&value);
		if (map_is_spec(word))
			tables_find(&tables, word, STR(""), &value, &why);
	}
	buf_free(&value);
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
	    .readable = readable,
	    .arena = arena_new(DIRECTORY_ARENA_MAX),
	    .origin = daemon_origin};
	for (size_t i = 0; i < ARRAY_LEN(maps); i++)
		tables_find_any(&tables, maps[i], STR(""), &value, &why);
	buf_free(&value);
	open_listed(readable);
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
