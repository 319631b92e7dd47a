"""Speaks lib/ipc in Python, for tests that run one daemon by hand between
neighbours of their own: a client, and fronts that answer as told."""
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading

from house import BUILD, port_is_free, wait_until

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ESCAPES = [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"),
           ("\0", "\\0")]


def encode(name, fields):
    line = name
    for key, value in fields.items():
        if isinstance(value, bool):
            value = "1" if value else "0"
        value = str(value)
        for plain, escaped in ESCAPES:
            value = value.replace(plain, escaped)
        line += "\t%s=%s" % (key, value)
    return (line + "\n").encode("utf-8", "surrogateescape")


def decode(line):
    name, *rest = line.decode("utf-8", "surrogateescape").split("\t")
    fields = {}
    for item in rest:
        key, value = item.split("=", 1)
        out, i = "", 0
        while i < len(value):
            if value[i] == "\\":
                out += {"\\": "\\", "t": "\t", "n": "\n", "r": "\r",
                        "0": "\0"}[value[i + 1]]
                i += 2
            else:
                out += value[i]
                i += 1
        fields[key] = out
    return name, fields


def queue_ask(verb="list", **filters):
    """The fields of a queue_ask (lib/ipc/qmgr.h), in their order."""
    fields = dict(verb=verb, all=False, dry_run=False, queue_id="", sender="",
                  recipient="", domain="", nexthop="", site="", transport="",
                  state="", reason="", since=0, before=0, size_least=0,
                  size_most=0, owner=0)
    assert set(filters) <= set(fields)
    fields.update(filters)
    return fields


class Connection:
    """One end; lines as (name, fields, descriptor or None)."""

    def __init__(self, sock, exchange=None, version=1):
        self.sock = sock
        sock.settimeout(60)
        self.input = b""
        self.taken = 0  # octets
        self.coming = []  # descriptors that belong to a later octet
        self.fds = []  # that came with what was taken
        if exchange is not None:
            self.sock.sendall(b"posthouse-ipc\t%s\t%d\n" % (
                exchange.encode(), version))

    def send(self, name, fds=(), **fields):
        data = encode(name, fields)
        if fds:
            socket.send_fds(self.sock, [data], list(fds))
        else:
            self.sock.sendall(data)

    def send_bytes(self, data):
        self.sock.sendall(data)

    def fill(self):
        data, fds, _, _ = socket.recv_fds(self.sock, 65536, 8)
        self.input += data
        # What came in one call may be several lines: a descriptor belongs to
        # the last of them.
        self.coming += [(self.taken + len(self.input), fd) for fd in fds]
        return bool(data)

    def take(self, length):
        data, self.input = self.input[:length], self.input[length:]
        self.taken += length
        while self.coming and self.coming[0][0] <= self.taken:
            self.fds.append(self.coming.pop(0)[1])
        return data

    def line(self):
        while b"\n" not in self.input:
            if not self.fill():
                return None
        return self.take(self.input.index(b"\n") + 1)[:-1]

    def receive(self):
        """(name, fields); None at the end."""
        line = self.line()
        return None if line is None else decode(line)

    def receive_bytes(self, length):
        while len(self.input) < length:
            assert self.fill()
        return self.take(length)

    def close(self):
        for fd in self.fds + [fd for _, fd in self.coming]:
            os.close(fd)
        self.fds, self.coming = [], []
        self.sock.close()


class Front:
    """Listens at a path; handler(connection) for each client, in a thread."""

    def __init__(self, path, handler):
        self.path, self.handler, self.clients = path, handler, []
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.bind(path)
        os.chmod(path, 0o777)
        self.sock.listen(20)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        c = Connection(sock)
        self.clients.append(c)
        try:
            assert c.line().startswith(b"posthouse-ipc\t")
            self.handler(c)
        except (OSError, AttributeError):
            pass
        c.close()

    def close(self):
        self.sock.close()
        os.unlink(self.path)
        for c in self.clients:
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.clients = []


