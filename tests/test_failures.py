"""When a neighbour is away: each row of the table in doc/architecture.md, with
the neighbour stopped by the operator, hung (SIGSTOP, which is worse than death:
every wait needs a bound), and killed. Afterwards all is well by itself, and
what was accepted has come once."""
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from faults import Sender, Sink, kill, start_again
from house import BUILD, House, TOP, wait_until
from test_crash import notifications, subjects

LIMIT = 8
WAYS = ["stopped", "hung", "killed"]
FAST = {"ipc_timeout": "2s", "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s", "service_throttle_time": "1s",
        "cut_through_timeout": "1s", "qmgr_walk_interval": "3s",
        "smtpd_client_connection_rate_limit": "100000",
        "smtpd_client_event_limit_exceptions": "10.0.0.0/8",
        "queue_unclaimed_limit": str(LIMIT), "auth_failure_delay": "100ms",
        "login_failure_delay": "100ms", "login_session_timeout": "8s"}
TESTED = set()  # rows of the table


def row(*names):
    TESTED.update(names)
    return pytest.mark.parametrize("way", WAYS)


class Place:
    def __init__(self):
        self.sink = Sink()
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.silent.bind(("127.0.0.1", 0))  # a resolver that never answers
        self.house = House(domain="fail.test", users=3, settings=dict(
            FAST, smtp_tcp_port=str(self.sink.port),
            dns_servers="127.0.0.1:%d" % self.silent.getsockname()[1]))
        self.sent = 0
        self.accepted = []
        self.deliver()  # everything runs

    def close(self):
        self.house.close()
        self.sink.close()
        self.silent.close()

    def send(self, to=None, sender="a@far.test"):
        """What is said: (code, text) of the refusal, or (250, subject)."""
        self.sent += 1
        mark = "n-%d" % self.sent
        client = Sender(self.house.smtp)
        result, what, more = client.send(
            sender, to or [self.house.user(0)],
            b"Subject: %s\r\n\r\nx" % mark.encode())
        client.close()
        if result == "accepted":
            if to is None:
                self.accepted.append(mark)
            return 250, mark
        return what, more

    def deliver(self):
        """A message comes through, soon at the latest."""
        def sent():
            """250"""
            return self.send()[0] == 250
        wait_until(sent, 60, 0.3)
        wait_until(lambda: self.accepted[-1] in subjects(self.house, 0), 60,
                   0.3)

    def all_is_well(self):
        """What was accepted has come, once, and new mail does."""
        self.deliver()
        wait_until(lambda: not self.house.queue_files(), 60, 0.2)
        got = subjects(self.house, 0)
        assert not set(self.accepted) - set(got)
        assert len(got) == len(set(got))


@pytest.fixture(scope="module")
def place():
    p = Place()
    try:
        yield p
    finally:
        print("\n".join(p.house.log().splitlines()[-200:]))
        p.close()


class Away:
    """with Away(house, "lookup/unix", "hung"): ..."""

    def __init__(self, house, way, *services):
        self.house, self.way, self.services = house, way, services
        self.pids = []

    def __enter__(self):
        for name in self.services:
            program = os.path.basename(name.split("/")[0]).split("-")[0]
            if self.way == "stopped":
                self.house.posthouse("service", "stop", name)
                continue
            pids = self.house.pids(program)
            if self.way == "killed":
                kill(self.house, pids)
                continue
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            self.pids += pids
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            if self.house.is_ours(pid):
                os.kill(pid, signal.SIGCONT)
        if self.way == "stopped":
            for name in self.services:
                self.house.posthouse("service", "start", name)

    def is_gone(self):
        """A killed one is back at once: what it does to clients is chance."""
        return self.way != "killed"


def imap(house):
    """"" or what LOGIN is answered."""
    with imaplib.IMAP4("127.0.0.1", house.imap, timeout=60) as i:
        try:
            i.login(house.user(0), house.password)
            return ""
        except imaplib.IMAP4.error as e:
            return str(e)


def pop3(house):
    p = poplib.POP3("127.0.0.1", house.pop3, timeout=60)
    try:
        p.user(house.user(0))
        p.pass_(house.password)
        return ""
    except poplib.error_proto as e:
        return str(e)
    finally:
        p.close()


