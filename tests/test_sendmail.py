"""Mail of users of this host: sendmail(1), pickup, postdrop and the drop
folder, with the suite up, down, and in between."""
import contextlib
import email
import email.policy
import imaplib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

import pytest

from house import BUILD, House, wait_until
from ipc_fake import Connection, queue_ask
from test_directory import rcpt

SENDMAIL = os.path.join(BUILD, "bin", "sendmail")
POSTDROP = os.path.join(BUILD, "bin", "postdrop")
IS_ROOT = os.getuid() == 0
OK, USAGE, DATAERR, NOUSER, UNAVAILABLE = 0, 64, 65, 67, 69
OSERR, CANTCREAT, TEMPFAIL, NOPERM, CONFIG = 71, 73, 75, 77, 78


def sendmail(h, *args, input=b"Subject: s\n\nbody\n", user=None, name=None,
             env=None, check=OK, timeout=60):
    """Runs it; what it printed. user: somebody else, for root."""
    if isinstance(input, str):
        input = input.encode()
    done = subprocess.run(
        [name or "sendmail", "-C", h.etc, *args], executable=SENDMAIL,
        input=input, capture_output=True, user=user, timeout=timeout,
        extra_groups=[] if user else None,
        env=dict(os.environ, **env) if env else None)
    if check is not None:
        assert done.returncode == check, (done.returncode, done.stderr)
    return (done.stdout + done.stderr).decode(errors="replace")


def mailbox(h, n=0):
    """The messages of a user, in order, as octets."""
    with imaplib.IMAP4("127.0.0.1", h.imap, timeout=30) as c:
        c.starttls(h.tls())
        c.login(h.user(n), h.password)
        c.select("INBOX")
        uids = c.search(None, "ALL")[1][0].split()
        return [c.fetch(u, "(BODY.PEEK[])")[1][0][1] for u in uids]


def delivered(h, subject, n=0, seconds=20):
    """The one message with this subject, as octets."""
    def there():
        return [m for m in mailbox(h, n)
                if b"Subject: " + subject.encode() in m]
    found = wait_until(there, seconds, 0.1)
    assert len(found) == 1, found
    return found[0]


