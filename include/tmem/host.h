/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a host supplies at run time: extents of memory, and codecs. The
 * compile-time half of the border is port/<world>/tmem_port.h.
 */
#ifndef TMEM_HOST_H
#define TMEM_HOST_H

#include <tmem/types.h>

/* What an extent will hold. A host may take each from other memory. */
enum tmem_extent_kind {
	TMEM_EXTENT_META,	/* the engine's own records; dies with the engine */
	TMEM_EXTENT_EPHEMERAL,	/* pages that may be dropped whole */
	TMEM_EXTENT_PERSISTENT, /* pages that must be kept: memory that can survive the process */
	TMEM_EXTENT_RECORDS	/* the records that name persistent pages: survives with them */
};

/*
 * Preconditions of all calls: @host is the config's host pointer. Any thread
 * may call, several at once; no call may sleep for longer than the system
 * needs to hand out memory, and none may call the engine back.
 */
struct tmem_host_ops {
	/*
	 * Memory of at least @min and at most @max bytes, both powers of two
	 * from 4096 to 2 MiB; *@size becomes what was given, a power of two.
	 * Aligned to its size, contents undefined, mapped and readable for the
	 * life of the host even after extent_free. NULL where there is none:
	 * that is normal and never logged.
	 */
	void *(*extent_alloc)(void *host, enum tmem_extent_kind kind, size_t min, size_t max,
			      size_t *size);
	/*
	 * Gives back exactly what extent_alloc gave. The address stays mapped;
	 * the host scrubs it before another owner sees it. Never fails.
	 */
	void (*extent_free)(void *host, enum tmem_extent_kind kind, void *extent, size_t size);
	/*
	 * Both or neither; NULL: this world cannot. From extent_lend on the host
	 * may take any 4 KiB of a whole ephemeral extent at any moment and without
	 * a word; these read as zeros then, all of them at once. Nobody writes to
	 * the extent until extent_keep has returned, after which what is there
	 * stays. A lent extent may be freed. 0, or -TMEM_EOPNOTSUPP: it is not lent.
	 */
	int (*extent_lend)(void *host, enum tmem_extent_kind kind, void *extent, size_t size);
	void (*extent_keep)(void *host, enum tmem_extent_kind kind, void *extent, size_t size);
};

/* Codec numbers: a registry for ever, they are in every stored block. */
enum tmem_codec_id {
	TMEM_CODEC_RAW = 0,    /* the page as it is */
	TMEM_CODEC_SAME = 1,   /* one 64-bit word, repeated; no data for zero */
	TMEM_CODEC_LZ4 = 2,    /* an LZ4 block */
	TMEM_CODEC_ZSTD = 3,   /* a dictionary's number or 0, and a zstd frame without its magic */
	TMEM_CODEC_SMALL = 4,  /* the engine's own, for worlds without libraries */
	TMEM_CODEC_VECTOR = 5, /* vector v1 */
	TMEM_CODEC_COUNT = 16  /* ids are below this */
};

/*
 * A codec. Both calls get @work, work_size bytes that belong to the calling
 * worker, and only ever see the engine's own copies of a page.
 */
struct tmem_codec {
	uint8_t id; /* one of enum tmem_codec_id, from TMEM_CODEC_LZ4 on */
	const char *name;
	uint32_t work_size; /* bytes of scratch per worker, at most 64 KiB */
	/* One page into @dst: bytes written, 1 to @room; 0 where it does not fit or fails. */
	uint32_t (*compress)(const struct tmem_codec *codec, void *work, const void *page,
			     void *dst, uint32_t room);
	/* @length bytes back into one page: 0, or -TMEM_EIO. Total over all inputs. */
	int (*decompress)(const struct tmem_codec *codec, void *work, const void *src,
			  uint32_t length, void *page);
	/*
	 * As compress(), of the codec that tmem_engine_recode() is to use; NULL in
	 * all others. Pages of one @family may be alike: they are one client's, of
	 * one kind. One worker at a time calls it.
	 */
	uint32_t (*recode)(const struct tmem_codec *codec, void *work, uint32_t family,
			   const void *page, void *dst, uint32_t room);
	/*
	 * No page of @family is left, nobody is decompressing one, and the number
	 * may come again for others. Not while recode() runs. May be NULL.
	 */
	void (*forget)(const struct tmem_codec *codec, uint32_t family);
	void *context; /* the host's */
};

#endif
