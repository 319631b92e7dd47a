"""posthouse queue why, filters and warnings of a backlog: in whole instances
whose next hops refuse, are away, are slow or are limited, the printed cause
is the one that the test has made."""
import asyncio
import json
import os
import pwd
import re
import smtplib
import socket
import subprocess
import threading
from contextlib import closing

import dns.message
import dns.rcode
import pytest
from aiosmtpd.controller import Controller

from house import BUILD, House, free_port, wait_until
from nameserver import Dns

IS_ROOT = os.getuid() == 0
ZONES = {
    "grey.test": ["@ MX 10 mx", "mx A 127.0.0.2"],
    "slow.test": ["@ MX 10 mx", "mx A 127.0.0.3"],
    "refused.test": ["@ MX 10 mx", "mx A 127.0.0.9"],
    "dead.test": ["@ MX 10 mx", "mx A 127.0.0.9"],
    "fine.test": ["@ MX 10 mx", "mx A 127.0.0.2"],
}
GREY = "451 4.7.1 Greylisted, please come back in 5 minutes"


class Resolver:
    """Before the name server: says SERVFAIL of broken.test, and of
    silent.test nothing at all."""

    def __init__(self, behind):
        self.behind = ("127.0.0.1", behind)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, client = self.sock.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(data)
            name = query.question[0].name.to_text().lower()
            if name.endswith("silent.test."):
                continue
            if name.endswith("broken.test."):
                answer = dns.message.make_response(query)
                answer.set_rcode(dns.rcode.SERVFAIL)
                self.sock.sendto(answer.to_wire(), client)
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.sendto(data, self.behind)
                try:
                    self.sock.sendto(s.recv(4096), client)
                except OSError:
                    pass

    def close(self):
        self.sock.close()


class Hop:
    """Greylists grey.test, takes the rest; a gate holds the answer to the
    dot of slow.test back."""

    def __init__(self, address, port):
        self.gate, self.port = threading.Event(), port
        self.controller = Controller(self, hostname=address, port=port,
                                     ready_timeout=10)
        self.controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.endswith("@grey.test"):
            return GREY
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        while envelope.rcpt_tos[0].endswith("@slow.test") and \
                not self.gate.is_set():
            await asyncio.sleep(0.02)
        return "250 2.0.0 taken"

    def stop(self):
        self.gate.set()
        self.controller.stop()


def listen(*addresses):
    """Next hops on one port, which may be taken before it is ours."""
    for _ in range(20):
        port, hops = free_port(), []
        try:
            for address in addresses:
                hops.append(Hop(address, port))
            return hops
        except OSError:
            for hop in hops:
                hop.stop()
    raise RuntimeError("no port")


@pytest.fixture(scope="module")
def world():
    hops = listen("127.0.0.2", "127.0.0.3")
    try:
        with Dns(ZONES) as server, closing(Resolver(
                server.port)) as resolver, House(users=2, settings=dict(
                smtp_tcp_port=hops[0].port, dns_servers=resolver.address,
                smtp_dns_timeout="1s", smtp_dns_tries="1",
                minimal_backoff_time="1h", maximal_backoff_time="2h",
                initial_destination_concurrency="2",
                default_destination_concurrency_limit="2",
                qmgr_backlog_warn_time="1s",
                qmgr_backlog_warn_count="2")) as h:
            h.slow, h.port = hops[1], hops[0].port
            yield h
    finally:
        for hop in hops:
            hop.stop()


@pytest.fixture
def house(world):
    yield world
    world.posthouse("queue", "delete", "ALL")
    world.wait_empty_queue()


def send(house, *to, sender=None, body="x"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=20) as s:
        s.sendmail(house.user() if sender is None else sender, to,
                   "Subject: q\r\n\r\n%s\r\n" % body)


def why(house, *what):
    """{address: recipient} of posthouse queue why --json."""
    done = house.posthouse("queue", "why", *what, "--json", check=False)
    found = {}
    if done.returncode == 0:
        for m in json.loads(done.stdout)["messages"]:
            for r in m["recipients"]:
                found[r["address"]] = dict(r, id=m["id"])
    return found


def bound(house, address, *binds):
    """The recipient, as soon as this is what binds it."""
    def look():
        r = why(house, address).get(address)
        return r if r and r["binds"] in binds else None
    look.__doc__ = "%s bound by %s" % (address, binds)
    return wait_until(look)


