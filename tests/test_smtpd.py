"""smtpd by hand, between a lookup, a cleanup, an auth and a policyd of our
own: what it accepts, what it passes on, what it refuses and says, and what
dead neighbours do to it."""
import base64
import os
import re
import select
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from house import BUILD, free_port, port_is_free, release, wait_until
from ipc_fake import Front

JAILS = {"smtpd": "smtpd", "submission": "submission", "lmtpd": "lmtpd"}
QUEUE_ID = "06G5K3Z9Q4ABCDEFGHJKMN"


class Neighbours:
    def __init__(self, jail, submission):
        self.jail = jail
        self.messages = []      # dicts, as cleanup got them
        self.aborted = 0
        self.connections = {}   # by socket
        self.outcome = dict(accepted=True, queue_id=QUEUE_ID, code=250,
                            dsn="2.0.0", text="Ok")
        self.cleanup_mood = "normal"
        self.rooms = []         # sizes that were asked for
        self.room = 10 ** 9
        self.limit_reached = False
        self.auth_leaves = 0    # beginnings that get no answer
        self.auth_at = "1"      # but the first one does
        self.counted = []
        self.fronts = {}
        self.cleanup_name = "cleanup-submit" if submission else "cleanup"
        for name in (self.cleanup_name, "lookup", "auth", "policyd"):
            self.start(name)

    def start(self, name):
        method = "cleanup" if name.startswith("cleanup") else name

        def handler(c):
            self.connections[name] = self.connections.get(name, 0) + 1
            getattr(self, method)(c)
        self.fronts[name] = Front(os.path.join(self.jail, name), handler)

    def stop(self, name):
        self.fronts.pop(name).close()

    def close(self):
        for front in self.fronts.values():
            front.close()

    def cleanup(self, c):
        while True:
            message = None
            while True:
                got = c.receive()
                if got is None:
                    return
                name, f = got
                if name == "room":
                    self.rooms.append(int(f["size"]))
                    ok = self.rooms[-1] <= self.room
                    c.send("outcome", accepted=ok, queue_id="",
                           code=250 if ok else 452,
                           dsn="2.0.0" if ok else "4.3.1",
                           text="" if ok else "Insufficient system storage")
                elif name == "message":
                    message = dict(f, recipients=[], content=b"")
                elif name == "recipient":
                    message["recipients"].append(f)
                elif name == "content":
                    message["content"] += c.receive_bytes(int(f["length"]))
                    if self.cleanup_mood == "early":
                        self.cleanup_mood = "normal"
                        c.send("outcome", accepted=False, queue_id="",
                               code=452, dsn="4.3.1", text="No space")
                        message["refused"] = True
                elif name == "abort":
                    self.aborted += 1
                    break
                elif name == "commit":
                    assert int(f["size"]) == len(message["content"])
                    if "refused" in message:
                        break
                    if self.cleanup_mood == "die":
                        return
                    self.messages.append(message)
                    c.send("outcome", **self.outcome)
                    break
            if self.cleanup_mood == "leave":
                return

    USERS = {"user@house.test": ("ok", "mailbox"),
             "second@house.test": ("ok", "mailbox"),
             "postmaster@house.test": ("ok", "alias"),
             "full@house.test": ("refused", "mailbox"),
             "away@house.test": ("temporary", "mailbox"),
             "relayed@customer.test": ("ok", "relay")}

    def lookup(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            address = f["address"].lower()
            if name == "owns":
                status = "ok" if address == f["login"] else "refused"
                c.send("owned", request=f["request"], status=status)
                continue
            if address in self.USERS:
                status, domain = self.USERS[address]
            elif address.endswith("@house.test"):
                status, domain = "unknown", "mailbox"
            else:
                status, domain = "ok", "remote"
            full = status == "refused"
            c.send("resolved", request=f["request"], status=status,
                   domain=domain, is_alias=False, transport="local",
                   nexthop="", account="", quota_storage=0, quota_messages=0,
                   code=452 if full else 0, dsn="4.2.2" if full else "",
                   text="Mailbox full" if full else "",
                   rule="virtual_mailbox_maps")

    def auth(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            if name == "auth_cancel":
                self.counted.append("cancel")
                continue
            assert f.get("service") == "submission" and f["tls"] == "1"
            request = f["request"]
            if self.auth_leaves > 0 and request != self.auth_at:
                # It has said so, and ends without an answer.
                self.auth_leaves -= 1
                return
            if f["mechanism"] == "PLAIN":
                if f["has_initial"] == "0":
                    c.send("auth_challenge", request=request, data="")
                    name, f = c.receive()
                    if name == "auth_cancel":
                        self.counted.append("cancel")
                        continue
                    secret = f["data"]
                else:
                    secret = f["initial"]
                good = secret == "\0user@house.test\0secret"
            else:
                answers = []
                for question in ("Username:", "Password:"):
                    c.send("auth_challenge", request=request, data=question)
                    name, f = c.receive()
                    answers.append(f["data"])
                good = answers == ["user@house.test", "secret"]
            if good:
                c.send("auth_ok", request=request, login="user@house.test",
                       ticket="T" * 32)
            else:
                c.send("auth_no", request=request, temporary=False,
                       login="user@house.test", text="wrong",
                       reason="password does not match")
                if self.auth_leaves > 0:
                    self.auth_at = request
                    c.send("auth_leave")

    def policyd(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, f = got
            assert name == "policy_count"
            self.counted.append(f["key"])
            c.send("policy_counted", request=f["request"],
                   within=not self.limit_reached, count=7)


@pytest.fixture(scope="module")
def chain():
    with tempfile.TemporaryDirectory() as d:
        key, cert = os.path.join(d, "key"), os.path.join(d, "cert")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-keyout", key, "-out", cert],
            check=True, capture_output=True)
        with open(key) as k, open(cert) as c:
            text = k.read() + c.read()
        path = os.path.join(d, "chain.pem")
        with open(path, "w") as f:
            f.write(text)
        yield path


class Smtpd:
    def __init__(self, chain, role="smtpd", **settings):
        self.dir = tempfile.mkdtemp(prefix="phd-", dir="/tmp")
        self.jail = os.path.join(self.dir, "run", "jail", role)
        os.makedirs(self.jail)
        for path, _, _ in os.walk(self.dir):
            os.chmod(path, 0o777)
        values = dict(myhostname="mail.house.test", mydomain="house.test",
                      myorigin="house.test", mynetworks="10.0.0.0/8",
                      mail_authentication="no",
                      run_directory=os.path.join(self.dir, "run"),
                      smtpd_tls_chain_files=chain, role_uid_base=60100,
                      dns_servers="127.0.0.1:9",
                      smtpd_error_sleep_time="0", ipc_timeout="5s")
        values.update(settings)
        with open(os.path.join(self.dir, "main.cf"), "w") as f:
            f.writelines("%s = %s\n" % item for item in values.items())
        self.neighbours = Neighbours(self.jail, role == "submission")
        self.port = free_port()
        self.clients = []
        self.log_path = os.path.join(self.dir, "log.txt")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(
                [os.path.join(BUILD, "bin", "smtpd"), "-C", self.dir,
                 "--debug", "--listen", str(self.port), "-r", role,
                 "-n", role], stderr=log, stdout=log)
        wait_until(lambda: not port_is_free(self.port), 10)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.log())
        for c in self.clients:
            c.close() # a transaction under way would hold up the end
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        log = self.log()
        release([self.port])
        self.neighbours.close()
        subprocess.run(["rm", "-rf", self.dir], check=True)
        assert "Sanitizer" not in log and "runtime error" not in log, log
        if kind is None:
            assert status == 0, log

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def logged(self, text, times=1):
        """The log has the text so often, or will in a moment."""
        wait_until(lambda: self.log().count(text) >= times)

    def connect(self):
        self.clients.append(Client(self.port))
        return self.clients[-1]

    def client(self, greeting="EHLO client.test"):
        c = self.connect()
        assert c.reply()[0] == 220
        if greeting:
            code, lines = c.ask(greeting)
            assert code == 250
        return c

    def secure(self):
        c = self.client()
        c.start_tls()
        assert c.ask("EHLO client.test")[0] == 250
        return c


class Client:
    """SMTP by hand, so that nothing is corrected on the way."""

    def __init__(self, port, tls=False):
        self.sock = socket.create_connection(("127.0.0.1", port), 20)
        if tls:
            self.wrap()
        self.input = b""

    def wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def start_tls(self):
        assert self.ask("STARTTLS")[0] == 220
        self.wrap()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """(code, lines); (0, []) at the end of the connection."""
        lines = []
        while True:
            while b"\r\n" not in self.input:
                try:
                    data = self.sock.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return 0, lines
                self.input += data
            line, self.input = self.input.split(b"\r\n", 1)
            lines.append(line.decode("latin-1"))
            if line[3:4] == b" ":
                return int(line[:3]), lines

    def trickle(self, piece):
        """Sends it ten times a second until there is an answer to it."""
        for _ in range(200):
            try:
                self.send(piece)
            except OSError:
                return
            if select.select([self.sock], [], [], 0.1)[0]:
                return
        raise AssertionError("nothing ended it")

    def ask(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def text(self, line):
        code, lines = self.ask(line)
        return lines[-1]

    def envelope(self, sender="a@elsewhere.test", to=("user@house.test",)):
        assert self.ask("MAIL FROM:<%s>" % sender)[0] == 250
        for address in to:
            assert self.ask("RCPT TO:<%s>" % address)[0] == 250

    def data(self, content):
        assert self.ask("DATA")[0] == 354
        self.send(content)
        return self.reply()

    def at_end(self):
        return self.reply() == (0, [])

    def close(self):
        self.sock.close()


def plain(user, password):
    text = ("\0%s\0%s" % (user, password)).encode()
    return base64.b64encode(text).decode()


def keywords(lines):
    return {line[4:].split()[0] for line in lines[1:]}


def test_what_is_offered(chain):
    with Smtpd(chain) as s:
        c = s.client(None)
        code, lines = c.ask("EHLO client.test")
        assert lines[0] == "250-mail.house.test"
        assert "250-SIZE 52428800" in lines
        assert keywords(lines) >= {"PIPELINING", "SIZE", "STARTTLS",
                                   "8BITMIME", "ENHANCEDSTATUSCODES"}
        assert "AUTH" not in keywords(lines)
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == 502
        c.start_tls()
        code, lines = c.ask("EHLO client.test")
        assert not keywords(lines) & {"AUTH", "STARTTLS"}
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == 502
        assert c.text("HELO client.test") == "250 mail.house.test"
        assert c.ask("LHLO client.test")[0] == 502
    with Smtpd(chain, "submission") as s:
        c = s.client(None)
        assert "AUTH" not in keywords(c.ask("EHLO client.test")[1])
        c.start_tls()
        code, lines = c.ask("EHLO client.test")
        assert "250-AUTH PLAIN LOGIN" in lines
        assert "STARTTLS" not in keywords(lines)
    with Smtpd(chain, "lmtpd") as s:
        c = s.client(None)
        assert c.ask("EHLO client.test")[0] == 502
        assert "PIPELINING" in keywords(c.ask("LHLO client.test")[1])
    with Smtpd("", smtpd_discard_ehlo_keywords="size, DSN") as s:
        got = keywords(s.client(None).ask("EHLO client.test")[1])
        assert not got & {"SIZE", "DSN", "STARTTLS"}


def test_a_message_goes_through(chain):
    with Smtpd(chain) as s:
        content = (b"Subject: x\r\n\r\n..stuffed\r\n8bit \xe9 \x00\r\n" +
                   b"z" * 998 + b"\r\n")
        for i in range(2):
            c = s.client()
            for n in range(2):
                assert c.text("MAIL FROM:<a@elsewhere.test> BODY=8BITMIME "
                              "SIZE=100 RET=HDRS ENVID=q+2B1"
                              ) == "250 2.1.0 Ok"
                assert c.text("RCPT TO:<user@house.test> NOTIFY=NEVER "
                              "ORCPT=rfc822;u@house.test") == "250 2.1.5 Ok"
                assert c.ask("RCPT TO:<Postmaster>")[0] == 250
                code, lines = c.data(content + b".\r\n")
                assert lines == ["250 2.0.0 Ok: queued as " + QUEUE_ID]
            assert c.text("QUIT") == "221 2.0.0 Bye"
            assert c.at_end()
        assert len(s.neighbours.messages) == 4
        m = s.neighbours.messages[-1]
        assert m["content"] == content.replace(b"\r\n..", b"\r\n.")
        assert (m["origin"], m["sender"], m["helo"], m["client_name"],
                m["client_address"], m["protocol"], m["body"], m["ret"],
                m["envid"], m["login"]) == (
            "mx", "a@elsewhere.test", "client.test", "localhost",
            "127.0.0.1", "ESMTP", "8BITMIME", "HDRS", "q+1", "")
        assert [r["address"] for r in m["recipients"]] == [
            "user@house.test", "Postmaster@house.test"]
        assert m["recipients"][0]["notify"] == "NEVER"
        assert m["recipients"][0]["original"] == "rfc822;u@house.test"
        # one connection to each neighbour, over transactions and clients
        assert s.neighbours.connections == {"cleanup": 1, "lookup": 1}
        log = s.log()
        assert "connect from localhost[127.0.0.1]" in log
        assert QUEUE_ID + ": client=localhost[127.0.0.1]" in log
        assert ("disconnect from localhost[127.0.0.1] ehlo=1 mail=2 rcpt=4 "
                "data=2 quit=1 commands=10") in log


def test_large_message_and_tls(chain):
    with Smtpd(chain) as s:
        line = b".starts with a dot, " * 3 + b"\r\n"
        content = line * 30000
        for connect, protocol in ((s.client, "ESMTP"), (s.secure, "ESMTPS")):
            c = connect()
            c.envelope(sender="")
            code, lines = c.data(
                content.replace(b"\r\n.", b"\r\n..").replace(b".", b"..", 1)
                + b".\r\n")
            assert code == 250
            m = s.neighbours.messages[-1]
            assert m["content"] == content
            assert (m["sender"], m["protocol"]) == ("", protocol)
            c.close()
        assert re.fullmatch(r"TLSv1\.3 with cipher \S+ \(\d+/\d+ bits\)",
                            s.neighbours.messages[-1]["tls"])


def test_pipelining(chain):
    with Smtpd(chain) as s:
        c = s.client()
        for i in range(3):
            c.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<user@house.test>\r\n"
                   "RCPT TO:<nobody@house.test>\r\nDATA\r\n")
            assert [c.reply()[0] for _ in range(4)] == [250, 250, 550, 354]
            c.send("x\r\n.\r\nRSET\r\nNOOP\r\n")
            assert [c.reply()[0] for _ in range(3)] == [250] * 3
        c.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@house.test>\r\n"
               "DATA\r\nQUIT\r\n")
        assert [c.reply()[0] for _ in range(4)] == [250, 550, 554, 221]


