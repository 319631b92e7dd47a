"""posthouse store, on a house where mail keeps arriving."""
import contextlib
import glob
import imaplib
import json
import os
import shutil
import smtplib
import subprocess
import tempfile
import threading
import time

import pytest

from house import House, POSTHOUSE, wait_until


@pytest.fixture(scope="module")
def house():
    with House(domain="store.test", users=16) as h:
        yield h


_next = iter(range(16))


@pytest.fixture
def user(house):
    """An account of its own for each test."""
    return house.user(next(_next))


@contextlib.contextmanager
def session(house, user, mailbox="INBOX"):
    m = imaplib.IMAP4("127.0.0.1", house.imap, timeout=30)
    m.login(user, house.password)
    if mailbox is not None:
        assert m.select(mailbox)[0] == "OK"
    try:
        yield m
    finally:
        m.logout()


def message(mark, body="body"):
    return ("From: Anna <anna@x.test>\r\nSubject: =?utf-8?q?=C3=BC?= %s\r\n"
            "Message-ID: <%s@x.test>\r\n\r\n%s of %s\r\n" % (
                mark, mark, body, mark)).encode()


def append(m, *marks, mailbox="INBOX", flags=None, body="body"):
    for mark in marks:
        assert m.append(mailbox, flags, None, message(mark, body))[0] == "OK"


def delete(m, uids):
    assert m.uid("STORE", uids, "+FLAGS", "\\Deleted")[0] == "OK"
    assert m.expunge()[0] == "OK"


def content(m):
    """{uid: (flags, mark)} of what is selected."""
    found = {}
    data = m.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
                 )[1]
    for part in data:
        if not isinstance(part, tuple):
            continue
        uid = int(part[0].split(b"UID ")[1].split()[0])
        flags = {f.decode() for f in imaplib.ParseFlags(part[0])}
        found[uid] = (flags - {"\\Recent"}, part[1].split()[-1].decode())
    return found


def marks(house, user, mailbox="INBOX"):
    with session(house, user, mailbox) as m:
        return [mark for _, (_, mark) in sorted(content(m).items())]


def store(house, *args, status=0):
    """What the command says on both channels, when it ends as it should."""
    done = house.posthouse("store", *args, check=False, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == status, (args, done.returncode, said)
    return said


def as_json(house, *args, status=0):
    done = house.posthouse("store", *args, "--json", check=False, timeout=120)
    assert done.returncode == status, (args, done.stdout + done.stderr)
    return json.loads(done.stdout)


def files(house, user):
    return sorted(f for f in glob.glob(
        os.path.join(house.dir, "store", "*", user, "**"), recursive=True)
        if os.path.isfile(f))


def holds(paths, text):
    """Which of the files have it; some may go meanwhile."""
    found = []
    for path in paths:
        try:
            with open(path, "rb") as f:
                if text in f.read():
                    found.append(path)
        except FileNotFoundError:
            pass
    return found


class Load:
    """Mail that keeps arriving for an account, each with a mark."""

    def __init__(self, house, user, body="x"):
        self.house, self.user, self.body = house, user, body
        self.sent, self.error, self.stop = [], None, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.house.smtp, timeout=60) as s:
                while not self.stop.is_set():
                    mark = "load%d" % len(self.sent)
                    s.sendmail("a@x.test", [self.user],
                               message(mark, self.body))
                    self.sent.append(mark)
                    time.sleep(0.01)
        except Exception as e:
            self.error = e

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.error or len(self.sent) >= 3)
        return self

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join(60)
        self.house.wait_empty_queue()
        assert self.error is None, self.error


# ---- undelete ----

