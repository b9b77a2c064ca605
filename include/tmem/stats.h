/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Statistics as one list: name, unit, one sentence. The engine fills them,
 * every printer walks the list. Counters are exact when nobody is in a call
 * and at most one operation per worker behind otherwise.
 */
#ifndef TMEM_STATS_H
#define TMEM_STATS_H

#include <tmem/base.h>

/* What happened: counted per pool and worker, summed for client and host. */
#define TMEM_COUNTERS(X)                                                                         \
	X(puts, "operations", "puts tried")                                                      \
	X(puts_stored, "operations", "puts that stored their page")                              \
	X(puts_replaced, "operations", "duplicate puts whose new page took the old one's place") \
	X(puts_flushed, "operations", "duplicate puts that failed and flushed the old page")     \
	X(puts_no_room, "operations", "puts refused because the host has no room")               \
	X(puts_over_limit, "operations", "puts refused over the client's allocation or cap")     \
	X(puts_frozen, "operations", "puts refused because the client is frozen")                \
	X(gets, "operations", "gets tried")                                                      \
	X(gets_hit, "operations", "gets that returned their page")                               \
	X(gets_lost, "operations", "gets whose page was lost or failed its check")               \
	X(gets_taken, "operations", "gets that missed because the host took their page")         \
	X(flushes, "operations", "page flushes tried")                                           \
	X(flushes_found, "operations", "page flushes that found their page")                     \
	X(range_flushes, "operations", "range flushes tried")                                    \
	X(object_flushes, "operations", "object flushes tried")                                  \
	X(object_flushes_found, "operations", "object flushes that found their object")          \
	X(pages_same, "operations", "puts stored as a same-filled page, without data")           \
	X(pages_raw, "operations", "puts stored as they are")                                    \
	X(pages_coded, "operations", "puts stored compressed")                                   \
	X(pages_poor, "operations", "puts that a codec was tried on and that did not pay")       \
	X(bytes_coded_in, "bytes", "bytes of the pages that were stored compressed")             \
	X(bytes_coded_out, "bytes", "bytes that these took after compression")                   \
	X(evicted, "operations", "pages dropped one by one, to make room")                       \
	X(evicted_capped, "operations", "of these, those of a client that was at its cap")       \
	X(swept, "operations", "pages of flushed objects and destroyed pools freed in steps")    \
	X(recoded, "operations", "pages that background steps stored anew by the dense codec")   \
	X(recoded_back, "operations", "dense pages that were got, and stored fast again")        \
	X(recoded_poor, "operations", "tries that the dense codec did not pay on, or failed")

/* What is: per pool, client and host. */
#define TMEM_GAUGES(X)                                                                   \
	X(ephemeral_pages, "pages", "ephemeral pages stored now")                        \
	X(ephemeral_bytes, "bytes", "bytes of their blocks, headers included")           \
	X(ephemeral_payload, "bytes", "bytes of their payload alone")                    \
	X(persistent_pages, "pages", "persistent pages stored now, dying ones included") \
	X(persistent_bytes, "bytes", "bytes of their blocks, headers included")          \
	X(persistent_payload, "bytes", "bytes of their payload alone")                   \
	X(dense_pages, "pages", "of both kinds, those of the dense codec")               \
	X(dense_payload, "bytes", "bytes of their payload alone")                        \
	X(objects, "objects", "objects that pages are filed under")                      \
	X(index_bytes, "bytes",                                                          \
	  "bytes of the records that find the pages; a pool's first buckets are not counted")

/* What is, for a client and for the host only. */
#define TMEM_HOST_GAUGES(X)                                                                      \
	X(extent_bytes, "bytes", "bytes of the extents that hold pages")                         \
	X(meta_bytes, "bytes", "bytes of the extents that hold records")                         \
	X(order_bytes, "bytes", "bytes that remember the order of puts")                         \
	X(allocation, "bytes", "bytes promised to persistent pools")                             \
	X(billed, "bytes", "bytes that persistent pools are billed for, metadata included")      \
	X(capacity, "bytes", "bytes of extents that the engine may have")                        \
	X(freeable, "bytes", "bytes that dropping every ephemeral page would free")              \
	X(dying_objects, "objects", "flushed objects whose memory is not back yet")              \
	X(extents_dropped, "extents", "ephemeral extents dropped whole")                         \
	X(pages_dropped, "pages", "pages that went with them")                                   \
	X(dropped_for_room, "pages", "of these, those whose memory somebody needed")             \
	X(dropped_over_cap, "pages", "of these, those of a client that was over its cap")        \
	X(dropped_when_asked, "pages", "of these, those whose memory was asked back")            \
	X(dropped_when_taken, "pages", "of these, those whose extent the host took from")        \
	X(lent_bytes, "bytes", "bytes of extents that the host may take at any moment")          \
	X(extents_lent, "extents", "times that an extent was lent so")                           \
	X(extents_kept, "extents", "of these, those that ended because its room was needed")     \
	X(extents_taken, "extents", "extents dropped because the host had taken from them")      \
	X(reclaim_asked, "bytes", "bytes that were asked back")                                  \
	X(reclaim_given, "bytes", "bytes that were given back for that")                         \
	X(ephemeral_pages_most, "pages",                                                         \
	  "ephemeral pages stored at most; of the host: summed over its clients")                \
	X(persistent_pages_most, "pages", "persistent pages stored at most; likewise")           \
	X(extent_bytes_most, "bytes", "bytes of extents at most; likewise")                      \
	X(extents_compacted, "extents", "persistent extents whose pages were moved together")    \
	X(extents_vacated, "extents", "extents emptied into the room of others, and given back") \
	X(pages_moved, "pages", "pages that were moved for that")

#define TMEM_STAT_FIELD_(name, unit, sentence) uint64_t name;

struct tmem_stats {
	TMEM_COUNTERS(TMEM_STAT_FIELD_)
	TMEM_GAUGES(TMEM_STAT_FIELD_)
	TMEM_HOST_GAUGES(TMEM_STAT_FIELD_)
};

#endif
