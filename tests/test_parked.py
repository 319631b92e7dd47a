"""Clients that login alone holds: they notice nothing but that no process
serves them."""
import os
import random
import re
import signal
import smtplib
import socket
import time

import pytest

from house import House, wait_until
from ipc_fake import Connection
from test_login import imap

MESSAGE = "Subject: %s\r\nFrom: a@b.test\r\n\r\nx\r\n"


@pytest.fixture(scope="module")
def house():
    with House(domain="park.test", users=12, settings={
            "imap_park_time": "50ms", "imap_idle_park_time": "50ms",
            "login_session_timeout": "5s", "login_noop_time": "0",
            "imap_idle_notify_interval": "10s"}) as h:
        yield h


def counters(h):
    """Figures by name, summed over services; "imapd/unix parked" too."""
    found = {}
    for line in h.posthouse("status").splitlines():
        m = re.match(r"  (\S+) (.+): (\d+)$", line)
        if m:
            found[m[2]] = found.get(m[2], 0) + int(m[3])
            found["%s %s" % (m[1], m[2])] = int(m[3])
    return found


def login(h, user=0, secure=False, select="SELECT INBOX"):
    w = imap(h, secure)
    w.sock.settimeout(20)
    assert w.ask("a LOGIN user%d@%s secret\r\n" % (user, h.domain)
                 ).startswith("a OK ")
    if select:
        w.send("s %s\r\n" % select)
        w.selected = w.until("s")
    return w


def do(w, command, tag="t"):
    """The untagged answers and the tagged one of a command."""
    w.send("%s %s\r\n" % (tag, command))
    return w.until(tag)


def ok(w, command):
    lines = do(w, command)
    assert lines[-1].startswith("t OK "), lines
    return lines[:-1]


def deliver(h, user, subject="x"):
    with smtplib.LMTP("127.0.0.1", h.lmtp) as s:
        s.sendmail("a@b.test", ["user%d@%s" % (user, h.domain)],
                   MESSAGE % subject)


def append(w, mailbox="INBOX", flags=""):
    text = MESSAGE % "appended"
    w.send("t APPEND %s (%s) {%d+}\r\n%s\r\n" % (
        mailbox, flags, len(text), text))
    assert w.until("t")[-1].startswith("t OK ")


def served(h):
    """Sessions that have a process."""
    return len(h.pids("imapd")) - 1


def wait_unserved(h):
    def held():
        """every session to be without a process"""
        return served(h) == 0
    wait_until(held, 20, 0.01)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request):
    return request.param


# ---- coming back ----------------------------------------------------------

def test_a_silent_client_has_no_process(house, secure):
    with login(house, 0, secure) as w:
        for _ in range(3):
            wait_unserved(house)
            assert counters(house)["parked"] >= 1
            assert ok(w, "NOOP") == []
        wait_unserved(house)
        assert do(w, "LOGOUT")[-1].startswith("t OK ")


def test_a_client_without_a_mailbox(house, secure):
    with login(house, 0, secure, None) as w:
        wait_unserved(house)
        assert do(w, "FETCH 1 FLAGS")[-1] == "t BAD No mailbox is selected"
        wait_unserved(house)
        assert w.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        deliver(house, 0)
        assert w.ask("DONE\r\n").startswith("i OK ")


def test_what_is_enabled_and_read_only_stays(house):
    with login(house, 1, select=None) as w, login(house, 1) as other:
        append(other)
        append(other)
        ok(w, "ENABLE QRESYNC IMAP4rev2")
        ok(w, "EXAMINE INBOX")
        wait_unserved(house)
        ok(other, "STORE 1 +FLAGS (\\Flagged)")
        ok(other, "STORE 2 +FLAGS (\\Deleted)")
        wait_unserved(house)
        lines = ok(w, "NOOP")
        assert re.match(r"\* 1 FETCH \(UID 1 FLAGS \(\\Flagged\) "
                        r"MODSEQ \(\d+\)\)$", lines[0]), lines
        ok(other, "EXPUNGE")
        wait_unserved(house)
        assert ok(w, "NOOP") == ["* VANISHED 2"]
        assert do(w, "STORE 1 +FLAGS (\\Seen)")[-1].startswith("t NO ")
        wait_unserved(house)
        assert do(w, "STORE 1 +FLAGS (\\Seen)")[-1].startswith("t NO ")


