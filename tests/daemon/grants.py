#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may share pages, over changes, refusals and the end of the daemon.

    grants.py TMEMD TMEM PROCESS

Two processes through a template, and one with a device of its own, share a
pool. What was granted is there after a kill -9; what cannot be remembered is
not granted and not revoked; who is revoked now sees nothing any more, and
the others all that there is.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

TMEMD, TMEM, PROCESS = (os.path.realpath(w) for w in sys.argv[1:4])
SHARED = "00000000-0000-0001-0000-000000000002"
OTHER = "00000000-0000-0001-0000-000000000003"
EACCES, ENODEV = "-13", "19"
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


class Daemon:
    def __init__(self, directory):
        self.directory = directory
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [TMEMD, "--no-config", "--memory", "64M", "--persistent", "32M", "--at-own-risk",
             "--log-level", "info", "--run-dir", self.directory], stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "serving; control socket" in line:
                break

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self):
        self.process.terminate()
        self.process.communicate(timeout=30)
        return self.process.returncode

    def tmem(self, *words):
        return subprocess.run([TMEM, *words, "--control", self.directory + "/control.sock"],
                              capture_output=True, text=True, timeout=30)

    def grants(self, name):
        return self.tmem("shared-auth", name, "--list").stdout.split()

    def shared_auth(self, name, what, uuid):
        return self.tmem("shared-auth", name, what, uuid).returncode


