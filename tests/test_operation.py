"""What an operator does to one service, and what its processes may do to
master: a child that has gone mad hurts its own service only."""
import json
import os
import re
import resource
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from house import House, POSTHOUSE, TOP, wait_until

BIN = os.path.dirname(POSTHOUSE)


@pytest.fixture
def house():
    with House(domain="operation.test", users=2) as h:
        yield h


def service(house, name):
    return next(s for s in house.json("status")["services"]
                if "%s/%s" % (s["name"], s["type"]) == name)


def send(house):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx\r\n")


def own_programs(house, tmp_path):
    bin = str(tmp_path / "bin")
    os.mkdir(bin)
    os.chmod(str(tmp_path), 0o755)
    for name in os.listdir(BIN):
        os.symlink(os.path.join(BIN, name), os.path.join(bin, name))
    with open(os.path.join(house.etc, "main.cf"), "a") as f:
        f.write("daemon_directory = %s\n" % bin)
    return bin


def mad(house, bin, name, text):
    """The daemon is a Python program now; it begins by saying that it is
    ready, behind os._exit nothing of it is left."""
    path = os.path.join(bin, name)
    os.unlink(path)
    with open(path, "w") as f:
        f.write("#!/usr/bin/python3\nimport mmap, os, random, socket, time\n"
                "channel = socket.socket(fileno=3)\n"
                "board = mmap.mmap(4, os.fstat(4).st_size)\n"
                "channel.send(b'R')\n" + text)
    os.chmod(path, 0o755)


# ---- the operator ----

def test_status_of_one_service(house):
    send(house)
    house.wait_empty_queue()
    s = house.json("service", "status", "qmgr")
    assert s["name"] == "qmgr" and s["state"] == "running"
    assert s["count"] == 1 and s["limit"] == 1 and s["restarts"] == 0
    assert [p["pid"] for p in s["processes"]] == service(
        house, "qmgr/unix")["pids"]
    assert s["processes"][0]["resident"] > 100000
    assert s["resident"] == s["processes"][0]["resident"]
    wait_until(lambda: house.json(
        "service", "status", "smtpd/pass")["served"] >= 1)
    assert house.json("service", "status", "smtpd/pass")["counters"][
        "accepted"] == 1
    text = house.posthouse("service", "status", "qmgr")
    assert re.search(r"^state +running$", text, re.M)
    assert re.search(r"^ *%d +\d+\.\d+ +\d+ kB$" % s["processes"][0]["pid"],
                     text, re.M)
    done = house.posthouse("service", "status", "none", check=False)
    assert done.returncode == 1 and "no such service" in done.stderr


def lmtp_clients(house, n):
    clients = [socket.create_connection(("127.0.0.1", house.lmtp), 10)
               for _ in range(n)]
    for c in clients:
        c.settimeout(20)
    return clients


def greeted(client, seconds):
    client.settimeout(seconds)
    try:
        return client.recv(100).startswith(b"220")
    except socket.timeout:
        return False


def test_a_limit_until_the_next_reload(house):
    name = "127.0.0.1:%d" % house.lmtp
    before = service(house, name + "/inet")["limit"]
    house.posthouse("service", "limit", name, "2")
    assert service(house, name + "/inet")["limit"] == 2
    clients = lmtp_clients(house, 3)
    assert greeted(clients[0], 20) and greeted(clients[1], 20)
    assert not greeted(clients[2], 1)
    clients[0].close()
    assert greeted(clients[2], 20)
    # Fewer than there are: who is busy finishes.
    house.posthouse("service", "limit", name, "1")
    clients[1].send(b"NOOP\r\n")
    assert clients[1].recv(100).startswith(b"250")
    clients[2].close()
    clients[1].close()
    wait_until(lambda: service(house, name + "/inet")["processes"] <= 1)
    for bad in ("0", "many", "100000", "-1"):
        done = house.posthouse("service", "limit", name, bad, check=False)
        assert done.returncode == 1 and "from 1 to 2048" in done.stderr
    done = house.posthouse("service", "limit", "qmgr", "2", check=False)
    assert done.returncode == 1 and "one process" in done.stderr
    assert house.posthouse("service", "limit", name,
                           check=False).returncode == 64
    house.posthouse("reload")
    assert service(house, name + "/inet")["limit"] == before