def test_undelete_brings_back_what_a_client_deleted(house, user):
    with session(house, user) as m, Load(house, user):
        append(m, "one", "two", flags="\\Flagged")
        uids = [u for u, (_, mark) in content(m).items()
                if mark in ("one", "two")]
        delete(m, ",".join(map(str, uids)))
        assert not {"one", "two"} & set(marks(house, user))
        listed = as_json(house, "undelete", user, "--list")["messages"]
        assert [(x["uid"], x["mailbox"], x["from"], x["subject"])
                for x in listed] == [
            (uids[0], "INBOX", "anna@x.test", "ü one"),
            (uids[1], "INBOX", "anna@x.test", "ü two")]
        assert "ü two" in store(house, "undelete", user, "--list")
        assert "1 message brought back" in store(
            house, "undelete", user, "--mailbox", "inbox", "--uid",
            "%d:*" % uids[1])
        m.noop()
        now = content(m)
        back = [u for u, (_, mark) in now.items() if mark == "two"]
        assert len(back) == 1 and back[0] > uids[1]
        assert now[back[0]][0] == {"\\Flagged"}
        assert "one" not in [mark for _, mark in now.values()]
        assert as_json(house, "undelete", user)["undeleted"] == 1
        assert as_json(house, "undelete", user)["undeleted"] == 0
    assert set(marks(house, user)) >= {"one", "two"}


def test_undelete_of_a_mailbox_that_is_gone(house, user):
    with session(house, user) as m:
        m.create("Projects/New")
        append(m, "p1", "p2", mailbox="Projects/New")
        m.delete("Projects/New")
        append(m, "i1")
        delete(m, "1:*")
    time.sleep(1.1)
    before = time.time()
    listed = as_json(house, "undelete", user, "--list")["messages"]
    assert sorted((x["mailbox"], x["mailbox_deleted"]) for x in listed) == [
        ("INBOX", False), ("Projects/New", True), ("Projects/New", True)]
    assert "0 messages" in store(
        house, "undelete", user, "--since", "@%d" % before)
    said = store(house, "undelete", user, "--mailbox", "Projects/New",
                 "--since", "5m ago")
    assert "2 messages brought back, of those expunged since 20" in said
    assert marks(house, user, "Projects/New") == ["p1", "p2"]
    assert marks(house, user) == []


def test_who_waits_is_told(house, user):
    with session(house, user) as m:
        append(m, "gone")
        delete(m, "1")
        m.send(b"x IDLE\r\n")
        assert m.readline().startswith(b"+")
        store(house, "undelete", user)
        assert b"1 EXISTS" in m.readline()
        m.send(b"DONE\r\n")
        while b"x OK" not in m.readline():
            pass


# ---- restore ----

def later():
    """A moment between two changes."""
    time.sleep(0.05)
    now = time.time()
    time.sleep(0.05)
    return now


def test_restore_as_it_was(house, user):
    with session(house, user) as m, Load(house, user):
        m.create("Work")
        append(m, "a", "b", "c", mailbox="Work")
        m.select("Work")
        m.uid("STORE", "2", "+FLAGS", "\\Flagged")
        before = content(m)
        then = later()
        delete(m, "1:2")
        m.uid("STORE", "3", "+FLAGS", "\\Seen")
        append(m, "new", mailbox="Work")
        m.select("INBOX")
        in_inbox = len(content(m))
        said = store(house, "restore", user, "--at", "@%.6f" % then,
                     "--mailbox", "Work")
        assert "as of " in said and "1 mailbox and" in said
        m.select("Work")
        now = content(m)
        for uid, was in before.items():
            assert now[uid] == was
        assert [mark for _, (_, mark) in sorted(now.items())] == [
            "a", "b", "c", "new"]
        m.select("INBOX")
        assert len(content(m)) >= in_inbox
        # One message, by its Message-ID.
        m.select("Work")
        then = later()
        delete(m, "1:*")
        got = as_json(house, "restore", user, "--at", "@%.6f" % then,
                      "--message-id", "<b@x.test>")
        assert got["messages"] == 1 and int(then) == got["at"]["seconds"]
        m.select("Work")
        assert [mark for _, mark in content(m).values()] == ["b"]


def test_restore_beyond_what_is_kept(house, user):
    with session(house, user) as m:
        append(m, "x")
    said = store(house, "restore", user, "--at", "1995-01-01", status=66)
    assert "1995-01-01T00:00:00" in said and "store stat" in said


# ---- backup ----

