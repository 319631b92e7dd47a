"""Who is who: lookup, auth and policyd of a running instance, and the
commands that edit the directory."""
import concurrent.futures
import imaplib
import os
import signal
import smtplib
import socket
import stat
import subprocess
import tempfile
import time

import pytest

from house import House, POSTHOUSE, free_port_base, wait_until
from ipc_fake import Connection, encode

SESSION = "06G5K3Z9Q4ABCDEFGHJKMN"


@pytest.fixture(scope="module")
def house():
    settings = {"login_failure_delay": "0s", "login_failure_block": "100000"}
    with House(domain="dir.test", users=4, settings=settings) as h:
        yield h


def connect(house, name):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.path.join(house.dir, "run", "sockets", name))
    return Connection(sock, {"policyd": "policy"}.get(name, name))


def ask(house, name, question, **fields):
    """One question, one answer."""
    c = connect(house, name)
    try:
        c.send(question, request=7, **fields)
        got = c.receive()
        assert got is not None and got[1]["request"] == "7"
        return got
    finally:
        c.close()


def resolve(house, address):
    name, fields = ask(house, "lookup", "resolve", address=address)
    assert name == "resolved"
    return fields


def status(house, address):
    return resolve(house, address)["status"]


def expand(house, address, mailboxes=False):
    c = connect(house, "lookup")
    c.send("expand", request=1, address=address, mailboxes=mailboxes)
    found = []
    while True:
        name, fields = c.receive()
        if name == "expand_end":
            c.close()
            assert int(fields["count"]) == len(found)
            return fields["status"], found
        found.append(fields["address"] if not mailboxes else
                     {k: v for k, v in fields.items() if k != "request"})


def soon(what, want):
    """Changed files are picked up within a second or so."""
    wait_until(lambda: what() == want, 20, 0.1)


def rcpt(house, address):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.ehlo("x.test")
        s.mail("a@x.test")
        code, text = s.rcpt(address)
        return code, text.decode()


def login(house, user, password):
    """None, or what the server says."""
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=40)
    try:
        m.login(user, password)
        return None
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


# ---- lookup ----

def test_users_come_and_go(house):
    new = "new@dir.test"
    code, text = rcpt(house, new)
    assert code == 550 and text.startswith("5.1.1")
    house.posthouse("user", "add", new, "quota=1G", "--password", "pw")
    soon(lambda: status(house, new), "ok")
    assert resolve(house, new)["quota_storage"] == str(1 << 30)
    assert rcpt(house, "NEW+tag@Dir.Test")[0] == 250
    house.posthouse("user", "set", new, "enabled=no")
    soon(lambda: status(house, new), "refused")
    code, text = rcpt(house, new)
    assert code == 550 and text.startswith("5.2.1")
    house.posthouse("user", "delete", new)
    soon(lambda: status(house, new), "unknown")


def test_a_text_edited_by_hand_counts(house):
    with open(os.path.join(house.etc, "users"), "a") as f:
        f.write("# by hand\nhand@dir.test messages=3\n")
    soon(lambda: status(house, "hand@dir.test"), "ok")
    assert resolve(house, "hand@dir.test")["quota_messages"] == "3"
    # A line that is none leaves what was there, and says so.
    path = os.path.join(house.etc, "users")
    with open(path) as f:
        before = f.read()
    with open(path, "w") as f:
        f.write(" broken\n" + before)
    wait_until(lambda: (status(house, "hand@dir.test"),
                        "begins with a blank" in house.log())[1], 10)
    assert status(house, "hand@dir.test") == "ok"
    with open(path, "w") as f:
        f.write(before)


