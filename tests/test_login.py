"""The front door: what it offers, what it refuses, and that nothing is lost or
let in on the way to a session."""
import base64
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import ssl
import time

import pytest

from house import House, wait_until


@pytest.fixture(scope="module")
def house():
    with House(domain="door.test", users=3, settings={
            "login_session_timeout": "5s",
            "login_failure_delay_max": "2s"}) as h:
        yield h


@pytest.fixture(scope="module")
def strict():
    """No network counts as secured, and small limits."""
    with House(domain="strict.test", users=2, settings={
            "login_plaintext_networks": "10.0.0.0/8",
            "login_client_limit_exceptions": "10.0.0.0/8",
            "login_client_connection_limit": "5",
            "login_timeout": "3s"}) as h:
        yield h


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.sock.makefile("rb")

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def ask(self, data):
        self.send(data)
        return self.line()

    def until(self, tag):
        lines = []
        while True:
            line = self.line()
            assert line, "closed after %r" % lines
            lines.append(line)
            if line.startswith(tag + " "):
                return lines

    def until_text(self, text):
        line = self.line()
        while text not in line:
            assert line, "closed"
            line = self.line()

    def tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


def imap(h, secure=False):
    w = Wire(h.imap)
    w.greeting = w.line()
    assert w.greeting.startswith("* OK [CAPABILITY IMAP4rev1 IMAP4rev2 ")
    if secure:
        assert w.ask("s STARTTLS\r\n").startswith("s OK ")
        w.tls()
    return w


def pop3(h):
    w = Wire(h.pop3)
    assert w.line().startswith("+OK ")
    return w


def plain(user, password):
    return base64.b64encode(b"\0%s\0%s" % (user.encode(),
                                           password.encode())).decode()


# ---- what is offered ------------------------------------------------------

def test_no_password_without_tls(strict):
    with imap(strict) as w:
        assert "STARTTLS" in w.greeting and "LOGINDISABLED" in w.greeting
        assert "AUTH=" not in w.greeting
        for command in ("LOGIN user0@strict.test secret",
                        "AUTHENTICATE PLAIN " + plain("user0@strict.test",
                                                      "secret")):
            assert w.ask("a %s\r\n" % command).startswith(
                "a NO [PRIVACYREQUIRED]")
        assert w.ask("s STARTTLS\r\n").startswith("s OK ")
        w.tls()
        w.send("c CAPABILITY\r\n")
        caps = w.until("c")[0]
        assert "STARTTLS" not in caps and "LOGINDISABLED" not in caps
        assert "AUTH=PLAIN" in caps
        assert w.ask("a LOGIN user0@strict.test secret\r\n").startswith(
            "a OK ")


def test_pop3_no_password_without_tls(strict):
    p = poplib.POP3("127.0.0.1", strict.pop3, timeout=20)
    caps = p.capa()
    assert "STLS" in caps and "USER" not in caps and "SASL" not in caps
    with pytest.raises(poplib.error_proto, match="-ERR"):
        p.user("user0@strict.test")
    p.stls(strict.tls())
    caps = p.capa()
    assert "STLS" not in caps and "USER" in caps
    assert caps["SASL"] == ["PLAIN", "LOGIN"]
    p.user("user0@strict.test")
    assert p.pass_("secret").startswith(b"+OK")
    p.quit()


def test_loopback_is_secured_by_default(house):
    with imap(house) as w:
        assert "AUTH=PLAIN" in w.greeting
        assert w.ask("a LOGIN user0@door.test secret\r\n").startswith("a OK ")


def test_clients_that_look_only_before_the_login(house):
    """imaplib does, for its enable()."""
    with imap(house) as w:
        offered = w.greeting[w.greeting.index("[") + 1:w.greeting.index("]")]
        for word in ("ENABLE", "IDLE", "ID", "SASL-IR", "LITERAL+",
                     "STARTTLS", "AUTH=PLAIN"):
            assert word in offered.split()
        w.send("c CAPABILITY\r\n")
        assert w.until("c")[0] == "* " + offered
        # what is offered here must be true behind the login
        w.send("a LOGIN user0@door.test secret\r\n")
        then = w.until("a")[-1].split("]")[0].split()
        for word in offered.split():
            assert word in then or word.startswith(("STARTTLS", "AUTH=",
                                                    "CAPABILITY"))
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=20)
    m.login("user0@door.test", "secret")
    assert m.enable("CONDSTORE")[0] == "OK"
    m.logout()


# ---- TLS ------------------------------------------------------------------

