/* SPDX-License-Identifier: ISC */
/*
 * Any address, and any table entry: the first line is an address, the rest
 * becomes the targets of one alias and the settings of one mailbox. What an
 * answer must keep to holds whatever they are.
 */
#include <stdlib.h>

#include "core/log.h"
#include "lookup/directory.h"

/* clang-format off */
static struct lookup_conf conf = {
	.mail_domain_maps = "inline:{ a.test=mailbox b.test=alias "
	    "{ c.test = relay } }",
	.alias_maps = "inline:{ team=sam }",
	.relay_recipient_maps = "",
	.local_recipient_maps = "inline:{ x@a.test= }",
	.recipient_delimiter = "+",
	.postmaster_recipient = "u@a.test",
	.virtual_alias_recursion_limit = 5,
	.virtual_alias_expansion_limit = 8,
	.propagate_unmatched_extensions = true,
	.virtual_transport = "local",
	.local_transport = "local",
	.relay_transport = "smtp",
	.default_transport = "smtp",
	.transport_maps = "",
	.relayhost = "",
	.srs_domain = "a.test",
	.srs_exclude_domains = "",
	.smtpd_sender_login_maps = "",
};
/* clang-format on */

/* Every step fits its message. */
static void told(void *arg, const struct explain_step *step)
{
	struct buf line = buf_new(IPC_LINE_MAX);

	if (ipc_encode(&line, &explain_step, step) < 0)
		abort();
	++*(size_t *)arg;
	buf_free(&line);
}

/* Who is told why hears the same answer. */
static void check_why(struct directory *d, struct str address)
{
	struct lookup_resolved quiet = {0}, r = {0};
	struct expansion e;
	size_t steps = 0;
	struct explain explain = {told, &steps, "lookup"};

	directory_resolve(d, address, &quiet);
	d->explain = &explain;
	directory_resolve(d, address, &r);
	if (r.status != quiet.status || r.code != quiet.code ||
	    r.domain != quiet.domain || r.is_alias != quiet.is_alias)
		abort();
	if (r.status == RESOLVE_OK && steps == 0)
		abort();
	directory_expand(d, address, &e);
	directory_owns(d, STR("u@a.test"), address);
	d->explain = NULL;
}

static void check(struct directory *d, struct str address)
{
	struct lookup_resolved r = {0};
	struct expansion e;
	struct settings s;

	directory_resolve(d, address, &r);
	if ((r.status == RESOLVE_OK) != (r.code == 0))
		abort();
	if (r.status == RESOLVE_OK &&
	    (r.transport.len == 0 || r.nexthop.len == 0))
		abort();
	if (r.text.len > 500 || r.dsn.len > 11)
		abort();
	directory_expand(d, address, &e);
	if (e.status == RESOLVE_OK && (e.count == 0 || e.count > 8))
		abort();
	/* Everybody owns his own address. */
	if (directory_owns(d, STR("u@a.test"), STR("U+x@a.test")) != RESOLVE_OK)
		abort();
	directory_settings(d, address, &s);
	check_why(d, address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tables tables = tables_new("/nowhere");
	struct directory d = {.conf = &conf,
	    .myorigin = "a.test",
	    .tables = &tables,
	    .arena = arena_new(DIRECTORY_ARENA_MAX)};
	struct buf aliases = buf_new(1 << 20), users = buf_new(1 << 20);
	struct str rest = str_of(data, len);
	struct str address = str_cut(&rest, '\n');

	log_set_level(LOG_LEVEL_FATAL);
	if (str_find(rest, '{') < rest.len || str_find(rest, '}') < rest.len)
		return 0; /* another table, not another entry */
	buf_printf(&aliases, "inline:{ {i@a.test = %.*s} @b.test=@a.test }",
	    STR_FMT(rest));
	buf_printf(
	    &users, "inline:{ u@a.test= {v@a.test = %.*s} }", STR_FMT(rest));
	conf.virtual_alias_maps = buf_text(&aliases);
	conf.virtual_mailbox_maps = buf_text(&users);
	check(&d, address);
	check(&d, STR("i+x@a.test"));
	check(&d, STR("v@a.test"));
	check(&d, STR("i@b.test"));
	arena_free(&d.arena);
	tables_free(&tables);
	buf_free(&aliases);
	buf_free(&users);
	return 0;
}
