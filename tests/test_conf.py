"""posthouse conf: what is set, where it comes from, and how it is changed."""
import os
import shutil

import pytest

from house import House


@pytest.fixture(scope="module")
def house():
    with House() as h:
        yield h


@pytest.fixture
def etc(house, tmp_path):
    """A copy of the configuration, of an instance that does not run."""
    copy = str(tmp_path / "etc")
    shutil.copytree(house.etc, copy)
    house_of = House.__new__(House)
    house_of.__dict__.update(house.__dict__, etc=copy)
    return house_of


def text(h, name="main.cf"):
    with open(os.path.join(h.etc, name)) as f:
        return f.read()


def write(h, name, content):
    with open(os.path.join(h.etc, name), "w") as f:
        f.write(content)


def row_of(h, name):
    return [r for r in h.json("conf", "list") if r["name"] == name][0]


def test_every_value_has_its_origin(etc):
    etc.posthouse("conf", "set", "max_use=77")
    line = text(etc).splitlines().index("max_use = 77") + 1
    assert row_of(etc, "max_use")["origin"].endswith("main.cf:%d" % line)
    assert row_of(etc, "max_idle")["origin"].startswith("default")
    assert "origin:  main.cf:%d" % line in etc.posthouse(
        "conf", "explain", "max_use")
    assert etc.json("conf", "get", "max_use")["origin"].endswith(
        "main.cf:%d" % line)


def test_set_and_unset_keep_everything_else(etc):
    before = "# first\n" + text(etc) + "# between\nmax_idle = 50s\n" \
        "# of the value\n    # within\n# last\n"
    write(etc, "main.cf", before)
    os.chmod(os.path.join(etc.etc, "main.cf"), 0o640)
    said = etc.posthouse("conf", "set", "max_idle=60s")
    assert "max_idle: 50s -> 60s\n" in said and "reload" in said
    assert text(etc) == before.replace("max_idle = 50s", "max_idle = 60s")
    assert os.stat(os.path.join(etc.etc, "main.cf")).st_mode & 0o777 == 0o640
    said = etc.posthouse("conf", "unset", "max_idle")
    assert "max_idle: 60s -> not set\n" in said
    assert text(etc) == before.replace("max_idle = 50s\n", "")
    done = etc.posthouse("conf", "unset", "max_idle", check=False)
    assert done.returncode == 1 and "is not set" in done.stderr


@pytest.mark.parametrize("wrong,word", [
    ("max_idel=60s", "did you mean max_idle?"),
    ("max_idle=soon", "max_idle = soon"),
    ("max_use=0", "max_use"),
    ("max_use", "NAME=VALUE"),
    ("max_idle=$nothing_here", "nothing_here"),
])
def test_what_is_wrong_changes_nothing(etc, wrong, word):
    before = text(etc)
    done = etc.posthouse("conf", "set", "debug_level=1", wrong, check=False)
    assert done.returncode != 0 and word in done.stderr
    assert text(etc) == before




def test_settings_of_a_service(etc):
    """-o of master.cf: set, replaced, removed; the rest stays."""
    name = [l.split()[0] for l in text(etc, "master.cf").splitlines()
            if "-r submission" in l][0]
    service = name + "/inet"
    before = text(etc, "master.cf")
    said = etc.posthouse("conf", "set", service, "smtpd_timeout=20s")
    assert "%s: smtpd_timeout: not set -> 20s\n" % service in said
    row = [l for l in before.splitlines() if l.startswith(name)][0]
    assert row + "\n    -o smtpd_timeout=20s\n" in text(etc, "master.cf")
    etc.posthouse("conf", "set", service, "smtpd_timeout=30s",
                  "smtpd_discard_ehlo_keywords=DSN 8BITMIME")
    now = text(etc, "master.cf")
    assert "-o smtpd_timeout=30s\n" in now and "20s" not in now
    assert "-o { smtpd_discard_ehlo_keywords = DSN 8BITMIME }\n" in now
    etc.posthouse("conf", "unset", service, "smtpd_timeout",
                  "smtpd_discard_ehlo_keywords")
    assert text(etc, "master.cf") == before


def test_an_option_within_a_line_and_one_in_a_comment(etc):
    row = "127.0.0.1:9 inet n - y - - smtpd"
    write(etc, "master.cf", text(etc, "master.cf") + row + (
        " -o smtpd_timeout=20s -o smtpd_recipient_limit=200\n"
        "    # -o smtpd_timeout=1s\n"
        "    -o line_length_limit=1024\n# behind\n"))
    before = text(etc, "master.cf")
    etc.posthouse("conf", "set", "127.0.0.1:9/inet", "smtpd_timeout=5s")
    assert text(etc, "master.cf") == before.replace("=20s", "=5s")
    etc.posthouse("conf", "unset", "127.0.0.1:9/inet", "smtpd_timeout")
    assert text(etc, "master.cf") == before.replace(
        " -o smtpd_timeout=20s", "")


def test_settings_of_a_service_are_checked(etc):
    before = text(etc, "master.cf")
    for args, word in (
            (["pickup/unix", "max_idel=1s"], "did you mean max_idle?"),
            (["pickup/unix", "max_idle=never"], "max_idle"),
            (["nobody/unix", "max_idle=1s"], "no service nobody/unix")):
        done = etc.posthouse("conf", "set", *args, check=False)
        assert done.returncode == 1 and word in done.stderr
    assert text(etc, "master.cf") == before


