"""screen before port 25: who waits, who is let through, who is refused and
how it is said; with real DNS lists, and with neighbours that are away.

mynetworks is 127.0.0.1 alone here: clients from other addresses of loopback
are strangers."""
import os
import re
import signal
import smtplib
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from house import BUILD, House, wait_until
from ipc_fake import Connection
from nameserver import Dns

FRIEND, STRANGER = "127.0.0.1", "127.0.0.2"


def settings(**changes):
    values = {"mynetworks": "127.0.0.1/32",
              "postscreen_greet_wait": "1s",
              "postscreen_greet_banner": "$myhostname a moment please",
              "smtpd_peername_lookup": "no"}
    values.update(changes)
    return values


class Client:
    """SMTP by hand from an address of our choice."""

    def __init__(self, house, source=STRANGER):
        self.sock = socket.create_connection(
            ("127.0.0.1", house.smtp), 20, source_address=(source, 0))
        self.port = self.sock.getsockname()[1]
        self.input = b""

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, text):
        self.sock.sendall(text if isinstance(text, bytes) else text.encode())

    def line(self):
        """The next line; "" at the end of the connection."""
        while b"\n" not in self.input:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return ""
            self.input += data
        line, self.input = self.input.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return lines

    def ask(self, text):
        self.send(text + "\r\n")
        return self.reply()[-1]

    def deliver(self, house, sender="a@far.test"):
        assert self.ask("EHLO client.test").startswith("250 ")
        assert self.ask("MAIL FROM:<%s>" % sender).startswith("250 ")
        assert self.ask("RCPT TO:<%s>" % house.user(0)).startswith("250 ")
        assert self.ask("DATA").startswith("354 ")
        assert self.ask("Subject: x\r\n\r\nx\r\n.").startswith("250 ")
        assert self.ask("QUIT").startswith("221 ")
        assert self.line() == ""

    def envelope(self, sender="spam@far.test", to="user0@screen.test"):
        """For who is refused: the reply to RCPT."""
        assert self.ask("EHLO bad.test").startswith("250 ")
        assert self.ask("MAIL FROM:<%s>" % sender).startswith("250 ")
        return self.ask("RCPT TO:<%s>" % to)


def figures(house):
    return {name: value for s in house.json("status")["services"]
            if s["command"] == "screen"
            for name, value in s.get("counters", {}).items()}


def logged(house, text):
    """A line that logd may still have to write."""
    return house.logged(text)


def change(house, **values):
    for name, value in values.items():
        house.set(name, value)
    house.posthouse("reload")


def find(house, program):
    pids = house.pids(program)
    assert pids, program
    return pids


@pytest.fixture(scope="module")
def shared():
    with House(domain="screen.test", users=1, settings=settings()) as h:
        yield h


def test_a_friend_does_not_wait(shared):
    with Client(shared, FRIEND) as c:
        greeting = c.reply()
        assert len(greeting) == 1 and greeting[0].startswith("220 ")
        assert c.ask("HELP").startswith("214 ")  # spoken by smtpd
        c.deliver(shared)
    assert "PASS" not in shared.log()


def test_a_stranger_waits_once(shared):
    with Client(shared) as c:
        first = c.line()
        assert first.endswith("a moment please") and first.startswith("220-")
        assert c.line().startswith("220 ")
        c.deliver(shared)
    assert logged(shared, "CONNECT from [127.0.0.2]:%d" % c.port)
    assert logged(shared, "PASS NEW [127.0.0.2]:%d" % c.port)
    assert logged(shared, "connect from localhost[127.0.0.2]")
    with Client(shared) as c:
        assert len(c.reply()) == 1
        c.deliver(shared)
    assert logged(shared, "PASS OLD [127.0.0.2]:%d" % c.port)
    # What screen found stands in the trace of the message.
    wait_until(lambda: any(
        re.search(r"127\.0\.0\.2.* PASS (NEW|OLD)", shared.posthouse(
            "trace", queue_id, check=False).stdout)
        for queue_id in re.findall(r"(\w{22}): from=<a@far.test>",
                                   shared.log())))


