/* SPDX-License-Identifier: ISC */
/*
 * The whole configuration of a house, read and checked at once: main.cf
 * against the registry of parameters, master.cf, the options of every
 * service. For master (start and reload) and `posthouse check`; the programs
 * that use it link the registry.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include "conf/conf.h"
#include "conf/mastercf.h"
#include "daemon/house_conf.h"
#include "daemon/roles.h"
#include "net/netaddr.h"

/* A row of master.cf with what follows from it. */
struct config_service {
	const struct service *row;
	const struct role *role;
	int limit;                 /* processes, at least 1 */
	struct netaddr *addresses; /* inet: to listen on */
	size_t address_count;
	bool optional; /* of several addresses: IPv6 may be missing */
};

struct config {
	char *directory; /* absolute */
	char *text;      /* main.cf as it was read */
	size_t text_len;
	char *master_text; /* master.cf, and what stands in master.d */
	size_t master_len;
	struct conf *conf;
	struct house_conf house;
	struct mastercf *mastercf;
	struct config_service *services; /* mastercf->count of them */
	struct buf warnings; /* lines; what hurts one service only */
};

/*
 * Reads and checks. NULL when anything is wrong; errors then has a line for
 * each problem, with file and line.
 */
struct config *config_read(const char *directory, struct buf *errors);
/*
 * The same for one who wants to know what else is wrong: with defaults in
 * place of wrong values, and services whose role or addresses may be missing
 * (NULL, 0). NULL when one of the files cannot be read at all.
 */
struct config *config_look(const char *directory, struct buf *errors);
/* As config_read, with texts that were read before; directory is where relative names
 * are looked for, and what errors name. */
struct config *config_from_texts(const char *directory, struct str main_cf,
    struct str master_cf, struct buf *errors);
void config_free(struct config **c);

/* The well-known names of ports ("smtp"), or a number; 0 when neither. */
uint16_t config_port(struct str name);
/* "inet", "unix", "unix-dgram" */
const char *config_type_name(int type);

#endif
