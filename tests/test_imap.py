"""IMAP: whole sessions through login, imapd and the store, with imaplib and
with sockets that say exactly what is written here."""
import imaplib
import os
import re
import signal
import smtplib
import socket
import subprocess
import threading
import time
import uuid

import pytest

from house import BUILD, House, wait_until


@pytest.fixture(scope="module")
def house():
    with House(domain="imap.test", users=8, start=False) as h:
        h.posthouse("user", "set", h.user(6), "quota=100K")
        h.start()
        yield h


class Raw:
    """A client that sends what it is told and reads whole responses."""

    def __init__(self, house, user=0, tls=False, login=True):
        self.socket = socket.create_connection(
            ("127.0.0.1", house.imaps if tls else house.imap), timeout=15)
        if tls:
            self.socket = house.tls().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.greeting = self.response()
        if login:
            self.send("l LOGIN %s %s\r\n" % (house.user(user), house.password))
            self.logged_in = self.until("l")[-1]
            assert self.logged_in.startswith(b"l OK"), self.logged_in

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()
        self.socket.close()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else
                            text.encode())

    def response(self):
        """One response, its literals in place; b"" at the end."""
        whole = b""
        while True:
            line = self.file.readline()
            whole += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                return whole.rstrip(b"\r\n")
            whole += self.file.read(int(literal.group(1)))

    def until(self, tag):
        got = []
        while True:
            got.append(self.response())
            assert got[-1], "the server has closed: %.500r" % got
            if got[-1].startswith(tag.encode() + b" "):
                return got

    def ask(self, command, tag="a"):
        self.send("%s %s\r\n" % (tag, command) if isinstance(command, str)
                  else tag.encode() + b" " + command + b"\r\n")
        return self.until(tag)

    def ok(self, command, tag="a"):
        got = self.ask(command, tag)
        assert got[-1].startswith(tag.encode() + b" OK"), got[-1]
        return got

    def append(self, body=b"Subject: x\r\n\r\nbody\r\n", mailbox="INBOX",
               flags=""):
        got = self.ok(b"APPEND %s %s{%d+}\r\n%s" % (
            mailbox.encode(), flags.encode(), len(body), body))[-1]
        return int(re.search(rb"APPENDUID \d+ (\d+)\]", got).group(1))


def client(house, user):
    c = imaplib.IMAP4("127.0.0.1", house.imap)
    c.login(house.user(user), house.password)
    return c


# ---- the way in ----

def test_the_greeting_and_the_answer_to_login_name_capabilities(house):
    with Raw(house) as c:
        assert b"IMAP4rev1" in c.greeting and b"IMAP4rev2" in c.greeting
        for word in (b"IDLE", b"UIDPLUS", b"MOVE", b"CONDSTORE", b"QRESYNC",
                     b"SPECIAL-USE", b"LIST-STATUS", b"LITERAL+"):
            assert word in c.logged_in.split(b"]")[0].split()


@pytest.mark.parametrize("tls", [False, True])
def test_commands_sent_behind_the_login_are_answered(house, tls):
    with Raw(house, tls=tls, login=False) as c:
        c.send("l LOGIN %s %s\r\na NOOP\r\nb SELECT INBOX\r\nc LOGOUT\r\n" %
               (house.user(0), house.password))
        got = c.until("c")
        assert [x for x in got if not x.startswith(b"* ")][0].startswith(
            b"l OK")
        assert b"a OK Done" in got
        assert any(x.startswith(b"b OK [READ-WRITE]") for x in got)


def test_users_do_not_see_each_other(house):
    with Raw(house, 1) as a, Raw(house, 2) as b:
        a.ok("CREATE Mine")
        a.append(b"Subject: secret\r\n\r\nx\r\n")
        assert not any(b"Mine" in x for x in b.ok('LIST "" *'))
        assert b"* 0 EXISTS" in b.ok("SELECT INBOX")


def test_a_session_is_one_process_without_new_privileges(house):
    with Raw(house, 1):
        for pid in house.pids("imapd"):
            try:
                with open("/proc/%d/status" % pid) as f:
                    status = f.read()
            except OSError:
                continue  # a session of before
            parent = int(re.search(r"PPid:\s+(\d+)", status).group(1))
            if parent in house.pids("imapd"):
                assert re.search(r"NoNewPrivs:\s+1", status)
                return
    raise AssertionError("there is no session process")


# ---- messages ----

