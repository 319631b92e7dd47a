"""kill -9 of each daemon, master included, during a stream of messages to
several recipients each: at moments that chance chooses and at moments that we
choose. For each recipient of what got 250: delivered, or the sender was told,
or it is still queued; and nothing stands twice in a mailbox.

A client's own retry after an unanswered dot is a new message with a mark of
its own. CRASH_MESSAGES and CRASH_KILLS make it longer ("make crash").
"""
import collections
import email
import imaplib
import os
import random
import re
import subprocess
import threading
import time

import pytest

from faults import (HAVE_STRACE, NO_STRACE, Sabotage, Sender, Sink, kill,
                    start_again, steps)
from house import BUILD, House, wait_until

MESSAGES = int(os.environ.get("CRASH_MESSAGES", "600"))
KILLS = int(os.environ.get("CRASH_KILLS", "2"))  # of each, by each method
STEPS = int(os.environ.get("CRASH_STEPS", "4"))  # steps for each daemon
SENDERS = 4
FAST = {"minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
        "service_throttle_time": "1s", "dns_servers": "127.0.0.1:1",
        "qmgr_walk_interval": "5s"}

# Where it hurts. The number of the call is chosen anew each time: what the
# process does when strace takes hold of it is not known.
POINTS = [
    ("smtpd", "recvmsg", 6),    # the message is with cleanup: dot, no 250
    ("smtpd", "sendto", 20),
    ("cleanup", "renameat2", 1),  # synced, no name
    ("cleanup", "fsync", 3),    # written, or named and not synced
    ("cleanup", "sendmsg", 4),  # durable, the answer not said
    ("cleanup", "recvmsg", 5),  # cut-through: the verdict not heard
    ("cleanup", "unlinkat", 1),  # cut-through: delivered, the file not gone
    ("qmgr", "pwrite64", 3),    # an outcome that is not written
    ("qmgr", "unlinkat", 1),
    ("qmgr", "sendmsg", 6),
    ("local", "fdatasync", 2),  # in the box, not synced
    ("local", "sendmsg", 2),    # in the box, the answer not said
    ("bounce", "sendmsg", 3),   # a notification on its way to cleanup
    ("bounce", "recvmsg", 3),
    ("smtp", "recvfrom,recvmsg", 6),  # the next host has it, qmgr not
    ("smtp", "sendmsg", 2),
    ("lookup", "sendmsg", 4),
    ("screen", "accept4", 2),   # a client that nobody has greeted
    ("screen", "sendmsg", 3),   # a client on its way to smtpd
    ("pickup", "recvmsg", 4),   # a submission, or what cleanup says of it
    ("pickup", "sendmsg", 4),
]


class Stream(threading.Thread):
    """Sends messages one after the other; remembers what became of each."""

    def __init__(self, house, name, count, to=None, sender="a@x.test"):
        super().__init__()
        self.house, self.name_, self.count = house, name, count
        self.to = to or [house.user(0), house.user(1)]
        self.sender = sender
        self.accepted = []   # marks
        self.ids = {}        # mark: queue id
        self.unknown = []    # marks: a refusal, or no answer
        self.refused = collections.Counter()
        self.goes_on = lambda: True

    def recipients(self, number):
        return self.to(number) if callable(self.to) else self.to

    def run(self):
        n = 0
        client = Sender(self.house.smtp)
        while self.goes_on() and (len(self.accepted) < self.count):
            n += 1
            self.send(client, "%s-%d-%d" % (
                self.name_, n, random.randrange(10 ** 9)), n)
            if random.random() < 0.2:
                client.close()
        client.close()

    def send(self, client, mark, number):
        result, what, more = client.send(
            self.sender, self.recipients(number),
            b"Subject: %s\r\n\r\n%s\r\n" % (mark.encode(), mark.encode()))
        if result == "accepted" and not more:
            self.accepted.append(mark)
            self.ids[mark] = what
            return
        self.unknown.append(mark)
        self.refused[result, what] += 1
        if result != "unknown":
            time.sleep(0.05)


