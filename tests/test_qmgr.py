"""The queue manager when its neighbours are away or the spool is damaged, and
what senders are told."""
import os
import signal
import smtplib
import subprocess
import time

import pytest

from house import House, wait_until
from test_relay import bounces, send, wait_bounce, waiting


@pytest.fixture(scope="module")
def house():
    settings = dict(dns_servers="127.0.0.1:1", minimal_backoff_time="2s",
                    maximal_backoff_time="3s", delay_warning_time="3s",
                    smtp_dns_tries="1", smtp_dns_timeout="1s",
                    qmgr_walk_interval="2s", service_throttle_time="1s")
    with House(domain="relay.test", users=2, settings=settings) as h:
        yield h


def stored(house, number=1):
    import imaplib
    box = imaplib.IMAP4("127.0.0.1", house.imap)
    try:
        box.login(house.user(number), house.password)
        box.select()
        return [box.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1]
                for n in box.search(None, "ALL")[1][0].split()]
    finally:
        box.logout()


def has(house, subject, number=1):
    return any(subject.encode() in s for s in stored(house, number))


def offline(house, service):
    house.posthouse("service", "stop", service)


def online(house, service):
    house.posthouse("service", "start", service)


@pytest.mark.parametrize("service", ["local", "qmgr"])
def test_mail_waits_while_a_service_is_stopped(house, service):
    offline(house, service)
    try:
        subject = send(house, house.user(1))
        time.sleep(0.5)
        assert not has(house, subject)
    finally:
        online(house, service)
    wait_until(lambda: has(house, subject), 20)
    house.wait_empty_queue()
    assert len([s for s in stored(house) if subject.encode() in s]) == 1


def test_what_waits_for_an_absent_agent_is_the_operators(house):
    """Deleted or on hold at once, not when the agent is there again."""
    offline(house, "local")
    try:
        addresses = [house.user(1), "%s+x@%s" % tuple(
            house.user(1).split("@"))]
        subject = send(house, addresses)

        def queued():
            """the message, with its recipients in the schedule"""
            rows = [r for a in addresses for r in waiting(house, a)]
            return len(rows) == 2 and all(
                r["transport"] == "local" for r in rows) and rows[0]["id"]
        qid = wait_until(queued)
        house.posthouse("queue", "hold", qid)
        wait_until(lambda: [r["state"] for a in addresses for r in
                            waiting(house, a)] == ["hold"] * 2)
        house.posthouse("queue", "release", qid)
        wait_until(queued)
        house.posthouse("queue", "delete", "--recipient", addresses[0])
        wait_until(lambda: not waiting(house, addresses[0]))
        assert waiting(house, addresses[1])
        house.posthouse("queue", "delete", qid)
        house.wait_empty_queue()
        # It has not gone astray for what came behind it.
        other = send(house, house.user(1))
    finally:
        online(house, "local")
    wait_until(lambda: has(house, other))
    assert not has(house, subject)


def test_lookup_killed_again_and_again(house):
    subjects = []
    for i in range(30):
        for pid in house.pids("lookup") if i % 3 == 0 else []:
            os.kill(pid, signal.SIGKILL)
        try:
            subjects.append(send(house, house.user(1)))
        except smtplib.SMTPException:
            pass  # 451: not accepted, not our business
        time.sleep(0.1)
    wait_until(lambda: all(has(house, s) for s in subjects), 40, 0.5)
    house.wait_empty_queue(40)


