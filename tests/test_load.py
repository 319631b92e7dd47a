"""More clients than a service has processes, clients that are slow, silent or
many from one address: what it costs them, and that the others get on."""
import os
import re
import smtplib
import socket
import threading
import time

import pytest

from house import House, wait_until


def limit_processes(house, most):
    """maxproc of the MX service."""
    path = os.path.join(house.etc, "master.cf")
    with open(path) as f:
        rows = f.read()
    rows, n = re.subn(r"(?m)^(smtpd\s+pass(?:\s+\S+){4}\s+)\S+",
                      r"\g<1>%d" % most, rows)
    assert n == 1, rows
    with open(path, "w") as f:
        f.write(rows)


def connect(house, port=None):
    s = socket.create_connection(("127.0.0.1", port or house.smtp), 5)
    s.settimeout(60)
    return s


def served(house):
    """A client that has a process of smtpd: screen hands over who speaks."""
    s = connect(house)
    assert line(s).startswith(b"220 ")
    s.sendall(b"NOOP\r\n")
    return s


def line(s):
    data = b""
    while not data.endswith(b"\n"):
        more = s.recv(1)
        if not more:
            break
        data += more
    return data


def figure(house, name):
    return [s.get("counters", {}).get(name, 0)
            for s in house.json("status")["services"] if s["type"] in ("inet", "pass")]


def send(house, subject, port=None):
    with smtplib.SMTP("127.0.0.1", port or house.smtp, timeout=60) as s:
        assert not s.sendmail("a@far.test", [house.user(0)],
                              "Subject: %s\r\n\r\nx\r\n" % subject)


def test_under_stress_silent_clients_make_room():
    """All processes are busy with clients of calmer times that say nothing:
    the shorter timeout ends them too."""
    with House(domain="stress.test", users=1, start=False, settings={
            "smtpd_timeout": "${stress?{1}:{300}}s",
            "service_stress_time": "4s"}) as house:
        limit_processes(house, 3)
        house.start()
        silent = [served(house) for _ in range(3)]
        for s in silent:
            assert line(s).startswith(b"250 ")
        assert "under stress" not in house.log()
        send(house, "waited")
        house.logged("is under stress")
        assert 1 in figure(house, "stress")
        for s in silent:
            assert line(s).startswith(b"421 4.4.2 ")
            s.close()
        wait_until(lambda: "is no more under stress" in house.log(), 30)
        wait_until(lambda: 1 not in figure(house, "stress"))
        # As patient as before.
        with served(house) as s:
            assert line(s).startswith(b"250 ")
            time.sleep(4)
            s.sendall(b"NOOP\r\n")
            assert line(s).startswith(b"250 ")


def test_a_value_that_is_wrong_under_stress_is_found():
    with House(domain="stress.test", users=1, start=False) as house:
        done = house.posthouse(
            "conf", "set", "smtpd_timeout=${stress?{soon}:{300}}s",
            check=False)
        assert done.returncode != 0
        assert "smtpd_timeout = soons" in done.stdout + done.stderr


def test_one_client_has_so_many_connections():
    with House(domain="many.test", users=1, settings={
            "smtpd_client_event_limit_exceptions": "10.0.0.0/8",
            "smtpd_client_connection_count_limit": "5"}) as house:
        clients, greeted, refused = [], [], []
        for _ in range(20):
            s = served(house)
            clients.append(s)
            said = line(s)
            if said.startswith(b"250 "):
                greeted.append(s)
            else:
                assert said.startswith(b"421 4.7.0 "), said
                assert b"too many connections" in said
                refused.append(s)
        assert len(greeted) == 5 and len(refused) == 15
        house.logged("Connection concurrency limit exceeded: 6")
        for s in greeted[:2]:
            s.close()

        def free():
            """a place that became free"""
            with served(house) as s:
                return line(s).startswith(b"250 ")
        wait_until(free)
        # Other services count for themselves.
        with connect(house, house.submission) as s:
            assert line(s).startswith(b"220 ")
        for s in clients:
            s.close()


def test_mail_comes_slower_than_it_can_be_delivered():
    """New messages wait for a place among the active: those who bring more are
    slowed, and none is refused."""
    with House(domain="behind.test", users=1, settings={
            "qmgr_message_active_limit": "10", "in_flow_delay": "50ms",
            "dns_servers": "127.0.0.1:1"}) as house:
        def slowed():
            return [s.get("counters", {}).get("slowed", 0)
                    for s in house.json("status")["services"]
                    if s["name"] == "cleanup"][0]
        send(house, "quick")
        assert slowed() == 0
        house.posthouse("service", "stop", "smtp/unix")
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
            for n in range(40):
                assert not s.sendmail("a@far.test", ["x@[127.0.0.1]"],
                                      "Subject: n\r\n\r\nx\r\n")
        assert slowed() > 5
        wait_until(lambda: len(house.queue()["messages"]) == 40)


