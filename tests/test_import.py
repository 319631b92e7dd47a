"""posthouse conf import: a Postfix set-up as it is found, told line by line,
and carried over so that it starts and takes mail."""
import json
import os
import shutil
import smtplib
import subprocess
import tempfile

import pytest

import house
from house import House, POSTHOUSE, wait_until

# Each line with what the report has to say about it: lists of (verdict, what
# begins so, what it becomes, a word of the note). "" for a line without one.
MAIN = [
    ("# A mail server for two virtual domains and a relay.", []),
    ("compatibility_level = 3.6", [("ignored", "compatibility_level = 3.6", "", "Postfix's own")]),
    ("", []),
    ("myhostname = mail.example.org",
     [("same", "myhostname = mail.example.org", "", "")]),
    ("mydomain = example.org", [("same", "mydomain =", "", "")]),
    ("myorigin = $mydomain", [("same", "myorigin = $mydomain", "", "")]),
    ("mydestination = $myhostname, localhost.$mydomain,", [
        ("translated", "mydestination: mail.example.org",
         "domains: mail.example.org local", "users of the system"),
        ("translated", "mydestination: localhost.example.org",
         "domains: localhost.example.org local", "")]),
    ("    # a comment within",  []),
    ("    localhost",
     [("translated", "mydestination: localhost",
       "domains: localhost local", "")]),
    ("mynetworks = 127.0.0.0/8 [::1]/128 10.1.0.0/16",
     [("same", "mynetworks =", "", "")]),
    ("inet_interfaces = all", [("same", "inet_interfaces = all", "", "")]),
    ("inet_protocols = ipv4",
     [("translated", "inet_protocols = ipv4", "inet_interfaces = 0.0.0.0", "")]),
    ("recipient_delimiter = +", [("same", "recipient_delimiter = +", "", "")]),
    ("message_size_limit = 52428800",
     [("same", "message_size_limit = 52428800", "", "")]),
    ("mailbox_size_limit = 0",
     [("translated", "mailbox_size_limit = 0", "default_quota_storage = 0", "")]),
    ("maximal_queue_lifetime = 4",
     [("translated", "maximal_queue_lifetime = 4",
       "maximal_queue_lifetime = 4d", "seconds")]),
    ("delay_warning_time = 4h", [("same", "delay_warning_time = 4h", "", "")]),
    ("biff = no", [("unsupported", "biff = no", "", "mailbox store")]),
    ("smtpd_banner = $myhostname ESMTP",
     [("ignored", "smtpd_banner =", "", "greeting")]),
    ("disable_vrfy_command = yes",
     [("built in", "disable_vrfy_command = yes", "", "VRFY")]),
    ("smtpd_helo_required = yes",
     [("built in", "smtpd_helo_required = yes", "", "503")]),
    ("smtpd_delay_reject = no",
     [("unsupported", "smtpd_delay_reject = no", "", "always so")]),
    ("strict_rfc821_envelopes = yes",
     [("ignored", "strict_rfc821_envelopes = yes", "", "")]),
    ("", []),
    ("smtpd_tls_cert_file = /etc/ssl/certs/mail.pem",
     [("translated", "smtpd_tls_cert_file =", "smtpd_tls_chain_files", "")]),
    ("smtpd_tls_key_file = /etc/ssl/private/mail.key",
     [("translated", "smtpd_tls_key_file =", "smtpd_tls_chain_files", "")]),
    ("smtpd_use_tls = yes",
     [("ignored", "smtpd_use_tls = yes", "", "smtpd_tls_security_level")]),
    ("smtpd_tls_security_level = may",
     [("same", "smtpd_tls_security_level = may", "", "")]),
    ("smtpd_tls_auth_only = yes",
     [("built in", "smtpd_tls_auth_only = yes", "", "TLS")]),
    ("smtpd_tls_protocols = !SSLv2, !SSLv3, !TLSv1",
     [("translated", "smtpd_tls_protocols =",
       "smtpd_tls_protocols = >=TLSv1.2", "range")]),
    ("smtpd_tls_mandatory_protocols = >=TLSv1.2",
     [("ignored", "smtpd_tls_mandatory_protocols =", "", "counts")]),
    ("smtpd_tls_session_cache_database = btree:${data_directory}/smtpd_scache",
     [("ignored", "smtpd_tls_session_cache_database =", "", "")]),
    ("smtp_tls_security_level = dane",
     [("translated", "smtp_tls_security_level = dane",
       "smtp_tls_security_level = may", "DANE")]),
    ("smtp_tls_policy_maps = hash:/etc/postfix/tls_policy",
     [("unsupported", "smtp_tls_policy_maps =", "", "all destinations")]),
    ("", []),
    ("# the provider takes our mail, with a password",
     []),
    ("relayhost = [smtp.provider.test]:587",
     [("same", "relayhost = [smtp.provider.test]:587", "", "")]),
    ("smtp_sasl_auth_enable = yes",
     [("unsupported", "smtp_sasl_auth_enable = yes", "", "log in")]),
    ("smtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd",
     [("unsupported", "smtp_sasl_password_maps =", "", "log in")]),
    ("smtp_sasl_security_options = noanonymous",
     [("unsupported", "smtp_sasl_security_options =", "", "log in")]),
    ("sender_canonical_maps = tcp:localhost:10001",
     [("built in", "sender_canonical_maps = tcp:localhost:10001", "",
       "srs_secrets")]),
    ("recipient_canonical_maps = hash:/etc/postfix/recipient_canonical",
     [("unsupported", "recipient_canonical_maps =", "", "not rewritten")]),
    ("sender_dependent_relayhost_maps = hash:/etc/postfix/sender_relay",
     [("unsupported", "sender_dependent_relayhost_maps =", "", "recipient")]),
    ("", []),
    ("virtual_mailbox_domains = example.org example.net",
     [("translated", "virtual_mailbox_domains: example.org",
       "domains: example.org mailbox", ""),
      ("translated", "virtual_mailbox_domains: example.net",
       "domains: example.net mailbox", "")]),
    ("virtual_mailbox_base = /var/mail/vhosts",
     [("ignored", "virtual_mailbox_base =", "", "one store")]),
    ("virtual_mailbox_maps = hash:/etc/postfix/vmailbox",
     [("translated", "virtual_mailbox_maps: hash:/etc/postfix/vmailbox",
       "users: 3 mailboxes", "IMAP")]),
    ("virtual_uid_maps = static:5000",
     [("ignored", "virtual_uid_maps =", "", "")]),
    ("virtual_transport = lmtp:unix:private/dovecot-lmtp",
     [("translated", "virtual_transport =", "virtual_transport = local", "")]),
    ("virtual_alias_domains = hash:/etc/postfix/alias_domains",
     [("translated", "virtual_alias_domains: hash:", "domains: 1 as alias", "")]),
    ("virtual_alias_maps = hash:/etc/postfix/virtual,",
     [("translated", "virtual_alias_maps: hash:", "aliases: 3", "")]),
    ("    regexp:/etc/postfix/virtual_regexp",
     [("translated", "virtual_alias_maps: regexp:",
       "virtual_alias_maps = ... pcre:postfix-virtual_regexp", "Perl")]),
    ("    mysql:/etc/postfix/mysql-virtual.cf",
     [("unsupported", "virtual_alias_maps: mysql:", "", "text table")]),
    ("alias_maps = hash:/etc/postfix/aliases",
     [("translated", "alias_maps: hash:", "aliases: 2", "")]),
    ("alias_database = hash:/etc/postfix/aliases",
     [("ignored", "alias_database =", "", "")]),
    ("relay_domains = backup.test",
     [("translated", "relay_domains: backup.test",
       "domains: backup.test relay", "")]),
    ("relay_recipient_maps = hash:/etc/postfix/relay_recipients",
     [("translated", "relay_recipient_maps: hash:",
       "relay_recipient_maps = hash:postfix-relay_recipients", "copy")]),
    ("transport_maps = hash:/etc/postfix/transport",
     [("translated", "transport_maps: hash:",
       "transport_maps = hash:postfix-transport", "copy")]),
    ("", []),
    ("smtpd_restriction_classes = greylist",
     [("unsupported", "smtpd_restriction_classes = greylist", "", "")]),
    ("greylist = check_policy_service unix:private/postgrey",
     [("unsupported", "class greylist: check_policy_service unix:private/"
       "postgrey", "", "policyd")]),
    ("bl_host = zen.spamhaus.example",
     [("macro", "bl_host = zen.spamhaus.example", "", "")]),
    ("smtpd_relay_restrictions = permit_mynetworks",
     [("built in", "smtpd_relay_restrictions: permit_mynetworks", "", "")]),
    ("    permit_sasl_authenticated",
     [("built in", "smtpd_relay_restrictions: permit_sasl_authenticated", "", "")]),
    ("    defer_unauth_destination",
     [("built in", "smtpd_relay_restrictions: defer_unauth_destination", "", "")]),
    ("smtpd_recipient_restrictions =", []),
    ("  reject_non_fqdn_recipient,",
     [("ignored", "smtpd_recipient_restrictions: reject_non_fqdn_recipient", "", "")]),
    ("  reject_unknown_sender_domain,",
     [("unsupported", "smtpd_recipient_restrictions: "
       "reject_unknown_sender_domain", "", "senders")]),
    ("  permit_mynetworks, permit_sasl_authenticated,",
     [("built in", "smtpd_recipient_restrictions: permit_mynetworks", "", ""),
      ("built in", "smtpd_recipient_restrictions: permit_sasl_authenticated", "", "")]),
    ("  check_recipient_access hash:/etc/postfix/recipient_access,",
     [("unsupported", "smtpd_recipient_restrictions: check_recipient_access "
       "hash:/etc/postfix/recipient_access", "", "transport_maps")]),
    ("  reject_rbl_client $bl_host,",
     [("translated", "smtpd_recipient_restrictions: reject_rbl_client "
       "zen.spamhaus.example", "postscreen_dnsbl_sites = zen.spamhaus.example", "")]),
    ("  warn_if_reject reject_rbl_client bl.trial.example,",
     [("ignored", "smtpd_recipient_restrictions: warn_if_reject", "", ""),
      ("ignored", "smtpd_recipient_restrictions: reject_rbl_client "
       "bl.trial.example", "", "only warned")]),
    ("  greylist",
     [("unsupported", "smtpd_recipient_restrictions: greylist", "", "class")]),
    ("  reject_unknown_recipent_domain",
     [("unknown", "smtpd_recipient_restrictions: "
       "reject_unknown_recipent_domain", "", "no such restriction")]),
    ("smtpd_sasl_auth_enable = yes",
     [("built in", "smtpd_sasl_auth_enable = yes", "", "submission")]),
    ("smtpd_sasl_type = dovecot",
     [("unsupported", "smtpd_sasl_type = dovecot", "", "passwords")]),
    ("smtpd_sasl_path = private/auth",
     [("unsupported", "smtpd_sasl_path = private/auth", "", "passwords")]),
    ("smtpd_milters = inet:127.0.0.1:8891",
     [("unsupported", "smtpd_milters =", "",
       "what OpenDKIM, OpenARC and OpenDMARC do is built in")]),
    ("non_smtpd_milters = $smtpd_milters",
     [("unsupported", "non_smtpd_milters =", "", "posthouse dkim new")]),
    ("milter_default_action = accept",
     [("unsupported", "milter_default_action =", "", "milters")]),
    ("header_checks = pcre:/etc/postfix/header_checks",
     [("unsupported", "header_checks =", "", "tables")]),
    ("postscreen_blacklist_action = drop",
     [("translated", "postscreen_blacklist_action = drop",
       "postscreen_denylist_action = drop", "former name")]),
    ("smtp_destination_concurrency_limit = 10",
     [("same", "smtp_destination_concurrency_limit = 10", "", "")]),
    ("dovecot_destination_recipient_limit = 1",
     [("same", "dovecot_destination_recipient_limit = 1", "", "")]),
    ("smtpd_recipient_limit = 5000000",
     [("unsupported", "smtpd_recipient_limit = 5000000", "", "100000")]),
    ("mesage_size_limit = 1",
     [("unknown", "mesage_size_limit = 1", "", "message_size_limit?")]),
    ("mua_client_restrictions = permit_sasl_authenticated, reject",
     [("macro", "mua_client_restrictions =", "", "")]),
    ("smtpd_tls_loglevel = 2",
     [("ignored", "smtpd_tls_loglevel = 2", "", "below, which counts")]),
    ("smtpd_tls_loglevel = 1",
     [("ignored", "smtpd_tls_loglevel = 1", "", "itself")]),
]

