"""Mail of ours leaves signed: what arrives at the next host (aiosmtpd) is
verified by dkimpy with the records that `posthouse dkim` prints, in a zone of a
real DNS server."""
import json
import os
import re
import smtplib
import stat
import subprocess
import threading
import time

import pytest

dkim = pytest.importorskip("dkim")
pytest.importorskip("nacl")
import dns.resolver  # noqa: E402
from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.smtp import SMTP as Server  # noqa: E402

from house import House, free_port, wait_until  # noqa: E402
from nameserver import Dns  # noqa: E402

FAR = "there@next.test"


class Hop:
    """The next host: keeps what it is given."""

    def __init__(self, eight=True):
        self.messages = []
        self.port = free_port()
        hop = self

        class Any(Server):
            line_length_limit = 100000  # not as RFC 5321 has it

        class Seven(Any):
            async def push(self, status):
                if b"8BITMIME" not in status.encode():
                    await super().push(status)

        class Next(Controller):
            def factory(self):
                return (Any if eight else Seven)(
                    hop, decode_data=False, hostname="next.test")

        self.controller = Next(self, hostname="127.0.0.2", port=self.port,
                               ready_timeout=20)
        self.controller.start()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server, session, envelope):
        self.messages.append((envelope.mail_from, list(envelope.rcpt_tos),
                              bytes(envelope.content)))
        return "250 2.0.0 taken"

    def close(self):
        self.controller.stop()

    def wait(self, text):
        """The message that has the text."""
        def there():
            for message in list(self.messages):
                if text.encode() in message[2]:
                    return message[2]
            return None
        there.__doc__ = "a message with " + text
        return wait_until(there, 30)


