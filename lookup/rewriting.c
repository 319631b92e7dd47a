/* SPDX-License-Identifier: ISC */
#include "lookup/rewriting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/listed.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "ipc/limits.h"

#define LOOK_MS      1000  /* between two looks at the file */
#define SECRETS_MAX  65536 /* octets of the file */
#define SECRET_LEAST 8     /* octets */
#define DAY_MS       (86400 * 1000)

struct rewriting rewriting_new(const char *secrets, const char *base)
{
	struct rewriting r = {.text = buf_new(SECRETS_MAX)};

	if (secrets[0] == '/')
		r.path = str_dup(str_from(secrets));
	else if (asprintf(&r.path, "%s/%s", base, secrets) < 0)
		abort();
	return r;
}

void rewriting_free(struct rewriting *r)
{
	mem_wipe(r->text.p, r->text.len);
	buf_free(&r->text);
	free(r->path);
	r->path = NULL;
}

/* ---- the secrets ---- */

/* One on each line; empty lines and those that begin with # do not count. */
static void take_secrets(struct rewriting *r)
{
	struct str rest = buf_str(&r->text);

	r->srs.secret_count = 0;
	while (rest.len > 0 && r->srs.secret_count < SRS_SECRETS_MAX) {
		struct str line = str_trim(str_cut(&rest, '\n'));

		if (line.len == 0 || line.p[0] == '#')
			continue;
		if (line.len < SECRET_LEAST)
			log_warning("%s: a secret of less than %d characters "
				    "does not count",
			    r->path, SECRET_LEAST);
		else
			r->srs.secrets[r->srs.secret_count++] = line;
	}
	if (r->srs.secret_count == 0)
		log_warning("%s: there is no secret in it: mail that aliases "
			    "send on keeps its sender",
		    r->path);
}