def test_the_saved_search_stays(house):
    with login(house, 2) as w:
        for n in range(6):
            append(w, flags="\\Seen" if n % 2 else "")
        ok(w, "SEARCH RETURN (SAVE) SEEN")
        wait_unserved(house)
        lines = ok(w, "UID FETCH $ (UID)")
        assert [int(re.search(r"UID (\d+)", x)[1]) for x in lines] == [2, 4, 6]
        wait_unserved(house)
        ok(w, "STORE 4 +FLAGS (\\Deleted)")
        ok(w, "EXPUNGE")
        wait_unserved(house)
        lines = ok(w, "UID FETCH $ (UID)")
        assert [int(re.search(r"UID (\d+)", x)[1]) for x in lines] == [2, 6]


def test_keywords_are_told_once(house):
    with login(house, 3) as w, login(house, 3) as other:
        append(w)
        ok(w, "STORE 1 +FLAGS (one)")
        wait_unserved(house)
        assert ok(w, "NOOP") == []
        ok(other, "NOOP")
        ok(other, "STORE 1 +FLAGS (two)")
        wait_unserved(house)
        lines = ok(w, "NOOP")
        assert lines[0].startswith("* FLAGS ") and "two" in lines[0]
        assert lines[-1] == "* 1 FETCH (UID 1 FLAGS (one two))"
        wait_unserved(house)
        assert ok(w, "NOOP") == []


def test_the_quota_stays(house):
    house.posthouse("user", "add", "full@park.test", "quota=20K",
                    "--password", "secret")
    wait_login(house, "full", "secret")
    with imap(house) as w:
        w.ask("a LOGIN full@park.test secret\r\n")
        wait_unserved(house)
        append(w)
        wait_unserved(house)
        w.send("t APPEND INBOX {30000+}\r\n%s\r\n" % ("x" * 30000))
        assert w.until("t")[-1].startswith("t NO [OVERQUOTA]")


def test_an_expunge_waits_for_a_command_that_allows_it(house, secure):
    user = 4 + secure
    with login(house, user, secure) as w, login(house, user) as other:
        for _ in range(4):
            append(w)
        ok(w, "NOOP")
        ok(other, "NOOP")
        wait_unserved(house)
        ok(other, "STORE 2 +FLAGS (\\Deleted)")
        ok(other, "EXPUNGE")
        append(other, flags="\\Answered")
        wait_unserved(house)
        lines = ok(w, "FETCH 1:4 (UID)")
        assert "* 5 EXISTS" in lines, lines
        assert not [x for x in lines if "EXPUNGE" in x]
        assert [x for x in lines if x.endswith("FETCH (UID 3)")][0][:3] == \
            "* 3"
        wait_unserved(house)  # with an expunge that is not told
        lines = ok(w, "FETCH 3 (UID)")
        assert lines == ["* 3 FETCH (UID 3)"]
        assert ok(w, "NOOP") == ["* 2 EXPUNGE"]
        assert ok(w, "FETCH 4 (UID)") == ["* 4 FETCH (UID 5)"]


# ---- IDLE -----------------------------------------------------------------

def test_news_in_idle(house, secure):
    user = 6 + secure
    with login(house, user, secure) as w, login(house, user) as other:
        assert w.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        deliver(house, user)
        assert w.line() == "* 1 EXISTS"
        wait_unserved(house)
        deliver(house, user)
        assert w.line() == "* 2 EXISTS"
        ok(other, "NOOP")
        wait_unserved(house)
        ok(other, "STORE 1 +FLAGS (\\Deleted)")
        assert w.line() == "* 1 FETCH (UID 1 FLAGS (\\Deleted))"
        wait_unserved(house)
        ok(other, "EXPUNGE")
        assert w.line() == "* 1 EXPUNGE"
        wait_unserved(house)
        # What another mailbox of the account has is no news.
        append(other, "Sent")
        wait_unserved(house)
        assert w.ask("DONE\r\n") == "i OK Done"
        assert ok(w, "FETCH 1 (UID)") == ["* 1 FETCH (UID 2)"]