class World:
    def __init__(self, **settings):
        self.zones = {"next.test": ["@ MX 10 a", "a A 127.0.0.2"],
                      "sign.test": [], "other.test": [], "bare.test": []}
        self.hop = self.dns = self.house = None
        self.number = 0
        self.lock = threading.Lock()
        try:
            self.hop = Hop(settings.pop("eight", True))
            self.dns = Dns(self.zones)
            settings = dict({"dns_servers": self.dns.address,
                             "smtp_tcp_port": str(self.hop.port),
                             "myhostname": "mail.sign.test",
                             "dkim_sign_networks": "127.0.0.1",
                             "minimal_backoff_time": "1s",
                             "maximal_backoff_time": "2s"}, **settings)
            self.house = House(domain="sign.test", users=3, start=False,
                               settings=settings)
            self.house.posthouse("domain", "add", "other.test")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.house.log()[-6000:])
        self.close()

    def close(self):
        for part in (self.house, self.hop, self.dns):
            if part is not None:
                part.close()

    # -- keys and DNS --

    def publish(self, *domains):
        """Puts what `dkim publish` prints into the zones."""
        for domain in domains:
            lines = self.house.posthouse("dkim", "publish", domain)
            self.zones[domain] = [lines]
        self.dns.process.terminate()
        self.dns.process.wait(10)
        self.dns.write(self.zones)
        self.dns.start()

    def key(self, domain, *options):
        """New keys that sign; what `dkim activate` says of them."""
        self.house.json("dkim", "new", domain, *options)
        self.publish(domain)
        return self.house.json("dkim", "activate", domain)

    def text(self, name, timeout=5):
        """For dkimpy: a TXT record of the test's server."""
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], self.dns.port
        resolver.timeout = resolver.lifetime = 10
        try:
            answer = resolver.resolve(name.decode(), "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return None
        return b"".join(list(answer)[0].strings)

    # -- mail --

    def send(self, sender="user0@sign.test", to=FAR, body="hello", port=None,
             login=None, author=None, header="", envelope=None, options=()):
        """Gives it to the house and waits for it at the next host."""
        with self.lock:
            self.number += 1
            mark = "mark-%d." % self.number
        text = "From: %s\r\nTo: %s\r\nSubject: %s\r\n%s\r\n%s\r\n" % (
            author or sender, FAR, mark, header, body)
        with smtplib.SMTP("127.0.0.1", port or self.house.smtp,
                          timeout=60) as s:
            if login:
                s.starttls(context=self.house.tls())
                s.login(login, self.house.password)
            s.sendmail(sender if envelope is None else envelope, [to],
                       text.encode("utf-8", "surrogateescape"), options)
        return mark

    def carry(self, **how):
        return self.hop.wait(self.send(**how))

    def signatures(self, message):
        """{(domain, selector): whether dkimpy finds it good}"""
        found = {}
        d = dkim.DKIM(message)
        count = len([h for h in d.headers
                     if h[0].lower() == b"dkim-signature"])
        for i in range(count):
            tags = dkim.parse_tag_value(
                [h[1] for h in d.headers
                 if h[0].lower() == b"dkim-signature"][i])
            try:
                good = dkim.DKIM(message).verify(idx=i, dnsfunc=self.text)
            except dkim.DKIMException as e:
                good = str(e)
            found[tags[b"d"].decode(), tags[b"s"].decode()] = good
        return found


@pytest.fixture(scope="module")
def world():
    with World() as w:
        w.house.start()
        w.key("sign.test", "--selector", "s1")
        w.key("other.test", "--selector", "o1", "--type", "ed25519")
        yield w


BOTH = {("sign.test", "s1-rsa"): True, ("sign.test", "s1-ed25519"): True}


def test_submissions_are_signed_with_all_keys(world):
    got = world.carry(port=world.house.submission, login="user0@sign.test")
    assert world.signatures(got) == BOTH
    # What a signature covers cannot be added to, and it is on top.
    assert got.startswith(b"DKIM-Signature:")
    names = re.search(rb"\sh=([^;]*);", got).group(1).lower()
    names = re.sub(rb"\s", b"", names).split(b":")
    assert names.count(b"from") == 2 and names.count(b"reply-to") == 1
    world.house.traced(world.house.user(0), "signed")
    trace = world.house.posthouse("trace", world.house.user(0))
    assert "signed (DKIM) by d=sign.test s=s1-ed25519, d=sign.test s=s1-rsa" \
        in trace


def test_a_login_signs_for_its_own_domains(world):
    """The From of another hosted domain does not become true; that of an
    address that is the login's does, and the own domain's always."""
    who = dict(port=world.house.submission, login="user0@sign.test",
               sender="user0@sign.test")
    both = "boss@sign.test, x@other.test"
    own = "Sender: user0@sign.test\r\n"
    world.house.posthouse("alias", "add", "shop@other.test", "user0@sign.test")
    for author, header, by in (
            ("boss@sign.test", "", {"sign.test"}),
            ("news@list.sign.test", "", {"sign.test"}),
            ("x@other.test", "", set()), ("x@Sub.other.test", "", set()),
            (both, own, {"sign.test"}),
            ("Shop <Shop@Other.test>", "", {"other.test"}),
            ('"shop@other.test" <x@other.test>', "", set())):
        found = {}

        def signed():
            """as expected; lookup looks once a second whether tables changed"""
            found.clear()
            found.update(world.signatures(
                world.carry(author=author, header=header, **who)))
            return {d for d, s in found} == by
        if "Shop" in author:
            wait_until(signed)
        else:
            assert signed(), author
        assert set(found.values()) <= {True}
    # The envelope's sender is the login's, so its domain is.
    got = world.carry(author="x@other.test",
                      **dict(who, sender="shop@other.test"))
    assert world.signatures(got) == {("other.test", "o1"): True}
    assert "the login has no part in the author's domain" in wait_until(
        lambda: [t for t in [world.house.posthouse("trace", FAR)]
                 if "has no part" in t])[0]


def test_clients_of_dkim_sign_networks_are_signed(world):
    assert world.signatures(world.carry()) == BOTH


def test_who_does_not_log_in_does_not_sign():
    """The default: neither a client of mynetworks, nor a user of sendmail(1) for
    the domains of others; a change of the table is seen at once."""
    with World(dkim_sign_networks="",
               dkim_signing_table="text:signers") as w:
        path = os.path.join(w.house.etc, "signers")

        def table(text):
            with open(path + ".new", "w") as f:
                f.write(text)
            os.rename(path + ".new", path)
        table("none.test none\n")
        w.house.start()
        w.key("sign.test", "--selector", "s1")
        w.key("other.test", "--selector", "o1", "--type", "ed25519")
        assert w.signatures(w.carry()) == {}
        w.house.traced(FAR, "signed")
        assert "not signed (DKIM): the client has not logged in, and is not " \
            "in dkim_sign_networks" in w.house.posthouse("trace", FAR)
        explain = ["explain", "--from", "user0@sign.test", "--rcpt", FAR,
                   "--client", "127.0.0.1"]
        login = explain + ["--service", "submission", "--auth",
                           "user0@sign.test", "--tls"]

        def says(*args):
            return w.house.json(*args)["signature"]
        assert says(*explain) == {
            "signed": False, "broken": False, "keys": [],
            "why": "the client has not logged in, and is not in "
                   "dkim_sign_networks"}
        assert says(*login)["keys"] == [
            "sign.test/s1-ed25519", "sign.test/s1-rsa"]
        assert "signed by sign.test/s1-ed25519, sign.test/s1-rsa" in \
            w.house.posthouse(*login)
        assert "the login has no part" in says(
            *login, "--author", "x@other.test")["why"]
        assert "no active key" in says(
            *login, "--author", "user0@none2.test")["why"]
        # The table, without a reload.
        who = dict(port=w.house.submission, login="user0@sign.test")
        assert w.signatures(w.carry(**who)) == BOTH
        table("login:user0@sign.test other.test\n")
        wait_until(lambda: w.signatures(w.carry(**who)) == {
            ("other.test", "o1"): True})
        steps = w.house.json(*login)["steps"]
        assert [(s["key"], s["place"]) for s in steps
                if s["rule"] == "dkim_signing_table"
                and s["result"] == "found"] == [
                    ("login:user0@sign.test", "signers:1")]
        # A table that cannot be asked.
        w.house.set("dkim_signing_table", "text:nowhere")
        w.house.set("dkim_failure_action", "tempfail")
        w.house.posthouse("reload")

        def refused():
            try:
                w.send(**who)
            except smtplib.SMTPDataError as e:
                return e.smtp_code == 451 and b"cannot be signed" in \
                    e.smtp_error
            return False
        wait_until(refused)
        assert says(*login)["broken"] is True


def by_hand(world, author, mark, uid=None):
    """sendmail(1), as this user or another."""
    subprocess.run([os.path.join(os.path.dirname(world.house.program()),
                                 "sendmail"), "-C", world.house.etc, "-i",
                    "-f", "user0@sign.test", FAR], check=True, timeout=60,
                   input=("From: %s\nSubject: %s\n\nhi\n" % (
                       author, mark)).encode(), user=uid)
    return world.signatures(world.hop.wait(mark))


@pytest.mark.skipif(os.getuid() != 0, reason="another user is needed: root")
@pytest.mark.parametrize("mode", ["own", "all", "none"])
def test_users_of_sendmail_sign_for_this_host(mode):
    with World(dkim_sign_sendmail=mode, dkim_sign_networks="",
               dkim_signing_table="text:signers") as w:
        with open(os.path.join(w.house.etc, "signers"), "w") as f:
            f.write("uid:65533 other.test\n")
        for folder in (w.house.dir, w.house.etc):
            os.chmod(folder, 0o755)
        w.house.start()
        w.key("sign.test", "--selector", "s1")
        w.key("other.test", "--selector", "o1", "--type", "ed25519")
        other = {("other.test", "o1"): True}
        none = mode == "none"
        assert by_hand(w, "x@other.test", "root") == ({} if none else other)
        assert by_hand(w, "x@sign.test", "mine", 65534) == (
            {} if none else BOTH)
        assert by_hand(w, "x@a.mail.sign.test", "below", 65534) == (
            {} if none else BOTH)
        assert by_hand(w, "x@other.test", "forged", 65534) == (
            other if mode == "all" else {})
        assert by_hand(w, "x@sign.test", "table", 65533) == (
            {} if none else other)


def test_sendmail_is_signed(world):
    subprocess.run([os.path.join(os.path.dirname(world.house.program()),
                                 "sendmail"), "-C", world.house.etc, "-i",
                    "-f", "user0@sign.test", FAR], check=True, timeout=60,
                   input=b"From: user0@sign.test\nSubject: by hand\n\nhi\n")
    assert world.signatures(world.hop.wait("by hand")) == BOTH


def test_subdomains_and_display_names(world):
    got = world.carry(author='"Us @other.test" <news@List.Sign.TEST>')
    assert world.signatures(got) == BOTH


def test_two_authors_two_domains(world):
    got = world.carry(author="user0@sign.test, x@other.test",
                      header="Sender: user0@sign.test\r\n")
    assert world.signatures(got) == {**BOTH, ("other.test", "o1"): True}


def test_strangers_are_not_signed(world):
    before = counter(world.house, "unsigned")
    mark = world.send(author="x@bare.test")
    got = world.hop.wait(mark)
    assert world.signatures(got) == {}
    wait_until(lambda: counter(world.house, "unsigned") > before)
    assert "not signed (DKIM): the author's domain has no active key" in \
        wait_until(lambda: [t for t in [world.house.posthouse(
            "trace", FAR)] if "not signed" in t])[0]


def test_a_notification_is_signed(world):
    """Its null sender has no domain; its From has this host's, below ours."""
    mark = world.send(sender=FAR, to="refused@next.test",
                      author="x@bare.test")

    def there():
        """the notification"""
        return [m for m in list(world.hop.messages)
                if m[0] in ("", "<>") and mark.encode() in m[2]]
    got = wait_until(there)[0][2]
    assert b"\nFrom: MAILER-DAEMON@" in got
    assert world.signatures(got) == BOTH


def test_everything_that_a_message_can_be(world):
    """Blanks, empty bodies, dots, long and 8-bit lines."""
    bodies = ["", "\r\n\r\n", "a \t b  \r\n\r\n\r\n", ".\r\n..x\r\n",
              "grüße\r\n" * 5, "x" * 900, "\r\n".join(
                  "line %d" % i for i in range(20000))]
    for body in bodies:
        assert world.signatures(world.carry(body=body)) == BOTH, body[:40]


def counter(house, name):
    return sum(s.get("counters", {}).get(name, 0)
               for s in house.json("status")["services"])


def test_one_key_for_all_that_was_hashed(world):
    """Counted: each message once, whatever the number of its signatures."""
    before = counter(world.house, "signed")
    for _ in range(3):
        world.carry()
    wait_until(lambda: counter(world.house, "signed") == before + 3)


TOOL = os.path.join(os.environ.get("POSTHOUSE_BUILD", os.path.join(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build")),
    "tests", "mailauth_tool")


def verdicts(world, message, folder, *domains):
    """What our own verifier says of a message."""
    zone = str(folder / "zone")
    with open(zone, "w") as f:
        for domain in domains:
            for key in world.house.json("dkim", "publish", domain):
                f.write("%s\t%s\n" % (key["name"], key["record"]))
    out = subprocess.run([TOOL, "verify", str(int(time.time())), zone],
                         input=message, capture_output=True, check=True,
                         timeout=60).stdout.decode()
    return [line.split("\t")[0] for line in out.splitlines()]


def test_what_is_signed_cannot_be_extended(world, tmp_path):
    """As many fields as a submission may have are signed, all of them seen by
    who verifies; one more is refused."""
    def fields(count):  # From, To and Subject are there
        return "".join("X-%d: y\r\n" % i for i in range(count - 3))
    who = dict(port=world.house.submission, login="user0@sign.test")
    got = world.carry(header=fields(1000), **who)
    assert world.signatures(got) == BOTH
    assert verdicts(world, got, tmp_path, "sign.test") == ["pass", "pass"]
    head, body = got.split(b"\r\n\r\n", 1)
    for name in (b"From", b"Subject", b"Reply-To"):
        more = b"%s: a@evil.test\r\n" % name
        for forged in (more + got, head + b"\r\n" + more + b"\r\n" + body,
                       head + b"\r\n" + b"Y: z\r\n" * 1000 + more +
                       b"\r\n" + body):
            assert "pass" not in verdicts(
                world, forged, tmp_path, "sign.test")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        world.send(header=fields(1001), **who)
    assert refused.value.smtp_code == 550
    assert refused.value.smtp_error.startswith(
        b"5.6.0 Message header has 1001 fields, the limit is 1000")
    # A host of ours may have it from elsewhere: it goes on as it is.
    got = world.carry(header=fields(1001), author="x@other.test")
    assert world.signatures(got) == {}
    assert "its header has more fields than are signed" in wait_until(
        lambda: [t for t in [world.house.posthouse("trace", FAR)]
                 if "more fields than" in t])[0]


@pytest.mark.parametrize("name,value,why", [
    ("dkim_oversign_headers", "From Received", '"Received" is changed or added'),
    ("dkim_sign_headers", "Sender ARC-Seal", '"ARC-Seal" is changed or added'),
    ("dkim_sign_headers", "Sen;der", '"Sen;der" is no name of a header field'),
])
def test_names_that_break_signatures(world, name, value, why):
    """What would break each signature on its way is refused, with its line,
    before anything is changed."""
    done = world.house.posthouse("conf", "set", "%s=%s" % (name, value),
                                 check=False)
    assert done.returncode != 0
    assert "%s = %s: %s" % (name, value, why) in done.stdout + done.stderr


def test_the_command(world):
    """new -> publish -> test -> activate -> retire -> remove"""
    house = world.house

    def said(*args):
        done = house.posthouse("dkim", *args, check=False)
        return done.returncode, done.stdout + done.stderr
    code, text = said("new", "bare.test", "--type", "rsa", "--selector", "k",
                      "--bits", "4096")
    assert code == 0 and "Nothing is signed with it yet" in text
    record = re.match(r"k\._domainkey\.bare\.test\. IN TXT \(\n((?:\t\"[^\"]*"
                      r"\"(?:\n| \)\n))+)", text)
    assert record and all(len(part) <= 255 for part in re.findall(
        r'"([^"]*)"', record.group(1)))
    assert said("list", "bare.test")[1].split()[:3] == [
        "bare.test", "k", "new"]
    code, text = said("test", "bare.test")
    assert code == 1 and "not published: there is no such name" in text
    code, text = said("activate", "bare.test")
    assert code == 1 and "bare.test/k is not activated: not published" in text
    assert house.json("dkim", "list", "bare.test")[0]["state"] == "new"
    assert said("new", "bare.test", "--selector", "k", "--type", "rsa")[0] == 1
    # Another key under its name, one that is only tested, and several.
    other = house.json("dkim", "publish", "sign.test", "s1-rsa")[0]["record"]
    mine = house.json("dkim", "publish", "bare.test")[0]["record"]
    quoted = " ".join('"%s"' % mine[i:i + 200]
                      for i in range(0, len(mine), 200))
    for lines, word in (
            ([other], "different"), (["v=DKIM1; p="], "malformed"),
            (["v=DKIM1; k=rsa; p=%%%"], "malformed"),
            ([other, "v=spf1 -all"], "several")):
        world.zones["bare.test"] = ["k._domainkey TXT " + " ".join(
            '"%s"' % line[i:i + 200] for i in range(0, len(line), 200))
            for line in lines]
        world.publish()
        found = json.loads(house.posthouse(
            "--json", "dkim", "test", "bare.test", check=False).stdout)
        assert found[0]["dns"] == word, (lines, found)
        assert said("activate", "bare.test")[0] == 1
    world.zones["bare.test"] = ["k._domainkey TXT " + quoted.replace(
        "v=DKIM1;", "v=DKIM1; t=y;")]
    world.publish()
    code, text = said("test", "bare.test")
    assert code == 1 and "only testing" in text
    world.publish("bare.test")
    assert said("test", "bare.test")[0] == 0
    assert "bare.test/k signs from now on" in said("activate", "bare.test")[1]
    assert said("remove", "bare.test", "k")[0] == 1
    code, text = said("retire", "bare.test", "k")
    assert code == 1 and "the last key of its domain" in text
    assert said("retire", "bare.test", "k", "--force")[0] == 0
    assert house.json("dkim", "list", "bare.test")[0]["state"] == "retired"
    assert "bare.test/k is removed" in said("remove", "bare.test", "k")[1]
    assert house.json("dkim", "list", "bare.test") == []
    assert not os.path.exists(os.path.join(house.dir, "dkim", "bare.test"))
    for wrong in (["new"], ["new", "a.test", "--type", "dsa"], ["retire", "x"],
                  ["new", "a.test", "--bits", "512"], []):
        assert said(*wrong)[0] == 64, wrong
    for wrong in (["new", "../etc"], ["new", "a.test", "--selector", "a/b"],
                  ["new", "a.test", "--selector", "Big"],
                  ["list", "no domain"]):
        assert said(*wrong)[0] == 64, wrong


def test_a_rotation_as_its_operator_lives_it(world):
    """From a new pair of keys to the old record's end, with what goes wrong at
    each step."""
    house, zone = world.house, world.zones

    def said(*args):
        done = house.posthouse("dkim", *args, check=False)
        return done.returncode, done.stdout + done.stderr

    def found(*args):
        return {k["selector"]: k for k in json.loads(house.posthouse(
            "--json", "dkim", "test", "turn.test", *args,
            check=False).stdout)}
    zone["turn.test"] = []
    house.posthouse("domain", "add", "turn.test")
    world.key("turn.test", "--selector", "old")
    both = {("turn.test", "old-rsa"): True, ("turn.test", "old-ed25519"): True}
    mail = dict(author="x@turn.test")
    assert world.signatures(world.carry(**mail)) == both
    # A pair takes over: made, not yet published, half of it, a wrong one.
    assert said("new", "turn.test", "--selector", "new")[0] == 0
    code, text = said("activate", "turn.test")
    assert code == 1 and text.count("is not activated: not published") == 2
    records = {k["selector"]: k for k in house.json(
        "dkim", "publish", "turn.test")}
    old = [house.posthouse("dkim", "publish", "turn.test", "old-" + kind)
           for kind in ("rsa", "ed25519")]
    zone["turn.test"] = old + [house.posthouse(
        "dkim", "publish", "turn.test", "new-rsa")]
    world.publish()
    code, text = said("activate", "turn.test")
    assert code == 1 and "turn.test/new-ed25519 is not activated: not " \
        "published" in text and "new-rsa is not" not in text
    zone["turn.test"].append('new-ed25519._domainkey TXT "%s"' %
                             records["old-ed25519"]["record"])
    world.publish()
    assert found()["new-ed25519"]["dns"] == "different"
    assert "the record has another key" in said("activate", "turn.test")[1]
    assert world.signatures(world.carry(**mail)) == both  # nothing changed
    world.publish("turn.test")
    # A file that others may read is a key that others may have.
    path = os.path.join(house.dir, "dkim", "turn.test", "new-rsa.new")
    os.chmod(path, 0o644)
    assert "others may read it (mode 0644)" in said("list", "turn.test")[1]
    code, text = said("test", "turn.test", "new-rsa")
    assert code == 1 and "published; others may read its file" in text
    assert found()["new-rsa"]["exposed"] and not found()["old-rsa"]["exposed"]
    code, text = said("activate", "turn.test")
    assert code == 1 and "new-rsa is not activated: others may read" in text
    os.chmod(path, 0o640)
    code, text = said("activate", "turn.test")
    assert code == 0
    for selector in ("new-rsa", "new-ed25519"):
        assert "turn.test/%s signs from now on\n" % selector in text
    for selector in ("old-rsa", "old-ed25519"):
        assert '"posthouse dkim retire turn.test %s" ends that' % selector \
            in text
    four = {**both, ("turn.test", "new-rsa"): True,
            ("turn.test", "new-ed25519"): True}
    wait_until(lambda: world.signatures(world.carry(**mail)) == four)
    # Mail that waits in the queue, signed with what is then retired.
    zone["slow.test"] = ["@ MX 10 a", "a A 127.0.0.3"]  # nobody is there
    world.publish()
    world.send(to="there@slow.test", **mail)
    for selector in ("old-rsa", "old-ed25519"):
        code, text = said("retire", "turn.test", selector)
        assert code == 0 and re.search(
            r"signs no more\nMail that it signed may be on its way until "
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ \(maximal_queue_lifetime\)",
            text), text
    code, text = said("test", "turn.test")
    assert code == 0 and text.count("published; leave it until") == 2
    kept = zone["turn.test"]
    world.publish("turn.test")  # the new ones alone: too early
    code, text = said("test", "turn.test")
    assert code == 1 and text.count("is taken for forged: put the record "
                                    "back (posthouse dkim publish turn.test "
                                    "old-") == 2
    zone["turn.test"] = kept
    zone["slow.test"] = ["@ MX 10 a", "a A 127.0.0.2"]  # now somebody is
    world.publish()
    assert said("test", "turn.test")[0] == 0
    house.posthouse("queue", "flush")

    def late():
        """the mail that waited"""
        return [m for m in list(world.hop.messages)
                if m[1] == ["there@slow.test"]]
    assert world.signatures(wait_until(late, 60)[0][2]) == four
    # Days later the record may go, and then the key does.
    for selector in ("old-rsa", "old-ed25519"):
        path = os.path.join(house.dir, "dkim", "turn.test",
                            selector + ".retired")
        past = os.stat(path).st_mtime - 6 * 86400
        os.utime(path, (past, past))
    assert set(found()) == {"new-rsa", "new-ed25519"}
    code, text = said("test", "turn.test", "old-rsa")
    assert code == 0 and re.search("not needed since .*, take it out", text)
    world.publish("turn.test")
    assert said("test", "turn.test", "old-rsa")[0] == 0
    code, text = said("remove", "turn.test", "old-rsa")
    assert code == 0 and "on its way" not in text
    # A key that cannot be read is said to be so.
    path = os.path.join(house.dir, "dkim", "turn.test", "old-ed25519.retired")
    with open(path, "w") as f:
        f.write("damaged\n")
    code, text = said("publish", "turn.test", "old-ed25519")
    assert code == 1 and "cannot be used: not a private key" in text
    code, text = said("new", "x" * 63 + "." + "y" * 63 + "." + "z" * 63 +
                      ".test", "--type", "ed25519", "--selector", "s" * 50)
    assert code == 1 and "is too long for DNS" in text
    assert said("remove", "turn.test", "old-ed25519")[0] == 0
    assert world.signatures(world.carry(**mail)) == {
        ("turn.test", "new-rsa"): True, ("turn.test", "new-ed25519"): True}


def test_retired_keys_go_in_the_end(world):
    house = world.house
    house.posthouse("dkim", "new", "bare.test", "--selector", "old", "--type",
                    "ed25519")
    house.posthouse("dkim", "activate", "bare.test", "--force")
    house.posthouse("dkim", "retire", "bare.test", "old", "--force")
    path = os.path.join(house.dir, "dkim", "bare.test", "old.retired")
    house.posthouse("dkim", "new", "bare.test", "--selector", "n1", "--type",
                    "ed25519")
    assert os.path.exists(path)
    past = os.stat(path).st_mtime - 31 * 86400
    os.utime(path, (past, past))
    house.posthouse("dkim", "new", "bare.test", "--selector", "n2", "--type",
                    "ed25519")
    assert not os.path.exists(path)
    for name in ("n1", "n2"):
        house.posthouse("dkim", "remove", "bare.test", name)


def test_a_key_from_elsewhere(world, tmp_path):
    pem = tmp_path / "old.private"
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(pem),
                    "1024"], check=True, capture_output=True)
    house = world.house
    made = house.json("dkim", "new", "bare.test", "--selector", "mail",
                      "--file", str(pem))
    assert made[0]["type"] == "rsa" and made[0]["bits"] == 1024
    pem.write_text("nothing")
    done = house.posthouse("dkim", "new", "bare.test", "--selector", "m2",
                           "--file", str(pem), check=False)
    assert done.returncode == 1 and "not a private key in PEM" in done.stderr
    house.posthouse("dkim", "remove", "bare.test", "mail")


def test_keys_are_for_cleanup_alone(world):
    top = os.path.join(world.house.dir, "dkim")
    for path, _, names in os.walk(top):
        st = os.stat(path)
        assert stat.S_IMODE(st.st_mode) == 0o750, path
        for name in names:
            st = os.stat(os.path.join(path, name))
            assert stat.S_IMODE(st.st_mode) == 0o640, name
            if os.getuid() == 0:
                assert st.st_uid == 0 and st.st_gid != 0


def test_rotation_under_traffic(world):
    """Every message is signed by a key that is published, while one takes
    over from the other."""
    house, stop, sent, wrong = world.house, threading.Event(), [], []
    world.key("other.test", "--selector", "o2", "--type", "ed25519")

    def traffic():
        while not stop.is_set():
            try:
                sent.append(world.send(sender="user0@sign.test",
                                       author="x@other.test"))
            except Exception as e:
                wrong.append(e)
                return
    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        wait_until(lambda: len(sent) >= 5 or wrong)
        house.posthouse("dkim", "retire", "other.test", "o1")
        # Until a process that knew the old one has seen it.
        wait_until(lambda: wrong or list(world.signatures(world.carry(
            author="x@other.test"))) == [("other.test", "o2")])
        seen = len(sent)
        wait_until(lambda: len(sent) >= seen + 5 or wrong)
    finally:
        stop.set()
        thread.join(60)
    assert not wrong
    found = set()
    for mark in sent:
        signed = world.signatures(world.hop.wait(mark))
        assert signed and set(signed.values()) == {True}, mark
        found |= set(signed)
    assert found == {("other.test", "o1"), ("other.test", "o2")}


def test_parameters():
    """The table, other forms, an end, no networks."""
    with World(dkim_header_canonicalization="simple",
               dkim_body_canonicalization="simple",
               dkim_signature_lifetime="7d", dkim_sign_subdomains="no",
               dkim_oversign_headers="Subject", dkim_sign_owned_domains="no",
               dkim_signing_table="text:signers") as w:
        with open(os.path.join(w.house.etc, "signers"), "w") as f:
            f.write("boss@sign.test other.test/o1\n"
                    "login:user1@sign.test none\n"
                    "sender:list@sign.test other.test sign.test/s1-rsa\n"
                    "sign.test sign.test/s1-ed25519\n"
                    "lost.test nowhere.test\n")
        w.house.start()
        w.key("sign.test", "--selector", "s1")
        w.key("other.test", "--selector", "o1", "--type", "ed25519")
        submission = w.house.submission
        for how, by in (
                (dict(), {("sign.test", "s1-ed25519")}),
                (dict(author="Boss@sign.test"), {("other.test", "o1")}),
                (dict(author='"login:user1"@sign.test'),
                 {("sign.test", "s1-ed25519")}),
                (dict(author='"sender:list"@sign.test'),
                 {("sign.test", "s1-ed25519")}),
                (dict(port=submission, login="user1@sign.test",
                      sender="user1@sign.test"), set()),
                (dict(envelope="list@sign.test"),
                 {("other.test", "o1"), ("sign.test", "s1-rsa")}),
                (dict(author="a@below.sign.test"), set()),
                (dict(author="a@other.test"), {("other.test", "o1")}),
                (dict(port=submission, login="user0@sign.test",
                      author="a@other.test"), {("other.test", "o1")})):
            got = w.carry(**how)
            found = w.signatures(got)
            assert set(found) == by, how
            assert set(found.values()) <= {True}, (how, found)
            if by:
                head = got.split(b"\r\n\r\n")[0]
                assert b"c=simple/simple" in head
                names = re.sub(rb"\s", b"", re.search(
                    rb"\sh=([^;]*);", head).group(1)).lower().split(b":")
                assert names.count(b"from") == 2  # in any case
                made, ends = (int(re.search(
                    rb"\b" + tag + rb"=(\d+);", head).group(1))
                    for tag in (b"t", b"x"))
                assert ends - made == 7 * 86400
        w.carry(author="a@lost.test")
        w.house.logged("there is no active key nowhere.test")


@pytest.mark.parametrize("action", ["accept", "tempfail"])
def test_a_key_that_cannot_be_read(action):
    with World(dkim_failure_action=action) as w:
        w.house.start()
        w.key("sign.test", "--selector", "s1", "--type", "ed25519")
        path = os.path.join(w.house.dir, "dkim", "sign.test", "s1.active")
        with open(path) as f:
            good = f.read()
        with open(path, "w") as f:
            f.write("damaged\n")
        if action == "accept":
            assert w.signatures(w.carry()) == {}
            assert counter(w.house, "signing_failed") > 0
        else:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                w.send()
            assert refused.value.smtp_code == 451
            assert b"4.7.5" in refused.value.smtp_error
        w.house.logged("dkim_key_directory/sign.test/s1.active: not a "
                       "private key in PEM")
        with open(path, "w") as f:
            f.write(good)

        def healed():
            """signed again, without a restart"""
            try:
                return w.signatures(w.carry()) == {("sign.test", "s1"): True}
            except smtplib.SMTPDataError:
                return False
        wait_until(healed)


def chain(world, message):
    """What dkimpy says of a chain: cv, and why."""
    cv, results, why = dkim.arc_verify(message, dnsfunc=world.text)
    return cv, len(results), why


def test_mail_sent_on_is_sealed():
    """From outside, to an alias that leads to the next host; and again, as a
    chain that came with a seal. A damaged chain gets a seal that says so."""
    with World(mynetworks="192.0.2.1/32", dkim_sign_networks="") as w:
        house = w.house
        house.posthouse("alias", "add", "out@sign.test", FAR)
        house.start()

        def through(content):
            """Whatever arrives at the alias, as it leaves."""
            seen = len(w.hop.messages)
            with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
                s.sendmail("x@bare.test", ["out@sign.test"], content)
            wait_until(lambda: len(w.hop.messages) > seen)
            return w.hop.messages[seen][2]

        def counted(name):
            return counter(house, name)
        plain = (b"From: forged@sign.test\r\nTo: out@sign.test\r\n"
                 b"Subject: on\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\n"
                 b"Message-ID: <1@bare.test>\r\n\r\ntext\r\n")
        unsealed = through(plain)
        assert b"ARC-Seal" not in unsealed  # there is no key yet
        w.key("sign.test", "--selector", "s1")
        first = wait_until(lambda: [m for m in [through(plain)]
                                    if b"ARC-Seal" in m])[0]
        assert chain(w, first) == (b"pass", 1, "success")
        assert first.startswith(b"ARC-Seal: a=rsa-sha256;")
        assert b"DKIM-Signature" not in first  # it is not ours
        head = first.split(b"\r\n\r\n")[0]
        results = re.search(rb"ARC-Authentication-Results: i=1; (.*?)\r\n\S",
                            head, re.S).group(1)
        assert b"spf=none" in results and b"arc=none" in results
        second = through(first)
        assert chain(w, second) == (b"pass", 2, "success")
        assert re.search(rb"cv=pass[^\r\n]*;\s+i=2", second)
        broken = through(second.replace(b"Subject: on", b"Subject: off"))
        assert chain(w, broken)[0] != b"pass"
        assert re.search(rb"cv=fail[^\r\n]*;\s+i=3", broken)
        again = through(broken)  # who failed is not sealed any more
        assert b"i=4" not in again.split(b"\r\n\r\n")[0]
        house.traced(FAR, "sealed")
        assert "sealed (ARC) by d=sign.test s=s1-rsa, set 2; the chain came " \
            "with pass" in house.posthouse("trace", FAR)
        assert "s=s1-rsa, set 1; it came without a chain\n" in (
            house.posthouse("trace", FAR))
        wait_until(lambda: counted("sealed") >= 3)
        # A mailbox of this house needs none.
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
            s.sendmail("x@bare.test", ["user0@sign.test"], plain)
        house.traced(house.user(0), "stored")
        assert "sealed" not in house.posthouse("trace", house.user(0))


def parts(message):
    """What each leaf of a message says, decoded."""
    import email
    return [p.get_payload(decode=True).replace(b"\r\n", b"\n").rstrip()
            for p in email.message_from_bytes(message).walk()
            if not p.is_multipart()]


MIXED = ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
         "Content-Transfer-Encoding: 8bit\r\n")
