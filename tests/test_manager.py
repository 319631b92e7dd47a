"""What master tells a service manager, and services that packages bring."""
import json
import os
import shutil
import signal
import smtplib
import socket
import subprocess

import pytest

from house import BUILD, House, free_port, wait_until


class Manager:
    """The socket that $NOTIFY_SOCKET names; remembers every datagram."""
    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.socket.settimeout(20)

    def next(self):
        """The next datagram as a dict; none within 20 s is an error."""
        text = self.socket.recv(65536).decode()
        assert text.endswith("\n"), text
        return dict(line.split("=", 1) for line in text.splitlines())

    def until(self, name):
        """The datagrams up to the first that has the name."""
        seen = []
        while not seen or name not in seen[-1]:
            seen.append(self.next())
        return seen

    def close(self):
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    # Not below tmp_path: a socket's name has at most 107 octets.
    name = "/tmp/ph-notify-%d" % os.getpid()
    m = Manager(name if request.param == "path" else "@" + name[1:])
    yield m
    m.close()
    if request.param == "path":
        os.unlink(name)


@pytest.fixture
def run(manager):
    """A house whose master runs in the foreground, as a unit's does."""
    house = House(domain="unit.test", users=1, start=False,
                  settings={"reload_probation_time": "100ms"})
    environment = dict(os.environ, NOTIFY_SOCKET=manager.name)
    master = subprocess.Popen(
        [os.path.join(BUILD, "bin", "master"), "-f", "-c", house.etc],
        env=environment, stderr=subprocess.DEVNULL)
    try:
        yield house, manager, master
    finally:
        house.close()
        master.wait(30)


def test_the_manager_is_told(run):
    house, manager, master = run
    first = manager.until("READY")[-1]
    assert first["READY"] == "1" and first["MAINPID"] == str(master.pid)
    assert "generation 1" in first["STATUS"]
    # READY is no promise: the services answer.
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        assert s.noop()[0] == 250

    house.posthouse("reload")
    begun, over = manager.until("READY")
    assert begun["RELOADING"] == "1" and int(begun["MONOTONIC_USEC"]) > 0
    assert "generation 2" in over["STATUS"]

    house.posthouse("upgrade")
    begun, over = manager.until("READY")
    assert begun["RELOADING"] == "1"
    assert over["MAINPID"] == str(master.pid)

    os.kill(master.pid, signal.SIGTERM)
    assert manager.next()["STOPPING"] == "1"
    assert master.wait(60) == 0


def test_a_reload_that_fails_is_over_too(run):
    """The manager must not wait for ever for READY."""
    house, manager, master = run
    manager.until("READY")
    policyd = os.path.join(house.dir, "bin", "policyd")
    shutil.copytree(os.path.join(BUILD, "bin"), os.path.dirname(policyd))
    with open(policyd, "w") as f:
        f.write("#!/bin/sh\nexit 1\n")
    with open(os.path.join(house.etc, "main.cf"), "a") as f:
        f.write("\ndaemon_directory = %s\n" % os.path.dirname(policyd))
    assert house.posthouse("reload", check=False).returncode == 1
    begun, over = manager.until("READY")
    assert "RELOADING" in begun
    assert "generation 1" in over["STATUS"] and "policyd" in over["STATUS"]


def test_signs_of_life(manager):
    house = House(domain="unit.test", users=1, start=False)
    environment = dict(os.environ, NOTIFY_SOCKET=manager.name,
                       WATCHDOG_USEC="200000")
    master = subprocess.Popen(
        [os.path.join(BUILD, "bin", "master"), "-f", "-c", house.etc],
        env=environment, stderr=subprocess.DEVNULL)
    try:
        manager.until("READY")
        for _ in range(3):
            assert manager.next() == {"WATCHDOG": "1"}
        # Those of the program that goes on in its place follow.
        house.posthouse("upgrade")
        manager.until("READY")
        manager.until("WATCHDOG")
    finally:
        house.close()
        master.wait(30)


def test_a_service_that_a_package_brings():
    with House(domain="parts.test", users=1) as house:
        port = free_port()
        folder = os.path.join(house.etc, "master.d")
        part = os.path.join(house.dir, "extra.cf")
        row = "127.0.0.1:%d inet n - y - 5 smtpd -r submission\n" % port
        with open(part, "w") as f:
            f.write("# by a package\n" + row)
        os.mkdir(folder)
        os.symlink(part, os.path.join(folder, "extra.cf"))
        with open(os.path.join(folder, "extra.cf.old"), "w") as f:
            f.write("not read\n")
        house.posthouse("reload")

        def answers():
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as s:
                return s.noop()[0] == 250
        assert answers()
        # An upgrade goes on with it.
        house.posthouse("upgrade")
        assert answers()

        # It is checked like any other, and the message names the file.
        with open(part, "a") as f:
            f.write(row + "wrong\n")
        for command in ("check", "reload"):
            done = house.posthouse(command, check=False)
            assert done.returncode == 1
            said = done.stdout + done.stderr
            assert "master.d/extra.cf:3: service" in said
            assert "stands in %s/master.d/extra.cf:2 already" % house.etc \
                in said
            assert "master.d/extra.cf:4:" in said
        assert answers()

        # A link that leads nowhere is no reason to stop listening.
        os.unlink(part)
        assert house.posthouse("reload", check=False).returncode == 1
        assert answers()

        os.unlink(os.path.join(folder, "extra.cf"))
        house.posthouse("reload")
        names = [s["name"] for s in json.loads(
            house.posthouse("status", "--json"))["services"]]
        assert "127.0.0.1:%d" % port not in names

        def refused():
            """the port is closed"""
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except ConnectionRefusedError:
                return True
        wait_until(refused)
