"""The aggregate reports of DMARC that we send (RFC 9990): what smtpd tells is
counted, survives a kill, and reaches those that asked for it, in the form of
the standard's schema; nobody else gets any."""
import email
import email.policy
import gzip
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import pytest
from aiosmtpd.controller import Controller

import ipc_fake
from house import POSTHOUSE, House, free_port, wait_until
from nameserver import Dns

HOP = "127.0.0.2"
NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "rfc9990.xsd")
CONSENT = "_report._dmarc TXT \"v=DMARC1\""


def mx(*more):
    return ["@ MX 10 mx", "mx A " + HOP, *more]


ZONES = {
    # Their own addresses.
    **{name: mx() for name in (
        "own.test", "many.test", "odd.test", "later.test", "full.test",
        "kill.test", "soon.test", "wait.test", "big.test", "two.test")},
    # The same organization: one policy record above both.
    "family.test": mx('_dmarc TXT "v=DMARC1; p=none"', "in MX 10 mx",
                      '_dmarc.out TXT "v=DMARC1; p=none; '
                      'rua=mailto:x@in.family.test"'),
    # Others, which say whose reports they want.
    "wants.test": mx('own.test._report._dmarc TXT "v=DMARC1"',
                     'moved.test._report._dmarc TXT '
                     '"v=DMARC1; rua=mailto:new@wants.test"',
                     'evil.test._report._dmarc TXT '
                     '"v=DMARC1; rua=mailto:victim@silent.test"',
                     'broken.test._report._dmarc TXT "hello"'),
    "silent.test": mx(),
    # The walk ends at the top.
    "test": [],
    # What comes by SMTP: SPF passes for the client of the tests.
    "smtp.test": mx('@ TXT "v=spf1 ip4:127.0.0.9 -all"',
                    '_dmarc TXT "v=DMARC1; p=reject; sp=quarantine; '
                    'rua=mailto:dmarc@smtp.test"', "sub A 127.0.0.1"),
    "trial.test": mx('_dmarc TXT "v=DMARC1; p=quarantine; t=y; '
                     'rua=mailto:dmarc@trial.test"'),
    "hung.test": mx('_dmarc TXT "v=DMARC1; p=none; '
                    'rua=mailto:dmarc@hung.test"'),
    "lost.test": mx('_dmarc TXT "v=DMARC1; p=none; '
                    'rua=mailto:dmarc@lost.test"'),
}


class Hop:
    """The host that takes the reports."""

    def __init__(self, port):
        self.messages = []
        self.controller = Controller(self, hostname=HOP, port=port,
                                     ready_timeout=10)
        self.controller.start()

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos),
                              bytes(envelope.content)))
        return "250 2.0.0 taken"

    def got(self, to):
        return [m for m in self.messages if to in m[1]]