class LocalStream(Stream):
    """By sendmail(1), one process for each message."""

    def send(self, client, mark, number):
        done = subprocess.run(
            [os.path.join(BUILD, "bin", "sendmail"), "-C", self.house.etc,
             "-v", "-f", self.sender, *self.recipients(number)],
            input="Subject: %s\n\n%s\n" % (mark, mark), text=True,
            capture_output=True, timeout=120)
        if done.returncode == 0:
            self.accepted.append(mark)
            queued = re.search(r"queued as (\w{22})", done.stdout +
                               done.stderr)
            self.ids[mark] = queued and queued.group(1)
            return
        self.unknown.append(mark)
        self.refused["sendmail", done.returncode] += 1


def headers(house, n, fields="SUBJECT RECEIVED"):
    """Of all messages in a mailbox."""
    with imaplib.IMAP4("127.0.0.1", house.imap, timeout=120) as i:
        i.login(house.user(n), house.password)
        count = int(i.select("INBOX", readonly=True)[1][0])
        if not count:
            return []
        rows = i.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (%s)])" % fields)[1]
        return [r[1] for r in rows if isinstance(r, tuple)]


def subjects(house, n):
    return [re.search(rb"Subject: (\S+)", h).group(1).decode()
            for h in headers(house, n)]


def ids_and_subjects(house, n):
    """(queue id, subject) of each message in a mailbox."""
    return [(re.search(rb"\bid ([0-9A-Z]{22})", h).group(1).decode(),
             re.search(rb"Subject: (\S+)", h).group(1).decode())
            for h in headers(house, n)]


def notifications(house, n, subjects=()):
    """(queue id of the notification, recipient, subject of what failed) of
    each report on each recipient. subjects: by queue id."""
    told = []
    with imaplib.IMAP4("127.0.0.1", house.imap, timeout=120) as i:
        i.login(house.user(n), house.password)
        if not int(i.select("INBOX", readonly=True)[1][0]):
            return []
        for row in i.fetch("1:*", "(BODY.PEEK[])")[1]:
            if not isinstance(row, tuple):
                continue
            m = email.message_from_bytes(row[1])
            qid = re.search(r"\bid ([0-9A-Z]{22})",
                            " ".join(m.get_all("Received"))).group(1)
            status, *original = m.get_payload()[1:]
            original = original[0].get_payload() if original else ""
            if isinstance(original, list):
                subject = original[0]["Subject"]
            elif original:  # too large for more than its header
                subject = email.message_from_string(original)["Subject"]
            else:  # it could not be read
                subject = subjects[status.get_payload()[0][
                    "X-Posthouse-Queue-ID"]]
            told += [(qid, part["Final-Recipient"].split(";")[1].strip(),
                      subject) for part in status.get_payload()[1:]]
    return told


