"""A process of auth that ends while somebody asks it: what nobody has answered
is asked again of the next one, and the client hears nothing of it. The auth
here leaves when the test says so."""
import base64
import os
import queue
import select
import socket
import threading

import pytest

from house import free_port, wait_until
from ipc_fake import Connection, Daemon, Front

USER = "user@house.test"
TRIES = 3  # beginnings of one exchange


class Auth(Front):
    """Does with its connections what the script says: a function, or the name
    of one of ours, for each of the first ones, and then good service."""

    def __init__(self, jail, *script):
        self.script = list(script)
        self.begun = []  # the initial responses of all auth_begin
        self.connections = 0
        super().__init__(os.path.join(jail, "auth"), self.handle)

    def serve(self, sock):
        self.connections += 1
        if self.script[:1] == ["leave_unread"]:
            # What was sent stays unread: the other side sees a reset.
            self.script.pop(0)
            select.select([sock], [], [], 20)
            sock.close()
        else:
            super().serve(sock)

    def handle(self, c):
        mood = self.script.pop(0) if self.script else "serve_all"
        if isinstance(mood, str):
            mood = getattr(self, mood)
        mood(c)

    def begin(self, c):
        got = c.receive()
        if got is None:
            raise OSError("login is gone")
        name, f = got
        assert name == "auth_begin", name
        self.begun.append(f["initial"])
        return f

    def ok(self, c, f):
        c.send("auth_ok", request=f["request"], login=USER, ticket="T" * 32)

    def serve_all(self, c):
        while True:
            f = self.begin(c)
            if f["has_initial"] == "0":
                c.send("auth_challenge", request=f["request"], data="")
                assert c.receive()[0] == "auth_respond"
            self.ok(c, f)

    def leave_without_answer(self, c):
        self.begin(c)

    def leave_after_challenge(self, c):
        f = self.begin(c)
        c.send("auth_challenge", request=f["request"], data="")
        assert c.receive()[0] == "auth_respond"


class Pop3d(Front):
    """Sessions that say what RFC 1939 wants, and end at QUIT."""

    def __init__(self, jail):
        super().__init__(os.path.join(jail, "pop3d"), self.handle)

    def handle(self, c):
        name, f = c.receive()
        assert name == "session" and f["ticket"] == "T" * 32
        with socket.socket(fileno=c.fds.pop()) as client:
            client.setblocking(True)
            client.settimeout(20)
            c.send("session_ready", login=USER)
            client.sendall(b"+OK Logged in\r\n")
            client.recv(100)
            client.sendall(b"+OK Bye\r\n")


class House:
    """One login for POP3, between neighbours of ours."""

    def __init__(self, *script):
        def neighbours(jail):
            self.auth = Auth(jail, *script)
            self.pop3d = Pop3d(jail)
        self.port = free_port()
        self.daemon = Daemon(
            "login", "pop3", before=neighbours, port=self.port,
            settings={"login_protocol": "pop3",
                      "login_tls_security_level": "none"})

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        log = self.daemon.log()
        if kind is not None:
            print(log)
        self.auth.close()
        self.pop3d.close()
        self.daemon.close()
        assert "Sanitizer" not in log and "runtime error" not in log, log

    def client(self):
        c = Client(self.port)
        assert c.line().startswith(b"+OK ")
        return c


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.sock.makefile("rb")

    def line(self):
        return self.file.readline()

    def ask(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.line()

    def start_login(self):
        """USER and PASS without their last answer."""
        assert self.ask("USER " + USER).startswith(b"+OK")
        self.sock.sendall(b"PASS secret\r\n")

    def login(self):
        self.start_login()
        return self.line()

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.mark.parametrize("how", ["leave_without_answer", "leave_unread"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_login_is_begun_again(how, times):
    with House(*[how] * times) as house:
        c = house.client()
        assert c.login().startswith(b"+OK Logged in")
        assert c.ask("QUIT").startswith(b"+OK")
        assert house.auth.connections == times + 1
        # The same words each time.
        assert set(house.auth.begun) == {"\0%s\0secret" % USER}
        c.close()


def test_not_for_ever():
    """An auth that breaks of what it is asked is not asked on and on."""
    with House(*["leave_without_answer"] * TRIES) as house:
        c = house.client()
        assert c.login().startswith(b"-ERR [SYS/TEMP]")
        assert len(house.auth.begun) == TRIES
        # And the next login is a new one.
        assert c.login().startswith(b"+OK Logged in")
        c.close()


def test_a_challenge_is_an_answer():
    """The client has seen it: another exchange might ask something else."""
    with House("leave_after_challenge") as house:
        c = house.client()
        assert c.ask("AUTH PLAIN").startswith(b"+ ")
        word = base64.b64encode(b"\0%s\0secret" % USER.encode()).decode()
        assert c.ask(word).startswith(b"-ERR [SYS/TEMP]")
        assert len(house.auth.begun) == 1
        assert c.ask("AUTH PLAIN").startswith(b"+ ")
        assert c.ask(word).startswith(b"+OK Logged in")
        c.close()


def test_a_challenge_not_yet_given_is_none():
    with House("leave_without_answer") as house:
        c = house.client()
        assert c.ask("AUTH PLAIN").startswith(b"+ ")
        word = base64.b64encode(b"\0%s\0secret" % USER.encode()).decode()
        assert c.ask(word).startswith(b"+OK Logged in")
        c.close()


def test_many_at_once():
    """On one connection that is lost: each is begun again, once."""
    count, all_begun = 20, threading.Event()

    def leave_when_all_have_begun(c):
        for i in range(count):
            house.auth.begin(c)
        all_begun.set()
    with House(leave_when_all_have_begun) as house:
        clients = [house.client() for i in range(count)]
        for c in clients:
            c.start_login()
        for c in clients:
            assert c.line().startswith(b"+OK Logged in")
            c.close()
        assert all_begun.is_set()
        assert len(house.auth.begun) == 2 * count


def test_what_was_answered_is_heard():
    """The connection cannot be written to any more, but what auth said before
    it left counts: that one is not begun again."""
    go, told = queue.Queue(), queue.Queue()

    def answer_one_hear_no_other(c):
        f = house.auth.begin(c)
        c.sock.shutdown(socket.SHUT_RD)
        told.put("deaf")
        go.get(timeout=20)
        house.auth.ok(c, f)
    with House(answer_one_hear_no_other) as house:
        first, second = house.client(), house.client()
        first.start_login()
        assert told.get(timeout=20) == "deaf"
        second.start_login()
        # By when login has answered a third, it has tried to send the second.
        third = house.client()
        assert third.ask("CAPA").startswith(b"+OK")
        go.put(True)
        assert first.line().startswith(b"+OK Logged in")
        assert second.line().startswith(b"+OK Logged in")
        assert len(house.auth.begun) == 2
        for c in (first, second, third):
            c.close()
