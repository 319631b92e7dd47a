/* SPDX-License-Identifier: ISC */
/* posthouse status: what runs, how busy it is, and with which rights. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "daemon/board.h"
#include "posthouse/ask_master.h"
#include "posthouse/status.h"

#define JSON_MAX (4u << 20)

/* Collects the answer as text and as JSON at once. */
struct report {
	struct buf text, counters, json_text;
	struct json json;
	bool in_service; /* a service object is open */
	bool in_counters;
};

static void close_service(struct report *r)
{
	if (r->in_counters)
		json_end(&r->json);
	if (r->in_service)
		json_end(&r->json);
	r->in_service = r->in_counters = false;
}

static void json_pids(struct json *j, struct str pids)
{
	struct str word;
	uint64_t n;

	json_array(j, "pids");
	while ((word = str_word(&pids, " ")).len > 0)
		if (str_to_u64(word, UINT32_MAX, &n) == 0)
			json_u64(j, NULL, n);
	json_end(j);
}

static void add_service(const struct master_service *m, void *arg)
{
	struct report *r = arg;

	buf_printf(&r->text,
	    "%-22.*s %-10.*s %-10.*s %-9.*s %5llu %5llu "
	    "%5llu %9llu %5llu\n",
	    STR_FMT(m->name), STR_FMT(m->type), STR_FMT(m->command),
	    STR_FMT(m->state), (unsigned long long)m->processes,
	    (unsigned long long)m->busy, (unsigned long long)m->limit,
	    (unsigned long long)m->served, (unsigned long long)m->restarts);
	if (m->error.len > 0 && !str_eq(m->state, STR("running")))
		buf_printf(&r->text, "%22s %.*s\n", "", STR_FMT(m->error));
	close_service(r);
	json_object(&r->json, NULL);
	json_text(&r->json, "name", m->name);
	json_text(&r->json, "type", m->type);
	json_text(&r->json, "command", m->command);
	json_text(&r->json, "state", m->state);
	json_u64(&r->json, "processes", m->processes);
	json_u64(&r->json, "busy", m->busy);
	json_u64(&r->json, "parked", m->parked);
	json_u64(&r->json, "old", m->old);
	json_u64(&r->json, "generation", m->generation);
	json_u64(&r->json, "limit", m->limit);
	json_u64(&r->json, "served", m->served);
	json_u64(&r->json, "restarts", m->restarts);
	json_text(&r->json, "error", m->error);
	json_pids(&r->json, m->pids);
	r->in_service = true;
}

static void add_counter(const struct master_counter *m, void *arg)
{
	struct report *r = arg;
	char name[BOARD_NAME_MAX + 1];

	if (str_copy(name, sizeof(name), m->name) < 0)
		return;
	buf_printf(&r->counters, "  %.*s/%.*s %s: %llu\n", STR_FMT(m->service),
	    STR_FMT(m->type), name, (unsigned long long)m->value);
	if (!r->in_counters)
		json_object(&r->json, "counters");
	r->in_counters = true;
	json_u64(&r->json, name, m->value);
}

static void add_end(const struct master_end *m, void *arg)
{
	struct report *r = arg;
	int64_t up = clock_seconds() - (int64_t)m->started;

	close_service(r);
	json_end(&r->json);
	json_u64(&r->json, "pid", m->pid);
	json_u64(&r->json, "started", m->started);
	json_u64(&r->json, "generation", m->generation);
	json_end(&r->json);
	buf_printf(&r->text,
	    "\nmaster is process %llu, up %lld s, "
	    "configuration generation %llu\n",
	    (unsigned long long)m->pid, (long long)up,
	    (unsigned long long)m->generation);
}

static void report_start(struct report *r)
{
	r->text = buf_new(JSON_MAX);
	r->counters = buf_new(JSON_MAX);
	r->json_text = buf_new(JSON_MAX);
	r->json = json_start(&r->json_text);
	json_object(&r->json, NULL);
	json_array(&r->json, "services");
	buf_printf(&r->text, "%-22s %-10s %-10s %-9s %5s %5s %5s %9s %5s\n",
	    "SERVICE", "TYPE", "COMMAND", "STATE", "PROCS", "BUSY", "LIMIT",
	    "SERVED", "FAILS");
}

static void report_free(struct report *r)
{
	buf_free(&r->text);
	buf_free(&r->counters);
	buf_free(&r->json_text);
}

