/* SPDX-License-Identifier: ISC */
#include "posthouse/received.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "posthouse/time_point.h"

#define FILE_MAX ((size_t)256 << 20)

/* ---- options ---- */

static int refuse(const char *verb, const char *what, const char *value)
{
	posthouse_misused("report", "%s: %s%s%s", verb, what,
	    value == NULL ? "" : ": ", value == NULL ? "" : value);
	return -1;
}

static int take_kind(struct received_query *q, const char *value)
{
	for (int i = 0; report_kind_names[i] != NULL; i++)
		if (strcmp(value, report_kind_names[i]) == 0) {
			q->kind = i;
			return 0;
		}
	return refuse(q->verb,
	    "--kind is one of dmarc, tls, arf and unreadable, not", value);
}

static int take_time(
    struct received_query *q, const char *value, uint64_t now, uint64_t *into)
{
	const char *why;
	int64_t us;

	if (time_point_parse(value, (int64_t)now * 1000000, &us, &why) < 0)
		return refuse(q->verb, why, value);
	*into = us < 0 ? 0 : (uint64_t)us / 1000000;
	return 0;
}

static int take_limit(struct received_query *q, const char *value)
{
	uint64_t n;

	if (str_to_u64(str_from(value), RECEIVED_LIMIT_MOST, &n) < 0 || n == 0)
		return refuse(q->verb,
		    "--limit is a number from 1 to 100000, not", value);
	q->most = (size_t)n;
	return 0;
}

static int take_option(
    struct received_query *q, const char *name, const char *value, uint64_t now)
{
	if (value == NULL)
		return refuse(q->verb, "an option without its value", name);
	if (strcmp(name, "--domain") == 0) {
		q->domain = str_from(value);
		return 0;
	}
	if (strcmp(name, "--since") == 0)
		return take_time(q, value, now, &q->since);
	if (strcmp(name, "--until") == 0)
		return take_time(q, value, now, &q->until);
	if (strcmp(name, "--kind") == 0)
		return take_kind(q, value);
	if (strcmp(name, "--limit") == 0)
		return take_limit(q, value);
	return refuse(q->verb, "there is no such option", name);
}

int received_options(struct received_query *q, int argc, char **argv,
    bool takes_key, uint64_t now)
{
	*q = (struct received_query){.domain = STR_EMPTY,
	    .kind = -1,
	    .until = UINT64_MAX,
	    .most = RECEIVED_LIMIT,
	    .key = STR_EMPTY,
	    .verb = argv[0]};
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			if (take_option(q, argv[i], argv[i + 1], now) < 0)
				return -1;
			i++;
		} else if (takes_key && q->key.len == 0) {
			q->key = str_from(argv[i]);
		} else {
			return refuse(
			    q->verb, "one argument too many", argv[i]);
		}
	}
	return 0;
}

const char *received_none(const struct received_query *q)
{
	if (q->domain.len > 0 || q->kind >= 0 || q->since > 0 ||
	    q->until < UINT64_MAX)
		return "no such report was received; without options all that "
		       "were are shown";
	return "no report was received; report_recipients says at which "
	       "addresses they are taken";
}

/* ---- the folder ---- */

bool received_is_below(struct str domain, struct str of)
{
	if (str_case_eq(domain, of))
		return true;
	return domain.len > of.len && str_case_ends(domain, of) &&
	    domain.p[domain.len - of.len - 1] == '.';
}

/* "dmarc-KEY.json" */
static bool is_wanted(const struct received_query *q, struct str name,
    char key[REPORT_KEY_LEN + 1])
{
	struct str kind = str_cut(&name, '-');

	if (!str_ends(name, STR(".json")) ||
	    str_copy(key, REPORT_KEY_LEN + 1,
		str_sub(name, 0, name.len - strlen(".json"))) < 0)
		return false;
	return (q->kind < 0 ||
		   str_eq(kind, str_from(report_kind_names[q->kind]))) &&
	    str_starts(str_from(key), q->key);
}

struct walk {
	const struct received_query *q;
	const char *path;
	int folder;
	uint64_t oldest;
	received_found *found; /* NULL: heads */
	received_head *found_head;
	void *arg;
	struct arena arena;
	struct buf text;
};

/* The head, and as much behind it as came with it. 1; 0: it went meanwhile, or
 * is none, which is said. */