def test_aliases_expand(house):
    house.posthouse("alias", "add", "team@dir.test", "user0@dir.test",
                    "user1@dir.test")
    soon(lambda: expand(house, "team@dir.test"),
         ("ok", ["user0@dir.test", "user1@dir.test"]))
    house.posthouse("alias", "add", "team@dir.test", "out@else.test")
    soon(lambda: expand(house, "team@dir.test")[1],
         ["user0@dir.test", "user1@dir.test", "out@else.test"])
    house.posthouse("alias", "delete", "team@dir.test", "user1@dir.test")
    soon(lambda: expand(house, "team@dir.test")[1],
         ["user0@dir.test", "out@else.test"])
    house.posthouse("domain", "add", "catch.test", "alias")
    house.posthouse("alias", "add", "@catch.test", "user2@dir.test")
    soon(lambda: expand(house, "any.thing@catch.test")[1],
         ["user2@dir.test"])
    assert rcpt(house, "any@catch.test")[0] == 250
    house.posthouse("alias", "delete", "@catch.test")
    soon(lambda: status(house, "any@catch.test"), "unknown")
    house.posthouse("domain", "delete", "catch.test")
    soon(lambda: resolve(house, "any@catch.test")["domain"], "remote")


def test_expanded_says_which_mailbox(house):
    house.posthouse("user", "set", "user1@dir.test", "quota=1M", "messages=9")
    house.posthouse("alias", "add", "both@dir.test", "user1+x@dir.test",
                    "out@else.test", "nobody@dir.test")
    nothing = dict(account="", nexthop="", quota_storage="0",
                   quota_messages="0", forwarded="0")
    soon(lambda: expand(house, "both@dir.test", True)[1], [
        dict(address="user1+x@dir.test", account="user1@dir.test",
             nexthop="dir.test", quota_storage=str(1 << 20),
             quota_messages="9", forwarded="0"),
        dict(nothing, address="out@else.test", forwarded="1"),
        dict(nothing, address="nobody@dir.test")])
    house.posthouse("alias", "delete", "both@dir.test")


def test_questions_on_one_connection(house):
    """Many at once, each answered once, in order."""
    c = connect(house, "lookup")
    for i in range(2000):
        c.send("resolve", request=i, address="user%d@dir.test" % (i % 8))
    for i in range(2000):
        name, fields = c.receive()
        assert fields["request"] == str(i)
        assert fields["status"] == ("ok" if i % 8 < 4 else "unknown")
    c.close()


@pytest.mark.parametrize("line", [
    b"resolve\trequest=1\n", b"resolve\trequest=x\taddress=a\n",
    b"resolve\taddress=a\trequest=1\n", b"nonsense\n", b"\n", b"\0\n",
    b"resolved\trequest=1\n", b"x" * 70000 + b"\n",
    b"resolve\trequest=1\taddress=" + b"a" * 2000 + b"\n"])
def test_bad_input_ends_that_peer_alone(house, line):
    good, bad = connect(house, "lookup"), connect(house, "lookup")
    good.send("resolve", request=1, address="user0@dir.test")
    assert good.receive()[1]["status"] == "ok"
    try:
        bad.send_bytes(line)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        assert bad.receive() is None
    except ConnectionResetError:
        pass
    good.send("resolve", request=2, address="user0@dir.test")
    assert good.receive()[1]["request"] == "2"
    good.close()
    bad.close()


def test_only_tables_of_the_house_are_read(house):
    with open(os.path.join(house.etc, "access"), "w") as f:
        f.write("bad.test REJECT no\n")

    def table(spec, key):
        f = ask(house, "lookup", "table", table=spec, key=key,
                rule="")[1]
        return f["status"], f["value"]
    assert table("text:access", "BAD.test") == ("ok", "REJECT no")
    assert table("text:access", "good.test") == ("unknown", "")
    assert table("inline:{ a=b }", "a") == ("ok", "b")
    for spec in ("text:/etc/passwd", "text:../../etc/passwd",
                 "hash:passwords"):
        assert table(spec, "root")[0] == "temporary"


# ---- auth ----

