#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The thumbnail cache under memory pressure: it never errs, and what it holds
shrinks and grows with what the host lends.

    thumbnails.py TMEMD TMEM THUMBNAILS
"""
import os
import re
import subprocess
import sys

PICTURES, ROUNDS = 300, 40
LINE = re.compile(r"round (\d+): (\d+) found, (\d+) made; the host holds (\d+) KiB")
passed = failed = 0


def check(what, good, *facts):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL", what, *facts)


def inside(tmem, program):
    def tool(*words):
        subprocess.run([tmem, *words], check=True, stdout=subprocess.DEVNULL)

    tool("add", "app", "--kind", "device", "--codec", "raw", "--allocation", "1M")
    os.environ["TMEM_SOCKET"] = os.path.join(os.environ["TMEM_RUN_DIR"], "app.sock")
    process = subprocess.Popen([program, str(PICTURES), str(ROUNDS)], stdout=subprocess.PIPE, text=True)
    rounds = []

    def until(number):
        while len(rounds) < number:
            line = process.stdout.readline()
            match = LINE.match(line)
            if not match:
                check("a line as expected", False, repr(line))
                process.kill()
                return False
            rounds.append([int(n) for n in match.groups()])
        return True

    if until(6):
        tool("set", "app", "--cap", "2M")
        if until(16):
            small = rounds[-1]
            tool("set", "app", "--cap", "0")
            until(26)
    # The rest of it runs while pages are taken away in pieces.
    for _ in range(10):
        if process.poll() is None:
            tool("flush", "app", "--bytes", "1M")
    until(ROUNDS)
    check("it never errs", process.wait() == 0, process.returncode)
    if len(rounds) == ROUNDS:
        large, again = rounds[5], rounds[25]
        check("with memory to spare nearly all is found", large[1] > 9 * large[2], large)
        check("it shrinks", small[3] <= 2048 + 256 < large[3] / 2, large, small)
        check("and makes more by itself then", small[2] > 2 * large[2], large, small)
        check("it grows again", again[3] > large[3] / 2, large, again)
        check("and finds nearly all again", again[1] > 9 * again[2], again)


if sys.argv[1] == "--inside":
    inside(*sys.argv[2:])
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0 or passed == 0)
os.execv(sys.argv[1], [sys.argv[1], "--memory", "64M", "--persistent", "8M", "--at-own-risk", "--log-level",
                       "error", "--run", sys.argv[0], "--inside", *sys.argv[2:]])
