"""Others' implementations of DKIM and ARC, and ours, behind one interface.

Each is an object with some of

    verify(message)                 {selector: "pass" or what else it says}
    sign(message, selector)         the fields that go on top
    chain(message)                  "pass", "fail" or "none"
    seal(message, selector, state)  the set that goes on top

OpenDKIM and rspamd are Debian's programs, run in the foreground with a folder
of their own, on UNIX-domain sockets, with the keys' records in their
configuration: nothing is asked from the network.
"""
import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import milter
from house import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get(
    "POSTHOUSE_BUILD", os.path.join(TOP, "build")), "tests", "mailauth_tool")
DOMAIN = "example.com"
FORMS = ["simple/simple", "simple/relaxed", "relaxed/simple",
         "relaxed/relaxed"]
SIGNED = ("From:To:Subject:Date:Message-ID:Received:MIME-Version:Content-Type:"
          "Cc:Comments:Keywords:References:X-Mine:X-Folded:X-DKIM")
SERVER = "ours.example.net"

# Where others do not do what RFC 6376 says, found by these tests: (who, shape)
# and why, with the first letters of the selectors' forms it is about ("" all).
KNOWN = {
    # Section 3.4.4: blanks at the end of a line are ignored, then empty lines
    # at the end of the body. A line of blanks at the end, or one that has no
    # line end, is kept by them; SMTP carries no such line.
    ("dkimpy", "no_final_line_end_but_blanks"): "13",
    ("opendkim", "no_final_line_end_but_blanks"): "13",
    ("rspamd", "no_final_line_end_but_blanks"): "13",
    # The same in bodies that have nothing but blanks.
    ("rspamd", "body_of_blanks"): "13",
    # Section 5.4.2: of several fields of a name the last one is signed first.
    # rspamd takes others of those that RFC 5322 allows once.
    ("rspamd", "repeated_wrongly"): "0123",
}


