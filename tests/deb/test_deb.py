"""The packages in a Debian of their own: installed, used, upgraded under load,
removed, purged. Run by tests/deb/run, in a network of loopback alone; what one
test leaves the next begins with."""
import glob
import imaplib
import os
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import time

import pytest

WORK = os.environ["POSTHOUSE_DEB"]
ROOT = os.path.join(WORK, "root")
sys.path.insert(0, os.path.join(os.path.dirname(
    os.path.abspath(__file__)), ".."))

from house import wait_until  # noqa: E402
from load import Load  # noqa: E402

NAME = "deb.test"
MAIN_CF = os.path.join(ROOT, "etc/posthouse/main.cf")
# What apt and dpkg themselves leave in a place.
DPKG = ("var/lib/dpkg", "var/log", "var/cache", "etc/apt", "run/lock",
        "var/lib/apt", "var/lib/systemd", "etc/ld.so.cache")


class Debian:
    """Where the load finds its house."""
    smtp, submission, submissions = 25, 587, 465
    imap, imaps, pop3, pop3s = 143, 993, 110, 995
    password = "secret"

    def user(self, n):
        return "user%d@%s" % (n, NAME)

    def tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def log(self):
        return read("var/log/posthouse/posthouse.log")


debian = Debian()


def path(*names):
    return os.path.join(ROOT, *names)


def read(name):
    with open(path(name), errors="replace") as f:
        return f.read()


def run(*args, input=None, check=True, user=None):
    """A program in there; what it said."""
    who = ["--userspec=" + user] if user else []
    done = subprocess.run(
        ["chroot", *who, ROOT, *args], text=True, input=input,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
             "DEBIAN_FRONTEND": "noninteractive"})
    if check:
        assert done.returncode == 0, "%s: %s" % (args, done.stdout)
        return done.stdout
    return done


def packages(version, *names):
    folder = {"1": "first", "2": "next"}[version]
    os.makedirs(path("packages"), exist_ok=True)
    found = []
    for name in names:
        file, = glob.glob(os.path.join(WORK, folder, name + "_0*.deb"))
        shutil.copy(file, path("packages"))
        found.append("/packages/" + os.path.basename(file))
    return found


def dpkg(option, *names, check=True):
    return run("dpkg", option, *names, check=check)


def status_of(package):
    return run("dpkg-query", "-W", "-f", "${db:Status-Status}", package,
               check=False).stdout