class World:
    def __init__(self, **settings):
        port = free_port()
        self.dns = Dns(ZONES)
        self.hop = Hop(port)
        self.house = House(domain="here.test", users=1, settings={
            "dns_servers": self.dns.address, "smtp_tcp_port": str(port),
            "dmarc_report_retry_time": "1s",
            "dmarc_report_dns_timeout": "20s",
            "mynetworks": "127.0.0.1/32", "postscreen_greet_wait": "0",
            "smtpd_peername_lookup": "no", **settings})

    def close(self):
        for closing in (self.house, self.dns):
            closing.close()
        self.hop.controller.stop()

    # ---- rows, as smtpd sends them ----
    def row(self, **what):
        fields = dict(
            client_address="192.0.2.1", author="own.test",
            policy_domain="own.test",
            record="v=DMARC1; p=reject; rua=mailto:dmarc@own.test",
            discovery="treewalk", envelope_from="own.test",
            spf_domain="own.test", spf="pass", dkim="pass own.test sel\n",
            spf_aligned=True, dkim_aligned=True, disposition="pass",
            reason="", comment="")
        assert set(what) <= set(fields)
        fields.update(what)
        return ipc_fake.encode("row", fields)

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        folder = os.open(os.path.join(self.house.dir, "run", "sockets"),
                         os.O_RDONLY)
        try:
            s.connect("/proc/self/fd/%d/reportd" % folder)
        finally:
            os.close(folder)
        s.sendall(b"posthouse-ipc\treport\t1\n")
        return s

    def tell(self, *rows):
        with self.connect() as s:
            s.sendall(b"".join(rows))

    def domain(self, name, **what):
        """A row of a domain that wants its own reports."""
        what.setdefault("record",
                        "v=DMARC1; p=reject; rua=mailto:dmarc@" + name)
        return self.row(author=name, policy_domain=name, **what)

    # ---- mail from outside ----
    def mail(self, author, sender="", subject="x"):
        """The reply to the message."""
        with smtplib.SMTP("127.0.0.1", self.house.smtp, timeout=60,
                          source_address=("127.0.0.9", 0)) as s:
            try:
                s.sendmail(sender, [self.house.user(0)],
                           "From: %s\r\nSubject: %s\r\n\r\nx\r\n" % (
                               author, subject))
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
        return 250

    # ---- what the operator sees ----
    def pending(self, name):
        return [p for p in self.house.json("report", "pending")
                if p["domain"] == name]

    def count(self, name):
        return sum(p["messages"] for p in self.pending(name))

    def wait_count(self, name, messages):
        wait_until(lambda: self.count(name) == messages)

    def send(self, name, check=True):
        return self.house.posthouse("report", "send", "--now", name,
                                    check=check)

    def report(self, to, number=1):
        """The report of the last of so many messages to an address: the
        message, the file's name and the XML."""
        wait_until(lambda: len(self.hop.got(to)) >= number)
        assert len(self.hop.got(to)) == number
        sender, _, content = self.hop.got(to)[-1]
        message = email.message_from_bytes(content,
                                           policy=email.policy.SMTP)
        part = [p for p in message.walk()
                if p.get_content_type() == "application/gzip"]
        assert len(part) == 1
        xml = gzip.decompress(part[0].get_payload(decode=True))
        validate(xml)
        return sender, message, part[0].get_filename(), \
            ElementTree.fromstring(xml)

    def figure(self, name):
        service, = [s for s in self.house.json("status")["services"]
                    if s["name"] == "reportd"]
        return service.get("counters", {}).get(name, 0)

    def served(self):
        """Connections that reportd has taken."""
        service, = [s for s in self.house.json("status")["services"]
                    if s["name"] == "reportd"]
        return service["served"]

    def dropped(self):
        return sum(s.get("counters", {}).get("report_rows_lost", 0)
                   for s in self.house.json("status")["services"]
                   if s["command"] == "smtpd")


def validate(xml):
    if shutil.which("xmllint") is None:
        pytest.fail("xmllint is missing (libxml2-utils)")
    done = subprocess.run(["xmllint", "--nonet", "--noout", "--schema",
                           SCHEMA, "-"], input=xml, capture_output=True)
    assert done.returncode == 0, done.stderr.decode() + xml.decode()


def text(element, path):
    found = element.find("/".join(NS + p for p in path.split("/")))
    return None if found is None else found.text or ""


def records(root):
    return root.findall(NS + "record")


@pytest.fixture(scope="module")
def world():
    w = World()
    try:
        w.house.posthouse("dkim", "new", "here.test")
        w.house.posthouse("dkim", "activate", "here.test", "--force")
        yield w
    finally:
        w.close()


# ---- counting -------------------------------------------------------------------

def test_alike_is_one_row(world):
    w = world
    w.tell(*[w.domain("many.test", client_address="192.0.2.%d" % (i % 3))
             for i in range(30)],
           w.domain("many.test", disposition="none", spf="softfail",
                    spf_aligned=False))
    w.wait_count("many.test", 31)
    period, = w.pending("many.test")
    assert period["rows"] == 4 and period["left_out"] == 0
    # A day of UTC.
    assert period["begin"] % 86400 == 0
    assert period["end"] == period["begin"] + 86400
    said = w.house.posthouse("report", "pending", "many.test")
    assert "many.test: 31 messages in 4 rows" in said, said
    assert said.endswith("dmarc_reporting is no: nothing is sent but by "
                         '"posthouse report send"\n'), said


def test_names_have_no_case(world):
    w = world
    w.tell(w.row(policy_domain="Two.Test", author="a.TWO.test"),
           w.row(policy_domain="two.test", author="A.two.test"))
    w.wait_count("two.test", 2)
    assert w.pending("two.test")[0]["rows"] == 1


def test_who_asks_for_nothing_is_not_counted(world):
    w = world
    before = w.figure("rows_unasked")
    w.tell(w.domain("quiet.test", record="v=DMARC1; p=reject"),
           w.domain("asks.test"))
    w.wait_count("asks.test", 1)
    assert w.pending("quiet.test") == []
    wait_until(lambda: w.figure("rows_unasked") == before + 1)


