"""The SMTP client against servers that behave oddly: each is a script that
answers what it likes, and remembers what it was told."""
import smtplib
import socket
import threading

import pytest

from house import House, free_port, wait_until
from nameserver import Dns
from test_relay import bounces, send, wait_bounce, waiting

PORT = free_port()
EHLO = ["250-odd.test", "250 SIZE 0"]
PIPE = ["250-odd.test", "250-PIPELINING", "250-8BITMIME", "250-DSN",
        "250 ENHANCEDSTATUSCODES"]


class Odd:
    """One server on an address of its own. `says` maps a verb to a reply, to
    a list of lines, or to a function of the line; None closes."""

    def __init__(self, address, says):
        self.says = dict({"greeting": "220 odd", "EHLO": EHLO,
                          "HELO": "250 odd", "LHLO": PIPE, "MAIL": "250 ok",
                          "RCPT": "250 ok", "DATA": "354 go",
                          "dot": "250 2.0.0 got it", "QUIT": "221 bye"},
                         **says)
        self.lines, self.content, self.sessions = [], [], 0
        self.chunks = []
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((address, PORT))
        self.socket.listen(20)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            self.sessions += 1
            threading.Thread(target=self.serve, args=(c,),
                             daemon=True).start()

    def reply(self, c, verb, line=""):
        what = self.says.get(verb, "502 what")
        if callable(what):
            what = what(line)
        if what is None:
            c.close()
            return None
        if isinstance(what, bytes):
            c.sendall(what)
        else:
            lines = [what] if isinstance(what, str) else what
            c.sendall("".join(l + "\r\n" for l in lines).encode())
        return what

    def serve(self, c):
        c.settimeout(30)
        try:
            if self.reply(c, "greeting") is None:
                return
            buffer = b""
            data = False
            while True:
                end = buffer.find(b"\r\n.\r\n" if data else b"\r\n")
                if data and buffer.startswith(b".\r\n"):
                    end = -2
                if end == -1:
                    piece = c.recv(65536)
                    if not piece:
                        return
                    self.chunks.append(piece)
                    buffer += piece
                    continue
                if data:
                    self.content.append(buffer[:max(0, end + 2)])
                    buffer = buffer[end + 5:]
                    data = False
                    if self.reply(c, "dot") is None:
                        return
                    continue
                line, buffer = buffer[:end].decode(), buffer[end + 2:]
                self.lines.append(line)
                verb = line.split()[0].upper()
                said = self.reply(c, verb, line)
                if said is None or verb == "QUIT":
                    return
                data = verb == "DATA" and str(said).startswith("354")
        except (OSError, ValueError):
            pass
        finally:
            c.close()

    def close(self):
        self.socket.close()


@pytest.fixture(scope="module")
def world():
    zone = ["h%d A 127.0.1.%d" % (n, n) for n in range(1, 30)]
    zone += ["two MX 10 h2", "two MX 20 h3"]
    with Dns({"odd.test": zone}) as name:
        settings = dict(dns_servers=name.address, smtp_tcp_port=PORT,
                        minimal_backoff_time="60s", smtp_helo_timeout="4s",
                        smtp_data_done_timeout="4s", smtp_mail_timeout="4s",
                        smtp_connection_cache_time_limit="60s",
                        lmtp_tcp_port=PORT)
        with House(domain="relay.test", users=2, start=False,
                   settings=settings) as house:
            with open(house.etc + "/domains", "a") as f:
                f.write("lmtp.test relay lmtp:inet:127.0.1.20:%d\n" % PORT)
            house.posthouse("domain", "list", check=False)
            house.start()
            yield house


def deferred(house, to):
    return wait_until(lambda: [r for r in waiting(house, to)
                               if r["state"] == "deferred"], 20)[0]


def test_helo_and_one_command_at_a_time(world):
    odd = Odd("127.0.1.1", {"EHLO": "500 what"})
    send(world, ["a@h1.odd.test", "b@h1.odd.test"])
    wait_until(lambda: odd.content)
    verbs = [line.split()[0] for line in odd.lines]
    assert verbs[:6] == ["EHLO", "HELO", "MAIL", "RCPT", "RCPT", "DATA"]
    assert odd.lines[2] == "MAIL FROM:<user0@relay.test>"
    assert not any(b"RCPT" in c and b"DATA" in c for c in odd.chunks)
    odd.close()


def test_pipelining_and_dsn(world):
    odd = Odd("127.0.1.4", {"EHLO": PIPE})
    with smtplib.SMTP("127.0.0.1", world.smtp, timeout=20) as s:
        s.ehlo()
        s.mail("user0@relay.test", ["RET=HDRS", "ENVID=a+2Bb"])
        code, text = s.rcpt("a@h4.odd.test", [
            "NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;first+2Bone@x.test"])
        assert code == 250, text
        s.rcpt("b@h4.odd.test")
        s.data(b"Subject: x\r\n\r\nhello\r\n")
    wait_until(lambda: odd.content)
    assert any(b"MAIL" in c and b"RCPT" in c and b"DATA" in c
               for c in odd.chunks)
    assert odd.lines[1] == ("MAIL FROM:<user0@relay.test> RET=HDRS "
                            "ENVID=a+2Bb")
    assert odd.lines[2] == ("RCPT TO:<a@h4.odd.test> NOTIFY=FAILURE,DELAY "
                            "ORCPT=rfc822;first+2Bone@x.test")
    odd.close()


