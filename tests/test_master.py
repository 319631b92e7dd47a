"""The supervisor: one service alone, failures, reload, a master that dies."""
import json
import os
import shutil
import signal
import smtplib
import socket
import stat
import subprocess

import pytest

from house import House, POSTHOUSE, free_port_base, process, wait_until


@pytest.fixture
def house():
    with House(domain="master.test", users=1) as h:
        yield h


def services(house):
    return {"%s/%s" % (s["name"], s["type"]): s
            for s in house.json("status")["services"]}


def service(house, name):
    return services(house)[name]


def smtp_name(house):
    return "127.0.0.1:%d" % house.smtp


def send(house, subject="x"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail("a@x.test", [house.user(0)],
                   "Subject: %s\r\n\r\nx\r\n" % subject)


def test_status_tells_what_runs(house):
    send(house)
    all = services(house)
    for name in ("qmgr/unix", "lookup/unix", "auth/unix", "log/unix-dgram"):
        assert all[name]["state"] == "running", name
        assert all[name]["processes"] == 1
        assert len(all[name]["pids"]) == 1 and process(
            all[name]["pids"][0])[1]
    mx = all[smtp_name(house) + "/inet"]
    assert mx["command"] == "screen" and mx["served"] == 1
    wait_until(lambda: service(house, "smtpd/pass")["served"] == 1)
    text = house.posthouse("status")
    assert "lookup" in text and "running" in text


def test_start_twice_says_so(house):
    done = house.posthouse("start", check=False)
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert services(house)["qmgr/unix"]["state"] == "running"


def test_one_service_stops_and_starts_alone(house):
    before = services(house)
    house.posthouse("service", "stop", "lookup")
    now = services(house)
    assert now["lookup/unix"]["state"] == "stopped"
    assert now["lookup/unix"]["pids"] == []
    assert not process(before["lookup/unix"]["pids"][0])[1]
    assert now["qmgr/unix"]["pids"] == before["qmgr/unix"]["pids"]
    # A dead neighbour has a stated effect: a temporary error.
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.ehlo()
        s.mail("a@x.test")
        assert 400 <= s.rcpt(house.user(0))[0] < 500
    house.posthouse("service", "start", "lookup")
    assert service(house, "lookup/unix")["state"] == "running"
    send(house)


def test_a_stopped_port_refuses_and_comes_back(house):
    house.posthouse("service", "stop", smtp_name(house))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", house.smtp), timeout=5)
    house.posthouse("service", "start", smtp_name(house))
    send(house)


def test_restart_replaces_the_process(house):
    before = service(house, "auth/unix")["pids"]
    house.posthouse("service", "restart", "auth")
    assert service(house, "auth/unix")["state"] == "running"
    wait_until(lambda: set(before).isdisjoint(
        service(house, "auth/unix")["pids"]))


def test_an_unknown_service_is_an_error(house):
    done = house.posthouse("service", "stop", "nonesuch", check=False)
    assert done.returncode == 1 and "no such service" in done.stderr
    assert house.posthouse("service", "explode", "qmgr",
                           check=False).returncode == 64


@pytest.mark.parametrize("name", ["qmgr/unix", "lookup/unix", "policyd/unix",
                                  "log/unix-dgram", "auth/unix"])
def test_a_killed_daemon_is_started_again(house, name):
    pid = service(house, name)["pids"][0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: service(house, name)["state"] == "running" and
               service(house, name)["pids"] not in ([], [pid]))
    assert service(house, name)["restarts"] == 1
    send(house)
    house.wait_empty_queue()


def test_a_daemon_that_cannot_start_is_throttled(house, tmp_path):
    """Its service waits longer and longer; the others do not notice."""
    bin = str(tmp_path / "bin")
    os.mkdir(bin)
    os.chmod(str(tmp_path), 0o755)
    programs = os.path.dirname(POSTHOUSE)
    for name in os.listdir(programs):
        os.symlink(os.path.join(programs, name), os.path.join(bin, name))
    house.stop()
    os.unlink(os.path.join(bin, "policyd"))
    with open(os.path.join(bin, "policyd"), "w") as f:
        f.write("#!/bin/sh\necho run >> %s/runs\nexit 1\n" % tmp_path)
    os.chmod(os.path.join(bin, "policyd"), 0o755)
    with open(os.path.join(house.etc, "main.cf"), "a") as f:
        f.write("daemon_directory = %s\n" % bin)
    done = house.posthouse("start", check=False)
    assert done.returncode == 1
    assert "policyd: exit status 1" in done.stderr

    def runs():
        with open(str(tmp_path / "runs")) as f:
            return len(f.readlines())
    wait_until(lambda: runs() >= 3)
    assert runs() < 10
    s = service(house, "policyd/unix")
    assert s["state"] in ("throttled", "running")
    assert "exit status 1" in s["error"]
    house.logged("its processes keep failing")
    assert service(house, "qmgr/unix")["state"] == "running"


def test_a_broken_configuration_changes_nothing(house):
    path = os.path.join(house.etc, "main.cf")
    before = services(house)
    with open(path, "a") as f:
        f.write("smtpd_timout = 10s\nmax_use = many\n")
    with open(os.path.join(house.etc, "master.cf"), "a") as f:
        f.write("nonsense\n")
    done = house.posthouse("reload", check=False)
    assert done.returncode == 1
    for word in ("smtpd_timout", "smtpd_timeout", "max_use", "master.cf:",
                 "nothing was changed"):
        assert word in done.stderr, done.stderr
    after = services(house)
    assert {n: s["pids"] for n, s in after.items()} == {
        n: s["pids"] for n, s in before.items()}
    assert house.json("status")["generation"] == 1
    assert house.posthouse("check", check=False).returncode == 1
    send(house)


def test_reload_starts_a_new_generation_without_refusing(house):
    old = {n: s["pids"] for n, s in services(house).items()}
    with open(os.path.join(house.etc, "main.cf"), "a") as f:
        f.write("mail_name = Renamed\n")
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        # A client that is in the midst of it goes on with the old one.
        s.ehlo()
        house.posthouse("reload")
        assert house.json("status")["generation"] == 2
        s.sendmail("a@x.test", [house.user(0)], "Subject: x\r\n\r\nx\r\n")
    for name in ("qmgr/unix", "lookup/unix", "auth/unix"):
        assert service(house, name)["state"] == "running"
        # The old ones end when nobody speaks to them any more.
        wait_until(lambda: set(old[name]).isdisjoint(
            service(house, name)["pids"]))
    with socket.create_connection(("127.0.0.1", house.smtp), 10) as s:
        s.settimeout(10)
        assert b"Renamed" in s.recv(500)
    send(house)


def test_a_generation_that_cannot_start_is_rolled_back(house):
    """What no check of the text can see: a daemon that refuses to start."""
    chain = os.path.join(house.etc, "broken.pem")
    with open(chain, "w") as f:
        f.write("no certificate\n")
    path = os.path.join(house.etc, "main.cf")
    with open(path) as f:
        good = f.read()
    with open(path, "a") as f:
        f.write("smtpd_tls_chain_files = %s\n" % chain)
    done = house.posthouse("reload", check=False)
    assert done.returncode == 1, done.stdout
    send(house)
    with open(path, "w") as f:
        f.write(good)
    house.posthouse("reload")
    assert services(house)["qmgr/unix"]["state"] == "running"
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.starttls(context=house.tls())


def test_stop_leaves_nothing_behind(house):
    send(house)
    processes = house.identities()
    assert len(processes) > 8
    house.stop()
    house.wait_gone(processes, 0)
    assert house.posthouse("status", check=False).returncode == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", house.smtp), timeout=5)


def test_master_killed_and_started_anew(house):
    """The children drain by themselves; a new master takes over."""
    for i in range(3):
        send(house, "before %d" % i)
        processes = house.identities()
        os.kill(house.master_pid(), signal.SIGKILL)
        house.start()
        house.wait_gone(processes)
        assert services(house)["qmgr/unix"]["state"] == "running"
        send(house, "after %d" % i)
    house.wait_empty_queue()


def test_a_busy_process_does_not_keep_the_port(house):
    """A client is connected while master is killed."""
    s = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
    s.ehlo()
    os.kill(house.master_pid(), signal.SIGKILL)
    with open(os.path.join(house.etc, "main.cf"), "a") as f:
        f.write("takeover_timeout = 1s\n")
    house.start()
    send(house)
    s.close()


def test_processes_are_added_up_to_the_limit(house):
    path = os.path.join(house.etc, "master.cf")
    with open(path) as f:
        rows = f.read().splitlines()
    with open(path, "w") as f:
        for row in rows:
            words = row.split()
            if words[:2] == ["smtpd", "pass"]:
                words[6] = "3"
                row = " ".join(words)
            f.write(row + "\n")
    house.posthouse("reload")
    clients = []
    for _ in range(3):
        s = smtplib.SMTP("127.0.0.1", house.smtp, timeout=30)
        s.ehlo()
        clients.append(s)
    late = socket.create_connection(("127.0.0.1", house.smtp), 5)
    late.settimeout(1)
    assert late.recv(100).startswith(b"220")
    late.sendall(b"HELO late.test\r\n")
    with pytest.raises(socket.timeout):
        late.recv(100)
    def busy():
        """three processes, all of them busy"""
        mx = service(house, "smtpd/pass")
        return mx["processes"] == mx["busy"] == mx["limit"] == 3
    wait_until(busy)
    house.logged("all its 3 processes busy")
    clients.pop().quit()
    late.settimeout(10)
    assert late.recv(100).startswith(b"250")
    late.close()
    for s in clients:
        s.quit()


def test_only_the_owner_may_ask(house):
    if os.getuid() != 0:
        pytest.skip("needs root to be somebody else")
    sockets = os.path.join(house.dir, "run", "sockets")
    assert stat.S_IMODE(os.stat(sockets).st_mode) == 0o700
    # From /: the test's own directory may be root's alone.
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         POSTHOUSE, "-c", house.etc, "status"],
        capture_output=True, text=True, cwd="/")
    assert done.returncode == 1