@pytest.mark.parametrize("what", [
    dict(policy_domain="no name.test"), dict(policy_domain="a..test"),
    dict(author="x\x00y"), dict(record="v=spf1 -all")])
def test_what_is_none_is_not_counted(world, what):
    w = world
    before = w.figure("rows_refused")
    w.tell(w.row(**what))
    wait_until(lambda: w.figure("rows_refused") == before + 1)


def test_a_peer_that_breaks_the_exchange_is_dropped(world):
    w = world
    pid = w.house.pids("reportd")
    for line in (b"row\tclient_address=1.2.3.4\n", b"hello\n",
                 w.row().replace(b"discovery=treewalk", b"discovery=magic"),
                 w.row(comment="x" * 300)):
        with w.connect() as s:
            s.sendall(line)
            s.settimeout(20)
            assert s.recv(100) == b""
    assert w.house.pids("reportd") == pid


def test_limits():
    w = World(dmarc_report_row_limit="3", dmarc_report_domain_limit="2")
    try:
        w.tell(*[w.domain("full.test", client_address="192.0.2.%d" % i)
                 for i in range(5)],
               w.domain("full.test", client_address="192.0.2.1"),
               w.domain("own.test"), w.domain("kill.test"))
        w.wait_count("full.test", 4)
        wait_until(lambda: w.figure("rows_refused") == 3)
        assert w.pending("full.test")[0]["left_out"] == 2
        assert w.pending("full.test")[0]["rows"] == 3
        assert w.count("own.test") == 1 and w.pending("kill.test") == []
        w.house.logged("dmarc_report_row_limit is reached")
        w.send("full.test")
        _, message, _, root = w.report("dmarc@full.test")
        assert len(records(root)) == 3
        assert "2 more messages are not in it" in message.get_body(
            ("plain",)).get_content()
    finally:
        w.close()


def test_database_limit():
    w = World(dmarc_report_database_limit="64K")
    try:
        w.tell(*[w.domain("full.test", client_address="192.0.2.%d" % i,
                          comment="c%d" % j + "x" * 200)
                 for i in range(20) for j in range(20)])
        wait_until(lambda: sum(
            p["messages"] + p["left_out"]
            for p in w.pending("full.test")) == 400)
        assert w.pending("full.test")[0]["left_out"] > 0
        assert w.figure("rows_octets") <= 65536
    finally:
        w.close()


# ---- crashes ---------------------------------------------------------------------

def test_killed(world):
    """What was counted stays counted, however often it is killed."""
    w = world
    for round in range(1, 4):
        w.tell(*[w.domain("kill.test", client_address="192.0.2.%d" % i)
                 for i in range(50)])
        w.wait_count("kill.test", 50 * round)
        pid, = w.house.pids("reportd")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: w.house.pids("reportd") not in ([], [pid]))
        assert w.count("kill.test") == 50 * round
    assert w.pending("kill.test")[0]["rows"] == 50
    w.send("kill.test")
    _, _, _, root = w.report("dmarc@kill.test")
    assert sum(int(text(r, "row/count")) for r in records(root)) == 150


def test_damaged_database():
    w = World()
    try:
        w.tell(w.domain("own.test"))
        w.wait_count("own.test", 1)
        w.house.posthouse("service", "stop", "reportd")
        rows = os.path.join(w.house.dir, "reports", "rows")
        for name in os.listdir(rows):
            with open(os.path.join(rows, name), "r+b") as f:
                f.write(b"\xff" * 8192)
        w.house.posthouse("service", "start", "reportd")
        assert w.pending("own.test") == []
        w.house.logged("set aside as rows.damaged.")
        assert [n for n in os.listdir(os.path.dirname(rows))
                if n.startswith("rows.damaged.")]
        w.tell(w.domain("own.test"))
        w.wait_count("own.test", 1)
    finally:
        w.close()


# ---- the report --------------------------------------------------------------------

