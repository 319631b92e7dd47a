"""posthouse explain: what a client would hear, and which rule decides; held
against what real clients hear from the same instance, and against the figures,
which do not change.

mynetworks is 127.0.0.1 alone here: clients from other addresses of loopback
are strangers."""
import base64
import json
import os
import random
import socket
import ssl
import subprocess

import pytest

from house import BUILD, House, wait_until
from nameserver import Dns

ACCEPTED, REFUSED, TEMPORARY = 0, 69, 75
FRIEND, STRANGER = "127.0.0.1", "127.0.0.2"


def settings(**changes):
    values = {"mynetworks": "127.0.0.1/32", "postscreen_greet_wait": "0",
              "smtpd_peername_lookup": "no"}
    values.update(changes)
    return values


def write(house, name, text, mode="a"):
    path = os.path.join(house.etc, name)
    with open(path, mode) as f:
        f.write(text)
    os.chmod(path, 0o644)


def line_of(house, name, text):
    """Where a line of a file begins so: "main.cf:4"."""
    with open(os.path.join(house.etc, name)) as f:
        for number, line in enumerate(f, 1):
            if line.startswith(text):
                return "%s:%d" % (name, number)
    raise AssertionError(text)


def prepare(house):
    """What the generated cases find in the directory."""
    write(house, "domains", "two.test alias\nrelay.test relay\n")
    write(house, "aliases",
          "info@one.test user0@one.test, old@far.test\n"
          "@two.test user1@one.test\ngone@one.test nobody@one.test\n"
          "a@one.test b@one.test\nb@one.test a@one.test\n")
    write(house, "users", "off@one.test enabled=no\n")
    write(house, "transport", "shut.test error:5.7.1 not to them\n"
          "later.relay.test error:4.7.1 later\n")
    write(house, "logins", "shared@one.test user0@one.test\n")
    house.start()


TABLES = dict(transport_maps="text:transport",
              smtpd_sender_login_maps="text:logins")
HOUSES = {
    "plain": settings(**TABLES),
    "strict": settings(message_size_limit="70000",
                       smtpd_tls_security_level="encrypt",
                       recipient_delimiter="-",
                       smtpd_discard_ehlo_keywords="size",
                       postmaster_recipient="user0@one.test", **TABLES),
}


@pytest.fixture(scope="module")
def houses():
    open_houses = {}

    def get(name):
        if name not in open_houses:
            open_houses[name] = House(domain="one.test", users=3,
                                      settings=HOUSES[name], start=False)
            prepare(open_houses[name])
        return open_houses[name]
    yield get
    for h in open_houses.values():
        h.close()


@pytest.fixture
def house(houses):
    return houses("plain")


def explain(house, client, sender, *recipients, status=None, helo="x.test",
            extra=()):
    args = ["explain", "--client", client, "--helo", helo, "--from", sender]
    for r in recipients:
        args += ["--rcpt", r]
    done = house.posthouse(*args, *extra, "--json", check=False)
    assert done.returncode in (ACCEPTED, REFUSED, TEMPORARY) \
        if status is None else done.returncode == status, (
            done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


class Client:
    """SMTP by hand, so that anything can be said."""

    def __init__(self, port, source):
        self.sock = socket.create_connection(
            ("127.0.0.1", port), 20, source_address=(source, 0))
        self.input = b""

    def reply(self):
        lines = []
        while True:
            while b"\n" not in self.input:
                data = self.sock.recv(65536)
                if not data:
                    return None
                self.input += data
            line, self.input = self.input.split(b"\n", 1)
            lines.append(line.decode().rstrip("\r"))
            if lines[-1][3:4] != "-":
                return "\n".join(lines)

    def ask(self, text):
        self.sock.sendall(text.encode() + b"\r\n")
        return self.reply()

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)


