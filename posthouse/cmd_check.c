/* SPDX-License-Identifier: ISC */
/*
 * posthouse check: what reload and start would refuse, and what they cannot
 * see: tables that wait to be compiled, rights of directories, certificates
 * that run out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "core/file.h"
#include "daemon/config.h"
#include "daemon/roles.h"
#include "net/netaddr.h"
#include "net/tls.h"
#include "posthouse/check_certificate.h"
#include "posthouse/posthouse.h"
#include "store/store_conf.h"

#define REPORT_MAX (1u << 20)

struct check {
	struct config *config;
	struct buf problems, warnings; /* lines */
};

/* ---- tables -------------------------------------------------------------- */

static void check_tables(struct check *c)
{
	static const char *const names[] = {"domains", "users", "aliases"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path;
		int stale;

		if (asprintf(&path, "%s/%s", c->config->house.config_directory,
			names[i]) < 0)
			continue;
		if (access(path, R_OK) < 0)
			buf_printf(
			    &c->problems, "%s: %s\n", path, strerror(errno));
		else if ((stale = map_is_stale(path)) != 0)
			buf_printf(&c->warnings,
			    stale < 0 ? "%s: %s\n"
				      : "%s: newer than its compiled form%s\n",
			    path, stale < 0 ? strerror(errno) : "");
		free(path);
	}
}

/* ---- directories --------------------------------------------------------- */

/* Only root can tell whose a directory should be. */
static void check_owner(
    struct check *c, const char *path, const struct stat *st, const char *user)
{
	char why[160];
	unsigned uid, gid;

	if (geteuid() != 0 || user == NULL)
		return;
	if (role_ids(&c->config->house, user, &uid, &gid, why, sizeof(why)) < 0)
		buf_printf(&c->problems, "%s: %s\n", path, why);
	else if (st->st_uid != uid || st->st_gid != gid)
		buf_printf(&c->warnings,
		    "%s: belongs to %u:%u, not to %s "
		    "(%u:%u); start repairs it\n",
		    path, st->st_uid, st->st_gid, user, uid, gid);
}

static void check_directory(
    struct check *c, const char *path, mode_t forbidden, const char *user)
{
	struct statvfs room;
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT)
			buf_printf(&c->warnings,
			    "%s: not there yet; start "
			    "makes it\n",
			    path);
		else
			buf_printf(
			    &c->problems, "%s: %s\n", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		buf_printf(&c->problems, "%s: no directory\n", path);
	if ((st.st_mode & forbidden) != 0)
		buf_printf(&c->problems, "%s: mode %04o lets others in\n", path,
		    st.st_mode & 07777u);
	if (access(path, R_OK | X_OK) < 0)
		buf_printf(&c->problems, "%s: %s\n", path, strerror(errno));
	if (statvfs(path, &room) == 0 &&
	    (room.f_bavail == 0 || (room.f_files > 0 && room.f_favail == 0)))
		buf_printf(&c->problems, "%s: the disk is full\n", path);
	check_owner(c, path, &st, user);
}

/* A parameter as it is in effect; "" where it is wrong, which others tell. */
static void value_of(struct check *c, const char *name, struct buf *value)
{
	const struct conf_param *row = conf_find(name, NULL);
	struct buf ignored = buf_new(8192);

	if (row != NULL)
		conf_value(
		    c->config->conf, name, row->fallback, value, &ignored);
	buf_free(&ignored);
}

/* One that is a size or a number; 0 where it is wrong. */
static uint64_t size_of(struct check *c, const char *name)
{
	struct buf value = buf_new(1024);
	uint64_t number = 0;
	const char *why;

	value_of(c, name, &value);
	if (conf_parse_size(buf_text(&value), &number, &why) < 0)
		number = 0;
	buf_free(&value);
	return number;
}

/* What cleanup would refuse all mail for. */
static void check_room(struct check *c, const char *spool)
{
	uint64_t floor = size_of(c, "queue_minfree");
	uint64_t inodes = size_of(c, "queue_minfree_inodes");
	struct statvfs fs;

	if (statvfs(spool, &fs) < 0)
		return;
	uint64_t free_octets = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (free_octets < floor)
		buf_printf(&c->problems,
		    "%s: %llu GiB are free, less than queue_minfree: mail is "
		    "refused with 452 4.3.1\n",
		    spool, (unsigned long long)(free_octets >> 30));
	if (fs.f_files > 0 && fs.f_favail < inodes)
		buf_printf(&c->problems,
		    "%s: %llu inodes are free, less than "
		    "queue_minfree_inodes: mail is refused with 452 4.3.1\n",
		    spool, (unsigned long long)fs.f_favail);
}

