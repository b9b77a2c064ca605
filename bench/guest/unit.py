#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prints a C translation unit as generators write them: a long table, and functions that use it.

usage: unit.py ENTRIES FUNCTIONS

All is drawn from a fixed seed, so it is the same unit each time.
"""
import random
import sys

OPERATORS = "+-*^|&"


def function(draw, number, entries):
    print(f"unsigned f{number}(unsigned a, unsigned b, const unsigned *p)\n{{")
    for name in "xyz":
        print(f"\tunsigned {name} = a {draw.choice(OPERATORS)} {draw.randrange(1 << 30)}u;")
    print(f"\tfor (unsigned i = 0; i < (b & {draw.randrange(7, 63)}); i++) {{")
    for _ in range(draw.randrange(2, 6)):
        to, one, two = (draw.choice("xyz") for _ in range(3))
        print(f"\t\tif ({one} > {draw.randrange(1 << 20)}u)")
        print(f"\t\t\t{to} = {one} {draw.choice(OPERATORS)} ({two} >> {draw.randrange(1, 15)});")
        print(f"\t\telse\n\t\t\t{to} += p[{draw.randrange(64)}] + t[{draw.randrange(entries)}].c;")
    print("\t}")
    if number:
        print(f"\tx += f{draw.randrange(number)}(y, z & 7, p);")
    print("\treturn x ^ y ^ z;\n}\n")


def main():
    entries, functions = (int(word) for word in sys.argv[1:])
    draw = random.Random(12)
    print("struct entry { const char *s; unsigned a, b, c; };\nconst struct entry t[] = {")
    for _ in range(entries):
        numbers = ", ".join(str(draw.randrange(1 << 31)) for _ in range(3))
        print(f'\t{{"{draw.getrandbits(40):x}", {numbers}}},')
    print("};\n")
    for number in range(functions):
        function(draw, number, entries)


main()