MASTER = [
    ("# service type private unpriv chroot wakeup maxproc command", []),
    ("smtp      inet  n       -       y       -       50       smtpd",
     [("translated", "smtp/inet smtpd", "smtp inet screen", "screen")]),
    ("submission inet n       -       y       -       -       smtpd",
     [("translated", "submission/inet smtpd",
       "submission inet smtpd -r submission", "")]),
    ("  -o syslog_name=postfix/submission",
     [("ignored", "submission/inet: -o syslog_name=", "", "")]),
    ("  -o smtpd_tls_security_level=encrypt",
     [("built in", "submission/inet: -o smtpd_tls_security_level=encrypt", "", "")]),
    ("  -o smtpd_sasl_auth_enable=yes",
     [("built in", "submission/inet: -o smtpd_sasl_auth_enable=yes", "", "")]),
    ("  -o smtpd_client_restrictions=$mua_client_restrictions",
     [("built in", "smtpd_client_restrictions: permit_sasl_authenticated", "", ""),
      ("built in", "smtpd_client_restrictions: reject", "", "logged in")]),
    ("  -o { smtpd_recipient_limit = 200 }",
     [("same", "submission/inet: -o smtpd_recipient_limit=200", "", "")]),
    ("  -o milter_macro_daemon_name=ORIGINATING",
     [("unsupported", "submission/inet: -o milter_macro_daemon_name=", "", "")]),
    ("465       inet  n       -       y       -       -       smtpd -v",
     [("translated", "465/inet smtpd", "465 inet smtpd -r submission", ""),
      ("ignored", "465/inet: -v", "", "")]),
    ("  -o smtpd_tls_wrappermode=yes",
     [("same", "465/inet: -o smtpd_tls_wrappermode=yes", "", "")]),
    ("pickup    unix  n       -       y       60      1       pickup",
     [("built in", "pickup/unix pickup", "", "pickup")]),
    ("rewrite   unix  -       -       y       -       -       trivial-rewrite",
     [("built in", "rewrite/unix trivial-rewrite", "", "lookup")]),
    ("relay     unix  -       -       y       -       -       smtp",
     [("built in", "relay/unix smtp", "", "")]),
    ("  -o smtp_helo_timeout=5s",
     [("unsupported", "relay/unix: -o smtp_helo_timeout=5s", "", "one smtp")]),
    ("tlsmgr    unix  -       -       y       1000?   1       tlsmgr",
     [("ignored", "tlsmgr/unix tlsmgr", "", "")]),
    ("mailman   unix  -       n       n       -       -       pipe",
     [("unsupported", "mailman/unix pipe", "", "LMTP")]),
    ("  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py",
     []),
    ("policy unix - n n - 0 spawn user=nobody argv=/usr/bin/policyd-spf",
     [("unsupported", "policy/unix spawn", "", "policy")]),
    ("odd row", [("unknown", "odd row", "", "eight columns")]),
]

