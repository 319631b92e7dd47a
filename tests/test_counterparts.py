"""DKIM and ARC against dkimpy, OpenDKIM and rspamd: what they sign we verify,
what we sign they verify, for messages of every shape, and of messages that
were changed on the way everybody thinks the same.

counterparts.KNOWN lists where they are not right, by the RFC.
"""
import random
import re

import pytest

import counterparts
import shapes
from counterparts import DOMAIN, Dkimpy, Keys, OpenDkim, Ours, Rspamd

pytest.importorskip("dkim")
pytest.importorskip("nacl")

MESSAGES = shapes.messages(200)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(str(tmp_path_factory.mktemp("keys")))


@pytest.fixture(scope="module")
def ours(keys):
    tool = Ours(keys)
    yield tool
    tool.close()


@pytest.fixture(scope="module")
def others(keys):
    """Gives each of the others when it is wanted; one of a kind."""
    running = {}

    def give(kind):
        if getattr(kind, "program", "") is None:
            pytest.skip("%s is not installed" % kind.name)
        if kind not in running:
            running[kind] = kind(keys)
        return running[kind]

    yield give
    for other in running.values():
        other.close()


@pytest.fixture(params=[Dkimpy, OpenDkim, Rspamd], ids=lambda k: k.name)
def peer(request, others):
    return others(request.param)


@pytest.fixture(params=[Dkimpy, OpenDkim], ids=lambda k: k.name)
def faithful(request, others):
    """Who canonicalises all that SMTP carries as the RFC has it."""
    return others(request.param)


@pytest.fixture(scope="module")
def signed(ours):
    """Of each message the shape, our signatures and the message."""
    return [(shape, b"".join(ours.sign(message, s) for s in selectors(n)),
             message) for n, (shape, message) in enumerate(MESSAGES)]


def selectors(n):
    """Of message n: Ed25519 in every form, and RSA, which is slow, in one."""
    return ["r%d" % (n % 4), "e0", "e1", "e2", "e3"]


def is_known(who, shape, selector):
    return selector[1] in counterparts.KNOWN.get((who, shape), "")


def skips(who, shape):
    """A mail server gives filters whole lines."""
    return who == "opendkim" and shape in shapes.UNENDED


def test_what_we_sign_we_verify(ours, signed):
    for n, (shape, top, message) in enumerate(signed):
        assert ours.verify(top + message) == dict.fromkeys(
            selectors(n), "pass"), (shape, message[:4000])


def test_what_we_sign_they_verify(peer, signed):
    wrong = []
    for n, (shape, top, message) in enumerate(signed):
        if skips(peer.name, shape):
            continue
        found = peer.verify(top + message)
        wrong += [(n, shape, s, found.get(s)) for s in selectors(n)
                  if found.get(s) != "pass" and
                  not is_known(peer.name, shape, s)]
    assert not wrong


def signs(who, n):
    if who == "rspamd":
        return ["r3", "e3"]  # it has one form, and makes both at once
    if who == "dkimpy":
        return selectors(n)
    # OpenDKIM 2.11 does not verify its own Ed25519 over a simple header.
    return ["r%d" % (n % 4), "e2", "e3"]


def test_what_they_sign_we_verify(ours, peer):
    wrong = []
    for n, (shape, message) in enumerate(MESSAGES):
        if skips(peer.name, shape):
            continue
        mine = signs(peer.name, n)
        if peer.name == "rspamd":
            top = peer.sign(message, "r3")
        else:
            top = b"".join(peer.sign(message, s) for s in mine)
        found = ours.verify(top + message)
        wrong += [(n, shape, s, found.get(s)) for s in mine
                  if found.get(s) != "pass" and
                  not is_known(peer.name, shape, s)]
    assert not wrong


