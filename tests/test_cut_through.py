"""Cut-through: mail for our mailboxes is stored while its client waits, and
whatever happens meanwhile, nobody gets it twice and nothing is lost."""
import os
import re
import signal
import smtplib
import subprocess
import threading
import time

import pytest

from house import House, wait_until
from test_crash import subjects
from test_directory import expand

STORED = "cut_through_done"


@pytest.fixture(scope="module")
def house():
    settings = dict(dns_servers="127.0.0.1:1", minimal_backoff_time="1s",
                    maximal_backoff_time="2s", smtp_dns_tries="1",
                    smtp_dns_timeout="1s", qmgr_walk_interval="2s",
                    service_throttle_time="1s", cut_through_timeout="5s")
    with House(domain="cut.test", users=6, settings=settings) as h:
        # Nobody else has to start first when the tests count.
        goes_through(h)
        yield h


def goes_through(house):
    """Mail is stored while its client waits: all that it takes runs, and no
    process of cleanup is in its pause for a silence."""
    def stored():
        """a message that is cut through"""
        before = count(house, STORED)
        assert send(house, "warm", [house.user(5)]) is None
        return count(house, STORED) > before
    wait_until(stored, 60, 0.2)


def send(house, subject, to, sender="a@x.test", options=()):
    """None, or what the server said against it: (code, text)."""
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        try:
            s.ehlo("client.test")
            s.sendmail(sender, to, "Subject: %s\r\nMessage-ID: <%s@x.test>"
                       "\r\n\r\n%s\r\n" % (subject, subject, subject),
                       rcpt_options=options)
        except smtplib.SMTPDataError as e:
            return e.smtp_code, e.smtp_error.decode()
        except smtplib.SMTPRecipientsRefused as e:
            return next(iter(e.recipients.values()))


def send_lmtp(house, subject, to):
    """The replies to the final dot, one for each recipient."""
    with smtplib.LMTP("127.0.0.1", house.lmtp, timeout=60) as s:
        s.ehlo()
        s.mail("a@x.test")
        for address in to:
            assert s.rcpt(address)[0] == 250
        first = s.data("Subject: %s\r\n\r\nx\r\n" % subject)
        return [first] + [s.getreply() for _ in to[1:]]


def add_user(house, address, *settings):
    """A user that is known to everybody when this returns."""
    house.posthouse("user", "add", address, "--password", "secret", *settings)

    def known():
        """the new user"""
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
            s.ehlo()
            s.mail("a@x.test")
            return s.rcpt(address)[0] == 250
    wait_until(known)


class Sender(threading.Thread):
    def __init__(self, *args, **kw):
        super().__init__()
        self.args, self.kw, self.said = args, kw, "nothing yet"
        self.start()

    def run(self):
        self.said = send(*self.args, **self.kw)

    def outcome(self):
        self.join(60)
        assert not self.is_alive()
        return self.said


def count(house, name):
    """A counter, over the services that have one of that name."""
    return sum(s.get("counters", {}).get(name, 0)
               for s in house.json("status")["services"])


def copies(house, subject, n=0):
    return subjects(house, n).count(subject)


def spool_files(house):
    return [os.path.join(path, name)
            for top in ("new", "queue", "corrupt")
            for path, _, names in os.walk(
                os.path.join(house.dir, "spool", top)) for name in names]


def queue_id(house, subject):
    """Of a message that send() sent, by its line in the log."""
    def said():
        """the line of cleanup about it"""
        return re.search(r" (\w{22}): message-id=<%s@x\.test>" % subject,
                         house.log())
    return wait_until(said).group(1)


def lines(house, qid):
    """The log lines of a message, when it is through."""
    house.logged(qid + ": removed")
    return [x for x in house.log().splitlines() if qid + ":" in x]


def under_way(house):
    """A message that waits for its verdict is on its way to its agent; its
    queue id."""
    path, = wait_until(lambda: proposed(house))
    qid = os.path.basename(path)
    house.traced(qid, "scheduled")
    return qid


class Stopped:
    """All processes of a daemon, stopped; go() lets them go on."""

    def __init__(self, house, name):
        self.house, self.name = house, name

    def __enter__(self):
        self.pids = self.house.pids(self.name)
        assert self.pids
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        return self

    def go(self):
        for pid in self.pids:
            if self.house.is_ours(pid):
                os.kill(pid, signal.SIGCONT)
        self.pids = []

    def __exit__(self, kind, value, trace):
        self.go()


def proposed(house):
    """A message stands in new/ and waits for its verdict."""
    return [f for f in spool_files(house) if "/new/" in f]


