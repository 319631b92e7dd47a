"""Mail that an alias sends to another host: the sender that this one sees
(SRS), SPF there, the way back, secrets, restarts, two forwarders in a row.
The addresses are also made and compared by a second implementation, below."""
import base64
import hashlib
import hmac
import imaplib
import json
import os
import smtplib
import socket
import time

import pytest

from house import House, wait_until
from ipc_fake import Connection
from nameserver import Dns
from test_relay import PORT, Hop

STRANGER = "127.0.0.9"
ZONES = {
    "origin.test": ["@ MX 10 mx", "mx A 127.0.0.2",
                    '@ TXT "v=spf1 ip4:127.0.0.9 -all"'],
    "far.test": ["@ MX 10 mx", "mx A 127.0.0.2"],
    "one.test": ['@ TXT "v=spf1 ip4:127.0.0.1 -all"'],
    "two.test": ['@ TXT "v=spf1 ip4:127.0.0.1 -all"'],
}
NOBODY = "<>"
BOB = "bob@origin.test"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def secrets(house):
    with open(os.path.join(house.etc, "srs_secrets")) as f:
        return [line.strip() for line in f
                if line.strip() and not line.startswith("#")]


def write_secrets(house, text):
    """In place, so that owner and mode stay; seen within a second."""
    with open(os.path.join(house.etc, "srs_secrets"), "w") as f:
        f.write(text)


def sha(secret, *texts):
    mac = hmac.new(secret.encode(), "".join(texts).lower().encode(),
                   hashlib.sha1)
    return base64.b64encode(mac.digest()).decode()[:6]


