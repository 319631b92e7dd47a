/* SPDX-License-Identifier: ISC */
#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/file.h"
#include "core/str.h"

/* Rights of the first version; the second and third added one each, which
 * the headers of our reference system do not name all. */
#define RIGHTS_1 ((UINT64_C(1) << 13) - 1)
#define REFER    (UINT64_C(1) << 13)
#define TRUNCATE (UINT64_C(1) << 14)
#define READING                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |           \
	    LANDLOCK_ACCESS_FS_READ_DIR)

static int allow(int rules, int directory, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {
	    .allowed_access = rights, .parent_fd = directory};

	return (int)syscall(SYS_landlock_add_rule, rules,
	    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0u);
}

/* A directory that does not exist needs no rule. */
static int allow_path(int rules, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	int r = allow(rules, fd, rights);
	file_close(&fd);
	return r;
}

static int restrict_self(int rules)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_landlock_restrict_self, rules, 0u);
}

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
}

bool confine_possible(void)
{
	return landlock_version() >= 1;
}

int confine_to(int directory, const char *const *listed)
{
	struct landlock_ruleset_attr attr = {.handled_access_fs = RIGHTS_1};
	long version = landlock_version();

	if (version < 1)
		return 0;
	if (version >= 2)
		attr.handled_access_fs |= REFER;
	if (version >= 3)
		attr.handled_access_fs |= TRUNCATE;
	int rules = (int)syscall(
	    SYS_landlock_create_ruleset, &attr, sizeof(attr), 0u);
	if (rules < 0)
		return -1;
	int r = allow(rules, directory, attr.handled_access_fs);
	for (size_t i = 0; r == 0 && listed[i] != NULL; i++)
		r = allow_path(rules, listed[i], LANDLOCK_ACCESS_FS_READ_DIR);
	if (r == 0)
		r = allow_path(rules, "/usr", READING);
	if (r == 0)
		r = allow_path(rules, "/lib", READING);
	if (r == 0)
		r = restrict_self(rules);
	file_close(&rules);
	return r == 0 ? 1 : -1;
}
