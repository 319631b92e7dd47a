"""posthouse trace in a whole instance: the way of a message from its client to
its mailbox, its bounce or its next attempt, with every wait and its reason."""
import json
import os
import smtplib
import subprocess
import time

import pytest
from aiosmtpd.controller import Controller

from house import POSTHOUSE, House, free_port, wait_until


class NextHop:
    """Greylists grey@ once, never has bad@, and takes the rest."""
    port = free_port()
    greeted = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("bad"):
            return "550 5.1.1 there is no such person here"
        if address.startswith("grey") and address not in self.greeted:
            self.greeted.add(address)
            return "450 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, server, session, envelope):
        return "250 2.0.0 taken"


@pytest.fixture(scope="module")
def house():
    hop = Controller(NextHop(), hostname="127.0.0.1", port=NextHop.port)
    hop.start()
    with House(users=3, settings=dict(
            smtp_tcp_port=NextHop.port,
            # Every delivery is tried once more only when we say so.
            minimal_backoff_time="1h", maximal_backoff_time="2h")) as h:
        h.posthouse("alias", "add", "team@" + h.domain, h.user(1), h.user(2))

        def known():
            """the alias"""
            try:
                send(h, "team@" + h.domain, "first@x.test")
                return True
            except smtplib.SMTPException:
                return False
        wait_until(known)
        yield h
    hop.stop()


def send(house, to, message_id, sender="anna@x.test"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.sendmail(sender, to, "From: anna@x.test\r\nSubject: hi\r\n"
                   "Message-ID: <%s>\r\n\r\nhello\r\n" % message_id)


def submit(house, to, message_id):
    s = smtplib.SMTP("127.0.0.1", house.submission, timeout=30)
    s.starttls(context=house.tls())
    s.login(house.user(0), house.password)
    s.sendmail(house.user(0), to, "From: %s\r\nSubject: hi\r\n"
               "Message-ID: <%s>\r\n\r\nhello\r\n" % (
                   house.user(0), message_id))
    s.close()


def trace(house, key, *args):
    done = house.posthouse("--json", "trace", key, *args, check=False)
    return json.loads(done.stdout)


def message(house, key, ready):
    """The message that the key finds, as soon as its story is `ready`."""
    def look():
        for m in trace(house, key)["messages"]:
            if ready(m):
                return m
        return None
    look.__doc__ = "the story of " + key
    return wait_until(look)


def names(m):
    return [e["event"] for e in m["events"]]


def test_a_submission_from_its_login_to_the_next_host(house):
    submit(house, "good@[127.0.0.1]", "sub@x.test")
    # All of it: each daemon's events travel on a way of their own.
    m = message(house, "sub@x.test", lambda m: {
        "connect", "login", "envelope", "recipient", "queued", "scheduled",
        "attempt", "delivered", "removed"} <= set(names(m)))
    assert m["state"] == "delivered" and m["message_id"] == "<sub@x.test>"
    assert m["sender"] == house.user(0)
    delivered = m["events"][names(m).index("delivered")]
    assert delivered["code"].startswith("250")
    assert "taken" in delivered["why"] and "127.0.0.1" in delivered["where"]


def test_what_greylisting_cost(house):
    submit(house, "grey1@[127.0.0.1]", "grey@x.test")
    m = message(house, "grey@x.test",
                lambda m: m["recipients"] and
                m["recipients"][0]["next_attempt"] > 0)
    assert m["state"] == "queued" and not m["removed"]
    r = m["recipients"][0]
    assert r["address"] == "grey1@[127.0.0.1]" and r["attempts"] == 1
    assert r["code"] == "450 4.7.1" and "greylisted" in r["why"]
    assert r["next_attempt"] > time.time() + 3000
    text = house.posthouse("trace", m["id"])
    assert "state: queued" in text and "next attempt at" in text
    time.sleep(1.1)  # a wait that is worth telling
    house.posthouse("queue", "flush", m["id"])
    m = message(house, "grey@x.test", lambda m: m["removed"])
    assert m["state"] == "delivered" and "operator" in names(m)
    (wait,) = m["waits"]
    assert wait["ms"] >= 1000 and not wait["lasts"]
    assert "450 4.7.1" in wait["reason"] and "greylisted" in wait["reason"]
    text = house.posthouse("trace", m["id"])
    assert "waited " in text and "greylisted" in text


def test_a_notification_and_its_cause(house):
    submit(house, "bad1@[127.0.0.1]", "bad@x.test")
    m = message(house, "bad@x.test",
                lambda m: m["removed"] and m["state"] == "bounced" and
                len(m["dsn"]) == 22)
    assert "no such person" in m["recipients"][0]["why"]

    def both(key):
        def look():
            """both messages"""
            found = {x["id"]: x for x in trace(house, key)["messages"]}
            return found if {m["id"], m["dsn"]} <= set(found) and \
                found[m["dsn"]]["removed"] else None
        return wait_until(look)
    for key in (m["id"], m["dsn"]):
        found = both(key)
        assert found[m["dsn"]]["notification"]
        assert found[m["dsn"]]["state"] == "delivered"
        assert found[m["dsn"]]["session"] == m["session"]


def test_where_an_alias_sent_it(house):
    send(house, "team@" + house.domain, "team@x.test")
    m = message(house, "team@x.test", lambda m: m["removed"] and
                names(m).count("expanded") == 2)
    found = {(e["who"], e["where"]) for e in m["events"]
             if e["event"] == "expanded"}
    assert found == {("team@" + house.domain, house.user(1)),
                     ("team@" + house.domain, house.user(2))}
    assert m["id"] in {x["id"] for x in
                       trace(house, "team@" + house.domain)["messages"]}


def test_all_keys_lead_to_it(house):
    send(house, house.user(1), "Keys@x.test", "Erna@y.test")
    m = message(house, "<keys@X.test>", lambda m: m["removed"])
    for key in (m["id"], m["id"].lower(), m["session"], "keys@x.test",
                "erna@y.TEST", "@y.test", "y.test", house.user(1).upper(),
                "127.0.0.1", "[127.0.0.1]"):
        assert m["id"] in {x["id"] for x in trace(house, key)["messages"]}, key
    assert trace(house, "erna@y.test", "--since", "1h")["messages"]
    assert not trace(house, "erna@y.test", "--until", "1h")["messages"]
    found = trace(house, "127.0.0.1", "--limit", "1")
    assert found["cut"] and len(found["sessions"]) <= 1


def test_a_refused_recipient(house):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=30) as s:
        s.ehlo()
        s.mail("fred@z.test")
        assert s.rcpt("nobody@" + house.domain)[0] == 550

    def refused():
        """the session in which it was refused"""
        for x in trace(house, "nobody@" + house.domain)["sessions"]:
            for e in x["events"]:
                if e["event"] == "refused":
                    return e
        return None
    e = wait_until(refused)
    assert e["code"] == "550 5.1.1" and "User unknown" in e["why"]
    assert "550 5.1.1" in house.posthouse("trace", "fred@z.test")