def test_what_is_known_survives_policyd(shared):
    with Client(shared, "127.0.0.3") as c:
        assert len(c.reply()) == 2
        assert c.ask("NOOP").startswith("250 ")
    shared.posthouse("service", "restart", "policyd")
    with Client(shared, "127.0.0.3") as c:
        assert len(c.reply()) == 1
    path = os.path.join(shared.dir, "run", "policyd.memory")
    with open(path) as f:
        assert "screen 127.0.0.3\t" in f.read()


def test_who_speaks_first_is_refused(shared):
    with Client(shared, "127.0.0.4") as c:
        c.send("EHLO bad\x01name.test\r\nMAIL FROM:<spam@far.test>\r\n")
        assert len(c.reply()) == 2
        assert c.reply()[-1].startswith("250 ")
        assert c.reply()[-1].startswith("250 ")
        assert c.ask("RCPT TO:<user0@screen.test>") == \
            "550 5.5.1 Protocol error"
        assert c.ask("RCPT TO:<b c@screen.test>").startswith("550 ")
        assert c.ask("DATA").startswith("554 ")
        assert c.ask("STARTTLS").startswith("454 ")
        assert c.ask("RSET").startswith("250 ")
        assert c.ask("RCPT TO:<x@screen.test>").startswith("503 ")
        assert c.ask("VRFY user0").startswith("252 ")
        assert c.ask("AUTH PLAIN x").startswith("502 ")
        assert c.ask("HELO other.test").startswith("250 ")
        assert c.ask("QUIT").startswith("221 ")
        assert c.line() == ""
    where = "[127.0.0.4]:%d" % c.port
    wait_until(lambda: re.search(
        r"PREGREET \d+ after \d\.\d\d from %s: EHLO bad\\x01name" %
        re.escape(where), shared.log()))
    assert logged(shared, "NOQUEUE: reject: RCPT from %s: 550 5.5.1 Protocol "
                  "error; from=<spam@far.test>, to=<user0@screen.test>, "
                  "proto=ESMTP, helo=<bad?name.test>" % where)
    assert logged(shared, "to=<b?c@screen.test>")
    assert logged(shared, "DISCONNECT " + where)
    # It is not known for it.
    with Client(shared, "127.0.0.4") as c:
        assert len(c.reply()) == 2


def test_first_lines(shared):
    for text, word, reply in (
            ("GET / HTTP/1.1\r\n", "NON-SMTP COMMAND",
             "521 5.5.1 Protocol error"),
            ("EHLO a.test\r\nMAIL FROM:<a@far.test>\r\n",
             "COMMAND PIPELINING", "250 ENHANCEDSTATUSCODES"),
            ("x" * 3000, "COMMAND LENGTH LIMIT",
             "521 5.5.2 Error: line too long")):
        with Client(shared) as c:
            c.reply()
            c.send(text)
            assert c.reply()[-1] == reply
        assert logged(shared, "%s from [127.0.0.2]:%d" % (word, c.port))
    # Piece by piece, and a bare newline, are for smtpd to judge.
    with Client(shared) as c:
        c.reply()
        for letter in "HELO slow.test\r\n":
            c.send(letter)
            time.sleep(0.01)
        assert c.reply()[-1].startswith("250 ")
        assert c.ask("HELP").startswith("214 ")
    # A friend's first line is nobody's business but smtpd's.
    with Client(shared, FRIEND) as c:
        c.reply()
        c.send("NONSENSE\r\nQUIT\r\n")
        assert c.reply()[-1].startswith("502 ")
        assert c.reply()[-1].startswith("221 ")


def test_who_hangs_up(shared):
    for before in (b"", b"HEL"):
        c = Client(shared)
        c.reply()
        c.send(before)
        time.sleep(0.1)
        c.close()
        assert logged(shared, "from [127.0.0.2]:%d in tests after SMTP "
                      "handshake" % c.port)
    c = Client(shared, "127.0.0.5")
    assert c.line().startswith("220-")
    c.close()
    assert logged(shared, "from [127.0.0.5]:%d in tests before SMTP "
                  "handshake" % c.port)


def test_silent_clients_cost_no_process(shared):
    silent = [Client(shared, FRIEND) for _ in range(30)]
    for c in silent:
        assert c.reply()[0].startswith("220 ")

    def calm():
        """no busy smtpd, of those before us"""
        return [s["busy"] for s in shared.json("status")["services"]
                if s["name"] == "smtpd"] == [0]
    wait_until(calm)
    with Client(shared, FRIEND) as c:
        c.reply()
        c.deliver(shared)
    assert figures(shared)["clients"] >= 30
    assert figures(shared)["waiting for smtpd"] == 0
    for c in silent:
        c.close()
    wait_until(lambda: figures(shared)["clients"] == 0)


