/* SPDX-License-Identifier: ISC */
/*
 * posthouse queue: the messages that wait. list, hold, release, delete and
 * flush ask the queue manager; show reads the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "ipc/qmgr.h"
#include "posthouse/posthouse.h"
#include "queue/queue_file.h"

#define ANSWER_MS   60000
#define JSON_MOST   (1u << 30)
#define HEADER_MOST (16u << 20)
#define ARENA_MOST  (256u << 20)
#define CHUNK       65536

struct arguments {
	const char *id; /* or NULL */
	const char *sender, *recipient;
	bool body;
};

/* ---- words for people ---- */

/* "in 4m", "now". */
static const char *when(uint64_t at, char *out, size_t size)
{
	int64_t left = (int64_t)at - clock_seconds();

	if (left <= 0)
		snprintf(out, size, "now");
	else if (left < 120)
		snprintf(out, size, "in %llds", (long long)left);
	else if (left < 7200)
		snprintf(out, size, "in %lldm", (long long)(left / 60));
	else
		snprintf(out, size, "in %lldh", (long long)(left / 3600));
	return out;
}

static const char *date(uint64_t seconds, char *out, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(out, size, "-");
	return out;
}

/* Control octets never reach the operator's terminal. */
static void print_text(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		putchar((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?'
								      : s.p[i]);
}

/* ---- list ---- */

struct listing {
	struct json json;
	char last[ID_LEN + 1]; /* the message of the row before */
	uint64_t messages;
	bool open; /* a message's object is open in the JSON */
};

static void close_message(struct listing *l)
{
	if (l->open) {
		json_end(&l->json);
		json_end(&l->json);
	}
	l->open = false;
}

static void json_row(struct listing *l, const struct queue_row *r, bool first)
{
	struct json *j = &l->json;

	if (first) {
		close_message(l);
		json_object(j, NULL);
		json_text(j, "id", r->queue_id);
		json_text(j, "sender", r->sender);
		json_u64(j, "size", r->size);
		json_u64(j, "arrived", r->arrived);
		json_array(j, "recipients");
		l->open = true;
	}
	json_object(j, NULL);
	json_text(j, "address", r->recipient);
	json_text(j, "state", r->state);
	json_u64(j, "attempts", r->attempts);
	json_u64(j, "next", r->next);
	json_text(j, "transport", r->transport);
	json_text(j, "nexthop", r->nexthop);
	json_text(j, "reason", r->reason);
	json_end(j);
}

static void print_row(const struct queue_row *r, bool first)
{
	char text[64];

	if (first) {
		printf("%.*s  %s  %10llu  ", STR_FMT(r->queue_id),
		    date(r->arrived, text, sizeof(text)),
		    (unsigned long long)r->size);
		if (r->sender.len == 0)
			fputs("<>", stdout);
		print_text(r->sender);
		putchar('\n');
	}
	printf("    %-8.*s  ", STR_FMT(r->state));
	print_text(r->recipient);
	if (r->next > 0 && !str_eq(r->state, STR("incoming")))
		printf("  next attempt %s", when(r->next, text, sizeof(text)));
	putchar('\n');
	if (r->reason.len > 0) {
		fputs("              (", stdout);
		print_text(r->reason);
		puts(")");
	}
}

static void take_row(
    struct posthouse *p, struct listing *l, const struct queue_row *r)
{
	bool first = !str_eq(r->queue_id, str_from(l->last));

	if (first) {
		l->messages++;
		str_copy(l->last, sizeof(l->last), r->queue_id);
	}
	if (p->json)
		json_row(l, r, first);
	else
		print_row(r, first);
}

/* Rows until the end. 0, or 1 after a message. */
static int take_rows(struct posthouse *p, struct ipc *c, struct listing *l)
{
	const struct ipc_type *type;
	const void *msg;

	for (;;) {
		enum ipc_result r = ipc_wait(
		    c, &type, &msg, deadline_in(ANSWER_MS));
		const struct queue_end *end = msg;

		if (r == IPC_EOF)
			return posthouse_fail("queue",
			    "the queue manager "
			    "ended the conversation; only root and the owner "
			    "of the instance may see the queue");
		if (r != IPC_OK)
			return posthouse_fail("queue",
			    "no answer from the queue manager%s%s",
			    r == IPC_BROKEN ? ": " : "",
			    r == IPC_BROKEN ? ipc_why(c) : "");
		if (type == &queue_row)
			take_row(p, l, msg);
		else if (type == &queue_end)
			return end->ok ? 0
				       : posthouse_fail("queue", "%.*s",
					     STR_FMT(end->text));
	}
}

static int list(struct posthouse *p, const struct arguments *a)
{
	struct queue_list ask = {
	    str_from(a->id), str_from(a->sender), str_from(a->recipient)};
	struct buf out = buf_new(JSON_MOST);
	struct listing l = {.json = json_start(&out)};
	struct ipc *c = posthouse_connect(p, "queue", "qmgr", &qmgr_exchange);
	int status;

	if (c == NULL)
		return 1;
	json_object(&l.json, NULL);
	json_array(&l.json, "messages");
	if (ipc_put(c, &queue_list, &ask) < 0 ||
	    ipc_flush(c, deadline_in(ANSWER_MS)) != IPC_OK)
		status = posthouse_fail(
		    "queue", "the queue manager does not listen");
	else
		status = take_rows(p, c, &l);
	ipc_close(&c);
	close_message(&l);
	json_end(&l.json);
	json_u64(&l.json, "count", l.messages);
	json_end(&l.json);
	if (status == 0 && p->json)
		printf("%s\n", buf_text(&out));
	else if (status == 0 && l.messages == 0)
		puts("The queue is empty.");
	else if (status == 0)
		printf("%llu %s\n", (unsigned long long)l.messages,
		    l.messages == 1 ? "message" : "messages");
	buf_free(&out);
	return status;
}

/* ---- hold, release, delete, flush ---- */

static int tell(
    struct posthouse *p, const char *verb, uint64_t count, struct str remark)
{
	struct buf out = buf_new(65536);
	struct json j = json_start(&out);

	if (!p->json) {
		printf("%s: %llu %s%s%.*s\n", verb, (unsigned long long)count,
		    count == 1 ? "message" : "messages",
		    remark.len > 0 ? "; " : "", STR_FMT(remark));
		return 0;
	}
	json_object(&j, NULL);
	json_text(&j, "verb", str_from(verb));
	json_u64(&j, "count", count);
	json_text(&j, "text", remark);
	json_end(&j);
	printf("%s\n", buf_text(&out));
	buf_free(&out);
	return 0;
}

static int act(
    struct posthouse *p, const struct arguments *a, enum queue_verb verb)
{
	const char *name = queue_verb_names[verb];
	struct queue_act ask = {(int)verb, str_from(a->id), str_from(a->sender),
	    str_from(a->recipient)};
	const struct queue_end *end;
	const void *reply;
	struct ipc *c;
	int status;

	if (a->id == NULL && a->sender == NULL && a->recipient == NULL) {
		if (verb != QUEUE_FLUSH)
			return posthouse_fail("queue",
			    "%s which messages? "
			    "Give an id, --sender, --recipient, or ALL",
			    name);
		ask.queue_id = STR("ALL");
	}
	c = posthouse_connect(p, "queue", "qmgr", &qmgr_exchange);
	if (c == NULL)
		return 1;
	if (ipc_call(c, &queue_act, &ask, &queue_end, &reply,
		deadline_in(ANSWER_MS)) != IPC_OK) {
		status = posthouse_fail("queue",
		    "the queue manager did not "
		    "answer; only root and the owner of the instance may "
		    "change the queue");
	} else {
		end = reply;
		status = end->ok
		    ? tell(p, name, end->count, end->text)
		    : posthouse_fail("queue", "%.*s", STR_FMT(end->text));
	}
	ipc_close(&c);
	return status;
}

/* ---- show ---- */

static const char *state_name(const struct queue_slot *s)
{
	static const char *const names[] = {
	    "pending", "delivered", "failed", "notified", "expired"};

	if (s->state == QUEUE_PENDING && s->hold)
		return "hold";
	return s->state < ARRAY_LEN(names) ? names[s->state] : "unknown";
}

static void print_envelope(
    const struct queue_file *f, const struct queue_envelope *e)
{
	char text[64];

	printf("id         %s\narrived    %s\nsender     ", f->id.text,
	    date(f->arrived_us / 1000000, text, sizeof(text)));
	if (e->sender.len == 0)
		fputs("<>", stdout);
	print_text(e->sender);
	printf("\nsize       %llu\norigin     %.*s",
	    (unsigned long long)f->header.length + f->body.length,
	    STR_FMT(e->origin));
	if (e->client.len > 0) {
		fputs("\nclient     ", stdout);
		print_text(e->client);
	}
	if (e->login.len > 0) {
		fputs("\nlogin      ", stdout);
		print_text(e->login);
	}
	printf("\nsession    %s\n", e->session.text);
	for (size_t i = 0; i < f->recipient_count; i++) {
		struct queue_slot s = {.state = 0};

		queue_read_slot(f, i, &s);
		fputs("recipient  ", stdout);
		print_text(e->recipients[i].address);
		printf(
		    "  %s, %u attempts", state_name(&s), (unsigned)s.attempts);
		if (s.state == QUEUE_PENDING && !s.hold && s.next > 0)
			printf(", next %s", when(s.next, text, sizeof(text)));
		if (s.dsn[0] != '\0')
			printf(", last %.11s", s.dsn);
		putchar('\n');
	}
	putchar('\n');
}

static void json_envelope(const struct queue_file *f,
    const struct queue_envelope *e, struct str header)
{
	struct buf out = buf_new(JSON_MOST);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_text(&j, "id", id_str(&f->id));
	json_u64(&j, "arrived", f->arrived_us / 1000000);
	json_text(&j, "sender", e->sender);
	json_u64(&j, "size", f->header.length + f->body.length);
	json_text(&j, "origin", e->origin);
	json_text(&j, "client", e->client);
	json_text(&j, "login", e->login);
	json_text(&j, "session", id_str(&e->session));
	json_array(&j, "recipients");
	for (size_t i = 0; i < f->recipient_count; i++) {
		struct queue_slot s = {.state = 0};

		queue_read_slot(f, i, &s);
		json_object(&j, NULL);
		json_text(&j, "address", e->recipients[i].address);
		json_text(&j, "original", e->recipients[i].original);
		json_text(&j, "state", str_from(state_name(&s)));
		json_u64(&j, "attempts", s.attempts);
		json_u64(&j, "next", s.next);
		json_text(&j, "dsn", str_from(s.dsn));
		json_end(&j);
	}
	json_end(&j);
	json_text(&j, "header", header);
	json_end(&j);
	printf("%s\n", buf_text(&out));
	buf_free(&out);
}

/* An extent as it is, to stdout. */
static int print_extent(int fd, const struct queue_extent *e)
{
	static char chunk[CHUNK];

	for (uint64_t at = 0; at < e->length;) {
		size_t n = e->length - at < CHUNK ? (size_t)(e->length - at)
						  : CHUNK;

		if (file_pread_full(fd, chunk, n, e->offset + at) < 0)
			return posthouse_fail(
			    "queue", "reading: %s", strerror(errno));
		fwrite(chunk, 1, n, stdout);
		at += n;
	}
	return 0;
}

static int show_file(struct posthouse *p, const struct arguments *a, int fd)
{
	struct arena arena = arena_new(ARENA_MOST);
	struct buf header = buf_new(HEADER_MOST);
	struct queue_envelope e;
	struct queue_file f;
	const char *why;
	int status = 0;

	if (queue_read(fd, &f, &why) < 0 ||
	    queue_read_envelope(&f, &arena, &e, &why) < 0) {
		status = posthouse_fail("queue", "%s: %s", a->id, why);
	} else if (p->json) {
		char *room = buf_room(&header, (size_t)f.header.length);

		if (room != NULL &&
		    file_pread_full(fd, room, (size_t)f.header.length,
			f.header.offset) == 0)
			buf_added(&header, (size_t)f.header.length);
		json_envelope(&f, &e, buf_str(&header));
	} else {
		print_envelope(&f, &e);
		status = print_extent(fd, &f.header);
		if (status == 0 && a->body)
			status = print_extent(fd, &f.body);
	}
	buf_free(&header);
	arena_free(&arena);
	return status;
}

static int show(struct posthouse *p, const struct arguments *a)
{
	char name[QUEUE_PATH_MAX], *path;
	struct id id;
	int fd, status;

	if (a->id == NULL)
		return posthouse_usage("queue");
	if (id_parse(str_from(a->id), &id) < 0)
		return posthouse_fail("queue", "%s is not a queue id", a->id);
	if (posthouse_conf(p) < 0)
		return 1;
	queue_path(&id, name);
	if (asprintf(&path, "%s/%s", p->house.queue_directory, name) < 0)
		return 1;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		status = posthouse_fail("queue",
		    "there is no message %s in "
		    "the queue",
		    a->id);
	else if (fd < 0)
		status = posthouse_fail(
		    "queue", "%s: %s", path, strerror(errno));
	else
		status = show_file(p, a, fd);
	file_close(&fd);
	free(path);
	return status;
}

/* ---- arguments ---- */

/* 0, or -1 for wrong usage. */
static int take_arguments(int argc, char **argv, struct arguments *a)
{
	for (int i = 0; i < argc; i++) {
		const char **into = &a->id;

		if (strcmp(argv[i], "--body") == 0) {
			a->body = true;
			continue;
		}
		if (strcmp(argv[i], "--sender") == 0)
			into = &a->sender;
		else if (strcmp(argv[i], "--recipient") == 0)
			into = &a->recipient;
		else if (argv[i][0] == '-')
			return -1;
		if (*into != NULL)
			return -1;
		if (into != &a->id && ++i == argc)
			return -1;
		*into = argv[i];
	}
	return 0;
}

int cmd_queue(struct posthouse *p, int argc, char **argv)
{
	struct arguments a = {.id = NULL};

	if (argc < 2 || take_arguments(argc - 2, argv + 2, &a) < 0)
		return posthouse_usage("queue");
	if (strcmp(argv[1], "list") == 0)
		return list(p, &a);
	if (strcmp(argv[1], "show") == 0)
		return show(p, &a);
	for (int i = 0; queue_verb_names[i] != NULL; i++)
		if (strcmp(argv[1], queue_verb_names[i]) == 0)
			return act(p, &a, (enum queue_verb)i);
	return posthouse_usage("queue");
}
