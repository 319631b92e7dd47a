"""SPF and DMARC against others: pyspf, libspf2 and libopendmarc, over the
records of the public suite and over generated ones.

No answer is asked from the network: everybody looks into the same zone.
"""
import ipaddress
import json
import os
import random
import re
import socket
import subprocess
import sys

import pytest

from counterparts import Ours
from test_spf import BUILD, hexed, scenarios, zone

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- one zone for all ----

def flat(scenario):
    """The suite's zone as [name, type, value]; TIMEOUT is a type too."""
    rows = []
    for line in zone(scenario["zonedata"]):
        _, name, kind, value = line.split("\t")
        rows.append([bytes.fromhex(name).decode("latin-1"), kind,
                     bytes.fromhex(value).decode("latin-1")])
    return rows


def answers(records, checks):
    """Each check's result and the explanation of a fail."""
    lines = ["record\t%s\t%s\t%s" % (hexed(n), k, hexed(v))
             for n, k, v in records]
    lines += ["check\t%s\t%s\t%s\t%s" % (
        client, hexed(helo), hexed(sender), hexed("receiver.example.org"))
        for client, helo, sender in checks]
    answer = subprocess.run(
        [os.path.join(BUILD, "tests", "spf_suite")], check=True, timeout=60,
        input="\n".join(lines) + "\n", capture_output=True, text=True).stdout
    return [(result, bytes.fromhex(words).decode()) for result, words in
            re.findall(r"(?m)^([a-z]+)\t([0-9a-f]*)\t", answer)]


def ours(records, checks):
    return [result for result, _ in answers(records, checks)]


def in_c(kind, question):
    done = subprocess.run(
        [sys.executable, os.path.join(HERE, "c_counterparts.py"), kind],
        input=json.dumps(question), capture_output=True, text=True, timeout=120)
    if done.returncode == 77:
        pytest.skip("the library for %s is not installed" % kind)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Zone:
    """What pyspf asks in place of DNS."""

    def __init__(self, spf, records):
        self.spf = spf
        self.names = {}
        for name, kind, value in records:
            self.names.setdefault(name.lower().rstrip("."), []).append(
                (kind, value))

    def look_up(self, name, kind, strict=True, timeout=None, links=1):
        found, late = [], False
        name = name.lower().rstrip(".")
        if any(len(label) > 63 for label in name.split(".")):
            raise self.spf.TempError("a label is too long")
        for has, value in self.names.get(name, []):
            late = late or has == "TIMEOUT"
            if has == "CNAME":
                found.append(((name, has), value))
                if links > 0:
                    found += self.look_up(value, kind, links=links - 1)
            if has == kind:
                found.append(((name, kind), self.data(kind, value)))
        if late and not found:
            raise self.spf.TempError("timeout")
        return found

    @staticmethod
    def data(kind, value):
        if kind == "MX":
            return (10, value)
        if kind == "TXT":
            return (value.encode("latin-1"),)
        if kind == "AAAA":
            return socket.inet_pton(socket.AF_INET6, value)
        return value

    def check(self, client, helo, sender):
        return self.spf.query(
            i=client, s=sender, h=helo, receiver="receiver.example.org",
            strict=True).check()[0]


@pytest.fixture
def pyspf(monkeypatch):
    spf = pytest.importorskip("spf")

    def check(records, checks):
        asked = Zone(spf, records)
        monkeypatch.setattr(spf, "DNSLookup", asked.look_up)
        return [asked.check(*c) for c in checks]
    return check


# ---- the public suite ----

def test_public_suite_like_pyspf(pyspf):
    """Where the suite allows several results both take one of them."""
    if not scenarios():
        pytest.skip("the suite is not here")
    wrong, count = [], 0
    for scenario in scenarios():
        names = list(scenario["tests"])
        checks = [[str(t["host"]), str(t.get("helo", "")), str(t["mailfrom"])]
                  for t in scenario["tests"].values()]
        records = flat(scenario)
        for name, mine, theirs in zip(names, ours(records, checks),
                                      pyspf(records, checks)):
            count += 1
            allowed = scenario["tests"][name]["result"]
            if mine != theirs and not (
                    isinstance(allowed, list) and theirs in allowed):
                wrong.append((name, mine, theirs, allowed))
    assert count > 150
    assert not wrong


# ---- generated records ----

DOMAINS = 300
ADDRESSES = ["192.0.2.%d" % n for n in (1, 2, 9, 130)] + [
    "198.51.100.7", "2001:db8::1", "2001:db8:1::9"]


def address(rng, six):
    return rng.choice([a for a in ADDRESSES if (":" in a) == six])


def network(rng, six):
    bits = rng.choice([24, 25, 30, 32] if not six else [32, 48, 64, 128])
    return str(ipaddress.ip_network((address(rng, six), bits), strict=False))


def domain(rng):
    return "d%d.example" % rng.randrange(DOMAINS)


