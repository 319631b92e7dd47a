/* SPDX-License-Identifier: ISC */
/* Sessions: FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE, CONDSTORE, QRESYNC. */
#include "imapd/testing.h"

/* One line of a script a line; long ones are joined. */
// clang-format off
// NOLINTBEGIN(bugprone-suspicious-missing-comma)

#define MULTIPART                                                           \
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"                          \
	"To: b@example.org\r\n"                                             \
	"Content-Type: multipart/mixed; boundary=x\r\n"                     \
	"\r\n"                                                              \
	"--x\r\n"                                                           \
	"Content-Type: text/plain; charset=iso-8859-1\r\n"                  \
	"Content-Transfer-Encoding: quoted-printable\r\n"                   \
	"\r\n"                                                              \
	"K=E4se=20\r\n"                                                     \
	"--x\r\n"                                                           \
	"Content-Type: message/rfc822\r\n"                                  \
	"\r\n"                                                              \
	"Subject: inner\r\n"                                                \
	"\r\n"                                                              \
	"inner text\r\n"                                                    \
	"--x\r\n"                                                           \
	"Content-Type: application/octet-stream\r\n"                        \
	"Content-Transfer-Encoding: base64\r\n"                             \
	"\r\n"                                                              \
	"YQBi\r\n"                                                          \
	"--x--\r\n"
#define MULTIPART_APPEND "1> app APPEND INBOX {373+}\r\n" MULTIPART "\r\n"

#define SELECTED_LINES(exists, unseen, uidnext)                        \
	"1> sel SELECT INBOX", "1< * FLAGS ...",                       \
	    "1< * OK [PERMANENTFLAGS ...", "1< * " exists " EXISTS",   \
	    "1< * 0 RECENT", "1< * OK [UNSEEN " unseen "] First unseen", \
	    "1< * OK [UIDVALIDITY V] Uids are valid",                  \
	    "1< * OK [UIDNEXT " uidnext "] Next uid",                  \
	    "1< * OK [HIGHESTMODSEQ ...",                              \
	    "1< sel OK [READ-WRITE] Selected"
#define THREE_MESSAGES                                          \
	APPEND(""), APPENDED("1"), APPEND(""), APPENDED("2"),   \
	    APPEND(""), APPENDED("3"), SELECTED_LINES("3", "1", "4")

static void fetches_items(void **state)
{
	static const char *const script[] = {
	    APPEND("\"02-Feb-2026 11:12:13 +0100\" "),
	    APPENDED("1"),
	    SELECTED_LINES("1", "1", "2"),
	    "1> a FETCH 1 ALL",
	    "1< * 1 FETCH (FLAGS () INTERNALDATE \" 2-Feb-2026 10:12:13 "
	    "+0000\" RFC822.SIZE 92 ENVELOPE (\"Mon, 2 Feb 2026 10:00:00 "
	    "+0100\" \"one\" ((\"A\" NIL \"a\" \"example.org\")) ((\"A\" NIL "
	    "\"a\" \"example.org\")) ((\"A\" NIL \"a\" \"example.org\")) NIL "
	    "NIL NIL NIL NIL))",
	    "1< a OK Fetched",
	    "1> b UID FETCH 1:* FAST",
	    "1< * 1 FETCH (UID 1 FLAGS () INTERNALDATE \" 2-Feb-2026 "
	    "10:12:13 +0000\" RFC822.SIZE 92)",
	    "1< b OK Fetched",
	    "1> c FETCH 1 (BODY BODYSTRUCTURE)",
	    "1< * 1 FETCH (BODY (\"text\" \"plain\" ...",
	    "1< c OK Fetched",
	    "1> d FETCH 1 BODY.PEEK[HEADER.FIELDS (subject \"X-No\")]",
	    "1< * 1 FETCH (BODY[HEADER.FIELDS (subject X-No)] {16}",
	    "1< Subject: one",
	    "1< ",
	    "1< )",
	    "1< d OK Fetched",
	    "1> e FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (subject Date)]",
	    "1< * 1 FETCH (BODY[HEADER.FIELDS.NOT (subject Date)] {27}",
	    "1< From: A <a@example.org>",
	    "1< ",
	    "1< )",
	    "1< e OK Fetched",
	    "1> f FETCH 1 BODY[TEXT]<6.3>",
	    "1< * 1 FETCH (FLAGS (\\Seen) BODY[TEXT]<6> {3}",
	    "1< Wor)",
	    "1< f OK Fetched",
	    "1> g FETCH 1 (BODY.PEEK[]<90.100> RFC822.HEADER BODY[2])",
	    "1< * 1 FETCH (BODY[]<90> {2}",
	    "1< ",
	    "1<  RFC822.HEADER {79}",
	    "1< Subject: one",
	    "1< From: A <a@example.org>",
	    "1< Date: Mon, 2 Feb 2026 10:00:00 +0100",
	    "1< ",
	    "1<  BODY[2] NIL)",
	    "1< g OK Fetched",
	    "1> h FETCH 1 BODY[1]<500.1>",
	    "1< * 1 FETCH (BODY[1]<500> {0}",
	    "1< )",
	    "1< h OK Fetched",
	    "1> i FETCH 2 UID",
	    "1< i BAD There is no message with this number",
	    "1> j UID FETCH 2:9 UID",
	    "1< j OK Fetched",
	    "1> k FETCH 1 (UID WHAT)",
	    "1< k BAD An unknown item",
	    "1> l FETCH 1 BODY[1",
	    "1< l BAD A section does not end",
	    NULL};

	(void)state;
	play(script);
}

