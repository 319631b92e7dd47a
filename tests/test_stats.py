"""The figures: the same for `posthouse stats`, `posthouse top`, the endpoint
for Prometheus, its manual, the dashboard and the alerts."""
import fcntl
import http.client
import imaplib
import json
import os
import pty
import re
import select
import shutil
import smtplib
import socket
import struct
import subprocess
import termios
import time
import urllib.error
import urllib.request

import pytest

import manual
from house import House, POSTHOUSE, TOP, wait_until

MESSAGES = 7
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (\S+)$" % (NAME, LABEL, LABEL))


def send(house, recipients=None, subject="x"):
    with smtplib.SMTP("127.0.0.1", house.smtp, timeout=60) as s:
        s.sendmail("a@x.test", recipients or [house.user(0)],
                   "Subject: %s\r\n\r\nhello\r\n" % subject)


def refused_port():
    """A port that stays ours, and where nobody listens."""
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    return s


@pytest.fixture(scope="module")
def house():
    with refused_port() as closed, House(
            domain="stats.test", users=1, settings={
                "relayhost": "[127.0.0.1]:%d" % closed.getsockname()[1],
                "exporter_cache_time": "0",
                "exporter_client_limit": "8"}) as h:
        for i in range(MESSAGES):
            send(h)
        h.wait_empty_queue()
        with imaplib.IMAP4_SSL("127.0.0.1", h.imaps,
                               ssl_context=h.tls()) as c:
            c.login(h.user(0), "secret")
            c.select("INBOX")
        yield h


def scrape(house):
    url = "http://127.0.0.1:%d/metrics" % house.metrics
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == \
            "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()


def parse(text):
    """Strictly: {metric: (kind, {labels: value})}; the lines of a metric stand
    together, behind one HELP and one TYPE."""
    metrics, name, help_seen = {}, None, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            help_seen = line.split(" ", 3)
            assert len(help_seen) == 4 and help_seen[3], line
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert help_seen[2] == name and name not in metrics, line
            assert kind in ("counter", "gauge", "histogram")
            assert kind != "counter" or name.endswith("_total")
            metrics[name] = (kind, {})
        else:
            sample = SAMPLE.match(line)
            assert sample, line
            metric, labels, value = sample.groups()
            kind, samples = metrics[name]
            if kind == "histogram":
                assert metric in (name + "_bucket", name + "_sum",
                                  name + "_count"), line
            else:
                assert metric == name, line
            key = (metric, labels)
            assert key not in samples, "twice: " + line
            samples[key] = float(value)
    for name, (kind, samples) in metrics.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return metrics


