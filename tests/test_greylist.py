"""Greylisting, and what SPF alone decides at RCPT: real instances, a real DNS
server, and clients that come through a load balancer (PROXY), so that they may
have any address."""
import os
import re
import signal
import socket

import pytest

from house import House, wait_until
from nameserver import Dns

CLIENT = "192.0.2.9"  # good.test's SPF names it, and its network
NAMED = "192.0.2.10"  # has a name that leads back
OTHER = "198.51.100.1"


def txt(name, text):
    return '%s TXT "%s"' % (name, text)


ZONES = {
    "test": ["@ A 127.0.0.1"],
    "good.test": [txt("@", "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 "
                      "-all")],
    "strict.test": [txt("@", "v=spf1 -all exp=why.strict.test"),
                    txt("why", "ask postmaster")],
    "soft.test": [txt("@", "v=spf1 ~all")],
    "neutral.test": [txt("@", "v=spf1 ?all")],
    "broken.test": [txt("@", "v=spf1 nonsense:x")],
    "plain.test": ["@ A 127.0.0.1", "mail A " + NAMED],
    "2.0.192.in-addr.arpa": ["10 PTR mail.plain.test."],
    "100.51.198.in-addr.arpa": [],
    "8.b.d.0.1.0.0.2.ip6.arpa": [],
}


@pytest.fixture(scope="module")
def dns():
    with Dns(ZONES) as d:
        yield d


def settings(dns, **more):
    values = {"mynetworks": "127.0.0.1/32 10.0.0.0/8",
              "postscreen_greet_wait": "0",
              "postscreen_upstream_proxy_protocol": "haproxy",
              "haproxy_trusted_networks": "127.0.0.1",
              "dns_servers": dns.address, "dmarc_reject_action": "none",
              "smtpd_greylisting": "selective"}
    values.update(more)
    return values


@pytest.fixture(scope="module")
def house(dns):
    with House(users=2, settings=settings(dns)) as h:
        yield h


@pytest.fixture(scope="module")
def quick(dns):
    """A second is enough."""
    with House(users=2, settings=settings(
            dns, greylist_delay="1s", greylist_client_passes="0")) as h:
        yield h


class Client:
    """Says one line at a time; the last reply."""

    def __init__(self, house, address=CLIENT, helo="mail.plain.test"):
        self.s = socket.create_connection(("127.0.0.1", house.smtp), 60)
        self.f = self.s.makefile("rwb")
        self.used = False
        kind = b"TCP6" if ":" in address else b"TCP4"
        here = b"2001:db8::25" if ":" in address else b"192.0.2.25"
        self.f.write(b"PROXY %s %s %s 40001 25\r\n" % (
            kind, address.encode(), here))
        self.f.flush()
        self.reply()
        self.say("EHLO " + helo)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.s.close()

    def reply(self):
        while True:
            line = self.f.readline().decode()
            assert line, "connection lost"
            if line[3] != "-":
                return line.rstrip("\r\n")

    def say(self, line):
        self.f.write(line.encode() + b"\r\n")
        self.f.flush()
        return self.reply()

    def rcpt(self, sender, to="user0@example.test"):
        if self.used:  # under stress it counts as junk
            self.say("RSET")
        self.used = True
        assert self.say("MAIL FROM:<%s>" % sender).startswith("250")
        return self.say("RCPT TO:<%s>" % to)


def rcpt(house, sender, client=CLIENT, to="user0@example.test", **more):
    with Client(house, client, **more) as c:
        return c.rcpt(sender, to)


def rows(house, *key):
    return house.json("greylist", "list", *key)


def forget(house):
    house.posthouse("greylist", "forget", "ALL", "--all")


def figure(house, name, service="smtpd/pass"):
    for s in house.json("status")["services"]:
        if "%s/%s" % (s["name"], s["type"]) == service:
            return s.get("counters", {}).get(name, 0)
    return None


def greylisted(reply, delay=300):
    found = re.match(r"450 4\.7\.1 <[^>]*>: Recipient address rejected: "
                     r"greylisted, come back in (\d+) seconds$", reply)
    assert found, reply
    assert 1 <= int(found.group(1)) <= delay
    return True


