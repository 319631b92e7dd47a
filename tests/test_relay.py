"""Relaying to next hops that nobody here wrote (aiosmtpd), found through a
real DNS server: which host is tried, what its answers mean, what the operator
can do meanwhile, and what the sender is told."""
import email
import imaplib
import smtplib
import ssl
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server

from house import House, free_port, wait_until
from nameserver import Dns

PORT = free_port()
ZONES = {
    "pref.test": ["@ MX 20 b", "@ MX 10 a", "a A 127.0.0.2",
                  "b A 127.0.0.3"],
    "equal.test": ["@ MX 10 a", "@ MX 10 b", "a A 127.0.0.2",
                   "b A 127.0.0.3"],
    "down.test": ["@ MX 10 x", "@ MX 20 b", "x A 127.0.0.9",
                  "b A 127.0.0.3"],
    "apex.test": ["@ A 127.0.0.2"],
    "xn--bcher-kva.test": ["@ MX 10 a", "a A 127.0.0.2"],
    "null.test": ["@ MX 0 ."],
    "loop.test": ["@ MX 10 MYSELF.", "@ MX 20 a", "a A 127.0.0.2"],
    "dead.test": ["@ MX 10 x", "x A 127.0.0.9"],
    "late.test": ["@ MX 10 late", "late A 127.0.0.4"],
    "tls.test": ["@ MX 10 tls", "tls A 127.0.0.5"],
    "bad-tls.test": ["@ MX 10 tls", "tls A 127.0.0.6"],
}


class Hop:
    """A next hop on an address of its own; `refuse` maps a recipient's local
    part to the reply, as often as its number says."""

    def __init__(self, address, start=True, **options):
        self.address, self.options = address, options
        self.messages, self.refuse, self.sessions = [], {}, 0
        self.rcpts, self.mails = [], []
        self.controller = None
        if start:
            self.start()

    async def handle_EHLO(self, server, session, envelope, hostname,
                          responses):
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.mails.append((address, options))
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 fine"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.rcpts.append((address, options))
        reply = self.refuse.get(address.split("@")[0])
        if reply and reply[0] > 0:
            reply[0] -= 1
            return reply[1]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos),
                              envelope.content, session.ssl is not None))
        return "250 2.0.0 Ok: queued as %d" % len(self.messages)

    def start(self):
        self.controller = Controller(self, hostname=self.address, port=PORT,
                                     ready_timeout=10, **self.options)
        self.controller.start()

    def stop(self):
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    def got(self, to):
        """Messages that arrived for a recipient."""
        return [m for m in self.messages if to in m[1]]


@pytest.fixture(scope="module")
def world():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    bad = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # has no certificate
    hops = {}
    house = name = None
    try:
        house = House(domain="relay.test", users=2, start=False)
        house.myself = house.posthouse("conf", "get", "myhostname").split(
            "=")[-1].strip()
        tls.load_cert_chain(*certificate(house))
        zones = {zone: [line.replace("MYSELF", house.myself)
                        for line in lines] for zone, lines in ZONES.items()}
        name = Dns(zones)
        hops["a"] = Hop("127.0.0.2")
        hops["b"] = Hop("127.0.0.3")
        hops["late"] = Hop("127.0.0.4", start=False)
        hops["tls"] = Hop("127.0.0.5", tls_context=tls)
        hops["bad"] = Hop("127.0.0.6", tls_context=bad)
        for key, value in (("dns_servers", name.address),
                           ("smtp_tcp_port", PORT),
                           ("smtp_connection_cache_time_limit", "0"),
                           ("minimal_backoff_time", "2s"),
                           ("maximal_backoff_time", "4s")):
            house.set(key, str(value))
        house.start()
        house.hops = hops
        yield house
    finally:
        for hop in hops.values():
            hop.stop()
        if name is not None:
            name.close()
        if house is not None:
            print("\n".join(house.log().splitlines()[-80:]))
            house.close()


def certificate(house):
    """The instance's own self-signed one serves the next hop too."""
    import glob
    import os
    files = house.posthouse("conf", "get", "smtpd_tls_chain_files").split(
        "=", 1)[-1].replace(",", " ").split()
    found = [f for f in files if os.path.exists(f)] or glob.glob(
        os.path.join(house.etc, "*.pem"))
    return [found[0]]


def send(house, to, sender="user0@relay.test", body="hello\r\n",
         options=(), rcpt_options=()):
    """Queues a message from this host, which may relay; its subject."""
    subject = "s%d" % time.monotonic_ns()
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
        s.sendmail(sender, [to] if isinstance(to, str) else to,
                   ("From: user0@relay.test\r\nSubject: %s\r\n\r\n%s" % (
                       subject, body)).encode(), options, rcpt_options)
    return subject


