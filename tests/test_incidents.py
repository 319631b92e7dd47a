"""Ten incidents, from the complaint to the cause (doc/incidents.md).

Each is made to happen in a real instance and then looked for as an operator
would: with at most two commands, of which the output must name the cause.
"""
import os
import re
import smtplib
import socket
import subprocess

import pytest
from aiosmtpd.controller import Controller

from house import House, free_port, wait_until
from nameserver import Dns


class Hop:
    """A provider on 127.0.0.1 that greylists, and one that is overrun."""
    port = free_port()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@grey.test"):
            return "450 4.7.1 greylisted, come back in 300 seconds"
        if address.endswith("@big.test"):
            return "421 4.7.0 too many messages from your network"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken"


@pytest.fixture(scope="module")
def hop():
    controller = Controller(Hop(), hostname="127.0.0.1", port=Hop.port)
    controller.start()
    yield controller
    controller.stop()


@pytest.fixture(scope="module")
def dns():
    with Dns({"grey.test": ["@ MX 10 mx", "mx A 127.0.0.1"],
              "big.test": ["@ MX 10 mx", "mx A 127.0.0.1"],
              "dead.test": ["@ MX 10 mx", "mx A 127.0.0.2"]}) as server:
        yield server


@pytest.fixture(scope="module")
def house(hop, dns, tmp_path_factory):
    access = str(tmp_path_factory.mktemp("access") / "access")
    os.chmod(os.path.dirname(access), 0o755)
    with open(access, "w") as f:
        f.write("# sent us viruses in spring\n127.0.0.66/32 reject\n")
    with House(domain="drill.test", users=4, settings=dict(
            dns_servers="127.0.0.1:%d" % dns.port, smtp_tcp_port=Hop.port,
            postscreen_access_list="cidr:%s, permit_mynetworks" % access,
            postscreen_denylist_action="enforce")) as h:
        yield h


class Commands:
    """The operator, who may type twice."""

    def __init__(self, house):
        self.house = house
        self.lines = []

    def __call__(self, *arguments, until):
        """Types a command; the answer names the cause a moment later at the
        latest, as events travel on ways of their own."""
        if arguments not in self.lines:
            self.lines.append(arguments)
        assert len(self.lines) <= 2, self.lines
        answer = [""]

        def named():
            """the cause in what the command prints"""
            done = self.house.posthouse(*arguments, check=False)
            answer[0] = done.stdout + done.stderr
            return re.search(until, answer[0], re.S)
        try:
            wait_until(named, 60)
        except AssertionError:
            raise AssertionError("posthouse %s does not say %s:\n%s" % (
                " ".join(arguments), until, answer[0]))
        return answer[0]


@pytest.fixture
def posthouse(house):
    return Commands(house)


def submit(house, to):
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=60) as s:
        s.starttls(context=house.tls())
        s.login(house.user(0), house.password)
        s.sendmail(house.user(0), [to], "From: %s\r\nTo: %s\r\nSubject: drill"
                   "\r\n\r\ntext\r\n" % (house.user(0), to))


def test_greylisting(house, posthouse):
    """"My mail to Greta has not arrived for ten minutes." """
    submit(house, "greta@grey.test")
    said = posthouse("trace", "greta@grey.test", until=r"greylisted, come back")
    assert "mx.grey.test[127.0.0.1]" in said
    assert re.search(r"next attempt at .* \(in \d+ min", said)


def test_dead_mx(house, posthouse):
    """"Nothing of what we send to Dora arrives." """
    submit(house, "dora@dead.test")
    posthouse("trace", "dora@dead.test",
              until=r"connect to mx\.dead\.test\[127\.0\.0\.2\]:\d+: "
                    r"Connection refused.*next attempt at")
    posthouse("queue", "why", "dead.test", until=r"cause .*Connection refused")


def test_dns_time_out(hop):
    """"I sent it an hour ago, and there is no error either." """
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    with House(domain="silent.test", users=1, settings=dict(
            dns_servers="127.0.0.1:%d" % silent.getsockname()[1],
            smtp_dns_timeout="1s")) as h:
        submit(h, "leo@late.test")
        posthouse = Commands(h)
        posthouse("trace", "leo@late.test",
                  until=r"late\.test type=MX.*\(timeout\)")
        posthouse("queue", "why", "late.test", until=r"cause .*\(timeout\)")
    silent.close()