class Process:
    def __init__(self, daemon, name, uuid):
        self.process = subprocess.Popen([PROCESS, "%s/%s.sock" % (daemon.directory, name), uuid],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def opens(daemon, name, uuid):
    """What a process that came just now is answered."""
    process = Process(daemon, name, uuid)
    answer = process.ask("open")
    process.end()
    return answer


def sharing(daemon, first, second, device):
    check("control: without a grant none of them may", [p.ask("open") for p in (first, second, device)] == [EACCES] * 3)
    for name in "td":
        check("%s is granted the pool" % name, daemon.shared_auth(name, "--grant", SHARED) == 0)
    check("clients that were there before may join now", [p.ask("open") for p in (first, second)] == ["0", "0"])
    check("and so may the device", device.ask("open") == "0")
    check("one puts pages", first.ask("put 0 100") == "stored 100")
    check("the other sees them, byte for byte", second.ask("get 0 100") == "hits 100 wrong 0")
    check("and leaves them to all", [p.ask("get 0 100") for p in (first, device)] == ["hits 100 wrong 0"] * 2)
    check("a client to come may join, too", opens(daemon, "t", SHARED) == "0")
    check("the other pool is nobody's business", opens(daemon, "t", OTHER) == EACCES)
    check("it may be granted as well", daemon.shared_auth("t", "--grant", OTHER) == 0 and opens(daemon, "t", OTHER) == "0")
    check("and revoked", daemon.shared_auth("t", "--revoke", OTHER) == 0 and opens(daemon, "t", OTHER) == EACCES)
    check("what is granted is listed", [daemon.grants(n) for n in "td"] == [[SHARED]] * 2)


def listing(daemon):
    """Which shared pools there are, and whose: in each form of the list."""
    while json.loads(daemon.tmem("list", "--json").stdout)["templates"][0]["clients"] > 2:
        pass  # processes have ended, and the daemon is about to see it
    pools = json.loads(daemon.tmem("list", "-l", "--json").stdout)["stat"]["shared"]
    check("one shared pool", [p["uuid"] for p in pools] == [SHARED], pools)
    members = [(m["name"], m["pool"]) for m in pools[0]["members"]]
    check("with its members", members == [("d", 0), ("t", 0), ("t", 0)], pools)
    clients = [m.get("client") for m in pools[0]["members"]]
    check("clients of a template each by itself", clients[0] is None and 0 < clients[1] < clients[2], clients)
    check("all pages, and what all did", [pools[0][k] for k in ("ephemeral_pages", "puts", "gets_hit")] == [100, 100, 300], pools)
    lines = daemon.tmem("list", "--xm", "-l").stdout.splitlines()
    check("the host, then shared pools, then clients", "".join(l[0] for l in lines) == "GSCPC", lines)
    check("S=", lines[1] == "S=SI:0,PT:ES,U0:1,U1:2,SC:1,SC:2,Pc:100,Pm:100,Oc:1,Om:1,Nc:0,Nm:0,ps:100,pt:100,pd:0,pr:0,"
          "px:0,gs:300,gt:300,fs:0,ft:0,os:0,ot:0", lines[1])
    check("P= of a member", lines[3].startswith("P=CI:1,PI:0,PT:ES,U0:1,U1:2,Pc:100,Pm:100,"), lines[3])
    check("the short form", daemon.tmem("list", "--xm").stdout.splitlines()[1] == "S=SI:0,PT:ES,U0:1,U1:2,SC:1,SC:2")
    words = [line.split() for line in daemon.tmem("list", "-l").stdout.splitlines()]
    start = words.index(["shared", SHARED])
    check("in words", words[start + 1:start + 3] == [["member", "guest", "d"], ["member", "clients", "2", "of", "t"]], words)
    check("with its figures", ["ephemeral_pages", "pages", "100"] in words[start:words.index(["guest", "d"])], words)


def refusals(daemon, members, device):
    """The file cannot be written: grants and members stay as they are."""
    for name, file in (("t", "templates.new"), ("d", "state.json.new")):
        os.mkdir("%s/%s" % (daemon.directory, file))
        check("%s: a grant is refused" % name, daemon.shared_auth(name, "--grant", OTHER) == 1)
        check("%s: a revoke is refused" % name, daemon.shared_auth(name, "--revoke", SHARED) == 1)
        check("%s: so is one that ends membership" % name, daemon.shared_auth(name, "--revoke-now", SHARED) == 1)
        check("%s: the list is as it was" % name, daemon.grants(name) == [SHARED])
        os.rmdir("%s/%s" % (daemon.directory, file))
    check("all are members still", [p.ask("get 0 100") for p in members + [device]] == ["hits 100 wrong 0"] * 3)


def killed(daemon, first, second, device):
    daemon.kill()
    daemon.start()
    check("after a kill -9 the grants are there", [daemon.grants(n) for n in "td"] == [[SHARED]] * 2)
    check("processes find each other again", first.ask("put 0 50") == "stored 50" and
          second.ask("get 0 100") == "hits 50 wrong 0 2:50")
    check("with the device", device.ask("get 0 50") == "hits 50 wrong 0")


def revoking(daemon, first, second, device):
    check("revoked, they stay members", daemon.shared_auth("t", "--revoke", SHARED) == 0 and
          second.ask("get 0 50") == "hits 50 wrong 0")
    check("and others do not join", opens(daemon, "t", SHARED) == EACCES)
    check("granted again, they do", daemon.shared_auth("t", "--grant", SHARED) == 0 and opens(daemon, "t", SHARED) == "0")
    check("revoked now, they are out", daemon.shared_auth("t", "--revoke-now", SHARED) == 0 and
          [p.ask("get 0 50") for p in (first, second)] == ["hits 0 wrong 0 %s:50" % ENODEV] * 2)
    check("all of them", opens(daemon, "t", SHARED) == EACCES)
    check("the device has the pages", device.ask("get 0 50") == "hits 50 wrong 0")
    check("there is nothing to revoke any more", daemon.shared_auth("t", "--revoke", SHARED) == 1)
    daemon.kill()
    daemon.start()
    check("and none comes back with a kill", (daemon.grants("t"), daemon.grants("d")) == ([], [SHARED]))


def most(daemon):
    uuids = ["00000000-0000-0000-0000-%012x" % i for i in range(1, 65)]
    check("64 grants", all(daemon.shared_auth("t", "--grant", u) == 0 for u in uuids))
    refused = daemon.tmem("shared-auth", "t", "--grant", OTHER)
    check("and no more", "t has 64 grants; that is the most" in refused.stderr, refused.stderr)
    daemon.kill()
    daemon.start()
    check("all come back", daemon.grants("t") == uuids)


# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as top:
    here = Daemon(top + "/run")
    here.tmem("add", "t", "--kind", "template", "--linger", "0")
    here.tmem("add", "d", "--kind", "device")
    three = [Process(here, name, SHARED) for name in "ttd"]
    check("control: no shared pool is listed", "shared" not in here.tmem("list", "-l").stdout and
          "S=" not in here.tmem("list", "--xm").stdout)
    sharing(here, *three)
    listing(here)
    refusals(here, three[:2], three[2])
    killed(here, *three)
    revoking(here, *three)
    for one in three:
        one.end()
    most(here)
    check("every count agrees", json.loads(here.tmem("check", "--json").stdout) == {"consistent": True})
    check("the end is clean", (here.end(), os.listdir(top + "/run")) == (0, []))
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
