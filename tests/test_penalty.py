"""posthouse penalty and auth test: what is remembered, why a login fails, and
that trying it out leaves no trace."""
import imaplib
import os
import socket
import subprocess

import pytest

from house import House, POSTHOUSE, wait_until

SETTINGS = {"login_failure_delay": "1s", "login_failure_delay_max": "2s",
            "login_failure_block": "4", "login_failure_exempt": ""}


@pytest.fixture(scope="module")
def house():
    with House(users=3, settings=SETTINGS) as h:
        yield h


@pytest.fixture(autouse=True)
def nothing_remembered(house):
    house.posthouse("penalty", "clear", "ALL", "--all")
    yield


def login_fails(h, n=0, password="wrong"):
    box = imaplib.IMAP4_SSL("127.0.0.1", h.imaps, ssl_context=h.tls(),
                            timeout=30)
    with pytest.raises(imaplib.IMAP4.error):
        box.login(h.user(n), password)
    box.shutdown()


def login_works(h, n=0):
    box = imaplib.IMAP4_SSL("127.0.0.1", h.imaps, ssl_context=h.tls(),
                            timeout=30)
    box.login(h.user(n), h.password)
    box.logout()


def rows(h, *args):
    return {(r["kind"], r["key"]): r for r in h.json("penalty", "list", *args)}


def auth(h, user, password, *args):
    """(exit status, what was said)"""
    import json
    done = subprocess.run(
        [POSTHOUSE, "-c", h.etc, "auth", "test", user, *args, "--json"],
        input=password + "\n", capture_output=True, text=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_failed_logins_are_listed_and_cleared(house):
    assert rows(house) == {}
    assert house.posthouse("penalty", "list") == "no penalties\n"
    login_fails(house)
    login_fails(house)
    told = rows(house)
    assert set(told) == {("login-address", "127.0.0.1"),
                         ("login-account", house.user(0))}
    for row in told.values():
        assert row["count"] == 2 and row["delay_ms"] == 2000
        assert not row["blocked"] and row["left_seconds"] > 0
    assert set(rows(house, house.user(0))) == {
        ("login-account", house.user(0))}
    assert set(rows(house, "user0")) == {("login-account", house.user(0))}
    assert set(rows(house, "127.0.0.1")) == {("login-address", "127.0.0.1")}
    assert rows(house, house.user(1)) == {}
    assert "2 failed logins; the next failure waits 2.0 s" in house.posthouse(
        "penalty", "list")
    assert house.json("penalty", "clear", house.user(0)) == {"forgotten": 1}
    assert set(rows(house)) == {("login-address", "127.0.0.1")}
    assert house.json("penalty", "clear", "127.0.0.1") == {"forgotten": 1}
    assert rows(house) == {}
    house.logged("operator: penalty clear 127.0.0.1: 1 forgotten")


def test_a_blocked_address_gets_in_again_once_cleared(house):
    for _ in range(4):
        login_fails(house)
    assert rows(house)["login-address", "127.0.0.1"]["blocked"]
    assert "refused" in house.posthouse("penalty", "list")
    login_fails(house, password=house.password)
    house.posthouse("penalty", "clear", "127.0.0.1")
    login_works(house)


def test_rates_and_memory_with_all(house):
    assert rows(house, "--all") == {}
    # screen remembers who has passed; here by the exchange itself.
    path = os.path.join(house.dir, "run", "sockets", "policyd")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b"posthouse-ipc\tpolicy\t1\n"
                  b"policy_remember\tname=screen\tkey=192.0.2.9\t"
                  b"value=PASS OLD\tseconds=3600\n"
                  b"policy_count\trequest=1\tname=rate\tkey=192.0.2.9\t"
                  b"amount=3\tlimit=0\twindow=60\n")
        assert b"policy_counted" in s.recv(1000)
    told = rows(house, "192.0.2.9", "--all")
    assert told["rate", "192.0.2.9"]["count"] == 3
    assert told["rate", "192.0.2.9"]["name"] == "rate"
    assert told["memory", "192.0.2.9"]["value"] == "PASS OLD"
    assert 3500 < told["memory", "192.0.2.9"]["left_seconds"] <= 3600
    assert rows(house) == {}  # not penalties
    assert house.json("penalty", "clear", "ALL")["forgotten"] == 1
    assert set(rows(house, "--all")) == {("memory", "192.0.2.9")}
    assert house.json("penalty", "clear", "192.0.2.9") == {"forgotten": 1}
    assert rows(house, "--all") == {}


