/* SPDX-License-Identifier: ISC */
#include "posthouse/explanation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/map.h"
#include "conf/registry.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/memory.h"
#include "ipc/cleanup.h"

#define ARENA_MAX  (64u << 20)
#define LOOKUP_MS  30000
#define DAEMON_MS  120000 /* it may wait for DNS */
#define ARGS_MAX   512
#define ERRORS_MAX 65536

/* ---- begin and end ---- */

int explanation_open(
    struct explanation *x, struct posthouse *p, const char *command)
{
	struct buf errors = buf_new(ERRORS_MAX);

	*x = (struct explanation){
	    .p = p, .command = command, .arena = arena_new(ARENA_MAX)};
	x->config = config_read(p->config_directory, &errors);
	if (x->config == NULL)
		fprintf(stderr, "%s", buf_text(&errors));
	buf_free(&errors);
	return x->config == NULL || posthouse_conf(p) < 0 ? -1 : 0;
}

void explanation_close(struct explanation *x)
{
	ipc_close(&x->lookup);
	config_free(&x->config);
	arena_free(&x->arena);
	free(x->steps);
	free(x->replies);
	free(x->targets);
}

void explanation_setting(const struct explanation *x, const char *program,
    const char *name, struct buf *value, struct buf *origin)
{
	const struct service *row = explanation_program(x, program);
	const struct conf_param *param = conf_find(name, NULL);
	struct buf ignored = buf_new(ERRORS_MAX);
	struct conf *conf = conf_parse(
	    str_of(x->config->text, x->config->text_len), "main.cf", &ignored);

	for (char *const *a = row == NULL ? NULL : row->args;
	     a != NULL && *a != NULL && a[1] != NULL; a += 2)
		if (strcmp(*a, "-o") == 0)
			conf_override_at(conf, a[1], row->line, &ignored);
	buf_clear(value);
	buf_clear(origin);
	if (param != NULL &&
	    conf_value(conf, name, param->fallback, value, &ignored) < 0)
		buf_add_text(value, param->fallback);
	conf_origin_text(conf, name, origin);
	conf_free(&conf);
	buf_free(&ignored);
}

/* ---- services ---- */

static const char *argument(const struct service *s, const char *option)
{
	for (char *const *a = s->args; *a != NULL && a[1] != NULL; a += 2)
		if (strcmp(*a, option) == 0)
			return a[1];
	return NULL;
}

static bool has_option(const struct service *s, const char *assignment)
{
	for (char *const *a = s->args; *a != NULL && a[1] != NULL; a += 2)
		if (strcmp(*a, "-o") == 0 && strcmp(a[1], assignment) == 0)
			return true;
	return false;
}

/* What a row is to clients: "smtp", "submission" ...; NULL: none of these. */
static const char *meaning(const struct service *s)
{
	const char *role = argument(s, "-r");

	if (s->type != SERVICE_INET)
		return NULL;
	if (strcmp(s->command, "screen") == 0)
		return "smtp";
	if (strcmp(s->command, "smtpd") != 0)
		return NULL;
	if (role == NULL || strcmp(role, "smtpd") == 0)
		return "smtp";
	if (strcmp(role, "lmtpd") == 0)
		return "lmtp";
	return has_option(s, "smtpd_tls_wrappermode=yes") ? "submissions"
							  : "submission";
}

const struct service *explanation_service(
    const struct explanation *x, const char *name)
{
	const struct mastercf *m = x->config->mastercf;

	for (size_t i = 0; i < m->count; i++)
		if (meaning(&m->services[i]) != NULL &&
		    (strcmp(meaning(&m->services[i]), name) == 0 ||
			strcmp(m->services[i].name, name) == 0))
			return &m->services[i];
	return NULL;
}

const struct service *explanation_named(
    const struct explanation *x, const char *name)
{
	const struct mastercf *m = x->config->mastercf;

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->services[i].name, name) == 0)
			return &m->services[i];
	return NULL;
}

int explanation_origin(const struct service *row)
{
	struct str what = str_from(meaning(row));

	if (str_starts(what, STR("submission")))
		return ORIGIN_SUBMISSION;
	return str_eq(what, STR("lmtp")) ? ORIGIN_LMTP : ORIGIN_MX;
}

