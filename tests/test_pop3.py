"""POP3: RFC 1939 as poplib and as a raw socket see it."""
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import time

import pytest

from house import House, wait_until

BODIES = [
    b"Subject: one\r\n\r\nline 1\r\nline 2\r\nline 3\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n...\r\n. \r\n\r\n.\r\n",
    b"Subject: none\r\n\r\n",
    b"Subject: long\r\n\r\n" + (b"x" * 70 + b"\r\n.y\r\n") * 40000,
    b"Subject: 8-bit\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
]


@pytest.fixture(scope="module")
def house():
    with House(domain="pop.test", users=9) as h:
        yield h


def append(h, user, messages):
    """By IMAP: the stored octets are then exactly these."""
    m = imaplib.IMAP4("127.0.0.1", h.imap, timeout=20)
    m.login(h.user(user), "secret")
    for message in messages:
        assert m.append("INBOX", None, None, message)[0] == "OK"
    m.logout()


def login(h, user, tls=False):
    if tls:
        p = poplib.POP3_SSL("127.0.0.1", h.pop3s, timeout=20,
                            context=h.tls())
    else:
        p = poplib.POP3("127.0.0.1", h.pop3, timeout=20)
    p.user(h.user(user))
    p.pass_("secret")
    return p


def raw(h, user, tls=False):
    s = socket.create_connection(
        ("127.0.0.1", h.pop3s if tls else h.pop3), 20)
    if tls:
        s = h.tls().wrap_socket(s)
    f = s.makefile("rb")
    assert f.readline().startswith(b"+OK")
    s.sendall(b"USER %s\r\nPASS secret\r\n" % h.user(user).encode())
    assert f.readline().startswith(b"+OK")
    assert f.readline().startswith(b"+OK")
    return s, f


def multi(f):
    """A multi-line response, dots taken off again; octets as they came."""
    assert f.readline().startswith(b"+OK")
    lines = []
    while True:
        line = f.readline()
        assert line.endswith(b"\r\n")
        if line == b".\r\n":
            return b"".join(lines)
        lines.append(line[1:] if line.startswith(b".") else line)


@pytest.mark.parametrize("tls", [False, True])
def test_octets_are_exact(house, tls):
    user = 0 if tls else 1
    append(house, user, BODIES)
    s, f = raw(house, user, tls)
    s.sendall(b"STAT\r\n")
    assert f.readline() == b"+OK %d %d\r\n" % (
        len(BODIES), sum(map(len, BODIES)))
    for i, body in enumerate(BODIES, 1):
        s.sendall(b"LIST %d\r\nRETR %d\r\n" % (i, i))
        assert f.readline() == b"+OK %d %d\r\n" % (i, len(body))
        assert multi(f) == body
    s.sendall(b"QUIT\r\n")
    assert f.readline().startswith(b"+OK")
    assert f.readline() == b""


def test_a_last_line_without_end_gets_one(house):
    append(house, 2, [b"Subject: x\r\n\r\nno end", b"Subject: header only"])
    s, f = raw(house, 2)
    s.sendall(b"LIST 1\r\nRETR 1\r\nRETR 2\r\nTOP 2 5\r\n")
    assert f.readline() == b"+OK 1 %d\r\n" % len(b"Subject: x\r\n\r\nno end")
    assert multi(f) == b"Subject: x\r\n\r\nno end\r\n"
    assert multi(f) == b"Subject: header only\r\n"
    assert multi(f) == b"Subject: header only\r\n"
    s.close()


def test_top(house):
    append(house, 3, BODIES)
    p = login(house, 3)
    assert p.top(1, 0)[1] == [b"Subject: one", b""]
    assert p.top(1, 2)[1] == [b"Subject: one", b"", b"line 1", b"line 2"]
    assert p.top(1, 99)[1] == p.retr(1)[1]
    assert p.top(2, 3)[1] == [b"Subject: dots", b"", b".", b"..", b".a"]
    assert p.top(3, 3)[1] == [b"Subject: none", b""]
    assert len(p.top(4, 3000)[1]) == 3002
    p.quit()


def test_pipelining(house):
    s, f = raw(house, 3)
    s.sendall(b"".join(b"RETR 1\r\nNOOP\r\n" for _ in range(200)) +
              b"FROB\r\nQUIT\r\n")
    for _ in range(200):
        assert multi(f) == BODIES[0]
        assert f.readline() == b"+OK\r\n"
    assert f.readline().startswith(b"-ERR")
    assert f.readline().startswith(b"+OK")


