"""reload under load, and generations that are rolled back: nobody notices."""
import imaplib
import os
import shutil
import smtplib
import socket
import time

import pytest

from faults import HAVE_STRACE, NO_STRACE, Sabotage
from house import House, POSTHOUSE, free_port, process, wait_until
from load import Load

RELOADS = 20


@pytest.fixture
def house():
    with House(domain="reload.test", users=4,
               settings={"reload_probation_time": "1s"}) as h:
        yield h


def pids(house):
    return {"%s/%s" % (s["name"], s["type"]): set(s["pids"])
            for s in house.json("status")["services"]}


def own_programs(house, tmp_path):
    """A daemon_directory of links, in which a test can break one program."""
    bin = str(tmp_path / "bin")
    os.mkdir(bin)
    os.chmod(str(tmp_path), 0o755)
    for name in os.listdir(os.path.dirname(POSTHOUSE)):
        os.symlink(os.path.join(os.path.dirname(POSTHOUSE), name),
                   os.path.join(bin, name))
    return bin


def script(path, text):
    os.unlink(path)
    with open(path, "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)


def rewrite(house, name, change):
    path = os.path.join(house.etc, name)
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))
    return text


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.settimeout(10)
        return s.recv(500)


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_nobody_notices_twenty_reloads(house):
    house.set("reload_probation_time", "0")
    house.posthouse("reload")
    with Load(house) as load:
        time.sleep(1)
        for i in range(RELOADS):
            house.set("mail_name", "Generation%d" % i)
            house.posthouse("reload")
            assert b"Generation%d" % i in greeting(house.smtp)
    assert load.failures == []
    for kind in ("smtp", "submission", "submission_login", "imap", "imaps",
                 "pop3", "idle", "stays_logged_in", "stays_submitting"):
        assert load.sessions.get(kind, 0) > 0, load.sessions
    assert house.json("status")["generation"] == RELOADS + 2
    house.wait_empty_queue()


def greeted(house):
    s = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
    assert s.ehlo()[0] == 250
    return s


@pytest.mark.skipif(not HAVE_STRACE, reason=NO_STRACE)
def test_a_client_that_comes_as_its_process_leaves(house):
    """screen passes it just before the process says that it takes no more:
    it is served in peace."""
    def parked():
        return next(s["parked"] for s in house.json("status")["services"]
                    if s["name"] == "smtpd")
    for s in [greeted(house) for _ in range(2)]:
        s.quit()
    wait_until(lambda: parked() == 2)
    pids = house.pids("smtpd")
    with Sabotage(pids, "shutdown:delay_enter=4000000"):
        # One of them leaves, and is held where it stops listening.
        house.posthouse("service", "limit", "smtpd", "1")
        wait_until(lambda: any(
            all(process(pid)[0] == "t" for _ in range(20)) for pid in pids))
        clients = [greeted(house) for _ in range(2)]
        for s in clients:
            s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx")
            s.quit()


def test_a_login_in_progress_ends_where_it_began(house):
    """Two answers of AUTH LOGIN, and IMAP's, with reloads between them."""
    s = smtplib.SMTP_SSL("127.0.0.1", house.submissions, timeout=30,
                         context=house.tls())
    s.ehlo()
    assert s.docmd("AUTH", "LOGIN")[0] == 334
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=30)
    m.send(b"a AUTHENTICATE PLAIN\r\n")
    assert m.readline().startswith(b"+")
    late = imaplib.IMAP4("127.0.0.1", house.imap, timeout=30)
    house.posthouse("reload")
    assert s.docmd("dXNlcjBAcmVsb2FkLnRlc3Q=")[0] == 334  # user0@reload.test
    house.posthouse("reload")
    assert s.docmd("c2VjcmV0")[0] == 235
    m.send(b"AHVzZXIwQHJlbG9hZC50ZXN0AHNlY3JldA==\r\n")
    while not (line := m.readline()).startswith(b"a "):
        assert line, "the connection was closed"
    assert line.startswith(b"a OK"), line
    assert late.login(house.user(0), house.password)[0] == "OK"
    # The login of before is good for what comes after.
    house.posthouse("reload")
    s.sendmail(house.user(0), [house.user(1)],
               "From: %s\r\nSubject: x\r\n\r\nx\r\n" % house.user(0))
    s.quit()


