/* SPDX-License-Identifier: ISC */
/* Sessions: greeting, errors, mailboxes, LIST, SELECT, APPEND. */
#include "imapd/testing.h"

/* One line of a script a line; long ones are joined. */
// clang-format off
// NOLINTBEGIN(bugprone-suspicious-missing-comma)

static void greets_and_ends(void **state)
{
	static const char *const script[] = {
	    "1> a CAPABILITY",
	    "1< * CAPABILITY IMAP4rev1 IMAP4rev2 ...",
	    "1< a OK Done",
	    "1> b NOOP\r\nc NAMESPACE\r\nd ID NIL",
	    "1< b OK Done",
	    "1< * NAMESPACE ((\"\" \"/\")) NIL NIL",
	    "1< c OK Done",
	    "1< * ID (\"name\" \"Posthouse\")",
	    "1< d OK Done",
	    "1> e ID (\"name\" \"x\" \"version\" NIL)",
	    "1< * ID (\"name\" \"Posthouse\")",
	    "1< e OK Done",
	    "1> f LOGIN a b",
	    "1< f BAD You are logged in",
	    "1> g ENABLE CONDSTORE X-NONE IMAP4rev2",
	    "1< * ENABLED IMAP4rev2 CONDSTORE",
	    "1< g OK Enabled",
	    "1> h ENABLE CONDSTORE",
	    "1< * ENABLED",
	    "1< h OK Enabled",
	    "1> z LOGOUT",
	    "1< * BYE Goodbye",
	    "1< z OK Logged out",
	    "1< (end)",
	    NULL};

	(void)state;
	play(script);
}

static void says_what_is_wrong(void **state)
{
	static const char *const script[] = {
	    "1> a FETCH 1 FLAGS",
	    "1< a BAD No mailbox is selected",
	    "1> b FOO",
	    "1< b BAD This command is not known",
	    "1> c NOOP",
	    "1< c OK Done",
	    "1> +x NOOP",
	    "1< * BAD The tag is missing or malformed",
	    "1> d NOOP x",
	    "1< d BAD There is too much",
	    "1> e",
	    "1< e BAD A space is missing",
	    "1< * BYE Too many bad commands",
	    "1< (end)",
	    NULL};

	(void)state;
	play(script);
}

static void bounds_commands(void **state)
{
	static char line[9000], script0[9010];
	const char *const script[] = {
	    script0,
	    "1< a BAD [TOOBIG] The command is too long",
	    "1> b NOOP",
	    "1< b OK Done",
	    "1> c LIST \"\" {9000}",
	    "1< c NO [TOOBIG] The command is too long",
	    "1> d LIST \"\" {3}",
	    "1< + Go on",
	    "1> abc",
	    "1< d OK Done",
	    "1> e LIST \"\" {3+}\r\nabc",
	    "1< e OK Done",
	    NULL};

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	snprintf(script0, sizeof(script0), "1> a %s", line);
	play(script);
}

