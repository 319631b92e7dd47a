"""Who runs as whom, and where: read from /proc."""
import os
import smtplib

import pytest

from house import House

JAILED = ("smtpd", "smtp", "login")
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
    assert seen == set(JAILED)


def test_a_role_sees_only_the_sockets_it_may_call(house):
    allowed = {"smtpd": {"cleanup", "lookup", "policyd"},
               "submission": {"cleanup-submit", "lookup", "auth", "policyd"},
               "smtp": set(),
               "local": set(),
               "login": {"auth", "imapd", "pop3d"},
               "imapd": {"auth", "lookup"},
               "pop3d": {"auth"},
               "keeper": set(),
               "bounce": {"cleanup-internal"}}
    for role, sockets in allowed.items():
        there = set(os.listdir(os.path.join(house.dir, "run", "jail", role)))
        assert there == sockets, role