def check_histogram(name, samples):
    series = {}
    for (metric, labels), value in samples.items():
        le = re.search(r',le="([^"]*)"$', labels)
        base = labels[:le.start()] if le else labels
        series.setdefault(base, {})[
            metric[len(name):], float(le.group(1)) if le else None] = value
    for labels, parts in series.items():
        buckets = [(le, v) for (part, le), v in parts.items()
                   if part == "_bucket"]
        assert buckets == sorted(buckets), labels
        assert [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert buckets[-1][0] == float("inf")
        assert buckets[-1][1] == parts["_count", None]
        assert parts["_sum", None] >= 0


def value_of(metrics, metric, **wanted):
    """The sum over the samples with these labels."""
    base = re.sub(r"_(bucket|sum|count)$", "", metric)
    samples = metrics[metric if metric in metrics else base][1]
    found = [v for (name, labels), v in samples.items()
             if name == metric and all('%s="%s"' % w in (labels or "")
                                       for w in wanted.items())]
    return sum(found)


def figures(house):
    return json.loads(house.posthouse("stats", "--json"))


# ---- what the figures mean -----------------------------------------------------


def table():
    return manual.figures()


def test_each_name_that_a_daemon_counts_has_a_row():
    rows = {(f.get("command"), f["name"]) for f in table()}
    missing = []
    for top, _, files in os.walk(TOP):
        folder = os.path.relpath(top, TOP).split(os.sep)
        if folder[0].startswith((".", "build")) or folder[0] == "tests":
            continue
        for name in files:
            if not name.endswith(".c") or name.endswith("_test.c"):
                continue
            with open(os.path.join(top, name)) as f:
                source = f.read()
            for what in re.findall(
                    r'(?:daemon_count|daemon_gauge|daemon_observe|observe|'
                    r'observe_end|board_gauge)\(\s*(?:[^"();]*,\s*)?"([^"]+)"',
                    source):
                owner = None if folder[0] in ("lib", "master") else folder[0]
                if (owner, what) not in rows and (None, what) not in rows:
                    missing.append("%s: %s" % (os.path.join(*folder, name),
                                               what))
    assert missing == []


def test_rows_of_a_metric_stand_together_and_agree():
    seen = {}
    last = None
    for f in table():
        assert re.fullmatch(r"posthouse_[a-z0-9_]+", f["metric"])
        if f["metric"] != last:
            assert f["metric"] not in seen, f
            assert f["help"].endswith("."), f
        else:
            assert f["kind"] == seen[f["metric"]] and f["label"], f
        assert (f["kind"] == "counter") == f["metric"].endswith("_total"), f
        last = f["metric"]
        seen[last] = f["kind"]


def named_in(text):
    names = {f["metric"] for f in table()}
    used = set(re.findall(r"posthouse_[a-z0-9_]+", text))
    for f in table():
        if f["kind"] == "histogram":
            names |= {f["metric"] + s for s in ("_bucket", "_sum", "_count")}
    return used, names


def test_the_dashboard_knows_only_figures_that_there_are():
    with open(os.path.join(TOP, "conf", "grafana-dashboard.json")) as f:
        dashboard = json.load(f)
    text = "\n".join(t["expr"] for p in dashboard["panels"]
                     for t in p.get("targets", []))
    used, names = named_in(text)
    assert len(used) > 20 and used <= names, used - names
    assert named_in(json.dumps(dashboard["templating"]))[0] <= names
    kinds = {f["metric"]: f["kind"] for f in table()}
    for metric in re.findall(r"(?:rate|increase)\((posthouse_\w+)", text):
        assert kinds.get(metric, "counter" if metric.endswith(
            "_bucket") else None) == "counter", metric
    places = [p["id"] for p in dashboard["panels"]]
    assert len(places) == len(set(places))


def promtool():
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian's prometheus) is not installed")
    return found


def alerts():
    return os.path.join(TOP, "conf", "prometheus-alerts.yml")


def test_the_alerts_know_only_figures_that_there_are():
    with open(alerts()) as f:
        used, names = named_in(f.read())
    assert len(used) > 8 and used <= names, used - names


def test_promtool_takes_the_alerts():
    done = subprocess.run([promtool(), "check", "rules", alerts()],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- the endpoint --------------------------------------------------------------


def test_the_format_is_kept_to(house):
    text = scrape(house)
    metrics = parse(text)
    known = {f["metric"]: f["kind"] for f in table()}
    assert {n: kind for n, (kind, _) in metrics.items()} == known


def test_another_parser_reads_the_same(house):
    parser = pytest.importorskip("prometheus_client.parser")
    text = scrape(house)
    ours = sum(len(samples) for _, samples in parse(text).values())
    theirs = list(parser.text_string_to_metric_families(text))
    assert sum(len(m.samples) for m in theirs) == ours
    assert all(m.type in ("counter", "gauge", "histogram") for m in theirs)


def test_promtool_takes_the_metrics(house):
    done = subprocess.run([promtool(), "check", "metrics"], text=True,
                          input=scrape(house), capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_daemon_shows_a_figure_without_a_row(house):
    rows = {(f.get("command"), f["name"]) for f in table()}
    for s in figures(house)["services"]:
        for name in list(s["counters"]) + list(s["times"]):
            assert (s["command"], name) in rows or (None, name) in rows, \
                (s["command"], name)


def test_figures_are_those_of_the_mail_that_went_through(house):
    metrics = parse(scrape(house))
    for metric, labels in (
            ("posthouse_smtpd_messages_accepted_total", {}),
            ("posthouse_cleanup_messages_accepted_total", {}),
            ("posthouse_queue_outcomes_total", {"outcome": "delivered"}),
            ("posthouse_local_recipients_total", {"outcome": "delivered"}),
            ("posthouse_commit_seconds_count", {}),
            ("posthouse_queue_seconds_count", {}),
            ("posthouse_delivery_seconds_count", {"command": "local"})):
        assert value_of(metrics, metric, **labels) == MESSAGES, metric
    assert value_of(metrics, "posthouse_sync_seconds_count",
                    command="local") >= MESSAGES
    assert value_of(metrics, "posthouse_lookup_seconds_count",
                    command="smtpd") >= MESSAGES
    assert value_of(metrics, "posthouse_auth_seconds_count",
                    command="login") >= 1
    assert value_of(metrics, "posthouse_login_logins_total") >= 1
    assert value_of(metrics, "posthouse_service_up", command="qmgr") == 1
    assert value_of(metrics, "posthouse_queue_messages") == 0


def test_stats_says_what_the_endpoint_says(house):
    stats, metrics = figures(house), parse(scrape(house))
    rows = {(f.get("command"), f["name"]): f for f in table()
            if f["kind"] == "counter"}
    compared = 0
    for s in stats["services"]:
        for name, value in s["counters"].items():
            row = rows.get((s["command"], name))
            if row is None or s["command"] in ("exporter", "logd"):
                continue  # a gauge; or it goes on while we look
            labels = dict(service=s["name"], type=s["type"])
            if row["label"]:
                key, text = row["label"].split("=")
                labels[key] = text.strip('"')
            assert value_of(metrics, row["metric"], **labels) == value, row
            compared += 1
    assert compared > 8
    text = house.posthouse("stats")
    for words in ("QUEUE", "SERVICE", "queue_outcomes delivered", "TIME OF",
                  "CERTIFICATE"):
        assert words in text, text
    over = json.loads(house.posthouse("stats", "--interval", "1", "--json"))
    assert not over["since_start"] and over["interval_ms"] >= 1000
    quiet = [s for s in over["services"] if s["command"] == "cleanup"]
    assert all(v == 0 for s in quiet for v in s["per_1000_seconds"].values())


def test_counters_outlive_the_processes(house):
    def counted():
        return value_of(parse(scrape(house)),
                        "posthouse_queue_outcomes_total", outcome="delivered")
    before = counted()
    house.posthouse("service", "restart", "qmgr")
    assert counted() == before
    house.posthouse("reload")
    assert counted() == before


# ---- HTTP ----------------------------------------------------------------------


def talk(house, octets, wait=60):
    """What comes until the other side ends."""
    with socket.create_connection(("127.0.0.1", house.metrics), wait) as s:
        s.sendall(octets)
        got = b""
        while True:
            more = s.recv(65536)
            if not more:
                return got
            got += more


def test_methods_and_paths(house):
    c = http.client.HTTPConnection("127.0.0.1", house.metrics, timeout=60)
    c.request("HEAD", "/metrics")
    head = c.getresponse()
    assert head.status == 200 and head.read() == b""
    assert int(head.headers["Content-Length"]) > 10000
    # The connection was kept, over refusals too.
    for method, path, status in (("GET", "/other", 404), ("GET", "/", 404),
                                 ("DELETE", "/metrics", 405),
                                 ("GET", "/metrics?x=y", 200)):
        c.request(method, path)
        answer = c.getresponse()
        body = answer.read()
        assert answer.status == status, (method, path)
        assert int(answer.headers["Content-Length"]) == len(body) > 0
        if status == 405:
            assert answer.headers["Allow"] == "GET, HEAD"
    c.close()


def test_what_is_no_request_is_refused(house):
    for octets, status in (
            (b"GET /metrics HTTP/1.1\r\n\r\n", b"400"),
            (b"\x16\x03\x01\x02\x00\n\n", b"400"),
            (b"GET /metrics HTTP/2.0\r\nHost: a\r\n\r\n", b"505"),
            (b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000,
             b"431")):
        got = talk(house, octets)
        assert got.startswith(b"HTTP/1.1 " + status), got[:60]
        assert b"\r\nConnection: close\r\n" in got
    # Two requests at once, then one with a body that nobody reads.
    one = b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n"
    got = talk(house, one + b"\r\n" + one +
               b"Content-Length: 100000\r\n\r\n" + b"z" * 100000)
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 2
    got = talk(house, b"GET /metrics HTTP/1.0\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200") and b"posthouse_service_up" in got


def test_clients_are_bounded(house):
    """One more than the limit is closed; the others do not notice."""
    held = []
    try:
        for _ in range(8):
            held.append(socket.create_connection(
                ("127.0.0.1", house.metrics), 60))
            # It is known: what it asked was answered.
            held[-1].sendall(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
            assert held[-1].recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", house.metrics), 60) as s:
            try:
                assert s.recv(100) == b""
            except ConnectionResetError:
                pass
        held[0].sendall(b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert held[0].recv(65536).startswith(b"HTTP/1.1 200")
    finally:
        for s in held:
            s.close()

    def served():
        try:
            return value_of(parse(scrape(house)),
                            "posthouse_exporter_connections_refused_total")
        except OSError:
            return 0
    assert wait_until(served) >= 1


def test_who_is_slow_is_let_go_and_who_is_away_is_said(tmp_path):
    with House(domain="slow.test", users=1, settings={
            "exporter_timeout": "1s", "ipc_timeout": "2s",
            "exporter_cache_time": "0"}) as h:
        with socket.create_connection(("127.0.0.1", h.metrics), 60) as s:
            s.sendall(b"GET /met")
            assert s.recv(100) == b""  # without an answer
        h.set("exporter_timeout", "60s")
        h.posthouse("reload")
        master = h.master_pid()
        os.kill(master, 19)
        try:
            with pytest.raises(urllib.error.HTTPError) as e:
                scrape(h)
            assert e.value.code == 503
        finally:
            os.kill(master, 18)
        wait_until(lambda: "posthouse_service_up" in scrape(h))


# ---- what an exporter may do -----------------------------------------------------


def test_the_socket_takes_no_orders(house):
    path = os.path.join(house.dir, "run", "sockets", "figures")
    for verb in ("shutdown", "status", "reload"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(path)
            s.sendall(("posthouse-ipc\tmaster\t1\nmaster_ask\tverb=%s\t"
                       "service=\targument=\n" % verb).encode())
            assert s.recv(100) == b""
    house.logged("a caller of figures asks for something else")
    assert scrape(house)
    jail = os.path.join(house.dir, "run", "jail")
    assert [r for r in os.listdir(jail)
            if "figures" in os.listdir(os.path.join(jail, r))] == ["exporter"]


@pytest.mark.root
@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_exporter_has_no_board_but_its_own(house):
    pid = house.pids("exporter")[0]
    with open("/proc/%d/maps" % pid) as f:
        boards = {line.split()[4] for line in f if "posthouse-board" in line}
    assert len(boards) == 1
    assert os.readlink("/proc/%d/root" % pid).endswith("/jail/exporter")


# ---- the queue -------------------------------------------------------------------


def test_mail_that_waits_is_counted_by_its_reason(house):
    send(house, ["someone@elsewhere.test", "other@elsewhere.test"])

    def waiting():
        metrics = parse(scrape(house))
        return metrics if value_of(
            metrics, "posthouse_queue_recipients_deferred",
            reason="network") == 2 else None
    metrics = wait_until(waiting, 60)
    assert value_of(metrics, "posthouse_queue_messages") == 1
    assert value_of(metrics, "posthouse_queue_messages_by_state",
                    state="deferred") == 1
    assert value_of(metrics, "posthouse_queue_outcomes_total",
                    outcome="deferred") >= 2
    assert value_of(metrics, "posthouse_smtp_recipients_total",
                    outcome="deferred") >= 1
    arrived = value_of(metrics, "posthouse_queue_oldest_timestamp_seconds")
    assert arrived == house.queue()["messages"][0]["arrived"]
    text = house.posthouse("stats")
    assert "2 network" in text and "the oldest came" in text, text
    top = house.posthouse("top", "--once")
    assert "DESTINATION" in top and "2 network" in top, top
    # After a restart the reason comes from the queue file. What the board
    # says of three recipients the new process has said.
    house.posthouse("service", "restart", "qmgr")
    send(house, ["third@elsewhere.test"])
    wait_until(lambda: value_of(
        parse(scrape(house)), "posthouse_queue_recipients_deferred",
        reason="network") == 3, 60)
    house.posthouse("queue", "delete", "ALL")
    wait_until(lambda: value_of(parse(scrape(house)),
                                "posthouse_queue_messages") == 0, 60)


# ---- certificates ------------------------------------------------------------------


def certificate(path, days, name="mail.stats.test"):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj",
         "/CN=" + name, "-keyout", path + ".key", "-out", path + ".crt"],
        check=True, capture_output=True)
    with open(path + ".key") as key, open(path + ".crt") as crt:
        return key.read() + crt.read()


def test_a_certificate_that_ends_is_told(tmp_path):
    with House(domain="ends.test", users=1, settings={
            "certificate_warning_time": "10d",
            "exporter_cache_time": "0"}, start=False) as h:
        chain = os.path.join(h.etc, "chain.pem")
        with open(chain, "w") as f:
            f.write(certificate(str(tmp_path / "a"), 5))
        h.start()
        h.logged(r"certificate %s (CN = mail.stats.test)" % chain)
        assert re.search(r"in [45] days \(certificate_warning_time\)",
                         h.log())
        (found,) = figures(h)["certificates"]
        assert found["path"] == chain and found["days"] in (4, 5)
        left = value_of(parse(scrape(h)), "posthouse_certificate_expiry_"
                        "timestamp_seconds", file=chain) - time.time()
        assert 4 * 86400 < left <= 5 * 86400
        with open(chain + ".new", "w") as f:
            f.write(certificate(str(tmp_path / "b"), 300))
        shutil.copystat(chain, chain + ".new")
        os.utime(chain + ".new")
        os.rename(chain + ".new", chain)
        assert figures(h)["certificates"][0]["days"] in (299, 300)
        with open(chain, "w") as f:
            f.write("nothing\n")
        (found,) = figures(h)["certificates"]
        assert found["error"] == "no certificate in it"
        assert "days" not in found
        assert "no certificate in it" in h.posthouse("stats")
        assert value_of(parse(scrape(h)), "posthouse_certificate_expiry_"
                        "timestamp_seconds", file=chain) == 0


# ---- top ---------------------------------------------------------------------------


class Terminal:
    """posthouse top in a terminal of its own."""

    def __init__(self, house, lines, columns):
        self.master, slave = pty.openpty()
        self.slave = slave
        fcntl.ioctl(slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            [POSTHOUSE, "-c", house.etc, "top"], stdin=slave, stdout=slave,
            stderr=slave, start_new_session=True)
        self.got = b""

    def until(self, octets):
        def there():
            ready = select.select([self.master], [], [], 0.1)[0]
            if ready:
                self.got += os.read(self.master, 65536)
            return octets in self.got
        wait_until(there, 60, 0)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize("way", ["q", "signal"])
def test_top_gives_the_terminal_back(house, way):
    t = Terminal(house, 12, 60)
    try:
        t.until(b"QUEUE")
        t.until(b"SERVICE")
        assert t.got.startswith(b"\x1b[?1049h")
        assert termios.tcgetattr(t.slave) != t.before
        for line in re.sub(rb"\x1b\[[?0-9]*[a-zA-Z]", b"",
                           t.got).split(b"\r\n"):
            assert len(line) <= 60, line
        # Another size: the next frame has it.
        t.got = b""
        fcntl.ioctl(t.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 60, 160, 0, 0))
        t.process.send_signal(28)
        t.until(b"A SECOND")
        if way == "q":
            os.write(t.master, b"q")
        else:
            t.process.terminate()
        t.until(b"\x1b[?1049l")
        assert t.process.wait(60) == 0
        assert termios.tcgetattr(t.slave) == t.before
    finally:
        t.close()


def test_top_without_a_terminal_is_one_frame(house):
    done = subprocess.run([POSTHOUSE, "-c", os.path.relpath(house.etc), "top"],
                          capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and "\x1b" not in done.stdout
    assert "of the last" in done.stdout and "QUEUE" in done.stdout
    done = house.posthouse("--json", "top", check=False)
    assert done.returncode == 64 and "stats" in done.stderr


def test_without_a_master_it_says_so(tmp_path):
    for command in ("stats", "top"):
        done = subprocess.run(
            [POSTHOUSE, "-c", str(tmp_path), command], capture_output=True,
            text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert done.returncode != 0 and done.stdout == ""
        assert done.stderr.startswith("posthouse %s: " % command) or \
            "main.cf" in done.stderr, done.stderr
