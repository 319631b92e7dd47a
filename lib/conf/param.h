/* SPDX-License-Identifier: ISC */
/*
 * Parameters: each is one row in a table beside the daemon that uses it.
 *
 * A file X_conf.c defines `const struct conf_param X_params[]` and its header
 * X_conf.h the struct that the values land in. The build collects every
 * *_conf.c of lib/ and the daemons into one registry (conf/registry.h), from
 * which master and `posthouse conf` check, list and explain. The same table
 * fills the daemon's struct.
 *
 *	struct smtpd_conf {
 *		int smtpd_hard_error_limit;
 *		int64_t smtpd_timeout;      // milliseconds
 *	};
 *	#define P(kind, name, ...) CONF_##kind(struct smtpd_conf, name, __VA_ARGS__)
 *	const struct conf_param smtpd_params[] = {
 *		P(INT,  smtpd_hard_error_limit, "20",   1, 1000, "Errors ..."),
 *		P(TIME, smtpd_timeout,          "300s", 1, 3600, "How long ..."),
 *		CONF_END
 *	};
 *
 * A parameter that several daemons use stands in lib/daemon/house_conf.c.
 */
#ifndef CONF_PARAM_H
#define CONF_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum conf_kind {
	CONF_KIND_TEXT,  /* const char *, never NULL */
	CONF_KIND_INT,   /* int */
	CONF_KIND_BOOL,  /* bool: yes or no */
	CONF_KIND_TIME,  /* int64_t, milliseconds; least and most in seconds;
	                   * written "300s", "5m", "1h", "5d", "2w", "100ms";
	                   * a bare number is seconds */
	CONF_KIND_SIZE,  /* uint64_t, octets; written 1000, 10K, 50M, 2G */
	CONF_KIND_CHOICE /* int: the index in choices */
};

struct buf;

struct conf_param {
	const char *name;
	enum conf_kind kind;
	size_t offset;
	const char *fallback; /* the default, as one would write it; may
	                       * contain $name */
	int64_t least, most;  /* TEXT: octets */
	const char *const *choices;
	const char *help; /* one or two sentences */
	/* TEXT: 0, or -1 with the reason; NULL: any text will do */
	int (*form)(const char *value, struct buf *why);
};

/* clang-format off */
#define CONF_MEMBER(type, member, ctype)                                  \
	(offsetof(type, member) +                                         \
	    0 * sizeof((ctype *)0 == &((type *)0)->member))
#define CONF_TEXT(type, member, fallback, least, most, help)              \
	{#member, CONF_KIND_TEXT, CONF_MEMBER(type, member, const char *), \
	    fallback, least, most, NULL, help, NULL}
/* Text of a form (daemon/forms.h). */
#define CONF_FORM(type, member, form, fallback, least, most, help)        \
	{#member, CONF_KIND_TEXT, CONF_MEMBER(type, member, const char *), \
	    fallback, least, most, NULL, help, form}
#define CONF_INT(type, member, fallback, least, most, help)               \
	{#member, CONF_KIND_INT, CONF_MEMBER(type, member, int), fallback, \
	    least, most, NULL, help, NULL}
#define CONF_BOOL(type, member, fallback, help)                           \
	{#member, CONF_KIND_BOOL, CONF_MEMBER(type, member, bool),        \
	    fallback, 0, 1, NULL, help, NULL}
#define CONF_TIME(type, member, fallback, least, most, help)              \
	{#member, CONF_KIND_TIME, CONF_MEMBER(type, member, int64_t),     \
	    fallback, least, most, NULL, help, NULL}
#define CONF_SIZE(type, member, fallback, least, most, help)              \
	{#member, CONF_KIND_SIZE, CONF_MEMBER(type, member, uint64_t),    \
	    fallback, least, most, NULL, help, NULL}
#define CONF_CHOICE(type, member, fallback, choices, help)                \
	{#member, CONF_KIND_CHOICE, CONF_MEMBER(type, member, int),       \
	    fallback, 0, 0, choices, help, NULL}
#define CONF_END                                                          \
	{NULL, CONF_KIND_TEXT, 0, NULL, 0, 0, NULL, NULL, NULL}
/* clang-format on */

#endif