def passes(house, *args, **more):
    """it is let through"""
    return wait_until(lambda: rcpt(house, *args, **more).startswith("250"))


# ---- greylisting -------------------------------------------------------------

def test_by_default_nobody_is_greylisted(dns):
    with House(users=1, settings=settings(
            dns, smtpd_greylisting="never")) as h:
        assert h.posthouse("conf", "get", "smtpd_greylisting") == "never\n"
        with open(os.path.join(h.etc, "main.cf")) as f:
            assert "smtpd_greylisting" in f.read()
        h.posthouse("conf", "unset", "smtpd_greylisting", "--reload")
        assert h.posthouse("conf", "get", "smtpd_greylisting") == "never\n"
        for sender in ("a@strict.test", "a@soft.test", "a@plain.test",
                       "a@broken.test", "a@bank.invalid"):
            assert rcpt(h, sender).startswith("250"), sender
        assert rows(h) == []


@pytest.mark.parametrize("sender, wanted", [
    ("a@good.test", False), ("a@strict.test", True), ("a@soft.test", True),
    ("a@neutral.test", True), ("a@plain.test", True), ("a@broken.test", True),
    ("a@bank.invalid", False)])  # DNS refuses to answer: temperror
def test_what_spf_says_decides(house, sender, wanted):
    forget(house)
    before = figure(house, "greylisted") or 0
    reply = rcpt(house, sender, NAMED)
    if not wanted:
        assert reply.startswith("250"), reply
        assert rows(house) == []
        return
    assert greylisted(reply)
    row, = rows(house)
    assert (row["kind"], row["client"], row["sender"], row["recipient"],
            row["count"]) == ("waits", "192.0.2.0/24", sender,
                              "user0@example.test", 1)
    assert row["ready"] - row["first"] == 300
    assert greylisted(rcpt(house, sender, NAMED))
    assert rows(house)[0]["count"] == 2
    wait_until(lambda: figure(house, "greylisted") == before + 2)
    log = house.logged("rule=smtpd_greylisting (main.cf:")
    assert "NOQUEUE: greylist: RCPT from mail.plain.test[192.0.2.10]: new, " \
        "SPF says " in log


def test_only_users_of_ours_are_remembered(house):
    forget(house)
    assert rcpt(house, "a@soft.test", to="nobody@example.test").startswith(
        "550 5.1.1")
    assert rcpt(house, "a@soft.test", to="x@elsewhere.test").startswith(
        "554 5.7.1")
    assert rows(house) == []


def test_a_name_that_does_not_lead_back(house):
    forget(house)
    # SPF is not known for want of DNS, which says nothing against a client.
    assert rcpt(house, "a@bank.invalid", NAMED).startswith("250")
    assert greylisted(rcpt(house, "a@bank.invalid", OTHER))
    house.logged("the client has no verified name")
    # A pass exempts.
    assert rcpt(house, "a@good.test", OTHER).startswith("250")


def test_who_comes_back_passes(quick):
    forget(quick)
    for client, again in ((OTHER, "198.51.100.200"),
                          ("2001:db8:0:7::1", "2001:db8:0:7:8::2")):
        assert greylisted(rcpt(quick, "a@soft.test", client), 1)
        passes(quick, "a@soft.test", again)
        # From now on at once, but for this sender and recipient.
        assert rcpt(quick, "a@soft.test", client).startswith("250")
        assert greylisted(rcpt(quick, "b@soft.test", client), 1)
        assert greylisted(rcpt(quick, "a@soft.test", client,
                               to="user1@example.test"), 1)
        row = [r for r in rows(quick, client) if r["kind"] == "passed"]
        assert [r["sender"] for r in row] == ["a@soft.test"]
    quick.logged("came back after ", times=2)
    text = quick.posthouse("greylist", "list")
    assert "2001:db8:0:7::/64" in text and "came back, and passes" in text


