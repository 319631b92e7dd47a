"""What the way of a message promises, proved at chosen moments: the queue
manager by hand between neighbours of our own, killed where it hurts; then the
whole suite with its daemons stopped and killed at such moments."""
import os
import re
import signal
import smtplib
import tempfile
import threading
import time

import pytest

from house import House, free_port, wait_until
from ipc_fake import Daemon, Front, make_spool, queued, queue_ask
from test_cleanup import Cleanup
from test_crash import Stream, subjects
from test_directory import rcpt
from test_relay import bounces

MESSAGE = b"From: a@far.test\r\nSubject: hi\r\n\r\nhello\r\n"
REMOTE, REMOTE2 = "bob@remote.test", "eve@remote.test"
LOCAL, NOBODY = "carol@house.test", "nobody@house.test"
FAILED = dict(action="failed", dsn="5.1.1", code=550, text="no such user")
SENT = dict(action="delivered", dsn="2.0.0", code=250, text="ok")
LATER = dict(action="deferred", dsn="4.2.0", code=450, text="come back")


class Agent:
    """A delivery agent that remembers what it is asked for."""

    def __init__(self):
        self.asked = []      # (queue id, address)
        self.requests = []   # (request, queue id, {index: address})
        self.acks = []
        self.kept = []       # ("result" or "pending", fields): at `collect`
        self.answers = {}    # by address; None: no answer ever
        self.drop = 0        # ends that many connections with a request
        self.quits = False   # ends each connection with a `collect`
        self.told = threading.Event()  # whether `collect` is answered
        self.told.set()

    def __call__(self, c):
        to = {}
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            if name == "collect":
                self.told.wait(20)
                if self.quits:
                    return
                for kind, fields in self.kept:
                    c.send(kind, **fields)
                c.send("collected", epoch=f["epoch"])
            elif name == "deliver":
                head, to = f, {}
            elif name == "deliver_to":
                to[int(f["index"])] = f
            elif name == "deliver_end":
                fd, = c.fds
                os.close(fd)
                c.fds = []
                if not self.deliver(c, head, to):
                    return
            elif name == "deliver_ack":
                self.acks.append(int(f["request"]))

    def deliver(self, c, head, to):
        qid, number = head["queue_id"], int(head["request"])
        self.requests.append(
            (number, qid, {i: t["address"] for i, t in to.items()}))
        self.asked += [(qid, t["address"]) for t in to.values()]
        if self.drop > 0:
            self.drop -= 1
            return False
        for index, t in to.items():
            answer = self.answers.get(t["address"], SENT)
            if answer is not None:
                c.send("result", **result(number, qid, index, answer))
        return True


def result(number, qid, index, answer):
    return dict(request=number, queue_id=qid, index=index, **answer,
                remote="", phase="", tls="", whole_hop=False)