static void keeps_mailboxes(void **state)
{
	static const char *const script[] = {
	    "1> a CREATE Old (USE (\\Archive))",
	    "1< a OK Created",
	    "1> b CREATE Old",
	    "1< b NO [ALREADYEXISTS] The mailbox exists",
	    "1> c CREATE Work/2026/Q1",
	    "1< c OK Created",
	    "1> d CREATE Entw&APw-rfe/",
	    "1< d OK Created",
	    "1> e CREATE inbox",
	    "1< e NO [ALREADYEXISTS] INBOX is always there",
	    "1> f CREATE x (USE (\\What))",
	    "1< f NO [USEATTR] This use is not known",
	    "1> f CREATE x (USE (\\Archive))",
	    "1< f NO [USEATTR] Another mailbox has this use",
	    "1> g CREATE Entw&APw",
	    "1< g BAD The mailbox name is not modified UTF-7",
	    "1> h LIST \"\" *",
	    "1< * LIST (\\HasNoChildren) \"/\" INBOX",
	    "1< * LIST (\\HasNoChildren \\Drafts) \"/\" Drafts",
	    "1< * LIST (\\HasNoChildren) \"/\" Entw&APw-rfe",
	    "1< * LIST (\\HasNoChildren \\Junk) \"/\" Junk",
	    "1< * LIST (\\HasNoChildren \\Archive) \"/\" Old",
	    "1< * LIST (\\HasNoChildren \\Sent) \"/\" Sent",
	    "1< * LIST (\\HasNoChildren \\Trash) \"/\" Trash",
	    "1< * LIST (\\HasChildren) \"/\" Work",
	    "1< * LIST (\\HasChildren) \"/\" Work/2026",
	    "1< * LIST (\\HasNoChildren) \"/\" Work/2026/Q1",
	    "1< h OK Done",
	    "1> i LIST \"\" W%",
	    "1< * LIST (\\HasChildren) \"/\" Work",
	    "1< i OK Done",
	    "1> j RENAME Work Play",
	    "1< j OK Renamed",
	    "1> k LIST Play/ *",
	    "1< * LIST (\\HasChildren) \"/\" Play/2026",
	    "1< * LIST (\\HasNoChildren) \"/\" Play/2026/Q1",
	    "1< k OK Done",
	    "1> l DELETE Nothing",
	    "1< l NO [NONEXISTENT] There is no such mailbox",
	    "1> m DELETE Inbox",
	    "1< m NO [CANNOT] INBOX stays",
	    "1> n DELETE Play/2026",
	    "1< n OK Deleted",
	    "1> n LIST \"\" Play/*",
	    "1< * LIST (\\Noselect \\HasChildren) \"/\" Play/2026",
	    "1< * LIST (\\HasNoChildren) \"/\" Play/2026/Q1",
	    "1< n OK Done",
	    "1> n SELECT Play/2026",
	    "1< n NO [NONEXISTENT] There is no such mailbox",
	    "1> n DELETE Play/2026",
	    "1< n NO [HASCHILDREN] Mailboxes lie below it",
	    "1> n DELETE Play/2026/Q1\r\nn DELETE Play/2026",
	    "1< n OK Deleted",
	    "1< n OK Deleted",
	    "1> o LIST \"\" \"\"",
	    "1< * LIST (\\Noselect) \"/\" \"\"",
	    "1< o OK Done",
	    "1> p ENABLE IMAP4rev2",
	    "1< * ENABLED IMAP4rev2",
	    "1< p OK Enabled",
	    "1> q LIST \"\" \"Ent*\"",
	    "1< * LIST (\\HasNoChildren) \"/\" \"Entw\xc3\xbcrfe\"",
	    "1< q OK Done",
	    "1> r DELETE \"Entw\xc3\xbcrfe\"",
	    "1< r OK Deleted",
	    NULL};

	(void)state;
	play(script);
}

static void lists_as_asked(void **state)
{
	static const char *const script[] = {
	    "1> a CREATE A\r\nb CREATE A/B\r\nc UNSUBSCRIBE INBOX",
	    "1< a OK Created",
	    "1< b OK Created",
	    "1< c OK Unsubscribed",
	    "1> c UNSUBSCRIBE Drafts\r\nc UNSUBSCRIBE Junk\r\n"
	    "c UNSUBSCRIBE Sent\r\nc UNSUBSCRIBE Trash\r\n",
	    "1< c OK Unsubscribed",
	    "1< c OK Unsubscribed",
	    "1< c OK Unsubscribed",
	    "1< c OK Unsubscribed",
	    "1> d SUBSCRIBE A/B\r\ne SUBSCRIBE Gone",
	    "1< d OK Subscribed",
	    "1< e OK Subscribed",
	    "1> f LIST (SUBSCRIBED) \"\" *",
	    "1< * LIST (\\HasNoChildren \\Subscribed) \"/\" A/B",
	    "1< * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" "
	    "Gone",
	    "1< f OK Done",
	    "1> g LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %",
	    "1< * LIST (\\HasChildren) \"/\" A (CHILDINFO (\"SUBSCRIBED\"))",
	    "1< * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" "
	    "Gone",
	    "1< g OK Done",
	    "1> h LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *",
	    "1< * LIST (\\HasNoChildren \\Subscribed) \"/\" A/B",
	    "1< * LIST (\\NonExistent \\HasNoChildren \\Subscribed) \"/\" "
	    "Gone",
	    "1< h OK Done",
	    "1> i LIST (RECURSIVEMATCH) \"\" %",
	    "1< i BAD RECURSIVEMATCH needs another selection option",
	    "1> j LIST (SPECIAL-USE) \"\" S*",
	    "1< * LIST (\\HasNoChildren \\Sent) \"/\" Sent",
	    "1< j OK Done",
	    "1> k LIST \"\" (INBOX A/%) RETURN (CHILDREN SUBSCRIBED STATUS "
	    "(MESSAGES SIZE))",
	    "1< * LIST (\\HasNoChildren) \"/\" INBOX",
	    "1< * STATUS INBOX (MESSAGES 0 SIZE 0)",
	    "1< * LIST (\\HasNoChildren \\Subscribed) \"/\" A/B",
	    "1< * STATUS A/B (MESSAGES 0 SIZE 0)",
	    "1< k OK Done",
	    "1> l LSUB \"\" %",
	    "1< * LSUB (\\Noselect) \"/\" A",
	    "1< * LSUB () \"/\" Gone",
	    "1< l OK Done",
	    "1> m LSUB \"\" *",
	    "1< * LSUB () \"/\" A/B",
	    "1< * LSUB () \"/\" Gone",
	    "1< m OK Done",
	    "1> n UNSUBSCRIBE Gone\r\no UNSUBSCRIBE Never",
	    "1< n OK Unsubscribed",
	    "1< o OK Unsubscribed",
	    "1> p LSUB \"\" *",
	    "1< * LSUB () \"/\" A/B",
	    "1< p OK Done",
	    NULL};

	(void)state;
	play(script);
}