int status_print(struct posthouse *p, const char *command, const char *service)
{
	struct report r = {0};
	struct ask_calls calls = {add_service, add_counter, add_end, &r};
	int status;

	report_start(&r);
	status = ask_master(p, command, MASTER_STATUS, service, &calls, NULL);
	if (status == 0 && p->json)
		printf("%s\n", buf_text(&r.json_text));
	else if (status == 0)
		printf("%s%s%s", buf_text(&r.text),
		    r.counters.len > 0 ? "\n" : "", buf_text(&r.counters));
	report_free(&r);
	return status;
}

/* ---- --security ----------------------------------------------------------- */

struct pid_list {
	struct buf names; /* "service/type pid" lines */
};

static void add_pids(const struct master_service *m, void *arg)
{
	struct pid_list *list = arg;
	struct str pids = m->pids, word;

	while ((word = str_word(&pids, " ")).len > 0)
		buf_printf(&list->names, "%.*s\t%.*s\n", STR_FMT(m->name),
		    STR_FMT(word));
}

static void add_master(const struct master_end *m, void *arg)
{
	struct pid_list *list = arg;

	buf_printf(&list->names, "master\t%llu\n", (unsigned long long)m->pid);
}

/* The value of a line "Name:\tvalue" of /proc/PID/status. */
static struct str status_field(struct str text, const char *name)
{
	while (text.len > 0) {
		struct str line = str_cut(&text, '\n');
		struct str key = str_cut(&line, ':');

		if (str_eq(key, str_from(name)))
			return str_trim(line);
	}
	return STR_EMPTY;
}

static void print_process(
    struct posthouse *p, struct json *j, struct str service, struct str pid)
{
	struct buf text = buf_new(65536);
	char path[64], root[4096];
	struct str uid, rest, no_new, seccomp, caps;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.*s/status", STR_FMT(pid));
	file_read(path, &text);
	rest = status_field(buf_str(&text), "Uid");
	uid = str_word(&rest, "\t ");
	no_new = status_field(buf_str(&text), "NoNewPrivs");
	seccomp = status_field(buf_str(&text), "Seccomp");
	caps = status_field(buf_str(&text), "CapEff");
	snprintf(path, sizeof(path), "/proc/%.*s/root", STR_FMT(pid));
	n = readlink(path, root, sizeof(root) - 1);
	root[n > 0 ? n : 0] = '\0';
	if (uid.len > 0 && p->json) {
		json_object(j, NULL);
		json_text(j, "service", service);
		json_text(j, "pid", pid);
		json_text(j, "uid", uid);
		json_text(j, "root", str_from(root));
		json_text(j, "no_new_privs", no_new);
		json_text(j, "seccomp", seccomp);
		json_text(j, "capabilities", caps);
		json_end(j);
	} else if (uid.len > 0) {
		printf("%-22.*s %8.*s %8.*s %10.*s %7.*s  %.*s %s\n",
		    STR_FMT(service), STR_FMT(pid), STR_FMT(uid),
		    STR_FMT(no_new), STR_FMT(seccomp), STR_FMT(caps), root);
	}
	buf_free(&text);
}

int status_security(struct posthouse *p)
{
	struct pid_list list = {buf_new(JSON_MAX)};
	struct ask_calls calls = {
	    .service = add_pids, .end = add_master, .arg = &list};
	struct buf out = buf_new(JSON_MAX);
	struct json j = json_start(&out);
	struct str rest;
	int status = ask_master(p, "status", MASTER_STATUS, "", &calls, NULL);

	json_array(&j, NULL);
	if (status == 0 && !p->json)
		printf("%-22s %8s %8s %10s %7s  %-16s %s\n", "SERVICE", "PID",
		    "UID", "NONEWPRIVS", "SECCOMP", "CAPABILITIES", "ROOT");
	rest = buf_str(&list.names);
	while (status == 0 && rest.len > 0) {
		struct str pid = str_cut(&rest, '\n');
		struct str service = str_cut(&pid, '\t');

		print_process(p, &j, service, pid);
	}
	json_end(&j);
	if (status == 0 && p->json)
		printf("%s\n", buf_text(&out));
	buf_free(&out);
	buf_free(&list.names);
	return status;
}

int cmd_status(struct posthouse *p, int argc, char **argv)
{
	if (argc == 1)
		return status_print(p, "status", "");
	if (argc == 2 && strcmp(argv[1], "--security") == 0)
		return status_security(p);
	return posthouse_usage("status");
}