def waiting(house, to):
    """The queue's recipients with this address."""
    return [dict(r, id=m["id"]) for m in house.queue()["messages"]
            for r in m["recipients"] if r["address"] == to]


def bounces(house, about):
    """DSNs in user0's mailbox that are about a recipient."""
    box = imaplib.IMAP4("127.0.0.1", house.imap)
    try:
        box.login(house.user(0), house.password)
        box.select()
        found = []
        for number in box.search(None, "ALL")[1][0].split():
            raw = box.fetch(number, "(BODY.PEEK[])")[1][0][1]
            message = email.message_from_bytes(raw)
            if message.get_content_type() != "multipart/report":
                continue
            status = message.get_payload()[1].get_payload()
            for part in status[1:]:
                if about in str(part["Final-Recipient"]):
                    found.append((part["Action"], part["Status"],
                                  str(part["Diagnostic-Code"]), message))
        return found
    finally:
        box.logout()


def wait_bounce(house, about):
    def there():
        """a bounce"""
        return bounces(house, about)
    return wait_until(there, 20, 0.2)[0]


def test_the_best_exchanger_is_tried_first(world):
    for i in range(3):
        send(world, "first%d@pref.test" % i)
    wait_until(lambda: len([m for m in world.hops["a"].messages
                            if m[1][0].startswith("first")]) == 3)
    assert not [m for m in world.hops["b"].messages
                if m[1][0].startswith("first")]
    assert "X-" not in str(world.hops["a"].messages[0][2])


def test_equal_exchangers_share(world):
    def count(name):
        return len([m for m in world.hops[name].messages
                    if m[1][0].endswith("@equal.test")])
    for i in range(24):
        send(world, "x%d@equal.test" % i)
    wait_until(lambda: count("a") + count("b") == 24)
    assert count("a") > 0 and count("b") > 0


def test_the_next_exchanger_when_one_is_down(world):
    send(world, "x@down.test")
    wait_until(lambda: world.hops["b"].got("x@down.test"))


def test_address_without_mx(world):
    send(world, "x@apex.test")
    wait_until(lambda: world.hops["a"].got("x@apex.test"))


def test_content_arrives_as_it_was(world):
    body = ".\r\n..\r\n.a\r\n" + "x" * 998 + "\r\n\r\n.\r\n" + ("y" * 990 + "\r\n") * 400 + "tail"
    send(world, "dots@apex.test", body=body + "\r\n")
    wait_until(lambda: world.hops["a"].got("dots@apex.test"))
    content = world.hops["a"].got("dots@apex.test")[0][2]
    assert content.split(b"\r\n\r\n", 1)[1] == body.encode() + b"\r\n"
    assert len(content) > 390000


def test_recipients_go_together_and_fail_alone(world):
    hop = world.hops["a"]
    hop.refuse["gone"] = [9, "550 5.1.1 no such user here"]
    names = ["one@apex.test", "gone@apex.test", "two@apex.test"]
    send(world, names)
    wait_until(lambda: hop.got("one@apex.test"))
    assert hop.got("one@apex.test")[0][1] == ["one@apex.test",
                                              "two@apex.test"]
    action, status, diagnostic, message = wait_bounce(world, "gone@apex")
    assert (action, status) == ("failed", "5.1.1")
    assert "550 5.1.1 no such user here" in " ".join(diagnostic.split())
    assert message["To"].strip("<>") == "user0@relay.test"
    assert message["Auto-Submitted"] == "auto-replied"
    world.wait_empty_queue()


def test_domain_with_umlaut(world):
    to = "x@b\u00fccher.test"
    with smtplib.SMTP("127.0.0.1", world.smtp, timeout=20) as s:
        s.ehlo()
        if not s.has_extn("smtputf8"):
            pytest.skip("smtpd does not offer SMTPUTF8")
        s.sendmail("user0@relay.test", to, b"Subject: x\r\n\r\nx\r\n",
                   ["SMTPUTF8"])
    wait_until(lambda: world.hops["a"].got(to))


def test_null_mx(world):
    send(world, "x@null.test")
    assert wait_bounce(world, "x@null.test")[1] == "5.1.10"


def test_no_such_domain(world):
    send(world, "x@nowhere.pref.test")
    assert wait_bounce(world, "x@nowhere.pref.test")[1] == "5.4.4"


def test_loop_to_ourselves(world):
    send(world, "x@loop.test")
    assert wait_bounce(world, "x@loop.test")[1] == "5.4.6"