TABLES = {
    "vmailbox": "anna@example.org example.org/anna/\n"
                "bert@example.org example.org/bert/\n"
                "carl@example.net example.net/carl/\n"
                "@example.net example.net/rest/\n",
    "alias_domains": "example.com anything\n",
    "virtual": "# who\ninfo@example.org anna@example.org,\n"
               "    bert@example.org\n"
               "@example.com anna@example.org\n"
               "root anna@example.org\n",
    "virtual_regexp": "/^sales-.*@example\\.org$/ anna@example.org\n",
    "aliases": "postmaster: root\n"
               "list: \"|/usr/lib/mailman/mail\"\n"
               "abuse: root, :include:/etc/abuse\n",
    "relay_recipients": "x@backup.test ok\n",
    "transport": "backup.test smtp:[10.0.0.9]\n"
                 "lists.example.org mailman:\n"
                 "old.example.org discard:\n"
                 "vm.example.org virtual:\n",
}
TABLE_FINDINGS = {
    ("vmailbox", 4): ("unsupported", "mailbox of @example.net"),
    ("aliases", 2): ("unsupported", "alias list: |/usr/lib/mailman/mail"),
    ("aliases", 3): ("unsupported", "alias abuse: :include:/etc/abuse"),
    ("transport", 2): ("unsupported", "transport of lists.example.org: mailman:"),
    ("transport", 3): ("unsupported", "transport of old.example.org: discard:"),
}
UNSET = {  # defaults that differ and are carried over, or only told
    "header_size_limit": "header_size_limit is not set: 102400 there, 1M here",
    "virtual_alias_recursion_limit":
        "virtual_alias_recursion_limit is not set: 1000 there, 100 here",
}