def test_what_is_sent_behind_starttls_is_dropped(house):
    with imap(house) as w:
        w.send("a STARTTLS\r\nb LOGIN user0@door.test secret\r\n")
        assert w.line().startswith("a OK ")
        w.tls()
        assert w.ask("c NOOP\r\n").startswith("c OK ")
        assert w.ask("d LOGIN user0@door.test secret\r\n").startswith("d OK ")


def test_what_is_sent_behind_stls_is_dropped(house):
    with pop3(house) as w:
        w.send("STLS\r\nUSER user0@door.test\r\n")
        assert w.line().startswith("+OK ")
        w.tls()
        assert w.ask("PASS secret\r\n").startswith("-ERR ")  # no USER
        assert w.ask("NOOP\r\n") == "+OK"


def test_the_user_of_plaintext_is_forgotten(house):
    with pop3(house) as w:
        assert w.ask("USER user0@door.test\r\n").startswith("+OK")
        assert w.ask("STLS\r\n").startswith("+OK ")
        w.tls()
        assert w.ask("PASS secret\r\n").startswith("-ERR ")


def test_starttls_twice(house):
    with imap(house, secure=True) as w:
        assert w.ask("a STARTTLS\r\n").startswith("a BAD ")


def test_wrapped_tls_and_garbage(house):
    m = imaplib.IMAP4_SSL("127.0.0.1", house.imaps, ssl_context=house.tls(),
                          timeout=20)
    assert m.login("user1@door.test", "secret")[0] == "OK"
    m.logout()
    with Wire(house.imaps) as w:
        w.send(b"a LOGIN user0@door.test secret\r\n" * 3)
        assert b"OK" not in w.sock.recv(1000)


# ---- ways to log in -------------------------------------------------------

@pytest.mark.parametrize("secure", [False, True])
def test_literals(house, secure):
    with imap(house, secure) as w:
        assert w.ask("a LOGIN {15}\r\n").startswith("+ ")
        assert w.ask("user0@door.test {6}\r\n").startswith("+ ")
        assert w.ask("secret\r\n").startswith("a OK ")
    with imap(house, secure) as w:
        assert w.ask('a LOGIN {15+}\r\nuser0@door.test "secret"\r\n'
                     ).startswith("a OK ")
    with imap(house, secure) as w:
        w.send("a LOGIN {15+}\r\nuser")
        time.sleep(0.1)
        w.send("0@door.test {6-}\r\nsec")
        time.sleep(0.1)
        assert w.ask("ret\r\n").startswith("a OK ")


def test_literals_are_bounded(house):
    with imap(house) as w:
        assert w.ask("a LOGIN {99999}\r\n").startswith("a NO [TOOBIG]")
        assert w.ask("b LOGIN {99999999999999999999}\r\n").startswith(
            "b NO [TOOBIG]")
        assert w.ask("c LOGIN user0@door.test secret\r\n").startswith("c OK ")
    with imap(house) as w:
        assert w.ask("a LOGIN {99999+}\r\n").startswith("* BYE [TOOBIG]")
        assert w.line() == ""
    with imap(house) as w:
        w.send("a LOGIN {10000+}\r\n" + "x" * 100000)
        assert w.line().startswith("* BYE [TOOBIG]")
    with imap(house) as w:  # many small ones are one too long command
        for _ in range(10):
            line = w.ask("a {4096}\r\n")
            if not line.startswith("+"):
                break
            w.send("x" * 4096)
        assert "[TOOBIG]" in line


def test_authenticate(house):
    right = plain("user0@door.test", "secret")
    with imap(house) as w:
        assert w.ask("a AUTHENTICATE PLAIN %s\r\n" % right).startswith("a OK ")
    with imap(house) as w:
        assert w.ask("a authenticate plain\r\n").startswith("+ ")
        assert w.ask(right + "\r\n").startswith("a OK ")
    with imap(house) as w:
        asked = w.ask("a AUTHENTICATE LOGIN\r\n")
        assert base64.b64decode(asked[2:]).lower().startswith(b"user")
        asked = w.ask(base64.b64encode(b"user0@door.test").decode() + "\r\n")
        assert base64.b64decode(asked[2:]).lower().startswith(b"pass")
        assert w.ask(base64.b64encode(b"secret").decode() + "\r\n"
                     ).startswith("a OK ")
    with imap(house) as w:
        assert w.ask("a AUTHENTICATE PLAIN\r\n").startswith("+ ")
        assert w.ask("*\r\n").startswith("a BAD ")
        assert w.ask("b AUTHENTICATE PLAIN\r\n").startswith("+ ")
        assert w.ask("no base64\r\n").startswith("b BAD ")
        assert w.ask("c AUTHENTICATE PLAIN %s=\r\n" % right).startswith(
            "c BAD ")
        assert w.ask("d AUTHENTICATE CRAM-MD5\r\n").startswith("d NO ")
        assert w.ask("e LOGIN user0@door.test secret\r\n").startswith("e OK ")


