"""DKIM against dkimpy: what it signs we verify, what we sign it verifies.

The messages are generated from a fixed seed and have every shape that makes
canonical forms differ: folded and repeated fields, blanks at line ends, empty
bodies, empty lines at the end, long lines, octets above ASCII.
"""
import os
import random
import subprocess
import time

import pytest

dkim = pytest.importorskip("dkim")
pytest.importorskip("nacl")

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get(
    "POSTHOUSE_BUILD", os.path.join(TOP, "build")), "tests", "mailauth_tool")
FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple",
         "relaxed/relaxed"]
SIGNED = "From:To:Subject:Date:Message-ID:Received:MIME-Version"
MESSAGES = 200


class Keys:
    """A zone with an RSA and an Ed25519 key of example.com."""

    def __init__(self, folder):
        self.zone = os.path.join(folder, "zone")
        self.records = {}
        self.pem = {}
        for selector, algorithm in (("r", "rsa"), ("e", "ed25519")):
            text = subprocess.run([TOOL, "key", algorithm, "2048"], check=True,
                                  capture_output=True).stdout.decode()
            pem, record = text.rstrip("\n").rsplit("\n", 1)
            self.pem[selector] = os.path.join(folder, selector + ".pem")
            with open(self.pem[selector], "w") as f:
                f.write(pem + "\n")
            self.records[selector + "._domainkey.example.com"] = record
        self.write()

    def write(self):
        with open(self.zone, "w") as f:
            for name, text in self.records.items():
                f.write("%s\t%s\n" % (name, text))

    def private(self, selector):
        """As dkimpy wants it: an Ed25519 key is its seed in base64."""
        with open(self.pem[selector], "rb") as f:
            pem = f.read()
        if selector == "r":
            return pem
        import base64
        der = base64.b64decode(b"".join(pem.split(b"\n")[1:-2]))
        return base64.b64encode(der[-32:])

    def text(self, name, timeout=5):
        record = self.records.get(name.decode().rstrip("."))
        return record.encode() if record else None


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(str(tmp_path_factory.mktemp("keys")))


def blanks(rng, most=4):
    return "".join(rng.choice(" \t") for _ in range(rng.randrange(most)))


def value(rng):
    words = []
    for _ in range(rng.randrange(1, 12)):
        words.append("".join(rng.choice("abcXYZ019.;=:<>@é")
                             for _ in range(rng.randrange(1, 20))))
        words.append(rng.choice([" ", "  ", "\t", "\r\n ", "\r\n\t  "]))
    return "".join(words[:-1])


def header(rng):
    names = ["From", "To", "Subject", "Date", "Message-ID"]
    names += rng.choices(["Received", "X-Mine", "subject", "MIME-Version",
                          "Received", "To"], k=rng.randrange(6))
    rng.shuffle(names)
    lines = ""
    for name in names:
        if name == "From":
            text = "A. User <user@example.com>"
        else:
            text = value(rng)
        lines += "%s:%s%s%s\r\n" % (name, rng.choice(["", " ", " \t "]), text,
                                    rng.choice(["", "", " ", "\t "]))
    return lines


def body(rng):
    shape = rng.randrange(8)
    if shape == 0:
        return ""
    if shape == 1:
        return "\r\n" * rng.randrange(1, 5)
    if shape == 2:
        return " \t\r\n" * rng.randrange(1, 4)
    lines = []
    for _ in range(rng.randrange(1, 30)):
        lines.append(rng.choice([
            "", " ", "\t", "text", ".dot", " lead  and   inner \t blanks ",
            "x" * rng.randrange(900, 3000), "größe " * 20, "a\tb \t c"]) +
            blanks(rng))
    return "\r\n".join(lines) + "\r\n" * rng.randrange(1, 4)


def messages():
    rng = random.Random(20261122)
    for _ in range(MESSAGES):
        text = header(rng) + "\r\n" + body(rng)
        yield text.encode(rng.choice(["utf-8", "latin-1"]))


def verify(keys, message, now=None):
    out = subprocess.run(
        [TOOL, "verify", str(now or int(time.time())), keys.zone], check=True,
        input=message, capture_output=True, timeout=60).stdout.decode()
    return [line.split("\t") for line in out.splitlines()]


def sign(keys, message, selector, form, fields=SIGNED, over="From:Subject"):
    return subprocess.run(
        [TOOL, "sign", str(int(time.time())), keys.pem[selector],
         "example.com", selector, form, fields, over], check=True,
        input=message, capture_output=True, timeout=60).stdout


def test_what_we_sign_dkimpy_verifies(keys):
    for i, message in enumerate(messages()):
        form = FORMS[i % 4]
        signed = message
        for selector in "re":
            signed = sign(keys, message, selector, form) + signed
        for n in (0, 1):
            assert dkim.DKIM(signed).verify(idx=n, dnsfunc=keys.text), (
                i, n, form, signed)