def test_greylisted(house):
    send(house, "a@grey.test")
    r = bound(house, "a@grey.test", "backoff")
    assert GREY in r["cause"] and r["attempts"] == 1
    last = r["last"]
    assert last["remote"] == "mx.grey.test[127.0.0.2]:%d" % house.port
    assert last["phase"] == "RCPT TO" and GREY in last["reply"]
    assert r["next"] == r["until"] > last["time"] + 3500
    assert (r["parameter"], r["value"]) == ("minimal_backoff_time", "1h")
    assert r["expires"] > r["next"]
    # By the id, the address and the domain; the cause comes first.
    for what in (r["id"], "a@grey.test"):
        out = house.posthouse("queue", "why", what)
        lines = [line.split(None, 1) for line in out.splitlines()]
        assert lines[2][0] == "cause" and GREY in lines[2][1], out
        assert "main.cf line" in out and "given up and returned on" in out
    site = house.json("queue", "why", "grey.test")
    (d,) = site["destinations"]
    assert d["binds"] == "backoff" and GREY in d["cause"]
    # What made this pause, not what would make the longest one.
    assert (d["parameter"], d["value"]) == ("minimal_backoff_time", "1h")
    assert site["recipients"] == d["waiting"] == 1
    assert GREY in d["last_failure"]["text"]
    assert GREY in house.posthouse("queue", "why", "grey.test")


def test_connection_refused(house):
    send(house, "a@refused.test")
    r = bound(house, "a@refused.test", "backoff")
    assert "Connection refused" in r["cause"]
    assert r["last"]["phase"] == "connect"
    assert r["last"]["remote"] == "mx.refused.test[127.0.0.9]:%d" % house.port


def test_a_dead_destination(house):
    for i in range(6):
        send(house, "a%d@dead.test" % i)
    r = bound(house, "a5@dead.test", "dead")
    assert "Connection refused" in r["cause"]
    assert r["parameter"] == "minimal_backoff_time"
    (d,) = house.json("queue", "why", "dead.test")["destinations"]
    assert d["binds"] == "dead" and "Connection refused" in d["cause"]
    assert d["dead_until"] > d["last_failure"]["time"] + 3500
    # A flush of what goes there brings it to life.
    house.posthouse("queue", "flush", "--nexthop", "dead.test")
    bound(house, "a5@dead.test", "dead")
    assert wait_until(
        lambda: why(house, "a5@dead.test")["a5@dead.test"]["last"]["time"])


@pytest.mark.parametrize("domain, words", [
    ("broken.test", "no name server has an answer: SERVFAIL, REFUSED or away"),
    ("silent.test", "timeout")])
def test_names_that_cannot_be_found(house, domain, words):
    send(house, "a@" + domain)
    r = bound(house, "a@" + domain, "backoff")
    assert r["last"]["phase"] == "DNS" and r["last"]["remote"] == ""
    assert "Name service error for name=%s type=MX" % domain in r["cause"]
    assert r["cause"].endswith("(%s)" % words)


def test_concurrency_and_place_in_line(house):
    house.slow.gate.clear()
    try:
        for i in range(6):
            send(house, "a%d@slow.test" % i)

        def trying():
            """two under way and four in line"""
            got = [r["binds"] for r in why(
                house, "--domain", "slow.test").values()]
            return got.count("trying") == 2 and got.count("concurrency") == 4
        wait_until(trying)
        all_ = why(house, "--domain", "slow.test")
        waiting = [r for r in all_.values() if r["binds"] == "concurrency"]
        assert {r["place"] for r in waiting} == {1, 2, 3, 4}
        for r in waiting:
            assert (r["in_use"], r["limit"], r["waiting"]) == (2, 2, 4)
            assert r["parameter"] == "default_destination_concurrency_limit"
        (one, two) = [r for r in all_.values() if r["binds"] == "trying"]
        assert one["since"] > 0 and one["agent"] == "smtp"
        out = house.posthouse("queue", "why", one["id"])
        assert "smtp is delivering it now, process %d" % \
            house.pids("smtp")[0] in out
        (d,) = house.json("queue", "why", "slow.test")["destinations"]
        assert d["binds"] == "concurrency"
        assert (d["in_use"], d["window"], d["in_line"]) == (2, 2, 4)
    finally:
        house.slow.gate.set()
    house.wait_empty_queue()
    (d,) = house.json("queue", "why", "slow.test")["destinations"]
    assert d["binds"] == "none" and d["delivered"] == d["recent"] == 6
    assert d["last_success"]["text"].endswith("taken")


def test_hold(house):
    send(house, "a@grey.test", "b@fine.test")
    bound(house, "a@grey.test", "backoff")
    assert "1 message" in house.posthouse(
        "queue", "hold", "--recipient", "a@grey.test")
    r = bound(house, "a@grey.test", "hold")
    assert "queue release " + r["id"] in r["cause"]
    assert r["next"] == 0 and "released" in r["expected"]
    house.posthouse("queue", "release", "--state", "hold")
    bound(house, "a@grey.test", "backoff")