def submit(house):
    """(code, text) of AUTH."""
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=60) as s:
        s.starttls(context=house.tls())
        try:
            return s.login(house.user(0), house.password)
        except smtplib.SMTPResponseException as e:
            return e.smtp_code, e.smtp_error


@row("lookup")
def test_lookup(place, way):
    with Away(place.house, way, "lookup/unix") as away:
        code, text = place.send()
        if away.is_gone():
            assert code == 451 and b"4.3.0" in text
    place.all_is_well()


@row("auth")
def test_auth(place, way):
    with Away(place.house, way, "auth/unix") as away:
        code, text = submit(place.house)
        if away.is_gone():
            assert code == 454 and b"4.7.0" in text
            assert "UNAVAILABLE" in imap(place.house)
            assert "[SYS/TEMP]" in pop3(place.house)
        assert place.send()[0] == 250  # port 25 needs nobody's password
    assert wait_until(lambda: submit(place.house)[0] == 235, 60)
    place.all_is_well()


@row("policyd")
def test_policyd(place, way):
    with Away(place.house, way, "policyd/unix"):
        for _ in range(3):
            assert place.send()[0] == 250
        assert imap(place.house) == "" and submit(place.house)[0] == 235
        with imaplib.IMAP4("127.0.0.1", place.house.imap, timeout=60) as i:
            with pytest.raises(imaplib.IMAP4.error):
                i.login(place.house.user(0), "wrong")
    place.all_is_well()


@row("cleanup")
def test_cleanup(place, way):
    time.sleep(1.1)  # what it said about room is forgotten
    with Away(place.house, way, "cleanup/unix") as away:
        code, text = place.send()
        if away.is_gone():
            assert code == 451 and b"4.3.0" in text
    place.all_is_well()


@row("qmgr")
def test_qmgr(place, way):
    """Mail is accepted up to a bound."""
    with Away(place.house, way, "qmgr/unix") as away:
        said = [place.send() for _ in range(LIMIT + 4)]
        codes = [code for code, _ in said]
        if away.is_gone():
            assert codes[:LIMIT] == [250] * LIMIT
            assert codes[LIMIT:] == [451] * 4 and b"4.3.2" in said[-1][1]
            place.house.logged("queue_unclaimed_limit")
            assert len(place.house.queue_files()) >= LIMIT
        else:
            assert codes.count(250) > LIMIT
    place.all_is_well()


@row("local")
def test_local(place, way):
    with Away(place.house, way, "local/unix") as away:
        code, mark = place.send()
        assert code == 250
        if away.is_gone():
            assert place.send()[0] == 250
            assert len(place.house.queue_files()) >= 1
            wait_until(lambda: place.house.queue()["messages"])
            assert mark not in subjects(place.house, 0)
    place.all_is_well()


@row("smtp")
def test_smtp(place, way):
    with Away(place.house, way, "smtp/unix") as away:
        code, mark = place.send(["far@[127.0.0.1]"])
        assert code == 250
        place.deliver()  # local mail does not wait for it
        if away.is_gone():
            assert not place.sink.got["far@[127.0.0.1]", mark]
    wait_until(lambda: place.sink.got["far@[127.0.0.1]", mark], 60)
    place.all_is_well()


def damage(path):
    """One octet of the content, which stands behind the preamble."""
    with open(path, "r+b") as f:
        f.seek(4096 + 3)
        f.write(b"\xf7")


@pytest.mark.parametrize("name", ["smtp", "local"])
def test_what_was_not_written_is_not_sent(place, name):
    """A file that changes after the queue manager has taken it goes to
    nobody; it is set aside."""
    house = place.house
    to = ["far@[127.0.0.1]"] if name == "smtp" else [house.user(0)]
    house.posthouse("service", "stop", name)
    code, mark = place.send(to)
    assert code == 250
    path, = house.queue_files()
    wait_until(lambda: house.queue()["messages"])
    damage(path)
    aside = os.path.join(house.dir, "spool", "corrupt",
                         os.path.basename(path))
    house.posthouse("service", "start", name)
    wait_until(lambda: os.path.exists(aside), 60)
    reason = open(aside + ".reason").read()
    assert "wrong checksum" in reason, reason
    assert "(the queue file is damaged)" in house.log()
    house.wait_empty_queue()
    if name == "smtp":
        assert not place.sink.got["far@[127.0.0.1]", mark]
    else:
        assert mark not in subjects(house, 0)
    for suffix in ("", ".reason"):
        os.unlink(aside + suffix)


