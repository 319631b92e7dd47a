"""posthouse upgrade: other programs take over, and nobody notices."""
import imaplib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from house import House, POSTHOUSE, free_port, wait_until
from load import Load

BIN = os.path.dirname(POSTHOUSE)
UPGRADES = 6


@pytest.fixture
def house(tmp_path):
    """One whose programs can be replaced."""
    bin = str(tmp_path / "bin")
    os.chmod(str(tmp_path), 0o755)
    shutil.copytree(BIN, bin)
    with House(domain="upgrade.test", users=4,
               settings={"reload_probation_time": "1s",
                         "service_start_timeout": "8s",
                         "daemon_directory": bin}) as h:
        h.bin = bin
        h.is_ours = lambda pid: exe(pid).startswith(bin)
        yield h


def exe(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def install(house, *names):
    """New files in the place of the programs, as a package does it."""
    for name in names or os.listdir(house.bin):
        path = os.path.join(house.bin, name)
        shutil.copy(os.path.join(BIN, name), path + ".new")
        os.rename(path + ".new", path)


def script(house, name, text):
    path = os.path.join(house.bin, name)
    with open(path + ".new", "w") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def is_new(house, pid, name):
    """The process executes the file that is there now."""
    try:
        there = os.stat("/proc/%d/exe" % pid).st_ino
    except OSError:
        return True  # it has ended meanwhile
    return there == os.stat(os.path.join(house.bin, name)).st_ino


def service(house, name):
    return next(s for s in house.json("status")["services"]
                if "%s/%s" % (s["name"], s["type"]) == name)


def send(house):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx\r\n")


def works_as_before(house, before):
    status = house.json("status")
    assert status["pid"] == before["pid"]
    assert status["generation"] == before["generation"]
    for s, old in zip(status["services"], before["services"]):
        assert s["name"] == old["name"]
        if old["limit"] == 1 and old["state"] == "running" and \
                old["command"] not in ("imapd", "pop3d"):
            assert s["pids"] == old["pids"], s["name"]
    send(house)


def test_nobody_notices_upgrades(house):
    house.set("reload_probation_time", "0")
    house.posthouse("reload")
    master = house.master_pid()
    with Load(house) as load:
        time.sleep(1)
        for i in range(UPGRADES):
            install(house)
            house.posthouse("upgrade")
            assert house.master_pid() == master
            assert is_new(house, master, "master")
            for name in ("auth", "qmgr", "lookup"):
                for pid in service(house, name + "/unix")["pids"]:
                    if exe(pid).endswith("(deleted)"):
                        continue  # finishes what it has
                    assert is_new(house, pid, name)
    assert load.failures == []
    for kind in ("smtp", "submission", "submission_login", "imap", "imaps",
                 "pop3", "idle", "stays_logged_in", "stays_submitting"):
        assert load.sessions.get(kind, 0) > 0, load.sessions
    house.wait_empty_queue()
    processes = house.identities()
    house.stop()
    house.wait_gone(processes, 0)


def test_what_the_operator_did_stays(house):
    house.posthouse("service", "stop", "keeper")
    restarts = service(house, "policyd/unix")["restarts"]
    os.kill(service(house, "policyd/unix")["pids"][0], signal.SIGKILL)
    wait_until(lambda: service(house, "policyd/unix")["state"] == "running")
    send(house)
    # A process tells of a client when it is through with it.
    wait_until(lambda: service(house, "smtpd/pass")["served"] == 1)
    served = 1
    install(house)
    assert house.json("upgrade")["generation"] == 2
    assert service(house, "keeper/unix")["state"] == "stopped"
    assert service(house, "policyd/unix")["restarts"] == restarts + 1
    assert service(house, "smtpd/pass")["served"] == served
    house.posthouse("service", "start", "keeper")
    house.posthouse("reload")
    send(house)
    # And a master that is killed later is followed by another.
    processes = house.identities()
    os.kill(house.master_pid(), signal.SIGKILL)
    house.start()
    house.wait_gone(processes)
    send(house)


def test_who_is_connected_stays(house):
    idle = imaplib.IMAP4("127.0.0.1", house.imap)
    idle.login(house.user(0), house.password)
    idle.select()
    idle.send(b"i IDLE\r\n")
    assert idle.readline().startswith(b"+")
    s = smtplib.SMTP("127.0.0.1", house.submission, timeout=30)
    s.starttls(context=house.tls())
    s.login(house.user(1), house.password)
    for _ in range(2):
        install(house)
        house.posthouse("upgrade")
    s.sendmail(house.user(1), [house.user(0)],
               "From: %s\r\nSubject: x\r\n\r\nx\r\n" % house.user(1))
    while b"EXISTS" not in idle.readline():
        pass
    s.quit()
    idle.shutdown()


@pytest.mark.parametrize("how, said", [
    ("echo no such thing; exit 1", "no such thing"),
    ("kill -SEGV $$", "ended by a signal"),
    ("exec sleep 100", "does not answer"),
])
def test_a_master_that_cannot_take_over(house, how, said):
    before = house.json("status")
    script(house, "master", how + "\n")
    done = house.posthouse("upgrade", check=False)
    assert done.returncode == 1 and said in done.stderr, done.stderr
    works_as_before(house, before)
    install(house, "master")
    house.posthouse("upgrade")
    send(house)


def test_a_stop_in_the_midst_of_an_upgrade(house, tmp_path):
    """The program that is being checked does not go on any more, a reload
    brings nothing new, and all have ended when the command says so."""
    go = str(tmp_path / "go")
    script(house, "master", "while [ ! -e %s ]; do sleep 0.05; done\n"
           "exec %s/master \"$@\"\n" % (go, BIN))
    busy = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
    busy.ehlo()
    assert busy.mail("a@x.test")[0] == 250  # a stop waits for it
    command = [POSTHOUSE, "-c", house.etc]
    upgrade = subprocess.Popen(command + ["upgrade"], text=True,
                               stderr=subprocess.PIPE)
    wait_until(lambda: len(house.pids("master")) == 2)
    processes = house.identities()
    stop = subprocess.Popen(command + ["stop"])
    house.logged("terminating")
    open(go, "w").close()
    assert upgrade.wait(30) == 1
    assert "is being stopped" in upgrade.stderr.read()
    port = free_port()
    with open(os.path.join(house.etc, "master.cf"), "a") as f:
        f.write("127.0.0.1:%d inet n - y - 5 smtpd\n" % port)
    done = house.posthouse("reload", check=False)
    assert done.returncode == 1 and "is being stopped" in done.stderr
    assert stop.poll() is None
    busy.close()
    assert stop.wait(60) == 0
    house.wait_gone(processes, 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)


def test_a_broken_configuration_is_found_before(house):
    before = house.json("status")
    with open(os.path.join(house.etc, "master.cf"), "a") as f:
        f.write("nonsense\n")
    done = house.posthouse("upgrade", check=False)
    assert done.returncode == 1 and "master.cf:" in done.stderr
    works_as_before(house, before)


def test_no_program_at_all(house):
    before = house.json("status")
    os.unlink(os.path.join(house.bin, "master"))
    done = house.posthouse("upgrade", check=False)
    assert done.returncode == 1 and "is not there" in done.stderr
    works_as_before(house, before)
    with open(os.path.join(house.bin, "master"), "w") as f:
        f.write("this is no program")
    os.chmod(os.path.join(house.bin, "master"), 0o755)
    done = house.posthouse("upgrade", check=False)
    assert done.returncode == 1 and "cannot go on" in done.stderr
    works_as_before(house, before)


@pytest.mark.parametrize("name", ["lookup", "qmgr"])
def test_a_daemon_of_the_new_version_fails(house, name):
    """The new master runs, with the daemons of before."""
    before = house.json("status")
    lookup = service(house, "lookup/unix")["pids"]
    install(house, "master")
    good = os.path.join(house.bin, name)
    os.rename(good, good + ".good")
    # The configuration of before finds its programs in the same place, so the
    # one that may only run alone has to be there when it comes back.
    script(house, name, "mv %s.good %s; exit 7\n" % (good, good))
    with Load(house, stayers=False) as load:
        done = house.posthouse("upgrade", check=False)
        assert done.returncode == 1 and "exit status 7" in done.stderr
    assert load.failures == []
    assert is_new(house, house.master_pid(), "master")
    assert house.json("status")["generation"] == before["generation"]
    if name == "lookup":
        assert set(service(house, "lookup/unix")["pids"]) >= set(lookup)
    wait_until(lambda: service(house, name + "/unix")["state"] == "running")
    send(house)
    house.wait_empty_queue()


DAMAGE = """
import os, random, subprocess, sys
fd, etc, master, out = int(sys.argv[1]), *sys.argv[2:5]
with open("/proc/self/fd/%d" % fd, "rb") as f:
    state = f.read()
chance = random.Random(4)
report = open(out, "w")


def test(text, what):
    path = out + ".state"
    with open(path, "wb") as f:
        f.write(text)
    damaged = os.open(path, os.O_RDONLY)
    os.set_inheritable(damaged, True)
    done = subprocess.run([master, "-T", str(damaged), "-c", etc],
                          close_fds=False, capture_output=True, text=True,
                          errors="replace")
    os.close(damaged)
    report.write("%s %d %s\\n" % (what, done.returncode,
                                  done.stderr.replace("\\n", " ")))


test(state, "whole")
test(state.replace(b"master-state\\t1", b"master-state\\t3"), "version")
test(b"", "empty")
test(state[:state.rindex(b"end\\t")], "cut")
for i in range(150):
    text = bytearray(state)
    where = chance.randrange(len(text))
    if i % 4 == 0:
        text = text[:where]
    elif i % 4 == 1:
        text[where] = chance.randrange(256)
    elif i % 4 == 2:
        del text[where:where + chance.randrange(1, 200)]
    else:  # lines of the services change places
        lines = bytes(text).split(b"\\n")
        a, b = (chance.randrange(len(lines)) for _ in "ab")
        lines[a], lines[b] = lines[b], lines[a]
        text = b"\\n".join(lines)
    test(bytes(text), "damaged")
report.close()
os.rename(out, out + ".done")
sys.exit(1)
"""


def test_a_state_that_is_damaged_does_no_harm(house, tmp_path):
    """The new program looks at it, all descriptors in place: it says yes or
    why not, and never crashes. Nobody is hurt."""
    house.set("service_start_timeout", "100s")
    house.posthouse("reload")
    before = house.json("status")
    damage, out = str(tmp_path / "damage.py"), str(tmp_path / "report")
    with open(damage, "w") as f:
        f.write(DAMAGE)
    script(house, "master", "exec /usr/bin/python3 %s $2 $4 %s %s\n" % (
        damage, os.path.join(BIN, "master"), out))
    done = house.posthouse("upgrade", check=False, timeout=120)
    assert done.returncode == 1
    assert os.path.exists(out + ".done"), done.stderr
    with open(out + ".done") as f:
        lines = f.read().splitlines()
    assert lines[0].startswith("whole 0"), lines[0]
    assert lines[1].startswith("version 1") and "version 3" in lines[1]
    assert lines[2].startswith("empty 1")
    assert lines[3].startswith("cut 1") and "cut off" in lines[3]
    assert len(lines) == 154
    for line in lines[4:]:
        word, status, *why = line.split(" ", 2)
        assert status in ("0", "1"), line
        assert status == "0" or why, line
    assert sum(line.startswith("damaged 1") for line in lines) > 75
    works_as_before(house, before)