def test_each_recipient_for_itself(quick):
    forget(quick)
    assert greylisted(rcpt(quick, "a@soft.test"), 1)
    passes(quick, "a@soft.test")
    with Client(quick) as c:
        assert c.say("MAIL FROM:<a@soft.test>").startswith("250")
        assert c.say("RCPT TO:<user0@example.test>").startswith("250")
        assert c.say("RCPT TO:<user1@example.test>").startswith("450")
        assert c.say("DATA").startswith("354")
        assert c.say("Subject: x\r\n\r\nx\r\n.").startswith("250")
    quick.wait_empty_queue()


def test_notifications_come_back_too(quick):
    forget(quick)
    assert greylisted(rcpt(quick, ""), 1)
    row, = rows(quick, "<>")
    assert row["sender"] == ""
    passes(quick, "")


def test_a_client_that_has_passed_is_asked_no_more(dns):
    with House(users=2, settings=settings(
            dns, greylist_delay="1s", greylist_client_passes="1")) as h:
        assert greylisted(rcpt(h, "a@soft.test"), 1)
        passes(h, "a@soft.test")
        assert rcpt(h, "b@strict.test", "192.0.2.77").startswith("250")
        row, = [r for r in rows(h) if r["kind"] == "client"]
        assert row["exempt"] and row["client"] == "192.0.2.0/24"
        assert "it is asked no more" in h.posthouse("greylist", "list")
        assert greylisted(rcpt(h, "b@strict.test", OTHER), 1)


def test_always_asks_everybody_but_friends(dns):
    with House(users=2, settings=settings(
            dns, smtpd_greylisting="always")) as h:
        assert greylisted(rcpt(h, "a@good.test"))
        # SPF vouches for the domain, wherever it sends from.
        assert greylisted(rcpt(h, "a@good.test", OTHER))
        row, = rows(h)
        assert (row["client"], row["count"]) == ("good.test", 2)
        assert rcpt(h, "a@soft.test", "10.1.2.3").startswith("250")
        # Who logs in is no stranger.
        import smtplib
        with smtplib.SMTP("127.0.0.1", h.submission) as c:
            c.starttls(context=h.tls())
            c.login(h.user(0), "secret")
            c.sendmail(h.user(0), [h.user(1)], "From: user0@example.test\r\n\r\nx\r\n")
        with smtplib.LMTP("127.0.0.1", h.lmtp) as c:
            c.sendmail("a@good.test", [h.user(1)], "From: a@good.test\r\n\r\nx\r\n")
        assert len(rows(h)) == 1


def test_networks_by_parameter(dns):
    with House(users=1, settings=settings(
            dns, greylist_ipv4_prefix="32", greylist_ipv6_prefix="48")) as h:
        for client in (CLIENT, NAMED, "2001:db8:1:2::3", "2001:db8:1:4::5"):
            assert greylisted(rcpt(h, "a@soft.test", client))
        assert sorted((r["client"], r["count"]) for r in rows(h)) == [
            ("192.0.2.10/32", 1), ("192.0.2.9/32", 1), ("2001:db8:1::/48", 2)]


def test_exceptions(dns):
    with House(users=2, settings=settings(
            dns, smtpd_greylisting="always",
            greylist_exempt_clients="!198.51.100.7 198.51.100.0/24 "
            ".plain.test hash:clients inline:{2001:db8::7=ok}",
            greylist_exempt_senders="vip@soft.test, .below.test <> "
            "inline:{strict.test=ok}",
            greylist_exempt_recipients="cidr-is-no-type user1@example.test "
            "hash:recipients")) as h:
        with open(os.path.join(h.etc, "clients"), "w") as f:
            f.write("203.0.113\tok\n")
        with open(os.path.join(h.etc, "recipients"), "w") as f:
            f.write("%s\tok\n" % "alias@example.test")
        h.posthouse("alias", "add", "alias@example.test", h.user(0))
        h.posthouse("reload")
        cases = [("a@soft.test", CLIENT, "user0", True),
                 ("a@soft.test", OTHER, "user0", False),       # a network
                 ("a@soft.test", "198.51.100.7", "user0", True),  # excepted
                 ("a@soft.test", NAMED, "user0", False),       # a name
                 ("a@soft.test", "203.0.113.5", "user0", False),  # hash:
                 ("a@soft.test", "2001:db8::7", "user0", False),  # inline:
                 ("a@soft.test", "2001:db8::8", "user0", True),
                 ("VIP@soft.test", CLIENT, "user0", False),
                 ("a@x.below.test", CLIENT, "user0", False),
                 ("a@below.test", CLIENT, "user0", True),
                 ("a@strict.test", CLIENT, "user0", False),
                 ("", CLIENT, "user0", False),
                 ("b@soft.test", CLIENT, "user1", False),      # opts out
                 ("b@soft.test", CLIENT, "alias", False),
                 ("b@soft.test", CLIENT, "alias+x", None)]
        for sender, client, to, wanted in cases:
            reply = rcpt(h, sender, client, to=to + "@example.test")
            if wanted:
                assert greylisted(reply), (sender, client, to)
            else:
                assert reply.startswith("250"), (sender, client, to, reply)


