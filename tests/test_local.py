"""local by hand: what it answers the queue manager, and what stands in the
store afterwards, counted in files and system calls."""
import os
import re
import shutil
import tempfile

import pytest

from house import wait_until
from ipc_fake import Daemon
from test_cleanup import Cleanup

SESSION = "06G5K3Z9Q4ABCDEFGHJKMN"
MESSAGE = (b"From: alice@house.test\r\nTo: bob@house.test\r\n"
           b"Subject: hi\r\n\r\nhello\r\n.dot\r\n")


@pytest.fixture(scope="module")
def queue_file():
    """Queue files by their content, made by the real cleanup."""
    with Cleanup("cleanup") as h:
        def make(content=MESSAGE):
            out = h.send(content)
            return os.path.join(h.spool, "queue", out["queue_id"][-2:],
                                out["queue_id"]), out["queue_id"]
        yield make


class Local:
    def __init__(self, settings=None, inject=None):
        settings = dict(settings or {})
        self.store = tempfile.mkdtemp(prefix="phs-", dir="/tmp")
        os.chmod(self.store, 0o777)
        settings["mail_store_directory"] = self.store
        self.daemon = Daemon("local", "local", settings,
                             spool="/nonexistent", inject=inject)
        self.c = self.daemon.connect("deliver")
        self.request = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.daemon.log())
        self.c.close()
        self.daemon.close()
        shutil.rmtree(self.store, ignore_errors=True)

    def ask(self, queue_file, recipients, count=None, junk=False):
        """recipients: (address, account, quota octets, quota messages)."""
        path, qid = queue_file
        self.request += 1
        fd = os.open(path, os.O_RDONLY)
        self.c.send("deliver", request=self.request, queue_id=qid,
                    session=SESSION, sender="alice@house.test",
                    transport="local", nexthop="house.test",
                    size=os.path.getsize(path), arrived=1795288000,
                    body="7BIT", smtputf8=False, envid="", ret="",
                    junk=junk, direct=False)
        for i, (address, account, octets, messages) in enumerate(recipients):
            self.c.send("deliver_to", request=self.request, index=i,
                        address=address, original="rfc822;" + address,
                        notify="", account=account, quota_storage=octets,
                        quota_messages=messages)
        self.c.send("deliver_end", fds=[fd], request=self.request,
                    count=len(recipients) if count is None else count)
        os.close(fd)

    def deliver(self, queue_file, recipients, junk=False):
        self.ask(queue_file, recipients, junk=junk)
        out = {}
        for _ in recipients:
            name, f = self.c.receive()
            assert name == "result", name
            assert f["queue_id"] == queue_file[1]
            assert int(f["request"]) == self.request
            out[int(f["index"])] = (f["action"], f["dsn"], f["text"])
        self.c.send("deliver_ack", request=self.request)
        return [out[i] for i in range(len(recipients))]

    def one(self, queue_file, address="bob@house.test", octets=0, messages=0,
            junk=False):
        return self.deliver(queue_file, [(address, address, octets, messages)],
                            junk)[0]

    def bodies(self):
        """All octets behind the heads of all generations."""
        out = b""
        for path, _, files in os.walk(self.store):
            for name in files:
                if name.startswith("g."):
                    with open(os.path.join(path, name), "rb") as f:
                        out += f.read()[262144:]
        return out


def test_delivers_and_logs(queue_file):
    with Local() as h:
        q = queue_file()
        assert h.one(q)[:2] == ("delivered", "2.1.5")
        body = h.bodies()
        assert body.startswith(b"Return-Path: <alice@house.test>\r\n"
                               b"Delivered-To: bob@house.test\r\n")
        assert b"\r\n\r\nhello\r\n.dot\r\n" in body
        wait_until(lambda: "status=sent" in h.daemon.log(), 5)
        assert re.search(q[1] + r": to=<bob@house.test>, relay=local, "
                         r"delay=[0-9.]+, delays=[0-9./]+, dsn=2.0.0, status=sent "
                         r"\(delivered to mailbox\)", h.daemon.log())


def test_the_same_delivery_twice_is_stored_once(queue_file):
    with Local() as h:
        q = queue_file()
        assert h.one(q)[0] == "delivered"
        assert h.one(q)[0] == "delivered"
        h.c.close()
        h.c = h.daemon.connect("deliver")
        assert h.one(q)[0] == "delivered"
        assert h.bodies().count(b"Return-Path:") == 1
        assert h.one(queue_file())[0] == "delivered"
        assert h.bodies().count(b"Return-Path:") == 2