def test_one_answer_for_every_failure(house):
    house.posthouse("user", "add", "off@dir.test", "enabled=no",
                    "--password", "right")
    soon(lambda: status(house, "off@dir.test"), "refused")
    answers = {login(house, "user0@dir.test", "wrong"),
               login(house, "nobody@dir.test", "wrong"),
               login(house, "nobody@remote.test", "wrong"),
               login(house, "off@dir.test", "right"),
               login(house, "postmaster@dir.test", "secret"),
               login(house, "user0@dir.test", "secret ")}
    assert len(answers) == 1 and None not in answers
    for user, why in (("user0", "password mismatch"),
                      ("nobody", "unknown user"),
                      ("off", "account disabled")):
        wait_until(lambda: any(
            "authentication failed: user=<%s@dir.test>" % user in line
            and "reason=%s" % why in line and "rip=127.0.0.1" in line
            for line in house.log().splitlines()))
    assert "wrong" not in house.log()
    assert login(house, "user0@dir.test", "secret") is None
    assert login(house, "USER0", "secret") is None  # auth_default_domain


def test_a_changed_password_counts(house):
    assert login(house, "user1@dir.test", "secret") is None
    house.posthouse("user", "passwd", "user1@dir.test", input="changed\n")
    soon(lambda: login(house, "user1@dir.test", "secret") is None, False)
    assert login(house, "user1@dir.test", "changed") is None
    house.posthouse("user", "passwd", "user1@dir.test", "--password",
                    "secret")
    soon(lambda: login(house, "user1@dir.test", "secret"), None)


@pytest.mark.parametrize("stored", [
    "{PLAIN}by hand", "{BLF-CRYPT}$2b$04$" + "a" * 53, "{NONE}x"])
def test_schemes_of_others(house, stored):
    user = "scheme@dir.test"
    house.posthouse("user", "add", user, "--password", "x", check=False)
    path = os.path.join(house.etc, "passwords")
    with open(path) as f:
        lines = [l for l in f if not l.startswith(user)]
    with open(path, "w") as f:
        f.write("".join(lines) + "%s %s\n" % (user, stored))
    want = None if stored.startswith("{PLAIN}") else "bad"
    soon(lambda: login(house, user, "by hand") and "bad", want)
    assert "by hand" not in house.log()


def begin(c, request, message, service="imap", mechanism="PLAIN", tls=True,
          address="127.0.0.1"):
    c.send("auth_begin", request=request, service=service, session=SESSION,
           mechanism=mechanism, has_initial=True, initial=message,
           client_address=address, tls=tls)
    return c.receive()


def redeem(house, ticket, service="imap", session=SESSION):
    return ask(house, "auth", "auth_redeem", ticket=ticket, service=service,
               session=session)[1]


def test_tickets(house):
    c = connect(house, "auth")
    name, fields = begin(c, 1, "\0USER0@dir.test\0secret")
    assert name == "auth_ok" and fields["login"] == "user0@dir.test"
    ticket = fields["ticket"]
    assert len(ticket) == 64
    assert redeem(house, ticket, "pop3")["ok"] == "0"
    assert redeem(house, ticket, session="0" * 22)["ok"] == "0"
    assert redeem(house, ticket[:-1] + "x")["ok"] == "0"
    fields = redeem(house, ticket)
    assert fields["ok"] == "1" and fields["login"] == "user0@dir.test"
    # What lets a session come back is for imapd's uid alone.
    if os.geteuid() == 0:
        assert fields["pass"] == "" and fields["key"] == ""
    assert redeem(house, ticket)["ok"] == "0"
    # A submission's is good as long as its connection lives.
    _, fields = begin(c, 2, "\0user0@dir.test\0secret", "submission")
    for _ in range(2):
        assert redeem(house, fields["ticket"], "submission")["ok"] == "1"
    c.close()
    soon(lambda: redeem(house, fields["ticket"], "submission")["ok"], "0")


def test_sasl_conversations(house):
    c = connect(house, "auth")
    assert begin(c, 1, "other\0user0@dir.test\0secret")[0] == "auth_no"
    assert begin(c, 2, "garbage")[0] == "auth_no"
    assert begin(c, 3, "")[0] == "auth_no"
    assert begin(c, 4, "x", mechanism="CRAM-MD5")[0] == "auth_no"
    # never in the clear for SMTP
    assert begin(c, 5, "\0user0@dir.test\0secret", "submission",
                 tls=False)[0] == "auth_no"
    name, fields = begin(c, 6, "user0@dir.test", mechanism="LOGIN")
    assert (name, fields["data"]) == ("auth_challenge", "Password")
    c.send("auth_respond", request=6, data="secret")
    assert c.receive()[0] == "auth_ok"
    # A cancelled one says nothing any more.
    name, _ = begin(c, 7, "user0@dir.test", mechanism="LOGIN")
    assert name == "auth_challenge"
    c.send("auth_cancel", request=7)
    c.send("auth_respond", request=7, data="secret")
    assert begin(c, 8, "\0user0@dir.test\0secret")[1]["request"] == "8"
    c.close()


