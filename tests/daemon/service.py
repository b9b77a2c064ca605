#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tmemd tells its service manager, which this is.

    service.py TMEMD TMEM

Each scene starts a daemon with a socket to talk to: a path, or a name in the
kernel's own space. A daemon without a manager says nothing to anybody.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

TMEMD, TMEM = (os.path.realpath(w) for w in sys.argv[1:3])
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


class Manager:
    """A tmemd, and the socket that it was told to talk to."""

    def __init__(self, directory, place, **environment):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + place[1:] if place[0] == "@" else place)
        self.socket.settimeout(20)
        self.control = directory + "/run/control.sock"
        environment = {**os.environ, "NOTIFY_SOCKET": place, **environment}
        self.config = directory + "/conf"
        open(self.config, "w").close()
        self.process = subprocess.Popen(
            [TMEMD, "--config", self.config, "--memory", "64M", "--persistent", "32M", "--at-own-risk",
             "--log-level", "error", "--run-dir", directory + "/run"], env=environment)

    def hear(self):
        """The next message's lines, as a dictionary."""
        return dict(line.split("=", 1) for line in self.socket.recv(65536).decode().split("\n"))

    def hear_until(self, key):
        while True:
            message = self.hear()
            if key in message:
                return message

    def tmem(self, *words):
        return subprocess.run([TMEM, *words, "--control", self.control], capture_output=True, text=True, timeout=30)

    def end(self):
        self.process.terminate()
        return self.process.wait(30)


def scene(directory, place):
    manager = Manager(directory, place)
    check("%s: ready" % place[0], manager.hear() == {"READY": "1"})
    check("ready means that the control socket is there", manager.tmem("list").returncode == 0)
    check("how many guests there are", manager.hear() == {"STATUS": "serving 0 guests"})
    manager.tmem("add", "a", "--disk", "1M")
    check("one is added", manager.hear() == {"STATUS": "serving 1 guests"})
    manager.tmem("remove", "a")
    check("and removed", manager.hear() == {"STATUS": "serving 0 guests"})
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.process.send_signal(signal.SIGHUP)
    message = manager.hear()
    check("a reload begins, with its time", message.get("RELOADING") == "1" and
          0 <= int(message.get("MONOTONIC_USEC", -1)) - before < 60e6, message)
    check("and ends", manager.hear() == {"READY": "1"})
    with open(manager.config, "w") as file:
        file.write("wrong\n")
    check("a reload that fails is an error", manager.tmem("reload").returncode == 1)
    check("it begins", manager.hear().get("RELOADING") == "1")
    check("and ends, since the daemon serves on", manager.hear() == {"READY": "1"})
    check("the end is clean", manager.end() == 0)
    check("and was announced", manager.hear() == {"STOPPING": "1"})


def watchdog(directory):
    manager = Manager(directory, directory + "/notify", WATCHDOG_USEC="400000")
    times = []
    for _ in range(4):
        check("it lives", manager.hear_until("WATCHDOG") == {"WATCHDOG": "1"})
        times.append(time.monotonic())
    check("as often as is asked for", times[-1] - times[0] < 3 * 0.4, times)
    manager.end()


def nobody_asked(directory):
    """The controls: another process's watchdog, a socket that is not there, no manager."""
    manager = Manager(directory, directory + "/notify", WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    manager.hear_until("STATUS")
    manager.socket.settimeout(0.5)
    try:
        check("another process's watchdog is not answered", not manager.hear())
    except socket.timeout:
        check("another process's watchdog is not answered", True)
    manager.end()
    for place in ("", "/", "@", "relative", "/" + "x" * 200, directory + "/nobody"):
        status = subprocess.run([TMEMD, "--no-config", "--memory", "64M", "--persistent", "32M", "--at-own-risk",
                                 "--log-level", "error", "--run", "true"],
                                env={**os.environ, "NOTIFY_SOCKET": place}, timeout=60).returncode
        check("no manager at %.20r" % place, status == 0, status)


# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
os.environ.pop("WATCHDOG_USEC", None)
os.environ.pop("WATCHDOG_PID", None)
with tempfile.TemporaryDirectory(prefix="tmem-test-") as top:
    for number, act in enumerate((lambda d: scene(d, d + "/notify"), lambda d: scene(d, "@" + d), watchdog, nobody_asked)):
        os.mkdir("%s/%d" % (top, number))
        act("%s/%d" % (top, number))
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
