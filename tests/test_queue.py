"""The way into the queue, and back to the sender, in a whole instance."""
import email
import email.policy
import imaplib
import os
import smtplib
import subprocess

import pytest
from aiosmtpd.controller import Controller

from house import House, free_port, wait_until
from test_directory import rcpt


class NextHop:
    """Takes mail for good@, refuses bad@ for good and full@ for now."""
    port = free_port()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bad@"):
            return "550 5.1.1 there is no such person here"
        if address.startswith("full@"):
            return "452 4.2.2 mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken"


@pytest.fixture(scope="module")
def house():
    hop = Controller(NextHop(), hostname="127.0.0.1", port=NextHop.port)
    hop.start()
    with House(users=3, settings=dict(
            smtp_tcp_port=NextHop.port, hopcount_limit=5,
            header_size_limit=20000, message_size_limit=200000,
            # Every delivery is tried once more only when we say so.
            minimal_backoff_time="1h", maximal_backoff_time="2h")) as h:
        h.posthouse("alias", "add", "team@" + h.domain,
                    h.user(1), h.user(2))
        h.posthouse("alias", "add", "loop@" + h.domain, "pool@" + h.domain)
        h.posthouse("alias", "add", "pool@" + h.domain, "loop@" + h.domain)
        # Until lookup sees the last of them.
        wait_until(lambda: rcpt(h, "team@" + h.domain)[0] == 250 and
                   "5.1.1" not in rcpt(h, "pool@" + h.domain)[1])
        yield h
    hop.stop()


def submit(house, content, to, sender=None, **options):
    s = smtplib.SMTP("127.0.0.1", house.submission, timeout=30)
    s.starttls(context=house.tls())
    s.login(house.user(0), house.password)
    try:
        s.sendmail(sender or house.user(0), to, content, **options)
    finally:
        s.close()


def receive(house, content, to, sender="someone@elsewhere.test"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail(sender, to, content)


def fetch(house, user, subject):
    """The one message with this subject in a user's INBOX, as octets."""
    def look():
        """the message in the mailbox"""
        box = imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                                ssl_context=house.tls())
        box.login(house.user(user), house.password)
        box.select()
        found = box.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
        got = box.fetch(found[0], "(BODY.PEEK[])")[1][0][1] if found else None
        box.logout()
        assert len(found) < 2
        return got
    return wait_until(look, 20, 0.2)


def test_submission_header(house):
    submit(house, ("From: %s\r\nTo: %s\r\nBcc: secret@x.test\r\n"
                   "Subject: sub1\r\n\r\nhello\r\n" % (
                       house.user(0), house.user(1))), [house.user(1)])
    raw = fetch(house, 1, "sub1")
    m = email.message_from_bytes(raw, policy=email.policy.default)
    assert m["Bcc"] is None and "secret" not in raw.decode()
    assert m["Date"].datetime and m["Message-ID"].startswith("<")
    received = m.get_all("Received")
    assert len(received) == 1 and "ESMTPSA" in received[0]
    assert "for <%s>" % house.user(1) in received[0]
    assert "using TLSv1" in received[0]


def test_header_of_others_is_left_alone(house):
    receive(house, "Return-Path: <forged@x.test>\r\nBcc: kept@x.test\r\n"
            "Subject: mx1\r\n\r\nhello\r\n", [house.user(1), house.user(2)])
    for user in (1, 2):
        m = email.message_from_bytes(fetch(house, user, "mx1"))
        assert m["Bcc"] == "kept@x.test"
        assert "forged" not in str(m.get_all("Return-Path"))
        assert m["Date"] is None and m["Message-ID"] is None
        assert " for " not in m["Received"]


@pytest.mark.parametrize("content", [
    "Subject: no author\r\n\r\nx\r\n",
    "From: a@b.test\r\nFrom: c@d.test\r\n\r\nx\r\n",
    "From: nobody at all\r\n\r\nx\r\n"])
def test_submissions_need_an_author(house, content):
    with pytest.raises(smtplib.SMTPDataError) as e:
        submit(house, content, [house.user(1)])
    assert e.value.smtp_code == 550 and b"5.6.0" in e.value.smtp_error