def test_pop3_auth(house):
    right = plain("user0@door.test", "secret")
    with pop3(house) as w:
        assert w.ask("AUTH PLAIN %s\r\n" % right).startswith("+OK ")
    with pop3(house) as w:
        assert w.ask("AUTH PLAIN\r\n").startswith("+ ")
        assert w.ask("*\r\n").startswith("-ERR ")
        assert w.ask("AUTH PLAIN\r\n").startswith("+ ")
        assert w.ask(right + "\r\n").startswith("+OK ")
    with pop3(house) as w:
        assert w.ask("PASS secret\r\n").startswith("-ERR ")
        assert w.ask("USER user0@door.test\r\n") == "+OK"
        assert w.ask("PASS wrong\r\n").startswith("-ERR [AUTH]")
        assert w.ask("USER user0@door.test\r\n") == "+OK"
        assert w.ask("PASS secret\r\n").startswith("+OK ")


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("count", [3, 4000])
def test_what_is_sent_behind_the_login_arrives(house, secure, count):
    """Little of it goes along with the socket, much through a proxy."""
    with imap(house, secure) as w:
        many = "".join("n%05d NOOP\r\n" % i for i in range(count))
        w.send("a LOGIN user0@door.test secret\r\n" + many + "z LOGOUT\r\n")
        w.until("a")
        for i in range(count):
            assert w.line().startswith("n%05d OK " % i)
        w.until("z")
        assert w.line() == ""


def test_pop3_pipelined_login(house):
    with pop3(house) as w:
        w.send("USER user0@door.test\r\nPASS secret\r\nNOOP\r\nQUIT\r\n")
        assert [w.line()[:3] for _ in range(4)] == ["+OK"] * 4
        assert w.line() == ""


# ---- refusals -------------------------------------------------------------

def test_a_wrong_password_takes_time_and_ends_some_day(house):
    with imap(house) as w:
        began = time.monotonic()
        assert w.ask("a LOGIN user2@door.test wrong\r\n").startswith(
            "a NO [AUTHENTICATIONFAILED]")
        assert time.monotonic() - began > 0.5
    log = wait_until(lambda: [l for l in house.log().splitlines()
                              if "imap: auth failed: user=<user2@door.test>"
                              in l])
    assert "rip=127.0.0.1" in log[0]


def test_a_name_cannot_forge_a_log_line(house):
    with imap(house) as w:
        w.send('a LOGIN "x>, rip=1.2.3.4, <y" wrong\r\n')
        assert w.line().startswith("a NO ")
    lines = wait_until(lambda: [
        l for l in house.log().splitlines()
        if "/login[" in l and "auth failed" in l and "1.2.3.4" in l])
    assert all(", rip=1.2.3.4" not in l for l in lines)


def test_errors_are_bounded(house):
    with imap(house) as w:
        for i in range(10):
            assert w.ask("a%d FETCH 1 ALL\r\n" % i).startswith("a%d BAD" % i)
        assert w.line().startswith("* BYE ")
        assert w.line() == ""
    with imap(house) as w:
        for i in range(100):
            assert w.ask("a NOOP\r\n").startswith("a OK ")
        assert "* BYE " in w.ask("a NOOP\r\n") + w.line()
    with pop3(house) as w:
        for i in range(10):
            assert w.ask("RETR 1\r\n").startswith("-ERR ")
        assert w.line().startswith("-ERR ")
        assert w.line() == ""


def test_lines_are_bounded(house):
    with imap(house) as w:
        w.send("a LOGIN " + "x" * 100000 + "\r\nb NOOP\r\n")
        assert " BAD " in w.line()
        assert w.line().startswith("b OK ")
    with pop3(house) as w:
        w.send("USER " + "x" * 100000 + "\r\nNOOP\r\n")
        assert w.line().startswith("-ERR ")
        assert w.line() == "+OK"


def test_bad_tags(house):
    with imap(house) as w:
        for line in ("+ NOOP", "* NOOP", "", "\0 NOOP", '"a" NOOP'):
            assert w.ask(line + "\r\n").startswith("* BAD ")
        assert w.ask("a NOOP\r\n").startswith("a OK ")


