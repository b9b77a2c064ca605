#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Control lines, good and bad, against a daemon of its own.

    lines.py TMEMD TMEM

Runs itself under tmemd --run. Every wrong line gets one error with a code,
a text and its id where one could be read; afterwards the connection, the
other connections and the daemon's count of guests are as before.
"""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile

IDLE = 4  # seconds, --control-idle of the daemon under test
passed = failed = 0


def check(what, good, seen=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL %s: %s" % (what, seen))


class Line:
    """One connection."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(os.environ["TMEM_CONTROL"])
        self.got = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next answer; None where the daemon closed the connection."""
        while b"\n" not in self.got:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.got += more
        line, self.got = self.got.split(b"\n", 1)
        return json.loads(line)

    def ask(self, **request):
        self.send(json.dumps({"v": 1, "id": 7, **request}).encode() + b"\n")
        return self.receive()

    def raw(self, data):
        self.send(data + b"\n")
        return self.receive()

    def close(self):
        self.socket.close()


def code_of(answer):
    return (answer or {}).get("error", {}).get("code")


def nested(depth):
    """A line with @depth values inside each other."""
    return b'{"v":1,"id":7,"op":' + b'{"a":' * (depth - 2) + b"1" + b"}" * (depth - 2) + b"}"


# line, code, id of the answer
WRONG = [
    (b"", "EINVAL", None),
    (b"{}", "EINVAL", None),
    (b"[]", "EINVAL", None),
    (b"null", "EINVAL", None),
    (b"hello", "EINVAL", None),
    (b'"list"', "EINVAL", None),
    (b"{", "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"}}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"} x', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"}{"v":1,"id":8,"op":"list"}', "EINVAL", None),
    (b"{'v':1,'id':7,'op':'list'}", "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list",}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"/**/}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list"}\x00', "EINVAL", None),
    (b'\x00{"v":1,"id":7,"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"li\xffst"}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"li\x01st"}', "EINVAL", None),
    (b'{"v":1,"id":7,"op\\u0000":"list"}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"list","op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":8,"id":7,"op":"list"}', "EINVAL", None),
    (b'{"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":1,"id":7}', "EINVAL", 7),
    (b'{"v":0,"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":2,"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":1.0,"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":true,"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":null,"id":7,"op":"list"}', "EINVAL", 7),
    (b'{"v":1,"id":-1,"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":1.5,"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":9007199254740992,"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":18446744073709551617,"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":"x","op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":[],"op":"list"}', "EINVAL", None),
    (b'{"v":1,"id":7,"op":"save"}', "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":"LIST"}', "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":""}', "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":1}', "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":null}', "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":"list","colour":"red"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"list","name":"a"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"stat","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"stat","name":""}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"stat","describe":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"remove","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"remove"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"remove","name":"nobody","force":"yes"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"freeze","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"thaw","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","codec":"lz4"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","codec":"vector"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","codec":"vectors"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","codec":"zip"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","weight":1}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","weight":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","weight":10001}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","weight":-1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","cap":-1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","cap":70368744177665}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","cap":"1G"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","rate":-1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","rate":70368744177665}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","rate":"1G"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","rate":1.5}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","pool":0,"rate":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"nobody","rate":0}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"list","rate":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","pool":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","pool":0,"weight":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","pool":4294967296,"codec":"raw"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","pool":4294967295,"codec":"raw"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","allocation":1048576}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","allocation":67108864}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","allocation":70368744177665}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","allocation":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","allocation":4194304,"pool":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"freeze"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"freeze","all":false}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"freeze","name":"a","all":true}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"thaw"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"thaw","all":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"flush"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"flush","bytes":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"flush","bytes":70368744177665}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"flush","bytes":1,"name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"freeable","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"freeable","bytes":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"destroy"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"destroy","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"destroy","name":"a"}', "EBUSY", 7),
    (b'{"v":1,"id":7,"op":"destroy","name":"a","pool":-1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"destroy","name":"a","pool":16,"force":true}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"allow"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"grant"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"list","uuid":"%s"}' % (b"1" * 32), "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"grant","uuid":"%s"}' % (b"0" * 32), "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"grant","uuid":"%s"}' % (b"1" * 33), "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"grant","uuid":"%s"}' % (b"g" * 32), "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"grant","uuid":17}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"a","action":"revoke","uuid":"%s"}' % (b"1" * 32), "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"shared-auth","name":"nobody","action":"list"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"watch","interval_ms":99}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"watch","interval_ms":3600001}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"watch","name":"nobody"}', "ENOENT", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"B","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"..","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":".","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"../b","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b c","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"%s","disk":4096}' % (b"b" * 65), "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4095}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":-4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4096.0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":1e6}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":"4K"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":17592186048512}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":18446744073709547520}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":"18446744073709547520"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":17592186044416}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":67108864}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":1048576,"allocation":1048576}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":1048576,"allocation":4000000000}', "ENOSPC", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":1048576,"allocation":70368744177665}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"tape","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"disk"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"device","disk":4096}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4096,"weight":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","mode":"0"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","mode":"0888"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","mode":"4755"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","mode":"00755"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","mode":493}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","connections":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","connections":16385}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","per_user":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","linger_s":86401}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","pages_per_object":4294967296}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","queues":17}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"template","queues":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"a","kind":"template"}', "EEXIST", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","kind":"device","mode":"0600"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"set","name":"a","linger_s":1}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"list","clients":true}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4096,"queues":0}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4096,"queues":17}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"b","disk":4096,"codec":"zstd"}', "EINVAL", 7),
    (b'{"v":1,"id":7,"op":"add","name":"a","disk":4096}', "EEXIST", 7),
    (nested(9), "EINVAL", None),
    (nested(1000), "EINVAL", None),
    (nested(8), "EOPNOTSUPP", 7),
    (b'{"v":1,"id":7,"op":"%s"}' % (b"x" * 65000), "EOPNOTSUPP", 7),
]


def wrong_lines():
    line, other = Line(), Line()
    before = line.ask(op="list")
    for data, code, ident in WRONG:
        answer = line.raw(data)
        good = code_of(answer) == code and answer["id"] == ident and answer["error"]["text"]
        check("%.60r gives %s" % (data, code), good, answer)
        if answer is None:
            line = Line()
    check("depth 9 is refused for its depth", "deep" in line.raw(nested(9))["error"]["text"])
    check("the same connection still serves", line.ask(op="list") == before)
    check("and so does another", other.ask(op="list") == before)
    line.close()
    other.close()


def right_lines():
    line = Line()
    check("version", line.ask(op="version")["ok"]["protocol"] == 1)
    check("check", line.ask(op="check") == {"id": 7, "ok": {"consistent": True}})
    check("no id", line.raw(b'{"v":1,"op":"version"}')["id"] is None)
    check("an id of 0", line.raw(b'{"v":1,"id":0,"op":"version"}')["id"] == 0)
    check("an id as text", line.raw(b'{"v":1,"id":"12","op":"version"}')["id"] == 12)
    check("white space", "ok" in line.raw(b' { "v" : 1 ,\t"op":"version" } \r'))
    added = line.ask(op="add", name="x.y_z-1", disk="1048576", queues=3, codec="raw")
    check("sizes as text", added.get("ok", {}).get("disk") == 1048576, added)
    check("add says what was added", added["ok"]["queues"] == 3 and added["ok"]["codec"] == "raw", added)
    check("its socket is for its owner alone", os.stat(added["ok"]["socket"]).st_mode & 0o077 == 0)
    names = [g["name"] for g in line.ask(op="list")["ok"]["guests"]]
    check("list is in order", names == ["a", "x.y_z-1"], names)
    answer = line.ask(op="set", name="a", codec="raw")
    check("set", answer["ok"]["codec"] == "raw", answer)
    check("freeze", line.ask(op="freeze", name="a")["ok"]["frozen"] is True)
    check("thaw", line.ask(op="thaw", name="a")["ok"]["frozen"] is False)
    state = json.load(open(os.environ["TMEM_RUN_DIR"] + "/state.json"))
    check("the state file follows", [(g["name"], g["codec"]) for g in state["guests"]] ==
          [("a", "raw"), ("x.y_z-1", "raw")], state)
    answer = line.ask(op="set", name="a", weight="250", cap="9007199254740")["ok"]
    check("a number as text is a number", (answer["weight"], answer["cap"]) == (250, 9007199254740), answer)
    answer = line.ask(op="set", name="a", rate="70368744177664")["ok"]
    check("a rate is set while its guest lives", answer["rate"] == 1 << 46, answer)
    state = json.load(open(os.environ["TMEM_RUN_DIR"] + "/state.json"))
    check("the state file has it", state["guests"][0]["rate"] == 1 << 46, state)
    check("and it ends", line.ask(op="set", name="a", rate=0)["ok"]["rate"] == 0)
    answer = line.ask(op="set", name="a", allocation="3145728")["ok"]
    check("an allocation is set while its guest lives", answer["allocation"] == 3145728, answer)
    state = json.load(open(os.environ["TMEM_RUN_DIR"] + "/state.json"))
    check("the state file has it", state["guests"][0]["allocation"] == 3145728, state)
    answer = line.ask(op="stat", name="a")["ok"]["guests"][0]["engine"]["allocation"]
    check("and the engine", answer == 3145728, answer)
    answer = line.ask(op="freeable")["ok"]["freeable"]
    back = line.ask(op="flush", bytes=1 << 40)["ok"]
    check("a flush gives what was said to be freeable", back == {"asked": 1 << 40, "given_back": answer}, (answer, back))
    check("and leaves nothing", line.ask(op="freeable", name="a")["ok"] == {"freeable": 0})
    answer = line.ask(op="add", name="t", kind="template")["ok"]
    check("a template has defaults", (answer["mode"], answer["connections"], answer["linger_s"]) == ("0600", 1024, 10), answer)
    answer = line.ask(op="stat", describe=True)["ok"]
    described = {(f["group"], f["name"]) for f in answer["fields"]}
    given = {("engine", n) for n in answer["host"]["engine"]}
    given |= {("host", n) for n in answer["host"] if n != "engine"}
    for guest in answer["guests"]:
        given |= {(group, name) for group in ("disk", "engine", "latency", "errors") for name in guest[group]}
    for template in answer["templates"]:
        given |= {(group, name) for group in ("template", "disk", "engine", "errors") for name in template[group]}
    check("each figure has a unit and a sentence", given <= described, given - described)
    check("each of them says something", all(f["unit"] and f["text"] for f in answer["fields"]))
    only = line.ask(op="stat", name="a")["ok"]
    check("stat of one guest", [g["name"] for g in only["guests"]] == ["a"] and "host" not in only)
    check("allocation is reserved", answer["host"]["engine"]["allocation"] ==
          sum(g["engine"]["allocation"] for g in answer["guests"]) > 0)
    check("a template goes", line.ask(op="remove", name="t")["ok"] == {"name": "t"})
    check("remove", line.ask(op="remove", name="x.y_z-1")["ok"] == {"name": "x.y_z-1"})
    check("its socket is gone", not os.path.exists(added["ok"]["socket"]))
    line.send(b'{"v":1,"id":1,"op":"version"}\n{"v":1,"id":2,"op":"list"}\n{"v":1,"id":3,"op":"check"}\n')
    check("three lines at once, three answers in order", [line.receive()["id"] for _ in range(3)] == [1, 2, 3])
    for byte in b'{"v":1,"id":5,"op":"version"}\n':
        line.send(bytes([byte]))
    check("a line byte by byte", line.receive()["id"] == 5)
    line.send(b'{"v":1,"id":6,"op":"version"}\n{"v":1,"id')
    line.socket.shutdown(socket.SHUT_WR)
    check("after the last line", line.receive()["id"] == 6)
    answer = line.receive()
    check("half a line is an error", code_of(answer) == "EINVAL" and "middle of a line" in answer["error"]["text"])
    check("and the end", line.receive() is None)


def long_lines():
    line = Line()
    longest = b'{"v":1,"id":7,"op":"version"}'.ljust(65535)
    check("65536 bytes with the newline are taken", "ok" in (line.raw(longest) or {}))
    try:
        line.send(longest + b" \n")
    except OSError:
        pass
    check("one more is too long", code_of(line.receive()) == "E2BIG")
    check("and ends the connection", line.receive() is None)
    line = Line()
    try:
        while select.select([line.socket], [], [], 0)[0] == []:
            line.send(b"x" * 4096)
    except OSError:
        pass
    check("a line without an end is too long", code_of(line.receive()) == "E2BIG")


def many_connections():
    lines = [Line() for _ in range(16)]
    check("16 connections are served", all("ok" in line.ask(op="version") for line in lines))
    line = Line()
    check("the 17th is told so", code_of(line.receive()) == "EBUSY")
    check("and closed", line.receive() is None)
    lines.pop().close()
    # The daemon sees the end before the new peer, or turns that one away once more.
    for _ in range(1000):
        line = Line()
        answer = line.ask(op="version") if not select.select([line.socket], [], [], 0)[0] else line.receive()
        if answer and "ok" in answer:
            break
    check("one that leaves makes room", "ok" in (answer or {}), answer)
    for line in lines:
        line.close()


def watching():
    line = Line()
    first = line.ask(op="watch", interval_ms=IDLE * 300)
    reports = [first] + [line.receive() for _ in range(4)]
    check("reports are numbered", [r["ok"]["sequence"] for r in reports] == [0, 1, 2, 3, 4])
    check("and carry the id", all(r["id"] == 7 for r in reports))
    check("longer than the idle time", "ok" in reports[-1])
    rounds = [r["ok"]["host"]["loop_rounds"] for r in reports]
    steps = [b - a for a, b in zip(rounds, rounds[1:])]
    check("a daemon with nothing to do sleeps", all(1 <= s <= 10 for s in steps[1:]), steps)
    line.send(b'{"v":1,"id":9,"op":"version"}\n')
    answers = [line.receive()]
    while answers[-1]["id"] != 9:
        answers.append(line.receive())
    check("a line ends the watch", "version" in answers[-1]["ok"])
    line.ask(op="watch", interval_ms=100, name="a")
    other = Line()
    other.ask(op="remove", name="a")
    answer = line.receive()
    while "ok" in answer:
        answer = line.receive()
    check("a watch ends with its guest", code_of(answer) == "ENOENT", answer)
    check("others may go on", "ok" in other.ask(op="add", name="a", disk=1 << 20))
    line.close()
    other.close()


def idle():
    silent, half, deaf = Line(), Line(), Line()
    half.send(b'{"v":1,"op":"ver')
    # More answers than a socket holds, and nobody reads them.
    deaf.socket.setblocking(False)
    try:
        while True:
            deaf.socket.send(b'{"v":1,"op":"stat","describe":true}\n' * 100)
    except BlockingIOError:
        pass
    # Not before: a slow daemon may take longer for these than a silent connection has.
    watch, busy = Line(), Line()
    watch.ask(op="watch", interval_ms=IDLE * 250)
    for _ in range(7):
        busy.ask(op="version")
        watch.receive()
    check("who asks stays", "ok" in busy.ask(op="version"))
    for name, line in (("a silent connection", silent), ("half a line", half)):
        check("%s ends" % name, code_of(line.receive()) == "ETIMEDOUT")
        check("%s is closed" % name, line.receive() is None)
    deaf.socket.settimeout(20)
    answers = 0
    try:
        while deaf.receive():
            answers += 1
    except json.JSONDecodeError:
        pass
    check("who does not take answers is closed", answers < 10000, answers)
    half = Line()
    # Bytes are no request: a line that grows for ever ends by the same timer.
    try:
        for _ in range(4 * IDLE + 4):
            half.send(b" ")
            if select.select([half.socket], [], [], 0.5)[0]:
                break
    except OSError:
        pass
    check("a line that grows slowly ends", code_of(half.receive()) == "ETIMEDOUT")


def strangers():
    if os.geteuid() != 0:
        return 1
    place = os.environ["TMEM_RUN_DIR"]
    control = os.environ["TMEM_CONTROL"]
    os.chmod(os.path.dirname(place), 0o711)
    os.chmod(place, 0o711)
    os.chmod(control, 0o777)
    pid = os.fork()
    if not pid:
        try:
            os.setgid(65534)
            os.setuid(65534)
            line = Line()
            os._exit(0 if code_of(line.receive()) == "EACCES" and line.receive() is None else 1)
        except BaseException:
            os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    check("another user is turned away", status == 0, status)
    return 0


def inner():
    line = Line()
    answer = line.ask(op="add", name="a", disk=1 << 20)
    check("a guest is added", "ok" in answer, answer)
    line.close()
    wrong_lines()
    right_lines()
    long_lines()
    many_connections()
    watching()
    idle()
    skipped = strangers()
    line = Line()
    check("everything is still consistent", "ok" in line.ask(op="check"))
    line.ask(op="remove", name="a")
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(failed != 0)


if len(sys.argv) == 2 and sys.argv[1] == "inner":
    inner()
# Stopped by a signal, it leaves its directory no more than at any other end.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
with tempfile.TemporaryDirectory(prefix="tmem-test-") as directory:
    sys.exit(subprocess.call([
        os.path.realpath(sys.argv[1]), "--memory", "64M", "--persistent", "32M", "--at-own-risk",
        "--log-level", "error", "--control-idle", str(IDLE), "--run-dir", directory + "/run",
        "--run", sys.executable, os.path.realpath(__file__), "inner"]))