def test_report(world):
    w = world
    record = ("v=DMARC1; p=quarantine; np=reject; adkim=s; t=y; fo=1:d; "
              "rua=mailto:all@soon.test!10m")
    w.tell(*3 * [w.row(policy_domain="soon.test", author="soon.test",
                       record=record)],
           w.row(policy_domain="soon.test", author="sub.soon.test",
                 record=record, client_address="2001:db8::1",
                 envelope_from="", spf_domain="helo.test", spf="fail",
                 dkim="fail soon.test a\npass other.test b\n",
                 spf_aligned=False, dkim_aligned=False, disposition="none",
                 reason="policy_test_mode", comment="t=y"))
    w.wait_count("soon.test", 4)
    period, = w.pending("soon.test")
    said = w.send("soon.test")
    assert re.search(r"soon.test: queued as \w{22} for all@soon.test", said)
    sender, message, name, root = w.report("all@soon.test")

    # The message: section 3.5.2.
    host = w.house.posthouse("conf", "get", "myhostname").split("=")[-1].strip()
    assert sender == "noreply-dmarc@here.test"
    assert message["From"].addresses[0].addr_spec == sender
    assert message["Auto-Submitted"] == "auto-generated"
    found = re.fullmatch(
        r"Report Domain: soon\.test\s+Submitter: (\S+)\s+"
        r"Report-ID: <(\S+)>", message["Subject"])
    assert found and found.group(1) == host
    assert found.group(2) == period["report_id"]
    end = int(text(root, "report_metadata/date_range/end"))
    assert name == "%s!soon.test!%d!%d!%s.xml.gz" % (
        host, period["begin"], end, period["report_id"])
    assert "4 messages in 2 rows" in message.get_body(
        ("plain",)).get_content()
    for line in message.as_bytes().split(b"\r\n"):
        assert len(line) <= 998

    # The file.
    assert text(root, "version") == "1.0"
    assert text(root, "report_metadata/org_name") == "here.test"
    assert text(root, "report_metadata/email") == "postmaster@here.test"
    assert text(root, "report_metadata/report_id") == period["report_id"]
    assert int(text(root, "report_metadata/date_range/begin")) == \
        period["begin"]
    policy = root.find(NS + "policy_published")
    assert {e.tag[len(NS):]: e.text for e in policy} == {
        "domain": "soon.test", "discovery_method": "treewalk",
        "p": "quarantine", "sp": "quarantine", "np": "reject", "fo": "1:d",
        "adkim": "s", "aspf": "r", "testing": "y"}
    one, two = sorted(records(root), key=lambda r: text(r, "row/count"),
                      reverse=True)
    assert text(one, "row/count") == "3"
    assert text(one, "row/source_ip") == "192.0.2.1"
    assert text(one, "row/policy_evaluated/disposition") == "pass"
    assert text(one, "row/policy_evaluated/reason/type") is None
    assert text(one, "auth_results/spf/scope") == "mfrom"
    assert text(two, "row/count") == "1"
    assert text(two, "row/source_ip") == "2001:db8::1"
    assert text(two, "identifiers/header_from") == "sub.soon.test"
    assert text(two, "identifiers/envelope_from") == ""
    assert text(two, "row/policy_evaluated/dkim") == "fail"
    assert text(two, "row/policy_evaluated/reason/type") == \
        "policy_test_mode"
    assert text(two, "auth_results/spf/domain") == "helo.test"
    assert text(two, "auth_results/spf/result") == "fail"
    signatures = two.findall("%sauth_results/%sdkim" % (NS, NS))
    assert [(text(s, "domain"), text(s, "selector"), text(s, "result"))
            for s in signatures] == [("soon.test", "a", "fail"),
                                     ("other.test", "b", "pass")]

    # Periods do not overlap: what comes now is of the rest of the day.
    assert w.pending("soon.test") == [] or \
        w.pending("soon.test")[0]["messages"] == 0
    w.tell(w.domain("soon.test"))
    w.wait_count("soon.test", 1)
    rest, = w.pending("soon.test")
    assert rest["begin"] == end + 1 and rest["end"] == period["end"]
    assert rest["report_id"] != period["report_id"]
    # It passes DMARC itself: signed for the author's domain.
    assert "d=here.test;" in message["DKIM-Signature"]
    # The report's message is found by its id.
    assert "all@soon.test" in wait_until(lambda: w.house.posthouse(
        "trace", period["report_id"], check=False).stdout)