def listens(port):
    """Who would reach the port from loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


def master_pid():
    return int(read("run/posthouse/master.pid") or 0)


def exe(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return ""


def subjects(user):
    """What is in the mailbox, by IMAP."""
    box = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=debian.tls())
    box.login(user, "secret")
    box.select(readonly=True)
    found = []
    for n in box.search(None, "ALL")[1][0].split():
        line = box.fetch(n, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        found.append(line[1][0][1].decode().split(":", 1)[1].strip())
    box.logout()
    return found


def tree():
    """Every file in there, but for what dpkg keeps for itself."""
    found = set()
    for folder, names, files in os.walk(ROOT):
        here = os.path.relpath(folder, ROOT)
        if here in ("proc", "sys", "dev", "packages", "tmp") or \
                here.startswith(DPKG):
            names[:] = []
            continue
        found.update(os.path.normpath(os.path.join(here, n))
                     for n in names + files)
    return {f for f in found
            if not f.startswith(DPKG) and "__pycache__" not in f}


def policy(text):
    with open(path("usr/sbin/policy-rc.d"), "w") as f:
        f.write("#!/bin/sh\n%s\n" % text)
    os.chmod(path("usr/sbin/policy-rc.d"), 0o755)


@pytest.fixture(scope="module", autouse=True)
def root():
    shutil.rmtree(ROOT, ignore_errors=True)
    subprocess.run(["cp", "-a", os.path.join(WORK, "debian"), ROOT],
                   check=True)
    for folder, args in (("proc", ["-t", "proc", "proc"]),
                         ("dev/shm", ["-t", "tmpfs", "tmpfs"])):
        os.makedirs(path(folder), exist_ok=True)
        subprocess.run(["mount", *args, path(folder)], check=True)
    for name, minor in (("null", 3), ("zero", 5), ("random", 8),
                        ("urandom", 9)):
        if not os.path.exists(path("dev", name)):
            os.mknod(path("dev", name), 0o666 | 0o020000,
                     os.makedev(1, minor))
            os.chmod(path("dev", name), 0o666)
    # Packages start what they bring; without an init invoke-rc.d would not.
    policy("exit 0")
    with open(path("etc/hostname"), "w") as f:
        f.write("mail." + NAME + "\n")
    with open(path("etc/hosts"), "w") as f:
        f.write("127.0.0.1 mail.%s mail localhost\n::1 localhost\n" % NAME)
    with open(path("etc/mailname"), "w") as f:
        f.write(NAME + "\n")
    subprocess.run(["hostname", "mail." + NAME], check=False)
    before = tree()
    try:
        yield before
    finally:
        run("posthouse", "stop", check=False)
        if os.environ.get("SHOW_LOG"):
            print(read("var/log/posthouse/posthouse.log"))


# ---- a new installation ----

def test_install(root):
    said = dpkg("-i", *packages("1", "posthouse"))
    assert status_of("posthouse") == "installed"
    assert "***" not in said
    assert "no problem found" in run("posthouse", "check")
    assert exe(master_pid()).endswith("/usr/lib/posthouse/master")


def test_who_owns_what(root):
    ids = {line.split(":")[0]: int(line.split(":")[2])
           for line in read("etc/passwd").splitlines()}

    def owned(name):
        st = os.stat(path(name))
        return "%s %o" % ([n for n, i in ids.items() if i == st.st_uid][0],
                          st.st_mode & 0o7777)
    assert owned("usr/lib/posthouse/postdrop") == "root 2755"
    assert owned("var/spool/posthouse/drop") == "posthouse-pickup 3730"
    assert owned("var/lib/posthouse") == "posthouse-vmail 700"
    assert owned("var/log/posthouse") == "posthouse-logd 750"
    assert owned("etc/posthouse/passwords") == "root 640"
    assert owned("etc/posthouse/srs_secrets") == "root 640"
    assert len(read("etc/posthouse/srs_secrets").splitlines()[-1]) == 40
    assert owned("etc/posthouse/main.cf") == "root 644"
    # No secret of ours can be read by everybody.
    for folder, _, files in os.walk(path("etc/posthouse")):
        for name in files:
            file = os.path.join(folder, name)
            if os.stat(file).st_mode & 0o004 and not os.path.islink(file):
                with open(file, "rb") as f:
                    text = f.read()
                assert b"PRIVATE KEY" not in text and b"$y$" not in text, file


def test_nothing_listens_but_on_loopback(root):
    assert listens(25) and listens(587) and listens(465)
    for port in (143, 993, 110, 995):
        assert not listens(port), "port %d of another package" % port
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name) as f:
            for line in f.readlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                if state == "0A":
                    assert local.split(":")[0] in (
                        "0100007F", "00000000000000000000000001000000"), line


def test_mail_of_this_host(root):
    """What programs send to names of the system comes to root's mailbox."""
    run("sendmail", "root", input="Subject: to root\n\nx\n")
    run("sendmail", "-t", user="www-data",
        input="To: www-data\nSubject: from a program\n\nx\n")
    run("s-nail", "-s", "by mail", "root@localhost", input="x\n")
    with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
        s.sendmail("a@x.test", ["postmaster@" + NAME],
                   "Subject: by SMTP\r\n\r\nx\r\n")
        code, _ = s.docmd("MAIL", "FROM:<a@x.test>")
        assert code == 250
        assert s.docmd("RCPT", "TO:<nobody-there@%s>" % NAME)[0] == 550
    assert run("mailq", check=False).returncode == 0
    assert run("newaliases") == ""
    run("posthouse", "user", "passwd", "root@" + NAME, input="secret\nsecret\n")


