/* SPDX-License-Identifier: ISC */
#include "reportd/rows.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/table.h"
#include "daemon/daemon.h"
#include "daemon/database.h"
#include "ipc/limits.h"
#include "mailauth/dmarc.h"
#include "net/dns_answer.h"
#include "reportd/rows_codec.h"

#define VALUE_MAX 65536

/* An open period. */
struct open_period {
	struct period p; /* domain, id and record stand behind it */
	char *record;
	char domain[IPC_HOST_MAX + 1];
	char id[ID_LEN + 1];
	bool dirty;
	struct open_period *next_dirty;
};

static struct {
	const struct reportd_conf *conf;
	struct table open; /* struct open_period by domain */
	struct open_period *dirty;
	uint64_t octets; /* of all stored rows */
	bool works;      /* there is a store */
	bool changed;    /* since the last sync */
	bool begun;      /* a period, since somebody asked */
	struct buf key, line, value;
	int64_t complained; /* clock_ms of the last line about a limit */
} rows;

/* ---- keys ------------------------------------------------------------------ */

static void put_key(
    struct buf *out, char kind, struct str domain, uint64_t begin)
{
	buf_clear(out);
	buf_add_char(out, kind);
	buf_add(out, domain);
	buf_add_char(out, '\0');
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_add_char(out, (char)(begin >> shift & 0xff));
}

static bool lower(struct str domain, char out[IPC_HOST_MAX + 1])
{
	if (domain.len == 0 || domain.len > IPC_HOST_MAX ||
	    !dns_name_valid(domain))
		return false;
	for (size_t i = 0; i < domain.len; i++)
		out[i] = ascii_lower(domain.p[i]);
	out[domain.len] = '\0';
	return true;
}

/* ---- open periods ----------------------------------------------------------- */

static void touch(struct open_period *o)
{
	if (o->dirty)
		return;
	o->dirty = true;
	o->next_dirty = rows.dirty;
	rows.dirty = o;
}

static void set_record(struct open_period *o, struct str record)
{
	if (o->record != NULL && str_eq(o->p.record, record))
		return;
	free(o->record);
	o->record = str_dup(record);
	o->p.record = str_of(o->record, record.len);
}

static void forget(struct open_period *o)
{
	table_remove(&rows.open, o->p.domain);
	free(o->record);
	free(o);
}

/* In memory; domain in lower case. */
static struct open_period *hold(const struct period *p)
{
	struct open_period *o = NEW(struct open_period);

	o->p = *p;
	memcpy(o->domain, p->domain.p, p->domain.len);
	memcpy(o->id, p->id.p, p->id.len);
	o->p.domain = str_of(o->domain, p->domain.len);
	o->p.id = str_of(o->id, p->id.len);
	o->p.done = o->p.problem = STR_EMPTY;
	set_record(o, p->record);
	table_put(&rows.open, o->p.domain, o);
	return o;
}

static struct open_period *begin_period(
    struct str domain, uint64_t begin, struct str record)
{
	struct id id = id_new();
	struct period p = {.domain = domain,
	    .begin = begin,
	    .end = begin - begin % ROWS_DAY + ROWS_DAY,
	    .id = id_str(&id),
	    .record = record};
	struct open_period *o = hold(&p);

	rows.begun = true;
	touch(o);
	return o;
}

/* ---- the store -------------------------------------------------------------- */

/* What was counted since the last commit is lost; what is in memory may be
 * ahead of the store, so it is read anew. */
static void lose(void)
{
	struct str key;
	size_t at = 0;
	void *value;

	database_undo();
	rows.dirty = NULL;
	while (table_next(&rows.open, &at, &key, &value))
		forget(value);
	daemon_count("rows_lost", 1);
}

void rows_save_period(const struct period *p)
{
	put_key(&rows.key, 'P', p->domain, p->begin);
	buf_clear(&rows.line);
	if (rows_put_period(&rows.line, p) < 0 ||
	    database_put(buf_str(&rows.key), buf_str(&rows.line)) < 0)
		log_warning("rows: the period of %.*s is not stored",
		    STR_FMT(p->domain));
	rows.changed = true;
}