def test_hashing_does_not_hold_others_up(house):
    """While strangers' passwords are hashed, who is remembered gets in."""
    assert login(house, "user2@dir.test", "secret") is None
    crowd = connect(house, "auth")
    for i in range(60):
        crowd.send("auth_begin", request=i, service="imap", session=SESSION,
                   mechanism="PLAIN", has_initial=True,
                   initial="\0user%d@dir.test\0guess%d" % (i % 4, i),
                   client_address="192.0.2.%d" % i, tls=True)
    quick = connect(house, "auth")
    assert begin(quick, 1, "\0user2@dir.test\0secret")[0] == "auth_ok"
    crowd.sock.setblocking(False)
    try:
        first = crowd.sock.recv(1 << 20)
    except BlockingIOError:
        first = b""
    assert first.count(b"auth_no") < 60
    crowd.sock.settimeout(60)
    crowd.input = first
    for i in range(60):
        assert crowd.receive()[0] == "auth_no"
    crowd.close()
    quick.close()


def test_a_dead_lookup_is_a_temporary_failure(house):
    house.posthouse("service", "stop", "lookup")
    try:
        said = login(house, "user0@dir.test", "secret")
        assert said is not None and "UNAVAILABLE" in said
        assert rcpt(house, "user0@dir.test")[0] == 451
    finally:
        house.posthouse("service", "start", "lookup")
    soon(lambda: login(house, "user0@dir.test", "secret"), None)
    soon(lambda: rcpt(house, "user0@dir.test")[0], 250)


@pytest.mark.parametrize("name", ["lookup", "auth", "policyd"])
def test_a_killed_front_comes_back(house, name):
    for pid in house.pids(name):
        os.kill(pid, signal.SIGKILL)
    soon(lambda: login(house, "user0@dir.test", "secret"), None)
    soon(lambda: rcpt(house, "user0@dir.test")[0], 250)


def test_nobody_else_reads_passwords(house):
    for name in ("passwords", "passwords.db"):
        st = os.stat(os.path.join(house.etc, name))
        assert stat.S_IMODE(st.st_mode) == 0o640, name
        assert st.st_uid == os.geteuid()
        if os.geteuid() == 0:
            with open("/proc/%d/status" % house.pids("auth")[0]) as f:
                gid = [l.split()[2] for l in f if l.startswith("Gid:")][0]
            assert st.st_gid == int(gid) != 0
    assert os.stat(os.path.join(house.etc, "chain.pem")).st_mode & 7 == 0


# ---- policyd ----

def count(house, key, amount=1, limit=3, window=3600):
    c = connect(house, "policyd")
    c.send_bytes(encode("policy_count", dict(
        request=7, name="rate", key=key, amount=amount, limit=limit,
        window=window)))
    fields = c.receive()[1]
    c.close()
    return fields


def test_counters(house):
    for i in range(1, 6):
        f = count(house, "192.0.2.1")
        assert f["count"] == str(i)
        assert f["within"] == ("1" if i <= 3 else "0")
    assert count(house, "192.0.2.2")["count"] == "1"
    assert count(house, "::ffff:192.0.2.2")["count"] == "2"
    # of IPv6 the /64
    count(house, "2001:db8::1")
    assert count(house, "2001:db8::2")["count"] == "2"
    assert count(house, "2001:db8:0:1::2")["count"] == "1"
    assert count(house, "w", window=1)["count"] == "1"
    time.sleep(1.1)
    assert count(house, "w", window=1)["count"] == "1"