static void appends_and_selects(void **state)
{
	static const char *const script[] = {
	    APPEND("(\\Seen $Mine) \"02-Feb-2026 11:12:13 +0100\" "),
	    APPENDED("1"),
	    APPEND(""),
	    APPENDED("2"),
	    "1> a SELECT INBOX",
	    "1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft "
	    "$Mine)",
	    "1< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
	    "\\Draft $Mine \\*)] Flags are kept",
	    "1< * 2 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 2] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 3] Next uid",
	    "1< * OK [HIGHESTMODSEQ ...",
	    "1< a OK [READ-WRITE] Selected",
	    "1> b FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)",
	    "1< * 1 FETCH (UID 1 FLAGS (\\Seen $Mine) INTERNALDATE "
	    "\" 2-Feb-2026 10:12:13 +0000\" RFC822.SIZE 92)",
	    "1< * 2 FETCH (UID 2 FLAGS () INTERNALDATE ...",
	    "1< b OK Fetched",
	    /* line ends become CRLF; two messages at once */
	    "1> c APPEND INBOX {7+}\r\nX: y\n\nz {4}",
	    "1< + Go on",
	    "1> A:\r\n",
	    "1> ",
	    "1< * 4 EXISTS",
	    "1< c OK [APPENDUID V 3:4] Appended",
	    "1> d FETCH 3 (BODY.PEEK[] RFC822.SIZE)",
	    "1< * 3 FETCH (RFC822.SIZE 9 BODY[] {9}",
	    "1< X: y",
	    "1< ",
	    "1< z)",
	    "1< d OK Fetched",
	    "1> e APPEND Nowhere {5}",
	    "1< e NO [TRYCREATE] There is no such mailbox",
	    "1> f APPEND Nowhere {5+}\r\nabcde",
	    "1< f NO [TRYCREATE] There is no such mailbox",
	    "1> g APPEND INBOX {100001}",
	    "1< g NO [TOOBIG] The message is too large",
	    "1> h APPEND INBOX (\\What) {5+}\r\nabcde",
	    "1< h BAD A system flag is not known",
	    "1> i APPEND INBOX",
	    "1< i BAD The message is missing",
	    "1> j NOOP",
	    "1< j OK Done",
	    "1> k STATUS INBOX (MESSAGES UNSEEN UIDNEXT SIZE DELETED RECENT)",
	    "1< * STATUS INBOX (MESSAGES 4 RECENT 0 UIDNEXT 5 UNSEEN 3 "
	    "DELETED 0 SIZE 197)",
	    "1< k OK Done",
	    "1> l EXAMINE INBOX",
	    "1< * OK [CLOSED] The previous mailbox is closed",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ()] Nothing can be changed",
	    "1< * 4 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 2] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 5] Next uid",
	    "1< * OK [HIGHESTMODSEQ ...",
	    "1< l OK [READ-ONLY] Selected",
	    "1> m STORE 1 FLAGS (\\Deleted)",
	    "1< m NO [CANNOT] The mailbox is read-only",
	    "1> n SELECT Nowhere",
	    "1< * OK [CLOSED] The previous mailbox is closed",
	    "1< n NO [NONEXISTENT] There is no such mailbox",
	    "1> o FETCH 1 UID",
	    "1< o BAD No mailbox is selected",
	    NULL};

	(void)state;
	play(script);
}

