/* SPDX-License-Identifier: ISC */
#include "store/store_conf.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "core/memory.h"

#define EXPIRIES_MAX 1000

#define P(kind, name, ...) CONF_##kind(struct store_conf, name, __VA_ARGS__)

/* clang-format off */
const struct conf_param store_params[] = {
	P(TEXT, mailbox_expire, "", 0, 65536,
	  "Mailboxes whose messages go when they have been there for so long: "
	  "names or special uses with a time, commas between them, such as "
	  "\\Trash=30d, \\Junk=30d, Archive/Old=365d. A name with a comma stands "
	  "in double quotes. Mailboxes below are not meant."),
	P(TIME, store_upkeep_interval, "1d", 1, 2678400,
	  "How long keeper takes to visit every account once; an account that "
	  "is written to much is visited sooner."),
	P(SIZE, store_upkeep_rate, "16M", 0, INT64_MAX,
	  "Octets that keeper reads and writes in a second, taken over a few "
	  "seconds; 0 sets no limit."),
	P(SIZE, store_reserve_size, "16M", 0, INT64_MAX,
	  "Octets that are kept in reserve below mail_store_directory, so that "
	  "mail can be removed from a full disk."),
	P(TIME, store_orphan_time, "1d", 3600, 31536000,
	  "How old a file of the store that nothing refers to is when keeper "
	  "removes it."),
	CONF_END
};
/* clang-format on */

struct use_name {
	const char *name;
	enum special_use use;
};

static const struct use_name use_names[] = {{"\\All", USE_ALL},
    {"\\Archive", USE_ARCHIVE}, {"\\Drafts", USE_DRAFTS},
    {"\\Flagged", USE_FLAGGED}, {"\\Junk", USE_JUNK}, {"\\Sent", USE_SENT},
    {"\\Trash", USE_TRASH}};

/* Up to the next comma that stands in no quotes. */
static struct str cut_item(struct str *rest)
{
	struct str all = *rest;
	bool quoted = false;

	for (size_t i = 0; i < all.len; i++) {
		if (all.p[i] == '"')
			quoted = !quoted;
		if (all.p[i] == ',' && !quoted) {
			*rest = str_skip(all, i + 1);
			return str_trim(str_sub(all, 0, i));
		}
	}
	*rest = str_skip(all, all.len);
	return str_trim(all);
}

static const char *take_name(struct str name, struct upkeep_expiry *out)
{
	out->use = USE_NONE;
	if (name.len >= 2 && name.p[0] == '"' && str_ends(name, STR("\"")))
		name = str_sub(name, 1, name.len - 2);
	else if (str_starts(name, STR("\\"))) {
		for (size_t i = 0; i < ARRAY_LEN(use_names); i++)
			if (str_case_eq(name, str_from(use_names[i].name)))
				out->use = use_names[i].use;
		if (out->use == USE_NONE)
			return "a special use is \\All, \\Archive, \\Drafts, "
			       "\\Flagged, \\Junk, \\Sent or \\Trash";
	}
	out->mailbox = out->use == USE_NONE ? name : STR_EMPTY;
	return name.len > 0 ? NULL : "a mailbox without a name";
}

static const char *take_item(struct str item, struct upkeep_expiry *out)
{
	size_t equal = str_find_last(item, '=');
	struct str name = str_trim(str_sub(item, 0, equal));
	const char *why = take_name(name, out);
	char age[32];

	if (equal == item.len)
		return "this is a list of MAILBOX=TIME";
	if (why != NULL)
		return why;
	if (str_copy(age, sizeof(age), str_trim(str_skip(item, equal + 1))) < 0)
		return "this is no time";
	if (conf_parse_time(age, &out->age, &why) < 0)
		return why;
	out->age /= 1000;
	return out->age > 0 ? NULL : "a message would go at once";
}

int store_conf_policy(const struct store_conf *conf, int64_t undelete_ms,
    struct upkeep_policy *out, const char **why)
{
	struct str rest = str_from(conf->mailbox_expire), item;
	struct upkeep_expiry *list = NULL;
	size_t count = 0;

	*why = NULL;
	while (*why == NULL && rest.len > 0) {
		item = cut_item(&rest);
		if (item.len == 0)
			continue;
		if (count == EXPIRIES_MAX) {
			*why = "too many mailboxes";
			break;
		}
		list = mem_resize(list, count + 1, sizeof(*list));
		*why = take_item(item, &list[count++]);
	}
	if (*why != NULL) {
		free(list);
		return -1;
	}
	*out = (struct upkeep_policy){.undelete = undelete_ms / 1000,
	    .orphan_age = conf->store_orphan_time / 1000,
	    .expiries = list,
	    .expiry_count = count};
	return 0;
}