class World:
    """An instance with mailboxes, an alias, one mailbox that is full, a next
    hop, and a mailbox of the sender for what comes back."""
    GONE, FAR = "gone@[127.0.0.1]", "far@[127.0.0.1]"

    def __init__(self):
        self.sink = Sink()
        self.house = House(domain="crash.test", users=5, settings=dict(
            FAST, smtp_tcp_port=str(self.sink.port)))
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise

    def prepare(self):
        h = self.house
        self.full, self.sender = h.user(3), h.user(4)
        self.team = "team@crash.test"
        h.posthouse("user", "set", self.full, "quota=10")
        h.posthouse("alias", "add", self.team, h.user(1), h.user(2))
        wait_until(lambda: Sender(h.smtp).send(
            "a@x.test", [self.team], b"Subject: warm\r\n\r\nx")[0] ==
            "accepted", 20, 0.3)
        # lookup reads its tables anew one after the other.
        wait_until(lambda: Sender(h.smtp).send(
            "", [self.full], b"Subject: warm\r\n\r\nxxxxxxxxxx")[1]
            in (452, 552), 20, 0.3)

    def to(self, number):
        """To mailboxes; every other one also to a next host, without which
        it may be cut through; some have failures too."""
        return [self.house.user(0), self.team] + (
            [self.FAR] if number % 2 == 0 else []) + (
            [self.GONE] if number % 4 == 0 else []) + (
            [self.full] if number % 5 == 0 else [])

    def close(self):
        self.house.close()
        self.sink.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("\n".join(self.house.log().splitlines()[-1000:]))
        self.close()

    def settle(self, seconds=180):
        def nothing_left():
            """an empty drop folder"""
            return not [n for n in os.listdir(os.path.join(
                self.house.dir, "spool", "drop")) if n != "corrupt"]
        wait_until(nothing_left, seconds, 0.2)
        self.house.wait_empty_queue(seconds)

    def check(self, streams):
        """Each recipient of each accepted message has its one fate."""
        house = self.house
        numbers = {m: int(m.split("-")[1]) for s in streams
                   for m in s.accepted + s.unknown}
        ids = {m: q for s in streams for m, q in s.ids.items()}
        boxes = [ids_and_subjects(house, n) for n in range(3)]
        for box in boxes:
            twice = [k for k, n in collections.Counter(box).items() if n > 1]
            assert not twice, "stored twice: %s" % twice[:5]
        there = [{s: q for q, s in box} for box in boxes]
        told = notifications(house, 4)
        assert len({(a, s) for _, a, s in told}) == len(told), \
            "told twice: %s" % [k for k, n in collections.Counter(
                (a, s) for _, a, s in told).items() if n > 1][:5]
        told = {(a, s) for _, a, s in told}

        def missing(mark):
            to = self.to(numbers[mark])
            return ([n for n in range(3) if mark not in there[n]] +
                    [a for a in to if a == self.FAR and
                     not self.sink.got[a, mark]] +
                    [a for a in to if a in (self.GONE, self.full) and
                     (a, mark) not in told])
        lost = {m: missing(m) for m in ids}
        lost = {m: what for m, what in lost.items() if what}
        assert not lost, "lost of %d: %d, %s" % (
            len(ids), len(lost), sorted(lost.items())[:5])
        for mark, qid in ids.items():
            # What pickup took later has an id that sendmail did not hear of.
            qid = qid or there[0][mark]
            assert all(t[mark] == qid for t in there)
        # Without 250: all of it, or nothing, but for what is cut through: its
        # client has to come again, and some may have it then.
        for mark in numbers:
            if mark in ids or self.FAR not in self.to(numbers[mark]):
                continue
            seen = (any(mark in t for t in there) or
                    self.sink.got[self.FAR, mark])
            assert not seen or not missing(mark), mark
        spool = os.path.join(house.dir, "spool")
        assert os.listdir(os.path.join(spool, "corrupt")) == []
        print("accepted %d, not accepted %d, notifications %d, relayed %d "
              "(%d of them again), refusals %s" % (
                  len(ids), len(numbers) - len(ids), len(told),
                  len(self.sink.got),
                  sum(self.sink.got.values()) - len(self.sink.got),
                  dict(sum((s.refused for s in streams),
                           collections.Counter()))))


def programs(house):
    """Of master's processes."""
    found = set()
    for pid in house.pids():
        try:
            with open("/proc/%d/comm" % pid) as f:
                found.add(f.read().strip())
        except OSError:
            pass
    return sorted(found)


def kill_all(house, name):
    if name == "master":
        killed = kill(house, [house.master_pid()])
        time.sleep(0.2)
        start_again(house)
        return killed
    return kill(house, house.pids(name))


def strike(house, name, calls, most, seconds=2):
    """Kills those of a name at one of their next calls."""
    pids = house.pids(name)
    if not pids:
        return 0
    with Sabotage(pids, "%s:signal=SIGKILL:when=%d" % (
            calls, random.randint(1, most))) as s:
        s.wait_killed(seconds)
        time.sleep(0.05)
    return sum("killed by SIGKILL" in x for x in s.text)


