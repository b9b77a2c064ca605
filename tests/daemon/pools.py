#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the administrator does to pools that are in use.

    pools.py TMEMD TMEM PROCESS

Runs itself under tmemd --run. A swap disk's pool is shown with its pages, is
not destroyed by mistake, and when it is, a machine that reads gets errors.
A process's ephemeral pages are what a flush gives back; weights, caps, codecs
and the end of its pool reach it while it runs.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

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


class Process:
    """A client of a device, which does one line at a time."""

    def __init__(self, name, *words):
        place = "%s/%s.sock" % (os.environ["TMEM_RUN_DIR"], name)
        self.process = subprocess.Popen([sys.argv[2], place, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(30)


def is_histogram(one):
    """Whether its parts agree with each other."""
    bounds = [1 << 64 if bound is None else bound for bound in one["below_ns"]]
    quantiles = [one["p50_ns"], one["p99_ns"], one["p999_ns"], one["most_ns"]]
    return (one["requests"] == sum(one["counts"]) > 0 and len(bounds) == len(one["counts"]) and
            bounds == sorted(set(bounds)) and all(b == 1 << 64 or b & (b - 1) == 0 for b in bounds) and
            min(one["counts"]) > 0 and 0 < quantiles[0] and quantiles == sorted(quantiles) and
            one["most_ns"] < bounds[-1] and one["most_ns"] <= one["sum_ns"] < one["requests"] * bounds[-1])


def latency(holder, *ops):
    seen = holder["latency"]
    check("latencies are there of what was asked: %s" % (ops,), sorted(seen) == sorted(ops), seen)
    check("and each is a histogram", all(is_histogram(one) for one in seen.values()), seen)
    # The control: one request that is in no bucket, one bound out of order.
    one = next(iter(seen.values()))
    check("which is looked at", not is_histogram({**one, "requests": one["requests"] + 1}) and
          not is_histogram({**one, "below_ns": one["below_ns"][:-1] + [1]}))
    return {op: one["requests"] for op, one in seen.items()}


def device():
    answer = ask(op="add", name="d", kind="device", weight=50)
    check("a device is added", (answer.get("ok", {}).get("kind"), answer["ok"]["weight"]) == ("device", 50), answer)
    process = Process("d")
    check("it has a pool", process.ask("open") == "0")
    check("its pages are stored", process.ask("put 0 2048") == "stored 2048")
    before = latency(ask(op="stat", name="d")["ok"]["guests"][0], "put", "other")
    shown = subprocess.run([sys.argv[3], "stat", "d"], capture_output=True, text=True, timeout=60).stdout
    row = [line.split() for line in shown.splitlines() if line.split()[:2] == ["put", "requests"]]
    check("they are printed", len(row) == 1 and row[0][2] == str(before["put"]) and
          all(unit in ("ns", "us", "ms", "s") for unit in row[0][4::2]) and len(row[0]) == 11, shown)
    here = pools("d")
    check("and shown", [(p["pool"], p["ephemeral_pages"], p["pages_raw"]) for p in here] == [(0, 2048, 2048)], here)
    freeable = ask(op="freeable", name="d")["ok"]["freeable"]
    check("they are freeable", freeable >= 2048 * 4096, freeable)
    back = ask(op="flush", name="d", bytes=1 << 20)["ok"]["given_back"]
    check("a flush gives what was asked for, in whole extents", 1 << 20 <= back <= 4 << 20, back)
    left = ask(op="freeable", name="d")["ok"]["freeable"]
    check("and leaves the rest", freeable - back - (1 << 20) <= left <= freeable - back + (1 << 20), (freeable, back, left))
    answer = process.ask("get 0 2048")
    hits = int(answer.split()[1])
    check("what went are misses, what is left is right", 0 < hits < 2048 and answer == "hits %d wrong 0 2:%d" % (hits, 2048 - hits), answer)
    process.ask("put 0 2048")
    ask(op="flush", bytes=1 << 40)
    check("a flush of all takes the rest", process.ask("get 0 2048") == "hits 0 wrong 0 2:2048")
    ask(op="set", name="d", cap=1 << 20)
    answer = process.ask("put 0 2048")
    stored = ask(op="stat", name="d")["ok"]["guests"][0]["engine"]
    check("a cap is kept", stored["ephemeral_bytes"] <= 1 << 20 and stored["capacity"] == 1 << 20, (answer, stored))
    ask(op="set", name="d", cap=0)
    check("and ends", process.ask("put 0 2048") == "stored 2048" and pools("d")[0]["ephemeral_pages"] == 2048)
    ask(op="freeze", all=True)
    check("frozen, its puts fail", process.ask("put 0 4") == "stored 0 11:4")
    check("and took the old pages along", process.ask("get 0 4") == "hits 0 wrong 0 2:4")
    check("its gets go on", process.ask("get 4 4") == "hits 4 wrong 0")
    ask(op="thaw", all=True)
    check("thawed, they are stored", process.ask("put 0 8") == "stored 8")
    check("a pool's codec is its own", "ok" in ask(op="set", name="d", pool=0, codec="raw") and
          ask(op="list")["ok"]["guests"][-1]["codec"] == "lz4")
    before = ask(op="stat", name="d")["ok"]["guests"][0]["engine"]
    check("vector is a codec", "ok" in ask(op="set", name="d", pool=0, codec="vector") and
          process.ask("put 5000 16") == "stored 16")
    after = ask(op="stat", name="d")["ok"]["guests"][0]["engine"]
    # Two bytes of eight, and the tags; lz4 needs a token and a distance for each of these words.
    check("and makes words short", after["pages_coded"] - before["pages_coded"] == 16 and
          after["bytes_coded_out"] - before["bytes_coded_out"] <= 16 * 1281, (before, after))
    check("which come back", process.ask("get 5000 16") == "hits 16 wrong 0")
    answer = ask(op="destroy", name="d")
    check("its pool ends", answer.get("ok") == {"name": "d", "destroyed": 1}, answer)
    answer = process.ask("get 0 8")
    check("and holds nothing", answer.startswith("hits 0 wrong 0"), answer)
    check("the process ends well", process.end() == 0)
    check("every count agrees", ask(op="check").get("ok") == {"consistent": True})
    ask(op="remove", name="d")


def template():
    answer = ask(op="add", name="t", kind="template", linger_s=0, per_user=2)
    check("a template is added", answer.get("ok", {}).get("kind") == "template", answer)
    processes = [Process("t"), Process("t")]
    check("each process makes a pool", [p.ask("open") for p in processes] == ["0", "0"])
    check("and stores its pages", [p.ask("put 0 512") for p in processes] == ["stored 512"] * 2)
    here, = ask(op="stat", name="t", clients=True)["ok"]["templates"]
    check("each has its latencies, and the template all of them", all(latency(c, "put", "other") for c in here["clients"]) and
          latency(here, "put", "other") == {op: sum(c["latency"][op]["requests"] for c in here["clients"])
                                            for op in ("put", "other")}, here)
    check("they are two clients", sorted(c["process"] for c in here["clients"]) ==
          sorted(p.process.pid for p in processes) and
          [c["engine"]["ephemeral_pages"] for c in here["clients"]] == [512, 512], here)
    check("whose figures make the template's", (here["engine"]["ephemeral_pages"], here["template"]["clients"]) == (1024, 2))
    check("the time that each took is there", all(0 < c["busy_ns"] < 60e9 for c in here["clients"]) and
          here["disk"]["busy_ns"] == sum(c["busy_ns"] for c in here["clients"]), here)
    check("nobody asked for them one by one otherwise", "clients" not in ask(op="stat", name="t")["ok"]["templates"][0])
    check("the list says how many", ask(op="list")["ok"]["templates"][0]["clients"] == 2)
    check("one user has no more than it may", Process("t").process.wait(30) != 0)
    answer = ask(op="remove", name="t").get("error", {}).get("code")
    check("a template in use is not removed by mistake", answer == "EBUSY", answer)
    check("a freeze reaches both", "ok" in ask(op="freeze", name="t") and
          [p.ask("put 0 2") for p in processes] == ["stored 0 11:2"] * 2)
    check("and so does a thaw", "ok" in ask(op="thaw", name="t") and
          [p.ask("put 0 2") for p in processes] == ["stored 2"] * 2)
    freeable = ask(op="freeable", name="t")["ok"]["freeable"]
    back = ask(op="flush", name="t", bytes=1 << 40)["ok"]["given_back"]
    check("a flush takes both's pages", freeable >= 1024 * 4096 and back == freeable and
          [p.ask("get 0 512") for p in processes] == ["hits 0 wrong 0 2:512"] * 2, (freeable, back))
    check("their pools end together", ask(op="destroy", name="t")["ok"]["destroyed"] == 2)
    check("by force it is removed under them", "ok" in ask(op="remove", name="t", force=True))
    for process in processes:
        process.process.kill()
        process.process.wait()
    check("every count agrees", ask(op="check").get("ok") == {"consistent": True})


def limited(name, answer):
    """Of one client: 256 pages a second, each in a request of its own."""
    check("%s has a rate" % name, answer.get("ok", {}).get("rate") == 1 << 20, answer)
    process = Process(name)
    process.ask("open")
    begun = time.monotonic()
    rounds = ask(op="stat")["ok"]["host"]["loop_rounds"]
    check("limited, its pages are stored", process.ask("put 0 256") == "stored 256")
    took = time.monotonic() - begun
    rounds = ask(op="stat")["ok"]["host"]["loop_rounds"] - rounds
    # What 10 ms bring, and a page, may have been saved; slowness cannot make it less.
    check("as fast as that, and no faster", took >= (256 - 3.6) / 256, took)
    figures = ask(op="stat", name=name)["ok"]
    waits = (figures["guests"] or figures["templates"])[0]["disk"]["rate_waits"]
    check("its waits are counted", 0 < waits <= 2 * 256 + 2, waits)
    # A round that looks whether its time has come takes microseconds: it would be many more.
    check("and slept for", rounds < 100 * 256, rounds)
    # The control: without the limit, what would have taken 80 s.
    begun = time.monotonic()
    check("a limit is lifted", ask(op="set", name=name, rate=0)["ok"]["rate"] == 0)
    check("and there is none", process.ask("put 0 20480").startswith("stored") and time.monotonic() - begun < 60)
    process.end()


def rates():
    limited("slow", ask(op="add", name="slow", kind="device", rate=1 << 20))
    ask(op="remove", name="slow")
    limited("each", ask(op="add", name="each", kind="template", rate=1 << 20))
    ask(op="remove", name="each", force=True)


def inner():
    for name in "ab":
        answer = ask(op="add", name=name, disk=BLOCKS * 4096)
        check("%s is added" % name, "ok" in answer, answer)
        front_end(name, "fill", str(BLOCKS))
    latency(ask(op="stat", name="a")["ok"]["guests"][0], "write")
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
    device()
    template()
    rates()
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0)


if len(sys.argv) == 4 and sys.argv[1] == "inner":
    inner()
# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
    sys.exit(subprocess.call([
        os.path.realpath(sys.argv[1]), "--memory", "64M", "--persistent", "32M", "--at-own-risk",
        "--log-level", "error", "--run-dir", directory + "/run",
        "--run", sys.executable, os.path.realpath(__file__), "inner",
        os.path.realpath(sys.argv[3]), os.path.realpath(sys.argv[2])]))
