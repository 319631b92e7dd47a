"""posthouse dns: what a domain needs, and each thing that can be wrong with
what is published, found once on a real name server."""
import json
import os
import re
import subprocess

import pytest

from house import BUILD, House, free_port
from nameserver import Dns

HOST = "mail.good.test"
ADDRESS = ["--address", "192.0.2.5", "--address", "2001:db8::5"]
REVERSE = {"2.0.192.in-addr.arpa": ["5 PTR mail.good.test.",
                                    "66 PTR other.good.test.",
                                    "67 PTR forged.good.test."],
           "8.b.d.0.1.0.0.2.ip6.arpa": [
               "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 "
               "PTR mail.good.test."]}


def without(name, kind, text=""):
    """A zone's lines but for one record; with its domain in place of @."""
    def change(lines, domain):
        return [line for line in lines if not (
            line.split()[0] == name.replace("@", domain) + "." and
            line.split()[3] == kind and text in line)]
    return change


def instead(name, kind, *values, text=""):
    def change(lines, domain):
        owner = name.replace("@", domain) + "."
        return without(name, kind, text)(lines, domain) + [
            "%s 60 IN %s %s" % (owner, kind, value) for value in values]
    return change


def added(*records):
    def change(lines, domain):
        return lines + [r.replace("@", domain) for r in records]
    return change


SPF, DMARC = ("@", "TXT"), ("_dmarc.@", "TXT")
DKIM = ("s1._domainkey.@", "TXT")
OTHER = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463, A.2
MANY = " ".join(11 * ["a:mx.faults.test"])

# Each a domain with one thing wrong: what is changed, which record it is, its
# state, and words that say why.
FAULTS = {
    "nomx": (without("@", "MX"), "mx", "missing", "there is no MX"),
    "othermx": (instead("@", "MX", "10 mx.faults.test."),
                "mx", "different", "does not go to mail.good.test"),
    "secondmx": (added("@. MX 5 mx.faults.test."),
                 "mx", "different", "other hosts come before"),
    "nullmx": (instead("@", "MX", "0 ."), "mx", "harmful", "takes no mail"),
    "cnamemx": (added("@. MX 20 alias.faults.test."),
                "mx", "harmful", "alias (CNAME)"),
    "emptymx": (added("@. MX 20 nowhere.faults.test."),
                "mx", "harmful", "nowhere.faults.test has no address"),
    "nospf": (without("@", "TXT"), "spf", "missing", "tell this house's"),
    "twospf": (added('@. TXT "v=spf1 mx -all"'),
               "spf", "harmful", "there are 2 records"),
    "plusall": (instead(*SPF, '"v=spf1 mx +all"'),
                "spf", "harmful", "lets everybody send"),
    "elevenspf": (instead(*SPF, '"v=spf1 %s -all"' % MANY),
                  "spf", "harmful", "more than 10 look-ups"),
    "voidspf": (instead(*SPF, '"v=spf1 a:v1.@ a:v2.@ a:v3.@ -all"'),
                "spf", "harmful", "find nothing"),
    "badspf": (instead(*SPF, '"v=spf1 ipv4:192.0.2.5 -all"'),
               "spf", "harmful", "permerror"),
    "neutralspf": (instead(*SPF, '"v=spf1 mx ?all"'),
                   "spf", "different", "nothing against others"),
    "otherspf": (instead(*SPF, '"v=spf1 ip4:192.0.2.5 -all"'),
                 "spf", "different", "2001:db8::5 of this house may not"),
    "nodmarc": (without("_dmarc.@", "TXT"), "dmarc", "missing", "forged"),
    "nop": (instead(*DMARC, '"v=DMARC1; rua=mailto:a@faults.test"'),
            "dmarc", "harmful", "p= is missing"),
    "wrongp": (instead(*DMARC, '"v=DMARC1; p=refuse"'),
               "dmarc", "harmful", "none, quarantine or reject"),
    "wrongsp": (instead(*DMARC, '"v=DMARC1; p=reject; sp=refuse"'),
                "dmarc", "harmful", "none, quarantine or reject"),
    "smalldmarc": (instead(*DMARC, '"v=dmarc1; p=reject"'),
                   "dmarc", "harmful", "must begin with v=DMARC1"),
    "twodmarc": (added('_dmarc.@. TXT "v=DMARC1; p=reject"'),
                 "dmarc", "harmful", "there are 2 records"),
    "nokey": (without(*DKIM), "dkim", "missing", "signature fails"),
    "otherkey": (instead(*DKIM, '"v=DKIM1; k=ed25519; p=%s"' % OTHER),
                 "dkim", "different", "another key"),
    "revoked": (instead(*DKIM, '"v=DKIM1; k=ed25519; p="'),
                "dkim", "harmful", "revoked"),
    "badkey": (instead(*DKIM, '"v=DKIM1; k=rsa; p=%s"' % OTHER),
               "dkim", "harmful", "another type"),
    "twokeys": (added('s1._domainkey.@. TXT "v=DKIM1; k=ed25519; p=%s"' %
                      OTHER), "dkim", "harmful", "there are 2 records"),
    "testkey": (lambda lines, domain: [
        x.replace("; k=ed25519", "; t=y; k=ed25519") for x in lines],
                "dkim", "different", "only tries DKIM"),
    "badsts": (added('_mta-sts.@. TXT "v=STSv1; id=2026-11-22"'),
               "mta-sts", "different", "senders do not read it"),
    "emptysts": (added('_mta-sts.@. TXT "v=STSv1; id=1"'),
                 "mta-sts", "harmful", "mta-sts.emptysts.test has no address"),
    "badtlsrpt": (added('_smtp._tls.@. TXT "v=TLSRPTv1; ruf=x"'),
                  "tls-rpt", "different", "senders do not read it"),
    "nosrv": (without("_imaps._tcp.@", "SRV"),
              "srv", "missing", "mail programs do not find"),
    "othersrv": (instead("_imaps._tcp.@", "SRV", "0 1 993 mail.good.test."),
                 "srv", "different", "not where the service listens"),
    "offsrv": (instead("_pop3._tcp.@", "SRV", "0 0 0 ."),
               "srv", "different", "no such service"),
}