def program(name):
    """Its path, also where an ordinary user does not look; or None."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


class Keys:
    """An RSA and an Ed25519 key, each under a selector for each form: r0 to
    r3, e0 to e3."""

    def __init__(self, folder):
        self.folder = folder
        self.records = {}
        self.pem = {}
        for letter, algorithm in (("r", "rsa"), ("e", "ed25519")):
            text = subprocess.run([TOOL, "key", algorithm, "2048"], check=True,
                                  capture_output=True).stdout.decode()
            pem, record = text.rstrip("\n").rsplit("\n", 1)
            self.pem[letter] = os.path.join(folder, letter + ".pem")
            with open(os.open(self.pem[letter], os.O_CREAT | os.O_WRONLY,
                              0o600), "w") as f:
                f.write(pem + "\n")
            for n in range(len(FORMS)):
                self.records["%s%d._domainkey.%s" % (letter, n, DOMAIN)] = (
                    record)
        self.seed_file = os.path.join(folder, "seed")
        with open(self.seed_file, "wb") as f:
            f.write(self.seed())
        self.zone = os.path.join(folder, "zone")
        with open(self.zone, "w") as f:
            for name, text in self.records.items():
                f.write("%s\t%s\n" % (name, text))

    def path(self, selector):
        return self.pem[selector[0]]

    def private(self, selector):
        """As dkimpy wants it: an Ed25519 key is its seed in base64."""
        if selector[0] == "e":
            return self.seed()
        with open(self.pem["r"], "rb") as f:
            return f.read()

    def seed(self):
        with open(self.pem["e"], "rb") as f:
            der = base64.b64decode(b"".join(f.read().split(b"\n")[1:-2]))
        return base64.b64encode(der[-32:])

    def text(self, name, timeout=5):
        record = self.records.get(name.decode().rstrip("."))
        return record.encode() if record else None


def form_of(selector):
    return FORMS[int(selector[1])]


class Ours:
    """The library, through a tool that answers many questions."""

    name = "ours"

    def __init__(self, keys):
        self.keys = keys
        self.tool = subprocess.Popen([TOOL, "batch"], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)

    def close(self):
        self.tool.stdin.close()
        self.tool.wait(10)
        self.tool.stdout.close()

    def ask(self, message, *arguments):
        line = "\t".join([str(a) for a in arguments] + [str(len(message))])
        self.tool.stdin.write(line.encode() + b"\n" + message)
        self.tool.stdin.flush()
        answer = b""
        while answer != b".\n" and not answer.endswith(b"\n.\n"):
            got = self.tool.stdout.readline()
            assert got, "the tool ended at: " + line
            answer += got
        return answer[:-2]

    def verify(self, message):
        rows = [line.split("\t") for line in self.ask(
            message, "verify", int(time.time()),
            self.keys.zone).decode("utf-8", "replace").splitlines()]
        return {row[2]: row[0] if row[0] == "pass" else row[0] + " " + row[5]
                for row in rows}

    def sign(self, message, selector):
        return self.ask(message, "sign", int(time.time()),
                        self.keys.path(selector), DOMAIN, selector,
                        form_of(selector), SIGNED, "From:Subject:Reply-To")

    def chain(self, message):
        return self.ask(message, "arc", int(time.time()),
                        self.keys.zone).decode().split("\t")[0]

    def seal(self, message, selector, state):
        return self.ask(message, "seal", int(time.time()),
                        self.keys.path(selector), DOMAIN, selector,
                        "From:To:Subject:Date:Message-ID:MIME-Version", state,
                        "%s; spf=pass smtp.mailfrom=user@%s; arc=%s" % (
                            SERVER, DOMAIN, state))


class Dkimpy:
    name = "dkimpy"

    def __init__(self, keys):
        import dkim
        self.dkim = dkim
        self.keys = keys

    def close(self):
        pass

    def verify(self, message):
        found = {}
        for selector, n in zip(selectors_in(message), range(100)):
            try:
                right = self.dkim.DKIM(message).verify(
                    idx=n, dnsfunc=self.keys.text)
                found[selector] = "pass" if right else "fail"
            except self.dkim.DKIMException as e:
                found[selector] = "fail %s" % e
        return found

    def sign(self, message, selector, length=False):
        return self.dkim.DKIM(message).sign(
            selector.encode(), DOMAIN.encode(), self.keys.private(selector),
            canonicalize=tuple(form_of(selector).encode().split(b"/")),
            signature_algorithm=(b"rsa-sha256" if selector[0] == "r"
                                 else b"ed25519-sha256"),
            include_headers=[b"from", b"to", b"subject", b"date", b"cc",
                             b"x-mine", b"x-folded", b"references"],
            length=length)

    def chain(self, message):
        result, _, _ = self.dkim.ARC(message).verify(dnsfunc=self.keys.text)
        return result.decode() if result else "fail"  # it reads cv=fail

    def seal(self, message, selector, state):
        results = b"Authentication-Results: %s; arc=%s\r\n" % (
            SERVER.encode(), state.encode())
        return b"".join(self.dkim.ARC(results + message).sign(
            selector.encode(), DOMAIN.encode(), self.keys.private(selector),
            SERVER.encode(), include_headers=[
                b"from", b"to", b"subject", b"date"],
            standardize=False))


def selectors_in(message):
    header = message.partition(b"\r\n\r\n")[0]
    return [re.search(rb"[;\s]s=([\w-]+)", value).group(1).decode()
            for name, value in milter.fields(header)
            if name.lower() == b"dkim-signature"]


class Process:
    """A program in the foreground that serves at a UNIX-domain socket."""

    def __init__(self, folder, arguments, path):
        self.log = open(os.path.join(folder, os.path.basename(path) + ".out"),
                        "w+b")
        self.process = subprocess.Popen(arguments, stdout=self.log,
                                        stderr=self.log, cwd=folder,
                                        start_new_session=True)
        try:
            wait_until(lambda: self.is_up(path))
        except Exception:
            self.close()
            raise

    def is_up(self, path):
        if self.process.poll() is not None:
            self.log.seek(0)
            raise RuntimeError(self.log.read().decode("utf-8", "replace"))
        s = socket.socket(socket.AF_UNIX)
        try:
            s.connect(path)
            return True
        except OSError:
            return False
        finally:
            s.close()

    def close(self):
        """Ends it and its children; they have nothing to save."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


class OpenDkim:
    """The filter: one that verifies, and one for each selector that signs."""

    name = "opendkim"
    program = program("opendkim")

    def __init__(self, keys):
        self.keys = keys
        self.folder = os.path.join(keys.folder, "opendkim")
        os.mkdir(self.folder)
        self.running = []
        self.filters = {}
        with open(self.file("keys"), "w") as f:
            for name, text in keys.records.items():
                f.write("%s %s\n" % (name, text))

    def file(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.file(name), "w") as f:
            f.write(text)
        return self.file(name)

    def filter(self, name, settings):
        if name not in self.filters:
            path = self.file(name + ".sock")
            settings = dict({"Socket": "local:" + path, "Syslog": "no",
                             "RequireSafeKeys": "no",
                             "MaximumHeaders": "0",
                             "TestPublicKeys": self.file("keys")}, **settings)
            conf = self.write(name + ".conf", "".join(
                "%s %s\n" % item for item in settings.items()))
            self.running.append(Process(
                self.folder, [self.program, "-f", "-x", conf], path))
            self.filters[name] = milter.Filter(path)
        return self.filters[name]

    def verify(self, message):
        top = self.filter("verify", {
            "Mode": "v", "AuthservID": SERVER, "AlwaysAddARHeader": "yes",
            "MaximumSignaturesToVerify": "20"}).message(message)
        results = b"".join(v for n, v in top
                           if n == b"Authentication-Results").decode()
        return dict((s, r) for r, s in re.findall(
            r"dkim=(\w+).*?header\.s=([\w-]+)", results, re.S))

    def sign(self, message, selector, length=False):
        settings = {
            "Mode": "s", "Canonicalization": form_of(selector),
            "SignatureAlgorithm": ("rsa-sha256" if selector[0] == "r"
                                   else "ed25519-sha256"),
            "Domain": DOMAIN, "Selector": selector,
            "OversignHeaders": "From", "KeyFile": self.keys.path(selector)}
        if length:
            settings["MaximumSignedBytes"] = "1000000000"
        top = self.filter("sign-%s%d" % (selector, length),
                          settings).message(message)
        return b"".join(b"%s:%s\r\n" % field for field in top)

    def close(self):
        for one in self.filters.values():
            one.close()
        for process in self.running:
            process.close()


