#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The least of a vhost-user front-end: takes a disk into use, and reads a block.

    front_end.py SOCKET use COMMAND...    starts a ring, then runs COMMAND with the ring alive
    front_end.py SOCKET read              as use; prints the status of a read of block 0:
                                          0 done, 1 I/O error
    front_end.py SOCKET fill BLOCKS       as use; writes them
    front_end.py SOCKET hurt PID          as use; writes block 0, changes a bit of it wherever process PID has it,
                                          and prints the status of a read and whether the data is the same

A front-end that starts afresh asks GET_INFLIGHT_FD first; --resume leaves
that out, as one that was connected before a restart does.
"""
import array
import mmap
import os
import select
import socket
import struct
import subprocess
import sys

MEMORY = 1 << 20
GUEST, USER = 0x100000, 0x7F0000000000
DESC, AVAIL, USED, HEADER, DATA = 0x0, 0x1000, 0x2000, 0x3000, 0x4000
RING = 16
PAGES = 200  # of one request
PROTOCOL_FEATURES, VERSION_1 = 1 << 30, 1 << 32
REPLY_ACK, CONFIG, INFLIGHT = 1 << 3, 1 << 9, 1 << 12
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
VRING_NUM, VRING_ADDR, VRING_BASE, VRING_KICK, VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL, SET_PROTOCOL, VRING_ENABLE, GET_INFLIGHT, SET_INFLIGHT = 15, 16, 18, 31, 32


class FrontEnd:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.memory_fd = os.memfd_create("guest")
        os.ftruncate(self.memory_fd, MEMORY)
        self.memory = mmap.mmap(self.memory_fd, MEMORY)
        self.kick, self.call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
        self.asked = 0

    def send(self, request, payload=b"", fds=()):
        message = struct.pack("<III", request, 1, len(payload)) + payload
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message], ancillary)

    def ask(self, request, payload=b"", fds=()):
        """The reply's payload, and the first descriptor that came with it."""
        self.send(request, payload, fds)
        data, came, _, _ = socket.recv_fds(self.socket, 12, 1)
        if len(data) != 12:
            sys.exit("the daemon closed the connection")
        _, _, size = struct.unpack("<III", data)
        return (self.socket.recv(size, socket.MSG_WAITALL) if size else b""), (came or [None])[0]

    def u64(self, request):
        return struct.unpack("<Q", self.ask(request)[0])[0]

    def start(self, afresh):
        self.send(SET_OWNER)
        self.u64(GET_FEATURES)
        features = self.u64(GET_PROTOCOL)
        self.send(SET_PROTOCOL, struct.pack("<Q", features & (CONFIG | INFLIGHT)))
        self.send(SET_FEATURES, struct.pack("<Q", PROTOCOL_FEATURES | VERSION_1))
        if features & INFLIGHT and afresh:
            payload, fd = self.ask(GET_INFLIGHT, struct.pack("<QQHH4x", 0, 0, 1, RING))
            self.send(SET_INFLIGHT, payload, [fd])
        elif features & INFLIGHT:
            fd = os.memfd_create("inflight")
            os.ftruncate(fd, 4096)
            self.send(SET_INFLIGHT, struct.pack("<QQHH4x", 4096, 0, 1, RING), [fd])
        self.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GUEST, MEMORY, USER, 0), [self.memory_fd])
        self.send(VRING_CALL, struct.pack("<Q", 0), [self.call])
        self.send(VRING_NUM, struct.pack("<II", 0, RING))
        self.send(VRING_BASE, struct.pack("<II", 0, 0))
        self.send(VRING_ADDR, struct.pack("<IIQQQQ", 0, 0, USER + DESC, USER + USED, USER + AVAIL, 0))
        self.send(VRING_KICK, struct.pack("<Q", 0), [self.kick])
        self.send(VRING_ENABLE, struct.pack("<II", 0, 1))
        # Answered in order: when this comes back, the ring has been started.
        self.u64(GET_FEATURES)

    def request(self, kind, sector, pages):
        """The status byte of a read (0) or write (1) of whole pages at DATA."""
        status, length = HEADER + 64, pages * 4096
        self.memory[HEADER:HEADER + 16] = struct.pack("<IIQ", kind, 0, sector)
        self.memory[status:status + 1] = b"\xff"
        parts = (HEADER, 16, 1), (DATA, length, 1 if kind else 3), (status, 1, 2)
        for i, (at, size, flags) in enumerate(parts):
            self.memory[DESC + 16 * i:DESC + 16 * i + 16] = struct.pack("<QIHH", GUEST + at, size, flags, i + 1)
        # The ring's entries all stay 0: one request at a time, in the first descriptors.
        self.asked = (self.asked + 1) & 0xffff
        self.memory[AVAIL + 2:AVAIL + 4] = struct.pack("<H", self.asked)
        os.eventfd_write(self.kick, 1)
        while struct.unpack("<H", self.memory[USED + 2:USED + 4])[0] != self.asked:
            if not select.select([self.call, self.socket], [], [], 30)[0]:
                sys.exit("the daemon does not answer")
            if not select.select([self.call], [], [], 0)[0]:
                sys.exit("the daemon ended the session")
            os.eventfd_read(self.call)
        return self.memory[status]

    def fill(self, blocks):
        """Writes pages that no codec makes smaller, from block 0 on. The number that failed."""
        failed = 0
        for block in range(0, blocks, PAGES):
            pages = min(PAGES, blocks - block)
            self.memory[DATA:DATA + pages * 4096] = os.urandom(pages * 4096)
            failed += pages if self.request(1, block * 8, pages) else 0
        return failed

    def hurt(self, pid):
        self.fill(1)
        data, found = self.memory[DATA:DATA + 4096], 0
        with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "r+b", buffering=0) as memory:
            for line in maps:
                words = line.split()
                if not words[1].startswith("rw") or "/memfd:guest" in words:
                    continue
                start, end = (int(word, 16) for word in words[0].split("-"))
                memory.seek(start)
                content = memory.read(end - start) or b""
                at = content.find(data)
                while at >= 0:
                    memory.seek(start + at + 1234)
                    memory.write(bytes([data[1234] ^ 0x10]))
                    found += 1
                    at = content.find(data, at + 1)
        self.memory[DATA:DATA + 4096] = bytes(4096)
        status = self.request(0, 0, 1)
        print(status, "same" if self.memory[DATA:DATA + 4096] == data else "other")
        return 0 if found else 3


def main():
    words = [w for w in sys.argv[1:] if w != "--resume"]
    front_end = FrontEnd(words[0])
    front_end.start(afresh="--resume" not in sys.argv)
    if words[1] == "read":
        print(front_end.request(0, 0, 1))
        return 0
    if words[1] == "fill":
        return front_end.fill(int(words[2])) != 0
    if words[1] == "hurt":
        return front_end.hurt(int(words[2]))
    return subprocess.call(words[2:])


sys.exit(main())
