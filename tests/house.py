"""A private instance of the suite for tests, the tour and the benchmarks.

    with House(domain="one.test", users=3) as house:
        ...smtplib.SMTP("127.0.0.1", house.smtp)...

Everything lies below one temporary directory; stop() ends only the processes
that start() began. Nothing but 127.0.0.1 is used.
"""
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("POSTHOUSE_BUILD") or os.path.join(TOP, "build")
POSTHOUSE = os.path.join(BUILD, "bin", "posthouse")
OFFSETS = dict(lmtp=24, smtp=25, metrics=100, pop3=110, imap=143, submissions=465,
               submission=587, imaps=993, pop3s=995)

# What no run of the suite may leave behind: a sanitizer's report, words of the
# C library, a process that ended by a signal that nobody sent, or a system call
# that its role's list (lib/daemon/calls.c) lacks.
if BUILD.rstrip("/").endswith("-san"):
    os.environ.setdefault("ASAN_OPTIONS", "abort_on_error=1")
    os.environ.setdefault("UBSAN_OPTIONS",
                          "print_stacktrace=1:halt_on_error=1")
CRASH = re.compile(
    r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer"
    r"|: runtime error: |stack smashing|buffer overflow detected"
    r"|ended by signal (4|5|6|7|8|11|31)\b|^(free|malloc|corrupted|double)\b"
    r"|: system call \d+ is refused",
    re.M)


def highest_port():
    """Below the range from which the kernel takes the ports of connections
    that go out: one of those would be in the way of a daemon."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            lowest = int(f.read().split()[0])
    except OSError:
        lowest = 32768
    return lowest if lowest > 12000 else 32768


RESERVED = {}  # port: what holds it


def reserve(ports):
    """These ports are ours until release(), whoever else runs tests on this
    machine: he asks for the same names. False when one of them is taken."""
    held = {}
    for port in ports:
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        held[port] = name
        try:
            name.bind("\0posthouse-test-port-%d" % port)
        except OSError:
            break
        if not port_is_free(port):
            break
    else:
        RESERVED.update(held)
        return True
    for name in held.values():
        name.close()
    return False


def release(ports):
    for port in ports:
        if port in RESERVED:
            RESERVED.pop(port).close()


def port_is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def free_port():
    """A port that nobody listens on; this process keeps it."""
    for _ in range(1000):
        port = random.randrange(10000, highest_port())
        if reserve([port]):
            return port
    raise RuntimeError("no free port")


def free_port_base():
    for _ in range(1000):
        base = random.randrange(10000, highest_port() - max(OFFSETS.values()))
        if reserve([base + o for o in OFFSETS.values()]):
            return base
    raise RuntimeError("no free range of ports")


def wait_until(what, seconds=20, every=0.05):
    """The first true value of what(); fails when none comes in time."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %s s in vain for %s" % (
                seconds, getattr(what, "__doc__", None) or what))
        time.sleep(every)


