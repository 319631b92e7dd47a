"""cleanup by hand, between a lookup, an auth and a qmgr of our own: what it
puts into the queue, what it refuses, and what dead neighbours do to it."""
import email
import os
import re
import shutil
import subprocess
import time

import pytest

from house import wait_until
from ipc_fake import Daemon, Front, QueueFile, make_spool, queued

SESSION = "06G5K3Z9Q4ABCDEFGHJKMN"


class Neighbours:
    """A directory with aliases, an auth with one ticket, a qmgr."""

    def __init__(self, jail):
        self.jail = jail
        self.aliases = {}     # address: list, or (status, text)
        self.ticket = ("T" * 32, "alice@house.test")
        self.redeemed = self.expanded = 0
        self.offers, self.proposals = [], []
        self.answer_offers = True
        self.behind = False
        # What qmgr says to a proposal; None: nothing.
        self.verdict = dict(verdict="commit", code=250, dsn="2.0.0", text="")
        self.fronts = {}
        for name in ("lookup", "auth", "qmgr"):
            self.start(name)

    def start(self, name):
        self.fronts[name] = Front(os.path.join(self.jail, name),
                                  getattr(self, name))

    def stop(self, name):
        self.fronts.pop(name).close()

    def close(self):
        for front in self.fronts.values():
            front.close()

    def lookup(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            assert name == "expand", name
            self.expanded += 1
            to = self.aliases.get(f["address"], [f["address"]])
            status, text = "ok", ""
            if isinstance(to, tuple):
                (status, text), to = to, []
            for address in to:
                here = f["mailboxes"] == "1" and \
                    address.endswith(("@b.test", "@house.test"))
                c.send("expanded", request=f["request"], address=address,
                       account=address if here else "",
                       nexthop="b.test" if here else "",
                       quota_storage=0, quota_messages=0, forwarded=False)
            c.send("expand_end", request=f["request"], status=status,
                   count=len(to), text=text)

    def auth(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            assert name == "auth_redeem" and f["service"] == "submission"
            self.redeemed += 1
            ok = f["ticket"] == self.ticket[0]
            c.send("auth_redeemed", request=f["request"], ok=ok,
                   login=self.ticket[1] if ok else "",
                   **{"pass": "", "key": ""})

    def qmgr(self, c):
        to = []
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            if name == "propose_to":
                to.append(f)
                continue
            fds, c.fds = c.fds, []
            if name == "propose":
                assert int(f["count"]) == len(to)
                assert [int(t["index"]) for t in to] == list(range(len(to)))
                assert all("@" in t["account"] for t in to)
                to.clear()
                self.judge(c, f["queue_id"], fds)
                continue
            assert name == "offer"
            for fd in fds:
                data = os.pread(fd, os.fstat(fd).st_size, 0)
                assert QueueFile(data).id == f["queue_id"]
                assert os.pwrite(fd, data[256:320], 256) == 64
                os.close(fd)
            self.offers.append((f["queue_id"], len(fds)))
            if self.answer_offers:
                c.send("offered", queue_id=f["queue_id"],
                       behind=self.behind)

    def judge(self, c, queue_id, fds):
        self.proposals.append(queue_id)
        fd, = fds
        # All of the file is there, and slots may be written.
        data = os.pread(fd, os.fstat(fd).st_size, 0)
        assert QueueFile(data).id == queue_id
        assert os.pwrite(fd, data[256:320], 256) == 64
        os.close(fd)
        if self.verdict == "gone":
            raise OSError
        if self.verdict is not None:
            c.send("verdict", queue_id=queue_id, **self.verdict)


class Cleanup:
    def __init__(self, service, settings=None, spool=None, inject=None):
        self.daemon = Daemon("cleanup", service, settings, spool, inject)
        self.spool = self.daemon.spool
        self.neighbours = Neighbours(self.daemon.jail)
        self.origin = {"cleanup": "mx", "cleanup-submit": "submission",
                       "cleanup-internal": "local"}[service]
        self.c = self.daemon.connect("cleanup")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.daemon.log())
        self.c.close()
        self.neighbours.close()
        self.daemon.close()

    def begin(self, c=None, **changes):
        fields = dict(origin=self.origin, session=SESSION, queue_id="",
                      sender="alice@house.test", helo="client.test",
                      client_name="client.test", client_address="192.0.2.7",
                      client_port=4711, uid=0, protocol="ESMTP", tls="", login="",
                      ticket="", envid="", ret="", body="7BIT",
                      smtputf8=False)
        if self.origin == "submission":
            fields.update(protocol="ESMTPSA", login="alice@house.test",
                          ticket="T" * 32)
        fields.update(changes)
        (c or self.c).send("message", **fields)

    def send(self, content, to=("bob@house.test",), piece=50000, c=None,
             size=None, verdict=None, **changes):
        c = c or self.c
        self.begin(c, **changes)
        for r in to:
            r = dict(address=r) if isinstance(r, str) else r
            c.send("recipient", address=r["address"],
                   original=r.get("original", ""),
                   notify=r.get("notify", ""))
        for at in range(0, len(content), piece):
            part = content[at:at + piece]
            c.send("content", length=len(part))
            c.send_bytes(part)
        if verdict is not None:
            c.send("verdict", **dict(dict(results="", received_spf="", arc="",
                                          junk=False, inside=False),
                                     **verdict))
        c.send("commit", size=len(content) if size is None else size)
        name, outcome = c.receive()
        assert name == "outcome"
        return outcome

    def file(self, outcome):
        assert outcome["accepted"] == "1", outcome
        path = os.path.join(self.spool, "queue", outcome["queue_id"][-2:],
                            outcome["queue_id"])
        with open(path, "rb") as f:
            return QueueFile(f.read())

    def new_is_empty(self):
        return os.listdir(os.path.join(self.spool, "new")) == []


MESSAGE = b"From: alice@house.test\r\nSubject: hi\r\n\r\nhello\r\n.dot\r\n"


def test_mail_from_another_host():
    with Cleanup("cleanup") as h:
        out = h.send(MESSAGE, tls="TLSv1.3 with cipher X (256/256 bits)",
                     protocol="ESMTPS", envid="E1", ret="HDRS",
                     to=[dict(address="bob@house.test",
                              original="rfc822;b@x.test",
                              notify="SUCCESS,DELAY")])
        assert (out["code"], out["dsn"]) == ("250", "2.0.0")
        q = h.file(out)
        assert q.body == b"hello\r\n.dot\r\n"
        head = q.header.decode()
        assert head.startswith(
            "Received: from client.test (client.test [192.0.2.7])\r\n"
            "\t(using TLSv1.3 with cipher X (256/256 bits))\r\n"
            "\tby mail.house.test (Posthouse) with ESMTPS id %s\r\n"
            "\tfor <bob@house.test>; " % out["queue_id"])
        assert head.endswith("From: alice@house.test\r\nSubject: hi\r\n\r\n")
        # Nothing but Received is added to mail of others.
        assert head.count("\n") == 7
        assert q.texts["S"] == "alice@house.test" and q.texts["s"] == SESSION
        assert q.texts["E"] == "E1" and q.texts["T"] == "HDRS"
        assert q.texts["o"] == "mx"
        assert q.texts["c"] == "client.test[192.0.2.7]"
        assert q.recipients == [dict(address="bob@house.test",
                                     original="rfc822;b@x.test", notify=10)]
        assert abs(q.arrived - time.time()) < 60
        wait_until(lambda: h.neighbours.offers == [(out["queue_id"], 1)])
        assert h.new_is_empty()
        # The same connection serves on; bodies of all sizes stay exact.
        for size in (0, 1, 65535, 65536, 65537, 3000000):
            body = (b"x" * 70 + b"\r\n") * (size // 72)
            body += b"y" * (size - len(body))
            q = h.file(h.send(b"A: b\r\n\r\n" + body, to=["a@b", "c@d"]))
            assert q.body == body
            assert b"\tfor <" not in q.header


FORGED = (b"Authentication-Results: mail.house.test; dmarc=pass\r\n"
          b"Authentication-Results: other.test; dmarc=pass\r\n")


def test_a_verdict():
    with Cleanup("cleanup") as h:
        q = h.file(h.send(FORGED + MESSAGE, verdict=dict(
            results="mail.house.test;\r\n\tspf=fail smtp.helo=x",
            received_spf="fail", arc="none", junk=True)))
        assert q.header.startswith(
            b"Authentication-Results: mail.house.test;\r\n"
            b"\tspf=fail smtp.helo=x\r\nReceived-SPF: fail\r\nReceived: ")
        assert b"dmarc=pass" in q.header and q.header.count(b"house.test; ") == 0
        assert q.texts["J"] == "\1"
        # Nothing of it stays for the next message, and who is not checked
        # may not speak in our name either.
        q = h.file(h.send(FORGED + MESSAGE))
        assert "J" not in q.texts and q.header.startswith(b"Received: ")
        assert q.header.count(b"Authentication-Results") == 1
        # Our own hosts may.
        q = h.file(h.send(FORGED + MESSAGE, verdict=dict(inside=True)))
        assert q.header.count(b"Authentication-Results") == 2
        # What would break out of the field ends the connection.
        for bad in ("a\r\nBcc: x", "a\r\n\r\n b", "a\rb", "\n"):
            with pytest.raises((TypeError, OSError)):
                h.send(MESSAGE, verdict=dict(results=bad))
            h.c.close()
            h.c = h.daemon.connect("cleanup")


@pytest.mark.parametrize("service", ["cleanup-submit",
                                     "cleanup-internal"])
def test_forged_results_of_others(service):
    with Cleanup(service) as h:
        q = h.file(h.send(FORGED + MESSAGE))
        left = 2 if service == "cleanup-internal" else 1
        assert q.header.count(b"Authentication-Results") == left
        if service == "cleanup-submit":
            q = h.file(h.send(FORGED + MESSAGE,
                              verdict=dict(results="mail.house.test; none")))
            assert q.header.startswith(
                b"Authentication-Results: mail.house.test; none\r\n")


def test_header_in_pieces_and_without_end():
    with Cleanup("cleanup") as h:
        for piece in (1, 2, 7):
            q = h.file(h.send(b"A: b\r\n c\r\n\r\nbody\r\n", piece=piece))
            assert q.header.endswith(b"\r\nA: b\r\n c\r\n\r\n")
            assert q.body == b"body\r\n"
        q = h.file(h.send(b"A: b\r\nno field\r\nC: d\r\n"))
        assert q.header.endswith(b"A: b\r\n\r\n")
        assert q.body == b"no field\r\nC: d\r\n"
        q = h.file(h.send(b""))
        assert q.body == b""


def test_submission_is_completed():
    with Cleanup("cleanup-submit") as h:
        q = h.file(h.send(MESSAGE.replace(
            b"\r\n\r\n", b"\r\nBcc: x@y\r\nReturn-Path: <z@z>\r\n\r\n", 1)))
        m = email.message_from_bytes(q.message)
        assert m["Bcc"] is None and m["Return-Path"] is None
        assert m["Message-ID"] == "<%s@mail.house.test>" % q.id
        assert m["Date"] and m["From"] == "alice@house.test"
        assert "with ESMTPSA id" in m["Received"]
        assert q.texts["l"] == "alice@house.test"
        out = h.send(b"Subject: no author\r\n\r\nx\r\n")
        assert (out["accepted"], out["code"], out["dsn"]) == (
            "0", "550", "5.6.0")
        assert len(queued(h.spool)) == 1 and h.new_is_empty()


def test_ticket():
    with Cleanup("cleanup-submit", dict(cleanup_ticket_reuse="60s")) as h:
        for _ in range(3):
            h.file(h.send(MESSAGE))
        assert h.neighbours.redeemed == 1
    with Cleanup("cleanup-submit", dict(cleanup_ticket_reuse="1s")) as h:
        h.file(h.send(MESSAGE))
        time.sleep(1.1)  # it is older then, however slow this machine is
        h.file(h.send(MESSAGE))
        assert h.neighbours.redeemed == 2
        # Another's login, no ticket, a wrong one, a revoked one.
        for changes, code in ((dict(login="eve@house.test"), "554"),
                              (dict(ticket=""), "554"),
                              (dict(ticket="X" * 32), "451")):
            out = h.send(MESSAGE, **changes)
            assert (out["accepted"], out["code"]) == ("0", code), changes
        h.neighbours.ticket = ("U" * 32, "alice@house.test")
        time.sleep(1.1)
        assert h.send(MESSAGE)["code"] == "451"
        h.neighbours.stop("auth")
        out = h.send(MESSAGE)
        assert (out["code"], out["dsn"]) == ("451", "4.3.0")
        h.neighbours.ticket = ("T" * 32, "alice@house.test")
        h.neighbours.start("auth")
        h.file(h.send(MESSAGE))


@pytest.mark.parametrize("service,changes", [
    ("cleanup", dict(origin="submission")),
    ("cleanup", dict(origin="bounce")),
    ("cleanup", dict(queue_id="0" * 22)),
    ("cleanup", dict(sender="a@b\r\nRCPT TO:<x@y>")),
    ("cleanup", dict(session="short")),
    ("cleanup-submit", dict(origin="mx")),
    ("cleanup-internal", dict(origin="mx")),
    ("cleanup-internal", dict(queue_id="I" * 22)),
])
def test_what_may_not_enter(service, changes):
    with Cleanup(service) as h:
        h.begin(**changes)
        try:
            h.c.send("recipient", address="a@b", original="", notify="")
            assert h.c.receive() is None
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert queued(h.spool) == [] and h.new_is_empty()
        # The daemon lives.
        h.c = h.daemon.connect("cleanup")
        h.file(h.send(MESSAGE))


def test_loop_limit():
    with Cleanup("cleanup", dict(hopcount_limit=3)) as h:
        hop = b"Received: by x; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
        h.file(h.send(hop * 3 + MESSAGE))
        out = h.send(hop * 4 + MESSAGE)
        assert (out["code"], out["dsn"]) == ("554", "5.4.6")
        assert len(queued(h.spool)) == 1 and h.new_is_empty()


def test_header_and_message_size():
    settings = dict(header_size_limit=16384, message_size_limit=100000)
    with Cleanup("cleanup", settings) as h:
        h.file(h.send(b"A: " + b"x" * 16000 + b"\r\n\r\n"))
        for content in (b"A: " + b"x" * 16400 + b"\r\n\r\n",
                        b"A: b\r\n\r\n" + b"x" * 100000):
            out = h.send(content)
            assert (out["code"], out["dsn"]) == ("552", "5.3.4")
        assert len(queued(h.spool)) == 1 and h.new_is_empty()
        out = h.send(MESSAGE, size=7)
        assert out["code"] == "451"
        h.file(h.send(MESSAGE))


def test_aliases():
    with Cleanup("cleanup", dict(cleanup_recipient_limit=100)) as h:
        a = h.neighbours.aliases
        a["info@house.test"] = ["bob@house.test", "carol@else.test"]
        a["all@house.test"] = ["bob@House.Test", "dave@house.test"]
        a["nobody@house.test"] = []
        a["loop@house.test"] = ("refused", "alias loop")
        a["away@house.test"] = ("temporary", "directory is away")
        a["many@house.test"] = ["u%d@x.test" % i for i in range(101)]
        q = h.file(h.send(MESSAGE, to=["info@house.test"]))
        assert q.addresses() == ["bob@house.test", "carol@else.test"]
        # The trace keeps who was named first; so does Received.
        assert q.recipients[0]["original"] == "rfc822;info@house.test"
        assert b"\tfor <info@house.test>" in q.header
        q = h.file(h.send(MESSAGE, to=[
            dict(address="bob@house.test", original="rfc822;B@y",
                 notify="NEVER"), "info@house.test", "all@house.test",
            "Bob@house.test"]))
        assert q.addresses() == ["bob@house.test", "carol@else.test",
                                 "dave@house.test", "Bob@house.test"]
        assert q.recipients[0] == dict(address="bob@house.test",
                                       original="rfc822;B@y", notify=1)
        for who, code, dsn in (("nobody", "554", "5.4.6"),
                               ("loop", "554", "5.4.6"),
                               ("away", "451", "4.3.0"),
                               ("many", "452", "4.5.3")):
            out = h.send(MESSAGE, to=["x@y.test", who + "@house.test"])
            assert (out["code"], out["dsn"]) == (code, dsn), out
        # An address without a domain gets ours.
        q = h.file(h.send(MESSAGE, to=["postmaster"]))
        assert q.addresses() == ["postmaster@house.test"]
        many = ["u%d@x.test" % i for i in range(90)]
        assert h.file(h.send(MESSAGE, to=many)).addresses() == many


def test_many_recipients():
    with Cleanup("cleanup") as h:
        many = ["u%d@x.test" % i for i in range(5000)]
        q = h.file(h.send(MESSAGE, to=many))
        assert q.addresses() == many
        assert len(q.slots) == 5000


def test_lookup_away_and_back():
    with Cleanup("cleanup") as h:
        h.file(h.send(MESSAGE))
        h.neighbours.stop("lookup")
        out = h.send(MESSAGE)
        assert (out["code"], out["dsn"]) == ("451", "4.3.0")
        h.neighbours.start("lookup")
        h.file(h.send(MESSAGE))
        # It was restarted meanwhile: the kept connection is dead.
        h.neighbours.stop("lookup")
        h.neighbours.start("lookup")
        h.file(h.send(MESSAGE))
        assert len(queued(h.spool)) == 3 and h.new_is_empty()


def test_qmgr_away_and_back():
    with Cleanup("cleanup") as h:
        h.neighbours.stop("qmgr")
        ids = [h.file(h.send(MESSAGE)).id for _ in range(3)]
        time.sleep(1.1)  # it is not tried for each message
        h.neighbours.start("qmgr")
        ids.append(h.file(h.send(MESSAGE)).id)
        # What was missed is offered again.
        wait_until(lambda: sorted(h.neighbours.offers) == sorted(
            (i, 1) for i in ids))
        # A qmgr that dies and comes back between two messages.
        h.neighbours.answer_offers = False
        ids.append(h.file(h.send(MESSAGE)).id)
        wait_until(lambda: len(h.neighbours.offers) == 5)
        h.neighbours.stop("qmgr")
        h.neighbours.start("qmgr")
        ids.append(h.file(h.send(MESSAGE)).id)
        wait_until(lambda: {i for i, _ in h.neighbours.offers} == set(ids))


DONE = dict(verdict="done", code=250, dsn="2.0.0", text="")
FULL = dict(verdict="refuse", code=552, dsn="5.2.2", text="mailbox full")


def test_verdict_done():
    """250 with the id, and nothing is left of the file."""
    with Cleanup("cleanup") as h:
        n = h.neighbours
        n.verdict = DONE
        out = h.send(MESSAGE)
        assert out["accepted"] == "1" and out["code"] == "250"
        assert n.proposals == [out["queue_id"]] and n.offers == []
        assert queued(h.spool) == [] and h.new_is_empty()
        # The next message is another one.
        n.verdict = FULL
        out = h.send(MESSAGE)
        assert out["accepted"] == "0"
        assert (out["code"], out["dsn"], out["text"]) == (
            "552", "5.2.2", "mailbox full")
        assert queued(h.spool) == [] and h.new_is_empty()
        assert n.offers == [] and len(set(n.proposals)) == 2
        wait_until(lambda: "END-OF-MESSAGE" in h.daemon.log())


@pytest.mark.parametrize("verdict", [
    None, "gone", dict(queue_id=SESSION, **DONE), dict(FULL, code=250),
    dict(FULL, dsn=""), dict(DONE, verdict="perhaps")])
def test_no_verdict_is_commit(verdict):
    """Silence, a lost connection, an answer about another message, and what
    is no answer: the message is queued and offered."""
    with Cleanup("cleanup", {"cut_through_timeout": "1s"}) as h:
        n = h.neighbours
        n.verdict = verdict
        if isinstance(verdict, dict) and "queue_id" in verdict:
            n.judge = lambda c, queue_id, fds: (
                [os.close(fd) for fd in fds], n.proposals.append(queue_id),
                c.send("verdict", **verdict))
        out = h.send(MESSAGE)
        h.file(out)
        assert n.proposals == [out["queue_id"]] and h.new_is_empty()
        wait_until(lambda: n.offers == [(out["queue_id"], 1)])
        # After silence it does not ask for a while.
        n.verdict = DONE
        h.send(MESSAGE)
        late = verdict is None or "queue_id" in verdict
        assert len(n.proposals) == (1 if late else 2)


@pytest.mark.parametrize("service,settings,to", [
    ("cleanup", {"cut_through_timeout": "0"}, ["a@b.test"]),
    ("cleanup", {"cut_through_recipient_limit": "2"},
     ["a@b.test", "b@b.test", "c@b.test"]),
    ("cleanup", {}, [dict(address="a@b.test", original="",
                          notify="SUCCESS")]),
    ("cleanup", {}, ["a@b.test", "a@elsewhere.test"]),
    ("cleanup-internal", {}, ["a@b.test"])])
def test_what_is_not_proposed(service, settings, to):
    with Cleanup(service, settings) as h:
        h.neighbours.verdict = DONE
        h.file(h.send(MESSAGE, to=to))
        assert h.neighbours.proposals == []


def test_peer_goes_away():
    with Cleanup("cleanup") as h:
        c = h.daemon.connect("cleanup")
        h.c.close()
        h.begin(c)
        c.send("recipient", address="a@b", original="", notify="")
        c.send("content", length=100000)
        c.send_bytes(b"A: b\r\n\r\n" + b"x" * 70000)
        wait_until(lambda: not h.new_is_empty())
        c.close()
        wait_until(h.new_is_empty)
        h.c = h.daemon.connect("cleanup")
        # Taken back by the injector: no answer, and the next one works.
        h.begin()
        h.c.send("content", length=3)
        h.c.send_bytes(b"abc")
        h.c.send("abort", quietly=True)
        h.file(h.send(MESSAGE))
        assert len(queued(h.spool)) == 1


def test_internal():
    with Cleanup("cleanup-internal") as h:
        given = "06G5K3Z9Q4ABCDEFGHJKZZ"
        for body in (b"first", b"second"):
            out = h.send(b"From: a@b\r\n\r\n" + body, origin="bounce",
                         sender="", queue_id=given, client_name="",
                         client_address="", helo="", protocol="")
            assert out["accepted"] == "1" and out["queue_id"] == given
        q = h.file(out)
        assert q.body == b"first" and q.texts["S"] == ""
        assert q.header.startswith(
            b"Received: by mail.house.test (Posthouse) id %s;\r\n\t"
            % given.encode())
        assert len(queued(h.spool)) == 1 and h.new_is_empty()


def test_room():
    """Between two messages, and it begins none."""
    def ask(h, size):
        h.c.send("room", size=size)
        name, f = h.c.receive()
        assert name == "outcome" and f["queue_id"] == ""
        return f["code"], f["dsn"]
    with Cleanup("cleanup") as h:
        assert ask(h, 1000) == ("250", "2.0.0")
        assert ask(h, 2 ** 60) == ("452", "4.3.1")
        h.file(h.send(MESSAGE))
        assert ask(h, 1000) == ("250", "2.0.0")
        h.daemon.logged("(queue_minfree)")
        assert len(queued(h.spool)) == 1 and h.new_is_empty()
        assert h.daemon.process.poll() is None


def test_inodes_have_a_floor():
    with Cleanup("cleanup", dict(queue_minfree_inodes=10 ** 9)) as h:
        out = h.send(MESSAGE)
        if os.statvfs(h.spool).f_files:
            assert (out["code"], out["dsn"]) == ("452", "4.3.1")
            h.daemon.logged("(queue_minfree_inodes)")


def test_injectors_wait_while_the_queue_manager_is_behind():
    with Cleanup("cleanup", dict(in_flow_delay="300ms")) as h:
        def took():
            before = time.monotonic()
            h.file(h.send(MESSAGE))
            wait_until(lambda: len(h.neighbours.offers) == len(
                queued(h.spool)))
            return time.monotonic() - before
        took()
        h.neighbours.behind = True
        took()
        # From then on that its answer is read, which nobody waits for.
        wait_until(lambda: took() >= 0.3)
        h.neighbours.behind = False
        took()
    with Cleanup("cleanup-internal", dict(in_flow_delay="10s")) as h:
        h.c.sock.settimeout(9)  # who is slowed answers later than that
        h.neighbours.behind = True
        for n in range(3):
            assert h.send(MESSAGE, origin="local")["accepted"] == "1"
            wait_until(lambda: len(h.neighbours.offers) == n + 1)


def test_mail_is_taken_up_to_a_bound_without_a_queue_manager():
    with Cleanup("cleanup", dict(queue_unclaimed_limit=5)) as h:
        h.neighbours.answer_offers = False  # it hangs
        for _ in range(5):
            h.file(h.send(MESSAGE))
        out = h.send(MESSAGE)
        assert (out["code"], out["dsn"]) == ("451", "4.3.2")
        assert len(queued(h.spool)) == 5 and h.new_is_empty()
        h.daemon.logged("queue_unclaimed_limit")
        h.neighbours.stop("qmgr")  # it is away
        time.sleep(1.1)
        assert h.send(MESSAGE)["code"] == "451"
        h.neighbours.answer_offers = True
        h.neighbours.start("qmgr")
        wait_until(lambda: h.send(MESSAGE)["accepted"] == "1")
        for _ in range(11):
            # More than the bound, but never at once.
            wait_until(lambda: {os.path.basename(p) for p in queued(
                h.spool)} <= {i for i, _ in h.neighbours.offers})
            h.file(h.send(MESSAGE))
        assert len(queued(h.spool)) == 17
    with Cleanup("cleanup-internal", dict(queue_unclaimed_limit=1)) as h:
        h.neighbours.stop("qmgr")
        for _ in range(3):
            assert h.send(MESSAGE, origin="local")["accepted"] == "1"


needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None or
    subprocess.run(["strace", "-o/dev/null", "true"]).returncode != 0,
    reason="needs strace")


@needs_strace
def test_order_of_calls():
    """250 comes after the file and its name are synced, and a small message
    costs one write, two syncs and one rename."""
    with Cleanup("cleanup", inject=[]) as h:
        h.file(h.send(MESSAGE))
        out = h.send(MESSAGE)
        h.file(out)
        wait_until(lambda: len(h.neighbours.offers) == 2)
        name = out["queue_id"]
        wanted = [r"openat\(.*new/%s.*O_CREAT\|O_EXCL" % name,
                  r"pwritev\(\d+<.*new/%s>" % name,
                  r"fsync\(\d+<.*new/%s>\) += 0" % name,
                  r"renameat2\(.*new/%s.*RENAME_NOREPLACE\) += 0" % name,
                  r"fsync\(\d+<.*queue/%s>\) += 0" % name[-2:],
                  r"sendmsg\(.*outcome\\taccepted=1",
                  r"sendmsg\(.*offer\\tqueue_id="]
        # What strace writes of the last call comes behind its effect.
        wait_until(lambda: len(re.findall(wanted[-1],
                                          h.daemon.trace())) == 2)
        calls = h.daemon.trace().splitlines()
        first = max(i for i, c in enumerate(calls)
                    if re.search(wanted[0], c))
        at = first
        for pattern in wanted:
            here = [i for i in range(first, len(calls))
                    if re.search(pattern, calls[i])]
            assert len(here) == 1 and here[0] >= at, pattern
            at = here[0]
        assert len([c for c in calls[first:at]
                    if re.match("p?write|fsync|rename", c)]) == 4


@needs_strace
@pytest.mark.parametrize("fault", [
    "openat:error=ENOSPC:when=%d", "pwritev:error=ENOSPC:when=2",
    "fsync:error=EIO:when=3", "fsync:error=EIO:when=4",
    "renameat2:error=ENOSPC:when=2", "renameat2:error=EROFS:when=2"])
def test_a_call_that_fails(fault):
    """452, nothing left, and the next message is taken again."""
    if "%d" in fault:
        # Which of all calls creates the message's file.
        with Cleanup("cleanup", inject=[]) as h:
            h.file(h.send(MESSAGE))
            calls = [c for c in h.daemon.trace().splitlines()
                     if c.startswith("openat(")]
        last = max(i for i, c in enumerate(calls) if "O_EXCL" in c)
        fault %= last + 1
        with Cleanup("cleanup", inject=[fault]) as h:
            out = h.send(MESSAGE)
            assert (out["code"], out["dsn"]) == ("452", "4.3.1")
            h.file(h.send(MESSAGE))
            assert len(queued(h.spool)) == 1
        return
    with Cleanup("cleanup", inject=[fault]) as h:
        h.file(h.send(MESSAGE))
        out = h.send(MESSAGE)
        assert (out["code"], out["dsn"]) == ("452", "4.3.1")
        assert len(queued(h.spool)) == 1 and h.new_is_empty()
        wait_until(lambda: h.neighbours.offers)
        h.file(h.send(MESSAGE))
        wait_until(lambda: len(h.neighbours.offers) == 2)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs")
def test_full_disk(tmp_path):
    spool = str(tmp_path / "spool")
    os.mkdir(spool)
    os.chmod(str(tmp_path), 0o755)
    os.chmod(str(tmp_path.parent), 0o755)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M,mode=777",
                              "none", spool], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount")
    try:
        make_spool(spool)
        with Cleanup("cleanup", dict(queue_minfree=0), spool) as h:
            accepted = 0
            for _ in range(40):
                out = h.send(b"A: b\r\n\r\n" + b"x" * 500000)
                if out["accepted"] == "0":
                    break
                accepted += 1
            assert (out["code"], out["dsn"]) == ("452", "4.3.1")
            assert accepted > 5 and len(queued(spool)) == accepted
            assert h.new_is_empty()
            for path in queued(spool)[:2]:
                os.unlink(path)
            h.file(h.send(b"A: b\r\n\r\n" + b"x" * 500000))
        with Cleanup("cleanup", dict(queue_minfree="16M"), spool) as h:
            out = h.send(MESSAGE)
            assert (out["code"], out["dsn"]) == ("452", "4.3.1")
    finally:
        subprocess.run(["umount", spool], check=True)