def test_a_login_survives_the_death_of_auth(house):
    s = smtplib.SMTP("127.0.0.1", house.submission, timeout=30)
    s.starttls(context=house.tls())
    s.login(house.user(0), house.password)
    before = pids(house)["auth/unix"]
    for pid in before:
        os.kill(pid, 9)
    wait_until(lambda: pids(house)["auth/unix"] - before)
    s.sendmail(house.user(0), [house.user(1)],
               "From: %s\r\nSubject: x\r\n\r\nx\r\n" % house.user(0))
    house.posthouse("service", "restart", "auth")
    s.sendmail(house.user(0), [house.user(1)],
               "From: %s\r\nSubject: x\r\n\r\nx\r\n" % house.user(0))
    s.quit()


def test_services_come_go_and_move(house):
    """A port moves, a service is added and one removed, in one reload."""
    moved, added = free_port(), free_port()

    def change(text):
        assert "127.0.0.1:%d" % house.pop3 in text
        text = text.replace("127.0.0.1:%d" % house.smtp,
                            "127.0.0.1:%d" % moved)
        text = "\n".join(line for line in text.split("\n")
                         if "127.0.0.1:%d " % house.pop3 not in line)
        return text + ("127.0.0.1:%d inet n - y - 5 smtpd\n" % added)
    open_client = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
    before = rewrite(house, "master.cf", change)
    house.posthouse("reload")
    assert b"220" in greeting(moved)
    assert b"220" in greeting(added)
    assert refuses(house.smtp) and refuses(house.pop3)
    # Who was connected finishes.
    open_client.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx")
    open_client.quit()
    rewrite(house, "master.cf", lambda text: before)
    house.posthouse("reload")
    assert b"220" in greeting(house.smtp)
    assert b"+OK" in greeting(house.pop3)
    assert refuses(moved) and refuses(added)


def test_one_address_under_another_name(house):
    """The same port, written otherwise: the socket goes over."""
    rewrite(house, "master.cf", lambda text: text.replace(
        "127.0.0.1:%d" % house.smtp, "[127.0.0.1]:%d" % house.smtp))
    with Load(house, stayers=False) as load:
        time.sleep(0.5)
        house.posthouse("reload")
        time.sleep(0.5)
    assert load.failures == []
    names = [s["name"] for s in house.json("status")["services"]]
    assert "[127.0.0.1]:%d" % house.smtp in names
    assert "127.0.0.1:%d" % house.smtp not in names


def test_a_port_that_is_taken_changes_nothing(house):
    before = pids(house)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        rewrite(house, "master.cf", lambda text: text + (
            "127.0.0.1:%d inet n - y - 5 smtpd\n" % other.getsockname()[1]))
        done = house.posthouse("reload", check=False)
    assert done.returncode == 1
    assert "cannot listen" in done.stderr and "nothing was" in done.stderr
    assert pids(house) == before
    assert house.json("status")["generation"] == 1


@pytest.mark.parametrize("how, said", [
    ("exit 1", "exit status 1"),
    ("kill -SEGV $$", "ended by signal 11"),
    ("exec sleep 100", "not ready in time"),
])
@pytest.mark.parametrize("name", ["lookup", "qmgr"])
def test_a_daemon_that_does_not_start_rolls_all_back(house, tmp_path, name,
                                                     how, said):
    """Of a role that overlaps, and of one that may only run alone."""
    bin = own_programs(house, tmp_path)
    script(os.path.join(bin, name), how + "\n")
    before = pids(house)
    rewrite(house, "main.cf", lambda text: text +
            "daemon_directory = %s\nmail_name = Bad\n"
            "service_start_timeout = 8s\n" % bin)
    house.crashes_allowed = True  # one of our own making
    with Load(house) as load:
        time.sleep(0.3)
        done = house.posthouse("reload", check=False)
        assert done.returncode == 1
        assert name in done.stderr and said in done.stderr, done.stderr
        assert b"Bad" not in greeting(house.smtp)
        assert house.json("status")["generation"] == 1
    assert load.failures == []
    after = pids(house)
    if name == "lookup":  # the old one was never asked to go
        assert after["lookup/unix"] >= before["lookup/unix"]
        assert after["qmgr/unix"] == before["qmgr/unix"]
    assert after["auth/unix"] & before["auth/unix"]
    wait_until(lambda: all(
        s["state"] in ("running", "waiting")
        for s in house.json("status")["services"]))
    house.wait_empty_queue()
    rewrite(house, "main.cf", lambda text: text.replace(
        "daemon_directory = %s\n" % bin, ""))
    house.posthouse("reload")
    assert b"Bad" in greeting(house.smtp)