def test_recipients(chain):
    with Smtpd(chain) as s:
        c = s.client()
        assert c.ask("RCPT TO:<user@house.test>")[0] == 503
        assert c.ask("MAIL FROM:<a@b.test>")[0] == 250
        assert c.ask("MAIL FROM:<a@b.test>")[0] == 503
        assert c.text("RCPT TO:<nobody@house.test>") == (
            "550 5.1.1 <nobody@house.test>: Recipient address rejected: "
            "User unknown")
        assert c.text("RCPT TO:<full@house.test>") == (
            "452 4.2.2 <full@house.test>: Recipient address rejected: "
            "Mailbox full")
        assert c.text("RCPT TO:<x@far.test>") == (
            "554 5.7.1 <x@far.test>: Relay access denied")
        assert c.text("RCPT TO:<away@house.test>").startswith("451 4.3.0 ")
        assert c.text("RCPT TO:<relayed@customer.test>") == "250 2.1.5 Ok"
        assert c.text("RCPT TO:<a b@house.test>").startswith("501 5.1.3 ")
        assert c.text("RCPT TO:<x@house.test> FOO=1").startswith("555 5.5.4")
        assert c.ask("RSET")[0] == 250
        assert c.ask("DATA")[0] == 503
        log = s.log()
        assert ("NOQUEUE: reject: RCPT from localhost[127.0.0.1]: 550 5.1.1 "
                "<nobody@house.test>: Recipient address rejected: User "
                "unknown; from=<a@b.test> to=<nobody@house.test> proto=ESMTP "
                "helo=<client.test>") in log
        # lookup was started anew
        s.neighbours.stop("lookup")
        s.neighbours.start("lookup")
        c.envelope()
        assert c.ask("RSET")[0] == 250
        s.neighbours.stop("lookup")
        c.envelope(to=())
        assert c.text("RCPT TO:<user@house.test>").startswith("451 4.3.0 ")
        s.neighbours.start("lookup")
        assert c.ask("RCPT TO:<user@house.test>")[0] == 250
    with Smtpd(chain, mynetworks="127.0.0.0/8") as s:
        s.client().envelope(to=["x@far.test"])
    with Smtpd(chain, "lmtpd", mynetworks="127.0.0.0/8") as s:
        c = s.client("LHLO client.test")
        c.envelope(to=())
        assert c.ask("RCPT TO:<x@far.test>")[0] == 554


