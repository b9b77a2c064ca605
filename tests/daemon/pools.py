#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the administrator does to pools that are in use.

    pools.py TMEMD TMEM

Runs itself under tmemd --run. A swap disk's pool is shown with its pages, is
not destroyed by mistake, and when it is, a machine that reads gets errors.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile

BLOCKS = 256
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


def ask(**request):
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(30)
        line.connect(os.environ["TMEM_CONTROL"])
        line.sendall(json.dumps({"v": 1, **request}).encode() + b"\n")
        with line.makefile() as answers:
            return json.loads(answers.readline())


def front_end(name, *words):
    here = os.path.dirname(os.path.realpath(__file__))
    place = "%s/%s.sock" % (os.environ["TMEM_RUN_DIR"], name)
    return subprocess.run([sys.executable, here + "/front_end.py", place, *words],
                          capture_output=True, text=True, timeout=60).stdout.strip()


def read_block(name):
    """0: done, 1: an I/O error."""
    return front_end(name, "read", "--resume")


def pools(name):
    return ask(op="stat", name=name, pools=True)["ok"]["guests"][0]["pools"]


def inner():
    for name in "ab":
        answer = ask(op="add", name=name, disk=BLOCKS * 4096)
        check("%s is added" % name, "ok" in answer, answer)
        front_end(name, "fill", str(BLOCKS))
    here = pools("a")
    check("the disk's pool is shown with its pages", [(p["pool"], p["persistent_pages"], p["puts"]) for p in here] ==
          [(0, BLOCKS, BLOCKS)], here)
    check("only who asks is told of pools", "pools" not in ask(op="stat", name="a")["ok"]["guests"][0])
    check("a flush takes no persistent page", "ok" in ask(op="flush", bytes=1 << 40) and
          pools("a")[0]["persistent_pages"] == BLOCKS)
    answer = ask(op="destroy", name="a")
    check("a disk's pool is not destroyed by mistake", answer.get("error", {}).get("code") == "EBUSY", answer)
    check("its machine reads on", read_block("a") == "0")
    answer = ask(op="destroy", name="a", pool=0, force=True)
    check("it is destroyed by force", answer.get("ok") == {"name": "a", "destroyed": 1}, answer)
    check("no pool is left", pools("a") == [])
    check("its machine reads errors, not zeros", read_block("a") == "1")
    check("the other guest has all its pages", read_block("b") == "0" and
          pools("b")[0]["persistent_pages"] == BLOCKS)
    check("every count agrees", ask(op="check").get("ok") == {"consistent": True})
    answer = ask(op="remove", name="a")
    answer = ask(op="add", name="a", disk=BLOCKS * 4096)
    check("removed and added again, it serves", "ok" in answer and front_end("a", "read") == "0", answer)
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


if len(sys.argv) == 2 and sys.argv[1] == "inner":
    inner()
# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
    sys.exit(subprocess.call([
        os.path.realpath(sys.argv[1]), "--memory", "64M", "--persistent", "32M", "--at-own-risk",
        "--log-level", "error", "--run-dir", directory + "/run",
        "--run", sys.executable, os.path.realpath(__file__), "inner"]))