static void fetches_parts(void **state)
{
	static const char *const script[] = {
	    MULTIPART_APPEND,
	    APPENDED("1"),
	    SELECTED_LINES("1", "1", "2"),
	    "1> a FETCH 1 (BODY.PEEK[1] BODY.PEEK[1.MIME]<0.13> "
	    "BODY.PEEK[2])",
	    "1< * 1 FETCH (BODY[1] {9}",
	    "1< K=E4se=20 BODY[1.MIME]<0> {13}",
	    "1< Content-Type: BODY[2] {28}",
	    "1< Subject: inner",
	    "1< ",
	    "1< inner text)",
	    "1< a OK Fetched",
	    "1> b FETCH 1 (BODY.PEEK[2.HEADER] BODY.PEEK[2.TEXT] "
	    "BODY.PEEK[2.1] BODY.PEEK[2.HEADER.FIELDS (Subject)])",
	    "1< * 1 FETCH (BODY[2.HEADER] {18}",
	    "1< Subject: inner",
	    "1< ",
	    "1<  BODY[2.TEXT] {10}",
	    "1< inner text BODY[2.1] {10}",
	    "1< inner text BODY[2.HEADER.FIELDS (Subject)] {18}",
	    "1< Subject: inner",
	    "1< ",
	    "1< )",
	    "1< b OK Fetched",
	    "1> c FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[3] BINARY.SIZE[1])",
	    "1< * 1 FETCH (BINARY[1] {5}",
	    "1< K\xe4se  BINARY.SIZE[3] 3 BINARY.SIZE[1] 5)",
	    "1< c OK Fetched",
	    "1> d FETCH 1 BINARY[3]<0.1>",
	    "1< * 1 FETCH (FLAGS (\\Seen) BINARY[3]<0> {1}",
	    "1< a)",
	    "1< d OK Fetched",
	    "1> e FETCH 1 (BODY.PEEK[1.HEADER] BODY.PEEK[9])",
	    "1< * 1 FETCH (BODY[1.HEADER] NIL BODY[9] NIL)",
	    "1< e OK Fetched",
	    NULL};

	(void)state;
	play(script);
}