# "\\064" is "@", which stands for the domain in the changes.
REPORTED = ",".join(["mailto:a@b.test", "mailto:dmarc@good.test!1m",
                     "mailto:rep@reports.test"]).replace("@", "\\064")


def with_reports(lines, domain):
    return instead(*DMARC, '"v=DMARC1; p=none; rua=%s"' % REPORTED)(
        lines, domain) + [
            '_smtp._tls.reports.test. TXT "v=TLSRPTv1; rua=%s"' % REPORTED]


# "test" is there so that who walks up to it gets an answer.
OWN = {"test": [], "faults.test": ["alias CNAME mx", "mx A 192.0.2.9"]}


def make_key(house, domain, selector="s1", state="active"):
    folder = os.path.join(house.dir, "dkim", domain)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    text = subprocess.run([os.path.join(BUILD, "tests/mailauth_tool"), "key",
                           "ed25519", "0"], capture_output=True, text=True,
                          check=True).stdout
    with open(os.path.join(folder, selector + "." + state), "w") as f:
        f.write(text[:text.index("v=DKIM1")])


def lines_of(house, domain):
    text = house.posthouse("dns", domain, "--zone", *ADDRESS)
    return [x for x in text.splitlines() if x and x[0] != ";"]


@pytest.fixture(scope="module")
def house():
    port = free_port()
    with House(domain="good.test", users=1, start=False, settings=dict(
            myhostname=HOST, dns_servers="127.0.0.1:%d" % port)) as h:
        zones = dict(REVERSE, **OWN)
        make_key(h, "good.test")
        make_key(h, "good.test", "old", "retired")
        make_key(h, "good.test", "older", "retired")
        zones["good.test"] = ['old._domainkey TXT "v=DKIM1; p="'] + lines_of(h, "good.test") + [
            "other A 192.0.2.66", "forged A 192.0.2.99", "alias CNAME mail",
            "extra A 192.0.2.5", "extra A 192.0.2.77", "extra AAAA 2001:db8::5",
            "six A 192.0.2.5", "six AAAA 2001:db8::5", "half A 192.0.2.5",
            "_25._tcp.six TLSA 3 1 1 " + 32 * "ab"]
        zones["good.test"] += [
            "nomx.test._report._dmarc TXT \"v=DMARC1;\""]
        for name, (change, *_) in dict(FAULTS,
                                       reports=(with_reports,)).items():
            domain = name + ".test"
            h.posthouse("domain", "add", domain)
            make_key(h, domain)
            lines = [x for x in lines_of(h, domain)
                     if not x.startswith(HOST) and HOST + ". 3600" not in x]
            zones[domain] = [x.replace("@", domain) for x in
                             change(lines, domain)]
        with Dns(zones, port=port):
            yield h


def check(house, domain, *args, status=None):
    done = house.posthouse("dns", domain, "--json", *args, check=False)
    assert done.stdout, done.stderr
    if status is not None:
        assert done.returncode == status, done.stdout
    return json.loads(done.stdout)


def sets(report, kind, state=None):
    return [r for r in report["records"] if r["kind"] == kind and
            (state is None or r["state"] == state)]