@pytest.mark.parametrize("name", ["smtp", "local"])
def test_another_messages_file_is_not_sent(place, name):
    house = place.house
    to = ["far@[127.0.0.1]"] if name == "smtp" else [house.user(0)]
    house.posthouse("service", "stop", name)
    marks, paths = [], []
    for _ in range(2):
        code, mark = place.send(to)
        assert code == 250
        marks.append(mark)
        paths += [p for p in house.queue_files() if p not in paths]
    wait_until(lambda: len(house.queue()["messages"]) == 2)
    os.rename(paths[0], paths[1])  # the second one's name, the first's file
    house.posthouse("service", "start", name)
    house.logged("it is another message's file")
    aside = os.path.join(house.dir, "spool", "corrupt",
                         os.path.basename(paths[1]))
    wait_until(lambda: os.path.exists(aside), 60)
    house.wait_empty_queue()
    if name == "smtp":
        assert not [m for m in marks if place.sink.got[to[0], m]]
    else:
        assert not set(marks) & set(subjects(house, 0))
    for suffix in ("", ".reason"):
        os.unlink(aside + suffix)


@row("bounce")
def test_bounce(place, way):
    """Who is to be told waits; others do not."""
    with Away(place.house, way, "bounce/unix") as away:
        code, mark = place.send(["gone@[127.0.0.1]"],
                                sender=place.house.user(1))
        assert code == 250
        wait_until(lambda: "status=bounced" in place.house.log())
        place.deliver()
        if away.is_gone():
            assert place.house.queue_files()
            assert ("gone@[127.0.0.1]", mark) not in told(place.house)
    wait_until(lambda: ("gone@[127.0.0.1]", mark) in told(place.house), 60,
               0.3)
    place.all_is_well()
    assert told(place.house).count(("gone@[127.0.0.1]", mark)) == 1


def told(house):
    return [(a, s) for _, a, s in notifications(house, 1)]


@row("imapd, pop3d")
def test_imapd_and_pop3d(place, way):
    assert imap(place.house) == "" and pop3(place.house) == ""
    with Away(place.house, way, "imapd/unix", "pop3d/unix") as away:
        if away.is_gone():
            assert "UNAVAILABLE" in imap(place.house)
            assert "[SYS/TEMP]" in pop3(place.house)
        assert place.send()[0] == 250
    wait_until(lambda: imap(place.house) == "" and
               pop3(place.house) == "", 60, 0.3)
    place.all_is_well()


@row("login")
def test_login(place, way):
    services = ["%s/inet" % s["name"] for s in place.house.json(
        "status")["services"] if s["type"] == "inet" and
        s["name"].split(":")[-1] in (str(place.house.imap),
                                     str(place.house.pop3))]
    assert len(services) == 2
    with Hung(place.house, way, "login", services):
        assert place.send()[0] == 250
    wait_until(lambda: answers(place.house.imap), 60)
    place.all_is_well()


@row("screen")
def test_screen(place, way):
    """Port 25 is closed or silent; submission goes on."""
    name = [s["name"] for s in place.house.json("status")["services"]
            if s["name"].split(":")[-1] == str(place.house.smtp)][0]
    with Hung(place.house, way, "screen", [name + "/inet"]):
        if way != "killed":
            assert not answers(place.house.smtp)
        assert wait_until(lambda: submit(place.house)[0] == 235)
    wait_until(lambda: answers(place.house.smtp), 60)
    place.all_is_well()


class Hung(Away):
    """A program under the names of other services."""

    def __init__(self, house, way, program, services):
        super().__init__(house, way, *services)
        self.program = program

    def __enter__(self):
        if self.way == "stopped":
            return super().__enter__()
        self.pids = self.house.pids(self.program)
        assert self.pids
        if self.way == "killed":
            kill(self.house, self.pids)
            self.pids = []
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        return self


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.settimeout(2)
            return bool(s.recv(1))
    except OSError:
        return False


