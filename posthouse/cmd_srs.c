/* SPDX-License-Identifier: ISC */
/*
 * posthouse srs: senders that are rewritten when an alias sends mail on (SRS).
 * lookup is asked what it would do, with the rules; rotate alone reads and
 * writes the secrets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "daemon/roles.h"
#include "posthouse/explanation.h"
#include "posthouse/secrets.h"

#define JSON_MAX    (1u << 20)
#define ADDRESS_MAX 1024
#define FILE_MAX    65536

struct answer {
	int status; /* enum resolve_status */
	struct str result;
	struct str text; /* why there is none */
};

static int status_of(const struct answer *a)
{
	if (a->status == RESOLVE_OK)
		return EX_OK;
	return a->status == RESOLVE_TEMPORARY ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

static void print(const struct explanation *x, const struct answer *a,
    struct str address, const char *otherwise)
{
	struct buf out = buf_new(JSON_MAX);
	struct json j = json_start(&out);

	if (!x->p->json) {
		explanation_put(a->result.len > 0 ? a->result
			: a->text.len > 0         ? a->text
						  : str_from(otherwise));
		printf("\n\nsteps\n");
		explanation_print(x, 0, x->count);
		buf_free(&out);
		return;
	}
	json_object(&j, NULL);
	json_text(&j, "address", address);
	json_text(&j, "status", str_from(resolve_status_names[a->status]));
	json_text(&j, "result", a->result);
	json_text(&j, "text", a->text);
	explanation_json(x, &j, "steps", 0, x->count);
	json_end(&j);
	fputs(buf_text(&out), stdout);
	buf_free(&out);
}

static int forward(struct explanation *x, struct str sender)
{
	struct answer a = {.text = STR_EMPTY};

	if (explanation_forward(x, sender, &a.status, &a.result) < 0)
		return EX_TEMPFAIL;
	if (a.status != RESOLVE_OK)
		a.text = STR("the directory is away");
	print(x, &a, sender, "the sender stays as it is");
	return status_of(&a);
}

static int reverse(struct explanation *x, struct str address)
{
	struct answer a = {.result = STR_EMPTY, .text = STR_EMPTY};
	struct lookup_resolved resolved;
	struct lookup_expand_end end;
	struct str *addresses;
	size_t count;

	if (explanation_resolve(x, address, &resolved) < 0)
		return EX_TEMPFAIL;
	a.status = resolved.status;
	a.text = resolved.text;
	if (explanation_find(x, 0, "srs_domain", "expands", STR_EMPTY) ==
		NULL &&
	    a.status != RESOLVE_REFUSED && a.status != RESOLVE_TEMPORARY) {
		a.status = RESOLVE_UNKNOWN;
		a.text = STR("this is no rewritten sender of srs_domain");
	} else if (a.status == RESOLVE_OK) {
		size_t steps = x->count;

		if (explanation_expand(x, address, &addresses, &count, &end) <
		    0)
			return EX_TEMPFAIL;
		x->count = steps; /* they are the same once more */
		if (count > 0)
			a.result = addresses[0];
	}
	print(x, &a, address, "");
	return status_of(&a);
}

/* ---- the secrets ---- */

/* The path of srs_secrets_file; the caller frees it. */
static char *path_of(const struct explanation *x)
{
	struct buf value = buf_new(4200), origin = buf_new(500);
	char *path = NULL;

	explanation_setting(x, "lookup", "srs_secrets_file", &value, &origin);
	if (value.len > 0 && value.p[0] == '/')
		path = str_dup(buf_str(&value));
	else if (value.len > 0)
		path = posthouse_path(x->p, buf_text(&value));
	buf_free(&value);
	buf_free(&origin);
	return path;
}

/* Written as the group of lookup, which alone reads it; a file that is there
 * keeps its group. */
static int replace(struct posthouse *p, const char *path, struct str text)
{
	unsigned uid = 0, gid = getegid();
	gid_t before = getegid();
	char why[200] = "";
	struct stat st;
	int result;

	if (stat(path, &st) == 0)
		gid = st.st_gid;
	else if (geteuid() == 0 &&
	    role_ids(&p->house, "lookup", &uid, &gid, why, sizeof(why)) < 0)
		return posthouse_fail("srs", "%s", why);
	if (geteuid() == 0 && setegid(gid) < 0)
		return posthouse_fail("srs", "%s", strerror(errno));
	umask(027);
	result = file_replace(path, text, 0640);
	if (result < 0)
		posthouse_fail("srs", "%s: %s", path, strerror(errno));
	if (geteuid() == 0 && setegid(before) < 0)
		return EX_OSERR;
	return result < 0 ? EX_CANTCREAT : 0;
}

static int rotate(struct explanation *x)
{
	struct buf old = buf_new(FILE_MAX), text = buf_new(FILE_MAX);
	char *path = path_of(x);
	int status = EX_CONFIG;

	if (path == NULL) {
		posthouse_fail("srs", "srs_secrets_file is not known");
	} else if (file_read(path, &old) < 0 && errno != ENOENT) {
		status = EX_NOINPUT;
		posthouse_fail("srs", "%s: %s", path, strerror(errno));
	} else {
		secrets_compose(buf_str(&old), &text);
		status = text.overflow
		    ? posthouse_fail("srs", "%s: too long", path)
		    : replace(x->p, path, buf_str(&text));
	}
	if (status == 0)
		printf("%s: a new secret signs; %zu %s believed. It counts "
		       "within a second.\n",
		    path, secrets_count(buf_str(&text)),
		    secrets_count(buf_str(&text)) == 1 ? "is" : "are");
	mem_wipe(old.p, old.len);
	mem_wipe(text.p, text.len);
	buf_free(&old);
	buf_free(&text);
	free(path);
	return status;
}

int cmd_srs(struct posthouse *p, int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct explanation x;
	int status = EX_CONFIG;

	if (strcmp(verb, "rotate") == 0 ? argc != 2 : argc != 3)
		return posthouse_usage("srs");
	if (argc == 3 && strlen(argv[2]) > ADDRESS_MAX)
		return posthouse_usage("srs");
	if (explanation_open(&x, p, "srs") == 0) {
		if (strcmp(verb, "forward") == 0)
			status = forward(&x, str_from(argv[2]));
		else if (strcmp(verb, "reverse") == 0 && argv[2][0] != '\0')
			status = reverse(&x, str_from(argv[2]));
		else if (strcmp(verb, "rotate") == 0)
			status = rotate(&x);
		else
			status = posthouse_usage("srs");
	}
	explanation_close(&x);
	return status;
}
