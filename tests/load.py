"""Clients that never stop: SMTP, submission with AUTH, IMAP and POP3 sessions
one after the other, and some that stay: in IDLE, logged in, in the midst of a
login. What fails is kept and counted; the tests ask for none."""
import base64
import imaplib
import poplib
import re
import smtplib
import threading
import time


class Load:
    """with Load(house) as load: ...; load.failures is then a list."""

    def __init__(self, house, stayers=True):
        self.house = house
        self.failures = []
        self.failed_at = set()  # as the log writes it
        self.sessions = {}
        self.stop = threading.Event()
        self.lock = threading.Lock()
        kinds = [self.smtp, self.smtp, self.submission, self.submission,
                 self.submission_login, self.imap, self.imaps, self.pop3]
        if stayers:
            kinds += [self.idle, self.stays_logged_in, self.stays_submitting]
        self.threads = [threading.Thread(target=self.run, args=(k,),
                                         daemon=True) for k in kinds]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, value, trace):
        self.finish()

    def finish(self, seconds=60):
        self.stop.set()
        end = time.monotonic() + seconds
        for t in self.threads:
            t.join(max(0, end - time.monotonic()))
            if t.is_alive():
                self.failures.append("a client hangs")
        if self.failures:  # what the house says about it
            print("\n".join(self.failures))
            lines = self.house.log().splitlines()
            print("---- all that was logged in these seconds ----")
            print("\n".join([line for line in lines
                             if line[:15] in self.failed_at][-300:]))
            print("---- warnings ----")
            print("\n".join([line for line in lines
                             if re.search("warning|error|fatal|unavailable|"
                                          "rejec|refused|421", line)][-100:]))

    def run(self, kind):
        while not self.stop.is_set():
            try:
                kind()
                with self.lock:
                    name = kind.__name__
                    self.sessions[name] = self.sessions.get(name, 0) + 1
            except Exception as e:  # whatever it is, it is a failed session
                why = "" if e.__context__ is None else " (%r)" % e.__context__
                with self.lock:
                    self.failed_at.add(time.strftime("%b %d %H:%M:%S"))
                    self.failures.append("%s %s: %s: %s%s" % (
                        time.strftime("%H:%M:%S"), kind.__name__,
                        type(e).__name__, e, why))
                time.sleep(0.1)

    # ---- one session after the other ----

    def message(self, subject):
        return "From: %s\r\nSubject: %s\r\n\r\n%s\r\n" % (
            self.house.user(0), subject, "x" * 500)

    def smtp(self):
        with smtplib.SMTP("127.0.0.1", self.house.smtp, timeout=30) as s:
            for i in range(3):
                s.sendmail("a@x.test", [self.house.user(1)],
                           self.message("smtp"))
                time.sleep(0.02)

    def submission(self):
        with smtplib.SMTP("127.0.0.1", self.house.submission,
                          timeout=30) as s:
            s.starttls(context=self.house.tls())
            s.login(self.house.user(0), self.house.password)
            for i in range(2):
                s.sendmail(self.house.user(0), [self.house.user(1)],
                           self.message("submission"))
                time.sleep(0.02)

    def submission_login(self):
        """AUTH LOGIN: two answers, and time between them."""
        with smtplib.SMTP_SSL("127.0.0.1", self.house.submissions,
                              context=self.house.tls(), timeout=30) as s:
            s.ehlo()
            words = [self.house.user(0), self.house.password]
            code, text = s.docmd("AUTH", "LOGIN")
            for word in words:
                assert code == 334, (code, text)
                time.sleep(0.1)
                code, text = s.docmd(
                    base64.b64encode(word.encode()).decode())
            assert code == 235, (code, text)
            time.sleep(0.1)
            s.sendmail(self.house.user(0), [self.house.user(1)],
                       self.message("login"))

    def look(self, m):
        time.sleep(0.05)  # a login in two steps
        m.login(self.house.user(0), self.house.password)
        assert m.select()[0] == "OK"
        assert m.noop()[0] == "OK"
        m.append("INBOX", None, None, self.message("imap").encode())
        time.sleep(0.02)
        m.logout()

    def imap(self):
        self.look(imaplib.IMAP4("127.0.0.1", self.house.imap, timeout=30))

    def imaps(self):
        self.look(imaplib.IMAP4_SSL("127.0.0.1", self.house.imaps, timeout=30,
                                    ssl_context=self.house.tls()))

    def pop3(self):
        p = poplib.POP3("127.0.0.1", self.house.pop3, timeout=30)
        time.sleep(0.05)
        p.user(self.house.user(2))
        time.sleep(0.05)
        p.pass_(self.house.password)
        p.stat()
        p.quit()

    # ---- those who stay ----

    def idle(self):
        """In IDLE all the time, and told of new mail at the end."""
        m = imaplib.IMAP4_SSL("127.0.0.1", self.house.imaps, timeout=60,
                              ssl_context=self.house.tls())
        m.login(self.house.user(3), self.house.password)
        m.select()
        m.send(b"i IDLE\r\n")
        assert m.readline().startswith(b"+")
        self.stop.wait()
        with smtplib.SMTP("127.0.0.1", self.house.smtp, timeout=30) as s:
            s.sendmail("a@x.test", [self.house.user(3)], self.message("wake"))
        while b"EXISTS" not in m.readline():
            pass
        m.send(b"DONE\r\n")
        while not m.readline().startswith(b"i OK"):
            pass
        m.logout()

    def stays_logged_in(self):
        m = imaplib.IMAP4("127.0.0.1", self.house.imap, timeout=60)
        m.login(self.house.user(0), self.house.password)
        m.select()
        while not self.stop.wait(0.2):
            assert m.noop()[0] == "OK"
        m.logout()

    def stays_submitting(self):
        """One session that sends all the time, by one login."""
        with smtplib.SMTP("127.0.0.1", self.house.submission,
                          timeout=30) as s:
            s.starttls(context=self.house.tls())
            s.login(self.house.user(0), self.house.password)
            while not self.stop.wait(0.3):
                s.sendmail(self.house.user(0), [self.house.user(1)],
                           self.message("stays"))
