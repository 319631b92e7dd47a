"""Mail programs that nobody here wrote read a mailbox: fetchmail, mutt, curl
and Python's libraries (mbsync is in test_imap.py)."""
import imaplib
import itertools
import mailbox
import os
import poplib
import pty
import re
import select
import shutil
import signal
import smtplib
import subprocess
import time

import pytest

from house import House, wait_until

BODY = ["line %d" % i for i in range(50)] + [".", "..", "From me", "", "end"]


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None,
                              reason="%s is not installed" % program)


@pytest.fixture(scope="module")
def house():
    with House(domain="client.test", users=20) as h:
        yield h


numbers = itertools.count()


@pytest.fixture
def box(house):
    """A user of one test's own, with five delivered messages."""
    number = next(numbers)
    user = house.user(number)
    with smtplib.LMTP("127.0.0.1", house.lmtp) as s:
        for i in range(5):
            s.sendmail("a@b.test", [user], "Subject: number %d\r\n"
                       "From: a@b.test\r\nTo: %s\r\n"
                       "Message-ID: <%d.%d@b.test>\r\n\r\n%s\r\n" % (
                           i, user, i, number, "\r\n".join(BODY)))
    house.wait_empty_queue()
    return user


def left(house, user):
    c = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    c.login(user, "secret")
    count = int(c.select()[1][0])
    c.logout()
    return count


def check(messages):
    """Each of the five once, and whole."""
    assert sorted(m["Subject"] for m in messages) == [
        "number %d" % i for i in range(5)]
    for m in messages:
        text = m.get_payload().replace("\r\n", "\n").replace("\n>From ",
                                                             "\nFrom ")
        assert text.rstrip("\n").split("\n") == BODY


# ---- fetchmail ------------------------------------------------------------

@needs("fetchmail")
@pytest.mark.parametrize("how,keep", [
    ("pop3", False), ("pop3", True), ("imap", False), ("imap", True),
    ("pop3s", False), ("imaps", False), ("stls", False), ("starttls", False)])
def test_fetchmail(house, box, tmp_path, how, keep):
    protocol = "imap" if how in ("imap", "imaps", "starttls") else "pop3"
    secure = how in ("pop3s", "imaps")
    port = getattr(house, how if secure else protocol)
    mda = tmp_path / "mda"
    mda.write_text("#!/bin/sh\n"
                   "{ echo 'From a@b.test Thu Jan  1 00:00:00 1970'\n"
                   "sed 's/^From />From /'; echo; } >>%s/mbox\n" % tmp_path)
    mda.chmod(0o755)
    rc = tmp_path / "rc"
    rc.write_text(
        "poll 127.0.0.1 protocol %s port %d %s\n"
        "  user \"%s\" password \"secret\" is nobody here\n"
        "  %s no sslcertck %s mda \"%s\"\n" % (
            protocol, port, "uidl" if keep and protocol == "pop3" else "",
            box, "keep" if keep else "nokeep",
            "ssl" if secure else
            "sslproto TLS1.2+" if "tls" in how else "sslproto ''", mda))
    rc.chmod(0o600)
    environment = dict(os.environ, HOME=str(tmp_path),
                       FETCHMAILHOME=str(tmp_path))

    def fetch():
        return subprocess.run(
            ["fetchmail", "-f", str(rc), "--nosyslog", "-v", "-i",
             str(tmp_path / "ids"), "--pidfile", str(tmp_path / "pid")],
            capture_output=True, text=True, timeout=60, env=environment)
    done = fetch()
    assert done.returncode == 0, done.stdout + done.stderr
    check(list(mailbox.mbox(tmp_path / "mbox")))
    assert left(house, box) == (5 if keep else 0)
    again = fetch()
    assert again.returncode == 1, again.stdout + again.stderr  # nothing new
    assert len(mailbox.mbox(tmp_path / "mbox")) == 5


# ---- curl -----------------------------------------------------------------

