"""From inside of each jail: what is forbidden fails, what is allowed works.

tests/probe.c is a daemon that does what it is told. It runs here under every
role, once as it would in a house ("full") and once without the list of system
calls ("bare"), so that what stands behind the list is tried too; and as a
plain program of root, where all that is forbidden has to work.
"""
import ctypes
import os
import re
import socket
import struct
import subprocess
import time

import pytest

from house import BUILD, House, TOP, free_port, wait_until

PROBE = os.path.join(BUILD, "tests", "probe")
SAN = BUILD.rstrip("/").endswith("-san")
pytestmark = [
    pytest.mark.skipif(not os.path.exists(PROBE), reason="make unit")]
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

AT_FDCWD = -100
MNT_PRIVATE, MNT_REC, NEWNS, NEWUSER = 1 << 18, 16384, 0x20000, 0x10000000


def table(name, pattern):
    with open(os.path.join(TOP, "lib", "daemon", name)) as f:
        return re.findall(pattern, f.read(), re.S)


class Role:
    def __init__(self, row):
        self.name, self.user, self.jailed = row[0], row[1], row[2] == "true"
        self.calls = re.findall(r'"([\w-]+)"', row[3])
        self.may, self.folders = None, {}


def roles():
    found = {row[0]: Role(row) for row in table(
        "roles.c", r'\{"([\w-]+)",\s*"([\w-]+)",\s*(?:NULL|"\w+"),\s*'
        r'(true|false),\s*\{([^}]*)\}')}
    for name, may, folders in table(
            "rights.c", r'\{"([\w-]+)",\s*([^{]*?),\s*\{(.*?)\}\},'):
        found[name].may = set(re.findall(r"MAY_(\w+)", may))
        found[name].folders = dict(re.findall(
            r"FOLDER_(\w+), FOLDER_(\w+)", folders))
    # A user that no process runs as has no rights.
    return {n: r for n, r in found.items() if r.may is not None}


ROLES = roles()


def unix(path):
    raw = struct.pack("H", socket.AF_UNIX) + os.fsencode(path)
    return "x:%s %d" % ((raw + b"\0").hex(), len(raw) + 1)


def inet(port):
    return "x:%s 16" % (struct.pack("H", socket.AF_INET) + struct.pack(">H", port) +
                        socket.inet_aton("127.0.0.1") + bytes(8)).hex()


