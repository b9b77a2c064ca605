#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A guest is removed and added again at once, with all that may be promised.

    again.py TMEMD TMEM

Runs itself under tmemd --run. The two lines go out together, so nothing but
the second one itself can wait for the memory of the first guest to be back.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

DISK = 30 << 20  # of 32 MiB that may be promised: never two of them
LINES = [{"op": "remove", "name": "a"}, {"op": "add", "name": "a", "disk": DISK}]
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


def ask(*requests):
    """The answers to lines that are sent in one piece."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(os.environ["TMEM_CONTROL"])
        line.sendall("".join(json.dumps({"v": 1, **request}) + "\n" for request in requests).encode())
        with line.makefile() as answers:
            return [json.loads(answers.readline()) for _ in requests]


def front_end(name, *words):
    here = os.path.dirname(os.path.realpath(__file__))
    place = "%s/%s.sock" % (os.environ["TMEM_RUN_DIR"], name)
    return [sys.executable, here + "/front_end.py", place, *words]


def inner():
    answer, = ask({"op": "add", "name": "a", "disk": DISK})
    check("a guest is added", "ok" in answer, answer)
    for _ in range(20):
        answers = ask(*LINES)
        check("an empty guest is added again", all("ok" in a for a in answers), answers)
    for _ in range(3):
        check("its disk is filled", subprocess.call(front_end("a", "fill", str(DISK // 4096))) == 0)
        stat, = ask({"op": "stat", "name": "a"})
        stored = stat["ok"]["guests"][0]["disk"]["blocks_stored"]
        check("every page is stored", stored == DISK // 4096, stored)
        answers = ask(*LINES)
        check("a full guest is added again", all("ok" in a for a in answers), answers)
        stat, = ask({"op": "stat", "name": "a"})
        stored = stat["ok"]["guests"][0]["disk"]["blocks_stored"]
        check("and is empty", stored == 0, stored)
    answer, = ask({"op": "add", "name": "b", "disk": DISK})
    check("control: with the guest alive there is no room", answer.get("error", {}).get("code") == "ENOSPC", answer)
    # A guest that is connected meanwhile keeps its connection.
    answers = ask({"op": "remove", "name": "a"}, {"op": "add", "name": "b", "disk": 1 << 20},
                  {"op": "add", "name": "a", "disk": DISK - (2 << 20)})
    check("a small one beside it", all("ok" in a for a in answers), answers)
    check("is served", subprocess.call(front_end("b", "use", sys.executable, __file__, "meanwhile")) == 0)
    answer, = ask({"op": "check"})
    check("everything is consistent", "ok" in answer, answer)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


def meanwhile():
    check("filled", subprocess.call(front_end("a", "fill", str((DISK - (2 << 20)) // 4096))) == 0)
    answers = ask(LINES[0], {"op": "add", "name": "a", "disk": DISK - (2 << 20)})
    check("added again under a connected guest", all("ok" in a for a in answers), answers)
    stat, = ask({"op": "stat", "name": "b"})
    check("which is still connected", stat["ok"]["guests"][0]["disk"]["connected"], stat)
    sys.exit(failed != 0)


if sys.argv[-1] == "inner":
    inner()
if sys.argv[-1] == "meanwhile":
    meanwhile()
# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
    sys.exit(subprocess.call([
        os.path.realpath(sys.argv[1]), "--memory", "64M", "--persistent", "32M", "--at-own-risk",
        "--log-level", "error", "--run-dir", directory + "/run",
        "--run", sys.executable, os.path.realpath(__file__), "inner"]))
