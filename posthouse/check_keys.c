/* SPDX-License-Identifier: ISC */
/* The private keys that mail is signed with: who may read them, and whether
 * they are keys. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "daemon/roles.h"
#include "mailauth/key_folder.h"
#include "posthouse/check.h"

struct look {
	struct check *c;
	int folder;
	const char *domain;
	unsigned found[KEY_STATES];
};

/* Others see nothing, cleanup's group sees but writes nothing. */
static void check_rights(struct look *l, const char *name)
{
	const char *top = l->c->config->house.dkim_key_directory;
	unsigned uid, gid;
	struct stat st;
	char why[160];

	if (fstatat(l->folder, name, &st, 0) < 0) {
		buf_printf(
		    &l->c->problems, "%s/%s: %s\n", top, name, strerror(errno));
		return;
	}
	if ((st.st_mode & 027) != 0)
		buf_printf(&l->c->problems,
		    "%s/%s: mode %04o lets others in, or lets cleanup write\n",
		    top, name, st.st_mode & 07777u);
	if (geteuid() == 0 &&
	    role_ids(&l->c->config->house, "cleanup", &uid, &gid, why,
		sizeof(why)) == 0 &&
	    (st.st_gid != gid || (st.st_mode & 040) == 0))
		buf_printf(&l->c->problems,
		    "%s/%s: cleanup cannot read it (its group is %u, not %u, "
		    "or may not): mail leaves unsigned\n",
		    top, name, st.st_gid, gid);
}

static int check_key(struct str selector, enum key_state state, void *arg)
{
	struct look *l = arg;
	char path[KEY_PATH_MAX];
	const char *why;

	key_path(str_from(l->domain), selector, state, path);
	l->found[state]++;
	check_rights(l, path);
	struct dkim_key *key = key_folder_read(
	    l->folder, str_from(l->domain), selector, state, &why);
	if (key == NULL)
		buf_printf(&l->c->problems, "%s/%s: %s\n",
		    l->c->config->house.dkim_key_directory, path, why);
	dkim_key_free(&key);
	return 0;
}

static void check_domain(struct look *l, const char *domain)
{
	l->domain = domain;
	memset(l->found, 0, sizeof(l->found));
	check_rights(l, domain);
	if (key_folder_each(l->folder, str_from(domain), check_key, l) < 0)
		buf_printf(&l->c->problems, "%s/%s: %s\n",
		    l->c->config->house.dkim_key_directory, domain,
		    strerror(errno));
	if (l->found[KEY_ACTIVE] == 0 && l->found[KEY_NEW] > 0)
		buf_printf(&l->c->warnings,
		    "%s: has a new key and none that is active: its mail "
		    "leaves "
		    "unsigned (posthouse dkim test, activate)\n",
		    domain);
}

void check_keys(struct check *c)
{
	const char *top = c->config->house.dkim_key_directory;
	struct look l = {.c = c};
	struct dirent *e;

	l.folder = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = l.folder < 0 ? NULL : opendir(top);
	if (dir == NULL) {
		if (errno == ENOENT)
			buf_printf(&c->warnings,
			    "%s: not there yet; start makes it\n", top);
		else
			buf_printf(geteuid() == 0 ? &c->problems : &c->warnings,
			    "%s: %s\n", top, strerror(errno));
		file_close(&l.folder);
		return;
	}
	check_rights(&l, ".");
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			check_domain(&l, e->d_name);
	closedir(dir);
	file_close(&l.folder);
}
