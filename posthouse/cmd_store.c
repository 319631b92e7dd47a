/* SPDX-License-Identifier: ISC */
/*
 * posthouse store: the mailboxes. The tables of verbs and their options stand
 * here; each verb is a file cmd_store_*.c. Whoever calls it as root works as
 * the store's owner, so that no file of it becomes root's.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "daemon/house_store.h"
#include "daemon/roles.h"
#include "posthouse/store_command.h"

#define JSON_MAX ((size_t)1 << 30)
#define ANY      1000000

enum {
	ALL = 1,
	DEEP = 2,
	LIST = 4,
	MAILBOX = 8,
	SINCE = 16,
	UID = 32,
	AT = 64,
	FROM = 128,
	MESSAGE_ID = 256,
	UNDELETE_TIME = 512
};

struct option_row {
	const char *name;
	size_t offset; /* in struct store_options */
	unsigned bit;
	bool has_value;
};

/* clang-format off */
#define O(name, bit, member, value) \
	{name, offsetof(struct store_options, member), bit, value}
static const struct option_row options[] = {
	O("--all",           ALL,           all,           false),
	O("--deep",          DEEP,          deep,          false),
	O("--list",          LIST,          list,          false),
	O("--mailbox",       MAILBOX,       mailbox,       true),
	O("--since",         SINCE,         since,         true),
	O("--uid",           UID,           uid,           true),
	O("--at",            AT,            at,            true),
	O("--from",          FROM,          from,          true),
	O("--message-id",    MESSAGE_ID,    message_id,    true),
	O("--undelete-time", UNDELETE_TIME, undelete_time, true),
};

struct verb_row {
	const char *name;
	store_verb *run;
	unsigned options; /* that it knows */
	int least, most;  /* words */
	const char *usage;
};

static const struct verb_row verbs[] = {
	{"stat",     store_stat_verb,     0, 0, 1, "[ACCOUNT]"},
	{"check",    store_check_verb,    ALL | DEEP, 0, ANY,
	 "[--deep] ACCOUNT...|--all"},
	{"repair",   store_repair_verb,   0, 1, 1, "ACCOUNT"},
	{"rebuild",  store_rebuild_verb,  0, 1, 1, "ACCOUNT"},
	{"undelete", store_undelete_verb, LIST | MAILBOX | SINCE | UID, 1, 1,
	 "ACCOUNT [--list] [--mailbox M] [--since TIME] [--uid SET]"},
	{"restore",  store_restore_verb,
	 AT | FROM | MAILBOX | UID | MESSAGE_ID, 1, 1,
	 "ACCOUNT [--at TIME] [--from DIR] [--mailbox M] "
	 "[--uid N|--message-id ID]"},
	{"backup",   store_backup_verb,   ALL, 1, ANY,
	 "DIR ACCOUNT...|--all"},
	{"upkeep",   store_upkeep_verb,   UNDELETE_TIME, 1, 1,
	 "ACCOUNT [--undelete-time TIME]"},
};
/* clang-format on */

/* ---- arguments ---- */

static int usage(const struct verb_row *only)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (only == NULL || only == &verbs[i])
			fprintf(stderr, "usage: posthouse store %s %s\n",
			    verbs[i].name, verbs[i].usage);
	return EX_USAGE;
}

static const struct option_row *option_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	return NULL;
}

/* One option; the arguments that it took, or 0 after a message. */
static int take_option(struct store_command *c, const struct verb_row *verb,
    const char *name, const char *value)
{
	const struct option_row *o = option_find(name);
	char *into = o == NULL ? NULL : (char *)&c->given + o->offset;

	if (o == NULL || !(o->bit & verb->options)) {
		store_fail(c, EX_USAGE, "%s is no option of it", name);
		return 0;
	}
	if (!o->has_value) {
		*(bool *)into = true;
		return 1;
	}
	if (value == NULL || value[0] == '\0') {
		store_fail(c, EX_USAGE, "%s wants a value", name);
		return 0;
	}
	*(const char **)(void *)into = value;
	return 2;
}