def rss(pids):
    """KiB that the processes have in memory of their own."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/status" % pid) as f:
                total = max(total, int(re.search(
                    r"RssAnon:\s+(\d+)", f.read()).group(1)))
        except OSError:
            pass
    return total


@pytest.mark.parametrize("name", ["submission", "lmtp"])
def test_a_thousand_connections_from_one_address(name):
    """They get as many processes as one client may have; the others are told,
    and who comes from elsewhere is served."""
    with House(domain="flood.test", users=1, settings={
            "default_process_limit": "12",
            "smtpd_client_event_limit_exceptions": "10.0.0.0/8",
            "smtpd_client_connection_count_limit": "4"}) as house:
        port = getattr(house, name)
        many, greeted, told = [], 0, 0
        try:
            for _ in range(1000):
                many.append(connect(house, port))
            other = socket.create_connection(
                ("127.0.0.1", port), 60, source_address=("127.0.0.2", 0))
            with other:
                assert line(other).startswith(b"220 ")
                other.sendall(b"NOOP\r\n")
                assert line(other).startswith(b"250 ")
            for s in many:
                said = line(s)
                greeted += said.startswith(b"220 ")
                told += said.startswith(b"421 4.7.0 ")
            assert greeted == 4 and told == 996
            assert len(house.pids("smtpd")) <= 12 + 12
        finally:
            for s in many:
                s.close()


def test_what_has_no_end_takes_no_memory():
    """A command, a header and a line of content that never end."""
    with House(domain="giant.test", users=1, settings={
            "message_size_limit": "3000000"}) as house:
        send(house, "warm")
        piece = b"x" * 100000

        def pour(s, octets):
            """Writes on until the other end has had enough."""
            try:
                for _ in range(octets // len(piece)):
                    s.sendall(piece)
            except OSError:
                pass
        for opening in (b"", b"MAIL FROM:<a@far.test>\r\nRCPT TO:<%s>\r\n"
                        b"DATA\r\n" % house.user(0).encode()):
            for begin in (b"", b"Subject: ", b"Subject: x\r\n\r\n"):
                with connect(house) as s:
                    line(s)
                    s.sendall(b"EHLO client.test\r\n")
                    while line(s)[3:4] == b"-":
                        pass
                    for command in opening.splitlines(True):
                        s.sendall(command)
                        assert line(s)[:1] in b"23"
                    s.sendall(begin)
                    pour(s, 20000000)
                    assert rss(house.pids("smtpd")) < 30000
                    assert rss(house.pids("cleanup")) < 30000
                    if opening:
                        s.sendall(b"\r\n.\r\n")
                        assert line(s)[:3] in (b"552", b"550")
        send(house, "after")
        # No file is left of them.
        wait_until(lambda: os.listdir(os.path.join(
            house.dir, "spool", "new")) == [])


def test_content_that_does_not_come():
    """DATA and then silence, or an octet now and then: the transaction ends,
    and its process serves the next client."""
    with House(domain="slow.test", users=1, settings={
            "smtpd_timeout": "2s", "smtpd_min_data_rate": "1000",
            "default_process_limit": "2"}) as house:
        ended = []

        def slow(octets):
            with connect(house) as s:
                line(s)
                for command in (b"HELO c\r\n", b"MAIL FROM:<a@far.test>\r\n",
                                b"RCPT TO:<%s>\r\n" % house.user(
                                    0).encode(), b"DATA\r\n"):
                    s.sendall(command)
                    assert line(s)[:1] in b"23"
                s.settimeout(0.3)
                while True:
                    try:
                        s.sendall(octets)
                        said = line(s)
                        ended.append(said)
                        return
                    except socket.timeout:
                        continue
                    except OSError:
                        ended.append(b"")
                        return
        clients = [threading.Thread(target=slow, args=(o,))
                   for o in (b"", b"x", b"a\r\n", b"")]
        for c in clients:
            c.start()
        send(house, "between")
        for c in clients:
            c.join(60)
        assert len(ended) == 4
        assert all(e == b"" or e.startswith(b"421 4.4.2 ") for e in ended)
        wait_until(lambda: os.listdir(os.path.join(
            house.dir, "spool", "new")) == [])