def write_postfix(directory, main, master, tables):
    os.makedirs(directory, exist_ok=True)
    for name, text in [("main.cf", main), ("master.cf", master),
                       *tables.items()]:
        with open(os.path.join(directory, name), "w") as f:
            f.write(text)


@pytest.fixture(scope="module")
def postfix(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("postfix"))
    write_postfix(directory, "\n".join(l for l, _ in MAIN) + "\n",
                  "\n".join(l for l, _ in MASTER) + "\n", TABLES)
    return directory


def run(*args, check=True):
    done = subprocess.run([POSTHOUSE, *args], capture_output=True, text=True,
                          timeout=60)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def report(postfix):
    return json.loads(run("--json", "conf", "import", postfix).stdout)


def findings_of(report, path, line):
    return [f for f in report["findings"]
            if f["file"] == path and f["line"] == line]


def compare(found, expected, where):
    told = [(f["verdict"], f["what"], f["to"], f["note"]) for f in found]
    assert len(found) == len(expected), (where, told)
    for f, (verdict, what, to, note) in zip(found, expected):
        assert f["verdict"] == verdict, (where, told)
        assert f["what"].startswith(what), (where, told)
        assert f["to"] == to, (where, told)
        assert note in f["note"], (where, told)


@pytest.mark.parametrize("name,rows", [("main.cf", MAIN),
                                       ("master.cf", MASTER)])
