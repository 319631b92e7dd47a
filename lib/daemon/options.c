/* SPDX-License-Identifier: ISC */
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>

#include "core/log.h"
#include "daemon/daemon_private.h"

enum { OPT_DEBUG = 256, OPT_LISTEN, OPT_EXPLAIN };

static const struct option long_options[] = {
    {"debug", no_argument, NULL, OPT_DEBUG},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"explain", no_argument, NULL, OPT_EXPLAIN},
    {NULL, 0, NULL, 0},
};

static int number(const char *text, int most)
{
	uint64_t n;

	if (str_to_u64(str_from(text), (uint64_t)most, &n) < 0)
		log_fatal("%s is not a number up to %d", text, most);
	return (int)n;
}

static int type_of(const char *text)
{
	static const char *const names[] = {
	    "inet", "unix", "unix-dgram", "pass"};

	for (int i = 0; i < (int)ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	log_fatal("-t %s: the type is inet, unix, unix-dgram or pass", text);
}

static void take(int c)
{
	switch (c) {
	case 'n':
		self.service = optarg;
		break;
	case 't':
		self.type = type_of(optarg);
		break;
	case 'r':
		self.role_name = optarg;
		break;
	case 's':
		self.listener_count = number(optarg, LISTENERS_MAX);
		break;
	case 'l':
		self.master_line = number(optarg, INT_MAX);
		break;
	case 'i':
		self.slot = number(optarg, BOARD_SLOTS - 1);
		break;
	case 'c':
		self.chroot = true;
		break;
	case 'o':
		if (self.override_count == OVERRIDES_MAX)
			log_fatal("too many -o");
		self.overrides[self.override_count++] = optarg;
		break;
	case 'C':
		self.config_directory = optarg;
		self.by_hand = true;
		break;
	case OPT_DEBUG:
		self.debug = true;
		break;
	case OPT_LISTEN:
		self.listen = optarg;
		break;
	case OPT_EXPLAIN:
		self.explain = true;
		break;
	default:
		log_fatal("%s is started by master(8); by hand: -C "
			  "CONFIG_DIRECTORY [--debug] [--listen "
			  "PATH_OR_PORT] [-r role] [-o name=value]...",
		    self.daemon->name);
	}
}

void options_read(int argc, char **argv)
{
	int c;

	self.service = self.role_name = self.daemon->name;
	self.type = TYPE_UNIX;
	self.slot = -1;
	self.channel = self.alive = self.kept = -1;
	while ((c = getopt_long(
		    argc, argv, "n:t:r:s:i:l:co:C:", long_options, NULL)) != -1)
		take(c);
	if (optind < argc)
		log_fatal("too many arguments: %s", argv[optind]);
	if (!self.by_hand && self.slot < 0)
		take('?');
	if (self.explain && (!self.by_hand || self.daemon->explain == NULL))
		log_fatal("--explain is for posthouse(8), and not for %s",
		    self.daemon->name);
	self.role = role_find(self.role_name);
	if (self.role == NULL)
		log_fatal("there is no role %s", self.role_name);
	self.rights = rights_find(self.role_name);
	if (self.rights == NULL)
		log_fatal(
		    "the role %s has no rights (rights.c)", self.role_name);
}
