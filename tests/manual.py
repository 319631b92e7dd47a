"""man/main.cf.5 and the parameter tables, man/exporter.8 and the figures: one
says what the other does.

    tests/manual.py          compares; exit status 1 with what differs
    tests/manual.py --write  writes the pages from the tables

The tables are asked through `posthouse conf list --json` and `posthouse stats
--list --json`, the pages' frames stand in man/main.cf.5.in and
man/exporter.8.in.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from house import POSTHOUSE, TOP  # noqa: E402


def escape(text):
    text = text.replace("\\", "\\e")
    return "\\&" + text if text[:1] in ".'" else text


def sentences(text):
    """mdoc wants each sentence on a line of its own."""
    return escape(text).replace(". ", ".\n")


def figures():
    """What `posthouse stats --list` knows."""
    return json.loads(subprocess.run(
        [POSTHOUSE, "stats", "--list", "--json"],
        capture_output=True, text=True, check=True).stdout)


def figures_page():
    out, metric, rows = [".Bl -tag -width Ds"], None, figures()
    for f in rows:
        if f["metric"] != metric:
            out.append(".It Li %s Pq %s" % (f["metric"], f["kind"]))
            out.append(sentences(f["help"]))
            metric = f["metric"]
            labels = [x["label"].split("=") for x in rows
                      if x["metric"] == metric and x["label"]]
            if labels:
                out.append("Label %s: %s." % (labels[0][0], ", ".join(
                    value.strip('"') for _, value in labels)))
    out.append(".El")
    with open(os.path.join(TOP, "man", "exporter.8.in")) as f:
        return f.read().replace("@FIGURES@\n", "\n".join(out) + "\n")


def page():
    with tempfile.TemporaryDirectory() as etc:
        open(os.path.join(etc, "main.cf"), "w").close()
        rows = json.loads(subprocess.run(
            [POSTHOUSE, "-c", etc, "conf", "list", "--json"],
            capture_output=True, text=True, check=True).stdout)
    out = []
    for owner in sorted({r["of"] for r in rows},
                        key=lambda o: (o != "house", o)):
        title = "Parameters of several daemons" if owner == "house" else \
            "Parameters of %s" % owner
        out.append(".Ss %s\n.Bl -tag -width Ds" % title)
        for r in sorted(rows, key=lambda r: r["name"]):
            if r["of"] == owner:
                out.append(".It Ic %s No = Ar %s" % (
                    r["name"], r["default"].replace("\\", "\\e") or "\\&"))
                out.append(sentences(r["help"]))
        out.append(".El")
    with open(os.path.join(TOP, "man", "main.cf.5.in")) as f:
        return f.read().replace("@PARAMETERS@\n", "\n".join(out) + "\n")


def main():
    status = 0
    for name, new in (("main.cf.5", page()), ("exporter.8", figures_page())):
        path = os.path.join(TOP, "man", name)
        if "--write" in sys.argv:
            with open(path, "w") as f:
                f.write(new)
            continue
        with open(path) as f:
            if f.read() == new:
                continue
        print("man/%s is not what the tables say; tests/manual.py --write "
              "writes it anew" % name)
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
