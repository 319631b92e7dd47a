"""Where a message comes from: SPF, DKIM, ARC and DMARC in the MX path, with real
instances, a real DNS server, and signatures of dkimpy."""
import email
import imaplib
import os
import re
import smtplib
import tempfile

import pytest

from house import House, wait_until
from nameserver import Dns

dkim = pytest.importorskip("dkim")
rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa")
from cryptography.hazmat.primitives import serialization  # noqa: E402

# Who connects; the house's own networks are elsewhere.
CLIENT = "127.0.0.9"
SELECTOR = "sel"


def make_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption())
    der = key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    import base64
    return pem, base64.b64encode(der).decode()


PEM, PUBLIC = make_key()


def txt(name, text):
    parts = [text[i:i + 200] for i in range(0, len(text), 200)]
    return "%s TXT %s" % (name, " ".join('"%s"' % p for p in parts))


KEY = txt(SELECTOR + "._domainkey", "v=DKIM1; k=rsa; p=" + PUBLIC)
ZONES = {
    "test": ["@ A 127.0.0.1"],  # so that what is not here does not exist
    # SPF names the client; so whoever sends from there passes.
    "good.test": [txt("@", "v=spf1 ip4:%s -all" % CLIENT), KEY,
                  txt("_dmarc", "v=DMARC1; p=reject"), "@ A 127.0.0.1"],
    "strict.test": [txt("@", "v=spf1 -all"), KEY,
                    "loop._domainkey CNAME pool._domainkey",
                    "pool._domainkey CNAME loop._domainkey",
                    txt("_dmarc", "v=DMARC1; p=reject; sp=quarantine; "
                        "rua=mailto:reports@strict.test; "
                        "np=reject"),
                    "news A 127.0.0.1", "@ A 127.0.0.1"],
    "soft.test": [txt("@", "v=spf1 ~all"), KEY,
                  txt("_dmarc", "v=DMARC1; p=quarantine")],
    "trial.test": [txt("_dmarc", "v=DMARC1; p=quarantine; t=y"),
                   "@ A 127.0.0.1"],
    "none.test": [txt("_dmarc", "v=DMARC1; p=none"), "@ A 127.0.0.1"],
    "list.test": [txt("@", "v=spf1 ip4:%s -all" % CLIENT), KEY],
    "plain.test": ["@ A 127.0.0.1"],
}


@pytest.fixture(scope="module")
def dns():
    with Dns(ZONES) as d:
        yield d


def settings(dns, **more):
    values = {"mynetworks": "127.0.0.1/32", "postscreen_greet_wait": "0",
              "smtpd_peername_lookup": "no", "dns_servers": dns.address,
              "authserv_id": "mx.example.test"}
    values.update(more)
    return values


@pytest.fixture(scope="module")
def house(dns):
    with House(users=2, settings=settings(dns)) as h:
        yield h


def message(author="a@good.test", subject="x", fields="", body="hello\r\n",
            signer=None):
    text = ("From: %s\r\nTo: user0@example.test\r\nSubject: %s\r\n"
            "Date: Sun, 22 Nov 2026 08:00:00 +0000\r\n"
            "Message-ID: <%s@test>\r\n%s\r\n%s" % (
                author, subject, subject, fields, body)).encode()
    if author is None:
        text = text[text.index(b"To:"):]
    if signer is not None:
        text = dkim.sign(text, SELECTOR.encode(), signer.encode(), PEM,
                         canonicalize=(b"relaxed", b"relaxed"),
                         include_headers=[b"From", b"To", b"Subject"]) + text
    return text


def connect(house, client=CLIENT, helo="mail.plain.test"):
    c = smtplib.SMTP(local_hostname=helo, timeout=60,
                     source_address=(client, 0))
    c.connect("127.0.0.1", house.smtp)
    c.ehlo()
    return c


def send(house, text, sender="a@good.test", to="user0@example.test",
         client=CLIENT):
    """The reply to the last command that was said."""
    c = connect(house, client)
    try:
        for step in (lambda: c.mail(sender), lambda: c.rcpt(to),
                     lambda: c.data(text)):
            code, words = step()
            if code >= 400:
                break
        return code, words.decode()
    finally:
        c.quit()