def real(house, case):
    """The replies to MAIL and to each RCPT of a real session."""
    port = getattr(house, case["service"])
    c = Client(port, case["client"])
    hello = "%s %s" % ("LHLO" if case["service"] == "lmtp" else "EHLO",
                       case["helo"])
    replies = {"": c.reply()}
    if case["tls"]:
        c.ask("EHLO x")
        assert c.ask("STARTTLS").startswith("220")
        c.start_tls()
    if case["auth"]:
        c.ask("EHLO x")
        token = base64.b64encode(
            ("\0%s\0secret" % case["auth"]).encode()).decode()
        assert c.ask("AUTH PLAIN " + token).startswith("235")
    hello_reply = c.ask(hello)
    replies[hello] = None if hello_reply is None else hello_reply[:4]
    size = "" if case["size"] is None else " SIZE=%d" % case["size"]
    for command in ["MAIL FROM:<%s>%s" % (case["sender"], size)] + [
            "RCPT TO:<%s>" % r for r in case["recipients"]]:
        replies[command] = c.ask(command)
    c.sock.close()
    return replies


def rehearsed(house, case):
    extra = ["--service", case["service"]]
    if case["tls"]:
        extra += ["--tls"]
    if case["auth"]:
        extra += ["--auth", case["auth"]]
    if case["size"] is not None:
        extra += ["--size", str(case["size"])]
    got = explain(house, case["client"], case["sender"], *case["recipients"],
                  helo=case["helo"], extra=extra)
    replies = {}
    for r in got["replies"]:
        is_hello = r["to"][:5] in ("EHLO ", "LHLO ")
        replies[r["to"]] = r["reply"][:4] if is_hello else r["reply"]
    replies.pop("QUIT", None)
    return replies, got


RECIPIENTS = ["user0@one.test", "USER1@ONE.TEST", "nobody@one.test",
              "info@one.test", "any@two.test", "a@one.test", "gone@one.test",
              "off@one.test", "x@far.test", "x@relay.test", "x@shut.test",
              "x@later.relay.test", "user0+detail@one.test",
              "user0-detail@one.test", "postmaster", "postmaster@one.test",
              "postmaster@two.test", "bad@@one.test", "a b@one.test",
              "\"user0\"@one.test", "x@[127.0.0.1]", "user0@one.test.",
              "@one.test", "x@-bad-.test"]
SENDERS = ["", "a@far.test", "user0@one.test", "user1@one.test",
           "shared@one.test", "info@one.test", "bad@@x", "x", "no body@x.test",
           "user0+tag@one.test"]


def cases(count, seed):
    r = random.Random(seed)
    for _ in range(count):
        service = r.choice(["smtp", "smtp", "smtp", "submission", "lmtp"])
        login = service == "submission" and r.random() < 0.8
        yield dict(
            service=service,
            client=FRIEND if service == "lmtp" else r.choice(
                [FRIEND, STRANGER, "127.0.0.3"]),
            helo=r.choice(["x.test", "[127.0.0.2]", "a_b", "x y", "x\"y"]),
            tls=login or (service != "lmtp" and r.random() < 0.3),
            auth=r.choice(["user0@one.test", "user1@one.test"])
            if login else "",
            sender=r.choice(SENDERS),
            size=r.choice([None, None, 1000, 69999, 10 ** 9]),
            recipients=r.sample(RECIPIENTS, r.randint(1, 4)))


def figures(house):
    """Every counter of the services that decide, or are asked."""
    return {(s["name"], name): value
            for s in house.json("status")["services"]
            if s["command"] in ("screen", "smtpd", "lookup", "policyd")
            for name, value in s.get("counters", {}).items()}


@pytest.mark.parametrize("name, seed", [("plain", 1), ("strict", 2)])
def test_what_is_explained_is_what_is_heard(houses, name, seed):
    house = houses(name)
    for number, case in enumerate(cases(30, seed)):
        want = real(house, case)
        got, all_of_it = rehearsed(house, case)
        assert got == want, (number, case, all_of_it["steps"])


