#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A daemon without descriptors left turns peers away, and does not spin.

    descriptors.py TMEMD TMEM
"""
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile

LIMIT = 32
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


def connect(name="control"):
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(20)
    line.connect("%s/%s.sock" % (os.environ["TMEM_RUN_DIR"], name))
    return line


def ask(line, **request):
    """The answer, or what the daemon said before it was asked."""
    try:
        line.sendall(json.dumps({"v": 1, **request}).encode() + b"\n")
    except OSError:
        pass
    data = b""
    while not data.endswith(b"\n"):
        more = line.recv(65536)
        if not more:
            return {}
        data += more
    return json.loads(data)


def visitors(line):
    """Processes take what is left; then each socket turns away, and none spins."""
    def refused():
        return ask(line, op="stat", name="t")["ok"]["templates"][0]["template"]["refused_resources"]

    held = []
    while not refused():
        held.append(connect("t"))
    check("control: some were taken", len(held) > 2, len(held))
    before = ask(line, op="stat")["ok"]["host"]["loop_rounds"]
    check("a machine is turned away", connect("g").recv(1) == b"")
    check("and so is a process", connect("t").recv(1) == b"")
    errors = ask(line, op="stat", name="g")["ok"]["guests"][0]["errors"]
    check("which is counted", errors == {"no_resources": 1} and refused() >= 2, errors)
    rounds = ask(line, op="stat")["ok"]["host"]["loop_rounds"] - before
    check("without a spin", rounds < 100, rounds)
    held.pop(0).close()
    for _ in range(1000):
        machine = connect("g")
        connected = ask(line, op="list")["ok"]["guests"][0]["connected"]
        if connected:
            break
        machine.close()
    check("a descriptor that comes back is used", connected)


def inner():
    line = connect()
    ask(line, op="add", name="g", kind="device")
    ask(line, op="add", name="t", kind="template")
    visitors(line)
    ask(line, op="remove", name="g", force=True)
    ask(line, op="remove", name="t", force=True)
    line.close()
    lines = []
    while len(lines) < 16:
        line = connect()
        answer = ask(line, op="version")
        if "ok" not in answer:
            break
        lines.append(line)
    check("some are served, not all", 2 <= len(lines) < 16, len(lines))
    check("the next one is told why", answer.get("error", {}).get("code") in ("EMFILE", "ENOMEM"), answer)
    before = ask(lines[0], op="stat")["ok"]["host"]["loop_rounds"]
    refused = [ask(connect(), op="version") for _ in range(20)]
    check("so is each that follows", all("error" in answer for answer in refused), refused)
    answer = ask(lines[0], op="add", name="a", disk=1 << 20)
    check("a guest that needs descriptors is refused", "error" in answer, answer)
    check("and is not there", ask(lines[1], op="list")["ok"]["guests"] == [])
    rounds = ask(lines[0], op="stat")["ok"]["host"]["loop_rounds"] - before
    check("the loop does not spin", rounds < 400, rounds)
    for line in lines[2:]:
        line.close()
    for _ in range(1000):
        answer = ask(connect(), op="version")
        if "ok" in answer:
            break
    check("room that is made is used", "ok" in answer, answer)
    check("all is consistent", ask(lines[0], op="check").get("ok"))
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


if len(sys.argv) == 2 and sys.argv[1] == "inner":
    # The command of --run is not short of descriptors itself.
    inner()
# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    sys.exit(subprocess.call([
        os.path.realpath(sys.argv[1]), "--memory", "64M", "--persistent", "32M", "--at-own-risk",
        "--log-level", "error", "--run-dir", directory + "/run",
        "--run", sys.executable, os.path.realpath(__file__), "inner"]))
