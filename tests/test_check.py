"""posthouse check: whatever is wrong is told at once, by its cause and place."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from house import POSTHOUSE, House


@pytest.fixture(scope="module")
def house():
    """One that has run, so that its folders belong to their users."""
    with House(domain="check.test", users=1) as h:
        h.posthouse("stop")
        yield h


class Stopped:
    """The house, with a configuration that a test may spoil."""

    def __init__(self, house, etc):
        self.house = house
        self.etc = etc
        shutil.copytree(house.etc, etc)

    def check(self, status=None):
        done = subprocess.run([POSTHOUSE, "-c", self.etc, "check"],
                              capture_output=True, text=True, timeout=120)
        if status is not None:
            assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, name, text):
        with open(os.path.join(self.etc, name), "w") as f:
            f.write(text)

    def add(self, text, name="main.cf"):
        with open(os.path.join(self.etc, name), "a") as f:
            f.write(text)

    def line(self, wanted, name="main.cf"):
        """The number of the last line that begins so."""
        with open(os.path.join(self.etc, name)) as f:
            return [n for n, line in enumerate(f, 1)
                    if line.startswith(wanted)][-1]


@pytest.fixture
def stopped(house, tmp_path):
    return Stopped(house, str(tmp_path / "etc"))


def test_nothing_is_wrong_stopped_or_running(stopped):
    assert stopped.check(0) == "no problem found\n"
    stopped.house.posthouse("start")
    try:
        # Its own ports are not in use by others.
        assert stopped.check(0) == "no problem found\n"
    finally:
        stopped.house.posthouse("stop")


def test_one_error_hides_no_other(stopped):
    """A wrong name, value, role, table and certificate: five problems."""
    row = stopped.line("127.0.0.1:%d" % stopped.house.submission, "master.cf")
    with open(os.path.join(stopped.etc, "master.cf")) as f:
        lines = f.readlines()
    lines[row - 1] = lines[row - 1].replace("-r submission", "-r submision")
    stopped.write("master.cf", "".join(lines))
    stopped.add("max_idel = 5s\nsmtpd_tls_security_level = maybe\n"
                "transport_maps = hahs:transport\n"
                "login_tls_chain_files = /nowhere/chain.pem\n")
    said = stopped.check(1)
    for wanted in (
            "main.cf:%d: unknown parameter max_idel; did you mean max_idle?"
            % stopped.line("max_idel"),
            "main.cf:%d: smtpd_tls_security_level = maybe: this is one of "
            "none, may, encrypt" % stopped.line("smtpd_tls_security_level"),
            "master.cf:%d: service 127.0.0.1:%d: there is no role submision; "
            "did you mean submission?" % (row, stopped.house.submission),
            "did you mean hash? (transport_maps, main.cf:%d)"
            % stopped.line("transport_maps"),
            "/nowhere/chain.pem: No such file or directory "
            "(login_tls_chain_files, main.cf:%d)"
            % stopped.line("login_tls_chain_files")):
        assert said.count(wanted) == 1, said


TABLES = [
    ("transport_maps = pcre:t", "/a(/ x\n/b/ ok\n/c/ $2\n",
     ["t:1: the pattern is not a regular expression (missing",
      "t:3: the pattern has no group of this number"]),
    ("postscreen_access_list = permit_mynetworks cidr:t",
     "10.0.0.0/33 permit\n10.0.0.0/8 permit\n10.0.0.1/8 permit\n",
     ["t:1: what follows the slash", "t:3: there are bits set behind"]),
    ("alias_maps = aliases:t", "a: b\nno colon\nempty:\n",
     ["t:2: an alias is written", "t:3: an alias is written"]),
    ("local_recipient_maps = text:t", "  x y\na b\n",
     ["t:1: begins with a blank"]),
    ("relay_recipient_maps = hash:t", "  x y\na b\n",
     ["t:1: begins with a blank"]),
    ("virtual_alias_maps = inline:{a=b c} static:x", "",
     ["inline: \"c\" is not key=value"]),
    ("alias_maps = hash:t/t", "", ["t/t: Not a directory"]),
    ("transport_maps = text:missing", "", ["missing: No such file"]),
]


@pytest.mark.parametrize("setting,text,wanted", TABLES,
                         ids=[t[0].split(" = ")[1] for t in TABLES])
def test_tables_that_do_not_parse(stopped, setting, text, wanted):
    stopped.write("t", text)
    stopped.add(setting + "\n")
    name = setting.split(" = ")[0]
    place = "(%s, main.cf:%d)" % (name, stopped.line(name))
    said = [line for line in stopped.check(1).splitlines() if place in line]
    assert len(said) == len(wanted), said
    for line, want in zip(said, wanted):
        assert want in line


def test_a_table_of_one_service(stopped):
    stopped.write("t", "nothing\nhere\n")
    row = stopped.line("pickup", "master.cf")
    with open(os.path.join(stopped.etc, "master.cf")) as f:
        lines = f.readlines()
    lines.insert(row, "    -o alias_maps=aliases:t\n")
    stopped.write("master.cf", "".join(lines))
    said = stopped.check(1)
    assert "t:1: an alias is written" in said
    assert "(alias_maps, master.cf:%d -o)" % row in said


def test_a_table_that_was_edited(stopped):
    path = os.path.join(stopped.etc, "users")
    os.utime(path, (os.stat(path).st_mtime + 5,) * 2)
    assert "warning: %s: newer than its compiled form" % path in \
        stopped.check(0)


def test_a_port_of_another_program(stopped):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", stopped.house.smtp))
        s.listen()
        said = stopped.check(1)
    assert "master.cf:%d: service 127.0.0.1:%d: 127.0.0.1 port %d: in use " \
        "by %s (process %d)\n" % (
            stopped.line("127.0.0.1:%d " % stopped.house.smtp, "master.cf"),
            stopped.house.smtp, stopped.house.smtp,
            os.path.realpath("/proc/self/exe"), os.getpid()) in said
    assert "in use" not in stopped.check(0)


def test_a_port_on_all_addresses(stopped):
    """Who listens on :: has the port of every address."""
    with socket.socket(socket.AF_INET6) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        try:
            s.bind(("::", stopped.house.pop3))
        except OSError:
            pytest.skip("no IPv6 here")
        s.listen()
        assert "port %d: in use by %s (process %d)" % (
            stopped.house.pop3, os.path.realpath("/proc/self/exe"),
            os.getpid()) in stopped.check(1)


def test_an_address_of_another_host(stopped):
    stopped.add("192.0.2.77:2525 inet n - y - - smtpd\n", "master.cf")
    assert "service 192.0.2.77:2525: 192.0.2.77 port 2525: this host has " \
        "no such address" in stopped.check(1)


class Nameserver(threading.Thread):
    """Answers everything with a code; None: nothing at all."""

    def __init__(self, rcode):
        super().__init__(daemon=True)
        self.rcode = rcode
        self.names = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                packet, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            query = dns.message.from_wire(packet)
            self.names.append(str(query.question[0].name))
            if self.rcode is None:
                continue
            answer = dns.message.make_response(query)
            answer.set_rcode(self.rcode)
            if self.rcode == dns.rcode.NOERROR:
                answer.answer.append(dns.rrset.from_text(
                    query.question[0].name, 60, "IN", "A", "192.0.2.1"))
            self.socket.sendto(answer.to_wire(), peer)

    def close(self):
        self.socket.close()


def test_dns_servers_are_asked(stopped):
    good, empty = (Nameserver(c) for c in (dns.rcode.NOERROR,
                                           dns.rcode.NXDOMAIN))
    silent, broken = Nameserver(None), Nameserver(dns.rcode.SERVFAIL)
    stopped.add("dns_servers = %s %s\n" % (good.address, empty.address))
    said = stopped.check(0)
    assert "DNS" not in said and "no problem found" in said
    assert "mail.check.test." in good.names and empty.names
    stopped.add("dns_servers = %s %s %s\n" % (
        good.address, silent.address, broken.address))
    said = stopped.check(0)
    assert "DNS server %s " % good.address not in said
    assert "warning: DNS server %s does not answer (timeout): every look-up " \
        "that meets it is late" % silent.address in said
    assert "warning: DNS server %s does not answer (" % broken.address in said
    stopped.add("dns_servers = %s\n" % silent.address)
    assert "DNS server %s does not answer (timeout): mail to other hosts " \
        "waits" % silent.address in stopped.check(0)
    for server in (good, empty, silent, broken):
        server.close()


def make_key(path, *args):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=mail.check.test", "-addext",
                    "subjectAltName=DNS:mail.check.test", *args,
                    "-keyout", path + ".key", "-out", path + ".crt"],
                   check=True, capture_output=True)
    with open(path + ".key") as key, open(path + ".crt") as certificate:
        return key.read(), certificate.read()


def test_certificates(stopped, tmp_path):
    key, certificate = make_key(str(tmp_path / "a"), "-days", "90")
    other, _ = make_key(str(tmp_path / "b"), "-days", "90")
    _, short = make_key(str(tmp_path / "c"), "-days", "3")
    # A certificate that has ended: of a day that is over.
    subprocess.run(
        ["openssl", "x509", "-in", str(tmp_path / "a.crt"), "-signkey",
         str(tmp_path / "a.key"), "-days", "-1", "-out",
         str(tmp_path / "old.crt")], check=True, capture_output=True)
    with open(tmp_path / "old.crt") as f:
        old = f.read()
    chain = str(tmp_path / "chain.pem")
    stopped.add("smtpd_tls_chain_files = %s\n" % chain)

    def with_chain(text, status):
        with open(chain, "w") as f:
            f.write(text)
        os.chmod(chain, 0o600)
        return stopped.check(status)
    assert chain not in with_chain(key + certificate, 0)
    assert "%s: the private key is not that of the first certificate " \
        "(smtpd_tls_chain_files, main.cf:%d)" % (
            chain, stopped.line("smtpd_tls_chain_files")) in \
        with_chain(other + certificate, 1)
    assert "chain.pem: no private key in it" in with_chain(certificate, 1)
    assert "chain.pem: no certificate in it" in with_chain(key, 1)
    assert "chain.pem: /CN=mail.check.test has expired" in \
        with_chain(key + old, 1)
    with open(tmp_path / "c.key") as f:
        said = with_chain(f.read() + short, 0)
    # Of the third day a moment is over, or not yet.
    assert re.search(r"chain.pem: /CN=mail.check.test expires in [23] days",
                     said)
    os.unlink(chain)
    said = stopped.check(1)
    assert said.count("No such file or directory (smtpd_tls_chain") == 1


def test_folders(stopped, tmp_path):
    spool, store = str(tmp_path / "spool"), str(tmp_path / "store")
    for name in (spool, store):
        subprocess.run(["cp", "-a", os.path.join(
            stopped.house.dir, os.path.basename(name)), name], check=True)
    stopped.add("queue_directory = %s\nmail_store_directory = %s\n"
                % (spool, store))
    assert "no problem found" in stopped.check(0)
    os.chmod(spool, 0o777)
    assert "%s: mode 0777 lets others in" % spool in stopped.check(1)
    os.chmod(spool, 0o771)
    shutil.rmtree(store)
    with open(store, "w"):
        pass
    assert "%s: no directory" % store in stopped.check(1)
    os.unlink(store)
    assert "warning: %s: not there yet; start makes it" % store in \
        stopped.check(0)
    if os.getuid() != 0:
        os.chmod(os.path.join(spool, "queue"), 0o500)
        assert "queue: cannot be read and written: Permission denied" in \
            stopped.check(1)
        os.chmod(os.path.join(spool, "queue"), 0o700)


@pytest.mark.skipif(os.getuid() != 0, reason="owners are root's to change")
def test_folders_of_another_user(stopped, tmp_path):
    spool = str(tmp_path / "spool")
    subprocess.run(["cp", "-a", os.path.join(stopped.house.dir, "spool"),
                    spool], check=True)
    stopped.add("queue_directory = %s\n" % spool)
    queue = os.path.join(spool, "queue")
    os.chown(queue, 12345, 12345)
    assert "%s: belongs to 12345:12345, not to queue" % queue in \
        stopped.check(0)
    # A disk that takes nothing, in a place of this process alone.
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c",
         "mount --bind '%s' '%s' && mount -o remount,ro,bind '%s' && "
         "exec '%s' -c '%s' check" % ((queue,) * 3 + (POSTHOUSE, stopped.etc))],
        capture_output=True, text=True, timeout=120)
    if "Operation not permitted" in done.stderr:
        pytest.skip("nothing can be mounted here")
    assert done.returncode == 1, done.stderr
    assert "%s: nothing can be written: Read-only file system" % queue in \
        done.stderr


def test_json(stopped):
    stopped.add("max_idel = 5s\n")
    done = subprocess.run([POSTHOUSE, "--json", "-c", stopped.etc, "check"],
                          capture_output=True, text=True, timeout=120)

    said = json.loads(done.stdout)
    assert said["ok"] is False and said["warnings"] == []
    assert ["did you mean max_idle?" in p for p in said["problems"]] == [True]