def test_an_append_is_told(house):
    import imaplib
    box = imaplib.IMAP4_SSL("127.0.0.1", house.imaps, ssl_context=house.tls())
    box.login(house.user(2), house.password)
    box.append("INBOX", None, None, b"Subject: appended\r\n\r\nhi\r\n")
    box.logout()

    def told():
        """the APPEND"""
        return any(e["event"] == "stored" and e["why"] == "APPEND"
                   for x in trace(house, house.user(2))["sessions"]
                   for e in x["events"])
    wait_until(told)


def test_follow_ends_with_the_message(house):
    """It begins before anything is known of the message."""
    follow = subprocess.Popen(
        [POSTHOUSE, "-c", house.etc, "--json", "trace", "--follow",
         "follow@x.test"], stdout=subprocess.PIPE, text=True)
    try:
        send(house, house.user(1), "follow@x.test")
        out, _ = follow.communicate(timeout=30)
    finally:
        follow.kill()
        follow.wait()
    assert follow.returncode == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert {"connect", "queued", "delivered", "removed"} <= \
        {e["event"] for e in events}


def test_without_its_index_and_with_damage(house):
    send(house, house.user(1), "damage@x.test")
    m = message(house, "damage@x.test", lambda m: m["removed"])
    # A logd that starts completes the index of what there is.
    house.posthouse("service", "restart", "log")
    folder = os.path.join(house.dir, "log", "trace")

    def indexed():
        """an index"""
        return any(n.endswith(".index") and
                   os.path.getsize(os.path.join(folder, n)) > 4096
                   for n in os.listdir(folder))
    wait_until(indexed)
    assert message(house, m["id"], lambda x: x["removed"])["events"] == \
        m["events"]
    for name in os.listdir(folder):
        if name.endswith(".index"):
            with open(os.path.join(folder, name), "r+b") as f:
                f.seek(4096 + 30)
                f.write(b"damaged")
    found = trace(house, m["id"])
    assert [x["events"] for x in found["messages"]] == [m["events"]]
    assert any("damaged" in note for note in found["notes"])
    house.posthouse("service", "restart", "log")
    # Later mail is found again.
    send(house, house.user(1), "later@x.test")
    message(house, "later@x.test", lambda m: m["removed"])


def test_wrong_usage(house):
    for args in ([], ["a", "b"], ["a", "--since", "soon"], ["a", "--limit",
                 "0"], ["a", "--limit"], ["a", "--nothing", "1"]):
        done = house.posthouse("trace", *args, check=False)
        assert done.returncode == 64
        if len(args) == 3:  # what is wrong with it is said
            assert args[2] in done.stderr or "--nothing" in args
    done = house.posthouse("trace", "nobody@nowhere.test", check=False)
    assert done.returncode == 1 and "nothing is known of" in done.stderr