def mechanism(rng):
    kind = rng.randrange(12)
    if kind < 3:
        return "ip4:" + network(rng, False)
    if kind == 3:
        return "ip6:" + network(rng, True)
    if kind < 6:
        return rng.choice(["a", "mx"]) + rng.choice(["", ":" + domain(rng)]) + (
            rng.choice(["", "", "/24", "/28", "//64", "/30//48"]))
    if kind < 9:
        return "include:" + domain(rng)
    if kind == 9:
        return "exists:" + rng.choice(
            ["%{ir}.list.example", "%{l}.users.%{d}", "%{d2}", "%{h}",
             "%{o}", "%{dr-}.x.example", "%{ir}.%{v}.arpa.example"])
    if kind == 10:
        return "exists:" + domain(rng)
    return rng.choice(["a:%{d}", "mx:%{o}", "a:mail.%{d1}.example"])


def record(rng):
    terms = [rng.choice(["", "", "", "+", "-", "~", "?"]) + mechanism(rng)
             for _ in range(rng.randrange(1, 6))]
    end = rng.randrange(10)
    if end < 6:
        terms.append(rng.choice(["-all", "~all", "?all", "+all"]))
    elif end < 8:
        terms.append("redirect=" + domain(rng))
    if rng.random() < 0.06:
        terms.insert(rng.randrange(len(terms) + 1), rng.choice(
            ["ip4:300.1.1.1", "ipv4:192.0.2.1", "include", "exists:",
             "ip4:192.0.2.0/33", "a:%{z}", "all:x", "redirect=a redirect=b",
             "-", "a/33", "unknown=%{d}", "x-thing=1"]))
    return " ".join(["v=spf1"] + terms)


def generated(rng):
    records = []
    for n in range(DOMAINS):
        name = "d%d.example" % n
        if rng.random() < 0.9:
            records.append([name, "TXT", record(rng)])
        if rng.random() < 0.08:
            records.append([name, "TXT", rng.choice(
                ["v=spf1 -all", "v=spf10 -all", "something else", "v=spf1"])])
        for _ in range(rng.randrange(3)):
            records.append([name, "A", address(rng, False)])
        if rng.random() < 0.5:
            records.append([name, "AAAA", address(rng, True)])
        # pyspf counts each name of an mx that has no address as a void
        # look-up; RFC 7208, section 4.6.4, counts terms. So all have one.
        for _ in range(rng.randrange(3)):
            records.append([name, "MX", "mx%d.example" % rng.randrange(20)])
    for n in range(20):
        records.append(["mx%d.example" % n, "A", address(rng, False)])
        records.append(["mx%d.example" % n, "AAAA", address(rng, True)])
    for text in ("1.2.0.192.list.example", "user.users.d3.example",
                 "9.2.0.192.in-addr.arpa.example"):
        records.append([text, "A", "127.0.0.2"])
    return records


def checks_of(rng, count):
    return [[rng.choice(ADDRESSES), rng.choice(["client.example", domain(rng)]),
             rng.choice(["user", "user.x", "a+b"]) + "@" + domain(rng)]
            for _ in range(count)]


def test_generated_records_like_pyspf(pyspf, monkeypatch):
    """pyspf counts a redirect= as a look-up before it is followed; RFC 7208,
    section 4.6.4, counts what is evaluated. With room for those it has our
    result."""
    rng = random.Random(7208)
    records, checks = generated(rng), checks_of(rng, 1500)
    mine, theirs = ours(records, checks), pyspf(records, checks)
    differ = [n for n in range(len(checks)) if mine[n] != theirs[n]]
    assert all(theirs[n] == "permerror" for n in differ)
    assert len(differ) < len(checks) / 100
    import spf
    monkeypatch.setattr(spf, "MAX_LOOKUP", 15)
    again = pyspf(records, [checks[n] for n in differ])
    assert again == [mine[n] for n in differ]
    assert len(set(mine)) >= 6, set(mine)


def test_generated_records_like_libspf2(pyspf):
    """libspf2 is of RFC 4408 and its limits, and does not refuse a record
    that is wrong behind what matched: where it differs, pyspf does not."""
    rng = random.Random(4408)
    records, checks = generated(rng), checks_of(rng, 800)
    mine = ours(records, checks)
    theirs = in_c("spf", {"records": records, "checks": checks})
    differ = [n for n in range(len(checks)) if mine[n] != theirs[n]]
    judge = pyspf(records, [checks[n] for n in differ])
    assert [(checks[n], mine[n], theirs[n], said)
            for n, said in zip(differ, judge) if said != mine[n]] == []
    assert len(differ) < len(checks) / 5


def macro(rng):
    """What expands, and what is wrong now and then."""
    if rng.random() < 0.1:
        return rng.choice(["%%", "%_", "%-", "text", "a.b", ":/?"])
    letter = rng.choice("slodihvcr")
    return "%%{%s%s%s%s}" % (
        letter.upper() if rng.random() < 0.3 else letter,
        rng.choice(["", "", "1", "2", "3", "10", "127", "007"]),
        rng.choice(["", "r"]),
        "".join(rng.sample(".-+,/_=" if letter in "sl" else ".",
                           rng.choice([0, 0, 1]))))