def test_the_readers_come_as_packages(root):
    """Their services run at once, and nothing else was interrupted."""
    before = master_pid()
    dpkg("-i", *packages("1", "posthouse-imapd", "posthouse-pop3d"))
    assert master_pid() == before
    for port in (143, 993, 110, 995):
        wait_until(lambda: listens(port))
    wanted = {"to root", "from a program", "by mail", "by SMTP"}
    wait_until(lambda: set(subjects("root@" + NAME)) == wanted)
    p = poplib.POP3_SSL("127.0.0.1", 995, context=debian.tls())
    p.user("root@" + NAME)
    p.pass_("secret")
    assert len(p.list()[1]) == len(wanted)
    p.quit()


def test_mail_while_the_suite_is_down(root):
    run("/etc/init.d/posthouse", "stop")
    assert not listens(25)
    assert run("/etc/init.d/posthouse", "status", check=False).returncode == 3
    run("sendmail", "root", user="www-data",
        input="Subject: while down\n\nx\n")
    run("/etc/init.d/posthouse", "start")
    assert run("/etc/init.d/posthouse", "status", check=False).returncode == 0
    wait_until(lambda: "while down" in subjects("root@" + NAME))


def test_a_reload_and_a_restart(root):
    before = master_pid()
    run("/etc/init.d/posthouse", "reload")
    assert master_pid() == before
    run("/etc/init.d/posthouse", "restart")
    assert master_pid() != before
    # What cannot start again is not stopped.
    before = master_pid()
    text = read("etc/posthouse/main.cf")
    with open(MAIN_CF, "a") as f:
        f.write("nonesuch = 1\n")
    assert run("/etc/init.d/posthouse", "restart", check=False).returncode != 0
    assert master_pid() == before and listens(25)
    with open(MAIN_CF, "w") as f:
        f.write(text)


def test_the_log_is_rotated(root):
    before = debian.log()
    log = path("var/log/posthouse/posthouse.log")
    run("logrotate", "-f", "/etc/logrotate.d/posthouse")
    with open(log + ".1") as f:
        assert f.read().startswith(before)

    def begun():
        """A new log, in which a line stands."""
        with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
            s.noop()
        return os.path.exists(log) and "connect" in debian.log()
    wait_until(begun)


# ---- the next version ----

def test_an_upgrade_under_load(root):
    run("posthouse", "domain", "add", NAME, check=False)
    for n in range(4):
        run("posthouse", "user", "add", debian.user(n), input="secret\nsecret\n")

    def known():
        """every new user; tables are looked at once a second"""
        with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
            s.ehlo()
            s.mail("a@x.test")
            codes = {s.rcpt(debian.user(n))[0] for n in range(4)}
        try:
            return codes == {250} and [subjects(debian.user(n))
                                       for n in range(4)]
        except imaplib.IMAP4.error:
            return False
    wait_until(known, 60, 0.5)
    before = master_pid()
    program = os.stat("/proc/%d/exe" % before).st_ino
    with Load(debian) as load:
        time.sleep(1)
        dpkg("-i", *packages("2", "posthouse", "posthouse-imapd",
                             "posthouse-pop3d"))
        time.sleep(1)
    assert load.failures == []
    for kind in ("smtp", "submission", "submission_login", "imap", "imaps",
                 "pop3", "idle", "stays_logged_in", "stays_submitting"):
        assert load.sessions.get(kind, 0) > 0, load.sessions
    assert master_pid() == before
    assert os.stat("/proc/%d/exe" % before).st_ino != program
    assert os.stat("/proc/%d/exe" % before).st_ino == os.stat(
        path("usr/lib/posthouse/master")).st_ino
    assert os.stat(path("usr/lib/posthouse/postdrop")).st_mode & 0o2000


def test_an_upgrade_with_a_broken_configuration(root):
    """It is told, the package is configured, and what runs goes on."""
    before = master_pid()
    text = read("etc/posthouse/main.cf")
    with open(MAIN_CF, "a") as f:
        f.write("smtpd_timeot = 5s\n")
    program = os.stat("/proc/%d/exe" % before).st_ino
    said = dpkg("-i", *packages("1", "posthouse", "posthouse-imapd",
                                "posthouse-pop3d"))
    assert "***" in said and "smtpd_timeot" in said
    assert "go on running" in said
    assert status_of("posthouse") == "installed"
    assert master_pid() == before
    assert os.stat("/proc/%d/exe" % before).st_ino == program
    with smtplib.SMTP("127.0.0.1", 25, timeout=30) as s:
        s.sendmail("a@x.test", ["root@" + NAME],
                   "Subject: all the same\r\n\r\nx\r\n")
    wait_until(lambda: "all the same" in subjects("root@" + NAME))
    with open(MAIN_CF, "w") as f:
        f.write(text)
    run("posthouse", "upgrade")
    assert os.stat("/proc/%d/exe" % before).st_ino != program


