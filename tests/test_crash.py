"""kill -9 of each daemon during a stream of messages: nothing that got 250 is
missing afterwards, and nothing stands twice in a mailbox."""
import imaplib
import os
import random
import re
import signal
import smtplib
import threading
import time

import pytest

from house import House, wait_until

DAEMONS = ["smtpd", "cleanup", "qmgr", "local", "bounce", "lookup", "auth",
           "policyd", "login", "imapd", "pop3d", "smtp", "logd", "master"]
MESSAGES = 1000
SENDERS = 4


class Stream(threading.Thread):
    """Sends messages one after the other; remembers which got 250."""

    def __init__(self, house, name, count):
        super().__init__()
        self.house, self.name_, self.count = house, name, count
        self.accepted = []
        self.goes_on = lambda: True

    def run(self):
        for n in range(self.count):
            mark = "%s-%d" % (self.name_, n)
            if not self.goes_on():
                break
            for _ in range(200):
                if self.send(mark):
                    break
                time.sleep(0.05)

    def send(self, mark):
        """True when it was accepted. A try that ended without an answer may
        have been accepted too: the next try has a mark of its own."""
        mark += "-%d" % random.randrange(10 ** 9)
        try:
            with smtplib.SMTP("127.0.0.1", self.house.smtp, timeout=20) as s:
                refused = s.sendmail(
                    "a@x.test", [self.house.user(0), self.house.user(1)],
                    "Subject: %s\r\n\r\n%s\r\n" % (mark, mark))
                if not refused:  # not even for one of them
                    self.accepted.append(mark)
        except (smtplib.SMTPException, OSError):
            pass  # also in QUIT, when it is accepted already
        return mark in self.accepted[-1:]


def subjects(house, n):
    with imaplib.IMAP4("127.0.0.1", house.imap, timeout=60) as i:
        i.login(house.user(n), house.password)
        count = int(i.select("INBOX", readonly=True)[1][0])
        if not count:
            return []
        rows = i.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        return [re.search(rb"Subject: (\S+)", r[1]).group(1).decode()
                for r in rows if isinstance(r, tuple)]


def kill_all(house, name):
    if name == "master":
        pids = [house.master_pid()]
    else:
        pids = house.pids(name)
    for pid in pids:
        if pid and house.is_ours(pid):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    if name == "master":
        time.sleep(0.3)
        wait_until(lambda: house.posthouse(
            "start", check=False).returncode == 0, 60, 0.5)
    return len(pids)


def test_nothing_lost_nothing_twice():
    with House(domain="crash.test", users=2,
               settings={"minimal_backoff_time": "1s",
                         "maximal_backoff_time": "2s"}) as house:
        streams = [Stream(house, "s%d" % n, MESSAGES // SENDERS)
                   for n in range(SENDERS)]
        for stream in streams:
            stream.start()
        killed = 0
        rounds = 0
        while any(s.is_alive() for s in streams) and rounds < 3:
            for name in DAEMONS:
                killed += kill_all(house, name)
                time.sleep(0.15)
            rounds += 1
        for stream in streams:
            stream.join(300)
            assert not stream.is_alive()
        assert rounds and killed
        house.wait_empty_queue(120)
        accepted = sorted(m for s in streams for m in s.accepted)
        # One that was accepted and then cut off before QUIT is sent again.
        assert len(accepted) >= MESSAGES
        for n in range(2):
            got = subjects(house, n)
            missing = set(accepted) - set(got)
            assert not missing, "lost: %d, %s" % (
                len(missing), sorted(missing)[:5])
            assert len(got) == len(set(got)), "stored twice: %s" % [
                m for m in set(got) if got.count(m) > 1][:5]


@pytest.mark.parametrize("name", ["local", "qmgr", "cleanup"])
def test_stopped_while_mail_waits(name):
    """A daemon that is gone delays mail and loses none."""
    with House(domain="crash.test", users=2,
               settings={"minimal_backoff_time": "1s",
                         "maximal_backoff_time": "2s"}) as house:
        if name != "cleanup":
            house.posthouse("service", "stop", name)
        accepted = 0
        for n in range(5):
            try:
                with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
                    s.sendmail("a@x.test", [house.user(0)],
                               "Subject: w%d\r\n\r\nx\r\n" % n)
                    accepted += 1
            except smtplib.SMTPException:
                assert name == "cleanup"
        if name != "cleanup":
            assert accepted == 5
            assert subjects(house, 0) == []
            house.posthouse("service", "start", name)
        house.wait_empty_queue(60)
        assert len(subjects(house, 0)) == accepted
