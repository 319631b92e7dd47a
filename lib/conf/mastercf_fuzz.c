/* SPDX-License-Identifier: ISC */
/* Whatever master.cf says: services that come out are complete, and no two
 * have the same name and type. */
#include <stdlib.h>

#include "conf/mastercf.h"

static bool is_complete(const struct service *s)
{
	return s->name != NULL && s->name[0] != '\0' && s->command != NULL &&
	    strchr(s->command, '/') == NULL && s->args != NULL &&
	    s->wakeup >= 0 && s->maxproc >= -1 && s->line > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf errors = buf_new(1 << 20);
	struct mastercf *m = mastercf_parse(
	    str_of(data, len), "master.cf", &errors);

	for (size_t i = 0; i < m->count; i++) {
		if (!is_complete(&m->services[i]))
			abort();
		for (size_t j = 0; j < i; j++)
			if (m->services[i].type == m->services[j].type &&
			    strcmp(m->services[i].name, m->services[j].name) ==
				0)
				abort();
	}
	mastercf_free(&m);
	buf_free(&errors);
	return 0;
}