USAGE = [
    [], ["nonsense"], ["report"], ["report", "nonsense"],
    ["report", "list", "--nonsense", "x"], ["report", "list", "--since"],
    ["report", "show"], ["queue"], ["queue", "list", "--older", "soon"],
    ["queue", "show", "x"], ["queue", "delete"], ["debug", "a@b", "x"],
    ["debug", "127.0.0.1", "--for", "soon"], ["user"], ["user", "show", "@"],
    ["domain", "add", "no domain"], ["domain", "add", "a.test", "what"],
    ["alias"], ["auth", "test", "a", "--service", "fax"],
    ["auth", "test", "a", "--from", "nowhere"], ["conf"], ["conf", "get"],
    ["conf", "import", "one", "two"], ["conf", "import", "--nonsense"],
    ["dkim", "new", "no domain"], ["dkim", "new", "a.test", "--selector", "A/"],
    ["service", "nonsense"], ["who", "--protocol", "fax"], ["kick"],
    ["trace"], ["trace", "x", "--limit", "0"], ["route"], ["explain"],
    ["penalty"], ["stats", "--interval", "0"], ["store"], ["srs"],
    ["reload", "x"], ["status", "x"], ["check", "x"], ["upgrade", "x"],
    ["init"]]
DOCUMENTS = [
    ["status"], ["stats"], ["stats", "--list"], ["conf", "list"],
    ["conf", "get", "myhostname"], ["conf", "explain", "myhostname"],
    ["conf", "check"], ["conf", "diff"], ["check"], ["who"],
    ["queue", "list"], ["queue", "count"], ["queue", "summary"],
    ["queue", "why", "none.test"], ["queue", "hold", "ALL"],
    ["user", "list"], ["domain", "list"], ["alias", "list"],
    ["user", "show", "user0@operation.test"], ["debug", "off"],
    ["debug", "127.0.0.1"], ["service", "list"], ["service", "status", "qmgr"],
    ["route", "user0@operation.test"], ["penalty", "list"], ["dkim", "list"],
    ["report", "list"], ["report", "summary"], ["report", "pending"],
    ["report", "send"], ["trace", "user0@operation.test"],
    ["explain", "--to", "user0@operation.test"],
    ["auth", "test", "user0@operation.test"], ["store", "check", "--all"]]


def test_wrong_usage_has_one_status_and_json_is_one_document(house):
    """EX_USAGE, whatever the command; and no empty line behind a document."""
    for args in USAGE:
        done = house.posthouse(*args, check=False)
        assert done.returncode == 64 and done.stderr and not done.stdout, done
    for args in DOCUMENTS:
        done = house.posthouse("--json", *args, check=False, input="secret\n")
        if done.stdout:
            json.loads(done.stdout)
            assert done.stdout.endswith("\n") and \
                not done.stdout.endswith("\n\n"), done
        else:
            assert done.returncode != 0 and done.stderr, done


def test_drain_lets_them_finish(house):
    name = "127.0.0.1:%d" % house.lmtp
    client, = lmtp_clients(house, 1)
    assert greeted(client, 20)
    house.posthouse("service", "drain", name)
    assert service(house, name + "/inet")["state"] == "draining"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", house.lmtp), 5)
    client.send(b"NOOP\r\n")
    assert client.recv(100).startswith(b"250")
    client.close()
    wait_until(lambda: service(house, name + "/inet")["state"] == "stopped")
    house.posthouse("service", "start", name)
    assert greeted(lmtp_clients(house, 1)[0], 20)


def daemons():
    with open(os.path.join(TOP, "Makefile")) as f:
        text = re.search(r"^DAEMONS\s*:=((?:.*\\\n)*.*)", f.read(),
                         re.M).group(1)
    return [d for d in text.replace("\\", " ").split() if d != "master"]


