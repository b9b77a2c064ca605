#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each function of <tmem/tmem.h> has a page that names it and shows its own
prototype; each code and option of the header is explained somewhere; each page
is installed, and so is each name.

    manual.py SOURCE-ROOT
"""
import re
import sys
from pathlib import Path

top = Path(sys.argv[1])
header = re.sub(r"/\*.*?\*/", "", (top / "include/tmem/tmem.h").read_text(), flags=re.S)
types = re.sub(r"/\*.*?\*/", "", (top / "include/tmem/types.h").read_text(), flags=re.S)
pages = {p.name: p.read_text() for p in sorted(top.glob("man/*.3"))}
build = (top / "lib/meson.build").read_text()
passed = failed = 0


def check(what, good):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print("FAIL", what)


def plain(text):
    return re.sub(r"\s+", " ", text).replace("* ", "*").strip()


declared = {}
for text in re.findall(r"TMEM_API([^;]*);", header):
    text = plain(text.replace("TMEM_MUST_CHECK", ""))
    name = re.search(r"(\w+)\(", text).group(1)
    declared[name] = text

shown = {}
for page, text in pages.items():
    for kind, name, arguments in re.findall(r'^\.Ft (.*)\n\.Fn (\w+) (.*)$', text, re.M):
        shown[name] = plain("%s %s(%s)" % (kind, name, ", ".join(re.findall(r'"([^"]*)"', arguments))))
        check("%s is not in the NAME of %s" % (name, page), re.search(r"^\.Nm %s( ,)?$" % name, text, re.M))
        check("%s is not installed" % name, "'%s'" % name in build or page == name + ".3")
for name, text in declared.items():
    check("%s: the header has %s, the manual %s" % (name, text, shown.get(name)),
          shown.get(name) and shown[name].replace("*tmem_", "* tmem_").replace(" ", "") == text.replace(" ", ""))
for name in shown:
    check("%s is in the manual alone" % name, name in declared)
for page in pages:
    check("%s is not installed" % page, page in build)
every = "".join(pages.values())
for code, number in re.findall(r"(TMEM_E[A-Z]+) = (\d+)", header + types):
    check("%s is not in tmem_strerror.3" % code, re.search(r"%s Ta %s Ta" % (code, number), pages["tmem_strerror.3"]))
for struct in re.findall(r"struct tmem_(?:options|pool_options) \{(.*?)\}", header, re.S):
    for field in re.findall(r"(\w+)(?:\[2\])?;", struct):
        check("option %s is not explained" % field, re.search(r"Va %s\b" % field, every))
check("the control: a function that is in no page", "tmem_nothing" not in shown and len(declared) > 20)
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed != 0)
