/* SPDX-License-Identifier: ISC */
/*
 * posthouse init: a complete instance below one directory.
 *
 * init_files.c composes the texts, certificate.c the key; this file checks
 * the arguments, writes, and sets the owners.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "core/file.h"
#include "core/memory.h"
#include "daemon/roles.h"
#include "mail/address.h"
#include "posthouse/certificate.h"
#include "posthouse/init.h"
#include "posthouse/password.h"
#include "posthouse/posthouse.h"
#include "posthouse/secrets.h"
#include "queue/queue_file.h"

#define USERS_MAX 1000000
#define FILE_MAX  (256u * 1024u * 1024u) /* octets of users, passwords */

static const char *const directories[] = {
    "etc", "spool", "store", "dkim", "log", "run"};

/* ---- arguments ---- */

static int number(
    const char *text, uint64_t least, uint64_t most, unsigned *out)
{
	uint64_t n;

	if (str_to_u64(str_from(text), most, &n) < 0 || n < least)
		return -1;
	*out = (unsigned)n;
	return 0;
}

/* One option; NULL, or what is wrong with it. */
static const char *take(struct init *in, int option, const char *value)
{
	switch (option) {
	case 'd':
		in->domain = value;
		return address_is_domain(str_from(value), false)
		    ? NULL
		    : "--domain wants a domain name";
	case 'u':
		return number(value, 0, USERS_MAX, &in->users) == 0
		    ? NULL
		    : "--users wants a number up to 1000000";
	case 'p':
		in->password = value;
		return password_check(value);
	case 'b':
		return number(value, 1, 64000, &in->port_base) == 0
		    ? NULL
		    : "--port-base wants a number from 1 to 64000";
	case 'h':
		in->host = value;
		return value[0] != '\0' && strpbrk(value, " \t\n") == NULL
		    ? NULL
		    : "--host wants an address";
	default:
		if (in->setting_count == INIT_SETTINGS_MAX)
			return "too many --set";
		in->settings[in->setting_count++] = value;
		return strchr(value, '=') != NULL && strchr(value, '\n') == NULL
		    ? NULL
		    : "--set wants NAME=VALUE";
	}
}

static int parse(struct init *in, int argc, char **argv, const char **dir)
{
	static const struct option options[] = {
	    {"domain", required_argument, NULL, 'd'},
	    {"users", required_argument, NULL, 'u'},
	    {"password", required_argument, NULL, 'p'},
	    {"port-base", required_argument, NULL, 'b'},
	    {"host", required_argument, NULL, 'h'},
	    {"set", required_argument, NULL, 's'},
	    {NULL, 0, NULL, 0},
	};
	const char *why;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return posthouse_usage("init");
		why = take(in, option, optarg);
		if (why != NULL)
			return posthouse_misused("init", "%s", why);
	}
	if (optind + 1 != argc)
		return posthouse_usage("init");
	*dir = argv[optind];
	return 0;
}

/* ---- writing ---- */

static char *path_of(const struct init *in, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", in->directory, name) < 0)
		abort();
	return path;
}

static int write_file(const struct init *in, const char *name,
    const struct buf *text, mode_t mode)
{
	char *path = path_of(in, name);
	int result = text->overflow ? (errno = EFBIG, -1)
				    : file_replace(path, buf_str(text), mode);

	if (result < 0)
		posthouse_fail("init", "%s: %s", path, strerror(errno));
	free(path);
	return result;
}

static int compile(const struct init *in, const char *name)
{
	struct buf errors = buf_new(65536);
	char *path = path_of(in, name);
	int result = map_compile("hash", path, &errors);

	if (errors.len > 0)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	free(path);
	return result;
}

static int write_directory(const struct init *in, const char *hash)
{
	struct buf text = buf_new(FILE_MAX);
	int result = 0;

	buf_printf(&text,
	    "# The domains that are ours; domains(5).\n"
	    "%s mailbox\n",
	    in->domain);
	result |= write_file(in, "etc/domains", &text, 0644);
	buf_clear(&text);
	init_users(in, &text);
	result |= write_file(in, "etc/users", &text, 0644);
	buf_clear(&text);
	init_aliases(in, &text);
	result |= write_file(in, "etc/aliases", &text, 0644);
	buf_clear(&text);
	init_passwords(in, hash, &text);
	result |= write_file(in, "etc/passwords", &text, 0640);
	buf_clear(&text);
	secrets_compose(STR_EMPTY, &text);
	result |= write_file(in, "etc/srs_secrets", &text, 0640);
	mem_wipe(text.p, text.len);
	buf_free(&text);
	return result;
}

