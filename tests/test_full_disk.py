"""Spool and store on file systems that fill up: mail is refused with 452 4.3.1
before the reserve is touched, what was accepted is delivered when there is
space again, notifications still find a place, mail can be deleted, and nothing
is damaged. Space, then inodes."""
import imaplib
import os
import subprocess

import pytest

from faults import Sender, Sink
from house import House, wait_until
from test_crash import ids_and_subjects, notifications, subjects

pytestmark = [pytest.mark.root, pytest.mark.skipif(
    os.geteuid() != 0, reason="mounts small file systems")]


class Small:
    """An instance whose spool, and if wanted store, is a small tmpfs."""

    def __init__(self, spool="", store="", **settings):
        self.sink = Sink()
        self.mounted = []
        self.house = House(domain="full.test", users=3, start=False,
                           settings=dict({
            "minimal_backoff_time": "1s", "maximal_backoff_time": "2s",
            "dns_servers": "127.0.0.1:1", "qmgr_walk_interval": "3s",
            "smtp_tcp_port": str(self.sink.port)}, **settings))
        try:
            for name, options in (("spool", spool), ("store", store)):
                if options:
                    self.mount(name, options)
            self.house.start()
        except BaseException:
            self.close()
            raise

    def mount(self, name, options):
        path = os.path.join(self.house.dir, name)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none",
                               path], capture_output=True)
        if done.returncode != 0:
            pytest.skip("cannot mount")
        self.mounted.append(path)

    def close(self):
        try:
            self.house.stop(check=False)
        finally:
            for path in self.mounted:
                subprocess.run(["umount", "-l", path], check=True)
            self.mounted = []
            self.house.close()
            self.sink.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("\n".join(self.house.log().splitlines()[-150:]))
        self.close()

    def stream(self, to, size, most, sender="a@far.test"):
        """Until mail is refused: (accepted {subject: id}, code, text)."""
        accepted = {}
        body = b"\r\n".join([b"x" * 70] * (size // 72))
        client = Sender(self.house.smtp)
        try:
            for n in range(most):
                mark = "full-%d-%d" % (n, size)
                result, what, more = client.send(
                    sender, to, b"Subject: %s\r\n\r\n%s" % (
                        mark.encode(), body))
                if result != "accepted":
                    return accepted, what, more
                accepted[mark] = what
        finally:
            client.close()
        return accepted, 0, b""

    def free(self, name):
        s = os.statvfs(os.path.join(self.house.dir, name))
        return s.f_bavail * s.f_frsize, s.f_favail

    def settled(self):
        self.house.posthouse("queue", "flush", "ALL")
        return not self.house.queue_files()


def said_452(code, text):
    return code == 452 and b"4.3.1" in text


@pytest.mark.parametrize("name,options,size,settings", [
    ("space", "size=12M", 150000,
     {"queue_minfree": "4M", "queue_minfree_inodes": "0"}),
    ("inodes", "size=100M,nr_inodes=1500", 200,
     {"queue_minfree": "0", "queue_minfree_inodes": "200"})])
def test_the_spool_fills_up(name, options, size, settings):
    with Small(spool=options, **settings) as small:
        house = small.house
        house.posthouse("service", "stop", "local")
        house.posthouse("service", "stop", "smtp/unix")
        accepted, code, text = small.stream([house.user(0)], size, 800)
        assert said_452(code, text), (code, text)
        assert len(accepted) > 20
        # The floor held: the reserve is there.
        space, inodes = small.free("spool")
        assert space > 3 << 20 and inodes > 190
        wait_until(lambda: "(queue_minfree" in house.log())
        # SIZE alone tells, and what is small is refused as well.
        again, code, text = small.stream([house.user(0)], 100, 1)
        assert said_452(code, text) and not again
        # The operator may delete what waits for an agent.
        first = sorted(accepted.values())[0]
        house.posthouse("queue", "delete", first)
        wait_until(lambda: not os.path.exists(os.path.join(
            house.dir, "spool", "queue", first[-2:], first)))
        accepted = {m: q for m, q in accepted.items() if q != first}
        house.posthouse("service", "start", "local")
        house.posthouse("service", "start", "smtp/unix")
        wait_until(small.settled, 120, 0.3)
        house.logged("deleted by the operator")
        box = ids_and_subjects(house, 0)
        assert sorted(box) == sorted((q, m) for m, q in accepted.items())
        # And mail is taken again.
        assert small.stream([house.user(0)], size, 1)[1] == 0
        corrupt = os.path.join(house.dir, "spool", "corrupt")
        assert os.listdir(corrupt) == []
        assert os.listdir(os.path.join(house.dir, "spool", "new")) == []


def test_notifications_enter_when_mail_may_not():
    """The reserve is for what the house itself has to say."""
    with Small(spool="size=12M", queue_minfree="4M",
               queue_minfree_inodes="0") as small:
        house = small.house
        house.posthouse("service", "stop", "smtp/unix")
        # To be failed by the next host, from a mailbox of ours.
        doomed, code, _ = small.stream(["gone@[127.0.0.1]"], 2000, 20,
                                       house.user(1))
        assert code == 0
        filler, code, text = small.stream(["far@[127.0.0.1]"], 150000, 800)
        assert said_452(code, text)
        # Held: the fillers stay, and so the spool is full.
        for qid in filler.values():
            house.posthouse("queue", "hold", qid)
        house.posthouse("service", "start", "smtp/unix")
        house.posthouse("queue", "flush", "ALL")

        def told():
            """a notification for each"""
            return {s for _, _, s in notifications(house, 1)} == set(doomed)
        wait_until(told, 60, 0.3)
        # Still full, but for what those who were told of had taken.
        assert small.stream(["far@[127.0.0.1]"], 3000000, 1)[1] == 452
        house.posthouse("queue", "release", "ALL")
        wait_until(small.settled, 60, 0.3)
        assert all(small.sink.got["far@[127.0.0.1]", m] == 1 for m in filler)


def test_the_store_fills_up():
    """Mail waits in the queue for space in the store, none is lost or stored
    twice, and what is deleted makes place."""
    with Small(store="size=6M", mail_undelete_time="0") as small:
        house = small.house
        accepted, code, _ = small.stream([house.user(0)], 150000, 60)
        assert code == 0  # the spool has space

        def waits():
            """a deferral for want of space"""
            return any("4.3.1" in r["reason"] for m in
                       house.queue()["messages"] for r in m["recipients"])
        wait_until(waits, 30, 0.2)
        got = subjects(house, 0)
        assert 0 < len(got) < len(accepted)
        assert len(got) == len(set(got))
        # The user can delete, on a full disk too.
        with imaplib.IMAP4("127.0.0.1", house.imap, timeout=60) as i:
            i.login(house.user(0), house.password)
            i.select("INBOX")
            assert i.store("1:2", "+FLAGS", "\\Deleted")[0] == "OK"
            assert i.expunge()[0] == "OK"
        gone = got[:2]
        assert not set(gone) & set(subjects(house, 0))
        # The operator makes place.
        subprocess.run(["mount", "-o", "remount,size=100M", os.path.join(
            house.dir, "store")], check=True)
        wait_until(small.settled, 60, 0.3)
        box = ids_and_subjects(house, 0)
        assert sorted(box) == sorted(
            (q, m) for m, q in accepted.items() if m not in gone)
        house.posthouse("store", "check", "--all")