const struct service *explanation_program(
    const struct explanation *x, const char *program)
{
	const struct mastercf *m = x->config->mastercf;

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->services[i].command, program) == 0 &&
		    m->services[i].type != SERVICE_INET)
			return &m->services[i];
	return NULL;
}

/* ---- what is told ---- */

static struct str keep(struct explanation *x, struct str s)
{
	struct str copy = arena_copy(&x->arena, s);

	return copy.p == NULL ? STR_EMPTY : copy;
}

/* "aliases:4", below the configuration directory without its path. */
static struct str describe_place(
    struct explanation *x, const struct map_place *place)
{
	const char *base = x->config->house.config_directory;
	struct str file = str_from(place->file);
	struct buf text = buf_new(8192);

	if (str_starts(file, str_from(base)) && file.len > strlen(base) &&
	    file.p[strlen(base)] == '/')
		file = str_skip(file, strlen(base) + 1);
	if (place->line > 0)
		buf_printf(&text, "%.*s:%u", STR_FMT(file), place->line);
	else
		buf_printf(&text, "%.*s", STR_FMT(file));
	if (place->differs)
		buf_printf(&text, ", compiled; the text says something else");
	struct str copy = keep(x, buf_str(&text));
	buf_free(&text);
	return copy;
}

/* The line of the entry that a table has for a key. */
static struct str find_place(
    struct explanation *x, const struct explain_step *step)
{
	struct map_place place;
	struct str result = STR_EMPTY;
	const char *why;
	char *spec;

	if (step->kind != STEP_LOOKUP || !str_eq(step->result, STR("found")))
		return STR_EMPTY;
	spec = str_dup(step->table);
	struct map *m = map_open(spec, x->config->house.config_directory, &why);
	free(spec);
	if (m == NULL)
		return STR_EMPTY;
	map_place(m, step->key, &place);
	if (place.file != NULL)
		result = describe_place(x, &place);
	map_close(&m);
	return result;
}

static void take_step(struct explanation *x, const struct explain_step *s)
{
	struct told *t;

	if (x->count == x->room) {
		x->room = x->room == 0 ? 64 : x->room * 2;
		x->steps = mem_resize(x->steps, x->room, sizeof(*x->steps));
	}
	t = &x->steps[x->count++];
	t->step = (struct explain_step){.kind = s->kind,
	    .by = keep(x, s->by),
	    .about = keep(x, s->about),
	    .rule = keep(x, s->rule),
	    .origin = keep(x, s->origin),
	    .table = keep(x, s->table),
	    .key = keep(x, s->key),
	    .result = keep(x, s->result),
	    .text = keep(x, s->text)};
	t->place = find_place(x, s);
}

static void take_reply(struct explanation *x, const struct explain_reply *r)
{
	x->replies = mem_resize(
	    x->replies, x->reply_count + 1, sizeof(*x->replies));
	x->replies[x->reply_count++] = (struct explain_reply){
	    keep(x, r->to), keep(x, r->text)};
}

static void take_target(struct explanation *x, const struct explain_target *t)
{
	x->targets = mem_resize(
	    x->targets, x->target_count + 1, sizeof(*x->targets));
	x->targets[x->target_count] = *t;
	x->targets[x->target_count].host = keep(x, t->host);
	x->targets[x->target_count++].address = keep(x, t->address);
}

/* ---- a daemon, for one question ---- */

/* As master starts it (master/spawn.c), but by hand and to explain. */
static void make_args(const struct explanation *x, const struct service *row,
    const char *args[ARGS_MAX])
{
	static char line[16];
	size_t n = 0;

	args[n++] = row->command;
	args[n++] = "-C";
	args[n++] = x->config->directory;
	args[n++] = "--explain";
	args[n++] = "-n";
	args[n++] = row->name;
	if (strcmp(service_place(row), "master.cf") == 0) {
		snprintf(line, sizeof(line), "%u", row->line);
		args[n++] = "-l";
		args[n++] = line;
	}
	if (row->chroot && geteuid() == 0)
		args[n++] = "-c";
	for (char *const *a = row->args; *a != NULL && n < ARGS_MAX - 1; a++)
		args[n++] = *a;
	args[n] = NULL;
}

