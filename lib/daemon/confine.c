/* SPDX-License-Identifier: ISC */
#include "daemon/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/file.h"
#include "core/str.h"

/* What came after the first version, by the version that brought it; the
 * headers of our reference system do not name all of it. */
#define RIGHTS_1  ((UINT64_C(1) << 13) - 1)
#define REFER     (UINT64_C(1) << 13) /* 2 */
#define TRUNCATE  (UINT64_C(1) << 14) /* 3 */
#define IOCTL_DEV (UINT64_C(1) << 15) /* 5 */

#define NET_BIND_TCP    (UINT64_C(1) << 0) /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT  (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)
#define RULE_NET_PORT   2

/* linux/landlock.h, as of version 6. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct net_port_attr {
	uint64_t allowed, port;
};

#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define OF_FILES                                                               \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |           \
	    LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE | IOCTL_DEV)

int confine_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);

	return version >= 2 ? (int)version : 0;
}

bool confine_possible(void)
{
	return confine_version() > 0;
}

/* What a folder of mail has no use for. */
#define NOT_MAIL                                                               \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |           \
	    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SOCK |     \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |       \
	    IOCTL_DEV)

/* ---- rules ---------------------------------------------------------------- */

static uint64_t all_rights(int version)
{
	return RIGHTS_1 | REFER | (version >= 3 ? TRUNCATE : 0) |
	    (version >= 5 ? IOCTL_DEV : 0);
}

static int new_rules(const struct ruleset_attr *attr, int version)
{
	size_t size = version >= 6 ? sizeof(*attr)
	    : version >= 4         ? 2 * sizeof(uint64_t)
				   : sizeof(uint64_t);

	return (int)syscall(SYS_landlock_create_ruleset, attr, size, 0u);
}

static int allow(int rules, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = {
	    .allowed_access = rights, .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode))
		beneath.allowed_access &= OF_FILES;
	return (int)syscall(SYS_landlock_add_rule, rules,
	    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0u);
}

/* What does not exist needs no rule. */
static int allow_path(int rules, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	int r = allow(rules, fd, rights);
	file_close(&fd);
	return r;
}

static int allow_ports(int rules, const struct confine_ports *ports)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ports->count; i++) {
		struct net_port_attr attr = {NET_CONNECT_TCP, ports->port[i]};

		r = (int)syscall(
		    SYS_landlock_add_rule, rules, RULE_NET_PORT, &attr, 0u);
	}
	return r;
}

/* ---- a role ---------------------------------------------------------------- */

int confine_prepare(const struct confine_folder *folders, size_t count,
    const struct confine_ports *ports)
{
	int version = confine_version(), rules, r = 0;
	struct ruleset_attr attr = {.fs = all_rights(version),
	    .net = NET_BIND_TCP | (ports->any ? 0 : NET_CONNECT_TCP),
	    .scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL};
	const uint64_t rights[] = {[FOLDER_LIST] = LANDLOCK_ACCESS_FS_READ_DIR,
	    [FOLDER_READ] = READING,
	    [FOLDER_WRITE] = attr.fs & ~NOT_MAIL};

	if (version == 0)
		return CONFINE_UNKNOWN;
	rules = new_rules(&attr, version);
	if (rules < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = allow_path(
		    rules, folders[i].path, rights[folders[i].right]);
	if (r == 0 && version >= 4 && !ports->any)
		r = allow_ports(rules, ports);
	if (r < 0)
		file_close(&rules);
	return rules;
}

int confine_enter(int *rules)
{
	int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);

	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, *rules, 0u);
	file_close(rules);
	return r;
}

/* ---- a session ------------------------------------------------------------- */

int confine_to(int directory, const char *listed, const char *notify)
{
	int version = confine_version();
	struct ruleset_attr attr = {.fs = all_rights(version)};

	if (version == 0)
		return 0;
	int rules = new_rules(&attr, version);
	if (rules < 0)
		return -1;
	int r = allow(rules, directory, attr.fs);
	if (r == 0 && listed != NULL)
		r = allow_path(rules, listed, LANDLOCK_ACCESS_FS_READ_DIR);
	if (r == 0)
		r = allow_path(rules, notify, READING);
	if (r == 0)
		r = allow_path(rules, "/usr", READING);
	if (r == 0)
		r = allow_path(rules, "/lib", READING);
	if (r == 0)
		r = confine_enter(&rules);
	file_close(&rules);
	return r == 0 ? 1 : -1;
}