BODIES = {
    "empty": b"", "no end": b"no end", "dots": b"dots\r\n.\r\n..\r\n",
    "octets": bytes(x for x in range(1, 256) if x not in (10, 13)) + b"\r\n",
    "998": b"x" * 998 + b"\r\n", "100 KB": b"y" * 100000 + b"\r\n",
    "3 MB": os.urandom(3000000).replace(b"\n", b" ").replace(b"\0", b" ")}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("tls", [False, True])
def test_what_is_appended_comes_back(house, name, tls):
    message = b"Subject: %s\r\n\r\n%s" % (
        uuid.uuid4().hex.encode(), BODIES[name])
    with Raw(house, 3, tls=tls) as c:
        c.ok("SELECT INBOX")
        uid = c.append(message)
        got = c.ok("UID FETCH %d (RFC822.SIZE BODY.PEEK[])" % uid)
        data = [x for x in got if b"FETCH (" in x][-1]
        same = message in data  # not inside assert: its report is endless
        assert same
        head = data[:200]
        assert b"RFC822.SIZE %d " % len(message) in head
        assert b"BODY[] {%d}" % len(message) in head
        # and piece by piece
        pieces, at = b"", 0
        while at < min(len(message), 400000):
            got = c.ok("UID FETCH %d BODY.PEEK[]<%d.90000>" % (uid, at))
            piece = re.search(rb"BODY\[\]<\d+> \{(\d+)\}\r\n", got[0])
            pieces += got[0][piece.end():piece.end() + int(piece.group(1))]
            at += 90000
        same = pieces == message[:len(pieces)]
        assert same and len(pieces) >= min(len(message), 400000)


def test_imaplib_does_its_daily_work(house):
    c = client(house, 4)
    assert c.create("Work/New") [0] == "OK"
    assert c.subscribe("Work/New")[0] == "OK"
    assert c.append("Work/New", "(\\Flagged)", imaplib.Time2Internaldate(
        1750000000), b"From: a@b.test\r\nSubject: hi\r\n\r\nyes\r\n")[0] == "OK"
    assert c.select("Work/New") == ("OK", [b"1"])
    assert c.search(None, "FLAGGED", "SUBJECT", '"HI"') == ("OK", [b"1"])
    kind, data = c.fetch("1", "(FLAGS INTERNALDATE ENVELOPE BODY[TEXT])")
    assert data[0][1] == b"yes\r\n"
    assert imaplib.Internaldate2tuple(data[0][0]) == time.localtime(1750000000)
    assert imaplib.ParseFlags(c.fetch("1", "(FLAGS)")[1][0]) == (
        b"\\Flagged", b"\\Seen")
    assert c.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    assert c.copy("1", "Trash")[0] == "OK"
    assert c.expunge() == ("OK", [b"1"])
    assert c.status("Trash", "(MESSAGES UIDNEXT)")[1] == [
        b"Trash (MESSAGES 1 UIDNEXT 2)"]
    assert c.close()[0] == "OK"
    assert c.rename("Work", "Play")[0] == "OK"
    assert any(b"Play/New" in x for x in c.list()[1])
    assert c.delete("Play/New")[0] == "OK"
    assert c.logout()[0] == "BYE"


def test_commands_may_come_octet_by_octet_or_all_at_once(house):
    script = (b"a SELECT INBOX\r\nb APPEND INBOX {9+}\r\nA: b\r\n\r\nx\r\n"
              b'c STATUS {5+}\r\nINBOX (UIDNEXT)\r\nd SEARCH TEXT "no\\"'
              b'\\\\pe"\r\ne UNSELECT\r\n')
    answers = []
    with Raw(house, 5) as c:
        c.append()
    for slow in (False, True):
        with Raw(house, 5) as c:
            for octet in ([bytes([x]) for x in script] if slow else [script]):
                c.send(octet)
            got = c.until("e")
            answers.append([re.sub(rb"\d+", b"0", x) for x in got])
    assert answers[0] == answers[1]


def test_many_pipelined_commands_and_a_reader_who_comes_late(house):
    with Raw(house, 5) as c:
        c.append(b"Subject: x\r\n\r\n" + b"z" * 50000 + b"\r\n")
        c.ok("SELECT INBOX")

        def ask():
            c.send(b"".join(b"t%d FETCH * BODY.PEEK[]\r\n" % i
                            for i in range(300)))
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(1)
        for i in range(300):
            assert c.until("t%d" % i)[-1] == b"t%d OK Fetched" % i
        thread.join()