@pytest.mark.parametrize("name", daemons())
def test_each_daemon_runs_by_hand(name, by_hand):
    """In the foreground, on a socket of the caller's, until it is told to
    end; or it says what it wants."""
    house, place = by_hand
    path = os.path.join(place, name)
    p = subprocess.Popen(
        [os.path.join(BIN, name), "-C", house.etc, "--debug", "--listen",
         path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: p.poll() is not None or os.path.exists(path))
        time.sleep(0.3)
        p.send_signal(signal.SIGTERM)
        text = p.communicate(timeout=20)[0]
    finally:
        p.kill()
        p.wait()
    assert p.returncode == 0 or "fatal: " in text, (p.returncode, text)
    assert p.returncode in (0, 1), text


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    with House(domain="hand.test", users=1) as h:
        h.stop()
        place = tmp_path_factory.mktemp("hand")
        os.chmod(str(place), 0o777)
        yield h, str(place)


# ---- processes that have gone mad ----

def test_who_floods_the_channel_is_ended(house, tmp_path):
    bin = own_programs(house, tmp_path)
    mad(house, bin, "policyd", "while True:\n    channel.send(b'B')\n")
    house.set("reload_probation_time", "0")
    house.posthouse("reload")
    wait_until(lambda: "floods its channel" in house.log())
    wait_until(lambda: service(house, "policyd/unix")["restarts"] > 0)
    for _ in range(3):
        assert house.json("status")["services"]
        send(house)  # policyd is away, and the port open


@pytest.mark.parametrize("what", ["b'\\xff'", "b'\\0'", "os.urandom(1)",
                                  "bytes([random.randrange(1, 6)])"])
def test_what_is_written_to_the_board_hurts_nobody(house, tmp_path, what):
    """All of the shared memory is nonsense, and changes all the time."""
    bin = own_programs(house, tmp_path)
    others = {n: service(house, n)["pids"] for n in ("qmgr/unix",
                                                     "auth/unix")}
    mad(house, bin, "policyd", """
while True:
    board[:] = %s * len(board)
    channel.send(b'B')
    time.sleep(0.05)
""" % what)
    house.posthouse("service", "restart", "policyd", check=False)
    house.set("reload_probation_time", "0")
    house.posthouse("reload", check=False)
    for _ in range(5):
        services = house.json("status")["services"]
        assert services
        send(house)
        house.posthouse("service", "status", "policyd")
    assert others
    house.posthouse("service", "stop", "policyd")
    assert service(house, "policyd/unix")["state"] == "stopped"
    for name in others:
        assert service(house, name)["state"] == "running"


def test_a_name_of_a_counter_cannot_write_to_the_terminal(house, tmp_path):
    bin = own_programs(house, tmp_path)
    mad(house, bin, "policyd", """
import struct
at = 32  # magic, idle, stress, served: the counters come behind
for at in range(0, 256, 8):
    board[at:at + 4] = struct.pack("I", 2)
    board[at + 4:at + 36] = b"\\x1b]0;mine\\x07" + bytes(23)
    channel.send(b'B')
    time.sleep(0.05)
time.sleep(1000)
""")
    house.set("reload_probation_time", "0")
    house.posthouse("reload")

    def shown():
        """the counter"""
        text = house.posthouse("service", "status", "policyd")
        assert "\x1b" not in text and "\x07" not in text
        return "?]0;mine" in text
    wait_until(shown)


def test_without_descriptors_master_goes_on(house):
    """No process can be started and nobody heard; then all is well again."""
    master = house.master_pid()
    soft, hard = resource.prlimit(master, resource.RLIMIT_NOFILE)
    there = len(os.listdir("/proc/%d/fd" % master))
    resource.prlimit(master, resource.RLIMIT_NOFILE, (3, hard))
    try:
        os.kill(pid_of(house, "lookup"), signal.SIGKILL)
        clients = lmtp_clients(house, 4)
        os.kill(master, signal.SIGHUP)
        time.sleep(1.5)
        assert os.path.exists("/proc/%d" % master)
        # Somebody knocks, who cannot be heard: no turning in circles.
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(house.dir, "run", "sockets", "master"))
            time.sleep(0.2)
            before = cpu(master)
            time.sleep(3)
            assert cpu(master) - before < 0.2
        assert len(os.listdir("/proc/%d/fd" % master)) <= there + 2
    finally:
        resource.prlimit(master, resource.RLIMIT_NOFILE, (soft, hard))
    assert all(greeted(c, 30) for c in clients)
    wait_until(lambda: service(house, "lookup/unix")["state"] == "running")
    send(house)
    house.posthouse("reload")
    assert house.master_pid() == master


def pid_of(house, program):
    return house.pids(program)[0]


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_one_that_never_becomes_ready_is_killed(house, tmp_path):
    bin = own_programs(house, tmp_path)
    house.set("service_start_timeout", "1s")
    house.posthouse("reload")
    path = os.path.join(bin, "lookup")
    os.unlink(path)
    with open(path, "w") as f:
        f.write("#!/bin/sh\nexec sleep 1000\n")
    os.chmod(path, 0o755)
    os.kill(pid_of(house, "lookup"), signal.SIGKILL)
    wait_until(lambda: "did not become ready in time" in house.log())
    wait_until(lambda: service(house, "lookup/unix")["restarts"] >= 2)
    assert "not ready in time" in service(house, "lookup/unix")["error"]
    os.unlink(path)
    os.symlink(os.path.join(BIN, "lookup"), path)
    wait_until(lambda: service(house, "lookup/unix")["state"] == "running" and
               service(house, "lookup/unix")["processes"] and send(house)
               is None)
