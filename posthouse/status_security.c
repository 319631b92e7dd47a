/* SPDX-License-Identifier: ISC */
/*
 * posthouse status --security: what the kernel says of every process, beside
 * what its role's rows (roles.c, rights.c) say.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/memory.h"
#include "daemon/config.h"
#include "daemon/confine.h"
#include "daemon/rights.h"
#include "posthouse/ask_master.h"
#include "posthouse/kernel_view.h"
#include "posthouse/status.h"

#define REPORT_MAX (4u << 20)
#define NO_FILES   (1u << 20) /* as limits.c sets it */

enum { INHERITABLE, PERMITTED, EFFECTIVE, BOUNDING, AMBIENT };

struct one {
	char service[160], type[16];
	unsigned pid;
	const struct config_service *row; /* NULL: master */
	struct kernel_view view;
	struct buf sockets, others;
	struct buf weaker; /* a line for each thing */
};

struct security {
	struct config *config;
	struct one *all;
	size_t count;
	unsigned master;
	bool as_root; /* master is */
	int landlock; /* version of the kernel's; 0: none */
	/* "service type" lines of those who started without it */
	struct buf unconfined;
};

/* ---- who runs --------------------------------------------------------------- */

static struct one *add(struct security *s, unsigned pid)
{
	s->all = mem_resize(s->all, s->count + 1, sizeof(s->all[0]));
	struct one *o = &s->all[s->count++];

	*o = (struct one){.pid = pid,
	    .sockets = buf_new(4096),
	    .others = buf_new(4096),
	    .weaker = buf_new(8192)};
	return o;
}

static const struct config_service *find_row(
    const struct security *s, struct str name, struct str type)
{
	for (size_t i = 0; i < s->config->mastercf->count; i++) {
		const struct config_service *row = &s->config->services[i];

		if (str_eq(name, str_from(row->row->name)) &&
		    str_eq(type, str_from(config_type_name(row->row->type))))
			return row;
	}
	return NULL;
}

static void add_service(const struct master_service *m, void *arg)
{
	struct security *s = arg;
	struct str pids = m->pids, word;
	uint64_t pid;

	while ((word = str_word(&pids, " ")).len > 0) {
		if (str_to_u64(word, UINT32_MAX, &pid) < 0)
			continue;
		struct one *o = add(s, (unsigned)pid);

		str_copy(o->service, sizeof(o->service), m->name);
		str_copy(o->type, sizeof(o->type), m->type);
		o->row = find_row(s, m->name, m->type);
		if (o->row == NULL)
			buf_add_text(&o->weaker,
			    "master.cf has no such service (any more)\n");
	}
}

static void add_counter(const struct master_counter *m, void *arg)
{
	struct security *s = arg;

	if (str_eq(m->name, STR("without_landlock")) && m->value > 0)
		buf_printf(&s->unconfined, "%.*s %.*s\n", STR_FMT(m->service),
		    STR_FMT(m->type));
}

static void add_master(const struct master_end *m, void *arg)
{
	struct security *s = arg;
	struct one *o = add(s, (unsigned)m->pid);

	str_copy(o->service, sizeof(o->service), STR("master"));
	s->master = o->pid;
}

/* ---- what is weaker --------------------------------------------------------- */