def test_next_exchanger_after_a_bad_greeting(world):
    first = Odd("127.0.1.2", {"greeting": "421 4.3.2 not now"})
    second = Odd("127.0.1.3", {})
    send(world, "a@two.odd.test")
    wait_until(lambda: second.content)
    assert first.sessions == 1
    first.close()
    second.close()


def test_nobody_is_left_for_the_data(world):
    odd = Odd("127.0.1.5", {"EHLO": PIPE, "RCPT": "550 5.7.1 no"})
    send(world, "a@h5.odd.test")
    assert wait_bounce(world, "a@h5.odd.test")[1] == "5.7.1"
    wait_until(lambda: odd.content)
    assert odd.content == [b""]
    odd.close()


def test_lost_after_the_dot(world):
    odd = Odd("127.0.1.6", {"dot": None})
    send(world, "a@h6.odd.test")
    row = deferred(world, "a@h6.odd.test")
    assert "sent more than once" in row["reason"]
    assert odd.sessions == 1
    odd.close()


@pytest.mark.parametrize("host,says,words", [
    (7, {"greeting": b"HTTP/1.1 400 Bad Request\r\n\r\n"}, "protocol error"),
    (8, {"greeting": b"220-more\r\n" * 20000}, "without end"),
    (9, {"MAIL": "250-a"}, "timed out"),
    (10, {"RCPT": None}, "lost connection"),
    (11, {"DATA": "451 4.3.0 try later"}, "451 4.3.0 try later"),
    (12, {"MAIL": "421 4.7.0 go away"}, "421 4.7.0 go away"),
    (13, {"dot": "452 4.3.1 full"}, "452 4.3.1 full"),
    (14, {"greeting": "554 5.7.1 nobody here"}, "554 5.7.1 nobody here"),
    (15, {"EHLO": b""}, "timed out"),
])
def test_is_deferred(world, host, says, words):
    odd = Odd("127.0.1.%d" % host, says)
    to = "a@h%d.odd.test" % host
    send(world, to)
    assert words in deferred(world, to)["reason"]
    assert not bounces(world, to)
    odd.close()


def test_too_large_for_the_server(world):
    odd = Odd("127.0.1.16", {"EHLO": ["250-odd", "250 SIZE 1000"]})
    send(world, "a@h16.odd.test", body="x" * 70 + "\r\n" + ("y" * 70 +
                                                           "\r\n") * 50)
    assert wait_bounce(world, "a@h16.odd.test")[1] == "5.3.4"
    assert not [l for l in odd.lines if l.startswith("MAIL")]
    odd.close()


def test_eight_bits_to_a_server_with_seven(world):
    odd = Odd("127.0.1.17", {})
    body = "gr\u00fcn\r\n"
    with smtplib.SMTP("127.0.0.1", world.smtp, timeout=20) as s:
        s.sendmail("user0@relay.test", "a@h17.odd.test",
                   ("Subject: 8\r\n\r\n" + body).encode(), ["BODY=8BITMIME"])
    assert wait_bounce(world, "a@h17.odd.test")[1] == "5.6.3"
    # What is 7-bit after all goes, whatever was announced.
    send(world, "b@h17.odd.test", options=["BODY=8BITMIME"])
    wait_until(lambda: odd.content)
    odd.close()


def test_connection_is_used_again(world):
    odd = Odd("127.0.1.18", {"EHLO": PIPE})
    for i in range(5):
        send(world, "r%d@h18.odd.test" % i)
        wait_until(lambda: len(odd.content) == i + 1)
    assert odd.sessions == 1
    # One that the server closed meanwhile is replaced, not a failure.
    odd.says["MAIL"] = lambda line: None if "fresh" not in odd.says else \
        "250 ok"
    odd.says["greeting"] = lambda line: odd.says.update(fresh=1) or "220 x"
    send(world, "last@h18.odd.test")
    wait_until(lambda: len(odd.content) == 6)
    assert odd.sessions == 2
    odd.close()


def test_refused_starttls(world):
    odd = Odd("127.0.1.19", {"EHLO": ["250-odd", "250 STARTTLS"],
                             "STARTTLS": "454 4.7.0 not now"})
    send(world, "a@h19.odd.test")
    wait_until(lambda: odd.content)
    odd.close()


def test_lmtp_answers_each_recipient(world):
    odd = Odd("127.0.1.20", {"dot": ["250 2.1.5 first", "550 5.2.2 full",
                                     "450 4.2.0 later"]})
    names = ["one@lmtp.test", "two@lmtp.test", "three@lmtp.test"]
    send(world, names)
    assert wait_bounce(world, "two@lmtp.test")[1] == "5.2.2"
    assert "450 4.2.0 later" in deferred(world, "three@lmtp.test")["reason"]
    assert odd.lines[0].startswith("LHLO ")
    assert not waiting(world, "one@lmtp.test")
    assert not bounces(world, "one@lmtp.test")
    odd.close()


def test_dots_and_long_content(world):
    odd = Odd("127.0.1.21", {})
    body = ".\r\n..x\r\n" + "".join(
        ".%d %s\r\n" % (i, "z" * 70) for i in range(60000))
    send(world, "a@h21.odd.test", body=body)
    wait_until(lambda: odd.content)
    got = odd.content[0].split(b"\r\n\r\n", 1)[1]
    lines = got.split(b"\r\n")
    assert all(line.startswith(b"..") for line in lines if line)
    assert b"\r\n".join(line[1:] for line in lines) == body.encode()
    odd.close()
