/* SPDX-License-Identifier: ISC */
/* posthouse domain: the domains that are ours. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc/lookup.h"
#include "mail/address.h"
#include "posthouse/edit.h"

static int list_one(struct str key, struct str value, void *arg)
{
	struct edit_listing *l = arg;
	struct str class = str_word(&value, " \t");

	if (class.len == 0)
		class = STR("mailbox");
	if (!l->as_json) {
		buf_printf(&l->out, "%-40.*s %.*s %.*s", STR_FMT(key),
		    STR_FMT(class), STR_FMT(str_trim(value)));
		while (l->out.len > 0 && l->out.p[l->out.len - 1] == ' ')
			l->out.len--;
		buf_add_char(&l->out, '\n');
		return 0;
	}
	json_object(&l->json, NULL);
	json_text(&l->json, "domain", key);
	json_text(&l->json, "class", class);
	json_text(&l->json, "route", str_trim(value));
	json_end(&l->json);
	return 0;
}

/* "relay:smtp:[10.0.0.1]" becomes "relay smtp:[10.0.0.1]". -1: no class. */
static int entry_of(const char *what, struct buf *entry)
{
	struct str rest = str_from(what);
	struct str class = str_cut(&rest, ':');

	for (int i = 0; i < CLASS_REMOTE; i++) {
		if (!str_eq(class, str_from(domain_class_names[i])))
			continue;
		buf_add(entry, class);
		if (rest.len > 0) {
			buf_add_char(entry, ' ');
			buf_add(entry, rest);
		}
		return rest.len > 0 && i != CLASS_RELAY ? -1 : 0;
	}
	return -1;
}

static int add(struct posthouse *p, const char *name, const char *what)
{
	struct buf entry = buf_new(1024);
	struct edit e;
	int result = 1;

	if (!address_is_domain(str_from(name), true))
		return posthouse_misused("domain", "%s is not a domain", name);
	if (entry_of(what, &entry) < 0 || strpbrk(what, " \t\n") != NULL) {
		buf_free(&entry);
		return posthouse_misused("domain",
		    "%s is none of mailbox, alias, "
		    "local, relay and relay:transport:nexthop",
		    what);
	}
	int lock = edit_lock(p, "domain");
	if (lock >= 0 && edit_open(&e, p, "domain", "domains") == 0) {
		edit_set(&e, str_from(name), buf_str(&entry));
		result = edit_save(&e, "domain", 0644) < 0;
		edit_close(&e);
	}
	if (lock >= 0)
		close(lock);
	buf_free(&entry);
	return result;
}

struct count {
	struct str domain;
	size_t found;
};

static int count_one(struct str key, struct str value, void *arg)
{
	struct count *c = arg;

	(void)value;
	if (str_case_eq(str_skip(key, str_find_last(key, '@') + 1), c->domain))
		c->found++;
	return 0;
}

/* Entries of users or aliases that are of the domain. */
static size_t used_in(struct posthouse *p, const char *file, const char *domain)
{
	struct count c = {str_from(domain), 0};
	struct edit e;

	if (edit_open(&e, p, "domain", file) < 0)
		return 0;
	edit_each(&e, count_one, &c);
	edit_close(&e);
	return c.found;
}

static int delete (struct posthouse *p, const char *name)
{
	size_t users = used_in(p, "users", name);
	size_t aliases = used_in(p, "aliases", name);
	struct edit e;
	int result = 1;

	if (users + aliases > 0)
		return posthouse_fail("domain",
		    "%s has %zu mailboxes and %zu "
		    "aliases; delete these first (user delete, alias delete)",
		    name, users, aliases);
	int lock = edit_lock(p, "domain");
	if (lock >= 0 && edit_open(&e, p, "domain", "domains") == 0) {
		if (!edit_delete(&e, str_from(name)))
			posthouse_fail(
			    "domain", "%s is not a domain of ours", name);
		else
			result = edit_save(&e, "domain", 0644) < 0;
		edit_close(&e);
	}
	if (lock >= 0)
		close(lock);
	return result;
}

int cmd_domain(struct posthouse *p, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return edit_list(p, "domain", "domains", list_one);
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "add") == 0)
		return add(p, argv[2], argc == 4 ? argv[3] : "mailbox");
	if (argc == 3 && strcmp(argv[1], "delete") == 0)
		return delete (p, argv[2]);
	return posthouse_usage("domain");
}