def test_by_smtp(world):
    """What smtpd decides is what the report says."""
    w = world
    for _ in range(2):
        assert w.mail("a@smtp.test", "x@smtp.test") == 250
    assert w.mail("a@smtp.test", "x@trial.test") == 550
    assert w.mail("a@smtp.test") == 550
    assert w.mail("a@sub.smtp.test", "x@trial.test") == 250  # into Junk
    assert w.mail("a@trial.test", "x@smtp.test") == 250
    w.wait_count("smtp.test", 5)
    w.wait_count("trial.test", 1)
    w.send("smtp.test")
    w.send("trial.test")
    _, _, _, root = w.report("dmarc@smtp.test")
    assert text(root, "policy_published/p") == "reject"
    assert text(root, "policy_published/sp") == "quarantine"
    assert sorted((text(r, "identifiers/header_from"),
                   text(r, "identifiers/envelope_from"),
                   text(r, "auth_results/spf/result"),
                   text(r, "row/policy_evaluated/spf"),
                   text(r, "row/policy_evaluated/disposition"),
                   int(text(r, "row/count"))) for r in records(root)) == [
        ("smtp.test", "", "none", "fail", "reject", 1),
        ("smtp.test", "smtp.test", "pass", "pass", "pass", 2),
        ("smtp.test", "trial.test", "none", "fail", "reject", 1),
        ("sub.smtp.test", "trial.test", "none", "fail", "quarantine", 1)]
    assert {text(r, "row/source_ip") for r in records(root)} == {"127.0.0.9"}
    _, _, _, root = w.report("dmarc@trial.test")
    record, = records(root)
    assert text(record, "row/policy_evaluated/disposition") == "none"
    assert text(record, "row/policy_evaluated/reason/type") == \
        "policy_test_mode"
    assert text(record, "auth_results/spf/domain") == "smtp.test"
    assert text(record, "auth_results/spf/result") == "pass"


def test_reports_are_not_reported(world):
    """Else two hosts would write to each other for ever; one that is forged
    is counted like any mail."""
    w = world
    before = w.count("smtp.test")
    name = "Report Domain: x.test Submitter: smtp.test Report-ID: <1>"
    assert w.mail("a@smtp.test", "x@smtp.test", name) == 250
    assert w.mail("a@smtp.test", "x@trial.test", name) == 550
    w.wait_count("smtp.test", before + 1)


def test_mail_goes_on_without_it(world):
    """Stopped, nothing is told, and for a while it is not tried again; hung,
    it hears of it later."""
    w = world

    def heard():
        """it hears of mail again"""
        assert w.mail("a@lost.test", "x@lost.test") == 250
        return w.count("lost.test")

    w.house.posthouse("service", "stop", "reportd")
    assert w.mail("a@lost.test", "x@lost.test") == 250
    w.house.posthouse("service", "start", "reportd")
    wait_until(lambda: w.dropped() == 1)
    wait_until(heard, 60, 0.5)
    pid, = w.house.pids("reportd")
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            assert w.mail("a@hung.test", "x@hung.test") == 250
    finally:
        os.kill(pid, signal.SIGCONT)
    w.wait_count("hung.test", 3)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: w.house.pids("reportd") not in ([], [pid]))
    assert w.mail("a@lost.test", "x@lost.test") == 250


def test_hostile_texts(world):
    w = world
    odd = "]]><!--&amp;'\"<a b='c'>"
    w.tell(w.domain("odd.test", dkim="fail %s.test <s>&\n" % "<x>",
                    reason="local_policy", disposition="none",
                    comment=odd + "\x01\x7f\udcff\udcc3( \u00e9\ufffe",
                    envelope_from="<&>", spf_domain="\"<&'>"))
    w.wait_count("odd.test", 1)
    w.send("odd.test")
    _, _, _, root = w.report("dmarc@odd.test")
    record, = records(root)
    assert text(record, "row/policy_evaluated/reason/comment") == \
        odd + "????( \u00e9?"
    assert text(record, "identifiers/envelope_from") == "<&>"
    assert text(record, "auth_results/spf/domain") == "\"<&'>"
    assert text(record, "auth_results/dkim/domain") == "<x>.test"
    assert text(record, "auth_results/dkim/selector") == "<s>&"