def test_what_it_prints_is_right(house):
    """The zone file of --zone, served by a real name server, has no fault."""
    report = check(house, "good.test", *ADDRESS)
    wrong = [r for r in report["records"] if r["state"] not in
             ("right", "optional")]
    assert wrong == []
    assert {r["kind"] for r in report["records"] if r["state"] == "right"} == {
        "mx", "address", "ptr", "spf", "spf-helo", "dkim", "dmarc", "srv",
        "tlsa"}
    assert len(sets(report, "srv", "right")) == 6


@pytest.mark.parametrize("name", FAULTS)
def test_fault(house, name):
    _, kind, state, why = FAULTS[name]
    report = check(house, name + ".test", *ADDRESS, status=1)
    wrong = [r for r in report["records"] if r["state"] not in
             ("right", "optional")]
    assert [(r["kind"], r["state"]) for r in wrong] == [(kind, state)], wrong
    assert why in wrong[0]["why"]
    if state != "missing":
        assert wrong[0]["published"]


def with_host(house, name):
    house.set("myhostname", name)


@pytest.fixture
def host(house):
    yield lambda name: with_host(house, name)
    with_host(house, HOST)


@pytest.mark.parametrize("name,kind,state,why", [
    ("nowhere.good.test", "address", "missing", "no such address"),
    ("half.good.test", "address", "missing", "no such address"),
    ("extra.good.test", "address", "different",
     "192.0.2.77 is no address of this house"),
    ("other.good.test", "address", "different",
     "192.0.2.5 of this house is not published"),
    ("alias.good.test", "address", "harmful", "is an alias"),
    ("six.good.test", "tlsa", "harmful", "none of these is for the"),
    ("mail.good.test", "tlsa", "right", "not validated"),
    ("six.good.test", "ptr", "different", "not the name that the host says"),
    ("other.good.test", "mx", "different", "does not go to other.good.test"),
])
def test_host(house, host, name, kind, state, why):
    host(name)
    found = sets(check(house, "good.test", *ADDRESS), kind)
    assert state in [r["state"] for r in found], found
    assert any(why in r["why"] for r in found), found


@pytest.mark.parametrize("address,state,why", [
    ("192.0.2.66", "different", "not the name that the host says"),
    ("192.0.2.67", "harmful", "does not lead back"),
    ("192.0.2.68", "missing", "has no name"),
])
def test_name_of_the_address(house, address, state, why):
    [ptr] = sets(check(house, "good.test", "--address", address), "ptr")
    assert ptr["state"] == state and why in ptr["why"]


def test_family_that_the_house_has_not(house):
    found = sets(check(house, "good.test", "--address", "192.0.2.5"),
                 "address")
    assert [(r["type"], r["state"]) for r in found] == [
        ("A", "right"), ("AAAA", "different")]


def test_service_that_is_not_there(house):
    path = os.path.join(house.etc, "master.cf")
    with open(path) as f:
        text = f.read()
    try:
        with open(path, "w") as f:
            f.write(re.sub(r"(?m)^127.0.0.1:%d .*\n(\s.*\n)*" % house.pop3,
                           "", text))
        [srv] = [r for r in sets(check(house, "good.test", *ADDRESS), "srv")
                 if r["name"].startswith("_pop3.")]
    finally:
        with open(path, "w") as f:
            f.write(text)
    assert srv["state"] == "harmful" and srv["wanted"] == []


def test_no_key_yet(house):
    house.posthouse("domain", "add", "keyless.test")
    try:
        [dkim] = sets(check(house, "keyless.test", *ADDRESS), "dkim")
    finally:
        house.posthouse("domain", "delete", "keyless.test")
    assert dkim["state"] == "missing"
    assert dkim["next"] == '"posthouse dkim new keyless.test" makes one'


def test_retired_keys(house):
    """What is still published may go some day; what is gone is gone."""
    found = sets(check(house, "good.test", *ADDRESS), "dkim")
    assert {r["name"]: r["state"] for r in found} == {
        "s1._domainkey.good.test": "right",
        "old._domainkey.good.test": "optional"}


def test_key_that_cannot_be_read(house):
    path = os.path.join(house.dir, "dkim", "good.test", "s1.active")
    with open(path) as f:
        text = f.read()
    try:
        with open(path, "w") as f:
            f.write("nothing\n")
        found = sets(check(house, "good.test", *ADDRESS), "dkim", "unknown")
    finally:
        with open(path, "w") as f:
            f.write(text)
    assert [r["name"] for r in found] == ["s1._domainkey.good.test"]


@pytest.fixture
def reports(house):
    yield lambda value: house.set("report_recipients", value)
    house.posthouse("conf", "unset", "report_recipients")