void rows_settle(uint64_t now)
{
	struct str key;
	size_t at = 0;
	void *value;

	while (rows.dirty != NULL) {
		struct open_period *o = rows.dirty;

		rows.dirty = o->next_dirty;
		o->dirty = false;
		rows_save_period(&o->p);
	}
	if (database_commit() < 0 && rows.works) {
		lose();
		return;
	}
	while (table_next(&rows.open, &at, &key, &value)) {
		struct open_period *o = value;

		if (o->p.end > now)
			continue;
		if (o->p.messages == 0)
			rows_remove_period(&o->p);
		forget(o);
	}
	daemon_gauge("rows_octets", rows.octets);
}

bool rows_begun(void)
{
	bool begun = rows.begun;

	rows.begun = false;
	return begun;
}

void rows_sync(uint64_t now)
{
	rows_settle(now);
	if (rows.changed && database_sync() == 0)
		rows.changed = false;
}

bool rows_next_period(struct buf *at, struct period *p)
{
	if (at->len == 0)
		buf_add_char(at, 'P');
	while (rows.works && database_next(at, &rows.value) == 1 &&
	    at->p[0] == 'P') {
		if (rows_get_period(rows.value.p, rows.value.len, p) == 0)
			return true;
		log_error("rows: a period that is none was removed");
		database_remove(buf_str(at));
	}
	return false;
}

bool rows_find_period(struct str domain, uint64_t begin, struct period *p)
{
	put_key(&rows.key, 'P', domain, begin);
	return rows.works &&
	    database_get(buf_str(&rows.key), &rows.value) == 1 &&
	    rows_get_period(rows.value.p, rows.value.len, p) == 0;
}

bool rows_next(const struct period *p, struct buf *at, struct counted_row *out)
{
	struct buf prefix = buf_new(ROWS_KEY_MAX);
	bool found = false;

	put_key(&prefix, 'R', p->domain, p->begin);
	if (at->len == 0)
		buf_add(at, buf_str(&prefix));
	while (database_next(at, &rows.value) == 1 &&
	    str_starts(buf_str(at), buf_str(&prefix))) {
		/* Decoded in place: the key goes on being the key. */
		buf_clear(&rows.line);
		buf_add(&rows.line, str_skip(buf_str(at), prefix.len));
		found = rows.value.len == sizeof(out->count) &&
		    rows_get_row(rows.line.p, rows.line.len, &out->row) == 0;
		if (found)
			break;
		log_error("rows: a row that is none was left out");
	}
	if (found)
		memcpy(&out->count, rows.value.p, sizeof(out->count));
	buf_free(&prefix);
	return found;
}

void rows_remove_period(const struct period *p)
{
	struct buf at = buf_new(ROWS_KEY_MAX), prefix = buf_new(ROWS_KEY_MAX);

	put_key(&prefix, 'R', p->domain, p->begin);
	buf_add(&at, buf_str(&prefix));
	rows.octets -= p->octets < rows.octets ? p->octets : rows.octets;
	put_key(&rows.key, 'P', p->domain, p->begin);
	database_remove(buf_str(&rows.key));
	while (database_next(&at, &rows.value) == 1 &&
	    str_starts(buf_str(&at), buf_str(&prefix)))
		database_remove(buf_str(&at));
	rows.changed = true;
	buf_free(&at);
	buf_free(&prefix);
}

int rows_open(const struct reportd_conf *conf)
{
	struct buf at = buf_new(ROWS_KEY_MAX);
	uint64_t now = (uint64_t)clock_seconds();
	struct period p;

	rows.conf = conf;
	rows.key = buf_new(ROWS_KEY_MAX);
	rows.line = buf_new(VALUE_MAX);
	rows.value = buf_new(VALUE_MAX);
	rows.open = table_new();
	rows.works = database_open() == 0;
	while (rows_next_period(&at, &p)) {
		rows.octets += p.octets;
		if (p.end > now)
			hold(&p);
	}
	buf_free(&at);
	return rows.works ? 0 : -1;
}

