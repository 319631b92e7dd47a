"""posthouse debug: the protocol of one user in a file of its own, without what
is secret, and of nobody else."""
import base64
import imaplib
import os
import poplib
import re
import smtplib
import socket

import pytest

from house import House, wait_until

PASSWORD = "Geheim-7x-Geheim"
MARK = "marker-of-a-body-that-nobody-logs"


@pytest.fixture(scope="module")
def house():
    with House(users=2, password=PASSWORD) as h:
        yield h


@pytest.fixture(autouse=True)
def ended(house):
    yield
    house.posthouse("debug", "off")


def file_of(h, whom):
    return os.path.join(h.dir, "log", "protocol", whom + ".log")


def protocol(h, whom, since=0):
    """The lines about a user or client, but for the first ones."""
    try:
        with open(file_of(h, whom)) as f:
            return f.read().splitlines()[since:]
    except FileNotFoundError:
        return []


def sessions_ended(h, user):
    return h.log().count("session end: user=<%s>" % user)


def imap(h, n=0):
    box = imaplib.IMAP4_SSL("127.0.0.1", h.imaps, ssl_context=h.tls(),
                            timeout=30)
    box.login(h.user(n), PASSWORD)
    return box


def use_all(h, n=0):
    """A session of each protocol that shows what must not be logged."""
    with smtplib.SMTP("127.0.0.1", h.submission, timeout=30) as s:
        s.starttls(context=h.tls())
        s.ehlo()
        # Out of step: what was meant as a response comes as a command.
        s.docmd(base64.b64encode(PASSWORD.encode()).decode())
        s.docmd("AUTH PLAIN " + base64.b64encode(
            b"\0%s\0wrong-%s" % (h.user(n).encode(),
                                 PASSWORD.encode())).decode())
        s.login(h.user(n), PASSWORD)
        s.docmd("PASS " + PASSWORD)
        s.sendmail(h.user(n), [h.user(n)],
                   "From: %s\r\nSubject: debug\r\n\r\n%s\r\n"
                   % (h.user(n), MARK))
    box = imap(h, n)
    box.select("INBOX")
    box.append("INBOX", None, None, b"Subject: y\r\n\r\n" + MARK.encode())
    box.fetch("1:*", "(FLAGS BODY.PEEK[])")
    box._simple_command("NOOP")
    try:
        box.state = "NONAUTH"
        box.login(h.user(n), PASSWORD)
    except imaplib.IMAP4.error:
        pass
    box.state = "SELECTED"
    box.logout()
    pop = poplib.POP3_SSL("127.0.0.1", h.pop3s, context=h.tls(), timeout=30)
    pop.user(h.user(n))
    pop.pass_(PASSWORD)
    pop.retr(1)
    try:
        pop._shortcmd("PASS " + PASSWORD)
    except poplib.error_proto:
        pass
    pop.quit()


def test_the_protocol_of_one_user_without_secrets(house):
    said = house.json("debug", house.user(0), "--for", "5m")
    assert said == {"on": True, "seconds": 300,
                    "file": file_of(house, house.user(0))}
    whom = house.user(0)
    use_all(house)

    def all_there():
        """the last line of each protocol"""
        text = "\n".join(protocol(house, whom)).lower()
        return all(word in text for word in (
            "c: mail from", " logout", " pop3d[")) and \
            text.count("c: quit") == 2
    wait_until(all_there)
    text = "\n".join(protocol(house, whom))
    for word in ("C: mail FROM", "S: 250 ", "SELECT INBOX", "S: * FLAGS",
                 "FETCH 1:*", "C: RETR 1", "S: +OK"):
        assert word.lower() in text.lower(), (word, text)
    secrets = [PASSWORD, MARK]
    for clear in (PASSWORD, "\0%s\0%s" % (house.user(0), PASSWORD),
                  "\0%s\0wrong-%s" % (house.user(0), PASSWORD)):
        secrets.append(base64.b64encode(clear.encode()).decode())
    for secret in secrets:
        assert secret not in house.log() and secret not in text, secret
    # A line says when, who and in which session; the log has none of it.
    assert all(re.match(r"20\d\d-\d\d-\d\dT[0-9:.]+[+-]\d\d:\d\d "
                        r"(smtpd|submission|imapd|pop3d)\[\d+\]: \w+: [CS]: ",
                        line)
               for line in text.splitlines()), text
    assert "SELECT INBOX" not in house.log()
    assert os.stat(file_of(house, whom)).st_mode & 0o777 == 0o640


def test_of_nobody_else_and_not_after_its_end(house):
    whom = house.user(1)
    house.posthouse("debug", whom)
    box = imap(house, 0)
    box.select("INBOX")
    box.logout()
    other = imap(house, 1)
    other.select("INBOX")
    wait_until(lambda: any("SELECT" in l for l in protocol(house, whom)))
    ids = {l.split(": ")[1] for l in protocol(house, whom)}
    assert len(ids) == 1
    # A session that runs stops being shown, too.
    house.posthouse("debug", "off")
    other.noop()
    other.logout()
    house.logged("session end: user=<%s>" % house.user(1))
    assert not any("LOGOUT" in l for l in protocol(house, whom))


