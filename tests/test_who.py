"""posthouse who and kick: every session is listed with its user, and ends
politely when the operator says so."""
import imaplib
import os
import poplib
import smtplib
import socket

import pytest

from house import House, wait_until

PARK = {"imap_park_time": "1s", "imap_idle_park_time": "1s"}


@pytest.fixture(scope="module")
def house():
    with House(users=3, settings=PARK) as h:
        yield h


def who(h, *args):
    return h.json("who", *args)


def rows(h, *args, **wanted):
    return [r for r in who(h, *args)
            if all(r[k] == v for k, v in wanted.items())]


def imap(h, n=0, tls=True):
    box = (imaplib.IMAP4_SSL("127.0.0.1", h.imaps, ssl_context=h.tls(),
                             timeout=30)
           if tls else imaplib.IMAP4("127.0.0.1", h.imap, timeout=30))
    box.login(h.user(n), h.password)
    return box


def last_words(sock):
    """What comes until the other side has closed."""
    said = b""
    sock.settimeout(30)
    try:
        while True:
            more = sock.recv(4096)
            if not more:
                return said.decode()
            said += more
    except (ConnectionResetError, ssl_error):
        return said.decode()


try:
    from ssl import SSLError as ssl_error
except ImportError:
    ssl_error = OSError


def submission(h, n=0):
    s = smtplib.SMTP("127.0.0.1", h.submission, timeout=30)
    s.starttls(context=h.tls())
    s.login(h.user(n), h.password)
    return s


def test_every_protocol_is_listed(house):
    mx = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
    mx.ehlo()
    sub = submission(house)
    box = imap(house)
    box.select("INBOX")
    pop = poplib.POP3("127.0.0.1", house.pop3, timeout=30)
    pop.user(house.user(1))
    pop.pass_(house.password)

    def all_there():
        """a row for each of four sessions"""
        return {r["protocol"] for r in who(house)} >= {
            "smtp", "submission", "imap", "pop3"}
    wait_until(all_there)
    by = {r["protocol"]: r for r in who(house)}
    assert by["smtp"]["user"] == "" and not by["smtp"]["tls"]
    assert by["submission"]["user"] == house.user(0)
    assert by["submission"]["tls"]
    assert by["imap"]["user"] == house.user(0) and by["imap"]["tls"]
    assert by["pop3"]["user"] == house.user(1) and not by["pop3"]["tls"]
    for r in by.values():
        assert r["client"] == "127.0.0.1" and r["pid"] > 0
        assert r["state"] in ("idle", "busy", "parked")
        assert r["since"] > 1700000000
    assert {r["protocol"] for r in who(house, "--user", house.user(1))} == {
        "pop3"}
    assert {r["protocol"] for r in who(house, "--user", "user1")} == {"pop3"}
    assert {r["protocol"] for r in who(house, "--protocol", "imap")} == {
        "imap"}
    assert who(house, "--client", "192.0.2.0/24") == []
    assert len(who(house, "--client", "127.0.0.0/8")) >= 4
    text = house.posthouse("who")
    assert house.user(1) in text and "sessions" in text
    pop.quit()
    mx.quit()
    sub.quit()
    box.logout()

    def all_gone():
        """no session any more"""
        return not who(house)
    wait_until(all_gone)


def test_kick_by_user_ends_his_sessions_and_no_others(house):
    sub, box, other = submission(house), imap(house), imap(house, 1)
    box.select("INBOX")
    other.select("INBOX")

    def listed():
        """three sessions"""
        return len(who(house)) == 3
    wait_until(listed)
    assert house.json("kick", house.user(0)) == {"ended": 2}
    assert last_words(sub.sock).startswith("421 4.3.2 ")
    assert "BYE [UNAVAILABLE] Disconnected by the administrator" in \
        last_words(box.sock)

    def one_left():
        """the other user's session alone"""
        return [r["user"] for r in who(house)] == [house.user(1)]
    wait_until(one_left)
    assert other.noop()[0] == "OK"
    other.logout()
    house.logged("operator: kick user=<%s>" % house.user(0))
    # Kicked is not forbidden.
    imap(house).logout()


def test_kick_of_pop3(house):
    pop = poplib.POP3("127.0.0.1", house.pop3, timeout=30)
    pop.user(house.user(1))
    pop.pass_(house.password)
    wait_until(lambda: rows(house, protocol="pop3"))
    assert house.json("kick", house.user(1), "--protocol", "pop3") == {
        "ended": 1}
    assert last_words(pop.sock).startswith(
        "-ERR [SYS/TEMP] Disconnected by the administrator")


@pytest.mark.parametrize("tls", [True, False])
def test_parked_ones_are_listed_and_kicked(house, tls):
    box = imap(house, 2, tls)
    box.select("INBOX")
    began = rows(house, user=house.user(2))[0]["since"]

    def parked():
        """the session is parked"""
        return rows(house, user=house.user(2), state="parked")
    row = wait_until(parked)[0]
    assert row["tls"] == tls and row["client"] == "127.0.0.1"
    assert abs(row["since"] - began) <= 2
    assert row["protocol"] == "imap"
    # It comes back, and is a session as before; and parks again.
    assert box.noop()[0] == "OK"
    box.select("INBOX")
    wait_until(parked)
    assert len(rows(house, user=house.user(2))) == 1
    assert house.json("kick", house.user(2)) == {"ended": 1}
    assert "BYE [UNAVAILABLE] Disconnected by the administrator" in \
        last_words(box.sock)
    wait_until(lambda: not rows(house, user=house.user(2)))


def test_kick_by_address(house):
    box = imap(house)
    wait_until(lambda: rows(house, protocol="imap"))
    assert house.json("kick", "192.0.2.7") == {"ended": 0}
    assert house.json("kick", "127.0.0.1", "--protocol", "imap") == {
        "ended": 1}
    assert "BYE" in last_words(box.sock)
    done = house.posthouse("kick", "--client", "nonsense/99", check=False)
    assert done.returncode == 1 and "address or a network" in done.stderr
    assert house.posthouse("kick", check=False).returncode == 2


def test_a_message_under_way_is_not_taken_by_halves(house):
    """Kicked in the midst of DATA, the client is told so and has to send
    again; nothing of the message arrives."""
    with socket.create_connection(("127.0.0.1", house.smtp), 30) as s:
        f = s.makefile("rb")
        f.readline()
        for line in (b"HELO x", b"MAIL FROM:<a@b.test>",
                     b"RCPT TO:<%s>" % house.user(0).encode(), b"DATA"):
            s.sendall(line + b"\r\n")
            f.readline()
        s.sendall(b"Subject: half\r\n\r\nnot all\r\n")
        wait_until(lambda: rows(house, protocol="smtp"))
        assert house.json("kick", "127.0.0.1", "--protocol", "smtp")[
            "ended"] == 1
        assert f.readline().startswith(b"421 ")
    box = imap(house)
    assert int(box.select("INBOX")[1][0]) == 0
    box.logout()


def test_a_login_that_was_killed_leaves_no_rows(house):
    box = imap(house, 2)
    box.select("INBOX")
    row = wait_until(lambda: rows(house, user=house.user(2), state="parked"))
    os.kill(row[0]["pid"], 9)
    wait_until(lambda: not rows(house, user=house.user(2)))
    box.sock.close()


def test_strangers_may_not_ask(house):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    pid = os.fork()
    if pid == 0:
        os.setgid(65534)
        os.setuid(65534)
        done = house.posthouse("kick", house.user(0), check=False)
        os._exit(0 if done.returncode != 0 else 1)
    assert os.waitpid(pid, 0)[1] == 0
