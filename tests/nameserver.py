"""A real DNS server (Knot) on loopback for the tests and the tour."""
import os
import shutil
import subprocess
import tempfile
import time

from house import free_port


class Dns:
    """Zones are given as {"one.test": ["@ MX 10 mx", "mx A 127.0.0.1"]};
    those that `signed` names are signed with DNSSEC."""

    def __init__(self, zones, port=None, signed=()):
        self.signed = signed
        self.dir = tempfile.mkdtemp(prefix="ph-dns-", dir="/tmp")
        self.port = port or free_port()
        self.process = None
        self.write(zones)
        self.start()

    def write(self, zones):
        self.zones = zones
        with open(os.path.join(self.dir, "knot.conf"), "w") as f:
            f.write("server:\n    listen: [ 127.0.0.1@%d ]\n    rundir: %s\n"
                    "    user: %s\n    udp-workers: 1\n    tcp-workers: 1\n"
                    "    background-workers: 1\n"
                    "database:\n    storage: %s\n" % (
                        self.port, self.dir,
                        "root:root" if os.getuid() == 0 else "", self.dir))
            f.write("log:\n  - target: stderr\n    any: warning\n"
                    "template:\n  - id: default\n    storage: %s\n"
                    "    zonefile-sync: -1\n    journal-content: none\n"
                    "zone:\n" % self.dir)
            for name in zones:
                f.write("  - domain: %s\n    file: %s.zone\n" % (
                    name, name.strip(".") or "root"))
                if name in self.signed:
                    f.write("    dnssec-signing: on\n")
        for name, lines in zones.items():
            name = name.strip(".")
            path = os.path.join(self.dir, (name or "root") + ".zone")
            with open(path, "w") as f:
                f.write("$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster %d 60 60 "
                        "60 60\n@ NS ns\nns A 127.0.0.1\n" % (
                            name, int(time.time())))
                f.write("\n".join(lines) + "\n")
        self.fix_user()

    def fix_user(self):
        """Without root the server runs as who we are: no user line."""
        path = os.path.join(self.dir, "knot.conf")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace("    user: \n", ""))

    def start(self):
        with open(os.path.join(self.dir, "knot.log"), "w") as log:
            self.process = subprocess.Popen(
                [shutil.which("knotd") or "/usr/sbin/knotd", "-c",
                 os.path.join(self.dir, "knot.conf")],
                stdout=log, stderr=log)
        import dns.message
        import dns.query
        name = next(iter(self.zones))
        for _ in range(100):
            try:
                answer = dns.query.udp(dns.message.make_query(name, "SOA"),
                                       "127.0.0.1", port=self.port,
                                       timeout=0.2)
                if answer.rcode() == 0 and answer.answer:
                    return
            except Exception:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(os.path.join(self.dir, "knot.log")) as log:
            why = log.read()
        self.close()
        raise RuntimeError("knotd does not answer: " + why)

    def anchors(self):
        """The keys of the signed zones, as a resolver trusts them."""
        import dns.message
        import dns.query
        lines = []
        for name in self.signed:
            answer = dns.query.tcp(dns.message.make_query(name, "DNSKEY"),
                                   "127.0.0.1", port=self.port, timeout=10)
            lines += [key.to_text() for key in answer.answer[0]
                      if key.flags == 257]
            lines[-1] = "%s. DNSKEY %s" % (name, lines[-1])
        return lines

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Resolver:
    """A validating resolver (Unbound) on loopback.

    stubs: {"one.test": port of the name server that has it}; anchors: of
    Dns.anchors.
    """

    def __init__(self, stubs, anchors=()):
        self.dir = tempfile.mkdtemp(prefix="ph-unbound-", dir="/tmp")
        self.port = free_port()
        self.process = None
        path = os.path.join(self.dir, "unbound.conf")
        with open(path, "w") as f:
            f.write("""server:
    directory: "%(dir)s"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    logfile: "%(dir)s/unbound.log"
    interface: 127.0.0.1@%(port)d
    do-ip6: no
    do-daemonize: no
    do-not-query-localhost: no
    num-threads: 1
    module-config: "validator iterator"
    local-zone: "test." nodefault
    local-zone: "localhost." always_nxdomain
    domain-insecure: "."
remote-control:
    control-enable: no
""" % {"dir": self.dir, "port": self.port})
            f.write("server:\n")
            for anchor in anchors:
                f.write("    trust-anchor: \"%s\"\n" % anchor)
            for name, port in stubs.items():
                f.write("stub-zone:\n    name: \"%s\"\n"
                        "    stub-addr: 127.0.0.1@%d\n" % (name, port))
        self.start(path)

    def start(self, path):
        import dns.message
        import dns.query
        self.process = subprocess.Popen(
            [shutil.which("unbound") or "/usr/sbin/unbound", "-d", "-c", path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(self.dir, "stderr"), "w"))
        for _ in range(200):
            try:
                dns.query.udp(dns.message.make_query("localhost", "A"),
                              "127.0.0.1", port=self.port, timeout=0.2)
                return
            except Exception:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        with open(os.path.join(self.dir, "stderr")) as log:
            why = log.read()
        self.close()
        raise RuntimeError("unbound does not answer: " + why)

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