def process(pid):
    """(state, when it began in ticks since the boot); (None, None) when there
    is none."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None, None
    return fields[0], int(fields[19])


def with_lines(report):
    """A sanitizer in a jail cannot read the program: the places that it names
    by their offset, said by function and line."""
    def place(found):
        done = subprocess.run(
            ["addr2line", "-f", "-s", "-e", found.group(1), found.group(2)],
            capture_output=True, text=True)
        return " ".join(done.stdout.split()) or found.group(0)
    return re.sub(r"\((%s/[^ +()]*)\+(0x[0-9a-f]+)\)" % re.escape(BUILD),
                  place, report)


class House:
    def __init__(self, domain="example.test", users=2, password="secret",
                 port_base=None, settings=None, directory=None, start=True):
        self.domain, self.users, self.password = domain, users, password
        self.settings = dict(settings or {})
        self.keep = directory is not None
        self.crashes_allowed = False  # by a test that makes them
        self.dir = directory or tempfile.mkdtemp(prefix="ph-", dir="/tmp")
        os.makedirs(self.dir, exist_ok=True)
        os.chmod(self.dir, 0o755)
        self.etc = os.path.join(self.dir, "etc")
        self.port_base = port_base or free_port_base()
        self.ports = [self.port_base + o for o in OFFSETS.values()]
        for name, offset in OFFSETS.items():
            setattr(self, name, self.port_base + offset)
        try:
            self.init()
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print("---- last lines of the log ----")
            print("\n".join(self.log().splitlines()[-60:]))
        self.close()

    def init(self):
        args = [POSTHOUSE, "init", self.dir, "--domain", self.domain,
                "--users", str(self.users), "--password", self.password,
                "--port-base", str(self.port_base)]
        for name, value in self.settings.items():
            args += ["--set", "%s=%s" % (name, value)]
        done = subprocess.run(args, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr

    def posthouse(self, *args, check=True, input=None, timeout=60):
        """Runs the operator's command; what it printed."""
        done = subprocess.run([POSTHOUSE, "-c", self.etc, *args], text=True,
                              capture_output=True, input=input,
                              timeout=timeout)
        if check:
            assert done.returncode == 0, "posthouse %s: %s%s" % (
                " ".join(args), done.stdout, done.stderr)
            return done.stdout
        return done

    def program(self):
        return POSTHOUSE

    def json(self, *args):
        return json.loads(self.posthouse(*args, "--json"))

    def start(self):
        self.posthouse("start")

    def stop(self, check=True):
        return self.posthouse("stop", check=check)

    def master_pid(self):
        try:
            with open(os.path.join(self.dir, "run", "master.pid")) as f:
                return int(f.read().split()[0])
        except (OSError, ValueError, IndexError):
            return None

    def pids(self, program=None):
        """Processes of this instance: those whose working directory or
        configuration lies below ours, by the tree of master."""
        master = self.master_pid()
        if master is None:
            return []
        children = {}
        names = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % entry) as f:
                    text = f.read()
            except OSError:
                continue
            name = text[text.index("(") + 1:text.rindex(")")]
            parent = int(text[text.rindex(")") + 2:].split()[1])
            children.setdefault(parent, []).append(int(entry))
            names[int(entry)] = name
        found, todo = [], [master]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return [p for p in found
                if p in names and (program is None or names[p] == program)]

    def identities(self):
        """The processes of this instance, so that nobody who gets the number
        of one later is taken for it: pid and beginning, in ticks."""
        return {(pid, began) for pid in self.pids()
                for began in [process(pid)[1]] if began is not None}

    def wait_gone(self, identities, seconds=20):
        """Until the last of these processes has ended; else says who has
        not, and what the log has of it."""
        end = time.monotonic() + seconds
        while True:
            left = [pid for pid, began in identities
                    if process(pid)[1] == began and process(pid)[0] != "Z"]
            if not left:
                return
            if time.monotonic() >= end:
                raise AssertionError("still alive:\n" + "\n".join(
                    self.describe(pid) for pid in left))
            time.sleep(0.05)

    def describe(self, pid):
        """Of a process: its program, its state, and its lines of the log."""
        done = subprocess.run(
            ["ps", "-o", "pid,ppid,pgid,stat,etimes,wchan:24,args", "-p",
             str(pid)], capture_output=True, text=True)
        lines = [line for line in self.log().splitlines()
                 if re.search(r"\b%d\b" % pid, line)]
        return done.stdout + "\n".join(lines[-20:])

    def close(self):
        pids = self.identities()
        try:
            self.stop(check=False)
        except subprocess.TimeoutExpired:
            pass
        for pid, began in pids:
            if process(pid)[1] == began and self.is_ours(pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        release(self.ports)
        crashes = self.crashes()
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)
        assert self.crashes_allowed or not crashes, crashes

    def crashes(self):
        """What daemons said as they broke: on stderr, which master keeps,
        and what is logged about their end. "" when all is well."""
        said = self.read("run", "master.err")
        where = CRASH.search(said)
        if where:
            return with_lines(
                said[max(0, where.start() - 2000):where.start() + 8000])
        return "\n".join(line for line in self.log().splitlines()
                         if CRASH.search(line))

    def is_ours(self, pid):
        """Still a process of this instance, not another that got its pid."""
        try:
            exe = os.readlink("/proc/%d/exe" % pid)
        except PermissionError:  # an ordinary user's own daemon
            with open("/proc/%d/cmdline" % pid) as f:
                return "config_directory=" + self.etc in f.read()
        except OSError:
            return False
        return exe.startswith(BUILD)

    def read(self, *path):
        """The text of a file of ours; "" when there is none."""
        try:
            with open(os.path.join(self.dir, *path), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def log(self):
        return self.read("log", "posthouse.log")

    def logged(self, text, seconds=20, times=1):
        """The log has the text so often, or will in a moment: lines travel.
        The log."""
        def there():
            log = self.log()
            return log if log.count(text) >= times else None
        there.__doc__ = "in the log: " + text
        return wait_until(there, seconds)

    def user(self, n=0):
        return "user%d@%s" % (n, self.domain)

    def tls(self):
        """A client context that takes our self-signed certificate."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def queue(self):
        return self.json("queue", "list")

    def traced(self, name, event, seconds=20):
        """The trace of a message has an event, or will in a moment."""
        def there():
            done = self.posthouse("--json", "trace", name, check=False)
            return done.returncode == 0 and any(
                e["event"] == event for m in json.loads(done.stdout)[
                    "messages"] for e in m["events"])
        there.__doc__ = "in the trace of %s: %s" % (name, event)
        wait_until(there, seconds)

    def queue_files(self):
        """Of all accepted messages, known to the queue manager or not yet."""
        return [os.path.join(path, name) for path, _, names in os.walk(
            os.path.join(self.dir, "spool", "queue")) for name in names
            if len(name) == 22]

    def wait_empty_queue(self, seconds=60):
        def empty():
            """an empty queue"""
            # A notification may have its file and not be offered yet.
            return not self.queue()["messages"] and not self.queue_files()
        wait_until(empty, seconds, 0.1)

    def set(self, name, value):
        self.posthouse("conf", "set", "%s=%s" % (name, value))