def login(house, user="user0@example.test"):
    c = imaplib.IMAP4("127.0.0.1", house.imap)
    c.login(user, house.password)
    return c


def find(house, subject, mailbox="INBOX", user="user0@example.test"):
    """The message of this subject in the mailbox, or None."""
    with login(house, user) as c:
        if c.select(mailbox, readonly=True)[0] != "OK":
            return None
        found = c.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
        if not found:
            return None
        return email.message_from_bytes(
            c.fetch(found[-1].decode(), "(RFC822)")[1][0][1])


def results(m):
    """The newest Authentication-Results, on one line."""
    return re.sub(r"\s+", " ", m.get_all("Authentication-Results")[0])


def test_what_passes(house):
    assert send(house, message(subject="spf"))[0] == 250
    r = results(find(house, "spf"))
    assert r.startswith("mx.example.test; ")
    for part in ("spf=pass", "smtp.mailfrom=good.test", "dkim=none",
                 "arc=none", "dmarc=pass (p=reject) header.from=good.test"):
        assert part in r, r
    # A signature of the author's domain is as good, whatever SPF says.
    assert send(house, message("a@strict.test", "signed",
                               signer="strict.test"))[0] == 250
    r = results(find(house, "signed"))
    for part in ("dkim=pass (2048-bit key) header.d=strict.test",
                 "dmarc=pass", "header.from=strict.test"):
        assert part in r, r
    # What it is worth when the body was changed.
    broken = message("a@strict.test", "broken", signer="strict.test") + b"more"
    code, words = send(house, broken)
    assert code == 550 and "DKIM (fail for strict.test)" in words, words


def test_a_forged_author_is_refused(house):
    code, words = send(house, message("boss@strict.test", "forged"))
    assert code == 550 and words.startswith("5.7.1 ")
    for part in ("strict.test", "SPF (pass for good.test)", "DKIM (none)",
                 "DMARC p=reject"):
        assert part in words, words
    line = (r"NOQUEUE: spf=pass \(good.test\) dkim=none arc=none "
            r"dmarc=fail \(strict.test p=reject\) "
            r"disposition=reject rule=dmarc_reject_action\n")
    wait_until(lambda: re.search(line, house.log()))
    wait_until(lambda: re.search(
        r"reject: END-OF-MESSAGE from localhost\[127.0.0.9\]: 550 5.7.1 .*"
        r"rule=dmarc_reject_action \(", house.log()))
    assert find(house, "forged") is None and find(house, "forged", "Junk") is None


def test_quarantine_lands_in_junk(house):
    assert send(house, message("a@soft.test", "suspect"))[0] == 250
    assert find(house, "suspect") is None
    assert "dmarc=fail (p=quarantine)" in results(find(house, "suspect",
                                                       "Junk"))
    # The mailbox of that use is meant, whatever its name; one that is gone is
    # made.
    user = "user1@example.test"
    for subject, command, mailbox in (
            ("suspect2", ("rename", "Junk", "Spam"), "Spam"),
            ("suspect3", ("delete", "Spam"), "Junk")):
        with login(house, user) as c:
            assert getattr(c, command[0])(*command[1:])[0] == "OK"
        assert send(house, message("a@soft.test", subject), to=user)[0] == 250
        assert find(house, subject, mailbox, user) is not None
        with login(house, user) as c:
            assert [row.split()[-1] for row in c.list()[1]
                    if b"\\Junk" in row] == [mailbox.encode()]


@pytest.mark.parametrize("author,wanted", [
    ("a@news.strict.test", "Junk"),      # sp=quarantine
    ("a@absent.strict.test", None),      # np=reject
    ("a@trial.test", "INBOX"),           # t=y: quarantine becomes none
    ("a@none.test", "INBOX"),
    ("a@plain.test", "INBOX"),
])
def test_policies_of_subdomains_and_trials(house, author, wanted):
    subject = "policy-" + author.split("@")[1]
    code, words = send(house, message(author, subject))
    assert (code == 550) == (wanted is None), words
    if wanted is not None:
        assert find(house, subject, wanted) is not None
        other = "INBOX" if wanted == "Junk" else "Junk"
        assert find(house, subject, other) is None