def test_report_is_right_line_by_line(postfix, report, name, rows):
    path = os.path.join(postfix, name)
    for number, (line, expected) in enumerate(rows, 1):
        compare(findings_of(report, path, number), expected,
                (name, number, line))


def test_rows_of_tables_are_told_with_their_line(postfix, report):
    told = {(os.path.basename(f["file"]), f["line"]): (f["verdict"], f["what"])
            for f in report["findings"]
            if os.path.basename(f["file"]) in TABLES}
    assert told == TABLE_FINDINGS


def test_defaults_that_differ_are_told(report):
    told = {f["what"].split()[0]: f["what"] for f in report["findings"]
            if f["verdict"] == "default differs"}
    for name, what in UNSET.items():
        assert told.get(name) == what, told
    # What is set, and what is alike, is not told.
    assert "recipient_delimiter" not in told and "smtpd_timeout" not in told


def test_every_line_is_told_and_counted(postfix, report):
    for counted, verdict in ((report["counts"][v], v)
                             for v in report["counts"]):
        assert counted == sum(f["verdict"] == verdict
                              for f in report["findings"])
    text = run("conf", "import", postfix).stdout
    assert text.count("\n") >= len(report["findings"])
    assert ("%s/main.cf:4: same: myhostname = mail.example.org"
            % postfix) in text


