/* SPDX-License-Identifier: ISC */
/*
 * What a text parameter must look like, for rows of parameter tables
 * (CONF_FORM, conf/param.h): so that a wrong value is refused with its line by
 * posthouse conf and check and by reload, and not by a daemon at its start.
 * Each returns 0, or -1 with the reason appended to why.
 */
#ifndef DAEMON_FORMS_H
#define DAEMON_FORMS_H

#include "core/buf.h"

/* Networks as mynetworks has them. */
int form_networks(const char *value, struct buf *why);
/* Networks and tables (conf/listed.h). */
int form_networks_and_tables(const char *value, struct buf *why);
/* Domains, ".example.org" for those below; the second with tables. */
int form_domains(const char *value, struct buf *why);
int form_domains_and_tables(const char *value, struct buf *why);
/* Networks, domains and tables; addresses of envelopes, domains and tables. */
int form_clients_and_tables(const char *value, struct buf *why);
int form_addresses_and_tables(const char *value, struct buf *why);
/* One address, network or domain. */
int form_client(const char *value, struct buf *why);
/* One domain, or nothing. */
int form_domain(const char *value, struct buf *why);
/* One lookup table, or nothing. */
int form_table(const char *value, struct buf *why);
/* A token of MIME: letters, digits, dots and such. */
int form_word(const char *value, struct buf *why);
/* Names of header fields that a signature may cover; and that it may cover
 * once more than they are there. */
int form_signed_fields(const char *value, struct buf *why);
int form_oversigned_fields(const char *value, struct buf *why);
/* Addresses of DNS servers, with ports; or nothing. */
int form_dns_servers(const char *value, struct buf *why);

#endif
