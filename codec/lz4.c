/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Pages as LZ4 blocks. liblz4 counts in int and trusts its state pointer:
 * both are judged here, so that no length reaches it that it could misread.
 */
#include <lz4.h>

#include "codec.h"
#include "tmem_port.h"

/* The longest block that a page can become. */
#define BLOCK_MAX ((uint32_t)LZ4_COMPRESSBOUND(TMEM_PAGE_SIZE))

TMEM_STATIC_ASSERT(sizeof(LZ4_stream_t) <= 64 * 1024);

static uint32_t compress(const struct tmem_codec *codec, void *work, const void *page, void *dst,
			 uint32_t room)
{
	int length;

	(void)codec;
	if ((size_t)work % sizeof(void *) != 0)
		tmem_panic(__FILE__, __LINE__, "scratch of the LZ4 codec is not aligned");
	if (room > BLOCK_MAX)
		room = BLOCK_MAX;
	length = LZ4_compress_fast_extState(work, page, dst, TMEM_PAGE_SIZE, (int)room, 1);
	return length > 0 ? (uint32_t)length : 0;
}

static int decompress(const struct tmem_codec *codec, void *work, const void *src, uint32_t length,
		      void *page)
{
	(void)codec;
	(void)work;
	if (length == 0 || length > BLOCK_MAX)
		return -TMEM_EIO;
	if (LZ4_decompress_safe(src, page, (int)length, TMEM_PAGE_SIZE) != (int)TMEM_PAGE_SIZE)
		return -TMEM_EIO;
	return 0;
}

const struct tmem_codec tmem_lz4 = {
	.id = TMEM_CODEC_LZ4,
	.name = "lz4",
	.work_size = sizeof(LZ4_stream_t),
	.compress = compress,
	.decompress = decompress,
};
