"""Reports that others send: by SMTP into a real house, then what posthouse
report says of them."""
import base64
import gzip
import io
import json
import os
import poplib
import re
import smtplib
import zipfile

import pytest

from house import House, wait_until

DOMAIN = "reports.test"
ADDRESS = "dmarc@" + DOMAIN


@pytest.fixture(scope="module")
def house():
    settings = {"feedback_own_networks": "198.51.100.0/24",
                "report_recipients": "%s, tls@" % ADDRESS,
                "dns_servers": "127.0.0.1:1"}
    with House(domain=DOMAIN, users=1, settings=settings) as h:
        yield h


# ---- what reporters send ----

def row(source="192.0.2.5", count=120, disposition="none", dkim="fail",
        spf="fail", auth="", header_from=DOMAIN, reason=""):
    return ("<record><row><source_ip>%s</source_ip><count>%d</count>"
            "<policy_evaluated><disposition>%s</disposition><dkim>%s</dkim>"
            "<spf>%s</spf>%s</policy_evaluated></row><identifiers><header_from>"
            "%s</header_from></identifiers><auth_results>%s</auth_results>"
            "</record>" % (source, count, disposition, dkim, spf, reason,
                           header_from, auth))


def aggregate(report_id, *rows, reporter="Reporter Inc.", domain=DOMAIN,
              policy="none"):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n<feedback>'
            "<report_metadata><org_name>%s</org_name><email>d@reporter.test"
            "</email><report_id>%s</report_id><date_range><begin>1795219200"
            "</begin><end>1795305599</end></date_range></report_metadata>"
            "<policy_published><domain>%s</domain><p>%s</p><pct>100</pct>"
            "</policy_published>%s</feedback>" % (
                reporter, report_id, domain, policy, "".join(rows))).encode()


def tls_report(report_id):
    return json.dumps({
        "organization-name": "TLS Co", "report-id": report_id,
        "contact-info": "tls@reporter.test", "date-range": {
            "start-datetime": "2026-11-21T00:00:00Z",
            "end-datetime": "2026-11-21T23:59:59Z"},
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": DOMAIN,
                       "policy-string": ["version: STSv1"],
                       "mx-host": ["*." + DOMAIN]},
            "summary": {"total-successful-session-count": 40,
                        "total-failure-session-count": 2},
            "failure-details": [{
                "result-type": "certificate-expired",
                "sending-mta-ip": "198.51.100.4",
                "receiving-mx-hostname": "mx." + DOMAIN,
                "failed-session-count": 2}]}]}).encode()