def test_partial_bodies_of_theirs(ours, faithful):
    """l= counts the octets of the canonical form."""
    for n, (shape, message) in enumerate(MESSAGES[:64]):
        selector = "re"[n % 2] + str(n % 2 + 2)
        if is_known(faithful.name, shape, selector) or skips(
                faithful.name, shape):
            continue
        field = faithful.sign(message, selector, length=True)
        assert re.search(rb"[ \t]l=\d", field), field
        assert ours.verify(field + message) == {selector: "pass"}, (
            shape, field)
        if shape not in shapes.UNENDED:
            assert ours.verify(
                field + message + b"an advertisement\r\n") == {
                    selector: "policy only a part of the body is signed"}, (
                        shape, field)


# ---- messages that were changed on the way ----

def change(rng, text):
    """One place, where it may matter or not; lines stay lines."""
    if not text:
        return rng.choice([b"\r\n", b" \r\n", b"x\r\n"])
    at = rng.randrange(len(text) - 1)
    blank = text.find(b" ", at)
    kind = rng.randrange(6)
    if kind == 0:
        return text[:at] + b" " + text[at:]
    if kind == 1:
        return text[:at] + text[at:at + 1].swapcase() + text[at + 1:]
    if kind == 2:
        return text.replace(b"\r\n", b" \r\n", 1)
    if kind == 3 and blank >= 0:
        return text[:blank] + b"\t" + text[blank + 1:]
    if kind == 4 and blank >= 0:
        return text[:blank] + b"\r\n" + text[blank:]
    return text + b"\r\n"


def is_header(text):
    """Whether each line begins a field or continues one."""
    return not text[:1].isspace() and all(
        line[:1].isspace() or re.match(rb"[A-Za-z0-9-]+:", line)
        for line in text.split(b"\r\n"))


def changed(signed):
    rng = random.Random(8463)
    for n, (shape, top, message) in enumerate(signed):
        if shape in shapes.UNENDED:
            continue
        header, _, body = message.partition(b"\r\n\r\n")
        if rng.random() < 0.6:
            body = change(rng, body)
        else:
            header = change(rng, header).rstrip(b"\r\n")
        again = header + b"\r\n\r\n" + body
        if is_header(header) and again.count(b"\r\n") == again.count(
                b"\r") == again.count(b"\n"):
            yield n, shape, top + again


def test_of_changed_messages_all_think_the_same(ours, faithful, signed):
    kept = broken = 0
    wrong = []
    for n, shape, message in changed(signed):
        mine, theirs = ours.verify(message), faithful.verify(message)
        for s in selectors(n):
            mine_passes = mine.get(s) == "pass"
            kept += mine_passes
            broken += not mine_passes
            if mine_passes != (theirs.get(s) == "pass"):
                wrong.append((n, shape, s, mine.get(s), theirs.get(s)))
    assert not wrong
    assert kept > 100 and broken > 100, (kept, broken)


# ---- ARC ----

def sealers(ours, others):
    hands = [ours, others(Dkimpy)]
    return hands + ([others(Rspamd)] if Rspamd.program else [])


def test_chains_of_all_hands(ours, others):
    """Each seals on top of the last; everybody validates every length."""
    hands = sealers(ours, others)
    rng = random.Random(8617)
    wrong = []
    for shape, message in MESSAGES[:32]:
        # Where they canonicalise in another way no chain can hold.
        able = [h for h in hands if not is_known(h.name, shape, "r3")]
        state = "none"
        for n in range(4):
            # rspamd 3.4 itself does not validate what it seals on top of
            # two sets or more.
            sealer = rng.choice([h for h in able
                                 if h.name != "rspamd" or n < 2])
            message = sealer.seal(message, "r3", state) + message
            state = "pass"
            wrong += [(shape, n + 1, sealer.name, judge.name)
                      for judge in able if judge.chain(message) != "pass"]
        forged = message.replace(b"@" + DOMAIN.encode(), b"@other.example")
        wrong += [(shape, "forged", judge.name) for judge in able
                  if judge.chain(forged) != "fail"]
    assert not wrong


def test_no_chain(ours, others):
    for hand in sealers(ours, others):
        assert hand.chain(MESSAGES[0][1]) == "none", hand.name
