/* SPDX-License-Identifier: ISC */
/*
 * smtpd -> reportd: what a receiver saw of one message, for the aggregate
 * reports of DMARC (RFC 9990).
 *
 * `row` is one-way: it is not answered, and who sends it waits for nothing. A
 * row that does not go out at once is dropped and counted by its sender; mail
 * goes on. So a lost connection means lost rows and no more.
 *
 * The operator (posthouse report; root, or reportd's own user) asks on the
 * same socket. `pending` is answered by a `period` for each report that is
 * not finished, and `end`; `send` by a `sent` for each message that was tried,
 * and `end`.
 */
#ifndef IPC_REPORT_H
#define IPC_REPORT_H

#include "ipc/ipc.h"

#define REPORT_RECORD_MAX 4096 /* octets of a policy record */
#define REPORT_DKIM_MAX   4096

/* The names of RFC 9990, which are those of its schema. */
enum report_spf {
	REPORT_SPF_NONE,
	REPORT_SPF_NEUTRAL,
	REPORT_SPF_PASS,
	REPORT_SPF_FAIL,
	REPORT_SPF_SOFTFAIL,
	REPORT_SPF_TEMPERROR,
	REPORT_SPF_PERMERROR
};
extern const char *const report_spf_names[];

/* What became of the message: section 3.1.1.9. */
enum report_disposition {
	REPORT_NO_ACTION, /* "none" */
	REPORT_PASS,      /* DMARC passed, and the policy asks for action */
	REPORT_QUARANTINE,
	REPORT_REJECT
};
extern const char *const report_disposition_names[];

/* Why the disposition is not what the policy asks for: section 3.1.6. */
enum report_reason {
	REPORT_AS_ASKED,
	REPORT_LOCAL_POLICY,
	REPORT_MAILING_LIST,
	REPORT_OTHER,
	REPORT_TEST_MODE,
	REPORT_TRUSTED_FORWARDER
};
extern const char *const report_reason_names[];

/* How the policy record was found. */
enum report_discovery { REPORT_TREEWALK, REPORT_PSL };
extern const char *const report_discovery_names[];

struct report_row {
	struct str client_address;
	struct str author;        /* domain of From */
	struct str policy_domain; /* where the record stands */
	struct str record;        /* its text */
	int discovery;            /* enum report_discovery */
	struct str envelope_from; /* domain of MAIL; "": the null sender */
	struct str spf_domain;    /* that SPF was asked for; "": it was not */
	int spf;                  /* enum report_spf */
	/* A line "result domain selector LF" for each signature, those that
	 * count most first; see report_dkim_next. */
	struct str dkim;
	bool spf_aligned, dkim_aligned; /* and passed */
	int disposition;                /* enum report_disposition */
	int reason;                     /* enum report_reason */
	struct str comment;             /* on the reason */
};

/* The next signature of a row's list; false at its end, or where the list is
 * none. */
struct report_signature {
	struct str result, domain, selector;
};
bool report_dkim_next(struct str *list, struct report_signature *out);

struct report_pending {
	struct str domain; /* policy domain, "" for all */
};
struct report_period {
	struct str domain;
	uint64_t begin, end; /* seconds since 1970; end is the next begin */
	uint64_t rows, messages;
	uint64_t left_out; /* messages beyond a limit */
	struct str id;     /* of the report */
	uint64_t attempts;
	uint64_t next;   /* when it is sent; 0: not, see text */
	struct str text; /* what happened last, "" */
};

struct report_send {
	struct str domain; /* "": all whose period is over */
	bool now;          /* the period that is open, too: it ends here */
};
struct report_sent {
	struct str domain;
	struct str id;
	struct str address; /* to whom; "": nobody */
	bool queued;
	struct str queue_id;
	struct str text;
};
struct report_end {
	uint64_t count; /* reports */
};

extern const struct ipc_type report_row, report_pending, report_period,
    report_send, report_sent, report_end;
extern const struct ipc_exchange report_exchange;

#endif