static int write_certificate(const struct init *in)
{
	struct buf pem = buf_new(65536);
	const char *why;
	int result = certificate_make(in->hostname, in->host, &pem, &why);

	if (result < 0)
		posthouse_fail("init", "no certificate: %s", why);
	else
		result = write_file(in, "etc/chain.pem", &pem, 0640);
	mem_wipe(pem.p, pem.len);
	buf_free(&pem);
	return result;
}

static int make_directories(const struct init *in)
{
	if (file_make_dirs(in->directory, 0755) < 0)
		return posthouse_fail(
		    "init", "%s: %s", in->directory, strerror(errno));
	for (size_t i = 0; i < ARRAY_LEN(directories); i++) {
		char *path = path_of(in, directories[i]);
		int failed = mkdir(path, 0755) < 0 && errno != EEXIST;

		if (failed)
			posthouse_fail("init", "%s: %s", path, strerror(errno));
		free(path);
		if (failed)
			return 1;
	}
	return 0;
}

/* ---- owners and modes ---- */

/* Gives a file to a role; by an ordinary user everything is his own. */
static int give(const struct init *in, const struct house_conf *house,
    const char *name, const char *user, const char *group, mode_t mode)
{
	unsigned uid = 0, gid = 0, ignored;
	char why[200] = "";
	char *path = path_of(in, name);
	int result = 0;

	if (geteuid() == 0 && user != NULL)
		result = role_ids(
		    house, user, &uid, &ignored, why, sizeof(why));
	if (result == 0 && geteuid() == 0 && group != NULL)
		result = role_ids(
		    house, group, &ignored, &gid, why, sizeof(why));
	if (result == 0 && geteuid() == 0)
		result = chown(path, uid, gid);
	if (result == 0)
		result = chmod(path, mode);
	if (result < 0)
		posthouse_fail("init", "%s: %s", path,
		    why[0] != '\0' ? why : strerror(errno));
	free(path);
	return result;
}

static int make_spool(const struct init *in)
{
	char *path = path_of(in, "spool");
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = fd < 0 ? -1 : queue_make_spool(fd, 0770);

	if (result < 0)
		posthouse_fail("init", "%s: %s", path, strerror(errno));
	file_close(&fd);
	free(path);
	return result;
}

static int give_all(const struct init *in, const struct house_conf *house)
{
	return give(in, house, "etc/passwords", NULL, "auth", 0640) |
	    give(in, house, "etc/passwords.db", NULL, "auth", 0640) |
	    give(in, house, "etc/srs_secrets", NULL, "lookup", 0640) |
	    give(in, house, "spool", NULL, "queue", 0751) |
	    give(in, house, "store", "vmail", "vmail", 0700) |
	    give(in, house, "dkim", NULL, "cleanup", 0750) |
	    give(in, house, "log", "logd", "logd", 0755);
}

