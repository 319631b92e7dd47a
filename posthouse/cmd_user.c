/* SPDX-License-Identifier: ISC */
/*
 * posthouse user: mailboxes and their passwords, in the files users and
 * passwords of the configuration directory.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/registry.h"
#include "core/memory.h"
#include "daemon/roles.h"
#include "mail/address.h"
#include "posthouse/edit.h"
#include "posthouse/password.h"

/* What a command works on; both files are open under one lock. */
struct work {
	struct posthouse *p;
	int lock;
	struct edit users, passwords;
	struct buf address; /* normalised */
};

static void work_end(struct work *w)
{
	edit_close(&w->users);
	edit_close(&w->passwords);
	buf_free(&w->address);
	if (w->lock >= 0)
		close(w->lock);
}

/* 0, or 1 after a message; work_end in any case. */
static int work_begin(struct work *w, struct posthouse *p, const char *address)
{
	*w = (struct work){.p = p, .lock = -1, .address = buf_new(1024)};
	if (address_normalize(str_from(address), true, &w->address) < 0)
		return posthouse_misused(
		    "user", "%s is not an address", address);
	w->lock = edit_lock(p, "user");
	if (w->lock < 0 || edit_open(&w->users, p, "user", "users") < 0 ||
	    edit_open(&w->passwords, p, "user", "passwords") < 0)
		return 1;
	return 0;
}

static struct str key(const struct work *w)
{
	return buf_str(&w->address);
}

static int known(struct work *w, struct buf *settings)
{
	if (edit_get(&w->users, key(w), settings))
		return 0;
	return posthouse_fail("user",
	    "there is no user %.*s; \"posthouse -c "
	    "%s user list\" shows all",
	    STR_FMT(key(w)), w->p->config_directory);
}

/* A new passwords file is auth's to read. */
static int give_passwords(struct work *w)
{
	unsigned uid, gid;
	char why[200] = "", *db;
	int result;

	if (w->passwords.exists || geteuid() != 0)
		return 0;
	if (posthouse_conf(w->p) < 0 ||
	    role_ids(&w->p->house, "auth", &uid, &gid, why, sizeof(why)) < 0)
		return posthouse_fail("user", "passwords: %s", why);
	db = posthouse_path(w->p, "passwords.db");
	result = chown(w->passwords.path, 0, gid) < 0 ||
	    (chown(db, 0, gid) < 0 && errno != ENOENT);
	if (result != 0)
		posthouse_fail(
		    "user", "%s: %s", w->passwords.path, strerror(errno));
	free(db);
	return result;
}

static int save(struct work *w, bool users, bool passwords)
{
	/* The password first: a user without one cannot be guessed. */
	if (passwords &&
	    (edit_save(&w->passwords, "user", 0640) < 0 ||
		give_passwords(w) != 0))
		return 1;
	return users && edit_save(&w->users, "user", 0644) < 0;
}

/* ---- passwords ---- */

static const char *scheme(struct posthouse *p)
{
	const struct conf_param *row = conf_find("auth_password_scheme", NULL);
	const char *value = posthouse_conf(p) < 0
	    ? NULL
	    : conf_raw(p->conf, "auth_password_scheme");

	if (value == NULL && row != NULL)
		value = row->fallback;
	return value == NULL ? "yescrypt" : value;
}

/* given NULL asks for it. 0, or 1 after a message. */
static int set_password(struct work *w, const char *given)
{
	char password[PASSWORD_MAX + 1], hash[PASSWORD_HASH_MAX];
	struct buf value = buf_new(1024);
	const char *why = given == NULL ? NULL : password_check(given);
	int result = why == NULL ? 0 : -1;

	if (result == 0 && given != NULL)
		result = str_copy(password, sizeof(password), str_from(given));
	else if (result == 0)
		result = password_ask("Password", password, &why);
	if (result == 0)
		result = password_hash(password, scheme(w->p), hash, &why);
	if (result < 0) {
		posthouse_fail("user", "%s", why);
	} else {
		buf_printf(&value, "{CRYPT}%s", hash);
		edit_set(&w->passwords, key(w), buf_str(&value));
	}
	mem_wipe(password, sizeof(password));
	buf_free(&value);
	return result < 0;
}

