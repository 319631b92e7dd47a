"""man/main.cf.5 and the parameter tables: one says what the other does.

    tests/manual.py          compares; exit status 1 with what differs
    tests/manual.py --write  writes man/main.cf.5 from the tables

The tables are asked through `posthouse conf list --json`, the page's frame
stands in man/main.cf.5.in.
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
    path = os.path.join(TOP, "man", "main.cf.5")
    new = page()
    if "--write" in sys.argv:
        with open(path, "w") as f:
            f.write(new)
        return 0
    with open(path) as f:
        if f.read() == new:
            return 0
    print("man/main.cf.5 is not what the tables say; "
          "tests/manual.py --write writes it anew")
    return 1


if __name__ == "__main__":
    sys.exit(main())
