/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The codecs that a host can hand to an engine. Each is a file of its own and
 * needs what its file includes; none knows the engine.
 */
#ifndef TMEM_CODEC_H
#define TMEM_CODEC_H

#include <tmem/host.h>

/* LZ4 blocks, where there is liblz4. Its scratch must be aligned like a pointer. */
extern const struct tmem_codec tmem_lz4;

/*
 * Our own, for worlds without libraries, and denser than LZ4. Freestanding; its
 * scratch, 4 KiB, must be aligned like a uint16_t.
 */
extern const struct tmem_codec tmem_small;

/* Words less what they share with one before: the fastest. No scratch. */
extern const struct tmem_codec tmem_vector;

/* The same format, byte for byte, by the instructions that this processor has. */
const struct tmem_codec *tmem_vector_here(void);

/* All that this processor can run, tmem_vector first, the fastest last; NULL: there are no more. */
const struct tmem_codec *tmem_vector_twin(uint32_t i);

#endif