static int read_start(struct walk *w, int fd, const char *path)
{
	char *room = buf_room(&w->text, REPORT_HEAD_MAX);
	ssize_t got = read(fd, room, REPORT_HEAD_MAX);

	if (got < 0) {
		posthouse_fail("report", "%s: %s", path, strerror(errno));
		return 0;
	}
	buf_added(&w->text, (size_t)got);
	return 1;
}

static bool is_asked_for(const struct walk *w, const struct report_head *h)
{
	return h->received >= w->oldest && h->received <= w->q->until &&
	    (w->q->domain.len == 0 ||
		received_is_below(h->domain, w->q->domain));
}

/* The whole behind its head, which is what was asked for. */
static int look_at_all(
    struct walk *w, int fd, const char *key, const char *path)
{
	const char *why;
	struct report r;

	if (file_read_fd(fd, &w->text) < 0) {
		posthouse_fail("report", "%s: %s", path, strerror(errno));
		return 0;
	}
	arena_clear(&w->arena);
	if (report_parse(buf_str(&w->text), &w->arena, &r, &why) < 0) {
		posthouse_fail("report", "%s: %s", path, why);
		return 0;
	}
	return w->found(&r, key, path, w->arg);
}

static int look_at(struct walk *w, const char *name)
{
	char key[REPORT_KEY_LEN + 1], path[4400];
	struct report_head h;
	const char *why;
	int fd, result = 0;

	if (!is_wanted(w->q, str_from(name), key))
		return 0;
	snprintf(path, sizeof(path), "%s/%s", w->path, name);
	fd = openat(w->folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT) /* it went meanwhile */
			posthouse_fail(
			    "report", "%s: %s", path, strerror(errno));
		return 0;
	}
	arena_clear(&w->arena);
	buf_clear(&w->text);
	if (read_start(w, fd, path) == 0)
		;
	else if (report_parse_head(buf_str(&w->text), &w->arena, &h, &why) < 0)
		posthouse_fail("report", "%s: %s", path, why);
	else if (!is_asked_for(w, &h))
		;
	else if (w->found == NULL)
		result = w->found_head(&h, key, w->arg);
	else
		result = look_at_all(w, fd, key, path);
	file_close(&fd);
	return result;
}

static int walk_folder(struct walk *w)
{
	DIR *dir;
	struct dirent *e;

	w->folder = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = w->folder < 0 ? NULL : fdopendir(w->folder);
	if (dir == NULL) {
		int error = errno;

		file_close(&w->folder);
		if (error == ENOENT)
			return 0; /* nothing was ever received */
		return posthouse_fail("report",
		    "%s: %s; only root and feedback's own user may read it",
		    w->path, strerror(error));
	}
	// cppcheck-suppress readdirCalled
	while ((e = readdir(dir)) != NULL)
		if (look_at(w, e->d_name) != 0)
			break;
	closedir(dir);
	return 0;
}

static uint64_t lifetime(const struct posthouse *p)
{
	struct buf value = buf_new(100), errors = buf_new(1000);
	int64_t ms = (int64_t)90 * 86400 * 1000;
	const char *why;

	if (conf_value(p->conf, "feedback_lifetime", "90d", &value, &errors) ==
	    0)
		conf_parse_time(buf_text(&value), &ms, &why);
	buf_free(&value);
	buf_free(&errors);
	return (uint64_t)ms / 1000;
}

static int walk(struct walk *w, struct posthouse *p,
    const struct received_query *q, uint64_t now)
{
	uint64_t age = lifetime(p);
	int status;

	w->q = q;
	w->path = p->house.feedback_directory;
	w->arena = arena_new(REPORT_ARENA_MAX);
	w->text = buf_new(FILE_MAX);
	w->oldest = now > age ? now - age : 0;
	if (q->since > w->oldest)
		w->oldest = q->since;
	status = walk_folder(w);
	arena_free(&w->arena);
	buf_free(&w->text);
	return status;
}

int received_each(struct posthouse *p, const struct received_query *q,
    uint64_t now, received_found *found, void *arg)
{
	struct walk w = {.found = found, .arg = arg};

	return walk(&w, p, q, now);
}

int received_heads(struct posthouse *p, const struct received_query *q,
    uint64_t now, received_head *found, void *arg)
{
	struct walk w = {.found_head = found, .arg = arg};

	return walk(&w, p, q, now);
}

/* ---- words ---- */

void received_put_time(struct buf *out, uint64_t seconds)
{
	time_t t = (time_t)seconds;
	char text[40];
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
		snprintf(
		    text, sizeof(text), "@%llu", (unsigned long long)seconds);
	buf_add_text(out, text);
}