def test_policy_rc_d_is_honoured(root):
    policy("exit 101")
    try:
        program = os.stat("/proc/%d/exe" % master_pid()).st_ino
        said = dpkg("-i", *packages("2", "posthouse", "posthouse-imapd",
                                    "posthouse-pop3d"))
        assert "policy-rc.d" in said and "***" not in said
        assert os.stat("/proc/%d/exe" % master_pid()).st_ino == program
        assert listens(25)
    finally:
        policy("exit 0")
    run("posthouse", "upgrade")


def test_one_mail_transport_agent(root):
    """apt replaces one by another, and dpkg does not have two."""
    said = run("apt-get", "-s", "install", "postfix", check=False).stdout
    assert "Remv posthouse " in said, said
    said = run("apt-get", "-s", "install", "exim4-daemon-light",
               check=False).stdout
    assert "Remv posthouse " in said, said


# ---- the end ----

def test_a_reader_is_removed(root):
    dpkg("-r", "posthouse-pop3d")
    wait_until(lambda: not listens(110))
    assert listens(143) and listens(25)
    assert "no problem found" in run("posthouse", "check")
    dpkg("-i", *packages("2", "posthouse-pop3d"))
    wait_until(lambda: listens(110))
    # Who took the link away does not want it back.
    os.unlink(path("etc/posthouse/master.d/pop3d.cf"))
    dpkg("-i", *packages("2", "posthouse-pop3d"))
    wait_until(lambda: not listens(110))


def test_remove_keeps_mail_and_configuration(root):
    text = read("etc/posthouse/main.cf")
    pid = master_pid()
    dpkg("-r", "posthouse-imapd", "posthouse-pop3d", "posthouse")
    assert not exe(pid) and not listens(25)
    assert status_of("posthouse") == "config-files"
    assert read("etc/posthouse/main.cf") == text
    dpkg("-i", *packages("2", "posthouse", "posthouse-imapd",
                         "posthouse-pop3d"))
    assert read("etc/posthouse/main.cf") == text
    assert "all the same" in subjects("root@" + NAME)


def test_purge_keeps_mail_alone(root):
    said = dpkg("-P", "posthouse-imapd", "posthouse-pop3d", "posthouse")
    assert "hold mail and stay" in said
    assert os.listdir(path("var/lib/posthouse"))
    assert not os.path.exists(path("etc/posthouse"))
    assert not os.path.exists(path("var/log/posthouse"))
    # The old mailboxes are there again when the users are.
    dpkg("-i", *packages("2", "posthouse", "posthouse-imapd"))
    run("posthouse", "user", "passwd", "root@" + NAME, input="secret\nsecret\n")
    assert "all the same" in subjects("root@" + NAME)


def test_purge_without_mail_leaves_nothing(root):
    dpkg("-P", "posthouse-imapd", "posthouse")
    shutil.rmtree(path("var/lib/posthouse"))
    shutil.rmtree(path("var/spool/posthouse"))
    dpkg("-i", *packages("2", "posthouse"))
    dpkg("-P", "posthouse")
    left = {f for f in tree() - root if os.path.lexists(path(f))}
    # These are the system's, whatever mail system it has.
    left -= {"etc/aliases", "packages"}
    assert not {f for f in left if "posthouse" in f}, left
    assert "posthouse" not in read("etc/passwd") + read("etc/group")
    assert "posthouse" not in read("var/lib/dpkg/statoverride")
    assert left <= {"etc/passwd-", "etc/group-", "etc/shadow-",
                    "etc/gshadow-", "etc/subuid-", "etc/subgid-",
                    "var/lib/logrotate/status"}, left