def test_diff_against_defaults_and_a_directory(etc, house):
    etc.posthouse("conf", "set", "max_use=77")
    rows = {r["name"]: r for r in etc.json("conf", "diff")}
    assert rows["max_use"]["value"] == "77"
    assert rows["max_use"]["default"] == "10000"
    assert "max_idle" not in rows
    rows = etc.json("conf", "diff", "--against", house.etc)
    assert [(r["name"], r["value"], r["there"]) for r in rows] == [
        ("max_use", "77", "10000")]
    assert house.posthouse("conf", "diff", "--against", house.etc) == \
        "nothing differs\n"
    done = etc.posthouse("conf", "diff", "--against", "/nowhere", check=False)
    assert done.returncode == 1 and "/nowhere/main.cf" in done.stderr


def test_diff_against_what_runs(house):
    assert house.posthouse("conf", "diff", "--running") == "nothing differs\n"
    house.posthouse("conf", "set", "max_idle=70s")
    said = house.posthouse("conf", "diff", "--running")
    assert "max_idle = 70s\n" in said and "running (generation 1): 100s" in said
    said = house.posthouse("conf", "unset", "max_idle", "--reload")
    assert "generation 2" in said
    assert house.posthouse("conf", "diff", "--running") == "nothing differs\n"
    said = house.posthouse("conf", "set", "max_idle=70s", "--reload")
    assert "generation 3" in said
    assert house.posthouse("conf", "diff", "--running") == "nothing differs\n"
    house.posthouse("conf", "unset", "max_idle", "--reload")


def test_check_tells_all_at_once(etc):
    with open(os.path.join(etc.etc, "main.cf"), "a") as f:
        f.write("max_idel = 5s\nmax_use = none\nsmtpd_timeout = 0\n")
    count = len(text(etc).splitlines())
    errors = etc.posthouse("conf", "check", check=False).stderr
    for line, word in ((count - 2, "unknown parameter max_idel; did you mean "
                        "max_idle?"),
                       (count - 1, "max_use = none"),
                       (count, "smtpd_timeout = 0")):
        assert "main.cf:%d: %s" % (line, word) in errors


@pytest.mark.parametrize("setting,word", [
    ("mynetworks=127.0.0.0/8 0.0.0.0/0", "open relay"),
    ("mynetworks=127.0.0.0/8 [2000::]/3", "open relay"),
    ("mynetworks=!10.0.0.0/8 0.0.0.0/1", "open relay"),
])
def test_check_finds_an_open_relay(etc, setting, word):
    etc.posthouse("conf", "set", setting)
    done = etc.posthouse("check", check=False)
    assert done.returncode == 1 and word in done.stderr
    line = text(etc).splitlines().index(setting.replace("=", " = ", 1)) + 1
    assert "main.cf:%d: mynetworks trusts" % line in done.stderr
    etc.posthouse("conf", "set", "mynetworks=127.0.0.0/8 10.0.0.0/8")
    assert "relay" not in etc.posthouse("check", check=False).stderr


def test_check_finds_tls_without_a_certificate(etc):
    etc.posthouse("conf", "set", "smtpd_tls_security_level=encrypt")
    assert "encrypt" not in etc.posthouse("check", check=False).stderr
    etc.posthouse("conf", "set", "smtpd_tls_chain_files=")
    done = etc.posthouse("check", check=False)
    assert done.returncode == 1
    assert "smtpd_tls_chain_files names no certificate" in done.stderr


def test_check_looks_at_the_certificate(etc):
    chain = os.path.join(etc.etc, "chain.pem")
    etc.posthouse("conf", "set", "smtpd_tls_chain_files=" + chain)
    said = etc.posthouse("check", check=False).stderr
    assert "certificate" not in said and "private key" not in said
    os.chmod(chain, 0o644)
    done = etc.posthouse("check", check=False)
    assert done.returncode == 1
    assert "chain.pem: mode 0644 lets everybody read the private key" in (
        done.stderr)
    os.chmod(chain, 0o600)
    etc.posthouse("conf", "set", "myhostname=other.example.test")
    assert "chain.pem: the certificate is not for other.example.test" in (
        etc.posthouse("check", check=False).stderr)


def test_values_of_mail_authentication_are_refused_with_their_line():
    """What only a daemon would have found at its start: by set, and by check
    of what an editor wrote."""
    wrong = [("mynetworks", "10.0.0.0/99"),
             ("dmarc_trusted_forwarders", "mail.example"),
             ("dmarc_trusted_forwarders", "hahs:forwarders"),
             ("dmarc_mailing_lists", "a..test"),
             ("arc_trusted_sealers", "cdir:sealers"),
             ("greylist_exempt_clients", "10.0.0.0/99"),
             ("greylist_exempt_senders", "a@b..test"),
             ("greylist_exempt_recipients", "10.0.0.0/8"),
             ("dkim_signing_table", "signers"),
             ("dkim_sign_networks", "any"),
             ("srs_domain", "http://a.test"),
             ("srs_exclude_domains", "a@b.test"),
             ("authserv_id", "a;b"), ("dns_servers", "ns.example")]
    with House(users=1, start=False) as h:
        for name, value in wrong:
            done = h.posthouse("conf", "set", "%s=%s" % (name, value),
                               check=False)
            assert done.returncode != 0
            assert '%s = %s: "%s" is n' % (name, value, value) in done.stderr
        with open(h.etc + "/main.cf", "a") as f:
            f.write("".join("%s = %s\n" % row for row in wrong[3:7]))
        done = h.posthouse("check", check=False)
        assert done.returncode != 0
        for name, value in wrong[3:7]:
            assert '%s = %s: "%s" is n' % (name, value, value) in done.stderr