def test_deferred_then_delivered(world):
    hop = world.hops["a"]
    hop.refuse["grey"] = [1, "450 4.2.0 greylisted, come back"]
    send(world, "grey@apex.test")
    row = wait_until(lambda: [r for r in waiting(world, "grey@apex.test")
                              if r["state"] == "deferred"])[0]
    assert row["attempts"] == 1 and "greylisted" in row["reason"]
    assert abs(row["next"] - time.time()) < 60
    wait_until(lambda: hop.got("grey@apex.test"))
    world.wait_empty_queue()
    assert len(hop.got("grey@apex.test")) == 1


def test_starttls(world):
    send(world, "x@tls.test")
    wait_until(lambda: world.hops["tls"].got("x@tls.test"))
    assert world.hops["tls"].got("x@tls.test")[0][3] is True


def test_plaintext_when_tls_fails(world):
    send(world, "x@bad-tls.test")
    wait_until(lambda: world.hops["bad"].got("x@bad-tls.test"))
    assert world.hops["bad"].got("x@bad-tls.test")[0][3] is False


def test_a_bounce_never_bounces(world):
    world.hops["a"].refuse["null"] = [9, "550 5.1.1 no"]
    send(world, "null@apex.test", sender="")
    wait_until(lambda: "a bounce never bounces" in world.log())
    world.wait_empty_queue()
    assert not bounces(world, "null@apex.test")


def test_operator(world):
    def state(to):
        rows = waiting(world, to)
        return rows[0]["state"] if rows else None
    to = "held@late.test"
    send(world, to)
    wait_until(lambda: state(to) == "deferred")
    qid = waiting(world, to)[0]["id"]
    assert "refused" in waiting(world, to)[0]["reason"]
    world.posthouse("queue", "hold", qid)
    wait_until(lambda: state(to) == "hold")
    # A hold outlives the queue manager.
    world.posthouse("service", "restart", "qmgr")
    wait_until(lambda: state(to) == "hold")
    world.hops["late"].start()
    time.sleep(3)
    assert not world.hops["late"].got(to)
    text = world.posthouse("queue", "list")
    assert qid in text and to in text and "hold" in text
    text = world.posthouse("queue", "show", qid, "--body")
    assert "Subject: s" in text and "hello" in text and to in text
    world.posthouse("queue", "release", "--recipient", to)
    wait_until(lambda: world.hops["late"].got(to))
    world.hops["late"].stop()
    world.wait_empty_queue()


def test_delete_and_flush(world):
    send(world, "delete@late.test", sender="user1@relay.test")
    send(world, "flush@late.test")
    wait_until(lambda: len([r for r in waiting(world, "delete@late.test") +
                            waiting(world, "flush@late.test")
                            if r["state"] == "deferred"]) == 2)
    out = world.json("queue", "delete", "--sender", "user1@relay.test")
    assert out["count"] == 1
    wait_until(lambda: not waiting(world, "delete@late.test"))
    assert waiting(world, "flush@late.test")
    world.hops["late"].start()
    world.posthouse("queue", "flush", "--recipient", "@late.test")
    wait_until(lambda: world.hops["late"].got("flush@late.test"))
    world.hops["late"].stop()
    done = world.posthouse("queue", "hold", "0" * 22, check=False)
    assert done.returncode == 1 and "no such message" in done.stderr
    assert world.posthouse("queue", "delete",
                           check=False).returncode == 64


def test_hop_stopped_then_back(world):
    names = ["w%d@late.test" % i for i in range(10)]
    for name in names:
        send(world, name)
    wait_until(lambda: all(
        r["reason"] for n in names for r in waiting(world, n)) and
        len(world.queue()["messages"]) == 10)
    # Others go on.
    send(world, "quick@apex.test")
    wait_until(lambda: world.hops["a"].got("quick@apex.test"))
    world.hops["late"].start()
    wait_until(lambda: all(world.hops["late"].got(n) for n in names), 30)
    world.wait_empty_queue()
    world.hops["late"].stop()
    assert all(len(world.hops["late"].got(n)) == 1 for n in names)


def test_expiry(world):
    world.set("maximal_queue_lifetime", "3s")
    world.posthouse("reload")
    try:
        send(world, "old@dead.test")
        action, status, diagnostic, message = wait_bounce(
            world, "old@dead.test")
        assert (action, status) == ("failed", "4.4.7")
        assert "refused" in message.as_string()
        world.wait_empty_queue()
        world.logged("status=expired, returned to sender")
    finally:
        world.set("maximal_queue_lifetime", "5d")
        world.posthouse("reload")


def test_kill_smtp_and_qmgr(world):
    """What was accepted arrives although both are killed meanwhile."""
    import os
    import signal
    hop = world.hops["a"]
    names = ["k%d@apex.test" % i for i in range(60)]
    for i, name in enumerate(names):
        send(world, name)
        if i % 20 == 10:
            for program in ("smtp", "qmgr"):
                for pid in world.pids(program):
                    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(hop.got(n) for n in names), 60)
    world.wait_empty_queue()