SMUGGLED = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r",
            b"\r.\r\n", b"\n\n.\r\n", b"\r\n\r.\r\n"]


@pytest.mark.parametrize("end", SMUGGLED)
def test_smuggling(chain, end):
    attack = (b"x" + end + b"MAIL FROM:<evil@b.test>\r\n"
              b"RCPT TO:<user@house.test>\r\nDATA\r\nevil\r\n.\r\n")
    with Smtpd(chain) as s:
        c = s.client()
        c.envelope()
        code, lines = c.data(attack)
        assert lines[0].startswith("550 5.5.2 "), lines
        assert c.ask("NOOP")[0] == 250
        c.envelope()
        assert c.data(b"fine\r\n.\r\n")[0] == 250
        assert [m["content"] for m in s.neighbours.messages] == [b"fine\r\n"]
        assert c.ask("NOOP\rNOOP")[0] == 500
        c.send("NOOP\n")
        assert c.reply()[0] == 500
    with Smtpd(chain, smtpd_forbid_bare_newline="normalize") as s:
        c = s.client()
        c.envelope()
        assert c.data(attack)[0] == 250
        assert c.ask("NOOP")[0] == 250
        content, = [m["content"] for m in s.neighbours.messages]
        assert b"RCPT TO:<user@house.test>\r\n" in content
        assert b"\n" not in content.replace(b"\r\n", b"")
        assert b"\r" not in content.replace(b"\r\n", b"")