def curl(*args):
    done = subprocess.run(["curl", "-sSk", "--max-time", "30", *args],
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("curl")
def test_curl(house, box, tmp_path):
    put = tmp_path / "message"
    put.write_bytes(b"Subject: put\r\n\r\nx\r\n")
    login = ["-u", "%s:secret" % box]
    for base, more in (("imap://127.0.0.1:%d/" % house.imap, []),
                       ("imap://127.0.0.1:%d/" % house.imap, ["--ssl-reqd"]),
                       ("imaps://127.0.0.1:%d/" % house.imaps, [])):
        assert b"INBOX" in curl(*login, *more, base)
        found = curl(*login, *more, base + "INBOX", "-X",
                     'SEARCH SUBJECT "number 2"')
        number = re.fullmatch(rb"\* SEARCH (\d)\r\n", found).group(1)
        got = curl(*login, *more,
                   base + "INBOX;MAILINDEX=" + number.decode())
        assert b"Subject: number 2\r\n" in got
        assert got.endswith("\r\n".join(BODY).encode() + b"\r\n")
        curl(*login, *more, base + "INBOX", "-T", str(put))
    assert left(house, box) == 8
    for base, more in (("pop3://127.0.0.1:%d/" % house.pop3, []),
                       ("pop3://127.0.0.1:%d/" % house.pop3, ["--ssl-reqd"]),
                       ("pop3s://127.0.0.1:%d/" % house.pop3s, [])):
        assert len(curl(*login, *more, base).splitlines()) == 8
        got = curl(*login, *more, base + "2")
        assert got.endswith("\r\n".join(BODY).encode() + b"\r\n")


# ---- mutt -----------------------------------------------------------------

def in_terminal(command, environment, seconds=40):
    """Runs a program that wants a terminal; its exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, environment)
    shown, end = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            if not select.select([fd], [], [], 1)[0]:
                continue
            try:
                got = os.read(fd, 65536)
            except OSError:  # closed: it has ended
                got = b""
            if not got:
                return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            shown += got
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise AssertionError("still running: %r" % shown[-3000:])
    finally:
        os.close(fd)


@needs("mutt")
@pytest.mark.parametrize("how", ["imap", "imaps", "pop3"])
def test_mutt_copies_and_deletes(house, box, tmp_path, how):
    url = "%s://%s@127.0.0.1:%d/" % (
        how.replace("pop3", "pop"), box.replace("@", "%40"),
        getattr(house, how))
    rc = tmp_path / "muttrc"
    rc.write_text("""
set imap_pass=secret pop_pass=secret
set ssl_starttls=no ssl_force_tls=no ssl_verify_dates=no ssl_verify_host=no
set certificate_file=%s
set folder=%s mbox_type=Maildir confirmappend=no copy=no move=no delete=yes
set confirmcreate=no sleep_time=0 wait_key=no header_cache='' message_cachedir=''
set quit=yes pop_checkinterval=0 record=
""" % (tmp_path / "trusted", tmp_path))
    chain = house.read("etc", "chain.pem")
    (tmp_path / "trusted").write_text(
        chain[chain.index("-----BEGIN CERTIFICATE"):])
    keys = ("<tag-pattern>~A<enter><tag-prefix><copy-message>%s/copy<enter>"
            "<untag-pattern>~A<enter><delete-pattern>~s 'number 3'<enter>"
            "<quit>" % tmp_path)
    status = in_terminal(
        ["mutt", "-n", "-F", str(rc), "-f", url + ("INBOX" if how != "pop3"
                                                   else ""),
         "-e", 'push "%s"' % keys],
        dict(os.environ, HOME=str(tmp_path), TERM="xterm", LC_ALL="C"))
    assert status == 0
    check(list(mailbox.Maildir(tmp_path / "copy")))

    def one_less():
        """mutt's removal of one message"""
        return left(house, box) == 4
    wait_until(one_less)


# ---- Python ---------------------------------------------------------------

def test_imaplib_and_poplib_see_the_same(house, box):
    c = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    c.starttls(house.tls())
    c.authenticate("PLAIN", lambda _: b"\0%s\0secret" % box.encode())
    assert c.enable("UTF8=ACCEPT")[0] == "OK"
    c.select()
    kind, data = c.fetch("1:*", "(RFC822)")
    by_imap = [part[1] for part in data if isinstance(part, tuple)]
    p = poplib.POP3("127.0.0.1", house.pop3, timeout=20)
    p.stls(house.tls())
    p.user(box)
    p.pass_("secret")
    by_pop = [b"\r\n".join(p.retr(i)[1]) + b"\r\n" for i in range(1, 6)]
    assert by_imap == by_pop and len(by_pop) == 5
    assert [int(x.split()[1]) for x in p.list()[1]] == list(map(len, by_pop))
    for i in range(1, 6):
        p.dele(i)
    p.quit()
    assert c.noop()[0] == "OK"
    assert c.search(None, "ALL")[1] == [b""]
    c.logout()
    assert left(house, box) == 0