def test_the_log_survives_its_rotation(house):
    log = os.path.join(house.dir, "log", "posthouse.log")
    send(house, "first")
    house.logged("connect from")
    os.rename(log, log + ".1")

    def anew():
        """lines in a new file"""
        send(house, "second")
        return "connect from" in house.log()
    wait_until(anew, every=0.3)
    with open(log + ".1") as f:
        assert "connect from" in f.read()


def test_trace_follows_a_message(house):
    send(house)
    house.wait_empty_queue()
    expected = {"screened", "connect", "envelope", "recipient", "queued",
                "scheduled", "stored", "delivered", "removed"}

    def whole():
        """All of it: each daemon's events travel on a way of their own."""
        answer = house.posthouse("--json", "trace", house.user(0), check=False)
        if answer.returncode != 0:
            return None
        for message in json.loads(answer.stdout)["messages"]:
            if expected <= {e["event"] for e in message["events"]}:
                return message
        return None

    message = wait_until(whole)
    events = message["events"]
    assert message["state"] == "delivered" and message["removed"]
    assert [(r["address"], r["state"]) for r in message["recipients"]] == \
        [(house.user(0), "delivered")]
    assert all(a["time_us"] <= b["time_us"]
               for a, b in zip(events, events[1:]))
    assert {e["session"] for e in events} == {message["session"]}
    for name in (message["id"], message["session"]):
        # The end of the session may be told yet.
        wait_until(lambda: whole() in house.json("trace", name)["messages"])
    assert house.posthouse("trace", "nobody@nowhere.test",
                           check=False).returncode == 1


