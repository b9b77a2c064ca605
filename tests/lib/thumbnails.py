#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The thumbnail cache under memory pressure: it never errs, and what it holds
shrinks and grows with what the host lends.

    thumbnails.py TMEMD TMEM THUMBNAILS [--seconds N] [--seed S]
    thumbnails.py TMEMD TMEM THUMBNAILS --lends-nothing | --wrong

Once through all that a host can do: its memory made smaller and larger by a
reload, a cap, another guest with a weight, a freeze, a flush, and tmemd killed.
--seconds does the same at random for so long. After each the example must
hold what it now may, and as much as it held before when all is as before; at
the end it must say that no picture was wrong.

The controls: with --lends-nothing reloads find the file as it was, and this
must fail; with --wrong THUMBNAILS is a program that takes a miss for a hit
(miss-is-a-hit.c), which must say that pictures were wrong.
"""
import argparse
import json
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

PICTURES = 400  # of 64 KiB: 25 MiB in all
LARGE, SMALL = 64, 8  # MiB that the host lends, and that allocations may have of it
PATIENCE, OF_CONTROL = 400, 60  # rounds until something must have happened
LINE = re.compile(r"round (\d+): (\d+) found, (\d+) made(?:; the host holds (\d+) KiB of ours| \((.*)\))\n")
passed = failed = 0


def check(what, good, *facts):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL", what, *facts, flush=True)
    return good


class Host:
    """A tmemd with a configuration file, and its tool."""

    def __init__(self, options):
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="tmem-thumbnails-")
        self.config = os.path.join(self.dir, "tmemd.conf")
        os.environ["TMEM_CONTROL"] = os.path.join(self.dir, "control.sock")
        self.process = None
        self.write(LARGE)

    def write(self, mebibytes):
        with open(self.config, "w") as file:
            file.write("memory = %d MiB\npersistent = %d MiB\n" % (mebibytes, SMALL))
        os.chmod(self.config, 0o600)

    def start(self):
        self.process = subprocess.Popen([self.options.tmemd, "--config", self.config, "--run-dir", self.dir,
                                         "--at-own-risk", "--log-level", "error"])
        deadline = time.monotonic() + 30
        while subprocess.run([self.options.tmem, "version"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL).returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("FAIL tmemd does not serve")
            time.sleep(0.01)

    def tool(self, *words):
        return subprocess.run([self.options.tmem, *words], check=True, stdout=subprocess.PIPE, text=True).stdout

    def lend(self, mebibytes):
        if not self.options.lends_nothing:
            self.write(mebibytes)
        self.tool("reload")

    def resident(self):
        """KiB of tmemd that the system has no other use for."""
        with open("/proc/%d/status" % self.process.pid) as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.dir)


class Guest:
    """The example, as a guest of its own."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        host.tool("add", name, "--kind", "device", "--codec", "raw", "--allocation", "1M")
        self.process = subprocess.Popen([host.options.thumbnails, str(PICTURES), "0"], stdout=subprocess.PIPE,
                                        env=dict(os.environ, TMEM_SOCKET=os.path.join(host.dir, name + ".sock")))
        self.text = b""  # of lines not looked at yet
        self.rounds = self.found = self.made = self.held = self.away = 0

    def line(self):
        while b"\n" not in self.text:
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                break
            self.text += more
        line, end, self.text = self.text.partition(b"\n")
        return (line + end).decode()

    def fresh(self, count):
        """So many rounds that began after what was done before; what it said until then does not count."""
        while select.select([self.process.stdout], [], [], 0)[0]:
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                break
            self.text += more
        self.text = self.text[self.text.rfind(b"\n") + 1:]
        # One may be under way.
        return all([self.round() for _ in range(count + 1)])

    def round(self):
        """One more. False: there is none, and that has been said."""
        line = self.line()
        match = LINE.fullmatch(line)
        if not match:
            return check("a line as expected", False, self.name, repr(line), self.process.poll())
        self.rounds += 1
        self.found, self.made = int(match.group(2)), int(match.group(3))
        self.away = match.group(5)
        if not self.away:
            self.held = int(match.group(4))
        return True

    def until(self, what, good, *others):
        """Rounds, of others at the same time, until good(): the report that there were too many is the failure."""
        patience = OF_CONTROL if self.host.options.lends_nothing else PATIENCE
        for _ in range(patience):
            for guest in (self, *others):
                if not guest.round():
                    return False
            if good():
                return check(what, True)
        return check(what, False, "not in %d rounds;" % patience, *((g.name, g.found, g.made, g.held)
                                                                    for g in (self, *others)))

    def end(self):
        """Its status; what it printed meanwhile is read, so that it can end."""
        self.process.terminate()
        for _ in self.process.stdout:
            pass
        self.host.tool("remove", self.name)
        return self.process.wait()