def parse(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


@pytest.fixture(scope="module")
def house():
    with House(domain="local.test", users=3) as h:
        yield h


def me():
    return pwd.getpwuid(os.getuid()).pw_name


# ---- the message ------------------------------------------------------------


def test_a_message_is_completed_and_delivered(house):
    said = sendmail(house, "-v", "-F", "A Robot", house.user(),
                    input="Subject: first\n\nhello\n")
    queue_id = re.search(r"queued as (\w{22})$", said.strip()).group(1)
    m = delivered(house, "first")
    assert b"\n" not in m.replace(b"\r\n", b"")
    p = parse(m)
    assert p["From"] == "A Robot <%s@%s>" % (me(), house.domain)
    assert p["Return-Path"] == "<%s@%s>" % (me(), house.domain)
    assert p["Date"] and p["Message-ID"]
    assert re.search(r"by mail\.local\.test \(Posthouse, from userid %d\)\s+"
                     r"id %s" % (os.getuid(), queue_id), p["Received"]), \
        p["Received"]
    assert p.get_content() == "hello\r\n"
    house.logged("%s: uid=%d from=<%s@%s>" % (
        queue_id, os.getuid(), me(), house.domain))


def test_line_ends_dots_and_octets(house):
    body = (b"lf\ncrlf\r\nbare\rcr\n..two\n.x\nnul \0 high \xff\xfe\n" +
            b"x" * 100000 + b"\n.\nafter, with -i; no line end")
    sendmail(house, "-i", house.user(), input=b"Subject: odd\n\n" + body)
    want = (b"lf\r\ncrlf\r\nbare cr\r\n..two\r\n.x\r\nnul \0 high \xff\xfe\r\n"
            + b"x" * 100000 + b"\r\n.\r\nafter, with -i; no line end\r\n")
    assert delivered(house, "odd").split(b"\r\n\r\n", 1)[1] == want


@pytest.mark.parametrize("option", ["-oi", "-i"])
def test_a_dot_ends_without_i_only(house, option):
    subject = "dot" + option
    sendmail(house, house.user(), input="Subject: a%s\n\n1\n.\n2\n" % subject)
    sendmail(house, option, house.user(),
             input="Subject: b%s\n\n1\n.\n2\n" % subject)
    assert delivered(house, "a" + subject).endswith(b"\r\n\r\n1\r\n")
    assert delivered(house, "b" + subject).endswith(b"\r\n1\r\n.\r\n2\r\n")


def test_a_header_alone_and_a_body_alone(house):
    sendmail(house, house.user(), input="Subject: header only")
    assert delivered(house, "header only").endswith(b"\r\n\r\n")
    sendmail(house, house.user(), input="no header, 4711\n")
    wait_until(lambda: any(m.endswith(b"\r\n\r\nno header, 4711\r\n")
                           for m in mailbox(house)))
    sendmail(house, house.user(1), input="")
    wait_until(lambda: mailbox(house, 1))


def test_recipients_of_the_header(house):
    sendmail(house, "-t", "-oem", input="To: %s\nBCC: %s,\n %s\n"
             "Subject: fields\n\nx\n" % (house.user(0), house.user(1),
                                         house.user(2)))
    for n in range(3):
        m = delivered(house, "fields", n)
        assert b"cc:" not in m.lower()
        assert b"To: " + house.user(0).encode() in m


def test_resent_fields_are_meant_instead(house):
    sendmail(house, "-t", input="To: nobody@elsewhere.invalid\n"
             "Resent-To: %s\nResent-Bcc: %s\nFrom: a@b.test\nSubject: again\n"
             "\nx\n" % (house.user(0), house.user(1)))
    for n in range(2):
        m = delivered(house, "again", n)
        assert b"Resent-Date: " in m and b"Resent-Bcc" not in m
    house.wait_empty_queue()
    assert "elsewhere.invalid" not in house.log()


def test_addresses_without_a_domain_get_one(house):
    user0 = house.user(0).split("@")[0]
    sendmail(house, user0, "-t", check=NOUSER if False else None)
    sendmail(house, "-t", input="From: root (Cron Daemon)\nTo: %s\n"
             "Subject: Cron <root@host> test\n\nx\n" % user0)
    p = parse(delivered(house, "Cron <root@host>"))
    assert p["From"] == "Cron Daemon <root@%s>" % house.domain
    assert p["To"] == "%s@%s" % (user0, house.domain)


def test_senders(house):
    for number, (given, want) in enumerate(
            [("a@other.test", "a@other.test"), ("", ""), ("<>", ""),
             ("<b@other.test>", "b@other.test"),
             ("B <b@other.test>", "b@other.test"),
             ("a@other.test (A comment)", "a@other.test"),
             ('"a b"@other.test', '"a b"@other.test'),
             ("plain", "plain@" + house.domain)]):
        subject = "sender %d" % number
        sendmail(house, "-f", given, house.user(),
                 input="Subject: %s\n\n" % subject)
        p = parse(delivered(house, subject))
        assert p["Return-Path"] == "<%s>" % want
        assert p["From"].addresses[0].addr_spec == \
            want or me() + "@" + house.domain
    house.logged("uid=%d from=<a@other.test>" % os.getuid())


def test_the_full_name(house):
    sendmail(house, house.user(), input="Subject: name 1\n\n",
             env={"NAME": "J\u00fcrgen \"the\" Tester"})
    assert parse(delivered(house, "name 1"))["From"].addresses[0] \
        .display_name == "J\u00fcrgen \"the\" Tester"
    sendmail(house, "-F", "Evil\r\nBcc: %s" % house.user(1), house.user(),
             input="Subject: name 2\n\n")
    m = delivered(house, "name 2")
    assert b"\nBcc" not in m
    assert len(parse(m).get_all("From")) == 1


def test_notifications_and_envelope_ids(house):
    sendmail(house, "-N", "success", "-R", "hdrs", "-V", "env+id=1",
             "-f", house.user(1), house.user(0), input="Subject: dsn\n\nx\n")
    def told():
        return [m for m in mailbox(house, 1) if b"report-type" in m.lower()]
    m = wait_until(told)[-1]
    assert b"Original-Envelope-Id: env+id=1" in m
    assert b"text/rfc822-headers" in m


def test_many_recipients_and_an_address_in_utf8(house):
    to = ["x%d@local.test" % i for i in range(300)]
    sendmail(house, "-f", "", house.user(), *to,
             input="Subject: many\n\n")
    delivered(house, "many")
    said = sendmail(house, "-v", "j\u00fcrgen@elsewhere.invalid",
                    input="Subject: eai\n\n")
    queue_id = said.split()[-1]
    shown = house.posthouse("queue", "show", queue_id, check=False).stdout
    assert "j\u00fcrgen@elsewhere.invalid" in shown or not shown
    house.posthouse("queue", "delete", "ALL", check=False)


# ---- exit statuses ------------------------------------------------------------


@pytest.mark.parametrize("args,input,status,words", [
    ([], "Subject: x\n\n", USAGE, "recipients must be named"),
    (["-t"], "Subject: x\n\n", USAGE, "No recipients"),
    (["a@-x-"], "", NOUSER, "is not an address"),
    (["-t"], "To: a@-x-\n\n", NOUSER, "is not an address"),
    (["Anna <>"], "", NOUSER, "\"Anna <>\" is not an address"),
    (["bad address <<"], "", NOUSER, "is not an address"),
    (["-f", "a, b", "c@x"], "", USAGE, "sender"),
    (["-f", "bad bad", "c@x"], "", USAGE, "sender"),
    (["-f", "bad bad@x", "c@x"], "", USAGE, "sender"),
    (["-f", "a@x b@x", "c@x"], "", USAGE, "sender"),
    (["-Z", "a@x"], "", USAGE, "usage"),
    (["-B", "9BIT", "a@x"], "", USAGE, "8BITMIME"),
    (["-N", "sometimes", "a@x"], "", USAGE, "never"),
    (["-N", "never,delay", "a@x"], "", USAGE, "never"),
    (["-R", "none", "a@x"], "", USAGE, "hdrs"),
    (["-bv"], "", USAGE, "takes addresses"),
    (["-bd"], "", UNAVAILABLE, "posthouse start"),
    (["-bZ"], "", USAGE, "mode"),
    (["a@x"], "From: a@x\nFrom: b@x\n\n", DATAERR, "more than one From"),
    (["a@x"], "From: \n\n", DATAERR, "names no mailbox"),
    (["-C", "/nonexistent", "a@x"], "", CONFIG, "/nonexistent/main.cf"),
])
def test_what_is_wrong_is_told(house, args, input, status, words):
    assert words in sendmail(house, *args, input=input, check=status)


def test_where_an_address_leads(house):
    if not IS_ROOT:
        pytest.skip("lookup answers the owner alone")
    before = len(mailbox(house))
    said = sendmail(house, "-bv", house.user(), input="Subject: no mail\n\n")
    assert "is delivered to a mailbox" in said
    said = sendmail(house, "-bv", house.user(), "nobody@" + house.domain,
                    check=UNAVAILABLE)
    assert "is delivered to a mailbox" in said and "User unknown" in said
    assert len(mailbox(house)) == before
    # Others are told who may.
    said = sendmail(house, "-bv", house.user(), user="nobody", check=TEMPFAIL)
    assert "only root and the owner" in said


def test_old_options_do_no_harm(house):
    sendmail(house, "-oem", "-odb", "-o", "7", "-O", "DeliveryMode=b", "-m",
             "-n", "-em", "-G", "-U", "-h", "3", "-L", "tag", "-X", "/dev/null",
             "-p", "x", "-q15m", "-x", "-bm", "-B8BITMIME", "--",
             house.user(), input="Subject: old\n\n")
    delivered(house, "old")
    said = sendmail(house, "-C", os.path.join(house.etc, "main.cf"), "-v",
                    house.user())
    assert "queued as" in said


def test_what_is_too_large_is_refused():
    settings = dict(message_size_limit=100000, header_size_limit=20000)
    with House(domain="small.test", users=1, settings=settings) as h:
        for down in (False, True):
            sendmail(h, h.user(), input="Subject: x\n\n" + "y" * 90000)
            assert "message_size_limit" in sendmail(
                h, h.user(), check=UNAVAILABLE,
                input="Subject: x\n\n" + "y\n" * 60000)
            assert "header_size_limit" in sendmail(
                h, h.user(), check=UNAVAILABLE,
                input="Subject: " + "x" * 30000 + "\n\n")
            if not down:
                h.stop()
        h.start()
        wait_until(lambda: len(mailbox(h)) == 2)


# ---- other ways in ------------------------------------------------------------


def test_smtp_on_standard_input(house):
    done = subprocess.run(
        [SENDMAIL, "-C", house.etc, "-bs"], capture_output=True, timeout=60,
        input=b"NOOP\r\nMAIL FROM:<a@x.test>\r\nEHLO me\r\nRCPT TO:<a@x>\r\n"
        b"MAIL FROM:<a@x.test> SIZE=1000 BODY=8BITMIME\r\nDATA\r\n"
        b"RCPT TO:<no address>\r\n"
        b"RCPT TO:<%s>\r\nRCPT TO:<%s> ODD=1\r\nDATA\r\nSubject: smtp 1\r\n\r\n"
        b"..dot\r\n.\r\nRSET\r\nVRFY x\r\nEXPN x\r\n"
        b"MAIL FROM:<> SIZE=999999999999\r\n"
        b"MAIL FROM:<>\nRCPT TO:<%s>\nDATA\nSubject: smtp 2\n\nx\n.\nQUIT\n"
        b"NOOP\r\n" % ((house.user().encode(),) * 3))
    codes = [int(line[:3]) for line in done.stdout.split(b"\r\n")
             if re.match(rb"\d\d\d ", line)]
    assert codes == [220, 250, 503, 250, 503, 250, 503, 501, 250, 555, 354,
                     250, 250, 252, 500, 552, 250, 250, 354, 250, 221], \
        done.stdout
    assert done.returncode == 0
    assert delivered(house, "smtp 1").endswith(b"\r\n\r\n.dot\r\n")
    assert parse(delivered(house, "smtp 2"))["Return-Path"] == "<>"


def test_smtp_without_an_end_sends_nothing(house):
    before = house.log().count(": uid=")
    subprocess.run(
        [SENDMAIL, "-C", house.etc, "-bs"], capture_output=True, timeout=60,
        input=b"EHLO me\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<%s>\r\nDATA\r\n"
        b"Subject: unfinished\r\n\r\nx\r\n" % house.user().encode())
    assert house.log().count(": uid=") == before


def test_mailq_and_flush(house):
    assert "Mail queue is empty" in sendmail(house, "-bp")
    house.posthouse("queue", "flush")
    with House(domain="q.test", users=1,
               settings=dict(relayhost="[127.0.0.1]:1")) as h:
        said = sendmail(h, "-v", "-f", "me@q.test", "a@away.test", "b@away.test")
        queue_id = said.split()[-1]
        def deferred():
            out = sendmail(h, name="mailq")
            return out if "refused" in out.lower() else None
        out = wait_until(deferred)
        assert out.splitlines()[1].split()[0] == queue_id
        assert out.count("@away.test") == 2
        assert "in 1 Request." in out
        for args in (["-q"], ["-qI" + queue_id], ["-qRaway.test"], ["-q", "-v"]):
            before = h.log().count("status=deferred")
            sendmail(h, *args)
            wait_until(lambda: h.log().count("status=deferred") > before)
        sendmail(h, "-qI06G5K3Z9Q4ABCDEFGHJKMN", check=NOPERM)
        h.posthouse("queue", "delete", "ALL")
        wait_until(lambda: "empty" in sendmail(h, name="mailq"))
        h.stop()
        assert "does not answer" in sendmail(h, name="mailq", check=TEMPFAIL)


def test_newaliases(house):
    text = os.path.join(house.etc, "aliases")
    with open(text, "a") as f:
        f.write("newalias@local.test %s\n" % house.user())
    os.utime(text, (time.time() - 1000,) * 2)
    before = os.stat(text + ".db").st_ino
    sendmail(house, name="newaliases")
    assert os.stat(text + ".db").st_ino != before
    with open(text + ".db", "rb") as f:
        assert b"newalias@local.test" in f.read()
    # Until lookup sees it.
    wait_until(lambda: rcpt(house, "newalias@local.test")[0] == 250)
    sendmail(house, "newalias@local.test", input="Subject: aliased\n\n")
    delivered(house, "aliased")
    os.rename(text, text + ".away")
    assert "aliases" in sendmail(house, "-bi", check=UNAVAILABLE)
    os.rename(text + ".away", text)


@pytest.mark.parametrize("program", ["mutt", "s-nail"])
def test_mail_programs(house, program, tmp_path):
    path = shutil.which(program)
    if path is None:
        pytest.skip(program + " is not installed")
    command = "%s -C %s" % (SENDMAIL, house.etc)
    subject = "by " + program
    if program == "mutt":
        args = [path, "-n", "-F", "/dev/null", "-e",
                'set sendmail="%s -oem -oi"' % command, "-e",
                "set copy=no", "-s", subject, "-b", house.user(1), "--",
                house.user()]
    else:
        script = tmp_path / "sendmail"
        script.write_text("#!/bin/sh\nexec %s \"$@\"\n" % command)
        script.chmod(0o755)
        args = [path, "-:/", "-S", "mta=%s" % script, "-S", "v15-compat",
                "-s", subject, "-b", house.user(1), house.user()]
    subprocess.run(args, input=b"line 1\n.\nline 3\n", check=True, timeout=60,
                   env=dict(os.environ, HOME=str(tmp_path)))
    for n in range(2):
        m = delivered(house, subject, n)
        assert b"line 1\r\n.\r\nline 3\r\n" in m or program != "mutt"
        assert b"Bcc" not in m


def test_php(house):
    """mail() of PHP, with the header and the extra argument it passes on."""
    if shutil.which("php") is None:
        pytest.skip("php is not installed")
    done = subprocess.run(
        ["php", "-d", "sendmail_path=%s -C %s -t -i" % (SENDMAIL, house.etc),
         "-r", "var_dump(mail('%s', 'by php', \"line 1\\n.\\nline 3\", "
         "['From' => 'Shop <shop@x.test>', 'Bcc' => '%s'], "
         "'-fshop@x.test'), mail('', 'nobody', 'x'));" % (
             house.user(), house.user(1))],
        capture_output=True, text=True, timeout=60)
    assert "bool(true)" in done.stdout and "bool(false)" in done.stdout, done
    for n in range(2):
        m = delivered(house, "by php", n)
        assert m.endswith(b"line 1\r\n.\r\nline 3\r\n")
        assert b"Bcc" not in m
        assert parse(m)["Return-Path"] == "<shop@x.test>"


def test_a_pipe_that_writes_slowly(house):
    """As cron does: a header, output now and then, and an end."""
    done = subprocess.run(
        ["sh", "-c", "(printf 'From: root (Cron Daemon)\nTo: %s\n'; sleep 0.3;"
         "printf 'Subject: Cron <a@b> slow\n\n'; for i in 1 2 3; do "
         "printf 'li'; sleep 0.1; printf 'ne\n'; done) | "
         "%s -C %s -FCronDaemon -i -B8BITMIME -oem %s" % (
             house.user(), SENDMAIL, house.etc, house.user())], timeout=60)
    assert done.returncode == 0
    assert delivered(house, "Cron <a@b> slow").endswith(
        b"\r\n\r\nline\r\nline\r\nline\r\n")


# ---- pickup -------------------------------------------------------------------


def submission(sender, to, content, id="06G5K3Z9Q4ABCDEFGHJKMN"):
    return (b"posthouse-drop\t1\nsubmission\tid=%s\tsender=%s\tenvid=\tret="
            b"\tbody=7BIT\tsmtputf8=0\trecipients=1\tsize=%d\n"
            b"recipient\taddress=%s\toriginal=\tnotify=\n%send\tsize=%d\n" % (
                id.encode(), sender.encode(), len(content), to.encode(),
                content, len(content)))


def sealed(octets, seals=0xe):
    import fcntl
    fd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(fd, octets)
    if seals:
        fcntl.fcntl(fd, 1033, seals)  # F_ADD_SEALS
    return fd


class Pickup:
    def __init__(self, h):
        s = socket.socket(socket.AF_UNIX)
        here = os.open(".", os.O_RDONLY)
        os.chdir(os.path.join(h.dir, "run", "public"))
        s.connect("pickup")
        os.fchdir(here)
        os.close(here)
        self.c = Connection(s, "pickup")

    def submit(self, fd):
        self.c.send("submit", fds=[fd], size=0)
        os.close(fd)
        return self.c.receive()

    def close(self):
        self.c.close()


def test_pickup_takes_only_what_nobody_can_change(house):
    message = submission("", house.user(), b"From: a@x\r\n\r\nx\r\n")
    p = Pickup(house)
    for fd in (os.memfd_create("x"), sealed(message, 0),
               sealed(message, 2), os.open("/dev/null", os.O_RDONLY)):
        name, f = p.submit(fd)
        assert (name, f["accepted"], f["code"]) == ("submitted", "0", "554")
        assert "sealed" in f["text"]
    assert p.submit(sealed(message))[1]["accepted"] == "1"
    p.close()


def test_asked_twice_made_once(house):
    message = submission("", house.user(2), b"From: a@x\r\nSubject: twice\r\n"
                         b"\r\nx\r\n", "06G5K3Z9Q4ABCDEFGHJKMM")
    p = Pickup(house)
    ids = {p.submit(sealed(message))[1]["queue_id"] for _ in range(3)}
    p.close()
    assert len(ids) == 1 and "06G5K3Z9Q4ABCDEFGHJKMM" not in ids
    delivered(house, "twice", 2)
    house.wait_empty_queue()
    # The queue has forgotten it; the mailbox has not.
    p = Pickup(house)
    assert {p.submit(sealed(message))[1]["queue_id"]} == ids
    p.close()
    house.wait_empty_queue()
    delivered(house, "twice", 2)


def test_pickup_refuses_what_is_malformed(house):
    good = submission("", house.user(), b"From: a@x\r\n\r\nx\r\n")
    p = Pickup(house)
    for bad in (b"", b"garbage", good[:-1], good + b"x", good[:40],
                good.replace(b"size=16", b"size=15"),
                good.replace(b"recipients=1", b"recipients=2"),
                good.replace(b"recipients=1", b"recipients=0"),
                good.replace(b"06G5K3Z9Q4ABCDEFGHJKMN", b"/" * 22),
                good.replace(b"06G5K3Z9Q4ABCDEFGHJKMN", b"Z" * 22),
                good.replace(b"sender=", b"sender=a\\nb"),
                b"x" * 200000):
        try:
            name, f = p.submit(sealed(bad))
            assert (name, f["accepted"]) == ("submitted", "0"), bad
        except TypeError:
            assert b"a\\nb" in bad
            p = Pickup(house)
    # A bare LF or CR ends no line of the queue file, whoever wrote it.
    name, f = p.submit(sealed(submission(
        "", house.user(), b"From: a@x\nSubject: smuggled\n\nx\n.\nMAIL\r.\r\n",
        "06G5K3Z9Q4ABCDEFGHJKM1")))
    assert f["accepted"] == "1"
    assert delivered(house, "smuggled").endswith(
        b"\r\n\r\nx\r\n.\r\nMAIL .\r\n")
    p.close()


def test_pickup_ends_who_does_not_keep_to_the_exchange(house):
    for line in (b"submit\tsize=0\n", b"nonsense\n",
                 b"queue_ask\tverb=list\n"):
        p = Pickup(house)
        p.c.sock.sendall(line)
        assert p.c.receive() is None, line
        p.close()
    # What is root's and the owner's is asked of qmgr itself.
    for verb in ("delete", "bounce", "hold", "release", "hops"):
        p = Pickup(house)
        p.c.send("queue_ask", **queue_ask(verb, all=True))
        name, f = p.c.receive()
        assert (name, f["ok"]) == ("queue_end", "0"), verb
        assert "may not" in f["text"]
        p.close()
    sendmail(house, house.user())


def test_a_user_has_a_bounded_number_of_connections():
    settings = dict(pickup_connection_limit=5, pickup_client_timeout="6s")
    with House(domain="many.test", users=1, settings=settings) as h:
        held = [Pickup(h) for _ in range(5)]
        # No place: the message goes to the folder, and from there on.
        assert "left for later" in sendmail(h, "-v", h.user(),
                                            input="Subject: squeezed\n\n")
        delivered(h, "squeezed")
        # Who says nothing is closed.
        assert held[0].c.receive() is None
        assert "queued as" in wait_until(
            lambda: (lambda s: s if "queued" in s else None)(
                sendmail(h, "-v", h.user())))
        for p in held:
            p.close()


def test_who_may(tmp_path):
    settings = dict(authorized_submit_users="!%s, static:anyone" % me())
    with House(domain="may.test", users=1, settings=settings) as h:
        # root and the owner always may; others as said.
        sendmail(h, h.user())
        if IS_ROOT:
            sendmail(h, h.user(), user="nobody")
            h.wait_empty_queue()
            assert "empty" in sendmail(h, "-bp", user="nobody")
            assert "authorized_flush_users" in sendmail(
                h, "-q", user="nobody", check=NOPERM)
            h.set("authorized_submit_users", "!nobody static:anyone")
            h.set("authorized_mailq_users", "nobody")
            h.set("authorized_flush_users", "nobody")
            h.posthouse("reload")
            def refused():
                return "authorized_submit_users" in sendmail(
                    h, h.user(), user="nobody", check=None)
            wait_until(refused)
            sendmail(h, h.user(), user="nobody", check=NOPERM)
            sendmail(h, h.user(), user="daemon")
            h.wait_empty_queue()
            assert "empty" in sendmail(h, "-bp", user="nobody")
            sendmail(h, "-q", user="nobody")
            sendmail(h, "-q", user="daemon", check=NOPERM)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_the_uid_is_the_kernels_word(house):
    uid = pwd.getpwnam("nobody").pw_uid
    sendmail(house, "-f", "root@local.test", house.user(), user="nobody",
             env={"LOGNAME": "root", "USER": "root", "UID": "0"},
             input="Received: by mail.local.test (Posthouse, from userid 0)\n"
             "\tid 06G5K3Z9Q4ABCDEFGHJKMN; Sat, 21 Nov 2026 10:00:00 +0000\n"
             "Subject: forged\n\n")
    p = parse(delivered(house, "forged"))
    assert "from userid %d)" % uid in p.get_all("Received")[0]
    house.logged("uid=%d from=<root@local.test>" % uid)


def as_user(name, what):
    """Calls what() in a process of another user; what it returned."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setuid(pwd.getpwnam(name).pw_uid)
            os.write(w, json.dumps(what()).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        said = f.read()
    os.waitpid(pid, 0)
    return json.loads(said)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_nobody_can_take_anothers_id(house):
    """The id of a submission counts for its user alone."""
    def say(word):
        def send():
            p = Pickup(house)
            f = p.submit(sealed(submission(
                "", house.user(1), b"From: a@x\r\nSubject: id %s\r\n\r\n" %
                word, "06G5K3Z9Q4ABCDEFGHJKM2")))[1]
            p.close()
            return f["queue_id"]
        return send
    first = as_user("nobody", say(b"theirs"))
    assert as_user("daemon", say(b"mine")) != first
    assert as_user("nobody", say(b"again")) == first
    house.wait_empty_queue()
    delivered(house, "id theirs", 1)
    delivered(house, "id mine", 1)
    assert not any(b"id again" in m for m in mailbox(house, 1))


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_one_users_many_messages_keep_nobody_waiting():
    settings = dict(pickup_injection_limit=2, pickup_user_injection_limit=1)
    with House(domain="fair.test", users=1, settings=settings) as h:
        sendmail(h, h.user())  # a cleanup that is warm
        h.wait_empty_queue()
        # Nothing goes on for a while.
        frozen = h.pids("cleanup")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        running = []
        for user in ["nobody"] * 6 + ["daemon"]:
            p = subprocess.Popen([SENDMAIL, "-C", h.etc, h.user()], user=user,
                                 stdin=subprocess.PIPE)
            p.stdin.write(b"Subject: x\n\n")
            p.stdin.close()
            running.append(p)
            time.sleep(0.1)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        for p in running:
            assert p.wait(60) == 0
        def logged():
            order = re.findall(r"pickup\[\d+\]: \w+: uid=(\d+)", h.log())
            return order[1:] if len(order) == 8 else None
        order = wait_until(logged)
        assert str(pwd.getpwnam("daemon").pw_uid) in order[:3], order


# ---- while the suite is down ----------------------------------------------------


def drop_of(h, *name):
    return os.path.join(h.dir, "spool", "drop", *name)


def left(h):
    return sorted(n for n in os.listdir(drop_of(h)) if n != "corrupt")


def put(h, octets, name="1M80GJG1QW0XRVC84QA3B5", mode=0o640):
    with open(drop_of(h, name), "wb") as f:
        f.write(octets)
    os.chmod(drop_of(h, name), mode)
    return name


def test_mail_waits_while_the_suite_is_down():
    with House(domain="down.test", users=1) as h:
        h.stop()
        for i in range(30):
            sendmail(h, h.user(), input="Subject: waits %02d\n\nx\n" % i)
        assert len(left(h)) == 30
        for name in left(h):
            st = os.lstat(drop_of(h, name))
            assert (stat.S_IMODE(st.st_mode), st.st_uid) == (
                0o640, os.getuid())
        h.start()
        wait_until(lambda: len(mailbox(h)) == 30)
        h.wait_empty_queue()
        assert left(h) == []
        assert len(mailbox(h)) == 30


def test_mail_waits_while_pickup_alone_is_stopped(house):
    house.posthouse("service", "stop", "pickup")
    assert "left for later" in sendmail(
        house, "-v", house.user(), input="Subject: stopped\n\n")
    house.posthouse("service", "start", "pickup")
    delivered(house, "stopped")


def test_mail_waits_while_cleanup_is_away(house):
    house.posthouse("service", "stop", "cleanup-pickup")
    assert "left for later" in sendmail(
        house, "-v", house.user(), input="Subject: no cleanup\n\n")
    house.posthouse("service", "start", "cleanup-pickup")
    sendmail(house, house.user(), input="Subject: wakes\n\n")
    house.posthouse("service", "restart", "pickup")
    delivered(house, "no cleanup")


def test_what_is_no_submission_is_set_aside():
    with House(domain="aside.test", users=1) as h:
        h.stop()
        good = submission("", h.user(), b"From: a@x\r\nSubject: good\r\n\r\n")
        names = iter("1M80GJG1QW0XRVC84QA3C%s" % c for c in
                     "0123456789ABCDEFGH")
        bad = [put(h, b"garbage", next(names)), put(h, b"", next(names)),
               put(h, good[:-1], next(names)),
               put(h, good + b"\0", next(names)),
               put(h, good, next(names), 0o644),
               put(h, good, next(names), 0o660),
               put(h, good, "a-name"),
               put(h, good.replace(b"From: a@x", b"X: y" + b" " * 5),
                   next(names))]
        with open(drop_of(h, next(names)), "wb") as f:  # sparse, and huge
            f.truncate(1 << 40)
            bad.append(os.path.basename(f.name))
        os.chmod(f.name, 0o640)
        secret = os.path.join(h.dir, "secret")
        with open(secret, "wb") as f:
            f.write(good)
        os.chmod(secret, 0o640)
        if IS_ROOT:
            os.chown(secret, 0, os.stat(drop_of(h)).st_gid)
        name = next(names)
        os.link(secret, drop_of(h, name))
        bad.append(name)
        # These pickup may not make, and so not move (Landlock): they stay.
        stay = [next(names) for _ in range(4)]
        os.symlink(secret, drop_of(h, stay[0]))
        os.mkfifo(drop_of(h, stay[1]))
        os.mkdir(drop_of(h, stay[2]))
        here = os.getcwd()
        os.chdir(drop_of(h))
        socket.socket(socket.AF_UNIX).bind(stay[3])
        os.chdir(here)
        put(h, good, "1M80GJG1QW0XRVC84QA3D0")
        put(h, b"unfinished", "new.1M80GJG1QW0XRVC84QA3D1")
        put(h, b"unfinished", "new.1M80GJG1QW0XRVC84QA3D2")
        os.utime(drop_of(h, "new.1M80GJG1QW0XRVC84QA3D2"), (1, 1))
        h.start()
        delivered(h, "good")
        def cleared():
            aside = set(os.listdir(drop_of(h, "corrupt")))
            names = set(left(h)) - {"new.1M80GJG1QW0XRVC84QA3D1"} - set(stay)
            return not names and aside == set(bad) | {
                n + ".reason" for n in bad} | (set(stay) - set(left(h))) | {
                n + ".reason" for n in set(stay) - set(left(h))}
        wait_until(cleared)
        # Once more, and it is not said again.
        postdrop(h, good, check=OK)
        wait_until(lambda: "delivered to mailbox before" in h.log())
        for name in set(stay) & set(left(h)):
            assert h.log().count("drop/%s: not a regular file; it cannot be "
                                 "set aside" % name) == 1
        assert os.path.exists(secret)
        for name in bad:
            with open(drop_of(h, "corrupt", name + ".reason")) as f:
                assert len(f.read()) > 10, name
        h.wait_empty_queue()
        delivered(h, "good")


def test_the_sender_of_what_is_refused_is_told():
    """Who left it there has gone: by mail, once, and not of a notification."""
    with House(domain="told.test", users=2) as h:
        h.stop()
        loops = b"Received: by x.test; Sat, 21 Nov 2026 00:00:00 +0000\r\n" * 99
        head = loops + b"From: a@x.test\r\nSubject: too often\r\n"
        small = head + b"\r\nthe body\r\n"
        large = head + b"\r\n" + b"y" * 76 + b"\r\nno more of it\r\n" * 9000
        told, names = h.user(1), iter("1M80GJG1QW0XRVC84QA3E%s" % c
                                      for c in "0123456789")
        refused = [
            put(h, submission(told, "bob@else.test", small), next(names)),
            put(h, submission(told, "eve@else.test", large), next(names)),
            put(h, submission("", "bob@else.test", small), next(names)),
            put(h, submission("a@x.test\\nBcc: b@y.test", "bob@else.test",
                              small), next(names))]
        h.start()
        wait_until(lambda: set(refused) <= set(
            os.listdir(drop_of(h, "corrupt"))))
        wait_until(lambda: len(mailbox(h, 1)) == 2 and not left(h))
        h.wait_empty_queue()
        reports = {p["Final-Recipient"]: m for m in map(parse, mailbox(h, 1))
                   for p in list(m.iter_parts())[1].get_payload()[1:]}
        assert set(reports) == {"rfc822; bob@else.test",
                                "rfc822; eve@else.test"}
        for m in reports.values():
            assert not m.defects and m["Return-Path"] in (None, "<>")
            assert m["From"].addresses[0].username == "MAILER-DAEMON"
            assert m["To"] == told and m["Auto-Submitted"] == "auto-replied"
            assert m.get_content_type() == "multipart/report"
            words, status, back = m.iter_parts()
            top, about = status.get_payload()
            assert top["Reporting-MTA"] == "dns; mail.told.test"
            assert (about["Action"], about["Status"]) == ("failed", "5.4.6")
            assert "5.4.6" in words.get_content()
            assert "Subject: too often" in str(back)
        small, large = (reports["rfc822; %s@else.test" % n]
                        for n in ("bob", "eve"))
        assert list(small.iter_parts())[2].get_content_type() == \
            "message/rfc822" and "the body" in str(small)
        assert list(large.iter_parts())[2].get_content_type() == \
            "text/rfc822-headers" and "no more of it" not in str(large)
        # Our end between the word and the file's end: it is not said twice.
        h.stop()
        os.rename(drop_of(h, "corrupt", refused[0]), drop_of(h, refused[0]))
        h.start()
        wait_until(lambda: left(h) == [])
        h.wait_empty_queue()
        assert len(mailbox(h, 1)) == 2


def test_a_crash_between_the_queue_and_the_folder():
    """The file is there again although its message went out: one mail."""
    with House(domain="again.test", users=1) as h:
        h.stop()
        sendmail(h, h.user(), input="Subject: once\n\n")
        [name] = left(h)
        copy = os.path.join(h.dir, "copy")
        shutil.copy2(drop_of(h, name), copy)
        h.start()
        delivered(h, "once")
        h.wait_empty_queue()
        h.stop()
        shutil.copy2(copy, drop_of(h, name))
        if IS_ROOT:
            os.chown(drop_of(h, name), 0, os.stat(drop_of(h)).st_gid)
        h.start()
        wait_until(lambda: left(h) == [])
        h.wait_empty_queue()
        delivered(h, "once")


def test_killed_in_the_middle():
    """Of sendmail and pickup at random moments: what was said to be safe
    arrives, once; what was not, at most once."""
    import random
    chance = random.Random(4)
    with House(domain="kill.test", users=1) as h:
        safe, running = set(), []
        for i in range(60):
            p = subprocess.Popen(
                [SENDMAIL, "-C", h.etc, h.user()], stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL)
            p.stdin.write(b"Subject: number %03d\n\n" % i + b"x\n" * 20000)
            p.stdin.close()
            running.append((i, p))
            time.sleep(chance.random() * 0.02)
            if i % 3 == 0:
                for pid in h.pids("pickup"):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            if i % 4 == 1:
                p.kill()
        for i, p in running:
            if p.wait(60) == 0:
                safe.add(i)
        def empty():
            return [n for n in left(h) if not n.startswith("new.")] == []
        wait_until(empty, 60)
        h.wait_empty_queue(60)
        got = [int(re.search(rb"number (\d+)", m).group(1))
               for m in mailbox(h)]
        assert len(got) == len(set(got))
        assert safe <= set(got), safe - set(got)
        assert len(safe) >= 30


# ---- postdrop -----------------------------------------------------------------


def postdrop(h, octets, *args, check=None, stdin=None):
    fd = sealed(octets, 0) if stdin is None else stdin
    os.lseek(fd, 0, os.SEEK_SET) if stdin is None else None
    done = subprocess.run([POSTDROP, "-C", h.etc, *args], stdin=fd,
                          capture_output=True, timeout=60)
    if check is not None:
        assert done.returncode == check, (done.returncode, done.stderr)
    return done


def test_postdrop_takes_submissions_only():
    with House(domain="post.test", users=1, start=True) as h:
        h.stop()
        good = submission("", h.user(), b"From: a@x\r\nSubject: p\r\n\r\n")
        for bad in (b"", b"garbage\n", good[:-1], good[:60], good + b"\n",
                    good.replace(b"size=", b"size=1"),
                    good.replace(b"06G5K3Z9Q4ABCDEFGHJKMN", b"." * 22),
                    b"A" * 100000):
            postdrop(h, bad, check=DATAERR)
        r, w = os.pipe()
        os.write(w, good)
        os.close(w)
        postdrop(h, b"", check=DATAERR, stdin=r)
        postdrop(h, good, "-x", check=USAGE)
        big = submission("", h.user(), b"x" * 100)
        h.set("message_size_limit", "65536")
        postdrop(h, big.replace(b"size=100", b"size=70000"),
                 check=UNAVAILABLE)
        assert left(h) == []
        postdrop(h, good, check=OK)
        assert len(left(h)) == 1
        with open(drop_of(h, left(h)[0]), "rb") as f:
            assert f.read() == good


def test_postdrop_without_room_or_folder():
    with House(domain="room.test", users=1) as h:
        h.stop()
        os.rename(drop_of(h), drop_of(h) + "x")
        assert "cannot be taken" in sendmail(h, h.user(), check=CANTCREAT)
        os.rename(drop_of(h) + "x", drop_of(h))
        if not IS_ROOT:
            os.chmod(drop_of(h), 0o500)
            sendmail(h, h.user(), check=CANTCREAT)
            os.chmod(drop_of(h), 0o3730)
        # A limit on the size of files is an error, not a torn file.
        import resource
        done = subprocess.run(
            [SENDMAIL, "-C", h.etc, h.user()], input=b"x\n" * 100000,
            capture_output=True, timeout=60, preexec_fn=lambda:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)))
        assert done.returncode == TEMPFAIL, done.stderr
        assert left(h) == []


# What an installed postdrop does with its group; the installed configuration
# is put before it in a mount namespace of its own.
SETGID = r"""
set -e
mount -t tmpfs none /mnt
cp /etc/passwd /etc/group /etc/nsswitch.conf /mnt/
mkdir /mnt/posthouse
mount --bind /mnt /etc
mount --bind %(etc)s /etc/posthouse
exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh -c '%(run)s'
"""


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT or not shutil.which("unshare") or
                    not shutil.which("setpriv"), reason="needs root")
@pytest.mark.skipif(BUILD.rstrip("/").endswith("-san"), reason="the sanitizer "
                    "cannot look into a program with rights of its own")
def test_an_installed_postdrop_has_its_group():
    with House(domain="setgid.test", users=1) as h:
        h.stop()
        bin = os.path.join(h.dir, "bin")
        os.mkdir(bin)
        gid = os.stat(drop_of(h)).st_gid
        shutil.copy(POSTDROP, bin)
        os.chown(os.path.join(bin, "postdrop"), 0, gid)
        os.chmod(os.path.join(bin, "postdrop"), 0o2755)
        good = submission("", h.user(), b"From: a@x\r\nSubject: g\r\n\r\n")
        path = os.path.join(h.dir, "message")
        with open(path, "wb") as f:
            f.write(good)

        def run(command):
            return subprocess.run(
                ["unshare", "-m", "sh", "-c", SETGID % dict(
                    etc=h.etc, run=command)], capture_output=True,
                text=True, timeout=60, env=dict(os.environ, LD_PRELOAD=""))
        command = "%s/postdrop < %s" % (bin, path)
        done = run(command)
        assert done.returncode == OK, done
        [name] = left(h)
        st = os.lstat(drop_of(h, name))
        nobody = pwd.getpwnam("nobody")
        assert (st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)) == (
            nobody.pw_uid, gid, 0o640)
        # The group is not for looking, nor for another configuration, nor
        # for a shell's umask and closed descriptors to play with.
        assert run("ls %s" % drop_of(h)).returncode != 0
        assert run("cat %s" % drop_of(h, name)).returncode != 0
        assert run("%s/postdrop -C /etc/posthouse < %s" % (
            bin, path)).returncode == CANTCREAT
        assert run("umask 0; exec %s >&- 2>&-" % command).returncode == OK
        assert all(stat.S_IMODE(os.lstat(drop_of(h, n)).st_mode) == 0o640
                   for n in left(h))
        h.set("authorized_submit_users", "root")
        assert run(command).returncode == NOPERM
        h.set("authorized_submit_users", "static:anyone")
        # One that is handed a file it cannot read has nothing to leave.
        assert run("%s/postdrop < /" % bin).returncode == DATAERR
        h.start()
        wait_until(lambda: left(h) == [])
        p = parse(delivered(h, "g"))
        assert "from userid %d)" % nobody.pw_uid in p["Received"]