def test_an_agent_that_is_away(house):
    house.posthouse("service", "stop", "local")
    try:
        send(house, house.user(1))
        r = bound(house, house.user(1), "agent-away")
        assert r["agent"] == "local" and r["since"] > 0 and r["words"]
        out = house.posthouse("queue", "why", r["id"])
        assert "the delivery agent local cannot be reached" in out
        assert "service status local" in out
        (d,) = house.json("queue", "why", house.domain)["destinations"]
        assert d["binds"] == "agent-away"
    finally:
        house.posthouse("service", "start", "local")
    house.wait_empty_queue()


def test_lookup_and_bounce_away(house):
    house.posthouse("service", "stop", "bounce")
    try:
        send(house, "a@grey.test")
        bound(house, "a@grey.test", "backoff")
        house.posthouse("queue", "bounce", "--domain", "grey.test")
        r = bound(house, "a@grey.test", "dsn")
        wait_until(lambda: why(house, "a@grey.test")["a@grey.test"]["words"])
        r = why(house, "a@grey.test")["a@grey.test"]
        assert r["agent"] == "bounce" and r["state"] == "bouncing"
        assert "given up by the operator" in r["cause"] and GREY in r["cause"]
    finally:
        house.posthouse("service", "start", "bounce")
    house.posthouse("service", "stop", "lookup")
    try:
        house.posthouse("queue", "flush")
    finally:
        house.posthouse("service", "start", "lookup")
    house.wait_empty_queue()


def test_rate_delay():
    (hop,) = listen("127.0.0.4")
    try:
        with House(users=1, settings=dict(
                relayhost="[127.0.0.4]", smtp_tcp_port=hop.port,
                default_destination_rate_delay="1h")) as h:
            for i in range(3):
                send(h, "a%d@far.test" % i)

            def waits():
                """one delivered, two wait for the pause"""
                got = why(h, "--domain", "far.test")
                return got if len(got) == 2 and all(
                    r["binds"] == "rate-delay" for r in got.values()) else 0
            got = sorted(wait_until(waits).values(), key=lambda r: r["place"])
            assert [r["place"] for r in got] == [1, 2]
            assert got[0]["parameter"] == "default_destination_rate_delay"
            assert got[0]["value"] == "1h" and got[0]["limit"] == 3600
            assert abs(got[1]["estimate"] - got[0]["estimate"] - 3600) < 60
            (d,) = h.json("queue", "why", "127.0.0.4")["destinations"]
            assert d["binds"] == "rate-delay" and d["delivered"] == 1
            h.set("default_destination_rate_delay", "0")
            h.posthouse("reload")
            h.wait_empty_queue()
    finally:
        hop.stop()


def test_filters(house):
    send(house, "a@grey.test", "b@refused.test", sender="one@far.test")
    send(house, "c@grey.test", sender="two@far.test", body="x" * 5000)
    send(house, "d@grey.test", sender="")
    for address in ("a@grey.test", "b@refused.test", "c@grey.test",
                    "d@grey.test"):
        bound(house, address, "backoff", "dead")

    def meant(*filters):
        found = house.json("queue", "list", *filters)
        got = sorted(r["address"][0] for m in found["messages"]
                     for r in m["recipients"])
        counts = house.json("queue", "count", *filters)
        assert counts == {"count": len(found["messages"]),
                          "recipients": len(got)}
        dry = house.json("queue", "delete", *(filters or ["ALL"]),
                         "--dry-run")
        assert (dry["count"], dry["recipients"], dry["dry_run"]) == \
            (counts["count"], counts["recipients"], True)
        return "".join(got)
    assert meant() == "abcd"
    assert meant("--sender", "ONE@far.test") == "ab"
    assert meant("--sender", "<>") == "d"
    assert meant("--sender", "@far.test") == "abc"
    assert meant("--recipient", "a@grey.test") == "a"
    assert meant("--domain", "Grey.test") == "acd"
    assert meant("--nexthop", "refused.test") == "b"
    assert meant("--transport", "smtp") == "abcd"
    assert meant("--transport", "local") == ""
    assert meant("--reason", "GREYLISTED") == "acd"
    assert meant("--reason", "connection refused") == "b"
    assert meant("--state", "deferred") == "abcd"
    assert meant("--state", "hold") == ""
    assert meant("--size", "6k") == "" and meant("--size", "4k") == "c"
    assert meant("--size", "-4k") == "abd"
    assert meant("--older", "1h") == "" and meant("--younger", "1h") == "abcd"
    assert meant("--domain", "grey.test", "--sender", "@far.test") == "ac"
    # What a new queue manager knows it reads from the files.
    house.posthouse("service", "restart", "qmgr")
    assert meant("--nexthop", "refused.test") == "b"
    assert meant("--reason", "greylisted") == "acd"
    # Only what is meant goes.
    assert house.json("queue", "delete", "--reason", "refused")[
        "recipients"] == 1
    assert meant() == "acd"
    assert meant("--domain", "refused.test") == ""