static void searches(void **state)
{
	static const char *const script[] = {
	    APPEND("(\\Seen $Work) \"02-Feb-2026 11:12:13 +0100\" "),
	    APPENDED("1"),
	    MULTIPART_APPEND,
	    APPENDED("2"),
	    SELECTED_LINES("2", "2", "3"),
	    "1> a SEARCH ALL",
	    "1< * SEARCH 1 2",
	    "1< a OK Found what there is",
	    "1> b SEARCH SEEN\r\nb SEARCH UNSEEN\r\nb SEARCH NOT SEEN",
	    "1< * SEARCH 1",
	    "1< b OK Found what there is",
	    "1< * SEARCH 2",
	    "1< b OK Found what there is",
	    "1< * SEARCH 2",
	    "1< b OK Found what there is",
	    "1> c SEARCH KEYWORD $work\r\nc SEARCH UNKEYWORD $Work\r\n"
	    "c SEARCH KEYWORD none",
	    "1< * SEARCH 1",
	    "1< c OK Found what there is",
	    "1< * SEARCH 2",
	    "1< c OK Found what there is",
	    "1< * SEARCH",
	    "1< c OK Found what there is",
	    "1> d SEARCH SUBJECT ONE\r\nd SEARCH FROM example.ORG\r\n"
	    "d SEARCH HEADER to \"\"",
	    "1< * SEARCH 1",
	    "1< d OK Found what there is",
	    "1< * SEARCH 1",
	    "1< d OK Found what there is",
	    "1< * SEARCH 2",
	    "1< d OK Found what there is",
	    "1> e SEARCH CHARSET UTF-8 SUBJECT {7+}\r\ngr\xc3\xbc\xc3\x9f"
	    "e",
	    "1< * SEARCH 2",
	    "1< e OK Found what there is",
	    "1> f SEARCH CHARSET ISO-8859-1 BODY {4+}\r\nk\xe4se",
	    "1< * SEARCH 2",
	    "1< f OK Found what there is",
	    "1> g SEARCH CHARSET X-NONE TEXT x",
	    "1< g NO [BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] The charset is "
	    "not known",
	    "1> h SEARCH BODY \"INNER T\"\r\nh SEARCH BODY example\r\n"
	    "h SEARCH TEXT b@example",
	    "1< * SEARCH 2",
	    "1< h OK Found what there is",
	    "1< * SEARCH",
	    "1< h OK Found what there is",
	    "1< * SEARCH 2",
	    "1< h OK Found what there is",
	    "1> i SEARCH ON 2-Feb-2026\r\ni SEARCH SENTON 2-Feb-2026\r\n"
	    "i SEARCH BEFORE \"3-Feb-2026\"\r\ni SEARCH SINCE 3-Feb-2026",
	    "1< * SEARCH 1",
	    "1< i OK Found what there is",
	    "1< * SEARCH 1",
	    "1< i OK Found what there is",
	    "1< * SEARCH 1",
	    "1< i OK Found what there is",
	    "1< * SEARCH 2",
	    "1< i OK Found what there is",
	    "1> j SEARCH LARGER 92\r\nj SEARCH SMALLER 93",
	    "1< * SEARCH 2",
	    "1< j OK Found what there is",
	    "1< * SEARCH 1",
	    "1< j OK Found what there is",
	    "1> k SEARCH OR SUBJECT one (TO b BODY inner)",
	    "1< * SEARCH 1 2",
	    "1< k OK Found what there is",
	    "1> l UID SEARCH UID 2:* NOT 1\r\nl SEARCH 1:*\r\nl SEARCH 7",
	    "1< * SEARCH 2",
	    "1< l OK Found what there is",
	    "1< * SEARCH 1 2",
	    "1< l OK Found what there is",
	    "1< * SEARCH",
	    "1< l OK Found what there is",
	    "1> m SEARCH NEW\r\nm SEARCH OLD",
	    "1< * SEARCH",
	    "1< m OK Found what there is",
	    "1< * SEARCH 1 2",
	    "1< m OK Found what there is",
	    "1> n SEARCH RETURN (MIN MAX COUNT ALL) ALL",
	    "1< * ESEARCH (TAG \"n\") MIN 1 MAX 2 ALL 1:2 COUNT 2",
	    "1< n OK Found what there is",
	    "1> o UID SEARCH RETURN () NONE",
	    "1< o BAD An unknown search key",
	    "1> p UID SEARCH RETURN () FROM nobody",
	    "1< * ESEARCH (TAG \"p\") UID",
	    "1< p OK Found what there is",
	    "1> q SEARCH RETURN (SAVE) UNSEEN",
	    "1< q OK Found what there is",
	    "1> r FETCH $ UID\r\nr UID SEARCH $\r\nr SEARCH NOT $",
	    "1< * 2 FETCH (UID 2)",
	    "1< r OK Fetched",
	    "1< * SEARCH 2",
	    "1< r OK Found what there is",
	    "1< * SEARCH 1",
	    "1< r OK Found what there is",
	    "1> s SEARCH RETURN (SAVE MIN) ALL",
	    "1< * ESEARCH (TAG \"s\") MIN 1",
	    "1< s OK Found what there is",
	    "1> t UID FETCH $ UID",
	    "1< * 1 FETCH (UID 1)",
	    "1< t OK Fetched",
	    NULL};

	(void)state;
	play(script);
}

