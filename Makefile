# SPDX-License-Identifier: MIT
# The front door: a name for each thing that one does here. What they do is
# in scripts/ and in Meson; `make` alone says which there are.

PREFIX ?= /usr/local
DESTDIR ?=
BENCH ?= full
STAGES ?=
TESTS ?=
SECONDS_EACH ?= 600
BUILD ?= build-release
RAM ?= 4096

# These are entered one by one; each of them uses the machine's processors itself.
.NOTPARALLEL:
.PHONY: help setup demo check check-long check-fallow check-guest check-guest-debug bench corpus build install fuzz clean

help:
	@echo 'make demo      a real guest swaps into tmem, verified; then the same guest without tmem'
	@echo 'make check     every test; last line: N passed, N failed (STAGES="style unit": only these)'
	@echo 'make check-long    what make check leaves out for want of time, a quarter of an hour'
	@echo 'make check-guest   only the tests in real guests, at most ten minutes (TESTS="reboot": only these)'
	@echo 'make check-guest-debug   the tests of tmem.ko under a kernel with lockdep and KASAN, built first: an hour and more'
	@echo 'make check-fallow  a guest full of pages gives its memory to whoever needs it (RAM=4096: MiB of it)'
	@echo 'make bench     the benchmark: table and results.json (BENCH=quick: 90 seconds)'
	@echo 'make corpus    the pages that the benchmark compresses, made once'
	@echo 'make build     optimised build in $(BUILD)'
	@echo 'make install   build and install (PREFIX=$(PREFIX), DESTDIR=$(DESTDIR))'
	@echo 'make fuzz      every fuzzer, $(SECONDS_EACH) s each (SECONDS_EACH=N)'
	@echo 'make setup     the Debian packages needed; the others do this first'
	@echo 'make clean     remove what was built'

setup:
	@scripts/setup

demo: setup
	@scripts/demo

check: setup
	@scripts/check $(STAGES)

check-long: setup
	@test -e build-check/long/build.ninja || meson setup build-check/long
	@meson test -C build-check/long --suite long
	@scripts/check coverage

check-fallow:
	@tests/lend/guest-fallow.sh --ram $(RAM)

check-guest:
	@scripts/setup --second-kernel
	@tests/guest/run $(TESTS)

check-guest-debug:
	@scripts/setup --kernel-source
	@tests/guest/run --debug $(TESTS)

bench: setup
	@BENCH=$(BENCH) scripts/bench

corpus: setup
	@scripts/corpus

build: setup
	@test -e $(BUILD)/build.ninja || meson setup --buildtype=release --prefix='$(PREFIX)' $(BUILD)
	@meson configure --prefix='$(PREFIX)' $(BUILD)
	@meson compile -C $(BUILD)

install: build
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD) --no-rebuild
	@install -d '$(DESTDIR)$(PREFIX)/include/tmem' '$(DESTDIR)$(PREFIX)/share/doc/tmem'
	@install -m 644 include/tmem/*.h '$(DESTDIR)$(PREFIX)/include/tmem'
	@install -m 644 README.md SECURITY.md NEWS.md LICENSES/* doc/*.md '$(DESTDIR)$(PREFIX)/share/doc/tmem'

fuzz: setup
	@scripts/fuzz --seconds $(SECONDS_EACH)

clean:
	rm -rf build/ build-*/ results.json