class World:
    """Neighbours that outlive the queue manager between them."""

    def __init__(self, spool):
        self.spool = spool
        self.smtp, self.local = Agent(), Agent()
        self.resolved = []
        self.notices = []  # (queue id, round, kind, sender, addresses)
        self.bounce_answers = True
        self.manager = None

    def lookup(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            address = f["address"]
            self.resolved.append(address)
            here = address.endswith("@house.test")
            c.send("resolved", request=f["request"],
                   status="unknown" if address == NOBODY else "ok",
                   domain="mailbox" if here else "remote", is_alias=False,
                   transport="local" if here else "smtp",
                   nexthop=address.split("@")[1],
                   account=address if here else "", quota_storage=0,
                   quota_messages=0, code=0, dsn="", text="",
                   rule="reject_unlisted_recipient")

    def bounce(self, c):
        to = []
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            for fd in c.fds:
                os.close(fd)
            c.fds = []
            if name == "bounce":
                head, to = f, []
            elif name == "bounce_for":
                to.append(f["address"])
            elif name == "bounce_end":
                self.notices.append((head["queue_id"], int(head["round"]),
                                     head["kind"], head["sender"], to))
                if self.bounce_answers:
                    c.send("bounced", ok=True, queue_id="", text="")

    def start(self, **settings):
        def before(jail):
            self.fronts = {
                name: Front(os.path.join(jail, name), getattr(self, name))
                for name in ("lookup", "bounce", "smtp", "local")}
        self.manager = Daemon("qmgr", "qmgr", dict(
            dict(minimal_backoff_time="1s", maximal_backoff_time="1s"),
            **settings), self.spool, before=before)
        return self.manager

    def kill(self):
        """kill -9, and nobody has the connections any more."""
        if self.manager is None:
            return
        print(self.manager.log())
        self.manager.process.kill()
        self.manager.process.wait()
        for front in self.fronts.values():
            front.close()
        self.manager.close()
        self.manager = None


@pytest.fixture
def world():
    with tempfile.TemporaryDirectory(prefix="phd-", dir="/tmp") as top:
        os.chmod(top, 0o777)
        w = World(os.path.join(top, "spool"))
        make_spool(w.spool)
        yield w
        w.kill()


@pytest.fixture(scope="module")
def cleanup():
    with Cleanup("cleanup") as c:
        yield c


@pytest.fixture
def put(cleanup, world):
    """Queues a message, made by the real cleanup; its id."""
    def put(to, sender="a@far.test"):
        qid = cleanup.send(MESSAGE, to=to, sender=sender)["queue_id"]
        path = path_of(world.spool, qid)
        os.rename(path_of(cleanup.spool, qid), path)
        os.chmod(path, 0o666)  # as root, each daemon has a uid of its own
        return qid
    return put


def path_of(spool, qid):
    return os.path.join(spool, "queue", qid[-2:], qid)


def gone(world):
    wait_until(lambda: not queued(world.spool), 30)


def settle(what, seconds=1.5):
    """What stays true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert what()
        time.sleep(0.05)


# ---- the queue manager ----

def test_what_nobody_offered_is_delivered(world, put):
    ids = [put([LOCAL]), put([REMOTE])]
    world.start()
    gone(world)
    assert world.local.asked == [(ids[0], LOCAL)]
    assert world.smtp.asked == [(ids[1], REMOTE)]


@pytest.mark.parametrize("name,to", [("local", LOCAL), ("smtp", REMOTE)])
def test_the_file_stays_until_the_agent_has_answered(world, put, name, to):
    agent = getattr(world, name)
    agent.answers[to] = None
    qid = put([to])
    world.start()
    wait_until(lambda: agent.asked == [(qid, to)])
    settle(lambda: queued(world.spool), 0.5)
    world.kill()
    assert queued(world.spool)
    agent.answers[to] = SENT
    world.start()
    gone(world)
    assert agent.asked == [(qid, to)] * 2


def test_a_recipient_is_tried_again_when_its_agent_is_lost(world, put):
    world.local.drop = 2
    qid = put([LOCAL])
    world.start()
    gone(world)
    assert world.local.asked == [(qid, LOCAL)] * 3


def test_smtp_is_lost_with_all_it_knew(world, put):
    world.smtp.drop = 1
    qid = put([REMOTE, REMOTE2])
    world.start()
    gone(world)
    assert sorted(world.smtp.asked) == sorted(
        [(qid, REMOTE), (qid, REMOTE2)] * 2)


def test_smtp_goes_on_over_the_end_of_the_queue_manager(world, put):
    """What smtp still works on, or has the answer of, is not asked for
    again."""
    world.smtp.answers = {REMOTE: None, REMOTE2: None}
    qid = put([REMOTE, REMOTE2])
    other = put([LOCAL])
    world.start()
    wait_until(lambda: world.smtp.requests and world.local.asked and
               queued(world.spool) == [path_of(world.spool, qid)])
    number, _, to = world.smtp.requests[0]
    world.kill()
    index = {address: i for i, address in to.items()}
    world.smtp.kept = [
        ("result", result(number, qid, index[REMOTE], SENT)),
        ("pending", dict(queue_id=qid, request=number,
                         index=index[REMOTE2]))]
    world.smtp.told.clear()
    world.start()
    time.sleep(0.7)  # it must not go on by itself meanwhile
    world.smtp.told.set()
    settle(lambda: queued(world.spool) == [path_of(world.spool, qid)] and
           len(world.smtp.asked) == 2)
    assert other != qid and len(world.local.asked) == 1
    # smtp loses it: once more, that recipient alone.
    world.smtp.answers, world.smtp.kept = {}, []
    for c in world.fronts["smtp"].clients:
        c.sock.shutdown(2)
    gone(world)
    assert world.smtp.asked[2:] == [(qid, REMOTE2)]


def test_smtp_that_does_not_tell_delays_nothing_for_long(world, put):
    world.smtp.told.clear()
    put([LOCAL])
    world.start()
    wait_until(lambda: world.local.asked, 15)
    gone(world)


def test_smtp_that_comes_and_goes_delays_nothing_for_long(world, put):
    world.smtp.quits = True
    put([LOCAL])
    world.start()
    wait_until(lambda: world.local.asked, 30)
    gone(world)


def test_an_answer_that_comes_again_loses_nothing(world, put):
    """The failure stands in the file, its acknowledgement was lost, and the
    sender was not told yet."""
    world.smtp.answers[REMOTE] = FAILED
    world.bounce_answers = False
    qid = put([REMOTE])
    world.start()
    wait_until(lambda: world.notices)
    world.kill()
    world.smtp.kept = [
        ("result", result(world.smtp.requests[0][0], qid, 0, FAILED))]
    world.bounce_answers = True
    world.start()
    gone(world)
    assert world.smtp.asked == [(qid, REMOTE)]
    assert len(world.notices) == 2
    assert world.notices[0] == world.notices[1]


def test_one_notification_for_a_round(world, put):
    """All that fails together is told together, with the same number
    whenever it is asked for; the others go on."""
    world.smtp.answers = {REMOTE: FAILED, REMOTE2: SENT}
    world.bounce_answers = False
    qid = put([REMOTE, REMOTE2, LOCAL, NOBODY])
    world.start()
    wait_until(lambda: world.notices)  # when all have their outcome
    settle(lambda: len(world.notices) == 1, 0.5)
    world.kill()
    world.start()
    wait_until(lambda: len(world.notices) == 2)
    world.kill()
    world.bounce_answers = True
    world.start()
    gone(world)
    assert world.notices == [world.notices[0]] * 3
    assert world.notices[0][:1] + world.notices[0][2:4] == (
        qid, "failed", "a@far.test")
    assert sorted(world.notices[0][4]) == sorted([REMOTE, NOBODY])
    assert world.smtp.asked == [(qid, REMOTE), (qid, REMOTE2)]
    assert world.local.asked == [(qid, LOCAL)]


def test_the_null_sender_is_never_told(world, put):
    world.smtp.answers[REMOTE] = FAILED
    put([REMOTE, NOBODY], sender="")
    world.start()
    gone(world)
    time.sleep(0.2)
    assert world.notices == []


def test_an_offer_that_is_repeated_finds_what_was_done(world, put):
    """cleanup offers again what a lost queue manager may not have seen, before
    the walk has come by: one recipient has it already, one is on hold."""
    world.smtp.answers[REMOTE2] = LATER
    qid = put([REMOTE, REMOTE2])
    path = path_of(world.spool, qid)
    world.start(minimal_backoff_time="1h", maximal_backoff_time="1h")
    wait_until(lambda: len(world.smtp.acks) == 1)
    world.kill()
    os.rename(path, path + ".away")
    manager = world.start(minimal_backoff_time="1h",
                          maximal_backoff_time="1h")
    wait_until(lambda: "the queue holds 0 messages" in manager.log())
    os.rename(path + ".away", path)
    offer(manager, qid, path)
    settle(lambda: len(world.smtp.asked) == 2)
    assert queued(world.spool) == [path]


def test_the_queue_is_not_called_empty_before_it_is_read(world, put):
    """posthouse queue list and delete wait for the walk, not for ever."""
    qid = put([REMOTE])
    world.smtp.answers[REMOTE] = LATER
    world.smtp.told.clear()
    manager = world.start()
    c = manager.connect("qmgr")
    c.send("queue_ask", **queue_ask())
    time.sleep(0.5)
    world.smtp.told.set()
    rows = []
    while True:
        name, f = c.receive()
        if name == "queue_end":
            break
        rows.append(f["queue_id"])
    assert rows == [qid] and f["ok"] == "1"
    c.send("queue_ask", **queue_ask("delete", queue_id=qid))
    assert c.receive()[1]["count"] == "1"
    c.close()
    gone(world)


def test_an_offer_that_comes_late_is_no_new_message(world, put):
    qid = put([LOCAL])
    path = path_of(world.spool, qid)
    fd = os.open(path, os.O_RDWR)
    manager = world.start()
    gone(world)
    wait_until(lambda: "removed" in manager.log())
    offer(manager, qid, fd=fd)
    settle(lambda: len(world.resolved) == 1 and
           manager.log().count("queue active") == 1, 0.7)


def offer(manager, qid, path=None, fd=None):
    c = manager.connect("qmgr")
    fd = os.open(path, os.O_RDWR) if fd is None else fd
    c.send("offer", fds=[fd], queue_id=qid)
    os.close(fd)
    while True:
        name, f = c.receive()
        if name == "offered":
            assert f["queue_id"] == qid
            break
    c.close()


# ---- the whole suite ----

FAST = {"minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
        "dns_servers": "127.0.0.1:1"}


def send(house, subject, to, sender="a@far.test"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
        assert not s.sendmail(
            sender, to, "Subject: %s\r\n\r\nx\r\n" % subject)


def signal_all(house, name, number):
    pids = house.pids(name)
    assert pids
    for pid in pids:
        os.kill(pid, number)
    return pids


def test_stored_once_when_the_answer_is_lost():
    """local has stored it, and the queue manager dies before it reads
    that. Mail that is cut through has a test of its own."""
    with House(domain="once.test", users=1, settings=dict(
            FAST, cut_through_timeout="0")) as house:
        send(house, "warm", [house.user()])
        house.wait_empty_queue()
        signal_all(house, "local", signal.SIGSTOP)
        send(house, "once", [house.user()])
        house.logged("queue active", times=2)
        qid = re.findall(r"(\w{22}): from=.*queue active", house.log())[1]
        house.traced(qid, "scheduled")
        old = signal_all(house, "qmgr", signal.SIGSTOP)
        signal_all(house, "local", signal.SIGCONT)
        house.logged("status=sent", times=2)
        assert house.is_ours(old[0])
        os.kill(old[0], signal.SIGKILL)
        house.wait_empty_queue()
        assert subjects(house, 0) == ["warm", "once"]
        house.logged("delivered to mailbox before")


def test_each_recipient_has_its_own_fate():
    """Two messages to twelve: stored, over quota, unknown by now, deferred by
    the next host; one notification for each message."""
    with House(domain="fate.test", users=10, settings=dict(
            FAST, smtp_tcp_port=str(free_port()))) as house:
        far, dead = "x@[127.0.0.1]", "old@fate.test"
        house.posthouse("user", "add", dead, "--password", "x")
        house.posthouse("alias", "add", "team@fate.test", dead,
                        house.user(8))
        wait_until(lambda: rcpt(house, dead)[0] == 250 and
                   rcpt(house, "team@fate.test")[0] == 250)
        house.posthouse("service", "stop", "qmgr")
        to = [house.user(n) for n in range(8)] + [
            "team@fate.test", house.user(9), dead, far]
        assert len(to) == 12
        for subject in ("one", "two"):
            send(house, subject, to, sender=house.user(0))
        house.posthouse("user", "set", house.user(3), "quota=10")
        house.posthouse("user", "delete", dead)
        wait_until(lambda: rcpt(house, dead)[0] == 550)
        house.posthouse("service", "start", "qmgr")

        def told():
            """two notifications, of two recipients each"""
            found = {}
            for address in (house.user(3), dead, far):
                for action, status, _, message in bounces(house, address):
                    found.setdefault(message["Message-ID"], []).append(
                        (address, action, status))
            return list(found.values()) if sum(
                len(t) for t in found.values()) > 3 else None
        assert [sorted(t) for t in wait_until(told, 40)] == [
            sorted([(house.user(3), "failed", "5.2.2"),
                    (dead, "failed", "5.1.1")])] * 2
        for n in (0, 1, 2, 4, 5, 6, 7, 8, 9):
            got = [s for s in subjects(house, n) if s in ("one", "two")]
            assert sorted(got) == ["one", "two"], n
        assert subjects(house, 3) == []

        def left():
            """two messages that wait for the next host"""
            messages = house.queue()["messages"]
            return len(messages) == 2 and all(
                [(r["address"], r["state"]) for r in m["recipients"]] ==
                [(far, "deferred")] for m in messages) and messages
        for m in wait_until(left):
            assert "refused" in m["recipients"][0]["reason"]


def test_one_service_alone_during_traffic():
    with House(domain="alone.test", users=2, settings=FAST) as house:
        house.set("maximal_queue_lifetime", "1h")
        streams = [Stream(house, "t%d" % n, 10 ** 6) for n in range(2)]
        ended = threading.Event()
        for stream in streams:
            stream.goes_on = lambda: not ended.is_set()
            stream.start()
        try:
            for name in names(house):
                for verb in ("stop", "start", "restart"):
                    house.posthouse("service", verb, name)
        finally:
            ended.set()
            for stream in streams:
                stream.join(60)
        assert not any(s.is_alive() for s in streams)
        # What nobody could offer is found by the second walk.
        wait_until(lambda: not queued(os.path.join(house.dir, "spool")), 60)
        accepted = [m for s in streams for m in s.accepted]
        assert len(accepted) > 20
        for n in range(2):
            got = subjects(house, n)
            assert not set(accepted) - set(got)
            assert len(got) == len(set(got))
        assert all(house.pids(p) for p in ("qmgr", "local", "lookup"))


def names(house):
    return ["%s/%s" % (s["name"], s["type"])
            for s in house.json("service", "list")["services"]]
