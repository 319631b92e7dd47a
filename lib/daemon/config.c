/* SPDX-License-Identifier: ISC */
#include "daemon/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conf/registry.h"
#include "core/file.h"
#include "core/memory.h"
#include "daemon/board.h"

#define MAIN_CF_MAX   (1u << 20)
#define MASTER_CF_MAX (4u << 20) /* and what stands in master.d */
#define ADDRESSES_MAX 16

struct port_name {
	const char *name;
	uint16_t port;
};

/* A jail and a private instance have no /etc/services. */
static const struct port_name port_names[] = {{"smtp", 25}, {"submission", 587},
    {"submissions", 465}, {"smtps", 465}, {"lmtp", 24}, {"imap", 143},
    {"imaps", 993}, {"pop3", 110}, {"pop3s", 995}, {"sieve", 4190}};

uint16_t config_port(struct str name)
{
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(port_names); i++)
		if (str_eq(name, str_from(port_names[i].name)))
			return port_names[i].port;
	if (str_to_u64(name, 65535, &n) < 0)
		return 0;
	return (uint16_t)n;
}

const char *config_type_name(int type)
{
	static const char *const names[] = {
	    "inet", "unix", "unix-dgram", "pass"};

	return names[type];
}

/* ---- where inet services listen ----------------------------------------- */

static void add_address(struct config_service *s, const struct netaddr *a)
{
	s->addresses = mem_resize(
	    s->addresses, s->address_count + 1, sizeof(s->addresses[0]));
	s->addresses[s->address_count++] = *a;
}

/* Host names are not looked up: what is listened on must not depend on DNS. */
static int add_host(struct config_service *s, struct str host, uint16_t port)
{
	static const struct str local[] = {
	    STR_INIT("127.0.0.1"), STR_INIT("::1")};
	struct netaddr a;

	if (str_case_eq(host, STR("localhost"))) {
		s->optional = true;
		for (size_t i = 0; i < ARRAY_LEN(local); i++)
			if (netaddr_parse(local[i], port, &a) == 0)
				add_address(s, &a);
		return 0;
	}
	if (netaddr_parse(host, port, &a) < 0)
		return -1;
	if (s->address_count < ADDRESSES_MAX)
		add_address(s, &a);
	return 0;
}

static int add_interfaces(
    struct config_service *s, struct str list, uint16_t port)
{
	struct str word;

	if (str_eq(str_trim(list), STR("loopback-only")))
		list = STR("127.0.0.1 ::1");
	else if (str_eq(str_trim(list), STR("all")))
		list = STR("0.0.0.0 ::");
	else if (str_find(list, ' ') == list.len &&
	    str_find(list, ',') == list.len)
		return add_host(s, str_trim(list), port);
	s->optional = true;
	while ((word = str_word(&list, " \t,")).len > 0)
		if (add_host(s, word, port) < 0)
			return -1;
	return s->address_count > 0 ? 0 : -1;
}

static const char *find_addresses(
    struct config_service *s, const struct house_conf *house)
{
	struct str name = str_from(s->row->name);
	size_t colon = str_find_last(name, ':');
	uint16_t port;

	port = config_port(colon < name.len ? str_skip(name, colon + 1) : name);
	if (port == 0)
		return "the name of an inet service is a port: a number, a "
		       "well-known name, or address:port";
	if (colon < name.len && add_host(s, str_sub(name, 0, colon), port) < 0)
		return "this is no address (host names are not looked up)";
	if (colon == name.len &&
	    add_interfaces(s, str_from(house->inet_interfaces), port) < 0)
		return "inet_interfaces has a word that is no address";
	return NULL;
}

/* ---- rows of master.cf --------------------------------------------------- */

/* NULL when none is near. */
static const char *nearest_role(const char *name)
{
	const char *best = NULL;
	size_t least = 3;

	for (const struct role *r = roles; r->name != NULL; r++) {
		size_t far = conf_distance(str_from(name), str_from(r->name));

		if (far < least) {
			least = far;
			best = r->name;
		}
	}
	return best;
}