def test_delay_warning_and_success(house):
    send(house, "a@far.example")
    wait_until(lambda: [b for b in bounces(house, "a@far.example")
                        if b[0] == "delayed"], 30, 0.5)
    time.sleep(4)
    assert len(bounces(house, "a@far.example")) == 1
    assert waiting(house, "a@far.example")
    house.posthouse("queue", "delete", "ALL")
    house.wait_empty_queue()
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
        s.sendmail(house.user(0), house.user(1),
                   b"Subject: told\r\n\r\nx\r\n",
                   rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
    told = wait_bounce(house, house.user(1))
    assert told[0] == "delivered" and told[1].startswith("2.")


def test_never_and_null_sender_are_not_told(house):
    def gone(address, sender, options):
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
            s.sendmail(sender, address, b"Subject: x\r\n\r\nx\r\n",
                       rcpt_options=options)
        wait_until(lambda: any(
            "to=<%s>, status=expired" % address in line
            for line in house.log().splitlines()))
    house.set("maximal_queue_lifetime", "1s")
    house.set("bounce_queue_lifetime", "1s")
    house.posthouse("reload")
    try:
        gone("never@far.example", "user0@relay.test", ["NOTIFY=NEVER"])
        gone("null@far.example", "", [])
        house.wait_empty_queue()
        time.sleep(0.5)
        assert not bounces(house, "never@far.example")
        assert not bounces(house, "null@far.example")
    finally:
        house.set("maximal_queue_lifetime", "5d")
        house.set("bounce_queue_lifetime", "5d")
        house.posthouse("reload")


def test_bounce_away(house):
    """A failure is told when bounce is back, once."""
    house.set("maximal_queue_lifetime", "1s")
    house.posthouse("reload")
    offline(house, "bounce")
    try:
        send(house, "late@far.example")
        house.logged("to=<late@far.example>, status=expired")
        for pid in house.pids("qmgr"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(1)
    finally:
        online(house, "bounce")
        house.set("maximal_queue_lifetime", "5d")
        house.posthouse("reload")
    wait_until(lambda: [b for b in bounces(house, "late@far.example")
                        if b[0] == "failed"], 40, 0.5)
    house.wait_empty_queue(40)
    assert len([b for b in bounces(house, "late@far.example")
                if b[0] == "failed"]) == 1


def test_many_senders_wait_for_bounce_no_longer_than_one(house):
    """That bounce is away is one trouble, however many messages meet it."""
    addresses = ["many%d@far.example" % i for i in range(10)]
    house.set("maximal_queue_lifetime", "1s")
    house.posthouse("reload")
    offline(house, "bounce")
    try:
        for address in addresses:
            send(house, address)
        for address in addresses:
            qid = wait_until(lambda: waiting(house, address))[0]["id"]
            house.logged(qid + ": the sender cannot be notified now")
        online(house, "bounce")
        # A reload would begin anew.
        wait_until(lambda: {a for a in addresses for b in bounces(house, a)
                            if b[0] == "failed"} == set(addresses), 60, 0.5)
        house.wait_empty_queue(40)
    finally:
        online(house, "bounce")
        house.set("maximal_queue_lifetime", "5d")
        house.posthouse("reload")


def test_a_file_that_nobody_offered_is_found(house):
    offline(house, "qmgr")
    subject = send(house, house.user(1))
    online(house, "qmgr")
    wait_until(lambda: has(house, subject))


def test_damaged_files_are_set_aside(house):
    offline(house, "qmgr")
    for place in (0, 100, 4100, 4400):
        subject = send(house, house.user(1), body="damage me\r\n" * 40)
        path = newest(house)
        with open(path, "r+b") as f:
            f.seek(place)
            old = f.read(1)
            f.seek(place)
            f.write(bytes([old[0] ^ 0x55]))
    with open(newest(house) + "x", "wb") as f:
        f.write(b"no queue file")
    good = send(house, house.user(1))
    online(house, "qmgr")
    wait_until(lambda: has(house, good))
    corrupt = os.path.join(house.dir, "spool", "corrupt")
    wait_until(lambda: len([n for n in os.listdir(corrupt)
                            if not n.endswith(".reason")]) == 4 and
               len(os.listdir(corrupt)) == 8)
    assert not has(house, subject)
    reasons = "".join(open(os.path.join(corrupt, n)).read()
                      for n in os.listdir(corrupt) if n.endswith(".reason"))
    assert "magic" in reasons and "checksum" in reasons
    house.wait_empty_queue()


def newest(house):
    found = []
    for base, _, names in os.walk(os.path.join(house.dir, "spool", "queue")):
        found += [os.path.join(base, n) for n in names if len(n) == 22]
    return max(found, key=lambda p: os.path.basename(p))


def test_strangers_may_not_operate(house):
    if os.getuid() != 0:
        pytest.skip("needs another user")
    def stranger(*command):
        return subprocess.run(
            ["setpriv", "--reuid", "65534", "--clear-groups", *command],
            capture_output=True, text=True)
    subject = send(house, "theirs@far.example")
    wait_until(lambda: waiting(house, "theirs@far.example"))
    queue = [house.program(), "-c", house.etc, "queue"]
    # His own mail, by way of pickup; that of others is not there.
    done = stranger(*queue, "list")
    assert done.returncode == 0 and "empty" in done.stdout, done
    for args in (["hold", "ALL"], ["flush", "ALL"], ["why", "far.example"],
                 ["release", "ALL"]):
        done = stranger(*queue, *args)
        assert done.returncode == 1 and "may not" in done.stderr, done
    assert "delete: 0 messages" in stranger(*queue, "delete", "ALL").stdout
    assert waiting(house, "theirs@far.example"), subject
    # The queue manager itself does not listen to him.
    path = os.path.join(house.dir, "run", "sockets", "qmgr")
    done = stranger("/usr/bin/python3", "-c", "import socket, sys;"
                    "socket.socket(socket.AF_UNIX).connect(sys.argv[1])", path)
    assert "PermissionError" in done.stderr, done
    house.posthouse("queue", "delete", "ALL")
    house.wait_empty_queue()


def test_many_messages_all_arrive_once(house):
    before = len(stored(house, 1))
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        for i in range(300):
            s.sendmail("user0@relay.test", house.user(1),
                       b"Subject: many\r\n\r\n%d\r\n" % i)
    # cleanup offers nothing for a second when it found no queue manager; the
    # walk finds what was not offered.
    wait_until(lambda: len(stored(house, 1)) >= before + 300, 60, 0.5)
    house.wait_empty_queue(60)
    assert len(stored(house, 1)) == before + 300
