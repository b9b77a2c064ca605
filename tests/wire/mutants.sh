#!/bin/sh
# SPDX-License-Identifier: MIT
# The control of the wire's tests: each line below breaks wire/ in one place,
# and one of the tests must fail with it. Unbroken, they pass.
#
#	mutants.sh <compiler> [argument...]
here=$(cd "$(dirname "$0")" && pwd) || exit 2
top=$here/../..
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
. "$here/../mutants/break.sh"
# build COMPILER...: the tests with the sources in $work
build() {
	"$@" -std=gnu11 -w -I"$top/include" -I"$work" -o "$work/judge" \
		"$here/test-judge.c" "$here/oracle.c" "$here/golden.c" "$work/format.c" "$work/judge.c" &&
		"$@" -std=gnu11 -w -I"$top/include" -I"$work" -o "$work/golden" \
			"$here/test-golden.c" "$here/hex.c" "$here/golden.c" "$work/format.c" "$work/judge.c"
}
pass() {
	"$work/judge" 20000 && "$work/golden" "$here/golden"
}
break_each "$top/wire" "$work" "$@" <<'EOM'
judge.c@writable < sizeof(struct tmem_rep)@writable <= sizeof(struct tmem_rep)
judge.c@readable < sizeof(struct tmem_req)@readable + 1 < sizeof(struct tmem_req)
judge.c@if (!state->greeted != (req.op == TMEM_WIRE_HELLO))@if (!state->greeted && req.op != TMEM_WIRE_HELLO)
judge.c@req.op >= TMEM_WIRE_OPS@req.op > 250
judge.c@readable == request->read && writable@readable >= request->read && writable
judge.c@writable == request->written@writable >= request->written
judge.c@req->object[0] != TMEM_WIRE_MAGIC@0
judge.c@low > high@0
judge.c@TMEM_WIRE_VERSION - low > high - low@high > 5
judge.c@req->index != TMEM_PAGE_SIZE@req->index % TMEM_PAGE_SIZE
judge.c@return req->object[2] ? -TMEM_EINVAL : 0@return 0
judge.c@req->flags & TMEM_POOL_PAGE_MASK@0
judge.c@req->flags & TMEM_POOL_RESERVED@0
judge.c@!(req->flags & TMEM_POOL_SHARED)@0
judge.c@return req->count == 1 ? 0 : -TMEM_EINVAL@return 0
judge.c@!req->count@0
judge.c@req->count > batch@req->count > 64
judge.c@req->count - 1u <= 0xffffffffu - req->index@req->count <= 0xffffffffu - req->index
judge.c@has_object(req) || req->index@has_object(req)
judge.c@sets_unused(req, has)@0
judge.c@(!(has & ARG1) && req->arg[1])@0
judge.c@(!(has & COOKIE) && req->cookie)@0
judge.c@req->form != TMEM_WIRE_ONE@0
judge.c@req->arg[0] > TMEM_WIRE_RANGE@0
judge.c@req->arg[0] > TMEM_WIRE_RANGE@req->arg[0] > 0xffffffffu - req->index
judge.c@if (ent.zero)@if (0)
judge.c@request->results = request->written;@request->results = 0;
judge.c@request->count * (uint64_t)sizeof(struct tmem_ent)@request->count * (uint64_t)24
judge.c@request->index = req->index@request->index = 0
format.c@req->count = tmem_get_le16(b + 2)@req->count = b[2]
format.c@tmem_put_le32(b + 4, req->flags)@tmem_put_le32(b, req->flags)
format.c@tmem_put_le64(b + 40, hello->session)@tmem_put_le64(b + 40, hello->epoch)
format.c@stat->lost = tmem_get_le64(b + 112)@stat->lost = 0
format.c@if (count & 1)@if (0)
bytes.h@(uint32_t)b[3] << 24@(uint32_t)b[3] << 16
bytes.h@(uint64_t)tmem_get_le32(b + 4) << 32@(uint64_t)tmem_get_le16(b + 4) << 32
EOM