def test_still_here_comes_without_a_process(house):
    with login(house, 0) as w, login(house, 0, True) as tls:
        for x in (w, tls):
            assert x.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        began = counters(house)["imapd/unix resumed"]
        for x in (w, tls):
            assert x.line() == "* OK Still here"
        assert counters(house)["imapd/unix resumed"] == began
        for x in (w, tls):
            assert x.ask("DONE\r\n") == "i OK Done"


def test_something_else_than_done(house):
    with login(house, 0) as w:
        assert w.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        assert w.ask("x NOOP\r\n") == "i BAD DONE was expected"
        assert ok(w, "NOOP") == []


def test_noop_needs_no_process_while_nothing_changes():
    with House(domain="noop.test", users=1, settings={
            "imap_park_time": "50ms"}) as h:
        with login(h) as w, login(h, 0, True) as tls, login(h) as other:
            for x in (w, tls):
                ok(x, "NOOP")
                wait_unserved(h)
                ok(x, "NOOP")
            wait_unserved(h)
            before = counters(h).get("imapd/unix resumed", 0)
            for n in range(100):
                assert ok(w, "NOOP") == [] and ok(tls, "NOOP") == []
            assert counters(h).get("imapd/unix resumed", 0) == before
            for n in range(1, 6):
                append(other)
                for x in (w, tls):
                    assert ok(x, "NOOP") == ["* %d EXISTS" % n]
                wait_unserved(h)
            ok(w, "STORE 1 +FLAGS (\\Deleted)")
            assert ok(tls, "NOOP") == ["* 1 FETCH (UID 1 FLAGS (\\Deleted))"]
            wait_unserved(h)
            ok(w, "EXPUNGE")
            wait_unserved(h)
            # Told by no answer to FETCH, and still there for NOOP.
            ok(tls, "FETCH 2 (UID)")
            wait_unserved(h)
            assert ok(tls, "NOOP") == ["* 1 EXPUNGE"]


# ---- what login hands over ------------------------------------------------

def test_pieces_of_commands(house, secure):
    with login(house, 0, secure) as w:
        wait_unserved(house)
        w.send("p NO")
        wait_until(lambda: served(house) == 1)
        time.sleep(0.3)
        assert served(house) == 1  # in the midst of a command
        assert w.ask("OP\r\n") == "p OK Done"
        wait_unserved(house)
        w.send("q LIST \"\" {5}\r\n")
        assert w.line().startswith("+ ")
        time.sleep(0.3)
        assert served(house) == 1  # and has spoken
        w.send("INBOX\r\n")
        assert w.until("q")[-1].startswith("q OK ")
        wait_unserved(house)
        many = "".join("m%d NOOP\r\n" % n for n in range(3000))
        w.send(many)
        for n in range(3000):
            assert w.line() == "m%d OK Done" % n


def test_nothing_is_lost_at_the_door(house, secure):
    """Commands come just as the session is about to be parked."""
    random.seed(7)
    with login(house, 0, secure) as w:
        for n in range(60):
            time.sleep(0.044 + random.random() * 0.012)
            assert w.ask("n%d NOOP\r\n" % n) == "n%d OK Done" % n
    assert counters(house)["imapd/unix parked"] > 10