def test_reports_to_ourselves(house, reports):
    """The address of report_recipients is wanted where reports are asked for;
    of several the domain's own."""
    reports("dmarc@good.test, dmarc@plusall.test")
    report = check(house, "plusall.test", *ADDRESS)
    [dmarc], [tls] = sets(report, "dmarc"), sets(report, "tls-rpt")
    assert dmarc["state"] == "different"
    assert dmarc["wanted"] == [
        "v=DMARC1; p=none; rua=mailto:dmarc@plusall.test"]
    assert "reports do not come to dmarc@plusall.test" in dmarc["why"]
    assert tls["state"] == "missing"
    assert tls["wanted"] == ["v=TLSRPTv1; rua=mailto:dmarc@plusall.test"]
    assert sets(report, "dmarc-report") == []


def test_reports_to_another_domain(house, reports):
    """Who takes reports of another domain has to say so in DNS."""
    reports("dmarc@good.test")
    [consent] = sets(check(house, "plusall.test", *ADDRESS), "dmarc-report")
    assert (consent["name"], consent["state"]) == (
        "plusall.test._report._dmarc.good.test", "missing")
    [consent] = sets(check(house, "nomx.test", *ADDRESS), "dmarc-report")
    assert consent["state"] == "right"


@pytest.mark.parametrize("address", ["dmarc@good.test", "rep@"])
def test_reports_arrive(house, reports, address):
    reports(address)
    report = check(house, "reports.test", *ADDRESS)
    assert [r["state"] for r in sets(report, "dmarc") +
            sets(report, "tls-rpt")] == ["right", "right"]


def test_inherited_policy(house):
    """A domain below one with a policy needs none of its own."""
    house.posthouse("domain", "add", "news.good.test")
    try:
        [dmarc] = sets(check(house, "news.good.test", *ADDRESS), "dmarc")
    finally:
        house.posthouse("domain", "delete", "news.good.test")
    assert dmarc["state"] == "right" and "good.test applies" in dmarc["why"]


def test_silence_is_no_fault(house):
    """Without an answer nothing is right or wrong, and the status says so."""
    port = free_port()
    servers = "127.0.0.1:%d" % port
    before = house.posthouse("conf", "get", "dns_servers").strip()
    house.set("dns_servers", servers)
    try:
        done = house.posthouse("dns", "good.test", "--json", *ADDRESS,
                               check=False)
    finally:
        house.set("dns_servers", before.split("=")[-1].strip())
    report = json.loads(done.stdout)
    assert done.returncode == 75
    assert {r["state"] for r in report["records"]} == {
        "unknown"}
    assert not [r for r in report["records"] if r["published"]]


def test_all_domains(house):
    """Without a domain: one line each, the worst counted first."""
    done = house.posthouse("dns", *ADDRESS, check=False)
    lines = done.stdout.splitlines()
    assert done.returncode == 1 and len(lines) == 2 + len(FAULTS)
    [bad] = [x for x in lines if x.startswith("plusall.test ")]
    assert "1 harmful" in bad
    report = json.loads(house.posthouse("dns", "--json", *ADDRESS,
                                        check=False).stdout)
    assert {r["domain"]: r["state"] for r in report}["nullmx.test"] == "harmful"


def test_words(house):
    """For people: the worst first, with both, why, and what to do."""
    text = house.posthouse("dns", "plusall.test", *ADDRESS, check=False).stdout
    assert re.search(
        r"(?m)^harmful    plusall.test TXT: .*\n"
        r" +why +\"\+all\" lets everybody send in this name\n"
        r" +published +\"v=spf1 mx \+all\"\n"
        r" +wanted +\"v=spf1 ip4:192.0.2.5 ip6:2001:db8::5 ~all\"\n"
        r" +next +replace it\n", text), text
    assert text.index("harmful ") < text.index("right ")
    assert "\nright " not in house.posthouse(
        "dns", "plusall.test", "--check", *ADDRESS, check=False).stdout


def test_mta_sts_is_not_advertised(house):
    """There is no web server yet: the record is not in the zone, and what is
    needed is said."""
    zone = house.posthouse("dns", "good.test", "--zone", *ADDRESS)
    assert "\n; _mta-sts.good.test." in zone
    [sts] = sets(check(house, "good.test", *ADDRESS), "mta-sts")
    assert sts["state"] == "optional"
    assert "https://mta-sts.good.test/.well-known/mta-sts.txt" in sts["why"]


@pytest.mark.parametrize("args", [
    ["--zone"], ["--nothing"], ["a.test", "b.test"], ["--address"],
    ["good.test", "--zone", "--check"], ["good.test", "--zone", "--json"]])
def test_usage(house, args):
    done = house.posthouse("dns", *args, check=False)
    assert done.returncode == 64 and "usage: posthouse dns" in done.stderr


def test_whose_domain(house):
    done = house.posthouse("dns", "stranger.test", check=False)
    assert done.returncode == 1
    assert "stranger.test is not a domain of ours" in done.stderr
    done = house.posthouse("dns", "good.test", "--address", "here",
                           check=False)
    assert done.returncode == 64 and "here is no address" in done.stderr