def test_a_table_that_cannot_be_asked_delays_nobody(dns):
    with House(users=1, settings=settings(
            dns, greylist_exempt_senders="hash:missing")) as h:
        assert rcpt(h, "a@soft.test").startswith("250")
        h.logged("missing")
        assert rows(h) == []


def guess(house, client, times):
    """Failed logins from there."""
    import smtplib
    for _ in range(times):
        c = smtplib.SMTP("127.0.0.1", house.submission,
                         source_address=(client, 0))
        c.starttls(context=house.tls())
        with pytest.raises(smtplib.SMTPAuthenticationError):
            c.login(house.user(0), "wrong")
        c.close()


def test_who_guesses_passwords_is_greylisted(dns):
    with House(users=1, settings=settings(
            dns, greylist_login_failures="2", login_failure_delay="0",
            greylist_unverified_clients="no",
            spf_temperror_action="accept")) as h:
        assert rcpt(h, "a@bank.invalid", "127.0.0.7").startswith("250")
        guess(h, "127.0.0.7", 2)
        assert greylisted(rcpt(h, "a@bank.invalid", "127.0.0.7"))
        h.logged(" logins failed from there (greylist_login_failures)")
        assert rcpt(h, "a@bank.invalid", "127.0.0.8").startswith("250")


# ---- the operator ------------------------------------------------------------

def test_the_operator_decides(house):
    forget(house)
    assert greylisted(rcpt(house, "a@soft.test"))
    assert "allowed" in house.posthouse("greylist", "allow", "192.0.2.77")
    assert rcpt(house, "a@soft.test").startswith("250")
    assert [r["kind"] for r in rows(house)] == ["allowed", "waits"]
    assert house.json("greylist", "forget", "ALL") == {"forgotten": 1}
    assert rcpt(house, "a@soft.test").startswith("250")
    assert house.json("greylist", "forget", "192.0.2.0/24") == {"forgotten": 1}
    assert greylisted(rcpt(house, "a@soft.test"))
    shown = house.posthouse("greylist", "show", "user0@example.test")
    assert re.search(r"192\.0\.2\.0/24 +<a@soft\.test> to "
                     r"<user0@example\.test>: 1 attempt; passes when it comes "
                     r"back in (4 min \d+|5 min 0) s\n  first try  20\d\d-.*\n"
                     r"  passes at  20\d\d-.*\n  forgotten  20\d\d-", shown)
    for key in ("a@soft.test", "soft.test", "example.test", "192.0.2.200"):
        assert len(rows(house, key)) == 1, key
    assert rows(house, "else.test") == []
    house.posthouse("greylist", "allow", "198.51.100.0/24", "--for", "1h")
    row, = rows(house, OTHER)
    assert row["end"] - row["first"] == 3600
    house.logged("operator: greylist allow 198.51.100.0/24: done")
    done = house.posthouse("greylist", "show", "nobody.test")
    assert "posthouse explain" in done
    # A larger network than clients are known by holds them all.
    forget(house)
    house.posthouse("greylist", "allow", "198.51.0.0/16")
    assert rcpt(house, "a@soft.test", OTHER).startswith("250")
    assert greylisted(rcpt(house, "a@soft.test", CLIENT))
    assert house.json("greylist", "forget", "198.0.0.0/8") == {"forgotten": 1}
    assert house.posthouse("greylist", "list", "--json").endswith("]\n")
    assert not house.posthouse("greylist", "list", "--json").endswith("\n\n")
    for wrong in (("show",), ("allow", "300.2.3.4"), ("allow", "192.0.2.0/33"),
                  ("allow", "no such"), ("allow",), ("forget",), ("what",), (),
                  ("list", "a", "b"), ("allow", "x.test", "--for", "soon"),
                  ("allow", "x.test", "--for", "99999d"),
                  ("allow", "x.test", "--for"), ("list", "--all")):
        done = house.posthouse("greylist", *wrong, check=False)
        assert done.returncode == 64, wrong
        assert done.stderr


