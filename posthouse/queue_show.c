/* SPDX-License-Identifier: ISC */
/* posthouse queue show: a message, from its file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "posthouse/queue.h"
#include "queue/queue_file.h"

#define HEADER_MOST (16u << 20)
#define ARENA_MOST  (256u << 20)
#define CHUNK       65536

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
	char text[QUEUE_WORDS];

	printf("id         %s\narrived    %s\nsender     ", f->id.text,
	    queue_date(f->arrived_us / 1000000, text));
	if (e->sender.len == 0)
		fputs("<>", stdout);
	queue_print(e->sender);
	if (e->forward_sender.len > 0) {
		fputs("\nsent as    ", stdout);
		queue_print(e->forward_sender);
		fputs("  to those who are forwarded", stdout);
	}
	printf("\nsize       %llu\norigin     %.*s",
	    (unsigned long long)f->header.length + f->body.length,
	    STR_FMT(e->origin));
	if (e->client.len > 0) {
		fputs("\nclient     ", stdout);
		queue_print(e->client);
	}
	if (e->login.len > 0) {
		fputs("\nlogin      ", stdout);
		queue_print(e->login);
	}
	printf("\nsession    %s\n", e->session.text);
	for (size_t i = 0; i < f->recipient_count; i++) {
		struct queue_slot s = {.state = 0};

		queue_read_slot(f, i, &s);
		fputs("recipient  ", stdout);
		queue_print(e->recipients[i].address);
		printf(
		    "  %s, %u attempts", state_name(&s), (unsigned)s.attempts);
		if (s.state == QUEUE_PENDING && !s.hold && s.next > 0)
			printf(", next %s", queue_when(s.next, text));
		if (s.dsn[0] != '\0')
			printf(", last %.11s", s.dsn);
		if (e->recipients[i].forwarded)
			fputs(", forwarded", stdout);
		putchar('\n');
	}
	putchar('\n');
}

static void json_envelope(const struct queue_file *f,
    const struct queue_envelope *e, struct str header)
{
	struct buf out = buf_new(QUEUE_JSON_MAX);
	struct json j = json_start(&out);

	json_object(&j, NULL);
	json_text(&j, "id", id_str(&f->id));
	json_u64(&j, "arrived", f->arrived_us / 1000000);
	json_text(&j, "sender", e->sender);
	json_text(&j, "forward_sender", e->forward_sender);
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
		json_bool(&j, "forwarded", e->recipients[i].forwarded);
		json_text(&j, "state", str_from(state_name(&s)));
		json_u64(&j, "attempts", s.attempts);
		json_u64(&j, "next", s.next);
		json_text(&j, "dsn", str_from(s.dsn));
		json_end(&j);
	}
	json_end(&j);
	json_text(&j, "header", header);
	json_end(&j);
	fputs(buf_text(&out), stdout);
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

static int show_file(struct posthouse *p, const struct queue_options *a, int fd)
{
	struct arena arena = arena_new(ARENA_MOST);
	struct buf header = buf_new(HEADER_MOST);
	struct queue_envelope e;
	struct queue_file f;
	const char *why;
	int status = 0;

	if (queue_read(fd, &f, &why) < 0 ||
	    queue_read_envelope(&f, &arena, &e, &why) < 0) {
		status = posthouse_fail("queue", "%s: %s", a->name, why);
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

int queue_do_show(struct posthouse *p, const struct queue_options *a)
{
	char name[QUEUE_PATH_MAX], *path;
	struct id id;
	int fd, status;

	if (a->name == NULL)
		return posthouse_usage("queue");
	if (id_parse(str_from(a->name), &id) < 0)
		return posthouse_misused(
		    "queue", "%s is not a queue id", a->name);
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
		    a->name);
	else if (fd < 0)
		status = posthouse_fail(
		    "queue", "%s: %s", path, strerror(errno));
	else
		status = show_file(p, a, fd);
	file_close(&fd);
	free(path);
	return status;
}