def test_macros_like_pyspf(pyspf, monkeypatch):
    """Explanations, in which every macro may stand (section 7). pyspf knows
    no "R", which section 12 allows, joins with dots in %{s} and %{l} alone,
    and stumbles over "%%" at the end."""
    import spf
    rng = random.Random(7)
    records, checks = [], []
    for n in range(1000):
        name = "m%d.example" % n
        records.append([name, "TXT", "v=spf1 -all exp=e%d.example" % n])
        records.append(["e%d.example" % n, "TXT", " ".join(
            [macro(rng) for _ in range(rng.randrange(1, 4))] + ["."])])
        checks.append([rng.choice(ADDRESSES), rng.choice(
            ["mail.client.example", "a-b_c.example", "x--y..z", "[192.0.2.1]"]),
            rng.choice(["user", "strong-bad", "a+b=c/d", "--x-", "a,b_c",
                        "..", "o'neil!#$"]) + "@" + name])
    mine = answers(records, checks)
    zone_of_all = Zone(spf, records)
    monkeypatch.setattr(spf, "DNSLookup", zone_of_all.look_up)
    wrong = []
    for n, (client, helo, sender) in enumerate(checks):
        result, _, words = spf.query(
            i=client, s=sender, h=helo, receiver="receiver.example.org",
            strict=True).check()
        if (result, words) != mine[n]:
            wrong.append((records[2 * n + 1][2], checks[n], mine[n], words))
    assert not wrong


# ---- DMARC ----

POLICIES = ["none", "quarantine", "reject"]


def policy_record(rng):
    tags = ["p=" + rng.choice(POLICIES)]
    if rng.random() < 0.5:
        tags.append("sp=" + rng.choice(POLICIES))
    for name in ("adkim", "aspf"):
        if rng.random() < 0.5:
            tags.append(name + "=" + rng.choice("rs"))
    if rng.random() < 0.4:
        tags.append(rng.choice(["rua=mailto:a@example.net", "fo=1", "ri=3600",
                                "rf=afrf", "ruf=mailto:b@example.net"]))
    rng.shuffle(tags)
    return rng.choice(["v=DMARC1; ", "v=DMARC1;"]) + rng.choice(
        ["; ", ";", " ; "]).join(tags) + rng.choice(["", ";", "; "])


def name_below(rng, organization):
    return "".join(rng.choice(["a.", "b.", "mail.", ""])
                   for _ in range(rng.randrange(3))) + organization


ORGANIZATIONS = ["example.com", "example.co.uk", "other.com", "my-shop.github.io"]


def policy_case(rng):
    organization = rng.choice(ORGANIZATIONS)
    author = name_below(rng, organization)

    def related(strict):
        """libopendmarc 1.4.2 lets a domain of the same organisation pass
        although adkim=s or aspf=s: there only others are compared."""
        if rng.random() < 0.3:
            other = name_below(rng, rng.choice(ORGANIZATIONS))
            if not strict or not other.endswith(organization):
                return other
        if strict:
            return rng.choice([author, author.upper(), "elsewhere.example"])
        return rng.choice([author, organization, name_below(rng, organization),
                           "x." + author, author.upper()])

    record = policy_record(rng)
    return {"author": author, "organization": organization,
            "spf": related("aspf=s" in record) if rng.random() < 0.5 else "",
            "dkim": [related("adkim=s" in record)
                     for _ in range(rng.randrange(3))],
            "record": record,
            "at": rng.choice([author, organization])}


def test_policies_like_libopendmarc(tmp_path):
    """Organisational domains by the public suffixes, as RFC 7489, of which
    OpenDMARC is, has it. What RFC 9989 added (np, psd, t, the walk) it does
    not know, so that is not compared."""
    rng = random.Random(7489)
    cases = [policy_case(rng) for _ in range(600)]
    theirs = in_c("dmarc", {"checks": [
        [c["author"], c["spf"], c["dkim"], c["record"],
         c["author"] if c["at"] == c["author"] else c["organization"]]
        for c in cases]})
    tool, wrong, seen = Ours(None), [], set()
    try:
        for n, (c, (policy, spf, dkim)) in enumerate(zip(cases, theirs)):
            path = tmp_path / ("zone%d" % n)
            path.write_text("_dmarc.%s\t%s\n" % (c["at"], c["record"]))
            result, by_spf, by_dkim, asked = tool.ask(
                b"", "dmarc", path, c["author"], c["spf"] or "-",
                ",".join(c["dkim"]) or "-").decode().split("\t")[:4]
            mine = ["pass" if result == "pass" else asked, by_spf == "1",
                    by_dkim == "1"]
            seen.add(mine[0])
            if mine != [policy, spf, dkim]:
                wrong.append((c, mine, [policy, spf, dkim]))
    finally:
        tool.close()
    assert not wrong
    assert seen == {"pass", "none", "quarantine", "reject"}