def test_explain_says_it_and_leaves_nothing(house):
    forget(house)

    def explain(sender, client=CLIENT, *more):
        return house.posthouse("explain", "--client", client, "--from", sender,
                               "--rcpt", "user0@example.test", *more,
                               check=False).stdout
    said = explain("a@soft.test")
    assert "450 4.7.1 <user0@example.test>: Recipient address rejected: " \
        "greylisted, come back in 300 seconds" in said
    assert "decided by smtpd_greylisting, main.cf:" in said
    assert "seen for the first time: SPF says softfail " \
        "(spf_softfail_action)" in said
    assert rows(house) == []
    assert "SPF passes" in explain("a@good.test")
    assert "the client is in mynetworks" in explain("a@soft.test", "10.0.0.1")
    assert "the client has no verified name" in explain(
        "a@bank.invalid", OTHER)
    assert greylisted(rcpt(house, "a@soft.test"))
    before = rows(house)
    assert "back too soon" in explain("a@soft.test")
    assert rows(house) == before


def test_trace_has_it(quick):
    forget(quick)
    assert greylisted(rcpt(quick, "traced@soft.test"), 1)
    passes(quick, "traced@soft.test")

    def told():
        done = quick.posthouse("trace", "traced@soft.test", check=False)
        return "greylisted, come back" in done.stdout and \
            "greylist defer for user0@example.test: new, SPF says softfail " \
            "(spf_softfail_action)\n" in done.stdout and \
            "came back after" in done.stdout
    wait_until(told)


# ---- what is remembered ------------------------------------------------------

def saved(house):
    """nothing is in memory alone"""
    return wait_until(lambda: figure(
        house, "greylist_unsaved", "policyd/unix") == 0)


def test_it_survives_a_restart_and_a_kill(quick):
    forget(quick)
    assert greylisted(rcpt(quick, "a@soft.test"), 1)
    passes(quick, "a@soft.test")
    assert greylisted(rcpt(quick, "wait@soft.test"), 1)
    quick.posthouse("greylist", "allow", "203.0.113.0/24")
    before = rows(quick)
    assert [r["kind"] for r in before] == ["allowed", "passed", "waits"]
    quick.posthouse("service", "restart", "policyd")
    assert rows(quick) == before

    def all_rows():
        """Those of one second have no order, and not each use is stored."""
        return sorted((r["kind"], r["client"], r["sender"], r["recipient"],
                       r["first"], r["end"]) for r in rows(quick))
    before = all_rows()
    for _ in range(2):
        saved(quick)
        pid, = quick.pids("policyd")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: quick.pids("policyd") not in ([], [pid]))
        assert wait_until(lambda: quick.posthouse(
            "greylist", "list", check=False).returncode == 0)
        assert all_rows() == before
        assert rcpt(quick, "a@soft.test").startswith("250")
        # It is written to again.
        quick.posthouse("greylist", "allow", "203.0.114.0/24")
        before = all_rows()
    assert not os.path.exists(os.path.join(
        quick.dir, "policy", "greylist.damaged"))


def test_a_damaged_database_is_set_aside(dns):
    with House(users=1, settings=settings(dns)) as h:
        assert greylisted(rcpt(h, "a@soft.test"))
        saved(h)
        h.stop()
        folder = os.path.join(h.dir, "policy", "greylist")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "r+b") as f:
                f.write(b"\xa5" * 8192)
        h.crashes_allowed = True
        h.start()
        h.logged("set aside as greylist.damaged.")
        assert rows(h) == []
        assert greylisted(rcpt(h, "a@soft.test"))
        assert len(rows(h)) == 1


