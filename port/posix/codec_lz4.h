/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The LZ4 codec of hosts that have liblz4. Not called lz4.h, which is the
 * library's own header and would be hidden by it.
 */
#ifndef TMEM_CODEC_LZ4_H
#define TMEM_CODEC_LZ4_H

#include <tmem/host.h>

/* Its scratch must be aligned like a pointer. */
extern const struct tmem_codec tmem_lz4;

#endif
