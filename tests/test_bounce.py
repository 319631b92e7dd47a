"""bounce by hand: what it makes of a message, read by Python's e-mail
package, and what it does when cleanup is away, slow or says no."""
import email
import email.policy
import os
import shutil

import pytest

from house import wait_until
from ipc_fake import Daemon, Front
from test_cleanup import Cleanup

SESSION = "06G5K3Z9Q4ABCDEFGHJKMN"
MESSAGE = (b"From: alice@house.test\r\nTo: bob@remote.test\r\n"
           b"Subject: hi\r\n\r\nhello\r\n.dot\r\n")


@pytest.fixture(scope="module")
def original():
    """Queue files by their content, made by the real cleanup."""
    with Cleanup("cleanup") as h:
        def make(content):
            out = h.send(content)
            return os.path.join(h.spool, "queue", out["queue_id"][-2:],
                                out["queue_id"]), out["queue_id"]
        yield make


class Bounce:
    def __init__(self, settings=None):
        self.daemon = Daemon("bounce", "bounce", settings,
                             spool="/nonexistent")
        self.path = os.path.join(self.daemon.jail, "cleanup-internal")
        self.got = []
        self.outcome = dict(accepted=True, code=250, dsn="2.0.0", text="Ok")
        self.front = Front(self.path, self.cleanup)
        self.c = self.daemon.connect("bounce")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.daemon.log())
        self.c.close()
        if self.front:
            self.front.close()
        self.daemon.close()

    def cleanup(self, c):
        while True:
            got = c.receive()
            if got is None:
                return
            name, message = got
            assert name == "message"
            to, content = [], b""
            while name != "commit":
                name, f = c.receive()
                if name == "recipient":
                    to.append(f["address"])
                elif name == "content":
                    content += c.receive_bytes(int(f["length"]))
            assert int(f["size"]) == len(content)
            self.got.append((message, to, content))
            out = dict(self.outcome)
            out["queue_id"] = message["queue_id"] if out["accepted"] else ""
            c.send("outcome", **{k: out[k] for k in (
                "accepted", "queue_id", "code", "dsn", "text")})

    def ask(self, original, recipients=None, queue_id=None, count=None,
            **changes):
        path, qid = original
        what = dict(queue_id=queue_id or qid, session=SESSION, round=1,
                    kind="failed", sender="alice@house.test",
                    arrived=1795288000, envid="E1", ret="", smtputf8=False)
        what.update(changes)
        if path is None:
            self.c.send("bounce", **what)
        else:
            with open(path, "rb") as f:
                self.c.send("bounce", fds=[f.fileno()], **what)
        recipients = recipients or [{}]
        for r in recipients:
            f = dict(address="bob@remote.test", original="", dsn="5.1.1",
                     code=550, text="no such user",
                     remote="mx.remote.test[192.0.2.9]:25", last=1795288938)
            f.update(r)
            self.c.send("bounce_for", **f)
        self.c.send("bounce_end",
                    count=len(recipients) if count is None else count)
        got = self.c.receive()
        return got and got[1]

    def last(self):
        message, to, content = self.got[-1]
        return email.message_from_bytes(content, policy=email.policy.default)