def test_several_authors(house):
    # The strictest of all that are named, in one field or in two.
    code, words = send(house, message(
        "a@good.test, b@strict.test", "two", "Sender: a@good.test\r\n"))
    assert code == 550 and "strict.test" in words
    code, words = send(house, message(
        "a@good.test", "twice", "From: b@strict.test\r\n"))
    assert code == 550 and "strict.test" in words
    # Nobody can say what a reader of these will see.
    for subject, text in (
            ("nobody", message(None, "nobody")),
            ("double", message("a@good.test", "double",
                               "From: b@good.test\r\n"))):
        assert send(house, text)[0] == 250
        assert find(house, subject, "Junk") is not None, subject


def test_forged_results_are_removed(house):
    forged = ("Authentication-Results: (x) MX.example.test; dmarc=pass\r\n"
              "Authentication-Results: other.test 2; dmarc=pass\r\n"
              "Received-SPF: pass receiver=\"MX.example.test\"; helo=x\r\n"
              "Received-SPF: pass (google.test: domain of a)\r\n"
              "Received-SPF: fail receiver=other.test; helo=x\r\n"
              "Authentication-Results: other.test; dmarc=pass\r\n")
    assert send(house, message(subject="claims", fields=forged))[0] == 250
    m = find(house, "claims")
    assert m.get_all("Received-SPF") == ["fail receiver=other.test; helo=x"]
    all_of_them = m.get_all("Authentication-Results")
    assert len(all_of_them) == 2 and all_of_them[1].startswith("other.test")
    assert "spf=pass" in all_of_them[0]
    # It stands above all that came, and above our own Received.
    names = [name for name in m.keys()
             if name not in ("Return-Path", "Delivered-To")]
    assert names[:2] == ["Authentication-Results", "Received"]


def test_dns_failure_refuses_nobody(house):
    # The server refuses questions about what is not its own.
    assert send(house, message("a@bank.invalid", "late"))[0] == 250
    assert "dmarc=temperror" in results(find(house, "late"))


def test_dns_failure_is_no_way_round_a_policy(house):
    """A signature names a key that DNS cannot answer for."""
    text = message("a@strict.test", "unheard")
    signature = dkim.sign(text, b"loop", b"strict.test", PEM,
                          include_headers=[b"From"])
    code, words = send(house, signature + text)
    assert code == 451 and words.startswith(
        "4.7.1 DMARC of strict.test cannot be checked now"), words


def test_exempt_clients_are_not_checked(house):
    forged = ("Authentication-Results: mx.example.test; dmarc=pass\r\n"
              "Received-SPF: pass\r\n")
    assert send(house, message("a@strict.test", "inside", forged),
                client="127.0.0.1")[0] == 250
    m = find(house, "inside")
    assert m["Received-SPF"] == "pass"
    assert m.get_all("Authentication-Results") == [
        "mx.example.test; dmarc=pass"]


def test_a_notification_is_judged_by_its_helo(house):
    c = connect(house, helo="good.test")
    c.sendmail("", "user0@example.test", message(subject="dsn"))
    c.quit()
    r = results(find(house, "dsn"))
    assert "spf=pass (ip4:127.0.0.9) smtp.helo=good.test" in r
    assert "smtp.mailfrom" not in r and "dmarc=pass" in r
    code, words = send(house, message("a@strict.test", "dsn2"), sender="")
    assert code == 550 and "SPF (none for mail.plain.test)" in words


def test_queued_mail_keeps_what_was_found(dns):
    """Without cut-through the envelope carries it through the queue."""
    with House(users=1, settings=settings(dns, cut_through_timeout="0")) as h:
        assert send(h, message("a@soft.test", "queued"))[0] == 250
        assert wait_until(lambda: find(h, "queued", "Junk")) is not None
        assert find(h, "queued") is None