def test_as_an_ordinary_user(tmp_path):
    if os.getuid() != 0:
        pytest.skip("the other tests are this test")
    top = "/tmp/ph-user-%d" % os.getpid()
    os.mkdir(top, 0o755)
    os.chown(top, 65534, 65534)
    # The checkout may stand where only root can look.
    shutil.copytree(os.path.dirname(POSTHOUSE), top + "/bin")
    base = free_port_base()

    def run(*args):
        return subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             top + "/bin/posthouse", *args], cwd="/", capture_output=True,
            text=True,
            timeout=60)
    try:
        done = run("init", top + "/i", "--domain", "user.test", "--users",
                   "1", "--password", "p", "--port-base", str(base))
        assert done.returncode == 0, done.stderr
        done = run("-c", top + "/i/etc", "start")
        assert done.returncode == 0, done.stderr
        with smtplib.SMTP("127.0.0.1", base + 25, timeout=30) as s:
            s.sendmail("a@x.test", ["user0@user.test"],
                       "Subject: x\r\n\r\nx\r\n")
        assert run("-c", top + "/i/etc", "check").returncode == 0

        def told():
            """the warning"""
            with open(top + "/i/log/posthouse.log") as f:
                return "not started as root" in f.read()
        wait_until(told)
    finally:
        run("-c", top + "/i/etc", "stop")
        subprocess.run(["rm", "-rf", top])


def test_open_sessions_do_not_hold_up_a_stop(house):
    import imaplib
    idle = imaplib.IMAP4("127.0.0.1", house.imap)
    idle.login(house.user(0), house.password)
    idle.select()
    idle.send(b"a IDLE\r\n")
    assert idle.readline().startswith(b"+")
    quiet = imaplib.IMAP4("127.0.0.1", house.imap)
    quiet.login(house.user(0), house.password)
    # A reload leaves both alone.
    house.posthouse("reload")
    assert quiet.noop()[0] == "OK"
    house.stop()
    assert b"BYE" in quiet.readline()
