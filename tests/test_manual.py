"""The manual and the code agree."""
import os
import re
import subprocess
import sys

import manual
from house import POSTHOUSE, TOP


def test_main_cf_5_is_what_the_tables_say():
    done = subprocess.run([sys.executable, manual.__file__],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_program_and_command_has_its_place_in_the_manual():
    daemons = re.search(r"^DAEMONS\s*:=((?:.*\\\n)*.*)", open(
        os.path.join(TOP, "Makefile")).read(), re.M).group(1)
    for name in daemons.replace("\\", " ").split() + ["posthouse"]:
        assert os.path.exists(os.path.join(TOP, "man", name + ".8")), name
    page = open(os.path.join(TOP, "man", "posthouse.8")).read()
    usage = subprocess.run([POSTHOUSE, "--help"], capture_output=True,
                           text=True).stdout
    for name in re.findall(r"^  (\S+) ", usage, re.M):
        assert re.search(r"^\.It (Xo\n\.)?(Ic|Nm|Cm) %s\b" % name, page, re.M), name


def test_every_exchange_is_described():
    page = open(os.path.join(TOP, "man", "posthouse-ipc.7")).read()
    named = set(re.findall(r"^\.Sy (\w+)", page, re.M))
    for name in os.listdir(os.path.join(TOP, "lib", "ipc")):
        if not name.endswith(".c"):
            continue
        source = open(os.path.join(TOP, "lib", "ipc", name)).read()
        for kind in re.findall(r'^const struct ipc_type \w+ = \{\s*"(\w+)"',
                               source, re.M):
            assert kind in named, "posthouse-ipc(7) has no word on " + kind
