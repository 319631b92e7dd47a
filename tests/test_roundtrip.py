"""Submission -> queue -> store -> IMAP and POP3: byte for byte the same
below the header lines that the suite adds."""
import base64
import imaplib
import os
import poplib
import smtplib
import socket
import uuid

import pytest

from house import House, wait_until


@pytest.fixture(scope="module", params=["0", "1k"])
def house(request):
    """Bodies as they are, and compressed ones."""
    with House(domain="round.test", users=3, settings={
            "mail_compress_minimum_size": request.param}) as h:
        yield h


def head(subject, extra=""):
    return ("From: user0@round.test\r\nTo: user1@round.test\r\n"
            "Subject: %s\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n"
            "Message-ID: <%s@round.test>\r\n%s\r\n" % (
                subject, uuid.uuid4(), extra)).encode()


def nested(depth):
    inner = b"Content-Type: text/plain\r\n\r\nthe innermost part\r\n"
    for level in range(depth):
        mark = b"level-%d" % level
        inner = (b'Content-Type: multipart/mixed; boundary="' + mark +
                 b'"\r\n\r\npreamble\r\n--' + mark + b"\r\n" + inner +
                 b"\r\n--" + mark + b"\r\nContent-Type: text/html\r\n\r\n"
                 b"<p>x</p>\r\n--" + mark + b"--\r\nepilogue\r\n")
    return inner


BIG = base64.encodebytes(os.urandom(19 * 1024 * 1024)).replace(b"\n", b"\r\n")
MIME = "MIME-Version: 1.0\r\n"
MESSAGES = {
    "plain": head("plain") + b"Hello,\r\nworld.\r\n",
    "8-bit": head("8-bit", MIME + "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\n") +
    "Grüße, 世界, \u00a0\r\n".encode(),
    "latin": head("latin") + bytes(range(128, 256)) + b"\r\n",
    "998 octets": head("998") + b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\n",
    "dots": head("dots") + b".\r\n..\r\n.a\r\n...\r\n. \r\na.\r\n\r\n.\r\n",
    "empty body": head("empty"),
    "only empty lines": head("lines") + b"\r\n\r\n\r\n",
    "control octets": head("control") + b"\x01\x02\x7f\x0b\x0c\x1b[1m\r\n",
    "From_ lines": head("from") + b"From here\r\n>From there\r\n\r\nFrom\r\n",
    "folded header": head("folded", "X-Long: a\r\n b\r\n\tc\r\n" + "X-Many: y"
                          "\r\n" * 1) + b"body\r\n",
    "nested": head("nested", MIME)[:-2] + nested(20),
    "a 25 MB attachment": head("big", MIME + "Content-Type: application/"
                               "octet-stream\r\nContent-Transfer-Encoding: "
                               "base64\r\n") + BIG,
}


def submit(house, message, to=1):
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=120) as s:
        s.starttls(context=house.tls())
        s.login(house.user(0), house.password)
        s.mail(house.user(0), ["BODY=8BITMIME"])
        s.rcpt(house.user(to))
        s.putcmd("data")
        assert s.getreply()[0] == 354
        # Own dot stuffing: smtplib's would also mend line ends.
        s.send(b"".join(b"." + line if line.startswith(b".") else line
                        for line in message.splitlines(True)
                        ) if b"\r\n." in message else message)
        s.send(b".\r\n")
        code, text = s.getreply()
        assert code == 250, text
        return text.decode().split()[-1]


def split_lines_only_at_crlf(message):
    return message.split(b"\r\n")


def imap_newest(house, n=1):
    with imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                           ssl_context=house.tls()) as i:
        i.login(house.user(n), house.password)
        count = int(i.select("INBOX")[1][0])
        if not count:
            return 0, b""
        data = i.fetch(str(count), "(BODY.PEEK[])")[1]
        return count, data[0][1]