def test_parameters_that_decide_otherwise(dns):
    with House(users=1, settings=settings(
            dns, received_spf_header="yes", spf_fail_action="refuse",
            dmarc_reject_action="junk", dmarc_quarantine_action="reject",
            dmarc_mailing_lists=".other.test list.test",
            dmarc_organizational_domain="psl",
            dmarc_temperror_defer="yes")) as h:
        code, words = send(h, message(), sender="a@strict.test")
        assert code == 550 and words.startswith(
            "5.7.23 strict.test says that 127.0.0.9 may not send"), words
        assert send(h, message("a@strict.test", "milder"))[0] == 250
        m = find(h, "milder", "Junk")
        assert re.sub(r"\s+", " ", m["Received-SPF"]) == (
            "pass (mx.example.test: domain of a@good.test designates "
            "127.0.0.9 as permitted sender) identity=mailfrom; "
            "receiver=mx.example.test; client-ip=127.0.0.9; "
            'helo=mail.plain.test; envelope-from="a@good.test"; '
            'mechanism="ip4:127.0.0.9"')
        code, words = send(h, message("a@soft.test", "harder"))
        assert code == 550 and "p=quarantine" in words
        # Lists are known by SPF or by a signature.
        assert send(h, message("a@strict.test", "list1"),
                    sender="b@list.test")[0] == 250
        assert send(h, message("a@strict.test", "list2",
                               signer="list.test"))[0] == 250
        for subject in ("list1", "list2"):
            assert find(h, subject) is not None
        code, words = send(h, message("a@bank.invalid", "late"))
        assert code == 451 and words.startswith("4.7.1 DMARC of bank.invalid")


def test_nothing_is_checked_when_off(dns):
    with House(users=1, settings=settings(
            dns, mail_authentication="no",
            lmtpd_mail_authentication="no")) as h:
        forged = "Authentication-Results: mx.example.test; dmarc=pass\r\n"
        assert send(h, message("a@strict.test", "off", forged))[0] == 250
        assert find(h, "off")["Authentication-Results"] is None
        assert " spf=" not in h.log()


def arc_sealed(text, domain, servers_results):
    """The message as a list at this domain sends it on."""
    sealed = dkim.arc_sign(
        text, SELECTOR.encode(), domain.encode(), PEM,
        servers_results.split(";")[0].encode(),
        include_headers=[b"From", b"To", b"Subject"])
    return b"".join(sealed) + text


def arc_message(author, subject, says, sealer="list.test"):
    """says: the results that the sealer writes."""
    value = sealer + "; " + says
    text = message(author, subject,
                   "Authentication-Results: %s\r\n" % value)
    return arc_sealed(text, sealer, value)


def test_a_trusted_sealer_spares(dns):
    good = "dmarc=pass (p=reject) header.from=strict.test; spf=fail"
    cases = [
        ("sealed", good, 250),
        ("other", good.replace("strict.test", "good.test"), 550),
        ("failed", good.replace("dmarc=pass", "dmarc=fail"), 550),
        ("quoted", 'spf=pass smtp.mailfrom="x; dmarc=pass '
         'header.from=strict.test"', 550),
        ("comment", "spf=pass (; dmarc=pass header.from=strict.test;)", 550),
    ]
    with House(users=1, settings=settings(
            dns, arc_trusted_sealers="list.test")) as h:
        for subject, says, wanted in cases:
            code, words = send(h, arc_message("a@strict.test", subject, says))
            assert code == wanted, (subject, words)
        text = arc_message("a@strict.test", "stranger", good, "good.test")
        assert send(h, text)[0] == 550
        r = results(find(h, "sealed"))
        assert "arc=pass (i=1 sealed by list.test) smtp.remote-ip=127.0.0." in r and "dmarc=fail" in r
        # A chain that does not hold says nothing.
        text = arc_message("a@strict.test", "torn", good)
        assert send(h, text.replace(b"hello", b"jello"))[0] == 550
        # The log says who was believed.
        wait_until(lambda: "disposition=none rule=arc_trusted_sealers" in
                   h.log())


def test_a_sealer_whom_nobody_trusts(house):
    text = arc_message("a@strict.test", "stranger",
                       "dmarc=pass header.from=strict.test")
    assert send(house, text)[0] == 550