static pid_t start(
    const struct explanation *x, const struct service *row, int *fd)
{
	const char *args[ARGS_MAX];
	char *program;
	int pair[2];
	pid_t pid;

	make_args(x, row, args);
	if (asprintf(&program, "%s/%s", x->config->house.daemon_directory,
		row->command) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		free(program);
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (dup2(pair[1], 0) == 0)
			execv(program, (char **)(uintptr_t)args);
		fprintf(stderr, "%s: %s\n", program, strerror(errno));
		_exit(127);
	}
	free(program);
	file_close(&pair[1]);
	*fd = pair[0];
	return pid;
}

static int listen_to(struct explanation *x, struct ipc *c)
{
	int64_t deadline = deadline_in(DAEMON_MS);
	const struct ipc_type *type;
	const void *msg;

	while (ipc_wait(c, &type, &msg, deadline) == IPC_OK) {
		if (type == &explain_step) {
			take_step(x, msg);
		} else if (type == &explain_reply) {
			take_reply(x, msg);
		} else if (type == &explain_target) {
			take_target(x, msg);
		} else if (type == &explain_usage) {
			x->usage = *(const struct explain_usage *)msg;
		} else if (type == &explain_end) {
			x->end = *(const struct explain_end *)msg;
			x->end.dsn = keep(x, x->end.dsn);
			x->end.text = keep(x, x->end.text);
			return 0;
		}
	}
	return -1;
}

int explanation_ask(struct explanation *x, const struct service *row,
    const struct ipc_type *type, const void *question)
{
	int fd = -1, status, r = -1;
	pid_t pid = start(x, row, &fd);
	struct ipc *c;

	x->target_count = 0;
	x->end = (struct explain_end){.dsn = STR_EMPTY, .text = STR_EMPTY};
	if (pid < 0) {
		posthouse_fail(
		    x->command, "%s: %s", row->command, strerror(errno));
		return -1;
	}
	c = ipc_client(fd, &explain_exchange);
	if (ipc_put(c, type, question) == 0 &&
	    ipc_flush(c, deadline_in(LOOKUP_MS)) == IPC_OK)
		r = listen_to(x, c);
	ipc_close(&c); /* it reads no more, and ends */
	waitpid(pid, &status, 0);
	if (r < 0)
		posthouse_fail(x->command,
		    "%s did not answer; what it said stands above",
		    row->command);
	return r;
}

/* ---- lookup ---- */

/* Steps are taken; the first other message of the answer. */
static const void *next_answer(
    struct explanation *x, const struct ipc_type **type)
{
	int64_t deadline = deadline_in(LOOKUP_MS);
	const void *msg;

	while (ipc_wait(x->lookup, type, &msg, deadline) == IPC_OK) {
		if (*type != &explain_step)
			return msg;
		take_step(x, msg);
	}
	posthouse_fail(x->command, "lookup does not answer");
	return NULL;
}

static const void *ask_lookup(struct explanation *x, int what,
    struct str address, const struct ipc_type **type)
{
	struct lookup_explain q = {++x->asked, what, address, STR_EMPTY};

	if (x->lookup == NULL)
		x->lookup = posthouse_connect(
		    x->p, x->command, "lookup", &lookup_exchange);
	if (x->lookup == NULL)
		return NULL;
	if (ipc_put(x->lookup, &lookup_explain, &q) == 0 &&
	    ipc_flush(x->lookup, deadline_in(LOOKUP_MS)) == IPC_OK)
		return next_answer(x, type);
	posthouse_fail(x->command, "lookup does not take the question");
	return NULL;
}

int explanation_resolve(
    struct explanation *x, struct str address, struct lookup_resolved *out)
{
	const struct ipc_type *type;
	const struct lookup_resolved *r = ask_lookup(
	    x, EXPLAIN_RESOLVE, address, &type);