def pop3_newest(house, n=1):
    p = poplib.POP3_SSL("127.0.0.1", house.pop3s, context=house.tls(),
                        timeout=60)
    try:
        p.user(house.user(n))
        p.pass_(house.password)
        count = len(p.list()[1])
        lines = p.retr(count)[1]
        return b"".join(line + b"\r\n" for line in lines)
    finally:
        p.quit()


def below_added(read, sent):
    """What of `read` follows the lines that were added on top."""
    at = read.find(b"From: user0@round.test\r\n")
    assert at > 0, read[:500]
    added = read[:at]
    for line in added.split(b"\r\n"):
        assert line == b"" or line[:1] in b" \t" or line.split(b":")[0] in (
            b"Return-Path", b"Delivered-To", b"Received"), line
    return read[at:]


def same(got, want):
    """Compares without pytest's diff, which takes hours for 25 MB."""
    if got != want:
        at = next((n for n, (a, b) in enumerate(zip(got, want)) if a != b),
                  min(len(got), len(want)))
        pytest.fail("%d and %d octets differ at %d: %r and %r" % (
            len(got), len(want), at, got[at - 20:at + 60],
            want[at - 20:at + 60]))


@pytest.mark.parametrize("name", MESSAGES)
def test_same_bytes(house, name):
    message = MESSAGES[name]
    before = imap_newest(house)[0]
    submit(house, message)

    def arrived():
        """the message in the mailbox"""
        count, data = imap_newest(house)
        return data if count > before else None
    read = wait_until(arrived, 60, 0.1)
    same(below_added(read, message), message)
    if b"\r\n\r\n\r\n\r\n" not in message:
        same(pop3_newest(house), read)


def test_no_final_newline_gets_one(house):
    """SMTP cannot carry a last line without its end: it gets one."""
    before = imap_newest(house)[0]
    message = head("no newline") + b"the end"
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=60) as s:
        s.starttls(context=house.tls())
        s.login(house.user(0), house.password)
        s.sendmail(house.user(0), [house.user(1)], message)
    wait_until(lambda: imap_newest(house)[0] > before, 30, 0.1)
    assert below_added(imap_newest(house)[1], message) == message + b"\r\n"


def test_append_keeps_bytes_without_final_newline_and_nul(house):
    """APPEND is no SMTP: what comes is kept as it is."""
    message = head("append") + b"no end of line"
    with imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                           ssl_context=house.tls()) as i:
        i.login(house.user(2), house.password)
        assert i.append("INBOX", "", None, message)[0] == "OK"
        i.select("INBOX")
        assert i.fetch("1", "(BODY.PEEK[])")[1][0][1] == message


def test_nul_in_data_is_refused_or_kept_never_changed(house):
    before = imap_newest(house)[0]
    with socket.create_connection(("127.0.0.1", house.smtp), 30) as s:
        f = s.makefile("rwb")

        def talk(line):
            f.write(line)
            f.flush()
            reply = f.readline()
            while reply[3:4] == b"-":
                reply = f.readline()
            return reply
        f.readline()
        talk(b"EHLO x.test\r\n")
        talk(b"MAIL FROM:<a@x.test>\r\n")
        assert talk(b"RCPT TO:<user1@round.test>\r\n").startswith(b"250")
        talk(b"DATA\r\n")
        reply = talk(b"From: user0@round.test\r\n\r\na\0b\r\n.\r\n")
    if reply.startswith(b"250"):
        wait_until(lambda: imap_newest(house)[0] > before, 30, 0.1)
        assert imap_newest(house)[1].endswith(b"\r\n\r\na\0b\r\n")
    else:
        assert reply[:1] in b"45", reply


def test_many_recipients_each_get_one(house):
    before = [imap_newest(house, n)[0] for n in range(3)]
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(n) for n in range(3)],
                   b"Subject: all\r\n\r\nhello\r\n")
    wait_until(lambda: all(imap_newest(house, n)[0] == before[n] + 1
                           for n in range(3)), 30, 0.1)