@row("smtpd")
def test_smtpd(place, way):
    with Hung(place.house, way, "smtpd", ["smtpd/pass"]):
        if way == "stopped":
            assert place.send()[0] != 250
        assert imap(place.house) == ""
    place.all_is_well()


@row("logd")
def test_logd(place, way):
    """Nobody waits for it; what is lost is counted."""
    before = place.house.log().count("were dropped")
    with Away(place.house, way, "log/unix-dgram") as away:
        # By its service's name; the program is logd.
        for pid in place.house.pids("logd") if way == "hung" else []:
            os.kill(pid, signal.SIGSTOP)
            away.pids.append(pid)
        for _ in range(150 if way == "hung" else 10):
            assert place.send()[0] == 250
    place.all_is_well()
    if way == "hung":
        print(place.house.log().count("dropped"), before)
    wait_until(lambda: "status=sent" in place.house.log()[-5000:])


@row("feedback")
def test_feedback(place, way):
    """Other mail does not wait; test_received_reports.py has the reports."""
    with Away(place.house, way, "feedback/unix"):
        place.deliver()
    place.all_is_well()


@row("reportd")
def test_reportd(place, way):
    """Mail does not depend on it; test_reports.py has what it counts."""
    with Away(place.house, way, "reportd/unix"):
        place.deliver()
        assert imap(place.house) == ""
    place.all_is_well()


@row("keeper")
def test_keeper(place, way):
    with Away(place.house, way, "keeper/unix"):
        place.deliver()
        assert imap(place.house) == ""
    place.all_is_well()


@row("pickup")
def test_pickup(place, way):
    command = [os.path.join(BUILD, "bin", "sendmail"), "-C",
               place.house.etc, "-f", "me@fail.test", place.house.user(0)]
    mark = "pickup-%s" % way
    with Away(place.house, way, "pickup/unix"):
        done = subprocess.run(command, input="Subject: %s\n\nx\n" % mark,
                              text=True, capture_output=True, timeout=120)
        assert done.returncode in (0, 75), done.stderr
    if done.returncode == 0:
        wait_until(lambda: mark in subjects(place.house, 0), 120, 0.5)
    place.all_is_well()


@row("exporter")
def test_exporter(place, way):
    with Away(place.house, way,
              "127.0.0.1:%d/inet" % place.house.metrics):
        place.deliver()
        assert imap(place.house) == ""
    place.all_is_well()


@row("DNS")
def test_dns(place, way):
    """The resolver never answers, or is not there: what needs it waits."""
    if way == "killed":
        pytest.skip("it is not ours")
    if way == "stopped":
        place.silent.close()
    code, mark = place.send(["who@nowhere.test"])
    assert code == 250
    place.deliver()

    def deferred():
        """a deferral with its reason"""
        return [r for m in place.house.queue()["messages"]
                for r in m["recipients"] if r["address"] ==
                "who@nowhere.test" and r["reason"]]
    assert wait_until(deferred, 60, 0.3)[0]["reason"].startswith("4.")
    place.house.posthouse("queue", "delete", "--recipient",
                          "who@nowhere.test")
    place.all_is_well()


@row("master")
def test_master(place, way):
    """Its children finish, and a new one goes on."""
    if way == "stopped":
        place.house.stop()
        place.house.start()
    elif way == "hung":
        pid = place.house.master_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            # Who runs goes on.
            assert place.send()[0] == 250
            assert imap(place.house) == ""
        finally:
            os.kill(pid, signal.SIGCONT)
    else:
        kill(place.house, [place.house.master_pid()])
        start_again(place.house)
    place.all_is_well()


def test_each_row_of_the_table_has_its_test():
    with open(os.path.join(TOP, "doc", "architecture.md")) as f:
        table = f.read().split("## When a neighbour is away")[1]
    rows = [line.split("|")[1].strip() for line in table.splitlines()
            if line.startswith("| ")][1:]
    assert sorted(rows) == sorted(TESTED)