static void weak(struct one *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void weak(struct one *o, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_printf(&o->weaker, "%s\n", text);
}

static bool all_are(const unsigned id[4], unsigned want)
{
	return id[0] == want && id[1] == want && id[2] == want && id[3] == want;
}

static void check_ids(const struct security *s, struct one *o)
{
	const struct role *role = o->row->role;
	const struct house_conf *house = &s->config->house;
	unsigned uid, gid, second, unused;
	char why[160];

	if (!s->as_root) {
		weak(o, "master is not root: no user of its own");
		return;
	}
	if (role_ids(house, role->user, &uid, &gid, why, sizeof(why)) < 0) {
		weak(o, "%s", why);
		return;
	}
	if (!all_are(o->view.uid, uid) || !all_are(o->view.gid, gid))
		weak(o, "is not (only) the user %s, %u:%u", role->user, uid,
		    gid);
	if (role->group != NULL &&
	    role_ids(house, role->group, &unused, &second, why, sizeof(why)) <
		0)
		weak(o, "%s", why);
	else if (role->group != NULL
		? o->view.group_count != 1 || o->view.groups[0] != second
		: o->view.group_count != 0)
		weak(o, "has other groups than %s",
		    role->group != NULL ? role->group : "none");
}

static void check_root(const struct security *s, struct one *o)
{
	const struct role *role = o->row->role;
	char jail[4200];

	snprintf(jail, sizeof(jail), "%s/jail/%s",
	    s->config->house.run_directory, role->name);
	if (role->jailed && !s->as_root)
		weak(o, "master is not root: no jail as its root");
	else if (role->jailed && strcmp(o->view.root, jail) != 0)
		weak(o, "its root is %s, not its jail%s",
		    o->view.root[0] != '\0' ? o->view.root : "not known",
		    o->row->row->chroot ? "" : " (master.cf says n)");
	if (kernel_view_sockets(jail, &o->sockets, &o->others) < 0)
		weak(o, "%s: %s", jail, strerror(errno));
	if (o->others.len > 0)
		weak(o, "its jail has files: %s", buf_text(&o->others));
	struct str rest = buf_str(&o->sockets), word;
	while ((word = str_word(&rest, " ")).len > 0) {
		const char *const *c = role->calls;

		while (*c != NULL && !str_eq(word, str_from(*c)))
			c++;
		if (*c == NULL)
			weak(o, "can call %.*s", STR_FMT(word));
	}
}

static bool has_option(const struct one *o, const char *option)
{
	for (char *const *a = o->row->row->args; a != NULL && *a != NULL; a++)
		if (strcmp(*a, option) == 0)
			return true;
	return false;
}

static void check_calls(const struct security *s, struct one *o)
{
	if (o->view.seccomp != 2 || o->view.filters == 0)
		weak(o, "system calls are not restricted");
	else if (s->config->house.seccomp_mode == SECCOMP_LOG ||
	    has_option(o, "seccomp_mode=log"))
		weak(o, "system calls are only logged (seccomp_mode)");
	if (!o->view.no_new_privs)
		weak(o, "may get new privileges");
	if (o->view.dumpable)
		weak(o, "its memory can be read by its user (dumpable)");
}

static void check_landlock(const struct security *s, struct one *o)
{
	char line[200];

	snprintf(line, sizeof(line), "%s %s\n", o->service, o->type);
	if (s->landlock == 0 ||
	    (s->unconfined.len > 0 &&
		strstr(buf_text((struct buf *)(uintptr_t)&s->unconfined),
		    line) != NULL))
		weak(o, "no Landlock: files are kept from it by their modes");
	else if (s->landlock < 4)
		weak(o, "Landlock before version 4: TCP to any port");
	else if (s->landlock < 6)
		weak(o,
		    "Landlock before version 6: signals to its user's "
		    "processes");
}

static void check_capabilities(const struct security *s, struct one *o)
{
	for (int i = 0; i < 5; i++) {
		/* Without root it cannot be dropped, and has no effect. */
		if (i == BOUNDING && !s->as_root)
			continue;
		if (o->view.capabilities[i] != 0)
			weak(o, "has capabilities: %s %llx",
			    view_capability_names[i],
			    (unsigned long long)o->view.capabilities[i]);
	}
}

static void check_limits(struct one *o, const struct rights *rights)
{
	if (o->view.core != 0)
		weak(o, "may dump core");
	if (!(rights->may & (MAY_FORK | MAY_THREAD)) && o->view.processes != 0)
		weak(o, "may make processes");
	if (!(rights->may & MAY_WRITE) && o->view.file_size > NO_FILES)
		weak(o, "may write large files");
}

static void check(const struct security *s, struct one *o)
{
	const struct rights *rights;

	if (o->row == NULL)
		return;
	rights = rights_find(o->row->role->name);
	check_ids(s, o);
	check_root(s, o);
	check_calls(s, o);
	check_landlock(s, o);
	check_capabilities(s, o);
	if (rights == NULL)
		weak(o, "its role has no rights");
	else
		check_limits(o, rights);
}

/* ---- what is printed --------------------------------------------------------- */

static const char *role_of(const struct one *o)
{
	return o->row == NULL ? "-" : o->row->role->name;
}

static void print_text(const struct security *s, struct one *o)
{
	const struct kernel_view *v = &o->view;
	size_t prefix = strlen(s->config->house.run_directory);
	const char *root = v->root;
	struct str rest = buf_str(&o->weaker);

	if (strncmp(root, s->config->house.run_directory, prefix) == 0 &&
	    root[prefix] == '/')
		root += prefix + 1;
	printf("%-20s %8u %-10s %8u %-3s %-5s %-4s %-18s %s\n", o->service,
	    o->pid, role_of(o), v->uid[1], v->no_new_privs ? "yes" : "no",
	    v->seccomp == 2       ? "list"
		: v->seccomp == 0 ? "all"
				  : "?",
	    v->capabilities[EFFECTIVE] != 0      ? "some"
		: v->capabilities[BOUNDING] != 0 ? "none"
						 : "gone",
	    root[0] != '\0' ? root : "?", buf_text(&o->sockets));
	while (rest.len > 0) {
		struct str line = str_cut(&rest, '\n');

		printf("%20s ! %.*s\n", "", STR_FMT(line));
	}
}

static void json_words(struct json *j, const char *name, struct str list)
{
	struct str word;

	json_array(j, name);
	while ((word = str_word(&list, " \n")).len > 0)
		json_text(j, NULL, word);
	json_end(j);
}

static void json_lines(struct json *j, const char *name, struct str list)
{
	json_array(j, name);
	while (list.len > 0)
		json_text(j, NULL, str_cut(&list, '\n'));
	json_end(j);
}

static void json_limit(struct json *j, const char *name, uint64_t value)
{
	if (value == VIEW_NO_LIMIT)
		json_null(j, name);
	else
		json_u64(j, name, value);
}

static void json_rights(struct json *j, const struct one *o)
{
	const struct rights *r = rights_find(role_of(o));

	json_array(j, "may");
	for (unsigned bit = 1; r != NULL && bit <= r->may; bit <<= 1)
		if (r->may & bit)
			json_text(j, NULL, str_from(rights_word(bit)));
	json_end(j);
}

static void print_json(struct json *j, const struct one *o)
{
	const struct kernel_view *v = &o->view;
	char hex[20];

	json_object(j, NULL);
	json_text(j, "service", str_from(o->service));
	json_text(j, "type", str_from(o->type));
	json_text(j, "role", str_from(role_of(o)));
	json_u64(j, "pid", o->pid);
	json_u64(j, "uid", v->uid[1]);
	json_u64(j, "gid", v->gid[1]);
	json_text(j, "root", str_from(v->root));
	json_words(j, "sockets", buf_str(&o->sockets));
	json_bool(j, "no_new_privs", v->no_new_privs);
	json_bool(j, "dumpable", v->dumpable);
	json_u64(j, "seccomp", v->seccomp);
	json_u64(j, "seccomp_filters", v->filters);
	json_rights(j, o);
	json_object(j, "capabilities");
	for (int i = 0; i < 5; i++) {
		snprintf(hex, sizeof(hex), "%016llx",
		    (unsigned long long)v->capabilities[i]);
		json_text(j, view_capability_names[i], str_from(hex));
	}
	json_end(j);
	json_object(j, "limits");
	json_limit(j, "core", v->core);
	json_limit(j, "processes", v->processes);
	json_limit(j, "file_size", v->file_size);
	json_limit(j, "data", v->data);
	json_end(j);
	json_lines(j, "weaker", buf_str(&o->weaker));
	json_end(j);
}

static unsigned report_json(const struct security *s)
{
	struct buf out = buf_new(REPORT_MAX);
	struct json j = json_start(&out);
	unsigned weaker = 0;

	json_object(&j, NULL);
	json_u64(&j, "landlock", (uint64_t)s->landlock);
	json_bool(&j, "root", s->as_root);
	json_array(&j, "processes");
	for (size_t i = 0; i < s->count; i++) {
		print_json(&j, &s->all[i]);
		weaker += s->all[i].weaker.len > 0;
	}
	json_end(&j);
	json_u64(&j, "weaker", weaker);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
	return weaker;
}

static unsigned report_text(const struct security *s)
{
	unsigned weaker = 0;

	printf("%-20s %8s %-10s %8s %-3s %-5s %-4s %-18s %s\n", "SERVICE",
	    "PID", "ROLE", "UID", "NNP", "CALLS", "CAPS", "ROOT", "MAY CALL");
	for (size_t i = 0; i < s->count; i++) {
		print_text(s, &s->all[i]);
		weaker += s->all[i].weaker.len > 0;
	}
	if (s->landlock > 0)
		printf("\nLandlock is there, version %d; the kernel does not "
		       "tell whose rules are which\n",
		    s->landlock);
	else
		printf("\nthe kernel has no Landlock\n");
	if (weaker > 0)
		printf("%u of %zu processes have more rights than their role "
		       "should (!)\n",
		    weaker, s->count);
	return weaker;
}

/* ---- the command ------------------------------------------------------------- */

/* Processes that have ended meanwhile are left out. */
static void look(struct security *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct one *o = &s->all[i];

		if (kernel_view(o->pid, &o->view) < 0) {
			buf_free(&o->sockets);
			buf_free(&o->others);
			buf_free(&o->weaker);
			continue;
		}
		if (o->pid == s->master)
			s->as_root = o->view.uid[1] == 0;
		s->all[kept++] = *o;
	}
	s->count = kept;
	for (size_t i = 0; i < s->count; i++)
		check(s, &s->all[i]);
}

static void security_free(struct security *s)
{
	for (size_t i = 0; i < s->count; i++) {
		buf_free(&s->all[i].sockets);
		buf_free(&s->all[i].others);
		buf_free(&s->all[i].weaker);
	}
	free(s->all);
	buf_free(&s->unconfined);
	config_free(&s->config);
}

int status_security(struct posthouse *p)
{
	struct security s = {
	    .landlock = confine_version(), .unconfined = buf_new(65536)};
	struct ask_calls calls = {.service = add_service,
	    .counter = add_counter,
	    .end = add_master,
	    .arg = &s};
	struct buf errors = buf_new(65536);
	int status;

	s.config = config_read(p->config_directory, &errors);
	if (s.config == NULL)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	status = s.config == NULL
	    ? 1
	    : ask_master(p, "status", MASTER_STATUS, "", &calls, NULL);
	if (status == 0) {
		look(&s);
		status = (p->json ? report_json(&s) : report_text(&s)) > 0;
	}
	security_free(&s);
	return status;
}