def test_size_limit(chain):
    with Smtpd(chain, message_size_limit=70000) as s:
        c = s.client()
        assert c.text("MAIL FROM:<a@b.test> SIZE=70001").startswith(
            "552 5.3.4 ")
        big = (b"x" * 76 + b"\r\n") * 3000
        for content, code in ((big, 552), (b"x" * 69998 + b"\r\n", 250),
                              (b"x" * 69999 + b"\r\n", 552)):
            c.envelope()
            got = c.data(content + b".\r\n")
            assert got[0] == code
        assert "552 5.3.4 " in got[1][0]
        assert len(s.neighbours.messages) == 1
        # what cleanup had got already was taken back
        wait_until(lambda: s.neighbours.aborted == 1, 5)
    with Smtpd(chain, smtpd_line_length_limit=1000,
               smtpd_forbid_nul="yes") as s:
        c = s.client()
        c.envelope()
        assert c.data(b"x" * 1001 + b"\r\n.\r\n")[0] == 550
        c.envelope()
        assert c.data(b"a\0b\r\n.\r\n")[0] == 550
        c.envelope()
        assert c.data(b"x" * 1000 + b"\r\n.\r\n")[0] == 250


def test_mail_asks_for_room(chain):
    """A message that would not fit is refused before it is sent."""
    with Smtpd(chain) as s:
        n, c = s.neighbours, s.client()
        n.room = 3 << 20
        assert c.text("MAIL FROM:<a@b.test> SIZE=4000000").startswith(
            "452 4.3.1 ")
        assert c.ask("MAIL FROM:<a@b.test> SIZE=3000000")[0] == 250
        c.ask("RSET")
        asked = len(n.rooms)
        assert n.rooms == [4 << 20, 3 << 20]
        # What fits into the last answer is not asked for, for a second.
        begun = time.monotonic()
        for size in ("", " SIZE=100", " SIZE=3000000"):
            assert c.ask("MAIL FROM:<a@b.test>" + size)[0] == 250
            c.ask("RSET")
        assert len(n.rooms) <= asked + 1 + time.monotonic() - begun
        n.room = 0
        time.sleep(1.1)
        assert c.text("MAIL FROM:<a@b.test>").startswith("452 4.3.1 ")
        s.logged("NOQUEUE: reject: MAIL from", 2)
        n.stop("cleanup")
        assert c.text("MAIL FROM:<a@b.test>").startswith("451 4.3.0 ")