static void selects_for_rev2(void **state)
{
	static const char *const script[] = {
	    APPEND(""),
	    APPENDED("1"),
	    "1> a ENABLE IMAP4rev2",
	    "1< * ENABLED IMAP4rev2",
	    "1< a OK Enabled",
	    "1> b SELECT inbox",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ...",
	    "1< * 1 EXISTS",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 2] Next uid",
	    "1< * OK [HIGHESTMODSEQ ...",
	    "1< * LIST (\\HasNoChildren \\Subscribed) \"/\" INBOX",
	    "1< b OK [READ-WRITE] Selected",
	    "1> c SEARCH ALL",
	    "1< * ESEARCH (TAG \"c\") ALL 1",
	    "1< c OK Found what there is",
	    "1> d UNSELECT",
	    "1< d OK Unselected",
	    NULL};

	(void)state;
	play(script);
}

static void hears_of_others(void **state)
{
	static const char *const script[] = {
	    APPEND(""),
	    APPENDED("1"),
	    "2> a EXAMINE INBOX",
	    "2< * FLAGS ...",
	    "2< * OK [PERMANENTFLAGS ...",
	    "2< * 1 EXISTS",
	    "2< * 0 RECENT",
	    "2< * OK [UNSEEN 1] First unseen",
	    "2< * OK [UIDVALIDITY V] Uids are valid",
	    "2< * OK [UIDNEXT 2] Next uid",
	    "2< * OK [HIGHESTMODSEQ ...",
	    "2< a OK [READ-ONLY] Selected",
	    APPEND("(new)"" "),
	    APPENDED("2"),
	    "2> b NOOP",
	    "2< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft new)",
	    "2< * OK [PERMANENTFLAGS ()] Nothing can be changed",
	    "2< * 2 EXISTS",
	    "2< b OK Done",
	    /* in IDLE, without any word from login */
	    "2> c IDLE",
	    "2< + Idling",
	    APPEND(""),
	    APPENDED("3"),
	    "2< * 3 EXISTS",
	    "2< * OK Still here",
	    "2> done",
	    "2< c OK Done",
	    "1> s SELECT INBOX",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ...",
	    "1< * 3 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 1] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 4] Next uid",
	    "1< * OK [HIGHESTMODSEQ ...",
	    "1< s OK [READ-WRITE] Selected",
	    "1> t STORE 1,3 +FLAGS.SILENT (\\Deleted)",
	    "1< t OK Stored",
	    /* flags are told at once, EXPUNGE not by FETCH */
	    "2> d FETCH 2 UID",
	    "2< * 2 FETCH (UID 2)",
	    "2< * 1 FETCH (UID 1 FLAGS (\\Deleted))",
	    "2< * 3 FETCH (UID 3 FLAGS (\\Deleted))",
	    "2< d OK Fetched",
	    "1> u EXPUNGE",
	    "1< * 3 EXPUNGE",
	    "1< * 1 EXPUNGE",
	    "1< u OK Expunged",
	    "2> e FETCH 3 UID",
	    "2< * 3 FETCH (UID 3)",
	    "2< e OK Fetched",
	    "2> f UID FETCH 2 FLAGS",
	    "2< * 2 FETCH (UID 2 FLAGS (new))",
	    "2< * 3 EXPUNGE",
	    "2< * 1 EXPUNGE",
	    "2< f OK Fetched",
	    "2> g CREATE Other\r\nh SELECT Other",
	    "2< g OK Created",
	    "2< * OK [CLOSED] The previous mailbox is closed",
	    "2< * FLAGS ...",
	    "2< * OK [PERMANENTFLAGS ...",
	    "2< * 0 EXISTS",
	    "2< * 0 RECENT",
	    "2< * OK [UIDVALIDITY V] Uids are valid",
	    "2< * OK [UIDNEXT 1] Next uid",
	    "2< * OK [HIGHESTMODSEQ ...",
	    "2< h OK [READ-WRITE] Selected",
	    "1> v DELETE Other",
	    "1< v OK Deleted",
	    "2> i NOOP",
	    "2< i OK Done",
	    "2< * BYE The selected mailbox was deleted",
	    "2< (end)",
	    NULL};

	(void)state;
	play(script);
}

// NOLINTEND(bugprone-suspicious-missing-comma)
// clang-format on
int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(greets_and_ends),
	    TEST(says_what_is_wrong),
	    TEST(bounds_commands),
	    TEST(keeps_mailboxes),
	    TEST(lists_as_asked),
	    TEST(appends_and_selects),
	    TEST(selects_for_rev2),
	    TEST(hears_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