def test_explaining_changes_no_figure():
    with House(domain="one.test", users=3, settings=HOUSES["plain"],
               start=False) as house:
        prepare(house)
        todo = [dict(c, helo="rehearsed.test") for c in cases(8, 3)]
        for case in todo:
            real(house, dict(case, helo="real.test"))

        def gone():
            """every real client's end"""
            log = house.log()
            return log.count("]: disconnect from ") == len(todo) and \
                not any(value for (_, name), value in
                        figures(house).items() if name == "clients")
        wait_until(gone)
        before = figures(house)
        for case in todo:
            rehearsed(house, case)
        assert figures(house) == before
        assert any(before.values())
        assert "rehearsed.test" not in house.log()
        assert not house.queue()["messages"]


def test_the_rule_is_named_with_its_line(house):
    got = explain(house, STRANGER, "a@far.test", "x@far.test", status=REFUSED)
    assert got["verdict"] == "refused"
    assert got["decided"] == {
        "to": "RCPT TO:<x@far.test>",
        "reply": "554 5.7.1 <x@far.test>: Relay access denied",
        "by": "smtpd", "rule": "reject_unauth_destination",
        "origin": "mynetworks, " + line_of(house, "main.cf", "mynetworks")}
    text = house.posthouse(
        "explain", "--client", STRANGER, "--from", "a@far.test", "--rcpt",
        "x@far.test", check=False).stdout
    assert text.splitlines()[:2] == [
        "refused: 554 5.7.1 <x@far.test>: Relay access denied",
        "  decided by reject_unauth_destination, mynetworks, " +
        line_of(house, "main.cf", "mynetworks")]
    got = explain(house, FRIEND, "a@far.test", "x@relay.test")
    assert got["replies"][3]["reply"] == "250 2.1.5 Ok"
    (step,) = [s for s in got["steps"] if s["by"] == "screen" and
               s["rule"] == "postscreen_access_list"]
    assert step["result"] == "permit"
    assert step["origin"] == "mynetworks, " + line_of(
        house, "main.cf", "mynetworks")


@pytest.mark.parametrize("recipient, rule, name, text", [
    ("off@one.test", "virtual_mailbox_maps", "users", "off@one.test"),
    ("a@one.test", "virtual_alias_maps", "aliases", "a@one.test"),
    ("x@shut.test", "transport_maps", "transport", "shut.test")])
def test_tables_name_the_entry(house, recipient, rule, name, text):
    got = explain(house, FRIEND, "a@far.test", recipient, status=REFUSED)
    assert got["decided"]["rule"] == rule
    assert line_of(house, name, text) in [
        s["place"] for s in got["steps"] if s["rule"] == rule]


def test_the_log_names_the_same_rule(house):
    c = Client(house.smtp, STRANGER)
    c.reply()
    c.ask("EHLO logged.test")
    c.ask("MAIL FROM:<a@far.test>")
    c.ask("RCPT TO:<x@logged.test>")
    c.ask("RCPT TO:<off@one.test>")
    c.sock.close()
    house.logged(
        "554 5.7.1 <x@logged.test>: Relay access denied; "
        "from=<a@far.test> to=<x@logged.test> proto=ESMTP helo=<logged.test> "
        "rule=reject_unauth_destination (mynetworks, %s)" %
        line_of(house, "main.cf", "mynetworks"))
    house.logged("helo=<logged.test> rule=virtual_mailbox_maps (")


def test_accepted_mail_shows_its_way(house):
    got = explain(house, STRANGER, "a@far.test", "any@two.test",
                  status=ACCEPTED)
    assert got["verdict"] == "accepted" and got["decided"]["rule"] == ""
    (delivery,) = got["deliveries"]
    assert delivery["destinations"][0]["account"] == "user1@one.test"
    assert delivery["aliases"][0]["place"] == line_of(
        house, "aliases", "@two.test")