def everything(house, user):
    """{mailbox: (UIDVALIDITY, {uid: (flags, mark)})}"""
    found = {}
    with session(house, user, None) as m:
        for line in m.list()[1]:
            name = line.split(b' "/" ')[1].strip(b'"').decode()
            m.select('"%s"' % name)
            found[name] = (m.response("UIDVALIDITY")[1], content(m)
                           if int(m.untagged_responses["EXISTS"][-1]) else {})
    return found


@pytest.fixture
def directory():
    top = tempfile.mkdtemp(prefix="phb-", dir="/tmp")
    os.chmod(top, 0o755)
    yield os.path.join(top, "backup")
    shutil.rmtree(top)


def test_a_backup_is_a_store(house, user, directory):
    other = house.user(15)
    with session(house, user) as m, session(house, other) as o:
        with Load(house, user), Load(house, other, "x" * 3000):
            m.create("Old")
            append(m, "o1", "o2", mailbox="Old")
            append(m, "large", body="y" * 400000)
            for _ in range(5):
                store(house, "backup", directory, "--all")
                time.sleep(0.1)
                # Whatever was caught: it is whole.
                shutil.copytree(directory, directory + ".copy")
                done = subprocess.run(
                    [POSTHOUSE, "-c", house.etc, "store", "backup",
                     directory, user], capture_output=True)
                assert done.returncode == 0
                check_elsewhere(house, directory + ".copy")
                shutil.rmtree(directory + ".copy")
        delete(o, "1:3")
    got = as_json(house, "backup", directory, "--all")
    assert got["failed"] == 0 and got["count"] >= 2
    again = as_json(house, "backup", directory, user)
    assert again["written"] == 0, again
    want = {u: everything(house, u) for u in (user, other)}
    with House(domain="store.test", users=16,
               settings={"mail_store_directory": directory}) as second:
        assert {u: everything(second, u) for u in (user, other)} == want
        # It goes on from there.
        with session(second, user) as m:
            append(m, "elsewhere")
        assert "elsewhere" in marks(second, user)
        store(second, "check", "--deep", "--all")


