"""Faults of our choice in daemons that run: strace(1) kills a process at the
N-th of its system calls, or lets a call fail. No daemon has a hook for it.

    with Sabotage(house.pids("cleanup"), "fsync:signal=SIGKILL:when=2") as s:
        ...
        s.wait_killed(5)
"""
import collections
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time

from house import wait_until

# strace may be missing, a container may forbid ptrace(2), and only root may
# look into daemons.
HAVE_STRACE = os.geteuid() == 0 and shutil.which("strace") is not None and \
    subprocess.run(["strace", "-o/dev/null", "true"],
                   capture_output=True).returncode == 0
NO_STRACE = "needs root, strace and the right to trace"


class Sabotage:
    """strace at some processes, from `with` to its end. One injection: a set
    of system calls, then what is done to them, as strace(1) writes it."""

    def __init__(self, pids, injection=None, calls="all"):
        self.pids = list(pids)
        if injection is not None:
            calls = injection.split(":")[0]
        out, self.path = tempfile.mkstemp(prefix="ph-strace-")
        os.close(out)
        command = ["strace", "-f", "-o", self.path, "-s", "80", "-e",
                   "trace=" + calls]
        if injection is not None:
            command += ["-e", "inject=" + injection]
        for pid in self.pids:
            command += ["-p", str(pid)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE,
                                        text=True)
        # All of them, or those that have not ended meanwhile.
        for _ in self.pids:
            if not self.process.stderr.readline():
                break
        threading.Thread(target=self.process.stderr.read,
                         daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.text = self.lines()
        os.unlink(self.path)

    def lines(self):
        with open(self.path, errors="replace") as f:
            return f.read().splitlines()

    def killed(self):
        return sum("+++ killed by SIGKILL +++" in x for x in self.lines())

    def wait_killed(self, seconds):
        """How many were killed: as soon as one was, else after a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.killed():
                break
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        return self.killed()

    def injected(self):
        return [x for x in self.lines() if "(INJECTED" in x]


def steps(pids, act, calls="all"):
    """How many system calls the busiest process makes while act() goes on."""
    with Sabotage(pids, calls=calls) as s:
        act()
        time.sleep(0.3)
    count = collections.Counter(
        x.split()[0] for x in s.text if "(" in x and "resumed" not in x)
    return max(count.values(), default=0)


class Sink:
    """A next hop that takes everything but mail for "gone"; it remembers
    (recipient, subject), and how often, and of each message (subject, the
    queue id that its Received field has)."""

    def __init__(self):
        self.got = collections.Counter()
        self.seen = []
        self.lock = threading.Lock()
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self.sock.getsockname()[1]
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
        sock.settimeout(300)
        try:
            with sock, sock.makefile("rwb") as f:
                self.converse(f)
        except OSError:
            pass

    def converse(self, f):
        def say(text):
            f.write(text.encode() + b"\r\n")
            f.flush()
        to = []
        say("220 sink")
        for line in f:
            verb = line[:4].upper()
            if verb == b"EHLO":
                say("250-sink\r\n250-PIPELINING\r\n250 8BITMIME")
            elif verb == b"RCPT" and b"<gone" in line:
                say("550 5.1.1 no such user")
            elif verb == b"RCPT":
                to.append(re.search(rb"<(.*?)>", line).group(1).decode())
                say("250 ok")
            elif verb == b"DATA":
                say("354 go on" if to else "554 5.5.1 nobody")
                if not to:
                    continue
                subject, qid = self.content(f)
                if subject is None:
                    return
                with self.lock:
                    self.seen.append((subject, qid))
                    for address in to:
                        self.got[address, subject] += 1
                to = []
                say("250 2.0.0 taken")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                if verb in (b"RSET", b"MAIL"):
                    to = []
                say("250 ok")

    def content(self, f):
        """Subject and queue id; None when the end does not come."""
        subject = qid = ""
        for line in f:
            if line == b".\r\n":
                return subject, qid
            found = re.search(rb"\bid ([0-9A-Z]{22})\b", line)
            if found and not qid:
                qid = found.group(1).decode()
            if line.startswith(b"Subject: ") and not subject:
                subject = line[9:].strip().decode()
        return None, None

    def close(self):
        self.sock.close()


class Sender:
    """One SMTP connection to an instance, opened anew when it breaks."""

    def __init__(self, port):
        self.port, self.smtp = port, None

    def close(self):
        if self.smtp is not None:
            self.smtp.close()
        self.smtp = None

    def send(self, sender, to, content):
        """("accepted", queue id, refused) after 250; ("refused", code, text)
        of a 4xx or 5xx; ("unknown", ...) when the answer to the dot did not
        come; ("lost", ...) before the dot."""
        dot = False
        try:
            if self.smtp is None:
                self.smtp = smtplib.SMTP("127.0.0.1", self.port, timeout=60)
                self.smtp.ehlo("client.test")
            s = self.smtp
            code, text = s.mail(sender)
            if code != 250:
                return self.refused(code, text)
            refused = {}
            for address in to:
                code, text = s.rcpt(address)
                if code not in (250, 251):
                    refused[address] = code
                    if code == 421:
                        self.close()
                        return "refused", code, text
            if len(refused) == len(to):
                return self.refused(code, text)
            code, text = s.docmd("DATA")
            if code != 354:
                return self.refused(code, text)
            dot = True
            s.send(content + b"\r\n.\r\n")
            code, text = s.getreply()
            if code != 250:
                return self.refused(code, text)
            qid = re.search(rb"queued as (\S+)", text).group(1).decode()
            return "accepted", qid, refused
        except (smtplib.SMTPException, OSError, ValueError) as e:
            self.close()
            return ("unknown" if dot else "lost"), 0, str(e)

    def refused(self, code, text):
        try:
            self.smtp.rset()
        except (smtplib.SMTPException, OSError):
            self.close()
        return "refused", code, text


def kill(house, pids):
    """kill -9 of those that are still ours; how many."""
    killed = 0
    for pid in pids:
        if pid and house.is_ours(pid):
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                pass
    return killed


def start_again(house):
    """After the end of master: a new one takes over."""
    wait_until(lambda: house.posthouse(
        "start", check=False).returncode == 0, 60, 0.3)
