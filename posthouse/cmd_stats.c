/* SPDX-License-Identifier: ISC */
/* posthouse stats: the figures of the house; posthouse stats --list: what each
 * of them means. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "posthouse/stats.h"

#define TEXT_MOST    (16u << 20)
#define INTERVAL_MAX 86400

static int print(const struct buf *text)
{
	return fwrite(text->p, 1, text->len, stdout) == text->len ? 0 : 1;
}

static void list_json(struct buf *out)
{
	struct json j = json_start(out);

	json_array(&j, NULL);
	for (const struct figure *f = figures; f->metric != NULL; f++) {
		json_object(&j, NULL);
		json_text(&j, "metric", str_from(f->metric));
		json_text(&j, "kind", str_from(figure_kind_name(f->kind)));
		if (f->command != NULL)
			json_text(&j, "command", str_from(f->command));
		json_text(&j, "name", str_from(f->name));
		json_text(&j, "label", str_from(f->label));
		json_text(&j, "help", str_from(f->help));
		json_end(&j);
	}
	json_end(&j);
}

static void list_text(struct buf *out)
{
	const char *metric = "";

	for (const struct figure *f = figures; f->metric != NULL; f++) {
		if (strcmp(metric, f->metric) != 0)
			buf_printf(out, "%s (%s)\n    %s\n", f->metric,
			    figure_kind_name(f->kind), f->help);
		metric = f->metric;
		if (f->label != NULL)
			buf_printf(out, "    %s\n", f->label);
	}
}

static int list(const struct posthouse *p)
{
	struct buf out = buf_new(TEXT_MOST);
	int status;

	if (p->json)
		list_json(&out);
	else
		list_text(&out);
	status = print(&out);
	buf_free(&out);
	return status;
}

static int show(struct posthouse *p, uint64_t interval)
{
	struct buf out = buf_new(TEXT_MOST);
	struct reading before;
	struct stats s;
	int status = 0;

	reading_init(&before);
	reading_init(&s.now);
	if (interval > 0) {
		status = stats_read(p, "stats", &before);
		for (struct timespec t = {(time_t)interval, 0};
		     status == 0 && nanosleep(&t, &t) < 0;)
			;
	}
	if (status == 0)
		status = stats_read(p, "stats", &s.now);
	if (status == 0) {
		stats_since(&s, interval > 0 ? &before : NULL);
		if (p->json) {
			stats_json(&s, &out);
		} else {
			stats_add_head(&s, &out);
			stats_add_queue(&s, &out);
			stats_add_services(&s, 0, &out);
			stats_add_counters(&s, &out);
			stats_add_times(&s, &out);
			stats_add_certificates(&s, &out);
		}
		status = print(&out);
	}
	reading_clear(&before);
	reading_clear(&s.now);
	buf_free(&out);
	return status;
}

int cmd_stats(struct posthouse *p, int argc, char **argv)
{
	uint64_t interval = 0;

	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list(p);
	if (argc == 3 && strcmp(argv[1], "--interval") == 0 &&
	    str_to_u64(str_from(argv[2]), INTERVAL_MAX, &interval) == 0 &&
	    interval > 0)
		return show(p, interval);
	if (argc == 1)
		return show(p, 0);
	return posthouse_usage("stats");
}