def check_elsewhere(house, directory):
    """store check with another mail_store_directory."""
    etc = tempfile.mkdtemp(prefix="phe-", dir="/tmp")
    try:
        os.chmod(etc, 0o755)
        for name in os.listdir(house.etc):
            shutil.copy(os.path.join(house.etc, name), etc)
        give_to_owner(house, directory)
        with open(os.path.join(etc, "main.cf"), "a") as f:
            f.write("mail_store_directory = %s\n" % directory)
        done = subprocess.run(
            [POSTHOUSE, "-c", etc, "store", "check", "--deep", "--all"],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        shutil.rmtree(etc)


def give_to_owner(house, directory):
    st = os.stat(os.path.join(house.dir, "store"))
    for top, dirs, names in os.walk(directory):
        for path in [top] + [os.path.join(top, n) for n in names]:
            os.chown(path, st.st_uid, st.st_gid)


def test_restore_from_a_backup(house, user, directory):
    with session(house, user) as m:
        append(m, "a", "b")
        append(m, "large", body="z" * 400000)
        append(m, "t", mailbox="Trash")
        before = content(m)
        store(house, "backup", directory, user)
        delete(m, "1:*")
        append(m, "later")
    store(house, "upkeep", user, "--undelete-time", "0")
    assert marks(house, user) == ["later"]
    with Load(house, user):
        got = as_json(house, "restore", user, "--from", directory,
                      "--mailbox", "INBOX")
        assert got["messages"] == 3 and got["copied_octets"] > 400000
    with session(house, user) as m:
        now = content(m)
        assert {u: now[u] for u in before} == before
        assert "later" in [mark for _, mark in now.values()]
        uid = [u for u, (_, mark) in now.items() if mark == "large"][0]
        text = m.uid("FETCH", str(uid), "BODY.PEEK[TEXT]")[1][0][1]
        assert text.startswith(b"z" * 400000)
    said = store(house, "restore", user, "--from", "/nonexistent", status=66)
    assert "/nonexistent: No such file" in said


def test_a_damaged_account_does_not_stop_a_backup(house, directory):
    with House(domain="part.test", users=3) as h:
        for i in range(3):
            with session(h, h.user(i)) as m:
                append(m, "there", "too")
        store(h, "backup", directory, "--all")
        path = [f for f in files(h, h.user(1)) if f.endswith("/g.1")][0]
        flip(path, 600)
        for i in (0, 2):
            with session(h, h.user(i)) as m:
                append(m, "later")
        said = store(h, "backup", directory, "--all", status=65)
        assert h.user(1) in said and "store repair" in said
        assert "not up to date: 1 account" in said
        got = as_json(h, "backup", directory, "--all", status=65)
        assert got["count"] == 3 and got["failed"] == 1
        # What was good of it stays.
        check_elsewhere(h, directory)
        assert "repair" in store(h, "check", "--all", status=1)
        with session(h, h.user(0)) as m:
            delete(m, "3")
        got = as_json(h, "restore", h.user(0), "--from", directory,
                      "--message-id", "<later@x.test>")
        assert got["messages"] == 1
        assert marks(h, h.user(0)) == ["there", "too", "later"]


# ---- check and repair ----

def flip(path, offset):
    with open(path, "r+b") as f:
        f.seek(offset)
        old = f.read(1)
        f.seek(offset)
        f.write(bytes([old[0] ^ 0x10]))


def test_a_flipped_bit_is_found_and_mended(house, user):
    with session(house, user) as m:
        append(m, "good", "flipped", "better")
    assert "all is well" in store(house, "check", "--deep", user)
    path = holds(files(house, user), b"body of flipped")[0]
    with open(path, "rb") as f:
        offset = f.read().index(b"body of flipped")
    flip(path, offset)
    got = as_json(house, "check", "--deep", user, status=1)
    bad = [x for x in got["findings"] if x["kind"] == "damage"]
    assert len(bad) == 1 and got["damaged_accounts"] == 1
    assert bad[0]["file"] == os.path.basename(path)
    assert bad[0]["mailbox"] == "INBOX" and bad[0]["uid"] == 2
    # The message begins before, and ends behind what was flipped.
    assert offset - 200 < bad[0]["offset"] <= offset
    said = store(house, "check", "--deep", user, status=1)
    assert "%s: damage: %s:%d: INBOX uid 2:" % (
        user, os.path.basename(path), bad[0]["offset"]) in said
    assert "store repair %s" % user in said
    with Load(house, user):
        mended = as_json(house, "repair", user)
    assert mended["damaged"] == 1
    with session(house, user) as m:
        now = content(m)
        assert {"good", "better"} <= {mark for _, mark in now.values()}
        damaged = [u for u, (flags, _) in now.items() if "$Damaged" in flags]
        assert len(damaged) == 1


def test_a_damaged_log_is_mended(house, user):
    with session(house, user) as m:
        append(m, "first", "second", "third")
    path = [f for f in files(house, user) if f.endswith("/g.1")][0]
    with open(path, "rb") as f:
        f.seek(512)
        length = int.from_bytes(f.read(4), "little")
    flip(path, 512 + length + 40)
    got = as_json(house, "check", user, status=1)
    assert any(x["kind"] == "damage" and x["file"] == "g.1" and
               512 <= x["offset"] < 512 + 3 * length for x in got["findings"])
    # Mail for it waits meanwhile, and then comes.
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        s.sendmail("a@x.test", [user], message("waited"))
    wait_until(lambda: "mailbox damaged" in house.log())
    said = store(house, "undelete", user, status=65)
    assert "store check" in said
    assert "begun anew" in store(house, "repair", user)
    store(house, "check", user)

    def delivered():
        """the message that waited"""
        house.posthouse("queue", "flush", "--recipient", user)
        return not house.queue_files()
    wait_until(delivered, 60, 0.3)
    assert "waited" in marks(house, user)
    store(house, "check", "--deep", user)


def test_a_snapshot_is_rebuilt(house, user):
    with session(house, user) as m:
        append(m, "a", "b")
    said = store(house, "rebuild", user)
    assert "a new snapshot of 2 messages" in said
    snapshot = [f for f in files(house, user) if "/s." in f][-1]
    flip(snapshot, os.path.getsize(snapshot) - 20)
    got = as_json(house, "check", user, status=1)
    assert {x["kind"] for x in got["findings"]} == {"derived"}
    assert "store rebuild %s" % user in store(house, "check", user, status=1)
    store(house, "rebuild", user)
    store(house, "check", user)
    assert marks(house, user) == ["a", "b"]


# ---- stat and upkeep ----

def test_what_is_erased_is_gone(house, user):
    with session(house, user) as m:
        append(m, "keepsake")
        append(m, "secretword", body="confidential")
        append(m, "secretfile", body="c" * 300000 + "classified")
        delete(m, "2:3")
        s = as_json(house, "stat", user)
        assert s["messages"] == 1 and s["expunged"] == 2
        assert s["disk_octets"] > 300000 and s["blobs"] == 1
        assert holds(files(house, user), b"confidential of secretword")
        got = as_json(house, "upkeep", user, "--undelete-time", "0")
        assert got["erased"] == 2
        for text in (b"confidential", b"secretword", b"classified"):
            assert not holds(files(house, user), text), text
        assert as_json(house, "stat", user)["expunged"] == 0
        assert as_json(house, "undelete", user)["undeleted"] == 0
        store(house, "check", "--deep", user)
    assert marks(house, user) == ["keepsake"]
    all = as_json(house, "stat")
    assert user in [a["account"] for a in all["accounts"]]
    assert all["total"]["messages"] == sum(
        a["messages"] for a in all["accounts"])
    assert user in store(house, "stat")


# ---- who, and what is said ----

def test_wrong_arguments_are_explained(house):
    u = house.user(0)
    for args, word in (
            (["bogus"], "store repair ACCOUNT"),
            ([], "store repair ACCOUNT"),
            (["undelete"], "too few arguments"),
            (["stat", u, u], "too many"),
            (["check"], "which accounts?"),
            (["check", "--quick", u], "--quick"),
            (["undelete", u, "--deep"], "--deep is no option"),
            (["undelete", u, "--uid", "3"], "give --mailbox"),
            (["undelete", u, "--mailbox", "INBOX", "--uid", "3-5"],
             "3,7:9"),
            (["undelete", u, "--since", "yesterday"], "2h, 30m"),
            (["undelete", u, "--since"], "--since wants a value"),
            (["restore", u], "--at TIME"),
            (["restore", u, "--at", "2999-01-01"], "future"),
            (["restore", u, "--at", "30"], "@SECONDS"),
            (["restore", u, "--at", "2h", "--uid", "3"], "--mailbox"),
            (["restore", u, "--at", "2h", "--mailbox", "INBOX", "--uid",
              "0"], "no uid"),
            (["backup", "/tmp"], "which accounts?"),
            (["backup", house.dir + "/store", "--all"], "the store itself"),
            (["upkeep", u, "--undelete-time", "soon"], "a time is"),
            (["repair"], "too few")):
        said = store(house, *args, status=64)
        assert word in said, (args, said)
    for verb in ("stat", "check", "repair", "rebuild", "undelete", "upkeep"):
        said = store(house, verb, "nobody@store.test", status=66)
        assert "nobody@store.test has no mail" in said
        assert "store stat" in said
    assert "usage: posthouse store restore" in store(
        house, "restore", "--help")


def test_files_stay_their_owners(house):
    """All that the tests above did was done by root where they are root."""
    owner = os.stat(os.path.join(house.dir, "store")).st_uid
    for top, dirs, names in os.walk(os.path.join(house.dir, "store")):
        for path in [top] + [os.path.join(top, n) for n in names]:
            assert os.lstat(path).st_uid == owner, path


def test_only_the_owner_may(house):
    if os.getuid() != 0:
        pytest.skip("needs root to be somebody else")
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         POSTHOUSE, "-c", house.etc, "store", "stat"],
        capture_output=True, text=True, cwd="/")
    assert done.returncode == 77 and "owner" in done.stderr


def test_without_the_suite(house, directory):
    """It needs no daemon."""
    with session(house, house.user(0)) as m:
        append(m, "there")
    house.stop()
    try:
        store(house, "check", "--all")
        store(house, "backup", directory, "--all")
        store(house, "upkeep", house.user(0))
    finally:
        house.start()
    assert "there" in marks(house, house.user(0))