def test_connections_of_one_address_are_bounded(strict):
    def five():
        """five connections, when those of before count no more"""
        clients = []
        try:
            for _ in range(5):
                clients.append(imap(strict))
            return clients
        except AssertionError:
            for w in clients:
                w.close()
    clients = wait_until(five, every=0.2)
    with Wire(strict.imap) as w:
        assert w.line().startswith("* BYE [UNAVAILABLE]")
    clients.pop().close()

    def again():
        with Wire(strict.imap) as w:
            return w.line().startswith("* OK")
    wait_until(again)
    for w in clients:
        w.close()
        wait_until(again)  # it has been seen, and counts no more


def test_silence_is_bounded(strict):
    with imap(strict) as w:
        began = time.monotonic()
        assert w.line().startswith("* BYE ")
        assert w.line() == ""
        assert time.monotonic() - began > 2
    with Wire(strict.imaps) as w:
        assert w.line() == ""
    with pop3(strict) as w:
        w.send("US")
        assert w.line().startswith("-ERR ")
        assert w.line() == ""


# ---- neighbours -----------------------------------------------------------

@pytest.mark.parametrize("program", ["auth", "imapd"])
def test_a_neighbour_that_does_not_answer(house, program):
    pid = house.pids(program)[0]
    os.kill(pid, signal.SIGSTOP)
    try:
        with imap(house) as w:
            assert w.ask("a LOGIN user0@door.test secret\r\n").startswith(
                "a NO [UNAVAILABLE]")
            os.kill(pid, signal.SIGCONT)
            wait_until(lambda: w.ask(
                "b LOGIN user0@door.test secret\r\n").startswith("b OK "),
                every=0.5)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_auth_comes_back(house):
    os.kill(house.pids("auth")[0], signal.SIGKILL)

    def works():
        with imap(house) as w:
            line = w.ask("a LOGIN user0@door.test secret\r\n")
            assert line.startswith(("a OK ", "a NO [UNAVAILABLE]"))
            return line.startswith("a OK ")
    wait_until(works, 30, 0.3)


@pytest.mark.parametrize("secure", [False, True])
def test_an_idle_session_is_woken(house, secure):
    with imap(house, secure) as w:
        assert w.ask("a LOGIN user1@door.test secret\r\n").startswith("a OK ")
        w.send("b SELECT INBOX\r\n")
        w.until("b")
        assert w.ask("c IDLE\r\n").startswith("+ ")
        w.sock.settimeout(20)
        with smtplib.LMTP("127.0.0.1", house.lmtp) as s:
            s.sendmail("a@b.test", ["user1@door.test"], "Subject: x\r\n\r\n")
        w.until_text(" EXISTS")


def test_sessions_outlive_a_reload(house):
    plain_one, secure_one = imap(house), imap(house, True)
    for w in (plain_one, secure_one):
        assert w.ask("a LOGIN user0@door.test secret\r\n").startswith("a OK ")
    house.posthouse("reload")
    wait_until(lambda: len(house.pids("login")) >= 4)
    time.sleep(1)
    for w in (plain_one, secure_one):
        assert w.ask("b NOOP\r\n").startswith("b OK ")
    with imap(house) as w:
        assert w.ask("a LOGIN user0@door.test secret\r\n").startswith("a OK ")
    for w in (plain_one, secure_one):
        w.send("z LOGOUT\r\n")
        w.until("z")
        w.close()

    def old_ones_gone():
        """the drained login processes to end"""
        return len(house.pids("login")) == 4
    wait_until(old_ones_gone, 20)


# ---- the end --------------------------------------------------------------

def test_a_stop_ends_sessions_and_says_so(house):
    """Whether they are silent, idle or at the door; in plaintext and TLS."""
    waiting = []
    for secure in (False, True):
        for command in (None, "b NOOP\r\n", "b IDLE\r\n"):
            w = imap(house, secure)
            if command:
                assert w.ask("a LOGIN user0@door.test secret\r\n"
                             ).startswith("a OK ")
                w.send("s SELECT INBOX\r\n")
                w.until("s")
                assert w.ask(command).startswith(("b OK ", "+ "))
            waiting.append((w, "* BYE "))
    for user in (0, 1):
        w = pop3(house)
        if user:
            assert w.ask("STLS\r\n").startswith("+OK")
            w.tls()
        assert w.ask("USER user%d@door.test\r\n" % user) == "+OK"
        assert w.ask("PASS secret\r\n").startswith("+OK")
        waiting.append((w, "-ERR [SYS/TEMP]"))
    try:
        house.stop()
        for w, word in waiting:
            assert w.line().startswith(word)
            assert w.line() == ""
            w.close()
    finally:
        house.start()
