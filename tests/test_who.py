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
    for command in (["who"], ["kick", house.user(1)]):
        done = house.posthouse(*command, "--protocol", "imaps", check=False)
        assert done.returncode == 64 and "imap" in done.stderr
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
    assert house.posthouse("kick", check=False).returncode == 64


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


def greeted(port):
    """A client that has heard the greeting and says nothing."""
    s = socket.create_connection(("127.0.0.1", port), 30)
    line = s.makefile("rb").readline()
    assert line
    return s


def test_clients_before_their_login(house):
    """Held by login, in plaintext and with TLS: listed, counted, kicked."""
    plain, pop = greeted(house.imap), greeted(house.pop3)
    secure = house.tls().wrap_socket(
        socket.create_connection(("127.0.0.1", house.imaps), 30))
    assert secure.recv(100)

    def three():
        """three clients before their login"""
        return len(rows(house, state="login", user="")) == 3
    wait_until(three)
    found = rows(house, state="login")
    assert sorted((r["protocol"], r["tls"]) for r in found) == [
        ("imap", False), ("imap", True), ("pop3", False)]
    assert {r["client"] for r in found} == {"127.0.0.1"}
    assert "0 sessions; 3 clients before their login\n" in \
        house.posthouse("who")
    # They are nobody's yet; of POP3 there is one.
    assert house.json("kick", house.user(0)) == {"ended": 0}
    assert house.json("kick", "127.0.0.1", "--protocol", "pop3") == {
        "ended": 1}
    assert last_words(pop) == "-ERR Disconnected by the administrator\r\n"
    wait_until(lambda: len(rows(house, state="login")) == 2)
    # Who logs in is a session and no longer such a client.
    plain.sendall(b"a LOGIN %s %s\r\n" % (house.user(0).encode(),
                                         house.password.encode()))

    def one_of_each():
        """a session, and a client before its login"""
        return "1 session; 1 client before its login\n" in \
            house.posthouse("who")
    wait_until(one_of_each)
    assert house.posthouse("kick", "127.0.0.0/8") == \
        "2 sessions are being ended\n"
    assert "BYE Disconnected by the administrator" in last_words(secure)
    assert "BYE" in last_words(plain)
    wait_until(lambda: not who(house))


def test_clients_that_screen_holds(house):
    """Before their first command, and those that smtpd has no process for."""
    silent = greeted(house.smtp)

    def held():
        """one client that screen holds"""
        return rows(house, state="screen")
    row, = wait_until(held)
    assert row["protocol"] == "smtp" and row["client"] == "127.0.0.1"
    assert row["user"] == "" and row["since"] > 1700000000
    assert "0 sessions; 1 held by screen\n" in house.posthouse("who")
    assert house.json("kick", "127.0.0.1", "--protocol", "imap") == {
        "ended": 0}
    assert house.posthouse("kick", "127.0.0.1") == \
        "1 session is being ended\n"
    assert last_words(silent).startswith("421 4.3.2 ")
    wait_until(lambda: not who(house))
    # With its first command it is smtpd's, and a session.
    s = greeted(house.smtp)
    s.sendall(b"EHLO x\r\n")

    def a_session():
        """one session of smtpd, and no other row"""
        return [(r["protocol"], r["state"]) for r in who(house)] in (
            [("smtp", "idle")], [("smtp", "busy")])
    wait_until(a_session)
    assert "1 session\n" in house.posthouse("who")
    s.close()
    wait_until(lambda: not who(house))


def test_a_client_that_waits_for_smtpd_is_kicked():
    with House(users=1) as h:
        h.posthouse("service", "limit", "smtpd", "1")
        first = greeted(h.smtp)
        first.sendall(b"EHLO x\r\n")
        wait_until(lambda: [r["state"] for r in who(h)] in (["idle"],
                                                           ["busy"]))
        second = greeted(h.smtp)
        second.sendall(b"EHLO y\r\n")

        def waits():
            """screen holds the second one, which has spoken"""
            screen, = [s for s in h.json("status")["services"]
                       if s["command"] == "screen"]
            # Nobody whose first command has not come.
            return screen["counters"]["clients"] == 0 and \
                rows(h, state="screen")
        wait_until(waits)
        assert h.json("kick", "127.0.0.1")["ended"] == 2
        assert last_words(second).startswith("421 4.3.2 ")
        assert "421 4.3.2 " in last_words(first)


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