def test_quota_is_kept(house):
    with Raw(house, 6) as c:
        big = b"Subject: big\r\n\r\n" + b"x" * 90000 + b"\r\n"
        c.append(big)
        got = c.ask(b"APPEND INBOX {%d+}\r\n%s" % (len(big), big))
        assert got[-1].startswith(b"a NO [OVERQUOTA]"), got[-1]
        # before the octets come, where the client waits; also the second
        # of two that would fit alone
        got = c.ask("APPEND INBOX {%d}" % len(big))
        assert got == [b"a NO [OVERQUOTA] " + got[-1].split(b"] ", 1)[1]]
        c.send("a APPEND INBOX {9}\r\n")
        assert c.response().startswith(b"+ ")
        c.send("A: b\r\n\r\nx {12380}\r\n")
        assert c.response().startswith(b"a NO [OVERQUOTA]")
        assert b"(MESSAGES 1)" in c.ok("STATUS INBOX (MESSAGES)")[0]
        c.ok("SELECT INBOX")
        assert c.ask("COPY 1 Trash")[-1].startswith(b"a NO [OVERQUOTA]")
        c.ok("MOVE 1 Trash")


# ---- several at once ----

def test_idle_hears_of_a_delivery_at_once(house):
    with Raw(house, 2) as c:
        c.ok("SELECT INBOX")
        c.send("i IDLE\r\n")
        assert c.response().startswith(b"+ ")
        with smtplib.LMTP("127.0.0.1", house.lmtp) as lmtp:
            lmtp.sendmail("a@b.test", [house.user(2)],
                          b"Subject: new\r\n\r\nx\r\n")
        # Nothing would make it look before two minutes are over.
        assert re.match(rb"\* \d+ EXISTS", c.response())
        c.send("DONE\r\n")
        assert c.until("i")[-1].startswith(b"i OK")


def test_idle_hears_of_another_session_at_once(house):
    with Raw(house, 3) as a, Raw(house, 3, tls=True) as b:
        uid = a.append()
        a.ok("SELECT INBOX")
        b.ok("SELECT INBOX")
        b.send("i IDLE\r\n")
        assert b.response().startswith(b"+ ")
        a.ok("UID STORE %d +FLAGS (\\Deleted $note)" % uid)
        heard = b.response()
        while not heard.startswith(b"* ") or b"FETCH" not in heard:
            heard = b.response()
        assert b"\\Deleted $note" in heard
        a.ok("UID EXPUNGE %d" % uid)
        assert re.match(rb"\* \d+ EXPUNGE", b.response())
        b.send("DONE\r\n")
        b.until("i")