def test_submission(house):
    extra = ["--service", "submission"]
    got = explain(house, STRANGER, "user0@one.test", "x@relay.test",
                  status=REFUSED, extra=extra)
    assert got["decided"]["rule"] == "smtpd_tls_security_level"
    got = explain(house, STRANGER, "user0@one.test", "x@relay.test",
                  status=REFUSED, extra=extra + ["--tls"])
    assert got["decided"]["rule"] == "permit_sasl_authenticated"
    extra += ["--tls", "--auth", "user0@one.test"]
    got = explain(house, STRANGER, "user1@one.test", "x@relay.test",
                  status=REFUSED, extra=extra)
    assert got["decided"]["rule"] == "reject_sender_login_mismatch"
    got = explain(house, STRANGER, "shared@one.test", "user1@one.test",
                  status=ACCEPTED, extra=extra)
    assert [s["place"] for s in got["steps"] if s["result"] == "found" and
            s["rule"] == "smtpd_sender_login_maps"] == [
        line_of(house, "logins", "shared@")]


def test_wrapped_submission_has_its_options(house):
    """-o of master.cf count: this port has TLS from the first octet."""
    got = explain(house, STRANGER, "user0@one.test", "user1@one.test",
                  status=ACCEPTED, extra=["--service", "submissions",
                                          "--auth", "user0@one.test"])
    assert got["replies"][0]["reply"].startswith("220 ")


def test_lookup_away_is_temporary():
    with House(domain="one.test", users=1, settings=settings()) as h:
        h.posthouse("service", "stop", "lookup")
        got = explain(h, STRANGER, "a@far.test", "user0@one.test",
                      status=TEMPORARY)
        assert got["verdict"] == "temporary"
        assert got["decided"]["reply"].startswith("451 4.3.0")


def test_rates_are_peeked_at():
    """Explaining counts nothing, and shows what the next client would meet."""
    values = settings(postscreen_client_connection_rate_limit="3",
                      smtpd_client_connection_rate_limit="2",
                      anvil_rate_time_unit="1h",
                      smtpd_client_event_limit_exceptions="")
    with House(domain="one.test", users=1, settings=values) as h:
        def once():
            return explain(h, STRANGER, "a@far.test", "user0@one.test")
        for _ in range(5):
            assert once()["verdict"] == "accepted"
        for n in range(2):
            (step,) = [s for s in once()["steps"] if s["by"] == "smtpd" and
                       s["rule"] == "smtpd_client_connection_rate_limit"]
            assert "connection %d of 2" % (n + 1) in step["text"]
            c = Client(h.smtp, STRANGER)
            assert c.reply().startswith("220")
            assert c.ask("EHLO x").startswith("250")
            c.sock.close()
        got = once()
        assert got["verdict"] == "temporary"
        assert got["decided"]["reply"].startswith("421 4.7.0")
        assert got["decided"]["rule"] == "smtpd_client_connection_rate_limit"
        c = Client(h.smtp, STRANGER)  # the third for screen
        c.reply()
        assert c.ask("EHLO x").startswith("421 4.7.0")
        got = once()
        assert got["decided"]["by"] == "screen"
        assert got["decided"]["rule"] == \
            "postscreen_client_connection_rate_limit"
        assert got["decided"]["origin"] == line_of(
            h, "main.cf", "postscreen_client_connection_rate_limit")


def test_screen_and_its_lists():
    zones = {"bl.test": ["3.0.0.127 A 127.0.0.4", "4.0.0.127 A 127.0.0.2",
                         "5.0.0.127 A 127.0.0.9"],
             "wl.test": ["5.0.0.127 A 127.0.0.1"]}
    with Dns(zones) as dns:
        values = settings(
            dns_servers=dns.address, postscreen_greet_wait="1s",
            postscreen_greet_banner="",
            postscreen_dnsbl_sites="bl.test=127.0.0.[2..4]*2, wl.test*-5",
            postscreen_dnsbl_threshold="2",
            postscreen_access_list="permit_mynetworks, cidr:access")
        with House(domain="one.test", users=1, settings=values,
                   start=False) as h:
            write(h, "access", "# who\n127.0.0.6/32 reject\n"
                  "127.0.0.7/32 permit\n", "w")
            h.start()
            check_lists(h)