static void bounds_searches(void **state)
{
	static char deep[300], many[600];
	static char deep_line[400], many_line[700];
	const char *const script[] = {
	    APPEND(""),
	    APPENDED("1"),
	    SELECTED_LINES("1", "1", "2"),
	    deep_line,
	    "1< a BAD The search keys nest too deep",
	    many_line,
	    "1< b BAD Too many search keys",
	    NULL};

	(void)state;
	for (size_t i = 0; i < 60; i++)
		memcpy(deep + i * 4, "NOT ", 5);
	memcpy(deep + 240, "ALL", 4);
	for (size_t i = 0; i < 100; i++)
		memcpy(many + i * 5, " SEEN", 6);
	snprintf(deep_line, sizeof(deep_line), "1> a SEARCH %s", deep);
	snprintf(many_line, sizeof(many_line), "1> b SEARCH%s", many);
	play(script);
}

static void stores_flags(void **state)
{
	static const char *const script[] = {
	    THREE_MESSAGES,
	    "1> a STORE 1:2 +FLAGS (\\Flagged $A)",
	    "1< * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $A)",
	    "1< * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen "
	    "\\Draft $A \\*)] Flags are kept",
	    "1< * 1 FETCH (FLAGS (\\Flagged $A))",
	    "1< * 2 FETCH (FLAGS (\\Flagged $A))",
	    "1< a OK Stored",
	    "1> b STORE 2 -FLAGS \\Flagged $B",
	    "1< * 2 FETCH (FLAGS ($A))",
	    "1< b OK Stored",
	    "1> c UID STORE 3,99 FLAGS (\\Answered \\Draft)",
	    "1< * 3 FETCH (UID 3 FLAGS (\\Answered \\Draft))",
	    "1< c OK Stored",
	    "1> d STORE 1:3 FLAGS.SILENT (\\Seen)",
	    "1< d OK Stored",
	    "1> e FETCH 1:3 FLAGS",
	    "1< * 1 FETCH (FLAGS (\\Seen))",
	    "1< * 2 FETCH (FLAGS (\\Seen))",
	    "1< * 3 FETCH (FLAGS (\\Seen))",
	    "1< e OK Fetched",
	    "1> f STORE 1 FLAGS ()\r\nf STORE 1 +FLAGS (\\Recent)",
	    "1< * 1 FETCH (FLAGS ())",
	    "1< f OK Stored",
	    "1< f BAD A system flag is not known",
	    /* somebody else adds what a silent store does not know of */
	    "2> s SELECT INBOX",
	    "2< * FLAGS ...",
	    "2< * OK [PERMANENTFLAGS ...",
	    "2< * 3 EXISTS",
	    "2< * 0 RECENT",
	    "2< * OK [UNSEEN 1] First unseen",
	    "2< * OK [UIDVALIDITY V] Uids are valid",
	    "2< * OK [UIDNEXT 4] Next uid",
	    "2< * OK [HIGHESTMODSEQ ...",
	    "2< s OK [READ-WRITE] Selected",
	    "2> t STORE 1:2 +FLAGS.SILENT (\\Flagged)",
	    "2< t OK Stored",
	    "1> g STORE 1 +FLAGS.SILENT (\\Deleted)",
	    "1< * 1 FETCH (UID 1 FLAGS (\\Flagged \\Deleted))",
	    "1< * 2 FETCH (UID 2 FLAGS (\\Flagged \\Seen))",
	    "1< g OK Stored",
	    NULL};

	(void)state;
	play(script);
}

