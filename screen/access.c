/* SPDX-License-Identifier: ISC */
#include "screen/access.h"

#include <stdlib.h>

#include "conf/map.h"
#include "core/log.h"
#include "core/memory.h"
#include "daemon/rehearsal.h"

#define VALUE_MAX 1024

/* A word of the list: a table, or networks. */
struct entry {
	struct map *map;
	const char *networks;
	char *text; /* as it is written */
};

static struct {
	struct entry *entries;
	size_t count;
	struct explain *explain; /* NULL: nobody asks why */
} list;

static int add_networks(const char *text)
{
	struct netaddr any;
	struct str bad;

	netaddr_parse(STR("0.0.0.0"), 0, &any);
	any.len = 0; /* lies in no network, so every entry is read */
	if (netaddr_in_list(&any, str_from(text), &bad) < 0) {
		log_error("postscreen_access_list: \"%.*s\" is neither "
			  "permit_mynetworks nor a network or a cidr: table",
		    STR_FMT(bad));
		return -1;
	}
	list.entries[list.count++] = (struct entry){NULL, text, NULL};
	return 0;
}

static int add_table(const char *spec, const char *base)
{
	const char *why;
	struct map *map = map_open(spec, base, &why);

	if (map == NULL) {
		log_error("postscreen_access_list: %s", why);
		return -1;
	}
	map_keep(map);
	list.entries[list.count++] = (struct entry){map, NULL, NULL};
	return 0;
}

int access_open(const char *text, const char *mynetworks, const char *base)
{
	struct str rest = str_from(text), word;
	int r = 0;

	while (r == 0 && (word = str_word(&rest, " ,\t\r\n")).len > 0) {
		char *spec = str_dup(word);
		size_t before = list.count;

		list.entries = mem_resize(
		    list.entries, list.count + 1, sizeof(list.entries[0]));
		if (str_eq(word, STR("permit_mynetworks")))
			r = add_networks(mynetworks);
		else if (str_starts(word, STR("cidr:")))
			r = add_table(spec, base);
		else {
			r = add_networks(spec);
		}
		if (list.count > before)
			list.entries[before].text = spec;
		else
			free(spec);
	}
	return r;
}

static enum access in_table(struct map *map, const struct netaddr *client)
{
	struct buf value = buf_new(VALUE_MAX);
	enum access found = ACCESS_DUNNO;
	char text[NETADDR_TEXT_MAX];
	struct str word, rest;

	netaddr_text(client, text);
	if (map_find(map, str_from(text), &value) == MAP_FOUND) {
		rest = buf_str(&value);
		word = str_word(&rest, " \t");
		if (str_case_eq(word, STR("permit")))
			found = ACCESS_PERMIT;
		else if (str_case_eq(word, STR("reject")))
			found = ACCESS_REJECT;
		else if (!str_case_eq(word, STR("dunno")))
			log_warning("postscreen_access_list: %.*s is none of "
				    "permit, reject and dunno",
			    STR_FMT(word));
	}
	buf_free(&value);
	return found;
}

void access_explain(struct explain *explain)
{
	list.explain = explain;
}

static void tell(
    const struct entry *e, const struct netaddr *client, enum access found)
{
	static const char *const words[] = {[ACCESS_DUNNO] = "dunno",
	    [ACCESS_PERMIT] = "permit",
	    [ACCESS_REJECT] = "reject"};
	char text[NETADDR_TEXT_MAX], origin[300];

	if (list.explain == NULL)
		return;
	netaddr_text(client, text);
	daemon_origin("postscreen_access_list", origin, sizeof(origin));
	if (e->map != NULL)
		explain_tell(list.explain,
		    &(struct explain_step){.kind = STEP_LOOKUP,
			.about = STR("CONNECT"),
			.rule = STR("postscreen_access_list"),
			.origin = str_from(origin),
			.table = str_from(e->text),
			.key = str_from(text),
			.result = found == ACCESS_DUNNO ? STR("none")
							: STR("found"),
			.text = str_from(words[found])});
	rehearsal_rule(list.explain, "CONNECT", "postscreen_access_list",
	    strcmp(e->text, "permit_mynetworks") == 0
		? "mynetworks"
		: "postscreen_access_list",
	    words[found], "%s", e->text);
}

enum access access_of(const struct netaddr *client)
{
	enum access found = ACCESS_DUNNO;
	struct str bad;

	for (size_t i = 0; i < list.count && found == ACCESS_DUNNO; i++) {
		const struct entry *e = &list.entries[i];

		if (e->map != NULL)
			found = in_table(e->map, client);
		else if (netaddr_in_list(client, str_from(e->networks), &bad) ==
		    1)
			found = ACCESS_PERMIT;
		tell(e, client, found);
	}
	return found;
}