def test_one_that_breaks_in_its_probation_rolls_all_back(house, tmp_path):
    bin = own_programs(house, tmp_path)
    script(os.path.join(bin, "policyd"),
           "%s/policyd \"$@\" &\n p=$!; sleep 0.5; kill -9 $p; exit 3\n" %
           os.path.dirname(POSTHOUSE))
    rewrite(house, "main.cf", lambda text: text +
            "daemon_directory = %s\nreload_probation_time = 5s\n" % bin)
    done = house.posthouse("reload", check=False)
    assert done.returncode == 1 and "policyd: exit status 3" in done.stderr
    assert house.json("status")["generation"] == 1
    wait_until(lambda: pids(house)["policyd/unix"])
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx\r\n")


@pytest.mark.skipif(not HAVE_STRACE, reason=NO_STRACE)
@pytest.mark.parametrize("calls", [
    "memfd_create:error=ENFILE", "clone,clone3,fork,vfork:error=EAGAIN",
    "socketpair:error=EMFILE"])
def test_a_master_that_gets_nothing_keeps_what_it_has(house, calls):
    """No memory file, no process or no socket for a new generation."""
    house.set("mail_name", "Better")
    before = pids(house)
    with Sabotage([house.master_pid()], calls) as s:
        done = house.posthouse("reload", check=False)
        assert done.returncode == 1 and done.stderr
        assert house.json("status")["generation"] == 1
        assert b"Better" not in greeting(house.smtp)
        assert pids(house)["auth/unix"] >= before["auth/unix"]
    assert s.text and any("(INJECTED" in x for x in s.text)
    # What may only run alone had to leave, and comes back by itself.
    wait_until(lambda: all(
        s["state"] in ("running", "waiting")
        for s in house.json("status")["services"]), 40)
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx\r\n")
    house.wait_empty_queue()
    house.posthouse("reload")
    assert b"Better" in greeting(house.smtp)


def test_one_that_failed_before_is_no_reason(house, tmp_path):
    """Its failure is not the new configuration's fault."""
    bin = own_programs(house, tmp_path)
    script(os.path.join(bin, "keeper"), "exit 1\n")
    house.stop()
    rewrite(house, "main.cf",
            lambda text: text + "daemon_directory = %s\n" % bin)
    house.posthouse("start", check=False)
    house.set("mail_name", "Renamed")
    house.posthouse("reload")
    assert b"Renamed" in greeting(house.smtp)


def test_one_that_was_renewed_alone_is_not_disturbed(house, tmp_path):
    """It has a generation of its own when the reload is rolled back."""
    house.posthouse("service", "restart", "lookup")
    before = pids(house)["lookup/unix"]
    bin = own_programs(house, tmp_path)
    script(os.path.join(bin, "auth"), "exit 1\n")
    rewrite(house, "main.cf",
            lambda text: text + "daemon_directory = %s\n" % bin)
    assert house.posthouse("reload", check=False).returncode == 1
    assert pids(house)["lookup/unix"] >= before
    wait_until(lambda: pids(house)["lookup/unix"] <= before)
    assert pids(house)["lookup/unix"] == before


def test_a_restart_that_fails_leaves_the_old_one(house, tmp_path):
    bin = own_programs(house, tmp_path)
    rewrite(house, "main.cf",
            lambda text: text + "daemon_directory = %s\n" % bin)
    house.posthouse("reload")
    before = pids(house)["lookup/unix"]
    script(os.path.join(bin, "lookup"), "exit 1\n")
    done = house.posthouse("service", "restart", "lookup", check=False)
    assert done.returncode == 1 and "exit status 1" in done.stderr
    assert pids(house)["lookup/unix"] >= before
    os.unlink(os.path.join(bin, "lookup"))
    shutil.copy(os.path.join(os.path.dirname(POSTHOUSE), "lookup"), bin)
    house.posthouse("service", "restart", "lookup")
    assert not pids(house)["lookup/unix"] & before