static void forget(struct rewriting *r, int trouble)
{
	mem_wipe(r->text.p, r->text.len);
	buf_clear(&r->text);
	r->srs.secret_count = 0;
	if (trouble != 0 && trouble != r->trouble)
		log_warning("%s: %s: mail that aliases send on keeps its "
			    "sender (posthouse srs rotate makes the file)",
		    r->path, strerror(trouble));
	r->trouble = trouble;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads the file anew when it has changed. */
static void look(struct rewriting *r)
{
	struct stat now;

	if (clock_ms() < r->next_look)
		return;
	r->next_look = clock_ms() + LOOK_MS;
	if (stat(r->path, &now) < 0) {
		forget(r, errno);
		return;
	}
	if (r->trouble == 0 && is_same(&now, &r->seen))
		return;
	forget(r, 0);
	if (file_read(r->path, &r->text) < 0) {
		int saved = errno;

		r->trouble = 0;
		forget(r, saved);
		r->seen = (struct stat){0};
		return;
	}
	r->seen = now;
	take_secrets(r);
}

/* NULL when there is nothing to sign with. */
static const struct srs *key(struct directory *d)
{
	const struct lookup_conf *c = d->conf;
	struct rewriting *r = d->rewriting;

	if (r == NULL || c->srs_domain[0] == '\0')
		return NULL;
	look(r);
	r->srs.hash_length = (size_t)c->srs_hash_length;
	r->srs.hash_least = (size_t)c->srs_hash_minimum;
	if (r->srs.hash_least > r->srs.hash_length)
		r->srs.hash_least = r->srs.hash_length;
	r->srs.days = (unsigned)(c->srs_maximum_age / DAY_MS);
	return r->srs.secret_count == 0 ? NULL : &r->srs;
}

/* ---- forward ---- */

static struct str keep(struct directory *d, const struct buf *text)
{
	struct str copy = arena_copy(&d->arena, buf_str(text));

	return copy.p == NULL ? STR_EMPTY : copy;
}

/* Whether the sender needs no other one; -1: that cannot be known now. */
static int stays(struct directory *d, const struct who *w)
{
	enum domain_class class;
	struct str relay;

	if (str_case_eq(w->domain, str_from(d->conf->srs_domain))) {
		directory_tell(d, "srs_domain", "dunno",
		    "the sender is of this domain: it stays");
		return 1;
	}
	if (listed_domain(str_from(d->conf->srs_exclude_domains), w->domain)) {
		directory_tell(d, "srs_exclude_domains", "dunno",
		    "senders of %.*s stay", STR_FMT(w->domain));
		return 1;
	}
	switch (directory_domain(d, w->domain, &class, &relay)) {
	case MAP_FOUND:
		directory_tell(d, "mail_domain_maps", "dunno",
		    "%.*s is ours: its senders stay", STR_FMT(w->domain));
		return 1;
	case MAP_NONE:
		return 0;
	case MAP_ERROR:
		break;
	}
	return -1;
}

static void make(struct directory *d, const struct srs *srs, struct str sender,
    struct str *out)
{
	struct buf text = buf_new(IPC_ADDRESS_MAX);
	enum srs_result r = srs_forward(
	    srs, sender, str_from(d->conf->srs_domain), clock_seconds(), &text);

	if (r == SRS_OK)
		*out = keep(d, &text);
	else if (d->explain == NULL)
		log_warning("%.*s: %s: mail that aliases send on keeps it",
		    STR_FMT(sender), srs_words(r));
	directory_tell(d, "srs_domain", r == SRS_OK ? "rewrites" : "dunno",
	    "%.*s", STR_FMT(r == SRS_OK ? *out : str_from(srs_words(r))));
	buf_free(&text);
}

int rewriting_forward(struct directory *d, struct str sender, struct str *out)
{
	const struct srs *srs = key(d);
	struct who w;
	int result;

	*out = STR_EMPTY;
	arena_clear(&d->arena);
	sender = directory_text(d, "%.*s", STR_FMT(sender));
	d->about = sender;
	if (sender.len == 0)
		return RESOLVE_OK;
	if (srs == NULL || directory_who(d, sender, &w) < 0) {
		directory_tell(d,
		    d->conf->srs_domain[0] == '\0' ? "srs_domain"
						   : "srs_secrets_file",
		    "dunno", "%s",
		    srs == NULL ? "senders are not rewritten here"
				: "this is no address");
		return RESOLVE_OK;
	}
	result = stays(d, &w);
	if (result == 0)
		make(d, srs, sender, out);
	return result < 0 ? RESOLVE_TEMPORARY : RESOLVE_OK;
}

/* ---- and back ---- */

bool rewriting_is_ours(const struct directory *d, const struct who *w)
{
	return d->conf->srs_domain[0] != '\0' && srs_is(w->local) &&
	    str_case_eq(w->domain, str_from(d->conf->srs_domain));
}

static int refuse(
    struct directory *d, enum srs_result result, struct rewriting_refusal *why)
{
	*why = (struct rewriting_refusal){
	    550, result == SRS_EXPIRED ? "5.1.6" : "5.7.1", srs_words(result)};
	directory_tell(d,
	    result == SRS_EXPIRED ? "srs_maximum_age" : "srs_domain", "reject",
	    "%s", why->text);
	return RESOLVE_REFUSED;
}

int rewriting_reverse(struct directory *d, struct str address, struct str *out,
    struct rewriting_refusal *why)
{
	const struct srs *srs = key(d);
	struct buf text = buf_new(IPC_ADDRESS_MAX);
	enum srs_result r = SRS_FORGED;

	*out = STR_EMPTY;
	if (srs == NULL) {
		directory_tell(d, "srs_secrets_file", "defer",
		    "there is no secret to verify the address with");
		*why = (struct rewriting_refusal){451, "4.3.5",
		    "Rewritten sender addresses cannot be verified now"};
		return RESOLVE_TEMPORARY;
	}
	r = srs_reverse(srs, address, clock_seconds(), &text);
	if (r == SRS_OK)
		*out = keep(d, &text);
	buf_free(&text);
	if (r != SRS_OK)
		return refuse(d, r, why);
	directory_tell(d, "srs_domain", "expands",
	    "the hash is ours and not too old: the address stands for %.*s",
	    STR_FMT(*out));
	return RESOLVE_OK;
}
