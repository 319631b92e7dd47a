"""Who runs as whom, and where: read from /proc, and as the operator sees it."""
import imaplib
import json
import os
import re
import shutil
import smtplib
import subprocess

import pytest

from house import POSTHOUSE, House, TOP, wait_until
from test_jail_inside import ROLES

# Said here once more: the table of roles cannot vouch for itself.
JAILED = {"screen", "smtpd", "smtp", "login", "policyd", "logd", "cleanup",
          "qmgr", "bounce", "pickup", "exporter", "reportd", "feedback"}
NETWORK = {"screen", "smtpd", "lmtpd", "submission", "smtp", "reportd"}
# local, imapd and pop3d read and write the same boxes, and keeper keeps them.
VMAIL = {"local", "imapd", "pop3d", "keeper"}


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


@pytest.fixture(scope="module")
def house():
    with House(domain="jail.test", users=1) as h:
        with smtplib.SMTP("127.0.0.1", h.smtp, timeout=30) as s:
            s.sendmail("a@x.test", [h.user(0)], "Subject: x\r\n\r\nx\r\n")
        h.wait_empty_queue()
        yield h


def program(pid):
    return os.path.basename(os.readlink("/proc/%d/exe" % pid))


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_each_role_has_its_own_uid(house):
    uids = {}
    for pid in house.pids():
        name = program(pid)
        uid = {int(u) for u in status(pid)["Uid"].split()}
        assert len(uid) == 1
        uids.setdefault(name, set()).update(uid)
    assert uids.pop("master") == {0}
    for name, own in uids.items():
        assert 0 not in own, name
        for other, others in uids.items():
            if name == other or {name, other} <= VMAIL:
                continue
            assert not own & others, "%s and %s share a uid" % (name, other)
    assert {"smtpd", "qmgr", "local", "login", "auth", "lookup",
            "keeper"} <= set(uids)


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_who_talks_to_strangers_is_in_a_jail(house):
    assert JAILED | {"lmtpd", "submission"} == {
        r.name for r in ROLES.values() if r.jailed}
    assert NETWORK == {r.name for r in ROLES.values()
                       if r.may & {"RESOLVE", "CONNECT"}}
    seen = set()
    for pid in house.pids():
        name = program(pid)
        if name not in JAILED:
            continue
        seen.add(name)
        root = os.readlink("/proc/%d/root" % pid)
        assert root.startswith(house.dir + "/run/jail/"), (name, root)
        fields = status(pid)
        assert fields["NoNewPrivs"] == "1", name
        assert int(fields["CapEff"], 16) == 0, name
        for entry in os.listdir(root):
            assert os.path.exists(os.path.join(root, entry))
            mode = os.lstat(os.path.join(root, entry)).st_mode
            assert (mode & 0o170000) == 0o140000, "%s is no socket" % entry
    assert seen >= JAILED - {"bounce"}


def test_a_role_sees_only_the_sockets_it_may_call(house):
    allowed = {"smtpd": {"cleanup", "lookup", "policyd", "reportd"},
               "submission": {"cleanup-submit", "lookup", "auth", "policyd"},
               "smtp": set(),
               "local": set(),
               "login": {"auth", "imapd", "pop3d"},
               "imapd": {"auth", "lookup"},
               "pop3d": {"auth"},
               "keeper": set(),
               "bounce": {"cleanup-internal"},
               "reportd": {"cleanup-internal"},
               "feedback": set()}
    for role, sockets in allowed.items():
        there = set(os.listdir(os.path.join(house.dir, "run", "jail", role)))
        assert there == sockets, role


def test_a_session_makes_no_processes(house):
    wait_until(lambda: len(house.pids("imapd")) == 1)
    before = set(house.pids("imapd"))
    with imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                           ssl_context=house.tls()) as c:
        c.login(house.user(0), "secret")
        c.select("INBOX")
        session = set(house.pids("imapd")) - before
        assert len(session) == 1
        with open("/proc/%d/limits" % session.pop()) as f:
            limits = f.read()
        assert re.search(r"Max processes +0 +0 ", limits)
        with open("/proc/%d/limits" % before.pop()) as f:
            assert not re.search(r"Max processes +0 +0 ", f.read())


def test_a_confined_session_converts_character_sets(house):
    """Converters are libraries, which are loaded when they are needed."""
    mail = ("Subject: x\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=%s\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n%s\r\n")
    with imaplib.IMAP4_SSL("127.0.0.1", house.imaps,
                           ssl_context=house.tls()) as c:
        c.login(house.user(0), "secret")
        for charset, text in (("koi8-r", "привет"), ("gb18030", "你好"),
                              ("shift_jis", "テスト")):
            c.append("INBOX", None, None,
                     (mail % (charset, text)).encode(charset))
            count = c.select("INBOX")[1][0]
            c.literal = text.encode()
            assert c.search("UTF-8", "BODY") == ("OK", [count])


def test_lookup_finds_the_users_of_the_system_in_its_place(house):
    house.posthouse("domain", "add", "system.test", "local")
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.ehlo("x.test")
        s.mail("a@x.test")

        def refused():  # until the table is read, all is relayed
            return s.rcpt("no-such-user@system.test")[0] == 550
        wait_until(refused, 20, 0.3)
        assert s.rcpt("daemon@system.test")[0] == 250