def test_failures_are_delayed_and_then_refused():
    settings = {"login_failure_delay": "300ms", "login_failure_block": "4",
                "login_failure_delay_max": "1s"}
    with House(domain="slow.test", users=2, settings=settings) as h:
        took = []
        for i in range(4):
            start = time.monotonic()
            assert login(h, "user0@slow.test", "wrong") is not None
            took.append(time.monotonic() - start)
        assert took[0] >= 0.3 and took[1] >= 0.6 and took[3] >= 1.0
        # Refused now, whatever the password; and a name counts no more.
        assert login(h, "user1@slow.test", "secret") is not None
        h.logged("authentication refused: user=<user1@slow.test>")
        # The loop is not what waits: another address is served while many
        # are, of which each would wait for a second.
        crowd, c = connect(h, "auth"), connect(h, "auth")
        start = time.monotonic()
        for i in range(40):
            crowd.send("auth_begin", request=i, service="imap",
                       session=SESSION, mechanism="PLAIN", has_initial=True,
                       initial="\0user0@slow.test\0wrong",
                       client_address="127.0.0.1", tls=True)
        assert begin(c, 1, "\0user1@slow.test\0secret",
                     address="192.0.2.9")[0] == "auth_ok"
        for _ in range(40):
            assert crowd.receive()[0] == "auth_no"
        assert time.monotonic() - start < 40
        crowd.close()
        c.close()


# ---- the commands ----

def test_commands_say_what_to_do(house):
    def said(*args, status=1, **kw):
        done = house.posthouse(*args, check=False, **kw)
        assert done.returncode == status, args
        return done.stderr
    assert "domain add other.test" in said(
        "user", "add", "a@other.test", "--password", "x")
    assert "exists already" in said(
        "user", "add", "user0@dir.test", "--password", "x")
    assert "there is no user" in said(
        "user", "passwd", "no@dir.test", "--password", "x")
    assert "empty" in said("user", "passwd", "user0@dir.test", input="\n")
    assert "size" in said("user", "set", "user0@dir.test", "quota=lots")
    assert "not an address" in said(
        "user", "add", "a b@dir.test", "--password", "x", status=64)
    assert "domain add" in said("alias", "add", "x@other.test", "y@z.test")
    assert "mailboxes" in said("domain", "delete", "dir.test")
    assert "none of mailbox" in said("domain", "add", "x.test", "post",
                                    status=64)
    assert house.posthouse("user", check=False).returncode == 64
    house.posthouse("domain", "add", "only.test", "alias")
    assert "no mailboxes" in said(
        "user", "add", "a@only.test", "--password", "x")
    house.posthouse("domain", "delete", "only.test")


def test_listings(house):
    house.posthouse("domain", "add", "r.test", "relay:smtp:[127.0.0.1]:26")
    assert {"domain": "r.test", "class": "relay",
            "route": "smtp:[127.0.0.1]:26"} in house.json("domain", "list")
    soon(lambda: resolve(house, "x@r.test")["nexthop"], "[127.0.0.1]:26")
    house.posthouse("domain", "delete", "r.test")
    house.posthouse("user", "set", "user3@dir.test", "quota=5M",
                    "messages=10")
    house.posthouse("user", "set", "user3@dir.test", "messages=")
    assert house.json("user", "show", "user3@dir.test") == {
        "address": "user3@dir.test", "settings": {"quota": "5M"}}
    users = [u["address"] for u in house.json("user", "list")]
    assert "user0@dir.test" in users and "user3@dir.test" in users
    assert "user3@dir.test" in house.posthouse("user", "list")
    aliases = {a["address"]: a["targets"]
               for a in house.json("alias", "list")}
    assert aliases["postmaster@dir.test"] == ["user0@dir.test"]


def test_edits_at_once_all_count(house):
    def add(i):
        house.posthouse("user", "add", "many%d@dir.test" % i, "--password",
                        "x")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(add, range(12)))
    users = [u["address"] for u in house.json("user", "list")]
    assert all("many%d@dir.test" % i in users for i in range(12))
    with open(os.path.join(house.etc, "passwords")) as f:
        assert f.read().count("\nmany") == 12


