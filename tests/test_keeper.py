"""keeper: what is done in the background of the mailbox store."""
import glob
import os
import re
import signal
import smtplib
import time

import pytest

from house import House, wait_until
from test_store import append, content, delete, files, flip, holds, marks, message, \
    session

QUICK = {"store_upkeep_interval": "2s"}


@pytest.fixture(scope="module")
def house():
    """Upkeep only when somebody asks for it."""
    with House(domain="keep.test", users=4) as h:
        yield h


@pytest.fixture(scope="module")
def quick():
    """A house where days are seconds."""
    settings = dict(QUICK, mail_undelete_time="1s",
                    mailbox_expire="\\Trash=1s, Archive/Old=2s, Gone=1s")
    with House(domain="quick.test", users=4, settings=settings) as h:
        yield h


def service(house):
    return [s for s in house.json("status")["services"]
            if s["name"] == "keeper"][0]


def counter(house, name):
    return service(house).get("counters", {}).get(name, 0)


def settled(what):
    """A figure that stays for a second."""
    def stays():
        value = what()
        time.sleep(1)
        return (value,) if what() == value else None
    return wait_until(stays, 30)[0]


def snapshots(house, user):
    return [f for f in files(house, user) if "/s." in f]


def grow(m, records=1500):
    """Many records and few commands; not so many octets."""
    append(m, "seed")
    while m.select()[1][0] and int(m.select()[1][0]) < records:
        assert m.copy("1:*", "INBOX")[0] == "OK"


def send(house, user, mark):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        s.sendmail("a@x.test", [user], message(mark))


# ---- hints ----

def test_a_box_that_grew_gets_a_snapshot(house):
    with session(house, house.user(0)) as m:
        before = counter(house, "snapshots")
        assert counter(house, "hints") == 0
        grow(m)
        wait_until(lambda: counter(house, "snapshots") > before)
        assert counter(house, "hints") > 0
        assert snapshots(house, house.user(0))
        hints = settled(lambda: counter(house, "hints"))
        # A message more is no reason.
        append(m, "one more")
        send(house, house.user(0), "and another")
        house.wait_empty_queue()
        assert counter(house, "hints") == hints
    assert "seed" in marks(house, house.user(0))


def test_without_it_mail_goes_on(house):
    user = house.user(1)
    house.posthouse("service", "stop", "keeper")
    send(house, user, "while it is away")
    house.wait_empty_queue()
    try:
        with session(house, user) as m:
            grow(m)
        # Who writes takes the snapshot then.
        send(house, user, "delivered")
        wait_until(lambda: snapshots(house, user))
    finally:
        house.posthouse("service", "start", "keeper")
    assert {"away", "delivered"} <= set(marks(house, user))


def test_killed_it_comes_back(house):
    user = house.user(2)
    for i in range(3):
        pid = service(house)["pids"][0]
        os.kill(pid, signal.SIGKILL)
        send(house, user, "mark%d" % i)
        wait_until(lambda: service(house)["state"] == "running" and
                   service(house)["pids"] not in ([], [pid]))
    house.wait_empty_queue()
    with session(house, user) as m:
        before = counter(house, "snapshots")
        grow(m)
        wait_until(lambda: counter(house, "snapshots") > before)
    # What dead ones left in the directory of listeners is swept.
    def left():
        return [int(p.split(".")[-1]) for p in glob.glob(
            os.path.join(house.dir, "run", "notify", "keeper.*"))]
    wait_until(lambda: left() == service(house)["pids"])


def test_its_place(house):
    """It keeps to the store, low in the order of things."""
    pid = service(house)["pids"][0]
    with open("/proc/%d/stat" % pid) as f:
        assert int(f.read().rsplit(")", 1)[1].split()[16]) >= 10
    with open("/proc/%d/status" % pid) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f
                      if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    if os.getuid() == 0:
        assert 0 not in {int(u) for u in fields["Uid"].split()}
        assert int(fields["CapEff"], 16) == 0


def test_the_reserve(house):
    reserve = os.path.join(house.dir, "store", "reserve")
    wait_until(lambda: counter(house, "reserve_octets") == 16 << 20)
    st = os.stat(reserve)
    assert st.st_size == st.st_blocks * 512 == 16 << 20
    assert st.st_uid == os.stat(os.path.dirname(reserve)).st_uid
    house.set("store_reserve_size", "1M")
    house.posthouse("reload")
    wait_until(lambda: counter(house, "reserve_octets") == 1 << 20)
    assert os.stat(reserve).st_size == 1 << 20


# ---- time ----

def test_old_mail_expires(quick):
    user = quick.user(0)
    with session(quick, user) as m:
        m.create("Archive")
        m.create("Archive/Old")
        m.create("Archive/Old/Kept")
        append(m, "t1", "t2", mailbox="Trash")
        append(m, "o1", mailbox="Archive/Old")
        append(m, "below", mailbox="Archive/Old/Kept")
        append(m, "inbox")
    wait_until(lambda: marks(quick, user, "Trash") == [])
    wait_until(lambda: marks(quick, user, "Archive/Old") == [])
    wait_until(lambda: counter(quick, "expired") >= 3)

    def said():
        """a line for the messages that expired"""
        return sum(map(int, re.findall(
            r"expired: account=<%s>, messages=(\d+)" % user, quick.log())))
    wait_until(lambda: said() == 3)
    # What comes now stays its time.
    assert marks(quick, user) == ["inbox"]
    assert marks(quick, user, "Archive/Old/Kept") == ["below"]


