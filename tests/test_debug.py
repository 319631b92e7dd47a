"""posthouse debug: the protocol of one user in the log, without what is
secret, and of nobody else."""
import base64
import imaplib
import poplib
import smtplib

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


def protocol(h, since=0):
    return [line for line in h.log().splitlines()[since:]
            if ": protocol C: " in line or ": protocol S: " in line]


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
    house.posthouse("debug", house.user(0), "--for", "5m")
    since = len(house.log().splitlines())
    use_all(house)

    def all_there():
        """the last line of each protocol"""
        text = "\n".join(protocol(house, since)).lower()
        return all(word in text for word in (
            "c: mail from", " logout", "posthouse/pop3d")) and \
            text.count("c: quit") == 2
    wait_until(all_there)
    text = "\n".join(protocol(house, since))
    for word in ("C: mail FROM", "S: 250 ", "SELECT INBOX", "S: * FLAGS",
                 "FETCH 1:*", "C: RETR 1", "S: +OK"):
        assert word.lower() in text.lower(), (word, text)
    secrets = [PASSWORD, MARK]
    for clear in (PASSWORD, "\0%s\0%s" % (house.user(0), PASSWORD),
                  "\0%s\0wrong-%s" % (house.user(0), PASSWORD)):
        secrets.append(base64.b64encode(clear.encode()).decode())
    for secret in secrets:
        assert secret not in house.log(), secret


def test_of_nobody_else_and_not_after_its_end(house):
    house.posthouse("debug", house.user(1))
    since = len(house.log().splitlines())
    box = imap(house, 0)
    box.select("INBOX")
    box.logout()
    other = imap(house, 1)
    other.select("INBOX")
    wait_until(lambda: any("SELECT" in l for l in protocol(house, since)))
    first = protocol(house, since)
    ids = {l.split(": protocol ")[0].split()[-1] for l in first}
    assert len(ids) == 1, first
    # A session that runs stops being shown, too.
    house.posthouse("debug", "off")
    other.noop()
    other.logout()
    house.logged("session end: user=<%s>" % house.user(1))
    assert not any("LOGOUT" in l for l in protocol(house, since))


def test_a_session_that_runs_and_a_client(house):
    box = imap(house, 0)
    box.select("INBOX")
    since = len(house.log().splitlines())
    house.posthouse("debug", "127.0.0.1", "--for", "1m")
    box.noop()
    wait_until(lambda: any("NOOP" in l for l in protocol(house, since)))
    box.logout()


def test_what_is_no_user_or_time(house):
    assert house.posthouse("debug", check=False).returncode == 2
    done = house.posthouse("debug", "a@b.test", "--for", "soon", check=False)
    assert done.returncode == 1 and "is no time" in done.stderr
    done = house.posthouse("debug", "a@b.test", "--for", "2d", check=False)
    assert done.returncode == 1 and "at most a day" in done.stderr