def test_cleanup_comes_and_goes(chain):
    with Smtpd(chain) as s:
        n = s.neighbours
        c = s.client()

        def send(content=b"x\r\n"):
            # Asked about room at most once a second, so either may tell.
            said = c.ask("MAIL FROM:<a@elsewhere.test>")
            if said[0] != 250:
                return said
            assert c.ask("RCPT TO:<user@house.test>")[0] == 250
            return c.data(content + b".\r\n")
        # it ends after each message: the kept connection is made anew
        n.cleanup_mood = "leave"
        for i in range(3):
            assert send()[0] == 250
            time.sleep(0.05)
        n.cleanup_mood = "normal"
        assert send(b"y" * 300000 + b"\r\n")[0] == 250
        # it dies when it has read everything: queued or not, who knows
        n.cleanup_mood = "die"
        before = len(n.messages)
        assert send()[1][0].startswith("451 4.3.0 ")
        assert len(n.messages) == before
        n.cleanup_mood = "normal"
        assert send()[0] == 250
        n.stop("cleanup")
        assert send()[1][0].startswith("451 4.3.0 ")
        assert send(b"y" * 300000 + b"\r\n")[1][0].startswith("451 4.3.0 ")
        n.start("cleanup")
        assert send()[0] == 250
        # a refusal in the middle, for a message that comes to its end
        n.cleanup_mood = "early"
        assert send(b"y" * 300000 + b"\r\n")[1] == ["452 4.3.1 No space"]
        assert send()[0] == 250
        # and for one that does not
        before = len(n.messages)
        n.cleanup_mood = "early"
        assert send(b"y" * 300000 + b"\n\r\n")[0] == 550
        assert send()[0] == 250
        assert len(n.messages) == before + 1
        n.outcome = dict(accepted=False, queue_id="", code=554, dsn="5.4.6",
                         text="Error: too many hops")
        assert send()[1] == ["554 5.4.6 Error: too many hops"]


