"""Login behind a load balancer: the PROXY header says who the client is, and
only a balancer that is trusted is believed."""
import base64
import imaplib
import os
import re
import socket
import ssl
import struct

import pytest

from house import House, wait_until

V1 = b"PROXY TCP4 %s 192.0.2.25 40001 143\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT = b"203.0.113.7"


def v2(source, command=0x21, family=0x11):
    body = (socket.inet_aton(source) + socket.inet_aton("192.0.2.25") +
            struct.pack(">HH", 40002, 143))
    return V2 + struct.pack(">BBH", command, family, len(body)) + body


@pytest.fixture(scope="module")
def house():
    """IMAP, IMAPS and POP3 behind a balancer, POP3S not."""
    with House(domain="proxy.test", users=2, start=False, settings={
            "login_upstream_proxy_timeout": "1s",
            "haproxy_trusted_networks": "127.0.0.1",
            "login_plaintext_networks": "203.0.113.0/24 2001:db8::/32",
            "login_client_limit_exceptions": "127.0.0.0/8",
            "login_client_connection_limit": "3"}) as h:
        path = os.path.join(h.etc, "master.cf")
        with open(path) as f:
            rows = f.read()
        for port in (h.imap, h.imaps, h.pop3):
            rows, n = re.subn(
                r"(?m)^(127\.0\.0\.1:%d\s.*)$" % port,
                r"\1\n    -o login_upstream_proxy_protocol=haproxy", rows)
            assert n == 1
        with open(path, "w") as f:
            f.write(rows)
        h.start()
        yield h


class Client:
    def __init__(self, port, first=b"", source="127.0.0.1"):
        self.sock = socket.socket()
        self.sock.bind((source, 0))
        self.sock.settimeout(20)
        self.sock.connect(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        if first:
            self.sock.sendall(first)

    def wrap(self):
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(self.sock)
        return self

    def line(self):
        """"" at the end."""
        data = b""
        try:
            while not data.endswith(b"\n"):
                octet = self.sock.recv(1)
                if not octet:
                    break
                data += octet
        except ConnectionResetError:
            pass
        return data.decode()

    def ask(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def login(c):
    """IMAP, behind the greeting."""
    word = base64.b64encode(b"\0user0@proxy.test\0secret").decode()
    return c.ask("a AUTHENTICATE PLAIN " + word)


@pytest.mark.parametrize("header, name", [
    (V1 % CLIENT, "203.0.113.7"),
    (v2("203.0.113.8"), "203.0.113.8"),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 143\r\n", "2001:db8::1"),
])
def test_the_header_says_who_it_is(house, header, name):
    """For the session, its log and auth's."""
    with Client(house.imap, header) as c:
        assert c.line().startswith("* OK ")
        assert login(c).startswith("a OK "), name
        house.logged("imap: login: user=<user0@proxy.test>, method=PLAIN, "
                     "rip=%s, lip=%s" % (name, "2001:db8::2" if ":" in name
                                         else "192.0.2.25"))
        house.logged("service=imap, method=PLAIN, rip=%s" % name)
        house.logged("session start: user=<user0@proxy.test>, client=" + name)
        assert c.ask("b LOGOUT").startswith("* BYE")
    with Client(house.pop3, header) as c:
        assert c.line().startswith("+OK ")
        assert c.ask("USER user1@proxy.test").startswith("+OK")
        assert c.ask("PASS secret").startswith("+OK Logged in")
        house.logged("session start: user=<user1@proxy.test>, client=" + name)
        assert c.ask("QUIT").startswith("+OK")


def test_octet_by_octet_and_with_all_behind_it(house):
    with Client(house.imap) as c:
        for octet in V1 % CLIENT:
            c.sock.sendall(bytes([octet]))
        assert c.line().startswith("* OK ")
    with Client(house.imap, V1 % CLIENT + b"a NOOP\r\nb LOGOUT\r\n") as c:
        assert c.line().startswith("* OK ")
        assert c.line().startswith("a OK ")
        assert c.line().startswith("* BYE ")


def test_in_front_of_tls(house):
    with Client(house.imaps, v2("198.51.100.9")).wrap() as c:
        assert c.line().startswith("* OK ")
        assert login(c).startswith("a OK ")
        house.logged("rip=198.51.100.9, lip=192.0.2.25, TLS")
    # A ClientHello is no header.
    with Client(house.imaps) as c:
        with pytest.raises(OSError):
            c.wrap()
    # And a service without the parameter takes none.
    with Client(house.pop3s).wrap() as c:
        assert c.line().startswith("+OK ")


def test_plaintext_is_for_the_networks_of_the_client(house):
    """127.0.0.1, the balancer, is not one of them."""
    for header in (V1 % b"198.51.100.7", v2("203.0.113.9", command=0x20)):
        with Client(house.imap, header) as c:
            assert "LOGINDISABLED" in c.line()
            assert login(c).startswith("a NO [PRIVACYREQUIRED]")


def test_the_limit_counts_clients_and_not_the_balancer(house):
    here = [Client(house.imap, V1 % b"203.0.113.50") for i in range(3)]
    for c in here:
        assert c.line().startswith("* OK ")
    with Client(house.imap, V1 % b"203.0.113.50") as c:
        assert c.line() == "* BYE [UNAVAILABLE] Too many connections\r\n"
        assert c.line() == ""
    house.logged(
        "imap: refused: rip=203.0.113.50: login_client_connection_limit")
    with Client(house.imap, V1 % b"203.0.113.51") as c:
        assert c.line().startswith("* OK ")
    here.pop().sock.close()

    def room():
        """a place for one more"""
        with Client(house.imap, V1 % b"203.0.113.50") as c:
            return c.line().startswith("* OK ")
    wait_until(room)
    for c in here:
        c.sock.close()


@pytest.mark.parametrize("text", [
    b"a LOGIN user0@proxy.test secret\r\n", b"PROXY TCP4 1.2.3.4 x 1 2\r\n",
    b"PROXY " + b"x" * 200, v2("1.2.3.4", command=0x31),
    V2 + b"\x21\x11\xff\xff", v2("1.2.3.4", family=0x21)])
def test_garbage(house, text):
    with Client(house.imap, text) as c:
        assert c.line() == ""
        house.logged("PROXY header of [127.0.0.1]:%d: " % c.port)


def test_none_at_all(house):
    for text in (b"", b"PROXY TCP4 ", V2):
        with Client(house.imap, text) as c:
            assert c.line() == ""
            house.logged("PROXY header of [127.0.0.1]:%d: it did not come in "
                         "time" % c.port)
    with Client(house.imap, b"PROXY TCP4 ") as c:
        c.sock.shutdown(socket.SHUT_WR)
        assert c.line() == ""
        house.logged("PROXY header of [127.0.0.1]:%d: " % c.port)


def test_from_elsewhere_nothing_is_believed(house):
    with Client(house.imap, V1 % CLIENT, source="127.0.0.9") as c:
        assert c.line() == ""
        house.logged("PROXY header of [127.0.0.9]:%d: not in "
                     "haproxy_trusted_networks" % c.port)


def test_who_waits_does_not_hold_up_the_end():
    """Of the suite: nobody says who it is."""
    with House(domain="proxy.test", users=1, settings={
            "login_upstream_proxy_protocol": "haproxy",
            "login_upstream_proxy_timeout": "300s"}) as house:
        with Client(house.imap) as c:
            house.stop()
            assert c.line() == ""