def day(ago=0):
    number = (int(time.time()) // 86400 - ago) % 1024
    return BASE32[number // 32] + BASE32[number % 32]


def srs0(house, sender, ago=0, secret=None):
    local, domain = sender.split("@")
    text = day(ago)
    return "SRS0=%s=%s=%s=%s@%s" % (
        sha(secret or secrets(house)[0], text, domain, local), text, domain,
        local, house.domain)


def new_house(domain, dns):
    """Only 127.0.0.77 may relay; others are strangers, and their mail is
    checked."""
    house = House(domain=domain, users=2, start=False)
    for key, value in (("dns_servers", dns.address), ("smtp_tcp_port", PORT),
                       ("mynetworks", "127.0.0.77/32"),
                       ("hopcount_limit", "8"),
                       ("minimal_backoff_time", "2s"),
                       ("maximal_backoff_time", "4s")):
        house.set(key, str(value))
    return house


@pytest.fixture(scope="module")
def world():
    houses, hop, dns = [], None, None
    # Addresses name the day: not over midnight (UTC).
    wait_until(lambda: time.time() % 86400 < 86400 - 300, seconds=320)
    try:
        dns = Dns(ZONES)
        hop = Hop("127.0.0.2")
        one, two = (houses.append(new_house(d, dns)) or houses[-1]
                    for d in ("one.test", "two.test"))
        for house, other in ((one, two), (two, one)):
            house.set("transport_maps", "inline:{ %s=smtp:[127.0.0.1]:%d }" % (
                other.domain, other.smtp))
            house.posthouse("alias", "add", "away@" + house.domain,
                            "x@far.test")
            house.hop = hop
        one.posthouse("alias", "add", "both@one.test", "user0@one.test",
                      "x2@far.test")
        one.posthouse("alias", "add", "over@one.test", "next@two.test",
                      "user0@two.test")
        two.posthouse("alias", "add", "next@two.test", "z@far.test")
        one.posthouse("alias", "add", "round@one.test", "round@two.test")
        two.posthouse("alias", "add", "round@two.test", "round@one.test")
        for name in ("slow", "shut", "old", "mine"):
            one.posthouse("alias", "add", name + "@one.test",
                          "%s@far.test" % name)
        for house in houses:
            house.start()
        one.two = two
        yield one
    finally:
        if hop is not None:
            hop.stop()
        if dns is not None:
            dns.close()
        for house in houses:
            print("\n".join(house.log().splitlines()[-60:]))
            house.close()


def client(house, source=STRANGER):
    c = smtplib.SMTP("127.0.0.1", house.smtp, timeout=60,
                     source_address=(source, 0))
    c.ehlo()
    return c


def send(house, to, sender=BOB, source=STRANGER, text="hello"):
    """Its queue id."""
    with client(house, source) as c:
        assert c.mail(sender)[0] == 250
        for address in [to] if isinstance(to, str) else to:
            code, words = c.rcpt(address)
            assert code == 250, words
        code, words = c.data(
            "From: %s\r\nSubject: s\r\n\r\n%s\r\n" % (sender, text))
        assert code == 250, words
        return words.split()[-1].decode()


def rcpt(house, address, sender="", source=STRANGER):
    """The reply to RCPT TO, as one text."""
    with client(house, source) as c:
        assert c.mail(sender)[0] == 250
        code, words = c.rcpt(address)
        return "%d %s" % (code, words.decode())


def arrived(house, to, text=None):
    """The one message for a recipient at the next host that has the text."""
    def there():
        found = [m for m in house.hop.got(to)
                 if text is None or text.encode() in m[2]]
        return found[0] if found else None
    there.__doc__ = "mail for %s at the next host" % to
    return wait_until(there)


def test_forwarded_relayed_and_local_in_one(world):
    """Each group sees its own sender, and log and trace name both."""
    name = send(world, ["both@one.test", "user1@one.test", "y@far.test"],
                source="127.0.0.77", text="mixed")
    made = srs0(world, BOB)
    got = arrived(world, "x2@far.test", "mixed")
    assert got[:2] == (made, ["x2@far.test"])
    got = arrived(world, "y@far.test", "mixed")
    assert got[:2] == (BOB, ["y@far.test"])
    world.logged("%s: sent-as=<%s>, from=<%s>, nrcpt=1" % (name, made, BOB))
    world.logged("%s: from=<%s>" % (name, BOB))
    world.logged("%s: to=<user0@one.test>" % name)
    world.logged("%s: to=<user1@one.test>" % name)

    def attempts():
        trace = world.posthouse("--json", "trace", name, check=False)
        if trace.returncode != 0:
            return None
        events = [e for m in json.loads(trace.stdout)["messages"]
                  for e in m["events"] if e["event"] == "attempt"]
        return events if len(events) >= 2 else None
    assert sorted(e.get("who", "") for e in wait_until(attempts)) == [
        "", made]
    assert "sent as <%s>" % made in world.posthouse("trace", name)
    world.wait_empty_queue()
    with imaplib.IMAP4("127.0.0.1", world.imap) as c:
        c.login(world.user(), "secret")
        c.select("INBOX")
        number = c.search(None, "BODY", "mixed")[1][0].split()[0]
        header = c.fetch(number, "(RFC822.HEADER)")[1][0][1].decode()
        assert "Return-Path: <%s>" % BOB in header
        assert "SRS0" not in header


def test_spf_passes_at_the_next_host(world):
    """The next host is one of ours, with its own checks: the message of a
    domain with -all passes there under our name."""
    send(world, "over@one.test", text="aligned")

    def header():
        with imaplib.IMAP4("127.0.0.1", world.two.imap) as c:
            c.login("user0@two.test", "secret")
            c.select("INBOX")
            found = c.search(None, "BODY", "aligned")[1][0].split()
            return found and c.fetch(
                found[0], "(RFC822.HEADER)")[1][0][1].decode()
    text = " ".join(wait_until(header).split())
    made = srs0(world, BOB)
    assert 'spf=pass (ip4:127.0.0.1) smtp.mailfrom=%s;' % (
        made.split("@")[1]) in text, text
    assert "Return-Path: <%s>" % made in text


def test_two_forwarders_in_a_row(world):
    """SRS1 leads over the first one, and not over all; mail back goes the
    whole way home."""
    send(world, "over@one.test", text="twice")
    first = srs0(world, BOB).split("@")[0][len("SRS0"):]
    made = "SRS1=%s=one.test=%s@two.test" % (
        sha(secrets(world.two)[0], "one.test", first), first)
    assert arrived(world, "z@far.test", "twice")[0] == made
    send(world.two, made, sender="", text="home over two")
    got = arrived(world, BOB, "home over two")
    assert got[0] == NOBODY
    assert got[1] == [BOB]


def test_way_back(world):
    """From a stranger who may not relay; the null sender stays null, another
    one is rewritten as in all that is sent on."""
    assert rcpt(world, "a@far.test").startswith("554 5.7.1")
    assert rcpt(world, srs0(world, BOB).replace("one.test", "far.test")) \
        .startswith("554 5.7.1")
    name = send(world, srs0(world, BOB), sender="", text="came back")
    got = arrived(world, BOB, "came back")
    assert got[0] == NOBODY and got[1] == [BOB]
    world.traced(name, "expanded")
    assert "stands for " + BOB in world.posthouse("trace", name)
    # Hosts on the way may have changed the case.
    send(world, srs0(world, BOB).upper(), sender="eve@far.test",
         text="not a bounce")
    got = arrived(world, "BOB@origin.test", "not a bounce")
    assert got[0] == srs0(world, "eve@far.test")


@pytest.mark.parametrize("change,reply", [
    (lambda h, a: a.replace("SRS0=", "SRS0=x"), "550 5.7.1"),
    (lambda h, a: a.replace("bob", "bab"), "550 5.7.1"),
    (lambda h, a: a.replace("origin.test", "far.test"), "550 5.7.1"),
    (lambda h, a: a.replace(a.split("=")[2], day(1)), "550 5.7.1"),
    (lambda h, a: "SRS0=%s=x@one.test" % a.split("=")[1], "550 5.7.1"),
    (lambda h, a: "SRS1=abcdef=far.test==a=b=c=d@one.test", "550 5.7.1"),
    (lambda h, a: srs0(h, BOB, secret="somebody else's"), "550 5.7.1"),
    (lambda h, a: srs0(h, BOB, ago=21), "250 2.1.5"),
    (lambda h, a: srs0(h, BOB, ago=22), "550 5.1.6"),
    (lambda h, a: srs0(h, BOB, ago=400), "550 5.1.6"),
])
def test_forged_and_expired(world, change, reply):
    address = change(world, srs0(world, BOB))
    said = rcpt(world, address)
    assert said.startswith(reply), said
    if reply.startswith("550"):
        words = "its hash is wrong" if "5.7.1" in reply else "has expired"
        assert words in said
        shown = world.posthouse("route", address, check=False)
        assert shown.returncode == 69 and words in shown.stdout


def test_bounce_of_ours_goes_to_the_original_sender(world):
    world.hop.refuse["shut"] = [100, "550 5.1.1 nobody here"]
    name = send(world, "shut@one.test", text="refused there")
    got = arrived(world, BOB, "shut@one.test")
    assert got[0] == NOBODY and b"nobody here" in got[2]
    assert b"SRS0" not in got[2]
    world.logged("%s: removed" % name)


def test_restart_in_between(world):
    """What was rewritten stands in the envelope: another secret and another
    queue manager change nothing."""
    made = srs0(world, BOB)
    world.hop.refuse["slow"] = [1000000, "451 4.7.1 later"]
    name = send(world, "slow@one.test", text="waiting")
    world.logged("to=<slow@far.test>")
    shown = world.posthouse("queue", "show", name)
    assert "sent as    %s" % made in shown
    shown = world.json("queue", "show", name)
    assert (shown["sender"], shown["forward_sender"]) == (BOB, made)
    assert [r["forwarded"] for r in shown["recipients"]] == [True]
    world.stop()
    world.posthouse("srs", "rotate")
    world.start()
    del world.hop.refuse["slow"]
    assert arrived(world, "slow@far.test", "waiting")[0] == made


def test_secrets_rotate(world):
    old = srs0(world, BOB)
    before = secrets(world)
    world.posthouse("srs", "rotate")
    assert secrets(world)[1:] == before
    new = srs0(world, BOB)
    assert new != old

    def signed():
        """the new secret signs"""
        return world.posthouse("srs", "forward", BOB).startswith(new + "\n")
    wait_until(signed)
    assert rcpt(world, old).startswith("250")
    shown = world.json("srs", "reverse", old)
    assert (shown["status"], shown["result"]) == ("ok", BOB)
    write_secrets(world, secrets(world)[0] + "\n")
    wait_until(lambda: rcpt(world, old).startswith("550 5.7.1"))
    assert rcpt(world, new).startswith("250")
    send(world, "old@one.test", text="signed anew")
    assert arrived(world, "old@far.test", "signed anew")[0] == new


def test_without_secrets(world):
    """Mail goes on under its own sender, and addresses wait to be verified."""
    path = os.path.join(world.etc, "srs_secrets")
    made = srs0(world, BOB)
    with open(path) as f:
        text = f.read()
    try:
        write_secrets(world, "# none\n")
        wait_until(lambda: rcpt(world, made).startswith("451"))
        send(world, "away@one.test", text="as it was")
        assert arrived(world, "x@far.test", "as it was")[0] == BOB
        world.logged("there is no secret in it")
    finally:
        write_secrets(world, text)
    wait_until(lambda: rcpt(world, made).startswith("250"))


def test_senders_that_stay(world):
    """Our own users, and nobody."""
    with smtplib.SMTP("127.0.0.1", world.submission, timeout=60) as c:
        c.starttls(context=world.tls())
        c.login(world.user(), "secret")
        c.sendmail(world.user(), ["mine@one.test"],
                   "From: %s\r\nSubject: s\r\n\r\nown\r\n" % world.user())
    assert arrived(world, "mine@far.test", "own")[0] == world.user()
    send(world, "away@one.test", sender="", text="nobody's")
    assert arrived(world, "x@far.test", "nobody's")[0] == NOBODY
    for sender in (world.user(), "anybody@one.test"):
        shown = world.json("srs", "forward", sender)
        assert (shown["status"], shown["result"]) == ("ok", "")


def test_route_and_explain_say_it(world):
    assert "posthouse srs forward SENDER" in world.posthouse(
        "route", "both@one.test")
    said = world.json("explain", "--client", STRANGER, "--from", BOB, "--rcpt",
                      "both@one.test")["deliveries"][0]
    assert said["sent_as"] == srs0(world, BOB)
    assert {d["address"]: d["forwarded"] for d in said["destinations"]} == {
        "user0@one.test": False, "x2@far.test": True}
    assert "  sent as <%s>, by srs_domain" % srs0(world, BOB) in world.posthouse(
        "explain", "--client", STRANGER, "--from", BOB, "--rcpt",
        "both@one.test")
    said = world.json("explain", "--client", STRANGER, "--from", world.user(),
                      "--rcpt", "both@one.test")["deliveries"][0]
    assert said["sent_as"] == ""


def test_long_local_part(world):
    """Longer than 64 octets is sent and taken back; what would be no path any
    more stays."""
    sender = "a" * 60 + "@origin.test"
    send(world, "away@one.test", sender=sender, text="long one")
    made = srs0(world, sender)
    assert len(made.split("@")[0]) > 64
    assert arrived(world, "x@far.test", "long one")[0] == made
    send(world, made, sender="", text="long way back")
    assert arrived(world, sender, "long way back")
    sender = "a" * 240 + "@origin.test"
    assert world.json("srs", "forward", sender)["result"] == ""


def test_an_alias_in_a_circle_ends(world):
    """Over two hosts: hops are counted, and the sender is told, through both."""
    send(world, "round@one.test", text="round and round")
    got = arrived(world, BOB, "Too many hops")
    assert got[0] == NOBODY
    for house in (world, world.two):
        house.wait_empty_queue()


def test_the_secrets_are_lookups_alone(world):
    mode = os.stat(os.path.join(world.etc, "srs_secrets")).st_mode & 0o777
    assert mode == 0o640
    for spec in ("text:srs_secrets", "text:./srs_secrets",
                 "text:%s/srs_secrets" % world.etc):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(os.path.join(world.dir, "run", "sockets", "lookup"))
        c = Connection(sock, "lookup")
        c.send("table", request=1, table=spec, key=secrets(world)[0], rule="")
        assert c.receive()[1]["status"] == "temporary"
        c.close()
    world.logged("was asked for, but it is neither", times=3)