/* What queue_make_spool made belongs to the group of the spool. */
static int give_spool(const struct init *in, const struct house_conf *house)
{
	static const char hex[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	static const char *const tops[] = {
	    "spool/new", "spool/queue", "spool/corrupt"};
	char name[32];
	int result = 0;

	for (size_t i = 0; i < ARRAY_LEN(tops); i++)
		result |= give(in, house, tops[i], NULL, "queue", 02770);
	for (size_t i = 0; i < 32 * 32 && result == 0; i++) {
		char *path;

		snprintf(name, sizeof(name), "spool/queue/%c%c", hex[i / 32],
		    hex[i % 32]);
		path = path_of(in, name);
		if (access(path, F_OK) == 0)
			result = give(in, house, name, NULL, "queue", 02770);
		free(path);
	}
	return result;
}

/* ---- the whole ---- */

/* main.cf composed, checked and written; *conf is then filled from it. */
static int write_conf(
    const struct init *in, struct conf **conf, struct house_conf *house)
{
	struct buf text = buf_new(1u << 20), errors = buf_new(65536);
	int result = -1;

	init_main_cf(in, &text);
	*conf = conf_parse(buf_str(&text), "main.cf", &errors);
	conf_check(*conf, &errors);
	if (errors.len > 0)
		posthouse_fail(
		    "init", "nothing was written:\n%s", buf_text(&errors));
	else
		result = conf_fill(*conf, house_params, house, &errors);
	if (result == 0)
		result = make_directories(in) == 0 ? 0 : -1;
	if (result == 0)
		result = write_file(in, "etc/main.cf", &text, 0644);
	buf_clear(&text);
	init_master_cf(in, &text);
	if (result == 0)
		result = write_file(in, "etc/master.cf", &text, 0644);
	buf_free(&text);
	buf_free(&errors);
	return result;
}

/* The scheme that auth_password_scheme says, the default if need be. */
static const char *scheme_of(struct conf *conf)
{
	const struct conf_param *row = conf_find("auth_password_scheme", NULL);
	const char *value = conf_raw(conf, "auth_password_scheme");

	if (value == NULL && row != NULL)
		value = row->fallback;
	return value == NULL ? "yescrypt" : value;
}

static int write_all(const struct init *in)
{
	static const char *const tables[] = {
	    "etc/domains", "etc/users", "etc/aliases", "etc/passwords"};
	char hash[PASSWORD_HASH_MAX];
	struct house_conf house;
	struct conf *conf = NULL;
	const char *why;
	int result = write_conf(in, &conf, &house);

	if (result == 0 &&
	    password_hash(in->password, scheme_of(conf), hash, &why) < 0) {
		posthouse_fail("init", "%s", why);
		result = -1;
	}
	if (result == 0)
		result = write_directory(in, hash) | write_certificate(in) |
		    make_spool(in);
	for (size_t i = 0; i < ARRAY_LEN(tables) && result == 0; i++)
		result = compile(in, tables[i]);
	if (result == 0)
		result = give_all(in, &house) | give_spool(in, &house);
	conf_free(&conf);
	return result;
}

static void tell(const struct init *in, bool made, bool as_json)
{
	static const char *const services[] = {"smtp", "submission",
	    "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s"};
	struct buf out = buf_new(65536);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_text(&j, "directory", str_from(in->directory));
	json_text(&j, "domain", str_from(in->domain));
	json_text(&j, "host", str_from(in->host));
	json_u64(&j, "users", in->users);
	if (made)
		json_text(&j, "password", str_from(in->password));
	json_object(&j, "ports");
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		json_u64(&j, services[i], init_port(in, str_from(services[i])));
	json_end(&j);
	json_end(&j);
	if (!as_json) {
		buf_clear(&out);
		buf_printf(&out, "%s: an instance for %s with %u users",
		    in->directory, in->domain, in->users);
		if (in->users > 0)
			buf_printf(&out, ", user0@%s to user%u@%s", in->domain,
			    in->users - 1, in->domain);
		if (made)
			buf_printf(
			    &out, "\npassword of each: %s", in->password);
		buf_printf(&out, "\nports on %s:", in->host);
		for (size_t i = 0; i < ARRAY_LEN(services); i++)
			buf_printf(&out, "%s %s %u", i == 0 ? "" : ",",
			    services[i], init_port(in, str_from(services[i])));
		buf_printf(
		    &out, "\nnext: posthouse -c %s/etc start", in->directory);
	}
	printf("%s\n", buf_text(&out));
	buf_free(&out);
}

/* The directory's absolute name; its parents need not exist yet. */
static char *absolute(const char *dir)
{
	char *path, cwd[PATH_MAX];
	size_t len;

	if (dir[0] == '/')
		path = str_dup(str_from(dir));
	else if (getcwd(cwd, sizeof(cwd)) == NULL ||
	    asprintf(&path, "%s/%s", cwd, dir) < 0)
		return NULL;
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	return path;
}

int cmd_init(struct posthouse *p, int argc, char **argv)
{
	char made[21] = "", *existing;
	struct init in = {.domain = "example.test",
	    .host = "127.0.0.1",
	    .users = 2,
	    .port_base = 12000};
	const char *dir = "";
	int result = parse(&in, argc, argv, &dir);

	if (result != 0)
		return result;
	if (in.password == NULL) {
		password_make(made);
		in.password = made;
	}
	in.directory = absolute(dir);
	if (in.directory == NULL || strpbrk(in.directory, " \t\n$") != NULL ||
	    asprintf(&in.hostname, "mail.%s", in.domain) < 0) {
		free(in.directory);
		return posthouse_fail("init",
		    "the directory's name may not "
		    "contain blanks or $");
	}
	umask(022);
	existing = path_of(&in, "etc/main.cf");
	if (access(existing, F_OK) == 0)
		result = posthouse_fail("init",
		    "%s exists already; remove "
		    "%s first to begin anew",
		    existing, in.directory);
	else
		result = write_all(&in) == 0 ? 0 : 1;
	if (result == 0)
		tell(&in, made[0] != '\0', p->json);
	free(existing);
	free(in.directory);
	free(in.hostname);
	mem_wipe(made, sizeof(made));
	return result;
}