/* ---- settings ---- */

static const char *check_setting(struct str name, const char *value)
{
	const char *why = NULL;
	uint64_t n;
	bool flag;

	if (str_eq(name, STR("quota")))
		return conf_parse_size(value, &n, &why) < 0 ? why : NULL;
	if (str_eq(name, STR("enabled")))
		return conf_parse_bool(value, &flag, &why) < 0 ? why : NULL;
	if (str_eq(name, STR("messages")))
		return str_to_u64(str_from(value), INT64_MAX, &n) < 0
		    ? "this is a whole number"
		    : NULL;
	return "the settings are quota, messages and enabled";
}

/* Puts NAME=VALUE in place of what there is; an empty value removes it. */
static int merge(struct buf *settings, const char *assignment)
{
	struct str rest = buf_str(settings), word;
	struct str value = str_from(assignment);
	struct str name = str_cut(&value, '=');
	struct buf merged = buf_new(settings->most);
	const char *why = strchr(assignment, '=') == NULL
	    ? "a setting is NAME=VALUE"
	    : value.len == 0 ? NULL
			     : check_setting(name, value.p);

	if (why != NULL) {
		buf_free(&merged);
		return posthouse_fail("user", "%s: %s", assignment, why);
	}
	while ((word = str_word(&rest, ", \t")).len > 0) {
		struct str other = word;

		if (!str_case_eq(str_cut(&other, '='), name))
			buf_printf(&merged, "%s%.*s", merged.len > 0 ? " " : "",
			    STR_FMT(word));
	}
	if (value.len > 0)
		buf_printf(
		    &merged, "%s%s", merged.len > 0 ? " " : "", assignment);
	buf_free(settings);
	*settings = merged;
	return 0;
}

/* ---- the commands ---- */

static int add(struct posthouse *p, const char *address, const char *password,
    char **settings)
{
	struct buf entry = buf_new(1024), value = buf_new(1024);
	struct work w;
	int result = work_begin(&w, p, address);

	if (result == 0) {
		struct str domain = str_skip(
		    key(&w), str_find_last(key(&w), '@') + 1);

		result = !edit_domain(p, "user", domain, &entry);
		if (result == 0 &&
		    !str_starts(buf_str(&entry), STR("mailbox")) &&
		    !str_starts(buf_str(&entry), STR("local")))
			result = posthouse_fail("user",
			    "%.*s has no mailboxes,"
			    " its entry in domains is: %s",
			    STR_FMT(domain), buf_text(&entry));
	}
	if (result == 0 && edit_get(&w.users, key(&w), &value))
		result = posthouse_fail("user",
		    "%.*s exists already; \"user "
		    "passwd\" and \"user set\" change it",
		    STR_FMT(key(&w)));
	for (; result == 0 && *settings != NULL; settings++)
		result = merge(&value, *settings);
	if (result == 0)
		result = set_password(&w, password);
	if (result == 0) {
		edit_set(&w.users, key(&w), buf_str(&value));
		result = save(&w, true, true);
	}
	work_end(&w);
	buf_free(&entry);
	buf_free(&value);
	return result;
}

static int delete (struct posthouse *p, const char *address)
{
	struct buf ignored = buf_new(65536);
	struct work w;
	int result = work_begin(&w, p, address);

	if (result == 0)
		result = known(&w, &ignored);
	if (result == 0) {
		edit_delete(&w.users, key(&w));
		bool had = edit_delete(&w.passwords, key(&w));

		result = save(&w, true, had);
	}
	if (result == 0 && !p->json)
		printf("%.*s is no user any more; the mailbox stays in the "
		       "store\n",
		    STR_FMT(key(&w)));
	work_end(&w);
	buf_free(&ignored);
	return result;
}