def test_what_was_expunged_is_erased(quick):
    user = quick.user(1)
    with session(quick, user) as m:
        append(m, "keepsake", "confidential")
        append(m, "large", body="c" * 300000 + "classified")
        delete(m, "2:3")
    wait_until(lambda: "erased: account=<%s>" % user in quick.log())
    for text in (b"confidential", b"classified"):
        wait_until(lambda: not holds(files(quick, user), text))
    wait_until(lambda: counter(quick, "erased") >= 2 and
               counter(quick, "erased_octets") > 300000)
    assert "0 messages brought back" in quick.posthouse(
        "store", "undelete", user)
    quick.posthouse("store", "check", "--deep", user)
    assert marks(quick, user) == ["keepsake"]


def test_it_walks_over_all(quick):
    for i in range(4):
        with session(quick, quick.user(i)) as m:
            append(m, "there")
    before = counter(quick, "accounts_walked")
    wait_until(lambda: counter(quick, "accounts_walked") >= before + 12)
    wait_until(lambda: 0 < counter(quick, "walk_percent") <= 100)


def test_orphans_are_swept(quick):
    user = quick.user(2)
    with session(quick, user) as m:
        append(m, "large", body="x" * 300000)
    blob = [f for f in files(quick, user) if "/b/" in f][0]
    orphans = []
    for i, age in enumerate((3 * 86400, 0)):
        orphan = os.path.join(os.path.dirname(blob),
                              "%032x" % (i + 1))[:len(blob)]
        with open(blob, "rb") as f, open(orphan, "wb") as to:
            to.write(f.read())
        st = os.stat(blob)
        os.chown(orphan, st.st_uid, st.st_gid)
        os.utime(orphan, (time.time() - age,) * 2)
        orphans.append(orphan)
    # Looked for when there was something to do in the box.
    with session(quick, user) as m:
        append(m, "small")
        delete(m, str(max(content(m))))
    wait_until(lambda: not os.path.exists(orphans[0]))
    wait_until(lambda: counter(quick, "orphans") >= 1)
    # One that may just be written stays.
    assert os.path.exists(orphans[1]) and os.path.exists(blob)
    os.unlink(orphans[1])


def test_damage_is_said_once(quick):
    user = quick.user(3)
    with session(quick, user) as m:
        append(m, "a", "b")
    path = [f for f in files(quick, user) if "/g." in f][0]
    with open(path, "rb") as f:
        f.seek(512)
        length = int.from_bytes(f.read(4), "little")
    flip(path, 512 + length // 2)
    word = "damaged: account=<%s>" % user
    wait_until(lambda: word in quick.log())
    damaged = counter(quick, "damaged")
    wait_until(lambda: counter(quick, "damaged") >= damaged + 2)
    assert quick.log().count(word) == 1
    line = [x for x in quick.log().splitlines() if word in x][0]
    assert "store check %s" % user in line and quick.etc in line
    # The others are looked after all the same.
    with session(quick, quick.user(2)) as m:
        append(m, "looked after", body="unforgotten")
        delete(m, str(max(content(m))))
    wait_until(lambda: not holds(files(quick, quick.user(2)),
                                 b"unforgotten"))


def test_killed_in_the_midst():
    """Whatever it was at is done again: nothing is lost, all is erased."""
    settings = {"store_upkeep_interval": "1s", "mail_undelete_time": "0"}
    with House(domain="kill.test", users=1, settings=settings) as h:
        user = h.user(0)
        kept = []
        with session(h, user) as m:
            for i in range(15):
                append(m, "kept%d" % i, "gone%d" % i, body="secret%d" % i)
                kept.append("kept%d" % i)
                uids = sorted(content(m))
                delete(m, str(uids[-1]))
                # Now, or a second later, it erases.
                time.sleep(0.07 * i)
                for pid in h.pids("keeper"):
                    os.kill(pid, signal.SIGKILL)
                h.posthouse("service", "start", "keeper")
            assert service(h)["restarts"] >= 10
            wait_until(lambda: not any(
                holds(files(h, user), b"of gone%d\r\n" % i)
                for i in range(15)), 60)
        assert marks(h, user) == kept
        h.posthouse("store", "check", "--deep", user)


# ---- master ----

def test_reload(house):
    before = service(house)["pids"]
    house.set("store_upkeep_interval", "2s")
    house.posthouse("reload")
    assert service(house)["pids"] != before
    walked = counter(house, "accounts_walked")
    wait_until(lambda: counter(house, "accounts_walked") > walked + 4)
    # A list that makes no sense changes nothing.
    path = os.path.join(house.etc, "main.cf")
    with open(path) as f:
        good = f.read()
    with open(path, "a") as f:
        f.write("mailbox_expire = \\Trash=soon\n")
    assert "mailbox_expire" in house.posthouse(
        "check", check=False).stderr
    assert house.posthouse("reload", check=False).returncode == 1
    wait_until(lambda: service(house)["state"] == "running")
    with open(path, "w") as f:
        f.write(good)
    house.posthouse("reload")


def test_it_ends_soon_however_slow_it_is():
    """Long work at a low rate: it is paced, and stops within a second."""
    settings = {"store_upkeep_rate": "10K", "store_upkeep_interval": "1s"}
    with House(domain="slow.test", users=2, settings=settings) as h:
        for i in range(2):
            with session(h, h.user(i)) as m:
                grow(m)
        wait_until(lambda: counter(h, "octets_per_second") > 0)
        # It is asleep in the midst of it: not busy, and not done.
        h.posthouse("service", "restart", "keeper")
        assert not re.search(r"keeper.*(signal 9|did not end)", h.log())
        send(h, h.user(0), "meanwhile")
        h.wait_empty_queue()
        assert "meanwhile" in marks(h, h.user(0))
