/* SPDX-License-Identifier: ISC */
#include "mailauth/key_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "mail/address.h"

const char *const key_state_names[KEY_STATES] = {"new", "active", "retired"};

static bool is_lower(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] != ascii_lower(s.p[i]))
			return false;
	return true;
}

bool key_domain_valid(struct str domain)
{
	return domain.len > 0 && domain.len <= KEY_DOMAIN_MAX &&
	    is_lower(domain) && address_is_domain(domain, false);
}

bool key_selector_valid(struct str selector)
{
	return selector.len <= KEY_SELECTOR_MAX && key_domain_valid(selector);
}

bool key_file_parse(
    struct str name, struct str *selector, enum key_state *state)
{
	size_t dot = str_find_last(name, '.');
	struct str end = str_skip(name, dot + 1);

	*selector = str_sub(name, 0, dot);
	for (size_t i = 0; i < KEY_STATES; i++)
		if (str_eq(end, str_from(key_state_names[i])) &&
		    key_selector_valid(*selector)) {
			*state = (enum key_state)i;
			return true;
		}
	return false;
}

void key_path(struct str domain, struct str selector, enum key_state state,
    char out[KEY_PATH_MAX])
{
	snprintf(out, KEY_PATH_MAX, "%.*s/%.*s.%s", STR_FMT(domain),
	    STR_FMT(selector), key_state_names[state]);
}

int key_folder_each(int folder, struct str domain,
    int (*found)(struct str selector, enum key_state state, void *arg),
    void *arg)
{
	char name[KEY_DOMAIN_MAX + 1];
	struct str selector;
	enum key_state state;
	struct dirent *e;
	int result = 0;

	if (!key_domain_valid(domain) ||
	    str_copy(name, sizeof(name), domain) < 0)
		return 0;
	int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		file_close(&fd);
		return -1;
	}
	// cppcheck-suppress readdirCalled
	while (result == 0 && (e = readdir(dir)) != NULL)
		if (key_file_parse(str_from(e->d_name), &selector, &state))
			result = found(selector, state, arg);
	closedir(dir);
	return result;
}

struct dkim_key *key_folder_read(int folder, struct str domain,
    struct str selector, enum key_state state, const char **why)
{
	struct buf pem = buf_new(KEY_FILE_MAX);
	struct dkim_key *key = NULL;
	char path[KEY_PATH_MAX];

	key_path(domain, selector, state, path);
	if (file_read_at(folder, path, &pem) < 0)
		*why = strerror(errno);
	else
		key = dkim_key_private(buf_str(&pem), why);
	mem_wipe(pem.p, pem.len);
	buf_free(&pem);
	return key;
}