def test_full_mailbox(house, posthouse):
    """"My sister says that her mail to me comes back." """
    house.posthouse("user", "set", house.user(3), "quota=1k")

    def refused():
        """a refusal of the full mailbox"""
        try:
            with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
                s.sendmail("sister@there.test", [house.user(3)],
                           "Subject: big\r\n\r\n%s\r\n" % ("x" * 3000))
        except smtplib.SMTPException as e:
            return "full" in str(e)
        return False
    wait_until(refused)
    posthouse("trace", house.user(3),
              until=r"state: refused.*: refused at [^\n]*mailbox full")
    posthouse("route", house.user(3), until=r"at most 1024 octets +\(users:\d+\)")


def test_refused_by_a_rule(house, posthouse):
    """"Your server does not take our mail", says a firm at 127.0.0.66."""
    s = smtplib.SMTP("127.0.0.1", house.smtp, timeout=60,
                     source_address=("127.0.0.66", 0))
    with pytest.raises(smtplib.SMTPException):
        s.sendmail("office@firm.test", [house.user(1)], "Subject: x\r\n\r\n")
    s.close()
    posthouse("trace", "127.0.0.66", until=r"postscreen_access_list")
    said = posthouse("explain", "--client", "127.0.0.66", "--from",
                     "office@firm.test", "--rcpt", house.user(1),
                     until=r"decided by postscreen_access_list")
    assert re.search(r"found: reject +\(\S+/access:2\)", said)


def test_forgotten_alias(house, posthouse):
    """"Orders to sales@ end up with somebody who left." """
    house.posthouse("alias", "add", "sales@drill.test", house.user(2))
    house.posthouse("alias", "add", house.user(2), "left@else.test")
    said = posthouse("route", "sales@drill.test",
                     until=r"%s -> left@else\.test" % house.user(2))
    assert re.search(r"sales@drill\.test -> %s, by virtual_alias_maps +"
                     r"\(aliases:\d+\)" % house.user(2), said)
    assert re.search(r"%s -> left@else\.test, by virtual_alias_maps +"
                     r"\(aliases:\d+\)" % house.user(2), said)


def test_backlog_to_a_provider(house, posthouse):
    """The queue grows, and nobody knows why."""
    for i in range(8):
        submit(house, "customer%d@big.test" % i)
    said = posthouse("queue", "summary",
                     until=r"8 +421 4\.7\.0 too many messages")
    assert re.search(r"big\.test +8", said)
    posthouse("queue", "why", "big.test",
              until=r"8 recipients of 8 messages wait.*too many messages from "
                    r"your network")


def test_storm_of_wrong_passwords(house, posthouse):
    """The log runs over with failed logins."""
    for i in range(2):
        with smtplib.SMTP("127.0.0.1", house.submission, timeout=60,
                          source_address=("127.0.0.77", 0)) as s:
            s.starttls(context=house.tls())
            with pytest.raises(smtplib.SMTPAuthenticationError):
                s.login(house.user(1), "guess%d" % i)
    posthouse("penalty", "list", until=r"127\.0\.0\.77")
    posthouse("trace", "127.0.0.77", until=r"refused %s at submission: 5\.7\.8 " % house.user(1))


def test_expiring_certificate(tmp_path):
    """Mail programs will complain on Sunday; nobody has yet."""
    with House(domain="cert.test", users=1) as h:
        chain = os.path.join(h.dir, "etc", "chain.pem")
        owner = os.stat(chain)
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
             "-days", "3", "-subj", "/CN=mail.cert.test", "-addext",
             "subjectAltName=DNS:mail.cert.test", "-keyout",
             str(tmp_path / "key"), "-out", str(tmp_path / "cert")],
            capture_output=True, check=True)
        assert made.returncode == 0
        with open(chain, "w") as f:
            f.write((tmp_path / "key").read_text() +
                    (tmp_path / "cert").read_text())
        os.chown(chain, owner.st_uid, owner.st_gid)
        posthouse = Commands(h)
        posthouse("check", until=r"chain\.pem.*(ends|expires)[^\n]* in 2 days")
        posthouse("stats", until=r"chain\.pem +2 ")


def test_full_disk(house, posthouse):
    """"Error: 452", say all mail programs at once."""
    house.set("queue_minfree", "900T")
    house.posthouse("reload")

    def refused():
        """a refusal for want of space"""
        try:
            submit(house, "x@grey.test")
        except smtplib.SMTPException as e:
            return "452" in str(e)
        return False
    try:
        wait_until(refused)
        said = posthouse("trace", house.user(0),
                         until=r"452 4\.3\.1 [^\n]*rule=queue_minfree")
        assert "refused" in said
        posthouse("check", until=r"spool: \d+ GiB are free, less than "
                  r"queue_minfree")
    finally:
        house.set("queue_minfree", "1M")
        house.posthouse("reload")