def test_the_notification(original):
    with Bounce() as h:
        o = original(MESSAGE)
        answer = h.ask(o, [{}, dict(address="carol@remote.test",
                                    original="rfc822;info@x.test", code=0,
                                    remote="", dsn="4.4.7",
                                    text="expired; last: timed out")])
        assert answer["ok"] == "1" and len(answer["queue_id"]) == 22
        envelope, to, content = h.got[-1]
        assert to == ["alice@house.test"]
        assert envelope["sender"] == "" and envelope["origin"] == "bounce"
        assert envelope["queue_id"] == answer["queue_id"]
        assert envelope["session"] == SESSION
        assert envelope["body"] == "7BIT" and envelope["smtputf8"] == "0"
        m = h.last()
        assert not m.defects
        assert m["From"].addresses[0].addr_spec == "MAILER-DAEMON@house.test"
        assert m["To"] == "alice@house.test"
        assert m["Subject"] == "Undelivered Mail Returned to Sender"
        assert m["Auto-Submitted"] == "auto-replied"
        assert m["Date"].datetime and m["Message-ID"]
        assert m.get_content_type() == "multipart/report"
        assert m["Content-Type"].params["report-type"] == "delivery-status"
        text, status, back = m.iter_parts()
        words = text.get_content()
        assert "<bob@remote.test>" in words and "no such user" in words
        assert "mx.remote.test[192.0.2.9]:25 said: 550 5.1.1" in words
        top, bob, carol = status.get_payload()
        assert top["Reporting-MTA"] == "dns; mail.house.test"
        assert top["Original-Envelope-Id"] == "E1"
        assert top["Arrival-Date"]
        assert bob["Final-Recipient"] == "rfc822; bob@remote.test"
        assert bob["Action"] == "failed" and bob["Status"] == "5.1.1"
        assert bob["Remote-MTA"] == "dns; mx.remote.test"
        assert bob["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
        assert bob["Last-Attempt-Date"]
        assert bob["Original-Recipient"] is None
        assert carol["Original-Recipient"] == "rfc822; info@x.test"
        assert carol["Diagnostic-Code"] == (
            "X-Posthouse; expired; last: timed out")
        assert carol["Remote-MTA"] is None
        assert back.get_content_type() == "message/rfc822"
        # Byte for byte what cleanup had queued.
        boundary = b"--" + m.get_boundary().encode()
        part = content.split(boundary)[3].split(b"\r\n\r\n", 1)[1]
        with open(o[0], "rb") as f:
            queued = f.read()
        assert part.endswith(MESSAGE + b"\r\n")
        assert part[:part.index(b"From: ")] in queued


def test_the_same_round_is_one_notification(original):
    with Bounce() as h:
        o = original(MESSAGE)
        ids = [h.ask(o, round=r)["queue_id"] for r in (1, 1, 2)]
        assert ids[0] == ids[1] != ids[2]
        other = original(MESSAGE)
        assert h.ask(other)["queue_id"] not in ids


def test_kinds_and_what_is_returned(original):
    with Bounce(dict(bounce_size_limit=5000)) as h:
        o = original(MESSAGE)
        types = ["text/plain", "message/delivery-status", "message/rfc822"]
        head = types[:2] + ["text/rfc822-headers"]
        for changes, subject, action, want in (
                (dict(), "Undelivered", "failed", types),
                (dict(ret="HDRS"), "Undelivered", "failed", head),
                (dict(ret="FULL"), "Undelivered", "failed", types),
                (dict(kind="delayed"), "Delayed", "delayed", head),
                (dict(kind="delivered", ret="FULL"), "Successful",
                 "delivered", head)):
            assert h.ask(o, **changes)["ok"] == "1"
            m = h.last()
            assert m["Subject"].startswith(subject)
            assert [p.get_content_type() for p in m.iter_parts()] == want
            status = list(m.iter_parts())[1].get_payload()[1]
            assert status["Action"] == action
            assert (status["Will-Retry-Until"] is not None) == (
                action == "delayed")
        # Too large: the header; a header that is too large: as much of it.
        h.ask(original(b"Subject: x\r\n\r\n" + b"y" * 6000))
        parts = list(h.last().iter_parts())
        assert parts[2].get_content_type() == "text/rfc822-headers"
        assert "yyyy" not in h.got[-1][2].decode()
        h.ask(original(b"".join(b"A%d: b\r\n" % i for i in range(2000))))
        assert len(h.got[-1][2]) < 9000
        assert h.got[-1][2].endswith(b"--\r\n")


def test_eight_bit(original):
    with Bounce() as h:
        h.ask(original(b"Subject: x\r\n\r\nk\xc3\xa4se \xe4\r\n"))
        assert h.got[-1][0]["body"] == "8BITMIME"
        assert h.last()["Content-Transfer-Encoding"] == "8bit"
        assert b"k\xc3\xa4se \xe4\r\n" in h.got[-1][2]
        h.ask(original("Subject: k\u00e4se\r\n\r\nx\r\n".encode()),
              [dict(address="b\u00f6b@remote.test")], smtputf8=True)
        assert h.got[-1][0]["smtputf8"] == "1"
        parts = list(h.last().iter_parts())
        assert [p.get_content_type() for p in parts] == [
            "text/plain", "message/global-delivery-status", "message/global"]
        assert "utf-8; b\u00f6b@remote.test" in h.got[-1][2].decode()


def test_a_file_that_cannot_be_read(original, tmp_path):
    with Bounce() as h:
        o = original(MESSAGE)
        damaged = str(tmp_path / "damaged")
        shutil.copy(o[0], damaged)
        with open(damaged, "r+b") as f:
            f.seek(50)
            f.write(b"\xff")
        for path in (damaged, None):
            assert h.ask((path, o[1]))["ok"] == "1"
            parts = list(h.last().iter_parts())
            assert [p.get_content_type() for p in parts] == [
                "text/plain", "message/delivery-status"]
        h.daemon.logged("checksum")


def test_cleanup_says_no_or_is_away(original):
    with Bounce(dict(ipc_timeout="3s")) as h:
        o = original(MESSAGE)
        h.outcome = dict(accepted=False, code=452, dsn="4.3.1", text="full")
        answer = h.ask(o)
        assert answer["ok"] == "0" and "full" in answer["text"]
        # For good: not asked again for ever.
        h.outcome = dict(accepted=False, code=550, dsn="5.1.1", text="nobody")
        answer = h.ask(o)
        assert answer["ok"] == "1" and answer["queue_id"] == ""
        wait_until(lambda: "dropped" in h.daemon.log())
        h.front.close()
        h.front = None
        assert h.ask(o)["ok"] == "0"
        h.outcome = dict(accepted=True, code=250, dsn="2.0.0", text="Ok")
        h.front = Front(h.path, h.cleanup)
        assert h.ask(o)["ok"] == "1"
        # Restarted between two requests.
        h.front.close()
        h.front = Front(h.path, h.cleanup)
        assert h.ask(o)["ok"] == "1"


def test_a_peer_that_does_not_keep_to_it(original):
    with Bounce() as h:
        o = original(MESSAGE)
        assert h.ask(o, count=2) is None
        h.c.close()
        h.c = h.daemon.connect("bounce")
        assert h.ask(o, queue_id="I" * 22) is None
        h.c.close()
        h.c = h.daemon.connect("bounce")
        assert h.ask(o)["ok"] == "1"


def test_many_recipients(original):
    with Bounce() as h:
        h.ask(original(MESSAGE), [dict(address="u%d@remote.test" % i)
                                  for i in range(3000)])
        status = list(h.last().iter_parts())[1].get_payload()
        assert len(status) == 3001