def test_a_session_leaves_two_lines_in_the_log(house, secure):
    def lines(word):
        return [x for x in house.log().splitlines()
                if "session %s: user=<user8@" % word in x]
    before = len(lines("end"))  # of the other kind of connection
    with login(house, 8, secure) as w:
        for _ in range(3):
            wait_unserved(house)
            ok(w, "NOOP")
        wait_unserved(house)

    def ended():
        """the line about the session's end"""
        return len(lines("end")) == len(lines("start")) == before + 1
    # The client just closes: login tells what imapd would have told.
    wait_until(ended)
    end = lines("end")[-1]
    assert "/login[" in end and "commands=4" in end, end
    assert "(the client is gone)" in end
    assert int(re.search(r"in=(\d+)", end)[1]) == 40


# ---- what cannot go on ----------------------------------------------------

@pytest.mark.parametrize("idle", [False, True])
def test_the_mailbox_is_deleted(house, idle):
    with login(house, 9) as other:
        ok(other, "CREATE Work")
        with login(house, 9, select="SELECT Work") as w:
            if idle:
                assert w.ask("i IDLE\r\n").startswith("+ ")
            wait_unserved(house)
            ok(other, "DELETE Work")
            if not idle:
                w.send("t NOOP\r\n")
            assert w.line().startswith("* BYE ")
            assert w.line() == ""


def test_the_mailbox_is_another_one_of_the_same_name(house):
    with login(house, 9) as other:
        ok(other, "CREATE Play")
        with login(house, 9, select="SELECT Play") as w:
            wait_unserved(house)
            ok(other, "DELETE Play")
            ok(other, "CREATE Play")
            w.send("t NOOP\r\n")
            assert w.line().startswith("* BYE ")


def test_the_mailbox_is_renamed(house):
    with login(house, 9) as other:
        ok(other, "CREATE Old")
        append(other, "Old")
        with login(house, 9, select="SELECT Old") as w:
            wait_unserved(house)
            ok(other, "RENAME Old New")
            append(other, "New")
            assert ok(w, "NOOP") == ["* 2 EXISTS"]
            assert ok(w, "FETCH 2 (UID)") == ["* 2 FETCH (UID 2)"]
        ok(other, "DELETE New")


def can_login(h, name, password):
    with imap(h) as w:
        return w.ask("a LOGIN %s@%s %s\r\n" % (
            name, h.domain, password)).startswith("a OK ")


def wait_login(h, name, password, can=True):
    """Tables are read anew some moments after they have changed."""
    wait_until(lambda: can_login(h, name, password) == can, 20, 0.2)


def test_the_password_is_changed(house, secure):
    with login(house, 10, secure) as w, login(house, 10) as idle:
        assert idle.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        house.posthouse("user", "passwd", "user10@park.test",
                        "--password", "other")
        wait_login(house, "user10", "other")
        w.send("t NOOP\r\n")
        assert w.line() == "* BYE The account or its password has changed"
        assert w.line() == ""
        deliver(house, 10)
        assert idle.line().startswith("* BYE ")
    house.posthouse("user", "passwd", "user10@park.test",
                    "--password", "secret")
    wait_login(house, "user10", "secret")


@pytest.mark.parametrize("how", ["delete", "enabled=no"])
def test_the_account_ends(house, how):
    name = "gone-" + how[:4]
    user = name + "@park.test"
    house.posthouse("user", "add", user, "--password", "secret")
    wait_login(house, name, "secret")
    with imap(house) as w:
        assert w.ask("a LOGIN %s secret\r\n" % user).startswith("a OK ")
        ok(w, "SELECT INBOX")
        wait_unserved(house)
        if how == "delete":
            house.posthouse("user", "delete", user)
        else:
            house.posthouse("user", "set", user, how)
        wait_login(house, name, "secret", False)
        w.send("t NOOP\r\n")
        assert w.line() == "* BYE The account or its password has changed"
        assert w.line() == ""


# ---- login as an enemy ----------------------------------------------------

