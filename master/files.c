/* SPDX-License-Identifier: ISC */
/*
 * Files that daemons read before their jail, and could not open again: keys
 * and certificates, certificate authorities, resolv.conf. When one of them has
 * changed the services that read it are renewed, each alone (renew.c): new
 * processes read it anew, the old ones finish what they have, and when the new
 * ones cannot use it the old ones go on with what they have read.
 *
 * A file counts as changed when it is another for one interval and then stays
 * the same for the next, so that a key and its certificate can be replaced one
 * behind the other. (Tables are looked at by those who read them.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/memory.h"
#include "master/master.h"

struct signature {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct file {
	struct file *next;
	char *path;
	bool certificate;        /* that clients are shown */
	struct signature seen;   /* by the processes that there are */
	struct signature latest; /* at the last look */
};

/* What a program reads before its jail, as the value of a parameter. */
static const struct {
	const char *program, *parameter, *otherwise;
	bool certificate;
} named[] = {
    {"smtpd", "smtpd_tls_chain_files", "", true},
    {"login", "login_tls_chain_files", "$smtpd_tls_chain_files", true},
    {"smtp", "smtp_tls_CAfile", "", false},
};

/* Who asks the servers of resolv.conf when dns_servers names none. */
static const char *const resolving[] = {"smtpd", "smtp"};

static struct loop_timer *timer;

static struct signature look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct signature){0};
	return (struct signature){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool same(const struct signature *a, const struct signature *b)
{
	return a->device == b->device && a->inode == b->inode &&
	    a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
	    a->changed.tv_nsec == b->changed.tv_nsec;
}

/* ---- which they are ------------------------------------------------------ */

static struct file *add(struct running *s, struct str path)
{
	struct file *f = NEW(struct file);

	f->path = str_dup(path);
	f->seen = f->latest = look_at(f->path);
	f->next = s->files;
	s->files = f;
	return f;
}

/* main.cf with what the row sets otherwise. */
static struct conf *conf_of(const struct running *s)
{
	struct buf ignored = buf_new(65536), place = buf_new(8192);
	const struct config *c = master.config;
	struct conf *conf = conf_parse(
	    str_of(c->text, c->text_len), "main.cf", &ignored);

	if (conf != NULL && conf_raw(conf, "config_directory") == NULL) {
		buf_printf(&place, "config_directory=%s", c->directory);
		conf_override(conf, buf_text(&place), &ignored);
	}
	for (char *const *a = s->config->row->args;
	     conf != NULL && a != NULL && *a != NULL; a++)
		if (strcmp(*a, "-o") == 0 && *++a != NULL)
			conf_override(conf, *a, &ignored);
	buf_free(&ignored);
	buf_free(&place);
	return conf;
}

static void add_named(struct running *s, struct conf *conf, size_t row)
{
	struct buf list = buf_new(8192), ignored = buf_new(65536);
	struct str rest, path;

	if (conf_value(conf, named[row].parameter, named[row].otherwise, &list,
		&ignored) == 0) {
		rest = buf_str(&list);
		while ((path = str_word(&rest, " \t,")).len > 0)
			add(s, path)->certificate = named[row].certificate;
	}
	buf_free(&list);
	buf_free(&ignored);
}

static void add_resolver(struct running *s, struct conf *conf)
{
	struct buf servers = buf_new(8192), ignored = buf_new(65536);

	if (conf_value(conf, "dns_servers", "", &servers, &ignored) == 0 &&
	    str_trim(buf_str(&servers)).len == 0)
		add(s, STR("/etc/resolv.conf"));
	buf_free(&servers);
	buf_free(&ignored);
}

void files_forget(struct running *s)
{
	while (s->files != NULL) {
		struct file *f = s->files;

		s->files = f->next;
		free(f->path);
		free(f);
	}
}

void files_find(struct running *s)
{
	const char *program = s->config->row->command;
	struct conf *conf;

	files_forget(s);
	conf = conf_of(s);
	if (conf == NULL)
		return;
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (strcmp(named[i].program, program) == 0)
			add_named(s, conf, i);
	for (size_t i = 0; i < ARRAY_LEN(resolving); i++)
		if (strcmp(resolving[i], program) == 0)
			add_resolver(s, conf);
	conf_free(&conf);
}

void files_certificates(
    void (*found)(const struct running *s, const char *path))
{
	for (const struct running *s = master.services; s != NULL; s = s->next)
		for (const struct file *f = s->files; f != NULL && !s->removed;
		     f = f->next)
			if (f->certificate)
				found(s, f->path);
}

/* ---- looking ------------------------------------------------------------- */

/* Whether one of them changed and has come to rest. */
static bool have_changed(struct running *s)
{
	bool changed = false, at_rest = true;

	for (struct file *f = s->files; f != NULL; f = f->next) {
		struct signature now = look_at(f->path);

		at_rest = at_rest && same(&now, &f->latest);
		f->latest = now;
		changed = changed || !same(&now, &f->seen);
	}
	return changed && at_rest;
}

static void renew(struct running *s)
{
	for (struct file *f = s->files; f != NULL; f = f->next) {
		if (!same(&f->seen, &f->latest))
			log_info("%s/%s: %s has changed; starting anew with it",
			    s->name, config_type_name(s->type), f->path);
		f->seen = f->latest;
	}
	if (s->wanted == WANT_RUNNING && s->listener_count > 0)
		renew_alone(s, -1);
}

static void look(void *arg)
{
	const char *why;

	(void)arg;
	/* A reload reads them all anyway. */
	for (struct running *s = master.services; s != NULL; s = s->next)
		if (!s->removed && !master.stopping && s->before == 0 &&
		    generation_state(&why) != 0 && have_changed(s))
			renew(s);
	files_watch();
}

void files_watch(void)
{
	if (timer == NULL)
		timer = loop_timer_new(master.loop, look, NULL);
	loop_timer_stop(timer);
	if (master.conf.file_check_interval > 0)
		loop_timer_set(timer, master.conf.file_check_interval);
}