	if (r == NULL || type != &lookup_resolved)
		return -1;
	*out = *r;
	out->transport = keep(x, r->transport);
	out->nexthop = keep(x, r->nexthop);
	out->account = keep(x, r->account);
	out->dsn = keep(x, r->dsn);
	out->text = keep(x, r->text);
	out->rule = keep(x, r->rule);
	return 0;
}

int explanation_forward(
    struct explanation *x, struct str sender, int *status, struct str *out)
{
	const struct ipc_type *type;
	const struct lookup_forwarded *f = ask_lookup(
	    x, EXPLAIN_FORWARD, sender, &type);

	if (f == NULL || type != &lookup_forwarded)
		return -1;
	*status = f->status;
	*out = keep(x, f->sender);
	return 0;
}

int explanation_expand(struct explanation *x, struct str address,
    struct str **out, size_t *count, struct lookup_expand_end *end)
{
	const struct ipc_type *type;
	const void *msg = ask_lookup(x, EXPLAIN_EXPAND, address, &type);
	size_t room = 0;

	*out = NULL;
	*count = 0;
	while (msg != NULL && type == &lookup_expanded) {
		if (*count == room) {
			struct str *more = arena_alloc(
			    &x->arena, (room * 2 + 16) * sizeof(**out));
			if (more == NULL)
				return -1;
			if (room > 0)
				memcpy(more, *out, room * sizeof(**out));
			room = room * 2 + 16;
			*out = more;
		}
		(*out)[(*count)++] = keep(
		    x, ((const struct lookup_expanded *)msg)->address);
		msg = next_answer(x, &type);
	}
	if (msg == NULL || type != &lookup_expand_end)
		return -1;
	*end = *(const struct lookup_expand_end *)msg;
	end->text = keep(x, end->text);
	return 0;
}

/* ---- what was found ---- */

const struct told *explanation_find(const struct explanation *x, size_t from,
    const char *rule, const char *result, struct str about)
{
	for (size_t i = x->count; i > from; i--) {
		const struct told *t = &x->steps[i - 1];

		if ((rule[0] == '\0' || str_eq(t->step.rule, str_from(rule))) &&
		    (result[0] == '\0' ||
			str_eq(t->step.result, str_from(result))) &&
		    (about.len == 0 || str_eq(t->step.about, about)))
			return t;
	}
	return NULL;
}

struct str told_place(const struct told *t)
{
	return t->place.len > 0 ? t->place : t->step.origin;
}

/* ---- output ---- */

/* It must not steer the terminal. */
void explanation_put(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\n' || c == '\t')
			putchar(' ');
		else
			putchar(c < ' ' || c == 127 ? '?' : c);
	}
}

static void put_field(const char *before, struct str s, const char *behind)
{
	if (s.len == 0)
		return;
	printf("%s", before);
	explanation_put(s);
	printf("%s", behind);
}

static void print_step(const struct told *t)
{
	const struct explain_step *s = &t->step;

	printf("  %-7.*s ", STR_FMT(s->by));
	put_field("", s->about, ": ");
	if (s->kind == STEP_LOOKUP || s->kind == STEP_DNS) {
		put_field("", s->rule, " ");
		put_field("", s->table, " ");
		put_field("[", s->key, "] ");
	} else {
		put_field("", s->rule, " ");
	}
	put_field("-> ", s->result, s->text.len > 0 ? ": " : "");
	put_field("", s->text, "");
	put_field("  (", told_place(t), ")");
	putchar('\n');
}

void explanation_print(const struct explanation *x, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		print_step(&x->steps[i]);
}

void explanation_json(const struct explanation *x, struct json *j,
    const char *name, size_t from, size_t to)
{
	json_array(j, name);
	for (size_t i = from; i < to; i++) {
		const struct explain_step *s = &x->steps[i].step;

		json_object(j, NULL);
		json_text(j, "by", s->by);
		json_text(j, "kind", str_from(step_kind_names[s->kind]));
		json_text(j, "about", s->about);
		json_text(j, "rule", s->rule);
		json_text(j, "origin", s->origin);
		json_text(j, "table", s->table);
		json_text(j, "key", s->key);
		json_text(j, "result", s->result);
		json_text(j, "text", s->text);
		json_text(j, "place", x->steps[i].place);
		json_end(j);
	}
	json_end(j);
}