def test_a_client_moves_to_another_process(shared):
    """The free processes are killed: screen notices, or finds out when it
    passes a client."""
    with Client(shared, FRIEND) as c:
        c.reply()
        c.deliver(shared)
    pids = find(shared, "smtpd")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    with Client(shared, FRIEND) as c:
        c.reply()
        c.send("EHLO client.test\r\n")
        time.sleep(0.3)  # passed to a process that does not read it
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert c.reply()[-1].startswith("250 ")
        assert c.ask("QUIT").startswith("221 ")


def test_smtpd_is_away():
    with House(domain="screen.test", users=1,
               settings=settings(postscreen_post_queue_timeout="4s")) as house:
        house.posthouse("service", "stop", "smtpd/pass")
        with Client(house, FRIEND) as c:
            assert c.reply()[0].startswith("220 ")
            assert c.ask("EHLO client.test").startswith("421 4.3.2 ")
            assert c.line() == ""
        assert logged(house, "all server ports busy")
        house.posthouse("service", "start", "smtpd/pass")
        with Client(house, FRIEND) as c:
            c.reply()
            c.deliver(house)
        # All are busy, and stay so.
        pids = find(house, "smtpd")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        held = []
        for _ in range(len(pids)):
            held.append(Client(house, FRIEND))
            held[-1].reply()
            held[-1].send("NOOP\r\n")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for c in held:
            assert c.reply()[-1].startswith("250 ")
            c.close()
        figures_now = figures(house)
        assert figures_now["unserved"] == 1
        assert figures_now["passed"] >= 2


def test_policyd_is_away():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_client_connection_rate_limit="1",
            smtpd_client_event_limit_exceptions="127.0.0.0/8")) as house:
        house.posthouse("service", "stop", "policyd")
        for _ in range(3):  # open, but nobody is known
            with Client(house) as c:
                assert len(c.reply()) == 2
                c.deliver(house)
        assert logged(house, "nobody is known, and nothing is limited")
        house.posthouse("service", "start", "policyd")

        def limited():
            """a limit that works again"""
            with Client(house) as c:
                return c.reply()[-1].startswith("421 4.7.0 ")
        wait_until(limited, 20)


def test_limits():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_client_connection_count_limit="3",
            postscreen_network_connection_rate_limit="10",
            postscreen_greet_wait="0")) as house:
        many = [Client(house) for _ in range(5)]
        replies = [c.reply()[-1] for c in many]
        assert [r[:3] for r in replies] == ["220"] * 3 + ["421"] * 2
        assert "too many connections" in replies[-1]
        # One that smtpd serves counts too.
        assert many[0].ask("NOOP").startswith("250 ")
        with Client(house) as c:
            assert c.reply()[-1].startswith("421 4.7.0 ")
        for c in many:
            c.close()

        def free():
            """a place that became free"""
            with Client(house) as c:
                return c.reply()[-1].startswith("220 ")
        wait_until(free)
        # The network, by policyd.
        for n in range(10):
            with Client(house, "127.0.0.%d" % (n + 50)) as c:
                last = c.reply()[-1]
        assert last.startswith("421 4.7.0 ") and "short time" in last
        with Client(house, "127.0.9.1") as c:
            assert c.reply()[-1].startswith("220 ")
        # Friends are not counted.
        with Client(house, FRIEND) as c:
            assert c.reply()[-1].startswith("220 ")


def test_too_many_silent_ones():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_pre_queue_limit="10", postscreen_greet_wait="0",
            postscreen_command_time_limit="4s",
            postscreen_stress_command_time_limit="20s")) as house:
        old = Client(house, FRIEND)
        old.reply()
        strange = Client(house)
        strange.reply()
        others = [Client(house, FRIEND) for _ in range(9)]
        for c in others:
            assert c.reply()[0].startswith("220 ")
        # A stranger made room, not the friend that came before it.
        assert strange.reply()[-1].startswith("421 4.3.2 ")
        assert old.ask("NOOP").startswith("250 ")
        # Under this stress there is another time limit: of a calm house
        # there are the first five.
        for c in others[:3]:
            assert c.reply()[-1].startswith("421 4.4.2 ")
        assert others[-1].ask("NOOP").startswith("250 ")
        assert logged(house, "COMMAND TIME LIMIT from [127.0.0.1]")
        for c in others + [old, strange]:
            c.close()


