#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo's live table: the host's side of a guest that swaps, per second.

    watch.py TMEM GUEST REPORT SAMPLES     a line per second until terminated
    watch.py --summary SAMPLES REPORT      what the run came to

Host figures come from `tmem stat`, the guest's own counters from the lines
that it reports. SAMPLES keeps the fullest and the last sample for the summary.
"""
import json
import re
import subprocess
import sys
import time

PAGE = 4096
MIB = 1 << 20


def guest_counters(report):
    """Guest's clock in seconds, pages in, pages out, major faults, as it reported last."""
    with open(report, errors="replace") as lines:
        found = re.findall(r"^vm at=([\d.]+) in=(\d+) out=(\d+) major=(\d+)", lines.read(), re.M)
    return [float(n) for n in found[-1]] if found else [0.0, 0.0, 0.0, 0.0]


def stage(report):
    with open(report, errors="replace") as lines:
        found = re.findall(r"^stage (\S+) (begins|verified)", lines.read(), re.M)
    return "boot" if not found else found[-1][0] if found[-1][1] == "begins" else "-"


def ratio(engine):
    payload = engine["persistent_payload"]
    return engine["persistent_pages"] * PAGE / payload if payload else 0.0


def watch(tmem, guest, report, samples):
    kept = {"fullest": None, "last": None}
    begin = time.monotonic()
    before, rates = guest_counters(report), [0.0, 0.0, 0.0]
    print(f"{'time':>6} {'stage':<10} {'pages':>8} {'stored':>10} {'ratio':>6} "
          f"{'out/s':>7} {'in/s':>7} {'faults/s':>8}", flush=True)
    last = begin
    while True:
        time.sleep(max(0.0, last + 1 - time.monotonic()))
        now = time.monotonic()
        answer = subprocess.run([tmem, "stat", guest, "--json"], capture_output=True, text=True)
        if answer.returncode != 0:
            return
        engine = json.loads(answer.stdout)["guests"][0]["engine"]
        kept["last"] = engine
        if not kept["fullest"] or engine["persistent_pages"] > kept["fullest"]["persistent_pages"]:
            kept["fullest"] = engine
        with open(samples, "w") as out:
            json.dump(kept, out)
        counters = guest_counters(report)
        # Per second of the guest's clock: its reports and our lines do not keep step.
        if counters[0] > before[0]:
            took = counters[0] - before[0]
            rates = [(n - b) / took for n, b in zip(counters[1:], before[1:])]
            before = counters
        inward, outward, faults = rates
        stored = (engine["persistent_bytes"] + engine["index_bytes"]) / MIB
        print(f"{now - begin:5.0f}s {stage(report):<10} {engine['persistent_pages']:8} "
              f"{stored:6.1f} MiB {ratio(engine):6.2f} "
              f"{outward:7.0f} {inward:7.0f} {faults:8.0f}", flush=True)
        last = now


def summary(samples, report):
    with open(samples) as kept:
        kept = json.load(kept)
    full, last = kept["fullest"], kept["last"]
    inward, outward, faults = map(int, guest_counters(report)[1:])
    with open(report, errors="replace") as lines:
        text = lines.read()
    timed = re.search(r"^hog: result .*faults=(\d+) fault_p50_ns=(\d+) fault_p99_ns=(\d+)", text, re.M)
    pages = full["persistent_pages"]
    headers = full["persistent_bytes"] - full["persistent_payload"]
    print(f"swapped out      {outward:9} pages, {outward * PAGE / MIB:.0f} MiB")
    print(f"swapped in       {inward:9} pages, {inward * PAGE / MIB:.0f} MiB, "
          f"by {faults} major faults")
    print(f"stored as        {last['pages_same']:9} same-filled pages in no data bytes")
    print(f"                 {last['pages_raw']:9} raw pages in {last['pages_raw'] * PAGE / MIB:.1f} MiB")
    print(f"                 {last['pages_coded']:9} lz4 pages in {last['bytes_coded_out'] / MIB:.1f} MiB "
          f"(from {last['bytes_coded_in'] / MIB:.1f} MiB)")
    print(f"fullest moment   {pages:9} pages, {pages * PAGE / MIB:.1f} MiB, "
          f"in {full['persistent_payload'] / MIB:.1f} MiB: ratio {ratio(full):.2f}")
    print(f"metadata         {(headers + full['index_bytes']) / max(pages, 1):9.1f} bytes per page "
          "at that moment (headers, objects, slots)")
    if timed:
        print(f"major fault      {int(timed[2]) / 1000:9.0f} us in the guest (median of {timed[1]}; "
              f"99th percentile {int(timed[3]) / 1000:.0f} us)")


if sys.argv[1] == "--summary":
    summary(*sys.argv[2:])
else:
    try:
        watch(*sys.argv[1:])
    except (KeyboardInterrupt, BrokenPipeError):
        pass