def test_submission_needs_tls_and_a_login(chain):
    with Smtpd(chain, "submission", mynetworks="127.0.0.0/8") as s:
        c = s.client()
        for line in ("MAIL FROM:<user@house.test>",
                     "AUTH PLAIN " + plain("user@house.test", "secret")):
            assert c.text(line) == (
                "530 5.7.0 Must issue a STARTTLS command first")
        c.start_tls()
        assert c.ask("MAIL FROM:<user@house.test>")[0] == 503
        c.ask("EHLO client.test")
        assert c.text("MAIL FROM:<user@house.test>") == (
            "530 5.7.0 Authentication required")
        assert c.text("AUTH PLAIN " + plain("user@house.test", "wrong")
                      ).startswith("535 5.7.8 ")
        assert c.text("AUTH PLAIN !!!!").startswith("501 5.5.2 ")
        assert c.text("AUTH SCRAM-SHA-1").startswith("504 5.5.4 ")
        assert c.text("AUTH PLAIN") == "334 "
        assert c.text("*").startswith("501 5.7.0 ")
        assert c.ask("AUTH PLAIN")[0] == 334
        assert c.text("QUJ").startswith("501 5.5.2 ")
        assert c.ask("AUTH LOGIN")[1] == ["334 VXNlcm5hbWU6"]
        assert c.ask(base64.b64encode(b"user@house.test").decode())[1] == [
            "334 UGFzc3dvcmQ6"]
        assert c.text(base64.b64encode(b"secret").decode()) == (
            "235 2.7.0 Authentication successful")
        wait_until(lambda: s.neighbours.counted == ["cancel", "cancel"])
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == 503
        assert "AUTH" not in keywords(c.ask("EHLO client.test")[1])
        assert c.text("MAIL FROM:<other@house.test>") == (
            "553 5.7.1 <other@house.test>: Sender address rejected: not "
            "owned by user user@house.test")
        c.envelope("user@house.test", ["x@far.test"])
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == 503
        assert c.data(b"hello\r\n.\r\n")[0] == 250
        c.envelope("", ["x@far.test"])
        m = s.neighbours.messages[0]
        assert (m["origin"], m["login"], m["ticket"], m["protocol"]) == (
            "submission", "user@house.test", "T" * 32, "ESMTPSA")
        s.logged(QUEUE_ID + ": client=localhost[127.0.0.1], sasl_method="
                 "LOGIN, sasl_username=user@house.test")
        s.logged("warning: localhost[127.0.0.1]: SASL PLAIN authentication "
                 "failed: password does not match, sasl_username="
                 "user@house.test")
        # the next client is not the last one
        c.close()
        d = s.secure()
        assert d.ask("MAIL FROM:<user@house.test>")[0] == 530
        s.neighbours.stop("auth")
        assert d.text("AUTH PLAIN " + plain("user@house.test", "secret")
                      ).startswith("454 4.7.0 ")
        s.neighbours.start("auth")
        assert d.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == 235


