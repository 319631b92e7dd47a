/* SPDX-License-Identifier: ISC */
/*
 * Parameters under stress. master says on the board that all processes of the
 * service are busy while clients wait; a worker then serves its next client
 * with the values that ${stress?...} gives, and with the usual ones again
 * when master has taken it back. No process starts anew for it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "daemon/daemon_private.h"

/* What the tables give: the house's and the daemon's. */
struct filling {
	struct house_conf house;
	char *own; /* NULL: the daemon has no table */
};

static struct filling usual, stressed;
static size_t own_size;
static bool prepared, now_stressed;

static void keep(struct filling *f)
{
	f->house = self.house;
	f->own = own_size > 0 ? mem_alloc(own_size) : NULL;
	if (own_size > 0)
		memcpy(f->own, self.daemon->conf, own_size);
}

static void use(const struct filling *f)
{
	self.house = f->house;
	if (own_size > 0)
		memcpy(self.daemon->conf, f->own, own_size);
}

static void fill(struct buf *errors)
{
	conf_fill(self.conf, house_params, &self.house, errors);
	if (self.daemon->params != NULL)
		conf_fill(
		    self.conf, self.daemon->params, self.daemon->conf, errors);
}

void stress_prepare(void)
{
	struct buf errors = buf_new(65536);

	if (self.daemon->kind != DAEMON_WORKER || self.by_hand ||
	    self.house.stress[0] != '\0')
		return;
	if (self.daemon->params != NULL)
		own_size = conf_extent(self.daemon->params);
	keep(&usual);
	conf_stress(self.conf, true);
	fill(&errors); /* what is wrong was told by the check */
	conf_stress(self.conf, false);
	keep(&stressed);
	use(&usual);
	prepared = true;
	buf_free(&errors);
}

void daemon_feel_stress(void)
{
	bool stress = self.board->stress != 0;

	if (!prepared || stress == now_stressed)
		return;
	use(stress ? &stressed : &usual);
	now_stressed = stress;
}