def test_what_we_sign_we_verify_and_changes_are_seen(keys):
    for i, message in enumerate(messages()):
        form = FORMS[i % 4]
        signed = (sign(keys, message, "r", form) +
                  sign(keys, message, "e", form) + message)
        assert [v[0] for v in verify(keys, signed)] == ["pass", "pass"], i
        assert all(v[0] != "pass" for v in verify(
            keys, signed + b"one more line\r\n")), i
        assert all(v[0] != "pass" for v in verify(
            keys, signed.replace(b"A. User", b"A. Usor"))), i
        assert all(v[0] != "pass" for v in verify(
            keys, b"From: another@example.com\r\n" + signed)), i


def test_what_dkimpy_signs_we_verify(keys):
    for i, message in enumerate(messages()):
        form = FORMS[i % 4].encode().split(b"/")
        signed = message
        for selector in "re":
            signer = dkim.DKIM(message)
            field = signer.sign(
                selector.encode(), b"example.com", keys.private(selector),
                canonicalize=tuple(form), signature_algorithm=(
                    b"rsa-sha256" if selector == "r" else b"ed25519-sha256"),
                include_headers=[b"from", b"to", b"subject", b"date"],
                length=i % 5 == 0)
            signed = field + signed
        verdicts = verify(keys, signed)
        assert [v[0] for v in verdicts] == ["pass", "pass"], (
            i, form, verdicts, signed)


def test_a_partial_body_is_told_and_not_trusted(keys):
    message = b"From: a@example.com\r\n\r\nsigned\r\n"
    field = dkim.sign(message, b"r", b"example.com", keys.private("r"),
                      length=True)
    assert verify(keys, field + message)[0][0] == "pass"
    result = verify(keys, field + message + b"added\r\n")[0]
    assert result[0] == "policy" and result[4] == "7", result
    short = field + b"From: a@example.com\r\n\r\nsig\r\n"
    assert verify(keys, short)[0][0] == "neutral"


@pytest.mark.parametrize("record,result,why", [
    (None, "permerror", "no key"),
    ("TIMEOUT", "temperror", ""),
    ("v=DKIM1; p=", "permerror", "the key is revoked"),
    ("v=DKIM2; p=%s", "permerror", "not a record of DKIM1"),
    ("p=%s; v=DKIM1", "permerror", "not a record of DKIM1"),
    ("p=%s", "pass", ""),
    ("k=rsa; t=y; p=%s;", "pass", ""),
    ("k=ed25519; p=%s", "permerror", "the key is of another type"),
    ("s=web; p=%s", "permerror", "the key is not for mail"),
    ("s=web:email; p=%s", "pass", ""),
    ("h=sha1; p=%s", "permerror", "the key is not for SHA-256"),
    ("p=%s; p=%s", "permerror", "the key record is malformed"),
    ("p=AAAA", "permerror", "the key is malformed"),
])
def test_key_records(keys, tmp_path, record, result, why):
    message = b"From: a@example.com\r\n\r\ntext\r\n"
    signed = sign(keys, message, "r", "relaxed/relaxed") + message
    public = keys.records["r._domainkey.example.com"].split("p=")[1]
    other = Keys.__new__(Keys)
    other.zone = str(tmp_path / "zone")
    other.records = {} if record is None else {
        "r._domainkey.example.com": record.replace("%s", public)}
    other.write()
    got = verify(other, signed)[0]
    assert got[0] == result, got
    if why:
        assert got[5] == why


def test_short_keys_and_old_algorithms(keys, tmp_path):
    message = b"From: a@example.com\r\n\r\ntext\r\n"
    text = subprocess.run([TOOL, "key", "rsa", "1024"], check=True,
                          capture_output=True).stdout.decode()
    pem, record = text.rstrip("\n").rsplit("\n", 1)
    other = Keys.__new__(Keys)
    other.zone = str(tmp_path / "zone")
    other.records = {"r._domainkey.example.com": record}
    other.write()
    field = dkim.sign(message, b"r", b"example.com", pem.encode())
    assert verify(other, field + message)[0][0] == "pass"
    old = field.replace(b"rsa-sha256", b"rsa-sha1")
    assert verify(other, old + message)[0][:1] == ["permerror"]


def test_times(keys):
    message = b"From: a@example.com\r\n\r\ntext\r\n"
    signed = sign(keys, message, "e", "relaxed/simple") + message
    now = int(time.time())
    assert verify(keys, signed, now + 10 ** 8)[0][0] == "pass"
    assert verify(keys, signed, now - 7200)[0][5] == "signed in the future"
    expired = signed.replace(b" t=", b" x=1000000000; t=")
    assert verify(keys, expired)[0][0] == "neutral"


def test_not_signed(keys):
    assert verify(keys, b"From: a@example.com\r\n\r\ntext\r\n") == []


# RFC 8463, appendix A: the keys, the message and both of its signatures.
RFC8463_KEYS = {
    "brisbane._domainkey.football.example.com":
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "test._domainkey.football.example.com":
        "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTz"
        "WRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
        "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G"
        "+2kryOTIKT+l/K4w3QIDAQAB",
}
RFC8463_MESSAGE = """\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace("\n", "\r\n").encode()


def test_example_of_rfc_8463(tmp_path):
    keys = Keys.__new__(Keys)
    keys.zone = str(tmp_path / "zone")
    keys.records = RFC8463_KEYS
    keys.write()
    assert [v[0] for v in verify(keys, RFC8463_MESSAGE)] == ["pass", "pass"]