class Probe:
    """One conversation. ask() returns (result, the rest of the line)."""

    def __init__(self, reader, writer, end):
        self.reader, self.writer, self.end = reader, writer, end

    @classmethod
    def at(cls, where):
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        s = socket.socket(family)
        s.settimeout(30)
        s.connect(where)
        return cls(s.makefile("r"), s.makefile("w"), s.close)

    @classmethod
    def plain(cls):
        p = subprocess.Popen([PROBE, "--plain"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)

        def end():
            p.kill()
            p.wait()
        return cls(p.stdout, p.stdin, end)

    def ask(self, line):
        self.writer.write(line + "\n")
        self.writer.flush()
        words = self.reader.readline().split()
        if not words:  # another program has taken its place
            return 0, []
        return int(words[0]), words[1:]

    def number(self, line):
        result, rest = self.ask(line)
        assert result >= 0, (line, rest)
        return result

    def call(self, *words):
        return self.ask("call " + " ".join(str(w) for w in words))

    def works(self, line):
        return self.ask(line)[0] != -1

    def close(self):
        self.reader.close()
        try:
            self.writer.close()
        except OSError:
            pass
        self.end()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def add_probes(house):
    """A folder with the house's daemons and the probe, and its services."""
    programs = os.path.join(house.dir, "programs")
    os.mkdir(programs)
    for name in os.listdir(os.path.join(BUILD, "bin")):
        os.symlink(os.path.join(BUILD, "bin", name),
                   os.path.join(programs, name))
    os.symlink(PROBE, os.path.join(programs, "probe"))
    house.set("daemon_directory", programs)
    house.smtpd_probe, house.smtp_probe = free_port(), free_port()
    with open(os.path.join(house.etc, "master.cf"), "a") as f:
        for name in ROLES:
            f.write("probe-%s unix n - y - 1 probe -r %s\n" % (name, name))
            f.write("bare-%s unix n - y - 1 probe -r %s "
                    "-o seccomp_mode=off\n" % (name, name))
        for port, name in ((house.smtpd_probe, "smtpd"),
                           (house.smtp_probe, "smtp")):
            f.write("127.0.0.1:%d inet n - y - 1 probe -r %s\n" % (
                port, name))


@pytest.fixture(scope="module")
def house():
    h = House(domain="inside.test", users=1, start=False)
    h.crashes_allowed = True  # refused calls are what it is about
    with h:
        add_probes(h)
        h.posthouse("dkim", "new", "inside.test", "--selector", "k", "--type",
                    "ed25519")
        # As from a shell after a login: master inherits a keyring.
        ctypes.CDLL(None).syscall(250, 1, b"login")
        h.start()
        yield h


@pytest.fixture(scope="module")
def victim():
    p = subprocess.Popen(["sleep", "1000"])
    yield p.pid
    p.kill()
    p.wait()


def probe(house, name, kind="probe"):
    return Probe.at(os.path.join(house.dir, "run", "public",
                                 "%s-%s" % (kind, name)))


def pid_of(house, service):
    """The process of a service that has begun."""
    for row in house.json("status")["services"]:
        if row["name"] == service and row["pids"]:
            return row["pids"][0]
    return None


each_role = pytest.mark.parametrize("name", sorted(ROLES))
both = pytest.mark.parametrize("kind", ["probe", "bare"])


# ---- files ------------------------------------------------------------------


def read(path, flags=os.O_RDONLY):
    return "call openat %d s:%s %d" % (AT_FDCWD, path, flags)


def create(path, at=AT_FDCWD):
    return "call openat %d s:%s %d 0600" % (
        at, path, os.O_RDWR | os.O_CREAT)


def forbidden_files(house, role):
    """Commands, each with whether it may work."""
    d, may = house.dir, role.folders
    # An ordinary user's suite has no jails: Landlock alone.
    is_root = os.getuid() == 0
    seen = not (role.jailed and is_root)
    yield read("/etc/passwd"), seen and "SYSTEM" in may
    yield read("/", os.O_DIRECTORY), False
    yield read("/etc", os.O_DIRECTORY), seen and "SYSTEM" in may
    yield read("/proc/self/mem", os.O_RDWR), False
    yield read("/proc/self/environ"), False
    yield read("/proc/1/cmdline"), False
    yield read("/dev/zero"), False
    yield read(d + "/etc/main.cf"), seen and "CONFIG" in may
    yield read(d + "/etc/passwords"), role.name == "auth" or (
        "CONFIG" in may and not is_root)
    yield read(d + "/dkim/inside.test/k.new"), seen and "KEYS" in may
    yield create(d + "/dkim/inside.test/forged.active"), False
    yield read(d + "/run/master.pid"), False
    yield create(d + "/etc/main.cf"), False
    yield create(d + "/elsewhere"), False
    yield create(d + "/spool/new/by-name"), seen and "SPOOL" in may
    yield create(d + "/store/probe-" + role.name), (
        seen and may.get("STORE") == "WRITE")
    yield create(d + "/log/probe"), seen and "LOG" in may
    yield create("file"), False  # in the folder of sockets
    yield "call unlinkat %d s:cleanup 0" % AT_FDCWD, False
    yield "call mkdirat %d s:probe 0700" % AT_FDCWD, False
    yield "call mknodat %d s:pipe 0010600 0" % AT_FDCWD, False


@both
@each_role
def test_files(house, name, kind):
    role = ROLES[name]
    allowed = 0
    with probe(house, name, kind) as p:
        for command, may in forbidden_files(house, role):
            assert p.works(command) == may, command
            allowed += may
    if "STORE" in role.folders or name in ("auth", "lookup"):
        assert allowed > 0


@as_root
def test_files_control(house):
    with Probe.plain() as p:
        p.number("call chdir s:" + house.dir)
        p.number("call mkdirat -100 s:control 0700")
        p.number("call chdir s:control")
        for command, _ in forbidden_files(house, ROLES["smtpd"]):
            if "unlinkat" in command:
                p.number(create("cleanup"))
            assert p.works(command), command


@both
@pytest.mark.parametrize("name,inside", [
    ("cleanup", "new/probe"), ("qmgr", "new/probe"), ("local", "probe"),
    ("logd", "probe")])
def test_a_folder_that_is_held_leads_nowhere_else(house, name, inside, kind):
    with probe(house, name, kind) as p:
        found, folders = p.ask("folders")
        assert folders and found == 0
        path = "%s-%s-%s" % (inside, name, kind)
        p.number(create(path, int(folders[0])))
        p.number("call unlinkat %s s:%s 0" % (folders[0], path))
        for way_out in ("../etc/main.cf", "../run/master.pid"):
            assert not p.works(create(way_out, int(folders[0])))
    with Probe.plain() as p:
        fd = p.number(read(house.dir + "/spool", os.O_DIRECTORY))
        found, folders = p.ask("folders")
        assert found == 1 and str(fd) in folders
        p.number("call openat %d s:../etc/main.cf 2" % fd)


# ---- sockets ----------------------------------------------------------------


def sockets(house):
    return sorted(n for n in os.listdir(os.path.join(
        house.dir, "run", "sockets"))
        if not n.startswith(("probe-", "bare-")))


def connects(p, path, kind=socket.SOCK_STREAM):
    fd = p.number("call socket %d %d 0" % (socket.AF_UNIX, kind))
    result, rest = p.ask("call connect %d %s" % (fd, unix(path)))
    p.number("call close %d" % fd)
    return result == 0


@as_root
@both
@each_role
def test_sockets_of_other_roles(house, name, kind):
    role = ROLES[name]
    with probe(house, name, kind) as p:
        for s in sockets(house):
            dgram = socket.SOCK_DGRAM if s == "log" else socket.SOCK_STREAM
            assert connects(p, s, dgram) == (s in role.calls), s
            assert not connects(p, "%s/run/sockets/%s" % (house.dir, s), dgram)
            for other in ROLES.values():
                if other.user != role.user and s in other.calls:
                    assert not connects(p, "%s/run/jail/%s/%s" % (
                        house.dir, other.name, s), dgram)


@as_root
def test_sockets_control(house):
    with Probe.plain() as p:
        for s in sockets(house):
            dgram = socket.SOCK_DGRAM if s == "log" else socket.SOCK_STREAM
            assert connects(p, "%s/run/sockets/%s" % (house.dir, s), dgram), s


@each_role
def test_new_network_sockets(house, name):
    net = ROLES[name].may & {"RESOLVE", "CONNECT"}
    with probe(house, name) as p:
        for family in (socket.AF_INET, socket.AF_INET6):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                assert p.works("call socket %d %d 0" % (family, kind)) == bool(
                    net)
        assert p.works("call socket %d 3 0" % socket.AF_NETLINK) == bool(net)
        for family in (socket.AF_PACKET, socket.AF_ALG, socket.AF_VSOCK):
            assert p.call("socket", family, 3, 0) == (-1, ["EAFNOSUPPORT"])
        assert p.works("call socket %d 1 0" % socket.AF_UNIX)
        assert p.works("call socketpair %d 1 0 b:8" % socket.AF_UNIX)


@both
@each_role
def test_calls_to_other_hosts(house, name, kind):
    role = ROLES[name]
    if kind == "probe" and not role.may & {"RESOLVE", "CONNECT"}:
        pytest.skip("it has no socket to try with")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with probe(house, name, kind) as p:
            fd = p.number("call socket 2 1 0")
            works = p.works("call connect %d %s" % (fd, inet(port)))
            assert works == ("CONNECT" in role.may)
            if role.may & {"RESOLVE", "CONNECT"}:  # nobody listens there
                fd = p.number("call socket 2 1 0")
                assert p.ask("call connect %d %s" % (fd, inet(53)))[1] in (
                    ["ECONNREFUSED"], [])
            fd = p.number("call socket 2 1 0")
            assert not p.works("call bind %d %s" % (fd, inet(0)))
    with Probe.plain() as p:
        fd = p.number("call socket 2 1 0")
        assert p.works("call bind %d %s" % (fd, inet(0)))


def test_an_inherited_socket_cannot_call_another_host(house):
    """One that is there can be taken apart and connected anew."""
    for where, may in ((house.smtpd_probe, False), (house.smtp_probe, True)):
        with socket.create_server(("127.0.0.1", 0)) as server, \
                Probe.at(("127.0.0.1", where)) as p:
            fd = next(n for n in range(3, 64)  # it listens
                      if p.call("getsockopt", n, socket.SOL_SOCKET,
                                socket.SO_ACCEPTCONN, "b:4", "x:04000000")[0]
                      == 0 and p.call("getpeername", n, "b:16",
                                      "x:10000000")[1] == ["ENOTCONN"]
                      and p.call("getsockname", n, "b:16",
                                 "x:10000000")[0] == 0)
            p.number("call connect %d b:16 16" % fd)  # AF_UNSPEC
            result, why = p.ask("call connect %d %s" % (
                fd, inet(server.getsockname()[1])))
            assert result == 0 or why[0] in ("EINPROGRESS", "EACCES")
            assert (why != ["EACCES"]) == may


# ---- processes --------------------------------------------------------------


@both
@each_role
def test_other_processes(house, victim, name, kind):
    targets = {"master": house.master_pid(), "a stranger": victim,
               "qmgr": pid_of(house, "qmgr")}
    same = [r for r in ROLES.values()
            if r.user == ROLES[name].user and r.name != name]
    with probe(house, name, kind) as p:
        for other in same:
            with probe(house, other.name):  # begins
                targets["of the same user"] = pid_of(
                    house, "probe-" + other.name)
        for what, pid in targets.items():
            assert pid
            assert not p.works("call kill %d 0" % pid), what
            assert not p.works("call tgkill %d %d 0" % (pid, pid)), what
            assert not p.works("call tkill %d 0" % pid), what
            assert not p.works("call ptrace 0x4206 %d 0 0" % pid), what
            assert not p.works("call rt_sigqueueinfo %d 0 b:128" % pid), what
            assert not p.works(
                "call process_vm_readv %d b:16 1 b:16 1 0" % pid) or (
                    kind == "bare"), what
        own = p.number("call getpid")
        assert p.works("call tgkill %d %d 0" % (own, own))


def test_processes_control(victim):
    with Probe.plain() as p:
        for command in ("call kill %d 0", "call tkill %d 0",
                        "call ptrace 0x4206 %d 0 0"):
            p.number(command % victim)
        p.number("call tgkill %d %d 0" % (victim, victim))


@both
@each_role
def test_new_processes(house, name, kind):
    role = ROLES[name]
    with probe(house, name, kind) as p:
        assert p.works("fork") == ("FORK" in role.may or
                                   kind == "bare" and "THREAD" in role.may)
        assert p.works("thread") == ("THREAD" in role.may or
                                     kind == "bare" and "FORK" in role.may)
        assert not p.works("call execve s:/bin/true 0 0")
        assert not p.works("call execveat -100 s:/bin/true 0 0 0")
        if kind == "probe":
            assert p.call("clone", NEWUSER | 17, 0, 0, 0, 0)[0] == -1
            assert p.call("clone3", "b:88", 88) == (-1, ["ENOSYS"])
    with Probe.plain() as p:
        assert p.works("fork") and p.works("thread")
        assert p.call("execve", "s:/bin/true", 0, 0) == (0, [])


# ---- the kernel -------------------------------------------------------------

INFINITE = "x:" + "ff" * 16
BPF_MAP = "x:" + struct.pack("IIII", 2, 4, 4, 1).hex() + "00" * 104
# What root can do and no role, list of calls or not.
PRIVILEGED = [
    "call unshare %d" % NEWNS,
    "call mount s:none s:/ 0 %d 0" % (MNT_PRIVATE | MNT_REC),
    "call mount s:none s:/mnt s:tmpfs 0 0",
    "call umount2 s:/mnt 0",
    "call setrlimit 4 " + INFINITE,
    "call prlimit64 0 4 %s 0" % INFINITE,
    "call setgroups 1 x:00000000",
    "call setresgid 0 0 0",
    "call setresuid 0 0 0",
    "call setuid 0",
    "call setfsuid 0",
    "call setpriority 0 0 -5",
    "call prctl 24 7",
    "call sethostname s:%s %d" % (socket.gethostname(),
                                  len(socket.gethostname())),
    "call chroot s:/",
]
# What the list alone forbids.
LISTED = [
    "call keyctl 0 -3 1",
    "call add_key s:user s:probe s:x 1 -2",
    "call personality 0xffffffff",
    "call unshare %d" % NEWUSER,
    "call memfd_create s:probe 0",
    "call bpf 0 %s 120" % BPF_MAP,
    "call inotify_init1 0",
    "call prctl 4 1",
    "call seccomp 0 0 0",
    "call shmget 0 4096 01600",
    "call userfaultfd 1",
]


@both
@each_role
def test_the_kernel(house, name, kind):
    with probe(house, name, kind) as p:
        for command in PRIVILEGED:
            if "setfsuid" in command and kind == "bare":
                continue  # it returns the old one, whatever it did
            if os.getuid() != 0 and kind == "bare":
                continue  # an ordinary user's limits are its own
            assert not p.works(command), command
        for command in LISTED if kind == "probe" else ():
            result, why = p.ask(command)
            assert result == -1, command
            assert why[0] in ("EPERM", "ENOSYS", "EINVAL"), (command, why)
        assert p.number("call getuid") == p.number("call geteuid")


@as_root
def test_the_kernel_control():
    with Probe.plain() as p:
        for command in PRIVILEGED:
            assert p.works(command), command
    for command in LISTED:
        with Probe.plain() as p:
            result, why = p.ask(command)
            # A kernel may be built without one or the other.
            assert result != -1 or why[0] in ("ENOSYS", "EFAULT"), (
                command, why)


@pytest.mark.skipif(SAN, reason="a sanitizer may map what it likes")
@each_role
def test_executable_memory(house, name):
    may = ROLES[name].may
    with probe(house, name) as p:
        mapped = [p.works("call mmap 0 4096 %d 0x22 -1 0" % protection)
                  for protection in (3, 5, 7)]
        assert mapped == [True, bool(may & {"COMPILE", "LOAD"}),
                          "COMPILE" in may]
        assert p.works("compile") == ("COMPILE" in may)
        page = p.number("call mmap 0 4096 3 0x22 -1 0")
        assert p.works("call mprotect %d 4096 1" % page)
        assert p.works("call mprotect %d 4096 5" % page) == ("COMPILE" in may)
    with Probe.plain() as p:
        assert p.works("call mmap 0 4096 7 0x22 -1 0") and p.works("compile")


@pytest.mark.skipif(SAN, reason="a sanitizer has its own ways of memory")
@both
def test_memory_has_a_bound(house, kind):
    for name in ("smtpd", "imapd"):
        with probe(house, name, kind) as p:
            for size, works in ((1 << 30, True), (5 << 30, False)):
                assert p.works("call mmap 0 %d 3 0x22 -1 0" % size) == works
    with Probe.plain() as p:
        assert p.works("call mmap 0 %d 3 0x22 -1 0" % (5 << 30))


@as_root
@each_role
def test_keys_are_not_those_of_root(house, name):
    with Probe.plain() as p, probe(house, name, "bare") as q:
        theirs = p.number("call keyctl 0 -3 1")
        assert q.number("call keyctl 0 -3 0") != theirs
        assert not q.works("call keyctl 11 %d b:100 100" % theirs)  # read
        assert p.works("call keyctl 11 %d b:100 100" % theirs)


@as_root
@each_role
def test_what_was_inherited(house, name):
    with probe(house, name) as p:
        assert p.number("call umask 7") == 7
        names = p.ask("environment")[1]
        assert set(names) <= {"PATH", "TZ", "MALLOC_ARENA_MAX"} | {
            n for n in names if n.endswith("SAN_OPTIONS")}
        assert not p.works(read("/dev/tty"))
        pid = pid_of(house, "probe-" + name)
        assert os.stat("/proc/%d/status" % pid).st_uid == 0  # not dumpable
        with open("/proc/%d/stat" % pid) as f:
            assert f.read().rsplit(")", 1)[1].split()[4] == "0"  # no terminal
        with open("/proc/%d/status" % pid) as f:
            fields = dict(re.findall(r"^(\w+):\t(.*)$", f.read(), re.M))
        for caps in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(fields[caps], 16) == 0, caps
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2")
        assert os.getuid() not in map(int, fields["Uid"].split())


@as_root
def test_a_refused_call_is_logged_once(house):
    with probe(house, "policyd") as p:
        for _ in range(3):
            assert p.call("inotify_init1", 0) == (-1, ["ENOSYS"])
        assert p.call("execve", "s:/x", 0, 0) == (-1, ["EPERM"])

    def lines():
        return [x for x in house.log().splitlines() if
                "probe (role policyd): system call 294 is refused" in x]
    wait_until(lines)
    time.sleep(0.2)
    assert len(lines()) == 1
