#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cold pages become dense in a daemon's idle time, and come back.

    dense.py TMEMD TMEM PROCESS

Each scene is a daemon of its own: within its budget or without one, with
dictionaries and with pages that none is worth for, and ended while it trains.
"""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

TMEMD, TMEM, PROCESS = (os.path.realpath(w) for w in sys.argv[1:4])
FIRST = 1 << 20  # of the process's pages of words
PAGES = 5200  # of which the oldest seven eighths are cold, and enough for a dictionary
PATIENCE = 60
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


class Daemon:
    """A tmemd with one device, and its client."""

    def __init__(self, directory, budget, codec="lz4"):
        self.directory = directory
        self.config = directory + "/conf"
        self.set_config(budget)
        self.errors = open(directory + "/err", "w+")
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(directory + "/notify")
        ready.settimeout(PATIENCE)
        self.process = subprocess.Popen(
            [TMEMD, "--config", self.config, "--memory", "96M", "--persistent", "32M", "--at-own-risk",
             "--log-level", "error", "--run-dir", directory + "/run"],
            env={**os.environ, "NOTIFY_SOCKET": directory + "/notify"}, stderr=self.errors)
        while b"READY=1" not in ready.recv(65536):
            pass
        ready.close()
        check("a device is added", "ok" in self.ask(op="add", name="d", kind="device", codec=codec, allocation=20 << 20))
        self.client = None

    def set_config(self, budget):
        with open(self.config, "w") as file:
            file.write("dense-cpu = %d\n" % budget)

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(self.directory + "/run/control.sock")
            line.sendall(json.dumps({"v": 1, **request}).encode() + b"\n")
            with line.makefile() as answers:
                return json.loads(answers.readline())

    def host(self):
        return self.ask(op="stat")["ok"]["host"]

    def engine(self):
        return self.ask(op="stat")["ok"]["host"]["engine"]

    def wait(self, what, condition):
        """For a report of figures that are what is waited for."""
        end = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(self.directory + "/run/control.sock")
            line.sendall(b'{"v":1,"op":"watch","interval_ms":100}\n')
            with line.makefile() as reports:
                host = json.loads(reports.readline())["ok"]["host"]
                while not condition(host) and time.monotonic() < end:
                    host = json.loads(reports.readline())["ok"]["host"]
        check(what, condition(host), host)
        return host

    def open(self, *words):
        self.client = subprocess.Popen([PROCESS, self.directory + "/run/d.sock", *words], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
        check("the client has a pool", self.tell("open") == "0")

    def tell(self, line):
        self.client.stdin.write(line + "\n")
        self.client.stdin.flush()
        return self.client.stdout.readline().strip()

    def fill(self):
        check("pages are stored", self.tell("put %d %d" % (FIRST, PAGES)) == "stored %d" % PAGES)

    def all_is_right(self):
        answer = self.tell("get %d %d" % (FIRST, PAGES))
        check("each page is right", answer == "hits %d wrong 0" % PAGES, answer)
        check("every count agrees", self.ask(op="check").get("ok") == {"consistent": True})

    def close(self):
        if self.client:
            self.client.stdin.close()
            check("the client ends well", self.client.wait(PATIENCE) == 0)
        self.client = None

    def end(self):
        self.close()
        self.process.terminate()
        return self.was_ended()

    def was_ended(self):
        status = self.process.wait(PATIENCE)
        check("the daemon ends well", status == 0, status)
        self.errors.seek(0)
        said = self.errors.read()
        check("and has nothing to say", not said, said)


def scene(work, *arguments):
    with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
        daemon = Daemon(directory, *arguments)
        try:
            work(daemon)
        finally:
            for process in (daemon.client, daemon.process):
                if process and process.poll() is None:
                    process.kill()
                    process.wait()


def is_cold_done(host):
    return host["engine"]["dense_pages"] + host["engine"]["recoded_poor"] >= PAGES * 7 // 8 and not host["dense_training"]


def ephemeral(daemon):
    daemon.open()
    before = daemon.host()
    check("nothing is dense yet", before["engine"]["dense_pages"] == 0 == before["dense_dictionaries"], before)
    daemon.fill()
    host = daemon.wait("all but the newest eighth are recoded, with a dictionary",
                       lambda host: is_cold_done(host) and host["dense_dictionaries"])
    check("and no more", host["engine"]["dense_pages"] == PAGES * 7 // 8, host)
    check("which took its time", host["dense_training_ns"] > 0, host)
    check("and whose memory is counted", host["dense_bytes"] > before["dense_bytes"] and host["memory_used"] ==
          host["engine"]["extent_bytes"] + host["engine"]["meta_bytes"] + host["dense_bytes"], host)
    check("the time is counted", host["dense_cpu"] == 100 and
          host["dense_busy_ns"] > host["dense_training_ns"] + host["engine"]["recoded"] * 1000, host)
    figures = daemon.ask(op="stat", name="d")["ok"]["guests"][0]["engine"]
    check("the client's figures say how much of it is dense", figures["dense_pages"] == PAGES * 7 // 8 and
          0 < figures["dense_payload"] < figures["dense_pages"] * 2000, figures)
    daemon.all_is_right()
    check("who gets pages takes them", daemon.engine()["dense_pages"] == 0)
    daemon.close()
    check("the device is removed", "ok" in daemon.ask(op="remove", name="d", force=True))
    daemon.wait("its dictionaries go with it", lambda host: host["dense_dictionaries"] == 0)
    daemon.end()


def persistent(daemon):
    daemon.open("persistent")
    daemon.fill()
    # Before any of it is recoded.
    billed = daemon.engine()["billed"]
    daemon.set_config(100)
    daemon.ask(op="reload")
    host = daemon.wait("what was not put for long is recoded", is_cold_done)
    dense = host["engine"]["dense_pages"]
    check("and billed for what it takes", host["engine"]["billed"] < billed - dense * 300, (billed, host))
    for first in range(FIRST, FIRST + 64, 16):
        check("dense pages are got", daemon.tell("get %d 16" % first) == "hits 16 wrong 0")
    host = daemon.wait("and go back to the fast codec", lambda host: host["engine"]["recoded_back"] >= 64)
    check("those alone", host["engine"]["recoded_back"] == 64, host)
    daemon.all_is_right()
    daemon.end()


def noise(daemon):
    daemon.open()
    for _ in range(2):
        poor = daemon.engine()["recoded_poor"]
        check("noise is stored", daemon.tell("put 0 4096") == "stored 4096")
        daemon.wait("and tried", lambda host: host["engine"]["recoded_poor"] >= poor + 3000)
    host = daemon.wait("a dictionary is not worth having", lambda host: host["dense_rejected"] > 0)
    check("and there is none", host["dense_dictionaries"] == 0, host)
    check("nothing is dense", host["engine"]["dense_pages"] == 0, host)
    check("each page is right", daemon.tell("get 0 4096") == "hits 4096 wrong 0")
    daemon.end()


def not_compressed(daemon):
    daemon.open()
    daemon.fill()
    host = daemon.wait("the loop rests", lambda host: host["loop_idle"] > 0)
    busy = daemon.wait("it looked", lambda host: host["dense_busy_ns"] > 0)["dense_busy_ns"]
    check("what its client wants raw stays raw", host["engine"]["dense_pages"] == 0, (busy, host))
    daemon.all_is_right()
    daemon.end()


def off_and_on(daemon):
    daemon.open()
    daemon.fill()
    # As long as the other scenes take to be far on.
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        host = daemon.host()
    check("without a budget nothing is done", host["dense_cpu"] == 0 == host["dense_busy_ns"] and
          host["engine"]["dense_pages"] == 0, host)
    daemon.set_config(100)
    answer = daemon.ask(op="reload")
    check("a reload gives one", answer.get("ok", {}).get("changed") == ["dense-cpu"], answer)
    daemon.wait("which is used at once, with nobody asking for anything", lambda host: host["engine"]["dense_pages"] > 100)
    daemon.set_config(0)
    daemon.ask(op="reload")
    busy = daemon.host()["dense_busy_ns"]
    dense = daemon.engine()["dense_pages"]
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        host = daemon.host()
    check("and ends with it", host["dense_busy_ns"] - host["dense_training_ns"] == busy and
          host["engine"]["dense_pages"] == dense, host)
    daemon.all_is_right()
    daemon.end()


def share(daemon, least, most):
    """Of a processor, what was taken in @least seconds while there was enough to do. On a busy machine
    the thread that it needs may have to wait for a processor: as much longer as it takes for @most."""
    begun, before = time.monotonic(), daemon.host()["dense_busy_ns"]
    taken = 0
    while time.monotonic() < begun + (least if taken > most else PATIENCE):
        host = daemon.host()
        taken = (host["dense_busy_ns"] - before) / 1e9 / (time.monotonic() - begun)
    check("there was enough to do", not is_cold_done(host), host)
    return taken


def within_budget(daemon):
    daemon.open()
    daemon.fill()
    little = share(daemon, 1, 0)
    check("a budget is kept", 0 < little <= 0.025, little)
    daemon.set_config(100)
    daemon.ask(op="reload")
    much = share(daemon, 0.1, 2 * little)
    check("control: a larger one is more", much > 2 * little, (little, much))
    daemon.end()


def ended_while_training(daemon):
    """False: it was over before anybody saw it."""
    daemon.open()
    daemon.fill()
    end = time.monotonic() + PATIENCE
    host = daemon.host()
    # Without a pause: a fast processor trains for less than the least interval of a watch.
    while not host["dense_training"] and not is_cold_done(host) and time.monotonic() < end:
        host = daemon.host()
    check("a dictionary is trained", host["dense_training"] or is_cold_done(host), host)
    if not host["dense_training"]:
        return
    global seen
    seen = True
    daemon.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    daemon.was_ended()
    took = time.monotonic() - begun
    check("nobody waits for that", took < 10, took)
    daemon.client.kill()
    daemon.client.wait()


scene(ephemeral, 100)
scene(persistent, 0)
scene(noise, 100)
scene(not_compressed, 100, "raw")
scene(off_and_on, 0)
scene(within_budget, 2)
seen = False
for _ in range(5):
    if not seen:
        scene(ended_while_training, 100)
check("a training was caught in the act", seen)
print("%d passed, %d failed, 0 skipped" % (passed, failed))
sys.exit(failed != 0)
