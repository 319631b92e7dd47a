/* SPDX-License-Identifier: ISC */
#include "posthouse/process_cost.h"

#include <stdio.h>
#include <unistd.h>

#include "core/file.h"

static uint64_t number_at(struct str text, int word)
{
	struct str w = STR_EMPTY;
	uint64_t n;

	for (int i = 0; i <= word; i++)
		w = str_word(&text, " \n");
	return str_to_u64(w, UINT64_MAX, &n) < 0 ? 0 : n;
}

/* proc_pid_stat(5): behind the name utime is the 12th word, stime the 13th;
 * proc_pid_statm(5): the 2nd is the resident pages. -1: it has ended. */
int process_cost(struct str pid, struct process_cost *out)
{
	struct buf text = buf_new(65536);
	uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char path[64];
	int r = -1;

	snprintf(path, sizeof(path), "/proc/%.*s/stat", STR_FMT(pid));
	if (file_read(path, &text) == 0) {
		struct str s = buf_str(&text);

		s = str_skip(s, str_find_last(s, ')') + 1);
		out->cpu_ms = (number_at(s, 11) + number_at(s, 12)) * 1000 /
		    (ticks > 0 ? ticks : 100);
		r = 0;
	}
	buf_clear(&text);
	snprintf(path, sizeof(path), "/proc/%.*s/statm", STR_FMT(pid));
	out->resident = 0;
	if (r == 0 && file_read(path, &text) == 0)
		out->resident = number_at(buf_str(&text), 1) * page;
	buf_free(&text);
	return r;
}
