/* SPDX-License-Identifier: ISC */
/* sendmail -bv: "posthouse route" says what would become of each address. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sendmail/sendmail.h"

/* Both commands are installed into one directory. Returns 0 or -1. */
static int find_posthouse(char path[PATH_MAX])
{
	static const char name[] = "posthouse";
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (len < 0)
		return -1;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL ||
	    (size_t)(slash + 1 - path) + sizeof(name) > PATH_MAX)
		return -1;
	memcpy(slash + 1, name, sizeof(name));
	return 0;
}

/* The exit status: 0 accepted, 69 refused, 75 not now; or 71. */
static int route(struct sendmail *s, const char *path, const char *address)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		execl(path, "posthouse", "-c", s->options.config_directory,
		    "route", address, (char *)NULL);
		fprintf(stderr, "%s: %s: %s\n", s->name, path, strerror(errno));
		_exit(EX_OSERR);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			pid = -1;
	if (pid < 0)
		return complain(s, EX_OSERR, "%s: %s", path, strerror(errno));
	if (!WIFEXITED(status))
		return EX_OSERR;
	/* What posthouse calls failed and wrong usage. */
	return WEXITSTATUS(status) == 1 ? EX_TEMPFAIL
	    : WEXITSTATUS(status) == 2  ? EX_USAGE
					: WEXITSTATUS(status);
}

int verify_mode(struct sendmail *s)
{
	char path[PATH_MAX];
	int status = EX_OK;

	if (s->options.recipients[0] == NULL)
		return complain(s, EX_USAGE, "-bv takes addresses");
	if (find_posthouse(path) < 0)
		return complain(s, EX_OSERR, "/proc: %s", strerror(errno));
	for (char **r = s->options.recipients; *r != NULL; r++) {
		int one = route(s, path, *r);

		if (one != EX_OK)
			status = one;
		if (r[1] != NULL)
			putchar('\n');
	}
	return status;
}