class Door:
    """Speaks to auth and imapd as login does."""

    def __init__(self, house, user=11):
        self.house, self.user = house, user
        self.login = "user%d@%s" % (user, house.domain)
        self.session = "".join(random.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
                               for _ in range(21))
        self.session = "1" + self.session

    def connect(self, name, exchange):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(self.house.dir, "run", "sockets", name))
        return Connection(s, exchange)

    def start(self):
        """A session; returns the client's end and what it parks with."""
        auth = self.connect("auth", "auth")
        auth.send("auth_begin", request=1, service="imap",
                  session=self.session, mechanism="PLAIN", has_initial=True,
                  initial="\0%s\0secret" % self.login,
                  client_address="127.0.0.1", tls=True)
        name, fields = auth.receive()
        assert name == "auth_ok", fields
        ours, theirs = socket.socketpair()
        c = self.connect("imapd", "session")
        c.send("session", fds=[theirs.fileno()], ticket=fields["ticket"],
               service="imap", session=self.session, tag="a",
               client_address="127.0.0.1", tls=True,
               input="s SELECT INBOX\r\n")
        theirs.close()
        assert c.receive()[0] == "session_ready"
        name, fields = c.receive()
        assert name == "park"
        c.send("parked")
        assert c.receive() is None
        c.close()
        auth.close()
        return fields

    def resume(self, park, login=None, session=None, **changed):
        """What imapd answers, and the client's end."""
        ours, theirs = socket.socketpair()
        ours.settimeout(20)
        c = self.connect("imapd", "session")
        fields = dict(pass_=park["pass"], state=park["state"])
        fields.update(changed)
        c.send("resume", fds=[theirs.fileno()], **{
            "login": login or self.login, "session": session or self.session,
            "client_address": "127.0.0.1", "pass": fields["pass_"],
            "state": fields["state"], "timeout": 60000, "began": 1,
            "commands": 1, "octets_in": 0, "octets_out": 0, "tls": True,
            "input": "t NOOP\r\n"})
        theirs.close()
        answer = c.receive()
        return answer, ours, c


def flip(text, at):
    data = bytearray(text.encode("utf-8", "surrogateescape"))
    data[at] ^= 1
    return bytes(data).decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def door(house):
    return Door(house)


def test_a_true_state_is_taken_and_may_be_taken_again(door):
    """An old state of the same session does no harm: it is what it was."""
    park = door.start()
    for _ in range(2):
        answer, client, control = door.resume(park)
        assert answer[0] == "session_ready"
        text = b""
        while b"t OK" not in text:
            text += client.recv(4096)
        client.close()
        control.close()


def refused(door, *args, **kwargs):
    answer, client, control = door.resume(*args, **kwargs)
    client.close()
    control.close()
    return answer is None or answer[0] == "session_no"