def test_a_trusted_forwarder_and_a_softfail(dns):
    with House(users=1, settings=settings(
            dns, dmarc_trusted_forwarders="127.0.0.8/32",
            spf_fail_action="refuse",
            spf_softfail_action="refuse", spf_temperror_action="refuse")) as h:
        assert send(h, message("a@strict.test", "forwarded"), "x@plain.test",
                    client="127.0.0.8")[0] == 250
        assert "dmarc=fail" in results(find(h, "forwarded"))
        assert send(h, message("a@strict.test", "direct"))[0] == 550
        code, words = send(h, message(), "x@soft.test")
        assert code == 550 and words.startswith("5.7.23 soft.test says"), words
        code, words = send(h, message(), "x@bank.invalid")
        assert code == 451 and words.startswith("4.7.24 SPF of bank.invalid")


def table(house, name, text):
    """Writes a table whole, as an editor does."""
    path = os.path.join(house.etc, name)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def test_tables_name_who_is_spared(dns):
    """What tables say of forwarders, lists and sealers counts at once; the log,
    the trace and explain name the table."""
    good = "dmarc=pass (p=reject) header.from=strict.test; spf=fail"
    with House(users=1, start=False, settings=settings(
            dns, dmarc_trusted_forwarders="198.51.100.0/24 cidr:forwarders",
            dmarc_mailing_lists="other.test, text:lists",
            arc_trusted_sealers="!bad.list.test pcre:sealers")) as h:
        for name, text in (("forwarders", "127.0.0.8/32 the uplink\n"),
                           ("lists", "other.test -\n"), ("sealers", "")):
            table(h, name, text)
        h.start()
        forged = message("a@strict.test", "via")
        listed = message("a@strict.test", "list", signer="list.test")
        sealed = arc_message("a@strict.test", "seal", good)
        # A hit, and misses.
        assert send(h, forged, "x@plain.test", client="127.0.0.8")[0] == 250
        h.logged("disposition=none rule=dmarc_trusted_forwarders "
                 "table=cidr:forwarders")
        for text in (forged, listed, sealed):
            assert send(h, text, "x@plain.test")[0] == 550
        # Without reload.
        table(h, "lists", ".other.test -\n.test  any\n")
        table(h, "sealers", "/^list\\.test$/ ok\n")
        wait_until(lambda: send(h, listed, "x@plain.test")[0] == 250)
        wait_until(lambda: send(h, sealed, "x@plain.test")[0] == 250)
        assert send(h, forged, "x@plain.test")[0] == 550
        h.logged("disposition=none rule=dmarc_mailing_lists table=text:lists")
        h.logged("disposition=none rule=arc_trusted_sealers table=pcre:sealers")

        def explained(client, sender):
            return h.json("explain", "--client", client, "--from", sender,
                          "--rcpt", "user0@example.test")["steps"]
        found = [(s["rule"], s["table"], s["key"], s["place"])
                 for s in explained("127.0.0.8", "a@strict.test")
                 if s["kind"] == "lookup" and s["result"] == "found"]
        assert ("dmarc_trusted_forwarders", "cidr:forwarders", "127.0.0.8",
                "forwarders:1") in found
        assert ("dmarc_mailing_lists", "text:lists", ".test", "lists:2") \
            in found
        said = [s["text"] for s in explained(CLIENT, "a@list.test")
                if s["kind"] == "rule"]
        assert "ARC seals of list.test are believed: pcre:sealers" in said
        assert ("a mailing list of list.test may fail DMARC of its authors: "
                "text:lists") in said
        table(h, "lists", "")
        wait_until(lambda: send(h, listed, "x@plain.test")[0] == 550)