def test_a_session_that_runs_and_a_client(house):
    """Of a network: the file's name has no slash."""
    box = imap(house, 0)
    box.select("INBOX")
    said = house.posthouse("debug", "127.0.0.0/8", "--for", "1m")
    assert file_of(house, "127.0.0.0_8") in said
    box.noop()
    wait_until(lambda: any("NOOP" in l
                           for l in protocol(house, "127.0.0.0_8")))
    box.logout()


def test_it_ends_by_itself(house):
    whom = house.user(1)
    house.posthouse("debug", whom, "--for", "1s")

    def over():
        """a session of which nothing was written any more"""
        before, count = protocol(house, whom), sessions_ended(house, whom)
        imap(house, 1).logout()
        wait_until(lambda: sessions_ended(house, whom) > count)
        return protocol(house, whom) == before
    wait_until(over)


def test_a_file_has_an_end():
    """By its size, by the lines of a session, by its age."""
    with House(users=1, settings={"protocol_log_size_limit": "2000",
                                  "protocol_log_line_limit": "20"}) as h:
        h.posthouse("debug", h.user(0))
        full = "logd["

        def lines():
            return protocol(h, h.user(0))

        def of_20_lines():
            return any("protocol_log_line_limit: no more lines of this "
                       "session are written" in l for l in lines())
        box = imap_of(h)
        for _ in range(20):
            box.noop()
        wait_until(of_20_lines)
        box.logout()

        def one_more():
            """the file is full"""
            imap_of(h).logout()
            return full in "".join(lines())
        wait_until(one_more)
        before = lines()
        assert before[-1].endswith("protocol_log_size_limit: nothing more is "
                                   "written here")
        assert os.stat(file_of(h, h.user(0))).st_size < 2600
        count = sessions_ended(h, h.user(0))
        imap_of(h).logout()
        wait_until(lambda: sessions_ended(h, h.user(0)) > count)
        assert lines() == before


def imap_of(h):
    box = imaplib.IMAP4_SSL("127.0.0.1", h.imaps, ssl_context=h.tls(),
                            timeout=30)
    box.login(h.user(0), h.password)
    return box


def test_peers_of_the_configuration():
    """debug_peer_list: a network and a login, without a command."""
    with House(users=2, settings={
            "debug_peer_list": "192.0.2.0/24 user1@example.test"}) as h:
        imap_of(h).logout()
        box = imaplib.IMAP4("127.0.0.1", h.imap, timeout=30)
        box.login(h.user(1), h.password)
        box.noop()
        box.logout()
        wait_until(lambda: any("NOOP" in l for l in protocol(h, h.user(1))))
        assert os.listdir(os.path.join(h.dir, "log", "protocol")) == [
            h.user(1) + ".log"]
        h.posthouse("conf", "set", "debug_peer_list=127.0.0.1", "--reload")
        with smtplib.SMTP("127.0.0.1", h.smtp, timeout=30) as s:
            s.noop()
        wait_until(lambda: any("221" in l for l in protocol(h, "127.0.0.1")))
        done = h.posthouse("conf", "set", "debug_peer_list=mail.example.org")
        done = h.posthouse("check", check=False)
        assert done.returncode == 1
        assert "debug_peer_list: mail.example.org is no address" in \
            done.stderr


def test_a_sender_chooses_no_file(house):
    """Whoever can write to logd's socket, names nothing outside the folder."""
    folder = os.path.join(house.dir, "log", "protocol")
    before = set(os.listdir(folder))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect("/proc/self/fd/%d/log" % os.open(
            os.path.join(house.dir, "run", "sockets"), os.O_RDONLY))
        for name in ("../../etc/evil", ".hidden", "", "a/b", "x" * 201,
                     "good@example.test"):
            s.send(b"PHL1\tprotocol\ttest\t0\t%s\tline\n" % name.encode())
    wait_until(lambda: protocol(house, "good@example.test"))
    assert set(os.listdir(folder)) - before == {
        "good@example.test.log", "a_b.log"}
    assert not os.path.exists(os.path.join(house.dir, "etc", "evil.log"))


def test_what_is_no_user_or_time(house):
    assert house.posthouse("debug", check=False).returncode == 64
    done = house.posthouse("debug", house.user(0), "--for", "soon",
                           check=False)
    assert done.returncode == 64 and "is no time" in done.stderr
    done = house.posthouse("debug", house.user(0), "--for", "2d", check=False)
    assert done.returncode == 1 and "at most a day" in done.stderr
    # A user who is none has no lines, and the operator would wait for them.
    done = house.posthouse("debug", "usr0@" + house.domain, check=False)
    assert done.returncode == 67 and "there is no user usr0@" in done.stderr
    # A login may leave the domain out, and has no case.
    house.posthouse("debug", house.user(0).upper(), "--for", "1s")
