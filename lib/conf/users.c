/* SPDX-License-Identifier: ISC */
#include "conf/users.h"

#include <pwd.h>
#include <stdlib.h>

#include "core/memory.h"

#define SEPARATORS ", \t\r\n"

/* 1, 0 for an unknown user, -1 for what is no entry. */
static int read_entry(struct str word, struct user_entry *out)
{
	const struct passwd *pw;
	char name[256];
	uint64_t uid;

	*out = (struct user_entry){.except = word.len > 0 && word.p[0] == '!'};
	if (out->except)
		word = str_skip(word, 1);
	if (str_starts(word, STR("static:"))) {
		out->anyone = true;
		return 1;
	}
	if (str_to_u64(word, UINT32_MAX - 1, &uid) == 0) {
		out->uid = (unsigned)uid;
		return 1;
	}
	if (word.len == 0 || str_find(word, ':') < word.len ||
	    str_find(word, '/') < word.len ||
	    str_copy(name, sizeof(name), word) < 0)
		return -1;
	// cppcheck-suppress getpwnamCalled
	pw = getpwnam(name);
	if (pw == NULL)
		return 0;
	out->uid = pw->pw_uid;
	return 1;
}

int user_list_read(struct user_list *out, const char *text, struct buf *odd,
    struct buf *errors)
{
	struct str rest = str_from(text), word;
	int result = 0;

	*out = (struct user_list){
	    0, mem_array(strlen(text) / 2 + 1, sizeof(out->entries[0]))};
	while ((word = str_word(&rest, SEPARATORS)).len > 0) {
		switch (read_entry(word, &out->entries[out->count])) {
		case 1:
			out->count++;
			break;
		case 0:
			buf_printf(
			    odd, "there is no user %.*s\n", STR_FMT(word));
			break;
		default:
			buf_printf(errors,
			    "%.*s: neither a user nor static:anyone\n",
			    STR_FMT(word));
			result = -1;
		}
	}
	return result;
}

bool user_list_has(const struct user_list *list, unsigned uid)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->entries[i].anyone || list->entries[i].uid == uid)
			return !list->entries[i].except;
	return false;
}

void user_list_free(struct user_list *list)
{
	free(list->entries);
	*list = (struct user_list){0, NULL};
}