@pytest.mark.parametrize("args", [
    ["delete"], ["hold"], ["bounce"], ["release"],
    ["delete", "ALL", "--sender", "a@b.test"], ["delete", "far.test"],
    ["list", "--state", "strange"], ["list", "--older", "soon"],
    ["list", "--size", "much"], ["delete", "--sender", ""], ["why"],
    ["list", "--sender"], ["list", "--nonsense", "x"], ["nonsense"]])
def test_what_is_not_clear_is_refused(house, args):
    send(house, "a@grey.test")
    bound(house, "a@grey.test", "backoff")
    done = house.posthouse("queue", *args, check=False)
    assert done.returncode == 64 and done.stderr, args
    assert house.json("queue", "count")["count"] == 1


def test_summary(house):
    for i in range(3):
        send(house, "a%d@grey.test" % i, "b%d@refused.test" % i)
    for i in range(3):
        bound(house, "a%d@grey.test" % i, "backoff")
        bound(house, "b%d@refused.test" % i, "backoff", "dead")
    s = house.json("queue", "summary")
    assert (s["messages"], s["recipients"]) == (3, 6)
    assert {d["domain"]: d["ages"][0] for d in s["domains"]} == {
        "grey.test": 3, "refused.test": 3}
    # From several hosts, and suspended or not: the same words are one reason.
    assert {r["recipients"] for r in s["reasons"]} == {3}
    out = house.posthouse("queue", "summary", "--domain", "grey.test")
    assert re.search(r"^grey.test +3 +3 +0", out, re.M)
    assert "Greylisted" in out and "refused" not in out


def test_a_backlog_is_told_and_its_end(house):
    def figures():
        return house.json("service", "status", "qmgr")["counters"]

    house.slow.gate.clear()
    try:
        for i in range(3):
            send(house, "a%d@slow.test" % i)
        house.logged("backlog: 3 recipients wait for smtp:slow.test, nothing "
                     "delivered there", 20)
        house.logged("attempts are under way without an answer")
        # Again, with a growing pause: after one second, two, four.
        wait_until(lambda: house.log().count(
            "wait for smtp:slow.test, nothing delivered") >= 2, 30)
        def shown():
            f = figures()
            return f.get("backlog_destinations", 0) >= 1 and \
                f["backlog_oldest_seconds"] >= 1
        wait_until(shown)
    finally:
        house.slow.gate.set()
    house.logged("backlog: over for smtp:slow.test", 20)
    wait_until(lambda: figures()["backlog_destinations"] == 0)


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="becomes other users")
def test_a_user_sees_and_deletes_his_own(house):
    def as_user(name, *command):
        user = pwd.getpwnam(name)
        return subprocess.run(
            ["setpriv", "--reuid", str(user.pw_uid), "--regid",
             str(user.pw_gid), "--clear-groups", *command],
            capture_output=True, text=True, timeout=60,
            input="Subject: own\n\nx\n")

    def mail(name, to):
        done = as_user(name, os.path.join(BUILD, "bin", "sendmail"), "-C",
                       house.etc, to)
        assert done.returncode == 0, done.stderr

    def queue(name, *args):
        done = as_user(name, house.program(), "-c", house.etc, "queue", *args)
        assert done.returncode == 0, done.stderr
        return done.stdout
    mail("nobody", "mine@grey.test")
    mail("daemon", "hers@grey.test")
    send(house, "other@grey.test")
    for address in ("mine@grey.test", "hers@grey.test", "other@grey.test"):
        bound(house, address, "backoff")
    mailq = as_user("nobody", os.path.join(BUILD, "bin", "sendmail"), "-C",
                    house.etc, "-bp").stdout
    for out in (mailq, queue("nobody", "list"),
                queue("nobody", "why", "@grey.test")):
        assert "mine@grey.test" in out and "Greylisted" in out
        assert "hers@" not in out and "other@" not in out
    hers = why(house, "hers@grey.test")["hers@grey.test"]["id"]
    done = as_user("nobody", house.program(), "-c", house.etc, "queue",
                   "delete", hers)
    assert done.returncode == 1 and "no such message" in done.stderr
    assert "delete: 1 message," in queue("nobody", "delete", "ALL")
    assert "mine@" not in house.posthouse("queue", "list")
    assert why(house, "hers@grey.test") and why(house, "other@grey.test")
    house.logged("deleted by its sender, uid=%d" %
                 pwd.getpwnam("nobody").pw_uid)