MIXED_BODY = ("--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
              "Content-Transfer-Encoding: 8bit\r\n\r\nzwölf große Wörter und "
              "sonst nur einfache Buchstaben\r\n--b\r\nContent-Type: "
              "application/json\r\n\r\n{\"x\": \"%s\"}\r\n--b--\r\n" % (
                  "y" * 3000))


def test_seven_bits_before_it_is_signed():
    """A next host without 8BITMIME gets it, signed; what cannot be brought to
    7 bits stays as it is, and that is said."""
    with World(dkim_sign_7bit="yes", eight=False) as w:
        w.house.start()
        w.key("sign.test", "--selector", "s1")
        for body, header in (("grüße und sonst nur einfache Buchstaben", ""),
                             ("Привет, мир", ""),
                             ("x" * 5000, ""), (MIXED_BODY, MIXED)):
            got = w.carry(body=body, header=header, options=["BODY=8BITMIME"])
            assert w.signatures(got) == BOTH, body[:30]
            assert max(got) < 128
            assert max(map(len, got.split(b"\r\n"))) <= 998
            sent = ("From: a\r\n%s\r\n%s\r\n" % (header, body)).encode()
            assert parts(got) == parts(sent), body[:30]
        # ... and a text in plain ASCII goes as it came.
        got = w.carry(body="plain")
        assert w.signatures(got) == BOTH and got.endswith(b"\r\n\r\nplain\r\n")
        assert b"Content-Transfer-Encoding: " not in got
        assert counter(w.house, "converted") == 4
        # Another's signature would not survive.
        own = w.carry(body="z" * 2000, header="DKIM-Signature: v=1\r\n")
        assert b"z" * 2000 in own
        signed = MIXED.replace("mixed", "signed")
        got = w.carry(body=MIXED_BODY.replace("ö", "o").replace("ß", "s"),
                      header=signed)
        assert b"y" * 3000 in got and w.signatures(got) == BOTH
        w.house.logged("not all of 7 bits: a signed or encrypted part is left")
        assert "but a signed or encrypted part is left as it is" in wait_until(
            lambda: [t for t in [w.house.posthouse("trace", FAR)]
                     if "but a signed" in t])[0]


def test_check_looks_at_the_keys(world):
    house = world.house
    house.posthouse("dkim", "new", "bare.test", "--selector", "c", "--type",
                    "ed25519")
    path = os.path.join(house.dir, "dkim", "bare.test", "c.new")

    def said():
        done = house.posthouse("check", check=False)
        return done.returncode, done.stdout + done.stderr
    assert "bare.test: has a new key and none that is active" in said()[1]
    os.chmod(path, 0o644)
    code, text = said()
    assert code == 1 and path + ": mode 0644 lets others in" in text
    os.chmod(path, 0o640)
    with open(path, "w") as f:
        f.write("-----BEGIN\n")
    code, text = said()
    assert code == 1 and path + ": not a private key in PEM" in text
    if os.getuid() == 0:
        os.chown(path, 0, 0)
        assert path + ": cleanup cannot read it" in said()[1]
    house.posthouse("dkim", "remove", "bare.test", "c")