static void check_passwords(struct check *c)
{
	struct stat st;
	char *path;

	if (asprintf(&path, "%s/passwords", c->config->house.config_directory) <
	    0)
		return;
	if (stat(path, &st) == 0 && (st.st_mode & 07) != 0)
		buf_printf(&c->problems,
		    "%s: mode %04o lets everybody read "
		    "it\n",
		    path, st.st_mode & 07777u);
	free(path);
}

/* The queue's directories must be there before mail comes. */
static void check_spool(struct check *c)
{
	static const char *const names[] = {"new", "queue", "corrupt"};
	const char *spool = c->config->house.queue_directory;
	struct stat st;

	/* postdrop passes through it, to drop/ (master/tree.c). */
	check_directory(c, spool, 06, "queue");
	check_room(c, spool);
	for (size_t i = 0; i < ARRAY_LEN(names) && stat(spool, &st) == 0; i++) {
		char *path;

		if (asprintf(&path, "%s/%s", spool, names[i]) < 0)
			continue;
		check_directory(c, path, 07, "queue");
		free(path);
	}
}

/*
 * Where the suite runs under users of its own, sendmail(1) can leave mail
 * while it is down only with a postdrop that has the folder's group.
 */
static void check_postdrop(struct check *c)
{
	const struct house_conf *house = &c->config->house;
	unsigned uid, gid;
	struct stat st;
	char why[160], *path;

	if (geteuid() != 0 || house->role_uid_base != 0 ||
	    role_ids(house, "postdrop", &uid, &gid, why, sizeof(why)) < 0 ||
	    asprintf(&path, "%s/postdrop", house->daemon_directory) < 0)
		return;
	if (stat(path, &st) < 0)
		buf_printf(&c->warnings, "%s: %s\n", path, strerror(errno));
	else if (st.st_gid != gid || (st.st_mode & S_ISGID) == 0)
		buf_printf(&c->warnings,
		    "%s: is not setgid to %u; users' mail is refused while "
		    "the suite is down (see INSTALL)\n",
		    path, gid);
	free(path);
}

/* ---- certificates -------------------------------------------------------- */

static void check_chain(struct check *c, const char *name, const char *files)
{
	struct str rest = str_from(files), word;
	const char *why;
	struct tls_server *tls;

	if (str_trim(rest).len == 0)
		return;
	tls = tls_server_open(files, ">=TLSv1.2", &why);
	if (tls == NULL)
		buf_printf(&c->problems, "%s: %s\n", name, why);
	tls_server_close(&tls);
	while ((word = str_word(&rest, " \t,")).len > 0) {
		char *path = str_dup(word);

		if (check_certificate(path, c->config->house.myhostname,
			&c->problems, &c->warnings, &why) < 0)
			buf_printf(
			    &c->problems, "%s: %s: %s\n", name, path, why);
		free(path);
	}
}

static void check_certificates(struct check *c)
{
	struct buf seen = buf_new(REPORT_MAX);

	for (const struct conf_table *t = conf_registry; t->owner != NULL;
	     t++) {
		for (const struct conf_param *p = t->params; p->name != NULL;
		     p++) {
			struct buf value = buf_new(8192);

			if (!str_ends(
				str_from(p->name), STR("_tls_chain_files")))
				continue;
			if (conf_value(c->config->conf, p->name, p->fallback,
				&value, &c->problems) == 0 &&
			    !str_eq(buf_str(&seen), buf_str(&value))) {
				check_chain(c, p->name, buf_text(&value));
				buf_clear(&seen);
				buf_add(&seen, buf_str(&value));
			}
			buf_free(&value);
		}
	}
	buf_free(&seen);
}

/* ---- lists ---------------------------------------------------------------- */