def test_written_directory_has_what_was_carried_over(postfix, tmp_path):
    target = str(tmp_path / "new")
    run("conf", "import", postfix, "--write", target)

    def text(name):
        with open(os.path.join(target, name)) as f:
            return f.read()
    main = text("main.cf")
    for line in ("myhostname = mail.example.org", "myorigin = $mydomain",
                 "maximal_queue_lifetime = 4d",
                 "smtpd_tls_chain_files = /etc/ssl/private/mail.key "
                 "/etc/ssl/certs/mail.pem",
                 "login_tls_chain_files = $smtpd_tls_chain_files",
                 "postscreen_dnsbl_sites = zen.spamhaus.example",
                 "virtual_alias_maps = hash:aliases "
                 "pcre:postfix-virtual_regexp",
                 "inet_interfaces = 0.0.0.0",
                 "# not carried over (main.cf:38): smtp_sasl_auth_enable = yes"):
        assert line in main.splitlines(), main
    # Our own check finds nothing wrong with it but files that are not here.
    done = run("-c", target, "conf", "check", check=False)
    assert done.returncode == 0, done.stderr
    domains = dict(l.split() for l in text("domains").splitlines())
    assert domains == {
        "mail.example.org": "local", "localhost.example.org": "local",
        "localhost": "local", "example.org": "mailbox",
        "example.net": "mailbox", "example.com": "alias",
        "backup.test": "relay"}
    assert text("users").split() == ["anna@example.org", "bert@example.org",
                                     "carl@example.net"]
    aliases = text("aliases").splitlines()
    assert "info@example.org anna@example.org, bert@example.org" in aliases
    assert "@example.com anna@example.org" in aliases
    assert "root@example.org anna@example.org" in aliases
    assert "postmaster@localhost root" in aliases
    assert not any("mailman" in a or ":include:" in a for a in aliases)
    assert text("postfix-transport") == (
        "backup.test smtp:[10.0.0.9]\nvm.example.org local\n")
    master = text("master.cf")
    assert "smtpd_recipient_limit=200" in master
    assert "smtpd_tls_wrappermode=yes" in master
    assert "lmtp            inet" not in master
    assert os.stat(os.path.join(target, "passwords")).st_mode & 0o007 == 0
    # A second time nothing is written over.
    done = run("conf", "import", postfix, "--write", target, check=False)
    assert done.returncode == 73 and "not empty" in done.stderr


def test_what_postsrsd_was_told_is_carried_over(tmp_path):
    etc, target = tmp_path / "etc", str(tmp_path / "new")
    write_postfix(str(etc / "postfix"), "myhostname = mail.example.org\n"
                  "sender_canonical_maps = tcp:localhost:10001\n"
                  "sender_canonical_classes = envelope_sender\n"
                  "recipient_canonical_maps = tcp:localhost:10002\n", "", {})
    os.mkdir(etc / "default")
    (etc / "default" / "postsrsd").write_text(
        "# a comment\nSRS_DOMAIN=srs.example.org\n"
        "SRS_EXCLUDE_DOMAINS=example.net,.example.com\n"
        'SRS_SECRET="/etc/postsrsd.secret"\nSRS_FORWARD_PORT=10001\n'
        "SRS_HASHLENGTH=5\n#SRS_HASHMIN=4\n")
    (etc / "postsrsd.secret").write_text("newest\nolder\n")
    done = run("conf", "import", str(etc / "postfix"), "--write", target)
    assert "srs_hash_minimum three weeks from now" in done.stdout
    assert "built in: sender_canonical_classes = envelope_sender" in done.stdout
    with open(os.path.join(target, "main.cf")) as f:
        main = f.read().splitlines()
    for line in ("srs_domain = srs.example.org",
                 "srs_exclude_domains = example.net .example.com",
                 "srs_hash_length = 5", "srs_hash_minimum = 4"):
        assert main.count(line) == 1, main
    secrets = os.path.join(target, "srs_secrets")
    with open(secrets) as f:
        assert f.read() == "newest\nolder\n"
    assert os.stat(secrets).st_mode & 0o007 == 0
    assert "newest" not in done.stdout
    done = run("-c", target, "conf", "check", check=False)
    assert done.returncode == 0, done.stderr
    # What cannot be taken over is told, with its line.
    (etc / "default" / "postsrsd").write_text(
        "SRS_DOMAIN=`hostname`\nSRS_SECRET=/etc/none\nSRS_HASHMIN=2\n")
    told = json.loads(run("--json", "conf", "import",
                          str(etc / "postfix")).stdout)["findings"]
    assert [f["line"] for f in told if f["verdict"] == "unsupported" and
            f["file"].endswith("default/postsrsd")] == [1, 2, 3]


def test_no_postfix_there():
    done = run("conf", "import", "/nowhere", check=False)
    assert done.returncode == 66
    assert "/nowhere/main.cf: No such file" in done.stderr


