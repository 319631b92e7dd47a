"""One system call fails, in cleanup, qmgr, bounce or local, at each occurrence
on a message's way in turn: the client gets 4xx or 250, 250 means that each
recipient gets it whole or the sender is told, the daemon lives on, and the log
says what happened. FAULT_STEPS=0 tries all ("make crash"), else a sample.
"""
import collections
import errno
import imaplib
import os
import random
import re
import time

import pytest

from faults import HAVE_STRACE, NO_STRACE, Sabotage, Sender
from house import wait_until
from test_crash import World, notifications

STEPS = int(os.environ.get("FAULT_STEPS", "8"))
ERRORS = ["ENOSPC", "EIO", "EDQUOT", "EMFILE", "ENOMEM"]
CALLS = {
    "write": ["write", "pwrite64", "pwritev", "ftruncate", "fallocate"],
    "sync": ["fsync", "fdatasync"],
    "name": ["renameat2", "linkat", "unlinkat", "mkdirat"],
    "open": ["openat", "fcntl", "newfstatat", "getdents64"],
    "read": ["pread64", "preadv", "mmap"],
}
# What no parameter of the call can bring about is not tried.
UNLIKELY = {("fcntl", "ENOSPC"), ("fcntl", "EDQUOT"), ("pread64", "ENOSPC"),
            ("pread64", "EDQUOT"), ("pread64", "EMFILE")}
LINE = "%05d" + " x" * 33  # of the body; any that is missing shows
LINES = 1500  # more than one buffer of cleanup's


def content(mark):
    return ("Subject: %s\r\n\r\n" % mark + "\r\n".join(
        LINE % n for n in range(LINES))).encode()


def bodies(house, n):
    """{subject: body} of a mailbox; a subject must not come twice."""
    found = {}
    with imaplib.IMAP4("127.0.0.1", house.imap, timeout=120) as i:
        i.login(house.user(n), house.password)
        if not int(i.select("INBOX", readonly=True)[1][0]):
            return found
        for row in i.fetch("1:*", "(BODY.PEEK[])")[1]:
            if not isinstance(row, tuple):
                continue
            head, body = row[1].split(b"\r\n\r\n", 1)
            mark = re.search(rb"Subject: (\S+)", head).group(1).decode()
            assert mark not in found, "twice: " + mark
            found[mark] = body
    return found