static void copies_moves_expunges(void **state)
{
	static const char *const script[] = {
	    THREE_MESSAGES,
	    "1> a COPY 1:2 Trash",
	    "1< a OK [COPYUID V 1:2 1:2] Copied",
	    "1> b COPY 1 Nowhere",
	    "1< b NO [TRYCREATE] There is no such mailbox",
	    "1> c MOVE 2 Trash",
	    "1< * OK [COPYUID V 2 3] Moved",
	    "1< * 2 EXPUNGE",
	    "1< c OK Moved",
	    "1> d UID COPY 2 Trash",
	    "1< d OK There are no such messages",
	    "1> e UID MOVE 3 INBOX",
	    "1< * OK [COPYUID V 3 4] Moved",
	    "1< * 2 EXPUNGE",
	    "1< * 2 EXISTS",
	    "1< e OK Moved",
	    "1> f STORE 1:2 +FLAGS.SILENT (\\Deleted)",
	    "1< f OK Stored",
	    "1> g UID EXPUNGE 4",
	    "1< * 2 EXPUNGE",
	    "1< g OK Expunged",
	    "1> h STATUS Trash (MESSAGES UIDNEXT)",
	    "1< * STATUS Trash (MESSAGES 3 UIDNEXT 4)",
	    "1< h OK Done",
	    "1> i CLOSE",
	    "1< i OK Closed",
	    "1> j STATUS INBOX (MESSAGES)",
	    "1< * STATUS INBOX (MESSAGES 0)",
	    "1< j OK Done",
	    "1> k SELECT Trash",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ...",
	    "1< * 3 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 1] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 4] Next uid",
	    "1< * OK [HIGHESTMODSEQ ...",
	    "1< k OK [READ-WRITE] Selected",
	    "1> l STORE 1:* +FLAGS.SILENT (\\Deleted)\r\nl EXPUNGE",
	    "1< l OK Stored",
	    "1< * 3 EXPUNGE",
	    "1< * 2 EXPUNGE",
	    "1< * 1 EXPUNGE",
	    "1< l OK Expunged",
	    NULL};

	(void)state;
	play(script);
}

static void keeps_modseqs(void **state)
{
	static const char *const script[] = {
	    THREE_MESSAGES,
	    "1> a STORE 1 +FLAGS.SILENT (\\Seen)",
	    "1< a OK Stored",
	    "1> b FETCH 1:* MODSEQ",
	    "1< * OK [HIGHESTMODSEQ 4] Highest",
	    "1< * 1 FETCH (MODSEQ (V))",
	    "1< * 2 FETCH (MODSEQ (V))",
	    "1< * 3 FETCH (MODSEQ (V))",
	    "1< b OK Fetched",
	    "1> c FETCH 1:* (FLAGS) (CHANGEDSINCE 3)",
	    "1< * 1 FETCH (FLAGS (\\Seen) MODSEQ (V))",
	    "1< c OK Fetched",
	    "1> d STORE 1:2 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\\Flagged)",
	    "1< * 2 FETCH (UID 2 MODSEQ (V))",
	    "1< d OK [MODIFIED 1] Stored",
	    "1> e UID STORE 1:2 (UNCHANGEDSINCE 0) FLAGS (\\Draft)",
	    "1< e OK [MODIFIED 1:2] Stored",
	    "1> f SEARCH MODSEQ 4",
	    "1< * SEARCH 1 2 (MODSEQ 5)",
	    "1< f OK Found what there is",
	    "1> g SEARCH RETURN (MIN) MODSEQ \"/flags/\\\\seen\" all 4",
	    "1< * ESEARCH (TAG \"g\") MIN 1 MODSEQ 4",
	    "1< g OK Found what there is",
	    "1> h STORE 3 FLAGS (\\Deleted)",
	    "1< * 3 FETCH (UID 3 FLAGS (\\Deleted) MODSEQ (V))",
	    "1< h OK Stored",
	    "1> i EXPUNGE",
	    "1< * 3 EXPUNGE",
	    "1< i OK [HIGHESTMODSEQ 7] Expunged",
	    "1> j STATUS INBOX (HIGHESTMODSEQ)",
	    "1< * STATUS INBOX (HIGHESTMODSEQ 7)",
	    "1< j OK Done",
	    NULL};

	(void)state;
	play(script);
}

