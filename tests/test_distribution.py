"""What a distribution gets: make install, and the files of conf/dist against what
the suite is and says."""
import base64
import glob
import os
import poplib
import imaplib
import re
import shutil
import smtplib
import subprocess

import pytest

from house import BUILD, House, TOP, wait_until

DIST = os.path.join(TOP, "conf", "dist")


def text(*names):
    with open(os.path.join(TOP, *names)) as f:
        return f.read()


def test_every_role_has_its_user():
    roles = set(re.findall(r'^\t\{"\w+",\s+"(\w+)"',
                           text("lib", "daemon", "roles.c"), re.M))
    assert len(roles) > 10
    assert roles == set(re.findall(
        r"^u posthouse-(\w+) ", text("conf", "dist", "posthouse.sysusers"),
        re.M))


def install(to, **settings):
    done = subprocess.run(
        ["make", "-s", "install", "DESTDIR=%s" % to,
         *("%s=%s" % s for s in settings.items())],
        cwd=TOP, capture_output=True, text=True, timeout=600,
        env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"})
    assert done.returncode == 0, done.stdout + done.stderr


def tree(folder):
    return {os.path.relpath(os.path.join(d, n), folder)
            for d, _, names in os.walk(folder) for n in names}


def test_install(tmp_path):
    with_systemd, without = str(tmp_path / "a"), str(tmp_path / "b")
    install(with_systemd)
    install(without, WITHOUT_SYSTEMD="1", PREFIX="/usr/local",
            SYSCONFDIR="/etc")
    found, other = tree(with_systemd), tree(without)
    for name in ("usr/lib/posthouse/master", "usr/sbin/sendmail",
                 "usr/bin/mailq", "usr/lib/sendmail", "etc/posthouse/main.cf",
                 "usr/share/man/man8/posthouse.8",
                 "usr/lib/systemd/system/posthouse.service",
                 "usr/lib/sysusers.d/posthouse.conf",
                 "usr/lib/tmpfiles.d/posthouse.conf",
                 "etc/logrotate.d/posthouse", "etc/apparmor.d/posthouse",
                 "etc/fail2ban/filter.d/posthouse.conf"):
        assert name in found, name
    assert "etc/init.d/posthouse" in other
    assert "usr/local/lib/posthouse/master" in other
    assert not [n for n in other if "systemd" in n or "sysusers" in n]
    # A second time nothing that somebody may have changed is written over.
    conf = os.path.join(with_systemd, "etc/posthouse/main.cf")
    rule = os.path.join(with_systemd, "etc/logrotate.d/posthouse")
    for name in (conf, rule):
        with open(name, "w") as f:
            f.write("# mine\n")
    install(with_systemd)
    for name in (conf, rule):
        with open(name) as f:
            assert f.read() == "# mine\n"
        assert os.path.exists(name + ".dist")


def test_the_rows_of_each_package():
    """Each service of master.cf stands in one package's file."""
    def rows(want):
        return [line for line in subprocess.run(
            ["awk", "-f", os.path.join(TOP, "debian", "rows"),
             "-v", "want=" + want, os.path.join(TOP, "conf", "master.cf")],
            capture_output=True, text=True, check=True).stdout.splitlines()
            if line and line[0] != "#"]
    whole = [line for line in text("conf", "master.cf").splitlines()
             if line and line[0] != "#"]
    imap, pop3 = rows("imap|imaps|imapd"), rows("pop3|pop3s|pop3d")
    others = rows("!(imap|imaps|imapd|pop3|pop3s|pop3d)")
    assert sorted(imap + pop3 + others) == sorted(whole)
    assert len(imap) == len(pop3) == 4  # one with an option
    assert "imapd" in " ".join(imap) and "pop3d" in " ".join(pop3)


@pytest.mark.skipif(shutil.which("apparmor_parser") is None,
                    reason="apparmor_parser is not installed")
def test_the_apparmor_profile_is_one():
    done = subprocess.run(
        ["apparmor_parser", "--skip-kernel-load", "--skip-cache",
         os.path.join(DIST, "posthouse.apparmor")],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed")


def unit_here(tmp_path):
    """The unit, with the programs where they were built."""
    unit = text("conf", "dist", "posthouse.service")
    for installed, built in (("/usr/lib/posthouse/master", "master"),
                             ("/usr/sbin/posthouse", "posthouse")):
        assert installed in unit
        unit = unit.replace(installed, os.path.join(BUILD, "bin", built))
    path = tmp_path / "posthouse.service"
    path.write_text(unit)
    return str(path)


@needs_systemd
def test_the_unit_is_one(tmp_path):
    """Every line of it is known to systemd, and its programs are there."""
    path = unit_here(tmp_path)
    done = subprocess.run(["systemd-analyze", "--man=no", "verify", path],
                          capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines()
            if "posthouse" in line]
    assert done.returncode == 0 and said == [], done.stderr


@needs_systemd
def test_the_unit_is_hardened(tmp_path):
    """At most 4.0 of the 10 points that systemd gives to exposed services
    (9.6 for one without any of these lines)."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager",
         "--threshold=40", unit_here(tmp_path)],
        capture_output=True, text=True, timeout=120)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze looks at running units alone")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_folder_is_known_to_who_packages():
    """What parameters place below /var is made by make install and by tmpfiles,
    may be written in the unit and by the profile, and goes with a purge."""
    folders = {"/var" + f for f in re.findall(
        r'POSTHOUSE_STATEDIR "(/\S+)"', text("lib", "daemon", "house_conf.c"))}
    assert len(folders) >= 7
    made = set(re.findall(r"^d (/var/\S+posthouse\S*)",
                          text("conf", "dist", "posthouse.tmpfiles"), re.M))
    assert {f for f in made if not f.endswith("/drop")} == folders
    unit = text("conf", "dist", "posthouse.service")
    writable = re.search(r"^ReadWritePaths=(.*)$", unit, re.M).group(1)
    profile = text("conf", "dist", "posthouse.apparmor")
    for folder in folders:
        assert "-" + folder in writable.split(), folder
        assert re.search(r"^  %s/ rw,$" % re.escape(folder), profile,
                         re.M), folder
        assert re.search(r"\$LOCALSTATEDIR%s\"" % re.escape(folder[4:]),
                         text("conf", "install.sh")), folder
        assert re.search(r"rm -rf [^;]*%s\s" % re.escape(folder),
                         text("debian", "posthouse.postrm")), folder


def test_scripts_are_ones():
    scripts = glob.glob(os.path.join(TOP, "debian", "*.p*")) + [
        os.path.join(DIST, "posthouse.init"),
        os.path.join(TOP, "debian", "make-packages"),
        os.path.join(TOP, "tests", "deb", "run")]
    for name in scripts:
        subprocess.run(["sh", "-n", name], check=True)


# ---- fail2ban ----

FILTER = os.path.join(DIST, "fail2ban-filter.conf")


def banned(lines, tmp_path, mode="normal"):
    """The addresses that the filter finds, one for each line that matches."""
    folder = str(tmp_path / "fail2ban")
    if not os.path.isdir(folder):
        shutil.copytree("/etc/fail2ban", folder)
    shutil.copy(FILTER, os.path.join(folder, "filter.d", "posthouse.conf"))
    log = str(tmp_path / "log")
    with open(log, "w") as f:
        f.write("\n".join(lines) + "\n")
    done = subprocess.run(
        ["fail2ban-regex", "-c", folder, "-o", "ip", log,
         "%s[mode=%s]" % (os.path.join(folder, "filter.d", "posthouse.conf"),
                          mode)],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


needs_fail2ban = pytest.mark.skipif(
    shutil.which("fail2ban-regex") is None,
    reason="fail2ban is not installed")

# What a stranger would like to see in a log: another one's address.
FORGED = ["x>, rip=6.6.6.6", "x, rip=6.6.6.6, session=1", "rhost=6.6.6.6",
          "a>, service=imap, method=PLAIN, rip=6.6.6.6, session=abc",
          "[6.6.6.6]", "x rip=6.6.6.6 authentication failed: user=<y"]
NEWLINE = "y\r\nNov 22 10:00:00 h posthouse/auth[1]: authentication failed: " \
    "user=<y>, service=imap, method=PLAIN, rip=6.6.6.6, session=abc"


def plain(user, password):
    return base64.b64encode(
        b"\0" + user.encode() + b"\0" + password.encode()).decode()


def fail_by_smtp(house, user):
    with smtplib.SMTP("127.0.0.1", house.submission, timeout=60) as s:
        s.starttls(context=house.tls())
        s.ehlo()
        return s.docmd("AUTH", "PLAIN " + plain(user, "wrong"))[0]


def fail_by_imap(house, user):
    m = imaplib.IMAP4_SSL("127.0.0.1", house.imaps, timeout=60,
                          ssl_context=house.tls())
    with pytest.raises(imaplib.IMAP4.error):
        m.authenticate("PLAIN", lambda _: b"\0%s\0wrong" % user.encode())
    m.shutdown()


def fail_by_pop3(house, user):
    p = poplib.POP3_SSL("127.0.0.1", house.pop3s, timeout=60,
                        context=house.tls())
    p.user(user)
    with pytest.raises(poplib.error_proto):
        p.pass_("wrong")
    p.close()


@needs_fail2ban
def test_fail2ban_finds_who_guesses(tmp_path):
    """Real lines, of each protocol, of users that there are and are not; and
    no name makes a line that names another address."""
    with House(domain="ban.test", users=1,
               settings={"login_failure_delay": "0",
                         "login_failure_delay_max": "0"}) as house:
        def failures():
            return [line for line in house.log().splitlines()
                    if "authentication failed: user=<" in line]
        count = 0
        for fail in (fail_by_smtp, fail_by_imap, fail_by_pop3):
            for user in (house.user(0), "nobody@ban.test"):
                fail(house, user)
                count += 1
        for user in FORGED:
            fail_by_smtp(house, user)
            fail_by_imap(house, user)
            count += 2
        fail_by_smtp(house, NEWLINE)
        count += 1
        wait_until(lambda: len(failures()) >= count)
        with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
            s.ehlo("[6.6.6.6]:")
            s.mail("x@y.test")
            assert s.rcpt("nobody@ban.test")[0] == 550
            assert s.rcpt("\"x[6.6.6.6]: 550 5.1.1\"@ban.test")[0] == 550

        def refused():
            """both refusals, in the log"""
            lines = house.log().splitlines()
            told = [x for x in lines if ": reject: RCPT from " in x]
            return lines if len(told) >= 2 else None
        lines = wait_until(refused)
    found = banned(lines, tmp_path)
    assert set(found) == {"127.0.0.1"}, found
    assert len(found) == count
    more = banned(lines, tmp_path, "aggressive")
    assert set(more) == {"127.0.0.1"} and len(more) == count + 2
    # A line like those of another program is none of ours.
    assert banned([line.replace("posthouse/auth", "sshd")
                   for line in failures_of(lines)], tmp_path) == []


def failures_of(lines):
    return [line for line in lines if "authentication failed: user=<" in line]