class Trial:
    """Messages during which calls fail, and what became of them."""

    def __init__(self, world, name):
        self.world, self.house, self.name = world, world.house, name
        self.number = 0
        self.accepted = {}  # mark: recipients
        self.ids = {}       # queue id: mark
        self.unknown = []   # marks without an answer
        self.said = collections.Counter()
        self.hits = collections.Counter()

    def send(self):
        """One message; True when it was accepted."""
        # Each kind of recipient, and all that cut-through has.
        self.number += 5 if self.number % 20 == 0 else 15
        mark = "f-%d-x" % self.number
        client = Sender(self.house.smtp)
        to = self.world.to(self.number)
        result, what, more = client.send(
            self.world.sender, to, content(mark))
        client.close()
        if result == "accepted":
            assert not more or set(more.values()) <= {451, 452}
            self.ids[what] = mark
            self.accepted[mark] = [a for a in to if a not in more]
        elif result == "unknown":
            self.unknown.append(mark)
        else:
            assert result == "refused", (result, what, more)
            assert what in (451, 452), (what, more)
            self.said[what] += 1
            if self.world.FAR not in to:  # some may have it
                self.unknown.append(mark)
        return result == "accepted"

    def busy(self):
        """Until the queue has been worked on, for a moment at most."""
        end = time.monotonic() + 0.7
        while time.monotonic() < end and self.house.queue()["messages"]:
            time.sleep(0.03)

    def pids(self):
        return self.house.pids(self.name)

    def survey(self):
        """How often each call occurs on the way of one message."""
        assert self.send()
        self.world.settle()
        with Sabotage(self.pids(), calls=",".join(
                c for group in CALLS.values() for c in group)) as s:
            assert self.send()
            self.world.settle()
        found = collections.Counter()
        for x in s.text:
            m = re.match(r"(\d+)\s+(\w+)\(", x)
            if m:
                found[m.groups()] += 1
        most = collections.Counter()
        for (_, call), n in found.items():
            most[call] = max(most[call], n)
        return most

    def one(self, call, error, when):
        log = len(self.house.log())
        assert wait_until(self.pids, 20)
        # The processes of the service cleanup, not of cleanup-internal.
        self.mx = [str(p) for p in self.pids() if b"\0-n\0cleanup\0" in
                   open("/proc/%d/cmdline" % p, "rb").read()]
        with Sabotage(self.pids(), "%s:error=%s:when=%d" % (
                call, error, when)) as s:
            accepted = self.send()
            self.busy()
        hit = [x for x in s.text if "(INJECTED" in x]
        self.hits[call, error] += len(hit) > 0
        if hit and self.name != "local" and (
                not accepted or "status=deferred" in self.house.log()[log:]):
            def said():
                return os.strerror(getattr(errno, error)) in \
                    self.house.log()[log:]
            said.__doc__ = "the reason in the log: %s" % (
                [call, error, when, hit],)
            wait_until(said)
        # What cleanup could not write, sync or name was not accepted.
        if any(x.split()[0] in self.mx for x in hit) and call in (
                "pwritev", "pwrite64", "fsync", "renameat2"):
            assert not accepted, (call, error, when)

    def story(self, mark):
        qid = [q for q, m in self.ids.items() if m == mark][0]
        return mark + "\n" + "\n".join(
            x for x in self.house.log().splitlines() if qid in x)

    def unexpected(self):
        """What the next host has that was not for it, or more than once."""
        sink = self.world.sink
        return "\n".join([
            "the next host has %r %d times" % (what, n)
            for what, n in sink.got.items()
            if n > 1 or what[0] not in self.accepted.get(what[1], [])] + [
                "it has %r of the message %s" % (subject, qid)
                for subject, qid in sink.seen
                if self.ids.get(qid, subject) != subject])

    def check(self):
        """All that was accepted has come, whole and once, or was told."""
        for _ in range(60):
            self.house.posthouse("queue", "flush", "ALL")
            try:
                self.world.settle(3)
                break
            except AssertionError:
                pass
        self.world.settle(1)
        boxes = [bodies(self.house, n) for n in range(3)]
        told = [(a, s) for _, a, s in notifications(
            self.house, 4, self.ids)]
        assert len(told) == len(set(told))
        want = content("x").split(b"\r\n\r\n", 1)[1] + b"\r\n"
        for mark, to in self.accepted.items():
            for n, box in enumerate(boxes):
                if (self.house.user(0) if n == 0 else self.world.team) in to:
                    assert mark in box, "lost: %s, user%d" % (mark, n)
            for a in (self.world.GONE, self.world.full):
                assert a not in to or (a, mark) in told, (a, mark)
            assert self.world.FAR not in to or \
                self.world.sink.got[self.world.FAR, mark], "%s\n%s" % (
                    self.story(mark), self.unexpected())
        assert not [x for x in self.world.sink.seen
                    if self.ids.get(x[1], x[0]) != x[0]], self.unexpected()
        for box in boxes:
            for mark, body in box.items():
                assert not mark.startswith("f-") or body == want, mark
                assert mark in self.accepted or mark in self.unknown or \
                    mark == "warm", mark
        spool = os.path.join(self.house.dir, "spool")
        assert os.listdir(os.path.join(spool, "corrupt")) == []
        self.house.posthouse("store", "check", "--all")


@pytest.mark.skipif(not HAVE_STRACE, reason=NO_STRACE)
@pytest.mark.parametrize("name", ["cleanup", "qmgr", "local", "bounce"])
def test_a_call_that_fails(name):
    with World() as world:
        trial = Trial(world, name)
        most = trial.survey()
        cases = [(call, error, when) for call, n in most.items()
                 for error in ERRORS if (call, error) not in UNLIKELY
                 for when in range(1, n + 1)]
        if STEPS:
            # Each call at least once.
            random.shuffle(cases)
            first = list({c[0]: c for c in cases}.values())
            cases = (first + cases)[:max(STEPS, len(first))]
        for case in cases:
            trial.one(*case)
        print("%s: %s; %d cases, %d hit, accepted %d, refused %s" % (
            name, dict(most), len(cases), sum(trial.hits.values()),
            len(trial.accepted), dict(trial.said)))
        # Of a few chosen by chance few may meet a call.
        least = 0 if STEPS else len(cases) // 4
        assert sum(trial.hits.values()) > least, trial.hits
        assert not re.search(r"posthouse/master.*pid \d+: (ended by signal|"
                             r"exit status)", world.house.log())
        trial.check()
