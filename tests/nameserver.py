"""A real DNS server (Knot) on loopback for the tests and the tour."""
import os
import shutil
import subprocess
import tempfile
import time

from house import free_port


class Dns:
    """Zones are given as {"one.test": ["@ MX 10 mx", "mx A 127.0.0.1"]}."""

    def __init__(self, zones, port=None):
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
                f.write("  - domain: %s\n    file: %s.zone\n" % (name, name))
        for name, lines in zones.items():
            with open(os.path.join(self.dir, name + ".zone"), "w") as f:
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
            raise RuntimeError("knotd does not answer: " + log.read())

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