@pytest.mark.parametrize("times, code", [(1, 235), (2, 235), (100, 454)])
def test_an_auth_that_leaves(chain, times, code):
    """It said so behind its last answer, and closes the connection when it is
    asked the next time: the next process of auth is asked."""
    with Smtpd(chain, "submission") as s:
        c = s.secure()
        s.neighbours.auth_leaves = times
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "x"))[0] == 535
        assert c.ask("AUTH PLAIN " + plain("user@house.test", "secret")
                     )[0] == code
        assert (s.neighbours.auth_leaves > 0) == (code == 454)


def test_real_client(chain):
    with Smtpd(chain, "submission", smtpd_tls_wrappermode="yes") as s:
        context = ssl._create_unverified_context()
        with smtplib.SMTP_SSL("127.0.0.1", s.port, context=context) as c:
            c.login("user@house.test", "secret")
            c.sendmail("user@house.test", ["x@far.test"], "a\n.\nb\n")
        assert s.neighbours.messages[0]["content"] == b"a\r\n.\r\nb\r\n"
        # plaintext to a TLS port, and a handshake that never comes
        c = s.connect()
        c.send("EHLO x\r\n" * 20)
        assert c.reply()[0] == 0


def test_starttls_injection(chain):
    with Smtpd(chain) as s:
        c = s.client()
        c.send("STARTTLS\r\nMAIL FROM:<evil@b.test>\r\n"
               "RCPT TO:<user@house.test>\r\n")
        assert c.reply()[0] == 220
        c.wrap()
        c.send("RCPT TO:<user@house.test>\r\n")
        assert c.reply()[0] == 503
        assert c.ask("EHLO client.test")[0] == 250
        assert c.ask("RCPT TO:<user@house.test>")[0] == 503
        assert c.ask("STARTTLS")[0] == 554


def test_mx_with_tls_demanded(chain):
    with Smtpd(chain, smtpd_tls_security_level="encrypt") as s:
        c = s.client()
        assert c.text("MAIL FROM:<a@b.test>").startswith("530 5.7.0 ")
        assert c.ask("NOOP")[0] == 250
        c.close()
        s.secure().envelope()
    with Smtpd(chain, smtpd_tls_security_level="none") as s:
        c = s.client()
        assert c.text("STARTTLS").startswith("454 4.7.0 ")


def test_lmtp(chain):
    with Smtpd(chain, "lmtpd") as s:
        c = s.client("LHLO client.test")
        c.envelope(to=["user@house.test", "second@house.test"])
        assert c.ask("DATA")[0] == 354
        c.send("x\r\n.\r\n")
        assert [c.reply()[1][0] for _ in range(2)] == [
            "250 2.0.0 <%s> Ok: queued as %s" % (to, QUEUE_ID)
            for to in ("user@house.test", "second@house.test")]
        assert s.neighbours.messages[0]["origin"] == "lmtp"
        assert s.neighbours.messages[0]["protocol"] == "LMTP"
        c.envelope(to=["user@house.test", "second@house.test"])
        c.send("DATA\r\n")
        c.reply()
        c.send("bare\n\r\n.\r\n")
        assert [c.reply()[0] for _ in range(2)] == [550, 550]
        c.envelope(to=())
        assert c.ask("DATA")[0] == 503
        assert c.ask("NOOP")[0] == 250