/* What is wrong lasts until the next call. */
static const char *check_args(struct config_service *s)
{
	static char unknown[160];
	const char *role = s->row->command;

	for (char *const *a = s->row->args; a != NULL && *a != NULL; a++) {
		bool is_role = strcmp(*a, "-r") == 0;

		if (!is_role && strcmp(*a, "-o") != 0)
			return "arguments are -r role and -o name=value";
		if (*++a == NULL)
			return "-r and -o have a value";
		if (is_role)
			role = *a;
	}
	s->role = role_find(role);
	if (s->role != NULL)
		return NULL;
	const char *nearest = nearest_role(role);

	snprintf(unknown, sizeof(unknown), "there is no role %s%s%s%s", role,
	    nearest != NULL ? "; did you mean " : "",
	    nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
	return unknown;
}

static const char *check_row(struct config *c, struct config_service *s)
{
	const char *why = check_args(s);

	if (why != NULL)
		return why;
	if (s->row->wakeup != 0)
		return "wakeup is 0 or -: no service needs to be woken";
	s->limit = s->row->maxproc < 0 ? c->house.default_process_limit
				       : s->row->maxproc;
	if (s->limit == 0 || s->limit > BOARD_SLOTS / 2)
		s->limit = BOARD_SLOTS / 2;
	if (s->row->type == SERVICE_INET)
		why = find_addresses(s, &c->house);
	return why;
}

static void check_program(struct config *c, const struct service *row)
{
	char *program;

	if (asprintf(
		&program, "%s/%s", c->house.daemon_directory, row->command) < 0)
		return;
	if (access(program, X_OK) < 0)
		buf_printf(&c->warnings, "%s:%u: service %s: %s: %s\n",
		    row->file, row->line, row->name, program, strerror(errno));
	free(program);
}

static void check_services(struct config *c, struct buf *errors)
{
	c->services = mem_array(c->mastercf->count, sizeof(c->services[0]));
	for (size_t i = 0; i < c->mastercf->count; i++) {
		struct config_service *s = &c->services[i];
		const char *why;

		s->row = &c->mastercf->services[i];
		why = check_row(c, s);
		if (why != NULL)
			buf_printf(errors, "%s:%u: service %s: %s\n",
			    s->row->file, s->row->line, s->row->name, why);
		else
			check_program(c, s->row);
	}
}

/* ---- all of it ----------------------------------------------------------- */

static char *read_file(
    const struct config *c, const char *name, size_t *len, struct buf *errors)
{
	struct buf text = buf_new(MAIN_CF_MAX);
	char *path, *copy = NULL;

	if (asprintf(&path, "%s/%s", c->directory, name) < 0)
		return NULL;
	if (file_read(path, &text) < 0) {
		buf_printf(errors, "%s: %s\n", path, strerror(errno));
	} else {
		copy = str_dup(buf_str(&text));
		*len = text.len;
	}
	free(path);
	buf_free(&text);
	return copy;
}

static void parse(struct config *c, struct buf *errors)
{
	char *main_cf = NULL, *master_cf = NULL;

	if (asprintf(&main_cf, "%s/main.cf", c->directory) < 0 ||
	    asprintf(&master_cf, "%s/master.cf", c->directory) < 0)
		return;
	if (c->text != NULL)
		c->conf = conf_parse(
		    str_of(c->text, c->text_len), main_cf, errors);
	if (c->mastercf == NULL && c->master_text != NULL) /* an upgrade's */
		c->mastercf = mastercf_parse(
		    str_of(c->master_text, c->master_len), master_cf, errors);
	free(main_cf);
	free(master_cf);
}

static void fill_main(struct config *c, struct buf *errors)
{
	struct buf place = buf_new(8192), ignored = buf_new(65536);

	if (conf_raw(c->conf, "config_directory") == NULL) {
		buf_printf(&place, "config_directory=%s", c->directory);
		conf_override(c->conf, buf_text(&place), errors);
	}
	conf_check_services(c->conf, c->mastercf, errors);
	/* What is wrong was told by the check. */
	conf_fill(c->conf, house_params, &c->house, &ignored);
	buf_free(&place);
	buf_free(&ignored);
}

static struct config *config_new(const char *directory, struct buf *errors)
{
	struct config *c = NEW(struct config);

	c->warnings = buf_new(65536);
	c->directory = realpath(directory, NULL);
	if (c->directory == NULL) {
		buf_printf(errors, "%s: %s\n", directory, strerror(errno));
		config_free(&c);
	}
	return c;
}

/* The texts are there; what is wrong is in errors. */
static void check(struct config *c, struct buf *errors)
{
	parse(c, errors);
	if (c->conf != NULL)
		fill_main(c, errors);
	if (c->conf != NULL && c->mastercf != NULL)
		check_services(c, errors);
	if (c->conf != NULL)
		buf_add(&c->warnings, conf_warnings(c->conf));
}

/* NULL when a directory or the memory for it is not there. */
static struct config *read_and_check(const char *directory, struct buf *errors)
{
	struct config *c = config_new(directory, errors);
	struct buf rows = buf_new(MASTER_CF_MAX);

	if (c == NULL)
		return NULL;
	c->text = read_file(c, "main.cf", &c->text_len, errors);
	c->mastercf = mastercf_read(c->directory, &rows, errors);
	c->master_text = str_dup(buf_str(&rows));
	c->master_len = rows.len;
	buf_free(&rows);
	check(c, errors);
	return c;
}

struct config *config_read(const char *directory, struct buf *errors)
{
	struct config *c = read_and_check(directory, errors);

	if (errors->len > 0)
		config_free(&c);
	return c;
}

struct config *config_look(const char *directory, struct buf *errors)
{
	struct config *c = read_and_check(directory, errors);

	if (c != NULL && c->services == NULL)
		config_free(&c);
	return c;
}

struct config *config_from_texts(const char *directory, struct str main_cf,
    struct str master_cf, struct buf *errors)
{
	struct config *c = config_new(directory, errors);

	if (c == NULL)
		return NULL;
	c->text = str_dup(main_cf);
	c->text_len = main_cf.len;
	c->master_text = str_dup(master_cf);
	c->master_len = master_cf.len;
	check(c, errors);
	if (errors->len > 0)
		config_free(&c);
	return c;
}

void config_free(struct config **c)
{
	struct config *self = *c;

	if (self == NULL)
		return;
	for (size_t i = 0; self->services != NULL && i < self->mastercf->count;
	     i++)
		free(self->services[i].addresses);
	free(self->services);
	buf_free(&self->warnings);
	mastercf_free(&self->mastercf);
	conf_free(&self->conf);
	free(self->text);
	free(self->master_text);
	free(self->directory);
	free(self);
	*c = NULL;
}
