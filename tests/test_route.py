"""posthouse route: where mail for an address would go, with the file and line
of each rule, asked of the daemons that decide."""
import json
import os
import smtplib

import pytest

from house import House, free_port, wait_until
from nameserver import Dns

REFUSED, TEMPORARY = 69, 75

ZONES = {
    "far.test": ["@ MX 20 mx2", "@ MX 10 mx1", "mx1 A 127.0.0.3",
                 "mx2 A 127.0.0.4", "www CNAME mx1", "plain A 127.0.0.5",
                 "none TXT x"],
    "null.test": ["@ MX 0 ."],
}


@pytest.fixture(scope="module")
def dns():
    server = Dns(ZONES)
    yield server
    server.close()


@pytest.fixture(scope="module")
def house(dns):
    settings = {"dns_servers": "127.0.0.1:%d" % dns.port,
                "smtp_dns_timeout": "1s", "smtp_dns_tries": "1",
                "transport_maps": "text:transport",
                "smtp_address_preference": "ipv4",
                "default_quota_messages": "1000"}
    with House(domain="one.test", users=4, settings=settings,
               start=False) as h:
        write(h, "transport", "# where to\nslow.test error:4.7.1 later\n"
              "shut.test\terror:5.7.1 not to them\n"
              "hop.test smtp:[127.0.0.9]:2525\nodd.test fax:\n")
        append(h, "domains", "two.test alias\nrelay.test relay\n")
        append(h, "aliases",
               "# somebody's\ninfo@one.test user0@one.test, old@far.test\n"
               "@two.test user1@one.test\n"
               "a@one.test b@one.test\nb@one.test a@one.test\n"
               "x@two.test info@one.test\n")
        append(h, "users", "full@one.test messages=1\n"
               "off@one.test enabled=no\n")
        h.start()
        yield h


def write(house, name, text, mode="w"):
    path = os.path.join(house.etc, name)
    with open(path, mode) as f:
        f.write(text)
    os.chmod(path, 0o644)


def append(house, name, text):
    write(house, name, text, "a")


def line_of(house, name, text):
    """Where a line of a file begins so: "aliases:4"."""
    with open(os.path.join(house.etc, name)) as f:
        for number, line in enumerate(f, 1):
            if line.startswith(text):
                return "%s:%d" % (name, number)
    raise AssertionError(text)


