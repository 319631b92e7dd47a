/* SPDX-License-Identifier: ISC */
#include "posthouse/commands.h"

/* clang-format off */
const struct command_row commands[] = {
	{"init",    cmd_init,    "init DIR [--domain D] [--users N] "
	 "[--password P] [--port-base B] [--host H] [--set NAME=VALUE]...",
	 "make a complete private instance below DIR"},
	{"start",   cmd_start,   "start [--foreground]", "start the suite"},
	{"stop",    cmd_stop,    "stop", "let everybody finish, then stop"},
	{"reload",  cmd_reload,  "reload",
	 "check the configuration, then use it"},
	{"upgrade", cmd_upgrade, "upgrade",
	 "the installed programs take over from those that run"},
	{"status",  cmd_status,  "status [--security]",
	 "what runs, and how busy it is"},
	{"check",   cmd_check,   "check",
	 "what is wrong: configuration, tables, folders, ports, DNS, keys"},
	{"conf",    cmd_conf,    "conf list|get NAME|explain NAME|"
	 "set [SERVICE/TYPE] NAME=VALUE... [--reload]|"
	 "unset [SERVICE/TYPE] NAME... [--reload]|"
	 "diff [--running|--against DIR]|check|import [DIR] [--write DIR]",
	 "parameters of main.cf and services"},
	{"service", cmd_service, "service list|status NAME|stop NAME|"
	 "start NAME|restart NAME|drain NAME|limit NAME N",
	 "one service alone"},
	{"who",     cmd_who,     "who [--user USER] [--client ADDRESS] "
	 "[--protocol NAME]", "the sessions that are open now"},
	{"penalty", cmd_penalty, "penalty list [ADDRESS|USER] [--all]|"
	 "clear ADDRESS|USER|ALL [--all]",
	 "what is remembered of failed logins, rates and strangers"},
	{"greylist", cmd_greylist, "greylist list [KEY] | show KEY | "
	 "allow CLIENT [--for TIME] | forget KEY|ALL [--all]; KEY: ADDRESS, "
	 "NETWORK, SENDER, RECIPIENT or DOMAIN",
	 "who has to come back, who has, and who need not"},
	{"auth",    cmd_auth,    "auth test USER [--mechanism M] "
	 "[--service S] [--from ADDRESS] [--no-tls]",
	 "try a password, without a session"},
	{"debug",   cmd_debug,   "debug USER|ADDRESS [--for TIME] | debug off",
	 "what a user's or a client's sessions say, in a file, for a time"},
	{"kick",    cmd_kick,    "kick USER|ADDRESS [--protocol NAME]",
	 "end the sessions of a user or a client"},
	{"queue",   cmd_queue,   "queue list|count|summary [FILTER]... | "
	 "show ID [--body] | why ID|ADDRESS|DOMAIN|FILTER... | "
	 "hold|release|delete|flush|bounce ID|FILTER...|ALL [--dry-run]; "
	 "FILTER: --sender A, --recipient A, --domain D, --nexthop N, "
	 "--transport T, --state S, --reason TEXT, --older TIME, "
	 "--younger TIME, --size [-]N", "the messages that wait, and why"},
	{"user",    cmd_user,    "user list|add|delete|passwd|set|show ...",
	 "mailboxes and passwords"},
	{"domain",  cmd_domain,  "domain list|add|delete ...",
	 "the domains that are ours"},
	{"alias",   cmd_alias,   "alias list|add|delete ...",
	 "addresses that lead to others"},
	{"dkim",    cmd_dkim,    "dkim list [DOMAIN] | "
	 "new DOMAIN [--selector S] [--type rsa|ed25519|both] [--bits N] "
	 "[--file PEM] | publish DOMAIN [SELECTOR] | test [DOMAIN [SELECTOR]] "
	 "| activate DOMAIN [SELECTOR] [--force] | "
	 "retire DOMAIN SELECTOR [--force] | remove DOMAIN SELECTOR",
	 "the keys that mail is signed with: make, publish, change"},
	{"dns",     cmd_dns,     "dns [DOMAIN [--check|--zone]] "
	 "[--address ADDRESS]...",
	 "the records that a domain needs, and what of them is published"},
	{"store",   cmd_store,   "store stat|check|repair|rebuild|undelete|restore|"
	 "backup|upkeep ...", "the mailboxes: look, mend, bring back, copy"},
	{"srs",     cmd_srs,     "srs forward|reverse ADDRESS | srs rotate",
	 "senders of what aliases send on: rewritten, and back"},
	{"trace",   cmd_trace,   "trace ID|MESSAGE-ID|ADDRESS|@DOMAIN|CLIENT "
	 "[--since T] [--until T] [--limit N] [--follow]",
	 "the way of a message, hop by hop, and where it waited"},
	{"report",  cmd_report,  "report list|summary [--domain D] [--since T] "
	 "[--until T] [--kind dmarc|tls|arf|unreadable] [--limit N] | show KEY | pending [DOMAIN] | "
	 "send [DOMAIN | --now DOMAIN]",
	 "what others report about our mail, and what we report to them"},
	{"stats",   cmd_stats,   "stats [--interval SECONDS] | stats --list",
	 "the figures of the house, and what they mean"},
	{"route",   cmd_route,   "route [--steps] ADDRESS",
	 "where mail for an address would go, and which line says so"},
	{"explain", cmd_explain, "explain --client IP[,NAME] [--helo NAME] "
	 "[--auth LOGIN] [--tls] --from SENDER [--author FROM] "
	 "--rcpt RECIPIENT... [--size OCTETS] [--service smtp|submission|submissions|lmtp]",
	 "what a client would hear, and which rule decides"},
	{"top",     cmd_top,     "top [--once]", "the house at work, live"},
	{NULL, NULL, NULL, NULL},
};
/* clang-format on */
