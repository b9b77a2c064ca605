/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Integers as little-endian bytes, at any address and on any machine. A
 * compiler makes one load or store of each where the machine allows it.
 */
#ifndef TMEM_WIRE_BYTES_H
#define TMEM_WIRE_BYTES_H

#include <tmem/base.h>

static inline uint16_t tmem_get_le16(const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	return (uint16_t)(b[0] | (uint16_t)b[1] << 8);
}

static inline uint32_t tmem_get_le32(const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline uint64_t tmem_get_le64(const void *bytes)
{
	const uint8_t *b = (const uint8_t *)bytes;

	return tmem_get_le32(b) | (uint64_t)tmem_get_le32(b + 4) << 32;
}

static inline void tmem_put_le16(void *bytes, uint16_t value)
{
	uint8_t *b = (uint8_t *)bytes;

	b[0] = (uint8_t)value;
	b[1] = (uint8_t)(value >> 8);
}

static inline void tmem_put_le32(void *bytes, uint32_t value)
{
	uint8_t *b = (uint8_t *)bytes;

	b[0] = (uint8_t)value;
	b[1] = (uint8_t)(value >> 8);
	b[2] = (uint8_t)(value >> 16);
	b[3] = (uint8_t)(value >> 24);
}

static inline void tmem_put_le64(void *bytes, uint64_t value)
{
	uint8_t *b = (uint8_t *)bytes;

	tmem_put_le32(b, (uint32_t)value);
	tmem_put_le32(b + 4, (uint32_t)(value >> 32));
}

#endif