def test_explain_says_what_a_forger_would_hear(house):
    """The verdict on the envelope alone would be half the truth."""
    def explained(sender, *more):
        return house.json("explain", "--client", CLIENT, "--from", sender,
                          "--rcpt", "user0@example.test", *more)
    x = explained("a@good.test", "--author", "boss@strict.test")
    assert x["verdict"] == "accepted"
    assert x["if_unsigned"] == (
        "without a DKIM signature of strict.test it is refused with 550 "
        "5.7.1, by DMARC (dmarc_reject_action)")
    assert any(s["text"].startswith("DMARC of strict.test: p=reject, record "
                                    "of strict.test; SPF alone gives fail")
               for s in x["steps"]), x["steps"]
    x = explained("a@soft.test")
    assert "put into Junk, by DMARC (dmarc_quarantine_action)" in x[
        "if_unsigned"]
    assert "; if From is of this domain, SPF" in str(x["steps"])
    # Also of a notification, which has no sender.
    assert "strict.test" in explained("", "--author", "a@strict.test")[
        "if_unsigned"]
    for sender in ("a@good.test", "a@none.test", "a@plain.test", ""):
        assert explained(sender)["if_unsigned"] == "", sender
    text = house.posthouse("explain", "--client", CLIENT, "--from",
                           "a@bank.invalid", "--rcpt", "user0@example.test")
    assert "SPF of the sender, bank.invalid: temperror: no name server has " \
        "an answer" in text
    text = house.posthouse("explain", "--client", CLIENT, "--from",
                           "a@strict.test", "--rcpt", "user0@example.test")
    assert text.startswith("accepted\n  but without a DKIM signature of "
                           "strict.test it is refused with 550 5.7.1"), text


def test_a_table_that_fails_refuses_nobody_and_lets_nobody_in(dns):
    with House(users=1, settings=settings(
            dns, dmarc_trusted_forwarders="cidr:forwarders",
            dmarc_mailing_lists="text:lists")) as h:
        table(h, "lists", "list.test -\n")
        forged = message("a@strict.test", "forged")
        for text in (forged, message("a@soft.test", "suspect")):
            code, words = send(h, text)
            assert code == 451 and words.startswith(
                "4.3.0 Temporary lookup failure: whether this mail may fail "
                "DMARC of "), words
        h.logged("disposition=defer rule=dmarc_trusted_forwarders "
                 "table=cidr:forwarders")
        assert find(h, "suspect") is None
        # What does not need the table goes its way.
        assert send(h, message(subject="honest"))[0] == 250
        assert send(h, message("a@none.test", "mild"))[0] == 250
        listed = message("a@strict.test", "list", signer="list.test")
        wait_until(lambda: send(h, listed)[0] == 250)
        said = h.posthouse("explain", "--client", CLIENT, "--from",
                           "a@strict.test", "--rcpt", "user0@example.test")
        assert "cidr:forwarders [%s] -> error" % CLIENT in said
        assert "the message would be: put off with 451" in said
        done = h.posthouse("check", check=False)
        assert done.returncode == 1
        assert re.search(r"forwarders: No such file or directory "
                         r"\(dmarc_trusted_forwarders, main.cf:\d+\)",
                         done.stdout + done.stderr)
        # One that is there but cannot be read as it is written.
        table(h, "forwarders", "127.0.0.0/99 x\n")
        assert send(h, forged)[0] == 451
        assert "forwarders:1: " in h.posthouse("check", check=False).stderr
        # And mended, it decides again.
        table(h, "forwarders", "127.0.0.8 x\n")
        wait_until(lambda: send(h, forged)[0] == 550)


def test_tables_elsewhere_and_of_one_service(dns):
    """A table that a parameter names may stand anywhere."""
    # Not below tmp_path: each pytest that starts closes that to other users.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        far = os.path.join(folder, "lists")
        with open(far, "w") as f:
            f.write("list.test -\n")
        with House(users=1, settings=settings(
                dns, dmarc_mailing_lists="text:%s" % far)) as h:
            listed = message("a@strict.test", "list", signer="list.test")
            assert send(h, listed)[0] == 250


def test_large_headers_and_bodies(house):
    # Its end is far from its beginning, in many pieces of input.
    fields = "".join("X-%d: %s\r\n" % (i, "y" * 900) for i in range(200))
    body = ("z" * 70 + "\r\n") * 20000
    for subject, extra, text in (("long", "", body), ("wide", fields, "b\r\n"),
                                 ("both", fields, body)):
        assert send(house, message("a@strict.test", subject, extra, text,
                                   signer="strict.test"))[0] == 250, subject
        assert "dkim=pass" in results(find(house, subject)), subject
        broken = message("a@strict.test", subject, extra, text,
                         signer="strict.test")[:-4] + b"q\r\n"
        assert send(house, broken)[0] == 550, subject