def test_a_forged_state_is_refused(door):
    park = door.start()
    raw = park["state"].encode("utf-8", "surrogateescape")
    for at in [0, 11, 12, len(raw) // 2, len(raw) - 17, len(raw) - 1]:
        assert refused(door, park, state=flip(park["state"], at)), at
    for state in ("x", "imap1\tselected=1\n", park["state"] + "x",
                  raw[:-1].decode("utf-8", "surrogateescape")):
        assert refused(door, park, state=state)
    assert not refused(door, park)


def test_a_pass_is_for_one_account_and_session(door):
    park = door.start()
    other = Door(door.house, 2)
    theirs = other.start()
    assert refused(door, park, login=other.login)
    assert refused(door, park, session=other.session)
    assert refused(door, park, login=other.login, session=other.session)
    assert refused(door, park, pass_=theirs["pass"])
    assert refused(door, park, pass_="1." + "0" * 64)
    # Another session's state of the same account.
    again = Door(door.house)
    park2 = again.start()
    assert refused(door, park, state=park2["state"])
    assert not refused(again, park2)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs roles of their own")
def test_auth_gives_no_key_to_login(door):
    """Nor to anybody but imapd's user; root is not that."""
    park = door.start()
    auth = door.connect("auth", "auth")
    auth.send("auth_resume", **{
        "request": 1, "login": door.login, "service": "imap",
        "session": door.session, "pass": park["pass"]})
    assert auth.receive() is None
    auth.close()


# ---- neighbours that go ---------------------------------------------------

def kill(house, program):
    for pid in house.pids(program):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("program", ["imapd", "auth", "lookup", "keeper"])
def test_a_neighbour_is_killed_meanwhile(house, program):
    house.crashes_allowed = True
    with login(house, 0) as w, login(house, 0, True) as idle:
        assert idle.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        kill(house, program)
        assert ok(w, "NOOP") is not None

        def delivered():
            """mail that is taken again"""
            try:
                deliver(house, 0)
                return True
            except smtplib.SMTPException:
                return False
        wait_until(delivered)
        idle.until_text(" EXISTS")
        assert ok(w, "NOOP")[-1].endswith(" EXISTS")
    wait_until(lambda: house.pids(program))


def test_imapd_is_stopped_for_good(house):
    with login(house, 0) as w, login(house, 0, True) as idle:
        assert idle.ask("i IDLE\r\n").startswith("+ ")
        wait_unserved(house)
        house.posthouse("service", "stop", "imapd")
        try:
            w.send("t NOOP\r\n")
            assert w.line().startswith("* BYE [UNAVAILABLE]")
        finally:
            house.posthouse("service", "start", "imapd")
        deliver(house, 0)
        idle.until_text(" EXISTS")


@pytest.mark.parametrize("command", ["reload", "upgrade"])
def test_a_new_generation_breaks_nothing(house, command):
    """The old login holds its clients, with sessions of the new imapd."""
    held = [login(house, 1, s) for s in (False, True)]
    idle = [login(house, 1, s) for s in (False, True)]
    for w in idle:
        assert w.ask("i IDLE\r\n").startswith("+ ")
    wait_unserved(house)
    for _ in range(2):
        house.posthouse(command)
        deliver(house, 1)
        for w in idle:
            w.until_text(" EXISTS")
        for w in held:
            assert ok(w, "NOOP")[-1].endswith(" EXISTS")
    for w in idle:
        assert w.ask("DONE\r\n") == "i OK Done"
    for w in held + idle:
        assert do(w, "LOGOUT")[-1].startswith("t OK ")
        w.close()

    def old_ones_gone():
        """the drained login processes to end"""
        return len(house.pids("login")) == 4
    wait_until(old_ones_gone)


def test_a_stop_says_goodbye(house):
    held = [login(house, 1, s) for s in (False, True)]
    assert held[0].ask("i IDLE\r\n").startswith("+ ")
    wait_unserved(house)
    try:
        house.stop()
        for w in held:
            assert w.line().startswith("* BYE [UNAVAILABLE]")
            assert w.line() == ""
            w.close()
    finally:
        house.start()


# ---- many -----------------------------------------------------------------

def test_all_wake_up_in_turn():
    """More than may have a process at a time, and all of one account."""
    with House(domain="many.test", users=2, settings={
            "imap_park_time": "50ms", "imap_idle_park_time": "50ms",
            "login_handover_limit": "4", "session_process_limit": "6",
            "login_client_connection_limit": "0"}) as h:
        clients = []
        for n in range(24):
            w = login(h, 0, n % 2 == 1)
            assert w.ask("i IDLE\r\n").startswith("+ ")
            clients.append(w)
        wait_unserved(h)
        for n in range(1, 4):
            deliver(h, 0)
            for w in clients:
                w.until_text("* %d EXISTS" % n)
        # Who speaks meanwhile need not wait for all of them.
        with login(h, 1) as quick:
            wait_unserved(h)
            deliver(h, 0)
            assert ok(quick, "NOOP") == []
        for w in clients:
            w.until_text("* 4 EXISTS")
            w.close()


# ---- the same as if nothing were parked -----------------------------------

class Picture:
    """What a client believes, from what it is told (RFC 9051 section 7)."""

    def __init__(self, selected):
        self.known = []
        self.take(selected)

    def take(self, lines):
        for line in lines:
            m = re.match(r"\* (\d+) (EXISTS|EXPUNGE|FETCH)(.*)$", line)
            if m:
                getattr(self, m[2].lower())(int(m[1]), m[3])

    def exists(self, n, _):
        assert n >= len(self.known), "EXISTS does not shrink"
        self.known += [{} for _ in range(n - len(self.known))]

    def expunge(self, n, _):
        del self.known[n - 1]

    def fetch(self, n, text):
        row = self.known[n - 1]
        uid = re.search(r"UID (\d+)", text)
        flags = re.search(r"FLAGS \(([^)]*)\)", text)
        if uid:
            assert row.setdefault("uid", int(uid[1])) == int(uid[1]), text
        if flags:
            row["flags"] = frozenset(flags[1].split())


def act(rng, w):
    """One random change to INBOX."""
    ok(w, "NOOP")
    n = len(ok(w, "UID FETCH 1:* (UID)"))
    what = rng.choice(["append", "flag", "unflag", "delete", "expunge",
                       "keyword", "many"])
    if what == "append" or n == 0:
        append(w, flags=rng.choice(["", "\\Seen", "\\Draft"]))
    elif what == "expunge":
        ok(w, "EXPUNGE")
    elif what == "many":
        for _ in range(4):
            append(w)
    else:
        seq = rng.randrange(1, n + 1)
        last = min(n, seq + rng.randrange(3))
        op, flag = {"flag": ("+", "\\Flagged"), "unflag": ("-", "\\Seen"),
                    "delete": ("+", "\\Deleted"),
                    "keyword": ("+", rng.choice(["k1", "k2", "k3"]))}[what]
        ok(w, "STORE %d:%d %sFLAGS.SILENT (%s)" % (seq, last, op, flag))


def watch(rng, w, picture, pause):
    """The watcher's turn; afterwards it knows all when the answer is True."""
    pause()
    what = rng.choice(["NOOP", "FETCH", "IDLE", "STORE", "none"])
    if what == "NOOP":
        picture.take(ok(w, "NOOP"))
    elif what == "FETCH" and picture.known:
        seq = rng.randrange(1, len(picture.known) + 1)
        picture.take(ok(w, "FETCH %d:* (UID FLAGS)" % seq))
        return False
    elif what == "STORE" and picture.known:
        # Answers NO where another one has expunged it.
        picture.take(do(w, "STORE %d +FLAGS (\\Answered)" % rng.randrange(
            1, len(picture.known) + 1)))
        return False
    elif what == "IDLE":
        w.send("i IDLE\r\n")
        line = w.line()
        while not line.startswith("+ "):
            picture.take([line])
            line = w.line()
        pause()
        w.send("DONE\r\n")
        picture.take(w.until("i"))
    else:
        return False
    return True


def run(seed, park):
    settings = {"imap_park_time": park, "imap_idle_park_time": park}
    told = []
    with House(domain="same.test", users=1, settings=settings) as h:
        rng, rng2 = random.Random(seed), random.Random(seed + 1)
        with login(h) as w, login(h) as actor:
            picture = Picture(w.selected)

            def pause():
                if park != "0":
                    wait_unserved(h)
            for _ in range(30):
                act(rng, actor)
                if watch(rng2, w, picture, pause):
                    picture.take(ok(w, "NOOP"))
                    new = [n for n, row in enumerate(picture.known, 1)
                           if "flags" not in row or "uid" not in row]
                    if new:
                        picture.take(ok(w, "FETCH %d:* (UID FLAGS)" % new[0]))
                    ok(actor, "NOOP")
                    truth = Picture(["* %d EXISTS" % len(picture.known)])
                    truth.take(ok(actor, "UID FETCH 1:* (UID FLAGS)")
                               if picture.known else [])
                    assert picture.known == truth.known
                    told.append([dict(x) for x in picture.known])
            parkings = counters(h).get("imapd/unix parked", 0)
    return told, parkings


@pytest.mark.parametrize("seed", [int(os.environ.get("SEED", 1))])
def test_sequence_numbers_are_as_without_parking(seed):
    parked, parkings = run(seed, "20ms")
    plain, none = run(seed, "0")
    assert none == 0 and parkings > 30
    assert parked == plain