def test_refused_ones_have_limits():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_access_list="permit_mynetworks cidr:strange",
            postscreen_command_time_limit="3s",
            postscreen_command_count_limit="5"), start=False) as house:
        with open(os.path.join(house.etc, "strange"), "w") as f:
            f.write("127.0.0.7 permit\n127.0.0.8/31 reject\n"
                    "127.0.0.10 dunno\n")
        house.start()
        with Client(house, "127.0.0.7") as c:
            assert len(c.reply()) == 1
        with Client(house, "127.0.0.9") as c:
            assert c.reply()[0].startswith("220 ")
            assert c.envelope() == "550 5.3.2 Service currently unavailable"
            assert c.ask("y" * 5000).startswith("500 5.5.2 ")
            assert c.ask("NOOP").startswith("250 ")
            assert c.line().startswith("421 4.7.0 ")
            assert c.line() == ""
        assert logged(house, "COMMAND COUNT LIMIT")
        with Client(house, "127.0.0.9") as c:
            c.reply()
            assert c.line().startswith("421 4.4.2 ")
            assert c.line() == ""
        assert logged(house, "DENYLISTED [127.0.0.9]")
        with Client(house, "127.0.0.10") as c:
            assert c.line().startswith("220-")
        change(house, postscreen_denylist_action="drop")
        with Client(house, "127.0.0.9") as c:
            assert c.reply() == ["521 5.3.2 Service currently unavailable"]
        change(house, postscreen_denylist_action="ignore")
        with Client(house, "127.0.0.9") as c:
            assert c.line().startswith("220-")


def test_a_wrong_list_is_refused():
    with House(domain="screen.test", users=1, start=False) as house:
        for name, value, why in (
                ("postscreen_access_list", "permit_nobody",
                 "neither permit_mynetworks nor a network"),
                ("postscreen_dnsbl_sites", "dnsbl.test*0", "the weight is"),
                ("postscreen_dnsbl_sites", "dnsbl.test=127.0.0",
                 "the filter is")):
            house.set(name, value)
            done = house.posthouse("start", check=False)
            assert done.returncode != 0
            wait_until(lambda: why in house.posthouse("status") +
                       house.log())
            house.posthouse("stop")
            house.posthouse("conf", "unset", name, check=False)
            house.set(name, "permit_mynetworks"
                      if name.endswith("access_list") else "")


LISTS = {
    "bad.test": ["2.0.0.127 A 127.0.0.2", "3.0.0.127 A 127.0.0.9",
                 "5.0.0.127 A 127.0.0.2", "6.0.0.127 A 127.0.0.2",
                 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
                 "0.0.0 A 127.0.0.2"],
    "worse.test": ["2.0.0.127 A 127.0.0.4"],
    "good.test": ["4.0.0.127 A 127.0.0.1", "5.0.0.127 A 127.0.0.1"],
}
SITES = ("bad.test=127.0.0.[2..4]*2, worse.test*1 bad.test=127.0.0.9*1,"
         "good.test*-3")


def test_lists():
    with Dns(LISTS) as dns, House(domain="screen.test", users=1,
                                  settings=settings(
            postscreen_greet_wait="500ms", postscreen_dnsbl_sites=SITES,
            postscreen_dnsbl_threshold="2",
            postscreen_dnsbl_allowlist_threshold="-2",
            dns_servers=dns.address)) as house:
        with Client(house, "127.0.0.2") as c:  # 3
            assert len(c.reply()) == 2
            assert c.envelope() == (
                "550 5.7.1 Service unavailable; client [127.0.0.2] blocked "
                "using bad.test")
        assert logged(house, "DNSBL rank 3 for [127.0.0.2]:%d" % c.port)
        with Client(house, "127.0.0.3") as c:  # 1, of the other filter
            assert len(c.reply()) == 2
            c.deliver(house)
        with Client(house, "127.0.0.4") as c:  # -3
            assert len(c.reply()) == 2  # without its whole wait
            c.deliver(house)
        with Client(house, "127.0.0.5") as c:  # 2 - 3
            c.reply()
            c.deliver(house)
        for source in ("127.0.0.3", "127.0.0.4", "127.0.0.5"):
            with Client(house, source) as c:  # known now
                assert len(c.reply()) == 1, source
        with Client(house, "127.0.0.2") as c:  # has waited, is still bad
            assert len(c.reply()) == 1
            assert c.envelope().startswith("550 5.7.1 ")
        change(house, postscreen_dnsbl_action="drop",
               postscreen_greet_wait="0")
        with Client(house, "127.0.0.6") as c:
            assert c.reply()[-1].startswith("521 5.7.1 Service unavailable")
        change(house, postscreen_dnsbl_action="ignore")
        with Client(house, "127.0.0.6") as c:
            assert len(c.reply()) == 1
            c.deliver(house)


