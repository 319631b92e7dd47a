"""Where a message comes from: SPF, DKIM, ARC and DMARC in the MX path, with real
instances, a real DNS server, and signatures of dkimpy."""
import email
import imaplib
import re
import smtplib

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
                    txt("_dmarc", "v=DMARC1; p=reject; sp=quarantine; "
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
    for part in ("spf=pass", "smtp.mailfrom=a@good.test", "dkim=none",
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
              "Authentication-Results: other.test; dmarc=pass\r\n")
    assert send(house, message(subject="claims", fields=forged))[0] == 250
    m = find(house, "claims")
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


def test_exempt_clients_are_not_checked(house):
    forged = "Authentication-Results: mx.example.test; dmarc=pass\r\n"
    assert send(house, message("a@strict.test", "inside", forged),
                client="127.0.0.1")[0] == 250
    m = find(house, "inside")
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
            dns, received_spf_header="yes", spf_reject="fail",
            dmarc_reject_action="junk", dmarc_quarantine_action="reject",
            dmarc_mailing_lists=".other.test list.test",
            dmarc_organizational_domain="psl",
            dmarc_temperror_defer="yes")) as h:
        code, words = send(h, message(), sender="a@strict.test")
        assert code == 550 and words.startswith(
            "5.7.23 strict.test says that 127.0.0.9 may not send"), words
        assert send(h, message("a@strict.test", "milder"))[0] == 250
        m = find(h, "milder", "Junk")
        assert m["Received-SPF"].startswith("pass")
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
