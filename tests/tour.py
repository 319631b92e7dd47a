"""`make run`: the life of one email, on two private instances.

Two suites are started on loopback, one.test and two.test, with a real DNS
server between them. A message is submitted over TLS at one.test, queued,
relayed to two.test through its MX record, checked, delivered into the
mailbox store, and read by IMAP and POP3; each step is shown and checked.
Then one.test stays up and can be tried with a mail client. ONCE=1 ends after
the tour instead; the exit status tells whether all checks held.
"""
import email.utils
import imaplib
import os
import poplib
import shutil
import signal
import smtplib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from house import House, POSTHOUSE, wait_until  # noqa: E402
from nameserver import Dns  # noqa: E402

BOLD, DIM, OFF = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() \
    else ("", "", "")
failures = []


def say(text=""):
    print(text, flush=True)


def step(text):
    say("\n%s== %s%s" % (BOLD, text, OFF))


def check(what, holds):
    say("   %s %s" % ("ok  " if holds else "FAIL", what))
    if not holds:
        failures.append(what)
    return holds


def indent(text, prefix="   | "):
    for line in text.rstrip("\n").splitlines():
        say(DIM + prefix + OFF + line)


def submit(house, sender, recipient, text):
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=30) as s:
        s.starttls(context=house.tls())
        s.login(sender, house.password)
        s.mail(sender)
        s.rcpt(recipient)
        code, reply = s.data(text)
        return code, reply.decode()


def read_imap(house, user):
    with imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                           ssl_context=house.tls()) as i:
        i.login(user, house.password)
        i.select("INBOX")
        uids = i.search(None, "ALL")[1][0].split()
        return i.fetch(uids[-1], "(BODY.PEEK[])")[1][0][1] if uids else b""


def read_pop3(house, user):
    p = poplib.POP3_SSL("127.0.0.1", house.pop3s, context=house.tls(),
                        timeout=30)
    try:
        p.user(user)
        p.pass_(house.password)
        count = len(p.list()[1])
        return b"\r\n".join(p.retr(count)[1]) + b"\r\n" if count else b""
    finally:
        p.quit()


def houses(dns, root):
    common = {"dns_servers": dns.address}
    two = House(domain="two.test", users=2, directory=root + "/two",
                settings=common)
    one = House(domain="one.test", users=2, directory=root + "/one",
                settings=dict(common, smtp_tcp_port=str(two.smtp)))
    return one, two


def tour(one, two):
    sender, recipient = "user0@one.test", "user1@two.test"
    message_id = email.utils.make_msgid(domain="one.test")
    body = "Dear reader,\r\n\r\nthis went the whole way.\r\n.\r\nA dot.\r\n"
    text = ("From: %s\r\nTo: %s\r\nSubject: The way of a message\r\n"
            "Message-ID: %s\r\nBcc: secret@two.test\r\n\r\n%s" % (
                sender, recipient, message_id, body))

    step("1. %s submits a message: port %d, STARTTLS, AUTH PLAIN" % (
        sender, one.submission))
    code, reply = submit(one, sender, recipient, text)
    check("the server took it: %d %s" % (code, reply), code == 250)
    queue_id = reply.split()[-1]

    step("2. A stranger tries to relay through one.test, and to reach nobody")
    with smtplib.SMTP("127.0.0.1", one.smtp, timeout=30) as s:
        s.ehlo("stranger.test")
        s.mail("x@stranger.test")
        code, words = s.rcpt("nobody@one.test")
        check("unknown user: %d %s" % (code, words.decode()), code == 550)
        check("no AUTH is offered on port 25", not s.has_extn("auth"))
    with smtplib.SMTP("127.0.0.1", one.submission, timeout=30) as s:
        s.ehlo("stranger.test")
        check("no AUTH before TLS either", not s.has_extn("auth"))
        code, words = s.mail("x@stranger.test")
        check("not logged in: %d %s" % (code, words.decode()), code == 530)

    step("3. two.test is found by its MX record and takes the message")

    def arrived():
        """the message in the mailbox of %s""" % recipient
        got = read_imap(two, recipient)
        return got if message_id.encode() in got else None
    try:
        raw = wait_until(arrived, 30, 0.2)
    except AssertionError as why:
        check(str(why), False)
        indent(one.log())
        indent(two.log())
        return
    check("delivered", True)

    step("4. Read by IMAP over TLS, port %d" % two.imaps)
    head, _, read = raw.partition(b"\r\n\r\n")
    indent(head.decode("utf-8", "replace"))
    check("the body is byte for byte what was sent",
          read.decode() == body)
    check("Bcc is gone", b"secret@two.test" not in raw)
    check("one Return-Path, two Received",
          head.count(b"Return-Path:") == 1 and head.count(b"Received:") == 2)

    step("5. The same by POP3 over TLS, port %d" % two.pop3s)
    check("POP3 reads the same bytes", read_pop3(two, recipient) == raw)

    step("6. The time line of the first hop: posthouse trace %s" % queue_id)
    for house, key in ((one, queue_id), (two, message_id.strip("<>"))):
        def traced():
            """the trace"""
            done = house.posthouse("trace", key, check=False)
            return done.stdout if done.returncode == 0 else None
        try:
            indent(wait_until(traced, 10, 0.2))
        except AssertionError as why:
            check(str(why), False)
        if house is one:
            say("\n   and of the second: posthouse trace %s" %
                message_id.strip("<>"))

    step("7. What runs: posthouse status")
    indent(two.posthouse("status"))
    check("both queues are empty",
          not one.queue()["messages"] and not two.queue()["messages"])


def how_to(one):
    say("\n%sone.test is running.%s Try it:\n" % (BOLD, OFF))
    rows = (("account", "user0@one.test or user1@one.test"),
            ("password", one.password),
            ("IMAP", "127.0.0.1 port %d (TLS: %d)" % (one.imap, one.imaps)),
            ("POP3", "127.0.0.1 port %d (TLS: %d)" % (one.pop3, one.pop3s)),
            ("submission", "127.0.0.1 port %d with STARTTLS (TLS: %d)" % (
                one.submission, one.submissions)),
            ("operator", "%s -c %s status" % (
                os.path.relpath(POSTHOUSE), one.etc)))
    for name, value in rows:
        say("   %-11s %s" % (name, value))
    say("\nThe certificate is self-signed. Ctrl-C stops everything.")


def main():
    root = tempfile.mkdtemp(prefix="posthouse-", dir="/tmp")
    os.chmod(root, 0o755)
    say("%sPosthouse: the life of an email%s" % (BOLD, OFF))
    say("Two private instances below %s, on 127.0.0.1 only." % root)
    made = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Dns({"one.test": ["@ MX 10 mail", "mail A 127.0.0.1"],
              "two.test": ["@ MX 10 mail", "mail A 127.0.0.1"]}) as dns:
        try:
            made += houses(dns, root)
            tour(*made)
            say()
            if failures:
                say("%d checks failed." % len(failures))
            else:
                say("Every check held.")
            if not failures and not os.environ.get("ONCE"):
                how_to(made[0])
                while True:
                    time.sleep(3600)
        except KeyboardInterrupt:
            say()
        finally:
            for house in made:
                house.close()
            shutil.rmtree(root, ignore_errors=True)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.TimeoutExpired as why:
        sys.exit(str(why))
