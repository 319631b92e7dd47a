"""How quickly `posthouse trace` answers over a day of many messages.

    trace.py MESSAGES [DIRECTORY]

Writes the day below a temporary directory (some 1.6 KB for each message), by
the code that logd writes with, then times searches with the files out of
memory (as far as the kernel lets them go) and in memory.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from house import BUILD, POSTHOUSE  # noqa: E402

DAY = os.path.join(BUILD, "tests", "bench", "trace_day")


def generate(log, messages):
    began = time.monotonic()
    said = subprocess.run([DAY, log, str(messages)], check=True, text=True,
                          capture_output=True).stdout
    figures, keys = {}, []
    for line in said.splitlines():
        name, value = line.split(" ", 1)
        if name in ("events", "cells", "cpu_ns_per_event", "most_kb"):
            figures[name] = int(value)
        else:
            keys.append((name, value))
    figures["seconds"] = time.monotonic() - began
    return figures, keys


def search(etc, *args):
    began = time.monotonic()
    done = subprocess.run([POSTHOUSE, "-c", etc, "--json", "trace", *args],
                          text=True, capture_output=True)
    took = time.monotonic() - began
    found = json.loads(done.stdout)
    return took, found


def megabytes(directory, suffix):
    return sum(os.path.getsize(os.path.join(directory, n)) for n in
               os.listdir(directory) if n.endswith(suffix)) / 1e6


def questions(keys):
    """The needle of the second hour, of one in the middle and of the last."""
    per = len(keys) // 24
    asked = []
    for hour in (1, 12, 23):
        for name, value in keys[hour * per:(hour + 1) * per]:
            asked.append(("%s of hour %d" % (name, hour), value))
            if name == "sender":
                asked.append(("domain of hour %d" % hour,
                              value[value.index("@"):]))
    asked += [("a recipient with many messages", "person81006@here.example"),
              ("a domain with half of all", "@far.example"),
              ("an address that is nowhere", "nobody@nowhere.example")]
    return asked


def main():
    messages = int(sys.argv[1])
    top = tempfile.mkdtemp(prefix="ph-trace-", dir=(sys.argv[2:] + ["/tmp"])[0])
    try:
        house = os.path.join(top, "house")
        subprocess.run([POSTHOUSE, "init", house, "--domain", "bench.test"],
                       check=True, capture_output=True)
        etc, log = os.path.join(house, "etc"), os.path.join(house, "log")
        figures, keys = generate(log, messages)
        trace = os.path.join(log, "trace")
        print("%d messages, %d events in %d files: %.0f MB of events, "
              "%.0f MB of index" % (
                  messages, figures["events"],
                  len(os.listdir(trace)), megabytes(trace, ".trace"),
                  megabytes(trace, ".index")))
        print("written in %.0f s; logd's code: %d ns of CPU for an event, "
              "%d MB at most" % (figures["seconds"],
                                 figures["cpu_ns_per_event"],
                                 figures["most_kb"] // 1024))
        print("%-32s %8s %8s  %s" % ("search", "cold", "warm", "messages"))
        worst = 0
        for name, value in questions(keys):
            subprocess.run([DAY, log, "drop"], check=True)
            cold, found = search(etc, value)
            warm, again = search(etc, value)
            worst = max(worst, cold)
            assert found["messages"] == again["messages"]
            assert not found["notes"], found["notes"]
            print("%-32s %6.3f s %6.3f s  %d%s" % (
                name, cold, warm, len(found["messages"]),
                " (and more)" if found["cut"] else ""))
        print("the slowest: %.3f s" % worst)
    finally:
        shutil.rmtree(top, ignore_errors=True)


main()