def test_dns_is_away():
    """A server that says nothing: the bound of the lists, then mail."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_greet_wait="0", postscreen_dnsbl_timeout="1s",
            postscreen_dnsbl_sites="bad.test",
            dns_servers="127.0.0.1:%d" % silent.getsockname()[1])) as house:
        with Client(house) as c:
            assert c.reply()[-1].startswith("220 ")
            c.deliver(house)
    silent.close()


def test_reload_and_stop_with_clients_in_every_state():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_access_list="permit_mynetworks !127.0.0.9",
            postscreen_greet_wait="2s")) as house:
        testing, greeted = Client(house), Client(house, FRIEND)
        served, refused = Client(house, FRIEND), Client(house, "127.0.0.6")
        refused.send("EHLO early.test\r\n")
        assert testing.line().startswith("220-")
        assert greeted.reply()[0].startswith("220 ")
        served.reply()
        assert served.ask("NOOP").startswith("250 ")
        before = find(house, "screen")
        house.posthouse("reload")
        # The old one hands over whom it greeted, and tests to the end.
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
            s.noop()
        greeted.deliver(house)
        assert testing.line().startswith("220 ")
        testing.deliver(house)
        assert len(refused.reply()) == 2
        assert refused.reply()[-1].startswith("250 ")
        refused.close()
        wait_until(lambda: before[0] not in house.pids("screen"), 30)
        silent = Client(house, FRIEND)
        silent.reply()
        house.stop()
        assert silent.reply()[-1].startswith("421 4.3.2 ")
        for c in (silent, served, testing, greeted):
            c.close()


V1 = b"PROXY TCP4 %s 192.0.2.25 40001 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(source, command=0x21, family=0x11, extra=b""):
    body = (socket.inet_aton(source) + socket.inet_aton("192.0.2.25") +
            struct.pack(">HH", 40002, 25) + extra)
    return V2 + struct.pack(">BBH", command, family, len(body)) + body


@pytest.fixture(scope="module")
def balanced():
    with House(domain="screen.test", users=1, settings=settings(
            postscreen_upstream_proxy_protocol="haproxy",
            postscreen_upstream_proxy_timeout="1s",
            mynetworks="127.0.0.1/32 198.51.100.0/24",
            postscreen_dnsbl_action="drop",
            postscreen_access_list="permit_mynetworks cidr:denied",
            haproxy_trusted_networks="127.0.0.1 127.0.0.2"),
            start=False) as h:
        with open(os.path.join(h.etc, "denied"), "w") as f:
            f.write("2001:db8::/32 reject\n")
        h.start()
        yield h


def test_proxy_says_who_it_is(balanced):
    for header, name in ((V1 % b"198.51.100.7", "198.51.100.7"),
                         (v2("198.51.100.8"), "198.51.100.8"),
                         (v2("198.51.100.9", extra=b"\4\0\1\0x"),
                          "198.51.100.9"),
                         (b"PROXY UNKNOWN\r\n", "127.0.0.1")):
        with Client(balanced, FRIEND) as c:
            c.send(header)
            assert len(c.reply()) == 1, name
            # smtpd knows too: only friends may relay.
            assert c.ask("HELO client.test").startswith("250 ")
            assert c.ask("MAIL FROM:<a@far.test>").startswith("250 ")
            assert c.ask("RCPT TO:<a@elsewhere.test>").startswith("250 ")
        assert logged(balanced, "[%s]" % name)
    # A stranger waits, wherever the balancer stands.
    with Client(balanced, FRIEND) as c:
        for letter in V1 % b"203.0.113.9":
            c.send(bytes([letter]))
        assert len(c.reply()) == 2
        assert c.ask("HELO client.test").startswith("250 ")
        assert c.ask("MAIL FROM:<a@far.test>").startswith("250 ")
        assert c.ask("RCPT TO:<a@elsewhere.test>").startswith("554 ")
    assert logged(balanced, "PASS NEW [203.0.113.9]:40001")
    # IPv6, and one that is denied.
    with Client(balanced, FRIEND) as c:
        c.send("PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n")
        assert c.reply()[-1].startswith("220 ")
        assert c.envelope().startswith("550 5.3.2 ")
    # A health check of the balancer itself.
    with Client(balanced, FRIEND) as c:
        c.send(v2("203.0.113.10", command=0x20))
        assert c.reply()[-1].startswith("220 ")
        c.deliver(balanced)


def test_hostile_headers(balanced):
    for text in (b"EHLO a\r\n", b"PROXY TCP4 1.2.3.4 x 1 2\r\n",
                 b"PROXY " + b"x" * 200, v2("1.2.3.4", command=0x31),
                 V2 + b"\x21\x11\xff\xff", b"\x16\x03\x01\2\0",
                 v2("1.2.3.4", family=0x21)):
        with Client(balanced, FRIEND) as c:
            c.send(text)
            assert c.line() == ""
    for text in (b"", b"PROXY TCP4 ", V2):  # no end
        with Client(balanced, FRIEND) as c:
            c.send(text)
            assert c.line() == ""
    assert logged(balanced, "it did not come in time")
    # From elsewhere nothing is believed.
    with Client(balanced, "127.0.0.9") as c:
        c.send(V1 % b"198.51.100.7")
        assert c.line() == ""
    assert logged(balanced, "PROXY header of [127.0.0.9]:%d: not in "
                  "haproxy_trusted_networks" % c.port)
    with Client(balanced, FRIEND) as c:
        c.send(V1 % b"198.51.100.7")
        assert c.reply()[0].startswith("220 ")


def test_proxy_before_submission():
    with House(domain="screen.test", users=1, settings=settings(
            smtpd_upstream_proxy_protocol="haproxy",
            smtpd_upstream_proxy_timeout="1s")) as house:
        context = house.tls()
        with socket.create_connection(
                ("127.0.0.1", house.submissions), 20) as raw:
            raw.sendall(V1 % b"203.0.113.7")
            with context.wrap_socket(raw) as s:
                assert s.recv(100).startswith(b"220 ")
        assert logged(house, "connect from unknown[203.0.113.7]")
        with socket.create_connection(
                ("127.0.0.1", house.submission), 20) as s:
            s.sendall(b"EHLO a\r\n")
            try:
                assert s.recv(100) == b""
            except ConnectionResetError:
                pass  # what it said was not read
        assert logged(house, "PROXY header of [127.0.0.1]")
        with Client(house, FRIEND) as c:  # port 25 is screen's
            c.reply()
            c.deliver(house)


def test_waiting_for_smtpd_has_bounds():
    """One process, which is busy: the second client waits, the third is too
    many, and what is free goes to a friend first."""
    with House(domain="screen.test", users=1, start=False, settings=settings(
            postscreen_greet_wait="0", postscreen_post_queue_limit="2",
            postscreen_post_queue_timeout="6s")) as house:
        path = os.path.join(house.etc, "master.cf")
        with open(path) as f:
            rows = f.read()
        rows, n = re.subn(r"(?m)^(smtpd\s+pass(?:\s+\S+){4}\s+)\S+",
                          r"\g<1>1", rows)
        assert n == 1
        with open(path, "w") as f:
            f.write(rows)
        house.start()
        busy, late, early, friend = (Client(house), Client(house),
                                     Client(house), Client(house, FRIEND))
        for c in (busy, late, early, friend):
            assert c.reply()[0].startswith("220 ")
        assert busy.ask("NOOP").startswith("250 ")
        early.send("EHLO early.test\r\n")
        friend.send("EHLO friend.test\r\n")
        wait_until(lambda: figures(house)["waiting for smtpd"] == 2)
        assert late.ask("EHLO late.test").startswith("421 4.3.2 ")
        busy.close()
        assert friend.reply()[-1].startswith("250 ")
        assert early.reply()[-1].startswith("421 4.3.2 ")
        assert logged(house, "all server ports busy: too many clients wait")
        assert logged(house, "all server ports busy: all processes are busy")
        friend.close()


class Passed:
    """smtpd by hand, with us in the place of screen."""

    def __init__(self, **values):
        self.dir = tempfile.mkdtemp(prefix="phd-", dir="/tmp")
        os.makedirs(os.path.join(self.dir, "run", "jail", "smtpd"))
        for path, _, _ in os.walk(self.dir):
            os.chmod(path, 0o777)
        values = dict(myhostname="mail.screen.test", role_uid_base=60100,
                      run_directory=os.path.join(self.dir, "run"),
                      smtpd_peername_lookup="no", **values)
        with open(os.path.join(self.dir, "main.cf"), "w") as f:
            f.writelines("%s = %s\n" % item for item in values.items())
        self.path = os.path.join(self.dir, "own")
        self.log_path = os.path.join(self.dir, "log.txt")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "bin", "smtpd"), "-C", self.dir,
                 "--debug", "--listen", self.path, "-t", "pass", "-n",
                 "smtpd"], stdout=log, stderr=log)
        self.connection = wait_until(self.connect, 10)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(self.path)
        except OSError:
            s.close()
            return None
        c = Connection(s, "pass")
        c.send("pass_await", waiting=1)
        return c

    def client(self, address="", **changes):
        """Passes one end of a connection; the other."""
        listener = socket.create_server(("127.0.0.1", 0))
        near = socket.create_connection(listener.getsockname(), 10)
        far, _ = listener.accept()
        listener.close()
        fields = dict(session="0" * 22, client_address=address,
                      client_port=1, own_address=address, own_port=25,
                      greeted=True, found="PASS NEW")
        fields.update(changes)
        self.connection.send("pass_client", fds=[far.fileno()], **fields)
        far.close()
        return near

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.connection.close()
        self.process.terminate()
        self.process.wait(10)
        log = self.log()
        subprocess.run(["rm", "-rf", self.dir], check=True)
        assert "Sanitizer" not in log and "runtime error" not in log, log


def test_smtpd_believes_the_kernel():
    """A screen that somebody has broken into cannot make friends."""
    with Passed(haproxy_trusted_networks="10.0.0.0/8") as smtpd:
        assert smtpd.connection.receive() == ("pass_ready", {"served": "0"})
        with smtpd.client() as s:
            s.sendall(b"HELP\r\n")
            assert s.recv(100).startswith(b"214 ")
        assert smtpd.connection.receive() == ("pass_ready", {"served": "1"})
        with smtpd.client("192.0.2.1") as s:
            assert s.recv(100) == b""
        assert smtpd.connection.receive() == ("pass_ready", {"served": "2"})
        wait_until(lambda: "from outside haproxy_trusted_networks" in
                   smtpd.log() and "[127.0.0.1]" in smtpd.log())
        assert "192.0.2.1" not in smtpd.log()


@pytest.mark.parametrize("broken", [
    dict(session="short"), dict(client_port=65536), dict(found="x" * 65),
    dict(own_address="x" * 300), dict(more="1")])
def test_broken_words_end_the_connection_alone(broken):
    with Passed() as smtpd:
        assert smtpd.connection.receive()[0] == "pass_ready"
        with smtpd.client(**broken) as s:
            assert s.recv(100) == b""
        assert smtpd.connection.receive() is None
        smtpd.connection.close()
        smtpd.connection = smtpd.connect()
        assert smtpd.connection.receive()[0] == "pass_ready"
        with smtpd.client("192.0.2.9") as s:
            s.sendall(b"NOOP\r\n")
            assert s.recv(100).startswith(b"250 ")
        wait_until(lambda: "connect from unknown[192.0.2.9]" in smtpd.log())
        # No client at all.
        smtpd.connection.send("pass_client", session="0" * 22,
                              client_address="", client_port=0,
                              own_address="", own_port=0, greeted=False,
                              found="")
        while smtpd.connection.receive() is not None:
            pass
        assert smtpd.process.poll() is None