def test_junk_is_stored_once_and_within_the_quota(queue_file):
    with Local() as h:
        q = queue_file()
        for text in ("delivered to Junk", "delivered to mailbox before"):
            assert h.one(q, junk=True) == ("delivered", "2.1.5", text)
        # The same one, once more as no junk: it is there already.
        assert h.one(q)[2] == "delivered to mailbox before"
        assert h.bodies().count(b"hello") == 1
        assert h.one(queue_file(), octets=10, junk=True)[:2] == (
            "failed", "5.2.2")


def test_recipients_of_one_request(queue_file):
    with Local() as h:
        got = h.deliver(queue_file(), [
            ("a@house.test", "a@house.test", 0, 0),
            ("b@house.test", "b@house.test", 10, 0),
            ("c@house.test", "", 0, 0),
            ("d@house.test", "x/y", 0, 0),
            ("A@house.test", "a@house.test", 0, 0)])
        assert [g[:2] for g in got] == [
            ("delivered", "2.1.5"), ("failed", "5.2.2"), ("failed", "5.1.1"),
            ("failed", "5.1.1"), ("delivered", "2.1.5")]
        assert h.bodies().count(b"Return-Path:") == 2


def test_a_full_mailbox_may_wait(queue_file):
    with Local({"quota_full_tempfail": "yes"}) as h:
        assert h.one(queue_file(), messages=1)[0] == "delivered"
        assert h.one(queue_file(), messages=1)[:2] == ("deferred", "4.2.2")


def test_a_loop_is_found(queue_file):
    with Local() as h:
        q = queue_file(b"Delivered-To: Bob@house.test\r\n" + MESSAGE)
        assert h.one(q)[:2] == ("failed", "5.4.6")
        assert h.one(q, "carol@house.test")[0] == "delivered"


def test_large_messages_are_blobs(queue_file):
    with Local() as h:
        text = MESSAGE + b"0123456789abcdef\r\n" * 200000
        assert h.one(queue_file(text))[0] == "delivered"
        blobs = [os.path.join(p, f) for p, _, files in os.walk(h.store)
                 for f in files if os.path.basename(p) == "b"]
        assert len(blobs) == 1
        with open(blobs[0], "rb") as f:
            assert f.read().endswith(text[len(MESSAGE):])


def test_collect_finds_nothing_held(queue_file):
    with Local() as h:
        assert h.one(queue_file())[0] == "delivered"
        h.c.send("collect", epoch=7)
        assert h.c.receive() == ("collected", {"epoch": "7"})


def test_a_damaged_queue_file_waits(queue_file, tmp_path):
    with Local() as h:
        path, qid = queue_file()
        bad = tmp_path / qid
        bad.write_bytes(b"x" * 5000)
        assert h.one((str(bad), qid))[:2] == ("deferred", "4.3.0")
        assert h.one((path, qid))[0] == "delivered"


def test_a_request_that_does_not_add_up_ends_the_connection(queue_file):
    with Local() as h:
        h.ask(queue_file(), [("a@house.test", "a@house.test", 0, 0)], 2)
        assert h.c.receive() is None
        h.c.close()
        h.c = h.daemon.connect("deliver")
        assert h.one(queue_file())[0] == "delivered"
        assert not any("a@house.test" in d for _, dirs, _ in
                       os.walk(h.store) for d in dirs)


def test_a_full_disk_defers(queue_file):
    with Local(inject=["pwritev:error=ENOSPC:when=5+"]) as h:
        got = [h.one(queue_file()) for _ in range(3)]
        assert ("deferred", "4.3.1") in [g[:2] for g in got]


def test_a_delivery_costs_few_system_calls(queue_file):
    with Local(inject=["pwrite64:retval=0:when=60000"]) as h:
        for _ in range(3):
            assert h.one(queue_file())[0] == "delivered"
        wait_until(lambda: h.daemon.trace().count("fdatasync(") >= 3, 10)
        last = h.daemon.trace().rsplit("fdatasync(", 2)[1].splitlines()
        calls = [line for line in last if "(" in line]
        print("\n".join(calls))
        assert len(calls) <= 25
        assert not [x for x in calls if x.startswith(("fsync", "openat"))]
