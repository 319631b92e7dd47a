"""ARC against the public suites, where they are at hand (see test_spf.py)."""
import os
import re
import subprocess

import pytest

from test_spf import BUILD, CONFORMANCE

yaml = pytest.importorskip("yaml")

TOOL = os.path.join(BUILD, "tests", "mailauth_tool")
NOW = 1500000000


def scenarios(name):
    path = os.path.join(CONFORMANCE, "arc", name)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        return [s for s in yaml.safe_load_all(f) if s]


def cases(name):
    return [pytest.param(s, t, id=t) for s in scenarios(name)
            for t in s["tests"]] or [pytest.param(
                None, None, marks=pytest.mark.skip("the suite is not here"))]


def message_of(test):
    return test["message"].replace("\n", "\r\n").encode()


def write_zone(scenario, folder):
    path = str(folder / "zone")
    with open(path, "w", encoding="utf-8") as f:
        for name, text in (scenario.get("txt-records") or {}).items():
            f.write("%s\t%s\n" % (name, " ".join(text.split())))
    return path


def tool(message, *arguments):
    return subprocess.run([TOOL] + [str(a) for a in arguments], check=True,
                          input=message, capture_output=True,
                          timeout=60).stdout.decode()


@pytest.mark.parametrize(
    "scenario,name", cases("arc-draft-validation-tests.yml"))
def test_validation(scenario, name, tmp_path):
    test = scenario["tests"][name]
    result, why = tool(message_of(test), "arc", NOW,
                       write_zone(scenario, tmp_path)).rstrip("\n").split("\t")
    # Where a seal says "fail" the suite expects no state at all.
    assert result == (test["cv"].strip().lower() or "fail"), why
    assert (why != "") == (result == "fail")


def squeezed(text):
    return re.sub(r"\s+", "", text or "")


def results_of(message, server):
    """What our own Authentication-Results say, as one."""
    text = re.sub(r"\r\n[ \t]+", " ", message.split(b"\r\n\r\n")[0].decode())
    found = re.findall(r"(?im)^Authentication-Results: *%s *;(.*?)\r?$"
                       % re.escape(server), text)
    return "%s; %s" % (server, "; ".join(f.strip() for f in found))


@pytest.mark.parametrize("scenario,name", cases("arc-draft-sign-tests.yml"))
def test_sealing(scenario, name, tmp_path):
    test = scenario["tests"][name]
    message = message_of(test)
    key = tmp_path / "key.pem"
    key.write_text(scenario["privatekey"])
    results = results_of(message, test["srv-id"])
    given = re.search(r"arc=(\w+)", results)
    made = tool(message, "seal", test["t"], key, scenario["domain"],
                scenario["sel"], test["sig-headers"],
                given.group(1) if given else "none", results)
    fields = dict(re.findall(r"(?ms)^([\w-]+): (.*?)\r\n(?=\S|\Z)", made))
    for field, expected in (("ARC-Seal", test["AS"]),
                            ("ARC-Message-Signature", test["AMS"]),
                            ("ARC-Authentication-Results", test["AAR"])):
        assert squeezed(fields.get(field)) == squeezed(expected), made
    if not made:
        return
    # What was sealed validates, unless the chain had failed before.
    result = tool(made.encode() + message, "arc", NOW,
                  write_zone(scenario, tmp_path)).split("\t")[0]
    assert result == ("fail" if "arc=fail" in results else "pass")
