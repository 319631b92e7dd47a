/* SPDX-License-Identifier: ISC */
/*
 * Whatever main.cf says: a name has the value of its last line, a value
 * without references expands to itself, and a struct is filled within the
 * bounds of its table.
 */
#include <stdlib.h>

#include "conf/conf_private.h"

struct sample {
	const char *words;
	int number;
	bool flag;
	int64_t wait;
	uint64_t room;
};

/* clang-format off */
#define P(kind, name, ...) CONF_##kind(struct sample, name, __VA_ARGS__)
static const struct conf_param params[] = {
	P(TEXT, words, "default of $number", 0, 50, "Words."),
	P(INT, number, "20", -5, 100, "A number."),
	P(BOOL, flag, "yes", "A flag."),
	P(TIME, wait, "5m", 1, 3600, "A time."),
	P(SIZE, room, "1K", 10, 1 << 20, "A size."),
	CONF_END,
};
/* clang-format on */

static void check_values(struct conf *conf)
{
	struct buf out = buf_new(1 << 20), errors = buf_new(1 << 20);
	const char *name, *value;
	size_t at = 0;

	while (conf_next(conf, &at, &name, &value, NULL)) {
		if (conf_raw(conf, name) != value)
			abort();
		buf_clear(&out);
		if (conf_value(conf, name, "", &out, &errors) == 0 &&
		    strchr(value, '$') == NULL &&
		    !str_eq(buf_str(&out), str_from(value)))
			abort();
	}
	buf_free(&out);
	buf_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf errors = buf_new(1 << 20);
	struct conf *conf = conf_parse(str_of(data, len), "main.cf", &errors);
	struct sample s;

	check_values(conf);
	conf_fill(conf, params, &s, &errors);
	if (s.words == NULL || strlen(s.words) > 50 || s.number < -5 ||
	    s.number > 100 || s.wait < 1000 || s.wait > 3600000 ||
	    s.room < 10 || s.room > 1 << 20)
		abort();
	conf_free(&conf);
	buf_free(&errors);
	return 0;
}