class UnixHttp(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Rspamd:
    """rspamd with nothing but its DKIM and ARC; it signs with one form. Two of
    them, as one checks strangers' mail and signs its own users'."""

    name = "rspamd"
    program = program("rspamd")
    PLUGINS = "/usr/share/rspamd/plugins"

    def __init__(self, keys):
        self.folder = os.path.join(keys.folder, "rspamd")
        os.mkdir(self.folder)
        self.keys = keys
        with open(os.path.join(self.folder, "tld"), "w") as f:
            f.write("com\nnet\norg\n")
        self.path = os.path.join(self.folder, "scan.sock")
        conf = os.path.join(self.folder, "rspamd.conf")
        with open(conf, "w") as f:
            f.write(self.configuration())
        root = ["--insecure"] if os.getuid() == 0 else []
        self.process = Process(
            self.folder, [self.program, "-f", "-c", conf] + root, self.path)

    def configuration(self):
        records = "".join(
            '{ name = "%s"; type = txt; replies = ["%s"]; },' % item
            for item in self.keys.records.items())
        return """
options {
  filters = "dkim"; pidfile = "%(dir)s/pid"; url_tld = "%(dir)s/tld";
  cache_file = "%(dir)s/symbols.cache"; hs_cache_dir = "%(dir)s/";
  stats_file = "%(dir)s/stats"; tempdir = "%(dir)s";
  control_socket = "%(dir)s/control.sock mode=0600";
  local_addrs = [127.0.0.0/8]; max_message = 64M; task_timeout = 60s;
  dns { nameserver = ["127.0.0.1:9"]; timeout = 1s; retransmits = 1;
        fake_records = [%(records)s]; }
}
lang_detection { languages = "%(dir)s/none"; }
logging { type = "file"; filename = "%(dir)s/log"; level = "info"; }
modules { path = "%(plugins)s/dkim_signing.lua";
          path = "%(plugins)s/arc.lua"; }
actions { reject = 100; }
group "policies" { symbols { R_DKIM_ALLOW { weight = 0; } } }
dkim { trusted_only = false; max_sigs = 20; }
dkim_signing {
  sign_local = true; use_esld = false; allow_hdrfrom_mismatch = true;
  domain { %(domain)s { selectors = [
    { path = "%(rsa)s"; selector = "r3"; },
    { path = "%(ed)s"; selector = "e3"; } ]; } }
}
arc {
  sign_local = true; sign_inbound = true; use_esld = false;
  use_domain = "header"; allow_hdrfrom_mismatch = true;
  domain { %(domain)s { path = "%(rsa)s"; selector = "r3"; } }
}
worker "normal" { bind_socket = "%(dir)s/scan.sock mode=0600"; count = 1; }
""" % {"dir": self.folder, "records": records, "plugins": self.PLUGINS,
            "rsa": self.keys.path("r3"), "ed": self.keys.seed_file,
            "domain": DOMAIN}

    def scan(self, message, client):
        connection = UnixHttp(self.path)
        try:
            connection.request("POST", "/checkv2", message, {
                "IP": client, "From": "user@" + DOMAIN,
                "Rcpt": "someone@example.net", "Hostname": "client.example"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def verify(self, message):
        symbols = self.scan(message, "192.0.2.1")["symbols"]
        found = {}
        for symbol, result in (("R_DKIM_ALLOW", "pass"),
                               ("R_DKIM_REJECT", "fail"),
                               ("R_DKIM_TEMPFAIL", "temperror"),
                               ("R_DKIM_PERMFAIL", "permerror")):
            for option in symbols.get(symbol, {}).get("options", []):
                found[option.partition(":s=")[2]] = result
        return found

    def sign(self, message, selector):
        """Both signatures, as rspamd makes them together."""
        made = self.scan(message, "127.0.0.1").get("dkim-signature", [])
        made = made if isinstance(made, list) else [made]
        return b"".join(b"DKIM-Signature: " + m.encode() + b"\r\n"
                        for m in made)

    def chain(self, message):
        symbols = self.scan(message, "192.0.2.1")["symbols"]
        return ("pass" if "ARC_ALLOW" in symbols
                else "none" if "ARC_NA" in symbols else "fail")

    def seal(self, message, selector, state):
        made = self.scan(message, "192.0.2.1")["milter"]["add_headers"]
        return b"".join(
            b"%s: %s\r\n" % (name.encode(), made[name]["value"].encode())
            for name in ("ARC-Seal", "ARC-Message-Signature",
                         "ARC-Authentication-Results"))

    def close(self):
        self.process.close()