def test_a_right_password(house):
    status, said = auth(house, house.user(0), house.password)
    assert status == 0 and said["ok"] and said["login"] == house.user(0)
    assert said["reason"] == "" and said["delay_ms"] == 0
    # Logins without a domain, and in capitals, are the same account.
    assert auth(house, "USER0", house.password)[1]["login"] == house.user(0)


def test_why_not(house):
    house.posthouse("user", "set", house.user(2), "enabled=no")
    for user, password, args, reason in (
            (house.user(0), "wrong", [], "password mismatch"),
            ("nobody@" + house.domain, "x", [], "unknown user"),
            (house.user(2), house.password, [], "account disabled"),
            (house.user(0), house.password, ["--mechanism", "CRAM-MD5"],
             "mechanism not offered"),
            (house.user(0), house.password,
             ["--service", "submission", "--no-tls"], "no TLS")):
        def told():
            status, said = auth(house, user, password, *args)
            return status == 77 and not said["ok"] and \
                said["reason"] == reason
        told.__doc__ = "%s for %s" % (reason, user)
        wait_until(told)  # a changed table is seen within a second
    assert auth(house, house.user(0), house.password, "--mechanism",
                "LOGIN")[0] == 0
    # login's rule, as it is for that client.
    for args, status in (([], 0), (["--from", "192.0.2.1"], 77),
                         (["--from", "192.0.2.1", "--service", "pop3"], 77)):
        got, said = auth(house, house.user(0), house.password, "--no-tls",
                         *args)
        assert got == status and (said["reason"] == "no TLS") == (got != 0)
        assert said["login"] == house.user(0)
    for wrong in (["--service", "imaps"], ["--from", "nowhere"]):
        done = house.posthouse("auth", "test", house.user(0), *wrong,
                               input="x\n", check=False)
        assert done.returncode == 64 and wrong[1] in done.stderr
    done = house.posthouse("auth", "test", house.user(0), input="wrong\n",
                           check=False)
    assert "password mismatch" in done.stdout and "passwd" in done.stdout


def test_nothing_comes_of_a_test(house):
    """No failure is counted, none forgiven, no ticket, no line that a tool
    takes for an attack."""
    before = house.log().count("authentication failed: user=")
    for _ in range(6):
        assert auth(house, house.user(1), "wrong")[0] == 77
    assert rows(house) == {}
    login_fails(house, 1)
    told = rows(house)
    assert told["login-account", house.user(1)]["count"] == 1
    status, said = auth(house, house.user(1), house.password)
    assert status == 0 and said["delay_ms"] == 1000
    assert rows(house).keys() == told.keys()

    def logged():
        """the one failure that was none of ours"""
        return house.log().count("authentication failed: user=") == before + 1
    wait_until(logged)
    house.logged("authentication test: user=<%s>" % house.user(1))


def test_a_blocked_address_is_told_beside_the_password(house):
    for _ in range(4):
        login_fails(house)
    status, said = auth(house, house.user(0), house.password)
    assert said["ok"] and said["blocked"] and status == 77
    status, said = auth(house, house.user(0), house.password, "--from",
                        "192.0.2.8")
    assert status == 0 and not said["blocked"]


def test_strangers_may_not_ask(house):
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    run = os.path.join(house.dir, "run", "sockets")
    # Another role may reach the socket, but not ask this.
    for name, first, ask in (
            ("policyd", b"policy", b"policy_clear\tkey=\tall=1\n"),
            ("auth", b"auth", b"auth_test\trequest=1\tservice=imap\t"
             b"mechanism=PLAIN\tlogin=a\tpassword=b\tclient_address=\t"
             b"tls=1\n")):
        path = os.path.join(run, name)
        mode = os.stat(path).st_mode
        chain = [run, os.path.dirname(run), house.dir, path]
        modes = [os.stat(p).st_mode & 0o7777 for p in chain]
        for p in chain:
            os.chmod(p, 0o777)
        pid = os.fork()
        if pid == 0:
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(path)
                s.sendall(b"posthouse-ipc\t" + first + b"\t1\n" + ask)
                try:
                    os._exit(0 if s.recv(1000) == b"" else 1)
                except ConnectionResetError:
                    os._exit(0)
        result = os.waitpid(pid, 0)[1]
        for p, m in zip(chain, modes):
            os.chmod(p, m)
        assert result == 0, (name, mode)
        house.logged("uid 65534 may not")
