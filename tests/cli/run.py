#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What tmem prints, to the byte.

    run.py TMEMD TMEM [--bless] [CASE...]

A case is a file of commands with their standard output, standard error and
exit status:

    $ tmem remove nobody
    ! tmem: no guest is named nobody
    = 1

Lines of standard output begin with "> ", of standard error with "! "; "= 0"
is left out. Each case has a daemon of its own. RUN_DIR, VERSION, NUMBER
and NUMBERS stand for what differs between runs, the latter only for values of stat and watch.
--bless writes what was seen into the files.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def parse(text):
    """[(command or None, [lines])], comments and blank lines kept with None."""
    steps = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif line[:1] in (">", "!", "=") and steps and steps[-1][0] is not None:
            steps[-1][1].append(line)
        else:
            steps.append([None, [line]])
    return steps


def plain(text, run_dir, command):
    text = text.replace(run_dir, "RUN_DIR")
    text = re.sub(r"\b(tmemd?(?:\":\"| )|version\":\")\d+\.\d+\.\d+", r"\1VERSION", text)
    if re.search(r"\btmem stat\b", command):
        text = re.sub(r"^(  \w+ +[\w/]+) +\S+$", r"\1 NUMBER", text, flags=re.M)
        text = re.sub(r"^(  \w+ +[\w/]+) +\S+(?=  \w)", r"\1 NUMBER", text, flags=re.M)
    if re.search(r"\btmem watch\b", command):
        text = re.sub(r"^ +\d+ +[\d.]+ [KMGT]?i?B +[\d.-]+ +[\d.]+ [KMGT]?i?B( +\d+){2} +[\d.-]+ +\d+$", "NUMBERS", text, flags=re.M)
    return text


def step(command, run_dir, path):
    environment = dict(os.environ, PATH=path + ":" + os.environ["PATH"])
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    lines = []
    for mark, stream in (("> ", done.stdout), ("! ", done.stderr)):
        lines += [(mark + line).rstrip() for line in plain(stream, run_dir, command).splitlines()]
        if stream and not stream.endswith("\n"):
            lines.append(mark + "(no newline at the end)")
    if done.returncode:
        lines.append("= %d" % done.returncode)
    return lines


def inner(path, bless, cases):
    """Under tmemd --run: plays one case file."""
    run_dir = os.environ["TMEM_RUN_DIR"]
    failed = passed = 0
    case = Path(cases[0])
    steps = parse(case.read_text())
    out = []
    for command, wanted in steps:
        if command is None:
            out += wanted
            continue
        seen = step(command, run_dir, path)
        out += ["$ " + command] + seen
        if seen == wanted or bless:
            passed += 1
            # The control: a single character that differs is seen.
            if seen and [seen[0] + "."] + seen[1:] == wanted:
                sys.exit("the comparison does not compare")
        else:
            failed += 1
            print("FAIL %s: %s" % (case.name, command))
            print("\n".join(["  wanted:"] + wanted + ["  seen:"] + seen))
    if bless:
        case.write_text("\n".join(out) + "\n")
    print("%d %d" % (passed, failed))


def play(tmemd, tmem, case, bless=False):
    """(passed, failed) of a case file."""
    with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
        os.symlink(tmem, directory + "/tmem")
        os.symlink(HERE.parent.parent / "contrib/xm-tmem", directory + "/xm-tmem")
        words = [tmemd, "--no-config", "--memory", "64M", "--persistent", "32M", "--at-own-risk", "--log-level", "error",
                 "--run-dir", directory + "/run", "--run", sys.executable, __file__, "--inner", directory]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TMEM_")}
        done = subprocess.run(words + (["--bless"] if bless else []) + [str(case)], env=environment,
                              capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        print("FAIL %s: status %d\n%s%s" % (case, done.returncode, done.stdout, done.stderr))
        return 0, 1
    print("\n".join(lines[:-1]), end="\n" if lines[1:] else "")
    return tuple(int(word) for word in lines[-1].split())


def control(tmemd, tmem):
    """A case with one wrong character, and one with a wrong status, must fail."""
    failed = 0
    for text in ("$ tmem --version\n> tmem VERSIOM\n", "$ tmem remove nobody --json >/dev/null\n= 2\n",
                 "$ tmem list\n> \n"):
        with tempfile.NamedTemporaryFile("w", suffix=".case") as case:
            case.write(text)
            case.flush()
            quiet, sys.stdout = sys.stdout, open(os.devnull, "w")
            try:
                result = play(tmemd, tmem, case.name)
            finally:
                sys.stdout = quiet
            if result != (0, 1):
                print("FAIL control: %r passed" % text)
                failed += 1
    return 3 - failed, failed


def main():
    words = [w for w in sys.argv[1:] if w not in ("--bless", "--inner")]
    bless = "--bless" in sys.argv
    if "--inner" in sys.argv:
        return inner(words[0], bless, words[1:])
    # Stopped by a signal, it leaves its directory no more than at any other end.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    tmemd, tmem = (os.path.realpath(w) for w in words[:2])
    cases = [Path(w) for w in words[2:]] or sorted(HERE.glob("*.case"))
    passed, failed = control(tmemd, tmem)
    for case in cases:
        good, bad = play(tmemd, tmem, case, bless)
        passed, failed = passed + good, failed + bad
    print("%d passed, %d failed" % (passed, failed))
    sys.exit(failed != 0 or not cases)


main()