/* What is text to the table, and more to keeper. */
static void check_store(struct check *c)
{
	struct upkeep_policy policy;
	struct store_conf conf;
	const char *why;

	if (conf_fill(c->config->conf, store_params, &conf, &c->problems) < 0)
		return;
	if (store_conf_policy(
		&conf, c->config->house.mail_undelete_time, &policy, &why) < 0)
		buf_printf(&c->problems, "mailbox_expire: %s\n", why);
	else
		free((void *)(uintptr_t)policy.expiries);
}

/* ---- settings that contradict each other, or everybody's sense ----------- */

/* Far addresses of different networks: who trusts them all trusts all. */
static void check_relay(struct check *c)
{
	static const char *const far[] = {
	    "8.8.8.8", "193.0.6.139", "2001:4860:4860::8888"};
	struct str trusted = str_from(c->config->house.mynetworks), bad;
	struct buf origin = buf_new(8192);

	conf_origin_text(c->config->conf, "mynetworks", &origin);
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		struct netaddr a;

		if (netaddr_parse(str_from(far[i]), 0, &a) < 0 ||
		    netaddr_in_list(&a, trusted, &bad) <= 0)
			continue;
		buf_printf(&c->problems,
		    "%s: mynetworks trusts %s, and so much of the Internet: "
		    "this is an open relay\n",
		    buf_text(&origin), far[i]);
		break;
	}
	buf_free(&origin);
}

static void check_tls_demanded(struct check *c)
{
	static const char *const names[][2] = {
	    {"smtpd_tls_security_level", "smtpd_tls_chain_files"},
	    {"login_tls_security_level", "login_tls_chain_files"}};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf level = buf_new(8192), files = buf_new(8192);

		value_of(c, names[i][0], &level);
		value_of(c, names[i][1], &files);
		if (str_eq(buf_str(&level), STR("encrypt")) &&
		    str_trim(buf_str(&files)).len == 0)
			buf_printf(&c->problems,
			    "%s = encrypt, but %s names no certificate\n",
			    names[i][0], names[i][1]);
		buf_free(&level);
		buf_free(&files);
	}
}

/* ---- the report ---------------------------------------------------------- */

static void json_lines(struct json *j, const char *name, struct str lines)
{
	json_array(j, name);
	while (lines.len > 0)
		json_text(j, NULL, str_cut(&lines, '\n'));
	json_end(j);
}

static int report(struct posthouse *p, struct check *c)
{
	struct buf out = buf_new(2 * REPORT_MAX);
	struct json j = json_start(&out);
	struct str rest = buf_str(&c->warnings);
	bool ok = c->problems.len == 0;

	if (p->json) {
		json_object(&j, NULL);
		json_bool(&j, "ok", ok);
		json_lines(&j, "problems", buf_str(&c->problems));
		json_lines(&j, "warnings", buf_str(&c->warnings));
		json_end(&j);
		printf("%s\n", buf_text(&out));
	} else {
		fprintf(stderr, "%s", buf_text(&c->problems));
		while (rest.len > 0) {
			struct str line = str_cut(&rest, '\n');

			fprintf(stderr, "warning: %.*s\n", STR_FMT(line));
		}
		if (ok)
			printf("no problem found\n");
	}
	buf_free(&out);
	return ok ? 0 : 1;
}

int cmd_check(struct posthouse *p, int argc, char **argv)
{
	struct check c = {NULL, buf_new(REPORT_MAX), buf_new(REPORT_MAX)};
	int status;

	(void)argv;
	if (argc > 1)
		return posthouse_usage("check");
	c.config = config_read(p->config_directory, &c.problems);
	if (c.config != NULL) {
		const struct house_conf *h = &c.config->house;

		buf_add(&c.warnings, buf_str(&c.config->warnings));
		check_tables(&c);
		check_passwords(&c);
		check_spool(&c);
		check_postdrop(&c);
		check_directory(&c, h->mail_store_directory, 077, "vmail");
		check_directory(&c, h->log_directory, 02, NULL);
		check_directory(&c, h->report_directory, 077, "reportd");
		check_certificates(&c);
		check_relay(&c);
		check_tls_demanded(&c);
		check_store(&c);
	}
	status = report(p, &c);
	config_free(&c.config);
	buf_free(&c.problems);
	buf_free(&c.warnings);
	return status;
}