def test_nothing_lost_nothing_twice():
    with World() as world:
        house = world.house
        done = threading.Event()
        streams = [Stream(house, "s%d" % n, 10 ** 9, world.to, world.sender)
                   for n in range(SENDERS)]
        streams.append(LocalStream(house, "local", 10 ** 9, world.to,
                                   world.sender))
        for stream in streams:
            stream.goes_on = lambda: not done.is_set()
            stream.start()

        def enough():
            return sum(len(s.accepted) for s in streams) >= MESSAGES
        killed, hit = collections.Counter(), collections.Counter()
        try:
            wait_until(lambda: "imapd" in programs(house), 30)
            names = programs(house)
            assert len(names) >= 14, names
            assert {"screen", "pickup"} <= set(names)
            for _ in range(KILLS):
                for name in random.sample(names, len(names)):
                    killed[name] += kill_all(house, name)
                    time.sleep(random.random() * 0.3)
                for point in random.sample(POINTS, len(POINTS)) \
                        if HAVE_STRACE else []:
                    n = strike(house, *point)
                    hit[point[:2]] += n
                    killed[point[0]] += n
                # And any call whatever.
                for name in random.sample(names, 4) if HAVE_STRACE else []:
                    if name != "master":
                        killed[name] += strike(house, name, "all", 40, 1)
            wait_until(enough, 600, 0.2)
        finally:
            done.set()
            for stream in streams:
                stream.join(120)
        assert not any(s.is_alive() for s in streams)
        print("killed", dict(killed), "at chosen points", dict(hit))
        assert all(killed[name] >= KILLS for name in names), killed
        world.settle()
        world.check(streams)


@pytest.mark.skipif(not HAVE_STRACE, reason=NO_STRACE)
@pytest.mark.parametrize("name", [
    "screen", "smtpd", "pickup", "cleanup", "qmgr", "local", "bounce",
    "smtp"])
def test_killed_at_each_step_of_one_message(name):
    """One message with each kind of recipient; the daemon is killed at its
    first system call of that message's way, at its second, and so on."""
    with World() as world:
        stream = (LocalStream if name == "pickup" else Stream)(
            world.house, "s", 1, world.to, world.sender)
        client = Sender(world.house.smtp)
        number = [0]

        def one():
            # 20 has each kind of recipient, 25 all that cut-through has.
            number[0] += 5 if number[0] % 20 == 0 else 15
            if name == "screen":
                client.close()  # it knows new clients only
            stream.send(client, "s-%d-x" % number[0], number[0])

        def whole():
            one()
            world.settle(60)
        whole()
        count = steps(world.house.pids(name), whole)
        assert count > 5
        # STEPS 0: each. strace(1) counts each kind of call for itself, and not
        # every way is as long: the first steps come.
        chosen = [random.randint(1, 3)] + random.sample(
            range(1, count + 1), min(count, STEPS) - 1) if STEPS else \
            range(1, count + 1)
        killed = 0
        for step in chosen:
            one()  # it is started for a client
            wait_until(lambda: world.house.pids(name), 30)
            with Sabotage(world.house.pids(name),
                          "all:signal=SIGKILL:when=%d" % step) as s:
                one()
                killed += s.wait_killed(1) > 0
            client.close()
        client.close()
        print("%s: %d calls, killed at %d of %s" % (
            name, count, killed, list(chosen)))
        assert killed
        world.settle()
        world.check([stream])


@pytest.mark.parametrize("name", ["local", "qmgr", "cleanup"])
def test_stopped_while_mail_waits(name):
    """A daemon that is gone delays mail and loses none."""
    with House(domain="crash.test", users=2, settings=FAST) as house:
        if name != "cleanup":
            house.posthouse("service", "stop", name)
        accepted = 0
        for n in range(5):
            result, _, _ = Sender(house.smtp).send(
                "a@x.test", [house.user(0)], b"Subject: w%d\r\n\r\nx" % n)
            assert result == "accepted" or name == "cleanup"
            accepted += result == "accepted"
        if name != "cleanup":
            assert subjects(house, 0) == []
            house.posthouse("service", "start", name)
        house.wait_empty_queue(60)
        assert len(subjects(house, 0)) == accepted
