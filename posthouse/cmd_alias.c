/* SPDX-License-Identifier: ISC */
/* posthouse alias: addresses that lead to others. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mail/address.h"
#include "posthouse/edit.h"

static int list_one(struct str key, struct str value, void *arg)
{
	struct edit_listing *l = arg;
	struct str target;

	if (!l->as_json) {
		buf_printf(
		    &l->out, "%-40.*s %.*s\n", STR_FMT(key), STR_FMT(value));
		return 0;
	}
	json_object(&l->json, NULL);
	json_text(&l->json, "address", key);
	json_array(&l->json, "targets");
	while ((target = str_word(&value, ", \t")).len > 0)
		json_text(&l->json, NULL, target);
	json_end(&l->json);
	json_end(&l->json);
	return 0;
}

/* The key as the table has it; "@domain" for all of a domain. -1 after a
 * message. */
static int key_of(const char *address, struct buf *key)
{
	if (address[0] == '@' &&
	    address_is_domain(str_from(address + 1), true)) {
		buf_add_text(key, address);
		return 0;
	}
	if (address_normalize(str_from(address), true, key) == 0)
		return 0;
	posthouse_fail(
	    "alias", "%s is neither an address nor @domain", address);
	return -1;
}

static bool has(struct str list, struct str target)
{
	struct str word;

	while ((word = str_word(&list, ", \t")).len > 0)
		if (str_case_eq(word, target))
			return true;
	return false;
}

static int add_targets(struct edit *e, struct str key, char **targets)
{
	struct buf value = buf_new(65536);
	const char *why;
	int result = 0;

	edit_get(e, key, &value);
	for (; *targets != NULL && result == 0; targets++) {
		struct str target = str_from(*targets);
		struct address a;

		if (address_split(target, true, &a, &why) < 0 &&
		    !(target.len > 1 && target.p[0] == '@' &&
			address_is_domain(str_skip(target, 1), true)))
			result = posthouse_fail(
			    "alias", "%s: %s", *targets, why);
		else if (!has(buf_str(&value), target)) {
			if (value.len > 0)
				buf_add_text(&value, ", ");
			buf_add(&value, target);
		}
	}
	if (value.overflow)
		result = posthouse_misused("alias", "too many targets");
	if (result == 0)
		edit_set(e, key, buf_str(&value));
	buf_free(&value);
	return result;
}

static int remove_targets(struct edit *e, struct str key, char **targets)
{
	struct buf value = buf_new(65536), rest = buf_new(65536);
	struct str list, word;
	int result = 0;

	if (!edit_get(e, key, &value))
		result = posthouse_fail(
		    "alias", "there is no alias %.*s", STR_FMT(key));
	list = buf_str(&value);
	for (size_t i = 0; result == 0 && targets[i] != NULL; i++)
		if (!has(list, str_from(targets[i])))
			result = posthouse_fail("alias",
			    "%.*s does not lead to %s", STR_FMT(key),
			    targets[i]);
	while ((word = str_word(&list, ", \t")).len > 0) {
		bool keep = targets[0] != NULL;

		for (size_t i = 0; targets[i] != NULL; i++)
			if (str_case_eq(word, str_from(targets[i])))
				keep = false;
		if (keep)
			buf_printf(&rest, "%s%.*s", rest.len > 0 ? ", " : "",
			    STR_FMT(word));
	}
	if (result == 0 && rest.len > 0)
		edit_set(e, key, buf_str(&rest));
	else if (result == 0)
		edit_delete(e, key);
	buf_free(&value);
	buf_free(&rest);
	return result;
}

static int change(struct posthouse *p, const char *address, char **targets,
    int (*act)(struct edit *e, struct str key, char **targets))
{
	struct buf key = buf_new(1024), entry = buf_new(1024);
	struct edit e;
	int result = 1, lock = -1;

	if (key_of(address, &key) == 0) {
		struct str domain = str_skip(
		    buf_str(&key), str_find_last(buf_str(&key), '@') + 1);

		if (act == remove_targets ||
		    edit_domain(p, "alias", domain, &entry))
			lock = edit_lock(p, "alias");
	}
	if (lock >= 0 && edit_open(&e, p, "alias", "aliases") == 0) {
		result = act(&e, buf_str(&key), targets);
		if (result == 0)
			result = edit_save(&e, "alias", 0644) < 0;
		edit_close(&e);
	}
	if (lock >= 0)
		close(lock);
	buf_free(&key);
	buf_free(&entry);
	return result;
}

int cmd_alias(struct posthouse *p, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0)
		return edit_list(p, "alias", "aliases", list_one);
	if (argc >= 4 && strcmp(argv[1], "add") == 0)
		return change(p, argv[2], argv + 3, add_targets);
	if (argc >= 3 && strcmp(argv[1], "delete") == 0)
		return change(p, argv[2], argv + 3, remove_targets);
	return posthouse_usage("alias");
}
