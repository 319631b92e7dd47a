"""Authentication-Results as others read it: each kind of message goes through a
real instance, and python3-authres, which nobody here wrote, says what the field
means (RFC 8601 section 2.2)."""
import re

import pytest

from house import House
from nameserver import Dns
from test_mailauth import (CLIENT, KEY, ZONES, connect, find, message,
                           settings, txt)

authres = pytest.importorskip("authres")

MORE = {
    "local.test": [txt("@", "v=spf1 exists:%%{l}.users.local.test ip4:%s -all"
                       % CLIENT), "@ A 127.0.0.1"],
    "mixed.test": [txt("@", "v=spf1 bogus -all"), KEY, "@ A 127.0.0.1"],
}


@pytest.fixture(scope="module")
def house():
    zones = dict(ZONES, **MORE)
    with Dns(zones) as dns, House(users=1, settings=settings(
            dns, dmarc_reject_action="none",
            received_spf_header="yes")) as h:
        yield h


# What is written for every message unless its kind says otherwise.
PLAIN = {"helo": "spf=none smtp.helo=mail.plain.test",
         "dkim": "dkim=none", "arc": "arc=none"}

KINDS = {
    "spf": (dict(), {
        "mail": "spf=pass smtp.mailfrom=good.test",
        "dmarc": "dmarc=pass header.from=good.test"}),
    "notification": (dict(sender="", helo="good.test"), {
        "helo": "spf=pass smtp.helo=good.test",
        "dmarc": "dmarc=pass header.from=good.test"}),
    "literal": (dict(sender="", helo="[127.0.0.9]"), {
        "helo": "spf=none smtp.helo=[127.0.0.9]",
        "dmarc": "dmarc=fail header.from=good.test policy.dmarc=reject"}),
    "softfail": (dict(sender="a@soft.test"), {
        "mail": "spf=softfail smtp.mailfrom=soft.test",
        "dmarc": "dmarc=fail header.from=good.test policy.dmarc=reject"}),
    "trial": (dict(author="a@trial.test"), {
        "mail": "spf=pass smtp.mailfrom=good.test",
        "dmarc": "dmarc=fail header.from=trial.test policy.dmarc=none"}),
    "permerror": (dict(sender="a@mixed.test", author="a@plain.test"), {
        "mail": "spf=permerror smtp.mailfrom=mixed.test",
        "dmarc": "dmarc=none header.from=plain.test"}),
    # The local part stands there when the policy looked at it.
    "local": (dict(sender="joe=x/y@local.test", author="a@none.test"), {
        "mail": "spf=pass smtp.mailfrom=joe=x/y@local.test",
        "dmarc": "dmarc=fail header.from=none.test policy.dmarc=none"}),
    "quoted": (dict(sender='"a; dmarc=pass"@local.test',
                    author="a@none.test"), {
        "mail": 'spf=pass smtp.mailfrom="a; dmarc=pass"@local.test',
        "dmarc": "dmarc=fail header.from=none.test policy.dmarc=none"}),
    "signed": (dict(sender="a@plain.test", author="a@strict.test",
                    signer="strict.test"), {
        "mail": "spf=none smtp.mailfrom=plain.test",
        "dkim": "dkim=pass header.d=strict.test header.s=sel "
                "header.i=@strict.test header.a=rsa-sha256 header.b=[^ ]{8}",
        "dmarc": "dmarc=pass header.from=strict.test"}),
    "twice": (dict(author="a@strict.test", signer="strict.test",
                   again="mixed.test"), {
        "mail": "spf=pass smtp.mailfrom=good.test",
        "dkim": "dkim=pass header.d=mixed.test .*",
        "dkim2": "dkim=pass header.d=strict.test .*",
        "dmarc": "dmarc=pass header.from=strict.test"}),
    "group": (dict(author="us: a@good.test, b@good.test;",
                   fields="Sender: a@good.test\r\n"), {
        "mail": "spf=pass smtp.mailfrom=good.test",
        "dmarc": "dmarc=pass header.from=good.test"}),
}


def deliver(house, subject, sender="a@good.test", helo="mail.plain.test",
            author="a@good.test", signer=None, again=None, fields=""):
    import dkim
    from test_mailauth import PEM, SELECTOR
    text = message(author, subject, fields, signer=signer)
    if again is not None:
        text = dkim.sign(text, SELECTOR.encode(), again.encode(), PEM,
                         include_headers=[b"From"]) + text
    c = connect(house, helo=helo)
    c.docmd("MAIL FROM:<%s>" % sender)
    assert c.rcpt("user0@example.test")[0] == 250
    assert c.data(text)[0] == 250
    c.quit()
    return find(house, subject) or find(house, subject, "Junk")


def written(result):
    return " ".join(["%s=%s" % (result.method, result.result)] + [
        "%s.%s=%s" % (p.type, p.name, p.value) for p in result.properties])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_others_read(house, kind):
    how, expected = KINDS[kind]
    m = deliver(house, "kind-" + kind, **how)
    parsed = authres.AuthenticationResultsHeader.parse(
        "Authentication-Results: " + m["Authentication-Results"])
    assert parsed.authserv_id == "mx.example.test" and parsed.version is None
    got = [written(r) for r in parsed.results]
    wanted = dict(PLAIN, **expected)
    order = ["helo", "mail", "dkim", "dkim2", "arc", "dmarc"]
    for key in (k for k in order if k in wanted):
        want = wanted[key]
        if not want.startswith("dkim"):
            want = re.escape(want)
        assert re.fullmatch(want, got.pop(0)), (key, parsed)
    assert not got
    # Our own field is on top, and the other one says the same.
    assert m["Received-SPF"].split()[0] == parsed.results[
        1 if "mail" in wanted else 0].result


def test_nothing_was_checked(house):
    """RFC 8601 section 2.2: a field may say so, and this house says nothing."""
    c = connect(house, client="127.0.0.1")
    c.sendmail("a@good.test", "user0@example.test", message(subject="inside"))
    c.quit()
    assert find(house, "inside")["Authentication-Results"] is None
