"""lib/net/dns and lib/mailauth over real name servers: a signed zone (Knot)
behind a validating resolver (Unbound), and servers that misbehave.
"""
import os
import socket
import subprocess
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from nameserver import Dns, Resolver
from test_spf import scenarios

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("POSTHOUSE_BUILD", os.path.join(TOP, "build"))
NOW = "1700000000"
HUGE = "".join("%04d." % n for n in range(1200))  # 6,000 octets


def tool(name, *args, stdin=None):
    done = subprocess.run([os.path.join(BUILD, "tests", name), *args],
                          input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, (args, done.stdout, done.stderr)
    return done.stdout.decode("latin-1")


def strings(text, size=250):
    return " ".join('"%s"' % text[i:i + size]
                    for i in range(0, len(text), size))


# ---- servers that misbehave ----

class Odd:
    """A UDP server on loopback; `answer` gets (query, send, address)."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.seen = 0
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            if data == b"end":
                return
            self.seen += 1
            self.answer(dns.message.from_wire(data), self.socket, peer)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", ("127.0.0.1", self.port))
        self.thread.join()
        self.socket.close()


def respond(query, rcode=0, address=None, flags=dns.flags.RA):
    reply = dns.message.make_response(query)
    reply.flags |= flags
    reply.set_rcode(rcode)
    if address is not None:
        reply.answer.append(dns.rrset.from_text(
            query.question[0].name, 60, "IN", "A", address))
    return reply


def swallow(query, sock, peer):
    pass


def with_rcode(rcode):
    def answer(query, sock, peer):
        sock.sendto(respond(query, rcode).to_wire(), peer)
    return answer


def lame(query, sock, peer):
    """Knows nothing, asks nobody, and says neither."""
    sock.sendto(respond(query, flags=0).to_wire(), peer)


def garbage(query, sock, peer):
    sock.sendto(query.to_wire()[:2] + b"\x81\x80" + 40 * b"\xff", peer)


def truncated(query, sock, peer):
    """Says that there is more by TCP, where nobody listens."""
    sock.sendto(respond(query, flags=dns.flags.TC | dns.flags.RA).to_wire(),
                peer)


def forger(query, sock, peer):
    """Forged answers come first; the true one is the last."""
    evil = respond(query, address="192.0.2.66")
    evil.id = query.id ^ 1
    sock.sendto(evil.to_wire(), peer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(respond(query, address="192.0.2.67").to_wire(), peer)
    stranger = dns.message.make_query("other.test", "A")
    stranger.id = query.id
    sock.sendto(respond(stranger, address="192.0.2.68").to_wire(), peer)
    sock.sendto(respond(query, address="192.0.2.1").to_wire(), peer)


# ---- the zones ----

def key(algorithm, bits):
    text = tool("mailauth_tool", "key", algorithm, bits)
    at = text.index("v=DKIM1")
    return text[:at], text[at:].strip()


class Zones:
    def __init__(self, folder):
        self.pems = {}
        records = {}
        for name, algorithm, bits in (("rsa", "rsa", "2048"),
                                      ("big", "rsa", "4096"),
                                      ("ed", "ed25519", "0")):
            pem, records[name] = key(algorithm, bits)
            self.pems[name] = os.path.join(str(folder), name + ".pem")
            with open(self.pems[name], "w") as f:
                f.write(pem)
        huge = records["ed"].replace("p=", "n=%s; p=" % HUGE)
        signed = [
            "a A 192.0.2.1", "a A 192.0.2.2", "a AAAA 2001:db8::1",
            "@ MX 10 a", "_imaps._tcp SRV 0 1 993 a",
            "_25._tcp.a TLSA 3 1 1 " + 32 * "ab",
            "huge TXT " + strings(HUGE), "tiny TXT " + strings(HUGE[:300], 1),
            "many.deep A 192.0.2.3", "*.wild A 192.0.2.4",
            "*.wild TXT \"v=spf1 ip4:192.0.2.1 -all\"",
            "*.sub.wild TXT x",
            "@ TXT \"v=spf1 include:c1.plain.test -all\"",
            "_dmarc TXT \"v=DMARC1; p=reject; adkim=s\"",
            "rsa._domainkey CNAME rsa.keys.plain.test.",
            "huge._domainkey TXT " + strings(huge),
            "big._domainkey TXT " + strings(records["big"], 100),
            "gone._domainkey CNAME gone.keys.plain.test.",
            "dead._domainkey CNAME k.bogus.test.",
            "mute._domainkey CNAME k.silent.test.",
            "two._domainkey TXT \"v=DKIM1; k=rsa; p=\"",
            "two._domainkey TXT " + strings(records["ed"]),
        ] + ["lots MX %d host%d" % (n, n) for n in range(400)]
        plain = [
            "c1 CNAME c2", "c2 CNAME c3.signed.test.",
            "c5 10 CNAME spf", "spf TXT \"v=spf1 ip4:192.0.2.1 -all\"",
            "rsa.keys CNAME r2.keys", "r2.keys CNAME r3.keys.signed.test.",
            "loop1 CNAME loop2", "loop2 CNAME loop1",
            "dangling CNAME nothing",
            "nodata TXT x", "nodata2 TXT x",
            "voids2 TXT \"v=spf1 a:nodata.plain.test mx:nothing.plain.test "
            "ip4:192.0.2.1 -all\"",
            "voids3 TXT \"v=spf1 a:nodata.plain.test exists:x.plain.test "
            "a:dangling.plain.test ip4:192.0.2.1 -all\"",
            "voidmx TXT \"v=spf1 mx:nodata.plain.test mx:nodata2.plain.test "
            "a:nothing.plain.test ip4:192.0.2.1 -all\"",
            "ten TXT \"v=spf1 %s ip4:192.0.2.1 -all\"" % " ".join(
                10 * ["exists:h.plain.test"]),
            "eleven TXT \"v=spf1 %s ip4:192.0.2.1 -all\"" % " ".join(
                11 * ["exists:h.plain.test"]),
            "bad TXT \"v=spf1 include:x.bogus.test -all\"",
            "mute TXT \"v=spf1 a:x.silent.test ip4:192.0.2.1 -all\"",
            "early TXT \"v=spf1 ip4:192.0.2.1 a:x.silent.test -all\"",
            "self TXT \"v=spf1 include:self.plain.test -all\"",
            "loopspf TXT \"v=spf1 include:loop1.plain.test -all\"",
            "include-none TXT \"v=spf1 include:nodata.plain.test -all\"",
            "hugespf TXT " + strings("v=spf1 " + " ".join(
                "ip4:198.51.100.%d" % (n % 256) for n in range(400)) +
                " ip4:192.0.2.1 -all"),
            "mx TXT \"v=spf1 mx:signed.test -all\"",
            "wild TXT \"v=spf1 include:anything.wild.signed.test -all\"",
            "loopback TXT \"v=spf1 ip4:127.0.0.0/8 -all\"",
            "_dmarc.mute TXT \"v=DMARC1; p=reject\"",
        ]
        signed += ["c3 CNAME c4", "c4 CNAME c5.plain.test.",
                   "r3.keys CNAME r4.keys",
                   "r4.keys TXT " + strings(records["rsa"], 200)]
        self.silent = Odd(swallow)
        self.dns = Dns({"signed.test": signed, "plain.test": plain,
                        "bogus.test": ["k TXT x", "x TXT \"v=spf1 +all\""],
                        "test": []}, signed=["signed.test"])
        anchors = self.dns.anchors()
        stubs = dict.fromkeys(("signed.test", "plain.test", "bogus.test",
                               "test"), self.dns.port)
        # bogus.test is to be signed, as far as the resolver knows.
        self.resolver = Resolver(
            dict(stubs, **{"silent.test": self.silent.port}),
            anchors + [anchors[0].replace("signed.test", "bogus.test")])
        self.address = self.resolver.address

    def close(self):
        self.resolver.close()
        self.dns.close()
        self.silent.__exit__()


@pytest.fixture(scope="module")
def zones(tmp_path_factory):
    z = Zones(tmp_path_factory.mktemp("keys"))
    yield z
    z.close()


def lookup(servers, *questions, timeout="2000", tries="3"):
    """(status, "ad" or "-", why, ttl, values) of each "name TYPE"."""
    args = [word for q in questions for word in q.split()]
    rows = []
    for line in tool("dns_tool", "lookup", servers, timeout, tries,
                     *args).splitlines():
        status, ad, why, ttl, values = line.split("\t")
        rows.append((status, ad, why, int(ttl), values.split("|")))
    return rows


# ---- lib/net/dns ----

@pytest.mark.parametrize("question,status,ad,values", [
    ("a.signed.test A", "ok", "ad", ["192.0.2.1", "192.0.2.2"]),
    ("A.SIGNED.test. AAAA", "ok", "ad", ["2001:db8::1"]),
    ("signed.test MX", "ok", "ad", ["10 0 0 a.signed.test"]),
    ("_imaps._tcp.signed.test SRV", "ok", "ad", ["0 1 993 a.signed.test"]),
    ("_25._tcp.a.signed.test TLSA", "ok", "ad", ["030101" + 32 * "ab"]),
    ("huge.signed.test TXT", "ok", "ad", [HUGE]),
    ("tiny.signed.test TXT", "ok", "ad", [HUGE[:300]]),
    ("c1.plain.test TXT", "ok", "-", ["v=spf1 ip4:192.0.2.1 -all"]),
    ("c1.plain.test CNAME", "ok", "-", ["0 0 0 c2.plain.test"]),
    ("x.y.wild.signed.test A", "ok", "ad", ["192.0.2.4"]),
    ("x.sub.wild.signed.test A", "nodata", "ad", [""]),
    ("deep.signed.test A", "nodata", "ad", [""]),
    ("a.signed.test TXT", "nodata", "ad", [""]),
    ("nothing.signed.test A", "nxdomain", None, [""]),
    ("nothing.plain.test A", "nxdomain", None, [""]),
    ("dangling.plain.test A", "nxdomain", None, [""]),
    ("loop1.plain.test A", "temporary", "-", [""]),
    ("x.bogus.test TXT", "temporary", "-", [""]),
    ("x.silent.test A", "temporary", "-", [""]),
])
def test_answers(zones, question, status, ad, values):
    [row] = lookup(zones.address, question)
    assert row[0] == status, row
    assert ad is None or row[1] == ad, row
    assert sorted(row[4]) == sorted(values)


def test_least_time_of_a_chain(zones):
    [row] = lookup(zones.address, "c1.plain.test TXT")
    assert 0 < row[3] <= 10


def test_large_set_by_tcp(zones):
    [row] = lookup(zones.address, "lots.signed.test MX")
    assert row[0] == "ok" and len(row[4]) == 400


def test_many_at_once(zones):
    """Small, large, missing and silent ones beside each other."""
    rows = lookup(zones.address, *(
        ["huge.signed.test TXT", "a.signed.test A", "nothing.plain.test A",
         "x.silent.test A", "lots.signed.test MX"] * 6), timeout="500",
        tries="2")
    assert [r[0] for r in rows] == 6 * ["ok", "ok", "nxdomain", "temporary",
                                        "ok"]


@pytest.mark.parametrize("first", [
    swallow, with_rcode(dns.rcode.SERVFAIL), with_rcode(dns.rcode.REFUSED),
    with_rcode(dns.rcode.NOTIMP), truncated, garbage],
    ids=["silent", "servfail", "refused", "notimp", "truncated", "garbage"])
def test_second_server(zones, first):
    """What one server cannot say the next one is asked for."""
    with Odd(first) as bad:
        rows = lookup(bad.address + " " + zones.address, "a.signed.test A",
                      "huge.signed.test TXT", timeout="500")
        assert bad.seen > 0
    assert [r[0] for r in rows] == ["ok", "ok"], rows


@pytest.mark.parametrize("only", [
    swallow, with_rcode(dns.rcode.SERVFAIL), with_rcode(dns.rcode.REFUSED),
    with_rcode(dns.rcode.FORMERR), truncated, garbage, lame],
    ids=["silent", "servfail", "refused", "formerr", "truncated", "garbage",
         "lame"])
def test_only_server(only):
    """An answer that is none is a temporary error, and never "no such"."""
    with Odd(only) as bad:
        [row] = lookup(bad.address, "a.signed.test A", timeout="300",
                       tries="2")
    assert row[0] == "temporary", row


def test_dead_server(zones):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        dead = "127.0.0.1:%d" % s.getsockname()[1]
    [row] = lookup(dead + " " + zones.address, "a.signed.test A")
    assert row[0] == "ok"


def test_forged_answers():
    with Odd(forger) as server:
        [row] = lookup(server.address, "a.signed.test A")
    assert row[0] == "ok" and row[4] == ["192.0.2.1"]


# ---- SPF ----

def spf(zones, domain, client="192.0.2.1", budget="20000"):
    """(result, look-ups, voids, problem)."""
    line = "%s\thelo.test\tjoe@%s\n" % (client, domain)
    out = tool("dns_tool", "spf", zones.address, budget, stdin=line.encode())
    result, lookups, voids, problem, _ = out.rstrip("\n").split("\t")
    return result, int(lookups), int(voids), problem


@pytest.mark.parametrize("domain,result,voids,problem", [
    ("signed.test", "pass", 0, ""),
    ("c1.plain.test", "pass", 0, ""),
    ("hugespf.plain.test", "pass", 0, ""),
    ("mx.plain.test", "pass", 0, ""),
    ("wild.plain.test", "pass", 0, ""),
    ("anything.wild.signed.test", "pass", 0, ""),
    ("voids2.plain.test", "pass", 2, ""),
    ("voids3.plain.test", "permerror", 3, "find nothing"),
    ("voidmx.plain.test", "permerror", 3, "find nothing"),
    ("eleven.plain.test", "permerror", None, "find nothing"),
    ("self.plain.test", "permerror", 0, "more than 10 look-ups"),
    ("include-none.plain.test", "permerror", 0, "no SPF record to include"),
    ("bad.plain.test", "temperror", 0, "x.bogus.test"),
    ("x.bogus.test", "temperror", 0, "x.bogus.test"),
    ("mute.plain.test", "temperror", 0, "x.silent.test"),
    ("early.plain.test", "pass", 0, ""),
    ("loopspf.plain.test", "temperror", 0, "loop1.plain.test"),
    ("nothing.plain.test", "none", 0, ""),
    ("nodata.plain.test", "none", 0, ""),
    ("dangling.plain.test", "none", 0, ""),
])
def test_spf(zones, domain, result, voids, problem):
    got = spf(zones, domain)
    assert got[0] == result, got
    assert voids is None or got[2] == voids, got
    assert problem in got[3]


@pytest.mark.parametrize("domain,client,result", [
    ("loopback.plain.test", "127.0.0.1", "pass"),
    ("loopback.plain.test", "127.1.2.3", "pass"),
    ("loopback.plain.test", "::1", "fail"),
    ("c1.plain.test", "127.0.0.1", "fail"),
    ("c1.plain.test", "::1", "fail"),
])
def test_loopback_is_no_exception(zones, domain, client, result):
    assert spf(zones, domain, client)[0] == result


def test_budget():
    """What is silent costs what the budget allows, not more."""
    with Odd(swallow) as server:
        result, _, _, problem = spf(server, "mute.plain.test", budget="300")
    assert result == "temperror" and "timeout" in problem


# ---- the public suite of SPF, over a real server ----

def escaped(name):
    """A name as a zone file has it, whatever is in it."""
    return "".join(c if c.isalnum() or c in "-_." else "\\%03d" % ord(c)
                   for c in str(name).rstrip(".")) + "."


def zone_lines(data):
    lines = []
    for name, entries in data.items():
        has_text = any(isinstance(e, dict) and "TXT" in e for e in entries)
        for entry in entries:
            if not isinstance(entry, dict):
                continue
            (kind, value), = entry.items()
            if kind == "SPF" and not has_text:
                kind = "TXT"  # what is there as SPF is there as TXT too
            if value == "NONE" or kind == "SPF":
                continue
            if kind == "MX":
                value = "%s %s" % (value[0], escaped(value[1]))
            elif kind in ("CNAME", "PTR"):
                value = escaped(value)
            elif kind == "TXT":
                parts = value if isinstance(value, list) else [value]
                value = " ".join('"%s"' % "".join(
                    "\\%03d" % b if b in b'"\\' or not 32 <= b < 127
                    else chr(b) for b in p[i:i + 255].encode("latin-1"))
                    for p in parts for i in range(0, max(len(p), 1), 255))
            lines.append("%s %s %s" % (escaped(name), kind, value))
    return lines


def usable(scenario):
    """Scenarios whose zone a real server takes: nothing that times out, no
    record beside a CNAME, no name that is none."""
    for name, entries in scenario["zonedata"].items():
        kinds = {k for e in entries if isinstance(e, dict) for k in e}
        if "TIMEOUT" in entries or ("CNAME" in kinds and len(entries) > 1):
            return False
        if any(len(label) > 63 or not label.isascii() or '"' in label or
               " " in label for label in str(name).split(".")):
            return False
    return True


# MX records that name "foo:bar/baz.example.com": lib/net/dns leaves out what is
# no name of a host.
NO_HOSTS = {"mx-colon-domain", "mx-colon-domain-ip4mapped"}


def suites():
    return [pytest.param(s, id=s["description"][:40].replace(" ", "-"))
            for s in scenarios() if usable(s)] or [
        pytest.param(None, marks=pytest.mark.skip("the suite is not here"))]


@pytest.mark.parametrize("scenario", suites())
def test_public_suite(scenario):
    tests = scenario["tests"]
    stdin = "".join("%s\t%s\t%s\n" % (
        t["host"], t.get("helo", ""), t["mailfrom"]) for t in tests.values())
    with Dns({".": zone_lines(scenario["zonedata"])}) as server:
        out = tool("dns_tool", "spf", server.address, "20000",
                   stdin=stdin.encode("latin-1"))
    wrong = []
    assert len(out.splitlines()) == len(tests)
    for (name, t), line in zip(tests.items(), out.splitlines()):
        wanted = t["result"] if isinstance(t["result"], list) else [
            t["result"]]
        if line.split("\t")[0] not in wanted and name not in NO_HOSTS:
            wrong.append((name, wanted, line))
    assert wrong == []


# ---- the whole verdict ----

MESSAGE = (b"From: Joe <joe@%s>\r\nTo: you@example.org\r\nSubject: hello\r\n"
           b"Date: Sun, 22 Nov 2026 09:00:00 +0000\r\n\r\nHello.\r\n")


def signed_message(zones, pem, domain, selector, author=None):
    message = MESSAGE.replace(b"%s", (author or domain).encode())
    field = tool("mailauth_tool", "sign", NOW, zones.pems[pem], domain,
                 selector, "From:To:Subject:Date", "From", "relaxed/relaxed",
                 stdin=message)
    return field.encode() + message


def verdict(servers, message, client="192.0.2.1", helo="a.signed.test",
            sender="joe@signed.test", budget="20000"):
    out = tool("dns_tool", "verdict", servers, budget, client, helo, sender,
               stdin=message)
    found = {}
    for line in out.splitlines():
        name, rest = line.split("\t", 1)
        found.setdefault(name, []).append(rest.split("\t"))
    return found


@pytest.mark.parametrize("pem,selector", [
    ("rsa", "rsa"), ("ed", "huge"), ("big", "big"), ("ed", "two")])
def test_good_message(zones, pem, selector):
    """Keys behind four CNAMEs in two zones, beside 6 KB of notes, of 4096
    bits, and as the second of two records."""
    found = verdict(zones.address, signed_message(
        zones, pem, "signed.test", selector))
    assert found["spf"][0][0] == "pass"
    assert found["dkim"][0][0] == "pass", found
    assert found["dmarc"] == [["pass", "reject", "signed.test", ""]]
    assert found["dkim"][0][3] == ("-" if selector == "rsa" else "ad")


@pytest.mark.parametrize("selector,result", [
    ("gone", "permerror"), ("nothing", "permerror"), ("dead", "temperror"),
    ("mute", "temperror")])
def test_keys_that_are_not_there(zones, selector, result):
    """SERVFAIL and silence are temporary; what would be aligned then leaves
    DMARC open, what is not there does not."""
    found = verdict(zones.address, signed_message(
        zones, "ed", "signed.test", selector), client="192.0.2.99")
    assert found["spf"][0][0] == "fail"
    assert found["dkim"][0][0] == result
    assert found["dmarc"][0][0] == ("temperror" if result == "temperror"
                                    else "fail")


def test_silent_forger(zones):
    """The name servers of a forger say nothing, of SPF nor of his key: the
    policy of the domain that he forges stands."""
    found = verdict(zones.address, signed_message(
        zones, "ed", "silent.test", "s", author="signed.test"),
        helo="silent.test", sender="joe@silent.test", budget="3000")
    assert found["spf"][0][0] == "temperror"
    assert found["dkim"][0][0] == "temperror"
    assert found["dmarc"] == [["fail", "reject", "signed.test", ""]]


def test_nobody_answers():
    """Everything is temporary, and the verdict ends."""
    with Odd(swallow) as server:
        found = verdict(server.address, MESSAGE.replace(b"%s", b"a.test"),
                        sender="joe@a.test", budget="1000")
    assert found["spf"][0][0] == "temperror"
    assert found["dmarc"][0][0] == "temperror"