def test_two_sessions_agree_in_the_end(house):
    def work(n, errors):
        try:
            with Raw(house, 7) as c:
                c.ok("SELECT INBOX")
                for i in range(15):
                    uid = c.append(b"Subject: %d %d\r\n\r\nx\r\n" % (n, i))
                    c.ok("UID STORE %d +FLAGS (\\Flagged)" % uid)
                    if i % 3 == 0:
                        c.ok("UID MOVE %d Trash" % uid)
        except Exception as e:  # seen by the test below
            errors.append(e)
    errors = []
    threads = [threading.Thread(target=work, args=(n, errors))
               for n in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
    with Raw(house, 7) as c:
        assert b"* 30 EXISTS" in c.ok("SELECT INBOX")
        assert c.ok("SEARCH UNFLAGGED")[0] == b"* SEARCH"
        assert b"* 15 EXISTS" in c.ok("SELECT Trash")
        got = c.ok("UID FETCH 1:* UID")
        assert len(set(got)) == 16


# ---- resynchronizing ----

def test_a_client_comes_back_and_asks_what_changed(house):
    with Raw(house, 1) as c:
        c.ok("CREATE Sync")
        for _ in range(5):
            c.append(mailbox="Sync")
        c.ok("ENABLE QRESYNC")
        state = b"\n".join(c.ok("SELECT Sync"))
        validity = int(re.search(rb"UIDVALIDITY (\d+)", state).group(1))
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", state).group(1))
    with Raw(house, 1) as c:
        c.ok("SELECT Sync")
        c.ok("STORE 2,4 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        c.ok("STORE 1 +FLAGS (\\Seen)")
        c.append(mailbox="Sync")
    with Raw(house, 1) as c:
        c.ok("ENABLE QRESYNC")
        got = c.ok("SELECT Sync (QRESYNC (%d %d 1:5))" % (validity, modseq))
        assert b"* VANISHED (EARLIER) 2,4" in got
        fetched = [x for x in got if b" FETCH " in x]
        assert len(fetched) == 1 and b"UID 1 FLAGS (\\Seen)" in fetched[0]
        got = c.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)" % modseq)
        assert got[0] == b"* VANISHED (EARLIER) 2,4"
        assert [int(re.search(rb"UID (\d+)", x).group(1))
                for x in got if b" FETCH " in x] == [1, 6]


# ---- bad manners ----

def test_nonsense_ends_the_session_and_not_the_server(house):
    with Raw(house) as c:
        for _ in range(20):
            c.send(b"\0\xff{{{\r\n")
        assert any(x.startswith(b"* BYE") for x in iter(c.response, b""))
    with Raw(house) as c:
        c.ok("NOOP")


def test_a_line_without_end_is_not_kept(house):
    with Raw(house) as c:
        c.send(b"a SEARCH TEXT " + b"x" * 3000000 + b"\r\nb NOOP\r\n")
        assert c.until("a")[-1].startswith(b"a BAD [TOOBIG]")
        assert c.until("b")[-1] == b"b OK Done"


def test_a_client_that_goes_in_the_middle_leaves_nothing(house):
    with Raw(house, 5) as c:
        before = c.ok("STATUS INBOX (MESSAGES)")[0]
        c.send(b"b APPEND INBOX {1000+}\r\nSubject: half")
    with Raw(house, 5) as c:
        assert c.ok("STATUS INBOX (MESSAGES)")[0] == before

    def sessions():
        """no session process of the client that went"""
        return len(house.pids("imapd")) == 1
    wait_until(sessions)


def test_a_killed_session_ends_one_connection_only(house):
    with Raw(house, 4) as a, Raw(house, 5) as b:
        a.append()
        before = set(house.pids("imapd"))
        with Raw(house, 4) as c:
            c.ok("SELECT INBOX")
            os.kill((set(house.pids("imapd")) - before).pop(), signal.SIGKILL)
            assert c.response() == b""
        a.ok("NOOP")
        b.ok("NOOP")


@pytest.mark.skipif(BUILD.rstrip("/").endswith("-san"),
                    reason="a sanitizer keeps freed memory for a while")
@pytest.mark.skipif(os.getuid() != 0,
                    reason="only root may look into a daemon's memory")
def test_an_idle_session_gives_its_memory_back(house):
    def pss(pid):
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return int(re.search(r"Pss:\s+(\d+)", f.read()).group(1))
    before = set(house.pids("imapd"))
    with Raw(house, 3) as c:
        pid = (set(house.pids("imapd")) - before).pop()
        first = pss(pid)
        c.append(b"Subject: x\r\n\r\n" + b"y" * 8000000 + b"\r\n")
        c.ok("SELECT INBOX")
        c.ok("FETCH * (BODY.PEEK[1] BODY.PEEK[1]<5.5>)")

        def small():
            """a session that has given its buffers back"""
            return pss(pid) < first + 4000
        wait_until(small, 30, 0.5)


# ---- clients that nobody here wrote ----

@pytest.mark.skipif(subprocess.run(["which", "mbsync"], capture_output=True)
                    .returncode != 0, reason="mbsync is not installed")
def test_mbsync_mirrors_a_mailbox(house, tmp_path):
    with Raw(house, 6) as c:
        c.ok("CREATE Mirror")
        for i in range(20):
            c.append(b"Subject: %d\r\nMessage-ID: <m%d@x>\r\n\r\n.\r\n" % (
                i, i), "Mirror", "(\\Seen) " if i % 2 else "")
    rc = tmp_path / "mbsyncrc"
    (tmp_path / "mail").mkdir()
    rc.write_text("""
IMAPStore far
Host 127.0.0.1
Port %d
User %s
Pass %s
SSLType None
AuthMechs LOGIN

MaildirStore near
Path %s/mail/
Inbox %s/mail/inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns Mirror
Create Near
Sync All
SyncState %s/
""" % (house.imap, house.user(6), house.password, tmp_path, tmp_path,
       tmp_path))
    for _ in range(2):
        done = subprocess.run(["mbsync", "-c", str(rc), "all"],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    have = [f for d in ("cur", "new")
            for f in (tmp_path / "mail" / "Mirror" / d).iterdir()]
    assert len(have) == 20
    assert sum("S" in f.name.split(",")[-1] for f in have) == 10