def test_limits(chain):
    with Smtpd(chain, smtpd_recipient_limit=100) as s:
        c = s.client()
        c.envelope(to=["user@house.test"] * 100)
        assert c.text("RCPT TO:<user@house.test>").startswith("452 4.5.3 ")
        assert c.data(b"x\r\n.\r\n")[0] == 250
        assert len(s.neighbours.messages[0]["recipients"]) == 100
    with Smtpd(chain, smtpd_hard_error_limit=5,
               smtpd_junk_command_limit=3) as s:
        c = s.client()
        for i in range(4):
            assert c.ask("FOO")[0] == 502
        assert c.ask("BAR")[0] == 502
        assert c.reply()[1] == [
            "421 4.7.0 mail.house.test Error: too many errors"]
        assert c.at_end()
        c = s.client()
        codes = [c.ask("NOOP")[0] for _ in range(7)]
        assert codes == [250] * 7
        assert c.reply()[0] == 421
    with Smtpd(chain, line_length_limit=1000) as s:
        c = s.client()
        assert c.text("NOOP " + "x" * 2000) == "500 5.5.2 Error: line too long"
        assert c.ask("NOOP " + "x" * 990)[0] == 250
        c.send("x" * 200000 + "\r\nNOOP\r\n")
        assert [c.reply()[0] for _ in range(2)] == [500, 250]
        assert c.ask("GET / HTTP/1.1")[0] == 421
        assert c.at_end()


def test_time_limits(chain):
    with Smtpd(chain, smtpd_timeout="1s") as s:
        c = s.client()
        begin = time.monotonic()
        code, lines = c.reply()
        assert lines == ["421 4.4.2 mail.house.test Error: timeout exceeded"]
        assert c.at_end() and 0.9 < time.monotonic() - begin
        # a line that comes an octet at a time
        c = s.client()
        c.trickle("x")
        assert c.reply()[0] in (421, 0)
        # content that comes too slowly
        c = s.client()
        c.envelope()
        assert c.ask("DATA")[0] == 354
        c.trickle("x\r\n")
        assert c.reply()[0] in (421, 0)
        s.logged("timeout after DATA from localhost[127.0.0.1]")
        assert s.neighbours.messages == []


def test_a_session_does_not_last_for_ever(chain):
    with Smtpd(chain, smtpd_session_time_limit="1s") as s:
        c = s.client()
        codes = []
        for i in range(50):
            try:
                codes.append(c.ask("NOOP")[0])
            except OSError:
                break
            time.sleep(0.2)
        assert codes[0] == 250 and 421 in codes


def test_drain_between_transactions(chain):
    with Smtpd(chain) as s:
        c = s.client()
        c.envelope()
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert c.data(b"x\r\n.\r\n")[0] == 250
        assert c.reply()[1][0].startswith("421 4.3.2 ")
        assert s.process.wait(10) == 0
    with Smtpd(chain) as s:
        c = s.client()
        s.process.send_signal(signal.SIGTERM)
        assert c.reply()[1][0].startswith("421 4.3.2 ")


def test_connection_rate(chain):
    with Smtpd(chain, smtpd_client_connection_rate_limit=3) as s:
        s.neighbours.limit_reached = True
        c = s.connect()
        assert c.reply()[1][0].startswith("421 4.7.0 ")
        assert s.neighbours.counted == ["127.0.0.1"]
        assert c.at_end()
        s.neighbours.limit_reached = False
        c = s.client()
        c.ask("QUIT")
        s.neighbours.stop("policyd")
        s.client().envelope()


def test_odd_lines(chain):
    with Smtpd(chain) as s:
        c = s.client(None)
        assert c.ask("MAIL FROM:<a@b.test>")[0] == 503
        assert c.ask("EHLO")[0] == 501
        assert c.ask("EHLO " + "x" * 300)[0] == 501
        assert c.ask("EHLO a(b)\x01<c>")[0] == 250
        assert c.ask("")[0] == 500
        assert c.ask("NOOP \0")[0] == 500
        assert c.ask("VRFY user@house.test")[0] == 252
        assert c.ask("HELP")[0] == 214
        c.envelope()
        assert c.ask("EHLO again")[0] == 250
        assert c.ask("DATA")[0] == 503
        c.envelope()
        assert c.data(b".\r\n")[0] == 250
        assert s.neighbours.messages[0]["content"] == b""
        assert s.neighbours.messages[0]["helo"] == "again"
        c.close()
        c = s.client()
        c.envelope()
        c.ask("DATA")
        c.send("half a mess")
        c.close()
        wait_until(lambda: "lost connection after DATA" in s.log(), 5)
        assert len(s.neighbours.messages) == 1