static int take_arguments(
    struct store_command *c, const struct verb_row *verb, int argc, char **argv)
{
	c->words = argv;
	for (int i = 0, took; i < argc; i += took) {
		took = 1;
		if (argv[i][0] != '-')
			c->words[c->word_count++] = argv[i];
		else
			took = take_option(c, verb, argv[i], argv[i + 1]);
		if (took == 0)
			return -1;
	}
	if (c->word_count < verb->least)
		store_fail(c, EX_USAGE, "too few arguments");
	else if (c->word_count > verb->most)
		store_fail(c, EX_USAGE, "too many arguments");
	else
		return 0;
	return -1;
}

/* ---- who does it ---- */

/* Whose the directory is; before the first start it is root's. */
static int owner(struct store_command *c, unsigned *uid, unsigned *gid)
{
	const char *root = c->p->house.mail_store_directory;
	char why[160];
	struct stat st;

	*uid = geteuid();
	*gid = getegid();
	if (*uid != 0)
		return 0;
	if (stat(root, &st) == 0 && st.st_uid != 0) {
		*uid = st.st_uid;
		*gid = st.st_gid;
		return 0;
	}
	if (role_ids(&c->p->house, "vmail", uid, gid, why, sizeof(why)) == 0)
		return 0;
	store_fail(c, EX_CONFIG, "%s", why);
	return -1;
}

static int become(struct store_command *c, unsigned uid, unsigned gid)
{
	umask(0007);
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	    setresuid(uid, uid, uid) == 0)
		return 0;
	store_fail(c, EX_NOPERM, "uid %u: %s", uid, strerror(errno));
	return -1;
}

static int read_conf(struct store_command *c)
{
	struct buf errors = buf_new(65536);
	int r = posthouse_conf(c->p);

	if (r == 0)
		r = conf_fill(c->p->conf, store_params, &c->conf, &errors);
	if (errors.len > 0)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	if (r < 0)
		c->status = EX_CONFIG;
	return r;
}

static int open_store(struct store_command *c)
{
	const struct house_conf *house = &c->p->house;
	const char *why = "", *root = house->mail_store_directory;

	if (access(root, R_OK | W_OK | X_OK) < 0) {
		store_fail(c, errno == ENOENT ? EX_NOINPUT : EX_NOPERM,
		    "%s: %s%s", root, strerror(errno),
		    errno == ENOENT ? "; \"start\" makes it"
				    : "; only root and its owner may");
		return -1;
	}
	c->store = house_store_open(house, true, &why);
	if (c->store == NULL) {
		store_fail(c, EX_IOERR, "%s: %s", root, why);
		return -1;
	}
	return 0;
}

static void run(struct store_command *c, const struct verb_row *verb)
{
	unsigned uid, gid;

	if (read_conf(c) < 0 || owner(c, &uid, &gid) < 0)
		return;
	if (verb->run == store_backup_verb &&
	    store_backup_prepare(c, uid, gid) < 0)
		return;
	if (become(c, uid, gid) < 0 || open_store(c) < 0)
		return;
	c->out = buf_new(JSON_MAX);
	c->json = json_start(&c->out);
	verb->run(c);
	store_flush(c);
	buf_free(&c->out);
	store_close(&c->store);
}

int cmd_store(struct posthouse *p, int argc, char **argv)
{
	struct store_command c = {
	    .p = p, .verb = "", .now = (int64_t)clock_us()};
	const struct verb_row *verb = NULL;

	for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			verb = &verbs[i];
	if (verb == NULL)
		return usage(NULL);
	c.verb = verb->name;
	if (argc == 3 && strcmp(argv[2], "--help") == 0)
		return printf("usage: posthouse store %s %s\n", verb->name,
			   verb->usage) < 0;
	if (take_arguments(&c, verb, argc - 2, argv + 2) < 0)
		return usage(verb);
	run(&c, verb);
	if (fflush(stdout) != 0 && c.status == EX_OK)
		return EX_IOERR;
	return c.status;
}