def test_a_header_beyond_its_limit_is_refused(dns):
    with House(users=1, settings=settings(
            dns, header_size_limit="16384")) as h:
        fields = "X: %s\r\n" % ("\r\n ".join(["y" * 70] * 300))
        code, words = send(h, message("a@strict.test", "huge", fields))
        assert (code, words) == (552, "5.3.4 Message header too large")
        # The next one of the same process is judged as ever.
        assert send(h, message("a@strict.test", "forged"))[0] == 550
        assert send(h, message(subject="honest"))[0] == 250


def test_two_messages_of_one_session(house):
    """Nothing of one stays for the next, refused, given up or accepted."""
    c = connect(house)
    for sender, author, wanted in (
            ("a@good.test", "a@strict.test", 550),
            ("a@good.test", "a@good.test", 250),
            ("a@plain.test", "a@good.test", 550),
            ("a@good.test", "a@good.test", 250)):
        assert c.mail(sender)[0] == 250
        assert c.rcpt("user0@example.test")[0] == 250
        assert c.data(message(author, "series"))[0] == wanted
        assert c.mail("a@soft.test")[0] == 250
        assert c.rset()[0] == 250
    c.quit()


def test_submissions_are_not_checked(dns):
    with House(users=1, settings=settings(
            dns, smtpd_sasl_authentication_results="yes")) as h:
        c = smtplib.SMTP("127.0.0.1", h.submission, timeout=60)
        c.starttls()
        c.login("user0@example.test", h.password)
        c.sendmail("user0@example.test", "user0@example.test", message(
            "user0@example.test", "mine",
            "Authentication-Results: mx.example.test; dmarc=pass\r\n"))
        c.quit()
        m = wait_until(lambda: find(h, "mine"))
        assert re.sub(r"\s+", " ", "|".join(
            m.get_all("Authentication-Results"))) == (
                "mx.example.test; auth=pass smtp.auth=user0@example.test")


def test_lmtp_is_checked_when_told(dns):
    for told in ("no", "yes"):
        with House(users=1, settings=settings(
                dns, lmtpd_mail_authentication=told,
                mail_authentication_exempt_networks="")) as h:
            c = smtplib.LMTP("127.0.0.1", h.lmtp)
            c.ehlo()
            c.mail("a@good.test")
            c.rcpt("user0@example.test")
            code = c.data(message("a@strict.test", "lmtp"))[0]
            c.close()
            assert code == (550 if told == "yes" else 250)


def test_trace_explain_and_figures_say_why(house):
    sender = "why@soft.test"
    assert send(house, message("a@strict.test", "w1"), sender)[0] == 550
    assert send(house, message("a@soft.test", "w2"), sender)[0] == 250

    def story():
        done = house.posthouse("trace", sender, check=False)
        return done.stdout if "delivered to Junk" in done.stdout else None
    said = wait_until(story)
    for line in ("spf softfail for soft.test: ~all",
                 "dkim none: not signed",
                 "dmarc fail for strict.test: p=reject of strict.test, SPF is "
                 "not aligned, DKIM is not aligned",
                 "policy reject: rule=dmarc_reject_action: ",
                 "policy junk: rule=dmarc_quarantine_action: ",
                 "user0@example.test stored in user0@example.test Junk"):
        assert line in said, said
    said = house.posthouse("explain", "--client", CLIENT, "--from",
                           "a@strict.test", "--rcpt", "user0@example.test")
    assert "SPF of the sender, strict.test: fail, by -all" in said
    assert "the message would be: refused with 550 5.7.1" in said
    assert "decided when the content is there" in said
    said = house.posthouse("explain", "--client", "127.0.0.1", "--from",
                           "a@strict.test", "--rcpt", "user0@example.test")
    assert "mail_authentication_exempt_networks -> permit" in said
    wait_until(lambda: re.search(r"smtpd_dmarc fail +[1-9]",
                                 house.posthouse("stats")))


def test_reports_are_told(house):
    def counted():
        return [r for r in house.json("report", "pending")
                if r["domain"] == "strict.test"]
    before = sum(r["messages"] for r in counted())
    assert send(house, message("a@strict.test", "told"))[0] == 550
    wait_until(lambda: sum(r["messages"] for r in counted()) == before + 1)