def test_many_rows(world):
    """More than are written in one go; all of them, each once."""
    w = world
    w.tell(*[w.domain("big.test", client_address="10.1.%d.%d" % (
        i // 250, i % 250)) for i in range(1100)])
    w.wait_count("big.test", 1100)
    w.send("big.test")
    _, _, _, root = w.report("dmarc@big.test")
    assert len({text(r, "row/source_ip") for r in records(root)}) == 1100
    assert len(records(root)) == 1100


# ---- to whom ------------------------------------------------------------------------

def test_destinations(world):
    """Each domain's report, and who gets it."""
    w = world

    def rua(*uris):
        return "v=DMARC1; p=none; rua=" + ",".join(uris)

    w.tell(w.row(record=rua("mailto:dmarc@own.test", "mailto:yes@wants.test",
                            "mailto:no@silent.test", "https://own.test/",
                            "mailto:bad address@own.test",
                            "MAILTO:with%2Bplus@own.test?subject=x")),
           w.row(policy_domain="moved.test",
                 record=rua("mailto:old@wants.test")),
           w.row(policy_domain="evil.test",
                 record=rua("mailto:evil@wants.test")),
           w.row(policy_domain="broken.test",
                 record=rua("mailto:broken@wants.test")),
           w.row(policy_domain="out.family.test",
                 record=rua("mailto:x@in.family.test")),
           w.row(policy_domain="nobody.test",
                 record=rua("https://nobody.test/")))
    w.wait_count("nobody.test", 1)
    done = w.send("own.test", check=False)
    assert done.returncode == 75  # one of them was not sent
    assert re.search(r"own.test: not sent to no@silent.test: it does not say "
                     r"in DNS that it wants reports", done.stdout)
    for name in ("moved", "evil", "broken", "out.family", "nobody"):
        w.send(name + ".test", check=False)
    w.send("own.test", check=False)  # it is done: nothing more is sent
    for to in ("dmarc@own.test", "yes@wants.test", "with+plus@own.test",
               "new@wants.test", "x@in.family.test"):
        w.report(to)
    w.house.wait_empty_queue()
    told = {to for m in w.hop.messages for to in m[1]}
    assert not {to for to in told if "silent" in to or "evil" in to or
                "old" in to or "victim" in to or "broken" in to or
                "bad" in to}, told


def test_dns_that_does_not_say(world):
    """It is tried again, and those who have the report get it once."""
    w = world
    w.tell(w.domain("later.test", record="v=DMARC1; p=none; rua="
                    "mailto:dmarc@later.test,mailto:x@nowhere.example"))
    w.wait_count("later.test", 1)
    # No zone: the server refuses, which is a temporary failure.
    done = w.send("later.test", check=False)
    assert done.returncode == 75
    assert "DNS does not say now" in done.stdout
    waiting = [p for p in w.pending("later.test") if p["attempts"]]
    assert len(waiting) == 1 and waiting[0]["next"] > 0
    w.house.posthouse("report", "send", "later.test", check=False)
    assert [p for p in w.pending("later.test") if p["attempts"]][0][
        "attempts"] == 2
    w.house.wait_empty_queue()
    w.report("dmarc@later.test", 1)


def test_asked_twice_at_once(world):
    """Who asks while a report is under way waits, and it is sent once."""
    w = world
    w.tell(w.domain("wait.test"), w.domain("soon.test"))
    w.wait_count("wait.test", 1)
    w.send("soon.test")  # now there is a cleanup that waits for the next
    stopped = w.house.json("service", "status", "cleanup-internal")[
        "processes"]
    served = w.served()
    for pid in stopped:
        os.kill(pid["pid"], signal.SIGSTOP)
    try:
        asked = [subprocess.Popen(
            [POSTHOUSE, "-c", w.house.etc, "report", "send", "--now",
             "wait.test"], stdout=subprocess.PIPE, text=True)
            for _ in range(3)]
        wait_until(lambda: w.served() >= served + 3)
        assert w.house.json("report", "pending") is not None
    finally:
        for pid in stopped:
            os.kill(pid["pid"], signal.SIGCONT)
    said = [one.communicate(timeout=60)[0] for one in asked]
    assert sum("queued as" in text for text in said) == 1, said
    w.report("dmarc@wait.test")


# ---- when ----------------------------------------------------------------------------

def test_by_itself():
    """Sent when the period is over and it may; not handed over, it is tried
    again under the same names."""
    w = World(dmarc_reporting="yes", dmarc_report_time="0",
              dmarc_report_jitter="0")
    try:
        w.house.posthouse("service", "stop", "cleanup-internal")
        w.tell(w.domain("own.test"))
        w.wait_count("own.test", 1)
        done = w.send("own.test", check=False)
        assert done.returncode == 75, done
        waiting = [p for p in w.pending("own.test") if p["attempts"]]
        assert len(waiting) == 1
        assert w.hop.messages == []
        w.house.posthouse("service", "start", "cleanup-internal")
        _, message, name, root = w.report("dmarc@own.test")
        assert text(root, "report_metadata/report_id") == \
            waiting[0]["report_id"] in name
        wait_until(lambda: not [p for p in w.pending("own.test")
                                if p["messages"]])
    finally:
        w.close()


def test_off_by_default_and_dropped_when_old():
    """Without dmarc_reporting nothing is sent; in the end it is dropped."""
    w = World(dmarc_report_time="0", dmarc_report_jitter="0")
    try:
        w.tell(w.domain("kill.test"), w.domain("own.test"))
        w.wait_count("own.test", 1)
        # A process that begins days later, with the same store. It goes
        # through the domains by their names, one after the other.
        w.house.posthouse("service", "stop", "reportd")
        age(w, {"kill.test": 2 * 86400, "own.test": 5 * 86400})
        w.house.posthouse("service", "start", "reportd")
        w.house.logged("for own.test dropped: it is older than "
                       "dmarc_report_lifetime")
        wait_until(lambda: w.pending("own.test") == [])
        period, = w.pending("kill.test")
        assert period["attempts"] == 0 and period["end"] < time.time()
        w.house.wait_empty_queue()
        assert w.hop.messages == []
        # The operator may all the same.
        w.house.posthouse("report", "send")
        _, _, _, root = w.report("dmarc@kill.test")
        assert int(text(root, "report_metadata/date_range/begin")) == \
            period["begin"]
    finally:
        w.close()


def age(w, domains):
    """Their periods began and ended so many seconds earlier, by Berkeley DB's
    own tools."""
    rows = os.path.join(w.house.dir, "reports", "rows")
    if shutil.which("db5.3_dump") is None:
        pytest.skip("needs db5.3-util")
    path = os.path.join(rows, "rows.db")
    dump = subprocess.run(["db5.3_dump", path], capture_output=True,
                          text=True, check=True).stdout
    out = []
    for line in dump.splitlines():
        data = re.fullmatch(" ([0-9a-f]+)", line)
        octets = bytes.fromhex(data.group(1)) if data else b""
        if octets[:1] in (b"P", b"R"):  # a key: domain NUL begin ...
            end = octets.index(b"\0") + 1
            began = int.from_bytes(octets[end:end + 8], "big") - \
                domains[octets[1:end - 1].decode()]
            octets = octets[:end] + began.to_bytes(8, "big") + \
                octets[end + 8:]
            line = " " + octets.hex()
        if octets.startswith(b"period\t"):
            name = re.search(rb"\tdomain=([^\t]*)", octets).group(1).decode()
            octets = re.sub(rb"(\t(?:begin|end|next)=)([1-9]\d*)",
                            lambda m: m.group(1) + b"%d" % (
                                int(m.group(2)) - domains[name]), octets)
            line = " " + octets.hex()
        out.append(line)
    st = os.stat(path)
    for name in os.listdir(rows):
        os.unlink(os.path.join(rows, name))
    subprocess.run(["db5.3_load", path], input="\n".join(out) + "\n",
                   text=True, check=True)
    os.chown(path, st.st_uid, st.st_gid)


def test_replaced_while_it_counts(world):
    """A reload loses nothing that was counted."""
    w = world
    name = "replaced.test"
    w.tell(*[w.domain(name) for _ in range(20)])
    w.wait_count(name, 20)
    w.house.posthouse("reload")
    w.tell(*[w.domain(name) for _ in range(20)])
    w.wait_count(name, 40)


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_only_the_operator_is_told(world):
    w = world
    script = ("import os, socket\n"
              "os.setgid(65534); os.setuid(65534)\n"
              "s = socket.socket(socket.AF_UNIX); s.connect(%r)\n"
              "s.sendall(b'posthouse-ipc\\treport\\t1\\npending\\tdomain=\\n')"
              "\nprint(repr(s.recv(1000)))\n")
    # The kernel names who connected: so the connection is made by nobody.
    link = os.path.join(w.house.dir, "reportd-link")
    os.link(os.path.join(w.house.dir, "run", "sockets", "reportd"), link)
    os.chmod(link, 0o777)
    done = subprocess.run(["/usr/bin/python3", "-c", script % link],
                          capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "b''", done
    w.house.logged("may not ask about reports")
