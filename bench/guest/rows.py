#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rows of results from the samples that bench/guest/phase.sh wrote.

usage: rows.py SAMPLES RESULTS

A row is the median of ours, and of the ratios of the pairs, with quartiles; a
row without a peer, or with samples that have no partner, is refused. Status: 0,
or 1 if a row was refused.
"""
import json
import statistics
import sys


def quartiles(values):
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def read(path):
    rows, samples = {}, {}
    for line in open(path, encoding="utf-8"):
        if line.startswith("row\t"):
            name, *rest = line.rstrip("\n").split("\t")[1:]
            rows[name] = rest
        else:
            _, name, side, value = line.split()
            samples.setdefault(name, {"ours": [], "peer": []})[side].append(float(value))
    return rows, samples


def make(name, described, sides):
    unit, better, peer, target, goal, note = described
    ours, theirs = sides["ours"], sides["peer"]
    if not ours or len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} samples and {len(theirs)} of its peer")
    if not peer or min(ours + theirs) <= 0:
        raise ValueError("a peer or a value is missing")
    ratios = quartiles([a / b for a, b in zip(ours, theirs)])
    own = quartiles(ours)
    row = {"name": name, "unit": unit, "better": better, "value": own[1], "min": min(ours),
           "max": max(ours), "q1": own[0], "q3": own[2], "n": len(ours), "thrown": 0,
           "peer": peer, "peer_value": own[1] / ratios[1], "ratio": ratios[1],
           "ratio_q1": ratios[0], "ratio_q3": ratios[2], "note": note, "quick": False}
    for key, bound in (("target", target), ("goal", goal)):
        if bound != "-":
            row[key] = float(bound)
    return row


def verdict(row):
    if "target" not in row:
        return ""
    met = row["ratio"] >= row["target"] if row["better"] == "more" else row["ratio"] <= row["target"]
    return f"{'met' if met else 'MISS'} (target {row['target']}, goal {row.get('goal', '-')})"


def main():
    rows, samples = read(sys.argv[1])
    results, status = [], 0
    for name, described in rows.items():
        try:
            results.append(make(name, described, samples.get(name, {"ours": [], "peer": []})))
        except ValueError as error:
            print(f"bench-guest: row '{name}' refused: {error}", file=sys.stderr)
            status = 1
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    for row in results:
        print(f"{row['name']:28} {row['value']:9.1f} {row['unit']}, {row['ratio']:.2f} of {row['peer']}"
              f" [{row['ratio_q1']:.2f} {row['ratio_q3']:.2f}], n={row['n']} {verdict(row)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
