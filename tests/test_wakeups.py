"""Who is woken by a change of a mailbox: the login processes that hold a client
of that account, and nobody else."""
import imaplib
import os
import poplib
import signal
import smtplib

import pytest

from house import House, wait_until


@pytest.fixture(scope="module")
def house():
    with House(domain="wake.test", users=3) as h:
        deliver(h, 0)  # everything runs
        yield h


def wakeups(house):
    """What the login processes have heard, by their service."""
    names = ["127.0.0.1:%d" % port for port in (
        house.imap, house.imaps, house.pop3, house.pop3s)]
    return {s["name"]: s.get("counters", {}).get("wake-ups", 0)
            for s in house.json("status")["services"] if s["name"] in names}


def messages(house, user):
    """POP3 looks without being told of anything."""
    p = poplib.POP3("127.0.0.1", house.pop3, timeout=30)
    p.user(house.user(user))
    p.pass_(house.password)
    count = p.stat()[0]
    p.quit()
    return count


def deliver(house, user, count=1):
    before = messages(house, user)
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        for i in range(count):
            s.sendmail("a@far.test", [house.user(user)],
                       "Subject: %d\r\n\r\nx\r\n" % i)

    def there():
        """all messages in the mailbox"""
        return messages(house, user) == before + count
    wait_until(there, 30)


class Idle:
    """A client in IDLE, with TLS or without."""

    def __init__(self, house, user, tls=False):
        if tls:
            self.imap = imaplib.IMAP4_SSL("127.0.0.1", house.imaps, timeout=30,
                                          ssl_context=house.tls())
        else:
            self.imap = imaplib.IMAP4("127.0.0.1", house.imap, timeout=30)
        self.imap.login(house.user(user), house.password)
        self.imap.select()
        self.imap.send(b"i IDLE\r\n")
        assert self.imap.readline().startswith(b"+")

    def hears(self):
        while True:
            line = self.imap.readline()
            assert line, "closed"
            if b"EXISTS" in line:
                return int(line.split()[1])

    def close(self):
        self.imap.send(b"DONE\r\n")
        while not self.imap.readline().startswith(b"i OK"):
            pass
        self.imap.logout()


def test_mail_for_others_wakes_nobody(house):
    """And who is idle hears, of one service and not of the other."""
    client = Idle(house, 0)
    before = wakeups(house)
    assert len(before) == 4
    deliver(house, 1, 10)
    assert wakeups(house) == before
    deliver(house, 0, 2)
    while client.hears() < messages(house, 0):
        pass
    after = wakeups(house)
    woken = [name for name in after if after[name] > before[name]]
    assert woken == ["127.0.0.1:%d" % house.imap], (before, after)
    client.close()


def test_who_has_left_is_not_woken(house):
    for tls in (False, True):
        client = Idle(house, 2, tls)
        deliver(house, 2)
        client.hears()
        client.close()

    def nobody():
        """no client of this account"""
        before = wakeups(house)
        deliver(house, 2)
        return wakeups(house) == before
    wait_until(nobody, 30)


def test_after_a_death_and_a_restart(house):
    """Each new login process begins with nobody, and who comes to it hears."""
    def one_more(name):
        client = Idle(house, 0)
        deliver(house, 0)
        assert client.hears() > 0
        before = wakeups(house)
        deliver(house, 1)
        assert wakeups(house) == before, name
        return client

    def hears_more(client):
        deliver(house, 0)
        while client.hears() < messages(house, 0):
            pass
    one_more("before").close()
    # Whose clients die with it, and its files stay.
    for pid in house.pids("login"):
        os.kill(pid, signal.SIGKILL)

    def comes_back():
        try:
            return one_more("killed")
        except (OSError, imaplib.IMAP4.error, poplib.error_proto):
            return None
    wait_until(comes_back, 30, 0.3).close()
    folder = os.path.join(house.dir, "run", "notify")
    pids = {str(p) for p in house.pids("login")}
    left = [n for n in os.listdir(folder) if n.lstrip(".").startswith("login.")
            and n.rsplit(".", 1)[1] not in pids]
    assert left == []
    # One that holds a client while the next process takes over.
    stays = one_more("before the reload")
    house.posthouse("reload")
    hears_more(stays)
    new = Idle(house, 0)
    hears_more(new)
    new.close()
    hears_more(stays)
    stays.close()


def test_files_are_for_writers_alone(house):
    folder = os.path.join(house.dir, "run", "notify")
    filters = [n for n in os.listdir(folder) if n.startswith(".login.")]
    assert len(filters) >= 2
    for name in filters:
        st = os.stat(os.path.join(folder, name))
        assert st.st_mode & 0o777 == 0o640
        if os.getuid() == 0:
            assert st.st_uid == 0
            assert st.st_gid == os.stat(folder).st_gid