static void resynchronizes(void **state)
{
	static const char *const script[] = {
	    THREE_MESSAGES,
	    "1> a SELECT INBOX (QRESYNC (1 1))",
	    "1< a BAD QRESYNC is not enabled",
	    "1> b ENABLE QRESYNC",
	    "1< * ENABLED QRESYNC",
	    "1< * OK [HIGHESTMODSEQ 3] Highest",
	    "1< b OK Enabled",
	    "1> c STORE 2 +FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE",
	    "1< * 2 FETCH (UID 2 MODSEQ (V))",
	    "1< c OK Stored",
	    "1< * VANISHED 2",
	    "1< c OK [HIGHESTMODSEQ 5] Expunged",
	    "1> d STORE 1 +FLAGS.SILENT (\\Seen)",
	    "1< * 1 FETCH (UID 1 MODSEQ (V))",
	    "1< d OK Stored",
	    "1> e UID FETCH 1:9 (FLAGS) (CHANGEDSINCE 3 VANISHED)",
	    "1< * VANISHED (EARLIER) 2",
	    "1< * 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (V))",
	    "1< e OK Fetched",
	    "1> f FETCH 1 UID (CHANGEDSINCE 3 VANISHED)",
	    "1< f BAD VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC",
	    "1> g SELECT INBOX (QRESYNC (7 1 1:3 (1 1)))",
	    "1< * OK [CLOSED] The previous mailbox is closed",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ...",
	    "1< * 2 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 2] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 4] Next uid",
	    "1< * OK [HIGHESTMODSEQ 6] Highest",
	    "1< g OK [READ-WRITE] Selected",
	    "1> h SELECT INBOX (QRESYNC (V 3 1:3 (1 1)))",
	    "1< * OK [CLOSED] The previous mailbox is closed",
	    "1< * FLAGS ...",
	    "1< * OK [PERMANENTFLAGS ...",
	    "1< * 2 EXISTS",
	    "1< * 0 RECENT",
	    "1< * OK [UNSEEN 2] First unseen",
	    "1< * OK [UIDVALIDITY V] Uids are valid",
	    "1< * OK [UIDNEXT 4] Next uid",
	    "1< * OK [HIGHESTMODSEQ 6] Highest",
	    "1< * VANISHED (EARLIER) 2",
	    "1< * 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (V))",
	    "1< h OK [READ-WRITE] Selected",
	    "1> h SELECT INBOX (QRESYNC (V 1 1:*))",
	    "1< h BAD * is not allowed here",
	    NULL};

	(void)state;
	play(script);
}

// NOLINTEND(bugprone-suspicious-missing-comma)
// clang-format on
int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(fetches_items),
	    TEST(fetches_parts),
	    TEST(searches),
	    TEST(bounds_searches),
	    TEST(stores_flags),
	    TEST(copies_moves_expunges),
	    TEST(keeps_modseqs),
	    TEST(resynchronizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