# ---- the plain way ----


def test_stored_and_never_queued(house):
    before = count(house, STORED)
    wanted = "cut_through_declined"
    declined = count(house, wanted)
    assert send(house, "plain", [house.user(0)]) is None
    # 250 was said: it is there now, and nothing else is.
    assert copies(house, "plain") == 1
    assert spool_files(house) == []
    assert count(house, STORED) == before + 1
    assert count(house, wanted) == declined
    # The log tells of it as of queued mail.
    qid = queue_id(house, "plain")
    words = ("client=", "(queue active)",
             "status=sent (delivered to mailbox)", "removed")
    wait_until(lambda: all(w in str(lines(house, qid)) for w in words))
    story = "\n".join(lines(house, qid))
    assert all(story.count(w) == 1 for w in words + ("message-id=",)), story
    # pflogsumm(1) wants to know from whom before to whom. smtpd hears the id
    # last.
    assert [story.index(w) for w in words[1:]] == sorted(
        story.index(w) for w in words[1:]), story
    # Nobody holds on to the space of the file.
    wait_until(lambda: not [
        link for pid in house.pids() for link in descriptors(pid)
        if "/spool/new/" in link])


def descriptors(pid):
    links = []
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            try:
                links.append(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
            except OSError:
                pass
    except OSError:
        pass
    return links


def test_trace_tells_it(house):
    assert send(house, "traced", [house.user(1)]) is None
    qid = queue_id(house, "traced")

    def told():
        """the whole way in the trace"""
        text = house.posthouse("trace", qid, check=False).stdout
        return all(word in text for word in (
            "accepted", "goes by local", "stored", "delivered",
            "removed from the queue", "state: delivered"))
    wait_until(told)


def test_several_recipients_and_lmtp(house):
    before = count(house, STORED)
    to = [house.user(n) for n in range(3)]
    assert send(house, "three", to) is None
    assert {code for code, _ in send_lmtp(house, "three-l", to)} == {250}
    for n in range(3):
        assert copies(house, "three", n) == 1
        assert copies(house, "three-l", n) == 1
    assert count(house, STORED) == before + 2 and spool_files(house) == []


# ---- refusals ----


def test_full_mailbox_is_refused_in_the_session(house):
    add_user(house, "full@cut.test", "messages=1")
    add_user(house, "full2@cut.test", "messages=1")
    both = ["full@cut.test", "full2@cut.test"]
    assert send(house, "fits", both) is None
    before = house.log().count("non-delivery")
    code, text = send(house, "over", both[:1])
    assert (code, text) == (552, "5.2.2 <full@cut.test>: mailbox full")
    # By LMTP each of them, in the same words.
    assert send_lmtp(house, "over", both) == [
        (552, b"5.2.2 mailbox full")] * 2
    assert spool_files(house) == []
    assert house.queue()["messages"] == []
    assert house.log().count("non-delivery") == before
    # Nobody is said to have bounced: the client was told.
    house.logged("to=<full@cut.test>, relay=local, delay=")
    assert "status=bounced (mailbox full)" not in house.log()
    house.logged("552 5.2.2 <full@cut.test>: mailbox full")


@pytest.mark.parametrize("sender,options", [
    ("", ()), ("a@x.test", ("NOTIFY=NEVER",))])
def test_nobody_to_tell_but_the_client(house, sender, options):
    """A notification from elsewhere is not taken and then dropped."""
    address = "full-%d@cut.test" % len(options)
    add_user(house, address, "messages=1")
    assert send(house, "fits", [address]) is None
    code, text = send(house, "over", [address], sender, options)
    assert (code, text) == (552, "5.2.2 <%s>: mailbox full" % address)
    assert spool_files(house) == []
    # Some have it: what the others do not get is dropped, and said.
    subject = "mixed-%d" % len(options)
    assert send(house, subject, [address, house.user(1)], sender,
                options) is None
    house.wait_empty_queue()
    assert copies(house, subject, 1) == 1
    wait_until(lambda: re.findall(
        r"to=<%s>, relay=local, delay=\S+, delays=\S+, dsn=5.2.2, "
        r"status=bounced \(mailbox full\)" % address, house.log()))
    if not sender:
        house.logged("to=<%s>, a bounce never bounces: dropped (5.2.2 "
                     "mailbox full)" % address)


def test_full_for_now(house):
    """quota_full_tempfail: 452, the client keeps it."""
    add_user(house, "later@cut.test", "messages=1")
    house.set("quota_full_tempfail", "yes")
    house.posthouse("reload")
    try:
        assert send(house, "fits", ["later@cut.test"]) is None
        # A process of before may have one more.
        wait_until(lambda: send(house, "over", ["later@cut.test"])[0] == 452)
        code, text = send(house, "over", ["later@cut.test"])
        assert (code, text[:5]) == (452, "4.2.2")
        assert spool_files(house) == []
    finally:
        house.set("quota_full_tempfail", "no")
        house.posthouse("reload")


def test_one_full_and_one_not(house):
    """Some have it: accepted, and the sender is told of the others."""
    add_user(house, "mixed@cut.test", "messages=1")
    assert send(house, "fits", ["mixed@cut.test"]) is None
    mixed = count(house, "cut_through_commit_mixed")
    assert send(house, "mix", ["mixed@cut.test", house.user(1)],
                sender=house.user(2)) is None
    house.wait_empty_queue()
    assert count(house, "cut_through_commit_mixed") == mixed + 1
    assert copies(house, "mix", 1) == 1
    wait_until(lambda: len(re.findall(
        r"to=<mixed@cut.test>, relay=local, delay=\S+, delays=\S+, dsn=5.2.2, "
        r"status=bounced \(mailbox full\)", house.log())) == 1)
    assert copies(house, "Undelivered", 2) == 1
    # The one who has it was not tried twice.
    story = "\n".join(x for x in house.log().splitlines()
                      if "to=<%s>" % house.user(1) in x)
    assert "delivered to mailbox before" not in story


# ---- what takes the queue ----


@pytest.mark.parametrize("what", ["remote", "alias", "success"])
def test_what_is_queued(house, what):
    before = count(house, STORED)
    to, options = [house.user(3)], ()
    if what == "remote":
        to.append("somebody@[127.0.0.1]")
    elif what == "alias":
        add_user(house, "away@cut.test")
        house.posthouse("alias", "add", "away@cut.test",
                        "somebody@[127.0.0.1]", house.user(3))
        # Until lookup sees it.
        wait_until(lambda: len(expand(house, "away@cut.test")[1]) == 2)
        to = ["away@cut.test"]
    else:
        options = ("NOTIFY=SUCCESS",)
    assert send(house, what, to, sender=house.user(4),
                options=options) is None
    wait_until(lambda: copies(house, what, 3) == 1)
    house.posthouse("queue", "delete", "ALL", check=False)
    house.wait_empty_queue()
    assert count(house, STORED) == before


@pytest.mark.parametrize("setting,counter", [
    (dict(cut_through_timeout="0"), None),
    (dict(qmgr_cut_through_limit="0"), "cut_through_commit_load")])
def test_switched_off(setting, counter):
    with House(domain="off.test", users=1, settings=setting) as h:
        assert send(h, "one", [h.user(0)]) is None
        wait_until(lambda: copies(h, "one") == 1)
        h.wait_empty_queue()
        assert count(h, STORED) == 0 and spool_files(h) == []
        if counter is not None:
            assert count(h, counter) == 1


# ---- neighbours in trouble ----


def test_local_stopped(house):
    """The client does not wait for it longer than cut_through_timeout."""
    with Stopped(house, "local") as local:
        assert send(house, "hung", [house.user(0)]) is None
        assert [f for f in spool_files(house) if "/queue/" in f]
        assert count(house, "cut_through_commit_late") >= 1
        local.go()
    house.wait_empty_queue()
    assert copies(house, "hung") == 1 and spool_files(house) == []


def test_qmgr_stopped(house):
    with Stopped(house, "qmgr") as qmgr:
        assert send(house, "silent", [house.user(0)]) is None
        qmgr.go()
    wait_until(lambda: copies(house, "silent") == 1)
    house.wait_empty_queue()
    assert copies(house, "silent") == 1 and spool_files(house) == []


def kill(house, name):
    for pid in house.pids(name):
        os.kill(pid, signal.SIGKILL)


def rested(house):
    """cleanup asks again: no process of it is in its pause for silence."""
    house.posthouse("service", "restart", "cleanup")
    goes_through(house)


def test_qmgr_killed_in_the_midst(house):
    rested(house)
    with Stopped(house, "local") as local:
        s = Sender(house, "orphan", [house.user(0), house.user(1)])
        under_way(house)
        kill(house, "qmgr")
        assert s.outcome() is None
        local.go()
    wait_until(lambda: copies(house, "orphan", 1) == 1)
    house.wait_empty_queue()
    assert copies(house, "orphan", 0) == copies(house, "orphan", 1) == 1
    assert spool_files(house) == []


def test_cleanup_killed_before_the_verdict(house):
    """The client hears 451 and may come again; the queue manager forgets."""
    rested(house)
    with Stopped(house, "local") as local:
        s = Sender(house, "half", [house.user(0)])
        under_way(house)
        kill(house, "cleanup")
        code, text = s.outcome()
        assert code == 451, text
        local.go()
    wait_until(lambda: copies(house, "half") == 1)  # it was under way
    assert house.queue()["messages"] == []
    # What was left in new/ is swept by age; nothing else remains.
    left = spool_files(house)
    assert len(left) == 1 and "/new/" in left[0]
    wait_until(lambda: not [
        link for pid in house.pids("qmgr") for link in descriptors(pid)
        if "/spool/new/" in link])
    os.unlink(left[0])
    rested(house)
    assert copies(house, "half") == 1


def test_local_killed_in_the_midst(house):
    """Whether it had stored it is not known: queued, and delivered once."""
    rested(house)
    before = count(house, "cut_through_commit_lost")
    with Stopped(house, "local"):
        s = Sender(house, "killed", [house.user(0)])
        under_way(house)
        kill(house, "local")
        assert s.outcome() is None
    house.wait_empty_queue()
    assert count(house, "cut_through_commit_lost") == before + 1
    assert copies(house, "killed") == 1 and spool_files(house) == []


def test_queue_manager_restarted_under_load(house):
    rested(house)
    stop = time.monotonic() + 4
    marks = []

    def stream(k):
        n = 0
        while time.monotonic() < stop:
            mark = "load-%d-%d" % (k, n)
            if send(house, mark, [house.user(0), house.user(1)]) is None:
                marks.append(mark)
            n += 1
    threads = [threading.Thread(target=stream, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for _ in range(3):
        time.sleep(0.8)
        house.posthouse("service", "restart", "qmgr")
    for t in threads:
        t.join(60)
    house.wait_empty_queue()
    assert marks
    for n in range(2):
        got = [s for s in subjects(house, n) if s.startswith("load-")]
        # What was not accepted may have come all the same, once.
        assert not set(marks) - set(got), n
        assert len(got) == len(set(got)), n


# ---- the operator ----


def test_the_operator_sees_it_when_it_is_queued(house):
    rested(house)
    with Stopped(house, "local") as local:
        s = Sender(house, "held", [house.user(0)])
        qid = under_way(house)
        listed = house.queue()["messages"]
        done = [house.posthouse("queue", verb, qid, check=False)
                for verb in ("hold", "delete")]
        if s.is_alive():  # all that was said before its time was over
            assert listed == []
            for d in done:
                assert d.returncode != 0 and "no such message" in (
                    d.stdout + d.stderr)
        assert s.outcome() is None
        wait_until(lambda: qid in str(house.queue()["messages"]))
        # What local has already cannot be taken back, what is new can.
        assert send(house, "held-too", [house.user(0)]) is None
        second = queue_id(house, "held-too")
        wait_until(lambda: second in str(house.queue()["messages"]))
        house.posthouse("queue", "hold", second)
        local.go()
        wait_until(lambda: copies(house, "held") == 1)
    house.posthouse("queue", "release", "ALL", check=False)
    house.wait_empty_queue()
    assert copies(house, "held") == 1


def traced_by(pid, tracer):
    """Or ended meanwhile."""
    try:
        with open("/proc/%s/status" % pid) as f:
            return "TracerPid:\t%d\n" % tracer in f.read()
    except OSError:
        return True


def test_one_sync_for_a_message(house):
    """Of all daemons together, as strace(1) sees them."""
    if os.geteuid() != 0 or subprocess.run(
            ["sh", "-c", "strace -o/dev/null true"],
            capture_output=True).returncode != 0:
        pytest.skip("needs strace, of processes that nobody else may look at")
    rested(house)
    out = os.path.join(house.dir, "syncs")
    pids = [a for pid in house.pids() for a in ("-p", str(pid))]
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range",
         "-o", out] + pids)
    try:
        wait_until(lambda: all(traced_by(pid, tracer.pid)
                               for pid in pids[1::2]))
        assert send(house, "counted", [house.user(5)]) is None
    finally:
        tracer.terminate()
        tracer.wait()
    assert copies(house, "counted", 5) == 1
    calls = [x for x in open(out) if "sync" in x and "resumed" not in x]
    assert len(calls) == 1 and "fdatasync" in calls[0], calls
