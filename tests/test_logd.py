"""Where the log goes: the file as JSON, syslogd and the journal (played by
sockets of our own); and pflogsumm on what is written."""
import json
import os
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile

import pytest
from aiosmtpd.controller import Controller

from house import House, free_port, wait_until


class Receiver:
    """A datagram socket that a syslogd or a journal would have."""

    def __init__(self, path):
        self.path, self.got = path, []
        self.open()

    def open(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.settimeout(0)

    def close(self):
        self.socket.close()
        os.unlink(self.path)

    def read(self):
        """All that has come, as text."""
        while True:
            try:
                self.got.append(self.socket.recv(65536).decode())
            except BlockingIOError:
                return self.got

    def has(self, pattern):
        def look():
            """a datagram"""
            return next((d for d in self.read() if re.search(pattern, d)),
                        None)
        look.__doc__ = "a datagram with " + pattern
        return wait_until(look)


@pytest.fixture(scope="module")
def world():
    folder = tempfile.mkdtemp(prefix="ph-log-", dir="/tmp")
    os.chmod(folder, 0o755)
    syslog = Receiver(os.path.join(folder, "log"))
    journal = Receiver(os.path.join(folder, "journal"))
    with House(users=2, settings=dict(
            log_destination="file, syslog journal", log_format="json",
            syslog_facility="local3", syslog_socket=syslog.path,
            journal_socket=journal.path)) as h:
        yield h, syslog, journal
    syslog.close()
    journal.close()
    shutil.rmtree(folder)


def send(house, message_id, to=None, sender="anna@x.test"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail(sender, to or house.user(0),
                   "Subject: hi\r\nMessage-ID: <%s>\r\n\r\nhi\r\n" % message_id)


def test_each_destination_has_its_form(world):
    house, syslog, journal = world
    send(house, "forms@x.test")
    # local3 is 19, info is 6.
    line = syslog.has(r"forms@x\.test")
    found = re.match(r"<(\d+)>\w{3} [ \d]\d \d\d:\d\d:\d\d "
                     r"posthouse/cleanup\[\d+\]: (.*)$", line)
    assert found and int(found.group(1)) == 19 * 8 + 6
    said = json.loads(found.group(2))
    assert said["program"] == "cleanup" and said["level"] == "info"
    assert said["fields"] == {"message-id": "forms@x.test"}

    fields = dict(f.split("=", 1) for f in
                  journal.has(r"forms@x\.test").splitlines())
    assert fields["MESSAGE"] == "%s: message-id=<forms@x.test>" % \
        said["queue_id"]
    assert fields["PRIORITY"] == "6" and fields["SYSLOG_FACILITY"] == "19"
    assert fields["SYSLOG_IDENTIFIER"] == "posthouse/cleanup"
    assert fields["POSTHOUSE_QUEUE_ID"] == said["queue_id"]

    def sent():
        """the outcome in the file"""
        for one in map(json.loads, house.log().splitlines()):
            if one.get("queue_id") == said["queue_id"] and \
                    "status" in one["fields"]:
                return one
        return None
    one = wait_until(sent)
    assert one["fields"]["status"] == "sent"
    assert one["fields"]["to"] == house.user(0)
    assert one["fields"]["reason"] == "delivered to mailbox"
    assert one["text"].startswith(said["queue_id"] + ": to=<")
    # Every line is one object, with a time that sorts.
    times = [json.loads(text)["time"] for text in house.log().splitlines()]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d$",
                        t) for t in times)


def test_a_syslogd_that_is_restarted_gets_lines_again(world):
    house, syslog, journal = world
    send(house, "before@x.test")
    syslog.has(r"before@x\.test")
    syslog.close()
    send(house, "meanwhile@x.test")
    journal.has(r"meanwhile@x\.test")  # the others are not held up
    syslog.open()

    def told():
        """how many lines were lost"""
        send(house, "after@x.test")
        return next((d for d in syslog.read() if
                     "lines could not be sent to log" in d), None)
    line = wait_until(told, every=0.3)
    number = int(re.search(r"warning: (\d+) lines", line).group(1))
    assert number > 0 and line.startswith("<%d>" % (19 * 8 + 4))
    syslog.has(r"after@x\.test")
    assert not any("meanwhile@x.test" in d for d in syslog.read())
    assert house.log().count("message-id=<meanwhile@x.test>") == 1


def test_who_does_not_read_is_not_waited_for(world):
    """A socket that is full: mail goes on, and what is lost is told."""
    house, syslog, journal = world
    with open("/proc/sys/net/unix/max_dgram_qlen") as f:
        kept = int(f.read())  # datagrams, by the kernel
    if kept > 1000:
        pytest.skip("this kernel keeps %d datagrams" % kept)
    journal.read()
    messages = kept // 4 + 20  # each has more lines than four
    for i in range(messages):
        send(house, "full%d@x.test" % i)
    house.logged("full%d@x.test" % (messages - 1), 20)

    def told():
        """how many lines were lost"""
        send(house, "again@x.test")
        return any("lines could not be sent to journal" in d
                   for d in journal.read())
    wait_until(told, every=0.3)


def test_a_wrong_destination_is_refused():
    with pytest.raises(AssertionError, match="log_destination"):
        with House(users=1, settings=dict(log_destination="fiel")) as h:
            h.stop()


class NextHop:
    """Takes nobody: bad@ never, others not now."""
    port = free_port()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bad"):
            return "550 5.1.1 there is no such person here"
        return "450 4.7.1 not now"


def test_pflogsumm_counts_right():
    if shutil.which("pflogsumm") is None:
        pytest.skip("pflogsumm is not installed")
    hop = Controller(NextHop(), hostname="127.0.0.1", port=NextHop.port)
    hop.start()
    try:
        with House(users=2, settings=dict(
                smtp_tcp_port=NextHop.port, minimal_backoff_time="1h",
                maximal_backoff_time="2h",
                mynetworks="127.0.0.0/8")) as h:
            for i in range(3):
                send(h, "ours%d@x.test" % i, [h.user(0), h.user(1)])
            with smtplib.SMTP("127.0.0.1", h.smtp) as s:
                s.ehlo()
                s.mail("anna@x.test")
                for i in range(4):
                    s.rcpt("nobody%d@%s" % (i, h.domain))
            for i in range(2):
                send(h, "bad%d@x.test" % i, ["bad%d@[127.0.0.1]" % i],
                     sender=h.user(0))
            send(h, "late@x.test", ["late@[127.0.0.1]"], sender=h.user(0))
            for text in ("status=deferred", "bad1@", "nobody3@"):
                h.logged(text, 20)

            def notified():
                """both notifications in the mailbox"""
                return h.log().count("status=sent") == 6 + 2
            wait_until(notified)
            counts = report(h)
    finally:
        hop.stop()
    # Two of the eight that were delivered are notifications.
    assert counts["delivered"] == 8
    assert counts["received"] == 6
    assert counts["bounced"] == 2
    assert counts["deferred"] == 1
    assert counts["rejected"] == 4


def report(house):
    """The first numbers that pflogsumm prints, by their names."""
    out = subprocess.run(
        ["pflogsumm", "--syslog-name=posthouse",
         os.path.join(house.dir, "log", "posthouse.log")],
        check=True, capture_output=True, text=True).stdout
    counts = {}
    for line in out.splitlines():
        found = re.match(r"\s+(\d+)\s+(received|delivered|deferred|bounced|"
                         r"rejected)\b", line)
        if found:
            counts.setdefault(found.group(2), int(found.group(1)))
    return counts