def test_unique_ids_stay(house):
    append(house, 4, BODIES[:3])
    p = login(house, 4)
    ids = [line.split()[1] for line in p.uidl()[1]]
    assert len(set(ids)) == 3
    assert all(0 < len(i) <= 70 for i in ids)
    assert p.uidl(2).split()[2] == ids[1]
    p.dele(1)
    assert [line.split()[1] for line in p.uidl()[1]] == ids[1:]
    p.quit()
    append(house, 4, BODIES[:1])
    p = login(house, 4)
    after = [line.split()[1] for line in p.uidl()[1]]
    assert after[:2] == ids[1:]
    assert after[2] not in ids
    p.quit()


def test_removal_is_quits(house):
    append(house, 5, BODIES[:3])
    p = login(house, 5)
    p.dele(2)
    assert p.stat() == (2, len(BODIES[0]) + len(BODIES[2]))
    assert [line.split()[0] for line in p.list()[1]] == [b"1", b"3"]
    for call in (p.retr, p.dele, p.list, p.uidl):
        with pytest.raises(poplib.error_proto):
            call(2)
    with pytest.raises(poplib.error_proto):
        p.top(2, 0)
    p.rset()
    assert p.stat()[0] == 3
    p.dele(1)
    p.close()  # not QUIT: nothing is removed

    def in_again():
        try:
            return login(house, 5)
        except poplib.error_proto as e:
            assert b"[IN-USE]" in e.args[0]
    p = wait_until(in_again)
    assert p.stat()[0] == 3
    p.dele(1)
    p.dele(3)
    p.quit()
    p = login(house, 5)
    assert p.retr(1)[1] == BODIES[1].split(b"\r\n")[:-1]
    p.dele(1)
    p.quit()
    p = login(house, 5)
    assert p.stat() == (0, 0)
    assert p.list()[1] == []
    p.quit()


def test_one_session_at_a_time(house):
    first = login(house, 6)
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        login(house, 6)
    # IMAP is not kept out.
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    assert m.login(house.user(6), "secret")[0] == "OK"
    m.logout()
    first.quit()
    second = login(house, 6, tls=True)
    second.quit()


def test_the_lock_ends_with_the_process(house):
    before = set(house.pids("pop3d"))
    login_one = login(house, 6)
    os.kill((set(house.pids("pop3d")) - before).pop(), signal.SIGKILL)
    with pytest.raises((poplib.error_proto, OSError)):
        login_one.noop()
    login(house, 6).quit()


def test_mail_that_comes_and_goes_meanwhile(house):
    append(house, 7, BODIES[:2])
    p = login(house, 7)
    with smtplib.LMTP("127.0.0.1", house.lmtp) as s:
        s.sendmail("a@b.test", [house.user(7)], "Subject: new\r\n\r\n")
    house.wait_empty_queue()
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    m.login(house.user(7), "secret")
    m.select()
    assert m.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
    m.expunge()
    m.logout()
    assert p.stat()[0] == 2  # the session's view stands still
    p.dele(1)
    p.dele(2)
    p.quit()
    p = login(house, 7)
    assert p.stat()[0] == 1
    assert b"Subject: new" in p.retr(1)[1]
    p.quit()


def test_fetched_messages_are_seen(house):
    append(house, 8, BODIES[:2])
    p = login(house, 8)
    p.retr(1)
    p.top(2, 1)
    p.quit()
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    m.login(house.user(8), "secret")
    m.select()
    assert m.search(None, "SEEN")[1] == [b"1"]
    m.logout()


def test_wrong_commands(house):
    s, f = raw(house, 8)
    for line in (b"RETR", b"RETR 0", b"RETR 3", b"RETR x", b"RETR 1 2",
                 b"TOP 1", b"STAT 1", b"USER x", b"STLS", b"AUTH PLAIN",
                 b"RETR 99999999999999999999", b"", b"\0", b"x" * 5000):
        s.sendall(line + b"\r\n")
        assert f.readline().startswith(b"-ERR"), line
    s.sendall(b"noop\r\nCAPA\r\n")
    assert f.readline() == b"+OK\r\n"
    caps = multi(f).split(b"\r\n")
    for cap in (b"TOP", b"UIDL", b"PIPELINING", b"RESP-CODES",
                b"EXPIRE NEVER"):
        assert cap in caps
    assert b"USER" not in caps and b"STLS" not in caps
    for _ in range(20):
        s.sendall(b"FROB\r\n")
        assert f.readline().startswith(b"-ERR")
    assert f.readline().startswith(b"-ERR")
    assert f.readline() == b""


def test_a_client_that_reads_slowly(house):
    """Through TLS: the proxy holds back, and nothing is lost."""
    s, f = raw(house, 0, tls=True)
    s.sendall(b"RETR 4\r\n" * 10)
    time.sleep(1)  # not for an event: this is how slow it is
    for _ in range(10):
        assert multi(f) == BODIES[3]
    s.sendall(b"QUIT\r\n")
    assert f.readline().startswith(b"+OK")
