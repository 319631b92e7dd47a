/* SPDX-License-Identifier: ISC */
#include "daemon/figures.h"

#include <stddef.h>

/* clang-format off */
#define ROW(command, name, kind, metric, label, help, slow)                   \
	{command, name, kind, "posthouse_" metric, label, help, slow}
#define COUNT(command, name, metric, help)                                    \
	ROW(command, name, FIGURE_COUNT, metric "_total", NULL, help, false)
#define COUNT_OF(command, name, metric, label, help)                          \
	ROW(command, name, FIGURE_COUNT, metric "_total", label, help, false)
#define GAUGE(command, name, metric, help)                                    \
	ROW(command, name, FIGURE_GAUGE, metric, NULL, help, false)
#define GAUGE_OF(command, name, metric, label, help)                          \
	ROW(command, name, FIGURE_GAUGE, metric, label, help, false)
#define TIMES(command, name, help)                                            \
	ROW(command, name, FIGURE_TIMES, name "_seconds", NULL, help, false)
#define SLOW_TIMES(command, name, help)                                       \
	ROW(command, name, FIGURE_TIMES, name "_seconds", NULL, help, true)

const struct figure figures[] = {
	/* ---- the house ---- */
	GAUGE("house", "started", "start_time_seconds",
	    "When master was started, since 1970."),
	GAUGE("house", "generation", "configuration_generation",
	    "Grows with each reload."),
	GAUGE("house", "certificate", "certificate_expiry_timestamp_seconds",
	    "When the first certificate of a file that clients are shown ends, "
	    "since 1970; 0: it cannot be read."),

	/* ---- each service, as master sees it ---- */
	GAUGE("", "up", "service_up",
	    "1 when the service runs or waits for its first client, 0 when it "
	    "failed, is throttled, or was stopped."),
	GAUGE("", "throttled", "service_throttled",
	    "1 when its processes fail one after the other, so that master "
	    "waits before the next."),
	GAUGE("", "processes", "service_processes", "Its processes."),
	GAUGE("", "busy", "service_processes_busy",
	    "Of them, those that serve a client now."),
	GAUGE("", "parked", "service_processes_parked",
	    "Of them, those that keep a silent peer's connection, or rest."),
	GAUGE("", "old", "service_processes_old",
	    "Of them, those that finish what they have, for newer ones."),
	GAUGE("", "limit", "service_processes_limit",
	    "How many it may have; 0: no limit."),
	COUNT("", "served", "service_connections",
	    "Connections that it took."),
	COUNT("", "restarts", "service_failures",
	    "Its processes that ended badly."),
	GAUGE(NULL, "stress", "service_stressed",
	    "1 when all its processes were busy while clients waited, within "
	    "service_stress_time."),
	COUNT(NULL, "without_landlock", "service_without_landlock",
	    "Processes that started on a kernel without Landlock."),

	/* ---- how long things take ---- */
	SLOW_TIMES(NULL, "session", "A client's session, or one user's, from the "
	    "first to the last."),
	TIMES(NULL, "sync", "One fsync or fdatasync: of the queue by cleanup, "
	    "of mailboxes by local, imapd, pop3d and keeper."),
	TIMES(NULL, "commit", "From the end of a message's content until "
	    "cleanup answers smtpd: what a client waits after its final dot."),
	TIMES(NULL, "cleanup", "Another answer of cleanup."),
	TIMES(NULL, "lookup", "An answer of lookup."),
	TIMES(NULL, "auth", "An answer of auth; passwords are slow on "
	    "purpose."),
	TIMES(NULL, "policy", "An answer of policyd."),
	TIMES(NULL, "dns", "An answer of DNS, or that there is none."),
	TIMES(NULL, "sign", "Making the signatures of a message (DKIM)."),
	TIMES(NULL, "delivery", "One recipient's attempt, at local or at the "
	    "next host, from qmgr's request on."),
	SLOW_TIMES("qmgr", "queue", "From a message's arrival until a recipient "
	    "has it."),

	/* ---- screen ---- */
	GAUGE("screen", "clients", "screen_clients",
	    "Clients that are being looked at."),
	GAUGE("screen", "waiting for smtpd", "screen_waiting",
	    "Clients that wait for a process of smtpd."),
	COUNT_OF("screen", "passed", "screen_clients_seen",
	    "outcome=\"passed\"", "What became of clients."),
	COUNT_OF("screen", "refused", "screen_clients_seen",
	    "outcome=\"refused\"", NULL),
	COUNT_OF("screen", "dropped", "screen_clients_seen",
	    "outcome=\"dropped\"", NULL),
	COUNT_OF("screen", "hangups", "screen_clients_seen",
	    "outcome=\"hung up\"", NULL),
	COUNT_OF("screen", "turned away", "screen_clients_seen",
	    "outcome=\"turned away\"", NULL),
	COUNT_OF("screen", "unserved", "screen_clients_seen",
	    "outcome=\"unserved\"", NULL),
	COUNT_OF("screen", "crowded out", "screen_clients_seen",
	    "outcome=\"crowded out\"", NULL),
	COUNT_OF("screen", "without PROXY header", "screen_clients_seen",
	    "outcome=\"without PROXY header\"", NULL),
	COUNT("screen", "early talkers", "screen_early_talkers",
	    "Clients that spoke before their turn."),
	COUNT("screen", "recipients refused", "screen_recipients_refused",
	    "Recipients that refused clients named."),

	/* ---- smtpd ---- */
	COUNT("smtpd", "sessions", "smtpd_sessions",
	    "Sessions that were begun."),
	COUNT("smtpd", "accepted", "smtpd_messages_accepted",
	    "Messages that cleanup took."),
	COUNT("smtpd", "rejected", "smtpd_rejected",
	    "Commands, recipients and messages that were refused."),
	COUNT("smtpd", "logins", "smtpd_logins", "Logins that succeeded."),
	COUNT("smtpd", "logins_failed", "smtpd_logins_failed",
	    "Logins that failed."),
	COUNT("smtpd", "report_rows_lost", "smtpd_report_rows_lost",
	    "Messages that DMARC's reports will not count, as reportd did not "
	    "take them."),
	COUNT_OF("smtpd", "spf_none", "smtpd_spf",
	    "result=\"none\"", "Messages that were checked, by the result of SPF."),
	COUNT_OF("smtpd", "spf_neutral", "smtpd_spf",
	    "result=\"neutral\"", NULL),
	COUNT_OF("smtpd", "spf_pass", "smtpd_spf",
	    "result=\"pass\"", NULL),
	COUNT_OF("smtpd", "spf_fail", "smtpd_spf",
	    "result=\"fail\"", NULL),
	COUNT_OF("smtpd", "spf_softfail", "smtpd_spf",
	    "result=\"softfail\"", NULL),
	COUNT_OF("smtpd", "spf_temperror", "smtpd_spf",
	    "result=\"temperror\"", NULL),
	COUNT_OF("smtpd", "spf_permerror", "smtpd_spf",
	    "result=\"permerror\"", NULL),
	COUNT_OF("smtpd", "spf_refused", "smtpd_spf_actions",
	    "action=\"refused\"", "Messages that SPF alone decided about at RCPT (spf_fail_action and the others)."),
	COUNT_OF("smtpd", "spf_put_off", "smtpd_spf_actions",
	    "action=\"put off\"", NULL),
	COUNT_OF("smtpd", "spf_delayed", "smtpd_spf_actions",
	    "action=\"delayed\"", NULL),
	COUNT("smtpd", "greylisted", "smtpd_greylisted",
	    "Recipients that were put off, as a stranger is asked to come back."),
	COUNT("smtpd", "greylist_unanswered", "smtpd_greylist_unanswered",
	    "Recipients that were let through as policyd did not answer."),
	COUNT_OF("smtpd", "dkim_none", "smtpd_dkim",
	    "result=\"none\"", "Signatures that were checked, by their result; none: a message has none."),
	COUNT_OF("smtpd", "dkim_pass", "smtpd_dkim",
	    "result=\"pass\"", NULL),
	COUNT_OF("smtpd", "dkim_fail", "smtpd_dkim",
	    "result=\"fail\"", NULL),
	COUNT_OF("smtpd", "dkim_policy", "smtpd_dkim",
	    "result=\"policy\"", NULL),
	COUNT_OF("smtpd", "dkim_neutral", "smtpd_dkim",
	    "result=\"neutral\"", NULL),
	COUNT_OF("smtpd", "dkim_temperror", "smtpd_dkim",
	    "result=\"temperror\"", NULL),
	COUNT_OF("smtpd", "dkim_permerror", "smtpd_dkim",
	    "result=\"permerror\"", NULL),
	COUNT_OF("smtpd", "arc_none", "smtpd_arc",
	    "result=\"none\"", "Messages that were checked, by the state of their chain."),
	COUNT_OF("smtpd", "arc_pass", "smtpd_arc",
	    "result=\"pass\"", NULL),
	COUNT_OF("smtpd", "arc_fail", "smtpd_arc",
	    "result=\"fail\"", NULL),
	COUNT_OF("smtpd", "dmarc_none", "smtpd_dmarc",
	    "result=\"none\"", "Messages that were checked, by the result of DMARC."),
	COUNT_OF("smtpd", "dmarc_pass", "smtpd_dmarc",
	    "result=\"pass\"", NULL),
	COUNT_OF("smtpd", "dmarc_fail", "smtpd_dmarc",
	    "result=\"fail\"", NULL),
	COUNT_OF("smtpd", "dmarc_temperror", "smtpd_dmarc",
	    "result=\"temperror\"", NULL),
	COUNT_OF("smtpd", "verdict_junk", "smtpd_verdicts",
	    "disposition=\"junk\"", "Messages that did not go on as they came, for where they come from."),
	COUNT_OF("smtpd", "verdict_reject", "smtpd_verdicts",
	    "disposition=\"reject\"", NULL),
	COUNT_OF("smtpd", "verdict_defer", "smtpd_verdicts",
	    "disposition=\"defer\"", NULL),

	/* ---- pickup ---- */
	COUNT("pickup", "accepted", "pickup_messages_accepted",
	    "Messages of local users that cleanup took."),
	COUNT("pickup", "refused", "pickup_messages_refused",
	    "Messages of local users that were refused."),
	COUNT("pickup", "dropped", "pickup_messages_dropped",
	    "Messages that came through the drop folder."),
	COUNT("pickup", "set_aside", "pickup_messages_set_aside",
	    "Files of the drop folder that were set aside."),
	COUNT("pickup", "closed", "pickup_connections_closed",
	    "Connections of local users for which there was no room."),

	/* ---- cleanup ---- */
	COUNT("cleanup", "accepted", "cleanup_messages_accepted",
	    "Messages that were accepted for good."),
	COUNT("cleanup", "refused", "cleanup_messages_refused",
	    "Messages that were refused."),
	COUNT("cleanup", "below_floor", "cleanup_below_floor",
	    "Times that mail was refused because less space or inodes than "
	    "queue_minfree and queue_minfree_inodes are free."),
	COUNT("cleanup", "slowed", "cleanup_slowed",
	    "Messages that waited for in_flow_delay."),
	COUNT("cleanup", "signed", "cleanup_messages_signed",
	    "Messages of ours that were signed (DKIM)."),
	COUNT("cleanup", "unsigned", "cleanup_messages_unsigned",
	    "Messages of ours that were not: their domain has no active key."),
	COUNT("cleanup", "converted", "cleanup_messages_converted",
	    "Messages that were brought to 7 bits before they were signed."),
	COUNT("cleanup", "left_8bit", "cleanup_messages_left_8bit",
	    "Messages that should have been and were not, or not all of them."),
	COUNT("cleanup", "sealed", "cleanup_messages_sealed",
	    "Messages that were sent on with a seal (ARC)."),
	COUNT("cleanup", "signing_failed", "cleanup_signing_failed",
	    "Messages that could not be signed with every key they should be "
	    "signed with."),
	GAUGE("cleanup", "unclaimed", "cleanup_messages_unclaimed",
	    "Messages that were queued while qmgr was away."),
	COUNT("cleanup", "cut_through", "cleanup_cut_through_delivered",
	    "Messages that were delivered before they were queued."),
	COUNT("cleanup", "cut_through_refused", "cleanup_cut_through_refused",
	    "Messages that the mailbox refused in the session."),
	COUNT("cleanup", "cut_through_declined",
	    "cleanup_cut_through_declined",
	    "Messages that were offered for it and queued."),
	COUNT("cleanup", "cut_through_unanswered",
	    "cleanup_cut_through_unanswered",
	    "Offers that qmgr did not answer in time."),

	/* ---- qmgr ---- */
	GAUGE("qmgr", "messages", "queue_messages", "Messages in the queue."),
	GAUGE_OF("qmgr", "messages_new", "queue_messages_by_state",
	    "state=\"new\"", "Messages in the queue, by state: in line for the "
	    "first attempt, being delivered, to be tried again later."),
	GAUGE_OF("qmgr", "messages_active", "queue_messages_by_state",
	    "state=\"active\"", NULL),
	GAUGE_OF("qmgr", "messages_deferred", "queue_messages_by_state",
	    "state=\"deferred\"", NULL),
	GAUGE("qmgr", "octets", "queue_bytes",
	    "Size of the messages in the queue."),
	GAUGE("qmgr", "oldest_arrived", "queue_oldest_timestamp_seconds",
	    "When the oldest message of the queue arrived, since 1970; 0: the "
	    "queue is empty."),
	GAUGE("qmgr", "recipients", "queue_recipients",
	    "Recipients that have not got their message."),
	GAUGE("qmgr", "recipients_held", "queue_recipients_held",
	    "Of them, those on hold."),
	GAUGE_OF("qmgr", "deferred_address", "queue_recipients_deferred",
	    "reason=\"address\"", "Recipients that wait for another attempt, "
	    "by the subject of the status code of the last (RFC 3463)."),
	GAUGE_OF("qmgr", "deferred_mailbox", "queue_recipients_deferred",
	    "reason=\"mailbox\"", NULL),
	GAUGE_OF("qmgr", "deferred_system", "queue_recipients_deferred",
	    "reason=\"system\"", NULL),
	GAUGE_OF("qmgr", "deferred_network", "queue_recipients_deferred",
	    "reason=\"network\"", NULL),
	GAUGE_OF("qmgr", "deferred_protocol", "queue_recipients_deferred",
	    "reason=\"protocol\"", NULL),
	GAUGE_OF("qmgr", "deferred_content", "queue_recipients_deferred",
	    "reason=\"content\"", NULL),
	GAUGE_OF("qmgr", "deferred_policy", "queue_recipients_deferred",
	    "reason=\"policy\"", NULL),
	GAUGE_OF("qmgr", "deferred_other", "queue_recipients_deferred",
	    "reason=\"other\"", NULL),
	GAUGE("qmgr", "backlog_destinations", "queue_backlog_destinations",
	    "Destinations whose mail makes no progress."),
	GAUGE("qmgr", "backlog_recipients", "queue_backlog_recipients",
	    "Recipients that wait for them."),
	GAUGE("qmgr", "backlog_oldest_seconds", "queue_backlog_oldest_seconds",
	    "How long the worst of them has made none."),
	COUNT_OF("qmgr", "delivered", "queue_outcomes",
	    "outcome=\"delivered\"", "What became of recipients' attempts."),
	COUNT_OF("qmgr", "deferred", "queue_outcomes",
	    "outcome=\"deferred\"", NULL),
	COUNT_OF("qmgr", "failed", "queue_outcomes",
	    "outcome=\"failed\"", NULL),
	COUNT("qmgr", "expired", "queue_expired",
	    "Recipients that were given up for their age."),
	COUNT_OF("qmgr", "cut_through_done", "queue_cut_through",
	    "verdict=\"done\"", "Messages that were offered before they were "
	    "queued, by what qmgr said; the others were queued."),
	COUNT_OF("qmgr", "cut_through_refused", "queue_cut_through",
	    "verdict=\"refused\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_mixed", "queue_cut_through",
	    "verdict=\"mixed\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_lost", "queue_cut_through",
	    "verdict=\"lost\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_not_ready", "queue_cut_through",
	    "verdict=\"not ready\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_load", "queue_cut_through",
	    "verdict=\"load\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_known", "queue_cut_through",
	    "verdict=\"known\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_unreadable", "queue_cut_through",
	    "verdict=\"unreadable\"", NULL),
	COUNT_OF("qmgr", "cut_through_commit_late", "queue_cut_through",
	    "verdict=\"late\"", NULL),

	/* ---- who delivers ---- */
	COUNT_OF("local", "sent", "local_recipients",
	    "outcome=\"delivered\"", "Recipients, by what became of them."),
	COUNT_OF("local", "deferred", "local_recipients",
	    "outcome=\"deferred\"", NULL),
	COUNT_OF("local", "bounced", "local_recipients",
	    "outcome=\"failed\"", NULL),
	COUNT_OF("smtp", "sent", "smtp_recipients",
	    "outcome=\"delivered\"", "Recipients, by what became of them."),
	COUNT_OF("smtp", "deferred", "smtp_recipients",
	    "outcome=\"deferred\"", NULL),
	COUNT_OF("smtp", "bounced", "smtp_recipients",
	    "outcome=\"failed\"", NULL),
	COUNT("bounce", "notifications", "bounce_notifications",
	    "Delivery status notifications that were queued."),
	COUNT("bounce", "deferred", "bounce_deferred",
	    "Notifications that could not be queued now."),
	COUNT("bounce", "dropped", "bounce_dropped",
	    "Notifications that were refused for good."),

	/* ---- who answers ---- */
	COUNT("lookup", "questions", "lookup_questions",
	    "Questions that were answered."),
	COUNT("policyd", "questions", "policyd_questions",
	    "Questions that were answered."),
	COUNT_OF("policyd", "greylist_new", "greylist_questions",
	    "answer=\"new\"", "Recipients that smtpd asked about, by the answer: new and early are put off, passed came back in time, known did so before, client and allowed need not, uninvited has nothing against it."),
	COUNT_OF("policyd", "greylist_early", "greylist_questions",
	    "answer=\"early\"", NULL),
	COUNT_OF("policyd", "greylist_passed", "greylist_questions",
	    "answer=\"passed\"", NULL),
	COUNT_OF("policyd", "greylist_known", "greylist_questions",
	    "answer=\"known\"", NULL),
	COUNT_OF("policyd", "greylist_client", "greylist_questions",
	    "answer=\"client\"", NULL),
	COUNT_OF("policyd", "greylist_allowed", "greylist_questions",
	    "answer=\"allowed\"", NULL),
	COUNT_OF("policyd", "greylist_uninvited", "greylist_questions",
	    "answer=\"uninvited\"", NULL),
	GAUGE_OF("policyd", "greylist_entries_waiting", "greylist_entries",
	    "kind=\"waiting\"", "What is remembered of strangers: first attempts that wait for the second, what has passed with the clients that have, and clients that the operator allowed."),
	GAUGE_OF("policyd", "greylist_entries_passed", "greylist_entries",
	    "kind=\"passed\"", NULL),
	GAUGE_OF("policyd", "greylist_entries_allowed", "greylist_entries",
	    "kind=\"allowed\"", NULL),
	GAUGE("policyd", "greylist_unsaved", "greylist_unsaved",
	    "Changes of it that are in memory alone; for more than seconds only when the database fails."),
	COUNT("auth", "logins", "auth_logins", "Logins that succeeded."),
	COUNT("auth", "failures", "auth_failures", "Logins that failed."),
	COUNT("auth", "resumed", "auth_resumed",
	    "Parked sessions that went on."),
	COUNT("auth", "not resumed", "auth_not_resumed",
	    "Parked sessions that had to end."),

	/* ---- retrieval ---- */
	COUNT("login", "logins", "login_logins", "Logins that succeeded."),
	COUNT("login", "logins refused", "login_logins_refused",
	    "Logins that failed."),
	COUNT("login", "logins begun again", "login_logins_begun_again",
	    "Logins that went on at the next process of auth."),
	COUNT("login", "without PROXY header", "login_without_proxy_header",
	    "Connections that came without the header that haproxy_* wants."),
	COUNT("login", "wake-ups", "login_wake_ups",
	    "Times that something was written for a parked session."),
	COUNT("login", "parkings", "login_parkings",
	    "Times that a silent client's session was parked."),
	GAUGE("login", "parked", "login_clients_parked",
	    "Silent clients that have no process."),
	COUNT("imapd", "sessions", "imapd_sessions",
	    "Sessions that were begun."),
	COUNT("imapd", "resumed", "imapd_resumed",
	    "Parked sessions that went on."),
	COUNT("imapd", "commands", "imapd_commands", "Commands."),
	COUNT("imapd", "parked", "imapd_parked",
	    "Sessions that ended because their client was parked."),
	COUNT("pop3d", "sessions", "pop3d_sessions",
	    "Sessions that were begun."),

	/* ---- the store's background work ---- */
	COUNT("keeper", "accounts_walked", "keeper_accounts_walked",
	    "Accounts that were looked at."),
	GAUGE("keeper", "walk_percent", "keeper_walk_percent",
	    "How far the walk over all accounts is."),
	COUNT("keeper", "hints", "keeper_hints",
	    "Accounts of which others said that there is work."),
	COUNT("keeper", "snapshots", "keeper_snapshots",
	    "Snapshots that were written."),
	COUNT("keeper", "expired", "keeper_messages_expired",
	    "Messages that were removed for their age."),
	COUNT("keeper", "erased", "keeper_messages_erased",
	    "Expunged messages whose content was erased."),
	COUNT("keeper", "erased_octets", "keeper_erased_bytes",
	    "Octets of them."),
	COUNT("keeper", "generations_dropped", "keeper_generations_dropped",
	    "Old generations of logs that were removed."),
	COUNT("keeper", "orphans", "keeper_orphans",
	    "Files of failed deliveries that were removed."),
	COUNT("keeper", "damaged", "keeper_accounts_damaged",
	    "Times that an account was found damaged."),
	COUNT("keeper", "failed", "keeper_failed",
	    "Times that work on an account failed."),
	GAUGE("keeper", "octets_per_second", "keeper_bytes_per_second",
	    "What it reads and writes now."),
	GAUGE("keeper", "reserve_octets", "keeper_reserve_bytes",
	    "Size of the reserve for a full disk."),

	/* ---- the log ---- */
	COUNT("logd", "lines", "log_lines", "Lines of the log."),
	COUNT("logd", "protocol lines", "log_protocol_lines",
	    "Lines of posthouse debug, in files of their own."),
	COUNT("logd", "events", "log_events", "Events of the trace."),
	COUNT("logd", "lost", "log_lines_lost",
	    "Lines and events that daemons could not hand to logd."),
	GAUGE("logd", "lines not taken", "log_lines_not_taken",
	    "Lines that syslogd or the journal did not take."),
	COUNT("logd", "bad", "log_records_bad",
	    "Datagrams that were no records."),

	/* ---- DMARC's reports ---- */
	COUNT("reportd", "rows", "report_rows",
	    "Messages counted for the report of a domain that asks for one."),
	COUNT("reportd", "rows_unasked", "report_rows_unasked",
	    "Messages of domains that publish a policy and ask for no "
	    "report."),
	COUNT("reportd", "rows_refused", "report_rows_refused",
	    "Messages that are missing in a report: a limit was reached, or "
	    "what smtpd said of them was malformed."),
	COUNT("reportd", "rows_lost", "report_rows_lost",
	    "Transactions that could not be written, with the messages in "
	    "them."),
	GAUGE("reportd", "rows_octets", "report_rows_bytes",
	    "Octets of the rows that wait for their report."),
	COUNT("reportd", "reports_sent", "reports_sent",
	    "Aggregate reports that were queued, one for each address."),
	COUNT("reportd", "reports_deferred", "reports_deferred",
	    "Aggregate reports that could not be queued and are tried "
	    "again."),
	COUNT("reportd", "reports_dropped", "reports_dropped",
	    "Aggregate reports that nobody was sent: no address that may have "
	    "them, or too old."),

	/* ---- reports that others send ---- */
	COUNT_OF("feedback", "feedback_dmarc", "feedback_reports",
	    "kind=\"dmarc\"", "Reports received, by kind."),
	COUNT_OF("feedback", "feedback_tls", "feedback_reports",
	    "kind=\"tls\"", NULL),
	COUNT_OF("feedback", "feedback_arf", "feedback_reports",
	    "kind=\"arf\"", NULL),
	COUNT_OF("feedback", "feedback_unreadable", "feedback_reports",
	    "kind=\"unreadable\"", NULL),
	COUNT("feedback", "feedback_known", "feedback_reports_known",
	    "Reports that had been received before."),
	COUNT("feedback", "feedback_expired", "feedback_files_expired",
	    "Files of received reports that were removed for their age."),
	COUNT("feedback", "feedback_crowded", "feedback_files_crowded",
	    "Files of received reports that were removed for room "
	    "(feedback_storage_limit)."),

	/* ---- the endpoint itself ---- */
	COUNT("exporter", "requests", "exporter_requests",
	    "Requests, those that were refused included."),
	COUNT("exporter", "refused", "exporter_connections_refused",
	    "Connections beyond exporter_client_limit."),
	{NULL, NULL, FIGURE_COUNT, NULL, NULL, NULL, false},
};
/* clang-format on */

const struct figure *figure_find(
    struct str command, struct str name, enum figure_kind kind)
{
	for (const struct figure *f = figures; f->metric != NULL; f++)
		if ((f->command == NULL ||
			str_eq(command, str_from(f->command))) &&
		    str_eq(name, str_from(f->name)) &&
		    (f->kind == FIGURE_TIMES) == (kind == FIGURE_TIMES))
			return f;
	return NULL;
}

const char *figure_kind_name(enum figure_kind kind)
{
	static const char *const names[] = {"counter", "gauge", "histogram"};

	return names[kind];
}