def route(house, address, status=0):
    done = house.posthouse("route", address, "--json", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def words(house, address, status=0):
    done = house.posthouse("route", address, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_a_mailbox(house):
    r = route(house, "user0@one.test")
    assert r["verdict"] == "accepted" and r["class"] == "mailbox"
    assert not r["aliases"]
    (d,) = r["destinations"]
    assert d["transport"] == "local" and d["account"] == "user0@one.test"
    assert d["quota_messages"] == 1000
    found = {s["rule"]: s["place"] for s in r["steps"]
             if s["result"] == "found"}
    assert found["mail_domain_maps"] == line_of(house, "domains", "one.test")
    assert found["virtual_mailbox_maps"] == line_of(
        house, "users", "user0@one.test")
    text = words(house, "user0@one.test")
    assert "at most 1000 messages  (%s)" % line_of(
        house, "main.cf", "default_quota_messages") in text


def test_detail_and_case_lead_to_the_mailbox(house):
    r = route(house, "USER0+x@One.Test")
    assert r["destinations"][0]["account"] == "user0@one.test"


def test_the_alias_that_nobody_remembers(house):
    r = route(house, "info@one.test")
    place = line_of(house, "aliases", "info@one.test")
    assert [(a["address"], a["target"], a["rule"], a["place"])
            for a in r["aliases"]] == [
        ("info@one.test", "user0@one.test", "virtual_alias_maps", place),
        ("info@one.test", "old@far.test", "virtual_alias_maps", place)]
    assert {d["address"] for d in r["destinations"]} == {
        "user0@one.test", "old@far.test"}
    text = words(house, "info@one.test")
    assert ("info@one.test -> old@far.test, by virtual_alias_maps  (%s)" %
            place) in text


def test_an_alias_of_an_alias(house):
    r = route(house, "x@two.test")
    assert [(a["address"], a["target"]) for a in r["aliases"]] == [
        ("x@two.test", "info@one.test"),
        ("info@one.test", "user0@one.test"),
        ("info@one.test", "old@far.test")]
    assert r["class"] == "alias"


def test_a_catch_all(house):
    r = route(house, "whoever@two.test")
    assert r["aliases"][0]["place"] == line_of(house, "aliases", "@two.test")
    assert r["destinations"][0]["address"] == "user1@one.test"
    assert "the catch-all @two.test" in words(house, "whoever@two.test")


def test_a_loop_has_a_name(house):
    r = route(house, "a@one.test", REFUSED)
    assert r["dsn"] == "5.4.6" and "circle" in r["text"]
    assert not r["destinations"]
    text = words(house, "a@one.test", REFUSED)
    assert "lead in a circle" in text
    assert line_of(house, "aliases", "b@one.test") in text


def test_nobody_and_a_disabled_mailbox(house):
    r = route(house, "nobody@one.test", REFUSED)
    assert r["destinations"][0]["dsn"] == "5.1.1"
    r = route(house, "off@one.test", REFUSED)
    assert r["destinations"][0]["dsn"] == "5.2.1"
    assert "enabled=no  (%s)" % line_of(house, "users", "off@") in words(
        house, "off@one.test", REFUSED)


def test_a_full_mailbox(house):
    d = route(house, "full@one.test")["destinations"][0]
    assert d["quota_messages"] == 1 and d["messages"] == 0
    assert not d["mailbox_exists"]
    with smtplib.SMTP("127.0.0.1", house.smtp) as s:
        s.sendmail("a@far.test", ["full@one.test"], "Subject: x\r\n\r\nx\r\n")

    def full():
        """a message in the mailbox"""
        done = house.posthouse("route", "full@one.test", check=False)
        return done.returncode != 0
    wait_until(full)
    status = house.posthouse("route", "full@one.test", check=False).returncode
    d = route(house, "full@one.test", status)["destinations"][0]
    assert d["text"] == "mailbox full" and d["messages"] == 1
    assert d["mailbox_exists"] and d["dsn"] in ("4.2.2", "5.2.2")
    assert status == (TEMPORARY if d["dsn"][0] == "4" else REFUSED)
    assert line_of(house, "users", "full@") in words(
        house, "full@one.test", status)


def test_exchangers_in_order(house):
    r = route(house, "a@far.test")
    assert r["class"] == "remote"
    (d,) = r["destinations"]
    assert [(t["host"], t["address"], t["port"], t["mx"], t["preference"])
            for t in d["targets"]] == [
        ("mx1.far.test", "127.0.0.3", 25, True, 10),
        ("mx2.far.test", "127.0.0.4", 25, True, 20)]
    assert d["limits"]["smtp_tls_security_level"]["value"] == "may"
    assert d["limits"]["default_destination_concurrency_limit"] == {
        "value": "20", "origin": "default"}
    assert {s["key"] for s in d["steps"] if s["kind"] == "dns"} == {
        "far.test", "mx1.far.test", "mx2.far.test"}


def test_a_host_without_exchangers(house):
    (d,) = route(house, "a@plain.far.test")["destinations"]
    assert [(t["host"], t["mx"]) for t in d["targets"]] == [
        ("plain.far.test", False)]
    (d,) = route(house, "a@www.far.test")["destinations"]
    assert d["targets"][0]["address"] == "127.0.0.3"


@pytest.mark.parametrize("domain, dsn, words", [
    ("null.test", "5.1.10", "does not accept mail"),
    ("nowhere.far.test", "5.4.4", "Host not found"),
    ("none.far.test", "5.4.4", "Host not found")])
def test_what_dns_says_against_it(house, domain, dsn, words):
    (d,) = route(house, "a@" + domain, REFUSED)["destinations"]
    assert d["dsn"] == dsn and words in d["text"]
    assert not d["targets"]


def test_transports(house):
    (d,) = route(house, "a@hop.test")["destinations"]
    assert [(t["host"], t["port"]) for t in d["targets"]] == [
        ("127.0.0.9", 2525)]
    assert "transport_maps says smtp:[127.0.0.9]:2525  (%s)" % line_of(
        house, "transport", "hop.test") in words(house, "a@hop.test")
    (d,) = route(house, "a@shut.test", REFUSED)["destinations"]
    assert (d["dsn"], d["text"]) == ("5.7.1", "not to them")
    assert line_of(house, "transport", "shut.test") in words(
        house, "a@shut.test", REFUSED)
    (d,) = route(house, "a@slow.test", TEMPORARY)["destinations"]
    assert (d["dsn"], d["text"]) == ("4.7.1", "later")
    (d,) = route(house, "a@odd.test", TEMPORARY)["destinations"]
    assert "mail transport unknown" in d["text"]


def test_a_relayhost(house):
    house.set("relayhost", "[127.0.0.8]:2626")
    house.posthouse("reload")
    try:
        (d,) = route(house, "a@far.test")["destinations"]
        assert d["nexthop"] == "[127.0.0.8]:2626"
        assert "relayhost says :[127.0.0.8]:2626  (%s)" % line_of(
            house, "main.cf", "relayhost") in words(house, "a@far.test")
    finally:
        house.set("relayhost", "")
        house.posthouse("reload")


def test_no_name_service():
    settings = {"dns_servers": "127.0.0.1:%d" % free_port(),
                "smtp_dns_timeout": "1s", "smtp_dns_tries": "1"}
    with House(domain="one.test", users=1, settings=settings) as h:
        (d,) = route(h, "a@far.test", TEMPORARY)["destinations"]
        assert d["dsn"] == "4.4.3"
        (step,) = [s for s in d["steps"] if s["kind"] == "dns"]
        assert step["result"] == "error" and step["text"]


def test_a_compiled_table_names_the_line_of_its_text(house):
    house.posthouse("alias", "add", "late@one.test", "user2@one.test")
    path = os.path.join(house.etc, "aliases")

    def there():
        """the alias in what lookup says"""
        done = house.posthouse("route", "late@one.test", check=False)
        return done.returncode == 0
    wait_until(there)
    assert os.path.exists(path + ".db")
    (a,) = route(house, "late@one.test")["aliases"]
    assert a["place"] == line_of(house, "aliases", "late@one.test")


def test_wrong_use(house):
    for args in ([], ["--json"], ["a@b.test", "c@d.test"], [""], ["-x"]):
        done = house.posthouse("route", *args, check=False)
        assert done.returncode == 64 and "usage:" in done.stderr, args


def test_an_address_without_a_domain(house):
    done = house.posthouse("route", "postmaster", check=False)
    assert "it has no domain: myorigin stands in\n" in done.stdout


def test_bad_addresses_are_results(house):
    for address in ("@", "a@", "@b", "a b@c d", "\"@one.test", "<>",
                    "é@one.test", "a" * 900 + "@one.test", "[[[", "\x01@x"):
        done = house.posthouse("route", address, "--json", check=False)
        assert done.returncode in (0, REFUSED, TEMPORARY), (
            address, done.stderr)


def test_the_suite_has_to_run():
    with House(domain="one.test", users=1, start=False) as h:
        for status, *args in ((1, "route", "user0@one.test"),
                              (1, "penalty", "list"),
                              (75, "srs", "reverse", "a@one.test"),
                              (75, "auth", "test", "user0@one.test")):
            done = h.posthouse(*args, check=False, input="x\n")
            assert done.returncode == status and "start" in done.stderr
        h.start()
        h.posthouse("service", "stop", "lookup")
        done = h.posthouse("route", "user0@one.test", check=False)
        assert done.returncode == 1 and 'status" says' in done.stderr
