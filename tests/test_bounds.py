"""What strangers and users of login and imapd can make them hold is bounded,
whatever they do and however often."""
import os
import re
import socket
import time

import pytest

from house import BUILD, House, wait_until
from test_login import imap


@pytest.fixture(scope="module")
def house():
    with House(domain="bound.test", users=1, settings={
            "login_unauthenticated_limit": "150",
            "login_client_connection_limit": "0",
            "login_command_limit": "100000",
            "imap_write_timeout": "10s"}) as h:
        yield h


def memory(pids):
    """Octets that belong to these processes."""
    total = 0
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            total += int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1])
    return total << 10


def needs_memory():
    try:
        memory([os.getpid()])
    except OSError:
        pytest.skip("smaps_rollup cannot be read")


def readable(h, program):
    """As an ordinary user, jailed processes do not let themselves be read."""
    needs_memory()
    if BUILD.rstrip("/").endswith("-san"):
        pytest.skip("a sanitizer has memory of its own")
    try:
        memory(h.pids(program))
    except PermissionError:
        pytest.skip("the jail's processes cannot be looked at")


def descriptors(h):
    return sum(len(os.listdir("/proc/%d/fd" % p)) for p in h.pids("login"))


def connect(port, first=b""):
    s = socket.create_connection(("127.0.0.1", port), 20)
    if first:
        s.sendall(first)
    return s


def still_open(clients):
    count = 0
    for s in clients:
        s.setblocking(False)
        try:
            data = s.recv(65536)
            while data:
                data = s.recv(65536)
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


@pytest.mark.parametrize("what", ["silent", "literal", "line", "handshake"])
def test_clients_that_never_log_in(house, what):
    """Beyond login_unauthenticated_limit the oldest goes; each holds little."""
    readable(house, "login")
    first = {"silent": b"", "literal": b"a LOGIN {4000+}\r\n" + b"x" * 3999,
             "line": b"x" * 8000, "handshake": b"\x16\x03\x01"}[what]
    port = house.imaps if what == "handshake" else house.imap
    before, had = memory(house.pids("login")), descriptors(house)
    clients = [connect(port, first) for _ in range(400)]
    wait_until(lambda: still_open(clients) <= 150)
    assert descriptors(house) - had <= 150
    each = 80000 if what == "handshake" else 24000  # OpenSSL's own
    assert memory(house.pids("login")) - before < 150 * each
    for s in clients:
        s.close()
    wait_until(lambda: descriptors(house) <= had)


def test_the_same_client_again_and_again(house):
    """1,000 connections leave nothing behind."""
    readable(house, "login")
    for s in [connect(house.imap) for _ in range(100)]:
        s.close()
    had = descriptors(house)
    wait_until(lambda: descriptors(house) <= had)
    before = memory(house.pids("login"))
    for n in range(1000):
        connect(house.imap, b"a NOOP\r\n" if n % 2 else b"").close()
    wait_until(lambda: descriptors(house) <= had)
    assert memory(house.pids("login")) - before < 1000000


def test_one_address_has_its_share():
    with House(domain="share.test", users=1, settings={
            "login_client_limit_exceptions": "10.0.0.0/8",
            "login_client_connection_limit": "10"}) as h:
        clients = [connect(h.imap) for _ in range(200)]
        wait_until(lambda: still_open(clients) == 10)
        # Another address has its own.
        other = socket.create_connection(("127.0.0.1", h.imap), 20,
                                         ("127.0.0.2", 0))
        assert other.recv(4) == b"* OK"
        other.close()
        for s in clients:
            s.close()

        def again():
            """room for a new connection"""
            with connect(h.imap) as s:
                return s.recv(4) == b"* OK"
        wait_until(again)


def stuff(sock, data, most):
    """Sends until nobody takes it for a while; how much was taken."""
    sock.settimeout(1)
    sent = 0
    try:
        while sent < most:
            sent += sock.send(data)
    except OSError:
        pass
    return sent


def test_who_reads_no_answers_before_the_login(house):
    readable(house, "login")
    before = memory(house.pids("login"))
    clients = [connect(house.imap) for _ in range(5)]
    commands = b"a CAPABILITY\r\n" * 1000
    for s in clients:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert stuff(s, commands, 50 << 20) < 50 << 20
    assert memory(house.pids("login")) - before < 5 * 100000
    for s in clients:
        s.close()


@pytest.mark.parametrize("secure", [False, True])
def test_who_reads_no_answers_after_it(house, secure):
    """A message of 2 MB, asked for a hundred times and not read."""
    readable(house, "login")
    text = b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n"
    text += (b"z" * 70 + b"\r\n") * 30000
    with imap(house, secure) as w:
        w.sock.settimeout(20)
        assert w.ask("a LOGIN user0@bound.test secret\r\n").startswith("a OK")
        w.send("b APPEND INBOX {%d+}\r\n" % len(text))
        w.send(text + b"\r\n")
        w.until("b")
        w.send("c SELECT INBOX\r\n")
        w.until("c")
        before = memory(house.pids("login")) + memory(house.pids("imapd"))
        w.send("d FETCH 1 BODY.PEEK[]\r\n" * 100)
        time.sleep(1)
        now = memory(house.pids("login")) + memory(house.pids("imapd"))
        assert now - before < 3000000

        def ended():
            """the session to be ended for it (imap_write_timeout)"""
            return len(house.pids("imapd")) == 1
        wait_until(ended, 60)
    wait_until(lambda: "(the client does not read" in house.log())