def test_conf(house):
    path = os.path.join(house.etc, "main.cf")
    house.posthouse("conf", "check")
    with open(path, "a") as f:
        f.write("# kept\nmax_idle = 50s\n  # kept too\n\nmine = 7\n"
                "smtp_helo_name = h$mine.test\n")
    house.posthouse("conf", "set", "max_idle=60s", "max_use=77")
    with open(path) as f:
        text = f.read()
    assert "# kept\nmax_idle = 60s\n  # kept too\n\nmine = 7\n" in text
    assert text.endswith("max_use = 77\n")
    assert house.posthouse("conf", "get", "max_idle") == "60s\n"
    assert house.posthouse("conf", "get", "smtp_helo_name") == "h7.test\n"
    assert house.posthouse("conf", "get", "mine") == "7\n"
    assert "max_use = 77\n" in house.posthouse("conf", "diff")
    assert "max_use = 77\n" in house.posthouse("conf", "list")
    explained = house.posthouse("conf", "explain", "max_use")
    assert "default: 10000" in explained and "main.cf:" in explained
    row = house.json("conf", "get", "max_use")
    assert row["value"] == "77" and row["default"] == "10000" and row["set"]
    for setting, word in (("max_us=5", "did you mean max_use?"),
                          ("max_use=0", "between 1 and"),
                          ("max_use=x", "whole number"),
                          ("myhostname=$none", "neither set"),
                          ("max_use", "NAME=VALUE")):
        done = house.posthouse("conf", "set", setting, check=False)
        assert done.returncode == 1 and word in done.stderr, setting
    with open(path) as f:
        assert f.read() == text
    done = house.posthouse("conf", "get", "max_us", check=False)
    assert done.returncode == 1 and "did you mean max_use?" in done.stderr
    with open(path, "a") as f:
        f.write("max_uze = 3\n")
    checked = house.posthouse("conf", "check", "--json", check=False)
    assert checked.returncode == 1 and "max_uze" in checked.stdout
    with open(path, "w") as f:
        f.write(text)


def test_init_makes_a_house():
    base = free_port_base()
    with tempfile.TemporaryDirectory() as top:
        dir = os.path.join(top, "a", "b")

        def init(*args):
            return subprocess.run(
                [POSTHOUSE, "init", dir, "--port-base", str(base), *args],
                capture_output=True, text=True, timeout=60)
        done = init("--set", "no_such_thing=1")
        assert done.returncode == 1 and "unknown parameter" in done.stderr
        assert not os.path.exists(dir)
        done = init("--domain", "init.test", "--users", "20000",
                    "--set", "max_use=5", "--set", "mydomain=set.test")
        assert done.returncode == 0, done.stderr
        assert "password of each: " in done.stdout
        with open(os.path.join(dir, "etc", "main.cf")) as f:
            text = f.read()
        assert "max_use = 5\n" in text and "mydomain = set.test\n" in text
        assert text.count("mydomain = ") == 1
        with open(os.path.join(dir, "etc", "master.cf")) as f:
            assert "127.0.0.1:%d " % (base + 25) in f.read()
        with open(os.path.join(dir, "etc", "users")) as f:
            assert "user19999@init.test" in f.read()
        pem = os.path.join(dir, "etc", "chain.pem")
        names = subprocess.run(
            ["openssl", "x509", "-in", pem, "-noout", "-ext",
             "subjectAltName"], capture_output=True, text=True).stdout
        for name in ("DNS:mail.init.test", "DNS:localhost",
                     "IP Address:127.0.0.1"):
            assert name in names
        again = init()
        assert again.returncode == 1 and "exists already" in again.stderr
        for bad in (["--users", "x"], ["--port-base", "70000"],
                    ["--domain", "a b"], ["--set", "x"],
                    ["--password", ""]):
            done = subprocess.run(
                [POSTHOUSE, "init", os.path.join(top, "c"), *bad],
                capture_output=True, text=True, timeout=60)
            assert done.returncode == 64, bad
            assert not os.path.exists(os.path.join(top, "c"))