def zipped(content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("report.xml", content)
    return out.getvalue()


def mail(content, kind="application/gzip", name="report.xml.gz",
         subject="Report", message_id=None):
    head = ("From: Reporter <noreply@reporter.test>\r\nTo: %s\r\nSubject: %s"
            "\r\nMIME-Version: 1.0\r\n" % (ADDRESS, subject))
    if message_id:
        head += "Message-ID: <%s>\r\n" % message_id
    return (head + 'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n'
            "--cut\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--cut\r\n"
            'Content-Type: %s; name="%s"\r\nContent-Transfer-Encoding: base64'
            "\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n"
            % (kind, name, name)).encode() + base64.encodebytes(
                content).replace(b"\n", b"\r\n") + b"--cut--\r\n"


def send(house, content, to=ADDRESS, sender="noreply@reporter.test"):
    """The queue id."""
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        s.ehlo("reporter.test")
        assert s.mail(sender)[0] == 250
        code, text = s.rcpt(to)
        assert code == 250, text
        code, text = s.data(content)
        assert code == 250, text
    return text.decode().split()[-1]


def stored(house, queue_id):
    """The report that this mail brought, as list has it; waits for it."""
    line = re.compile(r"%s: to=.*report ([0-9a-f]{12}) " % queue_id)

    def there():
        found = line.search(house.log())
        return found.group(1) if found else None
    there.__doc__ = "in the log: the report of " + queue_id
    return wait_until(there)


def listed(house, *args):
    return house.json("report", "list", *args)["reports"]


def show(house, key):
    return house.json("report", "show", key)


def bring(house, content, **more):
    return show(house, stored(house, send(house, content, **more)))


# ---- what is read ----

@pytest.mark.parametrize("pack, kind", [
    (gzip.compress, "application/gzip"), (zipped, "application/zip"),
    (zipped, "application/octet-stream"), (bytes, "text/xml")])
def test_an_aggregate_report_is_kept(house, pack, kind):
    report_id = "kept %s %s" % (pack.__name__, kind)
    auth = ("<dkim><domain>bulk.test</domain><selector>s1</selector><result>"
            "pass</result></dkim><spf><domain>bulk.test</domain><result>pass"
            "</result></spf>")
    r = bring(house, mail(pack(aggregate(report_id, row(auth=auth))),
                          kind, "r.xml"))
    assert (r["kind"], r["id"], r["reporter"], r["domain"]) == (
        "dmarc", report_id, "Reporter Inc.", DOMAIN)
    assert (r["begin"], r["end"]) == (1795219200, 1795305599)
    assert r["mail_recipient"] == ADDRESS
    one, = r["dmarc"]["rows"]
    assert (one["source"], one["count"], one["header_from"]) == (
        "192.0.2.5", 120, DOMAIN)
    assert [(a["method"], a["domain"], a["result"]) for a in one["auth"]] == [
        ("dkim", "bulk.test", "pass"), ("spf", "bulk.test", "pass")]
    text = house.posthouse("report", "show", r["key"][:12])
    assert "192.0.2.5: 120 as %s, DKIM fail, SPF fail, none" % DOMAIN in text
    # What comes from mynetworks is not checked, so nothing vouches for it.
    assert r["mail_dmarc"] == "" and "anybody may have written it" in text
    assert house.json("report", "summary")["unproved"] > 0


def test_a_tls_report_is_kept(house):
    r = bring(house, mail(gzip.compress(tls_report("t1")),
                          "application/tlsrpt+gzip", "r.json.gz"),
              to="tls@" + DOMAIN)
    assert (r["kind"], r["reporter"]) == ("tls", "TLS Co")
    policy, = r["tls"]["policies"]
    assert (policy["passed"], policy["failed"]) == (40, 2)
    assert policy["failures"][0]["result"] == "certificate-expired"
    assert "renew it" in house.posthouse("report", "show", r["key"])
    summary = house.json("report", "summary", "--kind", "tls")
    failure = next(f for f in summary["tls_failures"]
                   if f["domain"] == DOMAIN)
    assert (failure["result"], failure["sessions"]) == (
        "certificate-expired", 2)


def test_a_complaint_is_joined_to_the_trace(house):
    """About a message that went through this house, by its Received line."""
    queue_id = send(house, b"From: user0@reports.test\r\nSubject: buy\r\n"
                    b"Message-ID: <buy@reports.test>\r\n\r\nnow\r\n",
                    to=house.user())
    house.wait_empty_queue()
    pop = poplib.POP3("127.0.0.1", house.pop3, timeout=60)
    pop.stls(house.tls())
    pop.user(house.user())
    pop.pass_("secret")
    original = b"\r\n".join(pop.retr(1)[1]) + b"\r\n"
    pop.quit()
    complaint = (b"From: fbl@isp.test\r\nContent-Type: multipart/report; "
                 b"report-type=feedback-report; boundary=b\r\n\r\n--b\r\n"
                 b"Content-Type: message/feedback-report\r\n\r\n"
                 b"Feedback-Type: abuse\r\nVersion: 1\r\n"
                 b"Source-IP: 192.0.2.9\r\n\r\n--b\r\n"
                 b"Content-Type: message/rfc822\r\n\r\n" + original +
                 b"--b--\r\n")
    r = bring(house, complaint)
    assert (r["kind"], r["reporter"], r["arf"]["type"]) == (
        "arf", "isp.test", "abuse")
    assert r["arf"]["queue_id"] == queue_id
    assert r["arf"]["message_id"] == "buy@reports.test"
    text = house.posthouse("report", "show", r["key"])
    assert '"posthouse trace %s"' % queue_id in text
    house.traced(queue_id, "stored")
    one, = house.json("report", "summary", "--kind", "arf")["complaints"]
    assert (one["author"], one["queue_id"]) == ("user0@reports.test", queue_id)


def test_the_same_report_counts_once(house):
    first = bring(house, mail(gzip.compress(aggregate("twice", row()))))
    again = send(house, mail(zipped(aggregate("twice", row())),
                             "application/zip", "other.zip",
                             subject="Another", message_id="x@reporter.test"))
    assert stored(house, again) == first["key"][:12]
    house.logged("%s: to=<%s>, relay=feedback" % (again, ADDRESS))
    assert "is known already" in next(
        line for line in house.log().splitlines()
        if again in line and "relay=feedback" in line)
    assert [r["report_id"] for r in listed(house)].count("twice") == 1
    other = bring(house, mail(gzip.compress(
        aggregate("twice", row(), reporter="Another Inc."))))
    assert other["key"] != first["key"]


def test_the_summary_says_who_sends_and_what_to_do(house):
    domain = "summary." + DOMAIN
    spf = "<spf><domain>crm.test</domain><result>pass</result></spf>"
    signed = ("<dkim><domain>%s</domain><selector>s</selector><result>fail"
              "</result></dkim>" % domain)
    rows = [row("192.0.2.5", 120, auth=spf, header_from=domain),
            row("192.0.2.6", 7, header_from=domain, disposition="reject"),
            row("192.0.2.7", 900, dkim="pass", header_from=domain),
            row("192.0.2.8", 3, header_from=domain, auth=signed,
                reason="<reason><type>mailing_list</type></reason>"),
            row("127.0.0.1", 11, header_from=domain)]
    send(house, mail(gzip.compress(aggregate("s1", *rows, domain=domain))))
    stored(house, send(house, mail(gzip.compress(aggregate(
        "s2", row("192.0.2.5", 30, auth=spf, header_from=domain),
        domain=domain, reporter="Another Inc.")))))

    def both():
        """two reports about the domain"""
        return len(listed(house, "--domain", domain)) == 2
    wait_until(both)
    d, = house.json("report", "summary", "--domain", domain)["domains"]
    assert (d["domain"], d["reports"], d["passed"], d["failed"]) == (
        domain, 2, 900, 171)
    assert [(s["source"], s["messages"], s["failed"], s["own"], s["advice"])
            for s in d["sources"]] == [
        ("192.0.2.5", 150, 150, False, "other-domain"),
        ("127.0.0.1", 11, 11, True, "own-unsigned"),
        ("192.0.2.6", 7, 7, False, "unknown-sender"),
        ("192.0.2.8", 3, 3, False, "forwarded"),
        ("192.0.2.7", 900, 0, False, "fine")]
    text = house.posthouse("report", "summary", "--domain", domain)
    assert ("192.0.2.5 sent 150 messages as %s; all failed; SPF passed for "
            "crm.test, which is not aligned" % domain) in text
    assert "127.0.0.1 (this house) sent 11 messages" in text
    assert "have it sign as %s" % domain in text


def test_what_was_ours_and_what_was_not(house):
    """Rows carry no ids: they are joined by address and by our keys."""
    domain = "joined.test"
    house.posthouse("dkim", "new", domain, "--selector", "ours", "--type",
                    "ed25519")

    def signed(selector, result, d=domain):
        return ("<dkim><domain>%s</domain><selector>%s</selector><result>%s"
                "</result></dkim>" % (d, selector, result))
    rows = [
        # this host, by its address, and one behind the NAT
        row("127.0.0.1", 5, header_from=domain),
        row("198.51.100.7", 7, header_from=domain, disposition="reject"),
        # forwarded by another host, with our signature: ours
        row("203.0.113.1", 11, dkim="pass", header_from=domain,
            auth=signed("ours", "pass")),
        # changed on its way; a selector that we do not have is anybody's
        row("203.0.113.2", 13, header_from=domain, disposition="quarantine",
            auth=signed("ours", "fail")),
        row("203.0.113.3", 17, header_from=domain, disposition="reject",
            auth=signed("theirs", "fail")),
        # names that are no names of keys
        row("203.0.113.4", 19, header_from=domain, disposition="quarantine",
            auth=signed("../joined.test/ours", "fail") +
            signed("ours", "pass", "joined.test/../joined.test")),
        row("203.0.113.5", 23, header_from=domain),
        # a service that has a key of its own
        row("203.0.113.6", 29, dkim="pass", header_from=domain,
            auth=signed("theirs", "pass"))]
    bring(house, mail(gzip.compress(aggregate("j1", *rows, domain=domain))))
    summary = house.json("report", "summary", "--domain", domain)
    d, = summary["domains"]
    for of in (d, summary):
        assert [[of[w][k] for k in ("messages", "failed", "refused",
                                    "quarantined")]
                for w in ("ours", "changed", "others")] == [
            [23, 12, 7, 0], [13, 13, 0, 13], [88, 59, 17, 19]]
    advice = {s["source"]: s["advice"] for s in d["sources"]}
    assert advice["203.0.113.2"] == "forwarded"
    assert advice["203.0.113.3"] == "unknown-sender"
    assert advice["198.51.100.7"] == "own-unsigned"
    text = house.posthouse("report", "summary", "--domain", domain)
    assert ("sent by this house: 23 messages, 12 failed: 7 refused, 0 to "
            "Junk, 5 delivered all the same\n") in text
    assert ("sent by others: 88 messages, 59 failed: 17 refused, 19 to Junk, "
            "23 delivered all the same\n") in text


def test_a_complaint_without_our_line_is_found_by_its_message_id(house):
    """Who complains may send the last header fields alone."""
    queue_id = send(house, b"From: user0@reports.test\r\nSubject: more\r\n"
                    b"Message-ID: <more@reports.test>\r\n\r\nnow\r\n",
                    to=house.user())
    house.wait_empty_queue()
    r = bring(house, b"From: fbl@isp.test\r\nContent-Type: multipart/report; "
              b"report-type=feedback-report; boundary=b\r\n\r\n--b\r\n"
              b"Content-Type: message/feedback-report\r\n\r\n"
              b"Feedback-Type: abuse\r\nVersion: 1\r\nUser-Agent: x\r\n\r\n"
              b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
              b"Return-Path: <user0@reports.test>\r\n"
              b"Message-ID: <more@reports.test>\r\nSubject: more\r\n\r\n"
              b"--b--\r\n")
    assert r["arf"]["queue_id"] == ""
    assert r["arf"]["message_id"] == "more@reports.test"
    text = house.posthouse("report", "show", r["key"])
    assert "posthouse trace 'more@reports.test'" in text

    def found():
        """the trace knows the message by its id"""
        told = house.posthouse("trace", "more@reports.test", check=False)
        return queue_id in told.stdout
    wait_until(found)


def test_filters(house):
    bring(house, mail(gzip.compress(aggregate(
        "f1", row(), domain="below.filter.test"))))
    bring(house, mail(gzip.compress(aggregate(
        "f2", row(), domain="otherfilter.test"))))
    assert [r["report_id"] for r in listed(
        house, "--domain", "filter.test")] == ["f1"]
    assert listed(house, "--domain", "filter.test", "--kind", "tls") == []
    assert [r["report_id"] for r in listed(
        house, "--domain", "filter.test", "--since", "1h")] == ["f1"]
    assert listed(house, "--since", "2026-01-01", "--domain", "filter.test")
    for verb in ("list", "summary"):
        assert house.posthouse("report", verb, "--domain", "none.test") == (
            "no such report was received; without options all that were are "
            "shown\n")
    done = house.posthouse("report", "list", "--kind", "fax", check=False)
    assert done.returncode == 64 and "--kind is one of dmarc" in done.stderr
    done = house.posthouse("report", "show", "f" * 32, check=False)
    assert done.returncode == 66 and "there is no report" in done.stderr
    done = house.posthouse("report", "list", "--since", "never", check=False)
    assert done.returncode == 64


def test_a_long_list_comes_in_pages(house):
    domain = "pages.test"
    keys = []
    folder = os.path.join(house.dir, "feedback")
    first = bring(house, mail(gzip.compress(aggregate(
        "p0", row(), domain=domain))))
    with open(os.path.join(folder, "dmarc-%s.json" % first["key"])) as f:
        text = f.read()
    # As feedback writes them, a minute apart: many come in no time.
    for n in range(60):
        key = "%032x" % (n + 1)
        stamp = first["received"] - 60 * (60 - n)
        path = os.path.join(folder, "dmarc-%s.json" % key)
        with open(path, "w") as f:
            f.write(text.replace('"id":"p0"', '"id":"p-%d"' % n).replace(
                '"received":%d' % first["received"],
                '"received":%d' % stamp))
        os.chown(path, os.stat(folder).st_uid, os.stat(folder).st_gid)
        keys.append(key)
    pages, until = [], []
    while True:
        page = house.json("report", "list", "--domain", domain, "--limit",
                          "25", *until)
        pages.append([r["report_id"] for r in page["reports"]])
        if not page["more"]:
            break
        assert page["found"] > 25 and len(page["reports"]) == 25
        until = ["--until", "@%d" % (page["reports"][0]["received"] - 1)]
    assert sum(reversed(pages), []) == ["p-%d" % n for n in range(60)] + ["p0"]
    text = house.posthouse("report", "list", "--domain", domain, "--limit",
                           "2", check=False)
    assert len(text.stdout.splitlines()) == 2
    assert "only the newest 2 of 61 are shown" in text.stderr
    assert ": 120 messages, 120 failed" in text.stdout
    done = house.posthouse("report", "list", "--limit", "0", check=False)
    assert done.returncode == 64
    # The head is what a list reads: one that is none is named, and the rest
    # is shown.
    damaged = os.path.join(folder, "dmarc-%s.json" % keys[7])
    with open(damaged, "w") as f:
        f.write("{\n")
    done = house.posthouse("report", "list", "--domain", domain, check=False)
    assert damaged in done.stderr and len(done.stdout.splitlines()) == 60
    for key in keys:
        os.unlink(os.path.join(folder, "dmarc-%s.json" % key))


# ---- what cannot be read ----

LAUGHS = (b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
          b'<!ENTITY c "&b;&b;&b;&b;&b;&b;">]><feedback>&c;</feedback>')


@pytest.mark.parametrize("content, why", [
    (mail(gzip.compress(LAUGHS)), "document type"),
    (mail(gzip.compress(b"<feedback>" + b" " * (64 << 20))),
     "feedback_expansion_limit"),
    (mail(zipped(zipped(aggregate("z", row())))), "an archive inside"),
    (mail(gzip.compress(aggregate("half", row()))[:100]), "ends too early"),
    (mail(b"%PDF-1.4", "application/pdf", "r.pdf"), "no report is attached"),
    (b"From: someone@reporter.test\r\nSubject: hello\r\n\r\nhello\r\n",
     "no report is attached")],
    ids=["laughs", "bomb", "nested", "torn", "none", "bare"])
def test_what_cannot_be_read_is_kept_and_not_bounced(house, content, why):
    queue_id = send(house, content, sender=house.user())
    r = show(house, stored(house, queue_id))
    assert r["kind"] == "unreadable" and why in r["reason"], r
    path = os.path.join(house.dir, "feedback",
                        "unreadable-%s.eml" % r["key"])
    with open(path, "rb") as f:
        kept = f.read()
    assert content[:100] in kept and len(kept) <= 256 << 10
    house.wait_empty_queue()
    assert "%s: sender" % queue_id not in house.log()
    assert r["key"] in [x["key"] for x in listed(
        house, "--kind", "unreadable")]
    assert "could not be read" in house.posthouse("report", "summary")


def test_control_characters_do_not_reach_the_terminal(house):
    r = bring(house, mail(gzip.compress(aggregate(
        "esc", row(), reporter="a&#x9b;31m&#x202e;b"))))
    assert r["reporter"] == "a?31m?b"
    text = house.posthouse("report", "show", r["key"])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


# ---- who takes reports ----

def test_only_these_addresses_take_reports(house):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        s.ehlo("reporter.test")
        s.mail("noreply@reporter.test")
        assert s.rcpt("Dmarc@Reports.Test")[0] == 250
        assert s.rcpt("tls+july@" + DOMAIN)[0] == 250
        assert s.rcpt("nobody@" + DOMAIN)[0] == 550
    route = house.posthouse("route", ADDRESS)
    assert "takes reports" in route and "report_recipients" in route
    # A domain that is not ours has no report address of ours.
    assert "takes reports" not in house.posthouse(
        "route", "tls@elsewhere.test", check=False).stdout


def test_an_alias_leads_to_reports_and_a_mailbox(house):
    house.posthouse("alias", "add", "both@" + DOMAIN, ADDRESS, house.user())

    def known():
        """the alias is known: tables are looked at once a second"""
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
            s.ehlo("reporter.test")
            s.mail("noreply@reporter.test")
            return s.rcpt("both@" + DOMAIN)[0] == 250
    wait_until(known)
    queue_id = send(house, mail(gzip.compress(aggregate("alias", row())),
                                subject="to both"), to="both@" + DOMAIN)
    assert show(house, stored(house, queue_id))["id"] == "alias"
    house.wait_empty_queue()
    pop = poplib.POP3("127.0.0.1", house.pop3, timeout=60)
    pop.stls(house.tls())
    pop.user(house.user())
    pop.pass_("secret")
    mails = [b"\n".join(pop.retr(n + 1)[1]) for n in range(pop.stat()[0])]
    pop.quit()
    assert sum(b"Subject: to both" in m for m in mails) == 1


# ---- when it is away, and for how long it is kept ----

def test_reports_wait_while_feedback_is_away(house):
    house.posthouse("service", "stop", "feedback")
    queue_id = send(house, mail(gzip.compress(aggregate("wait", row()))))

    def waits():
        """queue why names the agent"""
        why = house.posthouse("queue", "why", queue_id, check=False)
        return "feedback" in why.stdout
    wait_until(waits)
    house.posthouse("service", "start", "feedback")
    house.posthouse("queue", "flush", "ALL", check=False)
    assert show(house, stored(house, queue_id))["id"] == "wait"


def test_what_was_not_written_is_no_report(house):
    """A queue file that changes after the queue manager has taken it, or is
    exchanged for another message's, is set aside and not read."""
    house.posthouse("service", "stop", "feedback")
    ids = [send(house, mail(gzip.compress(aggregate(name, row()))))
           for name in ("torn", "first", "second")]
    wait_until(lambda: {m["id"] for m in house.queue()["messages"]} >=
               set(ids))
    paths = {os.path.basename(p): p for p in house.queue_files()}
    with open(paths[ids[0]], "r+b") as f:
        f.seek(4096 + 3)
        f.write(b"\xf7")
    os.rename(paths[ids[1]], paths[ids[2]])
    house.posthouse("service", "start", "feedback")
    aside = [os.path.join(house.dir, "spool", "corrupt", i)
             for i in (ids[0], ids[2])]

    def set_aside():
        """both files in corrupt/"""
        house.posthouse("queue", "flush", "ALL", check=False)
        return all(os.path.exists(a) for a in aside)
    wait_until(set_aside, 60, 0.5)
    for queue_id, why in ((ids[0], "wrong checksum"),
                          (ids[2], "it is another message's file")):
        assert re.search("%s: to=<.*status=deferred .*%s" % (queue_id, why),
                         house.log()), queue_id
    house.wait_empty_queue()
    assert not {"torn", "first", "second"} & {
        show(house, r["key"])["id"] for r in listed(house)}


def test_a_folder_that_cannot_be_written_loses_nothing(house):
    folder = os.path.join(house.dir, "feedback")
    os.chmod(folder, 0o500)
    try:
        queue_id = send(house, mail(gzip.compress(aggregate("disk", row()))))
        house.logged("%s: the report cannot be stored" % queue_id)
        assert any(m["id"] == queue_id for m in house.queue()["messages"])
    finally:
        os.chmod(folder, 0o700)
    house.posthouse("queue", "flush", queue_id, check=False)
    assert show(house, stored(house, queue_id))["id"] == "disk"
    assert not [n for n in os.listdir(folder) if n.startswith(".")]


def test_lifetime_and_room():
    settings = {"report_recipients": ADDRESS, "feedback_lifetime": "1d",
                "feedback_storage_limit": "1M",
                "feedback_message_size_limit": "512K"}
    with House(domain=DOMAIN, users=1, settings=settings) as h:
        folder = os.path.join(h.dir, "feedback")
        old = bring(h, mail(gzip.compress(aggregate("old", row()))))
        new = bring(h, mail(gzip.compress(aggregate("new", row()))))
        path = os.path.join(folder, "dmarc-%s.json" % old["key"])
        with open(path) as f:
            text = f.read()
        stamp = old["received"] - 2 * 86400
        with open(path, "w") as f:
            f.write(text.replace('"received":%d' % old["received"],
                                 '"received":%d' % stamp))
        os.utime(path, (stamp, stamp))
        assert [r["key"] for r in listed(h)] == [new["key"]]
        # A new process looks through the folder.
        h.posthouse("service", "restart", "feedback")
        bring(h, mail(gzip.compress(aggregate("newer", row()))))
        wait_until(lambda: not os.path.exists(path))
        # Beyond the limit unreadable ones go first, and reports stay.
        for n in range(8):
            last = bring(h, mail(os.urandom(300 << 10), "application/gzip",
                                 "%d.gz" % n))
        assert last["kind"] == "unreadable"
        h.logged("removed for room: feedback_storage_limit")

        def small():
            """the folder is within its limit"""
            return sum(os.path.getsize(os.path.join(folder, n))
                       for n in os.listdir(folder)) <= 1 << 20
        wait_until(small)
        assert {"new", "newer"} <= {r["report_id"] for r in listed(h)}
        # A mail that is too large is not read.
        large = bring(h, mail(os.urandom(600 << 10)))
        assert "feedback_message_size_limit" in large["reason"]