def test_limits(house):
    hop = "Received: by x.test; Sat, 21 Nov 2026 00:00:00 +0000\r\n"
    for content, code, dsn in (
            (hop * 6 + "Subject: loop\r\n\r\nx\r\n", 554, b"5.4.6"),
            ("Subject: x\r\nX: " + "y" * 900 + ("\r\n " + "y" * 900) * 25 +
             "\r\n\r\nx\r\n", 552, b"5.3.4")):
        with pytest.raises(smtplib.SMTPDataError) as e:
            receive(house, content, [house.user(1)])
        assert e.value.smtp_code == code and dsn in e.value.smtp_error
    receive(house, hop * 5 + "Subject: hops\r\n\r\nx\r\n", [house.user(1)])
    fetch(house, 1, "hops")


def test_aliases(house):
    receive(house, "Subject: team1\r\n\r\nhello\r\n",
            ["team@" + house.domain, house.user(1)])
    for user in (1, 2):
        fetch(house, user, "team1")  # which sees that it is there once
    with pytest.raises((smtplib.SMTPDataError,
                        smtplib.SMTPRecipientsRefused)):
        receive(house, "Subject: x\r\n\r\nx\r\n", ["loop@" + house.domain])


def test_a_refusal_comes_back(house):
    body = "k\u00e4se\r\n.dot\r\n".encode()
    head = ("From: %s\r\nSubject: lost1\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n" % house.user(0))
    submit(house, head.encode() + body,
           ["good@[127.0.0.1]", "bad@[127.0.0.1]"],
           mail_options=["BODY=8BITMIME", "ENVID=QQ1"])
    raw = fetch(house, 0, "Undelivered Mail Returned to Sender")
    m = email.message_from_bytes(raw, policy=email.policy.default)
    assert not m.defects
    assert m["From"].addresses[0].username == "MAILER-DAEMON"
    assert m["Return-Path"] in (None, "<>")
    text, status, back = m.iter_parts()
    assert "there is no such person here" in text.get_content()
    top, recipient = status.get_payload()
    assert top["Original-Envelope-Id"] == "QQ1"
    assert recipient["Final-Recipient"] == "rfc822; bad@[127.0.0.1]"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.1.1"
    assert recipient["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert body in raw and b"Subject: lost1" in raw
    house.wait_empty_queue()


def test_a_deferral_waits_with_its_reason(house):
    submit(house, "From: %s\r\nSubject: full\r\n\r\nx\r\n" % house.user(0),
           ["full@[127.0.0.1]"])

    def waiting():
        """a deferred message"""
        return [m for m in house.queue()["messages"]
                if "mailbox is full" in str(m)]
    wait_until(waiting, 20)
    house.posthouse("queue", "delete", "ALL")
    house.wait_empty_queue()


def test_the_null_sender_gets_nothing_back(house):
    before = house.log().count("non-delivery notification")
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("<>", ["bad@[127.0.0.1]"], "Subject: dsn\r\n\r\nx\r\n")
    house.wait_empty_queue()
    assert house.log().count("non-delivery notification") == before


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs")
def test_full_disk():
    with House(start=False, users=1,
               settings=dict(queue_minfree="0")) as h:
        spool = os.path.join(h.dir, "spool")
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=7M", "none", spool])
        if mounted.returncode != 0:
            pytest.skip("cannot mount")
        try:
            h.start()
            h.posthouse("service", "stop", "local")
            accepted, refused = 0, None
            for i in range(30):
                try:
                    receive(h, "Subject: fill%03d\r\n\r\n" % i +
                            ("x" * 70 + "\r\n") * 7000, [h.user(0)])
                    accepted += 1
                except smtplib.SMTPResponseException as e:
                    refused = e
                    break
            assert refused is not None and accepted > 3
            assert refused.smtp_code == 452
            assert b"4.3.1" in refused.smtp_error
            # What was accepted arrives, and there is space again.
            h.posthouse("service", "start", "local")
            h.posthouse("queue", "flush", "ALL")
            h.wait_empty_queue()
            for i in range(accepted):
                assert len(fetch(h, 0, "fill%03d" % i)) > 500000
            receive(h, "Subject: after\r\n\r\nx\r\n", [h.user(0)])
            fetch(h, 0, "after")
        finally:
            try:
                h.stop(check=False)
            finally:
                subprocess.run(["umount", "-l", spool], check=True)
