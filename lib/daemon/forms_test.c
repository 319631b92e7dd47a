/* SPDX-License-Identifier: ISC */
/* Values of text parameters that are refused, and those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>

#include "core/str.h"
#include "daemon/forms.h"

struct row {
	int (*form)(const char *value, struct buf *why);
	const char *value;
	const char *bad; /* the word that is named; NULL: all is well */
};

static const struct row rows[] = {
    {form_networks, "", NULL},
    {form_networks, "10.0.0.0/8, [2001:db8::]/32 !10.1.0.0/16 ::1", NULL},
    {form_networks, "10.0.0.0/8 10.0.0.0/99", "10.0.0.0/99"},
    {form_networks, "mail.example", "mail.example"},
    {form_networks, "cidr:clients", "cidr:clients"},
    {form_networks, "!", "!"},
    {form_networks_and_tables, "!cidr:a 10.0.0.0/8 inline:{ ::1=x }", NULL},
    {form_networks_and_tables, "2001:db8::/32 dead:beef::1", NULL},
    {form_networks_and_tables, "hahs:a", "hahs:a"},
    {form_networks_and_tables, "hash:", "hash:"},
    {form_domains, "a.test, .b.test !c.test", NULL},
    {form_domains, "hash:a", "hash:a"},
    {form_domains_and_tables, "a.test proxy:hash:a pcre:/etc/x", NULL},
    {form_domains_and_tables, "a.test a..test", "a..test"},
    {form_domains_and_tables, "a@b.test", "a@b.test"},
    {form_domains_and_tables, "10.0.0.0/8", "10.0.0.0/8"},
    {form_domains_and_tables, "cdir:x", "cdir:x"},
    {form_domains_and_tables, "10.0.0.1", "10.0.0.1"},
    {form_clients_and_tables, "10.0.0.0/8 !a.test, .b.test hash:c", NULL},
    {form_clients_and_tables, "10.0.0.0/99", "10.0.0.0/99"},
    {form_clients_and_tables, "hahs:c", "hahs:c"},
    {form_clients_and_tables, "a@b.test", "a@b.test"},
    {form_addresses_and_tables, "<> a@b.test !b.test .c.test hash:d", NULL},
    {form_addresses_and_tables, "@b.test", "@b.test"},
    {form_addresses_and_tables, "a@.test", "a@.test"},
    {form_addresses_and_tables, "10.0.0.0/8", "10.0.0.0/8"},
    {form_client, "192.0.2.1", NULL},
    {form_client, "192.0.0.0/16", NULL},
    {form_client, "2001:db8::/32", NULL},
    {form_client, "mail.a.test", NULL},
    {form_client, "", ""},
    {form_client, "300.2.3.4", "300.2.3.4"},
    {form_client, "192.0.2.0/33", "192.0.2.0/33"},
    {form_client, "no such", "no such"},
    {form_client, "!192.0.2.1", "!192.0.2.1"},
    {form_client, ".a.test", ".a.test"},
    {form_client, "hash:a", "hash:a"},
    {form_domain, "", NULL},
    {form_domain, "a.test", NULL},
    {form_domain, ".a.test", ".a.test"},
    {form_domain, "a.test b.test", "a.test b.test"},
    {form_table, "", NULL},
    {form_table, "inline:{ a=b c=d }", NULL},
    {form_table, "signers", "signers"},
    {form_table, "hash:a hash:b", "hash:a hash:b"},
    {form_word, "mx.a.test", NULL},
    {form_word, "mx a", "mx a"},
    {form_word, "mx;a", "mx;a"},
    {form_signed_fields, "From:To, Received", NULL},
    {form_signed_fields, "From To;x", "To;x"},
    {form_signed_fields, "From arc-seal", "arc-seal"},
    {form_oversigned_fields, "From:To, Subject", NULL},
    {form_oversigned_fields, "From Received", "Received"},
    {form_dns_servers, "", NULL},
    {form_dns_servers, "127.0.0.1:5353 [::1]:53, ::1 192.0.2.1", NULL},
    {form_dns_servers, "192.0.2.1 ns.example", "ns.example"},
    {form_dns_servers, "127.0.0.1:99999", "127.0.0.1:99999"},
    {form_dns_servers, ":53", ":53"},
};

static void values(void **state)
{
	char start[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf why = buf_new(1000);
		int result = rows[i].form(rows[i].value, &why);

		if (rows[i].bad == NULL) {
			assert_int_equal(why.len, 0);
			assert_int_equal(result, 0);
		} else {
			snprintf(
			    start, sizeof(start), "\"%s\" is ", rows[i].bad);
			assert_int_equal(result, -1);
			assert_true(str_starts(buf_str(&why), str_from(start)));
		}
		buf_free(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(values)};

	return cmocka_run_group_tests_name("forms", tests, NULL, NULL);
}