class Daemon:
    """A daemon run by hand in a directory of its own, at a socket or at a port
    of 127.0.0.1. before(jail) can put neighbours there."""

    def __init__(self, program, service, settings=None, spool=None,
                 inject=None, before=None, port=None):
        self.dir = tempfile.mkdtemp(prefix="phd-", dir="/tmp")
        self.log_path = os.path.join(self.dir, "log.txt")
        self.jail = os.path.join(self.dir, "run", "jail", program)
        os.makedirs(self.jail)
        self.spool = spool or os.path.join(self.dir, "spool")
        if spool is None:
            make_spool(self.spool)
        for path, _, _ in os.walk(self.dir):
            os.chmod(path, 0o777)
        values = dict(myhostname="mail.house.test", mydomain="house.test",
                      myorigin="house.test", queue_directory=self.spool,
                      run_directory=os.path.join(self.dir, "run"),
                      role_uid_base=60100, ipc_timeout="5s")
        values.update(settings or {})
        with open(os.path.join(self.dir, "main.cf"), "w") as f:
            f.writelines("%s = %s\n" % item for item in values.items())
        self.socket = os.path.join(self.jail, "own")
        self.port = port
        self.trace_path = os.path.join(self.dir, "trace.txt")
        command = [os.path.join(BUILD, "bin", program), "-C", self.dir,
                   "--debug", "--listen",
                   self.socket if port is None else str(port), "-n", service]
        # Under strace: its calls, with faults of our choice.
        self.traced = inject is not None
        if before is not None:
            before(self.jail)
        if self.traced:
            command = ["strace", "-o", self.trace_path, "-y", *[
                "-einject=" + i for i in inject], *command]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        if port is None:
            wait_until(lambda: os.path.exists(self.socket), 30)
        else:
            wait_until(lambda: not port_is_free(port), 30)

    def connect(self, exchange):
        """The path is there from bind(2) on, an answer only from listen(2)
        on: refused once means not yet."""
        def connected():
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(self.socket)
            except ConnectionRefusedError:
                sock.close()
                return None
            return sock
        return Connection(wait_until(connected, 30), exchange)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def logged(self, text, seconds=20, times=1):
        """The log has the text so often, or will in a moment. The log."""
        def there():
            log = self.log()
            return log if log.count(text) >= times else None
        there.__doc__ = "in the log: " + text
        return wait_until(there, seconds)

    def trace(self):
        with open(self.trace_path) as f:
            return f.read()

    def close(self):
        if self.traced:
            pid = self.process.pid
            with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
                for child in f.read().split():
                    os.kill(int(child), signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        subprocess.run(["rm", "-rf", self.dir], check=True)


def make_spool(path):
    for name in ("new", "corrupt"):
        os.makedirs(os.path.join(path, name))
    for a in ALPHABET:
        for b in ALPHABET:
            os.makedirs(os.path.join(path, "queue", a + b))
    for below, _, _ in os.walk(path):
        os.chmod(below, 0o777)


def queued(spool):
    """Paths of all queue files."""
    found = []
    for path, _, names in os.walk(os.path.join(spool, "queue")):
        found += [os.path.join(path, n) for n in names]
    return found


class QueueFile:
    """Reads a queue file by queue(5) alone."""

    def __init__(self, data):
        assert data[:8] == b"PHQUEUE\n"
        version, flags, count = struct.unpack_from("<HHI", data, 8)
        assert (version, flags) == (1, 0)
        self.id = data[16:38].decode()
        self.arrived = struct.unpack_from("<Q", data, 40)[0] / 1e6
        extents = [struct.unpack_from("<QQI", data, 48 + 24 * i)
                   for i in range(4)]
        (self.body, self.header, envelope, slots) = [
            data[o:o + n] for o, n, _ in extents]
        assert len(slots) == 64 * count
        self.message = self.header + self.body
        self.slots = [slots[64 * i:64 * i + 64] for i in range(count)]
        self.recipients, self.texts = [], {}
        at = 0
        while at < len(envelope):
            tag = chr(envelope[at])
            size = struct.unpack_from("<I", envelope, at + 1)[0]
            value = envelope[at + 5:at + 5 + size]
            at += 5 + size
            if tag == "R":
                self.recipients.append(
                    dict(address=value.decode(), original="", notify=0))
            elif tag == "O":
                self.recipients[-1]["original"] = value.decode()
            elif tag == "N":
                self.recipients[-1]["notify"] = value[0]
            else:
                self.texts[tag] = value.decode("latin-1")
        assert len(self.recipients) == count

    def addresses(self):
        return [r["address"] for r in self.recipients]