# ---- posthouse status --security ---------------------------------------------


def security(house):
    """(exit status, the report)"""
    done = house.posthouse("status", "--security", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_matrix_is_what_the_kernel_says(house):
    code, report = security(house)
    assert (code, report["weaker"]) == (0, 0), report
    assert {p["role"] for p in report["processes"]} >= {
        "-", "screen", "smtpd", "login", "lookup", "auth", "policyd", "logd",
        "cleanup", "qmgr", "smtp", "local", "imapd", "pop3d", "keeper"}
    for p in report["processes"]:
        fields = status(p["pid"])
        assert p["uid"] == int(fields["Uid"].split()[0])
        assert p["gid"] == int(fields["Gid"].split()[0])
        assert p["root"] == os.readlink("/proc/%d/root" % p["pid"])
        assert p["seccomp"] == int(fields["Seccomp"])
        assert p["capabilities"] == {
            n: fields[n] for n in p["capabilities"]}
        if p["role"] == "-":
            continue
        role = ROLES[p["role"]]
        assert set(p["sockets"]) <= set(role.calls)
        assert {w.upper() for w in p["may"]} == role.may
        assert p["limits"]["core"] == 0
    text = house.posthouse("status", "--security")
    assert "!" not in text and len(text.splitlines()) > 15


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_what_is_weaker_is_told():
    with House(domain="weak.test", users=1, start=False) as h:
        path = os.path.join(h.etc, "master.cf")
        with open(path) as f:
            text = f.read()
        text = re.sub(r"(?m)^(qmgr .*-      )y(.*)$", r"\1n\2", text)
        text = re.sub(r"(?m)^(policyd .*)$", r"\1 -o seccomp_mode=off", text)
        text = re.sub(r"(?m)^(smtp .*unix.*)$", r"\1 -o seccomp_mode=log",
                      text)
        with open(path, "w") as f:
            f.write(text)
        h.start()
        jail = os.path.join(h.dir, "run", "jail")
        os.link(os.path.join(h.dir, "run", "sockets", "auth"),
                os.path.join(jail, "screen", "auth"))
        shutil.copy("/bin/true", os.path.join(jail, "pickup", "true"))
        code, report = security(h)
        assert code == 1
        weaker = {p["role"]: p["weaker"] for p in report["processes"]
                  if p["weaker"]}
        assert weaker == {
            "qmgr": ["its root is /, not its jail (master.cf says n)"],
            "policyd": ["system calls are not restricted"],
            "smtp": ["system calls are only logged (seccomp_mode)"],
            "screen": ["can call auth"],
            "pickup": ["its jail has files: true"]}
        done = h.posthouse("status", "--security", check=False)
        assert done.returncode == 1 and "! can call auth" in done.stdout


@pytest.mark.skipif(os.getuid() == 0, reason="for an ordinary user")
def test_an_ordinary_user_is_told_what_is_missing(house):
    code, report = security(house)
    assert code == 1 and not report["root"]
    for p in report["processes"]:
        if p["role"] == "-":
            continue
        want = {"master is not root: no user of its own"}
        if ROLES[p["role"]].jailed:
            want.add("master is not root: no jail as its root")
        assert set(p["weaker"]) == want
        assert p["seccomp"] == 2 and p["no_new_privs"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_kernel_without_landlock():
    """Mail goes on; the log and the operator's command tell."""
    with House(domain="old.test", users=1, start=False) as h:
        tracer = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", "/dev/null",
             "-e", "trace=landlock_create_ruleset", "-e",
             "inject=landlock_create_ruleset:error=EOPNOTSUPP",
             POSTHOUSE, "-c", h.etc, "start"],
            # A sanitizer cannot look for leaks in a traced process.
            env=dict(os.environ, ASAN_OPTIONS=os.environ.get(
                "ASAN_OPTIONS", "") + ":detect_leaks=0"))
        try:
            wait_until(h.master_pid, 60)
            wait_until(lambda: h.posthouse(
                "status", check=False).returncode == 0, 60)
            with smtplib.SMTP("127.0.0.1", h.smtp, timeout=60) as s:
                s.sendmail("a@x.test", [h.user(0)], "Subject: x\r\n\r\nx\r\n")
            h.wait_empty_queue()
            code, report = security(h)
            assert code == 1
            for p in report["processes"]:
                assert p["role"] == "-" or (
                    "no Landlock: files are kept from it by their modes"
                    in p["weaker"]), p
            assert h.logged("the kernel has no Landlock").count(
                "the kernel has no Landlock") == 1
        finally:
            h.stop(check=False)
            tracer.wait(60)


# ---- the documents --------------------------------------------------------------


def test_architecture_says_what_the_tables_say():
    with open(os.path.join(TOP, "doc", "architecture.md")) as f:
        text = f.read().split("## Who may do what", 1)[1].split("\n## ")[0]
    rows = {}
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] != "role" and "---" not in line:
            for name in cells[0].split(", "):
                rows[name] = cells[1:]
    assert set(rows) == set(ROLES)
    for name, (user, _, jail, calls, may, _) in rows.items():
        role = ROLES[name]
        assert user == role.user, name
        assert jail == ("yes" if role.jailed else "no"), name
        assert calls == (", ".join(role.calls) or "nobody"), name
        assert set(may.split(", ")) - {"-"} == {
            w.lower() for w in role.may}, name