def test_without_policyd_nobody_is_greylisted(dns):
    with House(users=1, settings=settings(dns)) as h:
        assert greylisted(rcpt(h, "a@soft.test"))
        h.posthouse("service", "stop", "policyd")
        assert rcpt(h, "a@soft.test").startswith("250")
        h.logged("nobody is greylisted")
        assert figure(h, "greylist_unanswered") >= 1


# ---- SPF at RCPT -------------------------------------------------------------

def test_refusals_by_result(dns):
    with House(users=1, settings=settings(
            dns, smtpd_greylisting="never", spf_fail_action="refuse",
            spf_softfail_action="refuse", spf_none_action="refuse",
            spf_permerror_action="refuse",
            spf_temperror_action="refuse")) as h:
        assert rcpt(h, "a@good.test").startswith("250")
        for sender, code, result in (
                ("a@strict.test", "550 5.7.23", "fail"),
                ("a@soft.test", "550 5.7.23", "softfail"),
                ("a@plain.test", "550 5.7.1", "none"),
                ("a@neutral.test", "550 5.7.1", "neutral"),
                ("a@broken.test", "550 5.7.24", "permerror"),
                ("a@bank.invalid", "451 4.7.24", "temperror")):
            before = figure(h, "spf_" + result) or 0
            with Client(h) as c:
                assert c.rcpt(sender).startswith(code), sender
                # The same for each recipient, and counted once.
                assert c.say("RCPT TO:<user0@example.test>").startswith(code)
            wait_until(lambda: figure(h, "spf_" + result) == before + 1)
        wait_until(lambda: (figure(h, "spf_refused"),
                            figure(h, "spf_put_off")) == (5, 1))
        log = h.logged("rule=spf_temperror_action (main.cf:")
        assert "ask postmaster" in log
        for name in ("fail", "softfail", "none", "permerror"):
            assert "rule=spf_%s_action (main.cf:" % name in log
        said = h.posthouse("explain", "--client", CLIENT, "--from",
                           "a@broken.test", "--rcpt", "user0@example.test",
                           check=False).stdout
        assert "decided by spf_permerror_action" in said


def test_accept_is_not_greylisted(dns):
    with House(users=1, settings=settings(
            dns, spf_softfail_action="accept", spf_fail_action="accept",
            greylist_unverified_clients="no")) as h:
        assert rcpt(h, "a@soft.test").startswith("250")
        assert rcpt(h, "a@strict.test").startswith("250")
        assert greylisted(rcpt(h, "a@plain.test"))


def test_a_delay_ends_with_the_client_and_under_stress(dns):
    with House(users=2, settings=settings(
            dns, smtpd_greylisting="never", spf_softfail_action="delay",
            spf_delay_time="1s")) as h:
        with Client(h) as c:
            assert c.rcpt("a@soft.test").startswith("250")
            # Once for a message.
            assert c.say("RCPT TO:<user1@example.test>").startswith("250")
        log = h.logged("NOQUEUE: delay: RCPT from unknown[192.0.2.9]: ")
        assert log.count("NOQUEUE: delay:") == 1
        waited = int(re.search(r"delay: RCPT from \S+: (\d+) ms", log)[1])
        assert waited >= 1000
        assert figure(h, "spf_delayed") == 1
        # Who goes frees the process.
        h.posthouse("conf", "set", "spf_delay_time=120s", "--reload")
        c = Client(h)
        c.say("MAIL FROM:<gone@soft.test>")
        c.f.write(b"RCPT TO:<user0@example.test>\r\n")
        c.f.flush()
        c.s.shutdown(socket.SHUT_RDWR)
        c.s.close()
        h.logged("from=<gone@soft.test> rule=spf_softfail_action")
        # Under stress there is none.
        h.posthouse("conf", "set", "spf_delay_time=${stress?{0}:{120}}s",
                    "stress=yes", "--reload")
        assert rcpt(h, "stress@soft.test").startswith("250")
        said = h.posthouse("explain", "--client", CLIENT, "--from",
                           "a@soft.test", "--rcpt", "user0@example.test",
                           check=False).stdout
        assert "the client would wait" in said