static int passwd(struct posthouse *p, const char *address, const char *given)
{
	struct buf ignored = buf_new(65536);
	struct work w;
	int result = work_begin(&w, p, address);

	if (result == 0)
		result = known(&w, &ignored);
	if (result == 0)
		result = set_password(&w, given);
	if (result == 0)
		result = save(&w, false, true);
	work_end(&w);
	buf_free(&ignored);
	return result;
}

static int set(struct posthouse *p, const char *address, char **settings)
{
	struct buf value = buf_new(65536);
	struct work w;
	int result = work_begin(&w, p, address);

	if (result == 0)
		result = known(&w, &value);
	for (; result == 0 && *settings != NULL; settings++)
		result = merge(&value, *settings);
	if (result == 0) {
		edit_set(&w.users, key(&w), buf_str(&value));
		result = save(&w, true, false);
	}
	work_end(&w);
	buf_free(&value);
	return result;
}

/* ---- showing ---- */

static void put_user(
    struct edit_listing *l, struct str address, struct str value)
{
	struct str word;

	if (!l->as_json) {
		buf_printf(&l->out, "%.*s", STR_FMT(address));
		if (value.len > 0)
			buf_printf(&l->out, "%*s %.*s",
			    address.len < 40 ? (int)(40 - address.len) : 0, "",
			    STR_FMT(value));
		buf_add_char(&l->out, '\n');
		return;
	}
	json_object(&l->json, NULL);
	json_text(&l->json, "address", address);
	json_object(&l->json, "settings");
	while ((word = str_word(&value, ", \t")).len > 0) {
		char name[64];

		if (str_copy(name, sizeof(name), str_cut(&word, '=')) == 0)
			json_text(&l->json, name, word);
	}
	json_end(&l->json);
	json_end(&l->json);
}

static int list_one(struct str address, struct str value, void *arg)
{
	put_user(arg, address, value);
	return 0;
}

static int show(struct posthouse *p, const char *address)
{
	struct edit_listing l = {.out = buf_new(65536), .as_json = p->json};
	struct buf name = buf_new(1024), value = buf_new(65536);
	struct edit e;
	int result = 1;

	l.json = json_start(&l.out);
	if (address_normalize(str_from(address), true, &name) < 0) {
		result = posthouse_misused(
		    "user", "%s is not an address", address);
	} else if (edit_open(&e, p, "user", "users") == 0) {
		if (edit_get(&e, buf_str(&name), &value)) {
			put_user(&l, buf_str(&name), buf_str(&value));
			fputs(buf_text(&l.out), stdout);
			result = 0;
		} else {
			posthouse_fail("user", "there is no user %s", address);
		}
		edit_close(&e);
	}
	buf_free(&l.out);
	buf_free(&name);
	buf_free(&value);
	return result;
}

/* Takes --password P out of argv. */
static int take_options(int *argc, char **argv, const char **password)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		bool has_value = i + 1 < *argc;

		if (strcmp(argv[i], "--password") == 0 && has_value) {
			*password = argv[++i];
		} else if (strncmp(argv[i], "--", 2) == 0) {
			return -1;
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

int cmd_user(struct posthouse *p, int argc, char **argv)
{
	const char *password = NULL, *verb;

	if (take_options(&argc, argv, &password) < 0 || argc < 2)
		return posthouse_usage("user");
	verb = argv[1];
	if (argc == 2 && strcmp(verb, "list") == 0)
		return edit_list(p, "user", "users", list_one);
	if (argc >= 3 && strcmp(verb, "add") == 0)
		return add(p, argv[2], password, argv + 3);
	if (argc == 3 && strcmp(verb, "delete") == 0)
		return delete (p, argv[2]);
	if (argc == 3 && strcmp(verb, "passwd") == 0)
		return passwd(p, argv[2], password);
	if (argc >= 4 && strcmp(verb, "set") == 0)
		return set(p, argv[2], argv + 3);
	if (argc == 3 && strcmp(verb, "show") == 0)
		return show(p, argv[2]);
	return posthouse_usage("user");
}