class Trial:
    def __init__(self, host, guest):
        self.host, self.guest = host, guest
        self.figures = {}
        guest.until("all is found where there is memory to spare",
                    lambda: guest.made == 0 and guest.held > 20 << 10)
        self.full = guest.held

    def note(self, stage, *held):
        """For the reader: what was held while less was lent, KiB."""
        self.figures.setdefault(stage, []).append(held)

    def recovers(self, after):
        """All is as before: it holds as much again, and has nothing to make."""
        guest = self.guest
        guest.until("it grows again after %s" % after,
                    lambda: not guest.away and guest.held > 0.9 * self.full and guest.found > 20 * guest.made)

    def capacity(self, mebibytes=16):
        """Less memory for all, and more again: what it holds, and what tmemd has of the system, goes with it."""
        guest, host = self.guest, self.host
        resident = host.resident()
        host.lend(mebibytes)
        guest.until("it shrinks below what is lent", lambda: guest.held < mebibytes << 10)
        guest.fresh(4)
        small = guest.held
        check("it stays there", small < mebibytes << 10, small)
        check("it still uses what is lent", small > (mebibytes - 4) * 512, small)
        check("and makes what is missing", guest.made > 0, guest.made)
        low = host.resident()
        given = resident - low
        check("the host has its memory back", given > 0.9 * (self.full - small), given, self.full, small)
        self.note("lent %d MiB" % mebibytes, small)
        host.lend(LARGE)
        self.recovers("a reload with more memory")
        taken = host.resident() - low
        check("tmemd has taken it again", taken > 0.9 * (guest.held - small), taken, guest.held, small)

    def capped(self):
        """Less for this one alone."""
        self.host.tool("set", "app", "--cap", "2M")
        self.guest.until("it shrinks below its cap", lambda: self.guest.held <= 2 << 10)
        self.guest.fresh(4)
        check("and stays there", 1 << 10 < self.guest.held <= 2 << 10, self.guest.held)
        self.note("cap of 2 MiB", self.guest.held)
        self.host.tool("set", "app", "--cap", "0")
        self.recovers("the cap's end")

    def neighbour(self):
        """Another guest wants as much: shares follow the weights, both ways, and it all comes back."""
        guest, host = self.guest, self.host
        host.lend(24)
        other = Guest(host, "other")
        host.tool("set", "app", "--weight", "100")
        host.tool("set", "other", "--weight", "400")
        guest.until("the heavier neighbour has more", lambda: other.held > 1.5 * guest.held, other)
        light = guest.held
        check("it shrinks for a neighbour", light < 0.6 * self.full, light, other.held)
        host.tool("set", "app", "--weight", "400")
        host.tool("set", "other", "--weight", "100")
        guest.until("weights the other way, and it has more", lambda: guest.held > 1.5 * other.held, other)
        self.note("neighbour of weight 4:1, 1:4", light, guest.held)
        check("the neighbour never errs", other.end() == 0, other.process.returncode)
        host.lend(LARGE)
        self.recovers("the neighbour's end")

    def frozen(self):
        """Its puts are refused: what it takes out does not come back."""
        guest, host = self.guest, self.host
        host.tool("freeze", "app")
        guest.until("frozen, it uses itself up", lambda: guest.held < 0.2 * self.full)
        self.note("frozen", guest.held)
        host.tool("thaw", "app")
        self.recovers("a thaw")

    def flushed(self):
        """All that it has is taken back; frozen, so that it can be seen."""
        guest, host = self.guest, self.host
        host.tool("freeze", "app")
        guest.fresh(1)
        resident, held = host.resident(), guest.held
        host.tool("flush", "app", "--bytes", "1G")
        given = resident - host.resident()
        guest.fresh(1)
        check("flushed, nothing is left", guest.held == 0 and guest.found == 0, guest.held, guest.found)
        stat = json.loads(host.tool("stat", "app", "--json"))
        check("says the host as well", '"ephemeral_pages": 0' in json.dumps(stat), stat)
        check("and has the memory back", given > 0.5 * held, given, held)
        self.note("flushed", guest.held)
        host.tool("thaw", "app")
        self.recovers("a flush")

    def nibbled(self):
        """Pieces are taken back while it goes on."""
        for _ in range(10):
            self.host.tool("flush", "app", "--bytes", "2M")
            self.guest.fresh(1)
        self.recovers("many small flushes")

    def killed(self):
        """tmemd dies: everything has to be made, and that is all."""
        guest, host = self.guest, self.host
        host.kill()
        guest.until("without tmemd it makes all", lambda: guest.away and guest.found == 0)
        self.note("tmemd away", 0)
        host.start()
        guest.until("it finds tmemd again", lambda: not guest.away)
        self.recovers("tmemd's start")


def wrong(host, guest):
    """The control: a program that takes a miss for a hit is found out by what it says of itself."""
    host.lend(16)
    guest.fresh(5)
    check("it shows pictures that are none, and says so", guest.end() == 1, guest.process.returncode)
    host.end()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tmemd")
    parser.add_argument("tmem")
    parser.add_argument("thumbnails")
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--lends-nothing", action="store_true")
    parser.add_argument("--wrong", action="store_true")
    options = parser.parse_args()
    random.seed(options.seed)
    print("seed %d" % options.seed, flush=True)
    host = Host(options)
    host.start()
    guest = Guest(host, "app")
    begin = time.monotonic()
    if options.wrong:
        return wrong(host, guest)
    trial = Trial(host, guest)
    stages = [trial.capacity, trial.capped, trial.neighbour, trial.frozen, trial.flushed, trial.nibbled, trial.killed]
    done = 0
    while not failed and (done < len(stages) or time.monotonic() < begin + options.seconds):
        if done < len(stages):
            stages[done]()
        else:
            stage = random.choice(stages)
            stage(*([random.randrange(10, 22)] if stage == trial.capacity else []))
        done += 1
    check("it never errs", guest.end() == 0, guest.process.returncode)
    print("%d stages, %d rounds of %d pictures in %.0f s; with all of %d MiB it holds %d KiB" %
          (done, guest.rounds, PICTURES, time.monotonic() - begin, LARGE, trial.full))
    for stage, held in sorted(trial.figures.items()):
        print("    %-30s %3d times: %s KiB" % (stage, len(held), ", ".join(
            "%d to %d" % (min(h), max(h)) for h in zip(*held))))
    host.end()


main()
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0 or passed == 0)
