"""Certificates and resolv.conf that change while the suite runs: new clients
see it without a reload, and those who are there do not notice."""
import os
import smtplib
import socket
import ssl
import subprocess
import time

import pytest

from house import House, wait_until
from load import Load


@pytest.fixture
def house():
    with House(domain="files.test", users=4,
               settings={"file_check_interval": "1s"}) as h:
        yield h


def chain(house):
    return house.json("conf", "get", "smtpd_tls_chain_files")[
        "value"].split()[0]


def make(path, name):
    """A key and its certificate, as one file."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "30", "-subj", "/CN=" + name, "-keyout", path + ".key", "-out",
         path + ".crt"], check=True, capture_output=True)
    with open(path + ".key") as k, open(path + ".crt") as c:
        return k.read() + c.read()


def replace(path, text):
    st = os.stat(path)
    with open(path + ".new", "w") as f:
        f.write(text)
    os.chmod(path + ".new", st.st_mode & 0o777)
    os.chown(path + ".new", st.st_uid, st.st_gid)
    os.rename(path + ".new", path)


def starttls(port):
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as s:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s.starttls(context=context)
        return s.sock.getpeercert(True)


def tls(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        with context.wrap_socket(s) as t:
            return t.getpeercert(True)


def shown(house):
    return [starttls(house.smtp), starttls(house.submission),
            tls(house.submissions), tls(house.imaps), tls(house.pop3s)]


def der(text):
    return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERT"):])


def test_the_next_handshake_shows_the_new_certificate(house, tmp_path):
    path = chain(house)
    generation = house.json("status")["generation"]
    new = make(str(tmp_path / "a"), "new.files.test")
    with Load(house) as load:
        time.sleep(0.5)
        replace(path, new)
        wait_until(lambda: all(c == der(new) for c in shown(house)))
        time.sleep(0.5)
    assert load.failures == []
    assert house.json("status")["generation"] == generation


def with_keys(house):
    found = [s for s in house.json("status")["services"]
             if s["command"] == "login" or s["name"] in (
                 "smtpd", "127.0.0.1:%d" % house.submission,
                 "127.0.0.1:%d" % house.submissions)]
    assert len(found) == 7
    return found


def test_a_key_without_its_certificate_waits(house, tmp_path):
    """The old one goes on being shown until the new one is whole."""
    path = chain(house)
    old = der(open(path).read())
    new = make(str(tmp_path / "a"), "new.files.test")
    other = make(str(tmp_path / "b"), "other.files.test")
    key = new[:new.index("-----BEGIN CERT")]
    wrong = key + other[other.index("-----BEGIN CERT"):]
    assert all(c == old for c in shown(house))  # each has a process now
    replace(path, wrong)
    wait_until(lambda: all(s["restarts"] > 0 for s in with_keys(house)))
    wait_until(lambda: "the old one goes on" in house.log())
    assert all(c == old for c in shown(house))
    wait_until(lambda: all(s["state"] in ("running", "waiting")
                           for s in house.json("status")["services"]))
    replace(path, new)
    wait_until(lambda: all(c == der(new) for c in shown(house)))
    # And one that is gone.
    os.unlink(path)
    time.sleep(3)
    assert all(c == der(new) for c in shown(house))


@pytest.mark.skipif(os.getuid() != 0, reason="resolv.conf is root's")
def test_resolv_conf_is_read_anew(tmp_path):
    own = str(tmp_path / "resolv.conf")
    with open(own, "w") as f:
        f.write("nameserver 127.0.0.1\n")
    with House(domain="files.test", users=1, start=False,
               settings={"file_check_interval": "1s",
                         "dns_servers": ""}) as h:
        subprocess.run(
            ["unshare", "-m", "sh", "-c",
             "mount --bind %s /etc/resolv.conf && exec %s -c %s start" % (
                 own, h.program(), h.etc)],
            check=True, capture_output=True, timeout=60)

        def pids(name):
            return next(s["pids"] for s in h.json("status")["services"]
                        if s["name"] == name and s["type"] == "unix")
        before, others = pids("smtp"), pids("lookup")
        with open(own, "w") as f:
            f.write("nameserver 127.0.0.53\n")
        wait_until(lambda: pids("smtp") and not
                   set(pids("smtp")) & set(before))
        assert pids("lookup") == others
        h.logged("/etc/resolv.conf has changed")