void rows_close(void)
{
	struct str key;
	size_t at = 0;
	void *value;

	rows_settle((uint64_t)clock_seconds());
	database_close();
	rows.works = false;
	rows.dirty = NULL;
	while (table_next(&rows.open, &at, &key, &value))
		forget(value);
	table_free(&rows.open);
	buf_free(&rows.key);
	buf_free(&rows.line);
	buf_free(&rows.value);
}

/* ---- counting --------------------------------------------------------------- */

static void refuse(const char *limit)
{
	daemon_count("rows_refused", 1);
	if (rows.complained != 0 && clock_ms() - rows.complained < 3600 * 1000)
		return;
	rows.complained = clock_ms();
	log_warning("rows: %s is reached: reports will lack messages", limit);
}

static struct open_period *period_of(
    struct str domain, struct str record, uint64_t now)
{
	struct open_period *o = table_get(&rows.open, domain);

	if (o != NULL && o->p.end <= now) {
		rows_settle(now);
		o = NULL;
	}
	if (o != NULL)
		return o;
	if (rows.open.count >= (size_t)rows.conf->dmarc_report_domain_limit) {
		refuse("dmarc_report_domain_limit");
		return NULL;
	}
	return begin_period(domain, now - now % ROWS_DAY, record);
}

/* The reason that no new row may be made; NULL: it may. */
static const char *full(const struct open_period *o, size_t octets)
{
	if (o->p.rows >= (uint64_t)rows.conf->dmarc_report_row_limit)
		return "dmarc_report_row_limit";
	if (rows.octets + octets > rows.conf->dmarc_report_database_limit)
		return "dmarc_report_database_limit";
	return NULL;
}

/* One more of this row. */
static void add(struct open_period *o, const struct report_row *row)
{
	uint64_t count = 0;
	const char *limit;
	int found;

	put_key(&rows.key, 'R', o->p.domain, o->p.begin);
	if (rows_put_row(&rows.key, row) < 0) {
		daemon_count("rows_refused", 1);
		return;
	}
	touch(o);
	found = database_get(buf_str(&rows.key), &rows.value);
	if (found == 1 && rows.value.len == sizeof(count))
		memcpy(&count, rows.value.p, sizeof(count));
	limit = found == 1 ? NULL : full(o, rows.key.len);
	if (limit != NULL) {
		o->p.left_out++;
		refuse(limit);
		return;
	}
	count++;
	if (found < 0 ||
	    database_put(buf_str(&rows.key), str_of(&count, sizeof(count))) <
		0) {
		lose();
		return;
	}
	o->p.messages++;
	if (found == 0) {
		o->p.rows++;
		o->p.octets += rows.key.len;
		rows.octets += rows.key.len;
	}
	rows.changed = true;
	daemon_count("rows", 1);
}

void rows_count(const struct report_row *row, uint64_t now)
{
	char domain[IPC_HOST_MAX + 1], author[IPC_HOST_MAX + 1];
	struct report_row kept = *row;
	struct dmarc_record record;
	struct open_period *o;

	if (!rows.works || !lower(row->policy_domain, domain) ||
	    !lower(row->author, author) ||
	    dmarc_record_parse(row->record, &record) < 0) {
		daemon_count("rows_refused", 1);
		return;
	}
	if (record.reports.len == 0) { /* nobody wants to know */
		daemon_count("rows_unasked", 1);
		return;
	}
	o = period_of(str_from(domain), row->record, now);
	if (o == NULL)
		return;
	set_record(o, row->record);
	o->p.discovery = row->discovery;
	kept.author = str_from(author);
	add(o, &kept);
}

bool rows_end_period(struct str domain, uint64_t now)
{
	char name[IPC_HOST_MAX + 1];
	struct open_period *o = lower(domain, name)
	    ? table_get(&rows.open, str_from(name))
	    : NULL;
	struct buf record = buf_new(REPORT_RECORD_MAX);

	if (o == NULL || o->p.messages == 0 || now <= o->p.begin)
		return false;
	buf_add(&record, o->p.record);
	o->p.end = now;
	touch(o);
	rows_settle(now);
	/* What comes now belongs to the rest of the day: periods do not
	 * overlap. */
	begin_period(str_from(name), now, buf_str(&record));
	buf_free(&record);
	return true;
}