def check_lists(h):
    """What screen says of each, as a real client hears it."""
    refused = "550 5.7.1 Service unavailable; client [127.0.0.3] blocked " \
        "using bl.test"
    got = explain(h, "127.0.0.3", "a@far.test", "user0@one.test",
                  status=REFUSED)
    assert got["decided"] == {
        "to": "RCPT TO:<user0@one.test>", "reply": refused, "by": "screen",
        "rule": "postscreen_dnsbl_sites",
        "origin": line_of(h, "main.cf", "postscreen_dnsbl_sites")}
    told = {s["key"]: (s["result"], s["text"]) for s in got["steps"]
            if s["kind"] == "dns"}
    assert told["bl.test"] == ("found", "127.0.0.4, counts 2")
    assert told["wl.test"][0] == "none"
    c = Client(h.smtp, "127.0.0.3")
    c.reply()
    c.ask("EHLO x.test")
    c.ask("MAIL FROM:<a@far.test>")
    assert c.ask("RCPT TO:<user0@one.test>") == refused
    c.sock.close()
    h.logged("helo=<x.test> rule=postscreen_dnsbl_sites (%s)" % line_of(
        h, "main.cf", "postscreen_dnsbl_sites"))

    assert explain(h, "127.0.0.5", "a@far.test", "user0@one.test",
                   status=ACCEPTED)["verdict"] == "accepted"
    got = explain(h, "127.0.0.6", "a@far.test", "user0@one.test",
                  status=REFUSED)
    assert got["decided"]["reply"].startswith("550 5.3.2")
    assert "access:2" in [s["place"] for s in got["steps"]]
    assert explain(h, "127.0.0.7", "a@far.test", "user0@one.test",
                   status=ACCEPTED)

    # A stranger is not made known by being explained.
    for _ in range(2):
        got = explain(h, "127.0.0.8", "a@far.test", "user0@one.test",
                      status=ACCEPTED)
        (step,) = [s for s in got["steps"]
                   if s["rule"] == "postscreen_greet_wait"]
        assert "has to wait 1.0 s" in step["text"]
    c = Client(h.smtp, "127.0.0.8")
    assert c.reply().startswith("220 ")
    assert c.ask("EHLO x.test").startswith("250")
    c.sock.close()
    got = explain(h, "127.0.0.8", "a@far.test", "user0@one.test")
    (step,) = [s for s in got["steps"] if s["rule"] == "postscreen_greet_ttl"]
    assert step["result"] == "permit"


def test_reload_is_what_it_shows(house):
    """main.cf as it would be after a reload."""
    before = explain(house, STRANGER, "a@far.test", "x@far.test")
    with open(os.path.join(house.etc, "main.cf")) as f:
        text = f.read()
    try:
        house.set("mynetworks", "127.0.0.0/8")
        got = explain(house, STRANGER, "a@far.test", "x@relay.test")
        assert got["replies"][3]["reply"] == "250 2.1.5 Ok"
    finally:
        write(house, "main.cf", text, "w")
    assert explain(house, STRANGER, "a@far.test", "x@far.test")["decided"] == \
        before["decided"]


def test_wrong_use(house):
    good = ["--client", STRANGER, "--from", "a@b.test", "--rcpt", "c@d.test"]
    for args, words in [
            ([], "usage:"), (good[2:], "usage:"), (good[:4], "usage:"),
            (good + ["more"], "usage:"), (good + ["--odd"], "usage:"),
            (["--client", "nowhere"] + good[2:], "--client takes"),
            (good + ["--rcpt", "a@b.test>\r\nRCPT TO:<x"], "line end"),
            (good + ["--rcpt", "<>"], "is empty"),
            (good + ["--size", "many"], "size")]:
        done = house.posthouse("explain", *args, check=False)
        assert done.returncode == 64 and words in done.stderr, (
            args, done.stderr)
    done = house.posthouse("explain", *good, "--service", "imap", check=False)
    assert done.returncode == 1 and "no service imap" in done.stderr


def test_a_daemon_does_not_explain_by_itself(house):
    for name, words in [("smtpd", "no question has come"),
                        ("bounce", "--explain is for posthouse(8)"),
                        ("cleanup", "no question has come")]:
        done = subprocess.run(
            [os.path.join(BUILD, "bin", name), "-C", house.etc, "--explain"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60)
        assert words in done.stderr, done.stderr
