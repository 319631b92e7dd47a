"""SPF against the public suite of RFC 7208, where that is at hand.

POSTHOUSE_CONFORMANCE names the folder with spf/rfc7208-tests.yml; without it
the folder shared/conformance beside the checkout is looked at.
"""
import os
import subprocess

import pytest

yaml = pytest.importorskip("yaml")

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("POSTHOUSE_BUILD", os.path.join(TOP, "build"))
CONFORMANCE = os.environ.get("POSTHOUSE_CONFORMANCE", os.path.join(
    os.path.dirname(TOP), "shared", "conformance"))
SUITE = os.path.join(CONFORMANCE, "spf", "rfc7208-tests.yml")


def scenarios():
    if not os.path.exists(SUITE):
        return []
    with open(SUITE, encoding="latin-1") as f:
        return [s for s in yaml.safe_load_all(f) if s]


def cases():
    return [pytest.param(s, name, id=name)
            for s in scenarios() for name in s["tests"]] or [pytest.param(
                None, None, marks=pytest.mark.skip("the suite is not here"))]


def hexed(text):
    return text.encode("latin-1").hex()


def joined(value):
    return "".join(value) if isinstance(value, list) else value


def zone(data):
    """The zone's records; what is there as SPF is there as TXT too."""
    lines = []

    for name, entries in data.items():
        name = str(name)
        has_text = any(isinstance(e, dict) and "TXT" in e for e in entries)
        for entry in entries:
            if entry == "TIMEOUT":
                lines.append("record\t%s\tTIMEOUT\t" % hexed(name))
                continue
            (kind, value), = entry.items()
            if kind == "SPF" and not has_text:
                kind = "TXT"
            if kind == "SPF" or value == "NONE":
                continue
            if kind == "MX":
                value = value[1]
            lines.append("record\t%s\t%s\t%s" % (
                hexed(name), kind, hexed(str(joined(value)))))
    return lines


def ask(scenario, test):
    lines = zone(scenario["zonedata"]) + ["check\t%s\t%s\t%s\t%s" % (
        test["host"], hexed(str(test.get("helo", ""))),
        hexed(str(test["mailfrom"])), hexed("receiver.example.org"))]
    answer = subprocess.run(
        [os.path.join(BUILD, "tests", "spf_suite")], check=True, timeout=60,
        input="\n".join(lines) + "\n", capture_output=True, text=True)
    result, explanation, problem = answer.stdout.rstrip("\n").split("\t")
    return result, bytes.fromhex(explanation).decode("latin-1"), problem


@pytest.mark.parametrize("scenario,name", cases())
def test_public_suite(scenario, name):
    test = scenario["tests"][name]
    result, explanation, problem = ask(scenario, test)
    expected = test["result"]
    if not isinstance(expected, list):
        expected = [expected]
    assert result in expected, problem
    if "explanation" in test:
        wanted = test["explanation"]
        assert explanation == ("" if wanted == "DEFAULT" else wanted)
    assert (problem != "") == (result in ("temperror", "permerror"))