def test_all_parameters_of_postfix_are_known(tmp_path):
    """Where Postfix is installed: what it has, we know."""
    postconf = shutil.which("postconf", path="/usr/sbin:/usr/bin")
    if postconf is None:
        pytest.skip("no postconf(1) here")
    names = [line.split(" =")[0] for line in subprocess.run(
        [postconf, "-d"], capture_output=True, text=True).stdout.splitlines()]
    write_postfix(str(tmp_path), "".join(
        "%s = 1\n" % n for n in names if "-" not in n), "", {})
    told = json.loads(run("--json", "conf", "import",
                          str(tmp_path)).stdout)["findings"]
    unknown = [f["what"] for f in told if f["verdict"] == "unknown"]
    # time limits of pipe transports belong to master.cf's own names
    assert not unknown
    assert len(names) > 900


def test_imported_directory_starts_and_takes_mail():
    """What is imported runs: checked, started, and a message goes through."""
    with House(start=False) as h:
        old = os.path.join(h.dir, "postfix")
        chain = os.path.join(h.etc, "chain.pem")
        write_postfix(
            old,
            "myhostname = mail.%s\nmydestination =\n"
            "virtual_mailbox_domains = %s\n"
            "virtual_mailbox_maps = hash:%s/vmailbox\n"
            "virtual_alias_maps = hash:%s/virtual\n"
            "inet_interfaces = 127.0.0.1\n"
            "smtpd_tls_cert_file = %s\nsmtpd_tls_key_file = %s\n"
            "smtpd_relay_restrictions = permit_mynetworks, "
            "reject_unauth_destination\n"
            % (h.domain, h.domain, old, old, chain, chain),
            "127.0.0.1:%d inet n - y - - smtpd\n"
            "127.0.0.1:%d inet n - y - - smtpd\n"
            "  -o smtpd_sasl_auth_enable=yes\n" % (h.smtp, h.submission),
            {"vmailbox": "%s x/\n%s y/\n" % (h.user(0), h.user(1)),
             "virtual": "info@%s %s\n" % (h.domain, h.user(1))})
        new = os.path.join(h.dir, "new")
        report = json.loads(h.posthouse("--json", "conf", "import", old,
                                        "--write", new))
        assert report["counts"]["unsupported"] == 0, report
        # What Postfix does not know: where we lie.
        ours = ["%s=%s" % (n, h.posthouse("conf", "get", n).strip()) for n in
                ("queue_directory", "mail_store_directory", "log_directory",
                 "run_directory", "daemon_directory", "dkim_key_directory",
                 "report_directory", "feedback_directory", "policy_directory",
                 "role_uid_base",
                 "dns_servers")]
        rows = [l for l in open(os.path.join(new, "master.cf")).read()
                .splitlines()]
        ports = {"imap": h.imap, "imaps": h.imaps, "pop3": h.pop3,
                 "pop3s": h.pop3s}
        with open(os.path.join(new, "master.cf"), "w") as f:
            for row in rows:
                word = row.split()[0] if row.split() else ""
                if word in ports and " inet " in row:
                    row = row.replace(word, "127.0.0.1:%d" % ports[word], 1)
                f.write(row + "\n")
        shutil.copy(os.path.join(h.etc, "passwords"),
                    os.path.join(new, "passwords"))
        os.rename(h.etc, h.etc + ".old")
        os.rename(new, h.etc)
        text = open(os.path.join(h.etc, "main.cf")).read().replace(
            chain, os.path.join(h.etc, "chain.pem"))
        open(os.path.join(h.etc, "main.cf"), "w").write(text)
        shutil.copy(os.path.join(h.etc + ".old", "chain.pem"),
                    os.path.join(h.etc, "chain.pem"))
        h.posthouse("conf", "set", *ours)
        h.posthouse("check")
        h.start()
        with smtplib.SMTP("127.0.0.1", h.smtp, timeout=30) as s:
            s.sendmail("a@else.test", ["info@" + h.domain],
                       "Subject: carried over\r\n\r\nx\r\n")
        import imaplib

        def arrived():
            """the message in the mailbox of the alias"""
            box = imaplib.IMAP4_SSL("127.0.0.1", h.imaps,
                                    ssl_context=h.tls())
            box.login(h.user(1), h.password)
            count = int(box.select("INBOX")[1][0])
            box.logout()
            return count == 1
        wait_until(arrived)
